"""What a share gave its holder in shares of another company: their value, as the price rows do not tell it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, timedelta

import numpy as np

from optimizer import CorporateAction, DataError
from optimizer.model.actions.action_kinds import CASH_KINDS
from optimizer.typing import Array
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.packs.panels import Panel

WITHIN = timedelta(days=10)  # of the action, the first close counts
CARRIED = 0.5  # of its value: a dividend in the row from there on is the spin-off, as vendors adjust for it


def spin_offs(con: Connection, pack: Pack, symbols: Sequence[str]) -> list[CorporateAction]:
    """The spin-offs of the symbols as a pack saw them, and what else they paid on the same days.

    With those of the new shares: they may be spun off from before they are priced.
    """
    return followed(symbols, lambda wanted: _of(con, pack, wanted))[0]


def followed(
    symbols: Iterable[str], ask: Callable[[list[str]], list[CorporateAction]]
) -> tuple[list[CorporateAction], set[str]]:
    """The actions that `ask` tells of symbols, ascending, and of those that their shares became; and all the names."""
    names, found, wanted = set[str](), list[CorporateAction](), set(symbols)
    while wanted:
        names |= wanted
        found += ask(sorted(wanted))
        wanted = {action.new_symbol for action in found if action.new_symbol} - names
    return found, names


def _of(con: Connection, pack: Pack, symbols: Collection[str]) -> list[CorporateAction]:
    rows = con.execute(
        """
        with said as (
            from stated_actions($3) where symbol in (select unnest($1)) and date <= $2
        )
        select symbol, date, kind, value, new_symbol, basis_share from said where new_symbol is not null
            and kind = 'spin_off' or kind in (select unnest($4)) and value is not null and (symbol, date) in
            (select symbol, date from said where kind = 'spin_off' and new_symbol is not null)
        order by date, symbol, kind
        """,
        [list(symbols), pack.as_of, pack.watermark, list(CASH_KINDS)],
    ).fetchall()
    return [
        CorporateAction(symbol, day, kind, value, new_symbol=new, basis_share=share)
        for symbol, day, kind, value, new, share in rows
    ]


def distributions(panel: Panel, children: Panel, actions: Sequence[CorporateAction]) -> tuple[Array, Array]:
    """(dividends in cash, value of the shares spun off), both (T, n), per share before and after the day's split.

    A row's own dividend is the spin-off where it is at least half as large, and beyond the cash that was stated.
    """
    dividend, in_kind = panel.dividend.copy(), np.zeros_like(panel.close)
    for action in actions:
        if action.kind != "spin_off" or action.symbol not in panel.symbols:
            continue
        column = panel.symbols.index(action.symbol)
        row = _first_close(panel, column, action.day)
        if row is None:
            continue
        worth = _worth(panel, children, action, row, column, actions)
        cash = sum(
            a.value or 0.0
            for a in actions
            if a.symbol == action.symbol and a.day == action.day and a.kind in CASH_KINDS
        )
        split = panel.split[row, column]
        if panel.dividend[row, column] - cash >= CARRIED * worth * split > 0:
            worth = (panel.dividend[row, column] - cash) / split
            dividend[row, column] = cash
        in_kind[row, column] += worth
    return dividend, in_kind


def _first_close(panel: Panel, column: int, day: date) -> int | None:
    found = np.flatnonzero(np.isfinite(panel.close[:, column]))
    return next((int(row) for row in found if day <= panel.dates[row] <= day + WITHIN), None)


def _worth(
    panel: Panel,
    children: Panel,
    action: CorporateAction,
    row: int,
    column: int,
    actions: Sequence[CorporateAction],
) -> float:
    """Value of what one share spun off: at the first close of the new one, else by the share of the cost; else 0.

    With what the new one itself spun off until that close, which its price has no more; not in a circle, which the
    books that hold it refuse.
    """
    child = children.symbols.index(str(action.new_symbol))
    first = _first_close(children, child, action.day)
    same = first is not None and children.currency[child] == panel.currency[column]
    if first is not None and same:
        others = [one for one in actions if one.symbol != action.symbol]
        own = [
            _worth(children, children, one, first, child, others)
            for one in others
            if one.symbol == action.new_symbol
            and one.kind == "spin_off"
            and action.day <= one.day <= children.dates[first]
        ]
        return float(action.ratio) * (float(children.close[first, child]) + sum(own))
    if action.basis_share is not None:
        return float(panel.close[row, column]) * action.basis_share / (1 - action.basis_share)
    if first is not None:
        raise DataError(
            f"{action.symbol} spins off {action.new_symbol} on {action.day}, priced in {panel.currency[column]} and "
            f"{children.currency[child]}: state its basis_share in corporate_actions.csv"
        )
    return 0.0
