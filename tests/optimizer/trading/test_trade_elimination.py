"""Trades that do not earn their commission, and how much of the risk a name bears alone."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import CostModel
from optimizer.numerics.tracking_risk import TrackingRisk
from optimizer.trading.lot_relaxation import RoundingProblem
from optimizer.trading.perspective_bound import relax
from optimizer.trading.rounding import sharpened
from optimizer.trading.trade_elimination import thinned

FEE = 5e-4


def problem(covariance: np.ndarray, seed: int = 0, fee: float = FEE) -> RoundingProblem:
    """A book of lots so small that only commissions matter, far from its target."""
    n, rng = len(covariance), np.random.default_rng(seed)
    held, wanted = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    symbols = tuple(f"S{i}" for i in range(n))
    return RoundingProblem(
        held=held, wanted=wanted, step=np.full(n, 1e-9), risk=TrackingRisk.of(covariance), aversion=1.0,
        curve=CostModel(commission=fee, impact_bps=0).curve(symbols, np.ones(n), 1.0),
        lower=np.full(n, -1.0), upper=np.full(n, 2.0), rows=np.zeros((0, n)), bounds=np.zeros(0),
        cash=1.0, cash_min=-5.0,
    )  # fmt: skip


def random_covariance(seed: int, n: int) -> np.ndarray:
    days = np.random.default_rng(seed).normal(size=(3 * n, n)) @ np.diag(np.linspace(0.1, 0.3, n))
    return np.cov(days + days.mean(axis=1)[:, None], rowvar=False)


def least(p: RoundingProblem) -> float:
    """The best objective of all choices of names, each with its best trades (no lots, no limits)."""
    n, best, risk = len(p.held), np.inf, p.aversion * p.risk.covariance
    for k in range(n + 1):
        for names in map(list, combinations(range(n), k)):
            miss = p.held - p.wanted
            if names:
                miss[names] = 0.0
                miss[names] = -np.linalg.solve(risk[np.ix_(names, names)], (risk @ miss)[names])
            best = min(best, float(miss @ risk @ miss) + k * FEE)
    return best


def objective(p: RoundingProblem, x: np.ndarray) -> float:
    miss = x - p.wanted
    return float(p.aversion * miss @ p.risk.covariance @ miss + FEE * np.count_nonzero(x != p.held))


def test_names_that_move_alone_are_traded_where_the_risk_exceeds_the_commission():
    p = problem(np.diag(np.linspace(0.05, 0.3, 12) ** 2))
    x = thinned(p, p.wanted, np.zeros(12), p.curve.fixed)
    worth = p.risk.variances * (p.wanted - p.held) ** 2 > FEE
    assert 0 < worth.sum() < 12
    np.testing.assert_allclose(x, np.where(worth, p.wanted, p.held), atol=1e-15)


def test_without_commissions_and_at_its_bounds_nothing_is_left_out():
    p = problem(random_covariance(1, 6), fee=0.0)
    x = p.held + 0.01
    assert thinned(p, x, np.zeros(6), p.curve.fixed) is x
    bounded = problem(random_covariance(1, 6))
    x = np.where(np.arange(6) < 3, bounded.upper, bounded.held + 1e-3)
    np.testing.assert_array_equal(thinned(bounded, x, np.zeros(6), bounded.curve.fixed)[:3], x[:3])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 7))
def test_the_bound_is_below_the_best_of_all_choices_and_the_start_is_better_than_the_relaxed(seed, n):
    p = problem(random_covariance(seed, n), seed)
    best = least(p)
    first = relax(p)
    sharper = sharpened(p, first)
    found = relax(sharper, first.weights) if sharper else first
    assert found.bound <= best + 1e-10
    assert best - 1e-12 <= objective(p, found.start()) <= objective(p, found.weights) + 1e-12


def test_what_is_given_to_names_alone_leaves_the_rest_convex_and_raises_the_bound():
    p = problem(random_covariance(5, 60), 5, fee=2e-5)
    first = relax(p)
    sharper = sharpened(p, first)
    assert np.linalg.eigvalsh(p.aversion * p.risk.covariance - np.diag(sharper.own))[0] > 0
    assert (sharper.own > p.own).any() and (sharper.own < p.own).any()
    assert relax(sharper, first.weights).bound > first.bound
