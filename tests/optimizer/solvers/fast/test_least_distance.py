"""How near weights come to what is held: by hand, against linear programs, and what an account in transition costs."""

from collections import Counter

import highspy
import numpy as np
import pytest

from optimizer import Estimates, Policy, Universe, solve
from optimizer.numerics import lp
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import INF, Absolute, Limits
from optimizer.numerics.pivoting.block_pivoting import Guess, Pivots, Point
from optimizer.problem.feasible_set import plain
from optimizer.problem.goals import Quadratic
from optimizer.problem.policy_limits import cash_range
from optimizer.solvers.conflicts import least_relaxation
from optimizer.solvers.fast.least_distance import least_distance, out_of_reach
from optimizer.solvers.solver_choice import optimum


def limits(lower: list[float], upper: list[float], turnover: Absolute, most_cash: float = 0.0) -> Limits:
    n = len(lower)
    names = tuple(f"S{i}" for i in range(n))
    own = tuple(f"min_weight {name}" for name in names), tuple(f"max_weight {name}" for name in names)
    cash = cash_range(n, 0.0, most_cash)
    return Limits(names, np.array(lower), np.array(upper), *own, linear=(cash,), absolute=(turnover,))


def turnover(held: list[float], bound: float = 0.2) -> Absolute:
    return Absolute("max_turnover", np.full(len(held), 0.5), np.array(held), bound)


@pytest.mark.parametrize(
    ("held", "upper", "most_cash", "least"),
    [
        ([0.0, 0.0, 0.0, 0.0], [0.3, 0.3, 0.3, 0.3], 0.0, 0.5),  # cash alone: all is bought
        ([0.0, 0.0, 0.0, 0.0], [0.3, 0.3, 0.3, 0.3], 0.4, 0.3),  # and three fifths of it where cash may stay
        ([0.5, 0.5, 0.0, 0.0], [0.0, 0.4, 0.3, 0.3], 0.0, 0.6),  # 0.5 and 0.1 are sold, 0.6 bought
        ([0.5, 0.5, 0.0, 0.0], [0.0, 0.4, 0.3, 0.3], 0.9, 0.3),  # sold alone: the money may stay
        ([0.7, 0.7, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], 0.0, 0.2),  # more held than there is: 0.4 is sold
        ([0.25, 0.25, 0.25, 0.25], [0.3, 0.3, 0.3, 0.3], 0.0, 0.0),
        ([0.0, 0.0, 0.0, 0.0], [0.2, 0.2, 0.2, 0.2], 0.0, INF),  # 0.8 at most can be bought
    ],
)
def test_the_least_turnover_by_hand(
    held: list[float], upper: list[float], most_cash: float, least: float
) -> None:
    assert least_distance(
        limits([0.0] * 4, upper, turnover(held), most_cash), turnover(held)
    ) == pytest.approx(least)


def test_the_cheapest_names_make_up_the_budget() -> None:
    """Of 0.5 that lack the name at 1 takes 0.3, that at 2 takes 0.2."""
    gross = Absolute("max_gross", np.array([4.0, 1.0, 2.0]), np.array([0.5, 0.0, 0.0]), 1.0)
    assert least_distance(limits([0.0] * 3, [0.5, 0.3, 1.0], gross), gross) == pytest.approx(0.3 + 2 * 0.2)


def test_bounds_that_cross_allow_nothing() -> None:
    assert least_distance(limits([0.5, 0.4], [0.6, 0.3], turnover([0.5, 0.5])), turnover([0.5, 0.5])) == INF


def test_a_sort_finds_what_a_linear_program_finds() -> None:
    rng = np.random.default_rng(4)
    for _ in range(12):
        n = int(rng.integers(3, 9))
        held = turnover(rng.dirichlet(np.ones(n)).tolist(), bound=0.05)
        lower = rng.uniform(0, 0.1, n) * rng.integers(0, 2, n)
        it = limits(
            lower.tolist(), (lower + rng.uniform(0.05, 0.4, n)).tolist(), held, rng.choice([0.0, 0.3])
        )
        needed = held.bound + least_relaxation(it, "max_turnover")
        assert max(least_distance(it, held), held.bound) == pytest.approx(needed, abs=1e-9)


def test_what_is_missed_by_rounding_is_left_to_the_solvers() -> None:
    """Half of the book must move: turnover of 0.5 is enough, of 0.49995 is no clear miss, of 0.49 is."""
    for bound, told in ((0.5, False), (0.49995, False), (0.49, True)):
        it = limits([0.0] * 4, [0.3] * 4, turnover([0.0] * 4, bound))
        assert out_of_reach(it) is told
    with pytest.raises(NoAnswerError) as stop:
        optimum(Quadratic(np.eye(4), np.zeros(4), "risk", "root"), plain(it))
    assert stop.value.infeasible


def test_an_account_in_transition_costs_no_hundred_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 names of which 20 are left by the model and hold half: turnover of 20% cannot sell them at once.

    Told by programs, as it was: over 100 rounds of pivots that do not settle, and one program for each of the names.
    """
    count = Counter[str]()
    solved, run = Pivots._solve, lp.run

    def counted_round(self: Pivots, guess: Guess) -> Point:
        count["rounds"] += 1
        return solved(self, guess)

    def counted_program(solver: highspy.Highs) -> None:
        count["programs"] += 1
        run(solver)

    monkeypatch.setattr(Pivots, "_solve", counted_round)
    monkeypatch.setattr(lp, "run", counted_program)
    rng = np.random.default_rng(1)
    names = tuple(f"S{i:02}" for i in range(60))
    loads = rng.normal(0, 0.1, (60, 4))
    it = Estimates(names, rng.uniform(0.02, 0.1, 60), loads @ loads.T + 0.02 * np.eye(60))
    held = np.where(np.arange(60) < 20, 0.025, 0.0125)
    policy = Policy(
        "mean_variance", max_weight=0.1, max_turnover=0.2, on_conflict="transition", risk_free_rate=0.02
    )
    found = solve(it, policy, Universe(names[20:]), held)
    assert len(found.unmet) > 5
    assert {one.rebalances for one in found.unmet} == {1}  # each alone, 0.025 of 0.2, could be sold at once
    assert count["programs"] <= 8
    assert count["rounds"] <= 30
