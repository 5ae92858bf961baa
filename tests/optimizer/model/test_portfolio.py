from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from optimizer import DataError, PolicyError, Portfolio, Position, Trade, Universe
from optimizer.model.portfolio import parts_of


def test_partial_sale_leaves_the_basis_of_the_rest_and_realises_the_gain():
    book = Portfolio("book")
    book.add_position(Position("X", 100, 10))
    assert book.remove_position("X", 50, 20) == 500
    assert book.positions["X"].cost_basis == 10
    assert book.realized_pnl == 500


@pytest.mark.parametrize("total", ["3", "1234567.8901", "0.0001"])
def test_parts_of_a_total_are_the_nearest_floats(total: str) -> None:
    amounts = {"A": Decimal("1"), "B": Decimal("-0.0007"), "C": Decimal("98765.4321"), "D": Decimal(0)}
    exactly = {symbol: Fraction(amount) / Fraction(total) for symbol, amount in amounts.items()}
    assert parts_of(Decimal(total), amounts) == {symbol: float(part) for symbol, part in exactly.items()}


def test_short_positions_realise_with_the_right_sign():
    rest, realised = Position("X", -100, 10).remove_shares(40, 7)
    assert (rest.quantity, realised) == (-60, 120)


def test_trades_move_cash_exactly_and_never_below_zero():
    book = Portfolio("book", cash="1000.10")
    book.add_trade(Trade("X", 3, "100.03", "5.15"))
    assert book.cash == Decimal("694.86")
    with pytest.raises(PolicyError, match=r"cash is 694\.86"):
        book.add_trade(Trade("X", 7, "100.03"))
    assert book.add_trade(Trade("X", -3, "110.03", "5.17")) == 30
    assert book.positions == {}
    assert book.cash == Decimal("694.86") + Decimal("330.09") - Decimal("5.17")


def test_a_sale_beyond_the_position_opens_the_other_side():
    book = Portfolio("book", cash=100)
    book.add_position(Position("X", 10, 5))
    assert book.add_trade(Trade("X", -15, 6)) == 10
    assert book.positions["X"].quantity == -5
    assert book.positions["X"].cost_basis == 6


def test_weights_include_cash_and_prices_are_never_assumed():
    book = Portfolio("book", cash=500, positions={"X": Position("X", 5, 80)})
    assert book.get_weights({"X": 100}) == {"X": 0.5}
    with pytest.raises(DataError, match="X has no price"):
        book.total_value({})
    with pytest.raises(DataError, match="must be above 0"):
        book.total_value({"X": 0.0})
    summary = book.get_summary({"X": 100})
    assert (summary["total_value"], summary["unrealized_pnl"], summary["total_return"]) == (1000, 100, 0.25)
    short = Portfolio("book", cash=900, positions={"X": Position("X", -5, 80), "Y": Position("Y", 5, 80)})
    summary = short.get_summary({"X": 60, "Y": 80})
    assert (summary["total_cost"], summary["unrealized_pnl"], summary["total_return"]) == (0, 100, 0.125)


def test_csv_round_trip():
    book = Portfolio("book", cash="12.3456")
    book.add_position(Position("X", Decimal("1.25"), "80.5", date(2020, 1, 2), 3.0, "ETF"))
    book.add_position(Position("A", 7, 1))
    again = Portfolio.from_csv("book", book.to_csv())
    assert again.positions == book.positions
    assert again.cash == book.cash
    with pytest.raises(DataError, match="line 2"):
        Portfolio.from_csv("book", "symbol,quantity\n,3\n")
    for column in ("purchase_date", "leverage_factor"):
        with pytest.raises(DataError, match=r"'x' is no date|x is not a finite number"):
            Portfolio.from_csv("book", f"symbol,quantity,{column}\nA,3,x\n")


def test_wrong_input_is_named():
    with pytest.raises(PolicyError, match="cash >= 0"):
        Portfolio("book", cash=-1)
    with pytest.raises(PolicyError, match="not held"):
        Portfolio("book").remove_position("X")
    with pytest.raises(PolicyError, match="at most all"):
        Position("X", 5).remove_shares(6, 1)
    with pytest.raises(PolicyError, match="must be unique"):
        Universe(("B", "A", "B"))
    assert Universe(("B", "A")).symbols == ("A", "B")


@pytest.mark.parametrize("price", [float("nan"), float("inf"), "n/a", None, ""])
def test_a_price_that_is_no_number_is_named_with_its_symbol(price: object):
    book = Portfolio("book", positions={"AAA": Position("AAA", 10, 5)})
    for ask in (book.total_value, book.get_weights):
        with pytest.raises(DataError, match=r"the price of AAA is .*not a finite number"):
            ask({"AAA": price})
    with pytest.raises(DataError, match="the quantity of AAA is"):
        Position("AAA", price)
    with pytest.raises(DataError, match="the price of AAA is"):
        Trade("AAA", 1, price)
