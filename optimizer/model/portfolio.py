"""What is held, and what changes it: positions, trades, a book; money and quantities are exact decimals."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from math import inf
from typing import Literal

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError
from optimizer.model.exposure_types import ExposureType
from optimizer.model.exposures import ExposureCalculator, FundExposureMap

Number = int | float | str | Decimal
Action = Literal["BUY", "SELL", "HOLD"]

MONEY_STEP = Decimal("0.0001")
ZERO = Decimal(0)
CSV_COLUMNS = ("symbol", "quantity", "cost_basis", "purchase_date", "leverage_factor", "asset_class")


def exact(value: Number, what: str = "") -> Decimal:
    """The decimal that the number prints as; DataError, with what it is, when it is no finite number."""
    if type(value) is Decimal and value.is_finite():
        return value
    if type(value) is float and abs(value) < inf and value:
        return _printed(value)
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        found = f"{what} is {value}, which" if what else str(value)
        raise DataError(f"{found} is not a finite number; give an amount")
    return number


@lru_cache(maxsize=65_536)  # the prices of a pack are asked for again with every account
def _printed(value: float) -> Decimal:
    return Decimal(str(value))


def money(value: Number) -> Decimal:
    """An amount in the base currency, rounded half up to DECIMAL(18,4); DataError for one that is too large."""
    try:
        return exact(value).quantize(MONEY_STEP, ROUND_HALF_UP)
    except InvalidOperation:
        raise DataError(f"{value} is more than DECIMAL(18,4) holds; give it in base currency") from None


def parts_of(total: Decimal, amounts: Mapping[str, Decimal]) -> dict[str, float]:
    """Each amount as a fraction of a total, by symbol: of whole numbers, in half the time of a quotient of decimals."""
    whole, unit = total.as_integer_ratio()
    ratios = {symbol: amount.as_integer_ratio() for symbol, amount in amounts.items()}
    return {symbol: above * unit / (below * whole) for symbol, (above, below) in ratios.items()}


def price_of(symbol: str, prices: Mapping[str, Number]) -> Decimal:
    """The price of one symbol in the base currency; DataError when it is missing or not positive."""
    price = prices.get(symbol)
    if type(price) is float and 0 < price < inf:  # what thousands of accounts are valued by
        return _printed(price)
    if symbol not in prices:
        raise DataError(f"{symbol} has no price; give one price per symbol that is held or wanted")
    if (number := exact(prices[symbol], f"the price of {symbol}")) <= 0:
        raise DataError(f"{symbol} has the price {number}; it must be above 0: correct the price")
    return number


@typed
@dataclass(frozen=True, slots=True)
class Position:
    """One holding: signed quantity of shares, average cost per share in the base currency.

    >>> Position('A', Decimal(10), Decimal(50)).market_value(60)
    Decimal('600.0000')
    """

    symbol: str
    quantity: Decimal
    cost_basis: Decimal = ZERO
    purchase_date: date | None = None
    leverage_factor: float = 1.0
    asset_class: str = "Unknown"

    def __post_init__(self) -> None:
        for name, value in (("quantity", self.quantity), ("cost_basis", self.cost_basis)):
            if type(value) is not Decimal or not value.is_finite():
                what = f"the {name.replace('_', ' ')} of {self.symbol}"
                object.__setattr__(self, name, exact(value, what))
        if not self.leverage_factor > 0:
            raise PolicyError(f"{self.symbol}: leverage_factor is {self.leverage_factor}; it must be above 0")

    def market_value(self, price: Number) -> Decimal:
        """Quantity x price, negative for a short position."""
        return money(self.quantity * exact(price))

    def unrealized_pnl(self, price: Number) -> Decimal:
        """Market value less average cost."""
        return money(self.quantity * (exact(price) - self.cost_basis))

    def add_shares(self, quantity: Number, price: Number) -> "Position":
        """The position after more of the same side at a price, at average cost."""
        added = exact(quantity)
        if added * self.quantity < 0:
            raise PolicyError(f"{self.symbol}: {added} shares reduce {self.quantity}; use remove_shares")
        total = self.quantity + added
        cost = self.quantity * self.cost_basis + added * exact(price)
        return replace(self, quantity=total, cost_basis=cost / total if total else self.cost_basis)

    def remove_shares(self, quantity: Number, price: Number) -> tuple["Position", Decimal]:
        """The rest at an unchanged cost per share, and the profit realised; quantity is positive."""
        removed = exact(quantity)
        if not 0 <= removed <= abs(self.quantity):
            raise PolicyError(f"{self.symbol}: {removed} of {self.quantity} cannot go; remove at most all")
        side = 1 if self.quantity > 0 else -1
        realised = money(side * removed * (exact(price) - self.cost_basis))
        return replace(self, quantity=self.quantity - side * removed), realised


@dataclass(frozen=True)
class Trade:
    """One order of the library: signed quantity (buys above 0), price, and cost in the base currency.

    >>> Trade('A', Decimal(-5), Decimal(20)).action
    'SELL'
    """

    symbol: str
    quantity: Decimal
    price: Decimal
    cost: Decimal = ZERO

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantity", exact(self.quantity, f"the quantity of {self.symbol}"))
        object.__setattr__(self, "price", exact(self.price, f"the price of {self.symbol}"))
        object.__setattr__(self, "cost", money(exact(self.cost, f"the cost of {self.symbol}")))

    @property
    def action(self) -> Action:
        """BUY, SELL or HOLD."""
        return "BUY" if self.quantity > 0 else "SELL" if self.quantity < 0 else "HOLD"

    direction = action

    @property
    def trade_value(self) -> Decimal:
        """Traded value >= 0, without the cost."""
        return money(abs(self.quantity) * self.price)

    @property
    def current_price(self) -> Decimal:
        """The seed's name of `price`."""
        return self.price


@typed
class Portfolio:
    """A named book of positions and cash in one currency.

    >>> book.get_weights(quotes)['EQUITY']
    0.5
    """

    def __init__(self, name: str, cash: Number = 0, positions: Mapping[str, Position] | None = None) -> None:
        if exact(cash) < 0:
            raise PolicyError(f"{name}: cash is {cash}; a portfolio starts with cash >= 0")
        self.name = name
        self.cash = money(cash)
        self.positions: dict[str, Position] = dict(positions or {})
        self.realized_pnl = ZERO

    def add_position(self, position: Position) -> None:
        """Adds a holding without moving cash; more of a held symbol joins it at average cost."""
        held = self.positions.get(position.symbol)
        joined = held.add_shares(position.quantity, position.cost_basis) if held else position
        self.positions[position.symbol] = joined

    def remove_position(
        self, symbol: str, quantity: Number | None = None, price: Number | None = None
    ) -> Decimal:
        """Takes shares (all by default) out without moving cash; returns the profit realised at the price."""
        held = self._held(symbol)
        rest, realised = held.remove_shares(
            abs(held.quantity) if quantity is None else quantity, held.cost_basis if price is None else price
        )
        self.positions[symbol] = rest
        if not rest.quantity:
            del self.positions[symbol]
        self.realized_pnl += realised
        return realised

    def add_trade(self, trade: Trade) -> Decimal:
        """Books a trade against cash and returns the profit realised; PolicyError when cash is short."""
        flow = -trade.trade_value if trade.quantity > 0 else trade.trade_value
        cash = self.cash + flow - trade.cost
        if cash < 0:
            raise PolicyError(
                f"{trade.symbol}: {trade.action} costs {trade.cost - flow}, cash is {self.cash}"
            )
        self.cash = cash
        held = self.positions.get(trade.symbol)
        closing = realised = ZERO
        if held and held.quantity * trade.quantity < 0:
            closing = min(abs(held.quantity), abs(trade.quantity))
            realised = self.remove_position(trade.symbol, closing, trade.price)
        opening = abs(trade.quantity) - closing
        if opening:
            side = 1 if trade.quantity > 0 else -1
            self.add_position(Position(trade.symbol, side * opening, trade.price))
        return realised

    def total_value(self, prices: Mapping[str, Number]) -> Decimal:
        """Positions at the given prices plus cash; DataError for a held symbol without a price."""
        return self.cash + sum(self.values(prices).values(), ZERO)

    def values(self, prices: Mapping[str, Number]) -> dict[str, Decimal]:
        """Market value by symbol, ascending."""
        held = self.positions
        return {s: money(held[s].quantity * price_of(s, prices)) for s in sorted(held)}

    def get_weights(self, prices: Mapping[str, Number]) -> dict[str, float]:
        """Fractions of the value including cash, by symbol ascending; cash is what is missing to 1."""
        return self.value_and_weights(prices)[1]

    def value_and_weights(self, prices: Mapping[str, Number]) -> tuple[Decimal, dict[str, float]]:
        """`total_value` and `get_weights`, which are worked out once for both."""
        values = self.values(prices)
        total = self.cash + sum(values.values(), ZERO)
        if values and total <= 0:
            raise DataError(f"{self.name} is worth {total}; weights need a value above 0")
        return total, parts_of(total, values) if values else {}

    def calculate_total_exposures(
        self, prices: Mapping[str, Number], fund_map: FundExposureMap
    ) -> dict[ExposureType, float]:
        """Look-through exposures, fractions of the value including cash."""
        return ExposureCalculator(fund_map).calculate(self.get_weights(prices))

    def get_summary(self, prices: Mapping[str, Number]) -> dict[str, Decimal | int | float]:
        """Value, cost, cash, count, profits, and the unrealised return on what was paid, or received for shorts."""
        costs = [p.quantity * p.cost_basis for p in self.positions.values()]
        pnl = sum((p.unrealized_pnl(price_of(p.symbol, prices)) for p in self.positions.values()), ZERO)
        return {
            "total_value": self.total_value(prices),
            "total_cost": money(sum(costs, ZERO)),
            "cash": self.cash,
            "position_count": len(self.positions),
            "unrealized_pnl": pnl,
            "realized_pnl": self.realized_pnl,
            "total_return": float(pnl / sum(map(abs, costs))) if any(costs) else 0.0,
        }

    def to_csv(self) -> str:
        """One line per position, symbols ascending, and the cash as symbol CASH."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        writer.writerow(("CASH", self.cash, 1, "", 1.0, "Cash"))
        for symbol in sorted(self.positions):
            p = self.positions[symbol]
            writer.writerow(
                (symbol, p.quantity, p.cost_basis, p.purchase_date or "", p.leverage_factor, p.asset_class)
            )
        return out.getvalue()

    @classmethod
    def from_csv(cls, name: str, text: str) -> "Portfolio":
        """The portfolio that `to_csv` wrote; only symbol and quantity are required."""
        portfolio = cls(name)
        for line, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
            if not row.get("symbol") or not row.get("quantity"):
                raise DataError(f"line {line}: symbol and quantity are needed, got {row}")
            if row["symbol"] == "CASH":
                portfolio.cash += money(row["quantity"])
                continue
            bought = row.get("purchase_date")
            portfolio.add_position(Position(
                row["symbol"], exact(row["quantity"]), exact(row.get("cost_basis") or 0), _day(bought, line),
                float(exact(row.get("leverage_factor") or 1)), row.get("asset_class") or "Unknown",
            ))  # fmt: skip
        return portfolio

    def _held(self, symbol: str) -> Position:
        if symbol not in self.positions:
            raise PolicyError(f"{symbol} is not held; {self.name} holds {', '.join(sorted(self.positions))}")
        return self.positions[symbol]


def _day(text: str | None, line: int) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise DataError(f"line {line}: {text!r} is no date; write 2025-10-26") from None
