"""Raw descriptors into exposures: outliers pulled in, mean 0 by capitalisation, spread 1 by name."""

import numpy as np

from optimizer.factors.panel import Mask
from optimizer.typing import Array

OUTLIER = 3.0  # robust standard deviations from the median
QUARTILES_OF_NORMAL = 1.349  # between the quartiles of a normal distribution, in standard deviations
FLAT = 1e-9  # of its own size; less spread than this is rounding


def standardised(raw: Array, weights: Array, universe: Mask) -> Array:
    """(p, n) exposures: within the universe the weighted mean is 0 and the standard deviation 1.

    raw       (p, n) descriptors, NaN = unknown;  weights  (n,) not negative;  universe  (n,) names that set the scale
    Values beyond 3 robust deviations of the median are pulled in to there. An unknown value becomes 0,
    the market's own; a descriptor in which the universe does not differ becomes 0 for all.
    Source: Menchero, Orr & Wang (2011), The Barra US Equity Model (USE4), 2.2 (trimming and standardisation).

    >>> standardised(np.array([[1.0, 2.0, 3.0]]), np.ones(3), np.ones(3, bool)).round(3).tolist()
    [[-1.225, 0.0, 1.225]]
    """
    inside = raw[:, universe]
    known = np.isfinite(inside)
    counts = known.sum(axis=1)
    low, high = _bounds(np.sort(inside, axis=1), counts)
    told, scale = known.astype(float), weights[universe]
    inside = np.where(known, _within(inside, low, high), 0.0)
    total, some = told @ scale, np.maximum(counts, 1)
    mean = inside @ scale / np.where(total > 0, total, 1.0)
    centre = inside.sum(axis=1) / some
    gaps = (inside - centre[:, None]) * told
    spread = np.sqrt(np.einsum("ij,ij->i", gaps, gaps) / some)
    flat = spread <= FLAT * np.abs(centre) + np.finfo(float).tiny
    exposures = (_within(raw, low, high) - mean[:, None]) / np.where(flat, 1.0, spread)[:, None]
    exposures[flat | (total <= 0)] = 0.0
    return np.where(np.isfinite(exposures), exposures, 0.0)


def _within(values: Array, low: Array, high: Array) -> Array:
    return np.minimum(np.maximum(values, low[:, None]), high[:, None])


def orthogonal(exposure: Array, to: Array, weights: Array, universe: Mask) -> Array:
    """(n,) what of an exposure another, of weighted mean 0, does not explain within the universe.

    It is 0 where the other explains all: what rounding leaves would be made exposures of 1.
    """
    scaled = (weights * to)[universe]
    size = float(scaled @ to[universe])
    slope = float(scaled @ exposure[universe]) / size if size > 0 else 0.0
    left = exposure - slope * to
    largest = np.abs(exposure[universe]).max(initial=0.0)
    return np.where(np.abs(left[universe]).max(initial=0.0) <= FLAT * largest, 0.0, left)


def _bounds(ordered: Array, counts: Array) -> tuple[Array, Array]:
    """(p,) least and most that is believed; where half of the names are equal, everything is."""
    rows = np.arange(len(ordered))
    last = np.maximum(counts - 1, 0)
    if not ordered.shape[1]:
        return np.full(len(rows), -np.inf), np.full(len(rows), np.inf)
    lower, median, upper = (ordered[rows, (last * part).astype(np.intp)] for part in (0.25, 0.5, 0.75))
    reach = OUTLIER * (upper - lower) / QUARTILES_OF_NORMAL
    reach = np.where((reach > 0) & (counts > 0), reach, np.inf)
    median = np.where(np.isfinite(median), median, 0.0)
    return median - reach, median + reach
