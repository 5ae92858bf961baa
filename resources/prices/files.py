"""One price file, read whole: bytes -> columns -> rows, or refused with all its faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from resources.prices.columns import EXTENSIONS, TYPES, Columns, recognise
from resources.prices.csv_file import gunzip, read_csv, too_large
from resources.prices.file_names import REFERENCE_FILE
from resources.prices.parquet_file import read_parquet
from resources.prices.rows import price_rows
from resources.prices.source import Allowance, Basis, Delivery, FileRejected, Finding, refusing
from resources.prices.vendors.layouts import rewritten
from resources.prices.vendors.tables import Lines, vendor_table

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
    with refusing(name, sha256):
        size = payload.stat().st_size if isinstance(payload, Path) else len(payload)
        if size > how.limit:
            raise FileRejected(name, [too_large(size, how.limit)])
        table, lines, told = _table(payload, name, how, Allowance.of(size, how.limit))
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
        first_line=1 if name.lower().endswith(".parquet") else 1 + CSV_HEADER,
        lines=lines,
        warnings=(*told, *rows.warnings),
        stated=rows.stated,
    )


def _table(
    payload: Path | bytes, name: str, how: Reading, allowed: Allowance
) -> tuple[pa.Table, Lines | None, Sequence[Finding]]:
    """The rows under our names; the line of each, where they do not follow each other; what is to be told of it."""
    kind = name.lower()
    if kind.endswith(".parquet"):
        return (
            read_parquet(payload, name, lambda header: _columns(header, how, name, [INDEX], None), allowed), None, ()
        )  # fmt: skip
    if not kind.endswith(EXTENSIONS):
        raise FileRejected(name, [unknown_format(name)])
    data = payload.read_bytes() if isinstance(payload, Path) else payload
    content = gunzip(data, name, how.limit) if kind.endswith(".gz") else data

    def recognised(header: Sequence[str]) -> Columns:
        return _columns(header, how, name)

    if (found := rewritten(content, name, how.ignored)) is None:
        return read_csv(content, name, recognised, TYPES, allowed), None, ()
    return *vendor_table(
        found, name, how.basis, recognised, lambda text, seen, types: read_csv(text, name, seen, types, allowed)
    ), found.warnings  # fmt: skip


def _columns(
    header: Sequence[str], how: Reading, name: str, unnamed: Sequence[str] = (), line: int | None = 1
) -> Columns:
    found = recognise(header, [*how.ignored, *unnamed], line, basis_stated=how.basis is not None)
    # A table of prices may have any name; one without prices that is named so is not meant as one.
    if not {"close", "adj_close"} & {*found.kept} and REFERENCE_FILE.fullmatch(Path(name).name):
        said = (
            "it has the name of reference data, and no prices; put it into the folder that `reference_folder` of "
            "sources.yaml names"
        )
        return Columns(found.kept, (Finding("REFERENCE_FILE", "FAIL", said),))
    return found


REMEDIES = {
    ".zip": "unpack it", ".7z": "unpack it", ".tgz": "unpack it", ".tsv": "name it .txt",
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), "save the sheet as CSV UTF-8"),
}  # fmt: skip


def unknown_format(name: str) -> Finding:
    """The finding for a file that is none of ours."""
    remedy = REMEDIES.get(Path(name).suffix.lower(), "convert it")
    said = (
        f"its name must end in one of {', '.join(EXTENSIONS)}; {remedy}, move it out of the folder, or narrow the "
        "`pattern` of the source"
    )
    return Finding("UNKNOWN_FORMAT", "FAIL", said)
