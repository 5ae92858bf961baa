"""Weights by clusters of correlated names: no expected returns, no inverse of the covariance.

All recipes take a covariance (n, n) per year and give long-only weights (n,) that sum to 1. Which names are alike is
told by its correlation, or by one of the caller's own, `alike` (n, n). As published, the halves of HRP depend on the
order of the names, and where distances are equal the clusters of every recipe do: the optimizer passes names in
alphabetical order.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from optimizer.errors import DataError
from optimizer.problem.clusters.leaf_order import nearest_order
from optimizer.problem.goals import RISKLESS
from optimizer.typing import Array

IntArray = npt.NDArray[np.intp]
Link = Literal["single", "ward"]
EQUAL = 10  # decimals of a squared distance: ties are told by the data, not by what rounding leaves


def hrp(covariance: Array, alike: Array | None = None) -> Array:
    """Hierarchical risk parity as published: distances of distances, single linkage (Lopez de Prado 2016)."""
    distance = distances(covariance, alike)
    columns = np.sqrt(np.maximum(_squared_differences(distance).round(EQUAL), 0.0))
    return bisect(covariance, leaf_order(columns, "single"))


def hrp_condensed(covariance: Array, alike: Array | None = None) -> Array:
    """Hierarchical risk parity on the correlation distances themselves, single linkage."""
    return bisect(covariance, leaf_order(distances(covariance, alike), "single"))


def hrp_ward(covariance: Array, alike: Array | None = None) -> Array:
    """Hierarchical risk parity on Ward's tree, leaves ordered so that neighbours are as alike as the tree allows.

    Ward 1963; the order of least sum of distances between neighbours: Bar-Joseph, Gifford & Jaakkola 2001.
    """
    away = distances(covariance, alike)
    if len(away) == 1:
        return np.ones(1)
    return bisect(covariance, nearest_order(away, linkage(away, "ward")))


def herc(covariance: Array, alike: Array | None = None) -> Array:
    """Hierarchical equal risk contribution with variances (Raffinot 2018): Ward linkage, risk split down the tree.

    Each fork of the tree, down to the chosen clusters, shares out inversely to the sides' variances; inside a
    cluster weights are inverse variances.
    """
    n = len(covariance)
    if n == 1:
        return np.ones(1)
    tree = linkage(distances(covariance, alike), "ward")
    clusters = cut(tree, cluster_count(tree))
    weights = np.zeros(n)
    for members in clusters:
        weights[members] = inverse_variance(covariance[np.ix_(members, members)])
    shares = np.ones(len(clusters))
    for left, right in forks(tree, clusters):
        risks = [sum(_variance(covariance, weights, clusters[c]) for c in side) for side in (left, right)]
        total = _shared(*risks)
        shares[left] *= risks[1] / total
        shares[right] *= risks[0] / total
    for members, share in zip(clusters, shares, strict=True):
        weights[members] *= share
    return weights


def nco(covariance: Array, alike: Array | None = None) -> Array:
    """Nested clustered optimisation (Lopez de Prado 2019): least variance inside clusters, then among them."""
    n = len(covariance)
    if n == 1:
        return np.ones(1)
    tree = linkage(distances(covariance, alike), "ward")
    clusters = cut(tree, cluster_count(tree))
    inside = np.zeros((n, len(clusters)))
    for c, members in enumerate(clusters):
        inside[members, c] = least_variance(covariance[np.ix_(members, members)])
    return np.asarray(inside @ least_variance(inside.T @ covariance @ inside))


RECIPES: Mapping[str, Callable[[Array, Array | None], Array]] = {
    "hrp": hrp,
    "hrp_condensed": hrp_condensed,
    "hrp_ward": hrp_ward,
    "herc": herc,
    "nco": nco,
}


def distances(covariance: Array, alike: Array | None) -> Array:
    """(n, n) by the caller's correlation, else by that of the covariance."""
    return correlation_distance(covariance if alike is None else alike)


def correlation_distance(covariance: Array) -> Array:
    """(n, n) sqrt((1 - correlation) / 2), 0 for twins, 1 for opposites."""
    risk = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(risk, risk)
    distance = np.sqrt(np.clip((1.0 - correlation) / 2.0, 0.0, 1.0).round(EQUAL))
    np.fill_diagonal(distance, 0.0)
    return np.asarray((distance + distance.T) / 2)


def _squared_differences(columns: Array) -> Array:
    squares = (columns**2).sum(axis=0)
    return np.asarray(squares[:, None] + squares[None, :] - 2 * columns.T @ columns)


def linkage(distance: Array, method: Link) -> Array:
    """(n - 1, 4) merges of scipy's hierarchical clustering from distances (n, n)."""
    from scipy.cluster import hierarchy

    upper = np.triu_indices(len(distance), 1)
    return np.asarray(hierarchy.linkage(distance[upper], method))


def leaf_order(distance: Array, method: Link) -> IntArray:
    """(n,) names with similar ones side by side."""
    if len(distance) == 1:
        return np.zeros(1, dtype=np.intp)
    from scipy.cluster import hierarchy

    return np.asarray(hierarchy.leaves_list(linkage(distance, method)), dtype=np.intp)


def bisect(covariance: Array, order: IntArray) -> Array:
    """Halves the ordered names again and again, sharing out inversely to the halves' variances."""
    weights = np.ones(len(order))
    groups = [order]
    while groups:
        halves = [(g[: len(g) // 2], g[len(g) // 2 :]) for g in groups if len(g) > 1]
        for left, right in halves:
            risks = [_cluster_variance(covariance, half) for half in (left, right)]
            share = risks[1] / _shared(*risks)
            weights[left] *= share
            weights[right] *= 1.0 - share
        groups = [half for pair in halves for half in pair]
    return weights


def inverse_variance(covariance: Array) -> Array:
    """1 / variance, summing to 1."""
    inverse = 1.0 / np.diag(covariance)
    return np.asarray(inverse / inverse.sum())


def _cluster_variance(covariance: Array, members: IntArray) -> float:
    block = covariance[np.ix_(members, members)]
    return _risk(block, inverse_variance(block))


def _variance(covariance: Array, weights: Array, members: IntArray) -> float:
    return _risk(covariance[np.ix_(members, members)], weights[members])


def _risk(block: Array, w: Array) -> float:
    """The variance of w (n,); a perfect hedge has 0, and not the rounding of either sign that is left of it."""
    variance = float(w @ block @ w)
    return variance if variance > (RISKLESS * float(w @ np.sqrt(np.diag(block)))) ** 2 else 0.0


def _shared(left: float, right: float) -> float:
    """What two sides' variances add up to; DataError where neither has any, for nothing then tells their shares."""
    if left + right > 0:
        return left + right
    raise DataError(
        "the covariance gives both sides of a cluster no risk at all, so they have no inverse-variance shares; "
        "use more history or a shrunk covariance"
    )


def least_variance(covariance: Array) -> Array:
    """Long-only weights of least variance that sum to 1."""
    from optimizer.numerics.polyhedra import Polyhedron
    from optimizer.numerics.qp import solve_qp

    n = len(covariance)
    one = np.ones(1)
    space = Polyhedron(np.ones((1, n)), one, one, np.zeros(n), np.full(n, np.inf), one)
    return solve_qp(covariance, np.zeros(n), space).x


def cluster_count(tree: Array) -> int:
    """How many clusters: the largest second difference of the merge heights (Yue, Wang & Wei 2008), at most sqrt(n).

    Merge heights stand for the dispersion that k clusters leave unexplained.
    """
    n = len(tree) + 1
    most = max(2, int(np.sqrt(n)))
    # height[k - 1]: the merge that turns k + 1 clusters into k
    height = tree[::-1, 2]
    drops = [height[k - 2] - 2 * height[k - 1] + (height[k] if k < len(height) else 0.0) for k in range(2, most + 1)
             if k - 1 < len(height)]  # fmt: skip
    return 2 + int(np.argmax(drops)) if drops else min(2, n)


def cut(tree: Array, count: int) -> list[IntArray]:
    """Members of each of `count` clusters, ordered by their first name."""
    from scipy.cluster import hierarchy

    labels = hierarchy.fcluster(tree, count, "maxclust")
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return sorted(groups, key=lambda members: int(members[0]))


def forks(tree: Array, clusters: list[IntArray]) -> list[tuple[list[int], list[int]]]:
    """The merges above the clusters, from the top: which clusters stand on the left and on the right."""
    n = len(tree) + 1
    of_name = {int(i): c for c, members in enumerate(clusters) for i in members}
    below: list[set[int]] = [{of_name[i]} for i in range(n)]
    found = []
    for left, right in tree[:, :2].astype(int):
        if below[left] != below[right]:
            found.append((sorted(below[left]), sorted(below[right])))
        below.append(below[left] | below[right])
    return found[::-1]
