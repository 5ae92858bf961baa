"""Universes that no peer here solves, step by step, each size in a process of its own.

`python -m benchmarks.solving.large [SIZE ...]`: one JSON line a size and part. "solve": CPU seconds of the estimation
and of each method. "book": one book from known prices to the impact of its trades, as the pipeline's stages go, with
the memory that it takes; the last line says how each stage grows with the names.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pandas as pd

from benchmarks.solving.problems import DAYS, RISK_FREE, make
from benchmarks.solving.timing import least_seconds
from optimizer import Estimates, Mandate, Policy, Portfolio, Position, Recipe, Universe, estimate, solve
from optimizer.proposals.compiled_policy import CompiledPolicy
from optimizer.proposals.proposal import believe, orders_impact
from optimizer.trading.rationale import Reasons

SIZES = (1250, 2500, 5000)
POLICIES = {
    "min variance": Policy(method="min_volatility"),
    "min variance, sectors, cap": Policy(method="min_volatility", max_weight=0.02, max_sector=0.15),
    "max Sharpe, cap": Policy(method="max_sharpe", max_weight=0.05, risk_free_rate=RISK_FREE),
    "risk parity": Policy(method="risk_parity"),
}


def history(n: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """Prices of DAYS sessions, and sectors, of n invented names."""
    problem = make("min_variance", n)
    paths = np.vstack([np.ones(n), np.cumprod(1.0 + problem.returns, axis=0)])
    sectors = {s: f"S{k}" for s, k in zip(problem.symbols, problem.sector, strict=True)}
    return pd.DataFrame(paths, columns=list(problem.symbols)), sectors


def solved_in(n: int) -> dict[str, float]:
    """CPU seconds of the estimates, which are Ledoit-Wolf's in factors, and of each method on them."""
    prices, sectors = history(n)
    found: list[Estimates] = []

    def estimated() -> np.ndarray:
        found.append(estimate(prices, Recipe(lookback_days=DAYS)))
        return found[-1].volatility

    times = {"estimates from prices": least_seconds(estimated)[1]}
    universe = Universe(tuple(prices.columns), sectors)

    def solved(policy: Policy) -> Callable[[], np.ndarray]:
        return lambda: solve(found[-1], policy, universe).weights

    return times | {name: least_seconds(solved(policy))[1] for name, policy in POLICIES.items()}


def book(n: int) -> dict[str, float]:
    """CPU seconds of each stage of one book over n names, and GB: before it, and at the most."""
    prices, sectors = history(n)
    symbols = tuple(prices.columns)
    quotes = dict(zip(symbols, np.linspace(20.0, 200.0, n).tolist(), strict=True))
    universe = Universe(symbols, sectors, benchmark=dict.fromkeys(symbols, 1.0 / n))
    held = {s: Position(s, Decimal(100)) for s in symbols[:: max(n // 200, 1)]}
    portfolio = Portfolio("large", cash=Decimal(10**8), positions=held)
    policy, mandate = Policy(method="min_volatility", max_weight=0.02, risk_free_rate=RISK_FREE), Mandate()
    times, last = {"GB before": memory()}, time.process_time()

    def done(stage: str) -> None:
        nonlocal last
        times[stage], last = time.process_time() - last, time.process_time()

    evidence = estimate(prices, Recipe(lookback_days=DAYS))
    done("estimates")
    _, believed = believe(evidence, universe, policy, mandate)
    done("posterior_returns")
    compiled = CompiledPolicy(believed, policy, universe, mandate)
    solution = compiled.choose_weights(portfolio, quotes)
    done("optimal_weights")
    times["GB without trades"] = memory()
    target = dict(zip(solution.symbols, solution.weights.tolist(), strict=True))
    orders = compiled.order_trades(portfolio, quotes, target, Reasons())
    done("trades")
    signed = {
        row.symbol: (row.target_quantity - row.current_quantity, row.cost)
        for row in orders.rows
        if row.quantity
    }
    orders_impact(portfolio, quotes, signed, evidence, policy, universe, mandate)
    done("impact")
    factors = [
        found is not None and "dense" not in vars(found) for found in (evidence.low_rank, believed.low_rank)
    ]
    return times | {"GB at the most": memory(), "in factors": float(all(factors))}


def memory() -> float:
    """The most that this process took so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


PARTS = {"solve": solved_in, "book": book}


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(PARTS[sys.argv[2]](int(sys.argv[3]))))
        return
    sizes = tuple(map(int, sys.argv[1:])) or SIZES
    books = {}
    for n in sizes:
        for part in PARTS:
            command = [sys.executable, "-m", "benchmarks.solving.large", "--child", part, str(n)]
            said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            print(json.dumps({"part": part, "n": n, **said}), flush=True)
            if part == "book":
                books[n] = said
    stages = [name for name in books[sizes[0]] if not name.startswith("GB")]
    powers = np.polyfit(np.log(sizes), [[np.log(books[n][stage]) for stage in stages] for n in sizes], 1)[0]
    print(json.dumps({"grows with N to the power": dict(zip(stages, powers.round(2).tolist(), strict=True))}))


if __name__ == "__main__":
    main()
