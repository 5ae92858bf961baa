"""Views on what funds hold: the portfolio of funds that holds one of an exposure and nothing of any other."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from optimizer.errors import PolicyError, meant
from optimizer.model.exposure_types import ExposureType
from optimizer.model.exposures import FundExposureMap
from optimizer.typing import Array

PREFIX = "exposure:"
ABSURD_GROSS = 10.0
HELD_ALONE = 1e-9


def exposures_in(names: Iterable[object]) -> tuple[ExposureType, ...]:
    """The exposures among the names of a view; PolicyError for one that nobody can have an opinion on."""
    return tuple(_exposure(n) for n in map(str, names) if n.startswith(PREFIX))


def _exposure(name: str) -> ExposureType:
    """The exposure of `exposure:us_equity`.

    Raises PolicyError with near ones for one that does not exist, and for `unknown`: it is no market but the sum of
    what no fund's facts explain.
    """
    kind = ExposureType.parse(name.removeprefix(PREFIX))
    if kind is ExposureType.UNKNOWN:
        raise PolicyError(
            f"{name} is no market to have a view on, it stands for all that nothing is known of; name the symbols, or "
            f"state what they hold with the facts of the funds"
        )
    return kind


@dataclass(frozen=True, eq=False)
class Named:
    """What views may name: symbols, and with funds `exposure:us_equity`, the exposures that these hold.

    market_weights  (n,) fractions
    """

    symbols: tuple[str, ...]
    market_weights: Array
    funds: FundExposureMap | None = None

    @cached_property
    def _place(self) -> dict[str, int]:
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    def row(self, name: str, view: str, *, equal: bool = False) -> Array:
        """(n,) the portfolio that a name stands for: 1 of a symbol, or `pure` of an exposure.

        equal  funds count alike, not by their market weights. Raises PolicyError for what is not known here.
        """
        if name.startswith(PREFIX):
            spread = np.ones(len(self.symbols)) if equal else np.maximum(self.market_weights, 0.0)
            return self._pure(_exposure(name), spread, view)
        if name not in self._place:
            raise PolicyError(
                f"view {view} names {name}, which is not among the {len(self.symbols)} symbols (an exposure is written "
                f"{PREFIX}equity); {meant(name, sorted(self.symbols))}"
            )
        row = np.zeros(len(self.symbols))
        row[self._place[name]] = 1.0
        return row

    def size(self, name: str) -> float:
        """The market's weight in a symbol or exposure that `row` knows."""
        if name.startswith(PREFIX) and self.funds is not None:
            kind = _exposure(name)
            return float(self.funds.matrix(self.symbols, [kind])[0] @ self.market_weights)
        return float(self.market_weights[self._place[name]])

    def _pure(self, kind: ExposureType, spread: Array, view: str) -> Array:
        """(n,) of all portfolios with 1 of the exposure and 0 of the others that with the least sum of p^2 / spread.

        Of names that hold nothing but the exposure it is their share of the market (He & Litterman 1999). Cash earns
        no excess return and does not count.
        """
        if self.funds is None:
            raise PolicyError(
                f"view {view} is on an exposure, and no funds say what is held; give Universe(funds=...)"
            )
        listed = [t for t in self.funds.types(self.symbols) if t is not ExposureType.CASH]
        own = [t for t in listed if kind in (t, *t.parents)]
        others = [t for t in listed if t not in own]
        if not own:
            known = ", ".join(t.value for t in listed)
            raise PolicyError(f"view {view}: nothing here holds {kind.value}; what is held is {known}")
        listed_as = partial(self.funds.listed, self.symbols)
        held = np.vstack([listed_as(own).sum(axis=0), *listed_as(others)])
        wanted = np.array([1.0, *np.zeros(len(others))])
        root = np.sqrt(spread)
        found = root * np.linalg.lstsq(held * root, wanted, rcond=HELD_ALONE)[0]
        if np.abs(held @ found - wanted).max() > HELD_ALONE or np.abs(found).sum() > ABSURD_GROSS:
            beside = ", ".join(
                t.value for t, row in zip(others, held[1:], strict=True) if (row * held[0]).any()
            )
            raise PolicyError(
                f"view {view}: no mix of what is held by the market has {kind.value} alone, it comes with {beside}; "
                f"name funds or exposures that can be told apart, add such funds, or say weights: equal"
            )
        return np.asarray(found)
