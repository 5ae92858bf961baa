"""The sensor that tells a desk what went wrong: `notify.yaml` says where to."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from optimizer import DataError, PackfolioError
from pipeline.jobs import daily_run
from pipeline.schedules import closed_sessions
from resources.alerts.conditions import Alert, conditions, disk
from resources.alerts.sending import Send, channels
from resources.alerts.settings import load_notify
from resources.dagster_resources import DeskResource, WarehouseResource

LATE = timedelta(hours=4)  # after the close, before a session counts as missed


@dg.sensor(
    job=daily_run, minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.STOPPED,
    description="Tells the channels of notify.yaml what went wrong; it starts nothing.",
)  # fmt: skip
def alerts(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.SkipReason:
    """Sends what went wrong to the channels of notify.yaml, once while it lasts; what is not taken is sent again."""
    notify = load_notify(Path(desk.folder))
    if notify is None or not (notify.webhooks or notify.mail):
        return dg.SkipReason("notify.yaml names no channel: nothing is sent")
    now = datetime.now(UTC)
    found = list(disk(Path(warehouse.home), notify.free_gib))
    try:
        sessions = closed_sessions(desk.load(), warehouse, now - LATE)
        with warehouse.open().read() as con:
            found += conditions(con, now.date(), sessions)
    # Before the first run; or a configuration with mistakes, which a desk must know.
    except PackfolioError as error:
        if not isinstance(error, DataError):
            found.append(Alert("configuration", "configuration", f"the configuration has mistakes: {error}"))
    told = json.loads(context.cursor) if context.cursor else {}
    cursor, said, failed = send_new(found, channels(notify), told)
    context.update_cursor(json.dumps(cursor, sort_keys=True))
    for reason in failed:
        context.log.error(reason)
    return dg.SkipReason("; ".join([*failed, *said]) or "nothing new is wrong")


def send_new(
    found: Sequence[Alert], ways: Mapping[str, Send], told: Mapping[str, Sequence[str]]
) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Sends each channel what it was not told yet.

    told  channel -> keys that were sent and still last
    Gives the same of after, what was sent, and what was not taken: it is sent again the next time.
    """
    keys = {alert.key for alert in found}
    after, said, failed = {}, [], []
    for name, send in ways.items():
        known = [key for key in told.get(name, ()) if key in keys]
        new = [alert for alert in found if alert.key not in known]
        try:
            if new:
                send(new)
                said.append(f"{name} was told of {', '.join(alert.key for alert in new)}")
            after[name] = [*known, *(alert.key for alert in new)]
        except PackfolioError as error:
            after[name] = known
            failed.append(str(error))
    return after, said, failed
