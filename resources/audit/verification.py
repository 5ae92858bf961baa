"""Verification: every hash recomputed from the rows, so that what was changed, removed or added has a name."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path

from cryptography.x509 import Certificate

from optimizer.errors import how_many
from resources.audit.anchor_verification import (
    accepted_breaks,
    check_anchors,
    check_signatures,
    check_witnessed,
    own_key,
)
from resources.audit.cell_verification import (
    Line,
    cells_of,
    explain_cells,
    inputs_of,
    read_units,
    read_written,
    tables_with_rows,
    unequal_cells,
    unlike_content,
)
from resources.audit.faults import ADDED, CHANGED, MISSING, Fault, Report
from resources.audit.log_verification import LogCheck
from resources.audit.payload_verification import check_payloads, kept_payloads
from resources.audit.published_verification import check_published
from resources.ledger.anchors import Anchors, read_anchors
from resources.ledger.cosignatures import Cosigned, cosigned_beside, read_cosigned
from resources.ledger.ledger import (
    GENESIS,
    LEDGER_FIELDS,
    Connection,
    chain_hash,
)
from resources.ledger.record_error import RecordError
from resources.ledger.signatures import PublicKey
from resources.ledger.tables import LOGS
from resources.ledger.timestamps import read_stamps, stamps_beside, wrong_stamps
from resources.logs.appending import root_hash
from resources.packs.packs import find_pack
from resources.store.catalog import unlike_release
from resources.store.warehouse import Warehouse


def verify(
    con: Connection,
    anchor: Path | Anchors,
    pack_id: str | None = None,
    key: PublicKey | None = None,
    cosigned: Sequence[Cosigned] = (),
) -> Report:
    """Recomputes the whole warehouse, or what one pack sees and what was computed from it.

    anchor    the file of anchors, or its lines as read before the warehouse was copied
    key       the desk's public key, when the lines must bear its signature
    cosigned  what witnesses signed
    Raises DataError for a pack that is not on record.
    """
    lines, faults = _ledger(con)
    wanted = {line.id for line in lines if pack_id in (None, line.pack_id)}
    unlike = unlike_release(con)
    faults += _schema(unlike)
    checked = "nothing but the chain of the ledger: what was planted or taken away answers for its rows"
    if not _answers_otherwise(unlike):
        if pack_id and not wanted:
            find_pack(con, pack_id)
        recomputed, checked = _recomputed(con, lines, wanted, pack_id)
        faults += recomputed
    anchors = anchor if isinstance(anchor, Anchors) else read_anchors(anchor)
    lost, notes = check_anchors(lines, anchors)
    forged, unread = check_signatures(anchors, key)
    other, seen = check_witnessed(lines, anchors, cosigned)
    breaks = accepted_breaks(anchors)
    return Report([*faults, *forged, *lost, *other], [*breaks, *notes, *unread, *seen], checked, breaks)


def _answers_otherwise(unlike: Mapping[str, tuple[bool, bool]]) -> bool:
    """Whether a query may not get the rows that are stored: a macro stands in for any function, or a name is gone."""
    return any(
        name.startswith("macro ") or (name.startswith(("table ", "column ")) and not here)
        for name, (here, _) in unlike.items()
    )


def _recomputed(
    con: Connection, lines: Sequence[Line], wanted: Set[int], pack_id: str | None
) -> tuple[list[Fault], str]:
    """What is wrong in the rows below the ledger, those of the `wanted` ones; what was recomputed, in a line."""
    parts = {line.part: line for line in (*lines, *read_units(con))}
    filled, faults = tables_with_rows(con), list[Fault]()
    written = read_written(con, filled, wanted if pack_id else None)
    broken = unequal_cells(written, (line for line in parts.values() if pack_id is None or line.id in wanted))
    leaves = {part[0] for part, table in broken if table == "log_leaves"}
    within = _within(con, pack_id)
    logged = _logged(con, filled, within, leaves)
    logged += _counts(con, filled, lines, logged) if pack_id is None else []
    named = {fault.ledger_row for fault in logged if fault.table == "log_leaves"}
    for part, table in sorted(broken, key=repr):
        if table != "log_leaves" or part[0] not in named:
            faults += explain_cells(con, parts.get(part), part, table)
    told = {part for part, _ in broken}
    told |= {(entry, None) for entry, _ in told}  # a ledger row is not told again for its units
    sound = [line for part, line in parts.items() if line.id in wanted and part not in told]
    faults += unlike_content(written, sound)
    faults += _seen_by(con, logged)
    faults += [] if logged else _roots(con, pack_id)
    return faults, _checked(con, filled, lines, within)


def verify_home(
    warehouse: Warehouse,
    other: Path | None = None,
    pack_id: str | None = None,
    key: PublicKey | None = None,
    roots: Sequence[Certificate] = (),
) -> Report:
    """Recomputes the live warehouse of a home, its payloads, and what readers see; changes nothing, and may only read.

    other  another file of anchors than the home's own, such as the auditor's copy of it
    key    the desk's public key; that of its private key, where this process has it, when left out
    roots  certificates that the time stamps of the anchor must rest on
    Raises DataError where there never was a warehouse.
    """
    stamps = read_stamps(stamps_beside(warehouse.anchor))
    cosigned, kept = read_cosigned(cosigned_beside(warehouse.anchor)), list[tuple[int, str, str]]()
    try:
        with warehouse.snapshot() as look:
            own = look.anchors
            anchors = own if other is None else read_anchors(other)
            report = verify(look.con, anchors, pack_id, key or own_key(anchors), cosigned)
            newer = look.unlike if other is None else None
            if not any(fault.table == "schema" for fault in report.faults):
                kept = kept_payloads(look.con, pack_id)
    except RecordError as error:  # lost or damaged: there is nothing to recompute
        own, newer = read_anchors(warehouse.anchor), None
        report = Report([Fault("warehouse", CHANGED, str(error))], [], "nothing", accepted_breaks(own))
    published, notes = check_published(warehouse, own)
    stamped = [Fault("time stamps", CHANGED, said) for said in wrong_stamps(stamps, own.lines, roots)]
    if stamps and not roots:
        notes = [
            *notes,
            f"the anchor has {how_many(len(stamps), 'time stamp')}: give --stamp-roots to check by whom",
        ]
    faults = [*report.faults, *check_payloads(warehouse.home, kept), *published, *stamped]
    if newer and not any(fault.table == "materializations" or newer == fault.message for fault in faults):
        faults.append(Fault("materializations", ADDED, newer))
    return replace(report, faults=faults, notes=[*report.notes, *notes])


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
                cells_of(fields["cells"]), fields["this_hash"], fields["content_hash"],
                inputs_of(fields["input_hashes"]),
            )
        )  # fmt: skip
        previous = (fields["id"], fields["this_hash"])
    return lines, faults


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


def _logged(con: Connection, filled: Set[str], within: str, broken_leaves: Set[int]) -> list[Fault]:
    """What differs in the logs of which there are rows or leaves."""
    leaved = {row[0] for row in con.execute("select distinct log from log_leaves").fetchall()}
    return [
        fault
        for log in LOGS
        if log in filled | leaved
        for fault in LogCheck(con, log, within, broken_leaves).faults()
    ]


def _counts(con: Connection, filled: Set[str], lines: Sequence[Line], known: Iterable[Fault]) -> list[Fault]:
    """Ingests whose rows are more or fewer than their ledger row says, where nothing else told it."""
    told = {fault.table for fault in known}
    faults = []
    for log in sorted(LOGS.keys() - told):
        sql = f"select ingest_seq, count(*) from {log} group by all"
        found = dict(con.execute(sql).fetchall()) if log in filled else {}
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


def _schema(unlike: Mapping[str, tuple[bool, bool]]) -> list[Fault]:
    """Whatever the database holds besides rows that is not of this release: a changed view shows other rows."""
    return [
        Fault(
            "schema", MISSING if not here else ADDED if not released else CHANGED,
            f"{name} is not that of this release",
        )
        for name, (here, released) in unlike.items()
    ]  # fmt: skip


def _checked(con: Connection, filled: Set[str], lines: Sequence[Line], within: str) -> str:
    rows = sum(
        int(con.execute(f"select count(*) from {log} where {within}").fetchall()[0][0])
        for log in LOGS
        if log in filled
    )
    packs = con.execute("select count(*) from pricing_packs").fetchall()[0][0]
    ledger = how_many(len(lines), "ledger row")
    return (
        f"{how_many(rows, 'row')} of the logs, {how_many(packs, 'pack')} and {ledger} are what was recorded"
    )
