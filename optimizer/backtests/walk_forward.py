"""Walk-forward backtests: decide at one close on what was known then, trade at the next, pay for everything."""

import inspect
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import product
from math import isfinite
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from optimizer.backtests.panel import BacktestSettings, History, Window, decision_days, growth
from optimizer.backtests.point_in_time import Vintages
from optimizer.backtests.report import KNOWLEDGE, BacktestResult, report
from optimizer.backtests.simulation import Account, Pricing, make_market
from optimizer.errors import DataError, InfeasibleError, PolicyError
from optimizer.measures.analytics import annual_rates
from optimizer.model.costs import CostModel
from optimizer.model.exposures import FundExposureMap
from optimizer.typing import Array

CASH_TOLERANCE = 1e-9
NOBODY = "no symbol has a price and history enough"


__all__ = [
    "BacktestResult",
    "BacktestSettings",
    "OptimizationBacktest",
    "decision_days",
    "equal_weight",
    "sweep",
]


class Answer(Protocol):
    """What an OptimizationResult offers to a backtest."""

    weights: Mapping[str, float]
    success: bool
    message: str


@runtime_checkable
class ArrayMethod(Protocol):
    """A strategy that also decides on arrays, which spares a table of prices a decision."""

    def decide(self, window: Window, held: Array) -> Array:
        """(k,) target weights of the window's names; held (k,) at its last close."""


Method = Callable[..., Answer | Mapping[str, float]]
Decisions = MutableMapping[pd.Timestamp, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Plan:
    """A strategy, the rows on which it decides, and whom to tell."""

    method: Method
    days: Sequence[int]
    progress: Callable[[int, int], None] | None

    @cached_property
    def on_arrays(self) -> ArrayMethod | None:
        """The strategy, where it decides on arrays."""
        method: object = self.method
        return method if isinstance(method, ArrayMethod) else None

    @cached_property
    def told_held(self) -> bool:
        """Whether the strategy takes what is held."""
        return self.on_arrays is not None or "held" in inspect.signature(self.method).parameters


class OptimizationBacktest:
    """Backtests on a panel of total-return prices.

    market_data  (T, n) total-return prices in the base currency, dates x symbols, NaN where there is none
    fund_map     kept for strategies that look through funds
    vintages     when each price of these symbols became known, for knowledge="vintage"
    """

    def __init__(
        self,
        market_data: pd.DataFrame,
        *,
        fund_map: FundExposureMap | None = None,
        vintages: Vintages | None = None,
    ) -> None:
        index = market_data.index
        if not isinstance(index, pd.DatetimeIndex):
            raise DataError(f"market_data is indexed by {index.dtype}; dates are needed")
        if not index.is_monotonic_increasing or not index.is_unique or not market_data.columns.is_unique:
            raise DataError("market_data needs ascending dates and unique symbols; sort it, drop duplicates")
        self.market_data = market_data.astype(np.float64)
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
        The first decision is at the first close; every trade is at the close after its decision.
        Raises DataError for too little history or a start before anything was known, PolicyError for weights that
        need cash below cash_min.
        """
        chosen, since = self._seen(knowledge, settings or BacktestSettings(), start_date)
        chosen = chosen if costs is None else replace(chosen, costs=costs)
        data = self.market_data if end_date is None else self.market_data.loc[: pd.Timestamp(end_date)]
        history = History(data, chosen)
        first = history.first_decision(start_date, since)
        rates = annual_rates(history.dates, chosen.risk_free_rate)
        market = make_market(
            history.prices, growth(rates), growth(rates + chosen.financing_spread), chosen.gap_days
        )
        account = Account(market, chosen.initial_value, first, _delisting(chosen, history.symbols))
        plan = Plan(optimization_method, decision_days(history.dates, rebalance_frequency, first), progress)
        skipped = _walk(account, history, plan, chosen, {} if decisions is None else decisions)
        account.advance(len(history.dates) - 1)
        return report(
            account, history.dates, history.symbols, rates, chosen.trials, skipped, benchmark, knowledge
        )

    def _seen(
        self, knowledge: str, settings: BacktestSettings, start: date | None
    ) -> tuple[BacktestSettings, pd.Timestamp | None]:
        """The settings with what decisions see, and the first day on which anything was known."""
        if knowledge not in KNOWLEDGE:
            raise PolicyError(f"knowledge {knowledge!r} does not exist; use one of {', '.join(KNOWLEDGE)}")
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
            self.vintages.known_on(pd.Timestamp(start))
        return replace(settings, known=self.vintages.known_on), self.vintages.first

    def compare(
        self,
        methods: Mapping[str, Method],
        rebalance_frequency: str = "monthly",
        *,
        decisions: Mapping[str, Decisions] | None = None,
        **options: Any,
    ) -> "dict[str, BacktestResult]":
        """The same run for several strategies and equal weights ("equal_weight"), by name.

        decisions  name -> its own, as in `backtest_strategy`
        Each deflated Sharpe ratio counts the strategies compared as trials.
        """
        kept = decisions or {}
        chosen: BacktestSettings = options.pop("settings", None) or BacktestSettings()
        trials = replace(chosen, trials=max(chosen.trials, len(methods)))
        named = {**methods, "equal_weight": equal_weight}
        return {
            name: self.backtest_strategy(
                method, rebalance_frequency, settings=trials, decisions=kept.get(name), **options
            )
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
    pricing = Pricing(settings.costs, history.symbols, _roots(settings, history))
    for done, (day, as_of) in enumerate(zip(plan.days, history.dates[list(plan.days)].tolist(), strict=True)):
        if plan.told_held or settings.band is not None:
            account.advance(day)
        try:
            if as_of not in decisions:
                decisions[as_of] = _decide(plan, history, day, account)
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


def _roots(settings: BacktestSettings, history: History) -> Array | None:
    """(T, n) coefficients of the square-root impact at each close, where they change with the days."""
    if settings.liquidity is None:
        return None
    return settings.costs.root_impact * settings.liquidity.roots(history.dates, history.symbols)


def _away(account: Account, wanted: Array) -> float:
    return float(np.abs(wanted - account.weights()).max(initial=0.0))


def _decide(plan: Plan, history: History, day: int, account: Account) -> Mapping[str, float]:
    if plan.on_arrays is not None:
        return _decide_on_arrays(plan.on_arrays, history, day, account)
    seen = history.until(day)
    if seen.empty:
        raise InfeasibleError(NOBODY)
    if plan.told_held:
        weights = account.weights()
        held = {history.symbols[i]: float(weights[i]) for i in np.flatnonzero(weights)}
        answer = plan.method(seen, history.dates[day], held=held)
    else:
        answer = plan.method(seen, history.dates[day])
    if isinstance(answer, Mapping):
        return answer
    if not answer.success:
        raise InfeasibleError(answer.message)
    return answer.weights


def _decide_on_arrays(
    method: ArrayMethod, history: History, day: int, account: Account
) -> Mapping[str, float]:
    window, columns = history.window(day)
    if not window.symbols:
        raise InfeasibleError(NOBODY)
    told = replace(window, worth=float(account.nav[account.day]))
    weights = method.decide(told, account.weights()[columns])
    return dict(zip(window.symbols, weights.tolist(), strict=True))


def _checked(weights: Mapping[str, float], history: History, as_of: pd.Timestamp, cash_min: float) -> Array:
    """(n,) the weights in the order of the panel; PolicyError for a wrong one."""
    place = history.place
    if tuple(weights) == history.symbols:
        wanted = np.fromiter(weights.values(), float, len(place))
    else:
        if unknown := sorted(weights.keys() - place.keys()):
            raise PolicyError(
                f"weights of {as_of.date()} name {', '.join(unknown)}, which market_data has not"
            )
        wanted = np.zeros(len(place))
        wanted[[place[symbol] for symbol in weights]] = list(weights.values())
    total = float(wanted.sum())
    if not isfinite(total):
        raise PolicyError(f"weights of {as_of.date()} are not all numbers; return 0 for what is not held")
    if 1 - total < cash_min - CASH_TOLERANCE:
        raise PolicyError(
            f"weights of {as_of.date()} add up to {total:.6g}: cash would be {1 - total:.4g} of "
            f"the NAV, below cash_min {cash_min:g}; hold less, or lower cash_min to allow borrowing"
        )
    return wanted
