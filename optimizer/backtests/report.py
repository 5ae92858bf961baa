"""What a backtest reports: series by date, trades, and every measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from optimizer.backtests.market import Rows
from optimizer.backtests.simulation import Account, Fills
from optimizer.errors import DataError
from optimizer.measures.flows import money_weighted_return
from optimizer.measures.return_series import Metrics, benchmark_returns, dated, performance_metrics
from optimizer.measures.sharpe_ratios import NORMAL, deflated_sharpe
from optimizer.model.sessions import as_dates, periods_per_year
from optimizer.typing import Array

KNOWLEDGE = {
    "final": "prices as they stand today, cut by date: later corrections are already in them",
    "vintage": "each decision saw the prices known at its close; what they earned is told by today's",
}


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """What a strategy did; money in the base currency, returns and weights as fractions. Tables are made when read.

    account, dates, symbols  what was held and traded, in arrays; the dates end where the strategy does
    nav, returns  by date from the close of the first trade on; the first NAV is the money before that trade
    skipped    date -> why a decision could not be made or carried out: the holdings were kept
    ruined     the date on which all was lost, the last of the NAV, which is 0 there; None: never
    knowledge  in words, what its decisions saw

    >>> result = OptimizationBacktest(prices).backtest_strategy(lambda history, day: {'GOLD': 1.0})
    >>> result.ruined is None
    True
    """

    account: Account
    dates: pd.DatetimeIndex
    symbols: Sequence[str]
    nav: pd.Series
    returns: pd.Series
    metrics: Metrics
    skipped: Mapping[pd.Timestamp, str]
    knowledge: str

    @property
    def ruined(self) -> pd.Timestamp | None:
        """The last date of a strategy that lost all."""
        return self.dates[-1] if self.account.ruined else None

    @cached_property
    def cash(self) -> pd.Series:
        """After the trades of each close; nav = shares x price + cash at all but the first, which is before them."""
        first = len(self.dates) - len(self.nav)
        return pd.Series(self.account.cash_path[first : len(self.dates)], self.nav.index, name="cash")

    @cached_property
    def shares(self) -> pd.DataFrame:
        """Held after each trade, dates x symbols."""
        held = dict(self.account.holdings)
        return pd.DataFrame(np.stack(list(held.values())), self.dates[list(held)], list(self.symbols))

    @cached_property
    def weights(self) -> pd.DataFrame:
        """Fractions of the NAV after each trade, dates x symbols."""
        days = list(dict(self.account.holdings))
        shares = self.shares.to_numpy()
        values = np.where(shares != 0, shares * np.nan_to_num(self.account.market.marks[days]), 0.0)
        nav = np.where(self.account.nav[days] > 0, self.account.nav[days], np.inf)
        return pd.DataFrame(values / nav[:, None], self.shares.index, self.shares.columns)

    @cached_property
    def trades(self) -> pd.DataFrame:
        """Date, symbol, quantity, price, value (signed as it is), cost, reason (see `Fills`)."""
        fills = self.account.fills
        counts = [len(fill.names) for fill in fills]
        days = np.repeat([fill.day for fill in fills], counts).astype(int)
        quantity, price = _joined([f.shares for f in fills]), _joined([f.prices for f in fills])
        return pd.DataFrame(
            {
                "date": self.dates[days],
                "symbol": np.asarray(self.symbols, dtype=object)[_columns(self.account)],
                "quantity": quantity,
                "price": price,
                "value": quantity * price,
                "cost": _joined([f.costs for f in fills]),
                "reason": np.repeat(np.array([f.reason for f in fills], dtype=object), counts),
            }
        )

    @cached_property
    def costs(self) -> pd.Series:
        """By date of trade."""
        days, spent = _by_day(self.account.fills, _joined([fill.costs for fill in self.account.fills]))
        return pd.Series(spent, self.dates[days].rename("date"), name="cost")

    def money_weighted_return(self, flows: pd.Series | None = None) -> float:
        """Annual internal rate of return of a client who pays in (or out, negative) at closes of the backtest.

        flows  by date, base currency; None: nothing after the first NAV. Each earns what the strategy returns after it.
        Raises DataError for a date that is none of the backtest's, and for an amount that is no number.
        """
        nav, dates = self.nav.to_numpy(dtype=np.float64), as_dates("the backtest", self.nav.index)
        paid = np.zeros(len(nav))
        if flows is not None and len(flows):
            told = dated("flows", flows)
            if len(strangers := pd.DatetimeIndex(told.index).difference(dates)):
                raise DataError(f"{strangers[0]:%Y-%m-%d} is no date of the backtest; take one of its index")
            np.add.at(paid, dates.get_indexer(told.index), told.to_numpy())
        values = nav * (1 + np.cumsum(paid / nav))
        days = (self.nav.index - self.nav.index[0]).to_numpy() / np.timedelta64(1, "D")
        return money_weighted_return(values, paid, days.astype(np.float64) / 365.25)

    @cached_property
    def attribution(self) -> pd.Series:
        """Contribution to the total return of each name, CASH (interest less financing and borrow fees) and COSTS.

        A name's profit is its end value less what its trades paid in; all per start NAV.
        """
        account, trades = self.account, self.trades
        paid = np.bincount(_columns(account), trades["value"].to_numpy(), len(self.symbols))
        profit = pd.Series(account.values() - paid, list(self.symbols))
        cost = -float(trades["cost"].sum())
        interest = account.cash - account.opening + float(paid.sum()) - cost
        found = pd.concat([profit, pd.Series({"CASH": interest, "COSTS": cost})])
        return pd.Series(found / self.nav.iloc[0], name="contribution")


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
    """The result of an account that was run to its end; `rates` (T,) annual, known at each close."""
    first, end, periods = account.holdings[0][0], account.day + 1, periods_per_year(dates)
    nav = pd.Series(account.nav[first:end].copy(), dates[first:end], name="nav")
    nav.iloc[0] = account.opening
    values = nav.to_numpy()
    returns = pd.Series(values[1:] / values[:-1] - 1, dates[first + 1 : end], name="return")
    known = rates[first : end - 1]
    other = None if benchmark is None else benchmark_returns(benchmark, nav.index)
    metrics = _performance(returns, other, known, trials, account.ruined, periods)
    return BacktestResult(
        account,
        dates[:end],
        symbols,
        nav,
        returns,
        metrics | _trading(account, first, periods) | {"skipped_count": float(len(skipped))},
        skipped,
        KNOWLEDGE[knowledge],
    )


def _performance(
    returns: pd.Series, benchmark: pd.Series | None, rates: Array, trials: int, ruined: bool, periods: float
) -> Metrics:
    """Every measure; of a strategy that was ruined within a day of its first trade, those that one return has."""
    if ruined and len(returns) == 1:
        return dict.fromkeys(("total_return", "annual_return", "max_drawdown", "best_day", "worst_day"), -1.0)
    return performance_metrics(returns, benchmark, risk_free_rate=rates, trials=trials, periods=periods)


def deflated(results: Mapping[str, BacktestResult], tried: Sequence[str]) -> dict[str, BacktestResult]:
    """The results with their deflated Sharpe ratios among those `tried`, by the spread of these ratios.

    Trials whose returns are the same count once; where fewer than two differ, the results stay as they are.
    """
    distinct = {
        results[name].returns.to_numpy().tobytes(): results[name].metrics.get("sharpe", np.nan)
        for name in tried
    }
    ratios = [ratio for ratio in distinct.values() if np.isfinite(ratio)]
    if len(ratios) < 2:
        return dict(results)
    spread = float(np.var(ratios, ddof=1))

    def among(metrics: Metrics) -> Metrics:
        error = (metrics["sharpe_high"] - metrics["sharpe_low"]) / 2 / NORMAL.inv_cdf(0.975)
        return metrics | {"deflated_sharpe": deflated_sharpe(metrics["sharpe"], error, len(ratios), spread)}

    return {
        name: replace(result, metrics=among(result.metrics))
        if result.metrics.get("sharpe_high", 0)
        else result
        for name, result in results.items()
    }


def _columns(account: Account) -> Rows:
    """(m,) the column of each trade's name."""
    return _joined([fill.names.astype(np.float64) for fill in account.fills]).astype(np.intp)


def _joined(arrays: list[Array]) -> Array:
    return np.concatenate(arrays) if arrays else np.zeros(0)


def _by_day(fills: Sequence[Fills], amounts: Array) -> tuple[Rows, Array]:
    """The days with fills, ascending, and what (m,) amounts, one a trade, add up to on each."""
    days, place = np.unique([fill.day for fill in fills], return_inverse=True)
    each = np.repeat(place, [len(fill.names) for fill in fills])
    return days.astype(np.intp), np.asarray(np.bincount(each, amounts, len(days)), dtype=np.float64)


def _trading(account: Account, first: int, periods: float) -> Metrics:
    """Turnover one-way per year without the close of the first trades, cost drag per year, cash and counts."""
    nav, fills = account.nav, [fill for fill in account.fills if fill.reason not in ("ruined", "exchanged")]
    worth = np.where(nav > 0, nav, np.inf)  # what follows ruin is a fraction of nothing
    lived, years = slice(first, account.day + 1), max(account.day - first, 1) / periods
    costs = _joined([fill.costs for fill in fills])
    values = _joined([fill.shares for fill in fills]) * _joined([fill.prices for fill in fills])
    days, traded = _by_day(fills, np.abs(values))
    _, spent = _by_day(fills, costs)
    return {
        "turnover": float((traded / worth[days])[1:].sum()) / 2 / years,
        "cost_drag": float((spent / worth[days]).sum()) / years,
        "total_cost": float(costs.sum()),
        "trade_count": float(len(costs)),
        "rebalance_count": float(len({f.day for f in fills if f.reason == "rebalance" and len(f.names)})),
        "stopped_count": float(sum(len(fill.names) for fill in fills if fill.reason == "stopped")),
        "average_cash": float(np.mean(account.cash_path[lived] / worth[lived])),
        "final_value": float(nav[account.day]),
        **({"borrow_fees": account.borrowed} if account.fees.any() else {}),
    }
