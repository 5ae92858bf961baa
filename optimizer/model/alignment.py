"""Numbers that carry their names, put in the order of the symbols; never by the place where they stand.

Anything with keys (a dict, a pandas Series or DataFrame) is aligned, whatever its order; plain arrays are taken as they
are. pandas is not imported here: what has its manners is taken for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from optimizer.errors import DataError, PolicyError, strange
from optimizer.numerics.counted import floats
from optimizer.typing import Array

if TYPE_CHECKING:
    import pandas as pd

    Weights = Array | Mapping[str, float] | pd.Series


def by_name(what: str, given: Any) -> Mapping[str, Any]:
    """A mapping, or a Series as one; PolicyError for what carries no names, or one twice."""
    if isinstance(given, Mapping):
        return given
    if not hasattr(given, "keys") or not hasattr(given, "items") or hasattr(given, "columns"):
        raise PolicyError(f"{what}: that is a {type(given).__name__}; give it by name: {{'A': ...}}")
    names = list(given.keys())
    if len(set(names)) < len(names):
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        raise PolicyError(f"{what}: {', '.join(twice)} stands more than once; keep each once")
    return dict(given.items())


def named_vector(what: str, values: Any, symbols: tuple[str, ...]) -> Any:
    """(n,) of a mapping or Series, one number a symbol; anything else as it is. DataError for other names."""
    if not hasattr(values, "keys"):
        return values
    check_names(what, values.keys(), symbols)
    given = dict(values.items())
    return floats(what, [given[symbol] for symbol in symbols])


def named_holdings(what: str, values: Any, symbols: tuple[str, ...]) -> Any:
    """(n,) of weights by name, 0 where one is not named; anything else as it is. DataError for a name outside."""
    if not hasattr(values, "keys"):
        return values
    check_names(what, values.keys(), symbols, whole=False)
    given = dict(values.items())
    return floats(what, [given.get(symbol, 0.0) for symbol in symbols])


def named_square(what: str, values: Any, symbols: tuple[str, ...]) -> Any:
    """(n, n) of a DataFrame with the symbols on both sides; anything else as it is. DataError for other names."""
    if not hasattr(values, "columns"):
        return values
    check_names(f"{what}'s columns", values.columns, symbols)
    check_names(f"{what}'s index", values.index, symbols)
    return floats(what, values.loc[list(symbols), list(symbols)])


def named_columns(what: str, values: Any, symbols: tuple[str, ...]) -> Any:
    """(T, n) of a DataFrame with a column a symbol; anything else as it is. DataError for other names."""
    if not hasattr(values, "columns"):
        return values
    check_names(f"{what}'s columns", values.columns, symbols)
    return floats(what, values[list(symbols)])


def named_rows(what: str, values: Any, table: Any) -> Any:
    """(T,) of a Series by the index of a DataFrame; anything else as it is. DataError for another index."""
    if not (hasattr(values, "index") and hasattr(values, "keys") and hasattr(table, "columns")):
        return values
    if not table.index.is_unique or set(values.index) != set(table.index) or not values.index.is_unique:
        raise DataError(f"{what} are not indexed as the scenarios are; give one a row, under the same label")
    return floats(what, values.loc[table.index])


def check_names(what: str, names: Iterable[Any], symbols: tuple[str, ...], *, whole: bool = True) -> None:
    """DataError where a name is given twice, is none of the symbols, or (`whole`) a symbol is missing."""
    given = list(names)
    if len(set(given)) < len(given):
        twice = sorted({str(name) for name in given if given.count(name) > 1})
        raise DataError(f"{what} names {', '.join(twice)} more than once; keep each once")
    told, known = set(given), set(symbols)
    missing = [str(symbol) for symbol in symbols if symbol not in told] if whole else []
    outside = [name for name in given if name not in known]
    if missing or outside:
        faults = [f"lacks {', '.join(missing)}"] * bool(missing)
        faults += [f"names {strange(outside, symbols)}"] if outside else []
        raise DataError(f"{what} {' and '.join(faults)}; give one number a symbol")


def as_series(values: Array, symbols: tuple[str, ...], name: str) -> pd.Series:
    """(n,) under its names."""
    import pandas as pd

    return pd.Series(values, index=list(symbols), name=name)
