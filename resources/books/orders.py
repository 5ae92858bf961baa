"""What the pack before wanted and ordered, and what became of it, as far as today's holdings show."""

from datetime import timedelta

import numpy as np

from optimizer.trading.rationale import Reasons
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack, find_pack

UNFILLED = 1e-6


def past_reasons(con: Connection, pack: Pack, portfolio_id: str) -> Reasons:
    """What the pack before knows of the causes of a portfolio's trades; nothing without such a pack.

    Only what was on record when the pack was cut: what is computed later of an earlier day is no reason of its trades.
    """
    cut = _cut_at(con, pack)
    before = _pack_before(con, pack, cut)
    if before is None:
        return Reasons(two_way=True)
    on_paper = _on_paper(con, pack, portfolio_id)
    return Reasons(
        two_way=True,
        previous_target=_earlier(con, before, portfolio_id, "optimal_weights", "weight", cut),
        unfilled={} if on_paper else unfilled_orders(con, pack, before, portfolio_id, cut),
        previous_returns=_earlier(con, before, portfolio_id, "posterior_returns", "posterior_return", cut),
    )


def _cut_at(con: Connection, pack: Pack) -> int:
    """The ledger row that wrote a pack; what has a smaller number was there before it."""
    query = "select min(id) from materializations where asset = 'pricing_packs' and pack_id = ?"
    return int(con.execute(query, [pack.id]).fetchall()[0][0])


def _pack_before(con: Connection, pack: Pack, cut: int) -> Pack | None:
    """The newest fresh pack of an earlier date that was there when this one was cut."""
    found = con.execute(
        "select p.pack_id from pricing_packs p join materializations m on m.asset = 'pricing_packs' and "
        "m.pack_id = p.pack_id where p.verdict = 'fresh' and p.as_of < ? and m.id < ? "
        "order by p.as_of desc, p.revision desc limit 1",
        [pack.as_of, cut],
    ).fetchall()
    return find_pack(con, str(found[0][0])) if found else None


# The newest version of an asset under a pack, for a portfolio, that was there before a ledger row.
VERSION = (
    "(select max(materialization) from versions where asset = ? and pack_id = ? and portfolio_id = ? "
    "and materialization < ?)"
)


def _earlier(
    con: Connection, before: Pack, portfolio_id: str, table: str, value: str, cut: int
) -> dict[str, float]:
    rows = con.execute(
        f"select symbol, {value} from {table} where portfolio_id = ? and materialization = {VERSION} order by symbol",
        [portfolio_id, table, before.id, portfolio_id, cut],
    ).fetchall()
    return {str(symbol): float(found) for symbol, found in rows}


def _on_paper(con: Connection, pack: Pack, portfolio_id: str) -> bool:
    """Whether a portfolio's orders count as filled in any case."""
    found = con.execute(
        "select mode from latest_portfolio_snapshots where pack_id = ? and portfolio_id = ?",
        [pack.id, portfolio_id],
    ).fetchall()
    return found == [("paper",)]


def unfilled_orders(
    con: Connection, pack: Pack, before: Pack, portfolio_id: str, cut: int
) -> dict[str, tuple[float, float]]:
    """Symbol -> (shares that `before` ordered, those of them not filled), signed, in shares of today.

    cut  the ledger row of the pack: orders of a later one are none of its day
    Shares that moved the other way, or further than ordered, are the desk's own trades: nothing is left of the order.
    """
    orders = con.execute(
        "select t.symbol, t.current_quantity, t.target_quantity, coalesce(h.quantity, 0) from trades t "
        "left join latest_holdings h on h.pack_id = ? and h.portfolio_id = t.portfolio_id and h.symbol = t.symbol "
        f"where t.portfolio_id = ? and t.materialization = {VERSION} and t.action <> 'HOLD' order by 1",
        [pack.id, portfolio_id, "trades", before.id, portfolio_id, cut],
    ).fetchall()
    if not orders:
        return {}
    splits = _splits(con, pack, before, tuple(order[0] for order in orders))
    found = {}
    for symbol, held, wanted, now in orders:
        ordered, filled = (wanted - held) * splits[symbol], now - held * splits[symbol]
        share = filled / ordered
        if -UNFILLED <= share < 1 - UNFILLED:
            found[symbol] = (ordered, ordered if share <= UNFILLED else ordered - filled)
    return found


def _splits(con: Connection, pack: Pack, before: Pack, symbols: tuple[str, ...]) -> dict[str, float]:
    """Shares today for each share held under `before`."""
    panel = read_panel(con, pack, symbols, before.as_of + timedelta(days=1))
    ratios = np.where(np.isfinite(panel.split), panel.split, 1.0).prod(axis=0)
    return dict(zip(panel.symbols, ratios.tolist(), strict=True))
