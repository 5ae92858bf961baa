"""From a file's columns to price rows: whose symbol, on which basis, with which dividends and splits."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from optimizer.typing import Array
from resources.prices.factors import LARGE, actions
from resources.prices.file_names import name_date, named_symbol
from resources.prices.rounding import significant
from resources.prices.source import PRICE_ROWS, STATED, Basis, FileRejected, Finding

Codes = npt.NDArray[np.int32]
UNSEEN = 0.08  # a ratio nearer to 1:1 than this cannot be told from a day's move


@dataclass(frozen=True)
class PriceRows:
    """`PRICE_ROWS` in the payload's order, how they are to be understood, and `STATED` of adjusted closes."""

    table: pa.Table
    basis: Basis
    known_at: date | None
    warnings: tuple[Finding, ...]
    stated: pa.Table


def price_rows(table: pa.Table, name: str, stated: Basis | None = None) -> PriceRows:
    """The rows of a file whose columns are ours; `stated` is the basis its source declares, if it does.

    Raises FileRejected when the symbol cannot be found or the basis is open.
    """
    columns = {
        column: _numbers(table[column]) for column in table.column_names if column not in ("symbol", "date")
    }
    told: list[Finding] = []
    if "symbol" in table.column_names:
        codes, symbols = symbol_codes(table["symbol"])
        known_at = name_date(name)
    else:
        symbol, told = named_symbol(name)
        codes, symbols = np.zeros(table.num_rows, np.int32), [symbol]
        known_at = None
    basis, warnings = _basis(set(table.column_names), name, known_at, stated)
    days = days_of(table)
    if not stated and basis == "as_traded" and "split" in columns:
        alone = "symbol" not in table.column_names  # one in a file of many symbols may be an error of its row
        _splits_show(codes, symbols, days, columns, name, enough=1 if alone else 2)
    stated_splits = STATED.empty_table()
    if basis != "as_traded" and "split" in columns:
        stated_splits = _stated(codes, symbols, days, columns["split"])
    if basis == "total_return":
        columns = {
            "close": columns["adj_close" if "adj_close" in columns else "close"],
            "volume": columns.get("volume", np.full(len(days), np.nan)),
            "dividend": np.zeros(len(days)),
            "split": np.ones(len(days)),
        }
    elif "adj_close" in columns and not {"dividend", "split"} & set(columns):
        if basis == "split_adjusted" and not stated:
            _refuse_traded(codes, symbols, days, columns, name)
        columns |= _derived(codes, days, columns, splits=basis == "as_traded")
        warnings += _odd(codes, symbols, days, columns)
    elif basis == "split_adjusted":  # the closes carry the splits already
        columns |= {"split": np.ones(len(days))}
    elif "split" in columns:
        # Yahoo writes 0 for none.
        columns |= {"split": np.where(columns["split"] == 0, 1.0, columns["split"])}
    columns["vendor_adj_close"] = columns.pop("adj_close", np.full(len(days), np.nan))
    return PriceRows(build(codes, symbols, days, columns), basis, known_at, (*told, *warnings), stated_splits)


def _stated(codes: Codes, symbols: list[str], days: npt.NDArray[np.int32], split: Array) -> pa.Table:
    """The splits of the rows: of the closes nothing is left of them, but of holdings counted before them."""
    places = np.flatnonzero(np.isfinite(split) & (split > 0) & (split != 1))
    rows = {
        (symbols[codes[place]], int(days[place])): ratio
        for place, ratio in zip(places.tolist(), significant(split[places]).tolist(), strict=True)
    }
    columns = [
        [symbol for symbol, _ in rows], pa.array([day for _, day in rows], pa.int32()).view(pa.date32()),
        ["split"] * len(rows), list(rows.values()),
    ]  # fmt: skip
    return pa.table(columns, schema=STATED)


def build(
    codes: Codes, symbols: list[str], days: npt.NDArray[np.int32], columns: dict[str, Array]
) -> pa.Table:
    """`PRICE_ROWS` from arrays (n,): codes into `symbols`, days since 1970, numbers (NaN for absent)."""
    arrays: dict[str, pa.Array] = {
        "symbol": pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(symbols, pa.string())),
        "date": pa.array(days, pa.int32()).view(pa.date32()),
    }
    for field in PRICE_ROWS:
        if field.name in arrays:
            continue
        values = columns.get(field.name)
        if values is None:
            arrays[field.name] = pa.nulls(len(codes), field.type)
        elif field.name == "volume":
            arrays[field.name] = pa.array(values, from_pandas=True).cast(pa.int64())
        else:
            arrays[field.name] = pa.array(significant(values), from_pandas=True)
    return pa.table(arrays, schema=PRICE_ROWS)


def days_of(rows: pa.Table) -> npt.NDArray[np.int32]:
    """Days since 1970 (n,) of the column `date`."""
    days: npt.NDArray[np.int32] = rows["date"].cast(pa.int32()).to_numpy()
    return days


def symbol_codes(column: pa.ChunkedArray) -> tuple[Codes, list[str]]:
    """Codes (n,) into the column's symbols in ascending order."""
    array = pa.chunked_array(column).unify_dictionaries().combine_chunks()
    if array.null_count:
        array = array.dictionary_decode().fill_null("").dictionary_encode()
    names = np.array(array.dictionary.to_pylist(), dtype=object)
    order = np.argsort(names)
    rank = np.empty(len(names), np.int32)
    rank[order] = np.arange(len(names), dtype=np.int32)
    return rank[array.indices.to_numpy()], list(names[order])


def newest_words(rows: pa.Table, among: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The places (k,), of those `among` (n,), of the newest row of each symbol and date, in their order.

    rows  with the columns symbol (a dictionary), date and ingest_seq. Five times as fast as a window in SQL.
    """
    symbols, _ = symbol_codes(rows["symbol"])
    key = (symbols.astype(np.int64) << 32) + days_of(rows)
    places = among[np.argsort(rows["ingest_seq"].to_numpy()[among], kind="stable")]
    places = places[np.argsort(key[places], kind="stable")]
    newest: npt.NDArray[np.int64] = places[np.diff(key[places], append=-1) != 0]
    return newest


def _basis(
    columns: set[str], name: str, known_at: date | None, stated: Basis | None
) -> tuple[Basis, list[Finding]]:
    if "close" not in columns:
        if stated in (None, "total_return"):
            said = "only adjusted closes: total returns are right, but these are not tradable prices"
            return "total_return", [Finding("NOT_TRADABLE", "WARN", said)]
        said = f"the source says {stated}, but the file has adjusted closes only; set basis: total_return"
        raise FileRejected(name, [Finding("MISSING_COLUMN", "FAIL", said, line=1)])
    if stated:
        return stated, []
    if {"dividend", "split"} & columns or known_at:
        return "as_traded", []
    if "adj_close" not in columns:
        said = "no dividends, splits or adjusted closes: returns leave dividends out"
        return "as_traded", [Finding("NO_DIVIDENDS", "WARN", said)]
    if "symbol" not in columns:
        said = "taken as split-adjusted closes, as Yahoo gives them; state the basis of the source"
        return "split_adjusted", [Finding("BASIS_ASSUMED", "WARN", said)]
    said = "close and adj_close without dividends and splits: state the basis, as_traded or split_adjusted"
    raise FileRejected(name, [Finding("AMBIGUOUS_BASIS", "FAIL", said, line=1)])


def _splits_show(
    codes: Codes,
    symbols: list[str],
    days: npt.NDArray[np.int32],
    columns: dict[str, Array],
    name: str,
    enough: int,
) -> None:
    """Raises FileRejected where `enough` splits do not show in the closes: they are adjusted for them already."""
    ours = _of_symbols_with((columns["split"] > 0) & (columns["split"] != 1), codes, len(symbols))
    order = ours[np.lexsort((days[ours], codes[ours]))]
    close, split = columns["close"][order], columns["split"][order]
    with np.errstate(divide="ignore", invalid="ignore"):  # zero prices are screened out later
        moved = np.log(close[1:] / close[:-1])
        wide = np.log(split[1:])
    stated = (np.diff(codes[order]) == 0) & (split[1:] > 0) & (np.abs(wide) > UNSEEN) & np.isfinite(moved)
    hidden = stated & (np.abs(moved) < np.abs(moved + wide))
    if hidden.sum() < enough or 2 * hidden.sum() <= stated.sum():
        return
    place = order[1:][hidden][0]
    day = np.datetime64(int(days[place]), "D").item()
    said = (
        f"{symbols[codes[place]]} states a split of {columns['split'][place]:g} on {day} that its closes do not show: "
        f"they are adjusted for it already; state the basis of the source, split_adjusted or as_traded"
    )
    raise FileRejected(name, [Finding("AMBIGUOUS_BASIS", "FAIL", said)])


def _of_symbols_with(flagged: npt.NDArray[np.bool_], codes: Codes, symbols: int) -> npt.NDArray[np.intp]:
    """Places of all rows of the symbols of which a row is flagged (n,)."""
    among = np.zeros(symbols, bool)
    among[codes[flagged]] = True
    return np.flatnonzero(among[codes])


def _refuse_traded(
    codes: Codes, symbols: list[str], days: npt.NDArray[np.int32], columns: dict[str, Array], name: str
) -> None:
    """Raises FileRejected where closes show a split that the adjusted ones leave out: it would count as a dividend."""
    split = _derived(codes, days, columns, splits=True)["split"]
    shown = np.flatnonzero(np.abs(np.log(split)) > LARGE)
    if len(shown):
        place = shown[0]
        said = (
            f"{symbols[codes[place]]} closes on {np.datetime64(int(days[place]), 'D')} as after a split of "
            f"{split[place]:g}, which its adjusted closes leave out: closes adjusted for splits show none; state the "
            "basis of the source, as_traded or split_adjusted"
        )
        raise FileRejected(name, [Finding("AMBIGUOUS_BASIS", "FAIL", said)])


def _derived(
    codes: Codes, days: npt.NDArray[np.int32], columns: dict[str, Array], *, splits: bool
) -> dict[str, Array]:
    """Dividend and split (n,) from adjusted closes; NaN on each symbol's first day."""
    order = np.lexsort((days, codes))
    new_symbol = np.diff(codes[order], prepend=-1) != 0
    new_day = new_symbol | (np.diff(days[order], prepend=-1) != 0)  # a file may tell a day twice
    places = order[new_day]
    close, adjusted = columns["close"][places], columns["adj_close"][places]
    with np.errstate(divide="ignore", invalid="ignore"):  # zero prices are screened out later
        found = actions(close[1:], adjusted[1:], close[:-1], adjusted[:-1], splits=splits)
    result = {}
    for name, values in zip(("dividend", "split"), found, strict=True):
        told = np.where(new_symbol[new_day], np.nan, np.concatenate([[np.nan], values]))
        result[name] = np.empty(len(order))
        result[name][order] = told[np.cumsum(new_day) - 1]
    return result


def _odd(
    codes: Codes, symbols: list[str], days: npt.NDArray[np.int32], columns: dict[str, Array]
) -> Iterator[Finding]:
    """A warning for each row of whose adjusted close more than one reading is likely."""
    dividend, split = columns["dividend"], columns["split"]
    both = (dividend > 0) & (split != 1) & np.isfinite(split)
    large = dividend > (np.exp(LARGE) - 1) * columns["close"] * split
    for place in np.flatnonzero(both | large):
        when = np.datetime64(int(days[place]), "D").item()
        taken = f"a split of {split[place]:g} and " * bool(both[place])
        other = (
            "not one dividend or spin-off" if both[place] else "not a spin-off, or a split beside a dividend"
        )
        symbol = symbols[codes[place]]
        said = (
            f"{symbol} is taken to have {taken}a dividend of {dividend[place]:g} a share on {when}, {other}, by its "
            "adjusted closes alone: deliver dividends and splits where that is not so"
        )
        yield Finding("DIVIDEND_FROM_ADJUSTED", "WARN", said, 1, symbol, when)


def _numbers(column: pa.ChunkedArray) -> Array:
    values: Array = column.to_numpy()
    return values
