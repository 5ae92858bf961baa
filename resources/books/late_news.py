"""What became known only after a paper book's day before was computed, as dated adjustments of what it holds now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import groupby

from optimizer import CorporateAction
from optimizer.model.actions.action_kinds import ENDS, places, scaled
from optimizer.model.portfolio import ZERO, exact, money
from resources.books.adjustments import Adjustment, Carried, Items, Market, carry, held_of, named_apart
from resources.books.corrected_fills import Fills
from resources.books.day_before import CURRENT
from resources.books.lots.lot_book import LotBook
from resources.books.lots.tax_lots import read_lots
from resources.books.pack_actions import (
    BECOMES,
    NO_MORE,
    actions_on_record,
    actions_seen,
    became_by,
    market_of,
    priced_since,
)
from resources.books.restated_units import LOOK_BACK, on_other_basis, retold, unit_changes
from resources.books.reversals import Actions, Key, Restated, came_since, linked
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack, find_pack
from resources.packs.panels import Panel
from resources.packs.spin_offs import WITHIN

CASH = ("dividend", "special_dividend")
ENDED = (*BECOMES, "delisting")
SAME_DIVIDEND = Decimal("0.005")  # relative; a vendor rounds the dividends that it restates


@dataclass(frozen=True)
class News:
    """What a pack sees of the time up to a paper book's day before, against what that day saw.

    since   symbol -> day up to which it acted on what happened;  units  as in `unit_changes`
    base    the book's currency
    of_eve  whether the book is that of an eve: ends act there too, and cash is not asked for
    """

    con: Connection
    pack: Pack
    previous: Pack
    portfolio_id: str
    since: Mapping[str, date]
    units: Mapping[str, Fraction]
    base: str
    of_eve: bool = False

    def changes(self, book: Carried, market: Market) -> Carried:
        """The book with everything that became known late; nothing is read twice where nothing did."""
        names = self._ever_held()
        first = self._first_change(names)
        if first is None:
            return book
        stated = actions_on_record(self.con, self.pack, names)
        names = sorted({*names, *(action.new_symbol for action in stated if action.new_symbol)})
        # From there an eve is brought through what rows tell.
        start, _ = self._day_before(first) or (first, "")
        seen, panel = (
            read_panel(self.con, pack, names, start, ended=True) for pack in (self.previous, self.pack)
        )
        other = on_other_basis(seen, panel)
        units = {symbol: ratio for symbol, ratio in self.units.items() if symbol not in other}
        return replace(self, units=units)._compared(book, market, names, seen, retold(seen, panel))

    def _compared(
        self, book: Carried, market: Market, names: Sequence[str], seen: Panel, panel: Panel
    ) -> Carried:
        """The book after what the rows of both packs, on one basis, and the actions on record tell otherwise now."""
        was, now = (
            self._known(actions_seen(actions_on_record(self.con, pack, names), rows))
            for pack, rows in ((self.previous, seen), (self.pack, panel))
        )
        changed = [key for key in {*was, *now} if was.get(key) != now.get(key)]
        passed_on = {
            key for key in changed
            if key[2] in ENDS and key in now and priced_since(now[key], panel, self.since)
        }  # fmt: skip
        # The latest first: what comes after an action is in the book already, what came before it is not yet.
        in_now, in_was = places(now.values()), places(was.values())
        at = {key: in_now(now[key]) if key in now else in_was(was[key]) for key in changed}
        for _, of_place in groupby(
            sorted(changed, key=lambda key: (at[key], key), reverse=True), key=at.__getitem__
        ):
            late = list[CorporateAction]()
            for key in of_place:
                if key not in was and (key[2] in (ENDED if self.of_eve else BECOMES) or key in passed_on):
                    late.append(now[key])
                else:
                    book = self._changed(book, key, was, now, market)
            for own in linked(late):
                others = {one.symbol for one in own if (one.symbol, one.day, one.kind) in passed_on}
                others |= {one.symbol for one in own} & {one.new_symbol for one in own}
                book = self._exchanged(book, own, was, now) if others else self._ended(book, own, now)
        fills = Fills(self.con, self.previous, self.portfolio_id, self.units)
        return fills.corrected(book, seen, panel, market)

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
        became = became_by(actions, self.previous.as_of)
        return {
            (action.symbol, action.day, action.kind): action
            for action in actions
            if action.day
            <= max(self.since.get(action.symbol, self.previous.as_of), became.get(action.symbol, date.min))
        }

    def _changed(self, book: Carried, key: Key, was: Actions, now: Actions, market: Market) -> Carried:
        """The book after what is said otherwise now of an action."""
        told, before = now.get(key), was.get(key)
        if key[2] == "delisting" and (before is None or (told is None and not self._withdrawn(before))):
            return book  # told late it acts in `fill`; where its name is priced again, another company has it
        said = [one for one in (told, before) if one]
        if key[2] in CASH:
            return book if self.of_eve else self._paid(book, said[0], told, before, was, market)
        since = came_since(said[0], _named(*said), now)
        old, new = ([one] if one else [] for one in (before, told))
        eve = self._eve(said[0], was)
        return Restated(old, new, eve, since).apply(book, self._market(*said, *since))

    def _exchanged(
        self, book: Carried, late: Sequence[CorporateAction], was: Actions, now: Actions
    ) -> Carried:
        """The book after names that other shares have now are told late to have gone to them: what was bought or befell
        a name since is of the share that has it now."""
        eve = tuple(item for one in late for item in self._eve(one, was))
        since = came_since(late[0], _named(*late), now)
        return Restated([], late, eve, since).apply(book, self._market(*late, *since))

    def _ended(self, book: Carried, late: Sequence[CorporateAction], now: Actions) -> Carried:
        """The book after ends of shares, or of names, that are told late, and after what befell what they gave.

        Whatever is held of them ceased to be.
        """
        gone, given = {one.symbol for one in late}, {one.new_symbol for one in late if one.new_symbol}
        acted = [*late, *came_since(late[0], given, now)]
        own, others = (
            tuple(item for item in book.items if (item.symbol in gone) == its) for its in (True, False)
        )
        after = carry(Carried(own), acted, self._market(*acted), lambda _: True)
        return book.then(named_apart((*others, *after.items)), after.cash, after.adjustments)

    def _market(self, *actions: CorporateAction | None) -> Market:
        """As in `market_of`, of the first closes after an action of whatever age."""
        days = [action.day for action in actions if action is not None]
        panel = read_panel(
            self.con, self.pack, sorted(_named(*actions)), min(days), max(days) + WITHIN, ended=True
        )
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

    def _eve(self, action: CorporateAction, was: Actions) -> Items:
        """The shares of an action just before it: of the day before of the book, through what was known since."""
        found = self._day_before(min(action.day, self.pack.as_of))
        if found is None:
            return ()
        day, pack = found
        at = find_pack(self.con, pack)
        place = places(was.values())
        before = [one for one in was.values() if place(one) < place(action)]
        acted = self._acted(at, before)
        between = [one for one in before if one.day > acted.get(one.symbol, day)]
        items = self._held(at, acted)
        if between:
            items = carry(Carried(items), between, self._market(*between), lambda _: True).items
        return tuple(item for item in items if item.symbol == action.symbol)

    def _day_before(self, day: date) -> tuple[date, str] | None:
        """The newest day on which the book was held before another, and its pack."""
        found = self.con.execute(
            f"with packs as ({CURRENT}) select p.as_of, p.pack_id from packs p join latest_portfolio_snapshots s "
            "using (pack_id) where s.portfolio_id = ? and s.holdings_date is not null and p.as_of < ? "
            "order by p.as_of desc limit 1",
            [self.portfolio_id, day],
        ).fetchall()
        return found[0] if found else None

    def _acted(self, at: Pack, actions: Sequence[CorporateAction]) -> dict[str, date]:
        """Symbol -> its newest close under an earlier pack, where one of the actions waited there for the next."""
        told = {
            one.symbol: one.day
            for one in sorted(actions, key=places(actions))
            if one.day <= at.as_of and one.kind not in NO_MORE
        }
        if not told:
            return {}
        found = self.con.execute(
            "select symbol, max(date) from believed_prices(?) where symbol in (select unnest(?)) and date <= ? "
            "group by symbol",
            [at.watermark, sorted(told), at.as_of],
        ).fetchall()
        return {str(symbol): day for symbol, day in found if day < told[symbol]}

    def _held(self, at: Pack, acted: Mapping[str, date]) -> Items:
        """What a book held, in lots where it was, with what later packs gave it, or took, of that day or before."""
        held = {
            symbol: exact(quantity)
            for symbol, quantity in self.con.execute(
                "select symbol, quantity from latest_holdings where pack_id = ? and portfolio_id = ?",
                [at.id, self.portfolio_id],
            ).fetchall()
        }
        items = LotBook(read_lots(self.con, at, self.portfolio_id).get(self.portfolio_id, {})).items(held)
        if not self._told_since(at.as_of):
            return items
        names = sorted({item.symbol for item in items})
        seen, panel = (
            read_panel(self.con, one, names, at.as_of - LOOK_BACK, ended=True) for one in (at, self.previous)
        )
        units, market = unit_changes(seen, panel), market_of(self.con, self.previous, panel, self.base)
        then = replace(self, pack=self.previous, previous=at, since=acted, units=units, of_eve=True)
        return then.changes(Carried(items), market).items

    def _told_since(self, day: date) -> bool:
        """Whether packs after a day changed shares or costs of the book for what befell up to it."""
        found = self.con.execute(
            f"with packs as ({CURRENT}) select count(*) from latest_holding_adjustments a join packs p using (pack_id) "
            "where portfolio_id = ? and late and a.date <= ? and p.as_of > ? and p.as_of <= ? "
            "and a.kind not in (select unnest(?))",
            [self.portfolio_id, day, day, self.previous.as_of, list(CASH)],
        ).fetchall()
        return bool(found[0][0])


def _named(*actions: CorporateAction | None) -> set[str]:
    """The symbols that actions are about, and that they give."""
    return {name for one in actions if one for name in (one.symbol, one.new_symbol) if name}
