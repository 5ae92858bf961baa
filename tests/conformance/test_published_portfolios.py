"""Portfolios printed in papers and books, found again from the inputs printed beside them."""

import numpy as np
import pytest

from optimizer import Estimates, Policy, Solution, Universe, frontier, solve
from optimizer.measures.performance import expected_shortfall


def solved(estimates: Estimates, **policy: object) -> Solution:
    return solve(estimates, Policy(**{"risk_free_rate": 0.0, **policy}), Universe(estimates.symbols))


# R. T. Rockafellar, S. Uryasev, Optimization of conditional value-at-risk, Journal of Risk 2(3), 2000, section 5:
# monthly returns of the S&P 500, long government bonds and small caps, and a least return of 0.011.
THREE = ("BONDS", "S&P 500", "SMALL CAPS")
MONTHLY = np.array([0.0043532, 0.0101110, 0.0137058])
MONTHLY_COVARIANCE = np.array(
    [
        [0.00049937, 0.00022983, 0.00019247],
        [0.00022983, 0.00324625, 0.00420395],
        [0.00019247, 0.00420395, 0.00764097],
    ]
)
LEAST_VARIANCE = [0.115573, 0.452013, 0.432414]
TABLE = {0.90: (0.067847, 0.096975), 0.95: (0.090200, 0.115908), 0.99: (0.132128, 0.152977)}


def test_rockafellar_and_uryasevs_portfolio_of_least_variance():
    estimates = Estimates(THREE, MONTHLY, MONTHLY_COVARIANCE)
    found = solved(estimates, method="min_volatility", min_return=0.011)
    np.testing.assert_allclose(found.weights, LEAST_VARIANCE, atol=3e-6)
    assert found.objective**2 == pytest.approx(0.00378529, abs=5e-9)


@pytest.mark.parametrize("level", TABLE)
def test_rockafellar_and_uryasevs_table_of_cvar(level: float):
    """Under normal returns the least CVaR is at the least variance (their proposition 4.1); by symmetric sampling."""
    from scipy.stats import norm

    value_at_risk, cvar = TABLE[level]
    risk = np.sqrt(np.array(LEAST_VARIANCE) @ MONTHLY_COVARIANCE @ LEAST_VARIANCE)
    z = norm.ppf(level)
    assert z * risk - 0.011 == pytest.approx(value_at_risk, abs=2e-6)
    assert norm.pdf(z) / (1 - level) * risk - 0.011 == pytest.approx(cvar, abs=2e-6)
    grid = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert expected_shortfall(0.011 + risk * grid, level) == pytest.approx(cvar, abs=2e-5)


def test_their_cvar_comes_out_of_a_sample_too():
    """In a sample the least CVaR is a little below that of their portfolio, and near the table."""
    rng = np.random.default_rng(0)
    half = rng.standard_normal((1500, 3))
    draws = np.vstack([half, -half]) @ np.linalg.cholesky(MONTHLY_COVARIANCE).T
    estimates = Estimates(THREE, MONTHLY, MONTHLY_COVARIANCE, draws + MONTHLY)
    found = solved(estimates, method="cvar", tail_level=0.9, min_return=0.011)
    assert found.objective <= expected_shortfall((draws + MONTHLY) @ np.array(LEAST_VARIANCE), 0.9)
    assert found.objective == pytest.approx(TABLE[0.90][1], rel=0.05)


# D. H. Bailey, M. Lopez de Prado, An open-source implementation of the critical-line algorithm for portfolio
# optimization, Algorithms 6(1), 2013: their ten assets, and the turning points of the frontier between 0 and 1.
TEN = tuple(f"X{i:02d}" for i in range(1, 11))
TEN_MEANS = np.array([1.175, 1.19, 0.396, 1.12, 0.346, 0.679, 0.089, 0.73, 0.481, 1.08])
TEN_ROWS = """
0.40755159
0.03175842 0.9063047
0.05183923 0.03136385 0.19490901
0.05663904 0.02687256 0.04408485 0.19528471
0.0330226  0.01917172 0.03006772 0.02777345 0.34059105
0.00827775 0.00934384 0.01322738 0.00526665 0.00777055 0.15983874
0.02165938 0.02495043 0.03525971 0.01375808 0.02067844 0.02105575 0.68056711
0.01332419 0.00761036 0.0115493  0.00780878 0.00736409 0.00518686 0.01377882 0.95526918
0.0343476  0.02874874 0.0427563  0.02914176 0.02542657 0.01723737 0.04627027 0.0106553  0.31681584
0.02249903 0.01336866 0.02057303 0.01640377 0.01284075 0.00723779 0.01926088 0.00760955 0.01854318 0.11079287
"""
TURNING_POINTS = [  # return, risk, weights
    (1.19, 0.952, [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    (1.180259, 0.545657, [0.649369, 0.350631, 0, 0, 0, 0, 0, 0, 0, 0]),
    (1.160056, 0.417256, [0.433984, 0.231248, 0, 0.334768, 0, 0, 0, 0, 0, 0]),
    (1.111262, 0.26672, [0.126888, 0.072343, 0, 0.281254, 0, 0, 0, 0, 0, 0.519515]),
    (1.10836, 0.265017, [0.123201, 0.070444, 0, 0.278994, 0, 0, 0, 0.006436, 0, 0.520926]),
    (1.022484, 0.22968, [0.086922, 0.050451, 0, 0.223594, 0, 0.173832, 0, 0.030173, 0, 0.435029]),
    (1.015306, 0.227983, [0.084671, 0.049254, 0, 0.219634, 0, 0.180039, 0, 0.03103, 0.006486, 0.428887]),
    (0.97272, 0.219555, [0.073789, 0.043829, 0, 0.198976, 0.026158, 0.198152, 0, 0.03342, 0.027903, 0.397774]),
    (0.949937, 0.216025,
     [0.068344, 0.041387, 0.015215, 0.188134, 0.034162, 0.202319, 0, 0.033929, 0.033633, 0.382875]),
    (0.803215, 0.205238,
     [0.036969, 0.026901, 0.094942, 0.125776, 0.076746, 0.219356, 0.029987, 0.035963, 0.06135, 0.29201]),
]  # fmt: skip


def lower_triangle(text: str) -> np.ndarray:
    rows = [[float(value) for value in line.split()] for line in text.strip().splitlines()]
    lower = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        lower[i, : i + 1] = row
    return lower + np.tril(lower, -1).T


CRITICAL_LINE = Estimates(TEN, TEN_MEANS, lower_triangle(TEN_ROWS))


@pytest.mark.parametrize(("earned", "risk", "weights"), TURNING_POINTS)
def test_bailey_and_lopez_de_prados_turning_points(earned: float, risk: float, weights: list[float]):
    exact = float(TEN_MEANS @ weights) if earned > 1.18 else earned
    found = solved(CRITICAL_LINE, method="min_volatility", min_return=exact)
    np.testing.assert_allclose(found.weights, weights, atol=2e-5)
    assert found.objective == pytest.approx(risk, abs=2e-5)


def test_between_turning_points_the_weights_lie_on_a_line():
    """What makes the line critical; and the frontier runs from the first to the last of them."""
    (high, _, first), (low, _, second) = TURNING_POINTS[3], TURNING_POINTS[5]
    corner = TURNING_POINTS[4]
    for start, end in ((TURNING_POINTS[3], corner), (corner, TURNING_POINTS[5])):
        middle = solved(CRITICAL_LINE, method="min_volatility", min_return=(start[0] + end[0]) / 2)
        np.testing.assert_allclose(middle.weights, (np.array(start[2]) + end[2]) / 2, atol=2e-5)
    bent = solved(CRITICAL_LINE, method="min_volatility", min_return=(high + low) / 2).weights
    assert np.abs(bent - (np.array(first) + second) / 2).max() > 1e-3
    safest, *_, dearest = frontier(CRITICAL_LINE, Policy(risk_free_rate=0.0), Universe(TEN), points=20)
    np.testing.assert_allclose(safest.solution.weights, TURNING_POINTS[-1][2], atol=2e-5)
    np.testing.assert_allclose(dearest.solution.weights, TURNING_POINTS[0][2], atol=1e-9)


# H. Markowitz, Portfolio Selection, 1959, chapter II: nine securities and cash, 1937-54, to the half percent printed.
NINE = tuple("ABCDEFGHI")
NINE_MEANS = np.array(
    [0.06594444444, 0.06155555556, 0.1460555556, 0.1734444444, 0.1981111111, 0.05511111111, 0.1276111111,
     0.1903333333, 0.1156111111]
)  # fmt: skip
NINE_ROWS = """
0.05338816358
0.02149069753 0.01468446914
0.02865533642 0.01878391358 0.08550016358
0.04896485802 0.02441658642 0.06260714198 0.09546446914
0.01624895062 0.008041938272 0.04439938272 0.05153806173 0.1278900988
0.03223945062 0.01002193827 0.01328671605 0.02902461728 0.0128384321 0.04125832099
0.02425553395 0.01448993827 0.01043991049 0.02077028395 0.02091715432 0.01127854321 0.02883379321
0.03999812963 0.02536259259 0.06864603704 0.09002012963 0.1015344074 0.02960762963 0.02913762963 0.1467278889
0.0361509784 0.02083593827 0.0420215216 0.03664589506 0.04497232099 0.02165332099 0.01739445988 0.05284057407 0.07926979
"""


@pytest.mark.parametrize(
    ("earned", "weights", "cash"),
    [
        (0.07, [0, 0, 0.08, 0.015, 0.06, 0, 0.345, 0, 0], 0.5),
        (0.15, [0, 0, 0.09, 0.13, 0.21, 0, 0.57, 0, 0], 0.0),
    ],
)
def test_markowitzs_portfolios_with_cash(earned: float, weights: list[float], cash: float):
    estimates = Estimates(NINE, NINE_MEANS, lower_triangle(NINE_ROWS))
    found = solved(estimates, method="min_volatility", min_return=earned, cash_max=1.0)
    np.testing.assert_allclose(found.weights, weights, atol=6e-3)
    assert found.cash == pytest.approx(cash, abs=6e-3)


# Y. Choueifaty, T. Froidure, J. Reynier, Properties of the most diversified portfolio, Journal of Investment Strategies
# 2(2), 2013: what an unbiased construction must not depend on. Volatilities 20% and 10%, correlation 0.5.
PAIR = np.array([[0.04, 0.01], [0.01, 0.01]])


def held(shares: np.ndarray, method: str = "max_diversification") -> np.ndarray:
    """What is held of the two assets through securities that hold these shares (k, 2) of them."""
    names = tuple(f"S{i}" for i in range(len(shares)))
    found = solved(Estimates(names, None, shares @ PAIR @ shares.T), method=method)
    through = shares.T @ found.weights
    return through / through.sum()


def test_two_assets_are_held_by_inverse_volatility():
    np.testing.assert_allclose(held(np.eye(2)), [1 / 3, 2 / 3], atol=1e-9)


@pytest.mark.parametrize(
    "shares",
    [
        [[1, 0], [1, 0], [0, 1]],  # duplication: the same asset listed twice
        [[0.25, 0], [0, 1]],  # leverage: a quarter of the first asset, the rest in cash
        [[1, 0], [0, 1], [0.75, 0.25]],  # polico: a positive linear combination of the others
    ],
    ids=["duplication", "leverage", "polico"],
)
def test_the_most_diversified_portfolio_is_invariant(shares: list[list[float]]):
    np.testing.assert_allclose(held(np.array(shares, dtype=float)), [1 / 3, 2 / 3], atol=1e-7)


def test_equal_risk_contributions_are_not_invariant_to_a_polico():
    """The paper's counterexample: risk parity counts the combination once more."""
    shares = np.array([[1, 0], [0, 1], [0.75, 0.25]])
    assert held(shares, "risk_parity")[0] > 1 / 3 + 0.05
