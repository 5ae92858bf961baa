"""Holdings as the desk's file states them, brought through what happened to the shares since its date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from optimizer import CorporateAction, DataError, PackfolioError, Position
from optimizer.model.actions.action_kinds import CASH_KINDS
from optimizer.model.portfolio import ZERO
from resources.accounts.known import Account, Stated
from resources.books.adjustments import Adjustment, Carried, Market, carry
from resources.books.lots.tax_lots import average_costs
from resources.books.pack_actions import RATIOS, actions_on_record, actions_seen, in_effect, market_of
from resources.books.paper import Holdings
from resources.books.restated_units import LOOK_BACK, NEAR, apply_units, unit_ratio
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import chosen_sources, read_panel, span_columns
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.screening.stated.stated_splits import LATE


@dataclass(frozen=True)
class Since:
    """What happened to some symbols between a day of holdings and a pack.

    stated  the corporate actions on record;  seen  those after the day, and what the price rows state
    units   symbol -> shares now for one then, of restated closes;  markets  base currency -> its market
    """

    con: Connection
    pack: Pack
    stated: Sequence[CorporateAction]
    seen: Sequence[CorporateAction]
    units: Mapping[str, Fraction]
    panel: Panel
    markets: dict[str, Market]

    @classmethod
    def of(cls, con: Connection, pack: Pack, symbols: Sequence[str], day: date) -> "Since":
        """Asked once for all that hold one of the symbols since a day."""
        stated = actions_on_record(con, pack, symbols, held=day)
        names = sorted({*symbols, *(action.new_symbol for action in stated if action.new_symbol)})
        panel = read_panel(con, pack, names, day + timedelta(days=1), ended=True)
        stated += _splits_of_others(con, pack, panel, stated, day)
        since = [action for action in actions_seen(stated, panel, splits=True) if action.day > day]
        seen = in_effect(since, panel)
        units, open_ = _units(con, pack, list(symbols), day)
        for symbol, ratio in _unstated(open_, [*seen, *stated]).items():
            raise DataError(
                f"{symbol}: its adjusted closes were restated by {float(ratio):.8g} in the file that first told its "
                f"close of {day} and later ones: whether the holdings of {day} were counted before the split or after "
                f"it cannot be told; state it in corporate_actions.csv, or state holdings of a later day"
            )
        return cls(con, pack, stated, seen, _unstated(units, seen), panel, {})

    def market(self, base: str) -> Market:
        """As in `market_of`."""
        if base not in self.markets:
            self.markets[base] = market_of(self.con, self.pack, self.panel, base)
        return self.markets[base]

    def own(self, symbols: frozenset[str]) -> tuple[list[CorporateAction], dict[str, Fraction]]:
        """Actions and units of some symbols, and of what they became."""
        names, new = set(symbols), set(symbols)
        while new:
            new = {a.new_symbol for a in self.stated if a.symbol in names and a.new_symbol} - names
            names |= new
        units = {symbol: ratio for symbol, ratio in self.units.items() if symbol in symbols}
        return [action for action in self.seen if action.symbol in names], units

    @cached_property
    def touched(self) -> frozenset[str]:
        """The symbols to which anything happened."""
        return frozenset({action.symbol for action in self.seen} | self.units.keys())


def stated_holdings(con: Connection, pack: Pack, accounts: Sequence[Account]) -> dict[str, Holdings | str]:
    """Id -> the newest holdings dated on or before the pack, in shares of the pack's day; or why they are not known.

    Splits and whatever else changes or ends shares since their date is applied, with the cash that was paid for them;
    cash that was paid on them is the desk's own to state.
    """
    found: dict[str, Holdings | str] = {
        one.id: one.wrong or f"{one.name} has no holdings" for one in accounts if one.stated is None
    }
    known = sorted((one for one in accounts if one.stated), key=lambda one: one.stated.as_of)  # type: ignore[union-attr]
    for day, group in groupby(known, key=lambda one: one.stated.as_of):  # type: ignore[union-attr]
        found |= _or_why_not(con, pack, day, list(group))
    return found


def _or_why_not(
    con: Connection, pack: Pack, day: date, accounts: Sequence[Account]
) -> dict[str, Holdings | str]:
    """`_of_day`, or the error of those that have one: found by halves, as one of thousands may be wrong for weeks."""
    try:
        return {**_of_day(con, pack, day, accounts)}
    except PackfolioError as error:
        if len(accounts) == 1:
            return {accounts[0].id: str(error)}
    parts = accounts[: len(accounts) // 2], accounts[len(accounts) // 2 :]
    first, second = (_or_why_not(con, pack, day, part) for part in parts)
    return first | second


def _of_day(con: Connection, pack: Pack, day: date, accounts: Sequence[Account]) -> dict[str, Holdings]:
    symbols = sorted({item.symbol for one in accounts if one.stated for item in one.stated.items})
    since = Since.of(con, pack, symbols, day)
    return {one.id: _carried(since, one.stated, one.base_currency) for one in accounts if one.stated}


def _carried(since: Since, held: Stated, base: str) -> Holdings:
    symbols = frozenset(item.symbol for item in held.items)
    if not symbols & since.touched:
        return _as_stated(held)
    seen, units = since.own(symbols)
    told = [action for action in seen if not (action.symbol in units and action.kind in RATIOS)]
    changing = [action for action in told if action.kind not in CASH_KINDS[:2]]
    book = apply_units(Carried(held.items, held.cash), units, since.panel, since.pack.as_of)
    book = carry(book, changing, since.market(base), lambda _: False)
    notes = [
        _not_in_cash(action, held)
        for action in told
        if action.kind in CASH_KINDS[1:] and action.symbol in symbols
    ]
    returned = [one for one in book.adjustments if one.kind == CASH_KINDS[2] and one.lot_id is None]
    kept = [_to_be_stated(one, held) for one in book.adjustments if one not in returned]
    # It lowers the cost; the desk has it in its cash.
    cash = book.cash - sum((one.cash for one in returned), ZERO)
    return Holdings(held.as_of, cash, book.quantities(), _costs(book, held), book.lots(), (*kept, *notes))


def _as_stated(held: Stated) -> Holdings:
    """The holdings where nothing has happened since."""
    book = Carried(held.items, held.cash)
    return Holdings(held.as_of, held.cash, book.quantities(), _costs(book, held), book.lots())


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


def _splits_of_others(
    con: Connection, pack: Pack, panel: Panel, stated: Sequence[CorporateAction], day: date
) -> list[CorporateAction]:
    """The splits after a day that only the as-traded rows of another source tell, of symbols on adjusted closes.

    Where that source stopped and one of adjusted closes took over, nothing else knows of them.
    """
    adjusted = [
        s for s, basis in zip(panel.symbols, panel.basis, strict=True) if basis not in ("", "as_traded")
    ]
    if not adjusted:
        return []
    rows = con.execute(
        "select symbol, date, arg_max(split, ingest_seq) as ratio from believed_prices(?) "
        "where symbol in (select unnest(?)) and source in (select unnest(?)) and date > ? and date <= ? "
        "group by symbol, source, date having ratio <> 1 and arg_max(basis, ingest_seq) = 'as_traded' order by all",
        [pack.watermark, adjusted, list(pack.precedence), day, pack.as_of],
    ).fetchall()
    found: list[CorporateAction] = []
    for symbol, when, ratio in rows:
        split = panel.split[:, panel.places[symbol]]
        told = [panel.dates[row] for row in np.flatnonzero(np.isfinite(split) & (split != 1))]
        told += [one.day for one in (*stated, *found) if one.symbol == symbol and one.kind in RATIOS]
        if not any(abs((when - known).days) <= LATE for known in told):
            found.append(CorporateAction(symbol, when, "split", float(ratio)))
    return found


Units = dict[str, Fraction]


def _units(con: Connection, pack: Pack, symbols: list[str], day: date) -> tuple[Units, Units]:
    """Symbol -> shares now for one on a day, where its adjusted close was restated after it came in; and where to ask.

    To ask is where the day's own close came in with the restated ones of earlier days and with those of later days.
    Closes that came in after a split carry it from the first: then only a stated split tells. So do those of earlier
    days that came in later than the day's own: they say nothing of it, however many they are.
    """
    spans = chosen_sources(con, pack, symbols)
    found = con.execute(
        "with wanted as (select unnest(?) as symbol, unnest(?) as source, unnest(?::date[]) as first_day, "
        "unnest(?::date[]) as last_day) "
        "select symbol, arg_min(close, ingest_seq), arg_max(close, ingest_seq), arg_max(basis, ingest_seq), "
        "min(ingest_seq), arg_max(split, ingest_seq) "
        "from believed_prices(?) p join wanted using (symbol, source) where p.date between ? and ? "
        "and p.date between first_day and last_day "
        "and basis <> 'as_traded' group by symbol, p.date order by symbol, p.date",
        [*span_columns(spans), pack.watermark, day - LOOK_BACK, day],
    ).fetchall()
    units, open_ = Units(), Units()
    for symbol, group in groupby(found, key=lambda row: str(row[0])):
        known = [row for row in group if row[1] and row[2]]
        rows = [row for row in known if row[4] <= known[-1][4]]
        if not rows:
            continue
        first, newest = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
        ratio = unit_ratio(first, newest, rows[-1][3])
        if ratio is not None and ratio != 1 and abs(first[-1] / newest[-1] / float(ratio) - 1) < NEAR:
            units[symbol] = ratio
        if symbol not in units and (asked := _asked(con, symbol, day, known)):
            open_[symbol] = asked
    return units, open_


def _asked(con: Connection, symbol: str, day: date, known: Sequence[tuple[Any, ...]]) -> Fraction | None:
    """By how much earlier split-adjusted closes were restated where that may have been on a day or after it.

    known  the day's row of `_units` and those before it
    """
    seq, basis = known[-1][4], known[-1][3]
    before = [row for row in known if row[4] < seq]
    if not before or basis != "split_adjusted":
        return None
    ratio = unit_ratio(np.array([row[1] for row in before]), np.array([row[2] for row in before]), basis)
    if ratio is None or ratio == 1 or any(abs((row[5] or 1) / float(ratio) - 1) < NEAR for row in known):
        return None
    return ratio if _later_came_too(con, symbol, day, seq) else None


def _later_came_too(con: Connection, symbol: str, day: date, seq: int) -> bool:
    """Whether closes of later days were on record once the day's own was."""
    found = con.execute(
        "select count(*) from believed_prices(?) where symbol = ? and date > ?", [seq, symbol, day]
    ).fetchall()
    return bool(found[0][0])


def _costs(book: Carried, held: Stated) -> dict[str, float]:
    """Average costs where they are known: of lots, and of positions that state one."""
    known = held.costed
    renamed = {item.symbol for item in book.items} - {item.symbol for item in held.items}
    costs = {
        item.symbol: float(item.cost_basis)
        for item in book.items
        if isinstance(item, Position)
        and (item.symbol in known or (item.symbol in renamed and item.cost_basis))
    }
    return costs | average_costs(book.lots())


def _to_be_stated(one: Adjustment, held: Stated) -> Adjustment:
    """What ended stays in the desk's file until it states its holdings anew."""
    if one.kind != "delisting" or one.lot_id is not None:
        return one
    said = (
        f"{one.note}; the holdings of {held.as_of} still list it: state them anew, dated {one.date} or later, without "
        f"{one.symbol} and with {one.cash:,.2f} more in cash"
    )
    return replace(one, note=said)


def _not_in_cash(action: CorporateAction, held: Stated) -> Adjustment:
    note = f"{action}: not in the cash that the holdings of {held.as_of} state; state them anew"
    return Adjustment(action.symbol, action.day, action.kind, ZERO, ZERO, note)
