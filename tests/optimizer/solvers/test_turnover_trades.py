"""Turnover problems told in trades that help: the same answers as with a column a name and a sale."""

import numpy as np
import pytest

from optimizer import Estimates, InfeasibleError, Policy, Solution, Universe, solve
from optimizer.numerics.matrices import LowRank
from optimizer.solvers.fast import quadratic

METHODS = ("min_volatility", "max_sharpe", "mean_variance", "max_diversification", "min_tracking_error")


def solved(seed: int, method: str) -> Solution | None:
    """Random limits beside the turnover limit: caps below what is held, sectors, cash, shorts; twins, N > T."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 70))
    names = tuple(f"S{i:02d}" for i in range(n))
    root = 0.02 * rng.standard_normal((int(rng.integers(3, 90)), n)) + 0.03
    if seed % 3 == 0:
        root[:, 1] = root[:, 0]
    held = rng.dirichlet(np.full(n, 0.5))
    limits: dict[str, object] = {"max_turnover": float(rng.uniform(0.02, 0.5)), "risk_free_rate": 0.02}
    if seed % 2:
        limits["max_weight"] = float(held.max()) * 0.9
    if seed % 5 == 0:
        limits["max_sector"] = 0.45
    if seed % 7 == 0:
        limits |= {"cash_min": 0.02, "cash_max": 0.3}
    if seed % 11 == 0:
        limits |= {"long_only": False, "min_weight": -0.1}
    universe = Universe(
        names,
        {name: "ABC"[i % 3] for i, name in enumerate(names)},
        benchmark=dict(zip(names, rng.dirichlet(np.ones(n)).tolist(), strict=True)),
    )
    risk = LowRank(root, rng.uniform(0.002, 0.03, n))
    estimates = Estimates(names, rng.uniform(0.03, 0.12, n), risk, trusted=True)
    try:
        return solve(estimates, Policy(method=method, **limits), universe, held)
    except InfeasibleError:
        return None


def agree(seed: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many methods were solved by trades, after comparing each with the program of all names."""
    monkeypatch.setattr(quadratic, "_suits_pivots", lambda feasible: False)
    count = 0
    for method in METHODS:
        monkeypatch.setattr(quadratic, "MANY_NAMES", 0)
        found = solved(seed, method)
        monkeypatch.setattr(quadratic, "MANY_NAMES", 1000)
        other = solved(seed, method)
        assert (found is None) == (other is None), (seed, method)
        if found is not None and other is not None:
            assert found.certificate.ok
            assert found.objective == pytest.approx(other.objective, rel=1e-6, abs=1e-9), (seed, method)
            count += "trades that help" in found.solver
    return count


def test_trades_that_help_give_the_answer_of_all_names(monkeypatch: pytest.MonkeyPatch):
    assert sum(agree(seed, monkeypatch) for seed in range(8)) >= 25


@pytest.mark.slow
def test_trades_that_help_agree_on_hundreds(monkeypatch: pytest.MonkeyPatch):
    assert sum(agree(seed, monkeypatch) for seed in range(8, 200)) >= 700


def test_a_large_book_whose_pivots_do_not_settle_makes_no_matrix_of_all_names(
    monkeypatch: pytest.MonkeyPatch,
):
    """Factors of the covariance are all that the fallback reads."""
    monkeypatch.setattr(quadratic, "_suits_pivots", lambda feasible: not feasible.frame.kinks)
    rng = np.random.default_rng(3)
    n, days = 800, 100
    root = rng.normal(0, 0.01, (days, n)) * rng.uniform(0.6, 2, n) + rng.normal(0, 0.01, (days, 1))
    risk = LowRank(root * np.sqrt(252 / days), np.full(n, 0.03))
    names = tuple(f"S{i:04d}" for i in range(n))
    estimates = Estimates(names, rng.uniform(0.03, 0.12, n), risk, trusted=True)
    for method in ("min_volatility", "max_sharpe"):
        policy = Policy(method=method, max_turnover=0.2, risk_free_rate=0.02)
        solution = solve(estimates, policy, Universe(names), rng.dirichlet(np.full(n, 0.5)))
        assert solution.certificate.ok and "trades that help" in solution.solver
    assert "dense" not in vars(risk)
