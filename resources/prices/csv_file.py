"""CSV price files: read whole by pyarrow, or refused with everything that is wrong in them."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from resources.prices.columns import Columns
from resources.prices.source import Allowance, FileRejected, Finding, shown

TRUE, FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]  # as pandas and Excel write them
LONGEST_LINE = 10_000
OF_ANSWER = 200  # bytes that are told of a vendor's answer that is no table
NO_TABLE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(\{|\[|<(?:!doctype|html|\?xml|head|body))", re.I)
MOST_FINDINGS = 50
BLOCK = 1 << 20  # bytes unpacked at once
NUMBER = re.compile(
    r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|nan|inf(inity)?)\s*", re.I | re.A
)
DATE = re.compile(r"\s*\d{4}-\d{2}-\d{2}\s*", re.A)
TIMESTAMP = re.compile(r"\s*\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}", re.A)


def read_csv(
    data: bytes,
    name: str,
    recognise: Callable[[list[str]], Columns],
    types: Mapping[str, pa.DataType],
    allowed: Allowance,
) -> pa.Table:
    """The file's rows under our column names, in its order: row i stands in line i + 2.

    recognise  gives our names for a header's columns
    types      of the columns, under our names
    Raises FileRejected with all findings. UTF-8 with or without BOM; LF, CRLF or CR; ISO dates; plain numbers.
    """
    data = lf_ended(data)
    faults = list(text_faults(data))
    if any(fault.code != "TRUNCATED" for fault in faults):
        raise FileRejected(name, faults)
    text = data.removeprefix(b"\xef\xbb\xbf")
    head, _, body = text.partition(b"\n")
    header = next(csv.reader([head.decode().rstrip("\r")]), [])
    if too_much := list(allowed.faults(len(data), data.count(b"\n") - 1, len(header))):
        raise FileRejected(name, too_much)
    columns = recognise(header)
    faults += columns.findings
    if not body.strip():
        faults.append(_fail("NO_ROWS", "there is a header and no row; deliver rows or no file", 1))
    if not faults:
        try:
            return _parse(body.rstrip(b"\r\n") + b"\n", columns, types)
        except pa.ArrowInvalid as error:
            faults.append(_fail("UNPARSABLE", shown(str(error))))
    wrong = at_most(row_faults(text, columns, types))
    if wrong:  # they say more than the parser does
        faults = [fault for fault in faults if fault.code != "UNPARSABLE"]
    raise FileRejected(name, [*faults, *wrong])


def gunzip(data: bytes, name: str, limit: int) -> bytes:
    """The content of a gzip file, all its members, of what is allowed for its size; raises FileRejected."""
    allowed, parts, size = Allowance.of(len(data), limit), list[bytes](), 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            while part := packed.read(BLOCK):
                parts.append(part)
                size += len(part)
                if too_much := list(allowed.faults(size, 0, 0)):
                    raise FileRejected(name, too_much)
    except EOFError:
        raise FileRejected(
            name, [_fail("TRUNCATED", "the gzip stream ends early; send the whole file")]
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileRejected(
            name, [_fail("DAMAGED", f"it is not a whole gzip file ({error}); send it again")]
        ) from None
    return b"".join(parts)


def too_large(size: int, limit: int) -> Finding:
    """The finding for a file beyond the size limit, in bytes."""
    remedy = "split the file or raise max_file_mb of the source"
    return _fail("TOO_LARGE", f"at least {size >> 20} MB where {limit >> 20} MB are allowed; {remedy}")


def lf_ended(data: bytes) -> bytes:
    """The bytes with LF at each line's end where they have the CR of an old Mac instead."""
    return data if b"\n" in data else data.replace(b"\r", b"\n")


def text_faults(data: bytes) -> Iterator[Finding]:
    """What is wrong with the bytes before any of them is understood."""
    if not data.strip():
        yield _fail("EMPTY_FILE", "there is nothing in it; send it again")
        return
    if found := NO_TABLE.match(data):
        kind = "it is JSON" if found[1] in (b"{", b"[") else "it is HTML or XML"
        begins = shown(" ".join(data[:OF_ANSWER].decode(errors="replace").split()))
        said = f"{kind} and no table; read what was answered in its place, and ask for it again: {begins}"
        yield _fail("UNKNOWN_FORMAT", said, 1)
        return
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield _fail("ENCODING", "it is UTF-16 (Excel's Unicode Text?); write UTF-8 (Excel's CSV UTF-8)")
        return
    if (place := data.find(b"\0")) >= 0:
        yield _fail("NUL_BYTE", "there is a NUL byte; the file is damaged or no CSV", _line_of(data, place))
        return
    try:
        data.decode()
    except UnicodeDecodeError as error:
        bad = data[error.start : error.start + 1]
        yield _fail("ENCODING", f"byte {bad!r} is not UTF-8; write UTF-8", _line_of(data, error.start))
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    lengths = np.diff(ends, prepend=-1, append=len(data))
    if lengths.max() > LONGEST_LINE:
        said = f"the line has {lengths.max()} bytes, at most {LONGEST_LINE} are allowed"
        yield _fail("LONG_LINE", said, int(lengths.argmax()) + 1)
    if (alone := data.count(b"\r") - data.count(b"\r\n")) > 0:
        said = (
            f"{alone} carriage returns stand alone beside other line ends; save it with one kind of line end"
        )
        yield _fail("LINE_ENDS", said)
    if not data.endswith(b"\n"):
        yield _fail("TRUNCATED", "the last line does not end: it may be cut off in a number", len(ends) + 1)


def row_faults(text: bytes, columns: Columns, types: Mapping[str, pa.DataType]) -> Iterator[Finding]:
    """What is wrong in the lines after the header, each with its line."""
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(text), "utf-8", newline=""))
    next(reader)
    for cells in reader:
        line = reader.line_num
        if len(cells) != len(columns.kept):
            yield _fail("COLUMN_COUNT", f"{len(cells)} cells where the header has {len(columns.kept)}", line)
            continue
        for column, cell in zip(columns.kept, cells, strict=True):
            kind = types.get(column) if column else None
            if kind == pa.date32():
                yield from _date_fault(cell, line)
            elif kind == pa.bool_() and cell and cell not in (*TRUE, *FALSE):
                yield _fail("BAD_VALUE", f"{column} is {told(cell)}; it must be true or false", line)
            elif kind == pa.float64() and cell and not NUMBER.fullmatch(cell):
                yield _fail(
                    "BAD_NUMBER", f"{column} is {told(cell)}; write plain numbers such as 1234.5", line
                )
            elif column == "volume" and cell and not _is_whole(cell):
                yield _fail("BAD_NUMBER", f"volume is {told(cell)}; it must be a whole number", line)


def _is_whole(cell: str) -> bool:
    value = float(cell)
    return value != value or (abs(value) < 2**63 and value.is_integer())


def _date_fault(cell: str, line: int) -> Iterator[Finding]:
    if TIMESTAMP.match(cell):
        yield _fail("TIMESTAMP", f"{told(cell)} has a time; dates only, such as 2024-01-31", line)
    elif not DATE.fullmatch(cell):
        yield _fail("BAD_DATE", f"{told(cell)} is no ISO date; write dates such as 2024-01-31", line)
    else:
        try:
            date.fromisoformat(cell.strip())
        except ValueError:
            yield _fail("BAD_DATE", f"{told(cell)} is no day of the calendar", line)


def _parse(body: bytes, columns: Columns, types: Mapping[str, pa.DataType]) -> pa.Table:
    names = [name or f"ignored {place}" for place, name in enumerate(columns.kept)]
    kept = [name for name in columns.kept if name is not None]
    table = pc.read_csv(
        pa.BufferReader(body),
        read_options=pc.ReadOptions(column_names=names, use_threads=False),  # as in embedded.py
        parse_options=pc.ParseOptions(ignore_empty_lines=False),
        convert_options=pc.ConvertOptions(
            column_types={name: types[name] for name in kept},
            include_columns=kept,
            null_values=[""],
            strings_can_be_null=False,
            true_values=TRUE,
            false_values=FALSE,
        ),
    )
    if table["date"].null_count:
        raise pa.ArrowInvalid("a date is missing")
    if "volume" in kept:
        volume = table["volume"].to_numpy()
        whole = np.isnan(volume) | ((np.rint(volume) == volume) & (np.abs(volume) < 2**63))
        if not whole.all():
            raise pa.ArrowInvalid("a volume is not a whole number")
    return table


def told(cell: str) -> str:
    """A cell as a message quotes it."""
    return f"'{shown(cell, 60)}'"


def at_most(found: Iterator[Finding]) -> list[Finding]:
    """The first findings, and how many more there are."""
    first = list(islice(found, MOST_FINDINGS))
    rest = sum(1 for _ in found)
    more = [Finding("MORE", "FAIL", f"and {rest} more lines like these", rest)] if rest else []
    return [*first, *more]


def _line_of(data: bytes, place: int) -> int:
    return data.count(b"\n", 0, place) + 1


def _fail(code: str, message: str, line: int | None = None) -> Finding:
    return Finding(code, "FAIL", message, line=line)
