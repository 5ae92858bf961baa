"""Backtests of the policies on what a pack saw, and their rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from optimizer.backtests.point_in_time import Vintages
from optimizer.backtests.policy_strategy import PolicyStrategy
from optimizer.model.costs import CostModel
from optimizer.model.liquidity import LiquidityPanel
from optimizer.model.policy import Policy
from resources.books.snapshots import Inputs, under_policy
from resources.packs.liquidity import read_liquidity
from resources.packs.pack_prices import in_currency, read_panel
from resources.packs.packs import Pack
from resources.packs.point_in_time import read_vintages
from resources.results.checkpoints import Checkpoints
from resources.results.pack_estimates import Case
from resources.settings.configuration import BacktestFile
from resources.settings.policy_grid import varied
from resources.store.ledger import Connection

if TYPE_CHECKING:
    from optimizer.backtests.decisions import Method
    from optimizer.backtests.report import BacktestResult
    from optimizer.backtests.walk_forward import BacktestSettings

POLICY = "policy"
EQUAL = "equal_weight"
DAYS_A_YEAR = 365.25


def longest_lookback(policy: Policy, settings: BacktestFile) -> int:
    """The most days of returns that any strategy of the backtest looks back on."""
    return max(policy.lookback_days, *(int(days) for days in settings.sweep.get("lookback_days", ())), 0)


@dataclass(frozen=True, eq=False)
class Past:
    """What the replays of a portfolio read.

    prices     (T, n) total-return prices in base currency over the backtest's years and the lookback before them
    vintages   what became known when of the investable names, where decisions are to see that; else None
    liquidity  of the investable names at each close, where a policy has root_impact; else None
    """

    prices: pd.DataFrame
    vintages: Vintages | None
    liquidity: LiquidityPanel | None


def read_past(con: Connection, pack: Pack, case: Case, settings: BacktestFile) -> Past:
    """The past of a portfolio as the pack saw it."""
    snapshot, policy = case.snapshot, case.inputs.policy
    lookback = longest_lookback(policy, settings)
    start = pack.as_of - timedelta(days=settings.years * DAYS_A_YEAR + lookback * 1.5)
    names, currency = snapshot.investable, snapshot.base_currency
    rooted = policy.root_impact or any(settings.sweep.get("root_impact", ()))
    return Past(
        in_currency(con, pack, read_panel(con, pack, snapshot.symbols, start), currency),
        read_vintages(con, pack, names, currency) if settings.knowledge == "vintage" else None,
        read_liquidity(con, pack, names, currency, start) if rooted else None,
    )


def backtest(
    case: Case,
    past: Past,
    settings: BacktestFile,
    as_of: date,
    kept: Checkpoints,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, "BacktestResult"]:
    """The policy, it under the methods and keys to compare, and equal weights, walked forward side by side.

    kept      the decisions of each, filled as the run goes; given again, an interrupted run goes on
    progress  called with (decisions done, of), those of all strategies in all
    """
    from optimizer.backtests.walk_forward import OptimizationBacktest, equal_weight

    snapshot, strategies = case.snapshot, strategies_of(case, past, settings)
    prices, vintages = past.prices, past.vintages
    investable = prices[list(snapshot.investable)]
    history = longest_lookback(case.inputs.policy, settings) + 1
    start = as_of - timedelta(days=settings.years * DAYS_A_YEAR)
    if vintages is not None:
        vintages.known_on(pd.Timestamp(as_of))
        start = max(start, vintages.first.date())
    bench = OptimizationBacktest(investable, vintages=vintages)
    shared: dict[str, Any] = {"min_history": history, "history_days": history, "trials": len(strategies)}
    methods: dict[str, Method] = {**strategies, EQUAL: equal_weight}
    return {
        name: bench.backtest_strategy(
            method,
            settings.rebalance,
            decisions=kept.of(name),
            settings=replace(_costs_and_cash(strategies.get(name, strategies[POLICY])), **shared),
            knowledge=settings.knowledge,
            start_date=first_possible(investable, start, history),
            benchmark=benchmark_index(prices, snapshot.benchmark),
            progress=_overall(progress, place, len(methods)),
        )
        for place, (name, method) in enumerate(methods.items())
    }


def strategies_of(case: Case, past: Past, settings: BacktestFile) -> dict[str, PolicyStrategy]:
    """The policy as it is, under each method of `compare`, and under each combination of `sweep`, by name."""
    own = case.snapshot.policy
    rate = case.inputs.policy.risk_free_rate or 0.0
    named = {POLICY: own}
    named |= {name: own.model_copy(update={"method": name}) for name in settings.compare}
    named |= varied(own, settings.sweep) if settings.sweep else {}
    return {name: _strategy(under_policy(case.inputs, policy, rate), past) for name, policy in named.items()}


def _strategy(inputs: Inputs, past: Past) -> PolicyStrategy:
    recipe = replace(inputs.snapshot.recipe(), symbols=())
    return PolicyStrategy(inputs.policy, inputs.universe, recipe, inputs.snapshot.prior, past.liquidity)


def _costs_and_cash(strategy: PolicyStrategy) -> "BacktestSettings":
    """How the strategy's policy has its trades paid for."""
    from optimizer.backtests.walk_forward import BacktestSettings

    policy = strategy.policy
    return BacktestSettings(
        costs=CostModel.of(policy),
        liquidity=strategy.liquidity if policy.root_impact else None,
        risk_free_rate=policy.risk_free_rate or 0.0,
        cash_min=min(policy.cash_min, 0.0),
    )


def _overall(
    progress: Callable[[int, int], None] | None, place: int, strategies: int
) -> Callable[[int, int], None] | None:
    """`progress` of one strategy among several, each of which decides as often."""
    if progress is None:
        return None
    return lambda done, of: progress(place * of + done, strategies * of)


def first_possible(prices: pd.DataFrame, start: date, history: int) -> date:
    """The first date >= start on which every symbol has history enough."""
    enough = (prices.notna().cumsum() >= history).all(axis=1).to_numpy()
    dates = pd.DatetimeIndex(prices.index)
    able = np.flatnonzero(enough & (dates >= pd.Timestamp(start)))
    chosen: datetime = (dates[able[0]] if len(able) else dates[-1]).to_pydatetime()
    return chosen.date()


def benchmark_index(prices: pd.DataFrame, weights: Mapping[str, float]) -> pd.Series:
    """The benchmark's weights, rebalanced daily without cost, as an index that starts at 1."""
    returns = prices[list(weights)].pct_change(fill_method=None).fillna(0.0).to_numpy()
    return pd.Series(np.cumprod(1 + returns @ np.array(list(weights.values()))), prices.index)


def backtest_frames(
    results: "Mapping[str, BacktestResult]", benchmark: pd.Series, parts: pd.DataFrame, simulated: bool
) -> dict[str, pd.DataFrame]:
    """Rows of `backtest_results` (by strategy and day), `backtest_summary` (by measure) and `backtest_attribution`.

    simulated  whether any price behind them is simulated
    """
    daily = [_daily(name, result) for name, result in sorted(results.items())]
    common = benchmark.loc[daily[0]["date"].iloc[0] :]
    daily.append(
        pd.DataFrame({
            "strategy": "benchmark", "date": pd.DatetimeIndex(common.index).date,
            "nav": common.to_numpy() / common.iloc[0],
            "return": common.pct_change().fillna(0.0).to_numpy(), "turnover": 0.0, "cost": 0.0,
            "drawdown": (common / common.cummax() - 1).to_numpy(),
        })
    )  # fmt: skip
    measures = [
        {"strategy": name, "metric": metric, "value": float(value)}
        for name, result in sorted(results.items())
        for metric, value in result.metrics.items()
    ]
    return {
        "backtest_results": pd.concat(daily, ignore_index=True).assign(simulated=simulated),
        "backtest_summary": pd.DataFrame(measures).assign(simulated=simulated),
        "backtest_attribution": parts.assign(simulated=simulated),
    }


def attribution(results: "Mapping[str, BacktestResult]", case: Case, prices: pd.DataFrame) -> pd.DataFrame:
    """Where each strategy's return came from: by symbol, by exposure, and by sector against the benchmark."""
    from optimizer.backtests.attribution import attribution_by_exposure, attribution_by_group

    universe, benchmark = case.inputs.universe, case.snapshot.benchmark
    sectors = {symbol: universe.sectors.get(symbol, "no sector") for symbol in case.snapshot.symbols}
    rows: list[tuple[str, str, str, str, float]] = []
    for name, result in sorted(results.items()):
        told = {"symbol": {str(symbol): float(part) for symbol, part in result.attribution.items()}}
        if universe.funds is not None:
            told["exposure"] = attribution_by_exposure(result, universe.funds)
        rows += [
            (name, kind, part, "total", value)
            for kind, found in told.items()
            for part, value in found.items()
        ]
        by_sector = attribution_by_group(result, sectors, prices, benchmark)
        rows += [
            (name, "sector", str(sector), str(effect), float(value))
            for sector, effects in by_sector.iterrows()
            for effect, value in effects.items()
        ]
    return pd.DataFrame(rows, columns=["strategy", "breakdown", "part", "effect", "contribution"])


def _daily(name: str, result: "BacktestResult") -> pd.DataFrame:
    dates = pd.DatetimeIndex(result.nav.index)
    trades = result.trades
    traded = trades["value"].abs().groupby(trades["date"]).sum().reindex(dates, fill_value=0.0)
    return pd.DataFrame(
        {
            "strategy": name,
            "date": dates.date,
            "nav": result.nav.to_numpy(),
            "return": result.returns.reindex(dates, fill_value=0.0).to_numpy(),
            "turnover": (0.5 * traded / result.nav).to_numpy(),
            "cost": result.costs.reindex(dates, fill_value=0.0).to_numpy(),
            "drawdown": (result.nav / result.nav.cummax() - 1).to_numpy(),
        }
    )
