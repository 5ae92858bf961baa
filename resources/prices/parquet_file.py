"""Parquet files of prices and reference data: columns by our names, types checked, nothing guessed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from optimizer.errors import how_many
from resources.prices.columns import TYPES, Columns
from resources.prices.source import Allowance, FileRejected, Finding, shown

if TYPE_CHECKING:
    import pyarrow.parquet as pq

BLOCK = 1 << 20  # rows
# Rows of which the texts are looked at together, in a file of any and of a large size.
FEW, MANY = (512, 1 << 16)
LONGEST_TEXT = 10_000  # bytes, as a line of a CSV file
LARGE = 3 << 30  # bytes unpacked; a file that may have more (64 MB) takes gigabytes at any rate
FIRST_DAY, LAST_DAY = (int(np.datetime64(day).astype(int)) for day in ("0001-01-01", "9999-12-31"))


def read_parquet(
    source: Path | bytes,
    name: str,
    recognise: Callable[[list[str]], Columns],
    allowed: Allowance,
    types: Mapping[str, pa.DataType] = TYPES,
) -> pa.Table:
    """The file's rows under our column names, in its order: row i is `line` i + 1.

    recognise  gives our names for the file's columns;  types  of the columns, under our names
    What the file says of itself is held against what is allowed before any of it is unpacked. Raises FileRejected with
    all findings: damage, size, columns, types, times of day, missing dates.
    """
    import pyarrow.parquet as pq  # drags in its own start-up cost

    def opened(*dictionaries: str) -> pq.ParquetFile:
        place = str(source) if isinstance(source, Path) else pa.BufferReader(source)
        return pq.ParquetFile(place, read_dictionary=list(dictionaries))

    try:
        file = opened()
        header = file.schema_arrow.names
        if too_much := list(allowed.faults(0, file.metadata.num_rows, len(header))):
            raise FileRejected(name, too_much)
        columns = recognise(header)
        if columns.findings:
            raise FileRejected(name, columns.findings)
        wanted = {given: ours for given, ours in zip(header, columns.kept, strict=True) if ours}
        _check_types(file, name, wanted, types)
        if too_much := list(allowed.faults(unpacked_size(file), 0, 0)):
            raise FileRejected(name, too_much)
        texts = [given for given in wanted if is_text(file.schema_arrow.field(given).type)]
        refuse_long_texts(opened(*texts), name, texts, allowed)
        symbols = [given for given, ours in wanted.items() if ours == "symbol"]
        return _read(opened(*symbols), name, wanted, types)
    except (pa.ArrowInvalid, OSError) as error:
        said = f"it is not a whole Parquet file ({shown(str(error))}); send it again"
        raise FileRejected(name, [_fail("DAMAGED", said)]) from None


def _check_types(
    file: "pq.ParquetFile", name: str, wanted: Mapping[str, str], kinds: Mapping[str, pa.DataType]
) -> None:
    """Refuses a file whose schema alone says that a column is of the wrong type."""
    types = {field.name: field.type for field in file.schema_arrow}
    found = [
        fault
        for given, ours in wanted.items()
        for fault in type_faults(ours, pa.nulls(0, types[given]), kinds[ours])
    ]
    if found:
        raise FileRejected(name, found)


def unpacked_size(file: "pq.ParquetFile") -> int:
    """Bytes that the row groups take unpacked, as the file says.

    Of the groups alone: to ask for one of its columns ends the process where a damaged file has no such column.
    """
    meta = file.metadata
    return sum(meta.row_group(group).total_byte_size for group in range(meta.num_row_groups))


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts, once each or as they come."""
    kind = kind.value_type if pt.is_dictionary(kind) else kind
    return bool(pt.is_string(kind) or pt.is_large_string(kind))


def refuse_long_texts(file: "pq.ParquetFile", name: str, texts: Sequence[str], allowed: Allowance) -> None:
    """Raises FileRejected for texts that take more than is allowed once each row has its own.

    file  opened so that its `texts` are read as dictionaries
    A few bytes of a file may stand for the same long text in every row, which its own figures do not count.
    """
    if not texts:
        return
    unpacked, at_once = 0, FEW if allowed.unpacked <= LARGE else MANY
    for batch in file.iter_batches(at_once, columns=list(texts)):
        for column in batch.columns:
            lengths = _lengths(column)
            unpacked += int(lengths.sum())
            if (longest := lengths.max(initial=0)) > LONGEST_TEXT:
                said = f"a text has {longest} bytes, at most {LONGEST_TEXT} are allowed"
                raise FileRejected(name, [_fail("LONG_TEXT", said)])
        if too_much := list(allowed.faults(unpacked, 0, 0)):
            raise FileRejected(name, too_much)


def _lengths(column: pa.DictionaryArray) -> npt.NDArray[np.int64]:
    """Bytes of each text of a column, without making one of them: a dictionary may be large, and come each time."""
    words, places = column.dictionary, column.indices.drop_null().to_numpy()
    if not len(places):
        return np.zeros(0, np.int64)
    kind = np.int64 if pt.is_large_string(words.type) else np.int32
    ends = np.frombuffer(words.buffers()[1], kind)[words.offset :]
    return np.asarray(ends[places + 1] - ends[places], np.int64)


def _read(
    file: "pq.ParquetFile", name: str, wanted: Mapping[str, str], types: Mapping[str, pa.DataType]
) -> pa.Table:
    """The columns `wanted` (theirs -> ours), converted a block at a time, so that no more than one stands twice."""
    rows = file.metadata.num_rows
    if rows == 0:
        raise FileRejected(name, [_fail("NO_ROWS", "it has no rows; deliver rows or no file")])
    numbers = {ours: np.empty(rows) for ours in wanted.values() if pt.is_floating(types[ours])}
    others: dict[str, list[pa.Array]] = {ours: [] for ours in wanted.values() if ours not in numbers}
    findings: dict[Finding, None] = {}
    start = 0
    for batch in file.iter_batches(BLOCK, columns=list(wanted)):
        for given, ours in wanted.items():
            values = batch[given]
            if faults := type_faults(ours, values, types[ours]):
                findings |= dict.fromkeys(faults)
            elif ours in numbers:
                numbers[ours][start : start + len(values)] = convert(values, types[ours]).to_numpy(
                    zero_copy_only=False
                )
            else:
                others[ours].append(convert(values, types[ours]))
        start += batch.num_rows
    if findings:
        raise FileRejected(name, list(findings))
    chunked = {ours: pa.chunked_array(blocks) for ours, blocks in others.items()}
    return pa.table({ours: (numbers | chunked)[ours] for ours in wanted.values()})


def type_faults(name: str, values: pa.Array, wanted: pa.DataType) -> list[Finding]:
    """What is wrong with a column's type, given its name and what it must be."""
    kind = values.type.value_type if pt.is_dictionary(values.type) else values.type
    if pt.is_dictionary(wanted) or pt.is_string(wanted):
        good = pt.is_string(kind) or pt.is_large_string(kind)
        return [] if good else [_fail("BAD_TYPE", f"{name} is {kind}; it must be text")]
    if pt.is_date(wanted):
        return _date_faults(name, values)
    if pt.is_boolean(wanted):
        good = pt.is_boolean(kind)
        return [] if good else [_fail("BAD_TYPE", f"{name} is {kind}; it must be true or false")]
    if not (pt.is_floating(kind) or pt.is_integer(kind) or pt.is_decimal(kind)):
        return [_fail("BAD_TYPE", f"{name} is {kind}; it must be a number")]
    if name == "volume" and not pt.is_integer(kind):
        whole = pc.or_(pc.is_nan(values.cast(pa.float64())), pc.equal(pc.round(values), values))
        if not pc.all(whole, min_count=0).as_py():
            return [_fail("BAD_NUMBER", "volume has fractions; it must be whole numbers")]
    return []


def _date_faults(name: str, values: pa.Array) -> list[Finding]:
    if values.null_count:
        return [_fail("BAD_DATE", f"{how_many(values.null_count, 'date')} missing")]
    if not (pt.is_date(values.type) or pt.is_timestamp(values.type)):
        return [_fail("BAD_TYPE", f"{name} is {values.type}; it must be a date")]
    if pt.is_timestamp(values.type):
        midnight = pc.equal(pc.floor_temporal(values, unit="day"), values)
        if values.type.tz is not None or not pc.all(midnight, min_count=0).as_py():
            return [_fail("TIMESTAMP", f"{name} is {values.type} with a zone or times of day; dates only")]
    ends = pc.min_max(values.cast(pa.date32()).cast(pa.int32())).as_py()
    if len(values) and not FIRST_DAY <= ends["min"] <= ends["max"] <= LAST_DAY:
        return [_fail("BAD_DATE", "there are dates outside the years 1 to 9999")]
    return []


def convert(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column in our type; the checks before have shown that nothing is lost."""
    if pt.is_dictionary(kind) and not pt.is_dictionary(values.type):
        values = values.cast(pa.string()).dictionary_encode()
    return values.cast(kind)


def _fail(code: str, message: str) -> Finding:
    return Finding(code, "FAIL", message)
