"""Where a backtest's return came from: by exposure, by group against a benchmark; the parts add up to the total."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from optimizer.backtests.report import BacktestResult
from optimizer.errors import DataError
from optimizer.measures.attribution import brinson, by_exposure, group_contributions, group_sums
from optimizer.measures.performance import total_return
from optimizer.model.exposures import FundExposureMap
from optimizer.typing import Array

CASH, COSTS = "CASH", "COSTS"


def attribution_by_exposure(result: BacktestResult, funds: FundExposureMap) -> dict[str, float]:
    """Exposure type, CASH or COSTS -> part of the total return; each fund's is shared out by |exposure|."""
    parts = result.attribution
    found = {kind.name: part for kind, part in by_exposure(parts.drop([CASH, COSTS]), funds).items()}
    found[CASH] = found.get(CASH, 0.0) + float(parts[CASH])
    return found | {COSTS: float(parts[COSTS])}


def attribution_by_group(
    result: BacktestResult,
    groups: Mapping[str, str],
    prices: pd.DataFrame,
    benchmark: Mapping[str, float] | pd.DataFrame,
) -> pd.DataFrame:
    """Allocation, selection and interaction by group, linked over time: they add up to the active return.

    groups     symbol -> group, of all that was held or is in the benchmark
    prices     dates x symbols, total-return prices of the benchmark's names
    benchmark  symbol -> weight, a fraction, kept by daily trades without cost, or those of each close, dates x symbols;
               the rest of 1 is in cash at no interest, and a name earns nothing before its first price
    Rows are the groups, CASH, and COSTS: what trading costs took off the return. Raises DataError for a name without a
    group, and for a strategy that was ruined: no link makes the parts of a total loss add up.
    """
    if result.ruined is not None:
        raise DataError(f"the strategy lost all on {result.ruined.date()}; its return has no parts by group")
    weights, returns = _daily(result)
    dates = pd.DatetimeIndex(weights.index)
    told = {**groups, CASH: CASH}
    own = group_sums(weights, returns, told)
    table = _each_close(benchmark, result.nav.index)
    growth = (
        prices[list(table.columns)]
        .ffill()
        .reindex(result.nav.index)
        .pct_change(fill_method=None)
        .fillna(0.0)
        .iloc[1:]
    )
    cash = 1 - table.sum(axis=1)
    fixed = table.assign(**{CASH: cash}).iloc[:-1].set_axis(dates)
    theirs = group_sums(fixed, growth.set_axis(dates).assign(**{CASH: 0.0}), told)
    names = sorted({*own[0].columns, *theirs[0].columns})
    earned = group_contributions(weights, returns, told)
    parts = (*own, *theirs, earned)
    found = brinson(*(frame.reindex(columns=names, fill_value=0.0) for frame in parts))
    before_costs = earned.sum(axis=1).to_numpy()
    net = float(result.nav.iloc[-1] / result.nav.iloc[0] - 1)
    found.loc[COSTS] = [net - total_return(before_costs), 0.0, 0.0]
    return found


def _each_close(benchmark: Mapping[str, float] | pd.DataFrame, dates: pd.Index) -> pd.DataFrame:
    """Weights at each close, dates x symbols."""
    if isinstance(benchmark, pd.DataFrame):
        return benchmark.reindex(dates)
    return pd.DataFrame(np.tile([*benchmark.values()], (len(dates), 1)), dates, [*benchmark])


def _daily(result: BacktestResult) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weights (T, n + 1) at the close before each day, cash last, and what each earned that day before costs."""
    account, first, end = result.account, len(result.dates) - len(result.nav), len(result.dates)
    marks = np.nan_to_num(account.market.marks[first:end])
    shares = _shares(result, first)
    flows, costs = np.zeros_like(marks), np.zeros(len(marks))
    for fill in account.fills:
        np.add.at(flows[fill.day - first], fill.names, fill.shares * fill.prices)
        costs[fill.day - first] += fill.costs.sum()
    values, cash = shares * marks, account.cash_path[first:end]
    profit = np.diff(values, axis=0) - flows[1:]
    interest = np.diff(cash) + flows[1:].sum(axis=1) + costs[1:]
    held = np.column_stack([values[:-1], cash[:-1]])
    earned = np.column_stack([profit, interest])
    columns, index = [*result.symbols, CASH], result.nav.index[1:]
    rate = np.divide(earned, held, out=np.zeros_like(earned), where=held != 0)
    weights = held / account.nav[first : end - 1, None]
    return pd.DataFrame(weights, index, columns), pd.DataFrame(rate, index, columns)


def _shares(result: BacktestResult, first: int) -> Array:
    """(T, n) shares after the trades of each close."""
    steps = dict(result.account.holdings)
    days = np.array(sorted(steps))
    place = np.searchsorted(days, np.arange(first, len(result.dates)), side="right") - 1
    return np.asarray(np.stack([steps[day] for day in days.tolist()])[place])
