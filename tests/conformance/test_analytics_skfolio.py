"""The measures of performance against those of skfolio, an independent implementation, on the same returns."""

import numpy as np
import pytest

from optimizer import performance as p

RETURNS = np.random.default_rng(11).standard_t(4, 750) * 0.009 + 0.0005


@pytest.fixture(scope="module")
def measures():
    return pytest.importorskip("skfolio.measures")


def test_risk_measures(measures):
    assert p.volatility(RETURNS) == pytest.approx(
        measures.standard_deviation(RETURNS) * np.sqrt(252), rel=1e-12
    )
    assert p.expected_shortfall(RETURNS) == pytest.approx(measures.cvar(RETURNS, beta=0.95), rel=1e-12)
    assert p.expected_shortfall(RETURNS, 0.9) == pytest.approx(measures.cvar(RETURNS, beta=0.9), rel=1e-12)
    assert p.skewness(RETURNS) == pytest.approx(measures.skew(RETURNS), rel=1e-10)
    assert p.kurtosis(RETURNS) == pytest.approx(measures.kurtosis(RETURNS), rel=1e-10)


def test_drawdown_measures(measures):
    falls = measures.get_drawdowns(RETURNS, compounded=True)
    np.testing.assert_allclose(p.drawdowns(RETURNS)[1:], falls, atol=1e-12)
    assert -p.max_drawdown(RETURNS).depth == pytest.approx(measures.max_drawdown(falls), rel=1e-12)
    assert p.ulcer_index(RETURNS) == pytest.approx(measures.ulcer_index(falls), rel=1e-12)


def test_probabilistic_and_deflated_sharpe(measures):
    rate = p.per_period(0.02)
    theirs = measures.probabilistic_sharpe_ratio(RETURNS, 0.03, rate)
    assert p.sharpe_test(RETURNS, 0.02, against=0.03 * np.sqrt(252)).probabilistic == pytest.approx(
        theirs, rel=1e-9
    )
    trials = np.random.default_rng(0).normal(0.02, 0.05, 25)
    best = measures.expected_max_sharpe_ratio(25, trials.std(ddof=1))
    ours = p.sharpe_test(RETURNS, 0.02, trials=25, trial_variance=252 * trials.var(ddof=1))
    assert ours.deflated == pytest.approx(measures.probabilistic_sharpe_ratio(RETURNS, best, rate), rel=1e-9)
