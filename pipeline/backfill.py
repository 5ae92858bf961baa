"""The backfill: the chain of every session of a range of past as-of dates, in order and in one process."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta

import dagster as dg

from pipeline.run_history.past_days import Made, remembering
from pipeline.runs import DONE, Outcome, desk, run_pack, warehouse
from resources.books.day_before import computed, out_of_date
from resources.ledger.ledger import Connection
from resources.ledger.record_error import FAILED, FAULT
from resources.logs.calendars import desk_calendar
from resources.packs.packs import newest_revision, pack_id, watermark
from resources.settings.configuration import Configuration

# What a signal that comes while a step works is told as: by DuckDB, Dagster or Python.
INTERRUPTED = ("Query interrupted", "DagsterExecutionInterruptedError", "KeyboardInterrupt")


class BackfillConfig(dg.Config):
    """The as-of dates to run, both ends included; sessions only."""

    start: str
    end: str


@dg.op
def run_past_packs(context: dg.OpExecutionContext, config: BackfillConfig) -> None:
    """Runs the chain for each past session in one process: seconds a pack instead of a launched run each."""
    run_range(
        context.instance, date.fromisoformat(config.start), date.fromisoformat(config.end), context.log.info
    )


@dg.job(description="Run the chain for every session of a range of past as-of dates.")
def backfill() -> None:
    """Run the chain for every session of a range of past as-of dates."""
    run_past_packs()


def run_range(
    instance: dg.DagsterInstance, start: date, end: date, progress: Callable[[str], None]
) -> list[Outcome]:
    """The chain of every session of a range, and of other days in it that have a pack; a rejected one stops no other.

    A day that is at its end is left as it is, so that a backfill that was killed goes on where it stopped. One is run
    again on which a paper book no longer follows from its day before, or has trades of other holdings. Dagster's
    history gets one event a day and asset, not the steps of a run; readers get all days at the end, or where it stops.
    """
    configuration, store = desk(), warehouse()
    exchange = next(source.exchange for source in configuration.sources.sources if source.enabled)
    sessions = desk_calendar(configuration, exchange, end, store.home / "cache").sessions(start, end)
    outcomes, began, ran, made, stale = list[Outcome](), time.monotonic(), 0, Made(), None
    with store.live() as con:
        before, cut = _cut_days(con, start, end)
    days = sorted({*sessions, *cut})
    with ExitStack() as at_the_end:
        at_the_end.callback(store.publish)  # once: a copy of the whole record takes long
        own = at_the_end.enter_context(remembering(made))
        for number, day in enumerate(days, 1):
            with store.live() as con:
                found = at_its_end(con, day, configuration)
                if found and stale is None:
                    stale = {one.pack_id for one in out_of_date(con, before)}
                again = found and (found.pack_id in (stale or ()) or not computed(con, str(found.pack_id)))
            said = "as it was"
            if found is None or again:
                found, ran, stale = _run(instance, own, made, day), ran + 1, None
                each = (time.monotonic() - began) / ran
                left = timedelta(seconds=round(each * (len(days) - number)))
                said = f"{left} left at {each:.1f} s a day"
            outcomes.append(found)
            progress(f"{pack_id(day)}: {found.reason or 'done'} ({number} of {len(days)}, {said})")
        with store.live() as con:
            late = [str(one) for one in out_of_date(con, before) if one.skipped]
    if outcomes and late:
        progress(reason := f"{len(late)} out of order: {'; '.join(late)}")
        outcomes[-1] = _with(outcomes[-1], reason)
    return outcomes


def _with(outcome: Outcome, reason: str) -> Outcome:
    """The outcome, failed for one more reason."""
    said = "; ".join(filter(None, [outcome.reason, reason]))
    return replace(outcome, status=outcome.status or FAILED, reason=said)


def _cut_days(con: Connection, start: date, end: date) -> tuple[date, list[date]]:
    """The day of the pack before a range, its first where there is none; and the days in it that have one."""
    found = con.execute(
        "select distinct as_of from pricing_packs where verdict = 'fresh' and as_of <= ? order by 1", [end]
    ).fetchall()
    days = [day for (day,) in found]
    return max([day for day in days if day < start], default=start), [day for day in days if day >= start]


def last_stages(configuration: Configuration) -> set[str]:
    """What is written where a day is at its end; of playbooks that a desk does without, nothing is."""
    books = configuration.playbooks
    due = {"tail_risk": bool(books.tail.levels), "hedges": bool(books.scenarios)}
    return {"optimal_weights", "trades", "impact", "regimes"} | {stage for stage in due if due[stage]}


def at_its_end(con: Connection, day: date, configuration: Configuration) -> Outcome | None:
    """How the day ended, where its chain ran to the end under this configuration; None where it is to be run.

    A pack that was rejected is cut again once something was ingested since.
    """
    newest = newest_revision(con, day)
    if newest is None:
        return None
    if not newest.fresh:
        again = newest.watermark < watermark(con)
        return None if again else Outcome(FAULT, newest.id, f"{newest.id} is rejected: {newest.reason}")
    written = con.execute(
        "select distinct asset from materializations where pack_id = ? and config_hash = ?",
        [newest.id, configuration.digest],
    ).fetchall()
    return Outcome(DONE, newest.id) if {asset for (asset,) in written} >= last_stages(configuration) else None


def _run(instance: dg.DagsterInstance, own: dg.DagsterInstance, made: Made, day: date) -> Outcome:
    """One day, its steps in `own`, of which only what was `made` is kept; `instance` is told of it.

    Raises KeyboardInterrupt where the process was told to stop: Dagster ends the day's run, and would go on.
    """
    made.records.clear()
    outcome = run_pack(own, day, past=True)
    stopped = any(run.status is dg.DagsterRunStatus.CANCELED for run in own.get_runs(limit=1))
    if stopped or any(word in outcome.reason for word in INTERRUPTED):
        raise KeyboardInterrupt
    for key, record in made.records.items():
        event = record.asset_materialization
        if event is not None:
            told = dg.AssetMaterialization(
                key,
                event.description,
                partition=event.partition,
                tags=event.tags,
                metadata={"backfill": True},
            )
            instance.report_runless_asset_event(told)
    return outcome
