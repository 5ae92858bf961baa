"""Positions without a price: nobody trades them, they count in the value, and cash beside them is the policy's."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from optimizer import Estimates, Mandate, Policy, Portfolio, Position, Universe, propose
from optimizer.trading.frozen import FrozenPosition, weighed

PRICES = {"A": 100, "B": 50}
LOST = FrozenPosition("LOST", Decimal(40), 50.0, 1.25, date(2024, 1, 12))


def answer(cash_min: float = 0.0, cash_max: float = 0.0):
    """A book of 10,000 of which 2,500 is frozen, half A and half B wanted of the rest."""
    book = Portfolio("book", 0, {"A": Position("A", 75)})
    book.cash = LOST.value
    frozen = weighed([LOST], book.total_value(PRICES))
    estimates = Estimates(("A", "B"), None, np.diag([0.04, 0.04]))
    policy = Policy(
        method="min_volatility", risk_free_rate=0.0, cash_min=cash_min, cash_max=cash_max, commission=0.0,
        impact_bps=0.0,
    )  # fmt: skip
    return propose(
        book,
        PRICES,
        estimates,
        policy,
        Universe(("A", "B"), benchmark={"A": 0.5, "B": 0.5}),
        Mandate(frozen=frozen),
    )


@pytest.mark.parametrize(("cash", "each"), [(0.0, 0.375), (0.05, 0.35)])
def test_the_rest_is_optimised_beside_what_is_frozen(cash: float, each: float) -> None:
    found = answer(cash, cash)
    assert found.solution.weights == pytest.approx([each, each], abs=1e-6)
    assert (
        "LOST has no price since 2024-01-12: 25.00% of the value is frozen at its last, 50"
        in found.warnings[0]
    )


def test_the_list_holds_it_and_its_cash_is_what_can_be_spent() -> None:
    trades = answer().trades
    held = next(row for row in trades.rows if row.symbol == "LOST")
    assert (held.action, held.quantity, held.current_quantity, held.target_quantity) == ("HOLD", 0, 40, 40)
    assert (held.price, held.local_price, held.fx_rate) == (Decimal("62.5"), 50, Decimal("1.25"))
    assert (held.current_weight, held.achieved_weight) == (0.25, 0.25)
    assert (trades.nav_before, trades.cash_before) == (10_000, 0)
    assert 0 <= trades.cash_after < 100
    assert trades.bought + trades.costs == trades.sold + trades.cash_before - trades.cash_after
    assert trades.constraints_met
