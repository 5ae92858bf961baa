"""Limits as callers write them: numbers, pairs with open ends, exposure types by name."""

from collections.abc import Iterable, Mapping
from math import inf
from numbers import Integral, Real

from optimizer.errors import PolicyError, asked, nearest
from optimizer.model.alignment import by_name
from optimizer.model.exposure_types import ExposureType
from optimizer.numerics.counted import RATE, RATE_MEANT

LOWEST_PRIORITY = 9
# The fields whose limits may have a priority; and what always holds.
YIELDING = (
    "min_weight", "max_weight", "asset_limits", "max_sector", "sector_limits", "min_exposures", "max_exposures",
    "max_notional", "max_gross", "max_margin", "net_limits", "beta_limits", "factor_limits", "active_factor_limits",
    "limits", "cash_min", "cash_max", "max_turnover", "max_tracking_error", "max_volatility", "target_volatility",
    "min_return",
)  # fmt: skip
# How messages and priorities name one limit of a field that sets many, or a side of a range: first word -> field.
ONE_LIMIT = {
    "min_weight": "asset_limits", "max_weight": "asset_limits", "min_sector": "sector_limits",
    "max_sector": "sector_limits", "min_exposure": "min_exposures", "max_exposure": "max_exposures",
    "min_factor": "factor_limits", "max_factor": "factor_limits", "min_active_factor": "active_factor_limits",
    "max_active_factor": "active_factor_limits", "largest": "largest_limits",
}  # fmt: skip
ONE_SIDE = {
    "min_net": "net_limits", "max_net": "net_limits", "min_beta": "beta_limits", "max_beta": "beta_limits",
}  # fmt: skip
FIXED = (
    "long_only", "universe", "min_position", "max_holdings", "no_trade_band", "min_risk_share", "max_risk_share",
    "risk_share_limits",
)  # fmt: skip

Range = tuple[float | None, float | None]


def ends(pair: Range) -> tuple[float, float]:
    """Least and most; an end that is None is open."""
    low, high = pair
    return -inf if low is None else low, inf if high is None else high


def checked_number(name: str, value: object) -> None:
    """Raises PolicyError where the value is no number; None is none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise PolicyError(f"{name} is {value!r}; it must be a number, a fraction like 0.1 for 10%")


def check_between(name: str, value: object, low: float, high: float) -> None:
    """Raises PolicyError where the value is no number from `low` to `high`; infinity is none."""
    checked_number(name, value)
    if not (low <= value <= high and value < inf):  # type: ignore[operator]
        most = "and finite" if high == inf else f"and at most {high:g}"
        raise PolicyError(f"{name} is {value}; it must be at least {low:g}, {most}")


def check_rate(name: str, rate: object) -> None:
    """Raises PolicyError where an annual rate is no fraction between -1 and 1, as one in percent is not."""
    checked_number(name, rate)
    low, high, _ = RATE
    if not low < rate < high:  # type: ignore[operator]
        raise PolicyError(f"{name} is {rate}; it must be {RATE_MEANT}")


def checked_range(name: str, pair: object) -> Range:
    """The least and the most; raises PolicyError for anything but two numbers, each of which may be None."""
    ordered = isinstance(pair, Iterable) and not isinstance(pair, str | Mapping | set | frozenset)
    found = tuple(pair) if ordered and isinstance(pair, Iterable) else ()
    if len(found) != 2:
        raise PolicyError(f"{name} is {pair!r}; it must be (least, most), None for an open end: (None, 0.3)")
    for end in found:
        if end is not None:
            checked_number(name, end)
    return found


def checked_mapping(name: str, limits: object) -> Mapping[str, object]:
    """The limits by name; raises PolicyError for anything but a mapping, None being an empty one."""
    if limits is None:
        return {}
    if not hasattr(limits, "keys"):
        raise PolicyError(f"{name} is {limits!r}; it must be a mapping of names: {{'NAME': ...}}")
    return by_name(name, limits)


def checked_ranges(name: str, limits: object) -> Mapping[str, Range]:
    """Ranges by name; raises PolicyError as `checked_mapping` and `checked_range`."""
    given = checked_mapping(name, limits)
    return {key: checked_range(f"{name} of {key}", pair) for key, pair in given.items()}


def checked_shares(name: str, limits: object) -> Mapping[str, float]:
    """Numbers by name; raises PolicyError for anything else."""
    given = checked_mapping(name, limits)
    for key, value in given.items():
        checked_number(f"{name} of {key}", value)
    return given  # type: ignore[return-value]


def checked_reasons(name: str, given: object) -> Mapping[str, str]:
    """Reasons by symbol, "" where none is given; raises PolicyError for anything else."""
    if isinstance(given, str):
        raise PolicyError(
            f"{name} is {given!r}; it must be symbols with reasons: {{'AAPL': 'results are due'}}"
        )
    listed = isinstance(given, Iterable) and not isinstance(given, Mapping)
    if listed and isinstance(given, Iterable) and not all(isinstance(symbol, str) for symbol in given):
        raise PolicyError(f"{name} is {given!r}; its symbols must be text")
    found = (
        dict.fromkeys(given, "") if listed and isinstance(given, Iterable) else checked_mapping(name, given)
    )
    for symbol, reason in found.items():
        if not isinstance(symbol, str) or not isinstance(reason, str | None):
            raise PolicyError(f"{name} of {symbol!r} is {reason!r}; symbol and reason must be text")
    return {symbol: str(reason or "") for symbol, reason in found.items()}


def checked_largest(name: str, given: object) -> Mapping[int, float]:
    """The most that the N largest may be together, by N; raises PolicyError for anything else."""
    found = checked_shares(name, given)
    counts: list[object] = list(found)
    for count in counts:
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise PolicyError(
                f"{name} has the number {count!r}; it must be a whole number of names, at least 1"
            )
    return found  # type: ignore[return-value]


def checked_exposures(name: str, limits: object) -> Mapping[ExposureType, float]:
    """Numbers by exposure type, which may be given by its name; None is no limit. Raises PolicyError."""
    given = checked_shares(name, {k: v for k, v in checked_mapping(name, limits).items() if v is not None})
    return {k if isinstance(k, ExposureType) else ExposureType.parse(str(k)): v for k, v in given.items()}


def checked_lines(limits: object) -> tuple[str, ...]:
    """Lines of text, or one alone; raises PolicyError for anything else."""
    lines = (limits,) if isinstance(limits, str) else () if limits is None else limits
    if not isinstance(lines, Iterable) or not all(isinstance(line, str) for line in lines):
        raise PolicyError(f"limits are {limits!r}; they must be lines of text: ['Equity <= 0.6']")
    return tuple(lines)


def checked_priorities(given: object, lines: tuple[str, ...]) -> Mapping[str, int]:
    """Priorities by limit; raises PolicyError for one that is no whole number from 0 to 9, or of what cannot give way.

    lines  the policy's limits in text. Names and sectors are known where estimates are: a solve refuses limits of
    those that it does not have.
    """
    found: dict[str, int] = {}
    for key, level in checked_mapping("priorities", given).items():
        if not isinstance(level, int) or isinstance(level, bool) or not 0 <= level <= LOWEST_PRIORITY:
            raise PolicyError(
                f"priorities: that of {key} is {level!r}; it must be a whole number from 0 (holds always) to "
                f"{LOWEST_PRIORITY} (gives way first)"
            )
        if str(key).partition(" ")[0] in FIXED:
            raise PolicyError(
                f"priorities: {key} cannot give way; leave it out, or change that setting itself"
            )
        kind, _, name = str(key).partition(" ")
        alone = (*YIELDING, *ONE_SIDE, *lines)
        if key not in alone and not (kind in ONE_LIMIT and name):
            near = nearest(str(key), [*lines, *(f"{one} {name}" for one in ONE_LIMIT)] if name else alone)
            fields = f"use a field ({', '.join(YIELDING)}), one limit (max_sector Energy, max_weight AAPL), or a line"
            raise PolicyError(f"priorities: {key!r} is no limit; {asked(near, f'{fields} as it is written')}")
        found[key] = level
    return found
