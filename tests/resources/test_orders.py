"""What became of the orders of the pack before, for two portfolios that hold and ordered different things."""

from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pytest

from optimizer.trading.rationale import Reasons
from resources.books import orders
from resources.books.orders import past_reasons
from resources.books.orders import unfilled_orders as unfilled_of_all

BEFORE: Any = SimpleNamespace(id="PP_1", as_of=date(2024, 2, 28))
PACK: Any = SimpleNamespace(id="PP_2", as_of=date(2024, 2, 29))
CUT = 8  # the ledger row that wrote PACK
SPLIT = {"TWO": 2.0, "TEN": 0.1}


def unfilled_orders(
    con: Any, pack: Any, before: Any, portfolio: str, cut: int
) -> dict[str, tuple[float, float]]:
    return unfilled_of_all(con, pack, before, [portfolio], cut).get(portfolio, {})


@pytest.fixture
def con(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Orders under PP_1 and holdings under PP_2 of the portfolios `a` and `b`; TWO was split 2:1, TEN 1:10 since."""

    def panel(con: Any, pack: Any, symbols: tuple[str, ...], start: date) -> Any:
        assert (pack, start) == (PACK, date(2024, 2, 29))
        factors = [SPLIT.get(symbol, 1.0) for symbol in symbols]
        return SimpleNamespace(symbols=symbols, split=np.array([[np.nan] * len(symbols), factors]))

    monkeypatch.setattr(orders, "read_panel", panel)
    with duckdb.connect() as con:
        con.execute("""
            create table materializations as select * from (values
                (1, 'pricing_packs', 'PP_1', null), (2, 'trades', 'PP_1', 'a'), (3, 'trades', 'PP_1', 'b'),
                (4, 'optimal_weights', 'PP_1', 'a'), (5, 'optimal_weights', 'PP_1', 'b'),
                (6, 'posterior_returns', 'PP_1', 'a'), (7, 'posterior_returns', 'PP_1', 'b'),
                (8, 'pricing_packs', 'PP_2', null), (9, 'optimal_weights', 'PP_2', 'a'),
                (10, 'posterior_returns', 'PP_2', 'b'), (11, 'trades', 'PP_0', 'a')
            ) as t(id, asset, pack_id, portfolio_id);
            create view versions as select id as materialization, * exclude id from materializations;
            create table pricing_packs as select * from (values
                ('PP_1', date '2024-02-28', 1, 'fresh'), ('PP_2', date '2024-02-29', 1, 'fresh')
            ) as t(pack_id, as_of, revision, verdict);
            create table latest_trades as select 'PP_1' as pack_id, * from (values
                ('a', 'HALF', 'BUY', 100.0, 160.0), ('a', 'NONE', 'SELL', 50.0, 0.0), ('a', 'DONE', 'BUY', 0.0, 10.0),
                ('a', 'TWO', 'BUY', 10.0, 15.0), ('a', 'TEN', 'SELL', 100.0, 50.0), ('a', 'AWAY', 'BUY', 10.0, 20.0),
                ('a', 'OVER', 'SELL', 20.0, 10.0), ('a', 'HELD', 'HOLD', 5.0, 5.0), ('b', 'HALF', 'SELL', 40.0, 20.0)
            ) as t(portfolio_id, symbol, action, current_quantity, target_quantity);
            alter table latest_trades alter current_quantity type double;
            alter table latest_trades alter target_quantity type double;
            insert into latest_trades values ('PP_0', 'a', 'OLD', 'BUY', 0.0, 1.0);
            create table latest_holdings as select 'PP_2' as pack_id, * from (values
                ('a', 'HALF', 130.0), ('a', 'NONE', 50.0), ('a', 'DONE', 10.0), ('a', 'TWO', 20.0), ('a', 'TEN', 8.0),
                ('a', 'AWAY', 5.0), ('a', 'OVER', 5.0), ('a', 'HELD', 5.0), ('b', 'HALF', 35.0)
            ) as t(portfolio_id, symbol, quantity);
            alter table latest_holdings alter quantity type double;
            insert into latest_holdings values ('PP_1', 'a', 'DONE', 0.0), ('PP_1', 'b', 'HALF', 40.0);
            create table latest_optimal_weights as select * from (values
                ('PP_1', 'a', 'HALF', 0.6), ('PP_1', 'b', 'HALF', 0.2), ('PP_2', 'a', 'HALF', 0.9)
            ) as t(pack_id, portfolio_id, symbol, weight);
            create table latest_portfolio_snapshots as select 'PP_2' as pack_id, * from (values
                ('a', 'live', date '2024-02-28'), ('b', 'live', date '2024-02-29')
            ) as t(portfolio_id, mode, holdings_date);
            create table latest_posterior_returns as select * from (values
                ('PP_1', 'a', 'HALF', 0.07), ('PP_1', 'b', 'HALF', 0.03), ('PP_2', 'b', 'HALF', 0.5)
            ) as t(pack_id, portfolio_id, symbol, posterior_return);
        """)
        for name in ("trades", "optimal_weights", "posterior_returns"):
            con.execute(f"""
                create table {name} as select l.*, m.id as materialization from latest_{name} l
                join materializations m on m.asset = '{name}' and m.pack_id = l.pack_id
                    and m.portfolio_id = l.portfolio_id
            """)
        yield con


def test_what_is_left_of_each_order_is_in_shares_of_today(con: Any) -> None:
    assert unfilled_orders(con, PACK, BEFORE, "a", CUT) == {
        "HALF": (60.0, 30.0),
        "NONE": (-50.0, -50.0),
        "TWO": (10.0, 10.0),  # 5 ordered before the split
        "TEN": (-5.0, -3.0),  # 10 became 8 where 5 were wanted
    }
    assert unfilled_orders(con, PACK, BEFORE, "b", CUT) == {"HALF": (-20.0, -15.0)}
    assert unfilled_orders(con, PACK, BEFORE, "c", CUT) == {}


def test_a_symbol_that_is_gone_counts_as_none_held(con: Any) -> None:
    con.execute("delete from latest_holdings where symbol in ('NONE', 'HALF')")
    found = unfilled_orders(con, PACK, BEFORE, "a", CUT)
    assert "NONE" not in found  # sold, as ordered
    assert "HALF" not in found  # sold too, against the order to buy
    assert "HALF" not in unfilled_orders(con, PACK, BEFORE, "b", CUT)


def test_the_reasons_are_of_the_portfolio_and_the_pack_before(
    con: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "find_pack", lambda con, wanted: {"PP_1": BEFORE}[wanted])
    for portfolio, target, earned, held in (("a", 0.6, 0.07, BEFORE.as_of), ("b", 0.2, 0.03, PACK.as_of)):
        assert past_reasons(con, PACK, portfolio) == Reasons(
            previous_target={"HALF": target}, previous_returns={"HALF": earned},
            unfilled=unfilled_orders(con, PACK, BEFORE, portfolio, CUT), ordered_on=BEFORE.as_of, held_on=held,
        )  # fmt: skip


def test_what_was_computed_after_the_pack_was_cut_is_no_reason_of_its_trades(
    con: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "find_pack", lambda con, wanted: {"PP_1": BEFORE}[wanted])
    known = past_reasons(con, PACK, "a")
    con.execute("insert into materializations values (12, 'trades', 'PP_1', 'a')")
    con.execute(
        "insert into trades select * replace (12 as materialization, 999.0 as target_quantity) from trades"
    )
    con.execute("insert into materializations values (13, 'pricing_packs', 'PP_1.2', null)")
    con.execute("insert into pricing_packs values ('PP_1.2', date '2024-02-28', 2, 'fresh')")
    assert past_reasons(con, PACK, "a") == known
    con.execute(
        "update materializations set id = id + 100 where pack_id = 'PP_1' and asset <> 'pricing_packs'"
    )
    assert past_reasons(con, PACK, "a") == Reasons(ordered_on=BEFORE.as_of, held_on=BEFORE.as_of)
    con.execute("update materializations set id = 100 where pack_id = 'PP_1' and asset = 'pricing_packs'")
    assert past_reasons(con, PACK, "a") == Reasons()
