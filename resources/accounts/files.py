"""Files of accounts in an inbox: CSV or Parquet, told by their names, read as text for the checks of their rows."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from resources.ledger.ledger import file_sha256
from resources.ledger.tables import DATED, LOGS
from resources.prices.csv_file import gunzip, lf_ended, text_faults, too_large
from resources.prices.file_names import ACCOUNT_FILE, name_date
from resources.prices.folder import is_delivery, refuse_elsewhere, still_there
from resources.prices.parquet_file import is_text, refuse_long_texts, unpacked_size
from resources.prices.reference import Table, recognise
from resources.prices.source import Allowance, FileRejected, Finding, delivery_key, refusing, shown
from resources.prices.vendors.rewriting import in_layout
from resources.prices.vendors.separated import separated

ACCOUNT_LOGS = ("accounts", "account_positions", "account_restrictions", "account_flows")
REQUIRED = {
    "accounts": ("account", "model"),
    "account_positions": ("account", "symbol", "date", "quantity"),
    "account_restrictions": ("account", "symbol", "kind"),
    "account_flows": ("account", "date", "amount"),
}
NUMBERS = ("cash_buffer", "quantity", "cost_basis", "amount")
LARGEST = 1 << 30  # bytes


@dataclass(frozen=True)
class Told:
    """What a file says, before any of it is believed.

    rows  `line` in the payload, and the columns of the log as text; a column that the file lacks is null
    """

    log: str
    name: str
    sha256: str
    key: str
    path: Path
    rows: pa.Table


def account_files(folders: Iterable[Path]) -> list[tuple[str, Path, str]]:
    """(log, file, name in its folder) of the account files, those of accounts first, each by date, then by name."""
    found = [
        (match[1].lower(), file, file.relative_to(folder).as_posix())
        for folder in dict.fromkeys(folder.resolve() for folder in folders)
        for file in folder.glob("**/*")
        if (match := ACCOUNT_FILE.fullmatch(file.name)) and is_delivery(file)
    ]
    return sorted(found, key=lambda it: (ACCOUNT_LOGS.index(it[0]), str(name_date(it[1].name) or ""), it[2]))


def key_of(log: str, file: Path, name: str) -> tuple[str, str]:
    """(SHA-256, delivery key) of a file; raises FileRejected for what can not be read."""
    with refusing(name, log=log):
        refuse_elsewhere(file, file.parents[name.count("/")], name)
        if (size := file.stat().st_size) > LARGEST:
            raise FileRejected(name, [too_large(size, LARGEST)])
        sha = file_sha256(file)
    return sha, delivery_key(name, sha, log)


def read_told(log: str, file: Path, name: str) -> Told:
    """The rows of a file as text; raises FileRejected where it is no table with the columns of its log."""
    sha, key = key_of(log, file, name)
    with refusing(name, sha, log):
        with still_there(file, file.parents[name.count("/")], name):
            found, first = (_parquet if file.name.lower().endswith(".parquet") else _csv)(log, file, name)
        if found.num_rows == 0:
            raise FileRejected(name, [Finding("NO_ROWS", "FAIL", "it has no rows; deliver rows or no file")])
        given = {
            column: found[column] if column in found.column_names else pa.nulls(found.num_rows, pa.string())
            for column in LOGS[log].columns
            if column != "source"
        }
    lines = pa.array(range(first, found.num_rows + first), pa.int64())
    return Told(log, name, sha, key, file, pa.table({"line": lines, **given}))


def _columns(log: str, name: str, header: list[str]) -> list[str]:
    """Our names of a header's columns; raises FileRejected for missing, unknown and repeated ones."""
    texts = {column: pa.string() for column in LOGS[log].columns if column != "source"}
    must = {column: texts.pop(column) for column in REQUIRED[log]}
    ours = ["date" if column.strip().lower() == DATED.get(log) else column for column in header]
    columns = recognise(ours, Table({}, must, texts))
    if columns.findings:
        raise FileRejected(name, columns.findings)
    return [str(column) for column in columns.kept]


def _csv(log: str, file: Path, name: str) -> tuple[pa.Table, int]:
    """The rows of a file, and the line of the first; semicolons and tabs are read as in a file of prices."""
    packed = file.read_bytes()
    data = lf_ended(gunzip(packed, name, LARGEST) if file.name.lower().endswith(".gz") else packed)
    texts = {column for column in LOGS[log].columns if column not in NUMBERS}
    if (found := separated(data, name, texts)) is None:
        return _plain(log, name, data, len(packed)), 2
    with in_layout(found, name):
        return _plain(log, name, found.text, len(packed)), 2 + found.dropped


def _plain(log: str, name: str, data: bytes, packed: int) -> pa.Table:
    if faults := list(text_faults(data)):
        raise FileRejected(name, faults)
    head, _, body = data.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    names = _columns(log, name, next(csv.reader([head.decode().rstrip("\r")]), []))
    if too_much := list(Allowance.of(packed, LARGEST).faults(len(data), body.count(b"\n"), len(names))):
        raise FileRejected(name, too_much)
    if not body.strip():
        return pa.table({column: pa.nulls(0, pa.string()) for column in names})
    try:
        return pc.read_csv(
            pa.BufferReader(body.rstrip(b"\r\n") + b"\n"),
            read_options=pc.ReadOptions(column_names=names, use_threads=False),
            parse_options=pc.ParseOptions(ignore_empty_lines=False),
            convert_options=pc.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise FileRejected(name, [Finding("UNPARSABLE", "FAIL", shown(str(error)))]) from None


def _parquet(log: str, file: Path, name: str) -> tuple[pa.Table, int]:
    allowed = Allowance.of(file.stat().st_size, LARGEST)
    try:
        opened = pq.ParquetFile(str(file))
        rows, schema = opened.metadata.num_rows, opened.schema_arrow
        if too_much := list(allowed.faults(unpacked_size(opened), rows, len(schema))):
            raise FileRejected(name, too_much)
        names = _columns(log, name, schema.names)
        _refuse_types(schema, name)
        texts = [field.name for field in schema if is_text(field.type)]
        refuse_long_texts(pq.ParquetFile(str(file), read_dictionary=texts), name, texts, allowed)
        found = opened.read()
    except (pa.ArrowInvalid, OSError) as error:
        said = f"it is not a whole Parquet file ({shown(str(error))}); send it again"
        raise FileRejected(name, [Finding("DAMAGED", "FAIL", said)]) from None
    return pa.table([column.cast(pa.string()) for column in found.columns], names=names), 1


def _refuse_types(schema: pa.Schema, name: str) -> None:
    """Raises FileRejected for a column that cannot be written as text."""
    try:
        for kind in schema.types:
            pa.nulls(0, kind).cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        said = f"a column is neither text, number, date nor yes or no ({shown(str(error))})"
        raise FileRejected(name, [Finding("BAD_TYPE", "FAIL", said)]) from None
