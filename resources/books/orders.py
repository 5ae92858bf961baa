"""What the pack before wanted and ordered, and what became of it, as far as today's holdings show."""

from datetime import timedelta

import numpy as np

from optimizer.trading.rationale import Reasons
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack, previous_fresh
from resources.store.ledger import Connection

UNFILLED = 1e-6


def past_reasons(con: Connection, pack: Pack, portfolio_id: str) -> Reasons:
    """What the pack before knows of the causes of a portfolio's trades; nothing without such a pack."""
    before = previous_fresh(con, pack.as_of)
    if before is None:
        return Reasons(two_way=True)
    return Reasons(
        two_way=True,
        previous_target=_earlier(con, before, portfolio_id, "optimal_weights", "weight"),
        unfilled={}
        if _on_paper(con, pack, portfolio_id)
        else unfilled_orders(con, pack, before, portfolio_id),
        previous_returns=_earlier(con, before, portfolio_id, "posterior_returns", "posterior_return"),
    )


def _earlier(con: Connection, before: Pack, portfolio_id: str, table: str, value: str) -> dict[str, float]:
    rows = con.execute(
        f"select symbol, {value} from latest_{table} where pack_id = ? and portfolio_id = ? order by symbol",
        [before.id, portfolio_id],
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
    con: Connection, pack: Pack, before: Pack, portfolio_id: str
) -> dict[str, tuple[float, float]]:
    """Symbol -> (shares that `before` ordered, those of them not filled), signed, in shares of today.

    Shares that moved the other way, or further than ordered, are the desk's own trades: nothing is left of the order.
    """
    orders = con.execute(
        "select t.symbol, t.current_quantity, t.target_quantity, coalesce(h.quantity, 0) from latest_trades t "
        "left join latest_holdings h on h.pack_id = ? and h.portfolio_id = t.portfolio_id and h.symbol = t.symbol "
        "where t.pack_id = ? and t.portfolio_id = ? and t.action <> 'HOLD' order by 1",
        [pack.id, before.id, portfolio_id],
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
