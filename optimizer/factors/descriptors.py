"""Descriptors of each name at a close: what it is, told by its prices, volume, capitalisation and sector."""

from dataclasses import dataclass

import numpy as np

from optimizer.factors.panel import MIN_SESSIONS, MONTH, QUARTER, YEAR, FactorPanel, Mask, Plan
from optimizer.factors.standardise import orthogonal, standardised
from optimizer.typing import Array

BETA_HALF_LIFE = 63  # sessions (USE4)
TURNOVER_SHARES = {MONTH: 0.35, QUARTER: 0.35, YEAR: 0.30}  # USE4: STOM, STOQ and STOA


@dataclass(frozen=True, eq=False)
class History:
    """A panel's returns ready for sums over windows: 0 where there is none, and where there is one.

    plain, logs, squares  (T, n) returns, log returns, squared returns
    present  (T, n) 1.0 or 0.0;  market  (T,) return of the estimation universe by the weights of the close before
    turnover  (T, n) value traded by capitalisation (by 1 without any), 0 where unknown;  None without volumes
    """

    plain: Array
    logs: Array
    squares: Array
    present: Array
    market: Array
    turnover: Array | None

    @classmethod
    def of(cls, panel: FactorPanel) -> "History":
        """The history of a panel."""
        plain = np.where(panel.present, panel.returns, 0.0)
        weights = panel.weights if panel.estimation is None else panel.weights * panel.estimation
        before = np.vstack([weights[:1], weights[:-1]]) * panel.present
        totals = before.sum(axis=1)
        market = np.einsum("ij,ij->i", before, plain) / np.where(totals > 0, totals, 1.0)
        turnover = None
        if panel.traded is not None:
            per = panel.traded if panel.caps is None else panel.traded / np.where(panel.caps > 0, panel.caps, np.nan)
            turnover = np.where(np.isfinite(per), per, 0.0)
        # A return of -100% has no logarithm; the least that can be told apart from it does.
        logs = np.log1p(np.maximum(plain, -1.0 + 1e-12))
        return cls(plain, logs, plain * plain, panel.present.astype(float), market, turnover)


def universe_on(panel: FactorPanel, history: History, day: int) -> Mask:
    """(n,) names of the estimation universe at a close: weighed, of a known sector, with some returns."""
    returns = history.present[max(0, day - YEAR + 1) : day + 1].sum(axis=0)
    inside = (panel.weights[day] > 0) & (returns >= min(MIN_SESSIONS, MONTH if day < YEAR // 2 else MIN_SESSIONS))
    if panel.sectors is not None:
        inside &= panel.sectors[day] >= 0
    if panel.estimation is not None:
        inside &= panel.estimation[day]
    return np.asarray(inside)


def exposures_on(panel: FactorPanel, history: History, plan: Plan, day: int, universe: Mask) -> Array:
    """(n, K) exposures at the close of a session, of all names; needs the YEAR of sessions up to it."""
    n = len(panel.symbols)
    exposures = np.zeros((n, len(plan.factors)))
    exposures[:, 0] = 1.0
    if plan.sectors and panel.sectors is not None:
        told = np.flatnonzero(panel.sectors[day] >= 0)
        exposures[told, 1 + panel.sectors[day][told]] = 1.0
    if plan.styles:
        exposures[:, 1 + len(plan.sectors) :] = _styles(panel, history, plan, day, universe).T
    return exposures


def _styles(panel: FactorPanel, history: History, plan: Plan, day: int, universe: Mask) -> Array:
    """(p, n) standardised exposures to the styles of the plan."""
    weights = panel.weights[day]
    raw = raw_descriptors(panel, history, day)
    raw |= {name: values[day] for name, values in panel.scores.items()}
    base = [style for style in plan.styles if style != "nonlinear_size"]
    row = {style: i for i, style in enumerate(base)}
    found = standardised(np.array([raw[style] for style in base]), weights, universe)
    again = {}
    if "nonlinear_size" in plan.styles:
        size = found[row["size"]]
        again["nonlinear_size"] = orthogonal(size**3, size, weights, universe)
    if "residual_volatility" in row:
        again["residual_volatility"] = orthogonal(
            found[row["residual_volatility"]], found[row["beta"]], weights, universe
        )
    if again:
        cleared = dict(zip(again, standardised(np.array(list(again.values())), weights, universe), strict=True))
        return np.array([cleared.get(style, found[row.get(style, 0)]) for style in plan.styles])
    return found


def raw_descriptors(panel: FactorPanel, history: History, day: int) -> dict[str, Array]:
    """(n,) descriptors at a close by name, NaN where too little is known of a name.

    size                 logarithm of the capitalisation
    momentum             log return of the YEAR of sessions before, without the last MONTH (Jegadeesh & Titman 1993)
    short_term_reversal  minus the log return of the last MONTH (Jegadeesh 1990)
    beta                 slope of a year's returns on the market's, half-life 63 sessions (USE4: HBETA)
    residual_volatility  standard deviation of what that slope leaves (USE4: HSIGMA)
    liquidity            mean logarithm of turnover over a month, a quarter and a year (USE4: STOM, STOQ, STOA)
    """
    window = slice(max(0, day - YEAR + 1), day + 1)
    found: dict[str, Array] = {}
    if panel.caps is not None:
        found["size"] = np.log(np.where(panel.caps[day] > 0, panel.caps[day], np.nan))
    found |= _trends(history, window)
    found["beta"], found["residual_volatility"] = _market_line(history, window)
    if history.turnover is not None:
        found["liquidity"] = _liquidity(history.turnover[window])
    return found


def _trends(history: History, window: slice) -> dict[str, Array]:
    length = window.stop - window.start
    age = np.arange(length - 1, -1, -1)
    rows = np.array([age >= MONTH, age < MONTH], dtype=float)
    sums, counts = rows @ history.logs[window], rows @ history.present[window]
    enough = counts >= rows.sum(axis=1)[:, None] / 2
    momentum, month = np.where(enough, sums, np.nan)
    return {"momentum": momentum, "short_term_reversal": -month}


def _market_line(history: History, window: slice) -> tuple[Array, Array]:
    """(n,) slope and residual deviation of each name on the market, over the sessions on which it has a return."""
    market = history.market[window]
    decay = 0.5 ** (np.arange(len(market) - 1, -1, -1) / BETA_HALF_LIFE)
    lines = np.array([decay, decay * market, decay * market**2, np.ones(len(market))])
    total, market_sum, market_squares, count = lines @ history.present[window]
    own_sum, products = lines[:2] @ history.plain[window]
    squares = decay @ history.squares[window]
    enough = (count >= MIN_SESSIONS / 3) & (total > 0)
    safe = np.where(enough, total, 1.0)
    variance = market_squares - market_sum**2 / safe
    moved = enough & (variance > 1e-12 * np.maximum(market_squares, np.finfo(float).tiny))
    covariance = products - market_sum * own_sum / safe
    beta = np.where(moved, covariance / np.where(moved, variance, 1.0), np.nan)
    left = squares - own_sum**2 / safe - beta * covariance
    return beta, np.sqrt(np.maximum(left, 0.0) / safe)


def _liquidity(turnover: Array) -> Array:
    """(n,) from (t, n) turnovers, of windows that the history may cut short."""
    age = np.arange(len(turnover) - 1, -1, -1)
    rows = np.array([age < span for span in TURNOVER_SHARES], dtype=float)
    # Per session that the window has, so that a young name's year counts the sessions on which it traded.
    traded = rows @ turnover / np.maximum(rows @ (turnover > 0), 1.0)
    with np.errstate(divide="ignore"):
        logs = np.log(traded)
    told = np.array(list(TURNOVER_SHARES.values())) @ np.where(np.isfinite(logs), logs, np.nan)
    return np.asarray(told)
