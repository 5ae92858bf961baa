"""The peers' side, run in .peers: inputs are handed over ready, only the optimisation is timed."""

from collections.abc import Callable, Mapping
from importlib.metadata import version

import cvxpy as cp
import ffn
import ffn.core
import numpy as np
import pandas as pd
import riskfolio
from pypfopt import EfficientCVaR, EfficientFrontier
from skfolio import RiskMeasure
from skfolio.optimization import MaximumDiversification, MeanRisk, ObjectiveFunction, RiskBudgeting
from skfolio.prior import BasePrior, ReturnDistribution

from benchmarks.solving.problems import DAYS, RISK_FREE, TAIL, TURNOVER, Problem
from benchmarks.solving.timing import Solver, measure

Run = Callable[[], np.ndarray]
Options = Mapping[str, float]
LOOSE: Options = {}
TIGHT: Options = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}


class Given(BasePrior):
    """skfolio's prior for moments that are ready."""

    def __init__(self, distribution: ReturnDistribution | None = None) -> None:
        self.distribution = distribution

    def fit(self, X: np.ndarray, y: None = None, **_: object) -> "Given":
        self.return_distribution_ = self.distribution
        return self


def pypfopt_frontier(
    p: Problem, solve: Callable[[EfficientFrontier], object], solver: str | None = None
) -> Run:
    def run() -> np.ndarray:
        frontier = EfficientFrontier(p.mean, p.covariance, weight_bounds=(0, p.cap), solver=solver)
        solve(frontier)
        return frontier.weights

    return run


def pypfopt_tracking(p: Problem, solver: str | None = None, scale: float = 1.0) -> Run:
    def solve(frontier: EfficientFrontier) -> None:
        frontier.add_constraint(lambda w: cp.norm1(w - p.held) <= 2 * TURNOVER)
        frontier.convex_objective(
            lambda w, S: cp.quad_form(w - p.benchmark, cp.psd_wrap(S)), S=scale * p.covariance
        )

    return pypfopt_frontier(p, solve, solver)


def pypfopt_cvar(p: Problem) -> Run:
    def run() -> np.ndarray:
        frontier = EfficientCVaR(p.mean, p.returns, beta=1 - TAIL)
        frontier.min_cvar()
        return frontier.weights

    return run


def skfolio_fit(p: Problem, estimator: object, annual: float = 252.0) -> Run:
    """skfolio works in daily units; the ready moments are divided accordingly."""
    ready = ReturnDistribution(mu=p.mean / annual, covariance=p.covariance / annual, returns=p.returns)
    estimator.set_params(prior_estimator=Given(ready))
    return lambda: estimator.fit(p.returns).weights_


def riskfolio_portfolio(p: Problem, call: Callable[[riskfolio.Portfolio], pd.DataFrame]) -> Run:
    frame = pd.DataFrame(p.returns, columns=list(p.symbols))
    portfolio = riskfolio.Portfolio(returns=frame, upperlng=p.cap if p.cap < 1 else 1)
    portfolio.mu = pd.DataFrame(p.mean[None, :], columns=frame.columns)
    portfolio.cov = pd.DataFrame(p.covariance, index=frame.columns, columns=frame.columns)
    portfolio.alpha = TAIL
    portfolio.solvers = ["CLARABEL"]

    def run() -> np.ndarray:
        weights = call(portfolio)
        if weights is None:
            raise RuntimeError("no answer")
        return weights["weights"].to_numpy()

    return run


def ffn_risk_parity(p: Problem, tolerance: float) -> Run:
    """The public call of ffn, which bt uses; it estimates the sample covariance first."""
    frame = pd.DataFrame(p.returns, columns=list(p.symbols))
    return lambda: ffn.calc_erc_weights(frame, covar_method="standard", tolerance=tolerance).to_numpy()


def ffn_solver(p: Problem) -> Run:
    start = 1 / np.sqrt(np.diag(p.covariance))
    start /= start.sum()
    return lambda: ffn.core._erc_weights_ccd(start.copy(), p.covariance, np.full(p.n, 1 / p.n), 100, 1e-12)


def plain(
    p: Problem,
    cost: Callable[[cp.Variable], cp.Expression],
    limits: Callable[[cp.Variable], list[cp.Constraint]],
    options: Options,
) -> Run:
    """What a user of cvxpy writes first, with CLARABEL; with TIGHT options the reference for the gap."""

    def run() -> np.ndarray:
        w = cp.Variable(p.n, nonneg=True)
        capped = [w <= p.cap] if p.cap < 1 else []
        problem = cp.Problem(cp.Minimize(cost(w)), [cp.sum(w) == 1, *capped, *limits(w)])
        problem.solve(solver=cp.CLARABEL, **options)
        return w.value

    return run


def plain_variance(p: Problem, options: Options = LOOSE) -> Run:
    return plain(p, lambda w: cp.quad_form(w, cp.psd_wrap(p.covariance)), lambda w: [], options)


def plain_tracking(p: Problem, options: Options = LOOSE) -> Run:
    def cost(w: cp.Variable) -> cp.Expression:
        return cp.quad_form(w - p.benchmark, cp.psd_wrap(p.covariance))

    return plain(p, cost, lambda w: [cp.norm1(w - p.held) <= 2 * TURNOVER], options)


def plain_general(p: Problem, options: Options = LOOSE) -> Run:
    low, high = p.sector_range
    least, most = p.beta_range

    def limits(w: cp.Variable) -> list[cp.Constraint]:
        shares, beta = p.members @ w, p.beta @ w
        return [shares >= low, shares <= high, beta >= least, beta <= most, p.mean @ w >= p.return_floor]

    return plain(p, lambda w: cp.quad_form(w, cp.psd_wrap(p.covariance)), limits, options)


def plain_ratio(p: Problem, gain: np.ndarray, options: Options = LOOSE) -> Run:
    """Least variance at one unit of gain, weights up to a scale (Charnes & Cooper 1962)."""

    def run() -> np.ndarray:
        y = cp.Variable(p.n, nonneg=True)
        capped = [y <= p.cap * cp.sum(y)] if p.cap < 1 else []
        cost = cp.quad_form(y, cp.psd_wrap(p.covariance))
        cp.Problem(cp.Minimize(cost), [gain @ y == 1, *capped]).solve(solver=cp.CLARABEL, **options)
        return y.value / y.value.sum()

    return run


def plain_cvar(p: Problem) -> Run:
    """The linear program of Rockafellar & Uryasev (2000), by HiGHS."""

    def run() -> np.ndarray:
        w, level, excess = cp.Variable(p.n, nonneg=True), cp.Variable(), cp.Variable(DAYS, nonneg=True)
        cost = level + cp.sum(excess) / round(TAIL * DAYS)
        limits = [cp.sum(w) == 1, excess >= -p.returns @ w - level]
        cp.Problem(cp.Minimize(cost), limits).solve(solver=cp.HIGHS)
        return w.value

    return run


def plain_risk_parity(p: Problem, options: Options = LOOSE) -> Run:
    def run() -> np.ndarray:
        y = cp.Variable(p.n, pos=True)
        cost = 0.5 * cp.quad_form(y, cp.psd_wrap(p.covariance)) - cp.sum(cp.log(y)) / p.n
        cp.Problem(cp.Minimize(cost)).solve(solver=cp.CLARABEL, **options)
        return y.value / y.value.sum()

    return run


RATIO = ObjectiveFunction.MAXIMIZE_RATIO
SOLVERS: dict[str, dict[str, Solver]] = {
    "min_variance": {
        "PyPortfolioOpt": lambda p: pypfopt_frontier(p, lambda f: f.min_volatility()),
        "PyPortfolioOpt, CLARABEL": lambda p: pypfopt_frontier(p, lambda f: f.min_volatility(), "CLARABEL"),
        "skfolio": lambda p: skfolio_fit(p, MeanRisk()),
        "Riskfolio": lambda p: riskfolio_portfolio(
            p, lambda r: r.optimization(rm="MV", obj="MinRisk", rf=RISK_FREE)
        ),
        "plain cvxpy": plain_variance,
        "tight cvxpy": lambda p: plain_variance(p, TIGHT),
    },
    "max_sharpe": {
        "PyPortfolioOpt": lambda p: pypfopt_frontier(p, lambda f: f.max_sharpe(risk_free_rate=RISK_FREE)),
        "skfolio": lambda p: skfolio_fit(
            p, MeanRisk(objective_function=RATIO, risk_free_rate=RISK_FREE / 252, max_weights=p.cap)
        ),
        "Riskfolio": lambda p: riskfolio_portfolio(
            p, lambda r: r.optimization(rm="MV", obj="Sharpe", rf=RISK_FREE)
        ),
        "plain cvxpy": lambda p: plain_ratio(p, p.mean - RISK_FREE),
        "tight cvxpy": lambda p: plain_ratio(p, p.mean - RISK_FREE, TIGHT),
    },
    "max_diversification": {
        "skfolio": lambda p: skfolio_fit(p, MaximumDiversification()),
        "plain cvxpy": lambda p: plain_ratio(p, np.sqrt(np.diag(p.covariance))),
        "tight cvxpy": lambda p: plain_ratio(p, np.sqrt(np.diag(p.covariance)), TIGHT),
    },
    "tracking_error": {
        "PyPortfolioOpt": pypfopt_tracking,
        "PyPortfolioOpt, CLARABEL": lambda p: pypfopt_tracking(p, "CLARABEL"),
        "PyPortfolioOpt, CLARABEL, scaled": lambda p: pypfopt_tracking(p, "CLARABEL", 1e4),
        "plain cvxpy": plain_tracking,
        "tight cvxpy": lambda p: plain_tracking(p, TIGHT),
    },
    "risk_parity": {
        "bt/ffn": lambda p: ffn_risk_parity(p, 1e-8),
        "bt/ffn, tolerance 1e-12": lambda p: ffn_risk_parity(p, 1e-12),
        "ffn's solver alone": ffn_solver,
        "skfolio": lambda p: skfolio_fit(p, RiskBudgeting()),
        "Riskfolio": lambda p: riskfolio_portfolio(p, lambda r: r.rp_optimization(rm="MV", rf=RISK_FREE)),
        "plain cvxpy": plain_risk_parity,
        "tight cvxpy": lambda p: plain_risk_parity(p, TIGHT),
    },
    "cvar": {
        "PyPortfolioOpt": pypfopt_cvar,
        "skfolio": lambda p: skfolio_fit(p, MeanRisk(risk_measure=RiskMeasure.CVAR)),
        "Riskfolio": lambda p: riskfolio_portfolio(
            p, lambda r: r.optimization(rm="CVaR", obj="MinRisk", rf=RISK_FREE)
        ),
        "plain cvxpy": plain_cvar,
    },
    "general_limits": {"plain cvxpy": plain_general, "tight cvxpy": lambda p: plain_general(p, TIGHT)},
}
PACKAGES = (
    "PyPortfolioOpt",
    "skfolio",
    "riskfolio-lib",
    "bt",
    "ffn",
    "cvxpy",
    "clarabel",
    "highspy",
    "numpy",
    "pandas",
)

if __name__ == "__main__":
    measure(SOLVERS, {name: version(name) for name in PACKAGES})
