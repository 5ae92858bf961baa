"""Which names to hold: a least position where one is held, and a most number of names, by branch and bound.

Each node is the convex problem with some names held and some left out, solved and certified like any other; its proven
bound is the node's. What is open when the nodes are used up gives the bound that is reported.
"""

from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count

import numpy as np
import numpy.typing as npt

from optimizer.arena import Arena
from optimizer.errors import InfeasibleError, PolicyError, SolverError
from optimizer.fast.answers import NoAnswerError
from optimizer.goals import Goal, Quadratic, Ratio, RiskBudget, Scenario, Traded
from optimizer.lanes import Optimum, optimum
from optimizer.limits import INF, Linear
from optimizer.policy import Policy
from optimizer.typing import Array

Mask = npt.NDArray[np.bool_]

WORK, LEAST_NODES = 20_000, 40  # nodes x names, so that large books stop early, with a bound
NOTHING = 1e-8
CLOSE = 1e-8
UNHELD = "unheld"


@dataclass(frozen=True, eq=False)
class Choice:
    """The best names found.

    arena, best  the problem with these names alone, and its certified answer
    bound        no allowed choice of names has a better value of the goal than this, in the goal's unit
    nodes        convex problems solved
    """

    arena: Arena
    best: Optimum
    bound: float
    nodes: int


@dataclass(frozen=True, eq=False)
class Node:
    """Names decided so far (n,), the relaxed weights (n,) and the loss that no completion can beat."""

    held: Mask
    out: Mask
    w: Array
    bound: float


def wanted(policy: Policy) -> bool:
    """Whether the policy says anything about which names to hold."""
    return bool(policy.min_position) or policy.max_holdings is not None


def choose_names(goal: Goal, arena: Arena, best: Optimum, policy: Policy) -> Choice | None:
    """The best weights that are 0 or at least `min_position`, of at most `max_holdings` names; None without any.

    best  the answer without these two limits. Raises PolicyError for a book that may be short.
    """
    if not policy.long_only:
        raise PolicyError(
            "min_position and max_holdings are for long-only books; set long_only, or drop them"
        )
    search = Search(goal, arena, policy.min_position or 0.0, policy.max_holdings or len(best.weights))
    if isinstance(goal, RiskBudget):
        return search.everyone(goal.budgets > 0)
    return search.run(best)


class Search:
    """One branch and bound: the incumbent, and the open nodes by their bounds."""

    def __init__(self, goal: Goal, arena: Arena, least: float, most: int) -> None:
        self.goal, self.arena, self.least, self.most = goal, arena, least, most
        self.found: tuple[float, Arena, Optimum] | None = None
        self.solved = 0

    def everyone(self, names: Mask) -> Choice | None:
        """Risk budgets hold every name that has one."""
        if names.sum() > self.most:
            raise InfeasibleError(
                f"risk budgets hold all {names.sum()} names and max_holdings is {self.most}; leave names out by "
                f"asset_limits (0, 0), or choose another method"
            )
        self._try(names)
        if self.found is None:
            return None
        return Choice(self.found[1], self.found[2], self.goal.value(self.found[2].weights), self.solved)

    def run(self, root: Optimum) -> Choice | None:
        """Best bound first, within a number of nodes."""
        n = len(root.weights)
        none = np.zeros(n, dtype=bool)
        ticket = count()
        heap = [(self._floor(root), next(ticket), Node(none, none, root.weights, self._floor(root)))]
        self._round(heap[0][2])
        budget = max(WORK // n, LEAST_NODES)
        while heap and self.solved < budget and self._worth(heap[0][0]):
            node = heappop(heap)[2]
            for child in self._children(node):
                if self._worth(child.bound):
                    self._round(child)
                    heappush(heap, (child.bound, next(ticket), child))
        if self.found is None:
            return None
        loss, arena, best = self.found
        bound = min([loss, *(item[0] for item in heap)])
        return Choice(arena, best, sign(self.goal) * bound, self.solved)

    def _worth(self, bound: float) -> bool:
        return self.found is None or bound < self.found[0] - CLOSE * max(abs(self.found[0]), 1e-6)

    def _children(self, node: Node) -> list[Node]:
        """The undecided name that breaks most, held and left out."""
        open_ = ~(node.held | node.out) & (node.w > NOTHING)
        gap = np.where(open_ & (node.w < self.least - CLOSE), np.minimum(node.w, self.least - node.w), 0.0)
        if gap.any():
            name = int(np.argmax(gap))
        elif (open_ | node.held).sum() > self.most:
            name = int(np.argmax(np.where(open_, node.w, -1.0)))
        else:
            self._try(open_ | (node.held & (node.w > NOTHING)) | node.held)
            return []
        mark = np.arange(len(node.w)) == name
        held = node.held | mark
        rest = ~held if held.sum() == self.most else node.out
        pairs = ((held, rest), (node.held, node.out | mark))
        return [child for child in (self._relaxed(node, *pair) for pair in pairs) if child is not None]

    def _relaxed(self, parent: Node, held: Mask, out: Mask) -> Node | None:
        arena = narrowed(self.arena, held, out, self.least, self.most)
        if arena is None:
            return None
        self.solved += 1
        try:
            best = optimum(self.goal, arena)
        except NoAnswerError:
            return None
        except SolverError:
            if (held | out).all():
                return None
            # Undecided, so its parent's bound stands; its parent's weights say where to go on.
            return Node(
                held, out, np.where(out, 0.0, np.maximum(parent.w, NOTHING * 2 * ~held)), parent.bound
            )
        return Node(held, out, best.weights, max(parent.bound, self._floor(best)))

    def _floor(self, best: Optimum) -> float:
        """The loss that the certificate proves no weights of the node go below."""
        slip = max(best.certificate.gap, 0.0) * abs(self.goal.rate(best.weights))
        return sign(self.goal) * self.goal.value(best.weights) - slip

    def _round(self, node: Node) -> None:
        """Try the largest of the node's relaxed weights as the names to hold."""
        order = np.argsort(-np.where(node.held, 2.0, node.w), kind="stable")[: self.most]
        largest = np.zeros(len(node.w), dtype=bool)
        largest[order] = True
        for threshold in (0.5 * self.least, NOTHING):
            self._try(largest & ((node.w > max(threshold, NOTHING)) | node.held))

    def _try(self, names: Mask) -> None:
        """Exactly these names, each at least the least position; kept if better than what is known."""
        arena = narrowed(self.arena, names, ~names, self.least)
        if arena is None:
            return
        self.solved += 1
        try:
            best = optimum(self.goal, arena)
        except (NoAnswerError, SolverError):
            return
        loss = sign(self.goal) * self.goal.value(best.weights)
        if self.found is None or loss < self.found[0] - 1e-12:
            self.found = (loss, arena, best)


def narrowed(arena: Arena, held: Mask, out: Mask, least: float, most: int | None = None) -> Arena | None:
    """The arena with names held at `least` or more and others left out; None where that contradicts a bound.

    most  adds what every choice of so many names keeps: sum of w / upper <= most
    """
    limits = arena.limits
    n = len(limits.symbols)
    lower = np.where(held, np.maximum(limits.lower, least), limits.lower)
    upper = np.where(out, np.minimum(limits.upper, 0.0), limits.upper)
    if (lower > upper).any():
        return None
    tight = replace(
        limits,
        lower=lower,
        upper=upper,
        lower_groups=_renamed(limits.lower_groups, lower > limits.lower, "min_position"),
        upper_groups=_renamed(limits.upper_groups, out, UNHELD),
    )
    if arena.given is not None:
        floor, ceiling = arena.given.floor.copy(), arena.given.ceiling.copy()
        floor[:n] = np.where(held, np.maximum(floor[:n], least), floor[:n])
        ceiling[:n] = np.where(out, np.minimum(ceiling[:n], 0.0), ceiling[:n])
        if (floor > ceiling).any():
            return None
        return replace(arena, limits=tight, given=replace(arena.given, floor=floor, ceiling=ceiling))
    if most is not None and most < n:
        budget = limits.linear[0]
        reach = np.minimum(limits.upper, max(budget.offset - budget.low, 0.0))
        if (reach > 0).all() and (reach < INF).all():
            cut = Linear(("-", "max_holdings"), 1.0 / reach, high=float(most))
            tight = replace(tight, linear=(*tight.linear, cut))
    return Arena(tight)


def _renamed(groups: tuple[str, ...], where: Mask, name: str) -> tuple[str, ...]:
    return tuple(name if changed else group for group, changed in zip(groups, where, strict=True))


def sign(goal: Goal) -> float:
    """1 where a lower value of the goal is better, else -1."""
    match goal:
        case Ratio() | Traded():
            return -1.0
        case Quadratic():
            return 1.0 if goal.report == "root" else -1.0
        case Scenario():
            return 1.0 if goal.report > 0 else -1.0
    return 1.0


def impossible(arena: Arena, policy: Policy) -> InfeasibleError:
    """No choice of names keeps the limits; what the number of names would have to be at least."""
    limits = arena.limits
    invest = -limits.linear[0].high + limits.linear[0].offset
    reach = np.cumsum(np.sort(np.minimum(limits.upper, 1e6))[::-1])
    enough = int(np.searchsorted(reach, invest - 1e-9)) + 1
    said = []
    if policy.max_holdings is not None:
        note = f" (the caps need at least {enough} names)" if enough > policy.max_holdings else ""
        said.append(f"max_holdings {policy.max_holdings}{note}")
    if policy.min_position:
        said.append(f"min_position {policy.min_position:g}")
    return InfeasibleError(
        f"no choice of names keeps {' and '.join(said)} with the other limits; relax "
        f"{'one of these' if len(said) > 1 else 'it'}, the caps, turnover or cash_max"
    )


def held_below(w: Array, least: float) -> float | None:
    """The smallest holding that is more than nothing and less than `least`; None without one."""
    small = w[(w > NOTHING) & (w < least - 1e-8)]
    return float(small.min()) if len(small) else None
