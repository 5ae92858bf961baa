"""The 24 months of Bacon, Practical Portfolio Performance Measurement and Attribution (2nd ed., 2008), with
the figures that the book and the R package PerformanceAnalytics print for them."""

import numpy as np
import pytest

from optimizer import performance as p

PORTFOLIO = np.array(
    [0.3, 2.6, 1.1, -1.0, 1.5, 2.5, 1.6, 6.7, -1.4, 4.0, -0.5, 8.1,
     4.0, -3.7, -6.1, 1.7, -4.9, -2.2, 7.0, 5.8, -6.5, 2.4, -0.5, -0.9]
) / 100  # fmt: skip
BENCHMARK = np.array(
    [0.2, 2.5, 1.8, -1.1, 1.4, 1.8, 1.4, 6.5, -1.5, 4.2, -0.6, 8.3,
     3.9, -3.8, -6.2, 1.5, -4.8, 2.1, 6.0, 5.6, -6.7, 1.9, -0.3, 0.0]
) / 100  # fmt: skip
TARGET = 0.005
ANNUAL_TARGET = 1.005**12 - 1


def test_downside_measures_at_half_a_percent_a_month():
    assert p.sortino(PORTFOLIO, ANNUAL_TARGET, 12) / np.sqrt(12) == pytest.approx(0.1566371, abs=5e-7)
    assert p.omega(PORTFOLIO, TARGET) - 1 == pytest.approx(0.29, abs=0.005)
    assert p.omega(PORTFOLIO) == pytest.approx(1.78, abs=0.005)
    assert p.downside_deviation(PORTFOLIO, TARGET) == pytest.approx(0.0255, abs=5e-5)


def test_shape_and_drawdown_measures():
    assert p.skewness(PORTFOLIO) / p.kurtosis(PORTFOLIO) == pytest.approx(-0.034, abs=5e-4)
    assert p.annual_return(PORTFOLIO, 12) / p.ulcer_index(PORTFOLIO) == pytest.approx(1.6945, abs=5e-5)
    pain = -p.drawdowns(PORTFOLIO)[1:].mean()
    assert p.annual_return(PORTFOLIO, 12) / pain == pytest.approx(2.5926, abs=5e-5)


def test_measures_against_the_benchmark():
    slope = p.beta(PORTFOLIO, BENCHMARK)
    spread = BENCHMARK.std() * np.sqrt(12)
    assert PORTFOLIO.std() / BENCHMARK.std() == pytest.approx(1.03, abs=0.005)
    geometric = p.annual_return(PORTFOLIO, 12) - slope * p.annual_return(BENCHMARK, 12)
    assert geometric == pytest.approx(-0.01416944, abs=5e-9)
    m_squared = p.annual_return(PORTFOLIO, 12) * spread / (PORTFOLIO.std() * np.sqrt(12))
    assert m_squared == pytest.approx(0.10062, abs=5e-6)
    # Bacon's adjusted Sharpe ratio (Pezier & White) from our moments
    ratio = p.annual_return(PORTFOLIO, 12) / p.volatility(PORTFOLIO, 12)
    adjusted = ratio * (1 + p.skewness(PORTFOLIO) / 6 * ratio - (p.kurtosis(PORTFOLIO) - 3) / 24 * ratio**2)
    assert adjusted == pytest.approx(0.7591435, abs=5e-7)
