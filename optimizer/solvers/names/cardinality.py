"""Which names to hold, trade and hold much of: least positions, most names, the no-trade band, large holdings."""

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import PolicyError
from optimizer.model.policy import Policy
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.problem.goals import Goal, RiskBudget
from optimizer.problem.setting import Setting
from optimizer.problem.tails.tail_goals import TailBudget
from optimizer.problem.weight_intervals import CLOSE, NOTHING, held_below, large_sum, moved_below, pieces_of
from optimizer.solvers.hierarchy import Unmet
from optimizer.solvers.names.name_program import NameProgram
from optimizer.solvers.names.name_search import Choice, Search
from optimizer.solvers.names.program_work import ProgramWork
from optimizer.solvers.solver_choice import Optimum
from optimizer.typing import Array


def wanted(policy: Policy) -> bool:
    """Whether the policy says anything about which names to hold or trade."""
    counted = policy.max_holdings is not None or policy.large_holdings is not None
    return counted or bool(policy.min_position) or bool(policy.no_trade_band)


def choose_names(
    goal: Goal,
    feasible: FeasibleSet,
    best: Optimum,
    policy: Policy,
    held: Array | None,
    near: Array | None = None,
    must: NDArray[np.bool_] | None = None,
) -> Choice | None:
    """The best weights that keep the limits on which names to hold, trade and hold much of; None without any.

    best  the answer without these limits;  held (n,) weights now;  near (n,) some that keep all limits, where known
    must  (n,) names that are held whatever else; None: those that the goal holds
    Raises PolicyError for a band without held weights.
    """
    least, most, band = policy.min_position or 0.0, policy.max_holdings, policy.no_trade_band or 0.0
    if band and held is None:
        raise PolicyError("no_trade_band needs the held weights; none are given: give them, or drop the band")
    n = len(best.weights)
    rule = policy.large_holdings
    pieces = pieces_of(feasible, least, most is not None and most < n, held, band, rule)
    if pieces is None:
        return None
    firm = always_held(goal, n) if must is None else must
    search = Search(goal, feasible, pieces, n if most is None else most, firm)
    return search.run(
        best, near, lambda: NameProgram.roomy(feasible, policy, held, firm).some_choice(ProgramWork(n))
    )


def always_held(goal: Goal, n: int) -> NDArray[np.bool_]:
    """(n,) the names that a goal holds whatever else: those with a share of the risk."""
    match goal:
        case TailBudget() | RiskBudget(loadings=None):
            return np.asarray(goal.budgets > 0)
    return np.zeros(n, dtype=bool)


def unmet_holdings(w: Array, setting: Setting) -> tuple[Unmet, ...]:
    """The limits on the number and size of holdings and trades that weights (n,) break."""
    policy, found = setting.policy, []
    if not wanted(policy):
        return ()
    least, most = held_below(w, policy.min_position or 0.0), policy.max_holdings
    if least is not None and policy.min_position:
        found.append(Unmet("min_position", least, policy.min_position, np.inf))
    names = int((np.abs(w) > NOTHING).sum())
    if most is not None and names > most:
        found.append(Unmet("max_holdings", names, most, np.inf))
    if policy.large_holdings is not None:
        threshold, together = policy.large_holdings
        if (large := large_sum(w, threshold)) > together + CLOSE:
            found.append(Unmet("large_holdings", large, together, np.inf))
    band = policy.no_trade_band
    if band and setting.held is None:
        raise PolicyError("no_trade_band needs the held weights; none are given: give them, or drop the band")
    moved = moved_below(w, setting.held, band) if band and setting.held is not None else None
    if moved is not None and band:
        found.append(Unmet("no_trade_band", moved, band, np.inf))
    return tuple(found)
