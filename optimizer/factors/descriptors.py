"""Descriptors of each name at a close: what it is, told by its prices, volume, capitalisation and sector."""

import numpy as np

from optimizer.factors.panel import CALM, MIN_SESSIONS, MONTH, STILL, YEAR, FactorPanel, Mask, Plan
from optimizer.factors.standardise import orthogonal, standardised
from optimizer.factors.windows import Windows
from optimizer.typing import Array

TURNOVER_SHARES = np.array([0.35, 0.35, 0.30])  # of month, quarter and year (USE4: STOM, STOQ, STOA)


def universe_on(panel: FactorPanel, windows: Windows, day: int) -> Mask:
    """(n,) names of the estimation universe at a close: weighed, of a known sector, moving, with a quarter of returns.

    Where the history itself is shorter than two quarters, a month of returns is enough.
    """
    least = MONTH if windows.seen <= YEAR // 2 else MIN_SESSIONS
    return np.asarray(panel.eligible[day] & (windows.boxes[-1, 0] >= least) & ~still(windows))


def still(windows: Windows) -> Mask:
    """(n,) names that did not move for a year beside others that did: no factor is theirs, not the market's either."""
    _, _, own, _, squares, total = windows.decayed
    known = windows.boxes[-1, 0] >= MONTH
    safe = np.where(known, total, 1.0)
    variance = np.where(known, squares / safe - (own / safe) ** 2, 0.0)
    return np.asarray(known & (variance < min(STILL**2, CALM**2 * variance.max(initial=0.0))))


def exposures_on(panel: FactorPanel, windows: Windows, plan: Plan, day: int, universe: Mask) -> Array:
    """(n, K) exposures at the close of a session, of all names; windows are the sums up to it.

    Those of a name that stands still are 0.
    """
    n = len(panel.symbols)
    exposures = np.zeros((n, len(plan.factors)))
    exposures[:, 0] = 1.0
    if plan.sectors and panel.sectors is not None:
        told = np.flatnonzero(panel.sectors[day] >= 0)
        exposures[told, 1 + panel.sectors[day][told]] = 1.0
    if plan.styles:
        exposures[:, 1 + len(plan.sectors) :] = _styles(panel, windows, plan, day, universe).T
    exposures[still(windows)] = 0.0
    return exposures


def _styles(panel: FactorPanel, windows: Windows, plan: Plan, day: int, universe: Mask) -> Array:
    """(p, n) standardised exposures to the styles of the plan."""
    weights = panel.weights[day]
    raw = raw_descriptors(panel, windows, day)
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
        cleared = dict(
            zip(again, standardised(np.array(list(again.values())), weights, universe), strict=True)
        )
        return np.array([cleared.get(style, found[row.get(style, 0)]) for style in plan.styles])
    return found


def raw_descriptors(panel: FactorPanel, windows: Windows, day: int) -> dict[str, Array]:
    """(n,) descriptors at a close by name, NaN where too little is known of a name.

    size                 logarithm of the capitalisation
    momentum             log return of the YEAR of sessions before, without the last MONTH (Jegadeesh & Titman 1993)
    short_term_reversal  minus the log return of the last MONTH (Jegadeesh 1990)
    beta                 slope of a year's returns on the market's, half-life 63 sessions (USE4: HBETA)
    residual_volatility  standard deviation of what that slope leaves (USE4: HSIGMA)
    liquidity            mean logarithm of turnover over a month, a quarter and a year (USE4: STOM, STOQ, STOA)
    """
    found = _trends(windows)
    found["beta"], found["residual_volatility"] = _market_line(windows)
    if panel.caps is not None:
        found["size"] = np.log(np.where(panel.caps[day] > 0, panel.caps[day], np.nan))
    if panel.traded is not None:
        found["liquidity"] = _liquidity(windows)
    return found


def _trends(windows: Windows) -> dict[str, Array]:
    counts, logs = windows.boxes[:, 0], windows.boxes[:, 1]
    sessions = min(windows.seen, YEAR)
    year = counts[-1] - counts[0] >= (sessions - MONTH) / 2
    month = counts[0] >= min(windows.seen, MONTH) / 2
    return {
        "momentum": np.where(year, logs[-1] - logs[0], np.nan),
        "short_term_reversal": np.where(month, -logs[0], np.nan),
    }


def _market_line(windows: Windows) -> tuple[Array, Array]:
    """(n,) slope and residual deviation of each name on the market, over the sessions on which it has a return."""
    market, market_squares, own, products, squares, total = windows.decayed
    enough = windows.boxes[-1, 0] >= MONTH
    safe = np.where(enough, total, 1.0)
    variance = market_squares - market**2 / safe
    moved = enough & (variance > 1e-9 * np.abs(market_squares))
    covariance = products - market * own / safe
    beta = np.where(moved, covariance / np.where(moved, variance, 1.0), np.nan)
    left = squares - own**2 / safe - beta * covariance
    return beta, np.sqrt(np.maximum(left, 0.0) / safe)


def _liquidity(windows: Windows) -> Array:
    """(n,) per session on which there was a turnover, so that a young name is compared like the others."""
    turnover, count = windows.boxes[:, 2], windows.boxes[:, 3]
    known = count > 0
    traded = np.where(known, turnover, 1.0) / np.where(known, count, 1.0)
    return np.asarray(
        TURNOVER_SHARES @ np.where(known, np.log(np.maximum(traded, np.finfo(float).tiny)), np.nan)
    )


def sector_constraint(plan: Plan, exposures: Array, weights: Array) -> Array:
    """(K,) each sector's share of the weights, at its factor; 0 elsewhere."""
    constraint = np.zeros(len(plan.factors))
    total = float(weights.sum())
    if plan.sectors and total > 0:
        sectors = slice(1, 1 + len(plan.sectors))
        constraint[sectors] = weights @ exposures[:, sectors] / total
    return constraint
