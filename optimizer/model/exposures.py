"""What a fund holds per unit of its net asset value, and what a book of funds therefore holds."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError, check_one_of
from optimizer.model.exposure_types import PLACES, ExposureType, in_order, lowest_of
from optimizer.typing import Array

NOTIONAL_TOLERANCE = 0.01
ABSURD_WEIGHT = 1e6


@typed
@dataclass(frozen=True)
class Fund:
    """One tradable symbol and what it holds.

    exposures       notional per 1 of NAV (RSST: US large equity 1.0, managed futures 1.0), each as the most
                    specific type known, or its name; the financing leg, 1 - `funded`, is implied and never listed
    unfunded        the types among them held by contracts whose expected return is given in excess of cash
    fee             expense ratio per year; None where it is not confirmed
    spread          financing cost above the risk-free rate, per year, on what is funded above 1
    total_notional  the issuer's own sum of |exposures|; checked where given
    source, as_of   where the figures come from and when they held
    Raises PolicyError for an empty or non-finite exposure, one type listed under another, or a wrong sum.

    >>> Fund('RSST', 'stacked', {ExposureType.US_LARGE_EQUITY: 1.0, ExposureType.MANAGED_FUTURES: 1.0}).notional
    2.0
    """

    symbol: str
    name: str
    exposures: Mapping[ExposureType, float]
    fee: float | None = None
    spread: float = 0.0
    unfunded: frozenset[ExposureType] = frozenset()
    total_notional: float | None = None
    source: str = ""
    as_of: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.exposures, Mapping):
            raise PolicyError(
                f"fund {self.symbol}: exposures are {self.exposures!r}; give type -> amount per 1 of NAV"
            )
        if any(isinstance(kind, str) for kind in (*self.exposures, *self.unfunded)):
            named = {_kind(kind): amount for kind, amount in self.exposures.items()}
            object.__setattr__(self, "exposures", named)
            object.__setattr__(self, "unfunded", frozenset(map(_kind, self.unfunded)))
        _check_fund(self)

    @property
    def notional(self) -> float:
        """Sum of |exposure| per 1 of NAV, without the financing leg; inverse funds count too."""
        return self._notional

    @cached_property
    def _notional(self) -> float:
        return sum(abs(amount) for amount in self.exposures.values())

    @property
    def funded(self) -> float:
        """Signed sum of the funded exposures, F: the fund borrows F - 1 of its NAV (lends where negative)."""
        return sum(amount for kind, amount in self.exposures.items() if kind not in self.unfunded)

    def exposure(self, kind: ExposureType) -> float:
        """The amount of that type per 1 of NAV, everything below it included."""
        return self._amounts[PLACES[kind]]

    @cached_property
    def _amounts(self) -> tuple[float, ...]:
        """The same of every ExposureType, in their order."""
        found = [0.0] * len(PLACES)
        for own, amount in self.exposures.items():
            for kind in (own, *own.parents):
                found[PLACES[kind]] += amount
        return tuple(found)


def _kind(given: ExposureType | str) -> ExposureType:
    return ExposureType.parse(given) if isinstance(given, str) else given


def _check_fund(fund: Fund) -> None:
    where = f"fund {fund.symbol}"
    if not fund.symbol or not fund.exposures:
        raise PolicyError(f"{where} lists no exposure; give at least one, e.g. us_large_equity: 1.0")
    for kind, amount in fund.exposures.items():
        if not (isfinite(amount) and amount):
            raise PolicyError(f"{where}: {kind.value} is {amount}; an exposure is a number other than 0")
        doubled = [above.value for above in kind.parents if above in fund.exposures]
        if doubled:
            raise PolicyError(
                f"{where} lists {kind.value} and {doubled[0]}, which contains it: it would count twice; "
                f"keep the specific one"
            )
    if fund.exposures.get(ExposureType.CASH, 0.0) < 0:
        raise PolicyError(f"{where}: cash is negative; the financing leg is implied, leave it out")
    strangers = sorted(kind.value for kind in fund.unfunded if kind not in fund.exposures)
    if strangers:
        raise PolicyError(f"{where}: unfunded names {', '.join(strangers)}, which is no exposure of it")
    for name, rate in (("fee", fund.fee), ("spread", fund.spread)):
        if rate is not None and not 0 <= rate < 0.25:
            raise PolicyError(f"{where}: {name} is {rate}; it must be a fraction per year (0.0098 for 0.98%)")
    stated = fund.total_notional
    if stated is not None and not abs(stated - fund.notional) <= NOTIONAL_TOLERANCE:
        raise PolicyError(
            f"{where}: exposures add up to {fund.notional:g}, total_notional is {stated:g}; exposures are "
            f"per 1 of NAV: multiply shares of notional by total_notional, or correct the wrong figure"
        )


@typed
class FundExposureMap(Mapping[str, Fund]):
    """The funds by symbol; reads like a mapping.

    unmapped  "error": a symbol without a fund raises PolicyError; "unknown": it counts as UNKNOWN, 1 per 1

    >>> funds.matrix(('BONDS', 'EQUITY'), (ExposureType.EQUITY,)).tolist()
    [[0.0, 1.0]]
    """

    def __init__(self, funds: Mapping[str, Fund] | Iterable[Fund] = (), *, unmapped: str = "error") -> None:
        check_one_of("unmapped", unmapped, ("error", "unknown"))
        self.unmapped = unmapped
        self.funds: dict[str, Fund] = {}
        for fund in funds.values() if isinstance(funds, Mapping) else funds:
            if fund.symbol in self.funds:
                raise PolicyError(f"fund {fund.symbol} is listed twice; keep one entry")
            self.funds[fund.symbol] = fund
        # With those that nobody knows, once asked for: books of a fleet ask for the same names again and again.
        self._found = dict(self.funds)

    def __getitem__(self, symbol: str) -> Fund:
        return self.funds[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self.funds)

    def __len__(self) -> int:
        return len(self.funds)

    def select(self, symbols: Iterable[str]) -> tuple[Fund, ...]:
        """The fund of each symbol, in that order; raises PolicyError naming all that are not mapped."""
        wanted = tuple(symbols)
        try:
            return tuple(map(self._found.__getitem__, wanted))
        except (KeyError, TypeError):
            return self._selected(wanted)

    def _selected(self, wanted: tuple[str, ...]) -> tuple[Fund, ...]:
        if strange := [symbol for symbol in wanted if not isinstance(symbol, str)]:
            raise PolicyError(f"{strange[0]!r} is no symbol; give symbols, and weights as symbol -> weight")
        missing = [symbol for symbol in wanted if symbol not in self._found]
        if missing and self.unmapped == "error":
            raise PolicyError(
                f"no exposures are known for {', '.join(missing)}; add them to the fund map, "
                f"or ask for unmapped='unknown'"
            )
        for symbol in missing:
            self._found[symbol] = Fund(symbol, symbol, {ExposureType.UNKNOWN: 1.0})
        return tuple(map(self._found.__getitem__, wanted))

    def types(self, symbols: Iterable[str]) -> tuple[ExposureType, ...]:
        """The types these symbols list, in the order of ExposureType; parents are not among them."""
        return in_order(set().union(*[fund.exposures for fund in self.select(symbols)]))

    def matrix(self, symbols: Iterable[str], types: Iterable[ExposureType]) -> Array:
        """(k, n) exposure of each symbol to each type per 1 of NAV; a type includes everything below it."""
        funds, places = self.select(symbols), [PLACES[kind] for kind in types]
        rows = [fund._amounts for fund in funds]
        amounts = [[row[place] for row in rows] for place in places]
        return np.array(amounts, dtype=float).reshape(len(places), len(funds))

    def listed(self, symbols: Iterable[str], types: Iterable[ExposureType]) -> Array:
        """(k, n) what each symbol lists as each type itself, per 1 of NAV; nothing below it counts."""
        funds = self.select(symbols)
        return np.array([[fund.exposures.get(kind, 0.0) for fund in funds] for kind in types])

    def shares(self, symbols: Iterable[str], types: Iterable[ExposureType]) -> Array:
        """(k, n) the same with each amount counted once: for the nearest of the types that it belongs to.

        Raises PolicyError where two of them, neither below the other, claim it.
        """
        funds, kinds = self.select(symbols), tuple(types)
        place = {kind: row for row, kind in enumerate(kinds)}
        amounts = np.zeros((len(kinds), len(funds)))
        for column, fund in enumerate(funds):
            for own, amount in fund.exposures.items():
                for kind in lowest_of(own, kinds):
                    amounts[place[kind], column] += amount
        return amounts

    def notional(self, symbols: Iterable[str]) -> Array:
        """(n,) sum of |exposure| per 1 of NAV of each symbol."""
        return np.array([fund._notional for fund in self.select(symbols)])


@typed
@dataclass(frozen=True)
class ExposureCalculator:
    """Looks through a book of funds to what it holds.

    >>> ExposureCalculator(funds).total_notional({'EQUITY': 0.5, 'GOLD': 0.5})
    1.0
    """

    fund_map: FundExposureMap

    def calculate(self, weights: Mapping[str, float]) -> dict[ExposureType, float]:
        """Exposure to each listed type as a fraction of NAV (weights are fractions of NAV by symbol)."""
        kinds = self.fund_map.types(weights)
        amounts = self.fund_map.matrix(weights, kinds) @ _finite_weights(weights)
        return dict(zip(kinds, amounts.tolist(), strict=True))

    def total_notional(self, weights: Mapping[str, float]) -> float:
        """Sum of |weight| x notional, as a fraction of NAV."""
        return float(self.fund_map.notional(weights) @ np.abs(_finite_weights(weights)))


def _finite_weights(weights: Mapping[str, float]) -> Array:
    for symbol, weight in weights.items():
        if not abs(weight) <= ABSURD_WEIGHT:
            raise DataError(f"the weight of {symbol} is {weight}; write a fraction of the NAV, 0.1 for 10%")
    return np.array(list(weights.values()), dtype=float)
