"""The day's cross-sectional regression: weighted, with the sectors adding up to nothing."""

import numpy as np

from optimizer.typing import Array

DEPENDENT = 1e-6  # a pivot of the scaled normal equations below this says that columns depend on each other


def constrained_wls(design: Array, target: Array, weights: Array, constraint: Array | None = None) -> Array:
    """(K,) coefficients that minimise sum of weights (target - design b)^2 subject to constraint b = 0.

    design  (n, K);  target  (n,);  weights  (n,) not negative;  constraint  (K,) or None
    The coefficient that the constraint weighs most is expressed by the others. Columns of zeros get 0; where columns
    depend on each other, or n < K, the answer is the shortest (of the coefficients that are left).
    Source: Menchero, Orr & Wang (2011), USE4, 2.3 and appendix A (constrained regression); Bjorck (1996), Numerical
    Methods for Least Squares Problems, 2.9.3 (normal equations, corrected once).

    >>> constrained_wls(np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]), np.array([0.03, 0.01]), np.ones(2),
    ...                 np.array([0.0, 0.5, 0.5])).round(3).tolist()
    [0.02, 0.01, -0.01]
    """
    if constraint is None or not constraint.any():
        return weighted_least_squares(design, target, weights)
    basis = eliminated(constraint)
    return np.asarray(basis @ weighted_least_squares(design @ basis, target, weights))


def eliminated(constraint: Array) -> Array:
    """(K, K - 1) whose products with any numbers fulfil the constraint, the one that it weighs most by the others."""
    out = int(np.abs(constraint).argmax())
    kept = np.arange(len(constraint)) != out
    basis = np.zeros((len(constraint), len(constraint) - 1))
    basis[kept] = np.eye(len(constraint) - 1)
    basis[out] = -constraint[kept] / constraint[out]
    return basis


def coefficient_error(
    design: Array, variances: Array, weights: Array, constraint: Array | None = None
) -> Array:
    """(K, K) covariance of the coefficients of `constrained_wls` where the names' residuals have these variances.

    variances  (n,) of the residuals: squared residuals themselves (White 1980, Econometrica 48) or forecasts

    >>> coefficient_error(np.ones((4, 1)), np.ones(4), np.ones(4)).tolist()
    [[0.25]]
    """
    given = constraint is not None and constraint.any()
    basis = eliminated(constraint) if given and constraint is not None else np.eye(design.shape[1])
    reduced = design @ basis
    scaled = reduced * weights[:, None]
    bread = basis @ np.linalg.pinv(reduced.T @ scaled, hermitian=True) @ scaled.T
    return np.asarray((bread * variances) @ bread.T)


def weighted_least_squares(design: Array, target: Array, weights: Array) -> Array:
    """(K,) coefficients; columns of zeros get 0, and dependent ones the shortest answer."""
    root = np.sqrt(weights)
    scaled, wanted = design * root[:, None], target * root
    sizes = np.sqrt(np.einsum("ij,ij->j", scaled, scaled))
    used = sizes > 0
    answer = np.zeros(design.shape[1])
    if not used.any():
        return answer
    if not used.all():
        scaled = scaled[:, used]
    scaled = scaled / sizes[used]
    found = _by_normal_equations(scaled, wanted)
    if found is None:
        # In the sizes as given, so that "shortest" does not depend on our scaling.
        found = np.linalg.lstsq(scaled * sizes[used], wanted, rcond=None)[0] * sizes[used]
    answer[used] = found / sizes[used]
    return answer


def _by_normal_equations(scaled: Array, wanted: Array) -> Array | None:
    """The answer, corrected by its own residual; None where columns depend on each other."""
    if scaled.shape[0] < scaled.shape[1]:
        return None
    try:
        factor = np.linalg.cholesky(scaled.T @ scaled)
    except np.linalg.LinAlgError:
        return None
    if factor.diagonal().min() < DEPENDENT:
        return None
    inverse = np.linalg.inv(factor)
    found = inverse.T @ (inverse @ (scaled.T @ wanted))
    correction = inverse.T @ (inverse @ (scaled.T @ (wanted - scaled @ found)))
    return np.asarray(found + correction)
