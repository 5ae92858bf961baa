"""Twenty years of monthly rebalancing: ours beside the peers' loops, and the accounting alone beside bt.

`python -m benchmarks.solving.backtest [--write]`: one thread, CPU seconds, the least of several runs, in one sitting.
Each side runs in its own environment on the same seeded prices: `--side peers FOLDER` is the other end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".peers" / "bin" / "python"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
SIZES = (20, 100, 500)
TARGETS = {20: 15, 100: 15, 500: 40}
LOOKBACK, DAYS, CAP = 252, 252 * 20 + 1, 0.2
RUNS = {20: 5, 100: 3, 500: 2}
PEER_RUNS = {20: 2, 100: 1, 500: 1}
SAME = 1e-8


def make_prices(n: int) -> pd.DataFrame:
    """Twenty years of prices with three common factors."""
    rng = np.random.default_rng(n)
    factors, loadings = rng.standard_normal((DAYS, 3)) * 0.008, rng.uniform(0.2, 1.2, (3, n))
    moves = factors @ loadings + rng.standard_normal((DAYS, n)) * 0.012 + 0.0003
    days = pd.bdate_range("2004-01-01", periods=DAYS)
    return pd.DataFrame(100 * np.exp(np.cumsum(moves, 0)), days, [f"S{i:03d}" for i in range(n)])


def least(run: Callable[[], Any], runs: int) -> tuple[Any, float]:
    """The answer and the least CPU seconds of `runs` runs."""
    found, times = None, []
    for _ in range(runs):
        began = time.process_time()
        found = run()
        times.append(time.process_time() - began)
    return found, min(times)


def decisions_of(prices: pd.DataFrame) -> list[int]:
    """The first row with a full window, and the last of every month after it that has a next."""
    months = prices.index.to_period("M")
    ends = np.flatnonzero(months[1:] != months[:-1])
    return [LOOKBACK, *(int(day) for day in ends if day > LOOKBACK)]


def spread_weights(n: int, decisions: int) -> np.ndarray:
    """(decisions, n) weights that change in every name every month: what accounting is measured on."""
    return np.random.default_rng(n).dirichlet(np.ones(n), decisions)


def ours(folder: Path) -> None:
    """Our backtest; writes seconds, NAV and the weights decided."""
    from optimizer import CostModel, OptimizationBacktest, Policy, PolicyStrategy, Recipe, Universe
    from optimizer.backtests.walk_forward import BacktestSettings, equal_weight

    for n in SIZES:
        prices = make_prices(n)
        policy = Policy(method="min_volatility", max_weight=CAP)
        recipe = Recipe(lookback_days=LOOKBACK, covariance_method="ledoit_wolf")
        strategy = PolicyStrategy(policy, Universe(symbols=tuple(prices.columns)), recipe, "historical")
        settings = BacktestSettings(costs=CostModel(commission=0.0, impact_bps=0.0), min_history=LOOKBACK + 1)
        replay = OptimizationBacktest(prices)
        told: dict[pd.Timestamp, Any] = {}
        replay.backtest_strategy(strategy, settings=settings, decisions=told)
        spread = {
            day: dict(zip(prices.columns, row, strict=True))
            for day, row in zip(sorted(told), spread_weights(n, len(told)).tolist(), strict=True)
        }

        def whole(replay: Any = replay, strategy: Any = strategy, settings: Any = settings) -> Any:
            return replay.backtest_strategy(strategy, settings=settings)

        def accounting(replay: Any = replay, settings: Any = settings, spread: Any = spread) -> Any:
            return replay.backtest_strategy(equal_weight, settings=settings, decisions=spread)

        result, seconds = least(whole, RUNS[n])
        booked_result, booked = least(accounting, RUNS[n])
        weights = np.array([list(told[day].values()) for day in sorted(told)])
        _save(folder, "ours", n, {"backtest": seconds, "accounting": booked}, weights)
        np.save(folder / f"nav-{n}.npy", result.nav.to_numpy())
        np.save(folder / f"booked-{n}.npy", booked_result.nav.to_numpy())


def peers(folder: Path) -> None:
    """PyPortfolioOpt with Clarabel in a plain loop, and bt fed with our weights."""
    import bt
    from pypfopt import EfficientFrontier, risk_models

    for n in SIZES:
        prices = make_prices(n)
        rows = decisions_of(prices)

        def loop(prices: pd.DataFrame = prices, rows: list[int] = rows) -> np.ndarray:
            found = []
            for row in rows:
                window = prices.iloc[row - LOOKBACK : row + 1]
                covariance = risk_models.CovarianceShrinkage(window, frequency=252).ledoit_wolf()
                chosen = EfficientFrontier(None, covariance, weight_bounds=(0, CAP), solver="CLARABEL")
                found.append(list(chosen.min_volatility().values()))
            return np.array(found)

        weights, seconds = least(loop, PEER_RUNS[n])
        after = [row + 1 for row in rows]  # bt trades at the close at which it is told
        table = pd.DataFrame(spread_weights(n, len(rows)), prices.index[after], prices.columns)

        def book(prices: pd.DataFrame = prices, table: pd.DataFrame = table) -> Any:
            algos = [bt.algos.RunOnDate(*table.index), bt.algos.WeighTarget(table), bt.algos.Rebalance()]
            test = bt.Backtest(
                bt.Strategy("s", algos), prices.iloc[LOOKBACK:], integer_positions=False, progress_bar=False
            )
            return bt.run(test)

        result, booked = least(book, PEER_RUNS[n])
        np.save(folder / f"bt-{n}.npy", result.prices["s"].to_numpy())
        _save(folder, "peers", n, {"backtest": seconds, "accounting": booked}, weights)


def _save(folder: Path, side: str, n: int, seconds: dict[str, float], weights: np.ndarray) -> None:
    np.savez(folder / f"{side}-{n}.npz", weights=weights, **seconds)


def independent_nav(prices: pd.DataFrame, weights: np.ndarray) -> np.ndarray:
    """The NAV by chained returns of blocks: decided at one close, traded at the next, without costs."""
    values, nav = prices.to_numpy(), [1.0, 1.0]
    rows = [row + 1 for row in decisions_of(prices)] + [len(prices) - 1]
    for begin, end, chosen in zip(rows, rows[1:], weights, strict=False):
        block = nav[-1] * ((values[begin + 1 : end + 1] / values[begin] - 1) @ chosen + 1)
        nav.extend(block.tolist())
    return np.array(nav)


def compared(folder: Path) -> list[dict[str, Any]]:
    """A row a size: seconds of both sides, ratios, and how far the answers are apart."""
    table = []
    for n in SIZES:
        mine, other, prices = (
            np.load(folder / f"ours-{n}.npz"),
            np.load(folder / f"peers-{n}.npz"),
            make_prices(n),
        )
        nav, expected = np.load(folder / f"nav-{n}.npy"), independent_nav(prices, mine["weights"])
        table.append(
            {
                "n": n, "ours": float(mine["backtest"]), "peer": float(other["backtest"]),
                "accounting": float(mine["accounting"]), "bt": float(other["accounting"]),
                "weights": float(np.abs(mine["weights"] - other["weights"]).max()),
                "nav": float(np.abs(nav / nav[0] / expected - 1).max()), "rebalances": len(mine["weights"]),
                "booked": _apart(np.load(folder / f"booked-{n}.npy"), np.load(folder / f"bt-{n}.npy")),
            }
        )  # fmt: skip
    return table


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """The largest relative difference of two NAVs, counted back from their common last day."""
    both = min(len(one), len(other)) - 1
    one, other = one[-both:] / one[-both], other[-both:] / other[-both]
    return float(np.abs(one / other - 1).max())


def told(table: list[dict[str, Any]]) -> str:
    """The table as Markdown."""
    head = (
        "| N | rebalances | ours, ms | PyPortfolioOpt (Clarabel), ms | times faster | aim | accounting, ms | bt, ms "
        "| times faster | aim | weights apart | NAV from an independent one | accounting from bt |"
    )
    lines = [
        f"| {row['n']} | {row['rebalances']} | {1e3 * row['ours']:.0f} | {1e3 * row['peer']:.0f} | "
        f"**{row['peer'] / row['ours']:.1f}** | {TARGETS[row['n']]} | {1e3 * row['accounting']:.1f} | "
        f"{1e3 * row['bt']:.0f} | **{row['bt'] / row['accounting']:.0f}** | 50 | {row['weights']:.1e} | "
        f"{row['nav']:.1e} | {row['booked']:.1e} |"
        for row in table
    ]
    return "\n".join([head, "|" + "---|" * 13, *lines])


def main() -> None:
    """Both sides, one after the other, and the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--write", action="store_true")
    options.add_argument("--side", choices=("ours", "peers"))
    options.add_argument("folder", nargs="?", type=Path)
    chosen = options.parse_args()
    if chosen.side:
        {"ours": ours, "peers": peers}[chosen.side](chosen.folder)
        return
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryDirectory() as folder:
        for side, python in (("ours", sys.executable), ("peers", str(PEERS))):
            command = [python, "-m", "benchmarks.solving.backtest", "--side", side, folder]
            subprocess.run(command, cwd=ROOT, env=environment, check=True)
        table = compared(Path(folder))
    print(told(table))
    if chosen.write:
        _write(table)


INTRODUCTION = f"""# Backtests beside the peers

Twenty years of daily prices, monthly rebalancing, minimum variance on a {LOOKBACK}-day Ledoit-Wolf covariance, cap
{CAP:.0%}, through the public call. Made by `python -m benchmarks.solving.backtest --write`: CPU seconds, one thread,
the least of several runs, all in one sitting. The accounting is a backtest whose decisions are given, with weights
that change in every name every month; bt is told the same. Differences are relative; weights differ by what Clarabel
stops at. Counted with the accounting are the NAV and every measure of it; tables of trades, weights and attribution are
made when they are read, and take 4 ms more at 20 names and 7 ms at 100.
At 100 names, of the milliseconds of a rebalance two fifths are the certified solve (two rounds of pivots from
yesterday's names), a third the window's returns and covariance, the rest bookkeeping a decision.
"""


def _write(table: list[dict[str, Any]]) -> None:
    from resources.store.code_version import libraries

    named = ", ".join(f"{name} {number}" for name, number in libraries().items())
    load = f"Load of the machine, other work with it: {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores."
    details = f"{load}\n\nVersions: {named}\n\n```json\n{json.dumps(table, indent=1)}\n```\n"
    (ROOT / "benchmarks" / "RESULTS-backtest.md").write_text(
        f"{INTRODUCTION}\n{told(table)}\n\n{details}", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
