"""What a backtest reports: series by date, trades, and every measure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.analytics import Metrics, performance_metrics
from optimizer.errors import DataError
from optimizer.returns import TRADING_DAYS
from optimizer.simulation import Account, Fills, Rows
from optimizer.typing import Array

KNOWLEDGE = {
    "final": "prices as they stand today, cut by date: later corrections are already in them",
    "vintage": "each decision saw the prices known at its close; what they earned is told by today's",
}


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """What a strategy did; money in the base currency, returns and weights as fractions.

    nav, cash, returns  by date; the first NAV is the money before the first trade
    weights   after each trade, dates x symbols;  shares likewise: nav = shares x price + cash at every close
    trades    date, symbol, quantity (signed), price, value (signed), cost, reason ("rebalance", "stopped")
    costs     by date of trade
    skipped   date -> why a decision led to no trade
    attribution  contribution to the total return of each name, of CASH (interest less financing) and of COSTS
    knowledge    in words, what its decisions saw
    """

    nav: pd.Series
    returns: pd.Series
    weights: pd.DataFrame
    trades: pd.DataFrame
    costs: pd.Series
    metrics: Metrics
    cash: pd.Series
    shares: pd.DataFrame
    skipped: Mapping[pd.Timestamp, str]
    attribution: pd.Series
    knowledge: str


def report(
    account: Account,
    dates: pd.DatetimeIndex,
    symbols: Sequence[str],
    rates: Array,
    trials: int,
    skipped: Mapping[pd.Timestamp, str],
    benchmark: pd.Series | None,
    knowledge: str,
) -> BacktestResult:
    """The result of an account that was run to the last date; `rates` (T,) annual, known at each close."""
    first = account.holdings[0][0]
    nav = pd.Series(account.nav[first:], dates[first:], name="nav")
    returns = pd.Series(
        account.nav[first + 1 :] / account.nav[first:-1] - 1, dates[first + 1 :], name="return"
    )
    held = dict(account.holdings)
    days = list(held)
    shares = np.stack([held[day] for day in days])
    values = np.where(shares != 0, shares * np.nan_to_num(account.market.marks[days]), 0.0)
    trades = _trades(account, dates, symbols)
    traded, spent = _by_day(account, lambda fill: float(fill.costs.sum()))
    rate = float(rates[first:].mean())
    metrics = performance_metrics(returns, _aligned(benchmark, nav), risk_free_rate=rate, trials=trials)
    return BacktestResult(
        nav=nav,
        returns=returns,
        weights=pd.DataFrame(values / account.nav[days][:, None], dates[days], list(symbols)),
        trades=trades,
        costs=pd.Series(spent, dates[traded].rename("date"), name="cost"),
        metrics=metrics | _trading(account, first),
        cash=pd.Series(account.cash_path[first:], dates[first:], name="cash"),
        shares=pd.DataFrame(shares, dates[days], list(symbols)),
        skipped=skipped,
        attribution=_attribution(account, trades, nav, symbols),
        knowledge=KNOWLEDGE[knowledge],
    )


def _aligned(benchmark: pd.Series | None, nav: pd.Series) -> pd.Series | None:
    """Returns of the benchmark's prices on the dates of the NAV."""
    if benchmark is None:
        return None
    prices = benchmark.reindex(nav.index)
    if prices.isna().any():
        raise DataError(f"the benchmark has no price on {prices.index[prices.isna()][0]}; fill or shorten it")
    return prices.pct_change(fill_method=None).iloc[1:]


def _trades(account: Account, dates: pd.DatetimeIndex, symbols: Sequence[str]) -> pd.DataFrame:
    fills = account.fills
    counts = [len(fill.names) for fill in fills]
    days = np.repeat([fill.day for fill in fills], counts).astype(int)
    quantity, price = _joined([f.shares for f in fills]), _joined([f.prices for f in fills])
    return pd.DataFrame(
        {
            "date": dates[days],
            "symbol": np.asarray(symbols, dtype=object)[_columns(account)],
            "quantity": quantity,
            "price": price,
            "value": quantity * price,
            "cost": _joined([f.costs for f in fills]),
            "reason": np.repeat(np.array([f.reason for f in fills], dtype=object), counts),
        }
    )


def _columns(account: Account) -> Rows:
    """(m,) the column of each trade's name."""
    return _joined([fill.names.astype(np.float64) for fill in account.fills]).astype(np.intp)


def _attribution(account: Account, trades: pd.DataFrame, nav: pd.Series, symbols: Sequence[str]) -> pd.Series:
    """Profit of each name (its end value less what its trades paid in), of interest and costs, per start NAV."""
    paid = np.bincount(_columns(account), trades["value"].to_numpy(), len(symbols))
    profit = pd.Series(account.values() - paid, list(symbols))
    cost = -float(trades["cost"].sum())
    interest = account.cash - float(account.cash_path[account.holdings[0][0]]) + float(paid.sum()) - cost
    found = pd.concat([profit, pd.Series({"CASH": interest, "COSTS": cost})])
    return pd.Series(found / nav.iloc[0], name="contribution")


def _joined(arrays: list[Array]) -> Array:
    return np.concatenate(arrays) if arrays else np.zeros(0)


def _by_day(account: Account, amount: Callable[[Fills], float]) -> tuple[Rows, Array]:
    """The days with trades, ascending, and what the fills of each add up to."""
    days, place = np.unique([fill.day for fill in account.fills], return_inverse=True)
    totals = np.zeros(len(days))
    np.add.at(totals, place, [amount(fill) for fill in account.fills])
    return days.astype(np.intp), totals


def _trading(account: Account, first: int) -> Metrics:
    """Turnover one-way per year without the first purchase, cost drag per year, cash and counts."""
    nav, fills = account.nav, account.fills
    years = max(len(nav) - 1 - first, 1) / TRADING_DAYS
    days, traded = _by_day(account, lambda fill: float(np.abs(fill.shares * fill.prices).sum()))
    _, costs = _by_day(account, lambda fill: float(fill.costs.sum()))
    return {
        "turnover": float((traded / nav[days])[1:].sum()) / 2 / years,
        "cost_drag": float((costs / nav[days]).sum()) / years,
        "total_cost": float(costs.sum()),
        "trade_count": float(sum(len(fill.names) for fill in fills)),
        "rebalance_count": float(len({f.day for f in fills if f.reason == "rebalance" and len(f.names)})),
        "stopped_count": float(sum(len(fill.names) for fill in fills if fill.reason == "stopped")),
        "average_cash": float(np.mean(account.cash_path[first:] / nav[first:])),
        "final_value": float(nav[-1]),
    }
