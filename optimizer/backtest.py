"""Walk-forward backtests: decide at one close on what was known then, trade at the next, pay for everything."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import product
from typing import Any, Protocol

import numpy as np
import pandas as pd

from optimizer.backtest_report import BacktestResult, report
from optimizer.costs import CostModel
from optimizer.errors import DataError, InfeasibleError, PolicyError
from optimizer.exposures import FundExposureMap
from optimizer.returns import TRADING_DAYS
from optimizer.simulation import Account, Flags, Pricing, make_market
from optimizer.typing import Array

PERIOD_CODES = {"daily": "D", "weekly": "W-FRI", "monthly": "M", "quarterly": "Q", "yearly": "Y"}
CASH_TOLERANCE = 1e-9


class Answer(Protocol):
    """What an OptimizationResult offers to a backtest."""

    weights: Mapping[str, float]
    success: bool
    message: str


Method = Callable[[pd.DataFrame, pd.Timestamp], Answer | Mapping[str, float]]
Decisions = MutableMapping[pd.Timestamp, Mapping[str, float]]


@dataclass(frozen=True)
class BacktestSettings:
    """Everything but the strategy and the prices; rates and weights are fractions, rates per year.

    initial_value     base currency
    costs             the model of every trade
    risk_free_rate    earned by cash, subtracted in ratios; a number or a series by date (the last known holds)
    financing_spread  what debt pays above it
    cash_min          least cash of a decision, fraction of NAV; below 0 allows borrowing
    band              trade only when a weight is further than this from its target; None: always
    history_days      closes handed to the strategy; None: all that were known
    min_history       a name with fewer prices is not offered to the strategy
    gap_days          closes in a row without a price after which a name is given up
    delisting_return  of a name given up, on its last price; one for all or by symbol
    known             date -> prices as known at that close, for vintage data; None: final data cut by date
    trials            strategies tried before this one, for the deflated Sharpe ratio
    """

    initial_value: float = 1_000_000.0
    costs: CostModel = CostModel()  # noqa: RUF009  (frozen)
    risk_free_rate: float | pd.Series = 0.0
    financing_spread: float = 0.005
    cash_min: float = 0.0
    band: float | None = None
    history_days: int | None = None
    min_history: int = TRADING_DAYS
    gap_days: int = 5
    delisting_return: float | Mapping[str, float] = 0.0
    known: Callable[[pd.Timestamp], pd.DataFrame] | None = None
    trials: int = 1


@dataclass(frozen=True, eq=False)
class Plan:
    """A strategy, the rows on which it decides, and whom to tell."""

    method: Method
    days: Sequence[int]
    progress: Callable[[int, int], None] | None


@dataclass(frozen=True, eq=False)
class History:
    """The panel as the strategy may see it."""

    data: pd.DataFrame
    settings: BacktestSettings

    @cached_property
    def dates(self) -> pd.DatetimeIndex:
        """(T,)."""
        return pd.DatetimeIndex(self.data.index)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """(n,)."""
        return tuple(self.data.columns)

    @cached_property
    def place(self) -> dict[str, int]:
        """Symbol -> column."""
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @cached_property
    def prices(self) -> Array:
        """(T, n)."""
        return self.data.to_numpy()

    @cached_property
    def eligible(self) -> Flags:
        """(T, n) True where a name has a price and history enough."""
        priced = ~np.isnan(self.prices)
        return np.asarray(priced & (np.cumsum(priced, axis=0) >= self.settings.min_history))

    def first_decision(self, start: date | None) -> int:
        """The row of the first close >= start with a name that is eligible."""
        if not len(self.dates):
            raise DataError("market_data has no day before end_date; move the dates")
        earliest = 0 if start is None else int(self.dates.searchsorted(pd.Timestamp(start)))
        able = np.asarray(self.eligible.any(axis=1))
        first = earliest + int(np.argmax(able[earliest:])) if able[earliest:].any() else len(self.dates)
        if first >= len(self.dates) - 1 or (start is not None and first > earliest):
            raise DataError(
                f"no symbol has {self.settings.min_history} closes at the first decision"
                f"{'' if start is None else f' on {start}'}; start later, or lower min_history"
            )
        return first

    def until(self, day: int) -> pd.DataFrame:
        """What was known at the close of that row: (t, k) prices of the k eligible names."""
        if self.settings.known is not None:
            return self._vintage(day)
        since = 0 if self.settings.history_days is None else max(0, day + 1 - self.settings.history_days)
        chosen = self.eligible[day]
        return self.data.iloc[since : day + 1] if chosen.all() else self.data.iloc[since : day + 1, chosen]

    def _vintage(self, day: int) -> pd.DataFrame:
        as_of = self.dates[day]
        known = self.settings.known(as_of) if self.settings.known else self.data
        if len(known) and known.index[-1] > as_of:
            raise DataError(f"the data known on {as_of.date()} reach to {known.index[-1]}; cut them by date")
        return History(known, replace(self.settings, known=None)).until(len(known) - 1)


class OptimizationBacktest:
    """Backtests on a panel of total-return prices.

    market_data  (T, n) total-return prices in the base currency, dates x symbols, NaN where there is none
    fund_map     kept for strategies that look through funds
    """

    def __init__(self, market_data: pd.DataFrame, *, fund_map: FundExposureMap | None = None) -> None:
        index = market_data.index
        if not isinstance(index, pd.DatetimeIndex):
            raise DataError(f"market_data is indexed by {index.dtype}; dates are needed")
        if not index.is_monotonic_increasing or not index.is_unique or not market_data.columns.is_unique:
            raise DataError("market_data needs ascending dates and unique symbols; sort it, drop duplicates")
        self.market_data = market_data.astype(np.float64)
        self.fund_map = fund_map

    def backtest_strategy(
        self,
        optimization_method: Method,
        rebalance_frequency: str = "monthly",
        *,
        start_date: date | None = None,
        end_date: date | None = None,
        costs: CostModel | None = None,
        settings: BacktestSettings | None = None,
        benchmark: pd.Series | None = None,
        decisions: Decisions | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> BacktestResult:
        """Runs one strategy from the first close >= start_date to the last <= end_date.

        optimization_method  (history, as_of) -> weights or a result with weights; `history` (t, k) ends at as_of
                             and holds the names that have a price that day and history enough
        rebalance_frequency  daily, weekly, monthly, quarterly, yearly: decided at the period's last close
        costs                shorthand for settings.costs
        benchmark            total-return prices by date
        decisions            filled as the run goes; given again, an interrupted run resumes from it
        progress             called with (decisions done, of)
        The first decision is at the first close; every trade is at the close after its decision.
        Raises DataError for too little history, PolicyError for weights that need cash below cash_min.
        """
        chosen = settings or BacktestSettings()
        chosen = chosen if costs is None else replace(chosen, costs=costs)
        data = self.market_data if end_date is None else self.market_data.loc[: pd.Timestamp(end_date)]
        history = History(data, chosen)
        first = history.first_decision(start_date)
        rates = annual_rates(history.dates, chosen.risk_free_rate)
        market = make_market(
            history.prices, growth(rates), growth(rates + chosen.financing_spread), chosen.gap_days
        )
        account = Account(market, chosen.initial_value, first, _delisting(chosen, history.symbols))
        plan = Plan(optimization_method, decision_days(history.dates, rebalance_frequency, first), progress)
        skipped = _walk(account, history, plan, chosen, {} if decisions is None else decisions)
        account.advance(len(history.dates) - 1)
        return report(account, history.dates, history.symbols, rates, chosen.trials, skipped, benchmark)

    def compare(
        self, methods: Mapping[str, Method], rebalance_frequency: str = "monthly", **options: Any
    ) -> "dict[str, BacktestResult]":
        """The same run for several strategies and equal weights ("equal_weight"), by name.

        Each deflated Sharpe ratio counts the strategies compared as trials.
        """
        chosen: BacktestSettings = options.pop("settings", None) or BacktestSettings()
        trials = replace(chosen, trials=max(chosen.trials, len(methods)))
        named = {**methods, "equal_weight": equal_weight}
        return {
            name: self.backtest_strategy(method, rebalance_frequency, settings=trials, **options)
            for name, method in named.items()
        }


def equal_weight(history: pd.DataFrame, as_of: pd.Timestamp) -> dict[str, float]:
    """1/n in every name that can be bought."""
    return dict.fromkeys(history.columns, 1 / len(history.columns))


def sweep(make: Callable[..., Method], grid: Mapping[str, Sequence[Any]]) -> dict[str, Method]:
    """A strategy for every combination of the grid's values, named "key=value, ...", for `compare`."""
    return {
        ", ".join(f"{key}={value}" for key, value in zip(grid, values, strict=True)): make(
            **dict(zip(grid, values, strict=True))
        )
        for values in product(*grid.values())
    }


def decision_days(dates: pd.DatetimeIndex, frequency: str, first: int) -> list[int]:
    """The first row, then the last row of each period; a row needs a next one, at which it is executed."""
    if frequency not in PERIOD_CODES:
        raise PolicyError(f"rebalance_frequency {frequency!r} does not exist; use {', '.join(PERIOD_CODES)}")
    period = dates.to_period(PERIOD_CODES[frequency])
    ends = np.flatnonzero(period[1:] != period[:-1])
    return [first, *(int(day) for day in ends if day > first)]


def annual_rates(dates: pd.DatetimeIndex, rate: float | pd.Series) -> Array:
    """(T,) the annual rate known at each close."""
    if not isinstance(rate, pd.Series):
        return np.full(len(dates), float(rate))
    known = rate.reindex(dates, method="ffill").to_numpy(dtype=np.float64)
    if np.isnan(known).any():
        raise DataError(
            f"no risk-free rate is known on {dates[int(np.argmax(np.isnan(known)))].date()}; add it"
        )
    return np.asarray(known)


def growth(rates: Array) -> Array:
    """(T,) growth of 1 from the close before, at the rate known there."""
    return np.concatenate([[1.0], (1 + rates[:-1]) ** (1 / TRADING_DAYS)])


def _delisting(settings: BacktestSettings, symbols: Sequence[str]) -> Array:
    given = settings.delisting_return
    if isinstance(given, Mapping):
        return np.array([given.get(symbol, 0.0) for symbol in symbols])
    return np.full(len(symbols), given)


def _walk(
    account: Account, history: History, plan: Plan, settings: BacktestSettings, decisions: Decisions
) -> dict[pd.Timestamp, str]:
    """Decides and trades through time; returns why decisions were skipped."""
    skipped = {}
    pricing = Pricing(settings.costs, history.symbols)
    for done, day in enumerate(plan.days):
        account.advance(day)
        as_of = history.dates[day]
        try:
            if as_of not in decisions:
                decisions[as_of] = _decide(plan.method, history.until(day), as_of)
        except InfeasibleError as reason:
            skipped[as_of] = str(reason)
        else:
            wanted = _checked(decisions[as_of], history, as_of, settings.cash_min)
            if settings.band is None or not account.fills or _away(account, wanted) > settings.band:
                account.advance(day + 1)
                account.rebalance(wanted, pricing, settings.cash_min)
        if plan.progress is not None:
            plan.progress(done + 1, len(plan.days))
    return skipped


def _away(account: Account, wanted: Array) -> float:
    return float(np.abs(wanted - account.weights()).max(initial=0.0))


def _decide(method: Method, history: pd.DataFrame, as_of: pd.Timestamp) -> Mapping[str, float]:
    if history.empty:
        raise InfeasibleError("no symbol has a price and history enough")
    answer = method(history, as_of)
    if isinstance(answer, Mapping):
        return answer
    if not answer.success:
        raise InfeasibleError(answer.message)
    return answer.weights


def _checked(weights: Mapping[str, float], history: History, as_of: pd.Timestamp, cash_min: float) -> Array:
    """(n,) the weights in the order of the panel; PolicyError for a wrong one."""
    place = history.place
    unknown = sorted(set(weights) - set(place))
    if unknown:
        raise PolicyError(f"weights of {as_of.date()} name {', '.join(unknown)}, which market_data has not")
    wanted = np.zeros(len(place))
    for symbol, weight in weights.items():
        wanted[place[symbol]] = weight
    if not np.isfinite(wanted).all():
        raise PolicyError(f"weights of {as_of.date()} are not all numbers; return 0 for what is not held")
    if 1 - wanted.sum() < cash_min - CASH_TOLERANCE:
        raise PolicyError(
            f"weights of {as_of.date()} add up to {wanted.sum():.6g}: cash would be {1 - wanted.sum():.4g} of "
            f"the NAV, below cash_min {cash_min:g}; hold less, or lower cash_min to allow borrowing"
        )
    return wanted
