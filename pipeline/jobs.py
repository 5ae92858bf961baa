"""The jobs: the daily run, ingestion alone, one pack, the backtest; a backup, and an end to Dagster's old runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from optimizer import DataError
from optimizer.errors import how_many
from pipeline.run_history.storage import EventHistory
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.settings.configuration import HousekeepingFile, housekeeping

CHAIN = dg.AssetSelection.groups("packs", "model", "portfolios")
INGEST = dg.AssetSelection.groups("prices", "service")
RESEARCH = dg.AssetSelection.groups("research")
AT_ONCE = 200  # runs that are read at once
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]

ingest = dg.define_asset_job(
    "ingest", selection=INGEST, description="Bring every source's new deliveries into the logs."
)
daily_run = dg.define_asset_job(
    "daily_run",
    selection=INGEST | CHAIN,
    description="Ingest, cut the pack of the as-of date, and run the chain to trades.",
)
pack_run = dg.define_asset_job(
    "pack_run",
    selection=CHAIN,
    description="The chain of one as-of date on what is on record, without ingesting.",
)
research = dg.define_asset_job(
    "research",
    selection=RESEARCH,
    description="Replay each policy through the past.",
)


@dg.op
def make_backup(context: dg.OpExecutionContext, warehouse: WarehouseResource, desk: DeskResource) -> None:
    """A verified backup into the folder that pipeline.yaml names; the oldest beyond `keep_backups` are taken away."""
    from resources.audit.rotation import backup_into  # with the libraries of signatures: not for each run

    settings, config = housekeeping(Path(desk.folder)), Path(desk.folder)
    if settings.backup_folder is None:
        raise DataError("pipeline.yaml names no housekeeping.backup_folder; name one on other storage")
    made = backup_into(
        warehouse.open(), config / settings.backup_folder, datetime.now(UTC), warehouse.decision_log,
        settings.keep_backups,
    )  # fmt: skip
    context.log.info(
        f"{made.place}: {made.manifest.count} ledger rows, verified; taken away: {', '.join(made.gone) or 'none'}; "
        f"kept for what this one lacks: {', '.join(made.apart) or 'none'}"
    )


@dg.op
def purge_history(context: dg.OpExecutionContext, desk: DeskResource) -> None:
    """Deletes from Dagster's history the runs that ended longer ago than pipeline.yaml says."""
    count = purge(context.instance, housekeeping(Path(desk.folder)), datetime.now(UTC))
    context.log.info(
        f"{how_many(count, 'run')} deleted from Dagster's history; the ledger keeps what they wrote"
    )


def purge(instance: dg.DagsterInstance, settings: HousekeepingFile, now: datetime) -> int:
    """How many ended runs were older than the history is kept, and are deleted with their events."""
    before, count = now - timedelta(days=settings.history_days), 0
    old = dg.RunsFilter(statuses=ENDED, created_before=before)
    while runs := instance.get_runs(old, limit=AT_ONCE):
        for run in runs:
            # Dagster deletes the run first, and after a kill in between nobody asks for its events any more.
            instance.event_log_storage.delete_events(run.run_id)
            instance.delete_run(run.run_id)
        count += len(runs)
    storage = instance.event_log_storage
    if count and isinstance(storage, EventHistory):
        storage.compact()
    return count


@dg.job(description="Copy warehouse, anchor, payloads and decisions to the backup folder, verified.")
def backup() -> None:
    """Copy warehouse, anchor, payloads and decisions to the backup folder, verified."""
    make_backup()


@dg.job(description="Delete runs from Dagster's history that are older than it is kept.")
def purge_runs() -> None:
    """Delete runs from Dagster's history that are older than it is kept."""
    purge_history()
