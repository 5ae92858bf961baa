"""Wash sales of a paper book: counted from the days on which its lists were filled, in the shares of each day."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from bench import STAMP
from book_chain import TOLD, Chain, book_file, flat

from resources.books.lots.recent_losses import recent_losses
from resources.books.snapshots import Snapshot
from resources.packs.packs import newest_fresh

POLICY = (
    "{lookback_days: 20, risk_free_rate: 0.01, commission_per_trade: 0, market_impact_bps: 0, "
    "tax: {method: fifo, short_rate_pct: 30, long_rate_pct: 20}}"
)
FIRST = date(2024, 1, 2)
DAYS = [FIRST + timedelta(days=number) for number in range(60)]

LOT = (
    "cash: 100000, positions: {AAA: {lots: [{id: old, acquired: 2020-01-02, quantity: 30, cost_basis: 100}]}}"
)
SALE: dict[str, object] = {
    "symbol": "AAA", "lot_id": "old", "quantity": 10.0, "proceeds": 600, "cost_basis": 1000, "gain": -400,
    "long_term": True, "acquired": date(2020, 1, 2),
}  # fmt: skip


def _list(
    book: Chain, day: date, wanted: float, sold: dict[str, object] | None = None, symbol: str = "AAA"
) -> None:
    """A list of one day for one symbol; what else is held stays."""
    found = book.snapshot(day)
    held = {symbol: 0.0} | {name: float(shares) for name, shares in found.holdings.quantities.items()}
    trades = [
        dict.fromkeys(TOLD, 0) | {
            "symbol": name, "action": "BUY", "rationale": "", "current_quantity": shares,
            "target_quantity": wanted if name == symbol else shares,
        }
        for name, shares in held.items()
    ]  # fmt: skip
    frames = {
        "trades": pd.DataFrame(trades),
        "trade_lists": pd.DataFrame([{"cash_before": found.holdings.cash, "constraints_met": True}]),
    }
    if sold:
        frames["lot_sales"] = pd.DataFrame([sold])
    with book.warehouse.write(STAMP) as tx:
        tx.record("trades", frames, pack_id=newest_fresh(tx.con, day).id, portfolio_id=found.portfolio_id)


def _order(
    book: Chain, day: date, wanted: float, sold: dict[str, object] | None = None, symbol: str = "AAA"
) -> Snapshot:
    """A list of one day, filled on the next at the same close."""
    _list(book, day, wanted, sold, symbol)
    return book.day(day + timedelta(days=1))


def test_shares_bought_again_take_the_loss_of_as_many_across_a_split_to_the_thirtieth_day(
    tmp_path: Path,
) -> None:
    """10 of 30 shares go at 60 for 100; they become 20, of which 8 and 6 are bought again in time: 160 and 120."""
    book = Chain(tmp_path, book_file(LOT, policy=POLICY))
    closes = {day: 60.0 if day < DAYS[10] else 30.0 for day in DAYS}
    book.prices("AAA", closes, split={DAYS[10]: 2.0})
    book.prices("BBB", flat(10.0, DAYS))
    book.day(DAYS[0])
    _order(book, DAYS[4], 20.0, SALE)  # filled on day 5
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


def _renamed(book: Chain) -> None:
    """AAA is NEW from day 10 on, where its prices are kept then; it is split on day 15."""
    closes = {day: 60.0 if day < DAYS[15] else 30.0 for day in DAYS}
    book.prices("NEW", closes, split={DAYS[15]: 2.0})
    book.action("AAA", DAYS[10], "rename", new_symbol="NEW")


def test_the_same_share_under_its_later_name_takes_the_loss_and_another_of_the_old_name_does_not(
    tmp_path: Path,
) -> None:
    """10 of 30 AAA go at 60 for 100; as NEW they become 20, of which 8 are bought again: 8 x 20; then 5 x 20 more."""
    book = Chain(tmp_path, book_file(LOT, policy=POLICY))
    book.prices("AAA", flat(60.0, DAYS[:10]))
    book.prices("BBB", flat(10.0, DAYS))
    book.day(DAYS[0])
    _order(book, DAYS[4], 20.0, SALE)  # filled on day 5
    book.day(DAYS[10])  # the rename is told late
    _renamed(book)
    book.prices("AAA", flat(7.0, DAYS[18:]))  # another company's
    _order(book, DAYS[18], 5.0)
    _order(book, DAYS[20], 48.0, symbol="NEW")
    found = _order(book, DAYS[22], 53.0, symbol="NEW")
    before = DAYS[5] - date(2020, 1, 2)
    lots = {
        name: [(lot.acquired, lot.held_since, lot.quantity, lot.cost_basis) for lot in own]
        for name, own in found.holdings.lots.items()
    }
    assert lots == {
        "AAA": [(DAYS[19], None, 5, 7)],
        "NEW": [
            (date(2020, 1, 2), None, 40, 50),
            (DAYS[21], DAYS[21] - before, 8, 50),
            (DAYS[23], DAYS[23] - before, 5, 50),
        ],
    }


@pytest.mark.parametrize("left", [30, 23])
def test_a_sale_that_was_not_made_has_lost_nothing_though_the_name_is_another_since(
    tmp_path: Path, left: int
) -> None:
    """A list of a live book is seen in the lots of the next day, which has the share as NEW."""
    held = f"{LOT}}}, {{as_of: {DAYS[10]}, {LOT.replace('AAA', 'NEW').replace('30', str(left))}"
    book = Chain(tmp_path, book_file(held, mode="live", policy=POLICY))
    book.prices("AAA", flat(60.0, DAYS[:10]))
    book.prices("BBB", flat(10.0, DAYS))
    _list(book, DAYS[9], 20.0, SALE)
    _renamed(book)
    for day in (DAYS[10], DAYS[16]):
        book.day(day)
    with book.warehouse.live() as con:
        pack = newest_fresh(con, DAYS[16])
        found = recent_losses(con, pack, str(book.file.id))
    made = [("NEW", DAYS[9], 280, 14)] if left == 23 else []  # 7 of the 10 are gone, 14 shares of today
    assert [(one.symbol, one.day, one.loss, one.shares) for one in found] == made


def test_a_loss_is_in_shares_of_today_where_closes_are_adjusted_for_a_split_that_is_stated(
    tmp_path: Path,
) -> None:
    book = Chain(tmp_path, book_file(LOT, policy=POLICY))
    book.prices("AAA", flat(60.0, DAYS[:10]), basis="split_adjusted")
    book.prices("BBB", flat(10.0, DAYS))
    _order(book, DAYS[4], 20.0, SALE)
    book.prices("AAA", flat(30.0, DAYS), basis="split_adjusted")
    book.action("AAA", DAYS[10], "split", 2.0)
    for day, shares in ((DAYS[9], 10), (DAYS[10], 20)):
        pack = book.cut(day)
        with book.warehouse.live() as con:
            found = recent_losses(con, pack, str(book.file.id))
        assert [(one.symbol, one.loss, one.shares) for one in found] == [("AAA", 400, shares)]


@pytest.mark.parametrize("left", [30, 23])
@pytest.mark.parametrize("other", [5, 50])
def test_a_lot_of_the_company_that_has_the_old_name_now_is_not_what_is_left(
    tmp_path: Path, left: int, other: int
) -> None:
    """AAA and BBB exchange their names on day 10; each has a lot `old`, as brokers count them by symbol."""
    lot = "{{lots: [{{id: old, acquired: 2020-01-02, quantity: {}, cost_basis: 100}}]}}"
    before, after = (
        f"cash: 100000, positions: {{AAA: {lot.format(first)}, BBB: {lot.format(second)}}}"
        for first, second in ((30, other), (other, left))
    )
    book = Chain(tmp_path, book_file(f"{before}}}, {{as_of: {DAYS[10]}, {after}", mode="live", policy=POLICY))
    names = ("AAA", "BBB"), ("BBB", "AAA")
    for symbol, close in (("AAA", 60.0), ("BBB", 10.0)):
        book.prices(symbol, flat(close, DAYS[:10]))
    _list(book, DAYS[9], 20.0, SALE)
    for old, new in names:
        book.action(old, DAYS[10], "rename", new_symbol=new)
    for symbol, close in (("AAA", 10.0), ("BBB", 60.0)):
        book.prices(symbol, flat(close, DAYS))
    book.day(DAYS[10])
    pack = book.cut(DAYS[16])
    with book.warehouse.live() as con:
        found = recent_losses(con, pack, str(book.file.id))
    made = [("BBB", 280, 7)] if left == 23 else []
    assert [(one.symbol, one.loss, one.shares) for one in found] == made
