"""Taxes of a trade list against figures worked out by hand."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from optimizer.costs import CostModel
from optimizer.errors import DataError
from optimizer.estimates import Estimates
from optimizer.lots import Lot, TaxRates
from optimizer.policy import Policy
from optimizer.portfolio import Portfolio, Position, Universe
from optimizer.taxes import taxes_of
from optimizer.trades import build_trades

DAY = date(2024, 6, 3)
LOTS = {
    "A": (
        Lot("a1", "A", Decimal(40), Decimal(70), date(2021, 5, 3)),
        Lot("a2", "A", Decimal(30), Decimal(130), date(2024, 1, 15)),
        Lot("a3", "A", Decimal(30), Decimal(90), date(2024, 5, 20)),
    )
}
RATES = TaxRates(short=0.40, long=0.20)


def sale_of_fifty():
    """100 shares of A at 100, half of them to be sold."""
    held = Portfolio("book", 10, {"A": Position("A", 100), "B": Position("B", 100)})
    estimates = Estimates(("A", "B"), None, np.array([[0.04, 0.0], [0.0, 0.09]]))
    found = build_trades(
        held, {"A": 100, "B": 50}, {"A": 5000 / 15010, "B": 10000 / 15010}, estimates,
        Policy(cash_max=1.0), Universe(("A", "B")),
        costs=CostModel(commission=0.0, impact_bps=0.0),
    )  # fmt: skip
    assert [(row.symbol, row.action, row.quantity) for row in found.rows] == [
        ("A", "SELL", 50),
        ("B", "BUY", 100),
    ]
    return found


@pytest.mark.parametrize(
    ("method", "short", "long", "tax"),
    [
        ("fifo", 10 * (100 - 130), 40 * (100 - 70), Decimal("120")),  # -300 x 0.4 + 1200 x 0.2
        ("lifo", 30 * (100 - 90) + 20 * (100 - 130), 0, Decimal("-120")),
        ("hifo", 30 * (100 - 130) + 20 * (100 - 90), 0, Decimal("-280")),
        ("min_tax", 30 * (100 - 130) + 20 * (100 - 90), 0, Decimal("-280")),  # 4 a share, against 6 for a1
        ("average", 10 * (100 - 94), 40 * (100 - 94), Decimal("72")),  # average cost 94, the oldest first
    ],
)
def test_gains_and_tax_by_method(method, short, long, tax):
    found = taxes_of(sale_of_fifty(), LOTS, DAY, method, rates=RATES)
    assert (found.short_term_gain, found.long_term_gain, found.tax) == (short, long, tax)


def test_chosen_lots_are_sold_and_a_loss_beside_shares_bought_within_thirty_days_is_a_wash_sale():
    chosen = {"A": {"a2": 30, "a1": 20}}
    found = taxes_of(sale_of_fifty(), LOTS, DAY, "specific", chosen=chosen, rates=RATES)
    assert (found.short_term_gain, found.long_term_gain, found.tax) == (-900, 600, Decimal("-240"))
    assert found.warnings == ("A: the loss of 900.0000 is disallowed by the purchase of 2024-05-20",)
    sold_later = taxes_of(sale_of_fifty(), LOTS, date(2024, 6, 20), "specific", chosen=chosen, rates=RATES)
    assert sold_later.warnings == ()
    told = taxes_of(
        sale_of_fifty(), LOTS, date(2024, 6, 20), "specific", chosen=chosen, bought=[("A", date(2024, 7, 1))]
    )
    assert [wash.bought for wash in told.lines[0].wash_sales] == [date(2024, 7, 1)]


def test_lots_that_do_not_add_up_to_the_holding_are_refused():
    with pytest.raises(DataError, match="A: the lots hold 70 shares, the book 100; correct the lots"):
        taxes_of(sale_of_fifty(), {"A": LOTS["A"][:2]}, DAY)
    with pytest.raises(DataError, match="the lots hold 0 shares"):
        taxes_of(sale_of_fifty(), {}, DAY)
