"""Verification: every hash recomputed from the rows, so that what was changed, removed or added has a name."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from resources.audit.cell_verification import Line, explain_cells, unequal_cells
from resources.audit.faults import ADDED, CHANGED, MISSING, Fault, Report
from resources.audit.log_verification import LogCheck
from resources.logs.appending import root_hash
from resources.packs.packs import find_pack
from resources.store.anchors import Anchors, read_anchors, unsigned
from resources.store.ledger import GENESIS, LEDGER_FIELDS, Connection, chain_hash
from resources.store.schema import create_schema
from resources.store.signatures import PublicKey
from resources.store.tables import LOGS


def verify(
    con: Connection, anchor: Path | Anchors, pack_id: str | None = None, key: PublicKey | None = None
) -> Report:
    """Recomputes the whole warehouse, or what one pack sees and what was computed from it.

    anchor  the file of anchors, or its lines as read before the warehouse was copied
    key     the desk's public key, when the lines must bear its signature
    Raises DataError for a pack that is not on record.
    """
    lines, faults = _ledger(con)
    by_id = {line.id: line for line in lines}
    wanted = {line.id for line in lines if pack_id in (None, line.pack_id)}
    if pack_id and not wanted:
        find_pack(con, pack_id)
    faults += _schema(con)
    broken = unequal_cells(con, by_id, wanted if pack_id else None)
    leaves = {entry for entry, table in broken if table == "log_leaves"}
    within = _within(con, pack_id)
    logged = [fault for log in LOGS for fault in LogCheck(con, log, within, leaves).faults()]
    logged += _counts(con, lines, logged) if pack_id is None else []
    named = {fault.ledger_row for fault in logged if fault.table == "log_leaves"}
    for entry, table in sorted(broken):
        if table != "log_leaves" or entry not in named:
            faults += explain_cells(con, by_id.get(entry), entry, table)
    faults += _seen_by(con, logged)
    faults += [] if logged else _roots(con, pack_id)
    anchors = anchor if isinstance(anchor, Anchors) else read_anchors(anchor)
    lost, notes = check_anchors(lines, anchors)
    forged, unread = check_signatures(anchors, key)
    return Report([*faults, *forged, *lost], [*notes, *unread], _checked(con, lines, within))


def _within(con: Connection, pack_id: str | None) -> str:
    bounds = con.execute(
        "select as_of, watermark_seq from pricing_packs where pack_id = ?", [pack_id]
    ).fetchall()
    return f"date <= date '{bounds[0][0]}' and ingest_seq <= {bounds[0][1]}" if bounds else "true"


def _ledger(con: Connection) -> tuple[list[Line], list[Fault]]:
    """The ledger, and what is wrong in its chain."""
    names = [*LEDGER_FIELDS, "this_hash"]
    chosen = ", ".join(f'"{name}"' for name in names)
    rows = con.execute(f"select {chosen} from materializations order by id, this_hash").fetchall()
    lines, faults, previous = [], [], (0, GENESIS)
    for row in rows:
        fields = dict(zip(names, row, strict=True))
        problem = _link(fields, previous)
        if problem:
            faults.append(_ledger_fault(fields, *problem))
        lines.append(
            Line(
                fields["id"], fields["asset"], fields["pack_id"], fields["portfolio_id"], fields["rows"],
                _cells(fields["cells"]), fields["this_hash"],
            )
        )  # fmt: skip
        previous = (fields["id"], fields["this_hash"])
    return lines, faults


def _cells(text: str) -> dict[str, tuple[str, str]]:
    """What a ledger row says it wrote; nothing where the text was tampered with, which its hash tells."""
    try:
        return {table: (kept[0], kept[1]) for table, kept in json.loads(text).items()}
    except (ValueError, AttributeError, LookupError, TypeError):
        return {}


def _ledger_fault(fields: Mapping[str, object], what: str, message: str) -> Fault:
    pack, portfolio = fields["pack_id"], fields["portfolio_id"]
    return Fault(
        "materializations", what, f"ledger row {fields['id']} ({fields['asset']}) {message}",
        portfolio_id=str(portfolio) if portfolio else None, ledger_row=int(str(fields["id"])),
        packs=(str(pack),) if pack else (),
    )  # fmt: skip


def _link(fields: Mapping[str, object], previous: tuple[int, str]) -> tuple[str, str] | None:
    number, head = previous
    if fields["id"] == number:
        return ADDED, "stands twice"
    if chain_hash(fields) != fields["this_hash"]:
        return CHANGED, "no longer fits its own hash"
    if fields["id"] != number + 1:
        return MISSING, f"follows row {number}: what stood between is gone"
    if fields["previous_hash"] != head:
        return CHANGED, f"does not follow row {number}"
    return None


def _counts(con: Connection, lines: Iterable[Line], known: Iterable[Fault]) -> list[Fault]:
    """Ingests whose rows are more or fewer than their ledger row says, where nothing else told it."""
    told = {fault.table for fault in known}
    faults = []
    for log in sorted(LOGS.keys() - told):
        found = dict(con.execute(f"select ingest_seq, count(*) from {log} group by all").fetchall())
        kept = {line.id: line.rows for line in lines if line.asset == log and line.rows}
        for entry in sorted(found.keys() | kept.keys()):
            have, want = found.get(entry, 0), kept.get(entry, 0)
            if have != want:
                message = f"ledger row {entry} brought {want} rows, there are {have}"
                faults.append(Fault(log, ADDED if have > want else MISSING, message, ledger_row=entry))
    return faults


def _seen_by(con: Connection, faults: Iterable[Fault]) -> list[Fault]:
    """The faults of the logs with the packs that see them."""
    packs = con.execute(
        "select pack_id, as_of, watermark_seq from pricing_packs order by as_of desc, revision desc"
    )
    known = packs.fetchall()
    return [
        replace(
            fault,
            packs=tuple(
                name
                for name, as_of, mark in known
                if (fault.date is None or fault.date <= as_of) and (fault.ledger_row or 0) <= mark
            ),
        )
        for fault in faults
    ]


def _roots(con: Connection, pack_id: str | None) -> list[Fault]:
    """Packs whose content hash is not that of what they see."""
    rows = con.execute(
        "select pack_id, as_of, watermark_seq, content_hash from pricing_packs "
        "where coalesce(pack_id = $1, true) order by 1",
        [pack_id],
    ).fetchall()
    return [
        Fault(
            "pricing_packs",
            CHANGED,
            "its content hash is not that of the rows it sees",
            date=as_of,
            packs=(name,),
        )
        for name, as_of, mark, digest in rows
        if root_hash(con, list(LOGS), as_of, mark)[0] != digest
    ]


SCHEMA = (
    "select table_name || '.' || column_name, data_type || is_nullable from duckdb_columns() where not internal "
    "union all select 'view ' || view_name, sql from duckdb_views() where not internal "
    "union all select 'macro ' || function_name, macro_definition from duckdb_functions() where not internal"
)


def _schema(con: Connection) -> list[Fault]:
    """Tables, views and macros that are not the ones of this release: a changed view shows other rows."""
    with duckdb.connect() as fresh:
        create_schema(fresh)
        expected = dict(fresh.execute(SCHEMA).fetchall())
    found = dict(con.execute(SCHEMA).fetchall())
    return [
        Fault(
            "schema", MISSING if name not in found else ADDED if name not in expected else CHANGED,
            f"{name} is not that of this release",
        )
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]  # fmt: skip


def check_anchors(lines: Iterable[Line], anchors: Anchors) -> tuple[list[Fault], list[str]]:
    """The ledger against the lines written outside the warehouse: (faults, notes)."""
    hashes = {line.id: line.this_hash for line in lines}
    length = max(hashes, default=0)
    notes = [f"anchor line {number} cannot be read and was passed over" for number in anchors.unreadable]
    if not anchors.lines:
        said = "there is no anchor: a cut-off end and a history rewritten as a whole cannot be excluded"
        return [], [*notes, said]
    accepted = max((at for at, line in enumerate(anchors.lines) if line.accepted), default=0)
    notes += [
        f"a break was accepted at {line.at}, ledger row {line.count}: {line.accepted}"
        for line in anchors.lines
        if line.accepted
    ]
    standing = anchors.lines[accepted:]
    last = standing[-1]
    faults = []
    if (longest := max(line.count for line in standing)) > length:
        message = f"the ledger ends at row {length}, the anchor remembers {longest}: cut off, or an older copy put back"
        faults.append(Fault("materializations", MISSING, message, ledger_row=longest))
    rewritten = [line for line in standing if line.count in hashes and hashes[line.count] != line.head]
    if rewritten:
        message = f"ledger row {rewritten[0].count} is not the one anchored at {rewritten[0].at}: history was rewritten"
        faults.append(Fault("materializations", CHANGED, message, ledger_row=rewritten[0].count))
    if length > last.count:
        notes.append(
            f"the last {length - last.count} ledger row(s) are not anchored: a run was killed there, or they were "
            f"added by someone"
        )
    return faults, notes


def check_signatures(anchors: Anchors, key: PublicKey | None) -> tuple[list[Fault], list[str]]:
    """The lines of the anchor against the desk's public key: (faults, notes)."""
    count = sum(line.signature is not None for line in anchors.lines)
    if key is None:
        return [], [f"{count} anchor line(s) are signed: give --key to check by whom"] if count else []
    faults = [
        Fault(
            "anchor",
            CHANGED,
            f"the line of {line.at}, ledger row {line.count}, {wrong}",
            ledger_row=line.count,
        )
        for line, wrong in unsigned(anchors.lines, key)
    ]
    if not anchors.lines:
        faults = [Fault("anchor", MISSING, "there is no line to check against the key")]
    before = next((at for at, line in enumerate(anchors.lines) if line.signature), 0)
    return faults, [f"the first {before} anchor line(s) are from before the desk had a key"] if before else []


def _checked(con: Connection, lines: list[Line], within: str) -> str:
    rows = sum(
        int(con.execute(f"select count(*) from {log} where {within}").fetchall()[0][0]) for log in LOGS
    )
    packs = con.execute("select count(*) from pricing_packs").fetchall()[0][0]
    return f"{rows:,} rows of the logs, {packs} pack(s) and {len(lines)} ledger rows are what was recorded"
