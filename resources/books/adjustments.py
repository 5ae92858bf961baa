"""What corporate actions change of a book without a trade: told as dated rows, with what they realise lot by lot."""

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby

import pandas as pd

from optimizer import CorporateAction, Lot, Position, adjust_position
from optimizer.model.actions.action_kinds import places
from optimizer.model.actions.corporate_actions import Adjusted, adjust_holdings, at_its_turn
from optimizer.model.portfolio import ZERO, Number, exact
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack

Items = tuple[Lot | Position, ...]
Market = Callable[[CorporateAction], tuple[Number, Mapping[str, Number]]]
NOT_BOUGHT = "not_bought"  # an order that the cash did not pay for
COLUMNS = [
    "symbol", "date", "kind", "lot_id", "quantity", "cash", "proceeds", "cost_basis", "acquired", "long_term", "late",
    "note",
]  # fmt: skip


@dataclass(frozen=True)
class Adjustment:
    """One dated change of a book that no trade made.

    quantity  shares more, or less below 0;  cash  received, base currency
    lot_id    of a lot that an action took shares of, with what that realised: proceeds less cost_basis, base currency;
              a detail of the adjustment before it
    late      whether it became known only after the day before had been computed
    """

    symbol: str
    date: datetime.date
    kind: str
    quantity: Decimal
    cash: Decimal
    note: str
    late: bool = False
    lot_id: str | None = None
    proceeds: Decimal | None = None
    cost_basis: Decimal | None = None
    acquired: datetime.date | None = None
    long_term: bool | None = None

    @property
    def told(self) -> bool:
        """Whether a reader must hear of it: all but the details of lots and dividends paid on their day."""
        return self.lot_id is None and (self.late or self.kind != "dividend")


def adjustment_frame(adjustments: Iterable[Adjustment]) -> pd.DataFrame:
    """Rows of `holding_adjustments`."""
    rows = [vars(item) | {"quantity": float(item.quantity)} for item in adjustments]
    return pd.DataFrame(rows, columns=COLUMNS)


def read_adjustments(
    con: Connection, pack: Pack, portfolio_id: str | None
) -> dict[str, tuple[Adjustment, ...]]:
    """Portfolio -> how it was adjusted under a pack, of one portfolio or of all that were."""
    rows = con.execute(
        f"select portfolio_id, {', '.join(COLUMNS)} from latest_holding_adjustments where pack_id = $1 "
        "and ($2 is null or portfolio_id = $2) order by portfolio_id, date, kind, symbol, lot_id nulls first",
        [pack.id, portfolio_id],
    ).fetchall()
    found: dict[str, tuple[Adjustment, ...]] = {}
    for key, group in groupby(rows, key=lambda row: str(row[0])):
        told = (dict(zip(COLUMNS, row[1:], strict=True)) for row in group)
        found[key] = tuple(Adjustment(**row | {"quantity": exact(row["quantity"])}) for row in told)
    return found


@dataclass(frozen=True)
class Carried:
    """A book after actions: what is held, cash received in base currency, and each change."""

    items: Items
    cash: Decimal = ZERO
    adjustments: tuple[Adjustment, ...] = ()

    def then(self, items: Items, cash: Decimal, adjustments: Iterable[Adjustment]) -> "Carried":
        """After one more step."""
        return Carried(items, self.cash + cash, (*self.adjustments, *adjustments))

    def quantities(self) -> dict[str, Decimal]:
        """Symbol -> shares, ascending; nothing where none are left."""
        found: dict[str, Decimal] = {}
        for item in self.items:
            found[item.symbol] = found.get(item.symbol, ZERO) + item.quantity
        return {symbol: shares for symbol, shares in sorted(found.items()) if shares}

    def lots(self) -> dict[str, tuple[Lot, ...]]:
        """Symbol -> lots, ascending, of what is held in lots alone."""
        without = {item.symbol for item in self.items if not isinstance(item, Lot)}
        found: dict[str, tuple[Lot, ...]] = {}
        for item in sorted(self.items, key=lambda item: item.symbol):
            if isinstance(item, Lot) and item.symbol not in without:
                found[item.symbol] = (*found.get(item.symbol, ()), item)
        return found


def carry(
    start: Carried,
    actions: Iterable[CorporateAction],
    market: Market,
    late: Callable[[CorporateAction], bool],
) -> Carried:
    """The book after the actions, in the order of their days; what is renamed on one day is renamed at once.

    market  an action's base currency per unit of its own, and the prices after it, as `adjust_position` wants them
    """
    actions = list(actions)
    for _, group in groupby(sorted(actions, key=places(actions)), key=lambda action: action.day):
        of_day = list(group)
        renames = [action for action in of_day if action.kind == "rename"]
        if renames:
            after = adjust_holdings(renames, start.items, market)
            start = start.then(
                after.held,
                ZERO,
                [one for action in renames for one in _told(action, start.items, after, late(action))],
            )
        for action in of_day:
            if action.kind != "rename":
                rate, prices = at_its_turn(action, of_day, market)
                after = adjust_position(action, start.items, rate=rate, prices=prices)
                start = start.then(after.held, after.cash, _told(action, start.items, after, late(action)))
    return replace(start, items=named_apart(start.items))


def named_apart(items: Items) -> Items:
    """Lots of two symbols that became one may share a name; the later gets another."""
    taken, found = set[tuple[str, str]](), list[Lot | Position]()
    for item in items:
        if isinstance(item, Lot):
            name, count = item.lot_id, 1
            while (item.symbol, name) in taken:
                count += 1
                name = f"{item.lot_id}-{count}"
            taken.add((item.symbol, name))
            item = item if name == item.lot_id else replace(item, lot_id=name)
        found.append(item)
    return tuple(found)


def _told(
    action: CorporateAction, before: Items, after: Adjusted[Lot | Position], late: bool
) -> list[Adjustment]:
    """An action's rows: what it did to its symbol, to the one it gives, and to each lot that it paid for."""
    held = held_of(before, action.symbol)
    if not held:
        return []
    named = [action.symbol] + ([action.new_symbol] if action.new_symbol else [])
    moved = {symbol: held_of(after.held, symbol) - held_of(before, symbol) for symbol in named}
    left = [
        f"{float(held_of(after.held, symbol)):,.10g} {symbol}"
        for symbol in named
        if held_of(after.held, symbol)
    ]
    paid = [f"{after.cash:,.2f} in cash"] if after.cash or not left else []
    gain = sum((one.gain for one in after.realised if isinstance(one.holding, Lot)), ZERO)
    realised = f"; a {'gain' if gain > 0 else 'loss'} of {abs(gain):,.2f} is realised" if gain else ""
    when = "; known late" if late else ""
    note = f"{action}: {float(held):,.10g} {action.symbol} became {' and '.join(left + paid)}{realised}{when}"
    rows = [
        Adjustment(
            symbol,
            action.day,
            action.kind,
            shares,
            after.cash if symbol == action.symbol else ZERO,
            note,
            late,
        )
        for symbol, shares in moved.items()
    ]
    for one in after.realised:
        lot = one.holding
        if isinstance(lot, Lot):
            rows.append(
                Adjustment(
                    action.symbol, action.day, action.kind, -one.quantity, ZERO, note, late, lot.lot_id, one.proceeds,
                    one.cost, lot.acquired, lot.long_term(action.day),
                )
            )  # fmt: skip
    return rows


def not_bought(symbol: str, shares: Decimal, missed: Iterable[str], day: datetime.date) -> Adjustment:
    """That a book did not buy, since sales did not bring what its list counted on and its cash does not pay for it."""
    note = (
        f"{float(shares):,.10g} {symbol} were not bought on {day}: the sale of {', '.join(missed)} did not bring what "
        "was counted on, and the cash does not pay for it; the next list decides anew"
    )
    return Adjustment(symbol, day, NOT_BOUGHT, ZERO, ZERO, note)


def held_of(items: Iterable[Lot | Position], symbol: str) -> Decimal:
    """The shares of a symbol."""
    return sum((item.quantity for item in items if item.symbol == symbol), ZERO)
