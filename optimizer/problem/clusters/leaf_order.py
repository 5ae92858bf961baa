"""The leaves of a cluster tree in the order in which neighbours are nearest.

Bar-Joseph, Gifford & Jaakkola 2001, by min-plus products; what scipy 1.17 calls the optimal order is not always it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.typing import Array

IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class _Fork:
    """Two branches, and where the shortest order with ends i of the left, j of the right goes over between them.

    right_of  (l, r) by i and j: the leaf of the right branch that comes first;  left_of  (l, r) by i and that leaf: the
    one of the left branch before it. All as places in the branches' leaves.
    """

    left: int
    right: int
    left_of: IntArray
    right_of: IntArray


def nearest_order(distance: Array, tree: Array) -> IntArray:
    """(n,) of all orders that turning the forks of the tree gives, the first of least sum of neighbours' distances.

    distance  (n, n) symmetric;  tree  (n - 1, 4) merges as scipy gives them
    """
    n = len(distance)
    leaves: list[IntArray] = [np.array([i], dtype=np.intp) for i in range(n)]
    # (k, k) of each branch: the shortest order from one leaf to another, infinite where no order has these ends.
    length = [np.zeros((1, 1)) for _ in range(n)]
    forks: list[_Fork] = []
    for left, right in tree[:, :2].astype(int):
        own, other = leaves[left], leaves[right]
        gone, left_of = _shortest(length[left], distance[np.ix_(own, other)])
        whole, right_of = _shortest(gone, length[right])
        forks.append(_Fork(left, right, left_of, right_of))
        leaves.append(np.concatenate([own, other]))
        both = np.full((len(leaves[-1]), len(leaves[-1])), np.inf)
        both[: len(own), len(own) :], both[len(own) :, : len(own)] = whole, whole.T
        length.append(both)
    ends = np.unravel_index(int(length[-1].argmin()), length[-1].shape)
    return _walk(leaves, forks, int(ends[0]), int(ends[1]))


def _shortest(first: Array, second: Array) -> tuple[Array, IntArray]:
    """(l, r) least over k of first[i, k] + second[k, j], and that k."""
    found, place = (
        np.empty((len(first), second.shape[1])),
        np.empty((len(first), second.shape[1]), dtype=np.intp),
    )
    for i, row in enumerate(first):
        through = row[:, None] + second
        place[i] = through.argmin(axis=0)
        found[i] = through.min(axis=0)
    return found, place


def _walk(leaves: list[IntArray], forks: list[_Fork], start: int, stop: int) -> IntArray:
    """The leaves of the last branch from one place to another."""
    n, found = len(forks) + 1, []
    todo = [(len(leaves) - 1, start, stop)]
    while todo:
        node, start, stop = todo.pop()
        if node < n:
            found.append(int(leaves[node][0]))
            continue
        fork, size = forks[node - n], len(leaves[forks[node - n].left])
        turned = start >= size
        i, j = (stop, start - size) if turned else (start, stop - size)
        after = int(fork.right_of[i, j])
        before = int(fork.left_of[i, after])
        parts = [(fork.left, i, before), (fork.right, after, j)]
        if turned:
            parts = [(node_, b, a) for node_, a, b in reversed(parts)]
        todo += reversed(parts)
    return np.array(found, dtype=np.intp)
