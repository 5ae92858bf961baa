"""Factor models from given factor series, and from principal components of the returns themselves."""

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.factors.covariance import decay_weights, newey_west
from optimizer.factors.factor_model import COMPONENT, SERIES, FactorModel
from optimizer.typing import Array

SAME = 1e-9  # of its size, that a series moves by itself: less is rounding
LEAST_FREEDOM = 12  # returns more than factors, from which on a slope says something


@typed
def time_series_model(
    returns: Array, symbols: tuple[str, ...], series: Array, factors: tuple[str, ...], *,
    half_life: float | None = None, lags: int = 0, periods_per_year: float = 252.0,
) -> FactorModel:  # fmt: skip
    """Exposures to given series by regression: r_i = a_i + b_i' f + e_i, name by name.

    returns  (T, n) less the risk-free rate where the series are; NaN = none, and then left out for that name
    series   (T, K) returns of the factors, such as those of Fama & French, over the same periods;  half_life  of the
             weights; None = equal;  periods_per_year  that of the rows: 252 of sessions, 52 of weeks, 12 of months
    lags     of Newey-West in the factors' covariance
    Raises DataError for other shapes, series with gaps, that do not move or that others make up, and names with fewer
    than K + 12 returns or with none where a series moves.
    Source: Fama & French (1993), JFE 33; Grinold & Kahn (2000), ch. 3.

    >>> r = np.array([[0.01, 0.02], [-0.01, -0.02]] * 10)
    >>> time_series_model(r, ('A', 'B'), r[:, :1], ('market',)).exposures.round(6).tolist()
    [[1.0], [2.0]]
    """
    rows, k = series.shape
    _check_series(returns, symbols, series, factors)
    weights = np.full(rows, 1.0 / rows) if half_life is None else decay_weights(rows, half_life)
    known = np.isfinite(returns)
    if (few := known.sum(axis=0) < k + LEAST_FREEDOM).any():
        named = ", ".join(symbol for symbol, lacks in zip(symbols, few, strict=True) if lacks)
        raise DataError(
            f"{named}: fewer than {k + LEAST_FREEDOM} returns beside the {k} series; drop them, or use fewer series"
        )
    slopes, specific = regressed(returns, series, weights)
    for i in np.flatnonzero(np.isnan(specific)):
        why = "; ".join(dependent(series[known[:, i]], factors).values()) or "the weights leave too few"
        raise DataError(
            f"{symbols[i]}: its returns do not tell the series apart ({why}); drop it, or a series"
        )
    covariance = newey_west(series, np.inf if half_life is None else half_life, lags)
    return FactorModel(
        symbols, factors, (SERIES,) * k, slopes, covariance * periods_per_year, specific * periods_per_year
    )


def regressed(returns: Array, series: Array, weights: Array) -> tuple[Array, Array]:
    """(n, K) slopes of each name on the series and (n,) variances of what they leave, a regression a pattern of gaps.

    returns  (T, n), NaN = none;  series  (T, K), none missing;  weights  (T,) of the rows
    NaN where a name has fewer than K + 12 returns, or those do not tell the series apart.
    """
    rows, k = series.shape
    design = np.column_stack([np.ones(rows), series])
    patterns, of = np.unique(np.isfinite(returns), axis=1, return_inverse=True)
    slopes, specific = np.full((returns.shape[1], k), np.nan), np.full(returns.shape[1], np.nan)
    for place, known in enumerate(patterns.T):
        names, count = np.flatnonzero(of == place), float(known.sum())
        if count < k + LEAST_FREEDOM:
            continue
        root = np.sqrt(weights * known)[:, None]
        own = np.where(known[:, None], returns[:, names], 0.0)
        answer, _, rank, _ = np.linalg.lstsq(design * root, own * root, rcond=None)
        if rank > k:
            left = (own - design @ answer) * root
            slopes[names] = answer[1:].T
            specific[names] = (left**2).sum(axis=0) / float((root**2).sum()) * count / (count - k - 1.0)
    return slopes, specific


def _check_series(returns: Array, symbols: tuple[str, ...], series: Array, factors: tuple[str, ...]) -> None:
    rows, k = series.shape
    if returns.shape != (rows, len(symbols)) or k != len(factors):
        raise DataError(
            f"returns {returns.shape} of {len(symbols)} names and series {series.shape} of {len(factors)} factors must "
            f"have the same rows, a column a name and a factor"
        )
    gaps = ~np.isfinite(series)
    if gaps.any():
        factor, count = factors[int(gaps.any(axis=0).argmax())], int(gaps.any(axis=1).sum())
        raise DataError(f"{factor} has a gap; leave the {count} rows with gaps out of series and returns")
    if rows < k + LEAST_FREEDOM:
        raise DataError(
            f"{k} series of {rows} rows: {k + LEAST_FREEDOM} rows are needed; use fewer series, or longer ones"
        )
    if why := dependent(series, factors):
        raise DataError(f"{'; '.join(why.values())}: no slope on it can be told; leave {', '.join(why)} out")


def dependent(series: Array, factors: tuple[str, ...]) -> dict[str, str]:
    """Factor -> why it has no slope of its own: it does not move, or those before it in the order make it up.

    series  (T, K), none missing

    >>> dependent(np.array([[0.1, 0.2, 1.0], [0.3, 0.6, 1.0], [0.2, 0.4, 1.0]]), ('x', 'y', 'z'))
    {'y': 'y is made up by x', 'z': 'z does not move'}
    """
    found: dict[str, str] = {}
    free: list[int] = []
    moves = series - series.mean(axis=0) if len(series) else series
    for place, factor in enumerate(factors):
        own = moves[:, place]
        size = np.linalg.norm(own)
        if size <= SAME * max(np.linalg.norm(series[:, place]), np.finfo(float).tiny):
            found[factor] = f"{factor} does not move"
            continue
        scaled = moves[:, free] / np.linalg.norm(moves[:, free], axis=0)
        parts = np.linalg.lstsq(scaled, own / size, rcond=None)[0]
        if np.linalg.norm(own / size - scaled @ parts) > SAME:
            free.append(place)
            continue
        by = [factors[free[at]] for at in np.flatnonzero(np.abs(parts) > SAME)]
        found[factor] = f"{factor} is made up by {', '.join(by)}"
    return found


@typed
def principal_components(covariance: Array, symbols: tuple[str, ...], rows: int) -> FactorModel:
    """The components of the correlation above the noise as factors of variance 1, the rest specific.

    covariance  (n, n) sample covariance of `rows` periods, whose unit the model keeps
    At least one component is kept.
    Source: Connor & Korajczyk (1986); number of components by the Marchenko-Pastur edge.
    """
    deviation, values, vectors = spectrum(covariance)
    kept = max(1, int((values > noise_edge(values, rows)).sum()))
    loadings = vectors[:, -kept:] * np.sqrt(values[-kept:].clip(0.0))
    specific = (1.0 - np.einsum("ij,ij->i", loadings, loadings)).clip(0.0) * deviation**2
    names = tuple(f"component {i}" for i in range(kept, 0, -1))
    return FactorModel(
        symbols, names, (COMPONENT,) * kept, loadings * deviation[:, None], np.eye(kept), specific
    )


def noise_edge(values: Array, rows: int) -> float:
    """Largest eigenvalue that a correlation of unrelated symbols would show.

    values  (n,) eigenvalues of the sample correlation, ascending; `rows` = T
    The variance of the noise is 1, or what the largest eigenvalue leaves over where that is no noise: the market's.
    To take away all that lies above, and look again, would end with no noise at all: real spectra have no gap.
    Source: Laloux, Cizeau, Bouchaud & Potters (1999), PRL 83.
    """
    n = len(values)
    edge = float((1 + np.sqrt(n / rows)) ** 2)
    return edge if values[-1] <= edge else edge * float(1.0 - values[-1] / n)


def spectrum(covariance: Array) -> tuple[Array, Array, Array]:
    """(n,) deviations, and eigenvalues (m,) ascending and eigenvectors (n, m) of the correlation of the m that move."""
    deviation = np.sqrt(np.diag(covariance))
    moving = deviation > 0
    if moving.any() and not moving.all():
        vectors = np.zeros((len(deviation), int(moving.sum())))
        _, values, vectors[moving] = spectrum(covariance[np.ix_(moving, moving)])
        return deviation, values, vectors
    safe = np.where(moving, deviation, 1.0)
    correlation = covariance / np.outer(safe, safe)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    return deviation, values, vectors
