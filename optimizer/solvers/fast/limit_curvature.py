"""Second derivatives of ellipsoidal limits, for Newton steps on problems that have them."""

import numpy as np

from optimizer.numerics.convex_limits import Norm
from optimizer.typing import Array


def priced_curvature(norms: tuple[Norm, ...], w: Array, prices: Array) -> Array:
    """(n, n) sum of the limits' second derivatives at w times their prices."""
    total = np.zeros((len(w), len(w)))
    for norm, price in zip(norms, prices, strict=True):
        if price:
            total += price * curvature(norm, w)
    return total


def curvature(norm: Norm, w: Array) -> Array:
    """(n, n) second derivative of the limit's value at w; 0 at its centre, where it has none."""
    value = norm.value(w)
    if value <= 0:
        return np.zeros_like(norm.covariance)
    slope = norm.covariance @ (w - norm.center) / value
    return np.asarray((norm.covariance - np.outer(slope, slope)) / value)


def cone_curvature(norms: tuple[Norm, ...], w: Array, prices: Array, scale: float, p: int) -> Array:
    """(p + 1, p + 1) priced second derivatives of the limits in y = w x scale and the scale itself (last)."""
    n = len(w)
    total = np.zeros((p + 1, p + 1))
    for norm, price in zip(norms, prices, strict=True):
        if price:
            spread = np.zeros((n, p + 1))
            spread[:, :n] = np.eye(n)
            spread[:, p] = -norm.center
            total += price / scale * (spread.T @ curvature(norm, w) @ spread)
    return total
