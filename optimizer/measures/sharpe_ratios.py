"""The Sharpe ratio, its uncertainty, and what is left of it after many trials; arguments as in `performance`."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from optimizer.errors import DataError
from optimizer.measures.moments import ROUNDING, excess_returns, kurtosis, skewness
from optimizer.model.sessions import TRADING_DAYS
from optimizer.numerics.counted import counted
from optimizer.typing import Array

EULER = 0.5772156649015329
NORMAL = NormalDist()


@counted(2)
def sharpe(returns: Array, risk_free_rate: float | Array = 0.0, periods: float = TRADING_DAYS) -> float:
    """Mean excess return / its standard deviation, per year (Sharpe 1994); NaN without variation.

    >>> round(sharpe([0.01, -0.01, 0.02], 0.0, 12), 4)
    1.5119
    """
    excess = excess_returns(returns, risk_free_rate, periods)
    spread = np.std(excess, ddof=1)
    return float(excess.mean() / spread * sqrt(periods)) if spread > ROUNDING else float("nan")


@dataclass(frozen=True)
class SharpeTest:
    """A Sharpe ratio per year with its uncertainty.

    All are NaN where the returns do not vary.
    low, high      confidence interval under non-normal returns (Mertens 2002)
    probabilistic  probability that the true ratio is above the benchmark's (Bailey & Lopez de Prado 2012)
    deflated       the same against the best expected of `trials` strategies without skill (2014)
    """

    ratio: float
    low: float
    high: float
    probabilistic: float
    deflated: float


@counted(2)
def sharpe_test(
    returns: Array,
    risk_free_rate: float | Array = 0.0,
    periods: float = TRADING_DAYS,
    *,
    level: float = 0.95,
    against: float = 0.0,
    trials: int = 1,
    trial_variance: float | None = None,
) -> SharpeTest:
    """Sharpe ratio with confidence interval, probabilistic and deflated forms.

    against         the annual Sharpe ratio to beat
    trials          strategies tried before this one was chosen
    trial_variance  variance of their annual Sharpe ratios; default the estimate's own variance

    >>> round(sharpe_test([0.01, -0.01, 0.02, 0.0]).probabilistic, 4)
    0.7463
    """
    excess = excess_returns(returns, risk_free_rate, periods)
    ratio = sharpe(excess, 0.0, periods)
    one = ratio / sqrt(periods)
    shape = 1 - skewness(excess) * one + (kurtosis(excess) - 1) / 4 * one**2
    error = sqrt(shape / (len(returns) - 1))
    half = NORMAL.inv_cdf(0.5 + level / 2) * error * sqrt(periods)
    spread = error if trial_variance is None else sqrt(trial_variance / periods)
    best = spread * _expected_maximum(trials)
    return SharpeTest(
        ratio=ratio,
        low=ratio - half,
        high=ratio + half,
        probabilistic=NORMAL.cdf((one - against / sqrt(periods)) / error),
        deflated=NORMAL.cdf((one - best) / error),
    )


@counted()
def deflated_sharpe(ratio: float, error: float, trials: int, trial_variance: float) -> float:
    """Probability that a Sharpe ratio beats the best of trials without skill (Bailey & Lopez de Prado 2014).

    ratio, error    of the strategy, per year, and its standard error;  trials  distinct strategies tried
    trial_variance  variance across their Sharpe ratios, per year
    Raises DataError for numbers that are none, an error of 0 and fewer than one trial.

    >>> round(deflated_sharpe(2.5, 0.46, 100, 0.5), 4)
    0.9388
    """
    return NORMAL.cdf((ratio - sqrt(trial_variance) * _expected_maximum(trials)) / error)


def _expected_maximum(trials: int) -> float:
    """Expected largest of that many standard normals (Bailey & Lopez de Prado 2014, eq. 1)."""
    if trials < 1:
        raise DataError(f"trials is {trials}; count the strategies that were tried, at least 1")
    if trials == 1:
        return 0.0
    return (1 - EULER) * NORMAL.inv_cdf(1 - 1 / trials) + EULER * NORMAL.inv_cdf(1 - 1 / (trials * np.e))
