"""A portfolio at today's prices and rates, in exact numbers of the base currency."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from optimizer.errors import DataError, PolicyError
from optimizer.model.portfolio import MONEY_STEP, ZERO, Number, Portfolio, exact, money, price_of

MOST_SHARES = 10**12  # in a lot


class Line(NamedTuple):
    """One symbol in exact numbers: its price in its own and in the base currency, shares, lot, value."""

    local_price: Decimal
    fx_rate: Decimal
    price: Decimal
    quantity: Decimal
    lot: Decimal
    value: Decimal


@dataclass(frozen=True)
class Book:
    """What is held and wanted, in exact numbers of the base currency.

    even  whether every holding and every lot is worth a whole number of money steps, so that nothing rounds
    """

    name: str
    lines: Mapping[str, Line]
    cash: Decimal
    even: bool = True

    @cached_property
    def nav(self) -> Decimal:
        """Value of the lines plus cash."""
        return self.cash + sum([line.value for line in self.lines.values()], ZERO)

    def weights(self) -> dict[str, float]:
        """Fractions of the NAV, of values that are not rounded: a holding of whole lots is that many lots' weight."""
        nav = float(self.nav)
        return {symbol: float(line.quantity * line.price) / nav for symbol, line in self.lines.items()}


def make_book(
    portfolio: Portfolio,
    prices: Mapping[str, Number],
    wanted: Mapping[str, float],
    fx: Mapping[str, Number] | None = None,
    lots: Number | Mapping[str, Number] = 1,
) -> Book:
    """A line per name that is held or wanted; DataError for a missing price or rate, or a worthless book."""
    lines, even, one = {}, True, Decimal(1)
    read: Number | None = None
    lot, names = ZERO, sorted({*portfolio.positions, *wanted})
    by_symbol = lots if isinstance(lots, Mapping) else dict.fromkeys(names, lots)
    for symbol in names:
        rate = one if fx is None else _rate_of(symbol, fx)
        local = price_of(symbol, prices)
        held = portfolio.positions.get(symbol)
        quantity = held.quantity if held else ZERO
        stated = by_symbol.get(symbol)
        if stated is None:
            raise DataError(
                f"{symbol} has no lot; give one per symbol that is held or wanted, or one for all"
            )
        if stated is not read:
            read, lot = stated, _checked_lot(symbol, stated)
        price = local if fx is None else local * rate
        worth = quantity * price
        value = money(worth)
        even = even and value == worth and not price * lot % MONEY_STEP
        lines[symbol] = Line(local, rate, price, quantity, lot, value)
    book = Book(portfolio.name, lines, portfolio.cash, even)
    if not portfolio.positions and not portfolio.cash:
        return Book(portfolio.name, {}, portfolio.cash)
    if book.nav <= 0:
        raise DataError(f"{book.name} is worth {book.nav}; trades need a value above 0")
    return book


def _rate_of(symbol: str, fx: Mapping[str, Number]) -> Decimal:
    """The base currency's price of the symbol's own."""
    if symbol not in fx:
        raise DataError(f"{symbol} has no exchange rate; give the base currency's price of its currency")
    if (rate := exact(fx[symbol], f"the exchange rate of {symbol}")) <= 0:
        raise DataError(f"{symbol} has the exchange rate {rate}; it must be above 0: correct the rate")
    return rate


def _checked_lot(symbol: str, stated: Number) -> Decimal:
    """The shares in a lot."""
    lot = exact(stated, f"the lot of {symbol}")
    if not 0 < lot <= MOST_SHARES:
        raise PolicyError(f"{symbol}: a lot of {lot} shares; above 0 and at most {MOST_SHARES:,} are needed")
    return lot
