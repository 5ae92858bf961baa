"""When runs start by themselves: after the close, when a session is missing, when a file arrives."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from optimizer.errors import DataError
from pipeline.interrupted_runs import sweep
from pipeline.jobs import daily_run, ingest
from resources.audit.restatements import book_news, proposed_revisions
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.logs.calendars import Calendar, load_calendar
from resources.packs.packs import newest_revision, pack_id, watermark
from resources.settings.configuration import Configuration
from resources.settings.sources import FolderSettings

LOOK_BACK = timedelta(days=14)
SETTLED_SECONDS = 5.0


def live_exchange(desk: Configuration) -> str | None:
    """The exchange of the first enabled live source; None when none is live."""
    return next((source.exchange for source in desk.sources.sources if source.enabled and source.live), None)


def _calendar(desk: Configuration, warehouse: WarehouseResource, now: datetime) -> Calendar | None:
    exchange = live_exchange(desk)
    return load_calendar(exchange, now.date(), Path(warehouse.home) / "cache") if exchange else None


@dg.schedule(
    job=daily_run,
    cron_schedule="30 18 * * 1-5",
    execution_timezone="America/New_York",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
def after_the_close(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.RunRequest | dg.SkipReason:
    """The daily run of every session, two and a half hours after the regular close; holidays are skipped."""
    now = context.scheduled_execution_time
    calendar = _calendar(desk.load(), warehouse, now)
    if calendar is None:
        return dg.SkipReason("no source is live: nothing new can come")
    if not calendar.is_session(now.date()):
        return dg.SkipReason(f"{now.date()} is not a session of {calendar.exchange}")
    key = pack_id(now.date())
    return dg.RunRequest(run_key=key, partition_key=key)


@dg.sensor(job=daily_run, minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.STOPPED)
def missing_sessions(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource, desk: DeskResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """A run for each closed session of the last two weeks that has no pack: a missed tick, a machine that slept."""
    now = datetime.now(UTC)
    calendar = _calendar(desk.load(), warehouse, now)
    if calendar is None:
        yield dg.SkipReason("no source is live: nothing new can come")
        return
    last = calendar.last_closed_session(now - timedelta(hours=4))
    with warehouse.open().live() as con:
        missing = [
            day for day in calendar.sessions(last - LOOK_BACK, last) if newest_revision(con, day) is None
        ]
    for day in missing:
        yield dg.RunRequest(run_key=f"missing-{pack_id(day)}", partition_key=pack_id(day))
    if not missing:
        yield dg.SkipReason(f"every session up to {last} has its pack")


@dg.sensor(job=ingest, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.STOPPED)
def inbox_files(context: dg.SensorEvaluationContext, desk: DeskResource) -> dg.SensorResult | dg.SkipReason:
    """Ingestion when a file in a folder source is new or changed, and has lain still for some seconds."""
    configuration = desk.load()
    folders = [s for s in configuration.sources.sources if s.enabled and isinstance(s, FolderSettings)]
    now = datetime.now(UTC).timestamp()
    found: dict[str, list[float]] = {}
    for folder in folders:
        root = configuration.folder / folder.path
        for file in sorted(root.glob(folder.pattern)) if root.is_dir() else ():
            stat = file.stat()
            if file.is_file() and now - stat.st_mtime > SETTLED_SECONDS:
                found[f"{folder.name}/{file.relative_to(root).as_posix()}"] = [stat.st_mtime, stat.st_size]
    known = json.loads(context.cursor) if context.cursor else {}
    arrived = [name for name, state in found.items() if known.get(name) != state]
    if not arrived:
        return dg.SkipReason("no new file" if folders else "no source is a folder")
    cursor = json.dumps(found, sort_keys=True)
    return dg.SensorResult(
        [dg.RunRequest(run_key=f"inbox-{max(s[0] for s in found.values())}")], cursor=cursor
    )


@dg.sensor(minimum_interval_seconds=600, default_status=dg.DefaultSensorStatus.STOPPED, job=ingest)
def restatements(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.SkipReason:
    """Says when restated history would move a live portfolio, and proposes a revision; it never revises by itself."""
    try:
        with warehouse.open().read() as con:
            newest = str(watermark(con))
            if context.cursor == newest:
                return dg.SkipReason("nothing was ingested since the last look")
            proposals = proposed_revisions(con, desk.load().restated_weight)
            news = book_news(con)
    except DataError as error:  # before the first run, or the first fresh pack
        return dg.SkipReason(str(error))
    context.update_cursor(newest)
    for proposal in proposals:
        context.log.warning(f"{proposal.reason}; to accept it: {proposal.command}")
    for one in news:
        context.log.warning(one.reason)
    said = [f"proposed: {proposal.command}" for proposal in proposals] + [one.reason for one in news]
    return dg.SkipReason("; ".join(said) or "no restatement moves a live portfolio")


@dg.sensor(minimum_interval_seconds=120, default_status=dg.DefaultSensorStatus.RUNNING, job=ingest)
def stuck_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Marks as failed the runs whose process is gone: a killed run would otherwise count as running for ever."""
    swept = sweep(context.instance)
    return dg.SkipReason(f"marked as failed: {', '.join(swept)}" if swept else "no run is stuck")
