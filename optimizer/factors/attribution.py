"""Where risk comes from and where return came from: by factor, by name, and what factors do not explain."""

from dataclasses import dataclass

import numpy as np

from optimizer.errors import DataError
from optimizer.factors.factor_model import FactorModel
from optimizer.factors.fit import FactorFit
from optimizer.factors.panel import YEAR, FactorPanel
from optimizer.factors.regression import coefficient_error
from optimizer.typing import Array


@dataclass(frozen=True, eq=False)
class PredictedRisk:
    """A portfolio's volatility per year and what adds up to it.

    exposures  (K,) of the portfolio;  factors  (K,) contributions of the factors, and `specific` that of all names' own
    names      (n,) contributions of the names, which add up to the volatility by themselves
    """

    volatility: float
    exposures: Array
    factors: Array
    specific: float
    names: Array


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
    exposures = model.exposures.T @ own
    pull = model.factor_covariance @ exposures
    names = own * (model.exposures @ pull + model.specific * own)
    variance = float(names.sum())
    volatility = float(np.sqrt(max(variance, 0.0)))
    per = 1.0 / volatility if volatility > 0 else 0.0
    own_risk = float(own @ (model.specific * own))
    return PredictedRisk(volatility, exposures, exposures * pull * per, own_risk * per, names * per)


@dataclass(frozen=True, eq=False)
class RealisedReturn:
    """A compound return and what adds up to it; times the first NAV it is money.

    factors  (K,) by factor;  specific  by all names' own returns;  other  what weights do not explain: trading, costs
    errors   (K,) standard errors of the factors' parts, from those of the regressions; NaN where none are given
    """

    total: float
    factors: Array
    specific: float
    other: float
    errors: Array


def realised_return(
    exposures: Array, factor_returns: Array, specific: Array, totals: Array, errors: Array | None = None
) -> RealisedReturn:
    """What a portfolio's returns over T sessions came from, linked so that the parts add up to the compound return.

    exposures  (T, K) of the portfolio at the close before each session (or active ones, with active totals of one NAV)
    factor_returns, errors  (T, K) of the session, and their standard errors;  specific  (T,) sum of weight x own return
    totals     (T,) returns of the portfolio
    Each session's part counts by the growth up to it, so that it is money earned per unit of the first NAV.
    Raises DataError for other shapes.
    Source: Grinold & Kahn (2000), ch. 17; linking in money, as in performance attribution by NAV.

    >>> found = realised_return(np.ones((2, 1)), np.full((2, 1), 0.1), np.zeros(2), np.full(2, 0.1))
    >>> round(found.total, 6), found.factors.round(6).tolist()
    (0.21, [0.21])
    """
    rows = len(totals)
    if exposures.shape != factor_returns.shape or len(exposures) != rows or specific.shape != (rows,):
        raise DataError(
            f"exposures {exposures.shape}, factor returns {factor_returns.shape}, specific {specific.shape} and "
            f"totals {totals.shape} must have a row a session, the first two a column a factor"
        )
    grown = np.concatenate([[1.0], np.cumprod(1.0 + totals)])
    before = grown[:-1]
    parts = before[:, None] * exposures * factor_returns
    own = float(before @ specific)
    other = float(before @ (totals - (exposures * factor_returns).sum(axis=1) - specific))
    unsure = np.full(exposures.shape[1], np.nan)
    if errors is not None:
        unsure = np.sqrt(((before[:, None] * exposures * errors) ** 2).sum(axis=0))
    return RealisedReturn(float(grown[-1] - 1.0), parts.sum(axis=0), own, other, unsure)


def attributed(
    fit: FactorFit, panel: FactorPanel, weights: Array, totals: Array | None = None
) -> RealisedReturn:
    """What a portfolio's returns came from over the sessions of a panel that follow a fit.

    panel    as for `FactorFit.updated`;  weights  (S, n) at the close before each of the S new sessions
    totals   (S,) returns of the portfolio; None: those of the weights, held without trading or costs
    A name without a return adds nothing that session. Raises DataError for other shapes.
    """
    first = list(panel.dates).index(fit.last) + 1 if fit.last in panel.dates else len(panel.dates)
    days = range(first, len(panel.dates))
    if weights.shape != (len(days), len(panel.symbols)) or not days:
        raise DataError(
            f"weights have shape {weights.shape}; {len(days)} sessions x {len(panel.symbols)} names follow"
        )
    exposures, factors, errors = (np.zeros((len(days), len(fit.plan.factors))) for _ in range(3))
    specific, held = np.zeros(len(days)), np.zeros(len(days))
    for row, day in enumerate(days):
        before, fit = fit, fit.updated(panel.between(max(0, day - YEAR - 1), day + 1))
        own = np.where(panel.present[day], weights[row], 0.0)
        held[row] = own @ np.nan_to_num(panel.returns[day])
        if len(fit.sessions) == len(before.sessions):
            continue
        session, on = fit.sessions[-1], before.universe & panel.present[day]
        exposures[row], factors[row] = before.exposures.T @ own, session.factor_returns
        specific[row] = own @ np.nan_to_num(session.specific_returns)
        error = coefficient_error(
            before.exposures[on],
            session.specific_returns[on] ** 2,
            np.sqrt(before.weights[on]),
            before.constraint,
        )
        errors[row] = np.sqrt(np.diag(error))
    return realised_return(exposures, factors, specific, held if totals is None else totals, errors)
