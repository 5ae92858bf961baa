"""Views on top of the market's equilibrium (Black & Litterman 1992); all returns in excess of cash."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.arguments import typed
from optimizer.beliefs.estimators.means import equilibrium
from optimizer.beliefs.exposure_views import ABSURD_GROSS, Named
from optimizer.beliefs.market_views import JointViews, MarketView, ViewMatrix, view_portfolios
from optimizer.errors import DataError, PolicyError, check_one_of
from optimizer.model.alignment import named_holdings, named_square, named_vector
from optimizer.model.estimates import check_covariance, check_magnitude, check_symbols, finite
from optimizer.model.exposures import FundExposureMap
from optimizer.model.policies.fields import BlackLittermanSettings, black_litterman_of
from optimizer.model.ranges import checked_number
from optimizer.numerics.counted import counted, floats
from optimizer.numerics.matrices import LowRank, Matrix, dense, less, variances
from optimizer.typing import Array

MOST_SCALED = 1e9  # of the risk aversion, and of the prior's uncertainty
CONFIDENCES = ("idzorek", "he_litterman")
COVARIANCES = ("posterior", "sigma")
IMPLIED = "implied"
NOTICED = 1e-6
SINGULAR = 1e-12
UNHEARD = 1e-15  # below it a view moves nothing that a double can hold, and 1 / confidence overflows


@dataclass(frozen=True, eq=False)
class Posterior:
    """Excess returns after the views.

    prior       (n,) equilibrium excess returns, per year
    mean        (n,) posterior expected excess returns, per year
    covariance  (n, n) per year: S + M, or S itself ("sigma"); M is the uncertainty of the mean, tau S without
                views, so that a view of vanishing confidence changes nothing; in factors where S is
    warnings    views that contradict each other or cannot hold, with what is left of each

    >>> view = MarketView(['GOLD'], 'absolute', 0.04, 1.0)
    >>> posterior(symbols, market, covariance, [view]).mean.round(4).tolist()[2]
    0.04
    """

    prior: Array
    mean: Array
    covariance: Matrix
    warnings: tuple[str, ...] = ()


@typed
def posterior(
    symbols: Sequence[str],
    market_weights: Array,
    covariance: Matrix,
    views: Sequence[MarketView | JointViews] | ViewMatrix,
    settings: BlackLittermanSettings | None = None,
    *,
    prior: Array | None = None,
    funds: FundExposureMap | None = None,
    trusted: bool = False,
) -> Posterior:
    """Equilibrium returns pulled towards the views (He & Litterman 1999; Idzorek 2005).

    symbols         n names; the arrays follow their order, and what carries names is put into it
    market_weights  (n,) fractions, of the market or the benchmark; by name, 0 where one is not named
    covariance      (n, n) S, per year; may be singular, only k x k systems are solved
    views           opinions, among them JointViews, or P, q and omega as a ViewMatrix; none = the prior
    prior           (n,) excess returns to start from; None = equilibrium with the market weights
    funds           what symbols hold, for views on exposures
    trusted         True skips the costly checks of the covariance: only for one that `Estimates` has checked
    Raises PolicyError for an unknown symbol in a view, exact duplicates that differ, a group without market weight, or
    weights in percent; DataError for a covariance or prior that no `Estimates` would take, and for unknown names.

    >>> posterior(symbols, market, covariance, []).mean.round(4).tolist()
    [0.0066, 0.0447, 0.0167]
    """
    chosen = BlackLittermanSettings() if settings is None else black_litterman_of(settings)
    _check_settings(chosen)
    symbols, n = tuple(symbols), len(symbols)
    weights = _checked_weights(symbols, market_weights)
    if not trusted:
        check_symbols(symbols)
        covariance = floats("covariance", named_square("covariance", dense(covariance), symbols))
        if covariance.shape != (n, n):
            raise PolicyError(
                f"covariance has shape {covariance.shape}; it must be {n} x {n}, as the symbols"
            )
        check_covariance(finite("covariance", covariance, (n, n)), symbols)
    start = (
        equilibrium(covariance, weights, delta_of(chosen))
        if prior is None
        else finite("prior", named_vector("prior", prior, symbols), (n,))
    )
    if not trusted:
        check_magnitude(start, np.sqrt(variances(covariance)), symbols)
    told = _read(views, Named(symbols, weights, funds), covariance, chosen)
    if not len(told.P):
        return Posterior(start, start, _predictive(covariance, None, chosen), told.warnings)
    mean, learnt = _combine(start, covariance, told, chosen.tau)
    warnings = told.warnings or _unfulfilled(told.P @ mean, told, _riskless(told.P, covariance))
    return Posterior(start, mean, _predictive(covariance, learnt, chosen), warnings)


@dataclass(frozen=True, eq=False)
class _Read:
    """Views that are heard: P (k, n), q (k,), omega (k, k), what each is called, and whether it holds exactly."""

    P: Array
    q: Array
    omega: Array
    names: tuple[str, ...]
    exact: tuple[bool, ...]
    warnings: tuple[str, ...] = ()


def _read(
    views: Sequence[MarketView | JointViews] | ViewMatrix,
    known: Named,
    covariance: Matrix,
    settings: BlackLittermanSettings,
) -> _Read:
    """The views as portfolios with their errors; those without confidence are left out."""
    if isinstance(views, ViewMatrix):
        n = len(known.symbols)
        if views.P.shape[1] != n:
            raise DataError(f"P has {views.P.shape[1]} columns for {n} symbols; give one for each")
        names = tuple(f"row {i} of P" for i in range(len(views.P)))
        exact = tuple((np.diag(views.omega) == 0).tolist())
        return _Read(views.columns(known.symbols), views.q, views.omega, names, exact)
    if not isinstance(views, Sequence) or not all(isinstance(v, MarketView | JointViews) for v in views):
        raise PolicyError(
            "views must be a list of MarketView and JointViews, or one ViewMatrix; put each opinion in one"
        )
    single = [view for view in views if isinstance(view, MarketView)]
    told = _read_single(single, known, covariance, settings)
    for joint in (view for view in views if isinstance(view, JointViews)):
        told = _beside(told, joint.matrix(known), joint.names)
    return told


def _beside(told: _Read, matrix: ViewMatrix, names: tuple[str, ...]) -> _Read:
    """The views with others whose errors have nothing to do with theirs."""
    k, more = len(told.P), len(matrix.P)
    omega = np.zeros((k + more, k + more))
    omega[:k, :k], omega[k:, k:] = told.omega, matrix.omega
    exact = (*told.exact, *(np.diag(matrix.omega) == 0).tolist())
    P, q = np.vstack([told.P, matrix.P]), np.append(told.q, matrix.q)
    return _Read(P, q, omega, (*told.names, *names), exact, told.warnings)


def _read_single(
    views: Sequence[MarketView],
    known: Named,
    covariance: Matrix,
    settings: BlackLittermanSettings,
) -> _Read:
    """Views whose errors stand alone."""
    P = view_portfolios(known, views)
    q = np.array([view.expected_return for view in views])
    warnings = _contradictions(P, q, views)
    heard = [i for i, view in enumerate(views) if view.confidence is None or view.confidence > UNHEARD]
    kept, P = [views[i] for i in heard], P[heard]
    own = np.diag(P @ (settings.tau * (covariance @ P.T)))
    omega = np.array([_omega(view, v, settings.confidence) for view, v in zip(kept, own, strict=True)])
    certain = settings.confidence == "idzorek"
    exact = tuple(view.error == 0 or (certain and view.confidence == 1) for view in kept)
    return _Read(P, q[heard], np.diag(omega), tuple(map(str, kept)), exact, warnings)


def _omega(view: MarketView, own: float, kind: str) -> float:
    """The variance of a view's error; `own` is tau p'Sp."""
    if view.confidence is None:
        return float(view.error or 0.0) ** 2
    return float(view_variances(np.array(own), np.array(view.confidence), kind))


@counted()
def implied_risk_aversion(market_weights: Array, covariance: Matrix, excess_returns: Array) -> float:
    """The risk aversion at which the market is worth its risk: w'mu / w'Sw (Sharpe 1974; Black & Litterman 1992).

    market_weights  (n,) fractions;  covariance  (n, n) per year;  excess_returns  (n,) expected, per year
    Raises DataError where the market has no risk, or returns no more than cash: no aversion explains it.

    >>> round(implied_risk_aversion(market, covariance, 2.5 * covariance @ market), 4)
    2.5
    """
    earned, risk = float(market_weights @ excess_returns), float(market_weights @ covariance @ market_weights)
    if not (risk > 0 and earned > 0):
        raise DataError(
            f"the market's excess return is {earned:.2%} at a variance of {risk:g}, which implies no risk aversion; "
            f"state black_litterman.delta, 2.5 is customary"
        )
    return earned / risk


def delta_of(settings: BlackLittermanSettings) -> float:
    """The market's risk aversion; PolicyError while it is to be implied."""
    if isinstance(settings.delta, str):
        raise PolicyError(
            "black_litterman.delta is 'implied', which needs expected returns; count it first, with "
            "implied_risk_aversion, or give a prior"
        )
    return settings.delta


def view_variances(prior_variances: Array, confidence: Array, kind: str) -> Array:
    """(k,) omega, the variance of each view's error, from (k,) tau p'Sp and confidences in (0, 1].

    idzorek       tau p'Sp (1 - c) / c, which moves the view's own portfolio by the share c of the way
                  (closed form of Idzorek 2005 in Walters 2014, The Black-Litterman Model in Detail)
    he_litterman  tau p'Sp / c
    """
    return np.asarray(prior_variances * ((1 - confidence) if kind == "idzorek" else 1.0) / confidence)


@dataclass(frozen=True, eq=False)
class _Learnt:
    """What views say of the mean's uncertainty M = tau S - cross precision cross': (n, k) and (k, k)."""

    cross: Array
    precision: Array


def _predictive(S: Matrix, learnt: _Learnt | None, settings: BlackLittermanSettings) -> Matrix:
    """S + M, in factors where S is."""
    tau = settings.tau
    if settings.covariance != "posterior":
        return S
    if isinstance(S, LowRank):
        whole = S.times(1.0 + tau)
        return whole if learnt is None else less(whole, _half(learnt))
    if learnt is None:
        return S + tau * S
    M = tau * S - learnt.cross @ learnt.precision @ learnt.cross.T
    return S + np.asarray((M + M.T) / 2)


def _half(learnt: _Learnt) -> Array:
    """(k, n) rows whose product is what the views take from the uncertainty."""
    values, vectors = np.linalg.eigh((learnt.precision + learnt.precision.T) / 2)
    return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, None] * (learnt.cross @ vectors).T)


def _combine(prior: Array, S: Matrix, told: _Read, tau: float) -> tuple[Array, _Learnt]:
    """Posterior mean (n,) and what is learnt of its uncertainty, through a k x k system."""
    cross = tau * (S @ told.P.T)
    precision = _pseudo_inverse(told.P @ cross + told.omega)
    return prior + cross @ precision @ (told.q - told.P @ prior), _Learnt(cross, precision)


def _pseudo_inverse(matrix: Array) -> Array:
    # Full confidence in views that say the same thing makes the k x k matrix singular; it is scaled to a
    # unit diagonal first, so that views on calm and on wild assets are judged alike.
    scale = 1 / np.sqrt(np.where(np.diag(matrix) > 0, np.diag(matrix), 1.0))
    inverse = np.linalg.pinv(matrix * np.outer(scale, scale), rcond=SINGULAR, hermitian=True)
    return np.asarray(inverse * np.outer(scale, scale))


def _contradictions(P: Array, q: Array, views: Sequence[MarketView]) -> tuple[str, ...]:
    """Views that no returns can satisfy together; raises PolicyError where two are word for word opposed."""
    for i, first in enumerate(views):
        for j in range(i):
            for sign in (1.0, -1.0):
                same = np.abs(P[i] - sign * P[j]).max() < SINGULAR
                if same and abs(q[i] - sign * q[j]) > SINGULAR:
                    raise PolicyError(
                        f"views contradict each other: {views[j]} and {first}; keep one of them"
                    )
    if not views:
        return ()
    residual = q - P @ np.linalg.lstsq(P, q, rcond=None)[0]
    return tuple(
        f"view {view} contradicts the others: together they cannot hold, {miss:+.4f} of it is left over"
        for view, miss in zip(views, residual, strict=True)
        if abs(miss) > NOTICED
    )


def _unfulfilled(achieved: Array, told: _Read, riskless: NDArray[np.bool_]) -> tuple[str, ...]:
    """Views without error, or on a portfolio (k,) without risk, that do not hold: nothing can move them."""
    return tuple(
        f"view {name} cannot hold: the covariance leaves its portfolio no freedom; it comes to {value:.4f}"
        for name, value, wanted, fixed in zip(
            told.names, achieved, told.q, np.array(told.exact) | riskless, strict=True
        )
        if fixed and abs(value - wanted) > NOTICED
    )


def _riskless(P: Array, covariance: Matrix) -> NDArray[np.bool_]:
    """(k,) the portfolios whose names leave each other no risk, but for rounding."""
    own = np.einsum("kn,nk->k", P, covariance @ P.T)
    return np.asarray(own <= SINGULAR * (np.abs(P) @ np.sqrt(variances(covariance))) ** 2)


def _checked_weights(symbols: Sequence[str], market_weights: Array) -> Array:
    n = len(symbols)
    weights = floats("market_weights", named_holdings("market_weights", market_weights, tuple(symbols)))
    if weights.shape != (n,) or not np.isfinite(weights).all():
        raise PolicyError(f"market_weights has shape {weights.shape}; it must be {n} finite fractions")
    if np.abs(weights).sum() > ABSURD_GROSS:
        raise PolicyError(f"market_weights add up to {weights.sum():g}; write fractions, 0.6 for 60%")
    return weights


def _check_settings(settings: BlackLittermanSettings) -> None:
    for name, value, valid in (
        ("confidence", settings.confidence, CONFIDENCES),
        ("covariance", settings.covariance, COVARIANCES),
    ):
        check_one_of(f"black_litterman.{name}", value, valid)
    if isinstance(settings.delta, str) and settings.delta != IMPLIED:
        raise PolicyError(
            f"black_litterman.delta is {settings.delta!r}; use a number above 0, or {IMPLIED!r}"
        )
    delta = 1.0 if isinstance(settings.delta, str) else settings.delta
    for name, number in (("delta", delta), ("tau", settings.tau)):
        checked_number(f"black_litterman.{name}", number)
        if not 0 < number <= MOST_SCALED:
            raise PolicyError(
                f"black_litterman.{name} is {number}; it must be a number above 0, and at most {MOST_SCALED:g}"
            )
