"""The sensor that tells a desk what went wrong: `notify.yaml` says where to."""

import json
import lzma
import shutil
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from optimizer import DataError, PackfolioError
from pipeline.jobs import daily_run
from pipeline.schedules import closed_sessions
from resources.alerts.conditions import OVER, Alert, conditions, disk, gathered, is_told_of, over
from resources.alerts.sending import Send, channels
from resources.alerts.settings import load_notify
from resources.dagster_resources import DeskResource, WarehouseResource

GIB = 1 << 30
Told = dict[str, dict[str, str]]  # channel -> (key -> kind) of what was sent and still lasts
LATE = timedelta(hours=4)  # after the close, before a session counts as missed


@dg.sensor(
    job=daily_run, minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.STOPPED,
    description="Tells the channels of notify.yaml what went wrong; it starts nothing.",
)  # fmt: skip
def alerts(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.SkipReason:
    """Sends what went wrong to the channels of notify.yaml, once while it lasts, and what is over."""
    notify = load_notify(Path(desk.folder))
    if notify is None or not (notify.webhooks or notify.mail):
        return dg.SkipReason("notify.yaml names no channel: nothing is sent")
    home = Path(warehouse.home)
    found, looked = wrong_now(desk, warehouse, notify.free_gib, datetime.now(UTC))
    told, said, failed = send_new(found, looked, channels(notify, home), opened(context.cursor))
    context.update_cursor(packed(told))
    for reason in failed:
        context.log.error(reason)
    return dg.SkipReason("; ".join([*failed, *said]) or "nothing new is wrong")


def packed(told: Told) -> str:
    """A cursor: Dagster keeps one with every tick of a week, and ten thousand books may fail at once."""
    return b64encode(lzma.compress(json.dumps(told, sort_keys=True).encode())).decode()


def opened(cursor: str | None) -> Mapping[str, object]:
    """What a cursor holds; one of an older release is plain JSON."""
    if not cursor or cursor.startswith("{"):
        return json.loads(cursor or "{}")  # type: ignore[no-any-return]
    return json.loads(lzma.decompress(b64decode(cursor)))  # type: ignore[no-any-return]


def wrong_now(
    desk: DeskResource, warehouse: WarehouseResource, least_gib: float, now: datetime
) -> tuple[list[Alert], set[str]]:
    """What is wrong, and the kinds that were looked at: of the others nobody knows whether they are over."""
    free_gib = shutil.disk_usage(warehouse.home).free / GIB
    found = list(disk(Path(warehouse.home), free_gib, least_gib))
    looked = {"configuration"} | ({"disk"} if is_told_of(free_gib, least_gib) else set())
    sessions: Collection[date] | None = None
    try:
        sessions = closed_sessions(desk.load(), warehouse, now - LATE)
    except PackfolioError as error:
        found.append(Alert("configuration", "configuration", f"the configuration has mistakes: {error}"))
    opened = warehouse.open()
    if not opened.published.exists():  # before the first run
        return found, looked
    try:
        with opened.read() as con:
            found += conditions(con, now, sessions or ())
    except DataError as error:
        found.append(Alert("record", "record", f"the published copy cannot be read: {error}"))
        return found, looked | {"record"}
    unseen = {"disk"} if sessions is not None else {"disk", "missed_session"}
    return found, looked | set(OVER) - unseen


def send_new(
    found: Sequence[Alert], looked: Collection[str], ways: Mapping[str, Send], told: Mapping[str, object]
) -> tuple[Told, list[str], list[str]]:
    """Sends each channel what it was not told yet, and of which kinds nothing is wrong any more.

    looked  the kinds that were looked at
    told    a `Told`, or what an older release kept in its place
    Gives what is told after, what was sent, and what was not taken: it is sent again the next time.
    """
    keys, kinds = {alert.key for alert in found}, {alert.kind for alert in found}
    after, said, failed = Told(), list[str](), list[str]()
    for name, send in ways.items():
        known = told.get(name)
        known = known if isinstance(known, dict) else {}  # an older release kept no kinds
        lasting = {key: kind for key, kind in known.items() if key in keys or kind not in looked}
        new = [alert for alert in found if alert.key not in lasting]
        ended = [over(kind) for kind in sorted({*known.values()} - {*lasting.values()} - kinds)]
        try:
            lines = list(gathered(new))
            if lines or ended:
                send([*lines, *ended])
            said += [f"{name} was told of {', '.join(alert.key for alert in lines)}"] if lines else []
            said += (
                [f"{name} was told what is over: {', '.join(alert.key for alert in ended)}"] if ended else []
            )
            after[name] = lasting | {alert.key: alert.kind for alert in new}
        except PackfolioError as error:
            after[name] = known
            failed.append(str(error))
    return after, said, failed
