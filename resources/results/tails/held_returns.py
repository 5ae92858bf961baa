"""What the book held under the pack before earned until today, as rows of `held_returns`."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from optimizer import DataError, FactorModel
from optimizer.factors.attribution import OTHER, SPECIFIC
from resources.results.sensitivities.priced_dates import Span
from resources.results.stage_outputs import Columns
from resources.results.tails.held_before import HeldBefore

HELD, VALUE = "HELD", "VALUE"
COLUMNS = (
    "previous_pack", "sessions", "kind", "part", "factor_group", "exposure", "return", "money",
)  # fmt: skip
Part = tuple[str, str, str | None, float | None, float, float]


def held_columns(
    before: HeldBefore,
    span: Span,
    value: float,
    model: FactorModel | None,
    factor_returns: pd.DataFrame | None,
) -> Columns:
    """By name, by factor where both packs have a model, and what else changed the value; {} without a session.

    span   total-return prices of what was held, from before its day until today;  value  of the portfolio today
    Raises DataError where a price is missing, or nothing was worth anything.
    """
    first = int(np.searchsorted(span.days, np.datetime64(before.as_of), "right")) - 1
    sessions = len(span.dates) - 1 - first
    if first < 0:
        raise DataError(f"{before.pack_id} is longer ago than prices are read")
    if sessions == 0:
        return {}
    worth = {symbol: _worth(span, symbol, first, shares) for symbol, shares in before.quantities.items()}
    nav = sum(start for start, _ in worth.values()) + before.cash
    if nav <= 0:
        raise DataError(f"under {before.pack_id} it was worth {nav:,.2f}; a return has no base")
    parts: list[Part] = [
        ("symbol", symbol, None, start / nav, end / nav, end) for symbol, (start, end) in worth.items()
    ]
    held = sum(money for _, money in worth.values())
    by_factor = list(_by_factor(before, span.dates[first], nav, model, factor_returns))
    if by_factor:
        left = held - sum(part[-1] for part in by_factor)
        parts += [*by_factor, ("specific", SPECIFIC, None, None, left / nav, left)]
    change = value - nav
    parts += [
        ("held", HELD, None, None, held / nav, held),
        ("other", OTHER, None, None, (change - held) / nav, change - held),
        ("value", VALUE, None, None, change / nav, change),
    ]
    rows = [(before.pack_id, sessions, *part) for part in parts]
    return dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))


def _worth(span: Span, symbol: str, first: int, shares: float) -> tuple[float, float]:
    """What shares were worth at the row `first`, and what they earned until the last: dividends and splits included."""
    base = span.base(symbol)
    known = np.flatnonzero(np.isfinite(base))
    start = known[known <= first]
    if not len(start):
        raise DataError(f"{symbol} has no price on or before {span.dates[first]}")
    at, end = int(start[-1]), int(known[-1])
    worth = shares * span.close(symbol)[at] * base[at] / span.own(symbol)[at]
    return worth, worth * (base[end] / base[at] - 1)


def _by_factor(
    before: HeldBefore,
    since: object,
    nav: float,
    model: FactorModel | None,
    factor_returns: pd.DataFrame | None,
) -> Iterator[Part]:
    """What each factor of the model of then earned by the exposure of then; nothing where today's has others."""
    if model is None or factor_returns is None or set(before.exposures) != set(model.factors):
        return
    days = factor_returns[factor_returns.index > pd.Timestamp(str(since))]
    groups: Mapping[str, str] = dict(zip(model.factors, model.groups, strict=True))
    for factor in model.factors:
        exposure = before.exposures[factor]
        earned = float(np.prod(1.0 + days[factor].dropna().to_numpy(dtype=float)) - 1.0)
        yield "factor", factor, groups[factor], exposure, exposure * earned, nav * exposure * earned
