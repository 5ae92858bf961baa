"""What each day of a backtest came from, by factor: parts that add up to the day's return."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.backtests.attribution import CASH, COSTS, shares_each_close
from optimizer.backtests.report import BacktestResult
from optimizer.factors.attribution import SPECIFIC, FactorDays, parts_of
from optimizer.typing import Array

TRADING = "TRADING"
BESIDE = (CASH, TRADING, COSTS)  # what is no return of names that were held


@dataclass(frozen=True, eq=False)
class DailyBook:
    """What T days of a backtest are made of, each as a fraction of the NAV before it.

    dates    (T,) those with a return;  weights  (T, n) after the trades of the close before
    held     (T,) what these weights earned;  cash  interest less financing;  costs  of the trades, negative
    trading  what trades at other prices than the close added: names that were paid out or exchanged
    """

    dates: pd.Index
    weights: Array
    held: Array
    cash: Array
    trading: Array
    costs: Array


def daily_book(result: BacktestResult) -> DailyBook:
    """The days of a backtest; the costs of its first trades are those of its first day."""
    account, first, end = result.account, len(result.dates) - len(result.nav), len(result.dates)
    marks, nav = np.nan_to_num(account.market.marks[first:end]), result.nav.to_numpy(dtype=np.float64)
    shares = shares_each_close(result, first)
    bought, costs = np.zeros(len(marks)), np.zeros(len(marks))
    for fill in account.fills:
        bought[fill.day - first] += float(fill.shares @ fill.prices)
        costs[fill.day - first] += float(fill.costs.sum())
    held = (shares[:-1] * np.diff(marks, axis=0)).sum(axis=1)
    interest = np.diff(account.cash_path[first:end]) + bought[1:] + costs[1:]
    paid = costs[1:].copy()
    paid[:1] += costs[0]
    per = nav[:-1]
    trading = np.diff(nav) - held - interest + paid
    return DailyBook(
        result.nav.index[1:], shares[:-1] * marks[:-1] / per[:, None], held / per, interest / per, trading / per,
        -paid / per,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class DailyParts:
    """What P parts added to T days of a backtest and of its benchmark.

    parts, groups  their names and kinds: the K factors, SPECIFIC, CASH, TRADING, COSTS
    exposures, benchmark_exposures  (T, K) at the close before
    own, benchmark         (T, P) of the day's return, which they add up to
    errors, active_errors  (T, P) standard errors of `own` and of the difference; 0 where it is no estimate
    """

    dates: pd.Index
    parts: tuple[str, ...]
    groups: tuple[str, ...]
    exposures: Array
    benchmark_exposures: Array
    own: Array
    benchmark: Array
    errors: Array
    active_errors: Array


def daily_parts(book: DailyBook, days: FactorDays, benchmark: Array) -> DailyParts:
    """The parts of each day.

    days       what factors did to the book's weights and, second, to the benchmark's
    benchmark  (T,) returns of the benchmark, all of them of names that it held
    """
    nothing = np.zeros((len(book.dates), len(BESIDE)))
    beside = np.column_stack([book.cash, book.trading, book.costs])
    own, other = days.exposures
    return DailyParts(
        book.dates,
        (*days.factors, SPECIFIC, *BESIDE),
        (*days.groups, *(name.lower() for name in (SPECIFIC, *BESIDE))),
        own,
        other,
        np.column_stack([parts_of(days, 0, book.held), beside]),
        np.column_stack([parts_of(days, 1, benchmark), nothing]),
        np.column_stack([days.standard_errors(own), nothing]),
        np.column_stack([days.standard_errors(own - other), nothing]),
    )
