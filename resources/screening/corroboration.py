"""What speaks for a move, or against a split: usual moves, the market, other sources, adjusted closes, the range."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa

from optimizer.typing import Array
from resources.prices.series import Ints, Series
from resources.screening.price_warnings import CROSS_SECTION

MONTH = 45  # days back in which a symbol's usual moves are looked for
MOVES, FEWEST = 20, 10  # of them: how many, and how many at least
USUAL = 8.0  # robust deviations that a move may have by itself
NEWS = (
    8.0  # times the largest volume of the month before: another company's rows of a day reach it once in 130
)
# Logs of a market's day that explain moves: beyond +82% or -45% it is the file that moved.
MARKETS = (0.03, 0.6)
LIKE = 0.25  # two moves are alike when their logs differ by this fraction

NOWHERE = np.array([], np.int64), np.array([0.0])  # the days of a symbol that no other source has

Elsewhere = Callable[[str], Mapping[int, tuple[float, float, float]]]


def nowhere(symbol: str) -> Mapping[int, tuple[float, float, float]]:
    """No other source knows the symbol."""
    return {}


def alike(one: float, other: float) -> bool:
    """Whether two growths, 1 = unchanged, tell the same move."""
    both = one > 0 and other > 0
    return both and abs(np.log(one / other)) <= LIKE * max(abs(np.log(one)), abs(np.log(other)))


@dataclass(frozen=True)
class Evidence:
    """What is known beside a move itself.

    rows       the table that the series was made of
    elsewhere  symbol -> day -> (close, split, dividend) as another source has it
    one_base   how many of the rows, from the first, have adjusted closes on one base; the others are of no use
    """

    series: Series
    rows: pa.Table
    elsewhere: Elsewhere = nowhere
    one_base: int | None = None

    def cell(self, name: str, place: int) -> float:
        """A number of the row at a place of the series; NaN where it has none."""
        value = self.rows[name][int(self.series.order[place])].as_py()
        return float("nan") if value is None else float(value)

    def denies_split(self, base: int | None, place: int, before: float, growth: float) -> bool:
        """Whether the row states a split of 1, and its adjusted close moved as well or its range bridges the move."""
        if self.cell("split", place) != 1:
            return False
        return alike(self.adjusted_growth(base, place), growth) or self._in_the_range(place, before)

    def adjusted_growth(self, base: int | None, place: int) -> float:
        """The vendor's own growth from one place of the series to another; NaN where one is not known."""
        newest = -1 if base is None else max(self.series.order[base], self.series.order[place])
        if base is None or (self.one_base is not None and newest >= self.one_base):
            return float("nan")
        return self.cell("vendor_adj_close", place) / self.cell("vendor_adj_close", base)

    def explains(self, base: int | None, place: int, growth: float) -> bool:
        """Whether a move is credible at once."""
        return (
            abs(np.log(growth)) <= USUAL * self.usual_move(place)
            or self._of_the_market(place, growth)
            or self.seen_elsewhere(base, place, growth)
        )

    def on_news(self, place: int) -> bool:
        """Whether the day traded many times what any day of the month before did, as at the news of a takeover."""
        volumes = np.array([self.cell("volume", int(earlier)) for earlier in self._month(place)])
        volumes = volumes[np.isfinite(volumes)]
        return len(volumes) >= FEWEST and self.cell("volume", place) >= NEWS * max(1.0, volumes.max())

    def usual_move(self, place: int) -> float:
        """Robust deviation of the logs of the symbol's moves in the month before; 0 where there are too few."""
        moves = self._month(place)
        logs = np.log(self.series.growth[moves])
        logs = logs[np.isfinite(logs)]
        return float(1.4826 * np.median(np.abs(logs))) if len(logs) >= FEWEST else 0.0

    def market(self, place: int) -> float:
        """The median growth of all symbols on the day of a row; 1 where they are few."""
        day = int(self.series.days[place])
        if day not in self._markets:
            order, starts = self._days
            first, last = np.searchsorted(starts, day), np.searchsorted(starts, day, side="right")
            growth = self.series.growth[order[first:last]]
            growth = growth[np.isfinite(growth)]
            self._markets[day] = float(np.median(growth)) if len(growth) >= CROSS_SECTION else 1.0
        return self._markets[day]

    @cached_property
    def _markets(self) -> dict[int, float]:
        return {}

    @cached_property
    def _days(self) -> tuple[Ints, Ints]:
        order = np.argsort(self.series.days, kind="stable")
        return order, self.series.days[order].astype(np.int64)

    def _month(self, place: int) -> Ints:
        """Places of the symbol's last rows before one."""
        before = np.arange(max(0, place - MOVES), place)
        series = self.series
        near = series.days[before] >= series.days[place] - MONTH
        places: Ints = before[(series.codes[before] == series.codes[place]) & near]
        return places

    def _of_the_market(self, place: int, growth: float) -> bool:
        now = np.log(self.market(place))
        if not MARKETS[0] <= abs(now) <= MARKETS[1]:
            return False
        moves = self._month(place)
        own = np.log(self.series.growth[moves])
        market = np.log([self.market(int(move)) for move in moves])
        known = np.isfinite(own)
        own, market = own[known], market[known]
        if len(own) < FEWEST or not (market**2).sum() > 0:
            return False
        beta = float(own @ market / (market @ market))
        spread = max(0.02, 1.4826 * float(np.median(np.abs(own - beta * market))))
        return alike(float(np.exp(beta * now)), growth) and abs(np.log(growth) - beta * now) <= USUAL * spread

    def seen_elsewhere(self, base: int | None, place: int, growth: float) -> bool:
        """Whether another source has both days and the same growth between them."""
        series = self.series
        days, grown = self._grown_elsewhere(series.symbols[series.codes[place]])
        asked = np.array(
            [series.previous_day[place] if base is None else series.days[base], series.days[place]]
        )
        first, last = np.searchsorted(days, asked)
        if not first < last < len(days) or (days[[first, last]] != asked).any():
            return False
        return alike(float(np.exp(grown[last] - grown[first])), growth)

    def _grown_elsewhere(self, symbol: str) -> tuple[Ints, Array]:
        """The days (d,) on which another source has a price, and the log of its growth (d,) since the first of them."""
        if symbol not in self._others:
            if not (told := sorted(self.elsewhere(symbol).items())):
                return NOWHERE
            steps = [
                np.log((close * split + paid) / before)
                for (_, (before, _, _)), (_, (close, split, paid)) in pairwise(told)
            ]
            days = np.array([day for day, _ in told], np.int64)
            self._others[symbol] = days, np.cumsum([0.0, *steps])
        return self._others[symbol]

    @cached_property
    def _others(self) -> dict[str, tuple[Ints, Array]]:
        return {}

    def _in_the_range(self, place: int, before: float) -> bool:
        """Whether the day's trades cover half of the way from the close before: no split does that."""
        high, low, close = (self.cell(name, place) for name in ("high", "low", "close"))
        if not (0 < low <= close <= high and before > 0):
            return False
        top, bottom = max(close, before), min(close, before)
        covered = np.log(min(high, top) / max(low, bottom))
        return bool(covered >= np.log(top / bottom) / 2)
