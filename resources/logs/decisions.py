"""The service's log of proposals: written by the service as a file of its own, brought into the warehouse by a run."""

import errno
import fcntl
import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import AwareDatetime, Field, ValidationError

from resources.ledger.ledger import GENESIS, Connection, append_entry, written_cells
from resources.ledger.ledger import sha256 as text_sha256
from resources.ledger.record_error import refuse_no_file
from resources.logs.storing import insert_rows
from resources.settings.policies.values import Strict
from resources.settings.words import told
from resources.store.transaction import Transaction

TABLE, SOURCE = "decisions", "service"
DAMAGED = "DAMAGED_LINE"
LONGEST_SHOWN = 500
TAIL = 1 << 16  # bytes in which the last line is looked for
PREVIOUS = re.compile(rb'\{"previous": "([0-9a-f]{64})"')
CUT = "it does not follow the line before it: one was changed, moved or taken out; compare the file with a backup"


class Decision(Strict):
    """One line: who was proposed what, when, from which pack and policy; `previous` is the hash of the line before."""

    previous: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    at: AwareDatetime
    caller: str
    trace_id: str
    pricing_pack_id: str
    portfolio_id: str
    policy_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    method: str
    constraints_met: bool
    estimated_costs: float = Field(ge=0)
    trades: list[dict[str, Any]]

    def row(self, digest: str) -> dict[str, object]:
        """The row of `decisions`."""
        told = self.model_dump(exclude={"previous", "at", "pricing_pack_id", "trades"})
        return {
            **told, "line_sha256": digest, "at": self.at.astimezone(UTC).replace(tzinfo=None),
            "pack_id": self.pricing_pack_id, "trades": json.dumps(self.trades),
        }  # fmt: skip


def append_decision(path: Path, decision: Mapping[str, Any]) -> str:
    """One line, written whole and on the disk when this returns its SHA-256; what a killed writer left is closed first.

    It begins with the SHA-256 of the line before, so that none can be changed, moved or taken out among others.
    Raises OSError when the disk does not take the whole line; nothing of it is left then.
    """
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # what is taken back must be the end of the file
        size = os.fstat(handle).st_size
        text = json.dumps({"previous": _end(handle, size), **decision}, allow_nan=False).encode()
        torn = size and os.pread(handle, 1, size - 1) != b"\n"
        _write_whole(handle, (b"\n" if torn else b"") + text + b"\n", size)
    finally:
        os.close(handle)
    return sha256(text).hexdigest()


def _end(handle: int, size: int) -> str:
    """SHA-256 of the last line of a file of `size` bytes, whole or not."""
    part = TAIL
    while len(lines := _lines(os.pread(handle, part, max(size - part, 0)))) < 2 and part < size:
        part *= 4
    return sha256(lines[-1]).hexdigest() if lines else GENESIS


def _lines(payload: bytes) -> list[bytes]:
    return [line for line in payload.splitlines() if line.strip()]


def _write_whole(handle: int, line: bytes, size: int) -> None:
    """Write a line at the end of a file of `size` bytes and force it to the disk, or leave the file as it was."""
    try:
        if os.write(handle, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fdatasync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise


@dataclass(frozen=True)
class Damaged:
    """A line that is no decision, or does not follow the one before it."""

    line: int
    reason: str
    raw: str


@dataclass(frozen=True)
class Brought:
    """What one look at the file gave: decisions and damaged lines that were not on record."""

    decisions: int
    damaged: tuple[Damaged, ...]


def ingest_decisions(tx: Transaction, path: Path) -> Brought:
    """Every line that is not on record becomes a row, in one transaction; a damaged one is set aside, the rest goes on.

    A last line without its end is still being written, and is left for the next run. Raises RecordError for no file.
    """
    refuse_no_file(path, "put the service's log back, or name it in PACKFOLIO_DECISIONS")
    payload = path.read_bytes() if path.exists() else b""
    whole = payload[: payload.rfind(b"\n") + 1]
    known, refused = _known(tx.con), _refused(tx.con)
    rows: dict[str, dict[str, object]] = {}
    damaged: list[Damaged] = []
    before: bytes | None = None
    for number, raw in enumerate(whole.splitlines(), 1):
        if not raw.strip():
            continue
        digest = sha256(raw).hexdigest()
        found = None if digest in known or digest in rows else parse_line(number, raw)
        if isinstance(found, Decision):
            rows[digest] = found.row(digest)
        if isinstance(found, Damaged):
            damaged.append(found)
        elif not _follows(raw, before, known):
            damaged.append(Damaged(number, CUT, _shown(raw)))
        before = raw
    damaged = [bad for bad in damaged if (bad.line, bad.raw) not in refused]
    if rows or damaged:
        _store(tx, path, whole, list(rows.values()), damaged)
    return Brought(len(rows), tuple(damaged))


def _follows(raw: bytes, before: bytes | None, known: Collection[str]) -> bool:
    """Whether a line names the one before it; the first of a file goes on from any that is on record."""
    named = PREVIOUS.match(raw)
    if before is None:
        return named is None or named[1].decode() in (GENESIS, *known)
    if named is None:  # as releases wrote them that named none
        return PREVIOUS.match(before) is None
    return named[1].decode() == sha256(before).hexdigest()


def parse_line(number: int, raw: bytes) -> Decision | Damaged:
    """A line of the file as a decision, or why it is none."""
    try:
        return Decision.model_validate_json(raw, strict=False)
    except (ValidationError, ValueError, RecursionError) as error:
        reason = told(error)[0] if isinstance(error, ValidationError) else str(error)
        return Damaged(
            number, f"it is no decision: {reason}; see docs/how-to/run-the-service.md", _shown(raw)
        )


def _shown(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")[:LONGEST_SHOWN]


def _known(con: Connection) -> set[str]:
    return {str(row[0]) for row in con.execute("select line_sha256 from decisions").fetchall()}


def _refused(con: Connection) -> set[tuple[int, str]]:
    rows = con.execute("select line, raw from quarantine where log = ? and source = ?", [TABLE, SOURCE])
    return {(int(line), str(raw)) for line, raw in rows.fetchall()}


def _store(
    tx: Transaction, path: Path, payload: bytes, rows: list[dict[str, object]], damaged: list[Damaged]
) -> None:
    entry_id = tx.next_id()
    digest = sha256(payload).hexdigest()
    ingest = {
        "source": SOURCE, "log": TABLE, "payload_name": path.name, "payload_sha256": digest,
        "delivery_key": f"{TABLE}:{digest}", "payload_path": str(path), "status": "ingested", "rows_new": len(rows),
        "rows_corrected": 0, "rows_same": 0, "rows_quarantined": len(damaged),
    }  # fmt: skip
    aside = [
        {
            "log": TABLE,
            "source": SOURCE,
            "line": bad.line,
            "code": DAMAGED,
            "reason": bad.reason,
            "raw": bad.raw,
        }
        for bad in damaged
    ]
    frames = {TABLE: rows, "ingests": [ingest], "quarantine": aside}
    for table, lines in frames.items():
        if lines:
            insert_rows(tx.con, table, pd.DataFrame(lines).assign(ingest_seq=entry_id))
    content = text_sha256("\n".join(str(row["line_sha256"]) for row in rows))
    cells = written_cells(tx.con, entry_id, frames)
    given = {table: len(lines) for table, lines in frames.items()}
    append_entry(tx.con, tx.stamp, entry_id, TABLE, content, len(rows), cells=cells, given=given)
