"""Dividends that only the corporate actions know, filled into the price rows that they act on."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np
import pyarrow as pa

from resources.prices.series import Record, Series, make_series
from resources.prices.source import Delivery, Finding

Stated = Mapping[tuple[str, int], tuple[float, str | None]]
SAME_CASH = 0.01  # relative; vendors round dividends


def with_dividends(
    delivery: Delivery, stated: Stated, splits: Mapping[tuple[str, int], float], record: Mapping[str, Record]
) -> Delivery:
    """The delivery with the dividends that its rows leave out, and a warning for each filled in or contradicted.

    stated  (symbol, days since 1970) -> cash per share of that day in all, and its currency (None: the prices')
    splits  the same -> shares after per share before; a dividend beside split-adjusted closes is divided by later ones
    record  newest close of each symbol on record
    One of a day without a row acts on the next row. Of two different ones the larger is taken: a row may know only
    the ordinary part. Total-return closes carry dividends already and are left alone.
    """
    rows = delivery.rows
    own = {symbol for symbol, _ in stated} & set(rows["symbol"].unique().to_pylist())
    if delivery.basis == "total_return" or not own:
        return delivery
    series = make_series(rows, None, record)
    if delivery.basis == "split_adjusted":
        stated = _adjusted(stated, splits, int(series.days.max()))
    values, warnings = np.array(rows["dividend"].fill_null(0.0).to_numpy()), list(delivery.warnings)
    for place, cash, finding in _found(series, stated, delivery.currency):
        values[series.order[place]] = cash
        warnings.append(finding)
    if len(warnings) == len(delivery.warnings):
        return delivery
    column = rows.schema.get_field_index("dividend")
    told = pa.array(values, from_pandas=True)
    if rows["dividend"].null_count:  # a payload that cannot know the others still leaves what is on record
        told = pa.array(
            np.where(rows["dividend"].is_null().to_numpy() & (values == 0), np.nan, values), from_pandas=True
        )
    rows = rows.set_column(column, rows.schema.field(column), told)
    return replace(delivery, rows=rows, warnings=tuple(warnings))


def _adjusted(stated: Stated, splits: Mapping[tuple[str, int], float], last: int) -> Stated:
    """The dividends in shares of the last day."""
    later: dict[str, list[tuple[int, float]]] = {}
    for (symbol, day), ratio in splits.items():
        if day <= last:
            later.setdefault(symbol, []).append((day, ratio))
    return {
        (symbol, day): (cash / prod(ratio for split, ratio in later.get(symbol, ()) if split > day), currency)
        for (symbol, day), (cash, currency) in stated.items()
    }


def _found(series: Series, stated: Stated, currency: str) -> Iterator[tuple[int, float, Finding]]:
    """(place in the series, cash, warning) of each dividend that a row leaves out or tells differently."""
    bounds = series.bounds()
    spans = {series.symbols[series.codes[start]]: (start, end) for start, end in pairwise(bounds.tolist())}
    for (symbol, day), (cash, told) in stated.items():
        start, end = spans.get(symbol, (0, 0))
        place = start + int(np.searchsorted(series.days[start:end], day))
        if place == end or not cash:
            continue
        if series.days[place] != day and place == start and not series.previous_day[place] < day:
            continue  # the row that follows that day may be another delivery's
        own, when = float(series.dividend[place]), np.datetime64(int(series.days[place]), "D").item()
        says = f"{symbol} pays {cash:g} a share on {np.datetime64(day, 'D')} by the corporate actions"
        if told not in (None, currency):
            said = f"{says}, in {told}; its prices are in {currency}, so that it is not taken: state it in {currency}"
            yield place, own, Finding("DIVIDEND_CONTRADICTED", "WARN", said, 1, symbol, when)
        elif own == 0:
            said = f"{says}; the file does not say so"
            yield place, cash, Finding("DIVIDEND_FROM_ACTION", "WARN", said, 1, symbol, when)
        elif abs(own / cash - 1) > SAME_CASH:
            said = f"{says}; the file says {own:g}: {max(own, cash):g} is taken, correct one of them"
            yield place, max(own, cash), Finding("DIVIDEND_CONTRADICTED", "WARN", said, 1, symbol, when)
