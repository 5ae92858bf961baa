"""Positions without a price: nobody trades them, they count in the value, and cash beside them is the policy's."""

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from optimizer import Estimates, Mandate, Policy, Portfolio, Position, Universe, propose
from optimizer.trading.frozen import FrozenPosition, weighed

PRICES = {"A": 100, "B": 50}
SECTORS = {"A": "oil", "B": "tech"}
LOST = FrozenPosition("LOST", Decimal(40), 50.0, 1.25, date(2024, 1, 12))


def answer(cash_min: float = 0.0, cash_max: float = 0.0, **limits: Any):
    """A book of 10,000 of which 2,500 is frozen, half A and half B wanted of the rest."""
    book = Portfolio("book", 0, {"A": Position("A", 75)})
    book.cash = LOST.value
    frozen = weighed([LOST], book.total_value(PRICES), {"LOST": "oil"})
    estimates = Estimates(("A", "B"), None, np.diag([0.04, 0.04]))
    policy = Policy(
        method="min_volatility", risk_free_rate=0.0, cash_min=cash_min, cash_max=cash_max, commission=0.0,
        impact_bps=0.0, **limits,
    )  # fmt: skip
    return propose(
        book,
        PRICES,
        estimates,
        policy,
        Universe(("A", "B"), SECTORS, benchmark={"A": 0.5, "B": 0.5}),
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


@pytest.mark.parametrize(
    ("limits", "oil", "told"),
    [
        ({"max_sector": 0.6}, 0.35, ()),
        ({"max_sector": 0.6, "priorities": {"max_sector": 2}}, 0.35, ()),
        ({"sector_limits": {"oil": (0.5, 0.6), "tech": (0, 1)}}, 0.35, ()),
        ({"sector_limits": {"oil": (0.7, 0.8)}}, 0.45, ()),
        ({"sector_limits": {"oil": (0.7, None), "tech": (None, 1)}, "long_only": False}, 0.45, ()),
        ({"max_sector": 0.6, "long_only": False}, 0.35, ()),
        ({"sector_limits": {"oil": (0, 0.2)}}, 0.0, ("oil is above its limit of 20.00%: 25.00% are frozen",)),
        (
            {"max_weight": 0.2, "cash_max": 0.5, "limits": ("A <= 60%",)},
            0.125,
            (
                "LOST is above its limit of 20.00%: 25.00% are frozen",
                "Limits written as text are kept without what is frozen: LOST",
            ),
        ),
    ],
)
def test_its_sector_s_limits_count_it_and_others_say_that_they_do_not(
    limits: dict[str, Any], oil: float, told: tuple[str, ...]
) -> None:
    """With 25% of oil frozen a cap of 60% was kept by 37.5% of A: 62.5% of oil, and no word."""
    found = answer(**limits)
    assert found.solution.weights[0] == pytest.approx(oil, abs=1e-6)
    assert found.warnings[1 : 1 + len(told)] == told
