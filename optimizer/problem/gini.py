"""The Gini mean difference as a cost of daily returns: smoothed for Newton's method, and as a program.

In a program its sorting is a network of comparators, T log^2 T / 4 of them: exact, and slow beyond 250 days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.measures.portfolio_measures import gini_weights
from optimizer.problem.scenario_costs import Line
from optimizer.typing import Array

if TYPE_CHECKING:
    import cvxpy as cp

    from optimizer.problem.scenario_costs import Expressed


@dataclass(frozen=True)
class Smooth:
    """A smooth function above a cost, at some returns.

    slope      (T,) its gradient by the returns
    curvature  from scenarios (T, n) to its second derivatives by the weights (n, n)
    """

    value: float
    slope: Array
    curvature: Callable[[Array], Array]


@dataclass(frozen=True)
class GiniMeanDifference:
    """Mean |r_s - r_t| over all pairs of different days (Yitzhaki 1982)."""

    name: str = "Gini mean difference"

    def value(self, r: Array) -> float:
        """The weighted sum of the sorted returns."""
        return float(gini_weights(len(r)) @ np.sort(r))

    def slope(self, r: Array) -> Array:
        """To each day the weight of its rank."""
        slope = np.empty(len(r))
        slope[np.argsort(r, kind="stable")] = gini_weights(len(r))
        return slope

    def line(self, r: Array, g: Array) -> Line:
        """An average of permutations of the weights: no k entries add up to more than the k largest (Rado 1952)."""
        centred = g - g.mean()
        own = np.cumsum(np.sort(centred)[::-1])[:-1]
        most = np.cumsum(gini_weights(len(g))[::-1])[:-1]
        return centred / max(1.0, float((own / most).max(initial=0.0))), 0.0

    def smoothed(self, r: Array, width: float) -> Smooth:
        """With d^2 / 2 width + width / 2 in place of |d| for the pairs that differ by d < width (Huber 1964).

        What it slopes by adds up pairs (e_s - e_t) x [-1, 1], so that `line` leaves it as it is.
        """
        order = np.argsort(r, kind="stable")
        s, days = r[order], np.arange(len(r))
        first = np.searchsorted(s, s - width, "left")
        after = np.searchsorted(s, s + width, "right")
        share = 2.0 / (len(r) * max(len(r) - 1, 1))
        # Pairs near each other, each once: t and those above it within the width.
        until, above = sums(s), after - days - 1
        apart = until[after] - until[days + 1] - above * s
        squares = sums(s**2)
        squared = squares[after] - squares[days + 1] - 2 * s * (apart + above * s) + above * s**2
        more = float((squared / (2 * width) + above * width / 2 - apart).sum())
        slope = np.empty(len(r))
        near = (after - first) * s - (until[after] - until[first])
        slope[order] = share * (first + after - len(r) + near / width)
        value = float(gini_weights(len(r)) @ s) + share * more

        def curvature(scenarios: Array) -> Array:
            """A Laplacian whose edges are the near pairs, a band in sorted order: running sums, one product."""
            x = scenarios[order]
            total = sums(x)
            laplacian = (after - first)[:, None] * x - (total[after] - total[first])
            found = share / width * (x.T @ laplacian)
            return np.asarray(0.5 * (found + found.T))

        return Smooth(value, slope, curvature)

    def express(self, r: cp.Variable, unit: float) -> Expressed:
        """Through a sorting network: a comparator's larger output may be too large, which only costs."""
        import cvxpy as cp

        days = r.shape[0]
        highs, lows, equal, order, count = _network(days)
        wires = cp.Variable(count)
        rules = [wires[:days] == r, equal @ wires == 0] if count > days else [wires == r]
        if count > days:
            rules += [highs @ wires >= 0, lows @ wires >= 0]
        return gini_weights(days) @ wires[order], rules


def sums(x: Array) -> Array:
    """(T + 1, ...) of the first 0, 1, ..., T rows."""
    return np.concatenate([np.zeros((1, *x.shape[1:])), np.cumsum(x, axis=0)])


def _network(n: int) -> tuple[Any, Any, Any, Any, int]:
    """Batcher's merge exchange (Knuth 5.2.2M) as rows over wires: 2 new ones a comparator, n inputs first.

    Rows that say larger output >= each input, and sum of outputs = sum of inputs; the wires in ascending order.
    """
    from scipy.sparse import coo_array

    wires, firsts, seconds, count = np.arange(n), [], [], n
    for low, high in _comparators(n):
        firsts.append(np.column_stack([wires[low], wires[high]]))
        outs = count + np.arange(2 * len(low)).reshape(-1, 2)
        seconds.append(outs)
        wires[low], wires[high] = outs[:, 0], outs[:, 1]
        count += 2 * len(low)
    ins = np.concatenate(firsts) if firsts else np.zeros((0, 2), dtype=int)
    outs = np.concatenate(seconds) if seconds else np.zeros((0, 2), dtype=int)

    def rows(columns: list[Any], signs: list[float]) -> Any:
        m = len(ins)
        place = np.tile(np.arange(m), len(columns)), np.concatenate(columns)
        return coo_array((np.repeat(signs, m), place), shape=(m, count)).tocsr()

    over = [rows([outs[:, 1], ins[:, side]], [1.0, -1.0]) for side in (0, 1)]
    equal = rows([outs[:, 0], outs[:, 1], ins[:, 0], ins[:, 1]], [1.0, 1.0, -1.0, -1.0])
    return over[0], over[1], equal, wires, count


def _comparators(n: int) -> list[tuple[Any, Any]]:
    """Layers of pairs (low, high) of places, each place once a layer."""
    top = 1 << max((n - 1).bit_length() - 1, 0)
    layers, p = [], top if n > 1 else 0
    while p:
        q, r, d = top, 0, p
        while True:
            low = np.arange(n - d)
            low = low[(low & p) == r]
            layers.append((low, low + d))
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return layers
