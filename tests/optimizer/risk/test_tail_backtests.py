"""Filtered simulation, factor shocks and the tests of a value at risk: by hand, and against scipy."""

import numpy as np
import pytest
from scipy import stats

from optimizer import DataError, FactorModel, PolicyError, Scenario, stress_factors
from optimizer.risk.filtered_simulation import (
    ewma_variances,
    factor_tail,
    filtered_scenarios,
    over_horizon,
    shocked_returns,
    tail_risk,
)
from optimizer.risk.tail_backtests import (
    _chi_squared,
    acerbi_szekely,
    backtest_forecasts,
    backtest_tail,
    christoffersen,
    conditional_coverage,
    kupiec,
)


def hits(*days: int, length: int = 250) -> np.ndarray:
    found = np.zeros(length, dtype=bool)
    found[list(days)] = True
    return found


def test_kupiec_by_hand_and_by_scipy() -> None:
    # 7 exceptions in 250 days at 99%: 5.497, the figure of Kupiec's table in Jorion (2006), chapter 6.
    found = kupiec(hits(*range(0, 210, 30)), 0.99)
    assert found.statistic == pytest.approx(5.4970, abs=1e-4)
    assert found.p_value == pytest.approx(0.01905, abs=1e-5)
    binomial = stats.binom.logpmf(7, 250, 7 / 250) - stats.binom.logpmf(7, 250, 0.01)
    assert found.statistic == pytest.approx(2 * binomial, rel=1e-10)
    assert kupiec(hits(), 0.99).statistic == pytest.approx(-500 * np.log(0.99))


def test_christoffersen_by_hand() -> None:
    # Of 9 days after another: 5 calm-calm, 1 calm-hit, 1 hit-calm, 2 hit-hit.
    found = christoffersen(hits(6, 7, 8, length=10))
    apart = 5 * np.log(5 / 6) + np.log(1 / 6) + np.log(1 / 3) + 2 * np.log(2 / 3)
    together = 3 * np.log(3 / 9) + 6 * np.log(6 / 9)
    assert found.statistic == pytest.approx(2 * (apart - together), rel=1e-12)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 1))
    both = conditional_coverage(hits(6, 7, 8, length=10), 0.9)
    assert both.p_value == pytest.approx(
        stats.chi2.sf(found.statistic + kupiec(hits(6, 7, 8, length=10), 0.9).statistic, 2)
    )


def test_acerbi_and_szekely_by_hand() -> None:
    returns, shortfalls = np.array([-0.04, 0.01, -0.05, 0.0]), np.array([0.04, 0.05, 0.025, 0.03])
    found = acerbi_szekely(
        returns, shortfalls, np.array([True, False, True, False]), 0.5, np.array([-2.0, 0.0, 1.0])
    )
    assert found.statistic == pytest.approx(1 - (1 + 2) / 2)
    assert found.p_value == pytest.approx(2 / 4)


def test_right_forecasts_pass_and_a_crash_fails() -> None:
    rng = np.random.default_rng(3)
    calm = 0.01 * rng.standard_normal(1250)
    found = backtest_tail(calm, np.random.default_rng(1), level=0.95)
    assert found.failed() == () and found.days == 1000 and found.expected == pytest.approx(50)
    # Each worse than all before it: nothing that has been seen foretells it.
    crash = calm[:500].copy()
    crash[260::24] = -0.05 * 1.3 ** np.arange(10)
    told = backtest_tail(crash, np.random.default_rng(1), level=0.99)
    assert {"kupiec", "conditional_coverage", "acerbi_szekely"} <= set(told.failed())


def test_a_backtest_looks_at_no_later_day() -> None:
    rng = np.random.default_rng(4)
    known = 0.01 * rng.standard_normal(600)
    first = backtest_tail(known[:500], np.random.default_rng(1), level=0.9)
    known[500:] *= 50
    assert backtest_tail(known[:500], np.random.default_rng(1), level=0.9) == first


@pytest.mark.parametrize("volatility", ["ewma", "garch"])
def test_filtered_scenarios_have_todays_volatility(volatility: str) -> None:
    rng = np.random.default_rng(5)
    quiet, wild = 0.005 * rng.standard_normal((700, 2)), 0.03 * rng.standard_normal((60, 2))
    scenarios = filtered_scenarios(np.vstack([quiet, wild]), volatility)
    assert (scenarios[:600].std(axis=0) > 0.015).all()
    calmer = filtered_scenarios(np.vstack([wild, quiet]), volatility)
    assert (calmer.std(axis=0) < 0.009).all()


def test_the_ewma_filter_by_hand() -> None:
    assert ewma_variances(np.array([0.02, 0.0]), 0.5).tolist() == pytest.approx([2e-4, 3e-4, 1.5e-4])


def test_tail_risk_is_that_of_the_normal_distribution() -> None:
    draws = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)[:, None] * 0.02
    found = tail_risk(draws, np.ones(1), 0.975)
    z = stats.norm.ppf(0.975)
    assert found.value_at_risk == pytest.approx(0.02 * z, rel=1e-4)
    assert found.expected_shortfall == pytest.approx(0.02 * stats.norm.pdf(z) / 0.025, rel=1e-4)


def test_a_shock_reaches_every_name_as_the_conditional_mean_does() -> None:
    rng = np.random.default_rng(6)
    loads, root = rng.normal(size=(5, 3)), rng.normal(size=(3, 3))
    model = FactorModel(
        tuple("ABCDE"), ("m", "s", "v"), ("market", "style", "style"), loads, root @ root.T, np.ones(5)
    )
    joint = model.factor_covariance
    given = np.array([-0.2, 0.05])
    other = joint[2, :2] @ np.linalg.inv(joint[:2, :2]) @ given
    np.testing.assert_allclose(
        shocked_returns(model, {"m": -0.2, "s": 0.05}), loads @ [*given, other], atol=1e-12
    )
    with pytest.raises(PolicyError, match="factors m, s, v"):
        shocked_returns(model, {"momentum": 0.1})


def test_wrong_tables_are_refused() -> None:
    with pytest.raises(DataError, match="60 rows"):
        filtered_scenarios(np.zeros((10, 2)))
    with pytest.raises(DataError, match="never moves"):
        filtered_scenarios(np.zeros((100, 2)))
    with pytest.raises(PolicyError, match="ewma, garch"):
        filtered_scenarios(np.zeros((100, 2)), "arch")
    with pytest.raises(PolicyError, match="level"):
        tail_risk(np.zeros((3, 1)), np.ones(1), 95.0)
    with pytest.raises(DataError, match="310 returns"):
        backtest_tail(np.zeros(200), np.random.default_rng(0))


Z, DAYS = stats.norm.ppf(0.95), 250


def rejected(scale: float, seed: int, books: int, clustered: bool = False) -> dict[str, float]:
    """Test -> share of books whose forecasts at 95% fail it at 5%: these say volatility 1, the days have `scale`."""
    rng, failures = np.random.default_rng(seed), dict.fromkeys(
        ("kupiec", "christoffersen", "conditional_coverage", "acerbi_szekely"), 0
    )  # fmt: skip
    at_risk, shortfall = np.full(DAYS, Z), np.full(DAYS, stats.norm.pdf(Z) / 0.05)
    for _ in range(books):
        days = scale * rng.standard_normal(DAYS)
        if clustered:  # as many exceptions, one after the other
            days = days[np.argsort(days > -Z, kind="stable")]
        for name in backtest_forecasts(days, at_risk, shortfall, 0.95, rng).failed(0.05):
            failures[name] += 1
    return {name: count / books for name, count in failures.items()}


def test_right_forecasts_fail_about_as_often_as_said() -> None:
    size = rejected(1.0, 11, 120)
    # Three standard errors of 120 books are 0.06; the likelihood ratios reject somewhat too often in 250 days.
    assert all(share <= 0.05 + 0.06 for share in size.values()), size
    assert size["kupiec"] > 0 and size["acerbi_szekely"] > 0


def test_forecasts_that_say_too_little_fail_and_clusters_are_seen() -> None:
    power = rejected(1.5, 12, 40)
    assert power["kupiec"] > 0.95 and power["conditional_coverage"] > 0.9 and power["acerbi_szekely"] > 0.95
    together = rejected(1.0, 13, 40, clustered=True)
    assert together["christoffersen"] > 0.9 and together["kupiec"] < 0.12


def test_forecasts_that_are_no_forecasts_are_refused() -> None:
    rng, calm = np.random.default_rng(1), np.zeros(10)
    with pytest.raises(DataError, match="less than its value at risk"):
        backtest_forecasts(calm, np.full(10, 0.02), np.full(10, 0.01), 0.95, rng)
    with pytest.raises(DataError, match="as many of each"):
        backtest_forecasts(calm, np.full(9, 0.01), np.full(10, 0.02), 0.95, rng)
    with pytest.raises(PolicyError, match="level is 95"):
        backtest_forecasts(calm, np.full(10, 0.01), np.full(10, 0.02), 95.0, rng)


def test_a_factor_tail_is_that_of_the_closed_forms() -> None:
    # Without scenarios a normal; with normal scenarios the sum of two, whose variances add up.
    z = stats.norm.ppf(0.99)
    alone = factor_tail(np.zeros((3, 2)), np.ones(2), 0.02, level=0.99)
    assert alone.value_at_risk == pytest.approx(0.02 * z, rel=1e-12)
    assert alone.expected_shortfall == pytest.approx(0.02 * stats.norm.pdf(z) / 0.01, rel=1e-12)
    draws = 0.03 * stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)[:, None]
    both = factor_tail(draws, np.array([0.5]), 0.02, level=0.99)
    assert both.value_at_risk == pytest.approx(0.025 * z, rel=1e-4)
    assert both.expected_shortfall == pytest.approx(0.025 * stats.norm.pdf(z) / 0.01, rel=1e-4)
    # And without the names' own risk the scenarios themselves.
    assert factor_tail(draws, np.array([0.5]), 0.0) == tail_risk(draws, np.array([0.5]))


def test_days_in_a_row_compound() -> None:
    days = np.array([[0.1, 0.0], [-0.5, 0.02], [1.0, 0.0]])
    np.testing.assert_allclose(over_horizon(days, 2), [[1.1 * 0.5 - 1, 0.02], [0.0, 0.02]], atol=1e-15)
    assert over_horizon(days, 1) is days
    with pytest.raises(PolicyError, match="1 to 3"):
        over_horizon(days, 4)


def test_a_scenario_of_factors_by_hand() -> None:
    joint = np.array([[0.04, 0.01], [0.01, 0.09]])
    model = FactorModel(
        ("A", "B"), ("m", "s"), ("market", "style"), np.array([[1.0, 0.5], [0.8, -1.0]]), joint, np.ones(2)
    )
    found = stress_factors({"A": 1000.0, "B": -500.0}, model, Scenario("x", "x", {}, factors={"m": -0.1}))
    m = np.log(0.9)
    s = 0.01 / 0.04 * m
    assert found.profits == pytest.approx({
        "A": 1000 * (np.exp(m + 0.5 * s) - 1), "B": -500 * (np.exp(0.8 * m - s) - 1),
    })  # fmt: skip
    assert found.moves == pytest.approx({"m": -0.1, "s": np.exp(s) - 1})
    assert sum(found.by_factor.values()) + found.compounding == pytest.approx(found.total, abs=1e-9)
    still = stress_factors({"A": 1.0}, model, Scenario("x", "x", {}, factors={"m": -0.1, "s": 0.0}))
    assert still.total == pytest.approx(-0.1)
    with pytest.raises(PolicyError, match="has no value; its factors are m, s"):
        stress_factors({"A": 1.0}, model, Scenario("x", "x", {}, factors={"value": 0.1}))
    with pytest.raises(DataError):
        stress_factors({"Z": 1.0}, model, Scenario("x", "x", {}, factors={"m": 0.1}))
    with pytest.raises(PolicyError, match="no market does"):
        wild = np.array([[1e-6, 1e-4], [1e-4, 1.0]])  # the second moves a hundredfold with the first
        odd = FactorModel(model.symbols, model.factors, model.groups, model.exposures, wild, np.ones(2))
        stress_factors({"A": 1.0}, odd, Scenario("x", "x", {}, factors={"m": -0.5}))


def test_scenarios_say_what_they_cannot_be() -> None:
    for wrong, said in (
        ({"shocks": {"equity": -0.1}, "factors": {"m": -0.1}}, "make two scenarios"),
        ({"shocks": {}, "factors": {"m": -1.0}}, "above -1"),
        ({"shocks": {}, "factors": {"m": 11.0}}, "up to 10"),
        ({"shocks": {}, "factors": {"m": float("nan")}}, "cannot be"),
        ({"shocks": {}}, "or factors of the factor model"),
    ):
        with pytest.raises(PolicyError, match=said):
            Scenario("x", "x", **wrong)  # type: ignore[arg-type]


def test_a_statistic_that_cannot_be_told_has_no_chance_and_rounding_below_zero_is_zero():
    assert np.isnan(_chi_squared(float("nan"), 1))
    assert _chi_squared(-1e-15, 1) == 1.0
    assert _chi_squared(3.841458820694124, 1) == pytest.approx(0.05)
