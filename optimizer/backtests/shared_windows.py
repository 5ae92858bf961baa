"""Windows of prices that several strategies read, so that each is estimated once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from optimizer.errors import DataError
from optimizer.model.estimates import Estimates
from optimizer.model.recipe import Recipe
from optimizer.model.sessions import Dates
from optimizer.model.universe import Universe
from optimizer.typing import Array


class KnownWindow:
    """What is known of prices (t, n) at their dates: the estimates, and these with a prior, by what that rests on."""

    def __init__(self, prices: Array, dates: Dates) -> None:
        self.prices, self.dates = prices, dates
        self._evidence: Estimates | None = None
        self._believed: list[tuple[tuple[Any, ...], Universe, Estimates]] = []

    def shows(self, prices: Array, dates: Dates) -> bool:
        """Whether these are its prices, gaps included, at its dates."""
        return np.array_equal(self.dates, dates) and np.array_equal(self.prices, prices, equal_nan=True)

    def evidence(self, make: Callable[[], Estimates]) -> Estimates:
        """The estimates, made at the first call."""
        if self._evidence is None:
            self._evidence = make()
        return self._evidence

    def believed(self, rests_on: tuple[Any, ...], make: Callable[[], Estimates]) -> Estimates:
        """The estimates with a prior, made at the first call with what it rests on, a universe last."""
        *settings, universe = rests_on
        for known, its_universe, estimates in self._believed:
            if known == tuple(settings) and (its_universe is universe or its_universe == universe):
                return estimates
        estimates = make()
        self._believed.append((tuple(settings), universe, estimates))
        return estimates


class SharedWindows:
    """Estimates by recipe and window; made for the strategies of one comparison, whose prices they keep alive.

    >>> windows, recipe = SharedWindows(), Recipe(lookback_days=60)
    >>> few, many = (
    ...     PolicyStrategy(Policy('min_volatility', max_weight=cap), universe, recipe, 'historical', windows=windows)
    ...     for cap in (0.5, 0.9)
    ... )
    >>> few(prices, prices.index[-1], {})['BONDS'], round(many(prices, prices.index[-1], {})['BONDS'], 3)
    (0.5, 0.793)
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[Recipe, Any], KnownWindow] = {}

    def of(self, prices: Array, dates: Dates, recipe: Recipe) -> KnownWindow:
        """What is known of these prices (t, n) at their dates under a recipe; they are compared, not trusted."""
        if not 0 < len(dates) == len(prices):
            raise DataError(
                f"{len(prices)} rows of prices have {len(dates)} dates; each row must have one, and a window has at "
                "least one row: give the dates of these prices"
            )
        key = recipe, dates[-1]
        known = self._kept.get(key)
        if known is None or not known.shows(prices, dates):
            known = self._kept[key] = KnownWindow(prices, dates)
        return known

    def __reduce__(self) -> tuple[type["SharedWindows"], tuple[()]]:
        """Another process begins with none."""
        return SharedWindows, ()
