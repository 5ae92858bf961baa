"""A book, a target and a list of trades between them, in a line."""

from decimal import Decimal

import numpy as np
import pytest

from optimizer import (
    CostModel,
    Estimates,
    Policy,
    Portfolio,
    Position,
    Universe,
    build_trades,
)

FREE = CostModel(commission=0.0, impact_bps=0.0)


def estimates(symbols, seed=0):
    rng = np.random.default_rng(seed)
    loads = rng.normal(0.15, 0.05, (len(symbols), 1))
    covariance = loads @ loads.T + np.diag(rng.uniform(0.1, 0.3, len(symbols)) ** 2)
    return Estimates(tuple(symbols), None, covariance)


def book(cash, **shares):
    return Portfolio("book", cash, {s: Position(s, q) for s, q in shares.items()})


def trade(portfolio, prices, target, policy=None, **options):
    symbols = sorted({*portfolio.positions, *target})
    setting = (
        estimates(symbols),
        policy or Policy(cash_max=1.0),
        options.pop("universe", Universe(tuple(symbols))),
    )
    return build_trades(portfolio, prices, target, *setting, **options)


def assert_adds_up(found):
    assert found.bought + found.costs == found.sold + (found.cash_before - found.cash_after)
    assert found.nav_after == found.nav_before - found.costs
    assert found.cash_after >= 0
    assert sum(found.weights().values()) + float(found.cash_after / found.nav_after) == pytest.approx(
        1, abs=1e-9
    )
    for row in found.rows:
        signed = row.quantity * {"BUY": 1, "SELL": -1, "HOLD": 0}[row.action]
        assert row.target_quantity == row.current_quantity + signed
        assert row.value == pytest.approx(row.quantity * row.price, abs=Decimal("0.0002"))
