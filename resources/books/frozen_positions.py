"""Positions of a book that have no price today and that its policy keeps at their last known one."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from optimizer import DataError
from optimizer.trading.frozen import FrozenPosition
from resources.accounts.known import Account
from resources.books.paper import Holdings
from resources.books.universes import UNPRICED
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack
from resources.packs.rates import exchange_rate


def frozen_positions(
    con: Connection, pack: Pack, unpriced: Mapping[str, str], holdings: Holdings, account: Account
) -> tuple[tuple[FrozenPosition, ...], str | None]:
    """What is held without a price, at its last, where the policy freezes it; and why that cannot be."""
    names = sorted(s for s in holdings.quantities if unpriced.get(s) == UNPRICED)
    if account.policy.on_missing_price != "freeze" or not names:
        return (), None
    panel, found = read_panel(con, pack, names), []
    for column, symbol in enumerate(names):
        if last := panel.last_close(column):
            try:
                rate = exchange_rate(con, pack, panel.currency[column], account.base_currency)
            except DataError as error:
                return (), str(error)
            found.append(FrozenPosition(symbol, holdings.quantities[symbol], last[1], rate, last[0]))
    return tuple(found), None


def frozen_row(one: FrozenPosition) -> dict[str, object]:
    """A frozen position as JSON values."""
    return vars(one) | {"quantity": float(one.quantity), "day": one.day.isoformat()}


def read_frozen(row: Mapping[str, Any]) -> FrozenPosition:
    """The position that a row tells."""
    typed = {"quantity": Decimal(str(row["quantity"])), "day": date.fromisoformat(row["day"])}
    return FrozenPosition(**{**row, **typed})
