"""Sensitivities of a portfolio and of instruments to factors: by regression on priced dates, or as funds declare."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from optimizer import FundExposureMap, estimate_sensitivities, log_returns
from optimizer.model.sessions import Rows, common_rows, costly_gaps
from optimizer.risk.scenarios import (
    FACTORS,
    Sensitivities,
    declared_sensitivities,
    factor_moves,
    refuse_strangers,
)
from optimizer.typing import Array
from resources.results.sensitivities.priced_dates import Span
from resources.settings.playbooks import Playbooks

LEAST_DAYS = 100
Moving = Callable[[tuple[str, ...] | None], Sensitivities]


def no_sensitivities(_: tuple[str, ...] | None) -> Sensitivities:
    """Of a portfolio that no scenario moves."""
    return estimate_sensitivities((), np.empty((0, 0)), factor_moves({}, {}, 0), np.empty((0, len(FACTORS))))


def sensitivities_of(
    span: Span,
    declared: Callable[[Sequence[str]], list[Array]],
    proxies: Mapping[str, Mapping[str, float]],
    held: Mapping[str, float],
    *,
    even: bool,
) -> Moving:
    """The sensitivities of some of the names of a span, or of all that have any."""
    if not even:
        whole = _sensitivities(span, declared(span.kept), proxies, held)
        return lambda names: whole if names is None else whole.of(names)

    def moving(names: tuple[str, ...] | None) -> Sensitivities:
        wanted = span.kept if names is None else names
        refuse_strangers(wanted, span.kept)
        return span.sensitivities(wanted, declared(wanted), proxies)

    return moving


def estimated_on(prices: pd.DataFrame, proxies: Mapping[str, Mapping[str, float]]) -> Rows | slice:
    """The dates of (T, n) prices that sensitivities are estimated between: the factor proxies and all names that have
    history are priced on them, but for those that would cost the others too many."""
    priced = prices.notna().to_numpy()
    if priced.all():
        return slice(None)
    needed = {symbol for weights in proxies.values() for symbol in weights}
    long = [
        s
        for s, days in zip(prices.columns, priced.sum(axis=0), strict=True)
        if days > LEAST_DAYS or s in needed
    ]
    costly = costly_gaps(prices[long].notna().to_numpy(), prices.index, long, needed)
    return common_rows(prices[[symbol for symbol in long if symbol not in costly]].to_numpy())


def declared_by(funds: FundExposureMap, books: Playbooks, symbol: str) -> Array:
    """(k,) what a fund is said to move by, NaN where that is not known."""
    return (
        declared_sensitivities(funds[symbol], books.loads)
        if symbol in funds
        else np.full(len(FACTORS), np.nan)
    )


def _sensitivities(
    span: Span,
    declared: Sequence[Array],
    proxies: Mapping[str, Mapping[str, float]],
    held: Mapping[str, float],
) -> Sensitivities:
    """Of everything with history or declared exposures; what is held must have one of them."""
    own, base = span.tables()
    rows = estimated_on(own, proxies)
    natural, converted = log_returns(own.to_numpy()[rows]), log_returns(base.to_numpy()[rows])
    moves = factor_moves(proxies, {symbol: natural[:, i] for i, symbol in enumerate(span.kept)}, len(natural))
    told = np.array(declared).reshape(-1, len(FACTORS))
    long = np.isfinite(converted).sum(axis=0) >= LEAST_DAYS
    usable = [i for i, s in enumerate(span.kept) if s in held or long[i] or np.isfinite(told[i]).all()]
    chosen = tuple(span.kept[i] for i in usable)
    return estimate_sensitivities(chosen, converted[:, usable], moves, told[usable])
