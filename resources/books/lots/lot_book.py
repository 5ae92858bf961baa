"""The tax lots of a paper book from day to day: they follow every trade, and wash sales move losses into them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from optimizer import Lot, Position, sell
from optimizer.model.portfolio import ZERO, exact
from optimizer.tax.lots import Disposal
from optimizer.tax.taxes import SAME_SHARES, evened
from optimizer.tax.wash_sales import Loss, losses_of, match, replaced
from resources.accounts.known import Account
from resources.books.adjustments import Adjustment, Carried, Items
from resources.books.lots.recent_losses import recent_losses
from resources.books.lots.tax_lots import Lots, read_lots
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack


@dataclass(frozen=True)
class Fill:
    """One order filled: signed shares, price per share and cost in base currency, the day, and the lots it was for."""

    change: Decimal
    price: Decimal
    cost: Decimal
    day: date
    lots: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class LotBook:
    """The lots of a paper book under the pack before, and what that pack's list sold of each.

    sold      symbol -> lot id -> shares; what a sale takes beyond them goes the oldest first
    averaged  whether sales are at the average cost
    keeps     whether purchases become lots;  taxed  whether losses can be disallowed
    ordered   the day of that list;  losses  of earlier lists, which a purchase may disallow
    """

    lots: Lots = field(default_factory=dict)
    sold: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    averaged: bool = False
    keeps: bool = False
    taxed: bool = False
    ordered: date = date.min
    losses: Sequence[Loss] = ()

    def items(self, held: Mapping[str, Decimal]) -> Items:
        """What is held, in lots where they add up to it."""
        found: list[Lot | Position] = []
        for symbol, quantity in sorted(held.items()):
            lots = self.lots.get(symbol, ())
            total = sum((lot.quantity for lot in lots), ZERO)
            if lots and abs(total - quantity) <= SAME_SHARES:
                found += evened(lots, quantity)
            elif quantity:
                found.append(Position(symbol, quantity))
        return tuple(found)

    def after(self, items: Items, symbol: str, filled: Fill) -> Carried:
        """What is held after one order was filled; short positions, and what was never in lots, have none."""
        own = [item for item in items if item.symbol == symbol]
        others = tuple(item for item in items if item.symbol != symbol)
        lots = [item for item in own if isinstance(item, Lot)]
        held = sum((item.quantity for item in own), ZERO)
        target = held + filled.change
        if len(lots) < len(own) or (not lots and not (self.keeps and target > 0)):
            opened = self.keeps and held <= 0 < target
            after = (
                self._bought(symbol, target, filled)
                if opened
                else [Position(symbol, target)]
                if target
                else []
            )
            return Carried((*others, *after))
        if filled.change > 0:
            return self._washed(symbol, others, [*lots, *self._bought(symbol, filled.change, filled)], ())
        gone = self._disposal(symbol, lots, min(-filled.change, held), filled)
        short = [Position(symbol, target)] if target < 0 else []
        return self._washed(symbol, (*others, *short), gone.remaining, losses_of(gone, filled.day))

    def _bought(self, symbol: str, shares: Decimal, filled: Fill) -> list[Lot | Position]:
        """The lot that a purchase makes; its cost is part of what the shares cost."""
        each = filled.price + filled.cost / abs(filled.change)
        return [Lot(f"{symbol}-{filled.day:%Y%m%d}", symbol, shares, each, filled.day)]

    def _disposal(self, symbol: str, lots: Sequence[Lot], shares: Decimal, filled: Fill) -> Disposal:
        """The lots that a sale takes: as the list chose, else the oldest first."""
        if self.averaged:
            return sell(lots, shares, filled.price, filled.day, "average")
        chosen, rest = {}, shares
        for lot in lots:
            chosen[lot.lot_id] = min(lot.quantity, filled.lots.get(lot.lot_id, ZERO), rest)
            rest -= chosen[lot.lot_id]
        for lot in sorted(lots, key=lambda lot: (lot.acquired, lot.lot_id)):
            more = min(lot.quantity - chosen[lot.lot_id], rest)
            chosen[lot.lot_id], rest = chosen[lot.lot_id] + more, rest - more
        taken = sum(chosen.values(), ZERO)  # shares, but for the last of 28 digits
        return sell(lots, taken, filled.price, filled.day, "specific", chosen=chosen)

    def _washed(
        self, symbol: str, others: Items, lots: Sequence[Lot | Position], lost: Sequence[Loss]
    ) -> Carried:
        """The lots with the losses that they disallow in their cost, each on record."""
        mine = [lot for lot in lots if isinstance(lot, Lot)]
        earlier = [loss for loss in self.losses if loss.symbol == symbol]
        # What is older met those losses on its own day.
        fresh = [lot for lot in mine if lot.acquired > self.ordered]
        matches = (match(lost, mine) if lost else match(earlier, fresh)) if self.taxed else ()
        told = [
            Adjustment(
                symbol, one.loss.day, "wash_sale", one.shares, ZERO,
                f"{symbol}: the loss of {one.amount:,.2f} on {float(one.shares):.10g} shares sold on {one.loss.day} is "
                f"part of the cost of those bought on {one.replacement.acquired}",
                lot_id=one.loss.lot_id, cost_basis=one.amount,
            )
            for one in matches
        ]  # fmt: skip
        return Carried((*others, *replaced(mine, matches)), ZERO, tuple(told))


def read_lot_book(con: Connection, pack: Pack, previous: Pack, account: Account) -> LotBook:
    """What a paper book carries on from the pack before; empty where it keeps no lots.

    One that began with lots keeps them, on a day too on which it holds none.
    """
    key: list[object] = [previous.id, account.id]
    lots = read_lots(con, previous, account.id).get(account.id, {})
    began = any(isinstance(item, Lot) for item in account.stated.items) if account.stated else False
    if account.policy.tax is None and not lots and not began:
        return LotBook()
    sold: dict[str, dict[str, Decimal]] = {}
    for symbol, lot_id, quantity in con.execute(
        "select symbol, lot_id, quantity from latest_lot_sales where pack_id = ? and portfolio_id = ? order by all",
        key,
    ).fetchall():
        sold.setdefault(symbol, {})[lot_id] = exact(quantity)
    found = con.execute(
        "select policy from latest_portfolio_snapshots where pack_id = ? and portfolio_id = ?", key
    ).fetchall()
    before = json.loads(found[0][0]).get("tax")
    losses = [loss for loss in recent_losses(con, pack, account.id) if loss.day <= previous.as_of]
    return LotBook(
        lots, sold, before is not None and before["method"] == "average", keeps=True, taxed=before is not None,
        ordered=previous.as_of, losses=losses,
    )  # fmt: skip
