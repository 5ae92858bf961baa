"""Each condition is found in the warehouse's own rows, and reaches a receiver of this machine once while it lasts."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from receiver import Receiver, running

from pipeline.alerts import send_new
from resources.alerts.conditions import MOST, OVER, Alert, conditions, disk, gathered
from resources.alerts.sending import channels
from resources.alerts.settings import NotifyFile

WARNINGS = '["max_weight is 30% after rounding", "a loss"]'
PACK, NEXT = "PP_2024-02-28", "PP_2024-02-29"
TABLES = """
create table pricing_packs (pack_id varchar, as_of date, revision integer, verdict varchar, reason varchar,
    created_at timestamp);
create table latest_portfolio_snapshots (pack_id varchar, portfolio_id varchar, name varchar, problem varchar);
create table latest_optimization_results (pack_id varchar, portfolio_id varchar, status varchar, reason varchar);
create table latest_trade_lists (pack_id varchar, portfolio_id varchar, constraints_met boolean, warnings varchar);
"""


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute(TABLES)
        con.execute(
            "insert into pricing_packs values (?, '2024-02-28', 1, 'fresh', null, '2024-02-28 22:00')", [PACK]
        )
        yield con


def book(con: duckdb.DuckDBPyConnection, name: str, status: str = "optimal", met: bool = True) -> None:
    con.execute("insert into latest_portfolio_snapshots values (?, ?, ?, null)", [PACK, name, name])
    con.execute(
        "insert into latest_optimization_results values (?, ?, ?, 'limits conflict')", [PACK, name, status]
    )
    con.execute("insert into latest_trade_lists values (?, ?, ?, ?)", [PACK, name, met, WARNINGS])


def told(con: duckdb.DuckDBPyConnection, *sessions: date) -> list[Alert]:
    return list(conditions(con, datetime(2024, 3, 1, 23, tzinfo=UTC), sessions))


class Chat:
    """A channel that takes everything."""

    def __init__(self) -> None:
        self.taken: list[list[Alert]] = []

    def send(self, alerts: Sequence[Alert]) -> str:
        self.taken.append(list(alerts))
        return "taken"


def test_a_desk_in_order_tells_nothing(con: duckdb.DuckDBPyConnection) -> None:
    book(con, "calm")
    assert told(con, date(2024, 2, 1), date(2024, 2, 28)) == []  # nor of what was before its first pack


def test_sessions_that_were_missed_in_a_row_are_one_line(con: duckdb.DuckDBPyConnection) -> None:
    days = [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 4)]
    run, alone = told(con, *days), "the session of {0} has no pack: run `packfolio run --as-of {0}`"
    assert [(one.key, one.said) for one in run] == [
        (
            "missed 2024-03-04",
            "the 3 sessions from 2024-02-29 to 2024-03-04 have no pack: run `packfolio ingest`, then "
            "`packfolio backfill 2024-02-29 2024-03-04`",
        )
    ]
    con.execute(
        "insert into pricing_packs values ('PP_2024-03-01', '2024-03-01', 1, 'fresh', null, '2024-03-01 22:00')"
    )
    assert [(one.key, one.said) for one in told(con, *days)] == [
        (f"missed {day}", alone.format(day)) for day in ("2024-02-29", "2024-03-04")
    ]


def test_every_kind_reaches_a_receiver_once(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute(
        "insert into pricing_packs values (?, '2024-02-29', 1, 'rejected', 'no symbol has a price', '2024-02-29')",
        [NEXT],
    )
    book(con, "calm")
    book(con, "tight", "infeasible")
    book(con, "wide", met=False)
    found = [*disk(tmp_path, 1.5, 2), *told(con, date(2024, 2, 28), date(2024, 3, 1))]
    receiver = Receiver()
    with running(receiver.server):
        ways = channels(
            NotifyFile.model_validate({"webhooks": [{"name": "chat", "url": receiver.url}]}), tmp_path
        )
        after, _, failed = send_new(found, set(OVER), ways, {})
        send_new(found, set(OVER), ways, after)
    assert failed == [] and len(receiver.taken) == 1
    kinds = {alert["kind"]: alert["said"] for alert in receiver.taken[0]["alerts"]}
    assert list(kinds) == ["disk", "missed_session", "rejected_pack", "no_answer", "limit_broken"]
    assert kinds["missed_session"].startswith("the session of 2024-03-01 has no pack")
    assert (
        kinds["rejected_pack"]
        == f"{NEXT} is rejected: no symbol has a price; see `packfolio packs show {NEXT}`"
    )
    assert kinds["no_answer"] == f"tight has no answer under {PACK}: limits conflict"
    assert kinds["limit_broken"] == (
        f"wide does not keep all its limits under {PACK}: max_weight is 30% after rounding; see `packfolio trades "
        f"{PACK} --portfolio wide`"
    )
    assert "has 1.5 GiB free, less than 2: make room" in kinds["disk"]


def test_many_books_are_one_line_and_those_that_join_them_are_told_alone(
    con: duckdb.DuckDBPyConnection,
) -> None:
    for number in range(MOST):
        book(con, f"account-{number:03}", "infeasible")
    assert list(gathered(told(con))) == told(con) and len(told(con)) == MOST
    book(con, "account-999", "infeasible")
    book(con, "wide", met=False)
    chat = Chat()
    after, _, _ = send_new(told(con), set(OVER), {"chat": chat.send}, {})
    one, other = chat.taken[0]
    assert (one.key, one.kind, other.key) == (f"no_answer of {MOST + 1}", "no_answer", "limit wide")
    assert one.said.startswith(
        f"{MOST + 1} portfolios have no answer, among them: account-000 has no answer under {PACK}: limits conflict; "
    )
    book(con, "late", "infeasible")
    send_new(told(con), set(OVER), {"chat": chat.send}, after)
    assert [[alert.key for alert in alerts] for alerts in chat.taken[1:]] == [["no answer late"]]


def test_what_lasts_from_pack_to_pack_is_told_once_and_that_it_is_over(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """Every key named its pack, so that a lasting breach was told again each evening."""
    chat = Chat()
    ways = {"chat": chat.send}
    after: dict[str, dict[str, str]] = {}
    book(con, "tight", "infeasible")
    book(con, "wide", met=False)
    for step in range(2):  # the same books under a new pack, and a rejected day tried again
        after, _, _ = send_new(told(con), set(OVER), ways, after)
        for table in ("portfolio_snapshots", "optimization_results", "trade_lists"):
            con.execute(f"update latest_{table} set pack_id = ?", [NEXT])
        con.execute(
            "insert into pricing_packs values (?, '2024-02-29', 1, 'fresh', null, '2024-02-29 22:00'), "
            "('PP_2024-03-01.' || ?, '2024-03-01', ?, 'rejected', 'half the symbols', '2024-03-01 22:00')",
            [NEXT, step + 2, step + 2],
        )
    after, _, _ = send_new(told(con), set(OVER), ways, after)
    con.execute(
        "update latest_trade_lists set constraints_met = true; delete from pricing_packs where revision <> 1"
    )
    after, _, _ = send_new(told(con), set(OVER), ways, after)
    assert [[alert.said[:30] for alert in alerts] for alerts in chat.taken] == [
        ["tight has no answer under PP_2", "wide does not keep all its lim"],
        ["PP_2024-03-01.2 is rejected: h"],
        ["over: no portfolio's trades br", "over: no pack of the last two "],
    ]
    assert after == {"chat": {"no answer tight": "no_answer"}}


def test_a_pack_whose_run_stopped_is_told_and_nothing_of_the_pack_before_is_over(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """A run that ends in a stage publishes its pack: with no portfolio under it, nothing was said to be wrong."""
    book(con, "tight", "infeasible")
    before = ["no answer tight"]
    con.execute(
        "insert into pricing_packs values (?, '2024-02-29', 1, 'fresh', null, '2024-03-01 18:59')", [NEXT]
    )
    con.execute("insert into latest_portfolio_snapshots values (?, 'tight', 'tight', null)", [NEXT])
    stopped, *rest = told(con)
    assert (stopped.kind, stopped.said, [one.key for one in rest]) == (
        "no_answer", f"no portfolio was computed under {NEXT}: run `packfolio run --as-of 2024-02-29`", before,
    )  # fmt: skip
    con.execute("update pricing_packs set created_at = '2024-03-01 19:01' where pack_id = ?", [NEXT])
    assert [one.key for one in told(con)] == before  # it may be at work
    con.execute("insert into latest_portfolio_snapshots values (?, 'torn', 'torn', 'no price')", [NEXT])
    assert [one.said for one in told(con)] == [
        f"tight has no answer under {NEXT}: it was not computed", f"torn has no answer under {NEXT}: no price",
    ]  # fmt: skip


def test_a_desk_whose_runs_have_stopped_for_weeks_is_not_told_that_it_is_over(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """After ten such packs nothing was wrong any more, and before the first answer nothing ever was."""
    days = [date(2024, 2, 1) + timedelta(days=place) for place in range(12)]
    con.execute("delete from pricing_packs")
    for day in days:
        con.execute("insert into pricing_packs values (?, ?, 1, 'fresh', null, ?)", [f"PP_{day}", day, day])
    assert told(con) == []  # packs alone
    con.execute("insert into latest_portfolio_snapshots values (?, 'wide', 'wide', null)", [f"PP_{days[-1]}"])
    said = "no portfolio was computed under the {} packs from PP_{} to PP_{}: run `packfolio backfill {} {}`"
    alone = said.format(12, *(days[0], days[-1]) * 2)
    assert [(one.key, one.said) for one in told(con)] == [("not computed", alone)]
    con.execute("update pricing_packs set pack_id = ? where as_of = ?", [PACK, days[0]])
    book(con, "wide", met=False)
    stopped, broken = told(con)
    assert stopped.said == said.format(11, *(days[1], days[-1]) * 2)
    assert (stopped.key, broken.key) == ("not computed", "limit wide")
