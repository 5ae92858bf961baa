"""Holdings as the desk's file states them, brought through what happened to the shares since its date."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby

import numpy as np

from optimizer import Lot, Position
from optimizer.model.action_kinds import CASH_KINDS, CorporateAction
from optimizer.model.portfolio import ZERO, exact
from resources.books.adjustments import Adjustment, Carried, Items, carry
from resources.books.pack_actions import RATIOS, actions_on_record, actions_seen, market_of
from resources.books.paper import LOOK_BACK, Holdings
from resources.books.restated_units import NEAR, apply_units, unit_ratio
from resources.books.tax_lots import average_costs
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import chosen_sources, read_panel, span_columns
from resources.packs.packs import Pack
from resources.settings.portfolios import HoldingsFile, PortfolioFile


def stated_holdings(con: Connection, pack: Pack, file: PortfolioFile) -> Holdings:
    """The newest holdings dated on or before the pack, in shares of the pack's day.

    Splits and whatever else changes shares since their date is applied; cash that was paid on them is the desk's own to
    state, a delisting its own to act on. Raises PolicyError when all holdings are dated later.
    """
    held = file.holdings_at(pack.as_of)
    items = _items(held)
    symbols = sorted({item.symbol for item in items})
    stated = actions_on_record(con, pack, symbols)
    names = sorted({*symbols, *(action.new_symbol for action in stated if action.new_symbol)})
    panel = read_panel(con, pack, names, held.as_of + timedelta(days=1))
    seen = [action for action in actions_seen(stated, panel, splits=True) if action.day > held.as_of]
    units = _unstated(_units(con, pack, symbols, held.as_of), seen)
    since = [action for action in seen if not (action.symbol in units and action.kind in RATIOS)]
    changing = [action for action in since if action.kind not in (*CASH_KINDS[:2], "delisting")]
    market = market_of(con, pack, panel, file.base_currency)
    book = apply_units(Carried(items, Decimal(str(held.cash))), units, panel, pack.as_of)
    book = carry(book, changing, market, lambda _: False)
    told = [
        _not_in_cash(action, held)
        for action in since
        if action.kind in CASH_KINDS[1:] and action.symbol in symbols
    ]
    returned = [one for one in book.adjustments if one.kind == CASH_KINDS[2] and one.lot_id is None]
    kept = [one for one in book.adjustments if one not in returned]
    cash = book.cash - sum(
        (one.cash for one in returned), ZERO
    )  # it lowers the cost; the desk has it in its cash
    return Holdings(held.as_of, cash, book.quantities(), _costs(book, held), book.lots(), (*kept, *told))


def _unstated(units: Mapping[str, Fraction], seen: Sequence[CorporateAction]) -> dict[str, Fraction]:
    """The restated units of which the stated splits know nothing: those that do tell of earlier ones too."""
    found = dict(units)
    for symbol, ratio in units.items():
        later = Fraction(1)
        for action in sorted(seen, key=lambda action: action.day, reverse=True):
            if action.symbol == symbol and action.kind in RATIOS:
                later *= action.ratio
                if abs(float(later / ratio) - 1) < NEAR:
                    found.pop(symbol, None)
    return found


def _units(con: Connection, pack: Pack, symbols: list[str], day: date) -> dict[str, Fraction]:
    """Symbol -> shares now for one on a day, where adjusted closes of that day were restated after they first came in.

    Closes that came in after a split carry it from the first: then only a stated split tells.
    """
    spans = chosen_sources(con, pack, symbols)
    found = con.execute(
        "with wanted as (select unnest(?) as symbol, unnest(?) as source, unnest(?::date[]) as first_day, "
        "unnest(?::date[]) as last_day) "
        "select symbol, arg_min(close, ingest_seq), arg_max(close, ingest_seq), arg_max(basis, ingest_seq) "
        "from believed_prices(?) p join wanted using (symbol, source) where p.date between ? and ? "
        "and p.date between first_day and last_day "
        "and basis <> 'as_traded' group by symbol, p.date order by symbol, p.date",
        [*span_columns(spans), pack.watermark, day - LOOK_BACK, day],
    ).fetchall()
    units = {}
    for symbol, group in groupby(found, key=lambda row: str(row[0])):
        rows = [row for row in group if row[1] and row[2]]
        if not rows:
            continue
        first, newest = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
        ratio = unit_ratio(first, newest, rows[-1][3])
        if ratio is not None and ratio != 1 and abs(first[-1] / newest[-1] / float(ratio) - 1) < NEAR:
            units[symbol] = ratio
    return units


def _items(held: HoldingsFile) -> Items:
    found: list[Lot | Position] = []
    for symbol, position in sorted(held.positions.items()):
        if position.lots:
            found += position.tax_lots(symbol)
        elif position.quantity:
            found.append(Position(symbol, exact(position.quantity), exact(position.cost_basis or 0)))
    return tuple(found)


def _costs(book: Carried, held: HoldingsFile) -> dict[str, float]:
    """Average costs where they are known: of lots, and of positions that state one."""
    known = {
        s for s, position in held.positions.items() if position.quantity and position.cost_basis is not None
    }
    renamed = {item.symbol for item in book.items} - set(held.positions)
    costs = {
        item.symbol: float(item.cost_basis)
        for item in book.items
        if isinstance(item, Position)
        and (item.symbol in known or (item.symbol in renamed and item.cost_basis))
    }
    return costs | average_costs(book.lots())


def _not_in_cash(action: CorporateAction, held: HoldingsFile) -> Adjustment:
    note = f"{action}: not in the cash that the holdings of {held.as_of} state; state them anew"
    return Adjustment(action.symbol, action.day, action.kind, ZERO, ZERO, note)
