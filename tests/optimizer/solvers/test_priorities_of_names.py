"""Limits that give way by priority for a choice of names: against every choice tried by an independent solver."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations

import cvxpy as cp
import numpy as np
import pytest

from optimizer import Estimates, InfeasibleError, Policy, PolicyError, SolverError, Universe, solve
from optimizer.solvers.names import program_work
from tests.tools.draws import some

NAMES, SIX = tuple("ABCDE"), tuple("ABCDEF")
SECTORS = dict(zip(NAMES, "xxyyz", strict=True))
BOOK = Universe(NAMES, SECTORS)
HELD = np.array([0.5, 0.2, 0.1, 0.1, 0.1])
FIELDS = ("max_weight", "max_sector", "max_turnover", "max_volatility")
CHOICES = (
    {"max_holdings": 2},
    {"max_holdings": 1},
    {"min_position": 0.35},
    {"max_holdings": 3, "min_position": 0.3},
)


def estimates(seed: int) -> Estimates:
    rng = np.random.default_rng(seed)
    spread = rng.standard_normal((5, 5)) * 0.1
    return Estimates(NAMES, rng.uniform(0.02, 0.12, 5), spread @ spread.T + 0.01 * np.eye(5))


def broken(w: cp.Expression, it: Estimates, policy: Policy) -> dict[str, list[cp.Expression]]:
    """Field -> its violations, each / its bound."""
    root = np.linalg.cholesky(it.covariance).T
    sectors = [cp.sum(w[[i for i, n in enumerate(NAMES) if SECTORS[n] == s]]) for s in "xyz"]
    values = {
        "max_weight": [w[i] for i in range(5)],
        "max_sector": sectors,
        "max_turnover": [0.5 * cp.norm1(w - HELD)],
        "max_volatility": [cp.norm2(root @ w)],
    }
    bounds = {field: getattr(policy, field) for field in values}
    return {f: [cp.pos(v - bounds[f]) / bounds[f] for v in values[f]] for f in values if bounds[f]}


def solved_for(policy: Policy, it: Estimates, aim: int | None, least: dict[int, float]) -> Iterator[float]:
    """The best of each choice of names: the violation of a level, or at None the volatility."""
    for count in range(1, (policy.max_holdings or 5) + 1):
        for names in combinations(range(5), count):
            w = cp.Variable(5)
            size = policy.min_position or 0.0
            rules = [cp.sum(w) == 1, *(w[i] >= size if i in names else w[i] == 0 for i in range(5))]
            totals: dict[int, cp.Expression] = {}
            for field, parts in broken(w, it, policy).items():
                level = policy.priorities[field]
                if level:
                    totals[level] = totals.get(level, 0) + sum(parts)
                else:
                    rules += [part <= 0 for part in parts]
            rules += [totals[level] <= most + 2e-7 * (1 + most) for level, most in least.items()]
            goal = cp.quad_form(w, cp.psd_wrap(it.covariance)) if aim is None else totals[aim]
            problem = cp.Problem(cp.Minimize(goal), rules)
            with suppress(cp.error.SolverError):  # of sets that are a point: other choices are looked at
                problem.solve(solver="CLARABEL")
            if problem.status == "optimal":
                yield float(problem.value)


def by_hand(policy: Policy, it: Estimates) -> tuple[dict[int, float], float] | None:
    """The least violation of each level in turn and the least volatility, over all choices of names; None without."""
    least: dict[int, float] = {}
    for level in sorted({p for field, p in policy.priorities.items() if p and getattr(policy, field)}):
        found = min(solved_for(policy, it, level, least), default=None)
        if found is None:
            return None
        least[level] = found
    return least, np.sqrt(min(solved_for(policy, it, None, least)))


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # of a choice that the peer cannot decide
@pytest.mark.parametrize("seed", some(range(60), 5))
def test_levels_are_least_among_all_choices_of_names(seed: int):
    rng = np.random.default_rng(seed)
    it = estimates(seed)
    curved = seed % 3 == 0
    levels = dict(zip(FIELDS, (*rng.integers(0, 4, 3).tolist(), 4), strict=True))
    policy = Policy(
        method="min_volatility",
        max_weight=0.4 if curved else float(rng.choice([0.2, 0.4])),
        max_sector=float(rng.choice([0.35, 0.6])),
        max_turnover=float(rng.choice([0.05, 0.2])),
        max_volatility=0.05 if curved else None,
        priorities={**levels, "max_weight": levels["max_weight"] or 1},
        **CHOICES[seed % 4],
    )
    hand = by_hand(policy, it)
    if hand is None:
        with pytest.raises(InfeasibleError):
            solve(it, policy, BOOK, HELD)
        return
    found = solve(it, policy, BOOK, HELD)
    got = {level.priority: level.violation for level in found.levels}
    assert {level: got.get(level, 0.0) for level in hand[0]} == pytest.approx(hand[0], abs=3e-5, rel=3e-5)
    assert found.objective == pytest.approx(hand[1], abs=2e-4)
    assert found.certificate.ok and not found.constraints_met
    assert (found.weights > 1e-8).sum() <= (policy.max_holdings or 5)
    for level in found.levels:
        assert 0 <= level.violation - level.proven <= 1e-5 * max(1.0, level.violation)
        assert level.cost >= -1e-6


def test_a_cap_gives_way_for_few_names_and_says_so():
    policy = Policy(method="equal_weight", max_weight=0.2, max_holdings=2, priorities={"max_weight": 3})
    found = solve(estimates(1), policy, BOOK)
    assert sorted(found.weights.round(9)) == [0, 0, 0, 0.5, 0.5]
    assert [level.priority for level in found.levels] == [3]
    assert found.levels[0].violation == pytest.approx(0.6 / 0.2, abs=1e-5)
    assert all(limit.limit.startswith("max_weight") and limit.priority == 3 for limit in found.unmet)


def test_without_a_choice_under_what_holds_always_the_names_are_told():
    policy = Policy(
        method="min_volatility",
        max_holdings=2,
        limits=("A + B + C >= 90%", "A <= 30%", "B <= 30%", "C <= 30%", "D <= 5%"),
        priorities={"D <= 5%": 1},
    )
    with pytest.raises(InfeasibleError, match="max_holdings is 2 and must give way by 2") as stop:
        solve(estimates(2), policy, BOOK)
    assert solve(estimates(2), Policy(**{**vars(policy), "max_holdings": 4}), BOOK).constraints_met
    assert [c.limit for c in stop.value.conflicts] == ["max_holdings"]


@pytest.mark.parametrize("key", ["max_weight", "max_weight A", "asset_limits"])
def test_a_cap_below_the_least_position_is_taken_where_it_may_give_way(key: str):
    limits = {"asset_limits": {"A": (0.2, 0.25)}} if key == "asset_limits" else {"max_weight": 0.25}
    with pytest.raises(PolicyError, match="min_position"):
        Policy(min_position=0.3, **limits)
    found = solve(
        estimates(3), Policy(method="min_volatility", min_position=0.3, priorities={key: 1}, **limits), BOOK
    )
    assert found.weights[found.weights > 1e-8].min() >= 0.3 - 1e-7
    if key != "max_weight":
        assert found.weights[0] >= 0.3 - 1e-7 and [limit.limit for limit in found.unmet] == ["max_weight A"]


@pytest.mark.parametrize("most", [0.4, 0.5, 0.7])
def test_large_holdings_are_kept_where_caps_give_way(most: float):
    """An answer broke them before, and called that not yet met."""
    policy = Policy(
        method="mean_variance", max_weight=0.18, large_holdings=(0.15, most), priorities={"max_weight": 1}
    )
    found = solve(estimates(4), policy, BOOK)
    assert found.weights[found.weights > 0.15 + 1e-7].sum() <= most + 1e-7
    assert {limit.limit.split()[0] for limit in found.unmet} == {"max_weight"}
    with pytest.raises(InfeasibleError, match="large_holdings"):
        solve(estimates(4), Policy(**{**vars(policy), "large_holdings": (0.02, most / 2)}), BOOK)


def test_where_what_holds_always_leaves_no_choice_a_volatility_that_may_give_way_changes_nothing() -> None:
    alike = Estimates(symbols=SIX, mean=np.full(6, 0.05), covariance=np.diag(np.full(6, 0.04)))
    policy = Policy(
        method="min_volatility", risk_free_rate=0.0, max_volatility=0.01, min_position=0.3, max_trade=0.1,
        priorities={"max_volatility": 1},
    )  # fmt: skip
    with pytest.raises(InfeasibleError, match="no choice of names keeps min_position 30%"):
        solve(alike, policy, Universe(SIX), np.full(6, 1 / 6))


@pytest.mark.parametrize("cap", [0.05, 0.149])
def test_a_least_volatility_is_that_of_the_names_that_risk_budgets_hold(cap: float) -> None:
    """C is calmer than both, and not theirs: the two have sqrt(1 / (1/0.04 + 1/0.05)) at least."""
    apart = Estimates(SIX[:3], None, np.diag([0.04, 0.05, 0.0001]))
    policy = Policy(
        method="risk_parity", risk_budgets={"A": 0.5, "B": 0.5}, max_holdings=2, max_volatility=cap,
        priorities={"max_volatility": 1},
    )  # fmt: skip
    found = solve(apart, policy, Universe(SIX[:3]))
    assert found.unmet[0].value == pytest.approx(45**-0.5, rel=1e-4) and found.weights[2] < 1e-9


def test_one_count_of_work_ends_the_search_of_all_levels_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each level had sixty programs of its own."""
    policy = Policy(
        method="min_volatility", max_holdings=2, max_weight=0.3, max_sector=0.4, max_volatility=0.05,
        priorities={"max_weight": 1, "max_sector": 2, "max_volatility": 3}, cash_max=0.0,
    )  # fmt: skip
    assert solve(estimates(0), policy, BOOK).certificate.ok
    monkeypatch.setattr(program_work, "ITERATIONS", 12)
    with pytest.raises(SolverError, match="in 1 iteration of the simplex method, and none is ruled out"):
        solve(estimates(0), policy, BOOK)


@pytest.mark.parametrize("seed", some((1, 2, 4, 6, 8), 2))
def test_a_curved_limit_after_one_that_gave_way_leaves_the_choice_of_names_that_was_found(seed: int) -> None:
    """A third of such policies was refused, and `max_holdings` told to give way by 0: of the limit that had given way
    the next search asked more room than it had.
    """
    policy = Policy(
        method="max_return", max_holdings=4, max_trade=0.3, max_weight=0.4, max_sector=0.4, max_volatility=0.05,
        target_volatility=0.05,
        priorities={"max_volatility": 1, "max_weight": 2, "max_sector": 3, "target_volatility": 3},
    )  # fmt: skip
    found = solve(estimates(seed), policy, BOOK, HELD)
    assert found.certificate.ok and (found.weights > 1e-8).sum() <= 4
    assert np.abs(found.weights - HELD).max() <= 0.3 + 1e-9
    assert "max_volatility" in {limit.limit for limit in found.unmet}
