"""One price file, read whole: bytes -> columns -> rows, or refused with all its faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from resources.prices.columns import EXTENSIONS, TYPES, Columns, recognise
from resources.prices.csv_file import gunzip, read_csv, too_large
from resources.prices.parquet_file import read_parquet
from resources.prices.rows import price_rows
from resources.prices.source import Basis, Delivery, FileRejected, Finding, refusing

CSV_HEADER = 1
INDEX = "__index_level_0__"  # pandas writes the index of a frame so


@dataclass(frozen=True)
class Reading:
    """How the files of a source are to be read.

    basis     what the source declares; None: recognised from the columns
    ignored   columns to leave out
    limit     bytes a file may have, unpacked
    """

    source: str
    currency: str
    basis: Basis | None = None
    ignored: Sequence[str] = ()
    limit: int = 4 << 30


def read_delivery(payload: Path | bytes, name: str, sha256: str, key: str, how: Reading) -> Delivery:
    """The delivery in a CSV, gzipped CSV or Parquet payload; raises FileRejected with all its faults."""
    if isinstance(payload, Path) and (size := payload.stat().st_size) > how.limit:
        raise FileRejected(name, [too_large(size, how.limit)], sha256)
    with refusing(name, sha256):
        table, first_line = _table(payload, name, how)
        rows = price_rows(table, name, how.basis)
    return Delivery(
        source=how.source,
        key=key,
        payload_name=name,
        payload_sha256=sha256,
        payload=payload,
        rows=rows.table,
        basis=rows.basis,
        currency=how.currency,
        known_at=rows.known_at,
        first_line=first_line,
        warnings=rows.warnings,
        stated=rows.stated,
    )


def _table(payload: Path | bytes, name: str, how: Reading) -> tuple[pa.Table, int]:
    kind = name.lower()
    if kind.endswith(".parquet"):
        source = str(payload) if isinstance(payload, Path) else pa.BufferReader(payload)
        return read_parquet(source, name, lambda header: _columns(header, how, [INDEX], None)), 1
    if not kind.endswith(EXTENSIONS):
        raise FileRejected(name, [unknown_format()])
    data = payload.read_bytes() if isinstance(payload, Path) else payload
    content = gunzip(data, name, how.limit) if kind.endswith(".gz") else data
    return read_csv(content, name, lambda header: _columns(header, how), TYPES), 1 + CSV_HEADER


def _columns(
    header: Sequence[str], how: Reading, unnamed: Sequence[str] = (), line: int | None = 1
) -> Columns:
    return recognise(header, [*how.ignored, *unnamed], line, basis_stated=how.basis is not None)


def unknown_format() -> Finding:
    """The finding for a file that is none of ours."""
    said = (
        f"its name must end in one of {', '.join(EXTENSIONS)}; convert it, move it out of the folder, or narrow the "
        f"`pattern` of the source"
    )
    return Finding("UNKNOWN_FORMAT", "FAIL", said)
