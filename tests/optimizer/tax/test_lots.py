from datetime import date, timedelta
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import Lot, PolicyError, TaxRates, harvest_losses, sell, wash_sales
from optimizer.tax.lots import ORDERS

LOTS = (
    Lot("1", "X", 100, 10, date(2020, 1, 15)),
    Lot("2", "X", 50, 30, date(2021, 6, 1)),
    Lot("3", "X", 70, 20, date(2021, 9, 1)),
)
DAY = date(2021, 12, 1)


@pytest.mark.parametrize(
    ("method", "sold", "short", "long"),
    [
        ("fifo", {"1": 100, "2": 20}, -100, 1500),
        ("lifo", {"3": 70, "2": 50}, 350 - 250, 0),
        ("hifo", {"2": 50, "3": 70}, -250 + 350, 0),
        ("min_tax", {"2": 50, "3": 70}, 100, 0),
    ],
)
def test_methods_choose_their_lots_and_gains(method, sold, short, long):
    found = sell(LOTS, 120, 25, DAY, method)
    assert {r.lot_id: r.quantity for r in found.realised} == sold
    assert (found.short_term_gain, found.long_term_gain) == (short, long)


def test_average_and_specific():
    average = sell(LOTS, 110, 25, DAY, "average")
    cost = Decimal(1000 + 1500 + 1400) / 220
    assert sum(r.cost for r in average.realised) == pytest.approx(110 * cost, abs=Decimal("0.001"))
    assert {lot.cost_basis for lot in average.remaining} == {cost}
    chosen = sell(LOTS, 60, 25, DAY, "specific", chosen={"1": 10, "3": 50})
    assert [r.quantity for r in chosen.realised] == [10, 50]
    with pytest.raises(PolicyError, match="give 10 shares; 60"):
        sell(LOTS, 60, 25, DAY, "specific", chosen={"1": 10})
    with pytest.raises(PolicyError, match="lot 9 has 0 shares"):
        sell(LOTS, 60, 25, DAY, "specific", chosen={"9": 60})


def test_partial_sale_of_the_reference_case_realises_500():
    found = sell((Lot("a", "X", 100, 10, date(2024, 1, 2)),), 50, 20, date(2024, 3, 1))
    assert found.short_term_gain == 500
    assert (found.remaining[0].quantity, found.remaining[0].cost_basis) == (50, 10)


def test_long_term_begins_the_day_after_the_anniversary():
    lot, leap = Lot("a", "X", 1, 1, date(2023, 3, 5)), Lot("b", "X", 1, 1, date(2020, 2, 29))
    assert not lot.long_term(date(2024, 3, 5))
    assert lot.long_term(date(2024, 3, 6))
    assert not leap.long_term(date(2021, 2, 28))
    assert leap.long_term(date(2021, 3, 1))


@given(st.dates(date(1999, 12, 1), date(2030, 1, 1)))
def test_long_term_is_the_first_day_of_the_year_after_the_one_that_begins_on_the_day_after(bought):
    """Rev. Rul. 66-7, by counting days: 365 later, or 366 where a 29 February lies between."""
    began = bought + timedelta(days=1)
    ends = (
        date(began.year + 1, began.month, began.day)
        if (began.month, began.day) != (2, 29)
        else date(began.year + 1, 3, 1)
    )
    lot = Lot("a", "X", 1, 1, bought)
    assert not lot.long_term(ends - timedelta(days=1)) and lot.long_term(ends)
    assert 365 <= (ends - began).days <= 366


@pytest.mark.parametrize(("bought", "first"), [
    (date(2023, 2, 28), date(2024, 3, 1)), (date(2019, 2, 28), date(2020, 3, 1)), (date(2024, 2, 28), date(2025, 3, 1)),
    (date(2024, 2, 29), date(2025, 3, 1)), (date(2023, 12, 31), date(2025, 1, 1)),
])  # fmt: skip
def test_what_is_bought_on_the_last_of_a_month_is_long_term_from_the_first_of_the_thirteenth_after(
    bought, first
):
    lot = Lot("a", "X", 1, 1, bought)
    assert not lot.long_term(first - timedelta(days=1)) and lot.long_term(first)


@given(
    prices=st.lists(st.integers(5, 50), min_size=2, max_size=4),
    sizes=st.lists(st.integers(1, 4), min_size=4, max_size=4),
    ages=st.lists(st.integers(2019, 2021), min_size=4, max_size=4),
    data=st.data(),
)
def test_min_tax_is_the_least_of_all_choices_and_shares_are_conserved(prices, sizes, ages, data):
    lots = [Lot(str(i), "X", sizes[i], p, date(ages[i], 12, 1)) for i, p in enumerate(prices)]
    wanted = data.draw(st.integers(1, sum(int(lot.quantity) for lot in lots)))
    rates = TaxRates(0.4, 0.15)
    best = min(
        sell(lots, wanted, 25, DAY, "specific", chosen={str(i): q for i, q in enumerate(pick)}).tax(rates)
        for pick in product(*(range(int(lot.quantity) + 1) for lot in lots))
        if sum(pick) == wanted
    )
    assert sell(lots, wanted, 25, DAY, "min_tax", rates=rates).tax(rates) == best
    for method in ORDERS:
        found = sell(lots, wanted, 25, DAY, method, rates=rates)
        assert sum(r.quantity for r in found.realised) == wanted
        assert sum(lot.quantity for lot in found.remaining) == sum(sizes[: len(lots)]) - wanted


def test_wash_sales_and_harvest():
    loss = sell(LOTS, 50, 25, DAY, "hifo")
    bought = [("X", date(2021, 12, 31)), ("X", date(2022, 1, 1)), ("Y", DAY)]
    assert [w.bought for w in wash_sales(loss, DAY, bought)] == [date(2021, 12, 31)]
    assert str(wash_sales(loss, DAY, bought)[0]).startswith("X: the loss of 250")
    assert wash_sales(sell(LOTS, 50, 25, DAY), DAY, bought) == ()
    found = harvest_losses(LOTS, {"X": 18}, DAY, substitutes={"X": "Y"}, rates=TaxRates(0.5, 0.2))
    assert [(h.symbol, h.quantity, h.loss, h.saving, h.substitute) for h in found] == [
        ("X", 120, 50 * 12 + 70 * 2, 370, "Y")
    ]
    assert harvest_losses(LOTS, {"X": 18}, DAY, min_loss=740) == ()


def test_wrong_sales_are_named():
    with pytest.raises(PolicyError, match="at most all"):
        sell(LOTS, 221, 25, DAY)
    with pytest.raises(PolicyError, match="use one of fifo"):
        sell(LOTS, 1, 25, DAY, "best")
    # Of the first it would sell what it took of both.
    with pytest.raises(PolicyError, match="two lots of one id"):
        sell((*LOTS, Lot("1", "X", 5, 1, DAY)), 110, 1, DAY)
    with pytest.raises(PolicyError, match="one symbol at a time"):
        sell([*LOTS, Lot("4", "Y", 1, 1, DAY)], 1, 25, DAY)
    with pytest.raises(PolicyError, match="more than 0"):
        Lot("5", "X", 0, 1, DAY)
