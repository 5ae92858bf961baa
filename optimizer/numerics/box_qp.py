"""Quadratic programs of few rows and bounded columns, as a relaxed trade list has them: one column a traded name."""

import numpy as np

from optimizer.numerics.answers import NoAnswerError
from optimizer.typing import Array

SMALL = 200
ITERATIONS, CLOSE, START, SHORT, REFINED, REACHED = 60, 1e-7, 0.1, 0.995, 2, 1e-4


def least_within(
    quadratic: Array, pull: Array, rows: Array, limits: Array, low: Array, high: Array
) -> tuple[Array, Array]:
    """argmin t'Qt / 2 + pull't subject to rows @ t <= limits and low <= t <= high, and the rows' multipliers (m,).

    quadratic (k, k);  rows (m, k). By DAQP where there are few columns, else, and where it gives up, by PIQP.
    Raises NoAnswerError.
    """
    scale = float(quadratic.diagonal().mean())
    square, linear = quadratic / scale, pull / scale
    if len(pull) <= SMALL:
        found = _daqp(square, linear, rows, limits, low, high)
        if found is not None:
            return found[0], found[1] * scale
    t, duals = _piqp(square, linear, rows, limits, low, high)
    return t, duals * scale


def _daqp(
    square: Array, linear: Array, rows: Array, limits: Array, low: Array, high: Array
) -> tuple[Array, Array] | None:
    import daqp

    k = len(linear)
    above = np.minimum(np.concatenate([high, limits]), 1e30)
    below = np.maximum(np.concatenate([low, np.full(len(limits), -np.inf)]), -1e30)
    sense = np.zeros(len(above), dtype=np.int32)
    t, _, flag, info = daqp.solve(
        square, linear, np.ascontiguousarray(rows), above, below, sense, primal_tol=1e-11, dual_tol=1e-11
    )
    return (t, np.array(info["lam"])[k:]) if flag == 1 else None


def _piqp(
    square: Array, linear: Array, rows: Array, limits: Array, low: Array, high: Array
) -> tuple[Array, Array]:
    import piqp

    bound = limits < np.inf  # PIQP prints of rows without an end
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = 1e-10
    # its own settings, 1e-8 by default: the objective of a trade list is 1e-4
    solver.settings.eps_duality_gap_abs = solver.settings.eps_duality_gap_rel = 1e-12
    solver.settings.max_iter = 100
    solver.setup(
        np.asfortranarray(square),
        linear,
        None,
        None,
        np.asfortranarray(rows[bound]),
        None,
        limits[bound],
        low,
        high,
    )
    status = solver.solve()
    if status != piqp.PIQP_SOLVED:
        raise NoAnswerError("PIQP", str(status), infeasible=status == piqp.PIQP_PRIMAL_INFEASIBLE)
    prices = np.zeros(len(limits))
    prices[bound] = solver.result.z_u
    return solver.result.x, prices


def least_of_factors(
    root: Array, diagonal: Array, pull: Array, rows: Array, limits: Array, low: Array, high: Array
) -> tuple[Array, Array]:
    """The same where Q = root'root + diag(diagonal), in k r^2 steps an iteration; low < high, both finite.

    root (r, k), diagonal (k,) > 0. By a predictor-corrector interior-point method (Mehrotra 1992), its equations by
    Woodbury's identity. The mean column is within 1e-7 of its cost. Raises NoAnswerError.
    """
    width, steep = float((high - low).mean()), float(np.abs(pull).max()) or 1.0
    shrunk, curved = np.sqrt(width / steep), width / steep
    point = _Interior(
        root * shrunk, diagonal * curved, pull / steep, rows, limits / width, low / width, high / width
    )
    with np.errstate(all="ignore"):  # a run that diverges ends in numbers that are none, and says so
        for _ in range(ITERATIONS):
            if point.solved():
                return point.t * width, point.y * steep
            if not point.advance():
                break
    raise NoAnswerError("interior point", "unsettled", infeasible=not point.primal() <= REACHED)


class _Interior:
    """Columns t (k,) strictly within their bounds, slacks s and multipliers y (m,) of the rows, both above 0."""

    def __init__(
        self, root: Array, diagonal: Array, pull: Array, rows: Array, limits: Array, low: Array, high: Array
    ) -> None:
        self.root, self.diagonal, self.pull = root, diagonal, pull
        self.rows, self.limits, self.low, self.high = rows, limits, low, high
        width = np.minimum(0.05 * (high - low), 0.05)
        # Each column begins beside the end that is nearer to no trade.
        self.t = np.where(np.abs(low) <= np.abs(high), low + width, high - width)
        self.s = np.maximum(np.abs(limits - rows @ self.t), START)
        self.y, self.below, self.above = (np.full(len(it), START) for it in (limits, low, high))

    def _residuals(self) -> tuple[Array, Array]:
        slope = self.root.T @ (self.root @ self.t) + self.diagonal * self.t + self.pull
        dual = slope + self.y @ self.rows - self.below + self.above
        return dual, self.rows @ self.t + self.s - self.limits

    def _gap(self) -> float:
        """The mean product of a distance and its multiplier."""
        products = self.below @ (self.t - self.low) + self.above @ (self.high - self.t) + self.s @ self.y
        return float(products) / (2 * len(self.t) + len(self.y))

    def solved(self) -> bool:
        dual, primal = self._residuals()
        return (
            self._gap() <= CLOSE
            and float(np.abs(dual).max()) <= CLOSE
            and float(np.abs(primal).max(initial=0.0)) <= CLOSE
        )

    def primal(self) -> float:
        """By how much the rows are missed."""
        return float(np.abs(self._residuals()[1]).max(initial=0.0))

    def advance(self) -> bool:
        """One step: straight to the optimum to see how far that goes, then with what it leaves out; False for none."""
        from scipy.linalg import cho_factor, cho_solve

        near, far = self.t - self.low, self.high - self.t
        weight = self.diagonal + self.below / near + self.above / far
        spread = np.vstack([self.root, np.sqrt(self.y / self.s)[:, None] * self.rows])
        inner = (spread / weight) @ spread.T
        inner.flat[:: len(inner) + 1] += 1.0
        if not np.isfinite(inner).all():
            return False
        factor = cho_factor(inner, lower=True)
        dual, primal = self._residuals()

        def step(target: float, bent: tuple[Array, Array, Array]) -> tuple[Array, ...]:
            lower = (target - bent[0]) / near - self.below
            upper = (target - bent[1]) / far - self.above
            row = (target - bent[2] + self.y * primal) / self.s - self.y
            right = -dual + lower - upper - row @ self.rows
            dt, left = np.zeros_like(right), right
            for _ in range(REFINED):  # Woodbury's identity cancels digits where a weight is small
                scaled = left / weight
                dt += scaled - (cho_solve(factor, spread @ scaled) @ spread) / weight
                left = right - weight * dt - (spread @ dt) @ spread
            ds = -primal - self.rows @ dt
            dy = row + self.y * (self.rows @ dt) / self.s
            return dt, ds, dy, lower - self.below * dt / near, upper + self.above * dt / far

        none = (np.zeros_like(near), np.zeros_like(near), np.zeros_like(self.s))
        dt, ds, dy, dl, du = step(0.0, none)
        before, after = self._gap(), self._gap_after(dt, ds, dy, dl, du)
        target = before * (max(after, 0.0) / before) ** 3
        dt, ds, dy, dl, du = step(target, (dt * dl, -dt * du, ds * dy))
        first, second = (SHORT * it for it in self._reach(dt, ds, dy, dl, du))
        # One length for both, since the cost is curved.
        length = min(first, second, 1.0)
        self.t, self.s, self.y = self.t + length * dt, self.s + length * ds, self.y + length * dy
        self.below, self.above = self.below + length * dl, self.above + length * du
        return True

    def _gap_after(self, dt: Array, ds: Array, dy: Array, dl: Array, du: Array) -> float:
        """The mean product where the step is gone as far as it can."""
        first, second = self._reach(dt, ds, dy, dl, du)
        products = (
            (self.below + second * dl) @ (self.t - self.low + first * dt)
            + (self.above + second * du) @ (self.high - self.t - first * dt)
            + (self.s + first * ds) @ (self.y + second * dy)
        )
        return float(products) / (2 * len(self.t) + len(self.s))

    def _reach(self, dt: Array, ds: Array, dy: Array, dl: Array, du: Array) -> tuple[float, float]:
        """How far the step can go, at most 1, before a distance or a multiplier is 0."""
        distances = (self.t - self.low, dt), (self.high - self.t, -dt), (self.s, ds)
        multipliers = (self.y, dy), (self.below, dl), (self.above, du)
        first, second = (min(map(_until_zero, pairs)) for pairs in (distances, multipliers))
        return min(first, 1.0), min(second, 1.0)


def _until_zero(pair: tuple[Array, Array]) -> float:
    value, change = pair
    falling = change < 0
    return float((-value[falling] / change[falling]).min(initial=1e30))
