"""The problems that are timed, in numpy alone, so that every environment reads the same ones.

Returns follow a factor model: one market, eleven sectors, fat-tailed specific risk; T = 1260, seeded by size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DAYS = 1260
SECTORS = 11
TURNOVER = 0.20  # one-way
TAIL = 0.05
RISK_FREE = 0.02


@dataclass(frozen=True)
class Problem:
    """Inputs of one problem, ready for the optimizer; returns per day, mean and covariance per year."""

    case: str
    returns: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    held: np.ndarray
    benchmark: np.ndarray
    beta: np.ndarray
    sector: np.ndarray

    @property
    def n(self) -> int:
        return len(self.mean)

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(f"A{i:04d}" for i in range(self.n))

    @property
    def cap(self) -> float:
        """5% of NAV, or what leaves a small universe a choice."""
        return 1.0 if self.case not in CAPPED else max(0.05, 3.0 / self.n)

    @property
    def sector_range(self) -> tuple[float, float]:
        return 0.03, 0.16

    @property
    def beta_range(self) -> tuple[float, float]:
        return 0.7, 0.9

    @property
    def return_floor(self) -> float:
        """60% of the way from the mean of equal weights to that of the best decile."""
        best = float(np.sort(self.mean)[-max(1, self.n // 10) :].mean())
        return 0.7 * float(self.mean.mean()) + 0.3 * best

    @property
    def members(self) -> np.ndarray:
        """(SECTORS, n), 1 where the name belongs to the sector."""
        return (self.sector == np.arange(SECTORS)[:, None]).astype(float)

    def save(self, folder: Path) -> None:
        arrays = {name: value for name, value in vars(self).items() if name != "case"}
        np.savez(folder / f"{self.case}-{self.n}.npz", **arrays)


def load(path: Path) -> Problem:
    with np.load(path) as arrays:
        return Problem(path.stem.rsplit("-", 1)[0], **{name: arrays[name] for name in arrays.files})


def make(case: str, n: int) -> Problem:
    rng = np.random.default_rng(n)
    sector = np.arange(n) % SECTORS
    beta = rng.uniform(0.4, 1.6, n)
    market = rng.normal(0.0003, 0.009, DAYS)
    factors = rng.normal(0.0, 0.005, (DAYS, SECTORS))
    specific = rng.standard_t(5, (DAYS, n)) * rng.uniform(0.006, 0.02, n)
    returns = market[:, None] * beta + factors[:, sector] * rng.uniform(0.5, 1.5, n) + specific
    shrunk = 0.05 * beta + 0.25 * 252 * (returns.mean(axis=0) - returns.mean())
    covariance = 252 * np.cov(returns, rowvar=False)
    held = rng.dirichlet(np.full(n, 0.5))
    benchmark = rng.dirichlet(np.full(n, 2.0))
    return Problem(case, returns, RISK_FREE + shrunk, covariance, held, benchmark, beta, sector)


def variance(p: Problem, w: np.ndarray) -> float:
    return float(w @ p.covariance @ w)


def negative_sharpe(p: Problem, w: np.ndarray) -> float:
    return float(-(p.mean - RISK_FREE) @ w / np.sqrt(w @ p.covariance @ w))


def negative_diversification(p: Problem, w: np.ndarray) -> float:
    return float(-np.sqrt(np.diag(p.covariance)) @ w / np.sqrt(w @ p.covariance @ w))


def tracking_variance(p: Problem, w: np.ndarray) -> float:
    return variance(p, w - p.benchmark)


def one_plus_imbalance(p: Problem, w: np.ndarray) -> float:
    """1 + the largest relative deviation of a contribution to the variance from 1/n."""
    marginal = p.covariance @ w
    return 1.0 + float(np.abs(p.n * w * marginal / (w @ marginal) - 1.0).max())


def tail_loss(p: Problem, w: np.ndarray) -> float:
    """Mean of the worst 5% of days."""
    return float(np.sort(-p.returns @ w)[-round(TAIL * DAYS) :].mean())


def no_more(_: Problem, __: np.ndarray) -> float:
    return 0.0


def too_much_turnover(p: Problem, w: np.ndarray) -> float:
    return float(np.abs(w - p.held).sum() / 2 - TURNOVER)


def outside_ranges(p: Problem, w: np.ndarray) -> float:
    shares, beta = p.members @ w, p.beta @ w
    low, high = p.sector_range
    least, most = p.beta_range
    return float(
        max(
            (shares - high).max(),
            (low - shares).max(),
            beta - most,
            least - beta,
            p.return_floor - p.mean @ w,
        )
    )


@dataclass(frozen=True)
class Case:
    """One row of the table: what is minimised, under which further limits, and at which sizes."""

    title: str
    cost: Callable[[Problem, np.ndarray], float]
    further: Callable[[Problem, np.ndarray], float] = no_more
    sizes: tuple[int, ...] = (20, 100, 500, 1000)


CAPPED = {"max_sharpe", "general_limits"}
CASES = {
    "min_variance": Case("min variance, long only", variance),
    "max_sharpe": Case("max Sharpe, cap", negative_sharpe),
    "max_diversification": Case("max diversification", negative_diversification),
    "tracking_error": Case("tracking error, turnover 20%", tracking_variance, too_much_turnover),
    "risk_parity": Case("risk parity (ERC)", one_plus_imbalance),
    "cvar": Case("CVaR 95%", tail_loss, sizes=(20, 100, 500)),
    "general_limits": Case("min variance, sectors, cap, beta, return floor", variance, outside_ranges),
}


def cost(p: Problem, w: np.ndarray) -> float:
    return CASES[p.case].cost(p, w)


def violation(p: Problem, w: np.ndarray) -> float:
    """By how much the weights break the worst of the limits."""
    bounds = max(abs(float(w.sum()) - 1.0), float(-w.min()), float(w.max()) - p.cap)
    return max(0.0, bounds, CASES[p.case].further(p, w))
