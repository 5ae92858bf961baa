"""The raw payloads that the home keeps, against the SHA-256 that was recorded when they came."""

from collections.abc import Iterable
from pathlib import Path

from resources.audit.faults import CHANGED, MISSING, Fault
from resources.ledger.ledger import Connection, file_sha256
from resources.store.live_database import PAYLOADS

REMEDY = "a backup made since then has it"


def kept_payloads(con: Connection, pack_id: str | None = None) -> list[tuple[int, str, str]]:
    """(ledger row, path in the home, SHA-256) of each payload that the home keeps, of a pack those that it saw.

    What lies in an inbox is the desk's own to keep.
    """
    return con.execute(
        "select ingest_seq, payload_path, payload_sha256 from ingests where starts_with(payload_path, $2) and "
        "ingest_seq <= coalesce((select watermark_seq from pricing_packs where pack_id = $1), ingest_seq) order by 1",
        [pack_id, f"{PAYLOADS}/"],
    ).fetchall()


def check_payloads(home: Path, kept: Iterable[tuple[int, str, str]]) -> list[Fault]:
    """Those that are gone, cannot be read, or are not what came."""
    faults = []
    for entry, path, digest in kept:
        place = home / path
        try:
            if place.is_file():  # a pipe would be waited for
                if file_sha256(place) != digest:
                    said = f"{path} is not what ledger row {entry} took: {REMEDY}"
                    faults.append(Fault(PAYLOADS, CHANGED, said, ledger_row=entry))
                continue
            why = "is gone"
        except OSError as error:
            why = f"cannot be read ({error.strerror})"
        said = f"{path}, which ledger row {entry} took, {why}: {REMEDY}"
        faults.append(Fault(PAYLOADS, MISSING, said, ledger_row=entry))
    return faults
