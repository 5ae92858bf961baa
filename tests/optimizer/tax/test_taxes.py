"""Taxes of a trade list against figures worked out by hand."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from optimizer import (
    CostModel,
    DataError,
    Estimates,
    Lot,
    Policy,
    PolicyError,
    Portfolio,
    Position,
    TaxRates,
    Universe,
    build_trades,
)
from optimizer.tax.taxes import HarvestRule, TaxPlan
from optimizer.trading.taxed_trades import taxes_of, with_taxes

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


def plan(method="fifo", lots=LOTS, day=DAY, **told):
    return TaxPlan(lots, day, method, rates=RATES, **told)


@pytest.mark.parametrize(
    ("method", "short", "long", "tax"),
    [
        ("fifo", 10 * (100 - 130), 40 * (100 - 70), Decimal("240")),  # 1200 x 0.2; the 300 are washed
        ("lifo", 30 * (100 - 90) + 20 * (100 - 130), 0, Decimal("-120")),
        # ten shares of a3 stay and disallow a third of the loss of 900
        ("hifo", 30 * (100 - 130) + 20 * (100 - 90), 0, Decimal("-160")),
        ("min_tax", 30 * (100 - 130) + 20 * (100 - 90), 0, Decimal("-160")),  # 4 a share, against 6 for a1
        ("average", 10 * (100 - 94), 40 * (100 - 94), Decimal("72")),  # average cost 94, the oldest first
    ],
)
def test_gains_and_tax_by_method(method, short, long, tax):
    found = taxes_of(sale_of_fifty(), plan(method))
    assert (found.short_term_gain, found.long_term_gain, found.tax) == (short, long, tax)


def test_lots_go_in_the_order_named_and_a_loss_beside_shares_bought_within_thirty_days_is_a_wash_sale():
    named = {"order": {"A": ("a2", "a1")}}
    found = taxes_of(sale_of_fifty(), plan("specific", **named))
    assert (found.short_term_gain, found.long_term_gain, found.tax) == (-900, 600, Decimal("120"))
    assert found.warnings == (
        "Wash sale: A: the loss of 900.0000 is disallowed by the purchase of 2024-05-20",
    )
    (line,) = found.lines
    assert (line.disallowed("a2"), line.disallowed("a1")) == (900, 0)
    later = taxes_of(sale_of_fifty(), plan("specific", day=date(2024, 6, 20), **named))
    assert (later.warnings, later.tax) == ((), Decimal("-240"))
    with pytest.raises(PolicyError, match="A has no lot a9; it has"):
        taxes_of(sale_of_fifty(), plan("specific", order={"A": ("a9",)}))


def test_a_line_tells_its_gains_and_a_purchase_within_thirty_days_of_a_loss_is_a_wash_sale():
    later = date(2024, 6, 25)
    told = with_taxes(sale_of_fifty(), plan("hifo", day=later, losses=[("B", date(2024, 6, 1), Decimal(75))]))
    sold, bought = told.rows
    assert sold.rationale.endswith(
        "; realises a short-term loss of 700.00 from 2 lots, a saving of 280.00 in tax"
    )
    assert (sold.numbers["short_term_gain"], sold.numbers["long_term_gain"], sold.numbers["tax"]) == (
        -700,
        0,
        -280,
    )
    assert bought.rationale.endswith(
        "bought again within 30 days of the sale of 2024-06-01, it disallows the loss of 75.00"
    )
    assert told.warnings == (
        "Wash sale: B: the loss of 75 from the sale of 2024-06-01 is disallowed by the purchase of 2024-06-25",
    )
    before = with_taxes(
        sale_of_fifty(), plan("hifo", day=later, losses=[("B", date(2024, 5, 3), Decimal(75))])
    )
    assert before.warnings == ()


def test_lots_that_do_not_add_up_to_the_holding_are_refused():
    with pytest.raises(DataError, match="A: the lots hold 70 shares, the book 100; correct the lots"):
        taxes_of(sale_of_fifty(), plan(lots={"A": LOTS["A"][:2]}))
    with pytest.raises(DataError, match="the lots hold 0 shares"):
        taxes_of(sale_of_fifty(), plan(lots={}))


def test_a_harvest_needs_a_method_that_sells_losses_first():
    rule = HarvestRule({"A": "B"})
    assert plan("hifo", harvest=rule).harvest == rule
    with pytest.raises(PolicyError, match="tax method fifo sells others first; use one of hifo, min_tax"):
        plan("fifo", harvest=rule)
    with pytest.raises(PolicyError, match="A cannot be the substitute of itself"):
        HarvestRule({"A": "A"})
    with pytest.raises(PolicyError, match="tax method 'best' does not exist"):
        plan("best")


def test_a_purchase_disallows_as_many_lost_shares_as_it_buys():
    lost = [
        ("B", date(2024, 6, 1), Decimal(75), Decimal(150)),
        ("B", date(2024, 5, 3), Decimal(1000), Decimal(1)),
    ]
    told = with_taxes(sale_of_fifty(), plan("hifo", day=date(2024, 6, 25), losses=lost))
    bought = told.rows[1]
    assert bought.numbers["wash_sale_loss"] == 50  # 100 of the 150 shares; the sale of May is too long ago
    assert "it disallows the loss of 50.00 on 100 of 150 shares" in bought.rationale
