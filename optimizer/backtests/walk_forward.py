"""Walk-forward backtests: decide at one close on what was known then, trade at the next, pay for everything."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import product
from typing import Any, Protocol

import numpy as np
import pandas as pd

from optimizer.arguments import typed
from optimizer.backtests.decisions import Decisions, Method, Plan, checked_weights, decide
from optimizer.backtests.execution import Pricing
from optimizer.backtests.market import Payout, Payouts, make_market
from optimizer.backtests.panel import BacktestSettings, History, decision_days, growth
from optimizer.backtests.point_in_time import Vintages
from optimizer.backtests.report import KNOWLEDGE, BacktestResult, deflated, report
from optimizer.backtests.simulation import Account
from optimizer.errors import (
    DataError,
    InfeasibleError,
    PackfolioError,
    PolicyError,
    SolverError,
    check_one_of,
)
from optimizer.measures.return_series import annual_rates
from optimizer.model.costs import CostModel
from optimizer.model.exposures import FundExposureMap
from optimizer.model.returns import check_table, dated_numbers
from optimizer.model.sessions import as_dates, as_day, periods_per_year
from optimizer.numerics.counted import floats
from optimizer.problem.setting import named
from optimizer.typing import Array

UNDECIDED = (InfeasibleError, SolverError, DataError)

__all__ = [
    "BacktestResult",
    "BacktestSettings",
    "OptimizationBacktest",
    "decision_days",
    "equal_weight",
    "sweep",
]


@typed
class OptimizationBacktest:
    """Backtests on a panel of total-return prices.

    market_data  (T, n) total-return prices in the base currency, dates x symbols, NaN where there is none
    fund_map     kept for strategies that look through funds
    vintages     when each price of these symbols became known, for knowledge="vintage"

    >>> OptimizationBacktest(prices).backtest_strategy(lambda history, day: {'GOLD': 1.0}).trades['reason'].tolist()[0]
    'rebalance'
    """

    def __init__(
        self,
        market_data: pd.DataFrame,
        *,
        fund_map: FundExposureMap | None = None,
        vintages: Vintages | None = None,
    ) -> None:
        if not isinstance(market_data, pd.DataFrame):
            raise DataError(
                f"market_data is a {type(market_data).__name__}; give a DataFrame, dates x symbols"
            )
        table = dated_numbers(market_data)
        index = pd.DatetimeIndex(table.index)
        if not index.is_monotonic_increasing or not index.is_unique or not table.columns.is_unique:
            raise DataError("market_data needs ascending dates and unique symbols; sort it, drop duplicates")
        # dates, and not moments, are what is compared
        self.market_data = table if index.tz is None else table.tz_localize(None)
        self.fund_map = fund_map
        self.vintages = vintages

    def backtest_strategy(
        self,
        optimization_method: Method,
        rebalance_frequency: str = "monthly",
        *,
        start_date: date | None = None,
        end_date: date | None = None,
        knowledge: str = "final",
        costs: CostModel | None = None,
        settings: BacktestSettings | None = None,
        benchmark: pd.Series | None = None,
        decisions: Decisions | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> BacktestResult:
        """Runs one strategy from the first close >= start_date to the last <= end_date.

        optimization_method  (history, as_of) -> weights or a result with weights; `history` (t, k) ends at as_of
                             and has the names with a price that day and history enough; with a third
                             parameter `held` it is also told symbol -> drifted weight at that close
        rebalance_frequency  daily, weekly, monthly, quarterly, yearly: decided at the period's last close
        knowledge            "final": decisions see today's prices cut by date; "vintage": what was known at each close
        costs                shorthand for settings.costs
        benchmark            total-return prices by date
        decisions            filled as the run goes; given again, an interrupted run resumes from it
        progress             called with (decisions done, of)
        The first decision is at the first close; every trade is at the close after its decision, and all measures count
        from the first one. A decision that cannot be made or paid for keeps what is held, see `skipped`; a strategy
        that loses all ends there, see `ruined`.
        Raises DataError for too little history or a start before anything was known, PolicyError for weights that
        need cash below cash_min, and what the first decision raised where none could be made.
        """
        zone = pd.DatetimeIndex(self.market_data.index).tz
        start = None if start_date is None else as_day("start_date", start_date, zone)
        chosen, since = self._seen(knowledge, settings or BacktestSettings(), start)
        chosen = chosen if costs is None else replace(chosen, costs=costs)
        end = None if end_date is None else as_day("end_date", end_date, zone)
        data = self.market_data
        if end is not None:  # the day itself too, where rows are stamped with the hour of the close
            data = data.loc[pd.DatetimeIndex(data.index).normalize() <= end]
        history = History(data, chosen)
        first = history.first_decision(start, since)
        rates = annual_rates(history.dates, chosen.risk_free_rate)
        yearly = periods_per_year(history.dates)
        earned, paid = growth(rates, yearly), growth(rates + chosen.financing_spread, yearly)
        market = make_market(history.prices, earned, paid, chosen.gap_days, _payouts(chosen, history))
        gone, fees = (
            by_symbol(name, getattr(chosen, name), history.symbols)
            for name in ("delisting_return", "borrow_fees")
        )
        account = Account(market, chosen.initial_value, first, gone, fees / yearly)
        plan = Plan(optimization_method, decision_days(history.dates, rebalance_frequency, first), progress)
        skipped = _walk(account, history, plan, chosen, {} if decisions is None else decisions)
        account.advance(len(history.dates) - 1)
        return report(
            account, history.dates, history.symbols, rates, chosen.trials, skipped, benchmark, knowledge
        )

    def _seen(
        self, knowledge: str, settings: BacktestSettings, start: pd.Timestamp | None
    ) -> tuple[BacktestSettings, pd.Timestamp | None]:
        """The settings with what decisions see, and the first day on which anything was known."""
        check_one_of("knowledge", knowledge, KNOWLEDGE)
        if knowledge == "final":
            if settings.known is not None:
                raise PolicyError("settings.known tells what was known when; say knowledge='vintage' with it")
            return settings, None
        if settings.known is not None:
            return settings, None
        if self.vintages is None:
            raise DataError(
                "knowledge='vintage' needs to be told when each price became known; give vintages"
            )
        if start is not None:
            self.vintages.known_on(start)
        return replace(settings, known=self.vintages.known_on), self.vintages.first

    def compare(
        self,
        methods: Mapping[str, Method],
        rebalance_frequency: str = "monthly",
        *,
        decisions: Mapping[str, Decisions] | None = None,
        executor: "Executor | None" = None,
        **options: Any,
    ) -> "dict[str, BacktestResult]":
        """The same run for several strategies and equal weights ("equal_weight"), by name.

        decisions  name -> its own, as in `backtest_strategy`
        executor   runs the strategies, on all cores where it is a ProcessPoolExecutor; what each decides stays with it
        Each deflated Sharpe ratio counts the strategies compared that differ as trials, by the spread of their ratios.
        """
        kept = decisions or {}
        named = {**methods, "equal_weight": equal_weight}
        if executor is not None and (kept or options.get("progress") is not None):
            raise PolicyError(
                "an executor keeps no decisions and tells no progress; leave out one or the other"
            )
        runs = [
            partial(self.backtest_strategy, method, rebalance_frequency, decisions=kept.get(name), **options)
            for name, method in named.items()
        ]
        done = map(_result_of, runs) if executor is None else executor.map(_result_of, runs)
        return deflated(dict(zip(named, done, strict=True)), list(methods))


class Executor(Protocol):
    """What runs several strategies: any of `concurrent.futures`."""

    def map(
        self, function: Callable[[Any], BacktestResult], runs: Iterable[Any], /
    ) -> Iterator[BacktestResult]:
        """The function's results, in the order of the runs."""


def _result_of(run: Callable[[], BacktestResult]) -> BacktestResult:
    return run()


def equal_weight(history: pd.DataFrame, as_of: pd.Timestamp) -> dict[str, float]:
    """1/n in every name that can be bought."""
    return dict.fromkeys(history.columns, 1 / len(history.columns))


@typed
def sweep(make: Callable[..., Method], grid: Mapping[str, Sequence[Any]]) -> dict[str, Method]:
    """A strategy for every combination of the grid's values, named "key=value, ...", for `compare`.

    Raises PolicyError for a grid without values, and for values that read alike.

    >>> sorted(sweep(lambda share: lambda history, day: {'GOLD': share}, {'share': [0.5, 1.0]}))
    ['share=0.5', 'share=1.0']
    """
    if not grid or any(isinstance(values, str) or not len(values) for values in grid.values()):
        raise PolicyError(f"grid is {grid}; give one name or more, and a list of values for each")
    sets = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    found = {", ".join(f"{key}={value}" for key, value in one.items()): make(**one) for one in sets}
    if len(found) < len(sets):
        raise PolicyError(f"two values of the grid read alike, of {list(found)}; give each value once")
    return found


def by_symbol(what: str, given: float | Mapping[str, float], symbols: Sequence[str]) -> Array:
    """(n,) one number for all, or those of a mapping, 0 where not named; PolicyError where it names another."""
    if isinstance(given, Mapping | pd.Series):
        named(given.keys(), tuple(symbols), what)
        return np.array([given.get(symbol, 0.0) for symbol in symbols])
    return np.full(len(symbols), given)


def _payouts(settings: BacktestSettings, history: History) -> Payouts:
    """By the row of the first close on or after the day, of its heir where it has one, and the column.

    Raises PolicyError for a name or an heir without a column.
    """
    found = {}
    named({symbol for symbol, _ in (*settings.payouts, *settings.heirs)}, tuple(history.symbols), "payouts")
    for symbol, day in sorted({*settings.payouts, *settings.heirs}):
        row = int(history.dates.searchsorted(pd.Timestamp(day)))
        heir, units = settings.heirs.get((symbol, day), (None, 0.0))
        if heir is not None and heir not in history.place:
            raise PolicyError(f"{symbol} became {heir} on {day}, which is not in market_data; add its prices")
        place = None if heir is None else history.place[heir]
        while place is not None and row < len(history.dates) and np.isnan(history.prices[row, place]):
            row += 1
        if row < len(history.dates):
            cash = settings.payouts.get((symbol, day), 0.0)
            found[row, history.place[symbol]] = Payout(cash, place, units)
    return found


def _walk(
    account: Account, history: History, plan: Plan, settings: BacktestSettings, decisions: Decisions
) -> dict[pd.Timestamp, str]:
    """Decides and trades through time; returns why decisions were skipped."""
    failed: dict[pd.Timestamp, PackfolioError] = {}
    pricing = _pricing(settings, history)
    for done, (day, as_of) in enumerate(zip(plan.days, history.dates[list(plan.days)].tolist(), strict=True)):
        if account.fills and (plan.told_held or settings.band is not None):
            account.advance(day)
        if account.ruined:
            break
        try:
            if as_of not in decisions:
                decisions[as_of] = decide(plan, history, day, account)
            wanted = checked_weights(decisions[as_of], history, as_of, settings.cash_min)
            _carry_out(account, wanted, day, pricing, settings)
        except UNDECIDED as reason:
            failed[as_of] = reason
        if plan.progress is not None:
            plan.progress(done + 1, len(plan.days))
    if failed and not account.fills:
        raise next(iter(failed.values()))
    return {as_of: str(reason) for as_of, reason in failed.items()}


def _carry_out(
    account: Account, wanted: Array, day: int, pricing: Pricing, settings: BacktestSettings
) -> None:
    """Trades to (n,) weights at the close after their decision; raises what `Pricing.trades` raises."""
    if not account.fills:
        account.fund(day + 1)
    elif settings.band is not None and _away(account, wanted) <= settings.band:
        return
    account.advance(day + 1)
    if not account.ruined:
        account.rebalance(wanted, pricing, settings.cash_min)


def _pricing(settings: BacktestSettings, history: History) -> Pricing:
    return Pricing(
        settings.costs,
        history.symbols,
        _roots(settings, history),
        None if settings.closes is None else _share_prices(settings.closes, history),
        settings.lot_size,
        settings.min_trade,
    )


def _share_prices(closes: pd.DataFrame, history: History) -> Array:
    """(T, n) by date and symbol, NaN where none is known; DataError for what is no table of prices by date."""
    check_table(closes)
    prices = pd.DataFrame(floats("closes", closes), as_dates("closes", closes.index), closes.columns)
    found = prices.reindex(index=history.dates, columns=list(history.symbols)).to_numpy()
    if (found <= 0).any() or np.isinf(found).any():
        raise DataError("closes has a price that is not a positive number; correct or drop it")
    return np.asarray(found)


def _roots(settings: BacktestSettings, history: History) -> Array | None:
    """(T, n) coefficients of the square-root impact at each close, where they change with the days."""
    if settings.liquidity is None:
        return None
    return settings.costs.root_impact * settings.liquidity.roots(history.dates, history.symbols)


def _away(account: Account, wanted: Array) -> float:
    return float(np.abs(wanted - account.weights()).max(initial=0.0))
