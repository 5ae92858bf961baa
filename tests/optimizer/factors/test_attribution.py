"""Parts of risk and return add up to the whole, whatever the portfolio."""

import numpy as np
import pytest
from factor_market import panel
from hypothesis import given
from hypothesis import strategies as st

from optimizer import DataError, FactorModel, fit_factors
from optimizer.factors.attribution import attributed, predicted_risk, realised_return
from optimizer.factors.quality import bias_statistic, q_statistic, qlike, rolling_deviation

MODEL = fit_factors(panel(days=330)).model


@given(st.integers(0, 10_000), st.booleans())
def test_risk_adds_up_by_factor_and_by_name(seed: int, active: bool):
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.1, len(MODEL.symbols))
    benchmark = rng.dirichlet(np.ones(len(MODEL.symbols))) if active else None
    found = predicted_risk(MODEL, weights, benchmark)
    own = weights - (0.0 if benchmark is None else benchmark)
    assert found.volatility == pytest.approx(np.sqrt(own @ MODEL.covariance.dense @ own), rel=1e-10)
    assert found.factors.sum() + found.specific == pytest.approx(found.volatility, rel=1e-10)
    assert found.names.sum() == pytest.approx(found.volatility, rel=1e-10)
    assert found.names == pytest.approx(own * (MODEL.covariance.dense @ own) / found.volatility, abs=1e-12)


def test_nothing_held_has_no_risk_and_no_nan():
    found = predicted_risk(MODEL, np.zeros(len(MODEL.symbols)))
    assert found.volatility == found.specific == 0.0 and not found.names.any()
    with pytest.raises(DataError, match="one finite number"):
        predicted_risk(MODEL, np.zeros(3))


def test_the_session_is_its_factors_and_names():
    """Holding weights over a fitted market: nothing is left for trading."""
    whole = panel(days=330)
    fit = fit_factors(whole)
    weights = np.random.default_rng(1).dirichlet(np.ones(24))
    last = fit.sessions[-1]
    before = fit_factors(whole.between(0, 329))
    over_days = attributed(fit_factors(whole.between(0, 320)), whole, np.tile(weights, (10, 1)))
    assert over_days.total == pytest.approx(np.prod(1 + whole.returns[-10:] @ weights) - 1, abs=1e-14)
    assert over_days.factors.sum() + over_days.specific == pytest.approx(over_days.total, abs=1e-13)
    assert over_days.other == pytest.approx(0.0, abs=1e-13) and (over_days.errors > 0).all()
    with pytest.raises(DataError, match="10 sessions x 24 names"):
        attributed(fit_factors(whole.between(0, 320)), whole, weights[None])
    total = np.array([weights @ whole.returns[-1]])
    found = realised_return(
        (before.exposures.T @ weights)[None], last.factor_returns[None],
        np.array([weights @ last.specific_returns]), total,
    )  # fmt: skip
    assert found.other == pytest.approx(0.0, abs=1e-15)
    assert found.factors.sum() + found.specific == pytest.approx(total[0], abs=1e-15)


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_linked_parts_add_up_to_the_compound_return(seed: int, days: int):
    rng = np.random.default_rng(seed)
    exposures, returns, errors = (
        rng.normal(0, 1, (days, 3)),
        rng.normal(0, 0.01, (days, 3)),
        np.full((days, 3), 1e-3),
    )
    specific, totals = rng.normal(0, 0.01, days), rng.normal(0, 0.02, days)
    found = realised_return(exposures, returns, specific, totals, errors)
    assert found.total == pytest.approx(np.prod(1 + totals) - 1)
    assert found.factors.sum() + found.specific + found.other == pytest.approx(found.total, abs=1e-12)
    assert (found.errors > 0).all()


def test_a_model_is_read_for_some_names_and_refuses_others():
    part = MODEL.of(("N03", "N01"))
    assert part.covariance.dense == pytest.approx(MODEL.covariance.dense[np.ix_([3, 1], [3, 1])])
    with pytest.raises(DataError, match="does not cover ZZZ"):
        MODEL.of(("ZZZ",))
    with pytest.raises(DataError, match="not negative"):
        FactorModel(("A",), ("m",), ("market",), np.ones((1, 1)), np.eye(1), np.array([-1.0]))


def test_a_right_forecast_is_told_from_a_wrong_one():
    rng = np.random.default_rng(0)
    deviations = np.exp(rng.normal(0, 0.3, (4000, 5))) * 0.01
    returns = deviations * rng.standard_normal((4000, 5))
    assert bias_statistic(returns, deviations) == pytest.approx(np.ones(5), abs=0.04)
    assert bias_statistic(returns, deviations / 2) == pytest.approx(np.full(5, 2.0), abs=0.08)
    assert q_statistic(returns, deviations) == pytest.approx(np.full(5, 1 + 1.27), abs=0.15)
    for wrong in (deviations * 1.3, deviations / 1.3, np.full_like(deviations, 0.0105)):
        assert (qlike(returns, wrong) > qlike(returns, deviations)).all()
        assert (q_statistic(returns, wrong) > q_statistic(returns, deviations)).all()
    assert (
        rolling_deviation(returns, deviations, 250) < 0.06 < rolling_deviation(returns, deviations * 1.2, 250)
    )
    with pytest.raises(DataError, match="above 0"):
        qlike(returns, deviations * 0)
