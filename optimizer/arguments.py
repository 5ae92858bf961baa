"""Arguments of another kind than a function asks for, told by name where they made it fail; it costs nothing before."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from inspect import isfunction, signature, unwrap
from numbers import Integral, Real
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, TypeVar

import numpy as np

from optimizer.errors import PackfolioError, PolicyError

T = TypeVar("T", bound=Callable[..., Any])
FOREIGN = (TypeError, AttributeError, ValueError, LookupError, ArithmeticError)
SAID: dict[Any, str] = {
    float: "a number", int: "a whole number", str: "a text", bool: "True or False", NoneType: "None",
    object: "anything",
}  # fmt: skip
SHOWN, DOUBLE = 60, 8
# Names, as annotations write them. A text is a row of letters, and a set has no order in which arrays could follow it:
# both would be taken without an error. `limits` are lines of text, of which one alone is a list of it.
NAMES = re.compile(r"(collections\.abc\.)?(Sequence|Iterable|tuple)\[str(, \.\.\.)?\]( \| None)?")
LINES, ARRAYS = "limits", re.compile("ndarray|Array|Matrix")


class KindError(PolicyError):
    """An argument is of another kind; told of the outermost call of ours that was given one."""


def typed(target: T) -> T:
    """A function, or a class with its methods, that raises PolicyError for an argument of another kind that broke it.

    What goes well is not looked at, but for a text or set in place of names, and an error whose arguments are all
    of their kind is not changed: a fault of ours. A row or table of numbers, in whatever holds it, is an array:
    functions take it as one, so it breaks nothing.

    >>> typed(abs)(-1)
    1
    """
    if isinstance(target, type):
        for name, member in [*vars(target).items()]:
            if isfunction(member) and (name == "__init__" or name[0] != "_"):
                setattr(target, name, _guarded(member, f"{target.__name__}.{name}".removesuffix(".__init__")))
        return target
    return typing.cast(T, _guarded(target, target.__name__))


def _guarded(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    hints = {
        parameter: str(function.__annotations__.get(parameter))
        for parameter in signature(function).parameters
    }
    names = [(i, it) for i, it in enumerate(hints) if it != LINES and NAMES.fullmatch(hints[it])]
    odd = (str, bytes, *((set, frozenset) if ARRAYS.search(str(hints)) else ()))

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        for place, parameter in names:
            given = args[place] if place < len(args) else kwargs.get(parameter)
            if isinstance(given, odd):
                raise KindError(f"{name}: {parameter} is {_shown(given)}; give a list of names: ['A', 'B']")
        try:
            return function(*args, **kwargs)
        except (PackfolioError, *FOREIGN) as error:
            said_already = isinstance(error, PackfolioError) and not isinstance(error, KindError)
            told = None if said_already else _other(function, args, kwargs)
            if told is None:
                raise
            raise KindError(f"{name}: {told}") from error

    return guarded


def _other(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """The first argument that is not of its kind, in words; None where all are, or where they do not fit at all."""
    try:
        given = signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return None
    for name, value in given.items():
        hint = _resolved(function, name)
        if name != "self" and not fits(value, hint):
            return f"{name} is {_shown(value)}; it must be {said(hint)}"
    return None


def _shown(value: Any) -> str:
    return f"{' '.join(repr(value).split())[:SHOWN]}, of {type(value).__name__}"


def _resolved(function: Callable[..., Any], name: str) -> Any:
    """The kind of a parameter; Any where it is written of names that are known to type checkers alone."""
    hint = function.__annotations__.get(name, Any)
    if not isinstance(hint, str):
        return hint
    one = SimpleNamespace(__annotations__={name: hint})
    try:
        return typing.get_type_hints(one, globalns=getattr(unwrap(function), "__globals__", {}))[name]
    except (NameError, TypeError):
        return Any


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a kind; what this does not know how to tell is.

    >>> fits({'A': 0.5}, Mapping[str, float]), fits({'A': None}, Mapping[str, float])
    (True, False)
    """
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        return any(fits(value, one) for one in inside)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inside)
    if hint is float or hint is int:
        kind = Real if hint is float else Integral
        return isinstance(value, kind) and not isinstance(value, bool | np.bool_)
    if origin is np.ndarray:
        return _numbers(value)
    if origin in (Callable, typing.Callable):
        return callable(value)
    plain = hint if origin is None else origin
    if plain is Any or not isinstance(plain, type) or getattr(plain, "_is_protocol", False):
        return True
    if isinstance(value, str) and plain not in (str, object) and issubclass(str, plain):
        return False  # a text is a row of letters
    row = plain in (Sequence, tuple) and hasattr(value, "__getitem__")
    if not (row and not isinstance(value, str | bytes | Mapping)) and not isinstance(value, plain):
        return False
    return all(fits(one, kind) for one, kind in _parts(value, plain, inside))


def _numbers(value: Any) -> bool:
    try:
        row = np.asarray(value)
    except ValueError:  # rows of several lengths
        return False
    return row.ndim > 0 and row.dtype.kind in "fiub" and row.dtype.itemsize <= DOUBLE


def _parts(value: Any, plain: type, inside: tuple[Any, ...]) -> Iterable[tuple[Any, Any]]:
    """What a mapping or a row of things holds, with the kind that each must be of."""
    if issubclass(plain, Mapping) and len(inside) == 2:
        for key, held in value.items():
            yield from ((key, inside[0]), (held, inside[1]))
    elif issubclass(plain, tuple) and inside[1:] != (Ellipsis,) and inside:
        yield from zip(value, inside, strict=False)
    elif issubclass(plain, Iterable) and inside and hasattr(value, "__len__"):
        yield from ((one, inside[0]) for one in value)


def said(hint: Any) -> str:
    """A kind in words.

    >>> said(Mapping[str, float] | None)
    'a mapping of a text to a number or None'
    """
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        return " or ".join(map(said, inside))
    if origin is Literal:
        return "one of " + ", ".join(map(str, inside))
    if origin is np.ndarray:
        return "an array of numbers"
    plain = hint if origin is None else origin
    if isinstance(plain, type) and issubclass(plain, Mapping):
        return f"a mapping of {' to '.join(map(said, inside)) or 'names'}"
    if (
        isinstance(plain, type)
        and issubclass(plain, Iterable)
        and plain.__module__ in ("builtins", "collections.abc")
    ):
        kinds = [said(one) for one in inside if one is not Ellipsis]
        return SAID.get(plain) or f"several of {', '.join(kinds) or 'them'}"
    return SAID.get(plain) or f"a {getattr(plain, '__name__', plain)}"
