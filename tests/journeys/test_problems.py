"""A day on which no portfolio can be computed: the run says why, records it, and the packs before stay as they are."""

from pathlib import Path

import pytest
from built_once import own_copy
from small_desk import make_desk
from zygote import Zygote, run_one_day

from resources.store.warehouse import Warehouse

pytestmark = pytest.mark.xdist_group("zygote")
BOOK = "11111111-1111-1111-1111-111111111111"


def test_a_held_symbol_without_a_price_leaves_its_reason_and_no_trades(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, (days, _) = own_copy(tmp_path_factory, "together", run_one_day)
    zygote, day = Zygote(folder), str(days[-4])
    for other in ("1980-01-01", "2999-01-04"):
        status, said = zygote.packfolio("run", "--as-of", other)
        assert status == 1 and "Traceback" not in said
        assert ("(`first_pack` in pipeline.yaml) to today" if other < "2000" else "is not closed yet") in said
    book = folder / "config" / "portfolios" / "book.yaml"
    book.write_text(book.read_text().replace("BBB: 300", "GONE: 300"))
    status, said = zygote.packfolio("run", "--as-of", day)
    assert status == 1
    assert "GONE has no price in the last 5 sessions" in said
    (found,) = zygote.read("trades", f"PP_{day}", "--portfolio", "book")["portfolios"]
    assert (found["result"]["status"], found["trades"]) == ("no_data", [])
    with Warehouse(folder / "home").read() as con:
        # Nothing of the run before counts any more.
        for table in (
            "posterior_returns",
            "optimal_weights",
            "trades",
        ):
            own = f"select count(*) from latest_{table} where portfolio_id = '{BOOK}'"
            assert con.execute(own).fetchall() == [(0,)]
    assert zygote.read("packs", "verify")["faults"] == []
    assert zygote.read("packs", "replay", f"PP_{day}")["identical"]
    assert "was cut before" not in said
    rows = "".join(f"GONE,{each},50\n" for each in days if str(each) <= day)
    (folder / "inbox" / "gone.csv").write_text(f"symbol,date,close\n{rows}")
    status, said = zygote.packfolio("run", "--as-of", day)  # what mends it is no part of the pack yet
    assert status == 1 and f"PP_{day} was cut before this came: 0 restated, " in said
    assert f"to take it in, packfolio packs revise {day} --reason TEXT" in said


def test_what_is_missing_under_a_number_is_told_wherever_it_is_read(tmp_path: Path) -> None:
    """Rows set aside, a file refused: the ingest, the run, the book's reason, the pack and the doctor name them."""
    days = make_desk(tmp_path)
    (tmp_path / "config" / "portfolios" / "paper.yaml").unlink()
    zygote, since, last = Zygote(tmp_path), days[-12], str(days[-1])
    status, said = zygote.packfolio("ingest", "--source", "inbx")
    assert status == 2 and "sources.yaml has inbox" in said
    history = tmp_path / "inbox" / "history.csv"
    lines = history.read_text().splitlines(keepends=True)
    for place, line in enumerate(lines):
        symbol, day, _ = line.split(",")
        if symbol == "BBB" and day >= str(since):
            lines[place] = f"BBB,{day},-1\n"
    (lacking,) = [line for line in lines if line.startswith(f"CCC,{days[-3]},")]
    lines.remove(lacking)
    history.write_text("".join(lines))
    told = zygote.read("ingest", "--source", str(history))
    assert (told["status"], told["files"], told["symbols"], told["set_aside"]) == ("done", 1, 5, 12)
    assert told["rows"] == len(lines) - 1 - 12
    (gap,) = [row for row in told["noted"] if row["code"] == "MISSING_SESSION"]
    assert gap["message"].startswith("CCC lacks 1 session")
    (aside,) = told["set_aside_today"]
    assert (aside["symbol"], aside["rows"], aside["first"]) == ("BBB", 12, str(since))
    (tmp_path / "inbox" / "notes.docx").write_text("not a table")
    scores = f"symbol,date,name,known_at,value\nAAA,{since},quality,{since},\n"
    (tmp_path / "inbox" / "characteristics.csv").write_text(scores)
    status, said = zygote.packfolio("run", "--as-of", last)
    assert status == 1 and "notes.docx: UNKNOWN_FORMAT" in said
    assert (
        f"BBB has no price in the last 5 sessions: prices of BBB are delivered and set aside since {since}"
        in said
    )
    notes = zygote.read("trades", "latest")["notes"]
    assert any(note.startswith("SET_ASIDE: prices of BBB") for note in notes)
    assert any(note.startswith("FILE_REFUSED: notes.docx") for note in notes)
    shown = zygote.read("packs", "show", "latest")
    assert {"SET_ASIDE", "FILE_REFUSED"} <= {finding["code"] for finding in shown["findings"]}
    assert gap in shown["noted_of_deliveries"]
    assert any(row["message"].startswith("1 row of AAA set aside") for row in shown["noted_of_deliveries"])
    assert shown["quality"] < 80
    status, said = zygote.packfolio("doctor")
    assert status != 0 and "file notes.docx" in said and f"set aside since {since}" in said
