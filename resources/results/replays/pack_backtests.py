"""Backtests of the policies on what a pack saw, and their rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from optimizer import CostModel, DataError, Policy, PolicyStrategy, SharedWindows
from optimizer.beliefs.estimators.recipes import FACTOR_MODEL
from optimizer.errors import how_many
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.estimates.pack_estimates import Case
from resources.results.pack_inputs import under_policy
from resources.results.replays.checkpoints import Checkpoints
from resources.results.replays.replay_inputs import Past, read_past
from resources.settings.configuration import BacktestFile
from resources.settings.policies.policy_grid import varied
from resources.settings.policies.policy_schema import PolicyFile

if TYPE_CHECKING:
    from optimizer import BacktestResult, BacktestSettings
    from optimizer.backtests.decisions import Method
    from optimizer.backtests.panel import History

POLICY = "policy"
EQUAL = "equal_weight"
DAYS_A_YEAR = 365.25


def longest_lookback(policy: Policy, settings: BacktestFile) -> int:
    """The most days of returns that any strategy of the backtest looks back on."""
    return max(policy.lookback_days, *(int(days) for days in settings.sweep.get("lookback_days", ())), 0)


@dataclass(frozen=True, eq=False)
class Contender:
    """A strategy and the terms on which it is replayed."""

    method: "Method"
    settings: "BacktestSettings"


@dataclass(frozen=True, eq=False)
class Replay:
    """The strategies of a portfolio side by side.

    results    by name
    benchmark  an index at each close;  weights  (T, m) those it is made of
    notes      what cut a replay short, or left a decision without an answer
    """

    results: "Mapping[str, BacktestResult]"
    benchmark: pd.Series
    weights: pd.DataFrame
    notes: tuple[str, ...]


def replay_past(con: Connection, pack: Pack, case: Case, settings: BacktestFile) -> Past:
    """The backtest's years of a portfolio and the lookback before them, as the pack saw them."""
    policy = case.inputs.policy
    days = settings.years * DAYS_A_YEAR + longest_lookback(policy, settings) * 1.5
    rooted = bool(policy.root_impact or any(settings.sweep.get("root_impact", ())))
    methods = {policy.covariance_method, *settings.sweep.get("covariance_method", ())}
    start = pack.as_of - timedelta(days=days)
    return read_past(
        con,
        pack,
        case,
        start,
        vintage=settings.knowledge == "vintage",
        rooted=rooted,
        factored=FACTOR_MODEL in methods,
    )


def backtest(
    case: Case,
    past: Past,
    settings: BacktestFile,
    as_of: date,
    kept: Checkpoints,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """The policy, it under the methods and keys to compare, and equal weights, walked forward side by side.

    kept      the decisions of each, filled as the run goes; given again, an interrupted run goes on
    progress  called with (decisions done, of), those of all strategies in all
    """
    from optimizer import OptimizationBacktest
    from optimizer.backtests.dated_facts import benchmark_index, benchmark_weights
    from optimizer.backtests.panel import History
    from optimizer.backtests.report import deflated

    named, vintages = contenders(case, past, settings), past.vintages
    prices = past.prices[list(past.names)]
    begin = as_of - timedelta(days=settings.years * DAYS_A_YEAR)
    start = max(begin, past.since[0])
    if vintages is not None:
        vintages.known_on(pd.Timestamp(as_of))
        start = max(start, vintages.first.date())
    first = first_possible(History(prices, named[POLICY].settings), start)
    weights = benchmark_weights(past.prices, past.facts, case.snapshot.benchmark, past.names)
    benchmark = benchmark_index(past.to_the_end, weights)
    bench = OptimizationBacktest(prices, vintages=vintages)
    results = {
        name: bench.backtest_strategy(
            contender.method,
            settings.rebalance,
            decisions=kept.of(name),
            settings=contender.settings,
            knowledge=settings.knowledge,
            start_date=first,
            benchmark=benchmark,
            progress=_overall(progress, place, len(named)),
        )
        for place, (name, contender) in enumerate(named.items())
    }
    results = deflated(results, [name for name in named if name != EQUAL])
    late = (f"{past.since[1]} are on record since {past.since[0]}: nothing before is replayed",)
    notes = (*(late if past.since[0] > begin else ()), *past.ends.notes, *_told(results))
    return Replay(results, benchmark, weights, notes)


def _told(results: "Mapping[str, BacktestResult]") -> list[str]:
    """The decisions that could not be made or carried out, and the strategies that lost all."""
    notes = []
    for name, result in results.items():
        if result.skipped:
            day, reason = next(iter(result.skipped.items()))
            notes.append(
                f"{name}: {how_many(len(result.skipped), 'decision')} kept the weights of the day before, the first on "
                f"{day.date()}: {reason}"
            )
        if result.ruined is not None:
            notes.append(f"{name} lost all on {result.ruined.date()} and ends there")
    return notes


def contenders(case: Case, past: Past, settings: BacktestFile) -> dict[str, Contender]:
    """The policy, it under each method of `compare` and combination of `sweep`, and equal weights, by name."""
    from optimizer.backtests.walk_forward import equal_weight

    own = case.snapshot.policy
    named = {POLICY: own}
    others = {name: own.model_copy(update={"method": name}) for name in settings.compare}
    others |= varied(own, settings.sweep) if settings.sweep else {}
    for name, policy in others.items():  # one that says what another says is no trial of its own
        if policy.model_dump() not in [known.model_dump() for known in named.values()]:
            named[name] = policy
    nav = worth(case, settings)
    windows = SharedWindows()
    found = {name: _contender(case, past, settings, policy, nav, windows) for name, policy in named.items()}
    return found | {EQUAL: Contender(equal_weight, found[POLICY].settings)}


def worth(case: Case, settings: BacktestFile) -> float:
    """The money of the replay: what `backtest.nav` says, else what the book is worth; raises DataError for nothing."""
    nav = settings.nav or float(case.portfolio.total_value(case.prices))
    if nav <= 0:
        raise DataError(
            f"{case.snapshot.name} is worth {nav:.2f}: state backtest: {{nav: ...}} in pipeline.yaml"
        )
    return nav


def _contender(
    case: Case, past: Past, settings: BacktestFile, file: PolicyFile, nav: float, windows: SharedWindows
) -> Contender:
    """The policy of `file` on the portfolio's own terms: its money, lots, least trades and costs."""
    from optimizer import BacktestSettings

    here = {*past.universe.symbols}
    absent = {symbol: sector for symbol, sector in case.inputs.absent.items() if symbol not in here}
    known = replace(case.inputs, universe=past.universe, absent=absent)
    inputs = under_policy(known, file, case.inputs.policy.risk_free_rate or 0.0)
    policy, facts = inputs.policy, past.facts
    if file.risk_free_rate is not None:
        facts = replace(facts, rates=None)
    recipe = replace(inputs.snapshot.recipe(), symbols=())
    strategy = PolicyStrategy(
        policy, inputs.universe, recipe, inputs.snapshot.prior, past.liquidity, facts, past.closes, windows
    )
    history = longest_lookback(case.inputs.policy, settings) + 1
    return Contender(
        strategy,
        BacktestSettings(
            initial_value=nav,
            costs=CostModel.of(policy),
            risk_free_rate=(policy.risk_free_rate or 0.0) if facts.rates is None else facts.rates,
            borrow_fees={s: policy.borrow_fees.get(s, policy.borrow_fee) for s in past.names},
            cash_min=min(policy.cash_min, 0.0),
            history_days=history,
            min_history=history,
            liquidity=past.liquidity if policy.root_impact else None,
            closes=past.closes,
            lot_size=file.lot_size or 0.0,
            min_trade=policy.min_trade_value,
            payouts=past.ends.payouts,
            heirs=past.ends.heirs,
        ),
    )


def _overall(
    progress: Callable[[int, int], None] | None, place: int, strategies: int
) -> Callable[[int, int], None] | None:
    """`progress` of one strategy among several, each of which decides as often."""
    if progress is None:
        return None
    return lambda done, of: progress(place * of + done, strategies * of)


def first_possible(history: "History", start: date) -> date:
    """The first date >= start on which any symbol has history enough; the others join when they have."""
    dates = history.dates
    able = np.flatnonzero(history.eligible.any(axis=1) & (dates >= pd.Timestamp(start)))
    chosen: datetime = (dates[able[0]] if len(able) else dates[-1]).to_pydatetime()
    return chosen.date()


def backtest_frames(replay: Replay, parts: pd.DataFrame, simulated: bool) -> dict[str, pd.DataFrame]:
    """Rows of `backtest_results` (by strategy and day), `backtest_summary` (by measure), `backtest_attribution`
    and `backtest_weights`.

    simulated  whether any price behind them is simulated
    The benchmark begins where the policy does.
    """
    results = replay.results
    daily = [_daily(name, result) for name, result in sorted(results.items())]
    common = replay.benchmark.loc[results[POLICY].nav.index[0] :]
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
        "backtest_weights": _held(results[POLICY]).assign(simulated=simulated),
    }


def _held(result: "BacktestResult") -> pd.DataFrame:
    """What the policy held after each of its trades; the other strategies would fill the table tenfold."""
    weights = result.weights
    days, names = np.nonzero(weights.to_numpy())
    return pd.DataFrame(
        {
            "strategy": POLICY,
            "date": pd.DatetimeIndex(weights.index).date[days],
            "symbol": weights.columns.to_numpy(dtype=object)[names],
            "weight": weights.to_numpy()[days, names],
        }
    )


def attribution(replay: Replay, past: Past) -> pd.DataFrame:
    """Where each strategy's return came from: by symbol, by exposure, and by sector of the day against the benchmark.

    A strategy that lost all has no parts by sector: none would add up.
    """
    from optimizer.backtests.attribution import DELAY, attribution_by_exposure, attribution_by_group

    universe, sectors = past.universe, past.sectors
    rows: list[tuple[str, str, str, str, float]] = []
    for name, result in sorted(replay.results.items()):
        told = {"symbol": {str(symbol): float(part) for symbol, part in result.attribution.items()}}
        if universe.funds is not None:
            told["exposure"] = attribution_by_exposure(result, universe.funds)
        rows += [
            (name, kind, part, "total", value)
            for kind, found in told.items()
            for part, value in found.items()
        ]
        if result.ruined is None:
            by_sector = attribution_by_group(result, sectors, past.to_the_end, replay.weights).drop(DELAY)
            rows += [
                (name, "sector", str(sector), str(effect), float(value))
                for sector, effects in by_sector.iterrows()
                for effect, value in effects.items()
            ]
    return pd.DataFrame(rows, columns=["strategy", "breakdown", "part", "effect", "contribution"])


def _daily(name: str, result: "BacktestResult") -> pd.DataFrame:
    dates = pd.DatetimeIndex(result.nav.index)
    trades = result.trades[result.trades["reason"] != "exchanged"]
    traded = trades["value"].abs().groupby(trades["date"]).sum().reindex(dates, fill_value=0.0)
    return pd.DataFrame(
        {
            "strategy": name,
            "date": dates.date,
            "nav": result.nav.to_numpy(),
            "return": result.returns.reindex(dates, fill_value=0.0).to_numpy(),
            "turnover": (0.5 * traded / result.nav.where(result.nav > 0, np.inf)).to_numpy(),
            "cost": result.costs.reindex(dates, fill_value=0.0).to_numpy(),
            "drawdown": (result.nav / result.nav.cummax() - 1).to_numpy(),
        }
    )
