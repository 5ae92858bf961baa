"""Value at risk and expected shortfall of what is held and of what is proposed, as rows of `tail_risk`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer import (
    DataError,
    FactorModel,
    TailRisk,
    factor_tail,
    filtered_scenarios,
    over_horizon,
    simple_returns,
    tail_risk,
)
from optimizer.model.sessions import TRADING_DAYS
from optimizer.risk.filtered_simulation import STILL
from optimizer.typing import Array
from resources.results.sensitivities.span import Span
from resources.results.stage_outputs import Columns
from resources.settings.tail_risk import TailFile

HISTORICAL, FILTERED, BY_FACTORS = "historical", "filtered", "factor_model"
HELD, PROPOSED = "held", "proposed"
LEAST = 100  # days on which all names are priced
COLUMNS = (
    "book", "method", "level", "horizon_days", "value_at_risk", "expected_shortfall", "scenarios", "value",
)  # fmt: skip
Mask = npt.NDArray[np.bool_]
Row = tuple[str, str, float, int, float, float, int, float]


@dataclass(frozen=True, eq=False)
class Priced:
    """What tails are taken from.

    span     total-return prices of all names of the books
    model    the factor model on record and its factors' returns (dates x factors); None where there is none
    value    of the portfolio, base currency
    """

    span: Span
    model: FactorModel | None
    factor_returns: pd.DataFrame | None
    value: float


def tail_columns(
    books: Mapping[str, Mapping[str, float]], priced: Priced, settings: TailFile
) -> tuple[Columns, tuple[str, ...]]:
    """Rows of each book (symbol -> weight) by each method at each level, and why a method has none."""
    rows: list[Row] = []
    told: dict[str, None] = {}
    for book, weights in books.items():
        for method, tails in (("history", _by_history), ("factors", _by_factors)):
            try:
                rows += _rows(book, tails(weights, priced, settings), settings, priced.value)
            except DataError as error:
                told[f"no tail risk by {method}: {error}"] = None
    return dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)) if rows else {}, tuple(told)


Tails = Iterator[tuple[str, int, TailRisk]]


def _rows(book: str, tails: Tails, settings: TailFile, value: float) -> list[Row]:
    return [
        (book, method, found.level, settings.horizon_days, found.value_at_risk, found.expected_shortfall, count, value)
        for method, count, found in tails
    ]  # fmt: skip


def _by_history(weights: Mapping[str, float], priced: Priced, settings: TailFile) -> Tails:
    """Days as they were, and as they would be at today's volatility: the last days on which all names are priced."""
    span = priced.span
    table = np.array([span.base(symbol) for symbol in span.symbols])
    common = np.isfinite(table).all(axis=0)
    days = int(common.sum()) - 1
    if days < LEAST + settings.horizon_days:
        short = min(span.symbols, key=lambda s: (np.isfinite(span.base(s)).sum(), s))
        raise DataError(
            f"its names have {max(days, 0)} common days of returns, {LEAST + settings.horizon_days} are needed; "
            f"{short} has the fewest"
        )
    own = np.array(list(weights.values()))
    key = (span.key, common.tobytes())
    for method, make in ((HISTORICAL, _past), (FILTERED, _filtered)):
        columns = [
            span.once(
                (method, symbol, key, settings.volatility), partial(make, span, symbol, common, settings)
            )
            for symbol in weights
        ]
        scenarios = over_horizon(np.column_stack(columns), settings.horizon_days)
        for level in settings.levels:
            yield method, len(scenarios), tail_risk(scenarios, own, level)


def _past(span: Span, symbol: str, common: Mask, _: TailFile) -> Array:
    return simple_returns(span.base(symbol)[common, None])[:, 0]


def _filtered(span: Span, symbol: str, common: Mask, settings: TailFile) -> Array:
    """Returns at today's volatility; those of a name that never moves as they are."""
    returns = _past(span, symbol, common, settings)
    if returns.std() <= STILL:
        return returns
    return filtered_scenarios(returns[:, None], settings.volatility)[:, 0]


def _by_factors(weights: Mapping[str, float], priced: Priced, settings: TailFile) -> Tails:
    """Past days of the factors at today's volatility through today's exposures, and the names' own risk beside them."""
    if priced.model is None or priced.factor_returns is None:
        return
    model = priced.model.of(tuple(weights))
    own = np.array(list(weights.values()))
    series = priced.factor_returns[list(model.factors)].dropna().to_numpy(dtype=float)
    moves = filtered_scenarios(series[-settings.lookback_days :], settings.volatility)
    scenarios = over_horizon(moves, settings.horizon_days)
    specific = float(np.sqrt(own**2 @ model.specific * settings.horizon_days / TRADING_DAYS))
    for level in settings.levels:
        yield BY_FACTORS, len(scenarios), factor_tail(scenarios, model.exposures.T @ own, specific, level)
