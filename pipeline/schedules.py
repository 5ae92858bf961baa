"""When runs start by themselves: after the close, when a session is missing, when a file arrives."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from assets.shared.partitions import FIRST
from optimizer import DataError
from optimizer.errors import how_many
from pipeline.jobs import backup, daily_run, ingest, purge_runs
from pipeline.run_history.attempts import PARTITION, SENSOR, attempts
from pipeline.run_history.interrupted_runs import quiet, sweep
from resources.audit.restatements import book_news, proposed_revisions
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import sha256
from resources.logs.calendars import Calendar, desk_calendar
from resources.packs.packs import begun_on, newest_revision, pack_id, watermark
from resources.prices.folder import is_delivery
from resources.settings.configuration import Configuration, housekeeping
from resources.settings.sources import FolderSettings

LOOK_BACK = timedelta(days=14)
SETTLED_SECONDS = 5.0
INBOX = "inbox_files"


def live_exchange(desk: Configuration) -> str | None:
    """The exchange of the first enabled live source; None when none is live."""
    return next((source.exchange for source in desk.sources.sources if source.enabled and source.live), None)


def _calendar(desk: Configuration, warehouse: WarehouseResource, now: datetime) -> Calendar | None:
    exchange = live_exchange(desk)
    return desk_calendar(desk, exchange, now.date(), Path(warehouse.home) / "cache") if exchange else None


def closed_sessions(desk: Configuration, warehouse: WarehouseResource, now: datetime) -> list[date]:
    """The sessions of live sources that closed in the two weeks before `now`; none where no source is live."""
    calendar = _calendar(desk, warehouse, now)
    if calendar is None:
        return []
    return _sessions(calendar, calendar.last_closed_session(now))


def _sessions(calendar: Calendar, last: date) -> list[date]:
    """The sessions of two weeks that may have a pack."""
    return [day for day in calendar.sessions(last - LOOK_BACK, last) if day >= FIRST]


@dg.schedule(
    job=daily_run,
    cron_schedule="30 18 * * 1-5",
    execution_timezone="America/New_York",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="The daily run of every session of the live sources, two and a half hours after the regular close.",
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


@dg.sensor(
    job=daily_run, minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.STOPPED,
    description="A run for each closed session of the last two weeks without a fresh pack.",
)  # fmt: skip
def missing_sessions(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource, desk: DeskResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """A run for each closed session of the last two weeks without a fresh pack: a missed tick, a late file.

    None before the desk's first pack: its books begin there.
    A session whose run failed, or whose pack was rejected, is run again: at once when something was ingested since,
    else after a wait that doubles with each attempt.
    """
    now = datetime.now(UTC)
    calendar = _calendar(desk.load(), warehouse, now)
    if calendar is None:
        yield dg.SkipReason("no source is live: nothing new can come")
        return
    last = calendar.last_closed_session(now - timedelta(hours=4))
    with warehouse.open().live() as con:
        mark = watermark(con)
        begun = begun_on(con)
        newest = {day: newest_revision(con, day) for day in _sessions(calendar, last)}
    missing = {
        day: pack
        for day, pack in newest.items()
        if (pack is None or not pack.fresh) and day >= (begun or day)
    }
    asked = 0
    for day, pack in missing.items():
        key, earlier = pack_id(day), attempts(context, {PARTITION: pack_id(day)}, daily_run.name)
        news = pack is not None and mark > pack.watermark
        attempt = earlier.ended + 1
        if earlier.due(now.timestamp(), 1 if news else attempt):
            asked += 1
            yield dg.RunRequest(run_key=f"missing-{key}-{attempt}", partition_key=key)
    if not asked:
        waiting = f"{how_many(len(missing), 'session')} to be tried again later"
        yield dg.SkipReason(waiting if missing else f"every session up to {last} has its pack")


@dg.sensor(
    name=INBOX, job=ingest, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.STOPPED,
    description="Ingestion when a file of a folder source is new or changed, and has lain still some seconds.",
)  # fmt: skip
def inbox_files(context: dg.SensorEvaluationContext, desk: DeskResource) -> dg.SensorResult | dg.SkipReason:
    """Ingestion when a file in a folder source is new or changed, whatever its date, and has lain still some seconds.

    The cursor holds the times and the size of each file; each request has a key of its own. A run that failed is asked
    for again, each time after a longer wait.
    """
    now = datetime.now(UTC).timestamp()
    configuration = desk.load()
    folders = [s for s in configuration.sources.sources if s.enabled and isinstance(s, FolderSettings)]
    found: dict[str, list[float]] = {}
    for folder in folders:
        found |= _settled(folder.name, configuration.folder / folder.path, folder.pattern, now)
    known = json.loads(context.cursor) if context.cursor else {}
    arrived = {name: state for name, state in found.items() if known.get(name) != state}
    if arrived:
        key = f"inbox-{sha256(json.dumps(arrived, sort_keys=True))[:16]}-1"
    else:
        last = attempts(context, {SENSOR: INBOX}, ingest.name, newest=1)
        if not last.failed:
            return dg.SkipReason("no new file" if folders else "no source is a folder")
        first, _, count = last.key.rpartition("-")
        if not last.due(now, int(count) + 1):
            return dg.SkipReason("the last ingestion failed; it is tried again later")
        key = f"{first}-{int(count) + 1}"
    return dg.SensorResult([dg.RunRequest(run_key=key)], cursor=json.dumps(found, sort_keys=True))


def _settled(source: str, root: Path, pattern: str, now: float) -> dict[str, list[float]]:
    """The files that nobody writes any more -> when they were written and changed, and their size.

    A time ahead of our clock is another machine's: such a file does not wait for ours to catch up.
    """
    found = {}
    for file in sorted(root.glob(pattern)) if root.is_dir() else ():
        if not is_delivery(file):
            continue
        with suppress(OSError):  # a link to nothing, or what this user may not look at: an ingest names it
            stat = file.stat()
            if abs(now - stat.st_mtime) > SETTLED_SECONDS:
                place = f"{source}/{file.relative_to(root).as_posix()}"
                found[place] = [stat.st_mtime, stat.st_ctime, stat.st_size]
    return found


@dg.sensor(
    job=ingest, minimum_interval_seconds=600, default_status=dg.DefaultSensorStatus.STOPPED,
    description="Says when restated history would move a live portfolio; it proposes a revision and starts nothing.",
)  # fmt: skip
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


@dg.sensor(
    job=ingest, minimum_interval_seconds=120, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Marks as failed the runs whose process is gone; it starts nothing.",
)  # fmt: skip
def stuck_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Marks as failed the runs whose process is gone: a killed run would otherwise count as running for ever."""
    swept, silent = sweep(context.instance), quiet(context.instance)
    said = [f"marked as failed: {', '.join(swept)}"] if swept else []
    for one in silent:
        context.log.warning(str(one))
        said.append(str(one))
    return dg.SkipReason("; ".join(said) or "no run is stuck")


@dg.schedule(
    job=backup, cron_schedule="0 23 * * *", execution_timezone="America/New_York",
    description="A backup every night, where pipeline.yaml names a folder for it.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)  # fmt: skip
def nightly_backup(desk: DeskResource) -> dg.RunRequest | dg.SkipReason:
    """A backup every night, where pipeline.yaml names a folder for it."""
    if housekeeping(Path(desk.folder)).backup_folder is None:
        return dg.SkipReason("pipeline.yaml names no housekeeping.backup_folder")
    return dg.RunRequest()


@dg.schedule(
    job=purge_runs, cron_schedule="30 23 * * 6", execution_timezone="America/New_York",
    description="An end to old runs in Dagster's history, every Saturday night.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)  # fmt: skip
def weekly_purge() -> dg.RunRequest:
    """An end to old runs in Dagster's history, every Saturday night."""
    return dg.RunRequest()
