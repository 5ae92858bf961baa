"""What a notebook hands over: Series for dicts, rows in the wrong order, missing labels, odd numbers."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer import (
    CostModel,
    DataError,
    Estimates,
    MarketView,
    OptimizationBacktest,
    PackfolioError,
    Policy,
    PolicyError,
    Portfolio,
    Position,
    Recipe,
    Universe,
    backtest_forecasts,
    backtest_tail,
    brinson,
    build_trades,
    cross_validate,
    estimate,
    filtered_scenarios,
    log_returns,
    over_horizon,
    performance,
    performance_metrics,
    portfolio_measures,
    posterior,
    probability_of_overfitting,
    rolling_liquidity,
    simple_returns,
    total_return_index,
)
from optimizer.numerics.box_qp import least_within

DAYS = pd.bdate_range("2022-01-03", periods=320)
RETURNS = pd.DataFrame(np.random.default_rng(3).normal(0.0004, 0.01, (320, 3)), DAYS, ["A", "B", "C"])
PRICES = (1 + RETURNS).cumprod() * 100
ONE = RETURNS["A"]
NAMES = ("A", "B", "C")
ESTIMATES = Estimates(NAMES, None, np.diag([0.04, 0.05, 0.06]))
CORNERED: Any = lambda value: pd.Series(value, list(NAMES))  # noqa: E731
BOOK = Portfolio("p", 1000, {"A": Position("A", Decimal(10), Decimal(100))})


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


# What follows in time: each is told of dates that stand in another order, or twice.
IN_TIME: dict[str, Callable[[Any], Any]] = {
    "drawdowns": lambda r: performance.drawdowns(r["A"]),
    "max_drawdown": lambda r: performance.max_drawdown(r["A"]),
    "longest_drawdown": lambda r: performance.longest_drawdown(r["A"]),
    "worst_drawdowns": lambda r: performance.worst_drawdowns(r["A"]),
    "ulcer_index": lambda r: performance.ulcer_index(r["A"]),
    "calmar": lambda r: performance.calmar(r["A"]),
    "performance_metrics": lambda r: performance_metrics(r["A"]),
    "portfolio drawdowns": lambda r: portfolio_measures.drawdowns(r["A"]),
    "time-weighted": lambda r: performance.time_weighted_return(1 + r["A"], 0 * r["A"]),
    "simple_returns": lambda r: simple_returns(1 + r),
    "log_returns": lambda r: log_returns(1 + r),
    "total_return_index": lambda r: total_return_index(1 + r["A"], 0 * r["A"], 0 * r["A"] + 1),
    "filtered_scenarios": filtered_scenarios,
    "over_horizon": lambda r: over_horizon(r, 5),
    "backtest_tail": lambda r: backtest_tail(r["A"], rng(), level=0.95, window=100),
    "backtest_forecasts": lambda r: backtest_forecasts(
        r["A"], 0 * r["A"] + 0.01, 0 * r["A"] + 0.02, 0.95, rng()
    ),
    "probability_of_overfitting": lambda r: probability_of_overfitting(r, 4),
    "cross_validate": lambda r: cross_validate(r, lambda train: {"A": 1.0}),
}


@pytest.mark.parametrize("kind", [pd.DatetimeIndex, lambda days: days.date, lambda days: days.to_period("D")])
@pytest.mark.parametrize("what", IN_TIME)
def test_dates_out_of_order_are_no_answer(what: str, kind: Callable[[Any], Any]) -> None:
    """Files with the newest row on top gave drawdowns and returns that ran backwards."""
    call = IN_TIME[what]
    call(RETURNS.set_axis(kind(DAYS)))
    for wrong in (
        RETURNS.iloc[::-1],
        RETURNS.sample(frac=1, random_state=1),
        pd.concat([RETURNS, RETURNS[-1:]]),
    ):
        with pytest.raises(DataError, match="ascend"):
            call(wrong.set_axis(kind(wrong.index)))


@pytest.mark.parametrize("what", ["volatility", "value_at_risk", "sharpe", "skewness"])
def test_what_needs_no_order_takes_rows_as_they_come(what: str) -> None:
    measure = getattr(performance, what)
    assert measure(RETURNS["A"].iloc[::-1]) == pytest.approx(measure(RETURNS["A"]), abs=1e-12)
    assert np.isfinite(measure(RETURNS["A"].sample(frac=1, replace=True, random_state=1)))  # a bootstrap


def trades(target: Any, **more: Any) -> dict[str, Decimal]:
    prices = more.pop("prices", {"A": 100, "B": 50, "C": 20})
    found = build_trades(BOOK, prices, target, ESTIMATES, Policy(), Universe(NAMES), **more)
    return {row.symbol: row.quantity for row in found.rows}


def test_series_are_taken_by_their_names() -> None:
    target, prices = {"A": 0.3, "B": 0.4, "C": 0.3}, {"C": 20, "A": 100, "B": 50}
    wanted = trades(target)
    assert trades(pd.Series(target), prices=pd.Series(prices)) == wanted
    assert trades({name: Decimal(str(weight)) for name, weight in target.items()}) == wanted
    ones = CORNERED(1.0)
    assert trades(target, lots=ones, fx=ones, sell_rates=0 * ones) == wanted
    assert Policy(risk_budgets=CORNERED(1 / 3)).risk_budgets == dict.fromkeys(NAMES, 1 / 3)
    views = [
        MarketView(NAMES, "absolute", 0.05, 0.5, weights=own)
        for own in (CORNERED(1 / 3), dict.fromkeys(NAMES, 1 / 3))
    ]
    views += [
        MarketView(own, "absolute", 0.05, 0.5) for own in (CORNERED(1 / 3), dict.fromkeys(NAMES, 1 / 3))
    ]
    found = [
        posterior(NAMES, np.full(3, 1 / 3), ESTIMATES.covariance, [view]).mean.tolist() for view in views
    ]
    assert all(one == found[0] for one in found)
    curve = CostModel(per_share=0.01).curve(NAMES, pd.Series(prices))
    assert (
        curve.buy.tolist()
        == CostModel(per_share=0.01).curve(NAMES, np.array([100.0, 50.0, 20.0])).buy.tolist()
    )
    assert curve.costs([0.1, 0.0, -0.1]) == pytest.approx(curve.costs(np.array([0.1, 0.0, -0.1])))  # type: ignore[arg-type]


def table(value: object) -> Any:
    return pd.DataFrame({"a": [0.5, value], "b": [0.5, 0.5]}, dtype=object)


FAIR = pd.DataFrame({"a": [0.5, 0.5], "b": [0.5, 0.5]})
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a target without names": (lambda: trades(np.ones(3)), "the target: that is a ndarray; give it by name"),
    "a target's name twice": (lambda: trades(pd.Series([0.5, 0.5], ["A", "A"])), "A stands more than once"),
    "a target's name that is a number": (lambda: trades({1: 0.5}), "the target names 1; a symbol is a text"),
    "a target's weight in words": (lambda: trades({"A": "half"}), "the target of A is 'half'; it must be a number"),
    "prices without names": (lambda: trades({"A": 1.0}, prices=[100]), "prices: that is a list"),
    "one rate for all": (lambda: trades({"A": 1.0}, fx=1.1), "fx: that is a float"),
    "a lot too few": (lambda: trades({"A": 1.0}, lots={}), "A has no lot"),
    "a lot of more than there is": (lambda: trades({"A": 1.0}, lots=1e300), "above 0 and at most"),
    "taxes that are no fractions": (
        lambda: trades({"A": 0.1}, sell_rates={"A": np.inf}), "each is a fraction of the value sold"
    ),
    "a rate of a day without a date": (
        lambda: performance_metrics(ONE, risk_free_rate=pd.Series([0.01, 0.02], [DAYS[0], pd.NaT])),
        "the label at place 1 is missing",
    ),
    "all on one day": (
        lambda: performance_metrics(pd.Series([0.1, 0.2], [DAYS[0]] * 2)), "must ascend without repeats"
    ),
    "a benchmark in words": (lambda: performance.hit_rate(ONE, "SPY"), "benchmark is SPY; it must be an array"),  # type: ignore[arg-type]
    "missing values of pandas": (lambda: brinson(table(pd.NA), FAIR, FAIR, FAIR), "it must be an array of numbers"),
    "complex weights": (lambda: brinson(FAIR + 1j, FAIR, FAIR, FAIR), "it must be an array of numbers"),
    "no column": (lambda: filtered_scenarios(RETURNS[[]]), r"returns have shape \(320, 0\)"),  # type: ignore[arg-type]
    "prices in an array": (lambda: OptimizationBacktest(PRICES.to_numpy()), "market_data is a ndarray"),  # type: ignore[arg-type]
    "a column of words": (lambda: OptimizationBacktest(PRICES.assign(D="x")), "it must be an array of numbers"),
    "volumes of an array": (lambda: rolling_liquidity(PRICES.to_numpy(), PRICES), "that is a ndarray"),  # type: ignore[arg-type]
    "splits that leave all numbers": (
        lambda: total_return_index(np.ones(3), np.zeros(3), np.full(3, 1e200)), "leaves the range of numbers"
    ),
    "a method that cannot be hashed": (lambda: Policy(method=["hrp"]), "method"),  # type: ignore[arg-type]
    "a calendar that is near": (lambda: estimate(PRICES, Recipe(frequency="weakly")), "did you mean weekly"),
    "weights in an array": (
        lambda: MarketView(["A"], "absolute", 0.1, 0.5, weights=np.ones(1)), "use one of market, equal"  # type: ignore[arg-type]
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_the_remedy(what: str) -> None:
    call, said = REFUSED[what]
    with pytest.raises(PackfolioError, match=said):
        call()


def test_weeks_of_dates_in_a_zone_are_those_without() -> None:
    zoned = PRICES.tz_localize("America/New_York")
    found, wanted = (estimate(p, Recipe(frequency="weekly")) for p in (zoned, PRICES))
    np.testing.assert_array_equal(found.covariance, wanted.covariance)


def test_a_rate_of_each_day_may_be_a_list() -> None:
    rates = [0.02] * len(ONE)
    assert performance_metrics(ONE, risk_free_rate=rates) == performance_metrics(
        ONE, risk_free_rate=np.array(rates)
    )  # type: ignore[arg-type]


def test_solvers_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """PIQP, which takes over from 200 columns on, printed of each row of limits without an end."""
    k = 210
    rows, limits = np.vstack([np.ones(k), -np.ones(k)]), np.array([np.inf, -1.0])
    t, prices = least_within(np.eye(k), np.zeros(k), rows, limits, np.zeros(k), np.ones(k))
    assert t == pytest.approx(np.full(k, 1 / k), abs=1e-8)
    assert prices == pytest.approx([0.0, 1 / k], abs=1e-8)
    assert capfd.readouterr() == ("", "")


def test_what_has_no_names_is_told_by_its_field() -> None:
    with pytest.raises(PolicyError, match=r"risk_budgets is 0\.5; it must be a mapping"):
        Policy(risk_budgets=0.5)  # type: ignore[arg-type]
