"""What every kind of factor model answers with, and the covariance that solvers read of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.model.universe import FactorRisk, Universe
from optimizer.numerics.counted import floats
from optimizer.numerics.matrices import LowRank
from optimizer.typing import Array

MARKET, SECTOR, STYLE, SERIES, COMPONENT = "market", "sector", "style", "series", "component"


@typed
@dataclass(frozen=True, eq=False)
class FactorModel:
    """The risk of n names by K factors: covariance = exposures F exposures' + diag(specific).

    symbols, factors   n and K unique names;  groups  (K,) kind of each factor: market, sector, style, ...
    exposures          (n, K) loadings
    factor_covariance  (K, K) symmetric positive semidefinite, per year
    specific           (n,) specific variances, not negative, per year
    Raises DataError for other shapes and values.
    Source: Grinold & Kahn (2000), Active Portfolio Management, ch. 3.

    >>> model = FactorModel(('A', 'B'), ('market',), ('market',), np.ones((2, 1)), np.eye(1) * 0.04, np.full(2, 0.01))
    >>> model.covariance.dense.round(4).tolist()
    [[0.05, 0.04], [0.04, 0.05]]
    """

    symbols: tuple[str, ...]
    factors: tuple[str, ...]
    groups: tuple[str, ...]
    exposures: Array
    factor_covariance: Array
    specific: Array

    def __post_init__(self) -> None:
        for name in ("symbols", "factors", "groups"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        n, k = len(self.symbols), len(self.factors)
        shapes = {"exposures": (n, k), "factor_covariance": (k, k), "specific": (n,)}
        for name, shape in shapes.items():
            value = floats(name, getattr(self, name))
            if value.shape != shape or not np.isfinite(value).all():
                raise DataError(f"{name} has shape {value.shape}; finite numbers in {shape} are needed")
            object.__setattr__(self, name, value)
        if len(self.groups) != k or len(set(self.factors)) < k or len(set(self.symbols)) < n:
            raise DataError("a factor model needs a group for each factor, and every name once")
        if self.specific.min(initial=0.0) < 0:
            raise DataError(f"specific is {self.specific.min():g}; variances are not negative")

    @cached_property
    def factor_root(self) -> Array:
        """(K, K) with root'root = factor_covariance; eigenvalues below 0 by rounding count as 0."""
        values, vectors = np.linalg.eigh(self.factor_covariance)
        return np.asarray(np.sqrt(values.clip(0.0))[:, None] * vectors.T)

    @cached_property
    def covariance(self) -> LowRank:
        """The (n, n) covariance per year, in factors."""
        return LowRank(self.factor_root @ self.exposures.T, self.specific)

    @property
    def loadings(self) -> dict[str, dict[str, float]]:
        """Factor -> symbol -> exposure, as `Universe.factors` has them."""
        return {
            factor: dict(zip(self.symbols, column.tolist(), strict=True))
            for factor, column in zip(self.factors, self.exposures.T, strict=True)
        }

    @property
    def risk(self) -> FactorRisk:
        """What makes risk of the loadings, as `Universe.factor_risk` has it."""
        own = dict(zip(self.symbols, self.specific.tolist(), strict=True))
        return FactorRisk(self.factors, self.groups, self.factor_covariance, own)

    @classmethod
    def known_in(cls, universe: Universe, symbols: tuple[str, ...]) -> "FactorModel | None":
        """The model that a universe has of some symbols; None where it has none, DataError for a name it lacks."""
        risk = universe.factor_risk
        if risk is None:
            return None
        known = [risk.specific, *(universe.factors.get(factor, {}) for factor in risk.factors)]
        lost = [symbol for symbol in symbols if any(symbol not in own for own in known)]
        if lost:
            raise DataError(f"the factor model does not cover {', '.join(lost)}; fit it with their prices")
        exposures = np.array([[universe.factors[factor][s] for factor in risk.factors] for s in symbols])
        own = np.array([risk.specific[s] for s in symbols])
        return cls(
            symbols, risk.factors, risk.groups, exposures.reshape(len(symbols), -1), risk.covariance, own
        )

    def of(self, symbols: tuple[str, ...]) -> "FactorModel":
        """The model of some of its names, in that order; raises DataError for a name without exposures."""
        place = {symbol: i for i, symbol in enumerate(self.symbols)}
        if lost := [symbol for symbol in symbols if symbol not in place]:
            raise DataError(f"the factor model does not cover {', '.join(lost)}; fit it with their prices")
        rows = [place[symbol] for symbol in symbols]
        return FactorModel(
            symbols, self.factors, self.groups, self.exposures[rows], self.factor_covariance, self.specific[rows]
        )  # fmt: skip
