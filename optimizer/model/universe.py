"""What a portfolio may hold, and what is known of it: sectors, funds, benchmark, market values, loadings on factors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Real

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError
from optimizer.model.alignment import by_name
from optimizer.model.exposures import FundExposureMap
from optimizer.numerics.counted import floats
from optimizer.typing import Array


@typed
@dataclass(frozen=True, eq=False)
class FactorRisk:
    """What makes risk of a universe's loadings: S = X F X' + diag(specific), per year.

    factors, groups  K unique names of loadings, and what kind each is of: market, sector, style, ...
    covariance       (K, K) F;  specific  symbol -> variance
    Raises DataError for other shapes or a variance below 0.

    >>> FactorRisk(('market',), ('market',), np.array([[0.04]]), {'A': 0.01}).factors
    ('market',)
    """

    factors: tuple[str, ...]
    groups: tuple[str, ...]
    covariance: Array
    specific: Mapping[str, float]

    def __post_init__(self) -> None:
        k = len(self.factors)
        covariance = floats("the covariance of the factors", self.covariance)
        if covariance.shape != (k, k) or len(self.groups) != k or not np.isfinite(covariance).all():
            raise DataError(
                f"factor risk has {k} factors, {len(self.groups)} groups, a covariance {covariance.shape}; make it fit"
            )
        if wrong := [s for s, variance in self.specific.items() if not 0 <= variance < np.inf]:
            raise DataError(f"the specific variance of {', '.join(wrong)} must be a number >= 0 per year")
        object.__setattr__(self, "covariance", covariance)


@typed
@dataclass(frozen=True)
class Universe:
    """What a portfolio may hold, and what is known of it.

    symbols      unique; a list is as good, and kept in ascending order, whatever the given one
    sectors      symbol -> sector
    funds        look-through exposures, None when nothing is looked through
    benchmark    symbol -> weight, a fraction; "equal_weight", "market_cap" or one symbol
    market_caps  symbol -> value, in one currency
    factors      factor -> symbol -> loading, per unit of weight
    factor_risk  what makes risk of these loadings, for limits on shares of it

    >>> Universe(('A', 'B'), sectors={'A': 'x', 'B': 'y'}).symbols
    ('A', 'B')
    """

    symbols: tuple[str, ...]
    sectors: Mapping[str, str] = field(default_factory=dict)
    funds: FundExposureMap | None = None
    benchmark: Mapping[str, float] | None = None
    market_caps: Mapping[str, float] | None = None
    factors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    factor_risk: FactorRisk | None = None

    def __post_init__(self) -> None:
        symbols: object = self.symbols
        if not isinstance(symbols, Iterable) or not all(isinstance(name, str) for name in symbols):
            raise PolicyError(f"symbols is {symbols!r}; give a list of names: ['A', 'B']")
        if len(set(self.symbols)) < len(tuple(self.symbols)):
            raise PolicyError(f"symbols {self.symbols} must be unique; keep each once")
        object.__setattr__(self, "symbols", tuple(sorted(self.symbols)))
        self._check_kinds()

    def _check_kinds(self) -> None:
        """Takes a Series as a mapping and None as an empty one; PolicyError for anything else."""
        for name in ("sectors", "factors", "market_caps", "benchmark"):
            given: object = getattr(self, name)
            if given is None and name in ("sectors", "factors"):
                object.__setattr__(self, name, {})
            elif isinstance(given, str) and name == "benchmark":
                object.__setattr__(self, name, self._named(given))
            elif hasattr(given, "columns") and hasattr(given, "to_dict"):
                object.__setattr__(self, name, given.to_dict())
            elif given is not None:
                object.__setattr__(self, name, by_name(name, given))
        for symbol, weight in dict[str, object](self.benchmark or {}).items():
            number = isinstance(symbol, str) and isinstance(weight, Real | Decimal)
            if not number or not abs(float(weight)) <= 10:  # type: ignore[arg-type]
                raise PolicyError(
                    f"the benchmark's weight of {symbol} is {weight!r}; write a fraction: {{'A': 0.5}}"
                )
        for name, kind in (("funds", FundExposureMap), ("factor_risk", FactorRisk)):
            if not isinstance(getattr(self, name), kind | None):
                raise PolicyError(f"{name} is {getattr(self, name)!r}; it must be a {kind.__name__}, or None")

    def _named(self, benchmark: str) -> dict[str, float]:
        """The weights that a word stands for, as in a portfolio's file."""
        if benchmark == "equal_weight":
            return dict.fromkeys(self.symbols, 1 / len(self.symbols))
        if benchmark != "market_cap":
            return {benchmark: 1.0}
        caps = self.market_caps or {}
        if missing := [symbol for symbol in self.symbols if symbol not in caps]:
            raise PolicyError(
                f"the benchmark is market_cap, and market_caps lacks {', '.join(missing)}; add them"
            )
        total = sum(caps[symbol] for symbol in self.symbols)
        return {symbol: caps[symbol] / total for symbol in self.symbols}
