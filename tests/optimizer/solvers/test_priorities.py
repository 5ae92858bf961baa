"""Limits that give way by priority: against an independent lexicographic solve, at the edges, and refused by name."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from optimizer import (
    Estimates,
    InfeasibleError,
    OptimizationConstraints,
    Policy,
    PolicyError,
    Universe,
    solve,
)
from optimizer.solvers.hierarchy import PriorityLevel

NAMES = tuple("ABCDEF")
SECTORS = dict(zip(NAMES, "xxyyzz", strict=True))
BOOK = Universe(NAMES, SECTORS)
EQUAL = np.full(6, 1 / 6)


def estimates(rng: np.random.Generator) -> Estimates:
    spread = rng.standard_normal((6, 6)) * 0.1
    return Estimates(NAMES, rng.uniform(0.02, 0.12, 6), spread @ spread.T + 0.01 * np.eye(6))


def amounts(
    w: cp.Expression, it: Estimates, policy: Policy, held: np.ndarray
) -> dict[str, list[cp.Expression]]:
    """Field -> its violations as expressions, each / its bound: written here once more, from the docs alone."""
    in_sector = [w[[i for i, s in enumerate(NAMES) if SECTORS[s] == sector]] for sector in "xyz"]
    return {
        "max_weight": [cp.pos(w[i] - policy.max_weight) / policy.max_weight for i in range(6)],
        "max_sector": [cp.pos(cp.sum(part) - policy.max_sector) / policy.max_sector for part in in_sector],
        "min_return": [cp.pos(policy.min_return - it.mean @ w) / policy.min_return],
        "max_turnover": [
            cp.pos(0.5 * cp.norm1(w - held) - policy.max_turnover) / max(policy.max_turnover, 0.01)
        ],
    }


def by_hand(it: Estimates, policy: Policy, held: np.ndarray) -> tuple[dict[int, float], float]:
    """The least violation of each level in turn, and the least volatility after them."""
    w = cp.Variable(6)
    rules = [w >= 0, cp.sum(w) == 1]
    broken = amounts(w, it, policy, held)
    for field, parts in broken.items():
        if not policy.priorities.get(field):
            rules += [part <= 0 for part in parts]
    least = {}
    for level in sorted({p for p in policy.priorities.values() if p}):
        total = sum(
            part for field, parts in broken.items() if policy.priorities.get(field) == level for part in parts
        )
        problem = cp.Problem(cp.Minimize(total), rules)
        problem.solve(solver="CLARABEL")
        if problem.status != "optimal":
            raise InfeasibleError(problem.status)
        least[level] = float(problem.value)
        rules.append(total <= least[level] + 1e-7 * (1 + least[level]))
    problem = cp.Problem(cp.Minimize(cp.quad_form(w, cp.psd_wrap(it.covariance))), rules)
    problem.solve(solver="CLARABEL")
    return least, float(np.sqrt(problem.value))


@pytest.mark.parametrize("seed", range(25))
def test_levels_are_those_of_an_independent_lexicographic_solve(seed: int):
    rng = np.random.default_rng(seed)
    it, held = estimates(rng), rng.dirichlet(np.full(6, 0.5))
    fields = ("max_weight", "max_sector", "min_return", "max_turnover")
    policy = Policy(
        method="min_volatility",
        risk_free_rate=0.0,
        max_weight=float(rng.choice([0.1, 0.2, 0.4])),
        max_sector=float(rng.choice([0.2, 0.35, 0.6])),
        min_return=float(rng.choice([0.05, 0.1, 0.15])),
        max_turnover=float(rng.choice([0.05, 0.2])),
        priorities={field: int(level) for field, level in zip(fields, rng.integers(0, 4, 4), strict=True)},
    )
    try:
        found = solve(it, policy, BOOK, held)
    except InfeasibleError as error:
        assert error.ways or error.conflicts
        with pytest.raises(InfeasibleError):
            by_hand(it, policy, held)
        return
    least, volatility = by_hand(it, policy, held)
    if not found.levels:
        assert max(least.values(), default=0.0) <= 1e-5
        return
    assert {level.priority: level.violation for level in found.levels} == pytest.approx(least, abs=2e-5)
    assert found.objective == pytest.approx(volatility, abs=1e-4)
    for level in found.levels:
        check_level(level)


def check_level(level: PriorityLevel) -> None:
    assert 0 <= level.violation - level.proven <= 1e-6 * max(1.0, level.violation)
    shares = sum(abs(u.value - u.bound) / max(abs(u.bound), 0.01) for u in level.gave)
    assert shares == pytest.approx(level.violation, abs=2e-5)
    assert level.cost >= -1e-6


FIRM = Policy(method="min_volatility", max_weight=0.3, max_sector=0.5, max_turnover=0.3)


@pytest.mark.parametrize("level", [0, 3])
def test_without_a_conflict_no_priority_changes_a_byte(level: int):
    it = estimates(np.random.default_rng(1))
    plain = solve(it, FIRM, BOOK, EQUAL)
    ranked = replace(FIRM, priorities=dict.fromkeys(("max_weight", "max_sector", "max_turnover"), level))
    found = solve(it, ranked, BOOK, EQUAL)
    assert found.weights.tobytes() == plain.weights.tobytes()
    assert found.levels == () and found.constraints_met and found.warnings == plain.warnings


def test_what_holds_always_is_refused_with_its_conflict():
    it = estimates(np.random.default_rng(1))
    tight = replace(FIRM, max_weight=0.1)
    zero = replace(tight, priorities={"max_weight": 0, "max_sector": 0})
    with pytest.raises(InfeasibleError) as plain:
        solve(it, tight, BOOK, EQUAL)
    for policy in (zero, replace(zero, priorities={"max_sector": 4})):
        with pytest.raises(InfeasibleError) as caught:
            solve(it, policy, BOOK, EQUAL)
        assert {c.limit for c in caught.value.conflicts} == {"max_weight", "cash_max"}
    assert str(plain.value) == str(caught.value)


def test_the_lower_level_gives_way_and_the_firmer_one_holds():
    it = estimates(np.random.default_rng(2))
    contrary = replace(
        FIRM, max_turnover=None, limits=("A + B >= 70%", "A + B <= 40%"), max_sector=None, max_weight=None
    )
    first = solve(it, replace(contrary, priorities={"A + B >= 70%": 1, "A + B <= 40%": 2}), BOOK)
    assert first.weights[:2].sum() == pytest.approx(0.7, abs=1e-6)
    second = solve(it, replace(contrary, priorities={"A + B >= 70%": 2, "A + B <= 40%": 1}), BOOK)
    assert second.weights[:2].sum() == pytest.approx(0.4, abs=1e-6)
    [unmet] = second.unmet
    assert (unmet.limit, unmet.priority) == ("A + B >= 70%", 2)
    assert unmet.value == pytest.approx(0.4, abs=1e-6) and unmet.bound == pytest.approx(0.7)
    assert "A + B >= 70% gives way by 0.3, by its priority 2: 0.4, limit 0.7" in second.warnings
    firm, loose = second.levels
    assert firm.violation == firm.proven == 0 and not firm.gave
    assert loose.gave == second.unmet and loose.violation == pytest.approx(0.3 / 0.7, abs=1e-6)
    assert loose.cost_bps == pytest.approx(1e4 * loose.cost)
    assert "A + B >= 70% gives way" in loose.text and f"bps of the {second.goal.measure}" in loose.text


def test_one_level_shares_the_least_violation_of_both():
    """Of 40% at most and 70% at least the latter's bound is larger, so that a point of it counts less."""
    it = estimates(np.random.default_rng(2))
    policy = Policy(
        method="min_volatility", limits=("A + B >= 70%", "A + B <= 40%"), priorities={"limits": 5}
    )
    found = solve(it, policy, BOOK)
    assert found.weights[:2].sum() == pytest.approx(0.4, abs=1e-5)


def test_a_narrow_key_wins_over_its_field():
    it = estimates(np.random.default_rng(3))
    policy = replace(FIRM, max_weight=None, max_sector=0.3, priorities={"max_sector": 0, "max_sector z": 2})
    found = solve(it, policy, BOOK, EQUAL)
    assert [u.limit for u in found.unmet] == ["max_sector z"]
    held = {s: found.weights[[i for i, n in enumerate(NAMES) if SECTORS[n] == s]].sum() for s in "xyz"}
    assert held == pytest.approx({"x": 0.3, "y": 0.3, "z": 0.4}, abs=1e-6)
    own = Policy(
        method="min_volatility",
        max_weight=0.15,
        asset_limits={"A": (0, 0.15)},
        priorities={"asset_limits": 1},
    )
    one = solve(it, own, BOOK)
    assert [u.limit for u in one.unmet] == ["max_weight A"] and one.weights[0] == pytest.approx(
        0.25, abs=1e-6
    )


def test_curved_limits_give_way_and_hold():
    it = estimates(np.random.default_rng(4))
    safest = solve(it, Policy(method="min_volatility"), BOOK)
    calm = Policy(
        method="max_return", risk_free_rate=0.0, max_volatility=safest.objective / 2, max_weight=0.9
    )
    found = solve(it, replace(calm, priorities={"max_volatility": 3}), BOOK)
    np.testing.assert_allclose(found.weights, safest.weights, atol=2e-2)
    [level] = found.levels
    assert level.violation == pytest.approx(1.0, abs=1e-4) and level.proven == pytest.approx(1.0, abs=1e-4)
    # The cap is firmer: of the portfolios that keep it least broken, the calmest.
    both = replace(calm, max_weight=0.1, priorities={"max_weight": 1, "max_volatility": 2})
    ranked = solve(it, both, BOOK)
    assert [level.priority for level in ranked.levels] == [1, 2]
    assert ranked.levels[0].violation == pytest.approx(6 * (1 / 6 - 0.1) / 0.1, abs=1e-5)
    # And with the volatility firmer the cap gives what that needs.
    turned = solve(
        it, replace(both, max_volatility=safest.objective * 1.01, priorities={"max_weight": 1}), BOOK
    )
    assert turned.objective <= ranked.objective + 1e-6 or turned.certificate.ok
    w = turned.weights
    assert np.sqrt(w @ it.covariance @ w) <= safest.objective * 1.01 + 1e-7


def test_turnover_and_cash_may_give_way_and_transition_comes_before_levels_of_its_own():
    it = estimates(np.random.default_rng(5))
    held = np.array([0.9, 0.1, 0, 0, 0, 0])
    tight = Policy(method="min_volatility", max_weight=0.3, max_turnover=0.1, priorities={"max_turnover": 1})
    found = solve(it, tight, BOOK, held)
    assert found.weights.max() <= 0.3 + 1e-6
    assert [u.limit for u in found.unmet] == ["max_turnover"]
    assert found.unmet[0].value == pytest.approx(0.6, abs=1e-5)
    # A cap that may give way does so, and nothing else is unmet: no transition is needed.
    capped = replace(tight, on_conflict="transition", priorities={"max_weight": 1})
    own = solve(it, capped, BOOK, held)
    assert {u.priority for u in own.unmet} == {1}
    # The sector cannot be met under turnover and has no priority: it moves first, the cap gives way after it.
    moved = solve(it, replace(capped, max_sector=0.5), BOOK, held)
    assert {u.limit: u.priority for u in moved.unmet}["max_sector x"] == 0
    assert [level.priority for level in moved.levels] == [1]


def test_forced_cash_comes_after_what_may_give_way():
    it = estimates(np.random.default_rng(6))
    policy = Policy(method="min_volatility", max_weight=0.1, forced_cash="hold", risk_free_rate=0.0)
    assert solve(it, policy, BOOK).cash == pytest.approx(0.4, abs=1e-5)
    ranked = solve(it, replace(policy, priorities={"max_weight": 9}), BOOK)
    assert ranked.cash == pytest.approx(0.0, abs=1e-8) and ranked.unmet


@pytest.mark.parametrize(
    ("nonconvex", "least"),  # two names are a half each of their sectors; three or more one third
    [
        ({"max_holdings": 2}, 0.4),
        ({"min_position": 0.2}, 0.1),
        ({"max_holdings": 3, "min_position": 0.3}, 0.1),
    ],
    ids=str,
)
def test_names_are_chosen_inside_what_the_levels_leave_or_these_give_way(
    nonconvex: dict[str, float], least: float
):
    it = estimates(np.random.default_rng(7))
    policy = Policy(
        method="min_volatility",
        max_sector=0.3,
        priorities={"max_sector": 2},
        on_conflict="transition",
        **nonconvex,
    )
    found = solve(it, policy, BOOK)
    assert found.certificate.ok
    assert (found.weights > 1e-8).sum() <= nonconvex.get("max_holdings", 6)
    assert found.levels[0].violation == pytest.approx(least / 0.3, abs=1e-5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_turnover": 10}, "must be a whole number from 0"),
        ({"max_turnover": True}, "must be a whole number from 0"),
        ({"max_turnover": 1.5}, "must be a whole number from 0"),
        ({"long_only": 1}, "long_only cannot give way"),
        ({"max_holdings": 1}, "max_holdings cannot give way"),
        ({"no_trade_band": 1}, "no_trade_band cannot give way"),
        ({"turnover": 1}, "did you mean max_turnover"),
        ({"max_wieght": 2}, r"'max_wieght' is no limit; did you mean max_weight"),
        ({"max_wieght AAPL": 0}, "did you mean max_weight AAPL"),
        ({"max_return": 1}, "did you mean min_return"),
        ({"max_weight ": 1}, "did you mean max_weight"),
        ({"max_sector_energy": 1}, "did you mean max_sector"),
        ({3: 1}, "3 is no limit; use a field"),
        ({"Equity <= 0.6": 1, "spam": 2}, "is no limit"),
        ("max_turnover", "must be a mapping"),
    ],
    ids=str,
)
def test_a_wrong_priority_is_refused_in_words(wrong: object, said: str):
    with pytest.raises(PolicyError, match=said):
        Policy(priorities=wrong)


def test_a_priority_of_what_is_not_there_is_refused_and_that_of_a_field_without_a_limit_is_none():
    it = estimates(np.random.default_rng(8))
    with pytest.raises(PolicyError, match="'max_sector w', which is no limit here; did you mean max_sector"):
        solve(it, replace(FIRM, priorities={"max_sector w": 1}), BOOK, EQUAL)
    found = solve(it, replace(FIRM, priorities={"max_tracking_error": 1}), BOOK, EQUAL)
    assert found.constraints_met


def test_the_engine_takes_priorities_and_says_what_was_given():
    it = estimates(np.random.default_rng(9))
    constraints = OptimizationConstraints(max_weight=0.1, priorities={"max_weight": 1})
    assert constraints.to_policy("min_volatility", 0.0).priorities == {"max_weight": 1}
    with pytest.raises(PolicyError, match="own constraints cannot be combined with priorities"):
        solve(it, replace(FIRM, priorities={"max_weight": 1}), BOOK, EQUAL, constraints=lambda w: [w >= 0])


@pytest.mark.parametrize(
    ("bounds", "side"), [((20.0, None), 1), ((1e4, None), 1), ((None, -20.0), -1), ((None, -1e9), -1)]
)
def test_a_bound_far_out_of_reach_gives_way_by_all_that_lacks(
    bounds: tuple[float | None, float | None], side: int
):
    """What gives way was looked for up to ten times the NAV: a beta of 20 ended as a fault of the solvers."""
    it = estimates(np.random.default_rng(3))
    benchmark = dict.fromkeys(NAMES, 1 / 6)
    betas = it.covariance @ EQUAL / (EQUAL @ it.covariance @ EQUAL)
    policy = Policy(method="min_volatility", beta_limits=bounds, priorities={"beta_limits": 3}, cash_max=0.0)
    found = solve(it, policy, replace(BOOK, benchmark=benchmark))
    [gave], bound = found.unmet, next(one for one in bounds if one is not None)
    reach = max(side * betas)
    assert found.certificate.ok and gave.bound == bound
    assert side * found.weights @ betas == pytest.approx(reach, abs=1e-6 * abs(bound))
    with pytest.raises(InfeasibleError) as stop:
        solve(it, replace(policy, priorities={}), replace(BOOK, benchmark=benchmark))
    told = next(way[0] for way in stop.value.ways if way[0].limit.endswith("beta"))
    assert told.relaxation == pytest.approx(side * bound - reach, rel=1e-6)
