"""Whole shares nearest in money: against another program by scipy, brute force, and every limit of a list."""

from typing import Any

import numpy as np
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from optimizer import Estimates, Policy, PolicyError, Portfolio, Position, Universe, build_trades
from optimizer.model.costs import CostModel

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


@examples(12)
@given(seed=st.integers(0, 100_000), n=st.integers(1, 12), held=st.booleans())
def test_no_list_is_nearer_in_money_than_another_program_finds(seed: int, n: int, held: bool):
    case = book(np.random.default_rng(seed), n, held)
    found = listed(case)
    assert found.objective == pytest.approx(by_scipy(case), abs=1e-7)
    assert found.gap <= 1e-7 and found.cash_after >= 0
    away = sum(abs(row.achieved_weight - row.target_weight) for row in found.rows)
    assert away == pytest.approx(found.objective, abs=1e-9)


@examples(8)
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
    with pytest.raises(PolicyError, match="rounding is 'up'"):
        Policy(rounding="up")
