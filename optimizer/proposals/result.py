"""What an optimisation says: weights with every figure a desk asks of them, or why there are none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np

from optimizer.errors import PolicyError
from optimizer.measures.portfolio_measures import (
    diversification_ratio,
    expected_return,
    growth_rate,
    herfindahl,
    risk_contributions,
    turnover,
    volatility,
)
from optimizer.model.costs import CostModel
from optimizer.model.exposure_types import ExposureType, in_order
from optimizer.model.exposures import ExposureCalculator
from optimizer.model.portfolio import Number, Portfolio, Trade
from optimizer.numerics.counted import uncounted
from optimizer.problem.policy_limits import notional
from optimizer.problem.setting import Setting
from optimizer.solvers.audit import Binding, Certificate
from optimizer.solvers.hierarchy import Unmet
from optimizer.solvers.solution import Solution
from optimizer.trading.trades import build_trades
from optimizer.typing import Array

HELD = 1e-6


@dataclass(frozen=True, eq=False)
class OptimizationResult:
    """Results from portfolio optimization; fractions, rates per year; NaN where means or a covariance are missing.

    weights                symbol -> fraction of NAV, in the order asked for; {} without success
    objective_value        the method's measure (Sharpe ratio, volatility, return less its penalty for risk, ...)
    exposures              look-through exposure by type, {} without a fund map
    total_notional         sum of |weight| x the fund's notional
    effective_assets       number of weights above 1e-6 in size;  effective_number  1 / concentration_ratio
    concentration_ratio    sum of squared weights
    diversification_ratio  sum |w| s / s_p (Choueifaty & Coignard 2008)
    expected_growth        expected_return - volatility^2 / 2
    risk_contributions     symbol -> share of the variance;  exposure_risk  type -> share of the variance, each
                           fund's share split over its exposures by their size
    turnover               one-way against the weights held before, NaN where none were given
    certificate            violation and distance to the optimum, recomputed;  lane, solver  how it was found

    >>> OptimizationEngine(None, funds).optimize_risk_parity(symbols, covariance, OptimizationConstraints()).method
    'risk_parity'
    """

    weights: dict[str, float]
    objective_value: float
    expected_return: float
    expected_volatility: float
    sharpe_ratio: float
    exposures: dict[ExposureType, float]
    total_notional: float
    success: bool
    message: str
    effective_assets: int
    concentration_ratio: float
    diversification_ratio: float
    method: str = ""
    cash: float = nan
    effective_number: float = nan
    max_weight: float = nan
    expected_growth: float = nan
    risk_contributions: dict[str, float] = field(default_factory=dict)
    exposure_risk: dict[ExposureType, float] = field(default_factory=dict)
    turnover: float = nan
    unconstrained_turnover: float | None = None
    binding: tuple[Binding, ...] = ()
    unmet: tuple[Unmet, ...] = ()
    warnings: tuple[str, ...] = ()
    certificate: Certificate | None = None
    lane: str = ""
    solver: str = ""
    setting: Setting | None = field(default=None, repr=False)

    @property
    def constraints_met(self) -> bool:
        """Whether there is an answer and it keeps every limit."""
        return self.success and not self.unmet

    @property
    def solver_status(self) -> str:
        """The seed's name of how it was found."""
        return f"{self.lane} ({self.solver})" if self.success else "failed"

    def to_trades(
        self,
        current_portfolio: Portfolio,
        prices: Mapping[str, Number],
        *,
        costs: CostModel | None = None,
        lots: Number | Mapping[str, Number] = 1,
    ) -> list[Trade]:
        """Whole-lot trades from the current portfolio to the weights, in execution order.

        prices  symbol -> price, for all that is held or wanted.  Raises PolicyError when there are no weights, and
        what `build_trades` raises.
        """
        if not self.success or self.setting is None:
            raise PolicyError(f"there are no weights to trade towards: {self.message}")
        setting = self.setting
        listed = build_trades(
            current_portfolio, prices, self.weights, setting.estimates, setting.policy, setting.universe,
            costs=costs, lots=lots,
        )  # fmt: skip
        return listed.trades()


def failure(message: str, method: str, warnings: tuple[str, ...] = ()) -> OptimizationResult:
    """No weights, and why."""
    return OptimizationResult(
        {}, nan, nan, nan, nan, {}, nan, False, message, 0, nan, nan, method=method, warnings=warnings
    )


def describe(
    solution: Solution, setting: Setting, order: tuple[str, ...] | None = None
) -> OptimizationResult:
    """The result of a certified solution; `order` of the symbols in its mappings, theirs by default."""
    w = solution.weights
    rank = {symbol: i for i, symbol in enumerate(solution.symbols)}
    names = order or solution.symbols
    shares = risk_contributions(w, setting.estimates.risk)
    figures = moments(w, setting)
    met = "optimal" if solution.constraints_met else "optimal among what turnover allows; see unmet"
    return OptimizationResult(
        weights={symbol: float(w[rank[symbol]]) for symbol in names},
        exposures=exposures_of(w, setting),
        objective_value=solution.objective,
        success=True,
        message=met,
        method=solution.method,
        risk_contributions={symbol: float(shares[rank[symbol]]) for symbol in names},
        exposure_risk=exposure_shares(shares, setting),
        unconstrained_turnover=solution.unconstrained_turnover,
        binding=solution.binding,
        unmet=solution.unmet,
        warnings=solution.warnings,
        certificate=solution.certificate,
        lane=solution.lane,
        solver=solution.solver,
        setting=setting,
        **composition(w, setting),
        **figures,
    )


def moments(w: Array, setting: Setting) -> dict[str, Any]:
    """Return, risk, Sharpe ratio and growth of weights (n,)."""
    estimates, rate = setting.estimates, setting.policy.risk_free_rate
    risk = uncounted(volatility)(w, estimates.risk)
    cash_rate = rate if rate is not None else (0.0 if abs(1.0 - w.sum()) < HELD else nan)
    mean = nan if estimates.mean is None else uncounted(expected_return)(w, estimates.mean, cash_rate)
    excess = nan if rate is None else mean - rate
    return {
        "expected_return": mean,
        "expected_volatility": risk,
        "sharpe_ratio": excess / risk if risk > 0 else nan,
        "expected_growth": growth_rate(mean, risk),
        "diversification_ratio": uncounted(diversification_ratio)(w, estimates.risk),
    }


def composition(w: Array, setting: Setting) -> dict[str, Any]:
    """What weights (n,) hold: counts, concentration, notional, cash, turnover."""
    concentration = uncounted(herfindahl)(w)
    return {
        "total_notional": float(notional(setting) @ np.abs(w)),
        "effective_assets": int((np.abs(w) > HELD).sum()),
        "concentration_ratio": concentration,
        "effective_number": 1.0 / concentration if concentration > 0 else nan,
        "max_weight": float(np.abs(w).max()),
        "cash": 1.0 - float(w.sum()),
        "turnover": nan if setting.held is None else uncounted(turnover)(w, setting.held),
    }


def exposures_of(w: Array, setting: Setting) -> dict[ExposureType, float]:
    """Look-through amounts of weights (n,), fractions of NAV; nothing where nothing is looked through."""
    funds = setting.universe.funds
    by_name = dict(zip(setting.symbols, w.tolist(), strict=True))
    return {} if funds is None else ExposureCalculator(funds).calculate(by_name)


def exposure_shares(shares: Array, setting: Setting) -> dict[ExposureType, float]:
    """Type -> share of the variance, each fund's share (n,) split over its exposures by their size."""
    funds = setting.universe.funds
    if funds is None:
        return {}
    total: dict[ExposureType, float] = {}
    for fund, share in zip(funds.select(setting.symbols), shares.tolist(), strict=True):
        for kind, amount in fund.exposures.items():
            total[kind] = total.get(kind, 0.0) + share * abs(amount) / fund.notional
    return {kind: total[kind] for kind in in_order(total)}
