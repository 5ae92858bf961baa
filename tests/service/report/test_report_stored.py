"""What a report reads of histories: the book's own NAV by pack, and a backtest's strategies on the policy's days."""

from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from service.performance import _values
from service.report.stored import stored

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)]
NAVS = [100.0, 110.0, 99.0, 150.0, 165.0, 165.0]


@pytest.fixture
def con() -> Iterator[Any]:
    """Six packs of a live book with new holdings on the fourth, and of a paper book with the same NAVs."""
    with duckdb.connect() as con:
        con.execute("""
            create table pricing_packs (pack_id varchar, as_of date, revision int, verdict varchar,
                watermark_seq int default 1);
            create table account_flows (account varchar, date date, amount decimal(18, 4), currency varchar,
                ingest_seq int default 1);
            create macro known_flows(until, mark) as table
                from account_flows where date <= until and ingest_seq <= mark;
            create table latest_trade_lists (pack_id varchar, portfolio_id varchar, nav_before decimal(18, 4));
            create table latest_portfolio_snapshots (pack_id varchar, portfolio_id varchar, name varchar, mode varchar,
                holdings_date date, policy varchar, benchmark varchar default '{}');
            create table latest_trades (pack_id varchar, portfolio_id varchar, symbol varchar, current_weight double);
            create table latest_optimal_weights (pack_id varchar, portfolio_id varchar, symbol varchar, weight double,
                current_weight double, lower double, upper double, risk_contribution double, binding varchar,
                simulated boolean);
            create table latest_portfolio_exposures (pack_id varchar, portfolio_id varchar, exposure_type varchar,
                amount double);
            create table latest_backtest_results (pack_id varchar, portfolio_id varchar, strategy varchar, date date,
                "return" double);
            create table latest_backtest_weights (pack_id varchar, portfolio_id varchar, strategy varchar, date date,
                symbol varchar, weight double);
        """)
        for number, (day, nav) in enumerate(zip(DAYS, NAVS, strict=True)):
            name = f"PP_{day}"
            con.execute("insert into pricing_packs values (?, ?, 1, 'fresh', 1)", [name, day])
            for book in ("live", "paper"):
                stated = DAYS[0] if number < 3 else DAYS[3]
                held_since = stated if book == "live" else day
                con.execute("insert into latest_trade_lists values (?, ?, ?)", [name, book, nav])
                con.execute(
                    "insert into latest_portfolio_snapshots values (?, ?, ?, ?, ?, ?, '{}')",
                    [name, book, book, book, held_since, '{"risk_free_rate": 0.0}'],
                )
                con.execute(
                    "insert into latest_trades values (?, ?, 'AAA', 0.25), (?, ?, 'BBB', 0.75)",
                    [name, book] * 2,
                )
        yield con


def told(con: Any, book: str, day: date = DAYS[-1]) -> Any:
    reading = SimpleNamespace(con=con, pack=lambda name: SimpleNamespace(id=name))
    row = {"portfolio_id": book, "name": book, "base_currency": "USD"}
    return stored(reading, SimpleNamespace(id=f"PP_{day}", as_of=day, watermark=1), row)  # type: ignore[arg-type]


def test_a_return_across_new_holdings_of_a_live_book_is_not_told(con: Any) -> None:
    live, paper = told(con, "live"), told(con, "paper")
    assert live.book.returns["policy"].tolist() == pytest.approx([0.1, -0.1, 0.1, 0.0])
    assert live.book.left_out["some days"].startswith("1 return: holdings were stated anew")
    assert paper.book.returns["policy"].tolist() == pytest.approx([0.1, -0.1, 150 / 99 - 1, 0.1, 0.0])
    assert "some days" not in paper.book.left_out
    assert paper.book.weights.loc[pd.Timestamp(DAYS[0])].to_dict() == {"AAA": 0.25, "BBB": 0.75}
    assert live.left_out == {
        "backtest": "none was made up to this pack: `packfolio backtest --as-of 2024-01-09`"
    }


def test_what_flowed_into_an_account_is_no_return_of_it(con: Any) -> None:
    con.execute(
        "insert into account_flows values ('live', '2024-01-05', 51, null, 1), ('other', '2024-01-08', 9, null, 1)"
    )
    found = told(con, "live").book
    assert found.returns["policy"].tolist() == pytest.approx([0.1, -0.1, 0.0, 0.1, 0.0])
    assert "some days" not in found.left_out
    # told late, it counts where it reached the value; of another currency, nobody says what it was worth
    con.execute("update account_flows set date = '2024-01-03', ingest_seq = 2 where account = 'live'")
    con.execute("update pricing_packs set watermark_seq = 2 where as_of >= '2024-01-05'")
    assert told(con, "live").book.returns["policy"].tolist() == pytest.approx([0.1, -0.1, 0.0, 0.1, 0.0])
    con.execute("update account_flows set currency = 'EUR' where account = 'live'")
    found = told(con, "live").book
    assert found.returns["policy"].tolist() == pytest.approx([0.1, -0.1, 0.1, 0.0])
    why = "1 return: money in another currency was paid in or out, or more in than was there afterwards"
    assert found.left_out["some days"] == why
    # of a day on which most was paid in, the value before says nothing: it was told as a loss of more than all
    con.execute("update account_flows set currency = null, amount = 151 where account = 'live'")
    found = told(con, "live").book
    assert found.returns["policy"].tolist() == pytest.approx([0.1, -0.1, 0.1, 0.0])
    assert found.left_out["some days"] == why


@pytest.mark.parametrize(("flow", "currency"), [(51, None), (151, None), (9, "EUR")])
def test_falls_of_an_account_are_without_what_flowed_and_count_an_unknown_growth_as_none(
    con: Any, flow: float, currency: str | None
) -> None:
    con.execute("insert into account_flows values ('live', '2024-01-05', ?, ?, 1)", [flow, currency])
    snapshot: Any = SimpleNamespace(portfolio_id="live", base_currency="USD")
    found, unknown = _values(con, SimpleNamespace(id="PP", as_of=DAYS[-1]), snapshot)  # type: ignore[arg-type]
    assert unknown.startswith("1 return of the book: money in another") == (flow != 51)
    assert [row["drawdown"] for row in found] == pytest.approx([0.0, 0.0, -0.1, -0.1, -0.01, -0.01])
    assert [row["value"] for row in found] == NAVS
    paid = np.array([row["paid_in"] for row in found])
    np.testing.assert_equal(paid, [0, 0, 0, np.nan if currency else flow, 0, 0])


def test_falls_across_new_holdings_are_those_of_the_report(con: Any) -> None:
    """99 -> 150 on new holdings is neither a gain nor a recovery; 10% of growth later the peak is 1% away."""
    snapshot: Any = SimpleNamespace(portfolio_id="live", base_currency="USD")
    found, unknown = _values(con, SimpleNamespace(id="PP", as_of=DAYS[-1]), snapshot)  # type: ignore[arg-type]
    assert [row["drawdown"] for row in found] == pytest.approx([0.0, 0.0, -0.1, -0.1, -0.01, -0.01])
    assert unknown == (
        "1 return of the book: holdings were stated anew, and what was paid in or out is not on record"
    )
    assert {row["paid_in"] for row in found} == {None}


def test_weights_over_time_are_of_one_revision_a_day_and_say_which_days_lack_them(con: Any) -> None:
    con.execute("delete from latest_trades where pack_id in ('PP_2024-01-04', 'PP_2024-01-08')")
    con.execute("insert into pricing_packs values ('PP_2024-01-09.2', '2024-01-09', 2, 'fresh', 1)")
    con.execute("insert into latest_trade_lists values ('PP_2024-01-09.2', 'paper', 165)")
    con.execute(
        "insert into latest_portfolio_snapshots select 'PP_2024-01-09.2', * exclude pack_id "
        "from latest_portfolio_snapshots where pack_id = 'PP_2024-01-09'"
    )
    con.execute(
        "insert into latest_trades values "
        "('PP_2024-01-09.2', 'paper', 'AAA', 0.9), ('PP_2024-01-09.2', 'paper', 'BBB', 0)"
    )
    first = told(con, "paper").book.weights  # the report of the pack that was revised
    assert first.loc[pd.Timestamp(DAYS[-1])].to_dict() == {"AAA": 0.25, "BBB": 0.75}
    reading = SimpleNamespace(con=con, pack=lambda name: SimpleNamespace(id=name))
    row = {"portfolio_id": "paper", "name": "paper", "base_currency": "USD"}
    newest: Any = SimpleNamespace(id="PP_2024-01-09.2", as_of=DAYS[-1], watermark=1)
    book = stored(reading, newest, row).book  # type: ignore[arg-type]
    assert book is not None and book.weights is not None
    assert book.weights.loc[pd.Timestamp(DAYS[-1])].to_dict() == {"AAA": 0.9, "BBB": 0.0}
    assert (
        book.left_out["some weights"]
        == "2 packs without trades: the weights of what is held are kept with trades"
    )
    con.execute("delete from latest_trades")
    assert told(con, "paper").book.left_out["weights over time"] == (
        "none of its packs has trades: the weights of what is held are kept with trades"
    )


def test_the_newest_revision_of_a_day_counts_and_later_days_do_not(con: Any) -> None:
    con.execute("insert into pricing_packs values ('PP_2024-01-03.2', '2024-01-03', 2, 'fresh', 1)")
    con.execute("insert into latest_trade_lists values ('PP_2024-01-03.2', 'paper', 120)")
    con.execute(
        "insert into latest_portfolio_snapshots values "
        "('PP_2024-01-03.2', 'paper', 'paper', 'paper', '2024-01-03', '{}', '{}')"
    )
    assert told(con, "paper", DAYS[2]).book.returns["policy"].tolist() == pytest.approx([0.2, 99 / 120 - 1])
    early = told(con, "paper", DAYS[1])
    assert early.book is None
    assert (
        early.left_out["book"]
        == "its NAV is on record at 2 packs up to this one, which tells 1 return; two are needed"
    )


def test_a_backtest_is_told_on_the_days_of_the_policy(con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    days = pd.bdate_range("2023-01-02", periods=40)
    rng = np.random.default_rng(2)
    for name, first in (("policy", 10), ("benchmark", 10), ("equal_weight", 0)):
        for number, day in enumerate(days[first:]):
            move = 0.0 if number == 0 else float(rng.normal(0, 0.01))
            con.execute(
                "insert into latest_backtest_results values ('PP_2024-01-02', 'live', ?, ?, ?)",
                [name, day.date(), move],
            )
    measures = {"policy": {"turnover": 0.5}, "equal_weight": {"turnover": 0.2}}
    monkeypatch.setattr(
        "service.report.stored.backtest_of", lambda *_: {"portfolios": {"live": measures}, "attribution": {}}
    )
    found = told(con, "live")
    assert found.tested == "PP_2024-01-02" and found.backtest.strategies == [
        "policy",
        "benchmark",
        "equal_weight",
    ]
    assert len(found.backtest.returns) == 29 and found.backtest.value.index[0] == days[10]
    trading = found.backtest.measures["Trading"]
    assert trading["turnover"] == {"policy": 0.5}, "what began on another day is not set beside it"
    assert "packfolio backtest" in found.backtest.left_out["weights over time"]
    con.execute(
        "insert into latest_backtest_weights values ('PP_2024-01-02', 'live', 'policy', '2023-01-16', 'AAA', 1.0)"
    )
    assert told(con, "live").backtest.weights.to_numpy().tolist() == [[1.0]]
