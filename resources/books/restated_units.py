"""Shares counted anew where a vendor restated the adjusted closes that they are valued at."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import numpy as np

from optimizer.model.actions.action_kinds import scaled
from optimizer.model.portfolio import ZERO
from optimizer.typing import Array
from resources.books.adjustments import Adjustment, Carried, held_of
from resources.packs.panels import Panel

AGREEING = (
    0.8  # of the closes on record must have moved by the same factor before it is the unit that changed
)
NEAR = 0.02
LOOK_BACK = timedelta(days=14)  # in which closes tell whether they were restated


def unit_changes(seen: Panel, panel: Panel) -> dict[str, Fraction]:
    """Symbol -> shares of today for one of the day before, where a vendor restated its adjusted closes.

    Split-adjusted closes are all divided when a share is split, total-return ones with each dividend too: what was held
    is worth at them what it was worth before. Where the basis is another the newest close alone tells: what befell the
    share before it moved the older ones.
    """
    found, other = {}, on_other_basis(seen, panel)
    for column, symbol in enumerate(panel.symbols):
        if panel.basis[column] in ("", "as_traded") or symbol not in seen.symbols:
            continue
        before = seen.close[:, seen.symbols.index(symbol)]
        at = {day: row for row, day in enumerate(panel.dates)}
        now = np.array([panel.close[at[day], column] if day in at else np.nan for day in seen.dates])
        both = np.isfinite(before) & np.isfinite(now)
        basis, least = panel.basis[column], 0.0
        if symbol in other:
            both[np.flatnonzero(both)[:-1]] = False
            least = NEAR if basis == "split_adjusted" else 0.0  # the closes may be another vendor's
        ratio = unit_ratio(before[both], now[both], basis, least) if both.any() else None
        if ratio is not None and ratio != 1:
            found[symbol] = ratio
    return found


def unit_ratio(before: Array, now: Array, basis: str, least: float = 0.0) -> Fraction | None:
    """Closes before / now (n,) as one ratio; None where they do not move together. A split is a simple fraction.

    least  relative difference from a simple fraction that is always allowed
    """
    ratios = before / now
    middle = float(np.median(ratios))
    off = np.abs(ratios / middle - 1)
    if (off < NEAR).mean() < AGREEING:
        return None
    agreeing = off < NEAR
    mean = float(before[agreeing].sum() / now[agreeing].sum())
    tolerance = least + 2e-6 + 2 * float(off[agreeing].max()) / np.sqrt(agreeing.sum())
    bounds = (1, 10, 100, 1000, 10_000) if basis == "split_adjusted" else (1,)
    for bound in bounds:
        near = Fraction(mean).limit_denominator(bound)
        if near and abs(float(near) / mean - 1) <= tolerance:
            return near
    return Fraction(mean)


def on_other_basis(seen: Panel, panel: Panel) -> set[str]:
    """The symbols, the same of both panels, that are told on another basis now, as where another source takes over."""
    told = zip(panel.symbols, seen.basis, panel.basis, strict=True)
    return {symbol for symbol, was, now in told if was and now and was != now}


def retold(seen: Panel, panel: Panel) -> Panel:
    """The panel with symbols on another basis as they were seen, so that only what befell them differs.

    Of them it adds the dividends that were not known, in shares as seen; none where closes hold dividends.
    """
    changed = on_other_basis(seen, panel)
    if not changed:
        return panel
    dates = sorted({*seen.dates, *panel.dates})
    at = {day: row for row, day in enumerate(dates)}
    was, now = ([at[day] for day in one.dates] for one in (seen, panel))
    told, units, basis = dict[str, Array](), list(panel.currency), list(panel.basis)
    for name in ("close", "dividend", "split"):
        told[name] = np.full((len(dates), len(panel.symbols)), np.nan)
        told[name][now] = getattr(panel, name)
    close, dividend = told["close"], told["dividend"]
    for column in sorted(panel.places[symbol] for symbol in changed):
        paid = dividend[:, column] / close[:, column]
        for name, values in told.items():
            values[:, column] = np.nan
            values[was, column] = getattr(seen, name)[:, column]
        if "total_return" not in (seen.basis[column], panel.basis[column]):
            more = (paid > 0) & (dividend[:, column] == 0)
            dividend[more, column] = (paid * close[:, column])[more]
        units[column], basis[column] = seen.currency[column], seen.basis[column]
    return replace(
        panel, dates=tuple(dates), close=close, dividend=dividend, split=told["split"], currency=tuple(units),
        basis=tuple(basis), in_kind=None,
    )  # fmt: skip


def apply_units(book: Carried, units: Mapping[str, Fraction], panel: Panel, day: date) -> Carried:
    """The book in the units of today's adjusted closes: as many shares more as keep their value."""
    for symbol, ratio in sorted(units.items()):
        held = held_of(book.items, symbol)
        if not held:
            continue
        extra = scaled(held, ratio) - held
        splits = panel.basis[panel.symbols.index(symbol)] == "split_adjusted"
        kind, told = ("split", "split by") if splits else ("restated", "is restated by")
        note = (
            f"{symbol} {told} {float(ratio):.8g}: its adjusted closes were restated, {float(held):,.10g} shares "
            f"became {float(held + extra):,.10g}"
        )
        items = tuple(
            replace(item, quantity=scaled(item.quantity, ratio), cost_basis=scaled(item.cost_basis, 1 / ratio))
            if item.symbol == symbol else item
            for item in book.items
        )  # fmt: skip
        book = book.then(items, ZERO, [Adjustment(symbol, day, kind, extra, ZERO, note)])
    return book
