"""Certified target weights and how they came about: objective, certificate, binding limits, what gave way."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.errors import PackfolioError
from optimizer.model.alignment import as_series
from optimizer.numerics.answers import NoAnswerError
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.problem.goals import Goal, Ratio, RiskBudget, sign
from optimizer.solvers.audit import Binding, Certificate, bindings, dearest_first, told_as
from optimizer.solvers.hierarchy import Hierarchy, Least, PriorityLevel, Unmet
from optimizer.solvers.solver_choice import Optimum
from optimizer.typing import Array

if TYPE_CHECKING:
    import pandas as pd

    from optimizer.solvers.plans.planned import Plan


@dataclass(frozen=True, eq=False)
class Solution:
    """Certified target weights and how they came about.

    weights                (n,) fractions of NAV in the order of `symbols`; with `cash` they sum to 1
    objective              the method's measure (volatility, Sharpe ratio, return less its penalty for risk, ...)
    lane                   "fast" or "general"
    unmet                  limits that gave way by their priority, or that the held positions keep from being met yet
                           (on_conflict="transition")
    unconstrained_turnover one-way, without the turnover limit, where that limit binds; else None
    bound                  with min_position, max_holdings or no_trade_band: no choice of the names to hold or
                           trade has a better objective; with limits on shares of risk: no allowed weights have;
                           else None
    left_out               what the limits on names keep from being held, told among the binding limits
    given_way              limits whose bounds are not the policy's: the others' shadow prices hold while these stay
    plan                   the weights of every step of the policy's horizon, of which `weights` are the first

    >>> solve(estimates, Policy(method='min_volatility'), universe).weights.round(3).tolist()
    [0.879, 0.016, 0.106]
    """

    symbols: tuple[str, ...]
    weights: Array
    objective: float
    method: str
    goal: Goal
    feasible: FeasibleSet
    optimum: Optimum
    unmet: tuple[Unmet, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[Binding, ...] = ()
    unconstrained_turnover: float | None = None
    bound: float | None = None
    hierarchy: Hierarchy | None = None
    plan: "Plan | None" = None
    given_way: tuple[str, ...] = ()

    @property
    def optimality_gap(self) -> float:
        """How far the objective may be from the best of all allowed, in its own unit; 0 where it is proven."""
        return 0.0 if self.bound is None else abs(self.objective - self.bound)

    @property
    def cash(self) -> float:
        """1 - sum of the weights."""
        return 1.0 - float(self.weights.sum())

    @property
    def series(self) -> "pd.Series":
        """The weights under their names."""
        return as_series(self.weights, self.symbols, "weight")

    @property
    def lane(self) -> str:
        """ "fast" or "general"."""
        return self.optimum.lane

    @property
    def solver(self) -> str:
        """The algorithm that found the weights."""
        return self.optimum.solver

    @property
    def certificate(self) -> Certificate:
        """Violation and distance to the optimum, recomputed in numpy."""
        return self.optimum.certificate

    @property
    def constraints_met(self) -> bool:
        """Whether every limit of the policy holds."""
        return not self.unmet

    @cached_property
    def levels(self) -> tuple[PriorityLevel, ...]:
        """What each priority gave and cost, the firmest first; () where every limit with a priority holds."""
        if self.hierarchy is None or not any(level.priority for level in self.hierarchy.levels):
            return ()
        sets = (self.hierarchy.start, *(level.feasible for level in self.hierarchy.levels[:-1]))
        values = [
            *(best_within(self.goal, feasible, self.hierarchy.least) for feasible in sets),
            self.objective,
        ]
        scale = 1e4 if in_returns(self.goal) else np.nan
        worse = sign(self.goal) * np.diff(values)
        return tuple(
            PriorityLevel(
                level.priority, tuple(u for u in self.unmet if u.priority == level.priority),
                level.violation, level.proven, cost, scale * cost, told_as(self.goal),
            )
            for level, cost in zip(self.hierarchy.levels, worse.tolist(), strict=True)
            if level.priority
        )  # fmt: skip

    @cached_property
    def binding(self) -> tuple[Binding, ...]:
        """The limits the weights touch, with shadow prices, the dearest first."""
        best = self.optimum
        found = bindings(
            self.goal, self.feasible.limits, best.space, best.weights, best.multipliers, best.support
        )
        return dearest_first((*(one.beside(self.given_way) for one in found), *self.left_out))


def best_within(goal: Goal, feasible: FeasibleSet, least: Least) -> float:
    """The goal's best value there; NaN where it has none."""
    try:
        return least.best(goal, feasible)
    except (NoAnswerError, PackfolioError):
        return float("nan")


def in_returns(goal: Goal) -> bool:
    """Whether the goal's value is a return or a risk, which basis points are of."""
    return not isinstance(goal, Ratio | RiskBudget) and not goal.measure.startswith("distance")
