"""Least positions, a most number of names and the no-trade band, against every choice there is."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from draws import each_once, some

from optimizer import Conflict, Estimates, InfeasibleError, Policy, PolicyError, Solution, Universe, solve
from optimizer.problem.goals import sign
from optimizer.solvers.names import name_search

METHODS = ("min_volatility", "mean_variance", "max_sharpe", "cvar", "max_return", "min_tracking_error")


def book(seed: int, n: int) -> tuple[Estimates, Universe, np.ndarray]:
    rng = np.random.default_rng(seed)
    names = tuple(f"S{i:02d}" for i in range(n))
    returns = rng.standard_normal((120, n)) * rng.uniform(0.006, 0.02, n) + 0.008 * rng.standard_normal(
        (120, 1)
    )
    mean = rng.uniform(0.03, 0.12, n)
    held = rng.dirichlet(np.ones(n))
    benchmark = dict(zip(names, rng.dirichlet(np.ones(n)).tolist(), strict=True))
    return (
        Estimates(names, mean, np.cov(returns.T) * 252, returns),
        Universe(names, benchmark=benchmark),
        held,
    )


def every_choice(it: Estimates, universe: Universe, held: np.ndarray, policy: dict) -> float:
    """The least loss over all sets of names, each held at min_position or more; infinite without any."""
    least, most = policy.pop("min_position", 0.0), policy.pop("max_holdings", len(it.symbols))
    top, best = policy.get("max_weight", 1.0), np.inf
    for size in range(1, most + 1):
        for names in combinations(it.symbols, size):
            ranges = {s: (least, top) if s in names else (0.0, 0.0) for s in it.symbols}
            try:
                found = solve(it, Policy(asset_limits=ranges, **policy), universe, held)
            except InfeasibleError:
                continue
            best = min(best, sign(found.goal) * found.objective)
    return best


def kept(found: Solution, least: float, most: int) -> bool:
    w = found.weights
    return bool(((w < 1e-8) | (w >= least - 1e-8)).all() and (w > 1e-8).sum() <= most)


@pytest.mark.parametrize(("method", "seed"), each_once(METHODS, range(3)))
def test_no_choice_of_names_is_better(method: str, seed: int):
    it, universe, held = book(seed, 5)
    limits = {
        0: {"min_position": 0.15}, 1: {"max_holdings": 3, "max_weight": 0.5},
        2: {"min_position": 0.12, "max_holdings": 4, "max_weight": 0.45, "max_turnover": 0.4},
    }[seed]  # fmt: skip
    policy = {"method": method, "risk_free_rate": 0.02, "risk_aversion": 4.0, **limits}
    found = solve(it, Policy(**policy), universe, held)
    assert found.certificate.ok and found.constraints_met
    assert kept(found, limits.get("min_position", 0.0), limits.get("max_holdings", 5))
    best = every_choice(it, universe, held, policy)
    assert sign(found.goal) * found.objective == pytest.approx(best, rel=1e-6, abs=1e-9)
    assert found.optimality_gap <= 1e-5 * max(abs(found.objective), 1.0)
    assert not any("leaves open" in said for said in found.warnings)


def test_a_large_book_reports_a_bound_that_holds():
    it, universe, held = book(11, 60)
    policy = Policy(method="min_volatility", max_holdings=8, min_position=0.05, max_weight=0.3)
    found = solve(it, policy, universe, held)
    assert found.certificate.ok and kept(found, 0.05, 8)
    free = solve(it, Policy(method="min_volatility", max_weight=0.3), universe)
    assert free.objective - 1e-9 <= found.bound <= found.objective + 1e-12
    assert found.optimality_gap > 1e-3 * found.objective
    assert found.warnings == (
        f"the search for names ended early and leaves open whether a better portfolio exists: the volatility is "
        f"{found.objective:.6g}, and no allowed portfolio has better than {found.bound:.6g}",
    )
    again = solve(it, policy, universe, held)
    assert np.array_equal(again.weights, found.weights)


def test_risk_parity_holds_every_name_at_the_least_position_or_says_why_not():
    it, universe, held = book(3, 6)
    found = solve(it, Policy(method="risk_parity", min_position=0.12), universe, held)
    assert found.weights.min() >= 0.12 - 1e-9
    with pytest.raises(InfeasibleError, match="risk budgets hold all 6 names and max_holdings is 3"):
        solve(it, Policy(method="risk_parity", max_holdings=3), universe, held)


def test_too_few_names_for_the_caps_are_counted():
    it, universe, held = book(3, 6)
    with pytest.raises(InfeasibleError, match=r"max_holdings 3 \(the caps need at least 5 names\)"):
        solve(it, Policy(method="min_volatility", max_holdings=3, max_weight=0.2), universe, held)


@pytest.mark.parametrize("method", ["max_sharpe", "max_return_to_cvar"])
def test_a_ratio_that_no_choice_of_names_has_is_told_and_not_a_limit_on_names(method: str):
    """Three names earn 5.2% together; the only two that fill the book earn 3.4%, less than cash."""
    days = np.random.default_rng(0).normal(0, 0.01, (60, 3))
    it = Estimates(("A", "B", "C"), np.array([0.10, 0.05, -0.01]), np.diag([0.04, 0.05, 0.06]), days)
    caps = {"A": (0.0, 0.4), "B": (0.0, 0.3), "C": (0.0, 0.6)}
    policy = Policy(method=method, risk_free_rate=0.04, asset_limits=caps)
    assert solve(it, policy, Universe(it.symbols)).objective > 0
    with pytest.raises(InfeasibleError, match="no allowed portfolio has an expected return above"):
        solve(it, replace(policy, max_holdings=2), Universe(it.symbols))


def test_what_turnover_forbids_is_unmet_in_transition():
    it, universe, held = book(3, 6)
    policy = {"method": "min_volatility", "max_holdings": 2, "max_turnover": 0.01}
    with pytest.raises(InfeasibleError, match="no choice of names keeps max_holdings 2"):
        solve(it, Policy(**policy), universe, held)
    found = solve(it, Policy(**policy, on_conflict="transition"), universe, held)
    assert not found.constraints_met
    assert [limit.limit for limit in found.unmet] == ["max_holdings"]


@pytest.mark.parametrize(
    "forced",
    [
        {"min_weight": 0.1},
        {"asset_limits": {"S00": (0.1, 1.0), "S01": (0.1, 1.0)}},
        {"max_trade": 0.02},
        {"do_not_sell": ["S00", "S01"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["min_volatility", "cvar", "max_return"])
def test_more_names_than_the_most_are_never_held_because_other_limits_force_them(method: str, forced: dict):
    it, universe, _ = book(3, 3)
    held = np.array([0.4, 0.5, 0.1])
    policy = Policy(method=method, max_holdings=1, cash_max=1.0, risk_free_rate=0.0, **forced)
    with pytest.raises(InfeasibleError, match="max_holdings is 1 and must give way by") as told:
        solve(it, policy, universe, held)
    (way,) = told.value.ways
    wider = replace(policy, max_holdings=1 + int(way[0].relaxation))
    assert solve(it, wider, universe, held).constraints_met
    patient = replace(policy, on_conflict="transition")
    if not {"max_trade", "do_not_sell"} & set(forced):  # nothing that time would change
        with pytest.raises(InfeasibleError, match="max_holdings is 1 and must give way by"):
            solve(it, patient, universe, held)
        return
    waiting = solve(it, patient, universe, held)
    assert [limit.limit for limit in waiting.unmet] == ["max_holdings"]
    assert any("it cannot hold under the limits on trades" in said for said in waiting.warnings)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"min_position": 0.05, "asset_limits": {"A": (0, 0.03)}},
         r"asset_limits of A: at most 3% long is less than min_position 5%, so that nothing of it can be held long"),
        ({"min_position": 0.05, "asset_limits": {"A": (-0.02, 0.3)}, "long_only": False}, "at most 2% short is less"),
        ({"min_position": 0.05, "min_weight": -0.02, "long_only": False}, "min_weight: at most 2% short is less"),
        ({"no_trade_band": 0.05, "max_trade": 0.02},
         r"max_trade: 2% is less than no_trade_band 5%, so that no trade is large enough"),
        ({"no_trade_band": 0.05, "trade_limits": {"A": 0.02}}, "trade_limits of A: 2% is less than no_trade_band"),
    ],
)  # fmt: skip
def test_a_limit_that_a_least_size_makes_void_is_refused(policy: dict, message: str):
    with pytest.raises(PolicyError, match=message):
        Policy(**policy)
    Policy(
        min_position=0.05, no_trade_band=0.05, asset_limits={"A": (0, 0)}, trade_limits={"A": 0, "B": 0.05}
    )


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"min_position": 2.0}, r"min_position is 2.0; it must be a fraction of NAV between 0 and 1"),
        ({"min_position": 0.2, "max_weight": 0.1}, r"min_position 20% is above max_weight 10%"),
        ({"max_holdings": 0}, "max_holdings is 0; it must be a whole number of names, at least 1"),
        ({"max_holdings": 2.5}, "max_holdings is 2.5; it must be a whole number"),
        ({"no_trade_band": 1.5}, r"no_trade_band is 1.5; it must be a fraction of NAV in \[0, 1\)"),
    ],
)
def test_wrong_ones_are_refused(policy: dict, message: str):
    with pytest.raises(PolicyError, match=message):
        Policy(**policy)


def best_trades(
    it: Estimates, universe: Universe, held: np.ndarray, policy: dict, band: float, least: float, most: int
) -> float:
    """The least loss over every way to keep, close, raise or lower each name; infinite without any."""
    ranges = {
        "keep": lambda h: (h, h),
        "close": lambda h: (0.0, 0.0),
        "raise": lambda h: (max(h + band, least), policy["max_weight"]),
        "lower": lambda h: (least, h - band),
    }
    # Risk parity shares its budgets among what may be held: it closes nothing.
    ways = [way for way in ranges if way != "close" or policy["method"] != "risk_parity"]
    best = np.inf
    for choice in product(ways, repeat=len(held)):
        pairs = {s: ranges[way](h) for s, h, way in zip(it.symbols, held.tolist(), choice, strict=True)}
        small = any(0 < h < least for h, way in zip(held, choice, strict=True) if way == "keep")
        crossed = any(low > high or high > policy["max_weight"] for low, high in pairs.values())
        if small or crossed or len(held) - choice.count("close") > most:
            continue
        try:
            found = solve(it, Policy(asset_limits=pairs, **policy), universe, held)
        except InfeasibleError:
            continue
        best = min(best, sign(found.goal) * found.objective)
    return best


@pytest.mark.parametrize(("method", "seed"), each_once((*METHODS, "risk_parity"), range(3)))
def test_no_other_trades_outside_the_band_are_better(method: str, seed: int):
    it, universe, held = book(seed, 3)
    more = ({}, {"min_position": 0.15}, {"max_holdings": 2})[seed] if method != "risk_parity" else {}
    policy = {
        "method": method,
        "risk_free_rate": 0.02,
        "risk_aversion": 4.0,
        "max_weight": 0.7,
        "max_turnover": 0.4,
    }
    found = solve(it, Policy(**policy, **more, no_trade_band=0.12), universe, held)
    moved = np.abs(found.weights - held)
    assert found.certificate.ok and found.constraints_met and found.optimality_gap <= 1e-6
    assert ((moved < 1e-8) | (moved >= 0.12 - 1e-8) | (found.weights < 1e-8)).all()
    least, most = more.get("min_position", 0.0), more.get("max_holdings", len(held))
    best = best_trades(it, universe, held, policy, 0.12, least, most)
    assert sign(found.goal) * found.objective == pytest.approx(best, rel=1e-6, abs=1e-9)


def test_the_band_leaves_a_short_book_alone_too():
    it, universe, held = book(3, 5)
    held = np.array([0.4, -0.1, 0.3, 0.2, 0.2])
    policy = Policy(method="min_volatility", long_only=False, min_weight=-0.2, no_trade_band=0.05)
    found = solve(it, policy, universe, held)
    moved = np.abs(found.weights - held)
    assert found.certificate.ok and abs(found.weights.sum() - 1) <= 1e-8
    assert ((moved < 1e-8) | (moved >= 0.05 - 1e-8) | (np.abs(found.weights) < 1e-8)).all()
    free = solve(it, Policy(method="min_volatility", long_only=False, min_weight=-0.2), universe, held)
    assert free.objective - 1e-12 <= found.bound <= found.objective + 1e-12


def test_a_band_that_nothing_can_cross_is_named():
    it, universe, held = book(3, 4)
    policy = Policy(
        method="min_volatility", no_trade_band=0.3, max_turnover=0.02, asset_limits={"S00": (0.0, 0.05)}
    )
    held = np.array([0.06, 0.34, 0.3, 0.3])
    with pytest.raises(
        InfeasibleError, match=r"no choice of names keeps no_trade_band 30% with the other limits"
    ):
        solve(it, policy, universe, held)
    found = solve(it, replace(policy, on_conflict="transition"), universe, held)
    assert [limit.limit for limit in found.unmet] == ["no_trade_band"]
    with pytest.raises(PolicyError, match="no_trade_band needs the held weights"):
        solve(it, replace(policy, max_turnover=None), universe)


LINEAR = ("max_return", "cvar", "worst_realization", "mean_absolute_deviation", "first_lower_partial_moment",
          "cdar", "max_drawdown", "average_drawdown")  # fmt: skip


@pytest.mark.parametrize("method", LINEAR)
def test_highs_and_the_own_search_agree_where_the_goal_is_linear(
    method: str, monkeypatch: pytest.MonkeyPatch
):
    it, universe, held = book(7, 6)
    policy = Policy(
        method=method, risk_free_rate=0.02, max_holdings=4, min_position=0.1, max_weight=0.5, cash_max=0.2
    )
    found = solve(it, policy, universe, held)
    assert found.certificate.ok and kept(found, 0.1, 4) and found.optimality_gap <= 1e-9
    monkeypatch.setattr(name_search, "best_places", lambda *_: None)
    own = solve(it, policy, universe, held)
    assert own.objective == pytest.approx(found.objective, rel=1e-6)


@pytest.mark.parametrize("method", some(["max_return", "cvar"], 1))
def test_highs_proves_what_the_own_search_leaves_open(method: str, monkeypatch: pytest.MonkeyPatch):
    it, universe, held = book(5, 100 if method == "max_return" else 40)
    limits = {
        "max_return": {"min_position": 0.03, "max_weight": 0.2, "max_turnover": 0.8},
        "cvar": {"max_holdings": 8, "min_position": 0.05, "max_weight": 0.4},
    }[method]
    policy = Policy(method=method, risk_free_rate=0.02, **limits)
    found = solve(it, policy, universe, held)
    assert found.certificate.ok and found.optimality_gap <= 1e-9
    monkeypatch.setattr(name_search, "best_places", lambda *_: None)
    monkeypatch.setattr(name_search, "WORK", 2_000)
    own = solve(it, policy, universe, held)
    least = sign(found.goal)
    assert own.optimality_gap > 1e-6 and least * own.bound <= least * found.objective <= least * own.objective


def relaxed(policy: Policy, way: tuple[Conflict, ...]) -> Policy:
    """The policy with what the message says given way."""
    changes: dict[str, object] = {}
    for conflict in way:
        if conflict.limit == "max_holdings":
            changes["max_holdings"] = int(conflict.bound + conflict.stated)
        elif conflict.limit == "large_holdings":
            threshold, most = policy.large_holdings or (0.0, 0.0)
            changes["large_holdings"] = (threshold, most + conflict.stated)
        else:
            changes[conflict.limit] = max(conflict.bound - conflict.stated, 0.0)
    return replace(policy, **changes)


@pytest.mark.parametrize("seed", some(range(12), 5))
def test_what_names_must_give_is_enough_and_less_is_not(seed: int):
    it, universe, held = book(seed, 6)
    calm = Policy(method="min_volatility")
    limits = (
        {"max_holdings": 2, "max_weight": 0.3},
        {"min_position": 0.3, "max_turnover": 0.15},
        {"max_holdings": 3, "min_position": 0.2, "max_turnover": 0.2},
        {
            "no_trade_band": 0.1,
            "max_turnover": 0.04,
            "asset_limits": {it.symbols[int(held.argmax())]: (0.0, float(held.max()) - 0.02)},
        },
        {"large_holdings": (0.1, 0.3), "max_weight": 0.2},
        {"max_holdings": 2, "max_volatility": 1.02 * solve(it, calm, universe).objective},
    )[seed % 6]
    policy = Policy(method=("min_volatility", "mean_variance")[seed % 2], **limits)
    try:
        solve(it, policy, universe, held)
    except InfeasibleError as error:
        assert str(error).startswith("no choice of names keeps") and error.ways, str(error)
        for way in error.ways:
            found = solve(it, relaxed(policy, way), universe, held)
            assert found.certificate.ok
            (least,) = way if len(way) == 1 else (None,)
            if least is not None and least.limit != "max_holdings":
                less = replace(least, relaxation=0.98 * least.relaxation, room=0.0)
                with pytest.raises(InfeasibleError):
                    solve(it, relaxed(policy, (less,)), universe, held)
            elif least is not None and least.relaxation > 1:
                with pytest.raises(InfeasibleError):
                    solve(
                        it,
                        relaxed(policy, (replace(least, relaxation=least.relaxation - 1),)),
                        universe,
                        held,
                    )
