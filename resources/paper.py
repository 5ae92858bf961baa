"""Paper portfolios: the previous pack's trades count as filled at this pack's close."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from optimizer.costs import CostModel
from optimizer.portfolio import exact, money
from resources.ledger import Connection
from resources.pack_prices import Panel, exchange_rate, read_panel
from resources.packs import Pack
from resources.portfolios import PortfolioFile


@dataclass(frozen=True)
class Holdings:
    """What is held: shares by symbol, cash and average costs in base currency, and the date it is known for."""

    as_of: date | None
    cash: Decimal
    quantities: Mapping[str, Decimal]
    cost_basis: Mapping[str, float] = field(default_factory=dict)


def paper_holdings(con: Connection, pack: Pack, previous: Pack, file: PortfolioFile) -> Holdings | None:
    """The holdings after the previous pack's trades; None when it computed none for this portfolio."""
    before = con.execute(
        "select cash from latest_portfolio_snapshots where pack_id = ? and portfolio_id = ? and problem is null",
        [previous.id, str(file.id)],
    ).fetchall()
    orders = con.execute(
        "select symbol, current_quantity, target_quantity from latest_trades where pack_id = ? and portfolio_id = ? "
        "order by symbol",
        [previous.id, str(file.id)],
    ).fetchall()
    if not before:
        return None
    if not orders:  # no trades were computed: what was held is still held
        held = con.execute(
            "select symbol, quantity from latest_holdings where pack_id = ? and portfolio_id = ? order by symbol",
            [previous.id, str(file.id)],
        ).fetchall()
        orders = [(symbol, quantity, quantity) for symbol, quantity in held]
    panel = read_panel(con, pack, [row[0] for row in orders], previous.as_of - timedelta(days=14))
    rates = {c: exchange_rate(con, pack, c, file.base_currency) for c in sorted({*panel.currency} - {""})}
    costs = CostModel.of(file.policy.to_policy())
    return fill(Decimal(str(before[0][0])), orders, panel, previous.as_of, rates, costs, pack.as_of)


def fill(
    cash: Decimal,
    orders: list[tuple[str, float, float]],
    panel: Panel,
    since: date,
    rates: Mapping[str, float],
    costs: CostModel,
    as_of: date,
) -> Holdings:
    """Holdings after splits and dividends since the orders were made, and their filling at the newest close.

    orders  (symbol, quantity before, quantity wanted), in the shares of the day they were made
    rates   currency -> base currency
    A name without a price since stays as it was: nobody could have traded it.
    """
    after = np.array([day > since for day in panel.dates], dtype=bool)
    quantities: dict[str, Decimal] = {}
    for column, (symbol, before, wanted) in enumerate(orders):
        held, target = exact(before), exact(wanted)
        rate = exact(rates.get(panel.currency[column], 1.0))
        for row in np.flatnonzero(after & np.isfinite(panel.close[:, column])):
            cash += money(held * exact(float(panel.dividend[row, column])) * rate)  # per share before the split
            split = exact(float(panel.split[row, column]))
            held, target = held * split, target * split
        last = panel.last_close(column)
        if last is not None and last[0] > since:
            price, change = exact(last[1]) * rate, target - held
            cash -= money(change * price) + costs.cost(symbol, change, price)
            held = target
        if held:
            quantities[symbol] = held
    return Holdings(as_of, cash, quantities)
