"""What was stated of a share under the name that it had then."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from bench import STAMP, ingest
from book_chain import DAYS, Chain, book_file

from resources.packs.dated_facts import known_caps, known_characteristics, newest_caps, stated_sectors
from resources.packs.pack_prices import newest_facts, read_panel
from resources.results.factor_models.panels import classified

NEW = DAYS[10]
LONG_AGO = date(2023, 6, 1)
EVE, LATER = NEW - timedelta(days=3), NEW + timedelta(days=3)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("end", ["delisting", "merger"])
def test_facts_of_a_company_that_ended_do_not_count_for_the_next_under_its_ticker(
    tmp_path: Path, end: str, late: bool
) -> None:
    """OLD ended on its day, and is another company's since; `late`: which is called AAA later on."""
    desk = Chain(tmp_path, book_file("cash: 1000"), AAA=10.0, BBB=10.0, OLD=7.0)
    paid = {"value": 3.0} if end == "delisting" else {"cash": 3.0}
    desk.actions([{"symbol": "OLD", "date": NEW, "kind": end, **paid}])
    name = "AAA" if late else "OLD"
    if late:
        desk.action("OLD", LATER, "rename", new_symbol="AAA")
    _state(desk, [("OLD", LONG_AGO, 1e9, "in pounds"), ("BBB", LONG_AGO, 2e9, "banks")])
    pack = desk.cut(DAYS[-1])
    with desk.warehouse.live() as con:
        found = con.execute(
            "select code, message from check_findings where pack_id = ?", [pack.id]
        ).fetchall()
        (old,) = [message for code, message in found if code in ("STALE_CAP", "CURRENCY_MISMATCH")]
        assert old.startswith("market_caps: the newest of BBB is more than 100 days old")
        assert newest_caps(con, pack, [name, "BBB"], "USD") == {"BBB": 2e9}
        assert newest_facts(con, pack, "securities", ["sector"], [name])["sector"] == {}
        assert stated_sectors(con, pack, [name]).empty
        assert known_characteristics(con, pack, [name], [LONG_AGO, NEW, LATER]) == {}
        if not late:
            assert read_panel(con, pack, [name], EVE).dates[0] == DAYS[11]  # nor do its prices
            assert read_panel(con, pack, [name], EVE, ended=True).dates[0] == EVE  # but for who held it
    _state(desk, [("OLD", LATER - timedelta(days=1), 5e9, "health")])
    pack = desk.cut(DAYS[-1], "other facts")
    with desk.warehouse.live() as con:
        assert newest_caps(con, pack, [name], "USD") == {name: 5e9}
        assert newest_facts(con, pack, "securities", ["sector"], [name])["sector"] == {name: "health"}


def _state(desk: Chain, told: list[tuple[str, date, float, str]]) -> None:
    """Capitalisations, sectors and a characteristic: (symbol, day, cap, sector)."""
    logs: dict[str, list[dict[str, Any]]] = {
        "market_caps": [{"market_cap": cap, "currency": "USD"} for _, _, cap, _ in told],
        "securities": [
            {"sector": sector, "currency": "GBP" if "pounds" in sector else "USD", "simulated": False}
            for *_, sector in told
        ],
        "characteristics": [
            {"name": "value", "value": cap / 1e9, "known_at": day} for _, day, cap, _ in told
        ],
    }
    for log, rows in logs.items():
        stated = [
            {"symbol": symbol, "date": day, "source": "desk"} | row
            for (symbol, day, *_), row in zip(told, rows, strict=True)
        ]
        with desk.warehouse.write(STAMP) as tx:
            ingest(tx, log, pa.Table.from_pylist(stated))


def test_facts_of_a_renamed_share_stay_with_it_and_those_of_the_next_company_of_its_old_name_do_not(
    tmp_path: Path,
) -> None:
    """OLD is AAA from its day on; then OLD is another company."""
    desk = Chain(tmp_path, book_file("cash: 1000"), AAA=10.0, BBB=10.0, OLD=7.0)
    desk.action("OLD", NEW, "rename", new_symbol="AAA")
    told = [
        ("AAA", EVE, 4e9, "of one who had that name then"), ("OLD", EVE, 1e9, "energy"), ("OLD", LATER, 5e9, "health"),
        ("BBB", EVE, 2e9, "banks"),
    ]  # fmt: skip
    _state(desk, told)
    names, days = ["AAA", "BBB", "OLD"], [EVE, NEW, LATER]
    pack = desk.cut(DAYS[-1])
    with desk.warehouse.live() as con:
        newest = newest_caps(con, pack, names, "USD")
        past = known_caps(con, pack, names, "USD", pd.DatetimeIndex(days))
        sectors = stated_sectors(con, pack, names)
        now = newest_facts(con, pack, "securities", ["sector"], names)["sector"]
        market = classified(con, pack)
        values = known_characteristics(con, pack, names, days)["value"]
    assert market == names  # the market that factors are estimated on
    assert newest == {"AAA": 1e9, "BBB": 2e9, "OLD": 5e9}
    assert past["AAA"].tolist() == [1e9, 1e9, 1e9]
    assert past["OLD"].isna().tolist() == [True, True, False]
    assert sectors["AAA"].dropna().to_dict() == {pd.Timestamp(EVE): "energy"}
    assert now == {"AAA": "energy", "BBB": "banks", "OLD": "health"}
    assert values[:, 0].tolist() == [1.0, 1.0, 1.0]
    assert values[2, 2] == pytest.approx(5.0)
