"""What a quant hands over by mistake or habit: read by its names and dates, or refused with the remedy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer import (
    BacktestSettings,
    DataError,
    Detector,
    Estimates,
    ExposureType,
    Fund,
    FundExposureMap,
    HedgeLimits,
    Instrument,
    OptimizationBacktest,
    OptimizationConstraints,
    OptimizationEngine,
    PackfolioError,
    Policy,
    Portfolio,
    PortfolioAnalytics,
    Position,
    Recipe,
    Sample,
    Scenario,
    ScenarioView,
    TaxRates,
    Universe,
    brinson,
    build_trades,
    combinatorial_splits,
    cross_validate,
    estimate,
    factor_tail,
    ledoit_wolf,
    log_returns,
    nearest_psd,
    over_horizon,
    performance,
    performance_metrics,
    pool,
    portfolio_measures,
    probability_of_overfitting,
    simple_returns,
    solve,
    tail_risk,
    total_return_index,
)

DAYS = pd.bdate_range("2023-01-02", periods=80)
RETURNS = pd.DataFrame(np.random.default_rng(1).normal(0.001, 0.01, (80, 3)), DAYS, ["A", "B", "C"])
ESTIMATES = Estimates(("A", "B"), None, np.eye(2) * 0.04)


def bought(target: dict[str, float]) -> Any:
    return build_trades(
        Portfolio("p", 1000, {}), {"A": 10, "B": 20}, target, ESTIMATES, Policy(), Universe(("A", "B"))
    )


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "complex numbers in a table": (lambda: probability_of_overfitting(RETURNS + 1j), "must be an array of numbers"),
    "complex numbers in a series": (
        lambda: performance_metrics(RETURNS["A"] + 1j), "must be an array of numbers"
    ),
    "dates in a row": (lambda: performance.total_return(pd.Series(DAYS)), "must be an array of numbers"),  # type: ignore[arg-type]
    "durations in a table": (
        lambda: probability_of_overfitting(RETURNS.assign(A=DAYS - DAYS[0])), "must be an array of numbers"
    ),
    "dates in an index": (lambda: performance.total_return(DAYS), "must be an array of numbers"),  # type: ignore[arg-type]
    "dates in a list": (lambda: performance.total_return([*DAYS.to_numpy()]), "must be an array of numbers"),  # type: ignore[arg-type]
    "a series for the market": (
        lambda: estimate(returns=RETURNS, market=RETURNS["A"]),  # type: ignore[arg-type]
        "market is a Series; name its column, or give a series as benchmark",
    ),
    "dates as text": (
        lambda: estimate(returns=RETURNS.set_axis(DAYS.strftime("%Y-%m-%d"))),
        "the index is text, '2023-01-02'; make dates of it",
    ),
    "a target in percent": (lambda: bought({"A": 50.0}), "the target of A is 50.0; it must be a fraction of the NAV"),
    "returns in a list": (lambda: performance_metrics([0.1, 0.2]), "reads a Series by date"),  # type: ignore[arg-type]
    "policies for a fit": (
        lambda: cross_validate(RETURNS, [Policy()]),  # type: ignore[arg-type]
        "fit is a list; give a function of a table of returns",
    ),
    "strategies in an array": (
        lambda: probability_of_overfitting(RETURNS.to_numpy()),  # type: ignore[arg-type]
        "returns are a ndarray; give a DataFrame",
    ),
    "groups in a dict": (lambda: brinson({"A": 1.0}, {}, {}, {}), "are DataFrames, periods x groups"),  # type: ignore[arg-type]
    "exposures in a list": (lambda: Fund("X", "x", ["equity"]), "exposures are \\['equity'\\]; give type -> amount"),  # type: ignore[arg-type]
    "an exposure that is none": (lambda: Fund("X", "x", {"equities": 1.0}), "exposure type 'equities' does not exist"),  # type: ignore[dict-item]
    "scenarios of other names": (lambda: pool(("A", "Z", "C"), RETURNS, []), "lacks Z and names B"),
    "a benchmark in percent": (lambda: Universe(("A", "B"), benchmark={"A": 50, "B": 50}), "write a fraction"),
    "a benchmark without a number": (lambda: Universe(("A",), benchmark={"A": float("nan")}), "write a fraction"),
    "groups that are no number": (
        lambda: next(combinatorial_splits(100, 5.5, 2, purge=1, embargo=1)),  # type: ignore[arg-type]
        "all whole numbers",
    ),
    "a strategy without names": (
        lambda: OptimizationBacktest(1 + RETURNS.abs()).backtest_strategy(
            lambda h, d: np.ones(3), "monthly", settings=BacktestSettings(min_history=1)  # type: ignore[arg-type, return-value]
        ),
        "the strategy gives a ndarray; it must give symbol -> weight",
    ),
    "weights of others": (lambda: tail_risk(RETURNS, {"Z": 1.0}), "weights names Z, not among the 3 symbols"),  # type: ignore[arg-type]
    "a name twice": (
        lambda: Universe(("A", "B"), sectors=pd.Series(["x", "y", "z"], ["A", "B", "A"])),  # type: ignore[arg-type]
        "sectors: A stands more than once",
    ),
    "a column twice": (
        lambda: cross_validate(RETURNS[["A", "B", "A"]], lambda seen: {"A": 1.0}), "columns A occur twice"
    ),
    "numbers for names": (
        lambda: solve(ESTIMATES, Policy("min_volatility", asset_limits={0: (0, 0.5)}), Universe(("A", "B"))),  # type: ignore[dict-item]
        "asset_limits names 0, not among the 2 symbols; there are A, B",
    ),
    "prices that are words": (lambda: simple_returns([["a"], ["b"]]), "it must be an array of numbers"),  # type: ignore[arg-type]
}  # fmt: skip
PERCENT = "write 0.045 for 4.5%"
SERIES = RETURNS["A"]
NUMBERS: dict[str, tuple[Callable[[Any], Any], tuple[Any, ...], str]] = {
    "a Sharpe ratio": (lambda rate: performance.sharpe(SERIES, rate), (4.5, -1.5), PERCENT),
    "rates of each day": (lambda rate: performance.sharpe(SERIES, np.full(len(SERIES), rate)), (4.5, -1.5), PERCENT),
    "an expected return": (
        lambda rate: portfolio_measures.expected_return([0.5], [0.1], rate), (4.5, np.nan), PERCENT  # type: ignore[arg-type]
    ),
    "observations": (
        lambda count: Estimates(("A",), np.ones(1) * 0.1, np.eye(1) * 0.04, observations=count),
        (-5, 1.5, np.nan, np.inf, "x"),
        "observations is .*; it must be a whole number of returns",
    ),
    "the metrics": (lambda rate: performance_metrics(SERIES, risk_free_rate=rate), (4.5,), PERCENT),
    "the analytics": (
        lambda rate: PortfolioAnalytics(
            Portfolio("p", 9, {"A": Position("A", 1)}), 1 + RETURNS.abs(), risk_free_rate=rate  # type: ignore[arg-type]
        ).calculate_sharpe_ratio(),
        (4.5, pd.Series([0.02, 4.5], DAYS[[0, 9]])),
        PERCENT,
    ),
    "a recipe": (lambda rate: Recipe(mean_method="capm", risk_free_rate=rate), (4.5, -1, np.nan), PERCENT),
    **{
        f"a policy's {name}": (lambda value, name=name: Policy(**{name: value}), wrong, name)
        for name, wrong in {
            "max_sector": (np.nan,), "min_return": (np.nan,), "commission": (-1, np.inf, np.nan),
            "impact_bps": (-5, np.nan), "min_trade_value": (-1, np.nan), "risk_aversion": (0, -1, np.nan, np.inf),
            "mean_doubt": (1e300, -1), "lookback_days": (1, np.nan), "min_quality_score": (11, np.nan),
        }.items()
    },
    **{
        f"a hedge's {name}": (
            lambda value, name=name: Instrument(
                **{"symbol": "X", "kind": "option", "side": "BUY", "against": ("equity",), "option_type": "PUT"}
                | {name: value}
            ),
            wrong,
            f"{name}.* is|no {name}|{name} '",
        )
        for name, wrong in {
            "moneyness": (0, -1, np.nan), "expiry_days": (0, np.inf), "spread_bps": (-1, np.nan, "5"),
            "carry_bps": (-1,), "contract": (0, True), "option_type": ("STRADDLE",),
        }.items()
    },
    "a fund's side": (lambda side: Instrument("X", "etf", side, ()), ("HOLD",), "side 'HOLD'"),
    "a hedge's kind": (lambda kind: Instrument("X", kind, "SELL", ()), ("future",), "kind 'future'"),
    "days of a hedge": (lambda days: HedgeLimits(horizon_days=days), (-1, np.nan), "horizon_days is"),
    "a tax rate": (lambda rate: TaxRates(short=rate), (37, -0.1, np.nan), "the short-term tax rate is"),
    "years of a regime": (lambda years: Detector((), {}, window_years=years), (0, np.nan), "window_years is"),
    "a probability": (
        lambda chance: Scenario("x", "x", {"equity": -0.1}, probability=chance), (5, np.nan), "the probability is"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NUMBERS)
def test_a_number_that_cannot_be_meant_is_refused(what: str) -> None:
    call, wrong, said = NUMBERS[what]
    for value in wrong:
        with pytest.raises(PackfolioError, match=said):
            call(value)


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_the_remedy(what: str) -> None:
    call, said = REFUSED[what]
    with pytest.raises(PackfolioError, match=said):
        call()


def test_a_benchmark_by_capitalisation_reads_a_series() -> None:
    caps = pd.Series({"B": 3e9, "A": 1e9})
    assert Universe(("A", "B"), benchmark="market_cap", market_caps=caps).benchmark == {"A": 0.25, "B": 0.75}  # type: ignore[arg-type]


def test_lists_and_tables_are_read_as_arrays() -> None:
    prices = [[100.0, 50.0], [110.0, 49.0]]
    table = pd.DataFrame(prices, DAYS[:2])
    for given in (prices, table):
        assert simple_returns(given) == pytest.approx(np.array([[0.1, -0.02]]))  # type: ignore[arg-type]
        assert log_returns(given) == pytest.approx(np.log([[1.1, 0.98]]))  # type: ignore[arg-type]
    assert total_return_index([100.0, 99.0], [0, 2.0], [1, 1]) == pytest.approx([98.0198, 99.0], abs=1e-4)  # type: ignore[arg-type]
    assert nearest_psd([[1.0, 1.2], [1.2, 1.0]]) == pytest.approx(np.ones((2, 2)), abs=1e-6)  # type: ignore[arg-type]


def test_scenarios_of_a_table_go_by_their_names() -> None:
    views = [ScenarioView("mean", {"B": 1.0}, 0.1)]
    shuffled = pool(("A", "B", "C"), RETURNS[["C", "B", "A"]], views)
    assert shuffled.mean == pytest.approx(pool(("A", "B", "C"), RETURNS, views).mean, abs=1e-12)


def test_tables_and_lists_of_scenarios_give_the_risk_of_arrays() -> None:
    wanted = tail_risk(RETURNS.to_numpy(), np.array([0.5, 0.3, 0.2]))
    assert tail_risk(RETURNS, pd.Series({"C": 0.2, "A": 0.5, "B": 0.3})) == wanted  # type: ignore[arg-type]
    assert tail_risk(RETURNS.to_numpy().tolist(), [0.5, 0.3, 0.2]) == wanted  # type: ignore[arg-type]
    beside = factor_tail(RETURNS.to_numpy(), np.array([0.5, 0.3, 0.2]), 0.01)
    assert factor_tail(RETURNS, pd.Series({"C": 0.2, "A": 0.5, "B": 0.3}), 0.01) == beside  # type: ignore[arg-type]
    assert factor_tail(np.matrix(RETURNS), [0.5, 0.3, 0.2], 0.01) == beside  # type: ignore[arg-type]
    assert over_horizon(RETURNS, 5) == pytest.approx(over_horizon(RETURNS.to_numpy(), 5))  # type: ignore[arg-type]
    sample = Sample(RETURNS.to_numpy())
    assert ledoit_wolf(Sample(RETURNS)) == pytest.approx(ledoit_wolf(sample), abs=1e-18)  # type: ignore[arg-type]


def test_target_exposures_go_by_their_names() -> None:
    engine = OptimizationEngine(None, FundExposureMap([Fund("X", "x", {ExposureType.EQUITY: 1.0})]))
    found = engine.optimize_exposures(["X"], {"equity": 0.6}, OptimizationConstraints())  # type: ignore[dict-item]
    assert found.weights == {"X": pytest.approx(0.6)}


def test_a_fund_takes_exposures_by_their_names() -> None:
    named = Fund("X", "x", {"us large equity": 0.9, "gold": 0.2}, unfunded=frozenset({"gold"}))  # type: ignore[dict-item, arg-type]
    typed = {ExposureType.US_LARGE_EQUITY: 0.9, ExposureType.GOLD: 0.2}
    assert named == Fund("X", "x", typed, unfunded=frozenset({ExposureType.GOLD}))


def test_a_rate_by_date_is_that_of_each_day() -> None:
    rate = pd.Series([0.01, 0.05], [pd.Timestamp("2022-12-30"), DAYS[40]])
    by_day = np.where(np.arange(80) < 40, 0.01, 0.05)
    found, wanted = (performance_metrics(RETURNS["A"], risk_free_rate=r) for r in (rate, by_day))
    assert found == wanted
    with pytest.raises(DataError, match="no risk-free rate is known on 2023-01-02"):
        performance_metrics(RETURNS["A"], risk_free_rate=rate[1:])
