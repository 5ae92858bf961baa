"""Parts of risk and return add up to the whole, whatever the portfolio."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from factor_market import panel
from hypothesis import given
from hypothesis import strategies as st

from optimizer import DataError, FactorModel, fit_factors
from optimizer.factors.attribution import attributed, factor_days, linked, predicted_risk
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
    weights = np.random.default_rng(1).dirichlet(np.ones(24))
    names, found = attributed(fit_factors(whole.between(0, 320)), whole, np.tile(weights, (10, 1)))
    assert names[0] == "market" and names[-2:] == ("SPECIFIC", "OTHER")
    assert found.total == pytest.approx(np.prod(1 + whole.returns[-10:] @ weights) - 1, abs=1e-14)
    assert found.parts.sum() == pytest.approx(found.total, abs=1e-13)
    assert found.money.sum() == pytest.approx(found.total, abs=1e-13)
    assert found.parts[-1] == found.errors[-1] == 0.0 and (found.errors[:-1] > 0).all()
    with pytest.raises(DataError, match="10 sessions x 24 names"):
        attributed(fit_factors(whole.between(0, 320)), whole, weights[None])


def test_a_day_is_told_by_the_exposures_of_the_close_before():
    """Against the fit of all sessions but the last, and the regression's own answer."""
    whole = panel(days=330)
    before, fit = fit_factors(whole.between(0, 329)), fit_factors(whole)
    books = np.random.default_rng(1).dirichlet(np.ones(24), (2, 1))
    days = factor_days(partial(fit_factors, whole), [329], books)
    assert days.exposures[:, 0] == pytest.approx(books[:, 0] @ before.exposures, abs=1e-15)
    assert (days.returns[0] == fit.sessions[-1].factor_returns).all()
    x = days.exposures[0]
    errors = days.standard_errors(x)[0]
    assert errors[:-1] == pytest.approx(np.abs(x[0]) * np.sqrt(np.diag(days.errors[0])))
    assert errors[-1] == pytest.approx(np.sqrt(x[0] @ days.errors[0] @ x[0]))
    active = books[0] - books[1]
    _, found = attributed(before, whole, books[0], benchmark=books[1])
    moved = active @ whole.returns[329:].T
    assert found.active.sum() == pytest.approx(moved[0], abs=1e-15)
    assert found.active[0] == pytest.approx((active @ before.exposures)[0, 0] * days.returns[0, 0], abs=1e-15)


def test_nothing_of_a_later_day_is_in_a_days_parts():
    """Garbage after a day leaves the parts and errors of the days up to it as they were, bit for bit."""
    whole, rng = panel(days=330), np.random.default_rng(2)
    returns, caps = whole.returns.copy(), whole.caps.copy()
    returns[321:] = rng.normal(0, 0.5, returns[321:].shape)
    caps[321:] *= 1e3
    dates, books = list(range(300, 321)), rng.dirichlet(np.ones(24), (2, 21))
    one, two = (
        factor_days(partial(fit_factors, told), dates, books)
        for told in (whole, replace(whole, returns=returns, caps=caps))
    )
    for name in ("exposures", "returns", "errors"):
        assert (getattr(one, name) == getattr(two, name)).all(), name


def test_two_days_linked_by_hand():
    """10% then -5%, half of each by either part, against 2% and 1%: the figures of Carino's links by pencil."""
    parts, bench = np.array([[0.06, 0.04], [-0.02, -0.03]]), np.array([[0.02, 0.0], [0.01, 0.0]])
    found = linked(parts, bench, parts * 0 + 0.01, parts * 0 + 0.02)
    assert found.total == pytest.approx(0.045, abs=1e-15) and found.benchmark == pytest.approx(0.0302)
    assert found.money == pytest.approx([0.06 - 0.02 * 1.1, 0.04 - 0.03 * 1.1])
    k, k1, k2 = np.log(1.045) / 0.045, np.log(1.1) / 0.1, np.log(0.95) / -0.05
    assert found.parts == pytest.approx([(0.06 * k1 - 0.02 * k2) / k, (0.04 * k1 - 0.03 * k2) / k])
    assert found.errors == pytest.approx([0.01 * np.hypot(k1, k2) / k] * 2)
    against = (np.log(1.1 / 1.02) / 0.08, np.log(0.95 / 1.01) / -0.06, np.log(1.045 / 1.0302) / 0.0148)
    assert found.active[0] == pytest.approx((0.04 * against[0] - 0.03 * against[1]) / against[2])
    assert found.active_errors == pytest.approx([0.02 * np.hypot(*against[:2]) / against[2]] * 2)


@given(st.integers(0, 10_000), st.integers(0, 30), st.sampled_from([0.0, 1e-12, 1e-9, 1e-4, 0.02]))
def test_linked_parts_add_up_whatever_they_are(seed: int, days: int, size: float):
    """Nothing, next to nothing, parts that cancel, and a benchmark that is the portfolio."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(0, size, (days, 4))
    parts[:, 3] = rng.choice([0.0, 1.0]) * -parts[:, 0] + rng.normal(0, size * 1e-3, days)
    bench = parts if seed % 3 == 0 else rng.normal(0, size, (days, 4)) * rng.choice([0.0, 1.0])
    found = linked(parts, bench, np.abs(parts), np.abs(parts - bench))
    total, other = (np.prod(1 + table.sum(axis=1)) - 1 for table in (parts, bench))
    assert found.money.sum() == pytest.approx(total, abs=1e-12)
    assert found.parts.sum() == pytest.approx(total, abs=1e-12)
    assert found.active.sum() == pytest.approx(total - other, abs=1e-12)
    assert np.isfinite([*found.errors, *found.active_errors]).all()


def test_a_total_loss_has_no_parts():
    with pytest.raises(DataError, match="lost all in a period"):
        linked(np.array([[-0.6, -0.4]]), np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises(DataError, match="T x P"):
        linked(np.zeros((2, 2)), np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((1, 2)))


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
