"""Moves no price makes by itself: what is set aside until someone explains it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from resources.prices.series import Record, Series

SPLIT_UNEXPLAINED, JUMP_75 = "SPLIT_UNEXPLAINED", "JUMP_75"
SUSPECT_FALL, SUSPECT_RISE = 0.55, 1.7  # inside, neither a jump nor a split: the rows need no closer look
BACK = 0.25  # a held symbol whose price is this near the believed close has returned
Release = tuple[str, int, str]


@dataclass(frozen=True)
class JumpLimits:
    """How far a price may move between two sessions.

    jump           fraction, total return: a move beyond it is set aside
    split          relative distance from n:1 or 1:n, n = 2, 3, ..., that counts as a forgotten split
    days           age of the last believed close, in calendar days, beyond which a jump is not held back
    """

    jump: float = 0.75
    split: float = 0.03
    days: int = 7


@dataclass(frozen=True)
class Held:
    """A row set aside: its place in the series, and why."""

    place: int
    code: str
    reason: str


def jumps(
    series: Series, record: Mapping[str, Record], released: frozenset[Release], limits: JumpLimits
) -> Iterator[Held]:
    """Rows to set aside, symbol by symbol.

    A close is compared with the last one that was believed. An unexplained split holds the symbol back until
    the price returns or someone releases it, for every later close is in another unit; any other jump holds
    back for `days`. Day by day or in bulk, the same rows are held. released: (symbol, day, code).
    """
    held_on_record = {symbol for symbol, known in record.items() if known.held}
    suspect = (series.growth < SUSPECT_FALL) | (series.growth > SUSPECT_RISE)
    starts = np.flatnonzero(series.first)
    if held_on_record:
        names = [series.symbols[series.codes[place]] in held_on_record for place in starts]
        suspect[starts[names]] = True
    bounds = series.bounds()
    for symbol in np.unique(np.searchsorted(starts, np.flatnonzero(suspect), side="right") - 1):
        yield from _walk(
            series, suspect, range(bounds[symbol], bounds[symbol + 1]), held_on_record, released, limits
        )


def _walk(
    series: Series,
    suspect: np.typing.NDArray[np.bool_],
    rows: range,
    held_on_record: set[str],
    released: frozenset[Release],
    limits: JumpLimits,
) -> Iterator[Held]:
    symbol = series.symbols[series.codes[rows.start]]
    splitting = symbol in held_on_record
    believed, since = float(series.previous[rows.start]), int(series.previous_day[rows.start])
    shares, waiting = 1.0, splitting
    for place in rows:
        close, day, split = float(series.close[place]), int(series.days[place]), float(series.split[place])
        shares *= split
        growth = float(series.growth[place])
        if waiting and place > rows.start:
            growth = (close * shares + float(series.dividend[place])) / believed
        code = None
        if waiting or suspect[place]:
            code = _split_code(growth, close / believed, split, splitting, waiting, limits)
            if not code and abs(growth - 1) > limits.jump and day - since <= limits.days:
                code = JUMP_75
        if code and (symbol, day, code) not in released:
            splitting, waiting = code == SPLIT_UNEXPLAINED, True
            yield Held(place, code, _reason(code, close, believed, growth))
        else:
            believed, since, shares, waiting, splitting = close, day, 1.0, False, False


def _split_code(
    growth: float, ratio: float, split: float, splitting: bool, waiting: bool, limits: JumpLimits
) -> str | None:
    """SPLIT_UNEXPLAINED where a split is known to no one: from its day until the price has returned."""
    if splitting:
        return SPLIT_UNEXPLAINED if abs(growth - 1) > BACK else None
    if waiting or split != 1 or not ratio > 0:
        return None
    times = max(ratio, 1 / ratio)
    whole = round(times)
    return SPLIT_UNEXPLAINED if whole >= 2 and abs(times / whole - 1) <= limits.split else None


def _reason(code: str, close: float, believed: float, growth: float) -> str:
    said = f"close {close:g} after {believed:g} ({growth - 1:+.0%})"
    if code == JUMP_75:
        return f"{said}: release it in overrides.yaml if it is true"
    return f"{said} looks like a split that no corporate action explains: add the action, or release it"
