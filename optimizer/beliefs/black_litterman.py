"""Views on top of the market's equilibrium (Black & Litterman 1992); all returns in excess of cash."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from difflib import get_close_matches
from math import isfinite

import numpy as np

from optimizer.beliefs.estimators.means import equilibrium
from optimizer.errors import PolicyError
from optimizer.model.estimates import check_covariance, check_symbols, finite
from optimizer.model.policy import BlackLittermanSettings
from optimizer.model.ranges import checked_number
from optimizer.typing import Array

VIEW_TYPES = ("absolute", "relative")
VIEW_WEIGHTS = ("market", "equal")
CONFIDENCES = ("idzorek", "he_litterman")
COVARIANCES = ("posterior", "sigma")
NOTICED = 1e-6
SINGULAR = 1e-12
UNHEARD = 1e-15  # below it a view moves nothing that a double can hold, and 1 / confidence overflows
ABSURD_GROSS = 10.0


@dataclass(frozen=True)
class MarketView:
    """One opinion on returns.

    assets           absolute: the symbols whose (weighted) return it is about; relative: the first of two
                     against the second, or, with `against`, all of these against all of those; a mapping of
                     symbol -> weight is a portfolio as it stands, signs included: {"A": 0.9, "B": 0.1}
    view_type        "absolute" or "relative"
    expected_return  excess return of the assets, or their lead over the others; fraction per year
    confidence       0 = no effect, 1 = holds exactly (Idzorek 2005)
    against          the other side of a relative view on groups, a mapping where `assets` is one
    weights          inside a group: "market" capitalisation (He & Litterman 1999) or "equal", or symbol -> weight
                     of every name, to which the mappings are turned
    Raises PolicyError for anything else.
    """

    assets: Sequence[str] | Mapping[str, float]
    view_type: str
    expected_return: float
    confidence: float
    _: KW_ONLY
    against: Sequence[str] | Mapping[str, float] = ()
    weights: str | Mapping[str, float] = "market"

    def __post_init__(self) -> None:
        if own := _own_weights(self):
            object.__setattr__(self, "weights", own)
        object.__setattr__(self, "assets", _names("assets", self.assets))
        object.__setattr__(self, "against", _names("against", self.against))
        _check_view(self)

    def __str__(self) -> str:
        long, short = self.sides
        if not isinstance(self.weights, str):
            signed = {s: w * (-1 if s in self.against else 1) for s, w in self.weights.items()}
            told = " ".join(f"{weight:+g} {symbol}" for symbol, weight in signed.items())
            return f"{told.removeprefix('+')} = {self.expected_return:g}"
        lead = "+".join(long) + (f" - {'+'.join(short)}" if short else "")
        return f"{lead} = {self.expected_return:g}"

    @property
    def sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The symbols held long and those held short by the view's portfolio."""
        if self.view_type == "relative" and not self.against and isinstance(self.weights, str):
            first, second = self.assets
            return (first,), (second,)
        return tuple(self.assets), tuple(self.against)


@dataclass(frozen=True, eq=False)
class Posterior:
    """Excess returns after the views.

    prior       (n,) equilibrium excess returns, per year
    mean        (n,) posterior expected excess returns, per year
    covariance  (n, n) per year: S + M, or S itself ("sigma"); M is the uncertainty of the mean, tau S without
                views, so that a view of vanishing confidence changes nothing
    warnings    views that contradict each other or cannot hold, with what is left of each
    """

    prior: Array
    mean: Array
    covariance: Array
    warnings: tuple[str, ...] = ()


def posterior(
    symbols: Sequence[str],
    market_weights: Array,
    covariance: Array,
    views: Sequence[MarketView],
    settings: BlackLittermanSettings | None = None,
    *,
    prior: Array | None = None,
    trusted: bool = False,
) -> Posterior:
    """Equilibrium returns pulled towards the views (He & Litterman 1999; Idzorek 2005).

    symbols         n names; the arrays follow their order
    market_weights  (n,) fractions, of the market or the benchmark
    covariance      (n, n) S, per year; may be singular, only k x k systems are solved
    views           k opinions; none = the prior
    prior           (n,) excess returns to start from; None = equilibrium with the market weights
    trusted         True skips the costly checks of the covariance: only for one that `Estimates` has checked
    Raises PolicyError for an unknown symbol, exact duplicates that differ, a group without market weight, or
    weights in percent; DataError for a covariance or prior that no `Estimates` would take.
    """
    chosen = settings or BlackLittermanSettings()
    _check_settings(chosen)
    symbols, n = tuple(symbols), len(symbols)
    weights = _checked_weights(symbols, market_weights)
    if not trusted:
        check_symbols(symbols)
        covariance = np.asarray(covariance, dtype=float)
        if covariance.shape != (n, n):
            raise PolicyError(
                f"covariance has shape {covariance.shape}; it must be {n} x {n}, as the symbols"
            )
        check_covariance(finite("covariance", covariance, (n, n)), symbols)
    if not all(isinstance(view, MarketView) for view in views):
        raise PolicyError("views must be a list of MarketView; put each opinion in one")
    prior = equilibrium(covariance, weights, chosen.delta) if prior is None else finite("prior", prior, (n,))
    if not views:
        return Posterior(prior, prior, _predictive(covariance, chosen.tau * covariance, chosen))
    portfolios = view_portfolios(symbols, weights, views)
    returns = np.array([view.expected_return for view in views])
    warnings = _contradictions(portfolios, returns, views)
    heard = np.array([view.confidence > UNHEARD for view in views], dtype=bool)
    if not heard.any():
        return Posterior(prior, prior, _predictive(covariance, chosen.tau * covariance, chosen), warnings)
    P, q = portfolios[heard], returns[heard]
    held = [view for view in views if view.confidence > UNHEARD]
    mean, M = _combine(prior, covariance, P, q, np.array([view.confidence for view in held]), chosen)
    warnings += _unfulfilled(P @ mean, held, chosen) if not warnings else ()
    return Posterior(prior, mean, _predictive(covariance, M, chosen), warnings)


def view_portfolios(symbols: tuple[str, ...], market_weights: Array, views: Sequence[MarketView]) -> Array:
    """(k, n) portfolio of each view: its assets add up to 1, their opponents to -1, where it has no own weights."""
    place = {symbol: i for i, symbol in enumerate(symbols)}
    portfolios = np.zeros((len(views), len(symbols)))
    for row, view in zip(portfolios, views, strict=True):
        for side, sign in zip(view.sides, (1.0, -1.0), strict=True):
            columns = [_column(symbol, place, view) for symbol in side]
            if columns:
                row[columns] = sign * _shares(market_weights[columns], side, view)
    return portfolios


def view_variances(prior_variances: Array, confidence: Array, kind: str) -> Array:
    """(k,) omega, the variance of each view's error, from (k,) tau p'Sp and confidences in (0, 1].

    idzorek       tau p'Sp (1 - c) / c, which moves the view's own portfolio by the share c of the way
                  (closed form of Idzorek 2005 in Walters 2014, The Black-Litterman Model in Detail)
    he_litterman  tau p'Sp / c
    """
    return np.asarray(prior_variances * ((1 - confidence) if kind == "idzorek" else 1.0) / confidence)


def _predictive(S: Array, M: Array, settings: BlackLittermanSettings) -> Array:
    return S + M if settings.covariance == "posterior" else S


def _combine(
    prior: Array, S: Array, P: Array, q: Array, confidence: Array, settings: BlackLittermanSettings
) -> tuple[Array, Array]:
    """Posterior mean (n,) and M (n, n), the mean's own uncertainty, through a k x k system."""
    cross = settings.tau * (S @ P.T)
    known = P @ cross
    omega = view_variances(np.diag(known), confidence, settings.confidence)
    gain = cross @ _pseudo_inverse(known + np.diag(omega))
    M = settings.tau * S - gain @ cross.T
    return prior + gain @ (q - P @ prior), np.asarray((M + M.T) / 2)


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


def _unfulfilled(
    achieved: Array, views: Sequence[MarketView], settings: BlackLittermanSettings
) -> tuple[str, ...]:
    """Views of full confidence that do not hold, because their portfolio has no risk of its own."""
    if settings.confidence != "idzorek":
        return ()
    return tuple(
        f"view {view} cannot hold: the covariance leaves its portfolio no freedom; it comes to {value:.4f}"
        for view, value in zip(views, achieved, strict=True)
        if view.confidence == 1 and abs(value - view.expected_return) > NOTICED
    )


def _column(symbol: str, place: dict[str, int], view: MarketView) -> int:
    if symbol not in place:
        near = get_close_matches(symbol, place, n=3) or sorted(place)[:20]
        raise PolicyError(
            f"view {view} names {symbol}, which is not among the {len(place)} symbols: {', '.join(near)}"
        )
    return place[symbol]


def _shares(market_weights: Array, side: tuple[str, ...], view: MarketView) -> Array:
    if not isinstance(view.weights, str):
        return np.array([view.weights[symbol] for symbol in side])
    if view.weights == "equal" or len(side) == 1:
        return np.full(len(side), 1 / len(side))
    total = float(market_weights.sum())
    if (market_weights < 0).any() or total <= 0:
        raise PolicyError(f"view {view}: {'+'.join(side)} has no market weight; say weights='equal'")
    return np.asarray(market_weights / total)


def _checked_weights(symbols: Sequence[str], market_weights: Array) -> Array:
    n = len(symbols)
    if isinstance(market_weights, Mapping):
        raise PolicyError("market_weights is a mapping; give an array in the order of the symbols")
    weights = np.asarray(market_weights, dtype=float)
    if weights.shape != (n,) or not np.isfinite(weights).all():
        raise PolicyError(f"market_weights has shape {weights.shape}; it must be {n} finite fractions")
    if np.abs(weights).sum() > ABSURD_GROSS:
        raise PolicyError(f"market_weights add up to {weights.sum():g}; write fractions, 0.6 for 60%")
    return weights


def _own_weights(view: MarketView) -> dict[str, float]:
    """Symbol -> weight where the view states its portfolio; PolicyError where only a part of it has weights."""
    sides = [side for side in (view.assets, view.against) if side]
    mappings = [side for side in sides if isinstance(side, Mapping)]
    stated = [*mappings, *([view.weights] if isinstance(view.weights, Mapping) else [])]
    own = {symbol: weight for side in stated for symbol, weight in side.items()}
    if stated and (sorted(map(str, own)) != sorted(str(symbol) for side in sides for symbol in side)):
        raise PolicyError(
            f"view on {own}: give a weight to each of its names and to no other, {{'A': 0.9, 'B': 0.1}}"
        )
    for symbol, weight in own.items():
        checked_number(f"view: the weight of {symbol}", weight)
        if not isfinite(weight) or abs(weight) > ABSURD_GROSS:
            raise PolicyError(f"view: the weight of {symbol} is {weight}; write a fraction, 0.9 for 90%")
    if own and not any(own.values()):
        raise PolicyError(f"view on {own}: all weights are 0; give one that is not")
    return own


def _names(field: str, names: Sequence[str] | Mapping[str, float]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise PolicyError(f"view: {field} is the text {names!r}; give a list of symbols: [{names!r}]")
    return tuple(names)


def _check_view(view: MarketView) -> None:
    if view.view_type not in VIEW_TYPES:
        raise PolicyError(f"view type {view.view_type!r} does not exist; use one of {', '.join(VIEW_TYPES)}")
    if isinstance(view.weights, str) and view.weights not in VIEW_WEIGHTS:
        raise PolicyError(f"view weights {view.weights!r} do not exist; use one of {', '.join(VIEW_WEIGHTS)}")
    named = [*view.assets, *view.against]
    if not view.assets or len(set(named)) < len(named):
        raise PolicyError(f"view on {named}: name at least one asset, and each once")
    if view.view_type == "absolute" and view.against:
        raise PolicyError(f"view on {named}: an absolute view takes no `against`; drop it or say relative")
    if (
        view.view_type == "relative"
        and not view.against
        and len(view.assets) != 2
        and isinstance(view.weights, str)
    ):
        raise PolicyError(
            f"view on {named}: a relative view compares two assets; put the other group in `against`"
        )
    for name in ("expected_return", "confidence"):
        checked_number(f"view {named}: {name}", getattr(view, name))
    if not isfinite(view.expected_return) or abs(view.expected_return) > 5:
        raise PolicyError(f"view {named}: expected_return is {view.expected_return}; write 0.02 for 2%")
    if not (isfinite(view.confidence) and 0 <= view.confidence <= 1):
        raise PolicyError(f"view {named}: confidence is {view.confidence}; it must lie in [0, 1]")


def _check_settings(settings: BlackLittermanSettings) -> None:
    for name, value, valid in (
        ("confidence", settings.confidence, CONFIDENCES),
        ("covariance", settings.covariance, COVARIANCES),
    ):
        if value not in valid:
            raise PolicyError(f"black_litterman.{name} is {value!r}; use one of {', '.join(valid)}")
    for name, number in (("delta", settings.delta), ("tau", settings.tau)):
        if not (isfinite(number) and number > 0):
            raise PolicyError(f"black_litterman.{name} is {number}; it must be a number above 0")
