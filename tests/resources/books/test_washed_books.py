"""Wash sales of a paper book: counted from the days on which its lists were filled, in the shares of each day."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
from bench import STAMP
from book_chain import TOLD, Chain, book_file, flat

from resources.books.snapshots import Snapshot
from resources.packs.packs import newest_fresh

POLICY = (
    "{lookback_days: 20, risk_free_rate: 0.01, commission_per_trade: 0, market_impact_bps: 0, "
    "tax: {method: fifo, short_rate_pct: 30, long_rate_pct: 20}}"
)
FIRST = date(2024, 1, 2)
DAYS = [FIRST + timedelta(days=number) for number in range(60)]


def _order(book: Chain, day: date, wanted: float, sold: dict[str, object] | None = None) -> Snapshot:
    """A list of one day, filled on the next at the same close."""
    found = book.snapshot(day)
    held = float(found.holdings.quantities["AAA"])
    trade = dict.fromkeys(TOLD, 0) | {
        "symbol": "AAA", "action": "BUY", "rationale": "", "current_quantity": held, "target_quantity": wanted
    }  # fmt: skip
    frames = {
        "trades": pd.DataFrame([trade]),
        "trade_lists": pd.DataFrame([{"cash_before": found.holdings.cash, "constraints_met": True}]),
    }
    if sold:
        frames["lot_sales"] = pd.DataFrame([sold])
    with book.warehouse.write(STAMP) as tx:
        tx.record("trades", frames, pack_id=newest_fresh(tx.con, day).id, portfolio_id=found.portfolio_id)
    return book.day(day + timedelta(days=1))


def test_shares_bought_again_take_the_loss_of_as_many_across_a_split_to_the_thirtieth_day(
    tmp_path: Path,
) -> None:
    """10 of 30 shares go at 60 for 100; they become 20, of which 8 and 6 are bought again in time: 160 and 120."""
    lot = "cash: 100000, positions: {AAA: {lots: [{id: old, acquired: 2020-01-02, quantity: 30, cost_basis: 100}]}}"
    book = Chain(tmp_path, book_file(lot, policy=POLICY))
    closes = {day: 60.0 if day < DAYS[10] else 30.0 for day in DAYS}
    book.prices("AAA", closes, split={DAYS[10]: 2.0})
    book.prices("BBB", flat(10.0, DAYS))
    book.day(DAYS[0])
    sale = {
        "symbol": "AAA", "lot_id": "old", "quantity": 10.0, "proceeds": 600, "cost_basis": 1000, "gain": -400,
        "long_term": True, "acquired": date(2020, 1, 2),
    }  # fmt: skip
    _order(book, DAYS[4], 20.0, sale)  # filled on day 5
    _order(book, DAYS[19], 48.0)
    _order(book, DAYS[34], 54.0)  # filled on day 35, the thirtieth since
    found = _order(book, DAYS[35], 64.0)
    lots = {
        (lot.acquired, lot.held_since): (lot.quantity, lot.cost_basis) for lot in found.holdings.lots["AAA"]
    }
    before = DAYS[5] - date(2020, 1, 2)
    assert lots == {
        (date(2020, 1, 2), None): (40, 50), (DAYS[20], DAYS[20] - before): (8, 50),
        (DAYS[35], DAYS[35] - before): (6, 50), (DAYS[36], None): (10, 30),
    }  # fmt: skip
