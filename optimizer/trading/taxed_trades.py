"""A trade list with the taxes of its sales: the lots that go, gains and tax a line and in all, and wash sales."""

from dataclasses import replace
from decimal import Decimal

from optimizer.model.portfolio import ZERO
from optimizer.tax.lots import WASH_DAYS, WashSale, wash_sales
from optimizer.tax.taxes import Taxes, TaxLine, TaxPlan
from optimizer.trading.rationale import Numbers
from optimizer.trading.trade_list import TradeList, TradeRow


def taxes_of(trades: TradeList, plan: TaxPlan) -> Taxes:
    """The tax consequences of a list; short positions have none here.

    Shares that a sale leaves count as bought when they were: a purchase shortly before disallows a loss as well.
    Raises DataError where lots and holdings differ, PolicyError as `sell` does.
    """
    lines = []
    for row in sorted((row for row in trades.rows if row.action == "SELL"), key=lambda row: row.symbol):
        if row.current_quantity > 0:
            shares = min(row.quantity, row.current_quantity)  # what is sold beyond opens a short position
            gone = plan.sell(row.symbol, row.current_quantity, shares, row.price)
            kept = tuple((lot.symbol, lot.acquired) for lot in gone.remaining)
            washed = wash_sales(gone, plan.day, kept)
            lines.append(TaxLine(row.symbol, gone, gone.tax(plan.rates), washed[:1]))
    before = plan.recent_losses()
    again = tuple(
        WashSale(row.symbol, before[row.symbol][1], plan.day, before[row.symbol][0])
        for row in sorted(trades.rows, key=lambda row: row.symbol)
        if row.action == "BUY" and row.symbol in before
    )
    return Taxes(tuple(lines), again)


def with_taxes(trades: TradeList, plan: TaxPlan) -> TradeList:
    """The list with its taxes, told in each line's reason and numbers; raises what `taxes_of` raises."""
    taxes = taxes_of(trades, plan)
    lines = {line.symbol: line for line in taxes.lines}
    again = {wash.symbol: wash for wash in taxes.repurchases}
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
    lots = f"{len(gone.realised)} lot{'s' if len(gone.realised) > 1 else ''}"
    told = f"realises {' and '.join(parts) or 'no gain'} from {lots}, {_tax(line.tax)}"
    numbers: Numbers = {
        "short_term_gain": float(gone.short_term_gain),
        "long_term_gain": float(gone.long_term_gain),
        "tax": float(line.tax),
    }
    for wash in line.wash_sales:
        numbers["wash_sale_loss"] = float(wash.loss)
        told += f"; wash sale: shares bought on {wash.bought} disallow the loss of {wash.loss:,.2f}"
    return replace(row, rationale=f"{row.rationale}; {told}", numbers=row.numbers | numbers)


def _tax(tax: Decimal) -> str:
    return f"tax {tax:,.2f}" if tax >= ZERO else f"a saving of {-tax:,.2f} in tax"


def _bought_again(row: TradeRow, wash: WashSale) -> TradeRow:
    told = (
        f"wash sale: bought again within {WASH_DAYS} days of the sale of {wash.sold}, it disallows the loss of "
        f"{wash.loss:,.2f}"
    )
    numbers = row.numbers | {"wash_sale_loss": float(wash.loss)}
    return replace(row, rationale=f"{row.rationale}; {told}", numbers=numbers)
