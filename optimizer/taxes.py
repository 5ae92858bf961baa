"""What the sales of a trade list realise: gains by holding period, the tax on them, and wash sales to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from optimizer.errors import DataError
from optimizer.lots import Disposal, Lot, TaxRates, WashSale, sell, wash_sales
from optimizer.portfolio import ZERO, Number
from optimizer.trade_list import TradeList, TradeRow


@dataclass(frozen=True)
class TaxLine:
    """One sale: the lots it disposes of, gains in the base currency before costs, and losses that may not count."""

    symbol: str
    disposal: Disposal
    tax: Decimal
    wash_sales: tuple[WashSale, ...]


@dataclass(frozen=True)
class Taxes:
    """The sales of a list, by symbol; negative gains are losses, a negative tax is a saving against other gains."""

    lines: tuple[TaxLine, ...]

    @property
    def short_term_gain(self) -> Decimal:
        """Of what was held for up to a year."""
        return sum((line.disposal.short_term_gain for line in self.lines), ZERO)

    @property
    def long_term_gain(self) -> Decimal:
        """Of what was held for longer."""
        return sum((line.disposal.long_term_gain for line in self.lines), ZERO)

    @property
    def tax(self) -> Decimal:
        """Short- and long-term gains at their rates, without what wash sales disallow."""
        return sum((line.tax for line in self.lines), ZERO)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each wash sale."""
        return tuple(str(wash) for line in self.lines for wash in line.wash_sales)


def taxes_of(
    trades: TradeList,
    lots: Mapping[str, Sequence[Lot]],
    day: date,
    method: str = "fifo",
    *,
    chosen: Mapping[str, Mapping[str, Number]] | None = None,
    rates: TaxRates | None = None,
    bought: Sequence[tuple[str, date]] = (),
) -> Taxes:
    """The tax consequences of a list's sales on a day; short positions have none here.

    lots    symbol -> lots that add up to what is held, costs in the base currency
    method  as in `sell`;  chosen  for "specific": symbol -> lot id -> shares
    bought  (symbol, date) of purchases known besides the lots; the shares a sale leaves count as bought when they were
    Raises DataError where lots and holdings differ, PolicyError as `sell` does.
    """
    told = rates or TaxRates()
    lines = []
    for row in sorted((row for row in trades.rows if row.action == "SELL"), key=lambda row: row.symbol):
        if row.current_quantity <= 0:
            continue
        held = _held(row, lots)
        named = (chosen or {}).get(row.symbol)
        gone = sell(held, row.quantity, row.price, day, method, chosen=named, rates=told)
        kept = tuple((lot.symbol, lot.acquired) for lot in gone.remaining)
        lines.append(TaxLine(row.symbol, gone, gone.tax(told), wash_sales(gone, day, (*kept, *bought))))
    return Taxes(tuple(lines))


def _held(row: TradeRow, lots: Mapping[str, Sequence[Lot]]) -> Sequence[Lot]:
    known = lots.get(row.symbol, ())
    total = sum((lot.quantity for lot in known), ZERO)
    if total != row.current_quantity:
        raise DataError(
            f"{row.symbol}: the lots hold {total} shares, the book {row.current_quantity}; correct the lots"
        )
    return known
