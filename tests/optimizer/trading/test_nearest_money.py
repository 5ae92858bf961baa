"""Whole shares nearest in money: against another program by scipy, brute force, and every limit of a list."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from optimizer import Estimates, Policy, PolicyError, Portfolio, Position, Universe, build_trades
from optimizer.model.costs import CostCurve, CostModel
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import Absolute, Largest, Norm
from optimizer.numerics.lp import solve_mixed
from optimizer.numerics.tracking_risk import TrackingRisk
from optimizer.trading.lot_descent import Walk
from optimizer.trading.lot_relaxation import RoundingProblem
from optimizer.trading.nearest import nearest_money as nearest
from optimizer.trading.nearest.choices import choices_of
from optimizer.trading.nearest.nearest_money import distance, nearest_money
from optimizer.trading.nearest.prices import Prices
from optimizer.trading.nearest.program import Outside

FREE = CostModel(commission=0.0, impact_bps=0.0)


def made(name: str, cash: float, shares: dict[str, float]) -> Portfolio:
    return Portfolio(name, cash, {s: Position(s, q) for s, q in shares.items()})


def book(
    rng: np.random.Generator, n: int, held: bool
) -> tuple[Portfolio, dict[str, float], dict[str, float], Estimates]:
    """Cash, shares of some names, prices from 1 to 2,000 and a target that is fully invested."""
    names = tuple(f"S{i:02d}" for i in range(n))
    prices = {s: round(float(p), 2) for s, p in zip(names, 10 ** rng.uniform(0, 3.3, n), strict=True)}
    shares = {s: int(rng.integers(0, 8)) for s in names} if held else {}
    portfolio = made("book", float(rng.integers(200, 20_000)), {s: q for s, q in shares.items() if q})
    target = dict(zip(names, rng.dirichlet(np.ones(n)).tolist(), strict=True))
    root = rng.standard_normal((n + 2, n)) * 0.1
    return portfolio, prices, target, Estimates(names, None, root.T @ root + 1e-3 * np.eye(n))


def listed(case: tuple[Any, ...], costs: CostModel = FREE, **policy: Any) -> Any:
    portfolio, prices, target, estimates = case
    asked = Policy(rounding="money", cash_max=1.0, **policy)
    universe = Universe(estimates.symbols)
    return build_trades(portfolio, prices, target, estimates, asked, universe, costs=costs, gap=0.0)


def by_scipy(case: tuple[Any, ...]) -> float:
    """Sum of |money wanted - money held| / NAV of whole shares that cash pays for, as PyPortfolioOpt has it."""
    portfolio, prices, target, estimates = case
    nav = float(portfolio.total_value(prices))
    price = np.array([prices[s] for s in estimates.symbols])
    wanted = np.array([target[s] for s in estimates.symbols]) * nav
    n = len(price)
    away = np.hstack([np.diag(price), -np.eye(n)])
    found = milp(
        np.append(np.zeros(n), np.ones(n)),
        constraints=[
            LinearConstraint(away, ub=wanted),
            LinearConstraint(np.hstack([-np.diag(price), -np.eye(n)]), ub=-wanted),
            LinearConstraint(np.append(price, np.zeros(n)), ub=nav),
        ],
        integrality=np.append(np.ones(n), np.zeros(n)),
        bounds=Bounds(0, np.inf),
        options={"mip_rel_gap": 0.0},
    )
    return float(found.fun) / nav


@examples(6)
@given(seed=st.integers(0, 100_000), n=st.integers(1, 12), held=st.booleans())
def test_no_list_is_nearer_in_money_than_another_program_finds(seed: int, n: int, held: bool):
    case = book(np.random.default_rng(seed), n, held)
    found = listed(case)
    assert found.objective == pytest.approx(by_scipy(case), abs=1e-7)
    assert found.gap <= 1e-7 and found.cash_after >= 0
    away = sum(abs(row.achieved_weight - row.target_weight) for row in found.rows)
    assert away == pytest.approx(found.objective, abs=1e-9)


@examples(4)
@given(
    seed=st.integers(0, 100_000),
    commission=st.sampled_from([0.0, 2.0]),
    turnover=st.sampled_from([None, 0.2]),
)
def test_of_all_lists_of_a_small_book_none_is_nearer_after_costs(
    seed: int, commission: float, turnover: float | None
):
    rng = np.random.default_rng(seed)
    portfolio, prices, target, estimates = case = book(rng, 3, held=True)
    prices.update({s: float(rng.integers(200, 2000)) for s in prices})
    costs = CostModel(commission=commission, impact_bps=10.0)
    found = listed(case, costs, max_turnover=turnover, cash_min=0.01)
    nav = float(portfolio.total_value(prices))
    held = [
        float(portfolio.positions[s].quantity) if s in portfolio.positions else 0.0 for s in estimates.symbols
    ]
    price = np.array([prices[s] for s in estimates.symbols])
    wanted = np.array([target[s] for s in estimates.symbols])
    # a list that is the best holds no name by more than a share more than what is wanted or held
    most = np.maximum(wanted * nav / price, held).astype(int) + 1
    shares = np.stack(np.meshgrid(*map(np.arange, most + 1), indexing="ij"), -1).reshape(-1, 3)
    traded = (shares - held) * price
    paid = costs.curve(estimates.symbols).costs(traded).sum(axis=1)
    pays = nav - shares @ price - paid >= 0.01 * (nav - paid) - 1e-6
    pays &= np.abs(traded).sum(axis=1) <= 2 * (turnover or 9) * nav + 1e-6
    best = (np.abs(shares * price / nav - wanted).sum(axis=1) + paid / nav)[pays].min()
    assert found.objective == pytest.approx(best, abs=1e-6)
    assert found.constraints_met


def problem_of(rng: np.random.Generator) -> RoundingProblem:
    """Three names with any limits, short ones and odd holdings among them, and costs of every kind."""
    n, shorts = 3, bool(rng.random() < 0.4)
    step = rng.choice([0.08, 0.13, 0.3], n) * rng.uniform(0.8, 1.2, n)
    held = step * rng.integers(-2 if shorts else 0, 5, n) + step * rng.choice([0, 0, 0.5], n)
    wanted = rng.dirichlet(np.ones(n)) * rng.choice([1, -0.5] if shorts else [1], n)
    root = rng.standard_normal((5, n)) * 0.1
    covariance = root.T @ root + 1e-3 * np.eye(n)
    some = [
        Absolute("gross", np.ones(n), np.zeros(n), float(rng.uniform(0.7, 1.5))),
        Largest("largest", 2, float(rng.uniform(0.5, 1))),
    ]
    risk = float(np.sqrt(wanted @ covariance @ wanted))
    return RoundingProblem(
        held, wanted, step, TrackingRisk.of(covariance), 100.0,
        CostCurve(*(rng.choice([0, size], n) for size in (2e-3, 1e-3, 2e-3, 5e-3))),
        np.full(n, -0.6 if shorts else 0.0), np.full(n, float(rng.uniform(0.5, 1))),
        rng.integers(0, 2, (1, n)).astype(float), np.array([float(rng.uniform(0.3, 1))]),
        1.0 - float(held.sum()), float(rng.choice([-0.2, 0, 0.05])),
        float(rng.choice([np.inf, 0.6, 1.2])), float(rng.choice([0, 0.08])),
        tuple(limit for limit in some if rng.random() < 0.3),
        (Norm("vol", covariance, np.zeros(n), float(rng.uniform(0.9, 1.3)) * risk),) if rng.random() < 0.4 else (),
    )  # fmt: skip


def lists_of(problem: RoundingProblem) -> list[np.ndarray]:
    """All lists within the limits."""
    it = choices_of(problem)
    sides = []
    for i in range(len(problem.held)):
        bought, sold = (
            np.arange(least[i], most[i] + 1) if most[i] else np.zeros(0)
            for least, most in (it.bought, it.sold)
        )
        odd = [problem.close[i]] if it.closed[i] else []
        sides.append(np.concatenate([bought, -sold, [0.0] if it.idle[i] else [], odd]))
    every = np.stack(np.meshgrid(*sides, indexing="ij"), -1).reshape(-1, len(sides))
    return [lots for lots in every if not Walk(problem, lots).broken]


@examples(10)
@given(seed=st.integers(0, 1_000_000))
def test_under_limits_of_every_kind_no_list_is_nearer_and_none_is_below_the_bound(seed: int):
    problem = problem_of(np.random.default_rng(seed))
    try:
        lists = lists_of(problem)
    except NoAnswerError:
        lists = []
    if lists:
        found = nearest_money(problem, 0.0)
        assert found.objective == pytest.approx(min(distance(problem, lots) for lots in lists), abs=2e-9)
        assert found.bound == pytest.approx(found.objective, abs=1e-8) and found.penalty <= 1e-9


@pytest.mark.parametrize("seed", [2, 11, 16, 39])
def test_where_no_list_was_found_in_the_nodes_the_one_nearest_in_risk_has_a_true_bound(
    seed: int, monkeypatch: pytest.MonkeyPatch
):
    """Its bound was 0, whatever was proven."""
    monkeypatch.setattr(nearest, "solve_mixed", partial(solve_mixed, nodes=0))
    problem = problem_of(np.random.default_rng(seed))
    best = min(distance(problem, lots) for lots in lists_of(problem))
    found = nearest_money(problem, 0.0)
    assert 0 < found.bound <= best + 1e-9 and best <= found.objective + 1e-9 and found.penalty <= 1e-9
    assert found.objective == pytest.approx(distance(problem, found.lots), abs=1e-12)


def test_a_list_that_is_not_proven_says_so(monkeypatch: pytest.MonkeyPatch):
    case = book(np.random.default_rng(1), 5, held=True)
    assert not any("not proven" in told for told in listed(case).warnings)
    monkeypatch.setattr(nearest, "solve_mixed", partial(solve_mixed, nodes=0))
    found = listed(case)
    [told] = [told for told in found.warnings if "not proven to be the nearest in money" in told]
    assert f"{found.objective:.4%}" in told and f"{found.bound:.4%}" in told and found.gap > 1e-6


@pytest.mark.parametrize(
    ("held", "step", "wanted", "most", "turnover", "lots"),
    [
        ([-4.0, 3.0], [0.6334, 0.2431], [-0.5, -0.3], [0.0, 0.73], 0.31, [0, -1]),
        ([-2.75, -3.0], [0.1768, 0.286], [0.0, -0.69], [9.0, 0.0], 0.9408, [2, 2]),
    ],
    ids=["farther than is back in a day", "one kept below its floor"],
)
def test_of_a_book_far_below_its_floor_the_nearest_list_is_proven_too(
    held: list[float], step: list[float], wanted: list[float], most: list[float], turnover: float, lots: list[int]
):  # fmt: skip
    """Found by brute force: such lists were those nearest in risk, and their bound was 0."""
    weights = np.array(held) * step
    found = nearest_money(
        RoundingProblem(
            weights, np.array(wanted), np.array(step), TrackingRisk.of(0.04 * np.eye(2)), 100.0,
            CostModel(8e-3, 15.0).curve(("A", "B")), np.full(2, -0.5), np.array(most), np.zeros((0, 2)), np.zeros(0),
            1.0 - float(weights.sum()), 0.0, turnover,
        ), 0.0,
    )  # fmt: skip
    assert found.lots.tolist() == lots
    assert found.bound == pytest.approx(found.objective, abs=1e-8)


@examples(10)
@given(seed=st.integers(0, 1_000_000), room=st.sampled_from([0.0, 0.01, 0.1]))
def test_whatever_the_prices_they_prove_a_true_bound_and_leave_out_dearer_lists_alone(seed: int, room: float):
    rng = np.random.default_rng(seed)
    problem = problem_of(rng)
    try:
        every, lists = choices_of(problem), lists_of(problem)
    except NoAnswerError:
        return
    space = Outside.of(problem).space
    rows = np.where(rng.random(len(space.rows)) < 0.5, rng.normal(0, 0.3, len(space.rows)), 0.0)
    turnover = float(rng.uniform(0, 1)) if problem.max_traded < np.inf else 0.0
    prices = Prices(problem, every, space, rows, float(rng.uniform(0, 1)), turnover)
    left = prices.within(room)
    for lots in lists:
        assert distance(problem, lots) >= prices.bound - 1e-9
        buys = (lots >= left.bought[0]) & (lots <= left.bought[1]) & (lots > 0)
        sells = (-lots >= left.sold[0]) & (-lots <= left.sold[1]) & (lots < 0)
        whole = (lots == problem.close) & left.closed
        if not (buys | sells | whole | (lots == 0) & left.idle).all():
            assert distance(problem, lots) > prices.bound + room


def test_a_hundred_and_fifty_names_are_proven_without_a_search_of_thousands_of_nodes():
    """Turnover binds, which took half a minute of nodes before prices ruled trades out."""
    portfolio, prices, target, estimates = book(np.random.default_rng(2), 150, held=True)
    rich = Portfolio("book", 1_000_000.0, portfolio.positions)
    asked = Policy(rounding="money", cash_max=1.0, max_turnover=0.2)
    found = build_trades(
        rich, prices, target, estimates, asked, Universe(estimates.symbols), costs=CostModel(1.0, 10.0)
    )
    assert found.constraints_met and found.gap <= 1e-5


def test_limits_hold_on_the_list_and_curved_ones_too():
    rng = np.random.default_rng(5)
    portfolio, prices, target, estimates = book(rng, 8, held=True)
    w = np.array(list(target.values()))
    risk = float(np.sqrt(w @ estimates.covariance @ w))
    found = listed(
        (portfolio, prices, target, estimates), CostModel(1.0, 5.0),
        max_volatility=1.001 * risk, max_weight=float(w.max()), min_trade_value=50.0,
        largest_limits={2: float(np.sort(w)[-2:].sum())},
    )  # fmt: skip
    assert found.constraints_met and found.gap <= 1e-5
    assert all(row.value >= 50 or row.action == "HOLD" or not row.target_quantity for row in found.rows)


def test_odd_holdings_are_kept_traded_in_lots_or_closed():
    """3.5 shares of a name that is not wanted are sold whole; of one that is, one more lot or none."""
    portfolio = made("odd", 1000.0, {"A": 3.5, "B": 2.5})
    estimates = Estimates(("A", "B"), None, np.eye(2) * 0.04)
    case = (portfolio, {"A": 100.0, "B": 100.0}, {"A": 0.0, "B": 0.9}, estimates)
    found = {row.symbol: row.target_quantity for row in listed(case).rows}
    assert found == {"A": 0, "B": pytest.approx(14.5)} or found == {"A": 0, "B": pytest.approx(13.5)}


def test_an_unknown_rounding_is_refused():
    with pytest.raises(PolicyError, match="rounding 'up' does not exist; use one of"):
        Policy(rounding="up")
