"""Universes that no peer here solves: from returns to certified weights, in a process of its own.

`python -m benchmarks.large`: one JSON line a size, CPU seconds of the estimation and of each solve, least of several.
"""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.problems import DAYS, RISK_FREE, make
from benchmarks.timing import least_seconds
from optimizer import Estimates, Policy, Recipe, Universe, estimate, solve

SIZES = (2000, 5000)
POLICIES = {
    "min variance": Policy(method="min_volatility"),
    "min variance, sectors, cap": Policy(method="min_volatility", max_weight=0.02, max_sector=0.15),
    "max Sharpe, cap": Policy(method="max_sharpe", max_weight=0.05, risk_free_rate=RISK_FREE),
    "risk parity": Policy(method="risk_parity"),
}


def seconds(n: int) -> dict[str, float]:
    """CPU seconds by step at one size; the estimates are Ledoit-Wolf's, in factors."""
    problem = make("min_variance", n)
    paths = np.vstack([np.ones(n), np.cumprod(1.0 + problem.returns, axis=0)])
    prices = pd.DataFrame(paths, columns=list(problem.symbols))
    sectors = {s: f"S{k}" for s, k in zip(problem.symbols, problem.sector, strict=True)}
    recipe = Recipe(lookback_days=DAYS)
    found: list[Estimates] = []

    def estimated() -> np.ndarray:
        found.append(estimate(prices, recipe))
        return found[-1].volatility

    times = {"estimates from prices": least_seconds(estimated)[1]}
    universe = Universe(problem.symbols, sectors)

    def solved(policy: Policy) -> Callable[[], np.ndarray]:
        return lambda: solve(found[-1], policy, universe).weights

    return times | {name: least_seconds(solved(policy))[1] for name, policy in POLICIES.items()}


if __name__ == "__main__":
    for size in SIZES:
        print(json.dumps({"n": size, **seconds(size)}), flush=True)
