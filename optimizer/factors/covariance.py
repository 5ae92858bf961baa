"""The covariance of factor returns: decayed, Newey-West, and freed of the bias of small eigenvalues."""

import numpy as np

from optimizer.typing import Array

EMPTY = 1e-10  # of the largest eigenvalue; what is smaller holds no risk


def decay_weights(rows: int, half_life: float) -> Array:
    """(rows,) exponential weights adding up to 1, the last the heaviest."""
    weights = 0.5 ** (np.arange(rows - 1, -1, -1) / half_life)
    return np.asarray(weights / weights.sum())


def newey_west(returns: Array, half_life: float, lags: int) -> Array:
    """(K, K) decayed covariance per period with autocovariances up to `lags`, by Bartlett weights.

    returns  (T, K);  half_life  in periods
    A product of two days counts by the geometric mean of their weights, so that the answer is positive semidefinite.
    Source: Newey & West (1987), Econometrica 55; Menchero, Orr & Wang (2011), USE4, 3.1 (decayed form).

    >>> newey_west(np.array([[1.0], [-1.0], [1.0], [-1.0]]), 1e9, 0).round(6).tolist()
    [[1.0]]
    """
    weights = decay_weights(len(returns), half_life)
    scaled = np.sqrt(weights)[:, None] * (returns - weights @ returns)
    covariance = scaled.T @ scaled
    for lag in range(1, min(lags, len(returns) - 1) + 1):
        product = scaled[lag:].T @ scaled[:-lag]
        covariance += (1.0 - lag / (lags + 1.0)) * (product + product.T)
    return np.asarray(covariance)


def factor_covariance(
    returns: Array, volatility_half_life: float, volatility_lags: int, correlation_half_life: float,
    correlation_lags: int,
) -> Array:  # fmt: skip
    """(K, K) per period: volatilities and correlations each with its own half-life and lags (USE4, 3.1)."""
    deviation = np.sqrt(np.diag(newey_west(returns, volatility_half_life, volatility_lags)).clip(0.0))
    slow = newey_west(returns, correlation_half_life, correlation_lags)
    size = np.sqrt(np.diag(slow).clip(0.0))
    scale = np.where(size > 0, deviation / np.where(size > 0, size, 1.0), 0.0)
    return np.asarray(slow * np.outer(scale, scale))


def eigenfactor_adjusted(
    covariance: Array, periods: float, rng: np.random.Generator, simulations: int = 100, scale: float = 1.4
) -> Array:
    """(K, K) whose eigenvalues are raised or lowered by the bias that sampling gives portfolios of little risk.

    covariance   (K, K), taken as true;  periods  that it effectively rests on
    simulations  samples of that many periods drawn from it;  scale  of the correction (1.4: USE4)
    Each sample's eigenvectors are judged by the true covariance: v(k)^2 is the mean of true over believed variance, and
    the k-th eigenvalue is multiplied by (scale (v(k) - 1) + 1)^2.
    Source: Menchero, Wang & Orr (2011), Eigen-adjusted covariance matrices, MSCI; USE4, 3.2.
    """
    values, vectors = np.linalg.eigh(covariance)
    live = values > EMPTY * max(float(values[-1]), np.finfo(float).tiny)
    freedom = int(periods)
    if not simulations or live.sum() < 2 or freedom <= live.sum():
        return covariance
    bias = simulated_bias(values[live], freedom, rng, simulations)
    adjusted = values.copy()
    adjusted[live] *= (scale * (bias - 1.0) + 1.0) ** 2
    return np.asarray((vectors * adjusted) @ vectors.T)


def simulated_bias(values: Array, freedom: int, rng: np.random.Generator, simulations: int) -> Array:
    """(k,) v(k) of the eigenvectors of sample covariances of `freedom` periods; values ascending, above 0.

    Samples are Wishart, drawn by their Cholesky factor (Bartlett 1933), which costs k^2 numbers and not k periods.
    """
    k = len(values)
    factors = np.tril(rng.standard_normal((simulations, k, k)), -1)
    chi = np.sqrt(rng.chisquare(freedom - np.arange(k), (simulations, k)))
    factors[:, np.arange(k), np.arange(k)] = chi
    factors *= np.sqrt(values / freedom)[None, :, None]
    believed, directions = np.linalg.eigh(factors @ factors.transpose(0, 2, 1))
    true = np.einsum("mik,i->mk", directions**2, values)
    return np.asarray(np.sqrt((true / believed).mean(axis=0)))


def effective_periods(rows: int, half_life: float) -> float:
    """How many equally weighted periods decayed ones are worth (Kish)."""
    weights = decay_weights(rows, half_life)
    return float(1.0 / (weights @ weights))
