"""Value at risk and expected shortfall of what is held and of what is proposed, as rows of `tail_risk`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from operator import and_

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
)
from optimizer.model.sessions import TRADING_DAYS
from optimizer.risk.filtered_simulation import STILL, tail_risks
from optimizer.typing import Array
from resources.results.sensitivities.priced_dates import Beside, Span, each
from resources.results.stage_outputs import Columns
from resources.settings.playbook_schemas.tail_risk import TailFile

HISTORICAL, FILTERED, BY_FACTORS = "historical", "filtered", "factor_model"
HELD, PROPOSED = "held", "proposed"
LEAST = 100  # days on which all names are priced
COLUMNS = (
    "book", "method", "level", "horizon_days", "value_at_risk", "expected_shortfall", "scenarios", "value",
)  # fmt: skip
Make = Callable[[Array, TailFile], Array]
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

    @cached_property
    def common(self) -> Mask:
        """(T,) whether all names are priced on a date; most names are on all of them, and need no look."""
        span = self.span
        priced = each(span.once, ("priced dates", span.key), span.symbols, self._priced)
        some = [dates for dates, on_all in priced if not on_all]
        return reduce(and_, some) if some else priced[0][0]

    def _priced(self, symbol: str) -> tuple[Mask, bool]:
        dates = np.isfinite(self.span.base(symbol))
        return dates, bool(dates.all())


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
    span, common = priced.span, priced.common
    days = int(np.count_nonzero(common)) - 1
    if days < LEAST + settings.horizon_days:
        short = min(span.symbols, key=lambda s: (np.isfinite(span.base(s)).sum(), s))
        raise DataError(
            f"its names have {max(days, 0)} common days of returns, {LEAST + settings.horizon_days} are needed; "
            f"{short} has the fewest"
        )
    own = np.array(list(weights.values()))
    for method, make in ((HISTORICAL, _past), (FILTERED, _filtered)):
        key = (method, span.key, common.tobytes(), settings.volatility, settings.horizon_days)
        kept: Beside = span.once(key, Beside)
        scenarios = kept.of(weights, partial(_scenarios, make, span, common, settings))
        for found in tail_risks(scenarios, own, settings.levels, known=True):
            yield method, len(scenarios), found


def _scenarios(make: Make, span: Span, common: Mask, settings: TailFile, symbol: str) -> Array:
    """(T,) what a name would earn over the horizon, made once for all books whose names share their days."""
    returns = make(simple_returns(span.base(symbol)[common, None]), settings)
    return over_horizon(returns, settings.horizon_days)[:, 0]


def _past(returns: Array, _: TailFile) -> Array:
    return returns


def _filtered(returns: Array, settings: TailFile) -> Array:
    """Returns at today's volatility; those of a name that never moves as they are."""
    return returns if returns.std() <= STILL else filtered_scenarios(returns, settings.volatility)


def _by_factors(weights: Mapping[str, float], priced: Priced, settings: TailFile) -> Tails:
    """Past days of the factors at today's volatility through today's exposures, and the names' own risk beside them."""
    if priced.model is None or priced.factor_returns is None:
        return
    model = priced.model.of(tuple(weights))
    own = np.array(list(weights.values()))
    scenarios = _of_factors(priced.span, model.factors, priced.factor_returns, settings)
    specific = float(np.sqrt(own**2 @ model.specific * settings.horizon_days / TRADING_DAYS))
    for level in settings.levels:
        yield BY_FACTORS, len(scenarios), factor_tail(scenarios, model.exposures.T @ own, specific, level)


def _of_factors(span: Span, factors: Sequence[str], known: pd.DataFrame, settings: TailFile) -> Array:
    """(T, K) what the factors of a model would earn over the horizon, made once for all books that it tells."""

    def made() -> tuple[object, Array]:
        series = known[list(factors)].dropna().to_numpy(dtype=float)
        moves = filtered_scenarios(series[-settings.lookback_days :], settings.volatility)
        return known, over_horizon(moves, settings.horizon_days)

    key = ("factor scenarios", id(known), settings.lookback_days, settings.volatility, settings.horizon_days)
    scenarios: Array = span.once(key, made)[1]
    return scenarios
