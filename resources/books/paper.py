"""Paper portfolios: the trades of the day before count as filled at this pack's close, after what happened between."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

from optimizer import CorporateAction, CostModel
from optimizer.model.actions.action_kinds import scaled
from optimizer.model.portfolio import ZERO, exact, money
from resources.accounts.known import Account
from resources.books.adjustments import Adjustment, Carried, Market, carry, not_bought
from resources.books.late_news import News
from resources.books.lots.lot_book import Fill, LotBook, read_lot_book
from resources.books.lots.tax_lots import Lots, average_costs
from resources.books.orders import Order
from resources.books.pack_actions import (
    BECOMES,
    actions_on_record,
    actions_seen,
    became_by,
    in_effect,
    market_of,
    priced_since,
)
from resources.books.restated_units import LOOK_BACK, apply_units, unit_changes
from resources.ledger.ledger import Connection
from resources.packs.liquidity import newest_liquidity
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.packs.rates import exchange_rate


@dataclass(frozen=True)
class Holdings:
    """What is held: shares by symbol, cash and average costs in base currency, and the date it is known for.

    adjustments  what changed since the day before without a trade
    """

    as_of: date | None
    cash: Decimal
    quantities: Mapping[str, Decimal]
    cost_basis: Mapping[str, float] = field(default_factory=dict)
    lots: Lots = field(default_factory=dict)
    adjustments: tuple[Adjustment, ...] = ()


@dataclass(frozen=True)
class Step:
    """From one pack to the next.

    panel   prices of the time between, as the later one sees them
    since   symbol -> date of the newest close that the earlier one saw: its orders were made at that
    acted   symbol -> day up to which actions were acted on
    late    ends of companies and names of the time before, of which the earlier one did not know
    rates   currency -> base currency
    """

    panel: Panel
    since: Mapping[str, date]
    acted: Mapping[str, date]
    rates: Mapping[str, float]
    before: date
    as_of: date
    late: Sequence[CorporateAction] = ()

    def later(self, actions: Iterable[CorporateAction]) -> list[CorporateAction]:
        """The actions of this step; the end of a share counts whenever it is told, but where another has its name."""
        told = list(actions)
        became = became_by(told, self.before)
        acted = {symbol: max(self.acted.get(symbol, day), day) for symbol, day in became.items()}
        own = [
            a
            for a in told
            if a.day > acted.get(a.symbol, self.acted.get(a.symbol, self.before))
            or (a.kind == "delisting" and not priced_since(a, self.panel, self.since))
        ]
        return in_effect(own, self.panel)

    def close(self, symbol: str) -> Decimal | None:
        """A symbol's newest close in base currency; None where it has none since."""
        if symbol not in self.panel.symbols:
            return None
        column = self.panel.symbols.index(symbol)
        last = self.panel.last_close(column)
        if last is None or last[0] <= self.since.get(symbol, date.min):
            return None
        return exact(last[1]) * exact(self.rates[self.panel.currency[column]])


@dataclass(frozen=True)
class Between:
    """The time from one pack to the next, of some symbols and of what they became.

    stated  the corporate actions on record;  panel, seen  prices as the later and the earlier pack see them
    """

    con: Connection
    pack: Pack
    previous: Pack
    stated: Sequence[CorporateAction]
    panel: Panel
    seen: Panel
    since: Mapping[str, date]
    held: Sequence[str]
    base: str

    @classmethod
    def of(cls, con: Connection, pack: Pack, previous: Pack, symbols: Sequence[str], base: str) -> "Between":
        """Everything that a book which held the symbols must go through."""
        stated = actions_on_record(con, pack, symbols)
        names = sorted({*symbols, *(action.new_symbol for action in stated if action.new_symbol)})
        start = previous.as_of - LOOK_BACK
        panel, seen = (read_panel(con, one, names, start, ended=True) for one in (pack, previous))
        last = {symbol: seen.last_close(column) for column, symbol in enumerate(names)}
        if long_ago := [symbol for symbol in symbols if last[symbol] is None]:
            older = read_panel(con, previous, long_ago, end=start, ended=True)
            last |= {symbol: older.last_close(column) for column, symbol in enumerate(long_ago)}
        since = {
            symbol: (found or (start if symbol in symbols else previous.as_of,))[0]
            for symbol, found in last.items()
        }
        return cls(con, pack, previous, stated, panel, seen, since, symbols, base)

    @cached_property
    def acted(self) -> dict[str, date]:
        """Symbol -> day up to which the earlier pack acted on what happened to it: `since`, but for what is held only
        once an action of now has given it."""
        found, became = dict(self.since), became_by(self.stated, self.previous.as_of)
        for action in self.stated:
            new, day = action.new_symbol, found.get(action.symbol)
            if new and new not in self.held and day and action.day > max(day, became.get(action.symbol, day)):
                # What is renamed is renamed before all else of its day.
                eve = action.day - timedelta(days=action.kind == "rename")
                found[new] = min(found.get(new, day), eve)
        return found

    @property
    def units(self) -> dict[str, Fraction]:
        """As in `unit_changes`."""
        return unit_changes(self.seen, self.panel)

    @property
    def market(self) -> Market:
        """As in `market_of`."""
        return market_of(self.con, self.pack, self.panel, self.base)

    def known_late(self, book: Carried, portfolio_id: str) -> Carried:
        """The book after what became known of the time before this one."""
        book = apply_units(book, self.units, self.panel, self.pack.as_of)
        news = News(self.con, self.pack, self.previous, portfolio_id, self.acted, self.units, self.base)
        return news.changes(book, self.market)

    def step(self) -> Step:
        """The time itself; raises DataError where a currency has no rate."""
        currencies = sorted({*self.panel.currency} - {""})
        rates = {currency: exchange_rate(self.con, self.pack, currency, self.base) for currency in currencies}
        before, late = self.previous.as_of, self._ended_late()
        return Step(self.panel, self.since, self.acted, rates, before, self.pack.as_of, late)

    def _ended_late(self) -> list[CorporateAction]:
        ended = [
            a for a in self.stated
            if a.kind in BECOMES and a.day <= self.previous.as_of and a.symbol in self.held
        ]  # fmt: skip
        known = actions_on_record(self.con, self.previous, [a.symbol for a in ended]) if ended else []
        return [a for a in ended if not any((a.symbol, a.day) == (b.symbol, b.day) for b in known)]


def paper_holdings(con: Connection, pack: Pack, previous: Pack, account: Account) -> Holdings:
    """The holdings after the trades of `previous`, under which this portfolio was held."""
    cash, least, orders = _recorded(con, previous, account.id)
    lots = read_lot_book(con, pack, previous, account)
    between = Between.of(con, pack, previous, [order.symbol for order in orders], account.base_currency)
    step, units = between.step(), between.units
    book = Carried(lots.items({order.symbol: order.held for order in orders}), cash)
    book = between.known_late(book, account.id)
    orders = [one.times(units.get(one.symbol, Fraction(1))) for one in orders]
    policy = account.policy.to_policy()
    traded = [order.symbol for order in orders if order.change]
    known = (
        newest_liquidity(con, pack, traded, account.base_currency) if policy.root_impact and traded else {}
    )
    costs = CostModel.of(policy, known)
    return fill(book, orders, between.stated, between.market, step, costs, lots, least)


def pending_news(
    con: Connection, now: Pack, pack: Pack, portfolio_id: str, base: str, held: Holdings
) -> tuple[Adjustment, ...]:
    """What a paper book's next pack will adjust, because it became known after `pack`; `now` sees it already."""
    if not held.quantities:
        return ()
    items = LotBook(held.lots).items(held.quantities)
    between = Between.of(con, now, pack, sorted(held.quantities), base)
    return between.known_late(Carried(items), portfolio_id).adjustments


def _recorded(con: Connection, previous: Pack, portfolio_id: str) -> tuple[Decimal, Decimal, list[Order]]:
    """Cash of a day, what its list borrows (0 or less), and its orders; without them what was held is still held."""
    key: list[object] = [previous.id, portfolio_id]
    where = "where pack_id = ? and portfolio_id = ? order by symbol"
    cash, left = con.execute(
        "select s.cash, least(t.cash_after, 0) from latest_portfolio_snapshots s left join latest_trade_lists t "
        "using (pack_id, portfolio_id) where pack_id = ? and portfolio_id = ?",
        key,
    ).fetchall()[0]
    trades = con.execute(
        f"select symbol, current_quantity, target_quantity from latest_trades {where}", key
    ).fetchall()
    if not trades:
        held = con.execute(f"select symbol, quantity from latest_holdings {where}", key).fetchall()
        return cash, ZERO, [Order(symbol, exact(quantity), ZERO) for symbol, quantity in held]
    return cash, left or ZERO, [Order.to(*row) for row in trades]


def fill(
    book: Carried, orders: Iterable[Order], stated: Sequence[CorporateAction], market: Market, step: Step,
    costs: CostModel, lots: LotBook, least: Decimal = ZERO,
) -> Holdings:  # fmt: skip
    """Holdings after the actions of the step, and after the orders were filled at the newest close.

    stated  the corporate actions on record; those of the price rows are added
    least   the cash that purchases must leave where a sale did not bring its money; below 0 it is borrowed
    A name without a price since stays as it was: nobody could have traded it. Where that, the end of a share or a
    spin-off kept a sale from bringing its money, what the cash does not pay is not bought.
    """
    happened = step.later(actions_seen(stated, step.panel))
    book = carry(book, happened, market, lambda action: action.day <= step.before)
    held = book.quantities()
    today = [(made, made.after([*step.late, *happened])) for made in orders]
    missed = sorted({made.symbol for made, order in today if _brings_less(made, order, held, step, happened)})
    # What is sold pays for what is bought.
    for made, order in sorted(today, key=lambda pair: pair[1].change > 0) if missed else today:
        change, price = order.traded(held.get(order.symbol, ZERO)), step.close(order.symbol)
        if price is None or not change:
            continue
        cost = costs.cost(order.symbol, change, price)
        spent = money(change * price) + cost
        if missed and change > 0 and book.cash - spent < least:
            book = book.then(book.items, ZERO, [not_bought(order.symbol, change, missed, step.as_of)])
            continue
        # As the list told them, under the name and in the shares of its day.
        sold = lots.sold.get(made.symbol, {})
        chosen = {lot: scaled(shares, order.shares) for lot, shares in sold.items()}
        filled = lots.after(book.items, order.symbol, Fill(change, price, cost, step.as_of, chosen))
        book = book.then(filled.items, -spent, filled.adjustments)
    kept = book.lots()
    return Holdings(step.as_of, book.cash, book.quantities(), average_costs(kept), kept, book.adjustments)


def _brings_less(
    made: Order, order: Order, held: Mapping[str, Decimal], step: Step, happened: Iterable[CorporateAction]
) -> bool:
    """Whether an order that was a sale when it was made brings no money today, or less for what was spun off."""
    if made.change >= 0:
        return False
    spun_off = {action.symbol for action in happened if action.kind == "spin_off"}
    sold = order.traded(held.get(order.symbol, ZERO)) < 0 and step.close(order.symbol) is not None
    return not sold or not spun_off.isdisjoint((made.symbol, order.symbol))
