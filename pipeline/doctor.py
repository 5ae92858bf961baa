"""What is wrong with this desk's set-up, and what to do about it."""

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from optimizer import DataError, PackfolioError, PolicyError
from optimizer.errors import how_many
from pipeline.environment import Environment
from resources.alerts.settings import load_notify
from resources.audit.restatements import BookNews, Proposal, book_news, proposed_revisions
from resources.audit.verification import check_published, verify_home
from resources.ledger import ledger
from resources.ledger.anchors import read_anchors, refuse_disputed
from resources.ledger.ledger import Connection
from resources.ledger.record_error import RecordError, refuse_no_file, refuse_no_folder
from resources.logs.open_questions import open_questions, said_once, set_aside_since
from resources.logs.refused_files import refused_files
from resources.prices.folder import can_be_read
from resources.results.queries import missing_factors, newest_pack
from resources.settings.configuration import Configuration, housekeeping, load_configuration
from resources.settings.sources import FolderSettings
from resources.store.code_version import environment_text
from resources.store.continuity import refuse_lost
from resources.store.duckdb_engine import logs_of
from resources.store.last_run import FILE as LAST_RUN
from resources.store.warehouse import Warehouse

OK, NOTE, FAULT = "ok", "note", "fault"
MOST_TOLD = 20
LARGE_HISTORY = 2 << 30  # bytes
SMALLEST_DISK = 2 << 30  # bytes: a daily run writes megabytes, publishing needs a second copy


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its state, what was found, and what to do where it is not well."""

    check: str
    state: str
    found: str
    do: str = ""


def examine(environment: Environment, *, database: bool = False) -> list[dict[str, Any]]:
    """Findings on environment, configuration, sources, warehouse, anchor and runs.

    database  also read every block of the warehouse and recompute every hash
    """
    checks: list[Callable[[Environment], Iterator[Finding]]] = [
        _program, _home, _configuration, _alerts, _warehouse, _anchor, _runs, _database if database else _continuity,
    ]  # fmt: skip
    return [asdict(finding) for check in checks for finding in _looked(check, environment)]


def _looked(check: Callable[[Environment], Iterator[Finding]], environment: Environment) -> Iterator[Finding]:
    """What a check finds, up to what the machine refused it; the checks after it are made all the same."""
    try:
        yield from check(environment)
    except (OSError, duckdb.Error, sqlite3.Error) as error:
        do = "see that it is what it should be, and that this user can read and write it"
        yield Finding(check.__name__.strip("_"), FAULT, str(error).partition("\n")[0], do)


def _program(environment: Environment) -> Iterator[Finding]:
    del environment
    yield Finding("python", OK, f"{sys.version.split()[0]} at {sys.executable}")
    told = json.loads(environment_text())
    changed = {True: ", changed since", False: "", None: ""}[told["dirty"]]
    commit = f"commit {told['commit'][:12]}{changed}; " if told["commit"] else ""
    named = ", ".join(f"{name} {number}" for name, number in told["libraries"].items())
    yield Finding("libraries", OK, f"{commit}{named}; {told['machine']}")


def _home(environment: Environment) -> Iterator[Finding]:
    home = environment.home
    try:
        refuse_no_folder(home)
        refuse_no_folder(environment.dagster_home)
    except RecordError as error:
        yield Finding("home", FAULT, str(error), "or set PACKFOLIO_HOME")
        return
    for place in (environment.decisions, home / "ledger.tree", home / LAST_RUN):
        try:
            refuse_no_file(place, "move that away, or put the true file there")
        except RecordError as error:
            yield Finding("home", FAULT, str(error), "until then what needs it is refused")
    if not home.exists():
        yield Finding("home", NOTE, f"{home} does not exist yet", "the first `packfolio run` makes it")
        return
    if not os.access(home, os.W_OK):
        yield Finding(
            "home",
            FAULT,
            f"{home} cannot be written",
            "correct its permissions, or set PACKFOLIO_HOME",
        )
        return
    free = shutil.disk_usage(home).free
    state = OK if free > SMALLEST_DISK else NOTE
    said = f"{home}, {free / 2**30:.1f} GiB free"
    yield Finding(
        "home", state, said, "" if state == OK else "make room: a full disk ends a run, and loses nothing"
    )
    if home.stat().st_mode & 0o077:
        said = f"{home} can be read by other users of this machine"
        yield Finding("privacy", NOTE, said, f"chmod -R go-rwx {home}, unless they are meant to read it")
    if left := sorted(path.name for path in home.glob("*.tmp")):
        said = f"{', '.join(left)}: a publish was cut short, or a verification"
        yield Finding("leftovers", NOTE, said, "the next run replaces a file; delete a folder")


def _configuration(environment: Environment) -> Iterator[Finding]:
    try:
        desk = load_configuration(environment.config)
    except (PackfolioError, OSError) as error:
        yield Finding("configuration", FAULT, str(error), f"correct the files in {environment.config}")
        return
    names = ", ".join(portfolio.name for portfolio in desk.portfolios.files)
    models = f"; models {', '.join(desk.portfolios.models)}" if desk.portfolios.models else ""
    yield Finding("configuration", OK, f"{environment.config}: portfolios {names or 'none'}{models}")
    yield from _sources(environment, desk)


def _alerts(environment: Environment) -> Iterator[Finding]:
    """Whether notify.yaml can be read, and what its channels want of the environment; nothing without the file."""
    try:
        file = load_notify(environment.config)
    except PackfolioError as error:
        yield Finding("alerts", FAULT, str(error), "correct it: until then nobody is told of anything")
        return
    wanted = {} if file is None else {one.name: one.url_env for one in file.webhooks}
    wanted |= {} if file is None else {one.name: one.password_env for one in file.mail}
    for name, variable in wanted.items():
        if variable and not os.environ.get(variable):
            yield Finding(
                "alerts",
                NOTE,
                f"{name} needs {variable}, which this shell has not",
                "set it where Dagster runs",
            )
    if wanted:
        yield Finding(
            "alerts", OK, f"go to {', '.join(wanted)} while the sensor `alerts` is switched on in Dagster"
        )


def _sources(environment: Environment, desk: Configuration) -> Iterator[Finding]:
    for source in desk.sources.sources:
        name = f"source {source.name}"
        if not source.enabled:
            yield Finding(name, NOTE, "is switched off", "set enabled: true in sources.yaml to use it")
        elif isinstance(source, FolderSettings) and not (environment.config / source.path).is_dir():
            folder = (environment.config / source.path).resolve()
            yield Finding(
                name, FAULT, f"{folder} is no folder", "create it, or correct `path` in sources.yaml"
            )
        elif isinstance(source, FolderSettings) and not can_be_read(environment.config / source.path):
            folder = (environment.config / source.path).resolve()
            yield Finding(name, FAULT, f"{folder} cannot be read by this user", "correct its permissions")
        else:
            yield Finding(name, OK, f"{source.kind}, {'live' if source.live else 'not live'}")


def _warehouse(environment: Environment) -> Iterator[Finding]:
    store = Warehouse(environment.home, environment.anchor)
    try:
        refuse_lost(store.path, store.published, read_anchors(store.anchor))
        if not store.path.exists():
            do = "the first `packfolio run` makes it"
            yield Finding("warehouse", NOTE, f"there is no {store.path} yet", do)
            return
        with store.disputed() as con:
            live = ledger.head(con)
    except (PackfolioError, duckdb.Error) as error:
        yield Finding(
            "warehouse", FAULT, str(error), "end the process that holds it, or `packfolio restore` a backup"
        )
        return
    yield Finding(
        "warehouse",
        OK,
        f"{store.path}, {how_many(live[0], 'ledger row')}, {store.path.stat().st_size / 2**20:.1f} MiB",
    )
    yield from _published(environment, store, live[0])


def _published(environment: Environment, store: Warehouse, rows: int) -> Iterator[Finding]:
    """The copy that readers open, and what it tells; rows are those of the warehouse's ledger."""
    if not os.path.lexists(store.published):
        yield Finding("published copy", NOTE, "readers have no copy yet", "run `packfolio run`")
        return
    try:
        with store.read() as con:
            seen = ledger.head(con)
            proposals = _proposals(environment, con)
            missing = list(_missing(con))
    except (RecordError, duckdb.Error) as error:
        remedy = (
            "find out who wrote it"
            if logs_of(store.published)
            else "delete it; `packfolio ingest` makes it again"
        )
        yield Finding("published copy", FAULT, str(error), remedy)
        return
    yield from missing
    for proposal in proposals:
        yield Finding("restatement", NOTE, f"{proposal.pack_id}: {proposal.reason}", proposal.command or "")
    forged, _ = check_published(store, read_anchors(store.anchor))
    for fault in forged:
        yield Finding("published copy", FAULT, str(fault), "`packfolio ingest`, and find out who wrote it")
    if forged:
        return
    if behind := rows - seen[0]:
        said = f"readers are {how_many(behind, 'ledger row')} behind: a run was stopped, or one goes on"
        yield Finding("published copy", NOTE, said, "run `packfolio run` again; it ends by publishing")
    else:
        yield Finding("published copy", OK, "readers see the newest state")


def _missing(con: Connection) -> Iterator[Finding]:
    """What is delivered and not believed, and what is refused, today."""
    for file in refused_files(con):
        do = "correct it and `packfolio ingest`; take it away if it is not wanted"
        yield Finding(f"file {file.name}", FAULT, f"{file.source}: {file}", do)
    aside = open_questions(con)
    blocking = [question for question in aside if question.blocking]
    for (first, *_), said in said_once([(one.symbol, set_aside_since(one)) for one in blocking])[:MOST_TOLD]:
        yield Finding(f"prices of {blocking[first].symbol}", NOTE, said, blocking[first].remedy)
    if aside:
        set_aside = how_many(sum(question.rows for question in aside), "row")
        said = f"{how_many(len(aside), 'open question')} about {set_aside} set aside"
        yield Finding("set aside", NOTE, said, "see `packfolio packs show`, and `packfolio ingest --json`")
    yield from _factors(con)


def _factors(con: Connection) -> Iterator[Finding]:
    """What the data of the newest pack did not allow its factor models."""
    with suppress(DataError):  # there is no fresh pack yet
        for row in missing_factors(con, newest_pack(con)):
            do = "feed that log, or leave it: the model has the factors that its data allow"
            yield Finding(f"factor model{row['models']}", NOTE, f"no {row['factors']}: {row['note']}", do)


def _proposals(environment: Environment, con: Connection) -> list[Proposal | BookNews]:
    """None without a fresh pack or a readable configuration, which other findings tell."""
    try:
        threshold = load_configuration(environment.config).restated_weight
        return [*proposed_revisions(con, threshold), *book_news(con)]
    except PackfolioError:
        return []


def _anchor(environment: Environment) -> Iterator[Finding]:
    path = environment.anchor
    if not path.exists():
        return  # beside a ledger with rows that is a fault of it
    try:
        anchors = read_anchors(path)
        refuse_disputed(anchors, path)
    except RecordError as error:
        yield Finding("anchor", FAULT, str(error), "see `packfolio packs verify`")
        return
    if environment.home.is_dir() and _same_disk(path, environment.home):
        said = f"{path} lies on the same storage as the warehouse: who can replace one can replace both"
        yield Finding(
            "anchor", NOTE, said, "set PACKFOLIO_ANCHOR to a file on storage that can only be appended to"
        )
    else:
        yield Finding("anchor", OK, f"{path}, {how_many(len(anchors.lines), 'line')}")


def _same_disk(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def _runs(environment: Environment) -> Iterator[Finding]:
    if not (environment.dagster_home / "dagster.yaml").exists():
        return
    from pipeline.history import made_history
    from pipeline.run_history.interrupted_runs import quiet, stuck

    try:
        with made_history(environment) as instance:
            found, silent, runs = stuck(instance), quiet(instance), instance.get_runs_count()
    except (PolicyError, RecordError) as error:
        yield Finding("runs", FAULT, str(error), "move the file away; the record of the desk is not in it")
        return
    if found:
        ids = ", ".join(run.run_id for run in found)
        said = f"{how_many(len(found), 'run')} never ended, the process is gone: {ids}"
        yield Finding("runs", NOTE, said, "any `packfolio run` marks them as failed; their tables are whole")
    for one in found:
        yield Finding(f"run {one.run_id}", NOTE, str(one), "look at what it did in `packfolio ui`")
    for one in silent:
        yield Finding(
            "runs", NOTE, str(one), "look at it in `packfolio ui`, and terminate it there if it hangs"
        )
    if not found and not silent:
        yield Finding("runs", OK, "no run is stuck")
    yield _history(environment, runs)


def _history(environment: Environment, runs: int) -> Finding:
    """How much room Dagster's history takes, and for how long it keeps a run."""
    size = sum(file.stat().st_size for file in environment.dagster_home.rglob("*") if file.is_file())
    said = f"Dagster's history of {how_many(runs, 'run')} takes {size / 2**20:.1f} MiB"
    with suppress(PackfolioError):  # another finding tells what is wrong with the configuration
        said += f"; weekly_purge ends what is older than {housekeeping(environment.config).history_days} days"
    large = size > LARGE_HISTORY
    do = "start the schedule weekly_purge, or lower housekeeping.history_days" if large else ""
    return Finding("history", NOTE if large else OK, said, do)


def _read_blocks(con: Connection) -> None:
    for (table,) in con.execute("select table_name from duckdb_tables() where not internal").fetchall():
        con.execute(f"select bit_xor(hash(t)) from {table} t").fetchall()


def _continuity(environment: Environment) -> Iterator[Finding]:
    """Whether the ledger goes on from its anchor; what a verification looks at in full."""
    store = Warehouse(environment.home, environment.anchor)
    if not store.path.exists():
        return
    try:
        with store.live():
            pass
    except RecordError as error:
        yield Finding("verification", FAULT, str(error), "see `packfolio packs verify`")


def _database(environment: Environment) -> Iterator[Finding]:
    """Every block read, every hash recomputed, the ledger against its anchor."""
    store, began = Warehouse(environment.home, environment.anchor), datetime.now(UTC)
    if not store.path.exists():
        return
    try:
        with store.snapshot() as look:
            _read_blocks(look.con)
    except RecordError as error:
        yield Finding("blocks", FAULT, str(error), "the file is damaged: `packfolio restore` a backup")
        return
    report = verify_home(store)
    seconds = (datetime.now(UTC) - began).total_seconds()
    yield Finding("blocks", OK, f"every block was read, in {seconds:.1f} s")
    for fault in report.faults:
        do = "compare with a backup and restore it, or accept a cut-off end: `packfolio doctor db --accept REASON`"
        yield Finding("verification", FAULT, str(fault), do)
    for note in report.notes:
        yield Finding("verification", NOTE, note)
    if not report.faults:
        yield Finding("verification", OK, report.checked)
