"""The engine the desk knows by name: a thin face over plain functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.arguments import typed
from optimizer.beliefs.black_litterman import posterior
from optimizer.beliefs.market_views import JointViews, MarketView, ViewMatrix
from optimizer.errors import InfeasibleError, PolicyError, SolverError, one_of
from optimizer.model.costs import CostCurve
from optimizer.model.estimates import Estimates
from optimizer.model.exposure_types import ExposureType
from optimizer.model.exposures import ExposureCalculator, FundExposureMap
from optimizer.model.policies.fields import BlackLittermanSettings
from optimizer.model.universe import Universe
from optimizer.problem.policy_limits import exposure_limits, notional
from optimizer.problem.setting import Setting, checked_weights
from optimizer.proposals.engine_constraints import METHOD_OF, ObjectiveType, OptimizationConstraints
from optimizer.proposals.exposure_matching import ExposureRisk, match_exposures
from optimizer.proposals.result import OptimizationResult, describe, failure
from optimizer.solvers.solve import solve
from optimizer.typing import Array

if TYPE_CHECKING:
    import cvxpy as cp

    from optimizer.measures.analytics import PortfolioAnalytics


@typed
class OptimizationEngine:
    """Optimises weights of funds on what they truly hold.

    analytics  performance of the current portfolio, may be None
    fund_map   look-through exposures of every symbol that will be asked for

    Wrong input raises PolicyError or DataError; contradictory limits and uncertified answers come back as
    `success=False` with no weights and a message that names the limits.

    >>> engine = OptimizationEngine(None, funds)
    >>> engine.optimize_risk_parity(symbols, covariance, OptimizationConstraints()).success
    True
    """

    def __init__(self, analytics: PortfolioAnalytics | None, fund_map: FundExposureMap) -> None:
        self.analytics = analytics
        self.fund_map = fund_map
        self.calculator = ExposureCalculator(fund_map)

    def optimize_mean_variance(
        self,
        symbols: Sequence[str],
        expected_returns: Array,
        covariance_matrix: Array,
        constraints: OptimizationConstraints,
        objective: ObjectiveType = ObjectiveType.MAX_SHARPE,
        risk_free_rate: float = 0.02,
        *,
        current_weights: Array | None = None,
        benchmark_weights: Array | None = None,
        scenarios: Array | None = None,
        observations: int | None = None,
        costs: CostCurve | None = None,
        periods_per_year: float = 252,
    ) -> OptimizationResult:
        """The best weights for an objective under every constraint.

        expected_returns   (n,) total returns per year, in the order of the symbols
        covariance_matrix  (n, n) per year
        current_weights    (n,) held now, for turnover;  benchmark_weights (n,) for tracking error
        scenarios          (T, n) returns, for the objectives on tails, deviations, drawdowns and growth
        periods_per_year   of the scenarios and observations: 252 where they are daily, 52 weekly
        observations       returns that the expected ones rest on, for mean_doubt; those of the scenarios by default
        costs              of trades by symbol in the order of the symbols, for cost_horizon_years; else impact_bps
        """
        if not isinstance(objective, ObjectiveType):
            raise PolicyError(
                f"objective {objective!r} does not exist; {one_of(str(objective), [o.name for o in METHOD_OF])}"
            )
        estimates, order = ordered(symbols, expected_returns, covariance_matrix, scenarios)
        policy = constraints.to_policy(METHOD_OF[objective], risk_free_rate)
        universe = self._universe(estimates.symbols, constraints, picked(benchmark_weights, order))
        if observations is not None or periods_per_year != estimates.periods_per_year:
            told = observations or 0
            estimates = replace(estimates, observations=told, periods_per_year=periods_per_year, trusted=True)
        curve = None if costs is None else costs.picked(order)
        setting = Setting(estimates, policy, universe, picked(current_weights, order), curve)
        return _answer(setting, tuple(symbols))

    def optimize_risk_parity(
        self,
        symbols: Sequence[str],
        covariance_matrix: Array,
        constraints: OptimizationConstraints,
        use_leverage: bool = True,
        *,
        method: str = "risk_parity",
        risk_free_rate: float = 0.02,
        current_weights: Array | None = None,
        benchmark_weights: Array | None = None,
    ) -> OptimizationResult:
        """Risk spread equally: equal contributions ("risk_parity") or by clusters ("hrp", "herc", "nco", ...).

        covariance_matrix  (n, n) per year
        use_leverage       with a target volatility, reach it by borrowing up to the notional limit; without, by
                           holding cash only. A target that the limits keep out of reach is said in the warnings.
        """
        estimates, order = ordered(symbols, None, covariance_matrix)
        policy = constraints.to_policy(method, risk_free_rate)
        if constraints.target_volatility is not None:
            least = -constraints.max_total_notional if use_leverage else constraints.cash_min
            policy = replace(policy, cash_min=min(least, 0.0), cash_max=1.0)
        universe = self._universe(estimates.symbols, constraints, picked(benchmark_weights, order))
        return _answer(Setting(estimates, policy, universe, picked(current_weights, order)), tuple(symbols))

    def black_litterman_returns(
        self,
        symbols: Sequence[str],
        market_weights: Array,
        covariance_matrix: Array,
        views: Sequence[MarketView | JointViews] | ViewMatrix,
        risk_aversion: float = 2.5,
        *,
        tau: float = 0.05,
    ) -> Array:
        """(n,) expected excess returns per year after the views; delta S w_mkt without any.

        market_weights  (n,) fractions;  covariance_matrix  (n, n) per year
        views           opinions, or P, q and omega as a ViewMatrix
        Raises PolicyError and DataError as `posterior` does.
        """
        settings = BlackLittermanSettings(delta=risk_aversion, tau=tau)
        return posterior(
            tuple(symbols), market_weights, covariance_matrix, views, settings, funds=self.fund_map
        ).mean

    def optimize_exposures(
        self,
        symbols: Sequence[str],
        target_exposures: Mapping[ExposureType, float],
        constraints: OptimizationConstraints,
        minimize_cost: bool = True,
        *,
        covariance_matrix: Array | None = None,
        current_weights: Array | None = None,
        exposure_risk: ExposureRisk | None = None,
        exposure_tolerance: float = 0.0,
    ) -> OptimizationResult:
        """The fund weights whose exposures come nearest to the target; of these the cheapest, if asked.

        target_exposures   type -> fraction of NAV; types outside the target are aimed at 0
        covariance_matrix  (n, n) per year, for the result's risk figures and volatility limits
        exposure_risk      covariance of the exposures: nearest is then by tracking error per year, not least squares
        exposure_tolerance by how much further from the target cheaper funds may lead, in the unit of the distance
        What is not needed stays in cash, up to all of it.
        """
        blind = covariance_matrix is None
        risk = np.eye(len(symbols)) if covariance_matrix is None else covariance_matrix
        estimates, order = ordered(symbols, None, risk)
        roomy = replace(constraints, cash_max=max(constraints.cash_max, 1.0))
        if blind and (constraints.target_volatility or constraints.max_volatility):
            raise PolicyError("a volatility limit needs covariance_matrix; give it or drop the limit")
        universe = self._universe(estimates.symbols, constraints, None)
        setting = Setting(
            estimates, roomy.to_policy("target_exposures", 0.0), universe, picked(current_weights, order)
        )
        try:
            solution = match_exposures(
                setting,
                target_exposures,
                cheapest=minimize_cost,
                risk=exposure_risk,
                tolerance=exposure_tolerance,
            )
        except (InfeasibleError, SolverError) as error:
            return failure(str(error), "target_exposures")
        result = describe(solution, setting, tuple(symbols))
        return without_risk(result) if blind else result

    def build_exposure_constraints(
        self, weights: cp.Variable, symbols: Sequence[str], constraints: OptimizationConstraints
    ) -> list[cp.Constraint]:
        """cvxpy constraints on true exposures and total notional of weights (n,), for a problem of one's own."""
        import cvxpy as cp

        names = tuple(symbols)
        if weights.shape != (len(names),):
            raise PolicyError(
                f"weights have shape {weights.shape}; a variable of {len(names)} symbols is needed"
            )
        estimates = Estimates(names, None, np.eye(len(names)), trusted=True)
        setting = Setting(
            estimates, constraints.to_policy("", None), Universe(tuple(sorted(names)), funds=self.fund_map)
        )
        rules: list[Any] = []
        for limit in exposure_limits(setting):
            rules += [limit.row @ weights >= limit.low] if np.isfinite(limit.low) else []
            rules += [limit.row @ weights <= limit.high] if np.isfinite(limit.high) else []
        return [*rules, notional(setting) @ cp.abs(weights) <= constraints.max_total_notional]

    def _universe(
        self, symbols: tuple[str, ...], constraints: OptimizationConstraints, benchmark: Array | None
    ) -> Universe:
        self.fund_map.select(symbols)
        named = None if benchmark is None else dict(zip(symbols, benchmark.tolist(), strict=True))
        return Universe(
            symbols,
            constraints.sectors,
            self.fund_map,
            benchmark=named,
            factors=constraints.factors,
            factor_risk=constraints.factor_risk,
        )


def _answer(setting: Setting, order: tuple[str, ...]) -> OptimizationResult:
    try:
        solution = solve(
            setting.estimates, setting.policy, setting.universe, setting.held, costs=setting.costs
        )
    except (InfeasibleError, SolverError) as error:
        return failure(str(error), setting.policy.method)
    return describe(solution, setting, order)


def ordered(
    symbols: Sequence[str], mean: Array | None, covariance: Array, scenarios: Array | None = None
) -> tuple[Estimates, np.ndarray[Any, np.dtype[np.intp]]]:
    """Checked estimates with symbols ascending, so that their order cannot matter, and where each came from."""
    given = Estimates(tuple(symbols), mean, covariance, scenarios)
    order = np.argsort(np.array(given.symbols), kind="stable")
    names = tuple(given.symbols[i] for i in order)
    moved = None if given.mean is None else given.mean[order]
    days = None if given.scenarios is None else given.scenarios[:, order]
    return Estimates(names, moved, given.covariance[np.ix_(order, order)], days, trusted=True), order


def picked(weights: Array | None, order: np.ndarray[Any, np.dtype[np.intp]]) -> Array | None:
    """(n,) weights in the new order; PolicyError for another shape."""
    return None if weights is None else checked_weights(weights, len(order))[order]


def without_risk(result: OptimizationResult) -> OptimizationResult:
    """The same with NaN where a covariance would be needed."""
    nothing = dict.fromkeys(result.risk_contributions, float("nan"))
    return replace(
        result,
        expected_volatility=float("nan"),
        sharpe_ratio=float("nan"),
        expected_growth=float("nan"),
        diversification_ratio=float("nan"),
        risk_contributions=nothing,
        exposure_risk={},
    )
