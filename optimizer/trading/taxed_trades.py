"""A trade list with the taxes of its sales: the lots that go, gains and tax a line and in all, and wash sales."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from optimizer.errors import how_many
from optimizer.model.portfolio import ZERO
from optimizer.tax.taxes import Taxes, TaxLine, TaxPlan
from optimizer.tax.wash_sales import WASH_DAYS, WashSale
from optimizer.trading.rationale import Numbers
from optimizer.trading.trade_list import TradeList, TradeRow


def taxes_of(trades: TradeList, plan: TaxPlan) -> Taxes:
    """The tax consequences of a list; short positions have none here.

    Raises DataError where lots and holdings differ, PolicyError as `sell` does.
    """
    rows = sorted(trades.rows, key=lambda row: row.symbol)
    lines = tuple(
        # what is sold beyond the shares held opens a short position
        plan.line(row.symbol, row.current_quantity, min(row.quantity, row.current_quantity), row.price)
        for row in rows
        if row.action == "SELL" and row.current_quantity > 0
    )
    again = [
        wash for row in rows if row.action == "BUY" for wash in plan.repurchases(row.symbol, row.quantity)
    ]
    return Taxes(lines, tuple(again))


def with_taxes(trades: TradeList, plan: TaxPlan) -> TradeList:
    """The list with its taxes, told in each line's reason and numbers; raises what `taxes_of` raises."""
    taxes = taxes_of(trades, plan)
    lines = {line.symbol: line for line in taxes.lines}
    again: dict[str, list[WashSale]] = {}
    for wash in taxes.repurchases:
        again.setdefault(wash.symbol, []).append(wash)
    rows = []
    for row in trades.rows:
        if row.action == "SELL" and row.symbol in lines:
            row = _sold(row, lines[row.symbol])
        elif row.action == "BUY" and row.symbol in again:
            row = _bought_again(row, again[row.symbol])
        rows.append(row)
    return replace(trades, rows=tuple(rows), taxes=taxes, warnings=(*trades.warnings, *taxes.warnings))


def _sold(row: TradeRow, line: TaxLine) -> TradeRow:
    gone = line.disposal
    parts = [
        f"a {term}-term {'gain' if gain > 0 else 'loss'} of {abs(gain):,.2f}"
        for term, gain in (("short", gone.short_term_gain), ("long", gone.long_term_gain))
        if gain
    ]
    lots = how_many(len(gone.realised), "lot")
    told = f"realises {' and '.join(parts) or 'no gain'} from {lots}, {_tax(line.tax)}"
    numbers: Numbers = {
        "short_term_gain": float(gone.short_term_gain),
        "long_term_gain": float(gone.long_term_gain),
        "tax": float(line.tax),
    }
    for wash in line.wash_sales:
        numbers["wash_sale_loss"] = numbers.get("wash_sale_loss", 0.0) + float(wash.loss)
        told += (
            f"; wash sale: shares bought on {wash.bought} disallow the loss of {wash.loss:,.2f}{_part(wash)}"
        )
    return row._replace(rationale=f"{row.rationale}; {told}", numbers=row.numbers | numbers)


def _tax(tax: Decimal) -> str:
    return f"tax {tax:,.2f}" if tax >= ZERO else f"a saving of {-tax:,.2f} in tax"


def _part(wash: WashSale) -> str:
    return f" on {wash.part}" if wash.part else ""


def _bought_again(row: TradeRow, washes: Sequence[WashSale]) -> TradeRow:
    parts = [
        f"of the sale of {wash.sold}, it disallows the loss of {wash.loss:,.2f}{_part(wash)}"
        for wash in washes
    ]
    told = f"wash sale: bought again within {WASH_DAYS} days {'; '.join(parts)}"
    numbers = row.numbers | {"wash_sale_loss": float(sum((wash.loss for wash in washes), ZERO))}
    return row._replace(rationale=f"{row.rationale}; {told}", numbers=numbers)
