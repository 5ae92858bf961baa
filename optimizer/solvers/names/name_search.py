"""Branch and bound over the intervals of each weight (pieces), for the limits on which names to hold and how.

Each node is the convex problem with some intervals left, solved and certified like any other; its proven bound is the
node's. What is open when the nodes are used up gives the bound that is reported. Where the goal is linear, HiGHS's own
branch and bound goes first; where the first nodes lead to no weights that keep all limits, a mixed-integer program is
asked for some.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InfeasibleError, SolverError
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.convex_limits import INF
from optimizer.problem.feasible_set import FeasibleSet
from optimizer.problem.goals import Goal, sign
from optimizer.problem.weight_intervals import CLOSE, NOTHING, Index, Pieces, large_sum, narrowed
from optimizer.solvers.names.mixed_integer import best_places
from optimizer.solvers.solver_choice import Optimum, optimum
from optimizer.typing import Array

WORK, LEAST_NODES = 20_000, 40  # nodes x names, so that large books stop early, with a bound
FIRST_NODES = 20  # what mostly leads to some answer; a mixed-integer program may take as long as many more


@dataclass(frozen=True, eq=False)
class Choice:
    """The best intervals found.

    feasible, best  the problem in these alone, and its certified answer
    bound        no other allowed choice has a better value of the goal than this, in the goal's unit
    nodes        convex problems solved
    """

    feasible: FeasibleSet
    best: Optimum
    bound: float
    nodes: int


@dataclass(frozen=True, eq=False)
class Node:
    """Intervals left, from `start` to `stop` (n,), the relaxed weights (n,) and the loss that no completion beats."""

    start: Index
    stop: Index
    w: Array
    bound: float


class Search:
    """One branch and bound: the incumbent, the open nodes by their bounds, and the least bound given up unproven."""

    def __init__(
        self, goal: Goal, feasible: FeasibleSet, pieces: Pieces, most: int, must: NDArray[np.bool_]
    ) -> None:
        self.goal, self.feasible, self.pieces, self.most, self.must = goal, feasible, pieces, most, must
        self.found: tuple[float, FeasibleSet, Optimum] | None = None
        self.solved, self.lost = 0, INF
        self.tried: set[bytes] = set()

    def run(
        self, root: Optimum, near: Array | None, some_choice: Callable[[], Array | None]
    ) -> Choice | None:
        """Best bound first, within a number of nodes.

        near         (n,) weights whose intervals are tried first
        some_choice  such weights that keep all limits, asked where the first nodes have led to none; None where it
                     finds none; raises NoAnswerError where there are none
        """
        n = len(root.weights)
        ticket = count()
        mixed = best_places(self.goal, self.feasible, self.pieces, self.most)
        proven = -INF if mixed is None else mixed.bound
        if mixed is not None:
            self._try(mixed.place)
            if not self._worth(proven):
                return self._choice(proven)
        first = Node(self._least_places(), self.pieces.count - 1, root.weights, self._floor(root))
        if near is not None:
            self._round(replace(first, w=near))
        heap = [(first.bound, next(ticket), first)]
        self._round(first)
        budget, asked = max(WORK // n, LEAST_NODES), False
        while heap and self.solved < budget and self._worth(heap[0][0]):
            if self.found is None and not asked and self.solved >= FIRST_NODES:
                asked = True
                try:
                    start = some_choice()
                except NoAnswerError:
                    if not self.feasible.limits.norms:  # of which the program allows a little less
                        return None
                    start = None
                if start is not None:
                    self._round(replace(first, w=start))
                    continue
            node = heappop(heap)[2]
            for child in self._children(node):
                if self._worth(child.bound):
                    self._round(child)
                    heappush(heap, (child.bound, next(ticket), child))
        return self._choice(max(proven, min([self.lost, *(item[0] for item in heap)])))

    def _choice(self, bound: float) -> Choice | None:
        """What was found, and the bound; None where nothing was."""
        if self.found is None:
            return None
        loss, feasible, best = self.found
        return Choice(feasible, best, sign(self.goal) * min(loss, bound), self.solved)

    def _least_places(self) -> Index:
        """Zeros, but risk budgets hold every name that has one."""
        names = self.must
        if names.sum() > self.most:
            raise InfeasibleError(
                f"risk budgets hold all {names.sum()} names and max_holdings is {self.most}; leave names out by "
                f"asset_limits (0, 0), or choose another method"
            )
        return np.where(names & (self.pieces.empty == 0) & (self.pieces.count > 1), 1, self.pieces.first())

    def _worth(self, bound: float) -> bool:
        return self.found is None or bound < self.found[0] - CLOSE * max(abs(self.found[0]), 1e-6)

    def _children(self, node: Node) -> list[Node]:
        """The name that breaks most, below its gap and above it; or held and left out, where names are too many."""
        place, away = self.pieces.nearest(node.w, node.start, node.stop)
        low, high = self.pieces.bounds(node.start, node.stop)
        if ((node.w < low - CLOSE) | (node.w > high + CLOSE)).any():  # the root's, between no two intervals
            inside = self._relaxed(node, node.start, node.stop)
            return [] if inside is None else [inside]
        if away.max() > CLOSE:
            name = int(np.argmax(away))
            cut = place[name] - (self.pieces.low[name, place[name]] > node.w[name])
        else:
            sure, size = self.pieces.held(node.start, node.stop), np.abs(node.w)
            open_ = ~sure & (node.stop > node.start) & (size > NOTHING)
            large = self._too_large(node)
            if large is not None:
                name, cut = large, self.pieces.first_large[large] - 1
            elif self.most == len(node.w) or (open_ | sure).sum() <= self.most:
                self._settle(node, np.where((size <= NOTHING) & ~sure, self._resting(node, place), place))
                return []
            else:
                name = int(np.argmax(np.where(open_, size, -1.0)))
                cut = self.pieces.empty[name] - (node.w[name] < 0)
        mark = np.arange(len(node.w)) == name
        above = (np.where(mark, cut + 1, node.start), node.stop)
        below = (node.start, np.where(mark, cut, node.stop))
        return [child for child in (self._relaxed(node, *pair) for pair in (above, below)) if child]

    def _too_large(self, node: Node) -> int | None:
        """Where large holdings are too much together, the largest that may yet be no large one; else None."""
        if self.pieces.rule is None:
            return None
        threshold, most = self.pieces.rule
        if large_sum(node.w, threshold) <= most + CLOSE:
            return None
        first = self.pieces.first_large
        open_ = (node.start < first) & (node.stop >= first) & (node.w > threshold + CLOSE)
        return int(np.argmax(np.where(open_, node.w, -1.0))) if open_.any() else None

    def _resting(self, node: Node, place: Index) -> Index:
        """Of names without a weight the interval [0, 0], where that is one of the node's."""
        empty = self.pieces.empty
        return np.where((empty >= node.start) & (empty <= node.stop), empty, place)

    def _settle(self, node: Node, place: Index) -> None:
        """The node's weights keep all limits: its answer is that of their intervals, or its bound stays open."""
        self._try(place)
        if self._worth(node.bound):
            self.lost = min(self.lost, node.bound)

    def _relaxed(self, parent: Node, start: Index, stop: Index) -> Node | None:
        empty = self.pieces.empty
        sure = self.pieces.held(start, stop)
        if self.most < len(start) and sure.sum() >= self.most:
            start, stop = np.where(sure, start, empty), np.where(sure, stop, empty)
        feasible = narrowed(self.feasible, self.pieces, start, stop, self.most)
        if feasible is None or (self.most < len(start) and sure.sum() > self.most):
            return None
        self.solved += 1
        try:
            best = optimum(self.goal, feasible)
        except NoAnswerError:
            return None
        except SolverError:
            if (start == stop).all():
                self.lost = min(self.lost, parent.bound)
                return None
            # Undecided, so its parent's bound stands; its parent's weights say where to go on.
            return Node(start, stop, np.clip(parent.w, *self.pieces.bounds(start, stop)), parent.bound)
        return Node(start, stop, best.weights, max(parent.bound, self._floor(best)))

    def _floor(self, best: Optimum) -> float:
        """The loss that the certificate proves no weights of the node go below."""
        slip = max(best.certificate.gap, 0.0) * abs(self.goal.rate(best.weights))
        return sign(self.goal) * self.goal.value(best.weights) - slip

    def _round(self, node: Node) -> None:
        """Try the intervals nearest to the node's relaxed weights, and those above its gaps; the largest names."""
        place, away = self.pieces.nearest(node.w, node.start, node.stop)
        place = np.where((np.abs(node.w) <= NOTHING) & (away <= CLOSE), self._resting(node, place), place)
        below = (away > CLOSE) & (self.pieces.bounds(place, place)[1] < node.w)
        for choice in (place, np.where(below, np.minimum(place + 1, node.stop), place)):
            for few in self._fewer_large(node, self._fewest(node, choice)):
                self._try(few)

    def _fewer_large(self, node: Node, place: Index) -> list[Index]:
        """The same with as many large holdings as fit at the threshold, and with those that fit at their weights."""
        if self.pieces.rule is None:
            return [place]
        threshold, most = self.pieces.rule
        first, order = self.pieces.first_large, np.argsort(-node.w, kind="stable")
        large = [i for i in order if place[i] >= first[i]]
        whole = np.cumsum(node.w[large]) <= most + CLOSE
        kept = (
            large[: int(most / threshold + CLOSE)],
            [i for i, fits in zip(large, whole, strict=True) if fits],
        )
        names = np.arange(len(place))
        small = np.maximum(first - 1, node.start)
        return [np.where((place >= first) & ~np.isin(names, some), small, place) for some in kept]

    def _fewest(self, node: Node, place: Index) -> Index:
        """The same with the smallest names left out, where there are more than the most."""
        if self.most == len(place):
            return place
        sure = self.pieces.held(node.start, node.stop)
        order = np.argsort(-np.where(sure, np.inf, np.abs(node.w)), kind="stable")[: self.most]
        rest = ~np.isin(np.arange(len(place)), order) & (self.pieces.empty >= 0)
        return np.where(rest, self.pieces.empty, place)

    def _try(self, place: Index) -> None:
        """Exactly these intervals; kept if they hold no more names than the most, and better than what is known."""
        if self.most < len(place) and self.pieces.held(place, place).sum() > self.most:
            return
        feasible = narrowed(self.feasible, self.pieces, place, place)
        if feasible is None or place.tobytes() in self.tried:
            return
        self.tried.add(place.tobytes())
        self.solved += 1
        try:
            best = optimum(self.goal, feasible)
        except (NoAnswerError, SolverError):
            return
        loss = sign(self.goal) * self.goal.value(best.weights)
        if self.found is None or loss < self.found[0] - 1e-12:
            self.found = (loss, feasible, best)
