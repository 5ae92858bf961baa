"""What searches under limits on shares of the variance may take: solves, and not seconds."""

from optimizer.errors import how_many
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.problem.goals import Goal
from optimizer.solvers.solver_choice import Optimum, optimum

# Solves after which no further search begins, of which one by the general lane counts as many: seconds where it counts
# one. Distances to other weights settle slowly, and some costs over scenarios have no algorithm of their own.
SOLVES, GENERAL = 300, 30
# What the ways out of a conflict may take together: names x solves, of which each ellipsoid makes ten more; half a
# minute of a large book, and more than the starts of ten names take.
WORK, ELLIPSOID = 500_000, 10


class WorkEndedError(Exception):
    """A report has taken what it may; what was not looked at yet is not known."""


class Work:
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
            self.left -= size * (GENERAL if lane == "general" else 1)
        return found


class Solver:
    """Counts what its answers take; work: what they may take of a report's, None where they are no part of one."""

    def __init__(self, work: Work | None) -> None:
        self.spent, self.work = 0, work

    def best(self, goal: Goal, feasible: FeasibleSet) -> Optimum:
        """The certified answer; raises as `optimum` does, and WorkEndedError."""
        self.spent += 1
        found = (self.work.best if self.work else optimum)(goal, feasible)
        self.spent += GENERAL - 1 if found.lane == "general" else 0
        return found
