"""Least relative entropy under linear rows: Newton's method on the dual."""

from dataclasses import dataclass

import numpy as np

from optimizer.errors import SolverError
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.lp import solve_lp
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.typing import Array

STEPS = 200
SETTLED = 1e-11
HELD = 1e-8
FLAT = 1e-12
FAR = 1e6


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows whose expectation is 0 ("=") or not negative.

    values  (k, T);  equal  (k,) whether it must be 0;  owners  (k,) the place of the view it comes from
    """

    values: Array
    equal: np.ndarray[tuple[int], np.dtype[np.bool_]]
    owners: tuple[int, ...]

    @classmethod
    def none(cls, scenarios: int) -> "Rows":
        """No row at all."""
        return cls(np.zeros((0, scenarios)), np.zeros(0, dtype=bool), ())

    @classmethod
    def one(cls, values: Array, sense: str, owner: int) -> "Rows":
        """E[values] = 0, >= 0 or <= 0; values (T,), scaled to unit size."""
        size = float(np.sqrt(np.mean(values**2))) or 1.0
        signed = -values if sense == "<=" else values
        return cls(signed[None, :] / size, np.array([sense == "="]), (owner,))

    def joined(self, *others: "Rows") -> "Rows":
        """These and the others."""
        parts = (self, *others)
        return Rows(
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.equal for part in parts]),
            tuple(owner for part in parts for owner in part.owners),
        )

    def of(self, owners: set[int]) -> "Rows":
        """The rows of these views alone."""
        kept = [i for i, owner in enumerate(self.owners) if owner in owners]
        return Rows(self.values[kept], self.equal[kept], tuple(self.owners[i] for i in kept))


def tilt(prior: Array, rows: Rows) -> Array | None:
    """(T,) probabilities p ~ prior exp(rows' x) of least relative entropy that hold the rows; None where none do.

    x minimises ln sum prior exp(rows' x), free for an equality, >= 0 for an inequality, by Newton steps inside
    those bounds with halving. The answer is checked against the rows and by complementary slackness.
    """
    x = np.zeros(len(rows.values))
    value, p = _dual(x, prior, rows)
    for _ in range(STEPS):
        gradient = rows.values @ p
        if _miss(gradient, x, rows) <= SETTLED:
            break
        moved = _moved(x, _step(gradient, x, p, rows), value, gradient, prior, rows)
        if moved is None or np.abs(moved[0]).max() > FAR:
            break
        x, value, p = moved
    return p if _miss(rows.values @ p, x, rows) <= HELD else None


def _miss(gradient: Array, x: Array, rows: Rows) -> float:
    return float(np.abs(np.where(rows.equal, gradient, np.minimum(gradient, x))).max(initial=0.0))


def _dual(x: Array, prior: Array, rows: Rows) -> tuple[float, Array]:
    exponent = np.log(prior) + x @ rows.values
    top = float(exponent.max())
    weights = np.exp(exponent - top)
    total = float(weights.sum())
    return top + float(np.log(total)), weights / total


def _step(gradient: Array, x: Array, p: Array, rows: Rows) -> Array:
    from scipy.optimize import lsq_linear

    deviation = rows.values - (rows.values @ p)[:, None]
    hessian = (deviation * p) @ deviation.T
    if rows.equal.all():
        # Rows may repeat each other (two views on one mean): the least-norm step moves them together.
        return np.asarray(-np.linalg.lstsq(hessian, gradient, rcond=FLAT)[0])
    hessian[np.diag_indices_from(hessian)] += FLAT * max(float(np.trace(hessian)), FLAT)
    root = np.linalg.cholesky(hessian)
    floor = np.where(rows.equal, -np.inf, -x)
    target = -np.linalg.solve(root, gradient)
    return np.asarray(lsq_linear(root.T, target, (floor, np.full(len(x), np.inf)), method="bvls").x)


def _moved(
    x: Array, step: Array, value: float, gradient: Array, prior: Array, rows: Rows
) -> tuple[Array, float, Array] | None:
    size = 1.0
    while size > 1e-12:
        tried = x + size * step
        tried = np.where(rows.equal, tried, np.maximum(tried, 0.0))  # the solver stops within its tolerance
        found, p = _dual(tried, prior, rows)
        if found <= value + 1e-4 * float(gradient @ (tried - x)) + 1e-16:
            return tried, found, p
        size /= 2
    return None


def conflict(rows: Rows) -> list[int]:
    """The views of a smallest set that no probabilities fulfil together: one after the other is tried without."""
    needed = set(rows.owners)
    for owner in sorted(needed):
        if not _possible(rows.of(needed - {owner})):
            needed -= {owner}
    return sorted(needed)


def _possible(rows: Rows) -> bool:
    """Whether some probabilities hold the rows with every scenario kept in play."""
    k, count = rows.values.shape
    low = np.zeros(k + 1)
    high = np.where(np.append(rows.equal, True), 0.0, np.inf)
    low[k] = high[k] = 1.0
    matrix = np.vstack([rows.values, np.ones(count)])
    # The dual has an answer where a point with all p > 0 exists; this share of a fair one stands for "> 0".
    floor = np.full(count, 1e-6 / count)
    space = Polyhedron(matrix, low, high, floor, np.ones(count), np.ones(k + 1))
    try:
        solve_lp(np.zeros(count), space)
    except NoAnswerError as stop:
        if stop.infeasible:
            return False
        raise SolverError(f"the views could not be checked against each other: {stop}") from stop
    return True
