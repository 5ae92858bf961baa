"""Expected tail loss by rows and columns that matter: few scenarios are ever near the tail, few names ever held.

The linear program of Rockafellar & Uryasev (2000) over some names and scenarios; then the scenarios whose loss is
beyond the threshold and the names whose reduced cost would help join it, until there are none. HiGHS starts each
round from the basis of the last.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.errors import SolverError
from optimizer.numerics.answers import Answer, NoAnswerError
from optimizer.numerics.convex_limits import INF
from optimizer.numerics.lp import make_solver, run
from optimizer.numerics.polyhedra import Polyhedron
from optimizer.typing import Array

ROUNDS = 200
FIRST_NAMES, SHARE, FIRST_TAILS = 20, 0.12, 2.0
TOLERANCE = 1e-9

Index = npt.NDArray[np.intp]


@dataclass(frozen=True)
class TailAnswer:
    """The answer over the polyhedron's columns, and the scenario weights (T,) that certify it."""

    answer: Answer
    weights: Array


def least_tail(scenarios: Array, level: float, base: Polyhedron, most: float | Array) -> TailAnswer:
    """The w of least expected loss in the worst 1 - level of scenarios (T, n). Raises NoAnswerError.

    most  the greatest weight of a scenario in the tail, one number or (T,)
    """
    count = (1.0 - level) * len(scenarios)
    program = TailProgram(scenarios, count, base, most)
    slope = program.start()
    for _ in range(ROUNDS):
        try:
            found = program.solve()
        except NoAnswerError as stop:
            if not stop.infeasible or not program.add_cheapest(slope):
                raise
            continue
        except SolverError:
            if program.near.all():
                raise
            program.add_scenarios(np.flatnonzero(~program.near))
            continue
        if program.settled(found):
            weights = np.clip(found.weights, 0.0, most)
            answer = Answer(found.x, found.multipliers * program.size, "HiGHS, few scenarios and names")
            return TailAnswer(answer, weights / weights.sum())
    raise NoAnswerError("HiGHS", f"scenarios and names still join after {ROUNDS} rounds", infeasible=False)


@dataclass(frozen=True)
class Round:
    """x (p,), multipliers (m,) of the polyhedron's rows, weights (T,) of the scenarios, and the threshold loss."""

    x: Array
    multipliers: Array
    weights: Array
    threshold: float


class TailProgram:
    """Columns: the threshold, then x and excesses as they join; rows: the polyhedron's, then scenarios as they join.

    scenarios  (T, n) for the first n columns of x;  count: how many scenarios make the tail, about
    most       as in `least_tail`
    """

    def __init__(self, scenarios: Array, count: float, base: Polyhedron, most: float | Array) -> None:
        self.most = np.broadcast_to(most, len(scenarios))
        self.size = float(np.abs(scenarios).mean()) or 1.0
        self.scenarios, self.count, self.base = scenarios / self.size, count, base
        self.solver = make_solver()
        self.solver.setOptionValue("presolve", "off")
        self.columns = np.full(base.rows.shape[1], -1)
        self.rows: list[int] = []
        self.near = np.zeros(len(scenarios), dtype=bool)
        self.width = 1
        nothing = np.zeros(0, dtype=np.int32)
        self.solver.addCol(1.0, -INF, INF, 0, nothing, np.zeros(0))
        starts = np.zeros(len(base.rows), dtype=np.int32)
        self.solver.addRows(len(base.rows), base.low, base.high, 0, starts, nothing, np.zeros(0))

    def add_columns(self, new: Index) -> None:
        """Columns of x, with their part in every row there is."""
        base, n = self.base, self.scenarios.shape[1]
        losses = np.zeros((len(self.rows), len(new)))
        names = new < n
        losses[:, names] = self.scenarios[np.ix_(self.rows, new[names])]
        parts = np.vstack([base.rows[:, new], losses]).T
        height, cost = parts.shape[1], np.zeros(len(new))
        starts = np.arange(len(new), dtype=np.int32) * height
        places = np.tile(np.arange(height, dtype=np.int32), len(new))
        self.solver.addCols(
            len(new), cost, base.floor[new], base.ceiling[new], parts.size, starts, places, parts.ravel()
        )
        self.columns[new] = self.width + np.arange(len(new))
        self.width += len(new)

    def add_scenarios(self, new: Index) -> None:
        """Scenarios, each a row and a column for its excess over the threshold."""
        k, n = len(new), self.scenarios.shape[1]
        nothing, free = np.zeros(0, dtype=np.int32), np.full(k, INF)
        excess = self.width + np.arange(k)
        price = self.most[new]
        self.solver.addCols(k, price, np.zeros(k), free, 0, np.zeros(k, np.int32), nothing, np.zeros(0))
        names = np.flatnonzero(self.columns[:n] >= 0)
        places = np.zeros((k, len(names) + 2), dtype=np.int32)
        values = np.ones(places.shape)
        places[:, :-2], values[:, :-2] = self.columns[names], self.scenarios[np.ix_(new, names)]
        places[:, -1] = excess
        starts = np.arange(k, dtype=np.int32) * places.shape[1]
        self.solver.addRows(k, np.zeros(k), free, places.size, starts, places.ravel(), values.ravel())
        self.rows.extend(new.tolist())
        self.near[new] = True
        self.width += k

    def solve(self) -> Round:
        """The best of the names and scenarios that have joined. Raises as `run` does."""
        run(self.solver)
        found = self.solver.getSolution()
        values, duals = np.array(found.col_value), np.array(found.row_dual)
        inside = np.flatnonzero(self.columns >= 0)
        x, weights = np.zeros(len(self.columns)), np.zeros(len(self.scenarios))
        x[inside] = values[self.columns[inside]]
        m = len(self.base.rows)
        weights[self.rows] = duals[m:]
        return Round(x, duals[:m], weights, float(values[0]))

    def start(self) -> Array:
        """Joins the names that do best in the worst scenarios of equal weights, and the worst for these; slope (p,)."""
        n, equal = self.scenarios.shape[1], self.scenarios.mean(axis=1)
        worst = np.argsort(equal, kind="stable")[: max(int(self.count), 1)]
        slope = np.zeros(len(self.columns))
        slope[:n] = -self.scenarios[worst].mean(axis=0)
        # A column that cannot wait at 0 is needed from the start, as are those that no scenario knows.
        needed = (self.base.floor != 0) | (np.arange(len(slope)) >= n)
        self.add_columns(np.flatnonzero(needed))
        self.add_cheapest(slope)
        held = np.flatnonzero(self.columns[:n] >= 0)
        order = np.argsort(self.scenarios[:, held].mean(axis=1), kind="stable")
        self.add_scenarios(np.sort(order[: int(FIRST_TAILS * self.count) + 2]))
        return slope

    def add_cheapest(self, slope: Array) -> bool:
        """The next names by slope, as many as there are; whether there were any."""
        outside = np.flatnonzero(self.columns < 0)
        here = int(np.count_nonzero(self.columns >= 0))
        most = max(FIRST_NAMES, int(SHARE * self.scenarios.shape[1]), here)
        self.add_columns(outside[np.argsort(slope[outside], kind="stable")[:most]])
        return len(outside) > 0

    def settled(self, found: Round) -> bool:
        """Whether nothing outside matters; otherwise what matters most joins."""
        n = self.scenarios.shape[1]
        held, tail = np.flatnonzero(found.x[:n]), np.flatnonzero(found.weights)
        losses = -(self.scenarios[:, held] @ found.x[held])
        beyond = np.flatnonzero(~self.near & (losses > found.threshold + TOLERANCE))
        reduced = -(found.multipliers @ self.base.rows)
        reduced[:n] -= found.weights[tail] @ self.scenarios[tail]
        helpful = np.flatnonzero((self.columns < 0) & (reduced < -TOLERANCE))
        if len(helpful):
            most = max(FIRST_NAMES, int(np.count_nonzero(self.columns >= 0)) // 2)
            self.add_columns(helpful[np.argsort(reduced[helpful], kind="stable")[:most]])
        if len(beyond):
            self.add_scenarios(beyond[np.argsort(-losses[beyond], kind="stable")[: int(self.count) + 30]])
        return len(helpful) == 0 and len(beyond) == 0
