"""Limits that give way by priority where names are chosen: the least violations among the choices of names."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import PolicyError, SolverError
from optimizer.model.policy import Policy
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import Limits, Norm
from optimizer.problem.feasible_set import FeasibleSet, plain
from optimizer.problem.goals import Goal, RiskBudget
from optimizer.problem.priorities import levels_of
from optimizer.problem.setting import Setting
from optimizer.solvers.conflicts import ROOMY, calmest
from optimizer.solvers.elastic import UNPROVEN, individual
from optimizer.solvers.hierarchy import Least, hierarchy
from optimizer.solvers.names.cardinality import choose_names
from optimizer.solvers.names.conflicts_of_names import impossible, possible
from optimizer.solvers.names.name_program import NameProgram
from optimizer.solvers.names.name_search import Choice
from optimizer.solvers.names.program_work import ProgramWork
from optimizer.solvers.search import Way
from optimizer.solvers.solver_choice import optimum
from optimizer.typing import Array

CURVED_UNPROVEN = 1e-5  # between a least violation and its bound where a limit is curved, relative


@dataclass(frozen=True, eq=False)
class LeastOfNames(Least):
    """The same among the weights of which names are chosen.

    held  (n,) weights now;  must  (n,) names that the goal holds whatever else;  work  for all levels together
    """

    policy: Policy
    held: Array | None
    must: NDArray[np.bool_]
    work: ProgramWork

    def flat(self, feasible: FeasibleSet, price: Array) -> tuple[Array, float, float]:
        """See Least."""
        x, bound = NameProgram(feasible, self.policy, self.held, self.must).cheapest(price, self.work)
        value = float(price @ x[: len(price)])
        most = CURVED_UNPROVEN if feasible.limits.norms else UNPROVEN
        _proven(value, bound, most * max(1.0, value), self.work.short)
        return x[: len(self.must)], value, min(max(bound, 0.0), value)

    def calm(self, feasible: FeasibleSet, norm: Norm, near: Array | None) -> tuple[Array, float]:
        """See Least."""
        found = self._chosen(calmest(norm), feasible, near)
        value = norm.value(found.best.weights)
        _proven(value, found.bound, CURVED_UNPROVEN * max(value, norm.bound))
        return found.best.weights, found.bound

    def best(self, goal: Goal, feasible: FeasibleSet) -> float:
        """See Least."""
        return goal.value(self._chosen(goal, feasible).best.weights)

    def _chosen(self, goal: Goal, feasible: FeasibleSet, near: Array | None = None) -> Choice:
        best = optimum(goal, feasible)
        choice = choose_names(goal, feasible, best, self.policy, self.held, near, self.must)
        if choice is None:
            # Weights that are near keep all limits: that no choice is found means that there is too little room.
            if near is None and not possible(feasible, self.policy, self.held, self.must):
                raise NoAnswerError("names", "no choice keeps the limits", infeasible=True)
            raise SolverError(
                "no choice of names was found within the limits that are left; report the policy"
            )
        return choice


def _proven(value: float, bound: float, most: float, short: str = "") -> None:
    if value - bound > most:
        within = f" in {short}" if short else ""
        raise SolverError(
            f"the least violation found among choices of names is {value:.6g}, and no more than {bound:.6g} is "
            f"proven{within}; raise max_holdings, lower min_position, or leave names out by asset_limits (0, 0)"
        )


def give_way_for_names(
    goal: Goal, wanted: Limits, way: Way, setting: Setting, must: NDArray[np.bool_]
) -> tuple[Way, Choice] | None:
    """The best choice of names where limits with priorities give way as little as leaves one; None without priorities.

    wanted  the policy's limits;  way  where the levels alone lead, which leaves no choice;  must  as in LeastOfNames
    Raises InfeasibleError where what holds always leaves no choice, SolverError where a least violation is not proven.
    """
    own = tuple(levels_of(wanted, setting.policy).items())
    before = way.levels
    if not own:
        return None
    limits, order = (
        (individual(way.feasible.limits), own) if before is None else (before.limits, before.order)
    )
    least = LeastOfNames(setting.policy, setting.held, must, ProgramWork(len(must)))
    failure: SolverError | None = None
    for margin in (None, ROOMY, 10 * ROOMY):
        try:
            found = hierarchy(limits, order, margin, least)
        except NoAnswerError as stop:
            if not stop.infeasible:
                raise SolverError(f"whether a choice of names is left was not found out: {stop}") from stop
            firm = limits.without(*(group for _, groups in order for group in groups))
            raise impossible(plain(firm), setting.policy, setting.held, must) from None
        except SolverError as stop:
            failure = stop
            continue
        near = found.levels[-1].weights
        try:
            best = optimum(goal, found.feasible)
            choice = choose_names(goal, found.feasible, best, setting.policy, setting.held, near)
        except (NoAnswerError, SolverError) as stop:
            failure = SolverError(
                f"where limits gave way for a choice of names no best one was found: {stop}"
            )
            continue
        if choice is not None:
            return replace(way, feasible=found.feasible, levels=found), choice
    if isinstance(goal, RiskBudget) and goal.loadings is not None:
        raise PolicyError(
            "every exposure with a risk budget must be held, and where limits give way least no choice of names was "
            "found that does; raise max_holdings, lower min_position, or choose another method"
        )
    raise failure or SolverError(
        "the limits without a priority leave next to no room for a choice of names, and in it no answer could be "
        "certified; widen one of them, raise max_holdings, or lower min_position"
    )
