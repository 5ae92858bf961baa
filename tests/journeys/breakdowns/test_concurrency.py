"""Two runs at once, readers while a run writes, a second run of the same day, a file that is not whole yet."""

from datetime import date
from pathlib import Path
from threading import Event, Thread

import duckdb
import pytest
from built_once import own_copy
from small_desk import price_file
from zygote import Zygote, at_once, run_one_day

from resources.store.warehouse import Warehouse

pytestmark = pytest.mark.xdist_group("zygote")
Desk = tuple[Zygote, Zygote, list[date]]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Two zygotes over one home, in which one day was run."""
    folder, (days, _) = own_copy(tmp_path_factory, "together", run_one_day)
    return Zygote(folder), Zygote(folder), days


def ledger(home: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(
            "select asset, pack_id, portfolio_id, content_hash from versions order by materialization, portfolio_id"
        ).fetchall()


def test_two_runs_of_one_day_at_once_write_each_result_once_and_readers_see_whole_states(desk: Desk) -> None:
    one, other, days = desk
    command, store, seen, ended = (
        ("run", "--as-of", str(days[-3])),
        Warehouse(one.folder / "home"),
        set(),
        Event(),
    )

    def read() -> None:
        while not ended.wait(0.05):
            with store.read() as con:
                found = con.execute(
                    "select pack_id, count(*) from latest_trades group by 1 order by 1 desc limit 1"
                )
                seen.update(found.fetchall())

    reader = Thread(target=read)
    reader.start()
    said = at_once(lambda: one.packfolio(*command), lambda: other.packfolio(*command))
    ended.set()
    reader.join()
    assert [status for status, _ in said] == [0, 0], said
    assert (f"PP_{days[-4]}", 10) in seen and seen <= {(f"PP_{day}", 10) for day in days[-4:-2]}
    found = ledger(one.folder / "home")
    assert len(found) == len(set(found))
    assert one.read("packs", "verify")["faults"] == []


@pytest.mark.slow
def test_a_second_run_of_a_day_writes_nothing(desk: Desk) -> None:
    one, _, days = desk
    before = ledger(one.folder / "home")
    assert one.packfolio("run", "--as-of", str(days[-4]))[0] == 0
    assert ledger(one.folder / "home") == before


@pytest.mark.slow
def test_half_a_file_is_refused_and_taken_when_it_is_whole(desk: Desk) -> None:
    one, _, _ = desk
    inbox, text = one.folder / "inbox", price_file([date(2024, 3, 1)], seed=2)
    (inbox / "new.csv").write_text(text[: len(text) // 2])
    status, said = one.packfolio("ingest", home="half")
    assert status == 1
    assert "new.csv" in said
    with Warehouse(one.folder / "half").live() as con:
        assert con.execute("select count(*), max(date) from prices").fetchall() == [(1500, date(2024, 2, 29))]
    (inbox / "new.csv").write_text(text)
    assert one.packfolio("ingest", home="half")[0] == 0
    with Warehouse(one.folder / "half").live() as con:
        assert con.execute("select count(*), max(date) from prices").fetchall() == [(1505, date(2024, 3, 1))]
