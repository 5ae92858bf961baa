"""Positions of a book that have no price today and that its policy keeps at their last known one."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from optimizer import DataError, FrozenPosition
from resources.accounts.known import Account
from resources.books.paper import Holdings
from resources.books.universes import UNPRICED
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack
from resources.packs.rates import exchange_rate


def frozen_positions(
    con: Connection,
    pack: Pack,
    unpriced: Mapping[str, str],
    young: Mapping[str, str],
    holdings: Holdings,
    account: Account,
) -> tuple[tuple[FrozenPosition, ...], str | None]:
    """What is held without a price, or too young to be weighed, where the policy freezes it; and why that cannot be.

    young  symbol -> why its history is too short, of those that the policy freezes for it
    """
    names = sorted(s for s in holdings.quantities if s in young)
    if account.policy.on_missing_price == "freeze":
        names = sorted([*names, *(s for s in holdings.quantities if unpriced.get(s) == UNPRICED)])
    if not names:
        return (), None
    panel, found = read_panel(con, pack, names), []
    for column, symbol in enumerate(names):
        if last := panel.last_close(column):
            try:
                rate = exchange_rate(con, pack, panel.currency[column], account.base_currency)
            except DataError as error:
                return (), str(error)
            told = holdings.quantities[symbol], last[1], rate, last[0]
            found.append(FrozenPosition(symbol, *told, reason=young.get(symbol, "")))
    return tuple(found), None


def frozen_row(one: FrozenPosition) -> dict[str, object]:
    """A frozen position as JSON values."""
    row = vars(one) | {"quantity": float(one.quantity), "day": one.day.isoformat()}
    return {name: value for name, value in row.items() if name not in ("reason", "sector") or value}


def read_frozen(row: Mapping[str, Any]) -> FrozenPosition:
    """The position that a row tells."""
    typed = {"quantity": Decimal(str(row["quantity"])), "day": date.fromisoformat(row["day"])}
    return FrozenPosition(**{**row, **typed})
