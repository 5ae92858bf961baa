"""What a user writes without a library, in our environment: cvxpy compiled once, and the raw solvers without checks.

Compiled cvxpy has its data in it and one vector as a parameter (DPP); only the solve is timed. A raw solver gets its
matrices ready, scaled; its answer is neither checked nor certified.
"""

from collections.abc import Callable
from importlib.metadata import version

import cvxpy as cp
import daqp
import numpy as np
import piqp
from scipy.optimize import linprog

from benchmarks.solving.problems import DAYS, RISK_FREE, TAIL, TURNOVER, Problem
from benchmarks.solving.timing import Solver, measure

Run = Callable[[], np.ndarray]
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows, low, high


def compiled(problem: cp.Problem, x: cp.Variable, parameter: cp.Parameter, ratio: bool = False) -> Run:
    """The solve alone, after a first one has compiled the problem."""
    problem.solve(solver=cp.CLARABEL)

    def run() -> np.ndarray:
        parameter.value = parameter.value.copy()
        problem.solve(solver=cp.CLARABEL)
        return x.value / x.value.sum() if ratio else x.value

    return run


def compiled_least(p: Problem, center: np.ndarray, rows: Rows | None = None) -> Run:
    w, cap = cp.Variable(p.n, nonneg=True), cp.Parameter(p.n, value=np.full(p.n, p.cap))
    limits = [cp.sum(w) == 1, w <= cap]
    if rows is not None:
        limits += [rows[0] @ w >= rows[1], rows[0] @ w <= rows[2]]
    root = np.linalg.cholesky(p.covariance + 1e-12 * np.eye(p.n)).T
    return compiled(cp.Problem(cp.Minimize(cp.sum_squares(100 * root @ (w - center))), limits), w, cap)


def compiled_tracking(p: Problem) -> Run:
    w, held = cp.Variable(p.n, nonneg=True), cp.Parameter(p.n, value=p.held)
    root = np.linalg.cholesky(p.covariance + 1e-12 * np.eye(p.n)).T
    cost = cp.sum_squares(100 * root @ (w - p.benchmark))
    limits = [cp.sum(w) == 1, cp.norm1(w - held) <= 2 * TURNOVER]
    return compiled(cp.Problem(cp.Minimize(cost), limits), w, held)


def compiled_ratio(p: Problem, gain: np.ndarray) -> Run:
    y, told = cp.Variable(p.n, nonneg=True), cp.Parameter(p.n, value=gain)
    capped = [y <= p.cap * cp.sum(y)] if p.cap < 1 else []
    root = np.linalg.cholesky(p.covariance + 1e-12 * np.eye(p.n)).T
    problem = cp.Problem(cp.Minimize(cp.sum_squares(root @ y)), [told @ y == 1, *capped])
    return compiled(problem, y, told, ratio=True)


def raw_daqp(P: np.ndarray, q: np.ndarray, rows: Rows, floor: np.ndarray, ceiling: np.ndarray) -> Run:
    A, low, high = rows
    above, below = (np.minimum(np.append(ceiling, high), 1e30), np.maximum(np.append(floor, low), -1e30))
    sense = np.where(above == below, 5, 0).astype(np.int32)
    P, A = np.ascontiguousarray(P), np.ascontiguousarray(A)
    return lambda: daqp.solve(P, q, A, above, below, sense, primal_tol=1e-10, dual_tol=1e-10)[0]


def raw_piqp(P: np.ndarray, q: np.ndarray, rows: Rows, floor: np.ndarray, ceiling: np.ndarray) -> Run:
    A, low, high = rows
    even = low == high
    P, E, G = (np.asfortranarray(it) for it in (P, A[even], A[~even]))

    def run() -> np.ndarray:
        solver = piqp.DenseSolver()
        solver.settings.eps_abs, solver.settings.eps_rel = 1e-9, 0.0
        solver.setup(P, q, E, low[even], G, low[~even], high[~even], floor, ceiling)
        solver.solve()
        return solver.result.x

    return run


RAW = {"DAQP": raw_daqp, "PIQP": raw_piqp}
ENDLESS = np.inf


def least(solver: str) -> Solver:
    def make(p: Problem) -> Run:
        size = p.covariance.diagonal().mean()
        budget = (np.ones((1, p.n)), np.ones(1), np.ones(1))
        rows = limits_of(p) if p.case == "general_limits" else budget
        return RAW[solver](
            p.covariance / size, np.zeros(p.n), rows, np.zeros(p.n), np.full(p.n, min(p.cap, 1.0))
        )

    return make


def limits_of(p: Problem) -> Rows:
    """Budget, sectors, beta and the return floor."""
    rows = np.vstack([np.ones((1, p.n)), p.members, p.beta, p.mean])
    low, high = p.sector_range
    count = len(p.members)
    floors = np.concatenate([[1.0], np.full(count, low), [p.beta_range[0], p.return_floor]])
    return rows, floors, np.concatenate([[1.0], np.full(count, high), [p.beta_range[1], ENDLESS]])


def ratio(solver: str, gain: Callable[[Problem], np.ndarray]) -> Solver:
    """Least variance at one unit of gain, weights up to a scale."""

    def make(p: Problem) -> Run:
        size, wanted = p.covariance.diagonal().mean(), gain(p)
        rows, low, high = wanted[None, :] / np.abs(wanted).max(), np.ones(1), np.ones(1)
        if p.cap < 1:
            rows = np.vstack([rows, np.eye(p.n) - p.cap])
            low, high = np.append(low, np.full(p.n, -ENDLESS)), np.append(high, np.zeros(p.n))
        ends = np.zeros(p.n), np.full(p.n, ENDLESS)
        run = RAW[solver](p.covariance / size, np.zeros(p.n), (rows, low, high), *ends)

        def weights() -> np.ndarray:
            y = np.asarray(run())
            return y / y.sum()

        return weights

    return make


def tracking(solver: str) -> Solver:
    """In weights and purchases: w - buy <= held, sum of buy <= the limit."""

    def make(p: Problem) -> Run:
        n, size = p.n, p.covariance.diagonal().mean()
        P = np.zeros((2 * n, 2 * n))
        P[:n, :n] = p.covariance / size
        P[n:, n:] = 1e-9 * np.eye(n)  # DAQP wants it curved
        rows = np.zeros((n + 2, 2 * n))
        rows[:n, :n], rows[:n, n:] = np.eye(n), -np.eye(n)
        rows[n, :n], rows[n + 1, n:] = 1.0, 1.0
        low = np.concatenate([np.full(n, -ENDLESS), [1.0, -ENDLESS]])
        high = np.concatenate([p.held, [1.0, TURNOVER]])
        q = np.append(-P[:n, :n] @ p.benchmark, np.zeros(n))
        run = RAW[solver](P, q, (rows, low, high), np.zeros(2 * n), np.full(2 * n, ENDLESS))
        return lambda: np.asarray(run())[:n]

    return make


def tail(p: Problem) -> Run:
    """The linear program of Rockafellar & Uryasev (2000), by HiGHS."""
    n, days = p.n, DAYS
    c = np.concatenate([np.zeros(n), [1.0], np.full(days, 1 / round(TAIL * days))])
    rows = np.hstack([-p.returns, -np.ones((days, 1)), -np.eye(days)])
    budget = np.concatenate([np.ones(n), np.zeros(1 + days)])[None, :]
    bounds = [(0, None)] * n + [(None, None)] + [(0, None)] * days
    return lambda: linprog(c, rows, np.zeros(days), budget, [1.0], bounds, method="highs").x[:n]


def excess(p: Problem) -> np.ndarray:
    return p.mean - RISK_FREE


def volatility(p: Problem) -> np.ndarray:
    return np.sqrt(np.diag(p.covariance))


SOLVERS: dict[str, dict[str, Solver]] = {
    "min_variance": {
        "compiled cvxpy": lambda p: compiled_least(p, np.zeros(p.n)),
        **{f"raw {name}": least(name) for name in RAW},
    },
    "max_sharpe": {
        "compiled cvxpy": lambda p: compiled_ratio(p, excess(p)),
        **{f"raw {name}": ratio(name, excess) for name in RAW},
    },
    "max_diversification": {
        "compiled cvxpy": lambda p: compiled_ratio(p, volatility(p)),
        **{f"raw {name}": ratio(name, volatility) for name in RAW},
    },
    "tracking_error": {
        "compiled cvxpy": compiled_tracking,
        **{f"raw {name}": tracking(name) for name in RAW},
    },
    "cvar": {"raw HiGHS": tail},
    "general_limits": {
        "compiled cvxpy": lambda p: compiled_least(p, np.zeros(p.n), limits_of(p)),
        **{f"raw {name}": least(name) for name in RAW},
    },
}
PACKAGES = ("cvxpy", "daqp", "piqp", "scipy")

if __name__ == "__main__":
    measure(SOLVERS, {name: version(name) for name in PACKAGES})
