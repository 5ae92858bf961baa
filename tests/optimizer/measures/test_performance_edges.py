"""Figures at their edges: nothing moves, nothing is held, everything is lost, or there is more than one answer."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import DataError, Portfolio, PortfolioAnalytics, Position, brinson, performance_metrics
from optimizer import performance as p
from optimizer.measures.attribution import contributions, group_contributions, group_sums
from optimizer.measures.return_series import monthly_table

CASH = np.full(250, 1.02 ** (1 / 252) - 1)
MOVES = np.random.default_rng(1).normal(0.0004, 0.01, 250)


def steps(*path: float) -> np.ndarray:
    values = np.array(path)
    return values[1:] / values[:-1] - 1


@given(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=12), st.floats(0.3, 0.999))
def test_a_price_that_is_back_at_its_peak_has_recovered(moves: list[float], fall: float) -> None:
    peak = 100 * max(np.cumprod([1.0, *moves]).max(), 1.0)
    found = p.max_drawdown(steps(peak, peak * fall, peak * (1 + fall) / 2, peak, peak * 0.9999999))
    assert (found.peak, found.trough, found.recovered, found.duration) == (0, 1, 3, 3)


def test_a_last_bit_below_the_peak_is_no_fall() -> None:
    """It was one of 2e-16, and the Calmar ratio of a price that never fell was 1.9e16."""
    never_fell = [0.01, -1.1e-16, 0.01]
    found = p.max_drawdown(never_fell)
    assert (found.depth, found.duration) == (0.0, 0) and np.isnan(p.calmar(never_fell))
    assert p.max_drawdown([0.01, -1e-9]).depth == pytest.approx(-1e-9, rel=1e-6)


def test_the_longest_fall_is_not_the_deepest() -> None:
    path = (100, 50, 100, 99, 98, 99, 99.5, 100, 99)
    deep, long = p.max_drawdown(steps(*path)), p.longest_drawdown(steps(*path))
    assert (deep.depth, deep.duration, deep.recovered) == (-0.5, 2, 2)
    assert (long.depth, long.peak, long.trough, long.recovered, long.duration) == (
        pytest.approx(-0.02),
        2,
        4,
        7,
        5,
    )
    measures = performance_metrics(pd.Series(steps(*path)))
    assert (measures["max_drawdown_days"], measures["longest_drawdown_days"]) == (2, 5)


def test_a_fall_that_lasts_is_counted_to_the_end() -> None:
    assert p.longest_drawdown(steps(100, 101, 100, 99, 98)).duration == 3
    assert p.longest_drawdown(steps(100, 101, 102)).duration == 0
    last = p.longest_drawdown(steps(100, 101, 102, 101))  # which rising days were as long as
    assert (last.duration, last.peak, last.recovered) == (1, 2, None) and last.depth < 0
    assert p.longest_drawdown(np.full(3, -0.1)).duration == 3


def test_what_does_not_move_has_no_beta_and_no_ratio() -> None:
    assert np.isnan(p.beta(MOVES, CASH)) and np.isnan(p.alpha(MOVES, CASH, 0.02))
    assert np.isnan(p.sharpe(CASH, 0.02)) and np.isnan(p.sortino(CASH, 0.02))
    assert np.isnan(p.capture(MOVES, np.zeros(250), up=True)) and p.beta(CASH, MOVES) == pytest.approx(
        0, abs=1e-12
    )


def test_hit_rates_do_not_hang_on_the_last_bit() -> None:
    other = MOVES * 3 / 3 + 1e-17
    assert p.hit_rate(MOVES, other) == p.hit_rate(other, MOVES) == 0
    assert p.hit_rate(np.array([1e-17, 0.01, -0.01, 0.02])) == 0.5


def test_time_weighted_return_passes_over_an_empty_span() -> None:
    values, flows = np.array([100, 0, 0, 50, 55.0]), np.array([100, -110, 0, 50, 0.0])
    assert p.time_weighted_return(values, flows) == pytest.approx(1.1 * 1.1 - 1)
    with pytest.raises(DataError, match="start the series where it is funded"):
        p.time_weighted_return(np.array([0.0, 5.0]), np.array([0.0, 0.0]))


def test_a_book_that_was_sold_out_and_funded_again_has_returns() -> None:
    days = pd.bdate_range("2024-01-01", periods=4)
    held = {days[0].date(): Portfolio("p", 0, {"A": Position("A", 1)}), days[1].date(): Portfolio("p", 0, {}),
            days[2].date(): Portfolio("p", 0, {"A": Position("A", 2)})}  # fmt: skip
    prices = pd.DataFrame({"A": [100, 110, 500, 550.0]}, days)
    found = PortfolioAnalytics(held[days[2].date()], prices, history=held)
    assert found.calculate_returns().tolist() == pytest.approx([0.1, 0.0, 0.1])
    assert found.calculate_time_weighted_return() == pytest.approx(0.21)


def test_the_money_weighted_return_says_when_there_is_no_one_answer() -> None:
    years = np.array([0.0, 1, 2])
    with pytest.raises(DataError, match=r"several internal rates of return .*25\.00%, 400\.00%"):
        p.money_weighted_return(np.array([1.6, 0, 0]), np.array([1.6, -10, 10]), years)
    with pytest.raises(DataError, match="no internal rate of return exists"):
        p.money_weighted_return(np.array([1.0, 0, 0]), np.array([1.0, -3, 4]), years)
    assert p.money_weighted_return(np.array([100.0, 50, 0]), np.zeros(3), years) == -1
    assert p.money_weighted_return(np.array([100.0, 0, 121]), np.zeros(3), years) == pytest.approx(0.1)
    assert p.money_weighted_return(np.array([100.0, 0, 1e-7]), np.zeros(3), years) == pytest.approx(
        -1, abs=1e-4
    )


def test_trials_that_hardly_differ_deflate_little() -> None:
    alone = p.sharpe_test(MOVES)
    error = (alone.high - alone.low) / 2 / p.NORMAL.inv_cdf(0.975)
    assert p.deflated_sharpe(alone.ratio, error, 4, 0.0) == pytest.approx(alone.probabilistic)
    expected = 0.5772156649 * p.NORMAL.inv_cdf(1 - 1 / (4 * np.e)) + 0.4227843351 * p.NORMAL.inv_cdf(0.75)
    by_hand = p.NORMAL.cdf((alone.ratio - 0.3 * expected) / error)
    assert p.deflated_sharpe(alone.ratio, error, 4, 0.09) == pytest.approx(by_hand, abs=1e-9)


def test_nothing_is_selected_in_a_group_that_is_not_held() -> None:
    r = pd.DataFrame({"x": [0.05, -0.02], "y": [0.01, 0.03]})
    own, theirs = (
        pd.DataFrame({"x": [0.0, 0.0], "y": [1.0, 1.0]}),
        pd.DataFrame({"x": [0.5, 0.0], "y": [0.5, 1.0]}),
    )
    told = {"x": "x", "y": "y"}
    effects = brinson(*group_sums(own, r, told), *group_sums(theirs, r, told))
    assert effects.loc["x", ["selection", "interaction"]].abs().max() == 0
    assert effects.to_numpy().sum() == pytest.approx(1.01 * 1.03 - 1.03 * 1.03)


def test_groups_of_longs_and_shorts_that_cancel_add_up() -> None:
    r = pd.DataFrame(np.random.default_rng(2).normal(0, 0.01, (60, 5)), columns=list("ABCDE")).assign(E=0.0)
    own = pd.DataFrame(np.tile([0.5, -0.5, 0.5, -0.5, 1.0], (60, 1)), columns=list("ABCDE"))
    theirs = pd.DataFrame(np.tile([0.25, 0.25, 0.25, 0.25, 0.0], (60, 1)), columns=list("ABCDE"))
    told = {"A": "x", "B": "x", "C": "y", "D": "y", "E": "CASH"}
    effects = brinson(
        *group_sums(own, r, told), *group_sums(theirs, r, told), group_contributions(own, r, told)
    )
    active = (1 + (own * r).sum(axis=1)).prod() - (1 + (theirs * r).sum(axis=1)).prod()
    assert effects.to_numpy().sum() == pytest.approx(active, abs=1e-12)
    assert effects.loc["x", "selection"] == 0


def test_internal_rates_that_lie_close_together_are_all_found_and_one_that_is_only_touched_too() -> None:
    """1000 paid in, taken out and paid in so that (g - a) (g - b) = 0."""

    def rate(a: float, b: float) -> float:
        return p.money_weighted_return([1000, 1, 0], [0, -1000 * (a + b), 1000 * a * b], [0.0, 1.0, 2.0])

    assert rate(1.15, 1.15) == pytest.approx(0.15, abs=1e-6)
    with pytest.raises(DataError, match=r"several internal rates .* \(10.00%, 10.50%\)"):
        rate(1.1, 1.105)


def test_no_money_and_no_time_have_no_internal_rate_of_return() -> None:
    with pytest.raises(DataError, match="as nothing was ever paid in"):
        p.money_weighted_return([0.0, 0.0], [0.0, 0.0], [0.0, 1.0])
    with pytest.raises(DataError, match="years must ascend"):
        p.money_weighted_return([100.0, 100.0], [0.0, 0.0], [0.0, 0.0])


def test_returns_out_of_the_order_of_their_dates_are_refused() -> None:
    days = pd.bdate_range("2024-01-01", periods=3)[::-1]
    with pytest.raises(DataError, match="dates must ascend"):
        performance_metrics(pd.Series([0.1, 0.2, 0.01], days))


def test_groups_of_an_attribution_stand_in_any_order_and_an_empty_one_needs_no_return() -> None:
    own, other = pd.DataFrame({"x": [1.0], "y": [0.0]}), pd.DataFrame({"y": [0.4], "x": [0.6]})
    earned, theirs = pd.DataFrame({"x": [0.1], "y": [np.nan]}), pd.DataFrame({"y": [0.02], "x": [0.05]})
    found = brinson(own, earned, other, theirs)
    assert found.loc["y", ["selection", "interaction"]].abs().sum() == 0
    assert found.to_numpy().sum() == pytest.approx(0.1 - (0.4 * 0.02 + 0.6 * 0.05))
    with pytest.raises(DataError, match="benchmark_weights lacks x and names z"):
        brinson(own, earned, other.rename(columns={"x": "z"}), theirs)


def test_names_and_periods_of_an_attribution_are_read_by_their_labels() -> None:
    rng, days, names = np.random.default_rng(4), pd.bdate_range("2024-01-01", periods=5), list("ABC")
    weights = pd.DataFrame(rng.dirichlet([1.0] * 3, 5), days, names)
    returns = pd.DataFrame(rng.normal(0, 0.02, (5, 3)), days, names)
    turned = returns.iloc[::-1][["C", "A", "B"]]
    assert contributions(weights, turned).equals(contributions(weights, returns))
    assert contributions(weights, returns).sum() == pytest.approx(
        (1 + (weights * returns).sum(axis=1)).prod() - 1
    )
    groups = {"A": "x", "B": "y", "C": "x"}
    for told, straight in zip(
        group_sums(weights, turned, groups), group_sums(weights, returns, groups), strict=True
    ):
        assert told.equals(straight)
    flat, market = weights * 0 + 1 / 3, returns / 2
    assert brinson(weights, turned, flat, market[::-1]).equals(brinson(weights, returns, flat, market))
    later = returns.set_axis(days + pd.Timedelta(days=1), axis=0)  # of the day after the weights: row by row
    assert contributions(weights, later).equals(contributions(weights, returns))
    with pytest.raises(DataError, match="returns lacks C"):
        contributions(weights, returns[["A", "B"]].assign(Z=0.0))


def test_rates_by_date_are_read_in_any_order_zone_and_period_and_refused_in_words() -> None:
    days = pd.bdate_range("2024-01-02", periods=40)
    returns = pd.Series(np.random.default_rng(2).normal(0, 0.01, 40), days)
    known = pd.Series([0.01, 0.05], [pd.Timestamp("2023-12-29"), days[20]])
    plain = performance_metrics(returns, risk_free_rate=known)
    by_hand = returns.to_numpy() - (1 + np.where(np.arange(40) < 20, 0.01, 0.05)) ** (1 / 252) + 1
    assert plain["sharpe"] == pytest.approx(by_hand.mean() / by_hand.std(ddof=1) * np.sqrt(252))
    for own, rates in ((returns, known[::-1]), (returns.tz_localize("Asia/Tokyo"), known)):
        assert performance_metrics(own, risk_free_rate=rates) == pytest.approx(plain, nan_ok=True)
    months = pd.Series([0.01, -0.02, 0.03], pd.period_range("2024-01", periods=3, freq="M"))
    assert monthly_table(months)["year"].tolist() == pytest.approx([1.01 * 0.98 * 1.03 - 1])
    rate = pd.Series([0.02], pd.period_range("2023-12", periods=1, freq="M"))
    assert performance_metrics(months, risk_free_rate=rate)["volatility"] > 0
    for wrong, said in (
        (pd.concat([known, known]), "risk-free rates: 2023-12-29 stands twice"),
        (known.set_axis(["a", "b"]), "risk-free rates: the labels are string; dates are needed"),
        (known.iloc[1:], "no risk-free rate is known on 2024-01-02"),
    ):
        with pytest.raises(DataError, match=said):
            performance_metrics(returns, risk_free_rate=wrong)
    with pytest.raises(DataError, match="the labels are integer; dates are needed"):
        monthly_table(returns.reset_index(drop=True))


def test_prices_of_any_number_kind_are_counted_alike_and_a_benchmark_without_a_date_is_named() -> None:
    days = pd.bdate_range("2024-01-02", periods=30)
    closes = np.round(np.exp(np.random.default_rng(5).normal(0, 0.02, (30, 2)).cumsum(axis=0)), 4)
    table = pd.DataFrame(closes, days, ["A", "B"])
    book = Portfolio("book", 10, {"A": Position("A", Decimal(3)), "B": Position("B", Decimal(2))})
    told = PortfolioAnalytics(book, table).calculate_metrics(table["A"])
    exact = PortfolioAnalytics(book, table.map(lambda price: Decimal(repr(price))))
    assert exact.calculate_metrics(table["A"]) == pytest.approx(told, nan_ok=True)
    with pytest.raises(DataError, match="no price on 3 dates, the first 2024-01-02; give"):
        exact.calculate_metrics(table["A"].iloc[3:])


def test_a_flow_of_a_day_without_prices_is_named_and_not_lost() -> None:
    days = pd.bdate_range("2024-01-02", periods=30)
    prices = pd.DataFrame({"A": np.linspace(100, 110, 30)}, days)
    book = Portfolio("book", 0, {"A": Position("A", Decimal(1))})
    grown = Portfolio("book", 0, {"A": Position("A", Decimal(2))})
    analytics = PortfolioAnalytics(book, prices, history={days[0].date(): book, days[10].date(): grown})
    paid = float(prices["A"].iloc[10])
    flows = pd.Series([paid, 0.0], [days[10], pd.Timestamp("2024-01-06")])  # nothing on a Saturday is nothing
    found = analytics.calculate_money_weighted_return(flows)
    assert analytics.calculate_money_weighted_return(flows.tz_localize("UTC")) == pytest.approx(found)
    zoned = PortfolioAnalytics(
        book, prices.tz_localize("Asia/Tokyo"), history={days[0].date(): book, str(days[10].date()): grown}
    )
    assert zoned.calculate_portfolio_values().tolist() == analytics.calculate_portfolio_values().tolist()
    left = [(day - days[0]).days / 365.25 for day in (days[0], days[10], days[-1])]
    total = 100 * (1 + found) ** left[2] + paid * (1 + found) ** (left[2] - left[1])
    assert total == pytest.approx(220)
    with pytest.raises(DataError, match="the flow of 2024-01-06 is of no date with prices"):
        analytics.calculate_money_weighted_return(pd.Series([paid], [pd.Timestamp("2024-01-06")]))
    with pytest.raises(DataError, match="flows: 2024-01-02 stands twice"):
        analytics.calculate_money_weighted_return(pd.Series([1.0, 2.0], [days[0]] * 2))
