"""Paper fills: splits, dividends, costs and cash, to the cent."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.costs import CostModel
from resources.pack_prices import Panel
from resources.paper import fill

DAYS = (date(2022, 1, 3), date(2022, 1, 4), date(2022, 1, 5))
FREE = CostModel(commission=0.0, impact_bps=0.0)


def _panel(
    close: list[float], dividend: tuple[float, ...] = (0, 0, 0), split: tuple[float, ...] = (1, 1, 1)
) -> Panel:
    columns = [np.array(values, dtype=float).reshape(3, 1) for values in (close, dividend, split)]
    return Panel(("AAA",), DAYS, *columns, currency=("USD",), simulated=(False,), basis=("as_traded",))


def _fill(
    panel: Panel, before: float, wanted: float, costs: CostModel = FREE, rate: float = 1.0
) -> tuple[Decimal, Decimal]:
    held = fill(Decimal(1000), [("AAA", before, wanted)], panel, DAYS[0], {"USD": rate}, costs, DAYS[2])
    return held.quantities.get("AAA", Decimal(0)), held.cash


def test_orders_fill_at_the_newest_close_with_their_costs() -> None:
    quantity, cash = _fill(_panel([10, 10, 12]), 0, 50, CostModel(commission=5.0, impact_bps=15.0))
    assert quantity == 50
    assert cash == Decimal(1000) - 600 - Decimal("5.90")


def test_a_split_multiplies_what_was_held_and_what_was_ordered() -> None:
    quantity, cash = _fill(_panel([700, 100, 110], split=(1, 7, 1)), 10, 12)
    assert quantity == 84
    assert cash == 1000 - 14 * 110


def test_a_dividend_pays_what_was_held_before_the_trade() -> None:
    quantity, cash = _fill(_panel([10, 10, 10], dividend=(0, 0.5, 0)), 100, 0)
    assert quantity == 0
    assert cash == 1000 + 50 + 1000


def test_a_dividend_on_the_day_of_a_split_is_per_old_share() -> None:
    quantity, cash = _fill(_panel([100, 50, 50], dividend=(0, 2, 0), split=(1, 2, 1)), 10, 10)
    assert (quantity, cash) == (20, 1020)


def test_what_happened_up_to_the_order_is_not_counted_again() -> None:
    _, cash = _fill(_panel([10, 10, 10], dividend=(3, 0, 0), split=(2, 1, 1)), 10, 10)
    assert cash == 1000


def test_a_name_without_a_price_since_stays_as_it_was() -> None:
    quantity, cash = _fill(_panel([10, np.nan, np.nan]), 5, 50)
    assert (quantity, cash) == (5, 1000)


def test_a_foreign_name_is_paid_at_the_rate() -> None:
    quantity, cash = _fill(_panel([10, 10, 10]), 0, 10, rate=0.75)
    assert (quantity, cash) == (10, 1000 - 75)


@given(
    before=st.integers(0, 1000), wanted=st.integers(0, 1000),
    closes=st.lists(st.floats(1, 500).map(lambda x: round(x, 2)), min_size=3, max_size=3),
)  # fmt: skip
def test_without_costs_a_fill_leaves_the_value_where_it_was(
    before: int, wanted: int, closes: list[float]
) -> None:
    quantity, cash = _fill(_panel(closes), before, wanted)
    price = Decimal(str(closes[2]))
    assert float(quantity * price + cash) == pytest.approx(float(before * price + 1000), abs=1e-3)
