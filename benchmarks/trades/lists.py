"""Whole-share trade lists of 500 names: time, distance from the proven bound, and what plain rounding gives.

OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.trades.lists            prints the table
OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.trades.lists --write    writes it to RESULTS-trades.md
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.solving.harness import ROOT, SIDES, THREADS
from benchmarks.trades.books import NAMES, Book, Case, book, listed
from optimizer import (
    CompiledPolicy,
    Estimates,
    Mandate,
    Policy,
    Universe,
    propose_account,
)
from optimizer.numerics.matrices import LowRank
from optimizer.numerics.tracking_risk import RIDGE
from optimizer.proposals.proposal import believe
from optimizer.trading.trades import AVERSION

RESULTS = Path(__file__).parents[1].joinpath("RESULTS-trades.md")
RUNS, SEEDS = 3, (0, 1, 2)


CASES = (
    Case("no costs: what whole shares alone cost", 1e6, 0, 0),
    Case("drifted book", 1e6),
    Case("drifted book, turnover 5%, least trade 500", 1e6, turnover=0.05, least=500),
    Case("drifted book, covariance of 252 days", 1e6, days=252),
    Case("first purchase out of cash", 1e6, invested=False),
    Case("fractional shares", 1e6, lot="0.0001"),
    Case("lots of 100 shares", 1e8, lot="100"),
    Case("drifted book", 1e7),
    Case("drifted book", 1e8),
)


def truncated(case: Case, given: Book) -> float:
    """The objective, a fraction of NAV, of every name's target cut down to whole lots, which is what most code does."""
    symbols = given.estimates.symbols
    prices = np.array([given.prices[s] for s in symbols])
    wanted = np.array([given.target[s] for s in symbols])
    positions = given.portfolio.positions
    held = np.array([float(positions[s].quantity) if s in positions else 0.0 for s in symbols])
    lot = float(case.lot)
    cost = (
        case.impact_bps * 1e-4 * np.abs(wanted - held * prices / case.nav).sum()
        + case.commission * NAMES / case.nav
    )
    shares = lot * np.floor(wanted * (1 - cost) * case.nav / prices / lot)
    traded = np.abs(shares - held) * prices
    costs = (
        float(case.commission * np.count_nonzero(traded) + case.impact_bps * 1e-4 * traded.sum()) / case.nav
    )
    miss = shares * prices / case.nav - wanted
    covariance = given.estimates.covariance
    covariance = covariance + RIDGE * covariance.diagonal().mean() * np.eye(len(symbols))
    return float(AVERSION * miss @ covariance @ miss) + costs


def measured(case: Case) -> str:
    """A line of the table: medians over runs, worst gap over seeds."""
    seconds, gaps, plain, last = [], [], [], None
    for seed in SEEDS:
        given = book(case, seed)
        for _ in range(RUNS):
            start = time.process_time()
            last = listed(case, given)
            seconds.append(time.process_time() - start)
        gaps.append(last.gap)
        plain.append(truncated(case, given) - last.bound)
    trades = sum(row.action != "HOLD" for row in last.rows)
    free = case.turnover is None and not case.least
    return (
        f"| {case.title} | {case.nav:,.0f} | {1e3 * np.median(seconds):.0f} | {trades} | {last.cost_bps:.2f} | "
        f"{1e4 * last.tracking_error:.1f} | {1e4 * last.bound:.3f} | {1e4 * max(gaps):.3f} | "
        f"{f'{1e4 * max(plain):.2f}' if free else '-'} |"
    )


HEAD = """# Whole-share trade lists

`OMP_NUM_THREADS=1 python -m benchmarks.trades.lists --write`; 500 names, CPU ms (median of 9 lists on three books), the
other columns in bps of NAV, of the last book; gaps are the worst of the three. Commission 5.00 and impact 15 bps a
trade where costs count. The objective is costs plus 100 x tracking variance; *bound* is what no permitted list can go
below, *gap* how far ours may be from it, *cut down* how far above it the target cut down to whole lots is.

| book | NAV | ms | trades | costs | tracking error | bound | gap | cut down |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
ACCOUNTS = """
Accounts a second on one core: weights, whole shares, commission 5.00, impact 15 bps, turnover 10%, certified, on shared
estimates and one compiled policy; values of 200,000 to 5,000,000; gaps in bps, median and worst.

| names | accounts a second | gap | worst |
| --- | --- | --- | --- |
"""
LARGE = """
Lists of large books, value 100,000,000, every name in the target, the covariance in factors of 252 days:

| names | book | seconds | trades | gap, bps |
| --- | --- | --- | --- | --- |
"""
DISCRETE = """
A purchase out of cash without costs, value 1,000,000, beside PyPortfolioOpt's DiscreteAllocation in the same run; it
knows neither holdings, costs, limits nor risk. *missed*: 100 x tracking variance of what is bought, in bps.

| names | way | ms | missed |
| --- | --- | --- | --- |
"""
TAIL = """
What is granularity: with NAV 1,000,000 a name's target is 2,000 and its share 5 to 500, so no list meets the target.
The first line has no costs and nothing else in it: its bound is what whole shares alone cost at best. With commissions
it is the commissions that decide: 5.00 a name is 25 bps for 500 names, and the best list leaves most names alone. Both
are in the bound, so the gap is what a better search could still win, or a better bound. It is about 1 bp at NAV
1,000,000 with commissions, and more for purchases out of cash and where the covariance is estimated from less data than
names: a commission counts as tightly as what its name bears alone, and of an estimated covariance that is a part of the
specific risk only. A search of 45 s around the answers (names left out by chance, then the descent) found 0.03 to 0.13
bp: what remains is the bound's.
"""


def least(run: Callable[[], object]) -> float:
    """The least CPU seconds of RUNS runs."""
    seconds = []
    for _ in range(RUNS):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def against_discrete() -> list[str]:
    """Purchases out of cash without costs, which is all that DiscreteAllocation knows, in the same run."""
    free = Case("purchase", 1e6, 0, 0, invested=False)
    with tempfile.TemporaryDirectory() as name:
        folder, books = Path(name), {n: book(free, 0, n) for n in (20, 100, 500)}
        for n, given in books.items():
            symbols = given.estimates.symbols
            prices, weights = ([it[s] for s in symbols] for it in (given.prices, given.target))
            np.savez(folder / f"purchase-{n}.npz", prices=prices, weights=weights, nav=free.nav)
        command = [str(SIDES["peers"]), "-m", "benchmarks.trades.discrete", name]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **dict.fromkeys(THREADS, "1")}, check=True)
        lines = []
        for n, given in books.items():
            own = least(partial(listed, free, given))
            lines.append(f"| {n} | ours | {1e3 * own:.1f} | {1e4 * listed(free, given).objective:.4f} |")
            with np.load(folder / f"discrete-{n}.npz") as found:
                for way in found.files:
                    *shares, seconds = found[way]
                    missed = penalty(given, np.array(shares), free.nav)
                    lines.append(f"| {n} | {way} | {1e3 * seconds:.1f} | {1e4 * missed:.4f} |")
    return lines


def penalty(given: Book, shares: np.ndarray, nav: float) -> float:
    """What our objective says of shares (n,) bought without costs."""
    symbols = given.estimates.symbols
    miss = shares * [given.prices[s] for s in symbols] / nav - [given.target[s] for s in symbols]
    return float(AVERSION * miss @ given.estimates.covariance @ miss)


def accounts(n: int, count: int) -> str:
    """A line: accounts a second on one core, whole shares, costs and a turnover limit, on shared estimates."""
    rng = np.random.default_rng(n)
    given = book(Case("", 1e6), 0, n)
    symbols = given.estimates.symbols
    universe = Universe(symbols, benchmark=given.target)
    policy = Policy(
        risk_free_rate=0.02,
        max_weight=max(0.05, 3 / n),
        max_turnover=0.1,
        cash_max=0.02,
        on_conflict="transition",
    )
    estimates = Estimates(symbols, rng.normal(0.06, 0.02, n), given.estimates.covariance)
    prices = {symbol: Decimal(str(price)) for symbol, price in given.prices.items()}
    beliefs, believed = believe(estimates, universe, policy, Mandate())
    compiled = CompiledPolicy(believed, policy, universe, Mandate())
    seconds, gaps = [], []
    for seed in range(count):
        nav = float(np.exp(rng.uniform(np.log(2e5), np.log(5e6))))
        portfolio = book(Case("", nav), 0, n, drift=seed).portfolio
        run = partial(propose_account, portfolio, prices, beliefs, compiled)
        seconds.append(least(run))
        gaps.append(1e4 * run().trades.gap)
    return f"| {n} | {count / sum(seconds):.0f} | {np.median(gaps):.3f} | {max(gaps):.2f} |"


def large(n: int, *, invested: bool) -> str:
    """A line: the list of a book of all names at their estimates in factors of 252 days."""
    rng = np.random.default_rng(n)
    loads = rng.normal(0, 0.04, (12, n)) + np.vstack([np.full(n, 0.18), np.zeros((11, n))])
    days = rng.normal(size=(252, 12)) @ loads / 252**0.5 + rng.normal(0, 0.25, (252, n)) / 252**0.5
    factors = LowRank(np.sqrt(0.9) * days, np.full(n, 0.1 * 252 * float((days**2).mean())))
    given = book(Case("", 1e8, invested=invested), 0, n, factors)
    case = Case("", 1e8, turnover=0.2 if invested else None)
    start = time.process_time()
    found = listed(case, given)
    seconds = time.process_time() - start
    trades = sum(row.action != "HOLD" for row in found.rows)
    what = "drifted, turnover 20%" if invested else "purchase out of cash"
    return f"| {n} | {what} | {seconds:.2f} | {trades} | {1e4 * found.gap:.3f} |"


def main() -> None:
    """Prints or writes the tables."""
    tables = []
    for head, lines in (
        (HEAD, (measured(case) for case in CASES)),
        (ACCOUNTS, (accounts(n, count) for n, count in ((20, 100), (60, 60), (200, 40)))),
        (LARGE, (large(n, invested=held) for held in (True, False) for n in (1000, 2500, 5000))),
        (DISCRETE, iter(against_discrete())),
    ):
        found = []
        for line in lines:
            found.append(line)
            print(line, flush=True)
        tables.append(head + "\n".join(found) + "\n")
    if "--write" in sys.argv:
        RESULTS.write_text(tables[0] + TAIL + "".join(tables[1:]))


if __name__ == "__main__":
    main()
