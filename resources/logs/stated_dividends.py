"""Dividends that only the corporate actions know, filled into the price rows that they act on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import TypeVar

import numpy as np
import pyarrow as pa

from resources.prices.rows import symbol_codes
from resources.prices.series import Record, Series, filled, make_series
from resources.prices.source import Delivery, Finding

Key = tuple[str, int]
Stated = Mapping[Key, tuple[float, str | None]]
V = TypeVar("V")
SAME_CASH = 0.01  # relative; vendors round dividends


def with_dividends(
    delivery: Delivery, stated: Stated, splits: Mapping[Key, float], record: Mapping[str, Record]
) -> Delivery:
    """The delivery with the dividends that its rows leave out, and a warning for each filled in or contradicted.

    stated  (symbol, days since 1970) -> cash per share of that day in all, and its currency (None: the prices')
    splits  the same -> shares after per share before; a dividend beside split-adjusted closes is divided by later ones
    record  newest close of each symbol on record
    One of a day without a row acts on the next row. Of two different ones the larger is taken: a row may know only
    the ordinary part. Total-return closes carry dividends already and are left alone. What is taken back (a dividend
    of 0, a split of 1) is none where the row itself cannot know.
    """
    rows = delivery.rows
    codes, symbols = symbol_codes(rows["symbol"])
    named = {symbol for symbol, _ in (*stated, *splits)}
    own = np.isin(codes, [code for code, symbol in enumerate(symbols) if symbol in named])
    if delivery.basis == "total_return" or not own.any():
        return delivery
    series = make_series(rows, own, record)
    if delivery.basis == "split_adjusted":
        stated = _adjusted(stated, splits, int(series.days.max()))
    found = list(_found(series, stated, delivery.currency))
    undone = [(place, 1.0) for _, place, ratio in _places(series, splits) if ratio == 1]
    rows = _with(rows, series, "dividend", [(place, cash) for place, cash, _ in found])
    rows = _with(
        rows,
        series,
        "split",
        [item for item in undone if rows["split"][series.order[item[0]]].as_py() is None],
    )
    warnings = (finding for _, _, finding in found if finding)
    return replace(delivery, rows=rows, warnings=(*delivery.warnings, *warnings))


def _with(rows: pa.Table, series: Series, name: str, found: Sequence[tuple[int, float]]) -> pa.Table:
    """The rows with other values at places of the series; a cell that is empty stays so."""
    if not found:
        return rows
    values = np.array(filled(rows[name], np.nan))
    for place, value in found:
        values[series.order[place]] = value
    return rows.set_column(
        rows.column_names.index(name), rows.schema.field(name), pa.array(values, from_pandas=True)
    )


def _adjusted(stated: Stated, splits: Mapping[Key, float], last: int) -> Stated:
    """The dividends in shares of the last day."""
    later: dict[str, list[tuple[int, float]]] = {}
    for (symbol, day), ratio in splits.items():
        if day <= last:
            later.setdefault(symbol, []).append((day, ratio))
    return {
        (symbol, day): (cash / prod(ratio for split, ratio in later.get(symbol, ()) if split > day), currency)
        for (symbol, day), (cash, currency) in stated.items()
    }


def _places(series: Series, stated: Mapping[Key, V]) -> Iterator[tuple[Key, int, V]]:
    """What is stated of a symbol and day with the row of that day, or the one that follows it here."""
    bounds = series.bounds()
    spans = {series.symbols[series.codes[start]]: (start, end) for start, end in pairwise(bounds.tolist())}
    for (symbol, day), value in stated.items():
        start, end = spans.get(symbol, (0, 0))
        place = start + int(np.searchsorted(series.days[start:end], day))
        if place == end:
            continue
        if series.days[place] == day or place > start or series.previous_day[place] < day:
            yield (symbol, day), place, value


def _found(series: Series, stated: Stated, currency: str) -> Iterator[tuple[int, float, Finding | None]]:
    """(place in the series, cash, warning) of each dividend that a row leaves out or tells differently."""
    for (symbol, day), place, (cash, told) in _places(series, stated):
        own, when = float(series.dividend[place]), np.datetime64(int(series.days[place]), "D").item()
        says = f"{symbol} pays {cash:g} a share on {np.datetime64(day, 'D')} by the corporate actions"
        if cash == 0:
            yield place, own, None
        elif told not in (None, currency):
            said = f"{says}, in {told}; its prices are in {currency}, so that it is not taken: state it in {currency}"
            yield place, own, Finding("DIVIDEND_CONTRADICTED", "WARN", said, 1, symbol, when)
        elif own == 0:
            said = f"{says}; the file does not say so"
            yield place, cash, Finding("DIVIDEND_FROM_ACTION", "WARN", said, 1, symbol, when)
        elif abs(own / cash - 1) > SAME_CASH:
            said = f"{says}; the file says {own:g}: {max(own, cash):g} is taken, correct one of them"
            yield place, max(own, cash), Finding("DIVIDEND_CONTRADICTED", "WARN", said, 1, symbol, when)
