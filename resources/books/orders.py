"""What the pack before wanted and ordered, and what became of it, as far as today's holdings show."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

import numpy as np

from optimizer import CorporateAction, Reasons
from optimizer.model.actions.action_kinds import ENDS, places, scaled
from optimizer.model.portfolio import ZERO, exact
from resources.books.pack_actions import RATIOS
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack, find_pack

UNFILLED = 1e-6


@dataclass(frozen=True)
class Order:
    """Shares of a symbol when the order was made, and how many more are wanted (less below 0).

    closing  whether none are wanted: then all that is held goes, however many it has become
    shares   of its own for one of when it was made
    """

    symbol: str
    held: Decimal
    change: Decimal
    closing: bool = False
    shares: Fraction = Fraction(1)

    @classmethod
    def to(cls, symbol: str, held: float, wanted: float) -> "Order":
        """The order that makes so many shares of those held."""
        return cls(symbol, exact(held), exact(wanted) - exact(held), closing=bool(held and not wanted))

    def traded(self, held: Decimal) -> Decimal:
        """The shares that it buys (sells, or sells short, below 0) of a symbol of which so many are held."""
        return -held if self.closing else self.change

    def times(self, ratio: Fraction) -> "Order":
        """The order where a share has become so many."""
        return replace(self, change=scaled(self.change, ratio), shares=self.shares * ratio)

    def after(self, actions: Iterable[CorporateAction]) -> "Order":
        """The order in today's shares and under today's name; void where the shares are gone."""
        order, renamed, told = self, date.min, list(actions)
        for action in sorted(told, key=places(told)):
            if action.symbol != order.symbol:
                continue
            # What is renamed on one day is renamed at once.
            if action.kind == "rename" and action.day > renamed:
                order, renamed = replace(order, symbol=str(action.new_symbol)), action.day
            elif action.kind in ENDS:
                return replace(order, change=ZERO, closing=False)
            elif action.kind in RATIOS:
                order = order.times(action.ratio)
                if action.cash_in_lieu is not None:
                    order = replace(order, change=order.change.to_integral_value(ROUND_DOWN))
        return order


def past_reasons(con: Connection, pack: Pack, portfolio_id: str) -> Reasons:
    """`past_reasons_of` one portfolio."""
    return past_reasons_of(con, pack, [portfolio_id])[portfolio_id]


def past_reasons_of(con: Connection, pack: Pack, portfolios: Sequence[str]) -> dict[str, Reasons]:
    """Portfolio -> what the pack before knows of the causes of its trades; nothing without such a pack.

    Only what was on record when the pack was cut: what is computed later of an earlier day is no reason of its trades.
    """
    cut = cut_at(con, pack)
    before = pack_before(con, pack, cut)
    if before is None:
        return dict.fromkeys(portfolios, Reasons(two_way=True))
    live = _held_on(con, pack, portfolios)
    targets = _earlier(con, before, portfolios, "optimal_weights", "weight", cut)
    returns = _earlier(con, before, portfolios, "posterior_returns", "posterior_return", cut)
    unfilled = unfilled_orders(con, pack, before, [*live], cut)
    return {
        portfolio: Reasons(
            two_way=True,
            previous_target=targets.get(portfolio, {}),
            unfilled=unfilled.get(portfolio, {}),
            ordered_on=before.as_of,
            held_on=live.get(portfolio),
            previous_returns=returns.get(portfolio, {}),
        )
        for portfolio in portfolios
    }


def cut_at(con: Connection, pack: Pack) -> int:
    """The ledger row that wrote a pack; what has a smaller number was there before it."""
    query = "select min(id) from materializations where asset = 'pricing_packs' and pack_id = ?"
    return int(con.execute(query, [pack.id]).fetchall()[0][0])


def pack_before(con: Connection, pack: Pack, cut: int) -> Pack | None:
    """The newest fresh pack of an earlier date that was there when this one was cut."""
    found = con.execute(
        "select p.pack_id from pricing_packs p join materializations m on m.asset = 'pricing_packs' and "
        "m.pack_id = p.pack_id where p.verdict = 'fresh' and p.as_of < ? and m.id < ? "
        "order by p.as_of desc, p.revision desc limit 1",
        [pack.as_of, cut],
    ).fetchall()
    return find_pack(con, str(found[0][0])) if found else None


# The newest version of an asset under a pack of each of some portfolios, that was there before a ledger row.
NEWEST = (
    "(select portfolio_id, max(materialization) as materialization from versions where asset = ? and pack_id = ? "
    "and materialization < ? and portfolio_id in (select unnest(?::varchar[])) group by portfolio_id)"
)


def _earlier(
    con: Connection, before: Pack, portfolios: Sequence[str], table: str, value: str, cut: int
) -> dict[str, dict[str, float]]:
    """Portfolio -> symbol -> what a table of the pack before says."""
    rows = con.execute(
        f"select t.portfolio_id, t.symbol, t.{value} from {table} t "
        f"join {NEWEST} m using (portfolio_id, materialization) order by 1, 2",
        [table, before.id, cut, list(portfolios)],
    ).fetchall()
    found: dict[str, dict[str, float]] = {}
    for portfolio, symbol, number in rows:
        found.setdefault(str(portfolio), {})[str(symbol)] = float(number)
    return found


def _held_on(con: Connection, pack: Pack, portfolios: Sequence[str]) -> dict[str, date | None]:
    """Date of the holdings of those portfolios whose orders count as filled only where their holdings show it."""
    found = con.execute(
        "select portfolio_id, mode, holdings_date from latest_portfolio_snapshots where pack_id = ? "
        "and portfolio_id in (select unnest(?::varchar[]))",
        [pack.id, list(portfolios)],
    ).fetchall()
    on_paper = {str(row[0]) for row in found if row[1] == "paper"}
    dated = {str(row[0]): row[2] for row in found}
    return {portfolio: dated.get(portfolio) for portfolio in portfolios if portfolio not in on_paper}


def unfilled_orders(
    con: Connection, pack: Pack, before: Pack, portfolios: Sequence[str], cut: int
) -> dict[str, dict[str, tuple[float, float]]]:
    """Portfolio -> symbol -> (shares that `before` ordered, those of them not filled), signed, in shares of today.

    cut  the ledger row of the pack: orders of a later one are none of its day
    Shares that moved the other way, or further than ordered, are the desk's own trades: nothing is left of the order.
    """
    orders = con.execute(
        "select t.portfolio_id, t.symbol, t.current_quantity, t.target_quantity, coalesce(h.quantity, 0) from trades t "
        f"join {NEWEST} m using (portfolio_id, materialization) "
        "left join latest_holdings h on h.pack_id = ? and h.portfolio_id = t.portfolio_id and h.symbol = t.symbol "
        "where t.action <> 'HOLD' order by 1, 2",
        ["trades", before.id, cut, list(portfolios), pack.id],
    ).fetchall()
    if not orders:
        return {}
    splits = _splits(con, pack, before, tuple(sorted({order[1] for order in orders})))
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for portfolio, symbol, held, wanted, now in orders:
        ordered, filled = (wanted - held) * splits[symbol], now - held * splits[symbol]
        share = filled / ordered
        if -UNFILLED <= share < 1 - UNFILLED:
            left = ordered if share <= UNFILLED else ordered - filled
            found.setdefault(str(portfolio), {})[symbol] = (ordered, left)
    return found


def _splits(con: Connection, pack: Pack, before: Pack, symbols: tuple[str, ...]) -> dict[str, float]:
    """Shares today for each share held under `before`."""
    panel = read_panel(con, pack, symbols, before.as_of + timedelta(days=1))
    ratios = np.where(np.isfinite(panel.split), panel.split, 1.0).prod(axis=0)
    return dict(zip(panel.symbols, ratios.tolist(), strict=True))
