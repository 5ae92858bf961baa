import numpy as np
import pytest

from optimizer import Estimates, Policy, Universe, solve
from optimizer.measures.performance import expected_shortfall, value_at_risk
from optimizer.measures.portfolio_measures import (
    diversification_ratio,
    expected_return,
    growth_rate,
    herfindahl,
    risk_contributions,
    turnover,
    volatility,
)
from optimizer.problem.scenario_costs import EntropicTail
from optimizer.problem.tails.drawdown_costs import Drawdown
from optimizer.risk.filtered_simulation import TailRisk, tail_risk
from optimizer.solvers.fast.risk_budgets import free_budgets

COVARIANCE = np.array([[0.04, 0.006], [0.006, 0.01]])
HALF = np.array([0.5, 0.5])


def test_measures_of_two_names_by_hand():
    assert volatility(HALF, COVARIANCE) == pytest.approx(np.sqrt(0.0155))
    assert expected_return(np.array([0.5, 0.3]), np.array([0.1, 0.05]), 0.02) == pytest.approx(0.069)
    assert risk_contributions(HALF, COVARIANCE) == pytest.approx([0.0115 / 0.0155, 0.004 / 0.0155])
    assert diversification_ratio(HALF, COVARIANCE) == pytest.approx(0.15 / np.sqrt(0.0155))
    assert herfindahl(HALF) == 0.5
    assert turnover(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == 0.5
    assert growth_rate(0.08, 0.2) == pytest.approx(0.06)


def test_no_risk_gives_nan_and_not_zero():
    nothing = np.zeros(2)
    assert np.isnan(risk_contributions(nothing, COVARIANCE)).all()
    assert np.isnan(diversification_ratio(nothing, COVARIANCE))
    assert volatility(nothing, COVARIANCE) == 0


def test_the_tail_counts_the_last_scenario_in_part():
    scenarios = -np.array([[10.0], [8.0], [6.0], [4.0]])
    assert expected_shortfall(scenarios[:, 0], 0.75) == pytest.approx(10)
    assert expected_shortfall(scenarios[:, 0], 0.625) == pytest.approx((10 + 0.5 * 8) / 1.5)


@pytest.mark.parametrize("n", [3, 40, 220])
def test_risk_shares_equal_their_budgets_at_every_size(n: int):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((2 * n, n)) * rng.uniform(0.1, 3, n) + rng.standard_normal((2 * n, 1))
    covariance, budgets = a.T @ a / n, rng.uniform(0.2, 1, n)
    budgets /= budgets.sum()
    y = free_budgets(covariance, budgets)
    np.testing.assert_allclose(risk_contributions(y, covariance), budgets, atol=1e-9)


def test_a_book_of_one_name():
    one = Estimates(("A",), np.array([0.08]), np.array([[0.04]]))
    for method in (
        "min_volatility",
        "max_sharpe",
        "risk_parity",
        "max_diversification",
        "hrp",
        "nco",
        "max_return",
    ):
        found = solve(one, Policy(method=method, risk_free_rate=0.02), Universe(("A",)))
        assert found.weights == pytest.approx([1.0])
        assert found.cash == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("days", [1, 2, 3, 10])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99, 0.999])
def test_tails_of_short_series_are_what_their_docstrings_say(level: float, days: int):
    """Each by its definition, reckoned otherwise; none is beyond the worst day, and each is above the one before."""
    r = np.random.default_rng([days, round(1000 * level)]).normal(0, 0.02, days)
    losses, p = np.sort(-r)[::-1], 1 - level
    place = p * (days - 1)
    value = losses[int(place)] + (place % 1) * (losses[min(int(place) + 1, days - 1)] - losses[int(place)])
    assert value_at_risk(r, level) == pytest.approx(value, abs=1e-15)
    assert (losses > value_at_risk(r, level) + 1e-15).sum() <= np.ceil(p * days - 1e-12)
    shortfall = min(z + np.maximum(losses - z, 0).mean() / p for z in losses)
    assert expected_shortfall(r, level) == pytest.approx(shortfall, abs=1e-12)
    least = losses[max(int(np.ceil(p * days - 1e-12)) - 1, 0)]
    assert tail_risk(r[:, None], np.ones(1), level) == TailRisk(level, least, pytest.approx(shortfall))
    scale = max(np.ptp(losses), 1e-6) * np.geomspace(1e-7, 1e3, 4001)
    tilts = losses[0] + scale * np.log(np.exp((losses - losses[0])[:, None] / scale).mean(axis=0) / p)
    entropic = EntropicTail(level).value(r)
    assert entropic == pytest.approx(min(tilts.min(), losses[0]), abs=1e-5)
    falls = np.array([max(0.0, *(-r[i : t + 1].sum() for i in range(t + 1))) for t in range(days)])
    drawn = min(z + np.maximum(falls - z, 0).mean() / p for z in falls)
    assert Drawdown("tail", level).value(r) == pytest.approx(drawn, abs=1e-12)
    assert value_at_risk(r, level) <= shortfall + 1e-15 <= entropic + 1e-12 <= losses[0] + 1e-11
