"""Dates written another way give the same answer or are refused; none is passed over without a word."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer import (
    BacktestSettings,
    CostModel,
    DatedFacts,
    OptimizationBacktest,
    PackfolioError,
    Portfolio,
    PortfolioAnalytics,
    Position,
    cross_validate,
    estimate,
    monthly_table,
    performance,
    performance_metrics,
    probability_of_overfitting,
    rolling_liquidity,
)
from optimizer.backtests.attribution import attribution_by_group

DAYS = pd.bdate_range("2022-01-03", periods=120)
PRICES = pd.DataFrame(
    100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (120, 3)), 0)), DAYS, list("ABC")
)
RETURNS, RATES = PRICES.pct_change().iloc[1:], pd.Series(np.linspace(0, 0.05, 120), DAYS)
BOOK = Portfolio("book", 10, {"A": Position("A", 1)})  # type: ignore[arg-type]
SETTINGS = BacktestSettings(min_history=5, costs=CostModel(commission=0, impact_bps=0, per_share=0.05))


def half(history: pd.DataFrame, day: pd.Timestamp) -> dict[str, float]:
    return {"A": 0.5, "B": 0.5}


def run(prices: pd.DataFrame = PRICES, benchmark: pd.Series | None = None, **settings: Any) -> Any:
    chosen = replace(SETTINGS, **settings)
    return OptimizationBacktest(prices).backtest_strategy(half, settings=chosen, benchmark=benchmark)


RESULT = run()
CALLS: Mapping[str, tuple[Callable[[Any], Any], Any]] = {
    "estimate": (lambda table: estimate(table).covariance, PRICES),
    "estimate of returns": (lambda table: estimate(returns=table).covariance, RETURNS),
    "estimate's benchmark": (lambda row: estimate(PRICES, benchmark=row).covariance, (PRICES["A"] * 2).rename("index")),
    "metrics": (lambda row: [*performance_metrics(row).values()], RETURNS["A"]),
    "metrics' benchmark": (lambda row: [*performance_metrics(RETURNS["A"], row).values()], RETURNS["B"]),
    "metrics' rates": (lambda row: [*performance_metrics(RETURNS["A"], risk_free_rate=row).values()], RATES),
    "beta": (lambda row: performance.beta(RETURNS["A"], row), RETURNS["B"]),  # type: ignore[arg-type]
    "months": (lambda row: monthly_table(row).to_numpy(), RETURNS["A"]),
    "analytics": (lambda table: PortfolioAnalytics(BOOK, table).calculate_volatility(), PRICES),
    "analytics' benchmark": (
        lambda row: [*PortfolioAnalytics(BOOK, PRICES).calculate_metrics(row).values()], PRICES["B"]
    ),
    "analytics' rates": (
        lambda row: PortfolioAnalytics(BOOK, PRICES, risk_free_rate=row).calculate_sharpe_ratio(), RATES
    ),
    "backtest": (lambda table: [*run(table).metrics.values()], PRICES),
    "backtest's benchmark": (lambda row: [*run(benchmark=row).metrics.values()], PRICES["C"]),
    "backtest's rates": (lambda row: [*run(risk_free_rate=row).metrics.values()], RATES),
    "backtest's share prices": (lambda table: [*run(closes=table).metrics.values()], PRICES / 10),
    "client's flows": (lambda row: RESULT.money_weighted_return(row), pd.Series([9e4, 1.0], DAYS[[60, 90]])),
    "attribution": (
        lambda table: attribution_by_group(RESULT, dict.fromkeys("ABC", "g"), table, {"A": 0.5, "C": 0.5}).to_numpy(),
        PRICES.drop(columns="C").join(PRICES["C"].drop(DAYS[60:70])),
    ),
    "traded values": (lambda table: rolling_liquidity(table, PRICES).volume.to_numpy(), PRICES * 1e4),
    "liquidity's prices": (lambda table: rolling_liquidity(PRICES * 1e4, table).volatility.to_numpy(), PRICES),
    "dated rates": (lambda row: [DatedFacts(rates=row).rate(day) for day in DAYS[5:9]], RATES),
    "dated caps": (lambda table: [DatedFacts(caps=table).caps_of(day, ["A"])["A"] for day in DAYS[5:9]], PRICES),  # type: ignore[index]
    "cross-validation": (lambda table: cross_validate(table, lambda _: {"A": 1.0}, groups=4).paths.to_numpy(), RETURNS),
    "overfitting": (lambda table: probability_of_overfitting(table, blocks=4), RETURNS),
}  # fmt: skip
WRITTEN: Mapping[str, Callable[[Any], Any]] = {
    "with a zone": lambda told: told.set_axis(told.index.tz_localize("America/New_York")),
    "as dates": lambda told: told.set_axis([day.date() for day in told.index]),
    "as texts": lambda told: told.set_axis(told.index.strftime("%Y-%m-%d")),
    "as periods": lambda told: told.set_axis(told.index.to_period("D")),
    "newest first": lambda told: told.iloc[::-1],
    "as counts": lambda told: told.reset_index(drop=True),
}


@pytest.mark.parametrize("what", CALLS)
def test_dates_written_another_way_are_read_or_refused(what: str) -> None:
    call, told = CALLS[what]
    wanted = np.asarray(call(told), dtype=float)
    for written in WRITTEN.values():
        try:
            found = call(written(told))
        except PackfolioError:
            continue
        np.testing.assert_allclose(np.asarray(found, dtype=float), wanted, rtol=1e-9, atol=1e-12)


# A client may pay twice a day.
@pytest.mark.parametrize("what", [what for what in CALLS if what != "client's flows"])
def test_a_day_that_stands_twice_is_refused(what: str) -> None:
    call, told = CALLS[what]
    with pytest.raises(PackfolioError, match=r"without repeats|twice|unique|each once|dates differ"):
        call(told.iloc[[0, *range(len(told))]])
