"""Paper portfolios: the previous pack's trades count as filled at this pack's close."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from optimizer.model.costs import CostModel
from optimizer.model.portfolio import exact, money
from optimizer.tax.lots import Lot
from resources.books.tax_lots import Fill, LotBook, Lots, average_costs, read_lot_book
from resources.packs.delistings import Delisting, delistings
from resources.packs.liquidity import newest_liquidity
from resources.packs.pack_prices import Panel, read_panel
from resources.packs.packs import Pack, find_pack
from resources.packs.rates import exchange_rate
from resources.settings.portfolios import PortfolioFile
from resources.store.ledger import Connection


@dataclass(frozen=True)
class Holdings:
    """What is held: shares by symbol, cash and average costs in base currency, and the date it is known for."""

    as_of: date | None
    cash: Decimal
    quantities: Mapping[str, Decimal]
    cost_basis: Mapping[str, float] = field(default_factory=dict)
    lots: Lots = field(default_factory=dict)


def last_held(con: Connection, pack: Pack, file: PortfolioFile) -> Pack | None:
    """The newest earlier fresh pack under which the holdings of a paper book are on record."""
    found = con.execute(
        "select p.pack_id from pricing_packs p join latest_portfolio_snapshots s using (pack_id) "
        "where p.verdict = 'fresh' and p.as_of < ? and s.portfolio_id = ? and s.mode = 'paper' "
        "and s.holdings_date is not null order by p.as_of desc, p.revision desc limit 1",
        [pack.as_of, str(file.id)],
    ).fetchall()
    return find_pack(con, str(found[0][0])) if found else None


def paper_holdings(con: Connection, pack: Pack, previous: Pack, file: PortfolioFile) -> Holdings:
    """The holdings after the trades of `previous`, under which this portfolio was held."""
    key: list[object] = [previous.id, str(file.id)]
    where = "where pack_id = ? and portfolio_id = ? order by symbol"
    cash = con.execute(
        "select cash from latest_portfolio_snapshots where pack_id = ? and portfolio_id = ?", key
    ).fetchall()[0][0]
    orders = con.execute(
        f"select symbol, current_quantity, target_quantity from latest_trades {where}", key
    ).fetchall()
    if not orders:  # no trades were computed: what was held is still held
        held = con.execute(f"select symbol, quantity from latest_holdings {where}", key).fetchall()
        orders = [(symbol, quantity, quantity) for symbol, quantity in held]
    symbols, start = [row[0] for row in orders], previous.as_of - timedelta(days=14)
    panel, seen = read_panel(con, pack, symbols, start), read_panel(con, previous, symbols, start)
    since = [(seen.last_close(column) or (start,))[0] for column in range(len(symbols))]
    gone = delistings(con, pack, symbols)
    currencies = {*panel.currency, *(item.currency for item in gone.values())} - {""}
    rates = {c: exchange_rate(con, pack, c, file.base_currency) for c in sorted(currencies)}
    policy = file.policy.to_policy()
    traded = [symbol for symbol, before, wanted in orders if before != wanted and symbol not in gone]
    known = newest_liquidity(con, pack, traded, file.base_currency) if policy.root_impact and traded else {}
    costs = CostModel.of(policy, known)
    kept = read_lot_book(con, previous, str(file.id), file.policy)
    return fill(Decimal(str(cash)), orders, panel, since, gone, rates, costs, pack.as_of, kept)


def fill(
    cash: Decimal,
    orders: list[tuple[str, float, float]],
    panel: Panel,
    since: Sequence[date],
    gone: Mapping[str, Delisting],
    rates: Mapping[str, float],
    costs: CostModel,
    as_of: date,
    kept: LotBook | None = None,
) -> Holdings:
    """Holdings after splits and dividends since the orders were made, and their filling at the newest close.

    orders  (symbol, quantity before, quantity wanted), in the shares of the day they were made
    since   of each order the date of the price it was made at: later splits and dividends are still to come
    gone    shares that ceased to be: paid out in cash without costs, orders in them are void
    rates   currency -> base currency
    kept    the tax lots before; None where none are kept
    A name without a price since stays as it was: nobody could have traded it.
    """
    quantities: dict[str, Decimal] = {}
    lots: dict[str, tuple[Lot, ...]] = {}
    for column, (symbol, before, wanted) in enumerate(orders):
        held, target, ratio = exact(before), exact(wanted), Decimal(1)
        filled: Fill | None = None
        rate = exact(rates.get(panel.currency[column], 1.0))
        end = gone.get(symbol)
        for row in np.flatnonzero(np.isfinite(panel.close[:, column])):
            if panel.dates[row] <= since[column] or (end and panel.dates[row] > end.day):
                continue
            cash += money(
                held * exact(float(panel.dividend[row, column])) * rate
            )  # per share before the split
            split = exact(float(panel.split[row, column]))
            held, target, ratio = held * split, target * split, ratio * split
        last = panel.last_close(column)
        if end:
            cash += money(held * exact(end.value) * exact(rates[end.currency]))
            held = Decimal(0)
        elif last is not None and last[0] > since[column]:
            price, change = exact(last[1]) * rate, target - held
            cost = costs.cost(symbol, change, price)
            cash -= money(change * price) + cost
            held, filled = target, Fill(change, price, cost, as_of)
        if held:
            quantities[symbol] = held
            if kept is not None:
                lots[symbol] = kept.after(symbol, ratio, filled)
    return Holdings(as_of, cash, quantities, average_costs(lots), lots)
