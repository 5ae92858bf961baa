"""Parquet price files: columns by our names, types checked, nothing guessed."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from resources.prices.columns import TYPES, recognise
from resources.prices.source import FileRejected, Finding


def read_parquet(source: "pa.NativeFile | str", name: str, ignored: Sequence[str] = ()) -> pa.Table:
    """The file's rows under our column names, in its order: row i is `line` i + 1.

    Raises FileRejected with all findings: damage, columns, types, times of day, missing dates.
    """
    import pyarrow.parquet as pq  # drags in its own start-up cost

    try:
        file = pq.ParquetFile(source, read_dictionary=["symbol"])
        header = file.schema_arrow.names
        columns = recognise(header, [*ignored, "__index_level_0__"], line=None)
        if columns.findings:
            raise FileRejected(name, columns.findings)
        wanted = {given: ours for given, ours in zip(header, columns.kept, strict=True) if ours}
        table = file.read(columns=list(wanted)).rename_columns(list(wanted.values()))
    except (pa.ArrowInvalid, OSError) as error:
        raise FileRejected(
            name, [_fail("DAMAGED", f"it is not a whole Parquet file ({error}); send it again")]
        ) from None
    if table.num_rows == 0:
        raise FileRejected(name, [_fail("NO_ROWS", "it has no rows; deliver rows or no file")])
    findings = [finding for column in table.column_names for finding in type_faults(column, table[column])]
    if findings:
        raise FileRejected(name, findings)
    return pa.table({column: convert(column, table[column]) for column in table.column_names})


def type_faults(name: str, values: pa.ChunkedArray) -> list[Finding]:
    """What is wrong with a column's type, given its name."""
    kind = values.type.value_type if pt.is_dictionary(values.type) else values.type
    if name == "symbol":
        good = pt.is_string(kind) or pt.is_large_string(kind)
        return [] if good else [_fail("BAD_TYPE", f"symbol is {kind}; it must be text")]
    if name == "date":
        return _date_faults(values)
    if not (pt.is_floating(kind) or pt.is_integer(kind) or pt.is_decimal(kind)):
        return [_fail("BAD_TYPE", f"{name} is {kind}; it must be a number")]
    if name == "volume" and not pt.is_integer(kind):
        whole = pc.or_(pc.is_nan(values.cast(pa.float64())), pc.equal(pc.round(values), values))
        if not pc.all(whole).as_py():
            return [_fail("BAD_NUMBER", "volume has fractions; it must be whole numbers")]
    return []


def _date_faults(values: pa.ChunkedArray) -> list[Finding]:
    if values.null_count:
        return [_fail("BAD_DATE", f"{values.null_count} dates are missing")]
    if pt.is_date(values.type):
        return []
    if not pt.is_timestamp(values.type):
        return [_fail("BAD_TYPE", f"date is {values.type}; it must be a date")]
    midnight = pc.equal(pc.floor_temporal(values, unit="day"), values)
    if values.type.tz is not None or not pc.all(midnight).as_py():
        return [_fail("TIMESTAMP", f"date is {values.type} with a zone or times of day; dates only")]
    return []


def convert(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column in our type; the checks before have shown that nothing is lost."""
    if name == "symbol" and not pt.is_dictionary(values.type):
        values = values.cast(pa.string()).dictionary_encode()
    return values.cast(TYPES[name])


def _fail(code: str, message: str) -> Finding:
    return Finding(code, "FAIL", message)
