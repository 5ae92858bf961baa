"""Wash sales share by share, against figures worked out by hand and what must always hold."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import Lot, sell, wash_sales
from optimizer.tax.wash_sales import WASH_DAYS, Loss, WashSale, losses_of, match, replaced

DAY = date(2023, 6, 30)
OLD = Lot("old", "X", 1000, 200, date(2021, 1, 4))
YOUNG = Lot("young", "X", 10, 95, date(2023, 6, 20))


def test_ten_shares_disallow_the_loss_of_ten_and_take_it_over():
    gone = sell((OLD, YOUNG), 990, 100, DAY)
    matches = match(losses_of(gone, DAY), gone.remaining)
    assert [(one.replacement.lot_id, one.shares, one.amount) for one in matches] == [("young", 10, 1000)]
    rest, dearer = replaced(gone.remaining, matches)
    assert rest == Lot("old", "X", 10, 200, OLD.acquired)
    assert (dearer.lot_id, dearer.quantity, dearer.cost_basis) == ("young", 10, 195)  # 95 + 100 a share
    assert dearer.acquired == YOUNG.acquired
    assert dearer.held_since == YOUNG.acquired - (DAY - OLD.acquired)
    assert dearer.long_term(DAY)  # two and a half years of the sold shares are its own
    assert match(losses_of(gone, DAY), (rest, dearer)) == ()  # it replaces nothing again
    # nor does the rest of a purchase replace that part of it which a wash sale had set apart
    half = match([Loss("X", DAY, Decimal(40), Decimal(4), "old", OLD.acquired)], (YOUNG,))
    left, apart = replaced((YOUNG,), half)
    assert (left.quantity, apart.quantity) == (6, 4)
    assert match(losses_of(sell((apart,), 4, 50, DAY), DAY), (left,)) == ()


def test_shares_match_in_the_order_of_sale_and_of_purchase():
    losses = [Loss("X", DAY, Decimal(60), Decimal(6), "b", date(2022, 1, 1)),
              Loss("X", DAY, Decimal(8), Decimal(4), "a", date(2021, 1, 1)),
              Loss("X", DAY - timedelta(days=3), Decimal(5), Decimal(1), "c", date(2023, 1, 1))]  # fmt: skip
    lots = [
        Lot("late", "X", 5, 50, DAY + timedelta(days=30)),
        Lot("early", "X", 3, 50, DAY - timedelta(days=30)),
    ]
    found = [(one.loss.lot_id, one.replacement.lot_id, one.shares, one.amount) for one in match(losses, lots)]
    # the purchase 30 days ahead is 33 days after the sale of c
    assert found == [("c", "early", 1, 5), ("a", "early", 2, 4), ("a", "late", 2, 4), ("b", "late", 3, 30)]
    assert [(lot.lot_id, lot.quantity, lot.cost_basis) for lot in replaced(lots, match(losses, lots))] == [
        ("late-w20230630", 2, 52), ("late-w20230630-2", 3, 60),
        ("early-w20230627", 1, 55), ("early-w20230630-2", 2, 52),
    ]  # fmt: skip


def test_what_is_left_of_the_lot_sold_is_no_replacement_and_neither_is_another_symbol():
    gone = sell((YOUNG,), 4, 50, DAY)
    assert match(losses_of(gone, DAY), gone.remaining) == ()
    assert wash_sales(gone, DAY, [("Y", DAY, 5)]) == ()


@pytest.mark.parametrize(("days", "found"), [(-31, 0), (-30, 1), (30, 1), (31, 0)])
def test_thirty_days_before_and_after_count(days, found):
    gone = sell((OLD,), 10, 100, DAY)
    washed = wash_sales(gone, DAY, [("X", DAY + timedelta(days=days), 4)])
    assert [wash.loss for wash in washed] == [400] * found
    assert all(str(wash).startswith("X: the loss of 400.0000 on 4 of 10 shares is") for wash in washed)


def test_many_shares_are_told_in_full():
    wash = WashSale("X", Decimal(5), DAY, None, Decimal(1_234_567), Decimal(2_000_000))
    assert wash.part == "1234567 of 2000000 shares"


def test_purchases_of_unknown_size_disallow_all():
    gone = sell((OLD,), 10, 100, DAY)
    (washed,) = wash_sales(gone, DAY, [("X", DAY)])
    assert (washed.loss, washed.part) == (1000, "")
    (one,) = match([Loss("X", DAY, Decimal(75))], [YOUNG])
    assert (one.amount, one.shares) == (75, 10)


quantities = st.integers(1, 50)


@given(
    sold=st.lists(st.tuples(quantities, st.integers(0, 60), st.integers(1, 30)), max_size=4),
    bought=st.lists(st.tuples(quantities, st.integers(-45, 45)), max_size=4),
)
def test_shares_and_money_are_conserved(sold, bought):
    losses = [Loss("X", DAY - timedelta(days=back), Decimal(n * each), Decimal(n), f"s{i}", date(2020, 1, 1))
              for i, (n, back, each) in enumerate(sold)]  # fmt: skip
    lots = [Lot(f"b{i}", "X", n, 10, DAY + timedelta(days=off)) for i, (n, off) in enumerate(bought)]
    matches = match(losses, lots)
    for loss in losses:
        assert sum(one.shares for one in matches if one.loss is loss) <= loss.shares
    for lot in lots:
        assert sum(one.shares for one in matches if one.replacement is lot) <= lot.quantity
    assert all(abs((one.replacement.acquired - one.loss.day).days) <= WASH_DAYS for one in matches)
    after = replaced(lots, matches)
    assert len({lot.lot_id for lot in after}) == len(after)
    assert sum(lot.quantity for lot in after) == sum(lot.quantity for lot in lots)
    dearer = sum(lot.quantity * lot.cost_basis for lot in after) - sum(
        lot.quantity * lot.cost_basis for lot in lots
    )
    assert dearer == pytest.approx(sum(one.amount for one in matches), abs=Decimal("1e-9"))
