"""The certificate's figures, held from both sides to a duality gap worked out by hand."""

import numpy as np
import pytest

from optimizer import Certificate, Estimates, Policy, Universe, solve
from optimizer.numerics.convex_limits import Limits, Linear
from optimizer.numerics.polyhedra import polyhedron
from optimizer.problem.goals import Support
from optimizer.solvers.audit import certify

NAMES = ("A", "B", "C")
VARIANCES, MEAN, AVERSION, RATE = np.array([0.04, 0.09, 0.16]), np.array([0.05, 0.08, 0.12]), 2.0, 0.02
BUDGET = Linear(("cash_max", "cash_min"), np.ones(3), 1.0, 1.0)
FULL = Limits(NAMES, np.zeros(3), np.ones(3), ("long_only",) * 3, ("max_weight",) * 3, (BUDGET,), (), ())


def cost(w: np.ndarray) -> float:
    """lambda / 2 w'Sw - mean'w, of weights that sum to 1."""
    return float(AVERSION / 2 * VARIANCES @ w**2 - MEAN @ w)


def slope(w: np.ndarray) -> np.ndarray:
    return AVERSION * VARIANCES * w - MEAN


def hand_gap(w: np.ndarray) -> float:
    """Frank and Wolfe 1956: slope'w less the least slope'v, over full weights without shorts, is that of one name."""
    return float(slope(w) @ w - slope(w).min())


# By hand, at 1/3 each: slopes 0.08/3 - 0.05, 0.18/3 - 0.08, 0.32/3 - 0.12; the least is the first, -7/300.
THIRDS = np.full(3, 1 / 3)
GAP_OF_THIRDS = (-7 / 300 - 6 / 300 - 4 / 300) / 3 + 7 / 300


def test_the_gap_by_hand() -> None:
    assert hand_gap(THIRDS) == pytest.approx(GAP_OF_THIRDS, rel=1e-12)
    assert pytest.approx(1 / 225, rel=1e-12) == GAP_OF_THIRDS


@pytest.mark.parametrize(
    "w", [THIRDS, np.array([0.0, 0.5, 0.5]), np.array([0.48, 0.28, 0.24]), np.array([0.0, 0.0, 1.0])]
)
@pytest.mark.parametrize("size", [1.0, 0.05])
def test_gap_and_relative_gap_are_those_by_hand(w: np.ndarray, size: float) -> None:
    support = Support(slope(w), cost(w) - float(slope(w) @ w), size)
    proof = certify(3e-9, polyhedron(FULL), support, w, np.array([slope(w).min()]))
    assert proof.gap == pytest.approx(hand_gap(w), rel=1e-9, abs=1e-15)
    assert proof.relative_gap == pytest.approx(hand_gap(w) / size, rel=1e-9, abs=1e-15)
    assert proof.primal_residual == 3e-9
    assert proof.ok == (hand_gap(w) / size <= 1e-6)


def test_slack_of_the_support_is_part_of_the_gap() -> None:
    support = Support(slope(THIRDS), 0.0, 0.5, slack=0.001)
    proof = certify(0.0, polyhedron(FULL), support, THIRDS, np.array([slope(THIRDS).min()]))
    assert proof.gap == pytest.approx(GAP_OF_THIRDS + 0.001, rel=1e-9)
    assert proof.relative_gap == pytest.approx(2 * (GAP_OF_THIRDS + 0.001), rel=1e-9)


def test_the_tolerances_are_a_hundred_millionth_and_a_millionth() -> None:
    assert Certificate(1e-8, 5.0, 1e-6).ok
    assert not Certificate(1.0001e-8, 0.0, 0.0).ok
    assert not Certificate(0.0, 0.0, 1.0001e-6).ok
    assert Certificate(0.0, 0.0, -1.0).ok  # below zero is better than proven


def test_an_answers_certificate_is_the_gap_of_its_weights_over_the_size_of_its_cost() -> None:
    estimates = Estimates(NAMES, MEAN, np.diag(VARIANCES))
    policy = Policy(method="mean_variance", risk_aversion=AVERSION, risk_free_rate=RATE)
    found = solve(estimates, policy, Universe(NAMES))
    w = found.weights
    # Equal slopes of all names held: w_i = (mean_i + y) / (lambda S_i), and their sum is 1.
    y = (1 - (MEAN / (AVERSION * VARIANCES)).sum()) / (1 / (AVERSION * VARIANCES)).sum()
    assert w == pytest.approx((MEAN + y) / (AVERSION * VARIANCES), abs=1e-9)
    assert abs(found.certificate.gap - hand_gap(w)) <= 1e-12
    # Means count above the rate that cash earns.
    parts = max(abs(cost(w)), float(np.abs(slope(w) + RATE) @ w), RATE)
    assert found.certificate.relative_gap == pytest.approx(found.certificate.gap / parts, rel=1e-6, abs=1e-16)
    worse = w + np.array([1e-3, -1e-3, 0.0])
    support = found.goal.support(worse)
    proof = certify(0.0, polyhedron(FULL), support, worse, np.array([(slope(worse) + RATE).min()]))
    assert proof.gap == pytest.approx(hand_gap(worse), rel=1e-9)
    assert proof.relative_gap == pytest.approx(hand_gap(worse) / support.size, rel=1e-9)
    assert support.size == pytest.approx(
        max(abs(cost(worse)), float(np.abs(slope(worse) + RATE) @ worse), RATE), rel=1e-9
    )
    assert not proof.ok and proof.relative_gap > 1e-5
