"""What holders got for names that ceased to be, for the replays: cash, shares of an heir, or both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from optimizer import CorporateAction, DataError
from optimizer.model.actions.action_kinds import ENDS
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import in_currency, read_panel
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.packs.rates import exchange_rate_series
from resources.packs.spin_offs import WITHIN

Key = tuple[str, date]


@dataclass(frozen=True)
class Ends:
    """What holders got, by (symbol, day from which on nobody holds it), for a unit of the total-return price.

    payouts  cash, base currency;  heirs  (symbol, units of its total-return price) besides
    notes    mergers of which nobody knows what they were worth
    """

    payouts: Mapping[Key, float]
    heirs: Mapping[Key, tuple[str, float]]
    notes: tuple[str, ...] = ()


def ends_of(
    con: Connection, pack: Pack, panel: Panel, prices: pd.DataFrame, closes: pd.DataFrame, names: Sequence[str],
    currency: str,
) -> Ends:  # fmt: skip
    """The ends of the panel's symbols as the pack saw them.

    prices, closes  (T, n) total-return prices and closes, base currency
    names           what a replay can hold: shares of another heir are sold at their first close
    """
    payouts: dict[Key, float] = {}
    heirs: dict[Key, tuple[str, float]] = {}
    notes = []
    ended: dict[str, date] = {}
    for action in _stated(con, pack, panel):
        key, own = (action.symbol, action.day), (closes[action.symbol], prices[action.symbol])
        last = _priced(*own, before=action.day)
        since = _priced(*own, before=action.day, since=ended.get(action.symbol, date.min))
        if last is None or since is None:  # of a share that has ended nobody holds any
            continue
        ended[action.symbol] = action.day
        shares, cash = last[1] / last[0], float(action.per_share)
        if cash:
            cash *= float(exchange_rate_series(con, pack, str(action.currency), currency, [action.day])[0])
        if (heir := action.new_symbol) is not None:
            got = float(action.ratio)
            first = _priced(closes[heir], prices[heir], since=action.day) if heir in names else None
            if first is not None:
                heirs[key] = heir, shares * got * first[0] / first[1]
            elif (price := _first_close(con, pack, heir, action.day, currency)) is not None:
                cash += got * price
            else:
                notes.append(
                    f"{action}: {heir} has no price, so that replays give {action.symbol} up at its last"
                )
                continue
        payouts[key] = cash * shares
    return Ends(payouts, heirs, tuple(notes))


def _priced(
    closes: pd.Series, prices: pd.Series, before: date = date.max, since: date = date.min
) -> tuple[float, float] | None:
    """(close, total-return price) of the last day before, or of the first since."""
    days = pd.DatetimeIndex(closes.index).date
    rows = np.flatnonzero(closes.notna().to_numpy() & (days < before) & (days >= since))
    if not len(rows):
        return None
    row = int(rows[-1 if since == date.min else 0])
    return float(closes.iloc[row]), float(prices.iloc[row])


def _stated(con: Connection, pack: Pack, panel: Panel) -> list[CorporateAction]:
    """With the currency of the share's prices where an action states none."""
    rows = con.execute(
        "select symbol, date, kind, value, new_symbol, cash, currency from stated_actions(?) "
        "where kind in (select unnest(?)) and symbol in (select unnest(?)) and date <= ? order by date, symbol, kind",
        [pack.watermark, list(ENDS), list(panel.symbols), pack.as_of],
    ).fetchall()
    own = dict(zip(panel.symbols, panel.currency, strict=True))
    return [
        CorporateAction(symbol, day, kind, value, new, cash, currency=unit or own[symbol])
        for symbol, day, kind, value, new, cash, unit in rows
    ]


def _first_close(con: Connection, pack: Pack, symbol: str, day: date, currency: str) -> float | None:
    panel = read_panel(con, pack, [symbol], day, day + WITHIN, ended=True)
    if not panel.dates:
        return None
    try:
        return float(in_currency(con, pack, panel, currency, panel.close)[symbol].dropna().iloc[0])
    except DataError:  # without a rate it has no price in that currency
        return None
