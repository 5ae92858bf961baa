"""What searches under limits on shares of the variance may take: solves, and not seconds."""

from math import log2
from typing import TypeGuard

from optimizer.errors import how_many
from optimizer.numerics.answers import NoAnswerError, without_verdict
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.problem.gini import GiniMeanDifference
from optimizer.problem.goals import Goal
from optimizer.problem.scenario_goals import Scenario
from optimizer.solvers.solver_choice import Optimum, optimum

# Solves after which no further search begins, of which one by the general lane counts as many: seconds where it counts
# one. Distances to other weights settle slowly, and some costs over scenarios have no algorithm of their own.
SOLVES, GENERAL, PLAIN_DAYS = 300, 30, 250
# What the ways out of a conflict may take together: names x solves, of which each ellipsoid makes ten more; half a
# minute of a large book, and more than the starts of ten names take.
WORK, ELLIPSOID = 500_000, 10


class WorkEndedError(Exception):
    """A report has taken what it may; what was not looked at yet is not known."""


class ShareWork:
    """What a report may still take of searches under limits on shares: unlike seconds, the same everywhere."""

    def __init__(self) -> None:
        self.left, self.solves = WORK, 0

    def best(self, goal: Goal, feasible: FeasibleSet) -> Optimum:
        """The certified answer; raises as `optimum` does, and WorkEndedError where nothing is left."""
        if self.left <= 0:
            raise WorkEndedError(f"the search ended after {how_many(self.solves, 'solve')}")
        size = len(feasible.limits.symbols) * (1 + ELLIPSOID * len(feasible.limits.norms))
        self.solves, lane = self.solves + 1, "general"
        try:
            found = optimum(goal, feasible)
            lane = found.lane
        finally:
            self.left -= size * (general_of(goal) if lane == "general" else 1)
        return found


class Solver:
    """Counts what its answers take; work: what they may take of a report's, None where they are no part of one.

    spent, slow  so many solves; those that count by what they hold alone
    """

    def __init__(self, work: ShareWork | None) -> None:
        self.spent = self.slow = 0
        self.work = work

    def best(self, goal: Goal, feasible: FeasibleSet) -> Optimum:
        """The certified answer; raises as `optimum` does, SolverError where it has no verdict, and WorkEndedError."""
        self.spent += 1
        try:
            found = (self.work.best if self.work else optimum)(goal, feasible)
        except NoAnswerError as stop:
            if stop.infeasible:
                raise
            raise without_verdict(stop) from stop
        if found.lane == "general":
            self.spent += general_of(goal) - 1
            self.slow += general_of(goal) if _of_pairs(goal) else 0
        return found


def general_of(goal: Goal) -> int:
    """As how many solves one by the general lane counts: of the Gini mean difference by what its program holds."""
    if not _of_pairs(goal):
        return GENERAL
    days = max(len(goal.scenarios), PLAIN_DAYS)
    return int(GENERAL * days * log2(days) ** 2 / (PLAIN_DAYS * log2(PLAIN_DAYS) ** 2))


def _of_pairs(goal: Goal) -> TypeGuard[Scenario]:
    """Whether its cost is of all pairs of days, whose program soon takes longer than any other."""
    return isinstance(goal, Scenario) and isinstance(goal.risk, GiniMeanDifference)
