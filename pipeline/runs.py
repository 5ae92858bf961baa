"""Running the jobs in this process: what the CLI, the backfill and the tests share."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import cast
from uuid import uuid4

import dagster as dg

from assets.shared.partitions import PACKS
from optimizer import DataError, PolicyError
from optimizer.solvers.names.cardinality import wanted
from pipeline.history import on_the_timeline
from pipeline.run_history.failed_steps import is_record_fault, why
from pipeline.run_history.interrupted_runs import process_tag
from pipeline.stages import environment, stages
from resources.accounts.keys import key_of
from resources.accounts.known import known_portfolios
from resources.dagster_resources import PAST
from resources.ledger.record_error import FAILED, FAULT, RecordError
from resources.logs.calendars import default_as_of, desk_calendar
from resources.packs.packs import newest_fresh, newest_revision, pack_id
from resources.results.queries import portfolios_of
from resources.settings.configuration import Configuration, load_configuration
from resources.settings.sources import wanted_sources
from resources.store.warehouse import Warehouse

DONE = 0
SHORT = 10_000  # names in the universes of all portfolios together whose chain takes a few seconds
COUNTED = {
    "files": ("payloads",),
    "rows": ("rows_new", "rows_corrected"),
    "set_aside": ("rows_quarantined",),
}
PREFIXES = {"prices": "", "reference": "reference_", "accounts": "account_"}  # of what an ingest counts


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its exit status, the pack, and why, where it is not 0; what an ingest brought, by name.

    run_id  Dagster's, which the rows that it wrote name
    whole   whether every stage ended well, whatever was found of single portfolios
    """

    status: int
    pack_id: str | None
    reason: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    run_id: str = ""
    whole: bool = True


Watch = Callable[[str, int, int], None]


def unwatched(doing: str, done: int, steps: int) -> None:
    """Nobody looks on."""


def _execute(
    job: str,
    instance: dg.DagsterInstance,
    config: dg.RunConfig,
    watch: Watch,
    partition_key: str | None = None,
    *,
    past: bool = False,
) -> dg.ExecuteInProcessResult:
    """Runs a job in this process; `watch` hears what it is doing, and how many of its steps are done.

    past  whether it is a day of a backfill, which publishes at its end

    Raises DataError for a pack of a date that can have none.
    """
    if partition_key is not None and not PACKS.has_partition_key(partition_key):
        first = PACKS.get_first_partition_key()
        raise DataError(
            f"{partition_key} cannot be: packs are cut from {first} (`first_pack` in pipeline.yaml) to today; "
            "choose a date between them, or bring newer prices"
        )
    with warehouse().live():  # a warehouse that is not to be believed is refused before anything starts
        pass
    definition = stages.resolve_job_def(job)
    # Log lines are in the history; the terminal has the bar.
    config.loggers = {"console": {"config": {"log_level": "CRITICAL"}}}
    run_id, done, steps = str(uuid4()), 0, len(definition.nodes)

    def listen(entry: dg.EventLogEntry) -> None:
        nonlocal done
        event = entry.dagster_event
        done += event is not None and (event.is_step_success or event.is_step_failure)
        if event is None or event.is_step_start:
            watch(entry.user_message if event is None else str(event.step_key), done, steps)

    instance.add_event_listener(run_id, listen)
    with on_the_timeline(instance, job):
        return definition.execute_in_process(
            run_config=config,
            instance=instance,
            partition_key=partition_key,
            raise_on_error=False,
            run_id=run_id,
            tags=process_tag() | ({PAST: "yes"} if past else {}),
        )


def warehouse() -> Warehouse:
    """The warehouse of this process's environment."""
    return Warehouse(environment.home, environment.anchor)


def desk() -> Configuration:
    """The configuration of this process's environment; raises PolicyError with every mistake."""
    return load_configuration(environment.config)


def ingest(
    instance: dg.DagsterInstance,
    source: str | None = None,
    start: str | None = None,
    end: str | None = None,
    watch: Watch = unwatched,
    *,
    publish: bool = True,
) -> Outcome:
    """Runs the `ingest` job and publishes; a refused file makes the status FAILED, the other files are in.

    source   a source's name, or the path of a file or folder of one; all sources when left out
    publish  not wanted where a run of the chain follows, which ends by publishing
    Raises PolicyError for a mistake in the configuration or an unknown source, DataError when nothing came in.
    """
    configuration = desk()
    wanted_sources(configuration.sources, configuration.folder, source)
    config = dg.RunConfig(ops={"prices": {"config": _given(source=source, start=start, end=end)}})
    result = _execute("ingest", instance, config, watch)
    if not result.success:
        kind = RecordError if is_record_fault(result) else DataError
        raise kind(f"nothing was ingested: {why(result)}")
    if publish:
        warehouse().publish()
    checks = result.get_asset_check_evaluations()
    refused = [
        check for check in checks if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    ]
    return Outcome(FAILED if refused else DONE, None, _said(refused), _brought(result), result.run_id)


def _brought(result: dg.ExecuteInProcessResult) -> dict[str, int]:
    """What an ingest read, by kind: files, rows new or corrected, rows set aside; symbols priced, and files refused."""
    made = [
        event.metadata
        for asset in ("prices", "reference_data")
        for event in result.asset_materializations_for_node(asset)
    ]
    brought = {"symbols": 0, "refused": 0}
    for told in made:
        for name in ("symbols", "refused"):
            brought[name] += int(str(told[name].value))
        for kind, counts in cast("Mapping[str, Mapping[str, int]]", told["by_kind"].value).items():
            for name, counted in COUNTED.items():
                key = PREFIXES[kind] + name
                brought[key] = brought.get(key, 0) + sum(counts[column] for column in counted)
    return brought


def refuse_unknown(portfolio: str | None, as_of: date | None = None) -> None:
    """Raises PolicyError for a portfolio that a run could not find, before there is one.

    as_of  whose accounts are meant; when left out, what may come in with the run is left to a later look
    """
    if portfolio is None or (as_of is None and desk().portfolios.models):
        return
    with warehouse().live() as con:
        known = known_portfolios(con, desk().portfolios, as_of or date.max)
    key_of(known, portfolio, f"there is no portfolio {portfolio!r}")


def choose_as_of(wanted: date | None, now: datetime | None = None) -> date:
    """The as-of date of a run; raises DataError for a session that is still open."""
    configuration, store = desk(), warehouse()
    clock = now or datetime.now(UTC)
    with store.live() as con:
        newest = default_as_of(con, configuration, store.home / "cache", clock)
    if wanted is None:
        return newest
    live = any(source.live and source.enabled for source in configuration.sources.sources)
    if wanted > clock.date() or (live and wanted > newest and _is_open(configuration, store, wanted, clock)):
        raise DataError(f"the session of {wanted} is not closed yet; the newest closed one is {newest}")
    return wanted


def _is_open(configuration: Configuration, store: Warehouse, day: date, now: datetime) -> bool:
    exchange = configuration.sources.sources[0].exchange
    calendar = desk_calendar(configuration, exchange, now.date(), store.home / "cache")
    return day > calendar.last_closed_session(now) and (calendar.is_session(day) or day >= now.date())


def run_pack(
    instance: dg.DagsterInstance,
    as_of: date,
    *,
    portfolio: str | None = None,
    revise: str | None = None,
    watch: Watch = unwatched,
    past: bool = False,
) -> Outcome:
    """Runs the chain of one as-of date on what is on record.

    past  as in `_execute`

    Raises PolicyError to revise a date without a pack, or for a portfolio that there is not.
    """
    refuse_unknown(portfolio, as_of)
    if revise:
        with warehouse().live() as con:
            if newest_revision(con, as_of) is None:
                raise PolicyError(
                    f"{as_of} has no pack to replace: packfolio run --as-of {as_of} cuts the first"
                )
    config = dg.RunConfig(
        ops={
            "pricing_pack": {"config": _given(revise=revise)},
            "portfolio_snapshots": {"config": _given(portfolio=portfolio)},
        }
    )
    with _opened_once():
        result = _execute("pack_run", instance, config, watch, pack_id(as_of), past=past)
    if is_record_fault(result):
        return Outcome(FAULT, None, why(result), whole=False)
    # The last stage publishes; a run that stopped before it must be seen too.
    if not (result.success or past):
        warehouse().publish()
    with warehouse().live() as con:
        newest = newest_revision(con, as_of)
    if newest is not None and not newest.fresh:
        return Outcome(FAULT, newest.id, f"{newest.id} is rejected: {newest.reason}", whole=False)
    name = newest.id if newest else None
    if not result.success:
        return Outcome(FAILED, name, why(result), whole=False)
    refused = _left_out(result, past=past)
    return Outcome(FAILED if refused else DONE, name, _said(refused), run_id=result.run_id)


def _left_out(result: dg.ExecuteInProcessResult, *, past: bool) -> list[dg.AssetCheckEvaluation]:
    """The checks by which a portfolio went without weights, or a paper book's later day without this one.

    Of a past day among others only the first: a backfill goes on to the later day, and tells at its end what is left.
    """
    return [
        check
        for check in result.get_asset_check_evaluations()
        if not check.passed
        and (
            check.asset_key.path[-1] == "optimal_weights"
            or (check.check_name == "paper_days_in_order" and not past)
        )
    ]


def _opened_once() -> AbstractContextManager[None]:
    """The warehouse kept open, for a run of seconds; a longer one lets others at it between its looks.

    To choose names, or lots near in money, is a mixed-integer program that may take minutes, however few they are.
    """
    portfolios = desk().portfolios
    long = portfolios.models or any(
        file.universe == "all" or file.policy.rounding == "money" or wanted(file.policy.to_policy())
        for file in portfolios.files
    )
    short = not long and sum(len(file.universe) for file in portfolios.files) <= SHORT
    return warehouse().kept_open() if short else nullcontext()


def run_backtest(
    instance: dg.DagsterInstance, as_of: date, portfolio: str | None = None, watch: Watch = unwatched
) -> Outcome:
    """Runs the `research` job under the pack of an as-of date; raises PolicyError for a portfolio that it lacks."""
    if portfolio is not None:
        with warehouse().live() as con:
            portfolios_of(con, newest_fresh(con, as_of), portfolio)
    config = dg.RunConfig(ops={"backtest_results": {"config": _given(portfolio=portfolio)}})
    result = _execute("research", instance, config, watch, pack_id(as_of))
    if not result.success:
        return Outcome(FAULT if is_record_fault(result) else FAILED, pack_id(as_of), why(result), whole=False)
    refused = [check for check in result.get_asset_check_evaluations() if not check.passed]
    return Outcome(FAILED, pack_id(as_of), _said(refused)) if refused else Outcome(DONE, pack_id(as_of))


def _given(**settings: str | None) -> dict[str, str]:
    return {name: value for name, value in settings.items() if value is not None}


def _said(checks: list[dg.AssetCheckEvaluation]) -> str:
    return "; ".join(str(check.description) for check in checks)
