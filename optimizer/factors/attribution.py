"""Where risk comes from and where return came from: by factor, by name, and what factors do not explain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.factors.descriptors import sector_constraint
from optimizer.factors.factor_model import FactorModel
from optimizer.factors.fit import FactorFit, Session
from optimizer.factors.panel import FactorPanel, Mask
from optimizer.factors.regression import coefficient_error
from optimizer.model.returns import carino_links
from optimizer.typing import Array

SPECIFIC, OTHER = "SPECIFIC", "OTHER"


@dataclass(frozen=True, eq=False)
class PredictedRisk:
    """A portfolio's volatility per year and what adds up to it.

    weights    (n,) less the benchmark's, where there is one
    exposures  (K,) of the portfolio;  factors  (K,) contributions of the factors, and `specific` that of all names' own
    names      (n,) contributions of the names, which add up to the volatility by themselves
    """

    weights: Array
    volatility: float
    exposures: Array
    factors: Array
    specific: float
    names: Array


@typed
def predicted_risk(model: FactorModel, weights: Array, benchmark: Array | None = None) -> PredictedRisk:
    """The volatility of weights (n,), or of their difference to a benchmark's: the tracking error.

    Factor k contributes x_k (F x)_k / volatility, all names' own risk sum of w_i^2 d_i / volatility.
    Raises DataError for other shapes.
    Source: Euler's rule; Menchero & Davis (2011), Risk contribution is exposure times volatility times correlation.

    >>> model = FactorModel(('A', 'B'), ('market',), ('market',), np.ones((2, 1)), np.eye(1) * 0.04, np.full(2, 0.02))
    >>> found = predicted_risk(model, np.array([0.5, 0.5]))
    >>> round(float(found.factors.sum() + found.specific - found.volatility), 12)
    0.0
    """
    own = weights if benchmark is None else weights - benchmark
    if own.shape != (len(model.symbols),) or not np.isfinite(own).all():
        raise DataError(
            f"weights have shape {own.shape}; one finite number for each of {len(model.symbols)} names"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        exposures = model.exposures.T @ own
        pull = model.factor_covariance @ exposures
        names = own * (model.exposures @ pull + model.specific * own)
        variance = float(names.sum())
    if not isfinite(variance):
        raise DataError(
            "the risk of the weights is no finite number; give fractions of the NAV, and a model in variances"
        )
    volatility = float(np.sqrt(max(variance, 0.0)))
    per = 1.0 / volatility if volatility > 0 else 0.0
    own_risk = float(own @ (model.specific * own))
    return PredictedRisk(own, volatility, exposures, exposures * pull * per, own_risk * per, names * per)


@dataclass(frozen=True, eq=False)
class FactorDays:
    """What factors did to B books over T days.

    factors, groups  K names and kinds
    exposures  (B, T, K) of a book to the factors at the close before each day; 0 where nothing was regressed
    returns    (T, K) of the factors;  errors  (T, K, K) covariance of their errors, of the regressions
    """

    factors: tuple[str, ...]
    groups: tuple[str, ...]
    exposures: Array
    returns: Array
    errors: Array

    def standard_errors(self, exposures: Array) -> Array:
        """(T, K + 1) of what exposures (T, K) earned by each factor; last of what is left to the names."""
        single = np.abs(exposures) * np.sqrt(np.einsum("tkk->tk", self.errors))
        whole = np.einsum("tk,tkl,tl->t", exposures, self.errors, exposures)
        return np.column_stack([single, np.sqrt(whole.clip(0.0))])


def factor_days(fold: Callable[..., FactorFit], dates: Sequence[object], books: Array) -> FactorDays:
    """What the factors of a fit, as it goes, did to books: nothing of a later day is in a day's exposures.

    fold   runs a fit with the `watch` it is given: `partial(fit_factors, panel, settings)`, or an update's
    books  (B, T, n) weights at the close before each date, in the order of the fit's symbols
    A name without a return on a day counts for nothing there. The errors are those of White (1980) and take the days
    as independent of each other.
    """
    place = {day: row for row, day in enumerate(dates)}
    seen: list[tuple[int, Array, Array, Array]] = []

    def watch(before: FactorFit, session: Session) -> None:
        if (row := place.get(session.date)) is None:
            return
        present = np.isfinite(session.specific_returns)
        held = np.where(present, books[:, row], 0.0) @ before.exposures
        seen.append((row, held, session.factor_returns, _regression_error(before, session, present)))

    plan = fold(watch=watch).plan
    k, days = len(plan.factors), len(dates)
    exposures, returns, errors = np.zeros((len(books), days, k)), np.zeros((days, k)), np.zeros((days, k, k))
    for row, held, found, error in seen:
        exposures[:, row], returns[row], errors[row] = held, found, error
    return FactorDays(plan.factors, plan.groups, exposures, returns, errors)


def _regression_error(before: FactorFit, session: Session, present: Mask) -> Array:
    """(K, K) covariance of the errors of a session's factor returns."""
    on = before.universe & present
    design, weights = before.exposures[on], before.weights[on]
    return coefficient_error(
        design, session.specific_returns[on] ** 2, np.sqrt(weights),
        sector_constraint(before.plan, design, weights),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Linked:
    """A compound return and what adds up to it; P parts.

    total, benchmark  compound returns
    money    (P,) earned by each part per unit of the first NAV, and adding up to the total
    parts    (P,) linked returns, adding up to the total;  active  (P,) the same, to the total less the benchmark's
    errors, active_errors  (P,) standard errors of `parts` and of `active`; 0 where a part is no estimate
    """

    total: float
    benchmark: float
    money: Array
    parts: Array
    active: Array
    errors: Array
    active_errors: Array


def linked(parts: Array, benchmark: Array, errors: Array, active_errors: Array) -> Linked:
    """Parts of the returns of T periods, linked so that they add up to compound returns.

    parts, benchmark       (T, P) what each part added to a period's return of the portfolio, and of the benchmark
    errors, active_errors  (T, P) standard errors of `parts` and of the difference, periods independent of each other
    Raises DataError for other shapes, and for a period in which all was lost.
    Source: Carino (1999), see `carino_links`; money: each part by the NAV before it.

    >>> rates = np.array([[0.02, 0.08], [0.03, -0.02]])
    >>> found = linked(rates, 0 * rates, 0 * rates, 0 * rates)
    >>> round(found.total, 6), round(float(found.parts.sum()), 6), round(float(found.money.sum()), 6)
    (0.111, 0.111, 0.111)
    """
    shapes = {found.shape for found in (parts, benchmark, errors, active_errors)}
    if len(shapes) > 1 or parts.ndim != 2:
        raise DataError(f"the tables have shapes {sorted(shapes)}; all must be T x P")
    own, other = parts.sum(axis=1), benchmark.sum(axis=1)
    link, against = carino_links(own, np.zeros_like(own)), carino_links(own, other)
    before = np.concatenate([[1.0], np.cumprod(1.0 + own)])[: len(own)]
    return Linked(
        float(np.prod(1.0 + own) - 1.0), float(np.prod(1.0 + other) - 1.0),
        before @ parts, link @ parts, against @ (parts - benchmark),
        np.sqrt(link**2 @ errors**2), np.sqrt(against**2 @ active_errors**2),
    )  # fmt: skip


@typed
def attributed(
    fit: FactorFit,
    panel: FactorPanel,
    weights: Array,
    totals: Array | None = None,
    benchmark: Array | None = None,
) -> tuple[tuple[str, ...], Linked]:
    """The names of the parts, and what a portfolio's returns came from over the sessions of a panel that follow a fit.

    panel    as for `FactorFit.updated`;  weights  (S, n) at the close before each of the S new sessions
    totals   (S,) returns of the portfolio; None: those of the weights, held without trading or costs
    benchmark  (S, n) its weights at the close before each session; None: none
    The parts are the factors, SPECIFIC of the names by themselves, and OTHER: what the weights do not explain.
    A name without a return adds nothing that session. Raises DataError for other shapes.

    >>> changes = prices.pct_change().iloc[1:]
    >>> panel = FactorPanel(symbols, np.array(dates[1:], 'M8[D]'), changes.to_numpy())
    >>> parts, found = attributed(fit_factors(panel.between(0, 290)), panel, np.full((10, 3), 1 / 3))
    >>> abs(float(found.parts.sum() - (1 + changes.iloc[290:].mean(axis=1)).prod() + 1)) < 1e-12
    True
    """
    first = list(panel.dates).index(fit.last) + 1 if fit.last in panel.dates else len(panel.dates)
    dates, symbols = panel.dates[first:], panel.symbols
    other = np.zeros_like(weights) if benchmark is None else benchmark
    if not len(dates) or {weights.shape, other.shape} != {(len(dates), len(symbols))}:
        raise DataError(
            f"weights have shape {weights.shape}; {len(dates)} sessions x {len(symbols)} names follow"
        )
    days = factor_days(partial(fit.updated, panel), dates, np.stack([weights, other]))
    moved = np.nan_to_num(panel.returns[first:])
    held, passive = (weights * moved).sum(axis=1), (other * moved).sum(axis=1)
    left = np.zeros(len(dates)) if totals is None else totals - held
    parts = [parts_of(days, 0, held), parts_of(days, 1, passive)]
    errors = [days.standard_errors(x) for x in (days.exposures[0], days.exposures[0] - days.exposures[1])]
    tables = [np.column_stack([table, column]) for table, column in zip(
        [*parts, *errors], [left, *[np.zeros(len(dates))] * 3], strict=True)]  # fmt: skip
    return (*days.factors, SPECIFIC, OTHER), linked(*tables)


def parts_of(days: FactorDays, book: int, held: Array) -> Array:
    """(T, K + 1) what each factor added to the returns (T,) of a book's weights, and what is left to the names."""
    earned = days.exposures[book] * days.returns
    return np.column_stack([earned, held - earned.sum(axis=1)])
