"""Correlation by counting joint large moves."""

import numpy as np

from optimizer.beliefs.estimators.sample import Sample, estimator
from optimizer.typing import Array

THRESHOLD = 0.5


@estimator(2)
def gerber(sample: Sample) -> Array:
    """(n, n) per period: sample volatilities with the Gerber correlation in its positive semidefinite form.

    A return counts as a move when it exceeds half its symbol's volatility; the correlation of two symbols is
    (same direction - opposite) / geometric mean of their own counts.
    Source: Gerber, Markowitz, Ernst, Miao, Javid & Sargen, The Gerber Statistic (2022), JPM 48.

    >>> gerber(sample).shape
    (3, 3)
    """
    deviation = sample.returns.std(axis=0, ddof=1)
    threshold = THRESHOLD * deviation
    moves = np.sign(sample.returns) * (np.abs(sample.returns) >= threshold) * (deviation > 0)
    counts = moves.T @ moves
    own = np.sqrt(np.diag(counts))
    # A symbol that never moves that far has no count; it correlates with nothing but itself.
    correlation = counts / np.outer(np.where(own > 0, own, 1.0), np.where(own > 0, own, 1.0))
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation * np.outer(deviation, deviation))
