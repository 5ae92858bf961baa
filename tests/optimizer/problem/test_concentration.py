"""Limits on the largest weights, the 5/10/40 rule, short books with few names, L2: against other formulations."""

from itertools import combinations, product

import numpy as np
import pytest
from draws import each_once

from optimizer import (
    DataError,
    Estimates,
    InfeasibleError,
    Policy,
    PolicyError,
    Portfolio,
    Position,
    Universe,
    build_trades,
    solve,
)
from optimizer.numerics.convex_limits import Largest
from optimizer.problem.goals import sign
from optimizer.solvers.names import name_search


def book(seed: int, n: int) -> Estimates:
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((150, n)) * rng.uniform(0.005, 0.02, n)
    days = own + 0.006 * rng.standard_normal((150, 1)) + 3e-4
    if seed == 1:
        days[:, 1] = days[:, 0]
    return Estimates(
        tuple(f"S{i:02d}" for i in range(n)), rng.uniform(0.02, 0.12, n), np.cov(days.T) * 252, days
    )


def least_cost(it: Estimates, method: str, limit: float, count: int, low: float) -> float:
    """By cvxpy's own sum_largest, in its own words."""
    import cvxpy as cp

    n = len(it.symbols)
    w, scale = cp.Variable(n), cp.Variable(nonneg=True) if method == "max_sharpe" else 1.0
    rules = [cp.sum(w) == scale, w >= low * scale, cp.sum_largest(cp.abs(w), count) <= limit * scale]
    root = np.linalg.cholesky(it.covariance + 1e-14 * np.eye(n))
    risk = cp.norm(root.T @ w)
    cost = {
        "min_volatility": risk,
        "max_return": -it.mean @ w,
        "mean_variance": 1.25 * cp.sum_squares(root.T @ w) - it.mean @ w,
        "max_sharpe": risk,
        "cvar": None,
    }[method]
    if method == "max_sharpe":
        rules.append((it.mean - 0.01) @ w == 1)
    if method == "cvar":
        level = cp.Variable()
        cost = level + cp.sum(cp.pos(-it.scenarios @ w - level)) / (0.05 * len(it.scenarios))
    problem = cp.Problem(cp.Minimize(cost), rules)
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    return 1.0 / problem.value if method == "max_sharpe" else float(problem.value)


@pytest.mark.parametrize("method", ["min_volatility", "max_return", "mean_variance", "max_sharpe", "cvar"])
@pytest.mark.parametrize(("seed", "low"), [(0, 0.0), (1, 0.0), (2, -0.3)])
def test_the_largest_weights_are_limited_together(method: str, seed: int, low: float):
    it = book(seed, 8)
    extra = {"long_only": False, "min_weight": low} if low < 0 else {}
    policy = Policy(method=method, risk_free_rate=0.01, largest_limits={3: 0.5, 1: 0.25}, **extra)
    found = solve(it, policy, Universe(it.symbols))
    assert found.certificate.ok
    sizes = np.sort(np.abs(found.weights))[::-1]
    assert sizes[0] <= 0.25 + 1e-8 and sizes[:3].sum() <= 0.5 + 1e-8
    alone = solve(
        it, Policy(method=method, risk_free_rate=0.01, largest_limits={3: 0.5}, **extra), Universe(it.symbols)
    )
    best = least_cost(it, method, 0.5, 3, low if low < 0 else 0.0)
    told = (
        -sign(alone.goal) * alone.objective if method in ("max_return", "mean_variance") else alone.objective
    )
    assert abs(told) == pytest.approx(abs(best), rel=1e-5)


def test_a_large_book_with_held_weights_keeps_the_largest_too():
    it = book(3, 90)
    held = np.full(90, 1 / 90)
    policy = Policy(method="max_sharpe", risk_free_rate=0.01, largest_limits={10: 0.3}, max_turnover=0.4)
    found = solve(it, policy, Universe(it.symbols), held)
    assert found.certificate.ok and np.sort(found.weights)[-10:].sum() == pytest.approx(0.3, abs=1e-7)
    assert any(limit.limit == "largest 10" and limit.shadow_price > 0 for limit in found.binding)
    low = held.copy()
    low[:2] += [0.6, -1 / 90]
    low /= low.sum()
    way = Policy(
        method="min_volatility", largest_limits={10: 0.3}, max_turnover=0.05, on_conflict="transition"
    )
    moved = solve(it, way, Universe(it.symbols), low)
    assert [limit.limit for limit in moved.unmet] == ["largest 10"] and moved.unmet[0].rebalances > 1


def test_what_cannot_be_spread_so_thin_is_named():
    it = book(0, 4)
    with pytest.raises(InfeasibleError, match=r"largest 2 is 0.4"):
        solve(it, Policy(method="min_volatility", largest_limits={2: 0.4}), Universe(it.symbols))
    for wrong in ({0: 0.4}, {1.5: 0.4}, {2: 0.0}, {2: float("nan")}, {True: 0.4}):
        with pytest.raises(PolicyError, match="largest_limits"):
            Policy(largest_limits=wrong)
    one = Estimates(("A",), np.array([0.1]), np.array([[0.04]]))
    assert solve(one, Policy(largest_limits={5: 1.0}), Universe(("A",))).weights == pytest.approx([1.0])


@pytest.mark.parametrize("seed", range(20))
def test_the_value_after_one_change_is_the_value(seed: int):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    w = np.round(rng.normal(0, 0.3, n), 1)
    limit = Largest("largest", int(rng.integers(1, 9)), 0.5)
    move = np.round(rng.normal(0, 0.5, (3, n)), 1)
    for c, i in product(range(3), range(n)):
        changed = w.copy()
        changed[i] += move[c, i]
        assert limit.after(w, move)[c, i] == pytest.approx(limit.value(changed))


def every_large(it: Estimates, method: str, threshold: float, most: float, cap: float) -> float:
    """The least loss over all sets of names that may be large."""
    best = np.inf
    for size in range(int(most / threshold) + 1):
        for large in combinations(it.symbols, size):
            ranges = {s: (0.0, cap if s in large else min(threshold, cap)) for s in it.symbols}
            line = (" + ".join(large) + f" <= {most}",) if large else ()
            try:
                policy = Policy(method=method, risk_free_rate=0.01, asset_limits=ranges, limits=line)
                found = solve(it, policy, Universe(it.symbols))
            except InfeasibleError:
                continue
            best = min(best, sign(found.goal) * found.objective)
    return best


@pytest.mark.parametrize("method", ["min_volatility", "mean_variance", "max_sharpe", "max_return", "cvar"])
@pytest.mark.parametrize("seed", range(2))
def test_large_holdings_are_limited_together_and_no_choice_is_better(method: str, seed: int):
    it = book(seed, 7)
    policy = Policy(method=method, risk_free_rate=0.01, max_weight=0.3, large_holdings=(0.15, 0.5))
    found = solve(it, policy, Universe(it.symbols))
    assert found.certificate.ok and found.constraints_met
    assert found.weights[found.weights > 0.15 + 1e-7].sum() <= 0.5 + 1e-7
    best = every_large(it, method, 0.15, 0.5, 0.3)
    assert sign(found.goal) * found.objective == pytest.approx(best, rel=1e-6, abs=1e-9)
    assert found.optimality_gap <= 1e-5 * max(abs(found.objective), 1.0)


@pytest.mark.parametrize(("names", "threshold", "room"), [(20, 0.044, 0.005), (12, 0.07, -0.005)])
def test_large_holdings_that_few_choices_keep(
    names: int, threshold: float, room: float, monkeypatch: pytest.MonkeyPatch
):
    """Of names a little above the threshold turnover brings some below it, any so many and no more."""
    monkeypatch.setattr(name_search, "WORK", 1_000)
    it, held_names, turnover = book(5, names), names - names // 5, 0.1
    held = 1 / held_names + 0.0004 * (np.arange(held_names) - (held_names - 1) / 2)
    sold = np.cumsum(np.sort(held) - threshold)
    below = int((sold <= turnover).sum())
    least = held[below:].sum() - (turnover - sold[below - 1])
    rule = (threshold, least + room)
    policy = Policy(max_turnover=turnover, on_conflict="fail", risk_free_rate=0.01, large_holdings=rule)
    start = np.pad(held, (0, names - held_names))
    if room < 0:
        with pytest.raises(
            InfeasibleError, match=r"or relax one of the other limits: .*max_turnover"
        ) as told:
            solve(it, policy, Universe(it.symbols), start)
        assert told.value.conflicts[0].relaxation == pytest.approx(-room, abs=1e-5)
        return
    found = solve(it, policy, Universe(it.symbols), start)
    assert found.certificate.ok and found.constraints_met
    assert found.weights[found.weights > threshold + 1e-7].sum() <= least + room + 1e-7
    assert found.objective <= found.bound


def test_five_ten_forty_in_a_book_of_a_funds_size_and_in_lots():
    it = book(5, 40)
    rule = {"max_weight": 0.10, "large_holdings": (0.05, 0.40)}
    found = solve(it, Policy(method="min_volatility", **rule), Universe(it.symbols))
    assert found.certificate.ok and found.constraints_met
    w = found.weights
    assert w.max() <= 0.10 + 1e-8 and w[w > 0.05 + 1e-7].sum() <= 0.40 + 1e-7
    free = solve(it, Policy(method="min_volatility", max_weight=0.10), Universe(it.symbols))
    assert free.weights[free.weights > 0.05 + 1e-7].sum() > 0.40
    assert free.objective < found.bound <= found.objective * (1 + 1e-9)
    portfolio = Portfolio("fund", cash=50_000)
    prices = dict(zip(it.symbols, np.linspace(20, 300, 40), strict=True))
    listed = build_trades(portfolio, prices, found.series.to_dict(), it, Policy(**rule), Universe(it.symbols))
    held = np.array([float(row.achieved_weight) for row in listed.rows])
    assert held[held > 0.05 + 1e-8].sum() <= 0.40 and held.max() <= 0.10
    assert all(check.met for check in listed.constraints)
    assert "large_holdings" in {check.constraint for check in listed.constraints}
    with pytest.raises(InfeasibleError, match=r"large_holdings above 5% within 40%"):
        few = book(0, 12)
        solve(few, Policy(method="min_volatility", **rule), Universe(few.symbols))
    assert Policy(large_holdings=(0.4, 0.4)).large_holdings == (0.4, 0.4)  # one may be that large
    for wrong in ((0.0, 0.4), (0.4, 0.3), (None, 0.4), (0.05, 40.0)):
        with pytest.raises(PolicyError, match="large_holdings"):
            Policy(large_holdings=wrong)
    with pytest.raises(PolicyError, match="long-only"):
        Policy(large_holdings=(0.05, 0.4), long_only=False)


def every_side(it: Estimates, base: dict, least: float, most: int) -> float:
    """The least loss over all choices of names held long, short and not at all."""
    best = np.inf
    for sides in product((-1, 0, 1), repeat=len(it.symbols)):
        if sum(map(abs, sides)) > most:
            continue
        spans = {-1: (-0.5, -least), 0: (0.0, 0.0), 1: (least, 0.8)}
        ranges = {s: spans[side] for s, side in zip(it.symbols, sides, strict=True)}
        try:
            found = solve(it, Policy(asset_limits=ranges, **base), Universe(it.symbols))
        except (InfeasibleError, DataError):
            continue
        best = min(best, sign(found.goal) * found.objective)
    return best


@pytest.mark.parametrize(
    ("method", "few"),
    each_once(["min_volatility", "mean_variance", "max_return", "cvar"], [(0.0, 2), (0.1, 5), (0.15, 3)]),
)
def test_least_positions_and_few_names_in_books_that_may_be_short(method: str, few: tuple[float, int]):
    least, most = few
    it = book(2, 5)
    base = {"method": method, "risk_free_rate": 0.01, "long_only": False, "max_gross": 1.8}
    limits = {"min_position": least or None, "max_holdings": most if most < 5 else None}
    found = solve(it, Policy(min_weight=-0.5, max_weight=0.8, **limits, **base), Universe(it.symbols))
    size = np.abs(found.weights)
    assert found.certificate.ok and found.constraints_met
    assert ((size < 1e-7) | (size >= least - 1e-7)).all() and (size > 1e-7).sum() <= most
    best = every_side(it, base, least, most)
    assert sign(found.goal) * found.objective == pytest.approx(best, rel=1e-6, abs=1e-9)


def test_lots_of_a_short_book_keep_the_least_position():
    it = book(2, 5)
    policy = Policy(method="mean_variance", risk_free_rate=0.01, long_only=False, min_weight=-0.5, max_weight=0.8,
                    max_gross=1.8, min_position=0.1)  # fmt: skip
    target = solve(it, policy, Universe(it.symbols))
    assert (target.weights < -1e-6).any()
    portfolio = Portfolio("fund", cash=10_000)
    portfolio.add_position(Position("S00", 1))
    listed = build_trades(portfolio, dict.fromkeys(it.symbols, 97.0), target.series.to_dict(), it, policy,
                          Universe(it.symbols))  # fmt: skip
    sizes = [abs(row.achieved_weight) for row in listed.rows if row.achieved_weight]
    assert min(sizes) >= 0.1 and all(check.met for check in listed.constraints)


@pytest.mark.parametrize("method", ["mean_variance", "min_volatility", "max_return", "min_tracking_error"])
def test_the_l2_penalty_is_a_ridge_on_the_utility(method: str):
    """Unlimited but for the budget: the closed form of the penalised problem."""
    it, kappa = book(4, 5), 0.7
    universe = Universe(it.symbols, benchmark={"S00": 0.6, "S03": 0.4})
    free = {"long_only": False, "risk_aversion": 3.0, "risk_free_rate": 0.0}
    found = solve(it, Policy(method=method, l2_penalty=kappa, **free), universe)
    b = np.array([0.6, 0, 0, 0.4, 0])
    risky, linear = {
        "mean_variance": (3.0, it.mean),
        "min_volatility": (3.0, np.zeros(5)),
        "max_return": (0.0, it.mean),
        "min_tracking_error": (3.0, 3.0 * it.covariance @ b),
    }[method]
    inverse = np.linalg.inv(risky * it.covariance + 2 * kappa * np.eye(5))
    one = np.ones(5)
    price = (one @ inverse @ linear - 1) / (one @ inverse @ one)
    np.testing.assert_allclose(found.weights, inverse @ (linear - price * one), atol=1e-7)
    assert found.certificate.ok
    heavy = solve(it, Policy(method=method, l2_penalty=1e6, **free), universe).weights
    np.testing.assert_allclose(heavy, 0.2, atol=1e-4)


def test_the_l2_penalty_is_refused_where_nothing_is_penalised_in_rates():
    it = book(4, 3)
    with pytest.raises(PolicyError, match="method cvar cannot count l2_penalty"):
        solve(it, Policy(method="cvar", l2_penalty=0.1), Universe(it.symbols))
    with pytest.raises(PolicyError, match="l2_penalty is -1"):
        Policy(l2_penalty=-1.0)
