"""Books whose trade lists are timed: invented prices, returns, targets and what is held beside them."""

from dataclasses import dataclass

import numpy as np

from optimizer import (
    CostModel,
    Estimates,
    Policy,
    Portfolio,
    Position,
    Sample,
    TradeList,
    Universe,
    build_trades,
    ledoit_wolf,
)
from optimizer.numerics.matrices import LowRank

NAMES = 500


@dataclass(frozen=True)
class Case:
    """A book: NAV, commission, impact in bps, lot, one-way turnover limit, least trade, days of returns."""

    title: str
    nav: float
    commission: float = 5.0
    impact_bps: float = 15.0
    lot: str = "1"
    turnover: float | None = None
    least: float = 0.0
    invested: bool = True
    days: int = 1260


@dataclass(frozen=True)
class Book:
    """What a case asks for, ready for `build_trades`."""

    portfolio: Portfolio
    prices: dict[str, float]
    target: dict[str, float]
    estimates: Estimates


def book(
    case: Case,
    seed: int,
    n: int = NAMES,
    covariance: np.ndarray | LowRank | None = None,
    drift: int | None = None,
) -> Book:
    """Invented prices of $5 to $500, daily returns with twelve factors, a target, and weights drifted from it.

    covariance  (n, n), that of the returns by default;  drift  seeds another drift of the same book
    """
    rng = np.random.default_rng(seed)
    symbols = tuple(f"S{i:04d}" for i in range(n))
    loads = rng.normal(0, 0.04, (n, 12))
    loads[:, 0] = rng.normal(0.18, 0.05, n)
    days = (
        rng.normal(size=(case.days, 12)) @ loads.T
        + rng.normal(size=(case.days, n)) * rng.uniform(0.15, 0.35, n)
    ) / 252**0.5
    if covariance is None:
        covariance = 252 * ledoit_wolf(Sample(days))
    prices = np.round(np.exp(rng.normal(4.3, 0.8, n)), 2)
    target = rng.dirichlet(np.full(n, 2.0))
    rng = rng if drift is None else np.random.default_rng(drift)
    drifted = target * np.exp(rng.normal(0, 0.3, n))
    shares = np.floor(drifted / drifted.sum() * 0.99 * case.nav / prices) * case.invested
    cash = round(case.nav - float(shares @ prices), 2)
    held = {s: Position(s, int(q)) for s, q in zip(symbols, shares, strict=True) if q}
    return Book(
        Portfolio("book", cash, held),
        dict(zip(symbols, prices.tolist(), strict=True)),
        dict(zip(symbols, target.tolist(), strict=True)),
        Estimates(symbols, None, covariance, trusted=True),
    )


def listed(case: Case, given: Book) -> TradeList:
    """Our list."""
    return build_trades(
        given.portfolio, given.prices, given.target, given.estimates,
        Policy(cash_max=1.0, max_turnover=case.turnover, min_trade_value=case.least),
        Universe(given.estimates.symbols), lots=case.lot,
        costs=CostModel(commission=case.commission, impact_bps=case.impact_bps),
    )  # fmt: skip
