"""What became of the orders of an earlier pack, as far as today's holdings show."""

from datetime import timedelta

import numpy as np

from resources.ledger import Connection
from resources.pack_prices import read_panel
from resources.packs import Pack

UNFILLED = 1e-6


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
