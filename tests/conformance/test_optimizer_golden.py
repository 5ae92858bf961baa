"""Answers known in closed form or checked by hand; the three-asset toy of the origin study."""

import numpy as np
import pytest

from optimizer import Estimates, Policy, Universe, solve
from optimizer.measures.portfolio_measures import risk_contributions, volatility

MEAN = np.array([0.08, 0.03, 0.10])
COVARIANCE = np.array([[0.04, 0.01, 0.03], [0.01, 0.02, 0.005], [0.03, 0.005, 0.06]])
NAMES = ("A", "B", "C")
TOY = Estimates(NAMES, MEAN, COVARIANCE)
DAILY = Estimates(NAMES, MEAN / 252, COVARIANCE / 252)
BOOK = Universe(NAMES)


@pytest.mark.parametrize(("estimates", "days"), [(TOY, 1), (DAILY, 252)])
def test_max_sharpe_of_the_toy(estimates: Estimates, days: int) -> None:
    found = solve(estimates, Policy(method="max_sharpe", risk_free_rate=0.02 / days), BOOK)
    np.testing.assert_allclose(found.weights, [6 / 13, 0, 7 / 13], atol=1e-8)
    assert found.objective * np.sqrt(days) == pytest.approx(0.3502, abs=5e-5)
    assert found.lane == "fast"


@pytest.mark.parametrize("estimates", [TOY, DAILY])
def test_min_volatility_of_the_toy_at_most_half_in_one_name(estimates: Estimates) -> None:
    found = solve(estimates, Policy(method="min_volatility", max_weight=0.5), BOOK)
    np.testing.assert_allclose(found.weights, [0.3125, 0.5, 0.1875], atol=1e-9)
    assert [limit.limit for limit in found.binding] == ["max_weight B"]


@pytest.mark.parametrize("estimates", [TOY, DAILY])
def test_risk_parity_contributes_equally_in_any_unit(estimates: Estimates) -> None:
    found = solve(estimates, Policy(method="risk_parity"), BOOK)
    np.testing.assert_allclose(risk_contributions(found.weights, estimates.covariance), 1 / 3, atol=1e-9)
    assert found.weights.sum() == pytest.approx(1, abs=1e-12)


def test_shadow_price_is_the_slope_of_the_optimum() -> None:
    def risk(cap: float) -> float:
        return solve(TOY, Policy(method="min_volatility", max_weight=cap), BOOK).objective

    price = solve(TOY, Policy(method="min_volatility", max_weight=0.5), BOOK).binding[0].shadow_price
    assert price == pytest.approx((risk(0.499) - risk(0.501)) / 0.002, rel=1e-4)


def test_target_volatility_is_met_exactly() -> None:
    policy = Policy(method="target_volatility", target_volatility=0.15, risk_free_rate=0.02)
    found = solve(TOY, policy, BOOK)
    assert volatility(found.weights, COVARIANCE) == pytest.approx(0.15, abs=1e-9)
    assert found.lane == "fast"
    assert found.warnings == ()
