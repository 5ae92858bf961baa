"""Estimates of return and risk: what every method reads, checked once where it is born."""

from dataclasses import InitVar, dataclass
from typing import overload

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError
from optimizer.model.alignment import named_columns, named_rows, named_square, named_vector
from optimizer.model.sessions import TRADING_DAYS
from optimizer.numerics.counted import floats
from optimizer.numerics.matrices import LowRank, Matrix, variances
from optimizer.typing import Array

PSD_TOLERANCE = 1e-9
ABSURD_RETURN = 5.0
ABSURD_VOLATILITY = 10.0
BLOCK, LARGE = 128, 200


class _Covariance:
    """The field `Estimates.covariance`: takes either form, gives (n, n), made at the first reading."""

    @overload
    def __get__(self, estimates: None, owner: type) -> "_Covariance": ...
    @overload
    def __get__(self, estimates: "Estimates", owner: type) -> Array: ...
    def __get__(self, estimates: "Estimates | None", owner: type) -> "_Covariance | Array":
        if estimates is None:
            raise AttributeError("covariance")  # tells dataclass that the field has no default
        kept = estimates.__dict__
        if "covariance" not in kept:
            kept["covariance"] = read_only(kept["low_rank"].dense)
        return floats("covariance", kept["covariance"])

    def __set__(self, estimates: "Estimates", value: Array | LowRank) -> None:
        if isinstance(value, LowRank):
            estimates.__dict__["low_rank"] = value
        else:
            estimates.__dict__["covariance"] = named_square("covariance", value, tuple(estimates.symbols))


@typed
@dataclass(frozen=True, eq=False, repr=False)
class Estimates:
    """Expected returns and risk of n symbols.

    symbols       n unique names; every array follows their order, and what carries names is put into it: a Series or
                  dict of means, a DataFrame of covariances or scenarios
    mean          (n,) expected total return, fraction per year; None where no method needs it
    covariance    (n, n) symmetric positive semidefinite, per year; may be given as a LowRank
    scenarios     (T, n) simple returns, one row a period, or None
    probabilities (T,) of the scenarios, positive and adding up to 1; None where all are alike, also when given so
    observations  rows the estimates rest on; 0 = not stated
    notes         what a reader must know: sessions without a price, matrix repaired, ...
    periods_per_year  of the scenarios and observations: 252 where they are daily
    correlation   (n, n) by which the hierarchical methods tell which names are alike; None: that of the covariance
    long_run      (n,) expected total returns per year that forecasts decay to over a horizon; None: what cash earns
    assumed       True: not estimated, as the history is too short for it; only equal weights may rest on them
    trusted       True skips the costly checks (symmetry, eigenvalues, percent for fraction); only for
                  estimators of our own, which are positive semidefinite by construction
    Raises DataError with the argument, its value and the remedy.

    >>> Estimates(('A', 'B'), np.array([0.05, 0.08]), np.diag([0.01, 0.04])).volatility.round(2).tolist()
    [0.1, 0.2]
    """

    symbols: tuple[str, ...]
    mean: Array | None
    covariance: _Covariance = _Covariance()
    scenarios: Array | None = None
    observations: int = 0
    notes: tuple[str, ...] = ()
    probabilities: Array | None = None
    periods_per_year: float = float(TRADING_DAYS)
    correlation: Array | None = None
    long_run: Array | None = None
    assumed: bool = False
    trusted: InitVar[bool] = False

    def __post_init__(self, trusted: bool) -> None:
        symbols = tuple(self.symbols)
        object.__setattr__(self, "symbols", symbols)
        object.__setattr__(self, "notes", tuple(self.notes))
        check_symbols(symbols)
        n = len(symbols)
        if (factored := self.low_rank) is None:
            object.__setattr__(self, "covariance", finite("covariance", self.covariance, (n, n)))
        else:
            finite("covariance's root", factored.root, (None, n))
            finite("covariance's diagonal", factored.diagonal, (n,))
        if self.mean is not None:
            mean = named_vector("mean", self.mean, symbols)
            object.__setattr__(self, "mean", finite("mean", mean, (n,)))
        if self.long_run is not None:
            object.__setattr__(
                self, "long_run", finite("long_run", named_vector("long_run", self.long_run, symbols), (n,))
            )
        odds = named_rows("probabilities", self.probabilities, self.scenarios)
        object.__setattr__(self, "probabilities", odds)
        if self.scenarios is not None:
            scenarios = named_columns("scenarios", self.scenarios, symbols)
            object.__setattr__(self, "scenarios", finite("scenarios", scenarios, (None, n)))
        if self.correlation is not None:
            own = named_square("correlation", self.correlation, symbols)
            object.__setattr__(self, "correlation", checked_correlation(finite("correlation", own, (n, n))))
        check_periods(self.periods_per_year)
        if not isinstance(self.observations, int | np.integer) or self.observations < 0:
            raise DataError(f"observations is {self.observations!r}; it must be a whole number of returns")
        if self.probabilities is not None:
            days = 0 if self.scenarios is None else len(self.scenarios)
            object.__setattr__(self, "probabilities", unequal(self.probabilities, days))
        if not trusted:
            check_covariance(self.covariance, symbols)
            check_magnitude(self.mean, self.volatility, symbols)

    @property
    def low_rank(self) -> LowRank | None:
        """The covariance as it was given, where that was a LowRank: reading it makes no (n, n) array."""
        found: LowRank | None = self.__dict__.get("low_rank")
        return found

    @property
    def risk(self) -> Matrix:
        """The covariance in the form it was given, for products with weights; factors take less than (n, n)."""
        return self.covariance if self.low_rank is None else self.low_rank

    @property
    def variances(self) -> Array:
        """(n,) per year."""
        return variances(self.risk)

    @property
    def volatility(self) -> Array:
        """(n,) standard deviations per year."""
        return np.sqrt(self.variances)

    @property
    def growth(self) -> Array:
        """(n,) expected compound growth per year, mean - variance / 2; raises DataError without a mean."""
        if self.mean is None:
            raise DataError("these estimates have no mean; estimate one to report growth")
        return self.mean - self.variances / 2


LEAST_PERIODS, MOST_PERIODS = 1e-3, 1e9  # one in a thousand years, thirty a second


def check_periods(periods: float) -> None:
    """Raises PolicyError unless it is a number of periods a year."""
    if not LEAST_PERIODS <= periods <= MOST_PERIODS:
        raise PolicyError(
            f"periods_per_year is {periods}; it must be a number from {LEAST_PERIODS:g} to {MOST_PERIODS:g}, such "
            f"as 252, 52 or 12"
        )


def check_symbols(symbols: tuple[str, ...]) -> None:
    """Raises DataError where there is none, or one occurs twice."""
    if not symbols:
        raise DataError("symbols is empty; at least one is needed")
    if len(set(symbols)) < len(symbols):
        twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        raise DataError(f"symbols: {', '.join(twice)} given more than once; keep each once, with its column")


def finite(name: str, values: Array, shape: tuple[int | None, ...]) -> Array:
    """The values as a read-only float array of that shape (None = any length); raises DataError otherwise."""
    array = floats(name, values)
    if len(shape) != array.ndim or not all(map(_fits, shape, array.shape)):
        wanted = " x ".join("T" if want is None else str(want) for want in shape)
        raise DataError(f"{name} has shape {array.shape}; it must be {wanted}, a row and column a symbol")
    if not np.isfinite(array).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DataError(
            f"{name}{list(first)} is {array[first]}; each must be finite: drop the symbol or fill the gap"
        )
    return read_only(array)


def checked_correlation(correlation: Array) -> Array:
    """(n, n) as it is; raises DataError unless symmetric, 1 on the diagonal and between -1 and 1.

    Any measure of likeness serves (ranks, tails), so it need not be positive semidefinite.
    """
    if np.abs(correlation - correlation.T).max() > PSD_TOLERANCE:
        raise DataError("correlation is not symmetric; both halves must hold the same numbers")
    if np.abs(correlation.diagonal() - 1.0).max() > PSD_TOLERANCE:
        raise DataError("correlation has a diagonal other than 1; divide a covariance by both volatilities")
    if np.abs(correlation).max() > 1.0 + PSD_TOLERANCE:
        raise DataError(f"correlation reaches {np.abs(correlation).max():g}; each must lie between -1 and 1")
    return correlation


def unequal(probabilities: Array, days: int) -> Array | None:
    """(T,) checked; None where all are alike. Raises DataError."""
    given = finite("probabilities", probabilities, (days,))
    if not days or given.min() <= 0 or abs(given.sum() - 1.0) > 1e-9:
        raise DataError(
            f"probabilities are {days} numbers that add up to {given.sum():g}, one a scenario; each must be above 0 "
            f"and they must add up to 1: leave days out of the scenarios instead of giving them 0"
        )
    return None if np.ptp(given) == 0 else given


def read_only(array: Array) -> Array:
    """The same numbers, which cannot be changed through this view."""
    view = array.view()
    view.flags.writeable = False
    return view


def _fits(want: int | None, have: int) -> bool:
    return want is None or want == have


def check_covariance(covariance: Array, symbols: tuple[str, ...]) -> None:
    """Raises DataError where the (n, n) matrix is not symmetric or has a negative eigenvalue.

    Singular is legitimate (more symbols than days): only S + eps trace(S)/n I has to have a Cholesky factor.
    """
    n = len(symbols)
    scale = float(covariance.trace()) / n
    if scale <= 0 or covariance.diagonal().min() < 0:
        worst = int(np.argmin(np.diag(covariance)))
        raise DataError(
            f"covariance: the variance of {symbols[worst]} is {covariance[worst, worst]:g}; "
            f"variances are positive fractions squared per year"
        )
    if _asymmetry(covariance) > PSD_TOLERANCE * scale:
        gap = np.abs(covariance - covariance.T)
        i, j = np.unravel_index(int(gap.argmax()), gap.shape)
        raise DataError(
            f"covariance is not symmetric: {symbols[i]},{symbols[j]} is {covariance[i, j]:g} and "
            f"{symbols[j]},{symbols[i]} is {covariance[j, i]:g}; both must be the same number"
        )
    if not _has_factor(covariance, PSD_TOLERANCE * scale):
        lowest = float(np.linalg.eigvalsh(covariance)[0])
        raise DataError(
            f"covariance has the negative eigenvalue {lowest:.3g}: no returns can have it; "
            f"repair it (nearest_psd, Higham 2002) or estimate it on complete rows"
        )


def _asymmetry(matrix: Array) -> float:
    """The largest |a_ij - a_ji|, by blocks that stay in the processor's cache."""
    starts = range(0, len(matrix), BLOCK)
    tiles = ((slice(i, i + BLOCK), slice(j, j + BLOCK)) for i in starts for j in starts if j >= i)
    return max(float(np.abs(matrix[a, b] - matrix[b, a].T).max()) for a, b in tiles)


def _has_factor(matrix: Array, shift: float) -> bool:
    """Whether the symmetric matrix + shift I has a Cholesky factor."""
    shifted = np.array(matrix, order="C")
    shifted.flat[:: len(matrix) + 1] += shift
    if len(matrix) > LARGE:
        # numpy copies the matrix three times more, which takes as long as the factor; the import pays off here only.
        from scipy.linalg import lapack

        return int(lapack.dpotrf(shifted.T, lower=1, clean=0, overwrite_a=1)[1]) == 0
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        return False
    return True


def check_magnitude(mean: Array | None, volatility: Array, symbols: tuple[str, ...]) -> None:
    """Raises DataError where a return or volatility is so large that it must be a percentage."""
    if mean is not None and max(mean.max(), -mean.min()) > ABSURD_RETURN:
        worst = int(np.argmax(np.abs(mean)))
        raise DataError(
            f"mean of {symbols[worst]} is {mean[worst]:g} per year, {mean[worst]:.0%}; "
            f"a fraction is expected: write 0.08 for 8%"
        )
    if volatility.max() > ABSURD_VOLATILITY:
        worst = int(volatility.argmax())
        raise DataError(
            f"volatility of {symbols[worst]} is {volatility[worst]:g} per year, {volatility[worst]:.0%}; "
            f"fractions are expected: write 0.20 for 20% (variance 0.04)"
        )
