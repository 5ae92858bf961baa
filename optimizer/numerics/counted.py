"""What figures are counted from: finite numbers in arrays of one length, and enough of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache, wraps
from inspect import signature, unwrap
from numbers import Real
from typing import Any, ParamSpec, TypeVar

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.numerics.matrices import LowRank, Matrix
from optimizer.typing import Array

P = ParamSpec("P")
R = TypeVar("R")
NUMBERS: Any = (Real, complex)
MOMENTS = (date, timedelta, np.datetime64, np.timedelta64)
DATED = ("datetime64", "datetime", "date", "period")
# An annual rate; one in percent is none.
RATE, RATE_MEANT = (-1.0, 1.0, False), "a fraction per year: write 0.045 for 4.5%"
# Between what a parameter of that name must lie, and whether the lower end itself will do.
RANGES: Mapping[str, tuple[float, float, bool]] = {
    "periods": (0.0, np.inf, False), "level": (1e-16, 1.0, False), "risk_free_rate": RATE, "cash_rate": RATE,
    "trial_variance": (0.0, np.inf, True), "error": (0.0, np.inf, False), "days": (0.0, 1e6, False),
    "trials": (0.0, 1e15, False),
}  # fmt: skip


def counted(
    least: int = 1, lowest: float = -np.inf, *, path: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function that raises DataError, by name, where it could only answer with a NaN or a warning of numpy.

    least   length that its first row must have;  lowest  what no number of that row may be below
    path    whether the answer depends on the order in time, so that rows by date must ascend
    All its arrays must be as long as the first row, and every number in them finite; a matrix must be square. Lists are
    taken as arrays; what carries labels (Series, DataFrames) is put in the order of the first that does. Numbers must
    be finite and within RANGES.
    """

    def guard(function: Callable[P, R]) -> Callable[P, R]:
        parameters = signature(function).parameters
        names = tuple(parameters)
        kinds = {name: parameters[name].annotation for name in names}
        arrays = {name for name in names if kinds[name] in (Array, Matrix, "Array", "Matrix")}
        optional = {name for name in names if kinds[name] in (Array | None, "Array | None")}
        squares = {name for name in names if parameters[name].annotation in (Matrix, "Matrix")}

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                told = labelled([*zip(names, args, strict=False), *kwargs.items()])
                for name, value in told if path else ():
                    check_in_time(name, value)
                rows = [n in arrays or (n in optional and value is not None) for n, value in told]
                values = [_checked(name, value, row) for (name, value), row in zip(told, rows, strict=True)]
                _check_lengths(told, values, least, lowest)
                for (name, _), value in zip(told, values, strict=True):
                    if name in squares and getattr(value, "ndim", 2) != 2:
                        raise DataError(f"{name} is one row; a square matrix is needed")
                given = len(args)
                named = dict(zip(kwargs, values[given:], strict=True))
                with np.errstate(over="raise", divide="raise", invalid="raise"):
                    return function(*values[:given], **named)
            except DataError as error:
                raise DataError(f"{function.__name__}: {error}") from None
            except (FloatingPointError, OverflowError) as error:
                raise DataError(
                    f"{function.__name__}: nothing can be counted from these numbers ({error}); correct those "
                    f"that are too large, too small or alike"
                ) from error

        return typed(checked)

    return guard


def uncounted(function: Callable[P, R]) -> Callable[P, R]:
    """A `counted` function without its guard, which costs ten times what a book's figure does.

    For what was checked before: the arrays of estimates and of certified answers.
    """
    plain: Callable[P, R] = _unwrapped(function)
    return plain


_unwrapped = cache(unwrap)  # which looks at each layer anew: 20 times an account


def labelled(told: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The arguments, those with labels in the order of the first that has some; DataError for other labels.

    Rows that are only counted (0, 1, 2) are no labels.
    """
    first: Any = None
    found = []
    for name, value in told:
        index = getattr(value, "index", None)
        if not hasattr(value, "to_numpy") or index is None or hasattr(index, "step"):
            found.append((name, value))
            continue
        first = (name, index) if first is None else first
        if not same_labels(index, first[1]):
            if len(index) != len(first[1]) or not index.is_unique or set(index) != set(first[1]):
                raise DataError(f"{name} has other labels than {first[0]}; give both the same, each once")
            value = value.loc[first[1]]
        if hasattr(value, "columns") and set(value.columns) == set(value.index):
            value = value[list(value.index)]
        found.append((name, value))
    return found


def check_in_time(name: str, value: Any) -> None:
    """DataError where a Series or table is by date and its dates do not ascend, or one stands twice."""
    index: Any = getattr(value, "index", None)
    if getattr(index, "inferred_type", "") in DATED and not (
        index.is_monotonic_increasing and index.is_unique
    ):
        raise DataError(f"{name}: the dates must ascend without repeats; sort them and drop duplicates")


def in_time(name: str, value: Any) -> Array:
    """What `floats` and `check_in_time` say."""
    check_in_time(name, value)
    return floats(name, value)


def same_labels(one: Any, other: Any) -> bool:
    """Whether two indexes of pandas hold the same labels in the same order, of one kind or not."""
    return bool(one.equals(other)) if one.dtype == other.dtype else list(one) == list(other)


def _checked(name: str, value: Any, row: bool = False) -> Any:
    """The value, a list or Series as an array, and so a row; DataError for one not finite or out of its range."""
    if (
        (row and not isinstance(value, LowRank))
        or isinstance(value, np.ndarray | list | tuple)
        or hasattr(value, "to_numpy")
    ):
        array = floats(name, value)
        if not (finite := np.isfinite(array)).all():
            first = array[~finite][0]
            raise DataError(f"{name} holds {first}; each must be a finite number: fill or drop it")
        return in_range(name, array)
    if isinstance(value, NUMBERS):
        _check_in_range(name, value)
    return value


def in_range(name: str, array: Array) -> Array:
    """The numbers of a parameter of that name; DataError for one out of its range."""
    for number in (array.min(), array.max()) if name in RANGES and array.size else ():
        _check_in_range(name, number)
    return array


def _check_in_range(name: str, number: Any) -> None:
    low, high, included = ends = RANGES.get(name, (-np.inf, np.inf, False))
    if not (low < number < high or (included and number == low)):
        meant = RATE_MEANT if ends is RATE else f"a number between {low:g} and {high:g}"
        raise DataError(f"{name} is {number}; it must be {meant}")


def floats(name: str, value: Any) -> Array:
    """The value as an array of numbers, NaN where one is masked; DataError for one number alone or what is none.

    Dates and durations are none, though a cast takes them for counts of microseconds.
    """
    if type(value) is np.ndarray and value.dtype == np.float64 and value.ndim:
        return value
    tabled = hasattr(value, "to_numpy")
    try:
        raw = value.to_numpy() if tabled else np.asarray(value)
        cells = raw.flat if raw.dtype.kind == "O" else ()
        if raw.dtype.kind in "cmM" or any(isinstance(cell, MOMENTS) for cell in cells):
            found = np.zeros(())  # a cast would keep the real part of a complex number
        elif tabled:
            found = np.asarray(value.to_numpy(dtype=np.float64))
        elif isinstance(value, np.ma.MaskedArray):
            found = np.ma.filled(value.astype(np.float64), np.nan)
        else:
            found = np.asarray(raw if raw.dtype.kind in "fiub" else value, dtype=np.float64)
    except (ValueError, TypeError):
        found = np.zeros(())
    if found.ndim == 0:
        raise DataError(f"{name} is {str(value)[:80]}; it must be an array of numbers")
    return found


def _check_lengths(told: Sequence[tuple[str, Any]], values: Sequence[Any], least: int, lowest: float) -> None:
    arrays = [(name, v) for (name, _), v in zip(told, values, strict=True) if isinstance(v, np.ndarray)]
    if not arrays:
        return
    name, first = next((pair for pair in arrays if pair[1].ndim == 1), arrays[0])
    if first.ndim != 1 or len(first) < least:
        raise DataError(f"{name} has shape {first.shape}; at least {least} numbers in one row are needed")
    if lowest > -np.inf and first.size and first.min() < lowest:
        raise DataError(f"{name} holds {first.min():g}, and nothing may be below {lowest:g}; correct it")
    for other, array in arrays:
        if array.shape not in ((len(first),), (len(first), len(first))):
            raise DataError(
                f"{other} has shape {array.shape} for {len(first)} numbers of {name}; give one for each"
            )
