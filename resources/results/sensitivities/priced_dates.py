"""Prices between the dates on which some names are priced; what depends on one name and these dates is made once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer import log_returns
from optimizer.risk.factor_regression import FactorFit, Regression
from optimizer.risk.scenarios import FACTORS, Sensitivities, factor_moves, gathered
from optimizer.typing import Array
from resources.packs.markets import Market
from resources.packs.panels import Panel

Found = TypeVar("Found")
Once = Callable[[object, Callable[[], Any]], Any]
Proxies = Mapping[str, Mapping[str, float]]


def each(once: Once, key: object, symbols: Iterable[str], make: Callable[[str], Found]) -> list[Found]:
    """What `make` gives of each symbol, made once for all that ask by the same key."""
    known: dict[str, Found] = once(("each", key), dict)
    return [known[s] if s in known else known.setdefault(s, make(s)) for s in symbols]


class Beside:
    """Columns (T,) of names beside each other, each made once; there is room for more of them than there are."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._columns = np.empty((1, 0))  # of no name, whatever their length

    def of(self, symbols: Iterable[str], make: Callable[[str], Array]) -> Array:
        """(T, n) the columns of some symbols, which `make` gives where they are not there yet."""
        wanted = list(symbols)
        if new := [symbol for symbol in wanted if symbol not in self._places]:
            made, before = np.array([make(symbol) for symbol in new]).T, len(self._places)
            width = before + len(new)
            if self._columns.shape[1] < width:
                wider = np.empty((len(made), 2 * width))
                wider[:, :before] = self._columns[:, :before]
                self._columns = wider
            self._columns[:, before:width] = made
            self._places.update(zip(new, range(before, width), strict=True))
        return self._columns.take([self._places[symbol] for symbol in wanted], axis=1)


@dataclass(frozen=True, eq=False)
class Span:
    """The dates on which one of `symbols` is priced, of the last sessions of a market.

    kept  those of the symbols that are asked about;  currency  in which prices are told
    once  gives by a key what was made before
    """

    market: Market
    symbols: tuple[str, ...]
    kept: tuple[str, ...]
    currency: str
    sessions: int
    once: Once

    @cached_property
    def _whole(self) -> tuple[Panel, Array]:
        """All of the market with its total-return prices (N, T), a row a name."""

        def made() -> tuple[Panel, Array]:
            panel = self.market.recent(self.market.panel.symbols, self.sessions)
            return panel, np.ascontiguousarray(panel.total_return().to_numpy().T)

        found: tuple[Panel, Array] = self.once(("total returns", self.sessions), made)
        return found

    @cached_property
    def _rows(self) -> npt.NDArray[np.bool_]:
        """(T,) which of its dates are ours."""
        panel, prices = self._whole

        def made() -> tuple[npt.NDArray[np.bool_], list[bool]]:
            priced = np.isfinite(prices)
            return priced, np.asarray(priced.all(axis=1)).tolist()

        priced, always = self.once("priced", made)
        places = [panel.places[symbol] for symbol in self.symbols]
        if any(always[place] for place in places):
            return np.ones(priced.shape[1], dtype=bool)
        return np.asarray(priced[places].any(axis=0))

    @cached_property
    def key(self) -> object:
        """The same of all portfolios for which a name has the same prices here."""
        return self.once(("span", self.currency, self._rows.tobytes()), object)

    @cached_property
    def dates(self) -> tuple[date, ...]:
        """(T,) ascending."""

        def made() -> tuple[date, ...]:
            own = zip(self._whole[0].dates, self._rows.tolist(), strict=True)
            return tuple(day for day, ours in own if ours)

        found: tuple[date, ...] = self.once(("dates", self.key), made)
        return found

    @cached_property
    def days(self) -> npt.NDArray[np.datetime64]:
        """(T,) the same, as numpy counts with them."""
        return self._whole[0].days[self._rows]

    def own(self, symbol: str) -> Array:
        """(T,) total-return prices in the symbol's own currency."""
        panel, prices = self._whole
        found: Array = prices[panel.places[symbol]][self._rows]
        return found

    def close(self, symbol: str) -> Array:
        """(T,) closes as traded, in the symbol's own currency."""
        panel = self._whole[0]
        return np.asarray(panel.close[:, panel.places[symbol]][self._rows])

    def base(self, symbol: str) -> Array:
        """(T,) the same in `currency`; NaN where no way to it is known."""
        panel = self._whole[0]
        unit = panel.currency[panel.places[symbol]]
        if unit in ("", self.currency):
            return self.own(symbol)
        way = self.once(("way", unit, self.key), lambda: self._way(unit))
        return np.asarray(self.own(symbol) * way)

    def _way(self, unit: str) -> Array:
        return np.asarray(self.market.rates.way(unit, self.currency, self.days).rates)

    def series(self, symbol: str) -> pd.Series:
        """`base` by date."""
        return pd.Series(self.base(symbol), pd.DatetimeIndex(self.days, name="date"))

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(T, n) prices of `kept` in their own currencies, and in `currency`.

        Raises DataError for a price of a date on which no way to it is known.
        """
        panel = self.market.recent(self.symbols, self.sessions)
        index, own = pd.DatetimeIndex(self.days, name="date"), np.array([*map(self.own, self.symbols)]).T
        base = self.market.in_currency(panel, self.currency, own.copy())
        return pd.DataFrame(own, index, list(self.symbols))[list(self.kept)], base[list(self.kept)]

    def even(self, least: int) -> bool:
        """Whether all of `kept` are priced on every one of more than `least` dates, and can be told in `currency`."""
        asked = {*self.kept}
        if len(self.dates) <= least:
            return False
        told = each(self.once, ("even", self.key), self.symbols, self._told)
        return all(
            whole if symbol in asked else alike
            for symbol, (whole, alike) in zip(self.symbols, told, strict=True)
        )

    def _told(self, symbol: str) -> tuple[bool, bool]:
        """Whether all of its prices are there in `currency`, and whether none is lost on the way to it."""
        told = np.isfinite(self.base(symbol))
        return bool(told.all()), bool((told == np.isfinite(self.own(symbol))).all())

    def sensitivities(
        self, symbols: tuple[str, ...], declared: Sequence[Array], proxies: Proxies
    ) -> Sensitivities:
        """Of some of `kept`, where they are `even`: each by a regression of its own, made once for all portfolios.

        declared  (k,) for each symbol what it is said to move by, NaN where that is not known
        """

        def made() -> Regression:
            used = {symbol for weights in proxies.values() for symbol in weights}
            returns = {symbol: log_returns(self.own(symbol)) for symbol in used}
            moves = factor_moves(proxies, returns, len(self.dates) - 1)
            return Regression(moves, np.asarray(np.isfinite(moves).all(axis=0)))

        regression: Regression = self.once(("regression", self.key), made)

        def fit(symbol: str) -> FactorFit:
            return regression.fit(log_returns(self.base(symbol)))

        fits = each(self.once, ("fit", self.key), symbols, fit)
        return gathered(symbols, regression, fits, np.array(declared).reshape(-1, len(FACTORS)))
