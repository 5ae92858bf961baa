"""What was stated of a share under the name that it had then."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from bench import STAMP, ingest
from book_chain import DAYS, Chain, book_file

from resources.packs.dated_facts import known_caps, known_characteristics, newest_caps, stated_sectors
from resources.packs.pack_prices import newest_facts
from resources.results.factor_models import classified

NEW = DAYS[10]
EVE, LATER = NEW - timedelta(days=3), NEW + timedelta(days=3)


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
    logs: dict[str, list[dict[str, Any]]] = {
        "market_caps": [{"market_cap": cap, "currency": "USD"} for _, _, cap, _ in told],
        "securities": [{"sector": sector, "currency": "USD", "simulated": False} for *_, sector in told],
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
