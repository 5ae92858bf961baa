"""What became known only after a paper book's day before was computed, as dated adjustments of what it holds now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from math import prod

import numpy as np

from optimizer import CorporateAction, Lot
from optimizer.model.actions.action_kinds import scaled
from optimizer.model.portfolio import ZERO, exact, money
from resources.books.adjustments import Adjustment, Carried, Items, Market, carry, held_of, named_apart
from resources.books.day_before import CURRENT
from resources.books.lots.lot_book import LotBook
from resources.books.lots.tax_lots import read_lots
from resources.books.pack_actions import RATIOS, actions_on_record, actions_seen, market_of, merged_by
from resources.books.restated_units import NEAR
from resources.books.reversals import Actions, Key, Restated, came_since
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack, find_pack
from resources.packs.panels import Panel
from resources.packs.spin_offs import WITHIN

CASH = ("dividend", "special_dividend")
SAME_DIVIDEND = Decimal("0.005")  # relative; a vendor rounds the dividends that it restates


@dataclass(frozen=True)
class News:
    """What a pack sees of the time up to a paper book's day before, against what that day saw.

    since  symbol -> day up to which it acted on what happened;  units  as in `unit_changes`;  base  the book's currency
    """

    con: Connection
    pack: Pack
    previous: Pack
    portfolio_id: str
    since: Mapping[str, date]
    units: Mapping[str, Fraction]
    base: str

    def changes(self, book: Carried, market: Market) -> Carried:
        """The book with everything that became known late; nothing is read twice where nothing did."""
        names = self._ever_held()
        first = self._first_change(names)
        if first is None:
            return book
        stated = actions_on_record(self.con, self.pack, names)
        names = sorted({*names, *(action.new_symbol for action in stated if action.new_symbol)})
        panels = [read_panel(self.con, pack, names, first) for pack in (self.previous, self.pack)]
        was, now = (
            self._known(actions_seen(actions_on_record(self.con, pack, names), panel))
            for pack, panel in zip((self.previous, self.pack), panels, strict=True)
        )
        changed = sorted(key for key in {*was, *now} if was.get(key) != now.get(key))
        for day, of_day in groupby(sorted(changed, key=_of_day), key=lambda key: key[1]):
            keys = list(of_day)
            for symbol, own in groupby(keys, key=lambda key: key[0]):
                book = self._changed(book, symbol, day, list(own), was, now, market)
            # What is renamed on one day is renamed at once.
            renames = [now[key] for key in keys if key[2] == "rename" and key in now and key not in was]
            book = self._ended(book, renames, was, now)
        return self._corrected_fills(book, panels[0], panels[1], market)

    def _ever_held(self) -> list[str]:
        found = self.con.execute(
            "select distinct symbol from latest_holdings h join pricing_packs p using (pack_id) "
            "where portfolio_id = ? and as_of <= ? order by 1",
            [self.portfolio_id, self.previous.as_of],
        ).fetchall()
        return [str(row[0]) for row in found]

    def _first_change(self, names: list[str]) -> date | None:
        """The first date up to the day before of which something was ingested since."""
        bounds = [names, self.previous.as_of, self.previous.watermark, self.pack.watermark]
        found = [
            self.con.execute(
                f"select min(date) from {log} where symbol in (select unnest(?)) and date <= ? "
                "and ingest_seq > ? and ingest_seq <= ?",
                bounds,
            ).fetchall()[0][0]
            for log in ("prices", "corporate_actions")
        ]
        return min((day for day in found if day is not None), default=None)

    def _known(self, actions: list[CorporateAction]) -> dict[Key, CorporateAction]:
        """The actions of the time up to the newest close that the day before saw; `fill` takes those after it."""
        merged = merged_by(actions, self.previous.as_of)
        return {
            (action.symbol, action.day, action.kind): action
            for action in actions
            if action.day
            <= max(self.since.get(action.symbol, self.previous.as_of), merged.get(action.symbol, date.min))
        }

    def _changed(
        self, book: Carried, symbol: str, day: date, keys: Sequence[Key], was: Actions, now: Actions, market: Market
    ) -> Carried:  # fmt: skip
        """The book after what is said otherwise now of a symbol's day; what acts on shares that day acts together."""
        late, ended, counted = list[CorporateAction](), list[CorporateAction](), set[str]()
        for key in keys:
            told, before, kind = now.get(key), was.get(key), key[2]
            action = now.get(key) or was[key]
            if kind in CASH:
                book = self._paid(book, action, told, before, was, market)
            elif kind == "delisting" and (before is None or (told is None and not self._withdrawn(before))):
                # one told late acts in `fill`; where its name is priced again, another company has it
                ended.append(action)
            elif kind in ("merger", "rename") and told and not before:
                late.append(told)  # whatever is held of it ceased to be
            else:
                counted.add(kind)
        if counted:
            out = {*CASH, *(one.kind for one in (*late, *ended))}
            sides = [
                [
                    one
                    for (name, of, kind), one in side.items()
                    if (name, of) == (symbol, day) and kind not in out
                ]
                for side in (was, now)
            ]
            named = {name for side in sides for one in side for name in _named(one)}
            since = came_since(day, named, was, now)
            eve = self._eve(next(one for side in sides for one in side), was)
            book = Restated(sides[0], sides[1], eve, since).apply(
                book, self._market(*sides[0], *sides[1], *since)
            )
        return self._ended(book, [one for one in late if one.kind != "rename"], was, now)

    def _ended(self, book: Carried, late: Sequence[CorporateAction], was: Actions, now: Actions) -> Carried:
        """The book after ends of shares, or of names, that are told late, and after what befell what they gave."""
        if not late:
            return book
        gone, given = {one.symbol for one in late}, {one.new_symbol for one in late if one.new_symbol}
        acted = [*late, *came_since(late[0].day, given, was, now)]
        own, others = (
            tuple(item for item in book.items if (item.symbol in gone) == its) for its in (True, False)
        )
        after = carry(Carried(own), acted, self._market(*acted), lambda _: True)
        return book.then(named_apart((*others, *after.items)), after.cash, after.adjustments)

    def _market(self, *actions: CorporateAction | None) -> Market:
        """As in `market_of`, of the first closes after an action of whatever age."""
        days = [action.day for action in actions if action is not None]
        panel = read_panel(self.con, self.pack, sorted(_named(*actions)), min(days), max(days) + WITHIN)
        return market_of(self.con, self.pack, panel, self.base)

    def _withdrawn(self, action: CorporateAction) -> bool:
        """Whether the newest word on an action takes it back, so that it never was."""
        found = self.con.execute(
            "select arg_max(withdrawn, ingest_seq) from corporate_actions "
            "where symbol = ? and date = ? and kind = ? and ingest_seq <= ?",
            [action.symbol, action.day, action.kind, self.pack.watermark],
        ).fetchall()
        return bool(found[0][0])

    def _paid(
        self, book: Carried, action: CorporateAction, told: CorporateAction | None, before: CorporateAction | None,
        was: Actions, market: Market,
    ) -> Carried:  # fmt: skip
        paid, known = (one.per_share if one else ZERO for one in (told, before))
        if told and before and told.currency != before.currency:  # an action in pounds, a row in pence
            known *= exact(market(before)[0]) / exact(market(told)[0])
        each = scaled(paid, self.units.get(action.symbol, Fraction(1))) - known
        held = self._entitled(action, was)
        if not held or abs(each) <= SAME_DIVIDEND * max(paid, known):
            return book
        cash = money(held * each * exact(market(action)[0]))
        note = f"{action}: {cash:,.2f} on the {float(held):,.10g} {action.symbol} of that day; known late"
        return book.then(
            book.items,
            cash,
            [Adjustment(action.symbol, action.day, action.kind, ZERO, cash, note, late=True)],
        )

    def _entitled(self, action: CorporateAction, was: Actions) -> Decimal:
        """The shares held on the eve of an action, in shares of that eve; none before the book's first day."""
        return held_of(self._eve(action, was), action.symbol)

    def _eve(self, action: CorporateAction, was: Actions, gave: CorporateAction | None = None) -> Items:
        """The same, in lots where it was; under the name that it had then: before the rename that `gave` it another."""
        symbol = gave.symbol if gave else action.symbol
        found = self.con.execute(
            f"with packs as ({CURRENT}) select p.as_of, p.pack_id, h.quantity from packs p "
            "join latest_portfolio_snapshots s using (pack_id) left join latest_holdings h "
            "on h.pack_id = p.pack_id and h.portfolio_id = s.portfolio_id and h.symbol = ? "
            "where s.portfolio_id = ? and s.holdings_date is not null and p.as_of < ? "
            "order by p.as_of desc limit 1",
            [symbol, self.portfolio_id, min(action.day, self.pack.as_of)],
        ).fetchall()
        if not found:
            return ()
        day, pack, shares = found[0]
        renames = [
            a for a in was.values()
            if a.kind == "rename" and a.new_symbol == symbol and day < a.day < (gave.day if gave else date.max)
        ]  # fmt: skip
        # Who exchanges tickers gets by a rename what another held: that other's shares are not meant.
        own = [a for a in renames if a.day < action.day + timedelta(days=action.kind != "rename")]
        late = self._told_since(symbol, action.day, day)
        shares, pack = (float(shares or 0) + late, self.previous.id) if late else (shares, pack)
        if own or shares is None:
            eve = self._eve(action, was, (own or renames)[-1]) if renames else ()
            return tuple(replace(item, symbol=symbol) for item in eve)
        lots = read_lots(self.con, find_pack(self.con, pack), self.portfolio_id).get(self.portfolio_id, {})
        ratio = prod(
            (a.ratio for a in was.values()
             if a.symbol == symbol and a.kind in RATIOS and day < a.day < action.day),
            start=Fraction(1),
        )  # fmt: skip
        return tuple(
            replace(
                item, quantity=scaled(item.quantity, ratio), cost_basis=scaled(item.cost_basis, 1 / ratio)
            )
            for item in LotBook(lots).items({symbol: exact(shares)})
        )

    def _told_since(self, symbol: str, day: date, eve: date) -> float:
        """Shares of a symbol that later packs than an eve's gave the book, or took, for what befell before a day."""
        found = self.con.execute(
            f"with packs as ({CURRENT}) select coalesce(sum(a.quantity), 0) from latest_holding_adjustments a "
            "join packs p using (pack_id) where portfolio_id = ? and symbol = ? and late and lot_id is null "
            "and a.date < ? and p.as_of > ? and p.as_of <= ?",
            [self.portfolio_id, symbol, day, eve, self.previous.as_of],
        ).fetchall()
        return float(found[0][0])

    def _corrected_fills(self, book: Carried, seen: Panel, panel: Panel, market: Market) -> Carried:
        """Cash for orders that were filled at a close which turned out to be another."""
        rows = {day: row for row, day in enumerate(panel.dates)}
        for column, symbol in enumerate(seen.symbols):
            unit = float(self.units.get(symbol, Fraction(1)))
            for row in np.flatnonzero(np.isfinite(seen.close[:, column])):
                day, old = seen.dates[row], float(seen.close[row, column])
                new = float(panel.close[rows[day], column]) * unit if day in rows else np.nan
                if np.isfinite(new) and abs(new / old - 1) > (1e-6 if unit == 1 else NEAR):
                    book = self._refilled(book, symbol, day, old, new, market)
        return book

    def _refilled(
        self, book: Carried, symbol: str, day: date, old: float, new: float, market: Market
    ) -> Carried:
        change, filled = self._filled(symbol, day)
        if not change:
            return book
        rate = exact(market(CorporateAction(symbol, day, "split", 1.0))[0])
        each = (exact(new) - exact(old)) * rate
        cash = money(-change * each)
        note = (
            f"{symbol}: its close of {day} is {new:,.10g}, not {old:,.10g}: {cash:,.2f} for the "
            f"{float(abs(change)):,.10g} shares {'bought' if change > 0 else 'sold'} at it; known late"
        )
        bought = f"{symbol}-{filled:%Y%m%d}"
        items = tuple(
            replace(item, cost_basis=max(item.cost_basis + each, ZERO))
            if isinstance(item, Lot) and item.symbol == symbol and item.lot_id == bought else item
            for item in book.items
        )  # fmt: skip
        return book.then(items, cash, [Adjustment(symbol, day, "correction", ZERO, cash, note, late=True)])

    def _filled(self, symbol: str, day: date) -> tuple[Decimal, date]:
        """The shares of a symbol that orders bought at the close of a day (sold below 0), and the pack's day."""
        days = self.con.execute(
            f"with packs as ({CURRENT}) select p.as_of, p.pack_id from packs p join latest_portfolio_snapshots s "
            "using (pack_id) where s.portfolio_id = ? and s.holdings_date is not null and p.as_of <= ? "
            "order by p.as_of",
            [self.portfolio_id, self.previous.as_of],
        ).fetchall()
        later = [number for number, (as_of, _) in enumerate(days) if as_of >= day]
        if not later or later[0] == 0 or days[later[0] - 1][0] >= day:
            return ZERO, day
        filled, before = days[later[0]][0], days[later[0] - 1][1]
        newer = self.con.execute(
            "select count(*) from believed_prices(?) where symbol = ? and date > ? and date <= ?",
            [self.previous.watermark, symbol, day, filled],
        ).fetchall()[0][0]
        order = self.con.execute(
            "select target_quantity - current_quantity from latest_trades where pack_id = ? and portfolio_id = ? "
            "and symbol = ?",
            [before, self.portfolio_id, symbol],
        ).fetchall()
        return (exact(order[0][0]), filled) if order and not newer else (ZERO, filled)


def _of_day(key: Key) -> tuple[date, str]:
    return key[1], key[0]


def _named(*actions: CorporateAction | None) -> set[str]:
    """The symbols that actions are about, and that they give."""
    return {name for one in actions if one for name in (one.symbol, one.new_symbol) if name}
