"""Whether the record is sound: the warehouse, its published copy, what is missing in it, the anchor, every block."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from optimizer import DataError, PackfolioError
from optimizer.errors import how_many
from pipeline.doctor.finding import FAULT, NOTE, OK, Finding
from pipeline.environment import Environment
from resources.accounts.waiting import account_rows_aside
from resources.audit.published_verification import check_published
from resources.audit.restatements import BookNews, Proposal, book_news, proposed_revisions
from resources.audit.verification import verify_home
from resources.ledger import ledger
from resources.ledger.anchors import read_anchors, refuse_disputed
from resources.ledger.ledger import Connection
from resources.ledger.record_error import RecordError
from resources.logs.open_questions import open_questions, said_once, set_aside_since
from resources.logs.refused_files import refused_files
from resources.results.pack_notes import missing_factors
from resources.results.queries import newest_pack
from resources.settings.configuration import load_configuration
from resources.store.continuity import refuse_earlier_clock, refuse_lost
from resources.store.duckdb_engine import logs_of
from resources.store.warehouse import Warehouse

MOST_TOLD = 20


def warehouse(environment: Environment) -> Iterator[Finding]:
    """Whether it can be opened, and how large it is."""
    store = Warehouse(environment.home, environment.anchor)
    try:
        refuse_lost(store.path, store.published, read_anchors(store.anchor))
        if not store.path.exists():
            do = "the first `packfolio run` makes it"
            yield Finding("warehouse", NOTE, f"there is no {store.path} yet", do)
            return
        with store.looked_at() as con:
            live = ledger.head(con)
            behind = list(_clock(con))
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
    yield from behind
    yield from _published(environment, store, live[0])


def _clock(con: Connection) -> Iterator[Finding]:
    """Whether the clock lets anything be written."""
    try:
        refuse_earlier_clock(con, datetime.now(UTC).replace(tzinfo=None))
    except DataError as error:
        yield Finding("clock", FAULT, str(error), "until then nothing is written")


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
    if accounts := account_rows_aside(con):
        more = f"; {len(accounts) - 1} more" if len(accounts) > 1 else ""
        do = "correct the row, or take it back; see `packfolio ingest`"
        yield Finding("account rows", NOTE, f"{accounts[0]}{more}", do)
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


def anchor(environment: Environment) -> Iterator[Finding]:
    """Whether it can be read, and lies elsewhere than the warehouse."""
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


def _read_blocks(con: Connection) -> None:
    for (table,) in con.execute("select table_name from duckdb_tables() where not internal").fetchall():
        con.execute(f"select bit_xor(hash(t)) from {table} t").fetchall()


def continuity(environment: Environment) -> Iterator[Finding]:
    """Whether the ledger goes on from its anchor; what a verification looks at in full."""
    store = Warehouse(environment.home, environment.anchor)
    if not store.path.exists():
        return
    try:
        store.refuse_unlike()
    except RecordError as error:
        yield Finding("verification", FAULT, str(error), "see `packfolio packs verify`")


def database(environment: Environment) -> Iterator[Finding]:
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
