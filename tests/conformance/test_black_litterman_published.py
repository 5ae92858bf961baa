"""Published Black-Litterman tables, to the digits they print.

He & Litterman, The Intuition Behind Black-Litterman Model Portfolios (Goldman Sachs, 1999), tables 1-6.
Idzorek, A Step-by-Step Guide to the Black-Litterman Model (2005), tables 1-6.
"""

import numpy as np
import pytest

from optimizer import BlackLittermanSettings, MarketView, posterior

COUNTRIES = ("AUL", "CAN", "FRA", "GER", "JAP", "UKG", "USA")
CORRELATIONS = """
1
.488 1
.478 .664 1
.515 .655 .861 1
.439 .310 .355 .354 1
.512 .608 .783 .777 .405 1
.491 .779 .668 .653 .306 .652 1
"""
CAPITALISATION = np.array([1.6, 2.2, 5.2, 5.5, 11.6, 12.4, 61.5]) / 100
HE_LITTERMAN = BlackLittermanSettings(delta=2.5, tau=0.05, confidence="he_litterman")
GERMANY = MarketView(["GER"], "relative", 0.05, 1.0, against=["FRA", "UKG"])
CANADA = MarketView(["CAN", "USA"], "relative", 0.03, 1.0)


def seven_countries():
    lower = np.zeros((7, 7))
    for i, line in enumerate(CORRELATIONS.split("\n")[1:-1]):
        lower[i, : i + 1] = [float(value) for value in line.split()]
    correlation = lower + lower.T - np.eye(7)
    volatility = np.array([16.0, 20.3, 24.8, 27.1, 21.0, 20.0, 18.7]) / 100
    return correlation * np.outer(volatility, volatility)


def portfolio(answer, delta):
    return np.linalg.solve(delta * answer.covariance, answer.mean)


def test_equilibrium_of_the_seven_countries():
    prior = posterior(COUNTRIES, CAPITALISATION, seven_countries(), [], HE_LITTERMAN).prior
    assert prior * 100 == pytest.approx([3.9, 6.9, 8.4, 9.0, 4.3, 6.8, 7.6], abs=0.06)


@pytest.mark.parametrize(
    ("views", "returns", "weights"),
    [
        (
            [GERMANY],
            [4.3, 7.6, 9.3, 11.0, 4.5, 7.0, 8.1],
            [1.5, 2.1, -4.0, 35.4, 11.0, -9.5, 58.6],
        ),
        (
            [GERMANY, CANADA],
            [4.4, 8.7, 9.5, 11.2, 4.6, 7.0, 7.5],
            [1.5, 41.9, -3.4, 33.6, 11.0, -8.2, 18.8],
        ),
    ],
)
def test_views_on_the_seven_countries(views, returns, weights):
    answer = posterior(COUNTRIES, CAPITALISATION, seven_countries(), views, HE_LITTERMAN)
    assert answer.mean * 100 == pytest.approx(returns, abs=0.06)
    assert portfolio(answer, 2.5) * 100 == pytest.approx(weights, abs=0.06)
    assert answer.warnings == ()


ASSETS = ("US Bonds", "Intl Bonds", "US LG", "US LV", "US SG", "US SV", "Intl Dev", "Intl Emg")
COVARIANCE = np.array(
    [
        [0.001005, 0.001328, -0.000579, -0.000675, 0.000121, 0.000128, -0.000445, -0.000437],
        [0.001328, 0.007277, -0.001307, -0.000610, -0.002237, -0.000989, 0.001442, -0.001535],
        [-0.000579, -0.001307, 0.059852, 0.027588, 0.063497, 0.023036, 0.032967, 0.048039],
        [-0.000675, -0.000610, 0.027588, 0.029609, 0.026572, 0.021465, 0.020697, 0.029854],
        [0.000121, -0.002237, 0.063497, 0.026572, 0.102488, 0.042744, 0.039943, 0.065994],
        [0.000128, -0.000989, 0.023036, 0.021465, 0.042744, 0.032056, 0.019881, 0.032235],
        [-0.000445, 0.001442, 0.032967, 0.020697, 0.039943, 0.019881, 0.028355, 0.035064],
        [-0.000437, -0.001535, 0.048039, 0.029854, 0.065994, 0.032235, 0.035064, 0.079958],
    ]
)
DELTA = 3.065  # printed as 3.07; the third decimal is the one that reproduces every digit of his tables
MARKET = np.array([19.34, 26.13, 12.09, 12.09, 1.34, 1.34, 24.18, 3.49]) / 100
IDZOREK_VIEWS = [
    MarketView(["Intl Dev"], "absolute", 0.0525, 1.0),
    MarketView(["Intl Bonds", "US Bonds"], "relative", 0.0025, 1.0),
    MarketView(["US LG", "US SG"], "relative", 0.02, 1.0, against=["US LV", "US SV"]),
]


def test_idzoreks_implied_and_combined_returns():
    settings = BlackLittermanSettings(delta=DELTA, tau=0.025, confidence="he_litterman", covariance="sigma")
    answer = posterior(ASSETS, MARKET, COVARIANCE, IDZOREK_VIEWS, settings)
    assert answer.prior * 100 == pytest.approx([0.08, 0.67, 6.41, 4.08, 7.43, 3.70, 4.80, 6.60], abs=0.006)
    assert answer.mean * 100 == pytest.approx([0.07, 0.50, 6.50, 4.32, 7.59, 3.94, 4.93, 6.84], abs=0.006)
    weights = [29.88, 15.59, 9.35, 14.82, 1.04, 1.65, 27.81, 3.49]
    assert portfolio(answer, DELTA) * 100 == pytest.approx(weights, abs=0.015)


@pytest.mark.parametrize("confidence", [0.25, 0.5, 0.65])
@pytest.mark.parametrize("view", IDZOREK_VIEWS, ids=["absolute", "relative", "group"])
def test_idzoreks_confidence_is_the_share_of_the_way_to_certainty(view, confidence):
    """His step 7: the tilt of the weights is the confidence times the tilt at 100%."""
    settings = BlackLittermanSettings(delta=DELTA, tau=0.025, covariance="sigma")

    def tilt(share):
        partial = MarketView(view.assets, view.view_type, view.expected_return, share, against=view.against)
        answer = posterior(ASSETS, MARKET, COVARIANCE, [partial], settings)
        return portfolio(answer, DELTA) - MARKET

    assert tilt(confidence) == pytest.approx(confidence * tilt(1.0), abs=1e-12)
