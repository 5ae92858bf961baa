"""Dividends that a price row does not state: those of the corporate actions."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optimizer.model.exchange_rates import main_currency
from resources.prices.rounding import significant
from resources.prices.series import Series
from resources.prices.source import Delivery, Finding
from resources.screening.merged import Merged, with_column
from resources.screening.stated.stated_splits import SAME_GIFT, Key, follows, places

Stated = Mapping[Key, tuple[float, str | None]]
SAME_CASH = 0.01  # relative; vendors round dividends


@dataclass(frozen=True)
class Payments:
    """What the corporate actions say of a source's dividends, by (symbol, days since 1970).

    stated  cash per share of that day in all, and its currency, never a part of one such as GBX (None: the prices')
    given   of rows on record that were given a dividend by actions: how much
    units   symbol -> currency of its prices, where that is not the delivery's
    """

    stated: Stated = field(default_factory=dict)
    given: Mapping[Key, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


Due = tuple[int, float, str | None]  # newest day, cash per share, what is told in another currency


def paid(
    merged: Merged, series: Series, payments: Payments, splits: Mapping[Key, float], delivery: Delivery
) -> tuple[pa.Table, list[Finding]]:
    """The rows with the dividends that they leave out, and a warning for each filled in or contradicted.

    splits  (symbol, day) -> shares after per share before; a dividend beside split-adjusted closes is divided by later
            ones, and a row on record before one is left alone: whose shares it tells is not known
    A row gets what is due since the row before it. Of two different dividends the larger is taken: a row may know only
    the ordinary part. What actions gave a row on record, or one that cannot know, is theirs to give to another.
    """
    due, found, warnings = (
        _due(series, payments, splits, merged, delivery),
        dict[int, float](),
        list[Finding](),
    )
    given = _given(series, payments, merged, delivery)
    for place in sorted({*due, *given}):
        row, had = int(series.order[place]), float(series.dividend[place])
        key = series.symbols[series.codes[place]], int(series.days[place])
        on_record = row >= merged.delivered
        if on_record and (
            not follows(series, place) or (delivery.basis == "split_adjusted" and _split_after(key, splits))
        ):
            continue
        own = 0.0 if place in given else had
        unit = payments.units.get(key[0], delivery.currency)
        value, finding = _taken(key, due.get(place, (key[1], 0.0, None)), own, unit)
        found[row] = value
        known = (had, payments.given.get(key, np.nan))
        if finding and not (on_record and np.isclose(value, known, SAME_GIFT, 0).any()):
            warnings.append(finding)
    if not found:
        return merged.rows, []
    values = merged.rows["dividend"].to_numpy().copy()
    values[list(found)] = significant(np.array(list(found.values())))
    return with_column(merged.rows, "dividend", values), warnings


def counted(payments: Payments, currency: str) -> dict[Key, float]:
    """The cash of each (symbol, day) that is told in the currency of the prices, in their unit: pence for pounds."""
    found = {}
    for key, (cash, told) in payments.stated.items():
        main, part = main_currency(payments.units.get(key[0], currency))
        if told in (None, main):
            found[key] = cash if told is None else cash / part
    return found


def _split_after(key: Key, splits: Mapping[Key, float]) -> bool:
    return any(symbol == key[0] and day > key[1] and ratio != 1 for (symbol, day), ratio in splits.items())


def _due(
    series: Series, payments: Payments, splits: Mapping[Key, float], merged: Merged, delivery: Delivery
) -> dict[int, Due]:
    """What is stated of each row's day, and of the days without a row before it."""
    here, later = counted(payments, delivery.currency), defaultdict[str, list[tuple[int, float]]](list)
    if delivery.basis == "split_adjusted":  # dividends are wanted in shares of the delivery's last day
        last = int(series.days[series.order < merged.delivered].max(initial=0))
        if delivery.until:
            last = max(last, int(np.datetime64(delivery.until, "D").astype(int)))
        for (symbol, day), ratio in splits.items():
            if day <= last:
                later[symbol].append((day, ratio))
    found: dict[int, Due] = {}
    for (symbol, day), place in places(series, sorted(payments.stated)):
        stated, told = payments.stated[symbol, day]
        cash = here.get((symbol, day), stated) / prod(
            ratio for split, ratio in later.get(symbol, ()) if split > day
        )
        _, before, foreign = found.get(place, (0, 0.0, None))
        own = (symbol, day) in here or cash == 0
        found[place] = (day, before + cash, foreign) if own else (day, before, f"{cash:g} in {told}")
    return found


def _given(series: Series, payments: Payments, merged: Merged, delivery: Delivery) -> set[int]:
    """Places of rows that do not tell a dividend themselves, but have one that actions gave them."""
    told = np.zeros(len(merged.rows), bool)
    told[: merged.delivered] = pc.is_valid(delivery.rows["dividend"]).to_numpy()
    return {
        place
        for (symbol, day), place in places(series, payments.given)
        if day == series.days[place]
        and not told[series.order[place]]
        # of a first row it is not known what days without a row were before it
        and (follows(series, place) or (symbol, day) in payments.stated)
        and np.isclose(series.dividend[place], payments.given[symbol, day], SAME_GIFT, 0)
    }


def _taken(key: Key, due: Due, own: float, unit: str) -> tuple[float, Finding | None]:
    """The dividend of a row, and the warning to it."""
    (day, cash, foreign), when = due, np.datetime64(key[1], "D").item()
    says = f"{key[0]} pays {cash:g} a share on {np.datetime64(day, 'D')} by the corporate actions"
    if foreign:
        said = says.replace(f"{cash:g} a share", foreign)
        said += f"; its prices are in {unit}, so that it is not taken: state it in {unit}"
        return max(own, cash), Finding("DIVIDEND_CONTRADICTED", "WARN", said, 1, key[0], when)
    if cash == 0 or (own and abs(own / cash - 1) <= SAME_CASH):
        return own, None
    if own == 0:
        said = f"{says}; the file does not say so"
        return cash, Finding("DIVIDEND_FROM_ACTION", "WARN", said, 1, key[0], when, value=cash)
    said = f"{says}; the file says {own:g}: {max(own, cash):g} is taken, correct one of them"
    return max(own, cash), Finding("DIVIDEND_CONTRADICTED", "WARN", said, 1, key[0], when)
