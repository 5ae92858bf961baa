"""Opinions on returns for Black-Litterman: in words, as portfolios, or as the matrices of the textbook."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from math import isfinite
from typing import Any

import numpy as np

from optimizer.arguments import typed
from optimizer.beliefs.exposure_views import ABSURD_GROSS, Named, exposures_in
from optimizer.errors import PolicyError, check_one_of, one_of
from optimizer.model.alignment import by_name, check_names, named_square, named_vector
from optimizer.model.estimates import check_covariance, finite
from optimizer.model.ranges import checked_number
from optimizer.numerics.counted import floats
from optimizer.typing import Array

VIEW_TYPES = ("absolute", "relative")
VIEW_WEIGHTS = ("market", "equal")


@typed
@dataclass(frozen=True)
class MarketView:
    """One opinion on returns.

    assets           absolute: the symbols whose (weighted) return it is about; relative: the first of two
                     against the second, or, with `against`, all of these against all of those; a mapping of
                     symbol -> weight is a portfolio as it stands, signs included: {"A": 0.9, "B": 0.1};
                     "exposure:bonds" stands for what funds hold of it, and of nothing else
    view_type        "absolute" or "relative"
    expected_return  excess return of the assets, or their lead over the others; fraction per year
    confidence       0 = no effect, 1 = holds exactly (Idzorek 2005)
    error            in place of a confidence: standard deviation of the view's error, fraction per year, whose square
                     is its omega; 0 = holds exactly
    against          the other side of a relative view on groups, a mapping where `assets` is one
    weights          inside a group: "market" capitalisation (He & Litterman 1999) or "equal", or symbol -> weight
                     of every name, to which the mappings are turned
    Raises PolicyError for anything else.

    >>> print(MarketView(['GOLD', 'BONDS'], 'relative', 0.01, 0.3))
    GOLD - BONDS = 0.01
    """

    assets: Sequence[str] | Mapping[str, float]
    view_type: str
    expected_return: float
    confidence: float | None = None
    _: KW_ONLY
    against: Sequence[str] | Mapping[str, float] = ()
    weights: str | Mapping[str, float] = "market"
    error: float | None = None

    def __post_init__(self) -> None:
        sides = {"assets": self.assets, "against": () if self.against is None else self.against}
        sides = {
            f: by_name(f"view: {f}", side) if hasattr(side, "keys") else side for f, side in sides.items()
        }
        names = {field: _names(field, side) for field, side in sides.items()}
        if hasattr(self.weights, "keys"):
            object.__setattr__(self, "weights", by_name("view: weights", self.weights))
        if own := _own_weights([*names.values()], [*sides.values(), self.weights]):
            object.__setattr__(self, "weights", own)
        for field, side in names.items():
            object.__setattr__(self, field, side)
        _check_view(self)

    def __str__(self) -> str:
        long, short = self.sides
        if not isinstance(self.weights, str):
            signed = {s: w * (-1 if s in self.against else 1) for s, w in self.weights.items()}
            return f"{_told(signed)} = {self.expected_return:g}"
        lead = "+".join(long) + (f" - {'+'.join(short)}" if short else "")
        return f"{lead} = {self.expected_return:g}"

    @property
    def sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The symbols held long and those held short by the view's portfolio."""
        if self.view_type == "relative" and not self.against and isinstance(self.weights, str):
            first, second = self.assets
            return (first,), (second,)
        return tuple(self.assets), tuple(self.against)


@typed
@dataclass(frozen=True, eq=False)
class ViewMatrix:
    """Views as the textbook writes them: P mu = q + error, the errors with covariance omega.

    P      (k, n) a portfolio a row, its columns in the order of the symbols; or a DataFrame whose columns name them
    q      (k,) their excess returns, fractions per year
    omega  (k, k) covariance of the errors, per year, or (k,) its diagonal; 0 = holds exactly
    symbols  what the columns of P name; () where they go by place
    Where P is a DataFrame and q or omega have labels too, these are put in the order of its rows.
    Raises DataError for other shapes, numbers that are not finite, and an omega that is no covariance.

    >>> ViewMatrix(np.array([[0.0, 1.0, 0.0]]), np.array([0.06]), np.array([0.0004])).omega.tolist()
    [[0.0004]]
    """

    P: Array
    q: Array
    omega: Array
    symbols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given: Any = self.P
        object.__setattr__(self, "symbols", tuple(getattr(given, "columns", self.symbols)))
        q, omega = self.q, self.omega
        if hasattr(given, "columns"):
            rows = tuple(given.index)
            q, omega = (
                named_vector("q", q, rows),
                named_vector("omega", named_square("omega", omega, rows), rows),
            )
        P = finite("P", given, (None, None))
        k = len(P)
        omega = floats("omega", omega)
        omega = finite("omega", np.diag(omega) if omega.ndim == 1 else omega, (k, k))
        if k and omega.any():
            check_covariance(omega, tuple(f"view {i}" for i in range(k)))
        for name, value in (("P", P), ("q", finite("q", q, (k,))), ("omega", omega)):
            object.__setattr__(self, name, value)

    def columns(self, symbols: tuple[str, ...]) -> Array:
        """P (k, n) with its columns in the order of the symbols; DataError where it names others."""
        if not self.symbols:
            return self.P
        check_names("P", self.symbols, symbols)
        return self.P[:, [self.symbols.index(symbol) for symbol in symbols]]


@typed
@dataclass(frozen=True, eq=False)
class JointViews:
    """Several views by name whose errors move together: P mu = q + error, the errors with covariance omega.

    portfolios        symbol -> weight of each view, signs included: ({"A": 1, "B": -1}, {"C": 1})
    expected_returns  (k,) their excess returns, fractions per year
    omega             (k, k) covariance of the errors, per year, or (k,) its diagonal; 0 = holds exactly
    Raises PolicyError for portfolios that are none, DataError as `ViewMatrix`.

    >>> JointViews([{'GOLD': 1.0, 'BONDS': -1.0}], [0.02], [0.0004]).matrix(('BONDS', 'EQUITY', 'GOLD')).P.tolist()
    [[-1.0, 0.0, 1.0]]
    """

    portfolios: Sequence[Mapping[str, float]]
    expected_returns: Sequence[float] | Array
    omega: Sequence[float] | Sequence[Sequence[float]] | Array

    def __post_init__(self) -> None:
        portfolios: object = self.portfolios
        if isinstance(portfolios, str | Mapping) or not isinstance(portfolios, Sequence) or not portfolios:
            raise PolicyError(f"joint views: portfolios is {portfolios!r}; give a list of symbol -> weight")
        for own in portfolios:
            if not isinstance(own, Mapping):
                raise PolicyError(
                    f"joint views: {own!r} is no portfolio; write symbol -> weight: {{'A': 1.0}}"
                )
            _check_weights(own)
        ViewMatrix(np.zeros((len(portfolios), 1)), np.asarray(self.expected_returns), np.asarray(self.omega))

    @property
    def names(self) -> tuple[str, ...]:
        """What each view is called."""
        returns = np.asarray(self.expected_returns, dtype=float)
        return tuple(f"{_told(own)} = {q:g}" for own, q in zip(self.portfolios, returns, strict=True))

    def matrix(self, symbols: Sequence[str] | Named) -> ViewMatrix:
        """The same with a column for each of the symbols; PolicyError for a name that is not known."""
        known = symbols if isinstance(symbols, Named) else Named(tuple(symbols), np.zeros(len(symbols)))
        P = np.zeros((len(self.portfolios), len(known.symbols)))
        for row, own in zip(P, self.portfolios, strict=True):
            for name, weight in own.items():
                row += weight * known.row(name, _told(own))
        return ViewMatrix(P, np.asarray(self.expected_returns), np.asarray(self.omega))


def view_portfolios(known: Named, views: Sequence[MarketView]) -> Array:
    """(k, n) portfolio of each view: its assets add up to 1, their opponents to -1, where it has no own weights."""
    portfolios = np.zeros((len(views), len(known.symbols)))
    for row, view in zip(portfolios, views, strict=True):
        for side, sign in zip(view.sides, (1.0, -1.0), strict=True):
            rows = [known.row(name, str(view), equal=view.weights == "equal") for name in side]
            if rows:
                sizes = np.array([known.size(name) for name in side])
                row += sign * _shares(sizes, side, view) @ np.array(rows)
    return portfolios


def _shares(market_weights: Array, side: tuple[str, ...], view: MarketView) -> Array:
    if not isinstance(view.weights, str):
        return np.array([view.weights[symbol] for symbol in side])
    if view.weights == "equal" or len(side) == 1:
        return np.full(len(side), 1 / len(side))
    total = float(market_weights.sum())
    if (market_weights < 0).any() or total <= 0:
        raise PolicyError(f"view {view}: {'+'.join(side)} has no market weight; say weights='equal'")
    return np.asarray(market_weights / total)


def _own_weights(names: Sequence[Sequence[str]], given: Sequence[object]) -> dict[str, float]:
    """Symbol -> weight where the view states its portfolio; PolicyError where only a part of it has weights."""
    stated = [side for side in given if isinstance(side, Mapping)]
    own = {symbol: weight for side in stated for symbol, weight in side.items()}
    if any(stated) and sorted(map(str, own)) != sorted(symbol for side in names for symbol in side):
        raise PolicyError(
            f"view on {own}: give a weight to each of its names and to no other, {{'A': 0.9, 'B': 0.1}}"
        )
    if own:
        _check_weights(own)
    return own


def _check_weights(own: Mapping[str, float]) -> None:
    exposures_in(own)
    for symbol, weight in own.items():
        checked_number(f"view: the weight of {symbol}", weight)
        if not isfinite(weight) or abs(weight) > ABSURD_GROSS:
            raise PolicyError(f"view: the weight of {symbol} is {weight}; write a fraction, 0.9 for 90%")
    if not any(own.values()):
        raise PolicyError(f"view on {dict(own)}: all weights are 0; give one that is not")


def _told(own: Mapping[str, float]) -> str:
    """A portfolio in words."""
    return " ".join(f"{weight:+g} {symbol}" for symbol, weight in own.items()).removeprefix("+")


def _names(field: str, names: object) -> tuple[str, ...]:
    if isinstance(names, str):
        raise PolicyError(f"view: {field} is the text {names!r}; give a list of symbols: [{names!r}]")
    found = tuple(names) if isinstance(names, Iterable) else ()
    if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in found):
        raise PolicyError(f"view: {field} is {names!r}; give a list of symbols: ['A', 'B']")
    return found


def _check_view(view: MarketView) -> None:
    check_one_of("view type", view.view_type, VIEW_TYPES)
    own = isinstance(view.weights, Mapping) and len(view.weights) > 0
    if not own and not (isinstance(view.weights, str) and view.weights in VIEW_WEIGHTS):
        raise PolicyError(
            f"view weights {view.weights!r} do not exist; {one_of(str(view.weights), VIEW_WEIGHTS)}, or give symbol -> "
            f"weight"
        )
    named = [*view.assets, *view.against]
    if not view.assets or len(set(named)) < len(named):
        raise PolicyError(f"view on {named}: name at least one asset, and each once")
    exposures_in(named)
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
    for name in ("expected_return", "confidence", "error"):
        if name == "expected_return" or getattr(view, name) is not None:
            checked_number(f"view {named}: {name}", getattr(view, name))
    if (view.confidence is None) == (view.error is None):
        raise PolicyError(f"view {named}: give its confidence, or its error in place of it")
    if not isfinite(view.expected_return) or abs(view.expected_return) > 5:
        raise PolicyError(f"view {named}: expected_return is {view.expected_return}; write 0.02 for 2%")
    if view.error is not None and not 0 <= view.error <= 5:
        raise PolicyError(f"view {named}: error is {view.error}; write 0.02 for 2% a year")
    if view.confidence is not None and not 0 <= view.confidence <= 1:
        raise PolicyError(f"view {named}: confidence is {view.confidence}; it must lie in [0, 1]")
