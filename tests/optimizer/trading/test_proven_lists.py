"""What a list's bound proves, lists that stop by it, and covariances in factors."""

from decimal import Decimal
from itertools import product

import numpy as np
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st

from optimizer import (
    CompiledPolicy,
    CostModel,
    Estimates,
    Mandate,
    Policy,
    Portfolio,
    Position,
    TradeList,
    Universe,
    build_trades,
    propose,
    propose_account,
)
from optimizer.numerics.box_qp import least_of_factors, least_within
from optimizer.numerics.matrices import LowRank
from optimizer.numerics.tracking_risk import TrackingRisk
from optimizer.proposals.proposal import believe
from optimizer.trading.lot_relaxation import RoundingProblem
from optimizer.trading.perspective_bound import Priced
from optimizer.trading.rounding import GAP

COSTS = CostModel(commission=5.0, impact_bps=15.0)


def factors(n: int, seed: int, count: int = 3) -> LowRank:
    rng = np.random.default_rng(seed)
    root = rng.normal(0, 0.05, (count, n))
    root[0] = rng.normal(0.18, 0.05, n)
    return LowRank(root, rng.uniform(0.02, 0.1, n))


def listed(
    n: int,
    seed: int,
    covariance: np.ndarray | LowRank,
    *,
    nav: float = 1e6,
    held: bool = True,
    gap: float = GAP,
) -> TradeList:
    """A drifted book, or cash, and a target."""
    rng = np.random.default_rng(seed)
    symbols = tuple(f"S{i:04d}" for i in range(n))
    prices = np.round(np.exp(rng.normal(4, 0.7, n)), 2)
    target = rng.dirichlet(np.full(n, 2.0))
    drifted = target * np.exp(rng.normal(0, 0.4, n)) * held
    shares = np.floor(drifted / max(drifted.sum(), 1e-9) * 0.98 * nav / prices)
    cash = Decimal(str(round(nav - float(shares @ prices), 2)))
    positions = {s: Position(s, Decimal(int(q))) for s, q in zip(symbols, shares, strict=True) if q}
    return build_trades(
        Portfolio("p", cash, positions), dict(zip(symbols, prices.tolist(), strict=True)),
        dict(zip(symbols, target.tolist(), strict=True)), Estimates(symbols, None, covariance, trusted=True),
        Policy(cash_max=1.0, max_turnover=0.15 if held else None), Universe(symbols), costs=COSTS, gap=gap,
    )  # fmt: skip


@examples(3)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 90))
def test_no_list_is_below_its_bound_and_one_within_the_gap_is_not_searched_on(seed: int, n: int) -> None:
    S = factors(n, seed).dense
    loose, tight = listed(n, seed, S), listed(n, seed, S, gap=0.0)
    for found in (loose, tight):
        assert 0 <= found.bound <= found.objective + 1e-12
        assert found.constraints_met
    assert tight.objective <= loose.objective + 1e-9 or loose.gap <= GAP
    # What the one proves holds of the other.
    assert loose.bound <= tight.objective + 1e-12 and tight.bound <= loose.objective + 1e-12


@examples(13)
@given(seed=st.integers(0, 100_000))
def test_the_bound_holds_at_any_holdings_and_prices_for_names_that_must_be_traded_too(seed: int) -> None:
    """A name above its cap may be sold to below it, which costs less than to sell it whole."""
    rng = np.random.default_rng(seed)
    step, lots = rng.uniform(0.01, 0.04, 2), np.arange(-12, 13)
    held, lower = np.rint(rng.uniform(3, 10, 2)) * step, rng.choice([0.0, 0.1, 0.25], 2)
    p = RoundingProblem(
        held=held, wanted=rng.uniform(0.05, 0.4, 2), step=step,
        risk=TrackingRisk.of(np.diag(rng.uniform(0.02, 0.1, 2)) + 0.01), aversion=100.0,
        curve=CostModel(commission=1e-3, impact_bps=20).curve(("A", "B"), np.ones(2), 1.0),
        lower=lower, upper=lower + rng.uniform(0.02, 0.3, 2), rows=np.zeros((0, 2)), bounds=np.zeros(0),
        cash=0.05, cash_min=float(rng.choice([-0.2, 0.0, 0.03])), max_traded=float(rng.uniform(0.05, 0.8)),
    )  # fmt: skip
    best = np.inf
    for pair in product(lots, lots):
        trades = np.array(pair) * step
        x = held + trades
        allowed = (x >= p.lower - 1e-12).all() and (x <= p.upper + 1e-12).all() and (x >= -1e-12).all()
        costs = float(p.curve.costs(trades).sum())
        paid = p.cash - trades.sum() - costs >= p.cash_min * (1 - costs)
        if allowed and paid and np.abs(trades).sum() <= p.max_traded:
            best = min(best, p.objective(np.array(pair, dtype=float)))
    x = rng.uniform(0.0, 0.5, 2)
    cash, turnover = rng.exponential(0.01, 2)
    assert Priced(p, x, float(cash), float(turnover), np.zeros(0), p.marginal(x)).bound() <= best + 1e-12


def test_a_list_that_cannot_keep_a_target_of_nothing_is_proven_among_those_that_keep_as_much() -> None:
    symbols, prices = ("A", "B"), {"A": 100.0, "B": 100.0}
    held = {"A": Position("A", Decimal(500)), "B": Position("B", Decimal(500))}
    found = build_trades(
        Portfolio("p", Decimal(0), held), prices, {"A": 1.0}, Estimates(symbols, None, np.diag([0.04, 0.04])),
        Policy(cash_max=1.0, max_turnover=0.1), Universe(symbols), costs=COSTS,
    )  # fmt: skip
    assert 0 <= found.bound <= found.objective


@pytest.mark.parametrize("held", [True, False])
def test_factors_and_numbers_of_one_covariance_give_lists_that_prove_each_other(held: bool) -> None:
    n, S = 250, factors(250, 3)
    dense, few = (listed(n, 3, it, nav=1e7, held=held) for it in (S.dense, S))
    assert max(dense.bound, few.bound) <= min(dense.objective, few.objective) + 1e-12
    assert few.gap < 2 * GAP and dense.gap < 2 * GAP
    assert few.constraints_met


def test_a_purchase_of_a_thousand_names_is_proven_in_factors() -> None:
    found = listed(1000, 4, factors(1000, 4), nav=1e9, held=False)
    assert sum(row.action == "BUY" for row in found.rows) > 900
    assert found.bound <= found.objective and found.gap < 5 * GAP
    assert found.constraints_met


def test_of_factors_the_specific_variance_is_what_a_name_bears_alone_and_the_rest_stays_convex() -> None:
    few = TrackingRisk.of(factors(100, 1))
    assert isinstance(few.covariance, LowRank)
    np.testing.assert_allclose(few.own, factors(100, 1).diagonal, rtol=1e-4)
    square = TrackingRisk.of(factors(40, 1, count=30).dense)
    more = square.given_to(np.array([1, 5]), square.own[[1, 5]])
    for risk in (square, more):
        assert np.linalg.eigvalsh(risk.covariance - np.diag(risk.own))[0] > -1e-12
    assert (more.own[[1, 5]] > square.own[[1, 5]]).all() and more.own[0] < square.own[0]


@examples(4)
@given(seed=st.integers(0, 10_000), k=st.integers(2, 60), r=st.integers(1, 20))
def test_the_interior_point_in_factors_agrees_with_the_active_set(seed: int, k: int, r: int) -> None:
    rng = np.random.default_rng(seed)
    root, diagonal, pull = rng.normal(size=(r, k)) * 0.3, rng.uniform(0.05, 8.0, k), rng.normal(size=k) * 2e-3
    side = np.where(rng.uniform(size=k) < 0.5, 1.0, -1.0)
    low, high = np.where(side > 0, 0.0, -2.0 / k), np.where(side > 0, 2.0 / k, 0.0)
    rows, limits = np.vstack([1 + 0.0015 * side, side]), np.array([0.01, 0.2])
    t, y = least_of_factors(root, diagonal, pull, rows, limits, low, high)
    exact, _ = least_within(root.T @ root + np.diag(diagonal), pull, rows, limits, low, high)

    def cost(x: np.ndarray) -> float:
        return float(0.5 * (root @ x) @ (root @ x) + 0.5 * diagonal @ x**2 + pull @ x)

    assert (low < t).all() and (t < high).all() and (y >= 0).all()
    assert (rows @ t <= limits + 1e-6).all()
    assert cost(t) == pytest.approx(cost(exact), abs=1e-6 * float(np.abs(pull).sum()) * 2 / k + 1e-12)


def test_accounts_of_a_compiled_policy_get_what_they_get_alone() -> None:
    n, rng = 70, np.random.default_rng(5)
    symbols = tuple(f"S{i:02d}" for i in range(n))
    S = factors(n, 5).dense
    prices = dict(zip(symbols, np.round(rng.uniform(20, 200, n), 2).tolist(), strict=True))
    universe = Universe(symbols, benchmark=dict.fromkeys(symbols, 1 / n))
    estimates = Estimates(symbols, rng.normal(0.06, 0.02, n), S)
    policy = Policy(max_weight=0.08, max_turnover=0.1, risk_free_rate=0.02, cash_max=0.05)
    beliefs, believed = believe(estimates, universe, policy, Mandate())
    compiled = CompiledPolicy(believed, policy, universe, Mandate())
    for k in range(3):
        shares = rng.integers(0, 80, n)
        positions = {s: Position(s, Decimal(int(q))) for s, q in zip(symbols, shares, strict=True) if q}
        book = Portfolio(f"p{k}", Decimal(5000), positions)
        shared, alone = propose_account(book, prices, beliefs, compiled), propose(
            book, prices, estimates, policy, universe
        )  # fmt: skip
        np.testing.assert_array_equal(shared.solution.weights, alone.solution.weights)
        assert shared.trades.rows == alone.trades.rows
        assert shared.warnings == alone.warnings
        assert shared.solution.certificate.ok
