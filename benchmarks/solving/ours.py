"""Our side: the public call with raw arrays, checks included, and the same from checked estimates."""

from collections.abc import Callable, Mapping
from importlib.metadata import version

import numpy as np

from benchmarks.solving.problems import RISK_FREE, TURNOVER, Problem
from benchmarks.solving.timing import Solver, measure
from optimizer import Estimates, ExposureType, Fund, FundExposureMap, Policy, Universe, solve

BETA = ExposureType.EQUITY
POLICIES: Mapping[str, Callable[[Problem], Policy]] = {
    "min_variance": lambda p: Policy(method="min_volatility"),
    "max_sharpe": lambda p: Policy(method="max_sharpe", max_weight=p.cap, risk_free_rate=RISK_FREE),
    "max_diversification": lambda p: Policy(method="max_diversification"),
    "tracking_error": lambda p: Policy(method="min_tracking_error", max_turnover=TURNOVER),
    "risk_parity": lambda p: Policy(method="risk_parity"),
    "cvar": lambda p: Policy(method="cvar"),
    "general_limits": lambda p: Policy(
        method="min_volatility",
        max_weight=p.cap,
        sector_limits={f"S{k}": p.sector_range for k in sorted(set(p.sector.tolist()))},
        min_exposures={BETA: p.beta_range[0]},
        max_exposures={BETA: p.beta_range[1]},
        min_return=p.return_floor,
    ),
}


def universe(p: Problem) -> Universe:
    if p.case == "tracking_error":
        return Universe(p.symbols, benchmark=dict(zip(p.symbols, p.benchmark.tolist(), strict=True)))
    if p.case == "general_limits":
        funds = FundExposureMap(
            Fund(s, s, {BETA: b}) for s, b in zip(p.symbols, p.beta.tolist(), strict=True)
        )
        return Universe(p.symbols, {s: f"S{k}" for s, k in zip(p.symbols, p.sector, strict=True)}, funds)
    return Universe(p.symbols)


def estimates(p: Problem, symbols: tuple[str, ...]) -> Estimates:
    return Estimates(symbols, p.mean, p.covariance, p.returns if p.case == "cvar" else None)


def from_arrays(p: Problem) -> Callable[[], np.ndarray]:
    """The names are given like the arrays: the peers that take names get them beforehand too."""
    policy, around, symbols = POLICIES[p.case](p), universe(p), p.symbols
    return lambda: solve(estimates(p, symbols), policy, around, p.held).weights


def from_estimates(p: Problem) -> Callable[[], np.ndarray]:
    policy, around, checked = POLICIES[p.case](p), universe(p), estimates(p, p.symbols)
    return lambda: solve(checked, policy, around, p.held).weights


SOLVERS: dict[str, dict[str, Solver]] = {
    case: {"arrays": from_arrays, "estimates": from_estimates} for case in POLICIES
}
PACKAGES = ("numpy", "scipy", "piqp", "daqp", "highspy", "clarabel", "cvxpy")

if __name__ == "__main__":
    measure(SOLVERS, {name: version(name) for name in PACKAGES})
