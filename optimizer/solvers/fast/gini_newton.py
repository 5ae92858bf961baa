"""The least Gini mean difference by Newton's method, with its kinks smoothed ever less (Nesterov 2005).

T (T - 1) / 2 pairs of days have so many kinks that, smoothed over a thousandth of the cost, hardly anything of them is
left; the smooth cost's slope gives a line below the true one, by which the audit proves the answer.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.numerics.answers import Answer
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.numerics.qp import solve_qp
from optimizer.problem.gini import GiniMeanDifference
from optimizer.solvers.audit import lower_bound
from optimizer.typing import Array

WIDTHS = (0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
STEPS, EXACT, SHARE = 60, 1e-9, 0.1
ARMIJO, SHORTEST, NOISE = 1e-4, 1e-6, 1e-15
RIDGE = 1e-9
SHORT, SOME, WIDER = 0.2, 1e-5, 30.0


@dataclass(frozen=True)
class SmoothAnswer:
    """The answer over the polyhedron's columns, and the slope (T,) by the returns that certifies it.

    gap  the true cost is lower by no more than this anywhere in the polyhedron
    """

    answer: Answer
    slope: Array
    gap: float


def least_difference(cost: GiniMeanDifference, scenarios: Array, space: Polyhedron) -> SmoothAnswer:
    """The columns (p,) of least cost of the returns scenarios @ x[:n]; scenarios (T, n). Raises NoAnswerError.

    Starts from the least variance. Each width, a fraction of the cost, starts where the last one ended; the widths
    end where the gap does not matter, or rounding errors keep it from falling. The audit decides on it.
    """
    n = scenarios.shape[1]
    least = 0.01 * float(np.abs(scenarios).mean()) or 1.0
    covariance = np.cov(scenarios, rowvar=False, ddof=0).reshape(n, n)
    soft = float(np.trace(covariance)) / n
    x = _model(covariance, np.zeros(n), space).x
    found: list[SmoothAnswer] = []
    for width in WIDTHS:
        size = max(cost.value(scenarios @ x[:n]), least)
        found.append(Smoothing(cost, scenarios, space, width * size, EXACT * size, soft / size).run(x))
        x = found[-1].answer.x
        if found[-1].gap <= EXACT * size:
            break
    return min(found, key=lambda answer: answer.gap)


@dataclass(frozen=True)
class Smoothing:
    """The cost smoothed over a width, both a fraction per day.

    exact    the gap that does not matter;  softest  the curvature by a name's weight of one that is hardly finer
    """

    cost: GiniMeanDifference
    scenarios: Array
    space: Polyhedron
    width: float
    exact: float
    softest: float

    def run(self, x: Array) -> SmoothAnswer:
        """From x (p,) on, until more steps would gain less than the smoothing costs, or nothing.

        Where few pairs are near, curvature of wider smoothing joins theirs, the more of it the shorter steps must be.
        """
        n, wider = self.scenarios.shape[1], 0.0
        for taken in range(STEPS):
            r = self.scenarios @ x[:n]
            here = self.cost.smoothed(r, self.width)
            bend = here.curvature(self.scenarios)
            if wider:
                bend += wider * self.cost.smoothed(r, WIDER * self.width).curvature(self.scenarios)
            # Where names are twins, or more than days, or no pairs near, curvature may be rounding errors alone.
            bend[np.diag_indices(n)] += RIDGE * (float(np.trace(bend)) / n + self.softest)
            slope = np.zeros(len(x))
            slope[:n] = self.scenarios.T @ here.slope
            answer = _model(bend, slope[:n] - bend @ x[:n], self.space)
            lost = self.cost.value(r) - float(here.slope @ r)
            left = float(slope @ x) - lower_bound(self.space, slope, answer.multipliers)
            length = 0.0
            if left > max(SHARE * lost, 0.5 * self.exact):
                step = answer.x - x
                length = self._length(x, step, here.value, -float(slope @ step))
            if length == 0.0 or taken == STEPS - 1:
                break
            if length < SHORT:
                wider = min(max(10 * wider, SOME), 1.0)
            elif length == 1.0:
                wider = 0.1 * wider if wider > SOME else 0.0
            x = x + length * step
        return SmoothAnswer(Answer(x, answer.multipliers, "Newton, smoothed"), here.slope, lost + left)

    def _length(self, x: Array, step: Array, value: float, gain: float) -> float:
        """The longest of 1, 1/2, ... of the step that lowers the value by its share (Armijo 1966), else 0."""
        n, length = self.scenarios.shape[1], 1.0
        while length > SHORTEST and gain > 0:
            found = self.cost.smoothed(self.scenarios @ (x + length * step)[:n], self.width).value
            if found <= value * (1 + NOISE) - ARMIJO * length * gain:
                return length
            length /= 2
        return 0.0


def _model(bend: Array, slope: Array, space: Polyhedron) -> Answer:
    """Least w'Bw/2 + slope'w over the polyhedron's columns, w the first n of them."""
    n, p = len(slope), space.rows.shape[1]
    P, q = np.zeros((p, p)), np.zeros(p)
    P[:n, :n], q[:n] = bend, slope
    return solve_qp(P, q, space)
