"""Pricing packs: immutable references to what the logs said, up to a date and a watermark."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from optimizer import DataError, PolicyError
from resources.ledger.ledger import Connection
from resources.ledger.tables import LOGS

if TYPE_CHECKING:  # reading packs needs none of what cutting one does
    from resources.screening.pack_checks import CheckLimits, Finding
    from resources.store.transaction import Transaction

ID = re.compile(r"PP_(\d{4}-\d{2}-\d{2})(?:\.([2-9]|[1-9]\d+))?")


@dataclass(frozen=True)
class Pack:
    """A pack as written: what it sees is every row with date <= as_of and ingest_seq <= watermark.

    precedence    sources, the preferred first; each symbol takes one of them
    content_hash  over the newest leaf of each date of each bound log
    """

    id: str
    as_of: date
    watermark: int
    revision: int
    verdict: str
    reason: str | None
    symbols: int
    rows: int
    precedence: tuple[str, ...]
    content_hash: str

    @property
    def fresh(self) -> bool:
        """Whether downstream may use it."""
        return self.verdict == "fresh"


def pack_id(as_of: date, revision: int = 1) -> str:
    """`PP_2025-10-26` for the first pack of a date, `PP_2025-10-26.2` for its second revision."""
    return f"PP_{as_of.isoformat()}" + (f".{revision}" if revision > 1 else "")


def _read_id(text: str) -> tuple[date, int] | None:
    found = ID.fullmatch(text)
    try:
        return (date.fromisoformat(found[1]), int(found[2] or 1)) if found else None
    except ValueError:  # no day of the calendar
        return None


def parse_pack_id(text: str) -> tuple[date, int]:
    """(as-of date, revision) of a pack ID; raises PolicyError for anything else."""
    if found := _read_id(text):
        return found
    near = next((f"; did you mean {one}?" for one in (f"PP_{text}", text.upper()) if _read_id(one)), "")
    raise PolicyError(
        f"{text!r} is not a pack ID; one looks like PP_2025-10-26, or PP_2025-10-26.2 for a revision{near}"
    )


COLUMNS = "pack_id, as_of, watermark_seq, revision, verdict, reason, symbols, rows, precedence, content_hash"


def _packs(con: Connection, where: str, params: list[object]) -> list[Pack]:
    rows = con.execute(f"select {COLUMNS} from pricing_packs where {where}", params).fetchall()
    return [
        Pack(
            day_id,
            as_of,
            mark,
            revision,
            verdict,
            reason,
            symbols,
            price_rows,
            tuple(json.loads(sources)),
            content,
        )
        for day_id, as_of, mark, revision, verdict, reason, symbols, price_rows, sources, content in rows
    ]


def find_pack(con: Connection, wanted: str) -> Pack:
    """The pack of that ID, whatever its verdict; raises PolicyError for what is no ID, DataError when there is none."""
    parse_pack_id(wanted)
    found = _packs(con, "pack_id = ?", [wanted])
    if not found:
        near = con.execute(
            "select pack_id from pricing_packs order by as_of desc, revision desc limit 3"
        ).fetchall()
        raise DataError(
            f"there is no pack {wanted}; the newest: {', '.join(row[0] for row in near) or 'none'}"
        )
    return found[0]


def newest_revision(con: Connection, as_of: date) -> Pack | None:
    """The newest pack of an as-of date, fresh or rejected."""
    found = _packs(con, "as_of = ? order by revision desc limit 1", [as_of])
    return found[0] if found else None


def newest_fresh(con: Connection, as_of: date) -> Pack:
    """The pack that downstream uses for an as-of date: its newest fresh revision; raises DataError when none is."""
    found = _packs(con, "as_of = ? and verdict = 'fresh' order by revision desc limit 1", [as_of])
    if found:
        return found[0]
    newest = newest_revision(con, as_of)
    state = "there is no pack" if newest is None else f"{newest.id} is rejected ({newest.reason})"
    raise DataError(
        f"{state} for {as_of}: nothing downstream may use it; ingest what is missing and run again"
    )


def begun_on(con: Connection) -> date | None:
    """The as-of date of the oldest pack; None without one."""
    found = con.execute("select min(as_of) from pricing_packs").fetchone()
    return found[0] if found else None


def latest_fresh(con: Connection) -> Pack:
    """The newest fresh pack of all; raises DataError when there is none."""
    found = _packs(con, "verdict = 'fresh' order by as_of desc, revision desc limit 1", [])
    if not found:
        raise DataError("there is no fresh pack yet: run `packfolio run`")
    return found[0]


def previous_fresh(con: Connection, as_of: date) -> Pack | None:
    """The newest fresh pack of an earlier as-of date."""
    found = _packs(con, "verdict = 'fresh' and as_of < ? order by as_of desc, revision desc limit 1", [as_of])
    return found[0] if found else None


def watermark(con: Connection) -> int:
    """The newest ingest: of rows believed, of rows set aside, of a refusal; 0 when there was none."""
    found = con.execute(
        "select greatest((select coalesce(max(ingest_seq), 0) from log_leaves), "
        "(select coalesce(max(ingest_seq), 0) from ingests))"
    ).fetchall()
    return int(found[0][0])


@dataclass(frozen=True)
class Cut:
    """What cutting gave: the pack, whether it was written now, and what its checks found."""

    pack: Pack
    written: bool
    findings: tuple[Finding, ...]


def cut_pack(
    tx: Transaction,
    as_of: date,
    precedence: Sequence[str],
    sessions: Sequence[date],
    limits: CheckLimits,
    *,
    revise: str | None = None,
) -> Cut:
    """Cut the pack of an as-of date, or give back the one that stands.

    sessions  exchange sessions up to as_of, ascending
    revise    reason to replace a fresh pack; without one a fresh pack is reused whatever was ingested since
    """
    from resources.packs.missing_data import fact_findings, missing_data
    from resources.packs.price_sources import stopped_sources
    from resources.screening.pack_checks import check_pack, with_severities

    con, mark = tx.con, watermark(tx.con)
    newest = newest_revision(con, as_of)
    if newest and revise is None and (newest.fresh or newest.watermark == mark):
        return Cut(newest, False, ())
    draft = _draft(con, as_of, mark, (newest.revision if newest else 0) + 1, tuple(precedence))
    findings = check_pack(con, draft.as_of, mark, previous_fresh(con, as_of), sessions, limits)
    findings += with_severities(
        (
            *fact_findings(con, draft),
            *missing_data(con, as_of, mark),
            *stopped_sources(con, as_of, mark, precedence),
        ),
        limits,
    )
    blocking = [finding.message for finding in findings if finding.severity == "FAIL"]
    supersedes = newest.id if newest and newest.fresh and revise else None
    verdict, reason = "rejected" if blocking else "fresh", "; ".join(blocking) or revise
    pack = replace(draft, verdict=verdict, reason=reason)
    _write(tx, pack, supersedes, findings)
    return Cut(pack, True, tuple(findings))


def _draft(con: Connection, as_of: date, mark: int, revision: int, precedence: tuple[str, ...]) -> Pack:
    from resources.logs.appending import root_hash

    content, rows = root_hash(con, list(LOGS), as_of, mark)
    symbols = con.execute(
        "select count(distinct symbol) from believed_prices($1) where date between $2::date - 14 and $2",
        [mark, as_of],
    ).fetchall()[0][0]
    return Pack(
        pack_id(as_of, revision),
        as_of,
        mark,
        revision,
        "fresh",
        None,
        int(symbols),
        rows,
        precedence,
        content,
    )


def _write(tx: Transaction, pack: Pack, supersedes: str | None, findings: Sequence[Finding]) -> None:
    import pandas as pd

    from resources.screening.pack_checks import Finding, quality_score

    row = {
        "pack_id": pack.id, "as_of": pack.as_of, "watermark_seq": pack.watermark, "revision": pack.revision,
        "supersedes": supersedes, "reason": pack.reason, "verdict": pack.verdict, "symbols": pack.symbols,
        "rows": pack.rows, "precedence": json.dumps(pack.precedence), "content_hash": pack.content_hash,
        "created_at": tx.stamp.at, "run_id": tx.stamp.run_id, "quality": quality_score(findings, pack.symbols),
    }  # fmt: skip
    found = pd.DataFrame([vars(finding) for finding in findings], columns=Finding.columns())
    tx.record(
        "pricing_packs",
        {"pricing_packs": pd.DataFrame([row]), "check_findings": found},
        pack_id=pack.id,
        inputs={"logs": pack.content_hash},
    )
