"""A day on which no portfolio can be computed: the run says why, records it, and the packs before stay as they are."""

from pathlib import Path

import pytest
from small_desk import make_desk
from zygote import Zygote

from resources.store.warehouse import Warehouse

pytestmark = pytest.mark.xdist_group("zygote")


def test_a_held_symbol_without_a_price_leaves_its_reason_and_no_trades(tmp_path: Path) -> None:
    days = make_desk(tmp_path)
    (tmp_path / "config" / "portfolios" / "paper.yaml").unlink()
    zygote, pack = Zygote(tmp_path).start(), f"PP_{days[-1]}"
    for day in ("1980-01-01", "2999-01-04"):
        status, said = zygote.packfolio("run", "--as-of", day)
        assert status == 1 and "Traceback" not in said
        assert ("packs are cut from PP_1990-01-01 to today" if day < "2000" else "is not closed yet") in said
    assert zygote.packfolio("run", "--as-of", str(days[-1]))[0] == 0
    book = tmp_path / "config" / "portfolios" / "book.yaml"
    book.write_text(book.read_text().replace("BBB: 300", "GONE: 300"))
    status, said = zygote.packfolio("run", "--as-of", str(days[-1]))
    assert status == 1
    assert "GONE has no price in the last 5 sessions" in said
    (found,) = zygote.read("trades", pack)["portfolios"]
    assert (found["result"]["status"], found["trades"]) == ("no_data", [])
    with Warehouse(tmp_path / "home").read() as con:
        for table in (
            "posterior_returns",
            "optimal_weights",
            "trades",
        ):  # nothing of the run before counts any more
            assert con.execute(f"select count(*) from latest_{table}").fetchall() == [(0,)]
    assert zygote.read("packs", "verify")["faults"] == []
    assert zygote.read("packs", "replay", pack)["identical"]
    zygote.stop()
