"""Packs: references that never change, checked before they are written, replaced only with a reason."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from bench import DAYS, STAMP, SYMBOLS, cut, ingest, price_rows, priced_warehouse, staying_open
from hypothesis import given
from hypothesis import strategies as st

from optimizer import DataError, PolicyError
from resources.packs.packs import (
    Pack,
    cut_pack,
    find_pack,
    latest_fresh,
    newest_fresh,
    pack_id,
    parse_pack_id,
    previous_fresh,
    watermark,
)
from resources.screening.pack_checks import CheckLimits, Finding, check_pack
from resources.store.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return priced_warehouse(tmp_path, staying_open)


def add(
    warehouse: Warehouse,
    close: float = 100.0,
    days: tuple[date, ...] = DAYS,
    symbols: tuple[str, ...] = SYMBOLS,
) -> None:
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close, days, symbols))


@given(st.dates(min_value=date(1990, 1, 1)), st.integers(1, 999))
def test_ids_read_back_as_they_were_written(day: date, revision: int) -> None:
    assert parse_pack_id(pack_id(day, revision)) == (day, revision)


@pytest.mark.parametrize(
    "text",
    ["PP_2024-02-30", "PP_2024-01-05.1", "PP_2024-01-05.0", "PP_2024-01-05.02", "PP_2024-1-5", "pp_2024-01-05", "",
     "PP_2024-01-05\n", "PP_2024-01-05.2 "],
)  # fmt: skip
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match="is not a pack ID"):
        parse_pack_id(text)


def test_a_fresh_pack_is_reused_whatever_came_since(warehouse: Warehouse) -> None:
    first = cut(warehouse, DAYS[-1])
    assert (first.id, first.verdict, first.symbols, first.rows) == ("PP_2024-01-05", "fresh", 4, 16)
    add(warehouse, close=105.0, days=DAYS[1:2])
    assert cut(warehouse, DAYS[-1]) == first
    with warehouse.live() as con:
        assert find_pack(con, first.id) == first


def test_a_revision_supersedes_with_its_reason(warehouse: Warehouse) -> None:
    first = cut(warehouse, DAYS[-1])
    add(warehouse, close=105.0, days=DAYS[1:2])
    second = cut(warehouse, DAYS[-1], revise="the vendor corrected a day")
    assert second.id == "PP_2024-01-05.2"
    assert second.content_hash != first.content_hash
    with warehouse.live() as con:
        assert newest_fresh(con, DAYS[-1]) == second
        found = con.execute(
            "select supersedes, reason from pricing_packs where pack_id = ?", [second.id]
        ).fetchall()
    assert found == [(first.id, "the vendor corrected a day")]


def test_a_pack_sees_nothing_after_its_date(warehouse: Warehouse) -> None:
    early = cut(warehouse, DAYS[1])
    assert early.rows == 8
    add(warehouse, days=(DAYS[-1] + timedelta(days=3),))
    assert cut(warehouse, DAYS[1]).content_hash == early.content_hash


def test_a_rejected_pack_stands_until_something_is_ingested(warehouse: Warehouse) -> None:
    late = DAYS[-1] + timedelta(days=10)
    rejected = _cut_late(warehouse, late)
    assert rejected.verdict == "rejected"
    assert "4 sessions before" in str(rejected.reason)
    assert _cut_late(warehouse, late) == rejected
    with warehouse.live() as con, pytest.raises(DataError, match=r"PP_2024-01-15 is rejected"):
        newest_fresh(con, late)
    add(warehouse, days=(late,))
    again = _cut_late(warehouse, late)
    assert (again.id, again.verdict) == ("PP_2024-01-15.2", "fresh")
    with warehouse.live() as con:
        supersedes = con.execute(
            "select supersedes from pricing_packs where pack_id = ?", [again.id]
        ).fetchall()
    assert supersedes == [(None,)]  # a rejected pack was never in use


def _cut_late(warehouse: Warehouse, as_of: date) -> Pack:
    sessions = [*DAYS, *(DAYS[-1] + timedelta(days=ahead) for ahead in (3, 4, 5, 6))]
    with warehouse.write(STAMP) as tx:
        return cut_pack(tx, as_of, ["feed"], sessions, CheckLimits(stale_sessions=3)).pack


def test_a_revision_that_fails_its_checks_does_not_replace_the_fresh_pack(warehouse: Warehouse) -> None:
    cut(warehouse, DAYS[-2])
    first = cut(warehouse, DAYS[-1])
    with warehouse.write(STAMP) as tx:
        sessions = [*DAYS, *(DAYS[-1] + timedelta(days=-1) for _ in range(0))]
        strict = CheckLimits(coverage=1.1)
        refused = cut_pack(tx, DAYS[-1], ["feed"], sessions, strict, revise="a test").pack
    assert refused.verdict == "rejected"
    with warehouse.live() as con:
        assert newest_fresh(con, DAYS[-1]) == first
        assert latest_fresh(con) == first
        assert previous_fresh(con, DAYS[-1]) == find_pack(con, "PP_2024-01-04")


def test_a_symbol_that_stops_is_named_and_too_many_reject_the_pack(warehouse: Warehouse) -> None:
    cut(warehouse, DAYS[-1])
    day = DAYS[-1] + timedelta(days=3)
    add(warehouse, days=(day,), symbols=SYMBOLS[:2])
    with warehouse.write(STAMP) as tx:
        found = cut_pack(tx, day, ["feed"], [*DAYS, day], CheckLimits(symbol_stale_sessions=1))
    assert found.pack.verdict == "rejected"
    assert "only 50% of the 4 symbols" in str(found.pack.reason)
    assert "CCC, DDD" in str(found.pack.reason)
    assert [item.symbol for item in found.findings if item.code == "STALE_SYMBOL"] == ["CCC", "DDD"]
    with warehouse.live() as con:
        kept = con.execute("select code, count(*) from check_findings group by 1 order by 1").fetchall()
    # One row aside, told by both packs.
    assert kept == [
        ("COVERAGE", 1),
        ("SET_ASIDE", 2),
        ("STALE_SYMBOL", 2),
    ]


def test_who_was_delisted_merged_or_renamed_is_not_missed(warehouse: Warehouse) -> None:
    cut(warehouse, DAYS[-1])
    day = DAYS[-1] + timedelta(days=3)
    add(warehouse, days=(day,), symbols=SYMBOLS[:2])
    terms = [
        {"symbol": "CCC", "kind": "rename", "new_symbol": "NEW"},
        {"symbol": "DDD", "kind": "merger", "cash": 9.0},
    ]
    rows = [dict.fromkeys(("value", "currency", "note", "cash", "new_symbol")) | row for row in terms]
    with warehouse.write(STAMP) as tx:
        actions = pa.Table.from_pylist([row | {"date": day, "source": "desk"} for row in rows])
        ingest(tx, "corporate_actions", actions)
    with warehouse.write(STAMP) as tx:
        found = cut_pack(tx, day, ["feed"], [*DAYS, day], CheckLimits(symbol_stale_sessions=1))
    assert found.pack.fresh
    assert [one.code for one in found.findings] == ["SET_ASIDE"]  # the row of the bench that is set aside


def test_without_prices_there_is_no_pack_to_use(tmp_path: Path) -> None:
    empty = Warehouse(tmp_path / "empty")
    assert cut(empty, DAYS[0]).verdict == "rejected"
    with empty.live() as con:
        with pytest.raises(DataError, match="no fresh pack yet"):
            latest_fresh(con)
        with pytest.raises(DataError, match="there is no pack PP_2024-01-05; the newest: "):
            find_pack(con, "PP_2024-01-05")


def test_sources_that_disagree_and_rates_that_stopped_are_named(warehouse: Warehouse) -> None:
    backup = price_rows(100.0, DAYS[:2], SYMBOLS[:1]), price_rows(105.0, DAYS[2:], SYMBOLS[:2])
    late = {
        "currency": "USD",
        "date": DAYS[0] - timedelta(days=50),
        "source": "feed",
        "rate": 0.02,
        "note": None,
    }
    pairs = [{"base": base, "quote": "USD", "date": day, "source": "feed", "rate": 1.1}
             for base, day in (("CAD", DAYS[-1]), ("EUR", DAYS[-1] - timedelta(days=11)))]  # fmt: skip
    with warehouse.write(STAMP) as tx:
        for rows in backup:
            place = rows.schema.get_field_index("source")
            ingest(tx, "prices", rows.set_column(place, "source", pa.array(["backup"] * len(rows))))
        ingest(tx, "fx_rates", pa.Table.from_pylist(pairs))
        ingest(tx, "risk_free_rates", pa.Table.from_pylist([late]))
    assert [item.code for item in _found(warehouse, date(1999, 1, 4), CheckLimits())] == ["NO_PRICES"]
    assert _found(warehouse, DAYS[1], CheckLimits()) == []  # the sources agree, a single rate is a constant
    with warehouse.write(STAMP) as tx:
        ingest(
            tx, "risk_free_rates", pa.Table.from_pylist([late | {"date": late["date"] + timedelta(days=1)}])
        )
    found = _found(warehouse, DAYS[-1], CheckLimits(fx_days=10, rate_days=45))
    assert [(item.code, item.severity, item.symbol) for item in found] == [
        ("SOURCES_DISAGREE", "WARN", "AAA"), ("SOURCES_DISAGREE", "WARN", "BBB"),
        ("STALE_RATE", "WARN", None), ("STALE_RATE", "WARN", None),
    ]  # fmt: skip
    assert found[0].value == pytest.approx(105 / 102 - 1)
    assert "2.9% higher in backup than in feed; 2 such days" in found[0].message
    assert "exchange rate EUR/USD" in found[2].message
    assert "risk-free rate of USD" in found[3].message
    lenient = CheckLimits(source_gap=0.03, rate_days=60, fx_days=11)
    assert _found(warehouse, DAYS[-1], lenient) == []


def test_a_pack_whose_newest_price_is_old_is_stale(warehouse: Warehouse) -> None:
    with warehouse.live() as con:
        later = [DAYS[-1] + timedelta(days=ahead) for ahead in (3, 4, 5, 6)]
        found = check_pack(con, later[-1], watermark(con), None, [*DAYS, *later], CheckLimits())
        late = check_pack(con, later[0], watermark(con), None, [*DAYS, later[0]], CheckLimits())
    assert [(item.code, item.severity, item.value) for item in found] == [("STALE_PACK", "FAIL", 4.0)]
    ((code, severity, value),) = [(item.code, item.severity, item.value) for item in late]
    assert (code, severity, value) == ("LATE_PRICES", "WARN", 1.0)  # a first pack, which has none before it
    assert late[0].message.endswith(f"then `packfolio packs revise {later[0]} --reason TEXT`")


def test_a_desk_may_reject_packs_whose_sources_disagree(warehouse: Warehouse) -> None:
    rows = price_rows(106.09, DAYS[-1:], SYMBOLS[:1])
    with warehouse.write(STAMP) as tx:
        place = rows.schema.get_field_index("source")
        ingest(tx, "prices", rows.set_column(place, "source", pa.array(["backup"] * len(rows))))
    with warehouse.write(STAMP) as tx:
        strict = CheckLimits(severities={"SOURCES_DISAGREE": "FAIL"})
        found = cut_pack(tx, DAYS[-1], ["feed"], DAYS, strict).pack
    assert found.verdict == "rejected"
    assert "AAA: the close of 2024-01-05 is 3.0% higher in backup" in str(found.reason)


def _found(warehouse: Warehouse, as_of: date, limits: CheckLimits) -> list[Finding]:
    with warehouse.live() as con:
        sessions = [day for day in DAYS if day <= as_of]
        return check_pack(con, as_of, watermark(con), None, sessions, limits)
