"""A vendor's file, rewritten into plain columns, as the table that all files become."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from optimizer.typing import Array
from resources.prices.columns import TYPES, Columns
from resources.prices.source import Basis, FileRejected, Finding
from resources.prices.vendors.rewriting import Rewritten, fail, in_layout

Recognise = Callable[[list[str]], Columns]
Read = Callable[[bytes, Recognise, Mapping[str, pa.DataType]], pa.Table]
Lines = npt.NDArray[np.int64]
HEADER = 1
CHANGES = 0.2  # of the numbers: half of all returns are below 0, and of closes hardly one


def vendor_table(
    found: Rewritten, name: str, stated: Basis | None, recognise: Recognise, read: Read
) -> tuple[pa.Table, Lines]:
    """The rows of a vendor's file under our names, and the line of the payload that each comes from.

    stated     the basis that the source declares
    recognise  gives our names for a plain header;  read: the reader of plain CSV
    Raises FileRejected, with the layout's name and the payload's own lines.
    """
    if found.open_ and stated is None:
        raise FileRejected(name, [Finding("AMBIGUOUS_BASIS", "FAIL", found.open_, line=1)])
    with in_layout(found, name):
        if not found.columns:
            table = read(found.text, recognise, TYPES)
            return table, np.arange(table.num_rows, dtype=np.int64) + HEADER + found.dropped + 1
        names = (
            "date",
            *(f"column {place}" if told else None for place, told in enumerate(found.columns, 1)),
        )
        types = {"date": pa.date32(), **dict.fromkeys(filter(None, names[1:]), pa.float64())}
        return _melted(read(found.text, lambda header: Columns(names), types), found)


def _refuse_changes(close: Array) -> None:
    """Raises FileRejected where numbers (T, n) are no closes: a fifth of them below 0, in two columns or more."""
    below = close < 0
    if below.any(axis=0).sum() < 2 or below.sum() < CHANGES * np.isfinite(close).sum():
        return
    said = (
        f"{below.sum():,} of {np.isfinite(close).sum():,} numbers are below 0: these are returns or changes, and no "
        "closes; deliver the closes, or what a unit of money in each became, with basis: total_return"
    )
    raise FileRejected("", [fail("NOT_PRICES", said, 1 + int(below.any(axis=1).argmax()) + HEADER)])


def _melted(wide: pa.Table, found: Rewritten) -> tuple[pa.Table, Lines]:
    """A row a day and symbol of a table with a column a symbol; a day without any number of it is no row."""
    told = [(f"column {place}", *column) for place, column in enumerate(found.columns, 1) if column]
    symbols = sorted({symbol for _, _, symbol in told})
    fields = list(dict.fromkeys(ours for _, ours, _ in told))
    days, size = wide["date"].to_numpy(), wide.num_rows
    cube: dict[str, Array] = {ours: np.full((size, len(symbols)), np.nan) for ours in fields}
    for name, ours, symbol in told:
        cube[ours][:, symbols.index(symbol)] = wide[name].to_numpy()
    _refuse_changes(cube.get("close", cube.get("adj_close", np.empty((0, 0)))))
    row, code = np.nonzero(np.any([np.isfinite(values) for values in cube.values()], axis=0))
    table = {
        "symbol": pa.DictionaryArray.from_arrays(pa.array(code, pa.int32()), pa.array(symbols, pa.string())),
        "date": pa.array(days[row]),
        **{ours: pa.array(values[row, code]) for ours, values in cube.items()},
    }
    return pa.table(table), row.astype(np.int64) + HEADER + found.dropped + 1
