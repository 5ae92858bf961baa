"""What is odd about estimates: covariances near singular, and jumps since the pack before."""

from collections.abc import Iterator, Mapping

import numpy as np

from optimizer import Estimates
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack, previous_fresh
from resources.screening.pack_checks import CheckLimits

DRIFT_COLUMNS = ("recipe", "symbol", "estimate", "before", "now", "limit")


def condition_number(estimates: Estimates) -> float:
    """Largest over smallest eigenvalue of the covariance, inf where it is singular; a bound where it is in factors."""
    factored = estimates.low_rank
    if factored is not None:
        least, most = float(factored.diagonal.min()), float(estimates.variances.sum())
    else:
        values = np.linalg.eigvalsh(estimates.covariance)
        least, most = float(values[0]), float(values[-1])
    return most / least if least > 0 else float("inf")


def ill_conditioned(numbers: Mapping[str, float], limits: CheckLimits) -> list[str]:
    """A sentence for each recipe whose condition number says that its covariance is singular, or as good as."""
    return [
        f"{name}: condition number {number:.3g}, above {limits.condition_number:.3g}; are there twins in it?"
        for name, number in numbers.items()
        if number > limits.condition_number
    ]


def drifted(
    con: Connection, pack: Pack, found: Mapping[str, Estimates], limits: CheckLimits
) -> Iterator[dict[str, object]]:
    """Rows of DRIFT_COLUMNS: estimates that jumped since the newest fresh pack before, recipe by recipe."""
    previous = previous_fresh(con, pack.as_of)
    if previous is None:
        return
    before = {
        (recipe, symbol): (mean, volatility)
        for recipe, symbol, mean, volatility in con.execute(
            "select recipe, symbol, expected_return, volatility from latest_return_estimates where pack_id = ?",
            [previous.id],
        ).fetchall()
    }
    for name, item in found.items():
        means = np.full(len(item.symbols), np.nan) if item.mean is None else item.mean
        for symbol, mean, risk in zip(item.symbols, means, item.volatility, strict=True):
            was_mean, was_risk = before.get((name, symbol), (None, None))
            if was_risk and abs(risk / was_risk - 1) > limits.volatility_drift:
                yield _row(name, symbol, "volatility", was_risk, risk, limits.volatility_drift)
            if was_mean is not None and abs(mean - was_mean) > limits.return_drift:
                yield _row(name, symbol, "expected_return", was_mean, mean, limits.return_drift)


def _row(
    recipe: str, symbol: str, estimate: str, before: float, now: float, limit: float
) -> dict[str, object]:
    return dict(zip(DRIFT_COLUMNS, (recipe, symbol, estimate, before, float(now), limit), strict=True))
