"""A backfill runs the days of a range in order, goes on where it stopped, and writes what a run of each day writes."""

from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from bench import STAMP, take_snapshot
from built_once import own_copy
from small_desk import make_desk
from terminal import Terminal, terminal
from typed_desk import read_published
from zygote import run_one_day

from pipeline import backfill
from pipeline.backfill import at_its_end
from pipeline.run_history.past_days import Made, remembering
from pipeline.runs import Outcome
from resources.accounts.known import accounts_of
from resources.books.day_before import computed, day_before
from resources.ledger.anchors import read_anchors
from resources.ledger.record_error import FAILED
from resources.packs.packs import newest_fresh
from resources.settings.configuration import load_configuration
from resources.store.warehouse import Warehouse

pytestmark = pytest.mark.xdist_group("terminal")
LEDGER = "select id, this_hash from materializations"


def progress(at: Terminal, *days: str, status: int = 0) -> list[str]:
    said = at("backfill", *days)
    assert said.status == status, said
    return said.lines


def told_of(instance: dg.DagsterInstance, asset: str, partition: str) -> dict[str, str]:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition])
    (made,) = instance.fetch_materializations(wanted, limit=1).records
    assert made.asset_materialization is not None
    return dict(made.asset_materialization.tags or {})


def test_a_backfill_goes_on_where_it_stopped(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = own_copy(tmp_path_factory, "together", run_one_day)
    with terminal(folder) as at:
        copies = len(read_anchors(at.home / "anchors.jsonl").published)
        done = progress(at, "2024-02-24", "2024-02-28")
        assert done[0] == "PP_2024-02-26: done (1 of 3, as it was)"
        assert done[2].startswith("PP_2024-02-28: done (3 of 3, 0:00:00 left at ")
        assert done[2].endswith("s a day)")
        assert len(read_anchors(at.home / "anchors.jsonl").published) == copies + 1
        assert read_published(at, "select max(pack_id) from pricing_packs") == [("PP_2024-02-28",)]
        before = read_published(at, LEDGER)
        assert at("run", "--as-of", "2024-02-27").status == 0
        assert read_published(at, LEDGER) == before
        monkeypatch.setenv("DAGSTER_HOME", str(at.home / "dagster"))
        with dg.DagsterInstance.get() as instance:
            assert [run.job_name for run in instance.get_runs()] == [
                "pack_run", "ingest", "pack_run", "ingest",
            ]  # fmt: skip
            made = instance.get_materialized_partitions(dg.AssetKey("trades"))
            weights, trades = (
                told_of(instance, one, "PP_2024-02-28") for one in ("optimal_weights", "trades")
            )
        rests_on = sha256(weights["dagster/data_version"].encode()).hexdigest()
        assert trades["dagster/input_data_version/optimal_weights"] == rests_on
        assert made == {"PP_2024-02-26", "PP_2024-02-27", "PP_2024-02-28"}


def _snapshots_alone(folder: Path, day: date) -> None:
    """What a run that was killed after this stage leaves: holdings of now, and trades of those before."""
    desk = load_configuration(folder / "config")
    now = replace(STAMP, at=datetime.now(UTC).replace(tzinfo=None))
    with Warehouse(folder / "home").write(now) as tx:
        pack = newest_fresh(tx.con, day)
        (account,) = (one for one in accounts_of(tx.con, pack, desk.portfolios) if one.mode == "paper")
        found = take_snapshot(tx.con, pack, day_before(tx.con, pack, account), account)
        tx.record("portfolio_snapshots", found.frames(), pack_id=pack.id, portfolio_id=account.id)
        assert not computed(tx.con, pack.id)


@pytest.mark.slow
def test_days_of_a_paper_book_that_do_not_follow_are_run_again_by_one_backfill(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It left them as they were: a year's days were a command each. A Saturday that has a pack is one of them."""
    folder, _ = own_copy(tmp_path_factory, "together", run_one_day)
    with terminal(folder) as at:
        saturday = at("run", "--as-of", "2024-02-24")  # the 26th was there first
        assert saturday.status == 1
        assert "no price of 2024-02-24 is on record, a Saturday" in " ".join(saturday.out.split())
        assert at("run", "--as-of", "2024-02-28").status == 0
        assert at("run", "--as-of", "2024-02-22").status == 1
        assert "packfolio backfill 2024-02-24 2024-02-28" in at("packs", "restatements").out
        (one, left) = progress(at, "2024-02-24", "2024-02-24", status=1)
        assert one.startswith("PP_2024-02-24: done (1 of 1, ")
        assert left.startswith("1 out of order: paper: its day under PP_2024-02-26 was computed from ")
        _snapshots_alone(folder, date(2024, 2, 26))
        done = progress(at, "2024-02-24", "2024-02-28")
        assert [line.split(":")[0] for line in done] == [f"PP_2024-02-{day}" for day in (24, 26, 27, 28)]
        assert ["as it was" in line for line in done] == [True, False, False, False]
        assert "backfill" not in at("packs", "restatements").out
        assert all("as it was" in line for line in progress(at, "2024-02-24", "2024-02-28"))


def test_a_day_that_was_cut_off_after_any_of_its_stages_is_not_at_its_end(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """One killed before its last stage was left without it for good: the list of stages was older than the stage."""
    folder, (days, _) = own_copy(tmp_path_factory, "together", run_one_day)
    desk, day = load_configuration(folder / "config"), days[-4]
    stressed = replace(desk, playbooks=replace(desk.playbooks, scenarios={"crash": object()}))
    ended = []
    with duckdb.connect() as con:
        con.execute(f"attach '{folder / 'home' / 'published.duckdb'}' as copy (read_only)")
        for table in ("materializations", "pricing_packs"):
            con.execute(f"create table {table} as from copy.{table}")
        assert at_its_end(con, day, stressed) is None  # it has no hedges
        while con.execute("select 1 from materializations where pack_id is not null").fetchone():
            ended.append(at_its_end(con, day, desk) is not None)
            con.execute("delete from materializations where id = (select max(id) from materializations)")
    assert ended == [True] + [False] * 9


def test_a_day_is_run_again_where_the_configuration_is_another_and_where_a_rejected_pack_may_be_mended(
    tmp_path: Path,
) -> None:
    days = make_desk(tmp_path)
    (tmp_path / "inbox" / "history.csv").write_text("symbol,date,close\n" + f"AAA,{days[-30]},100\n")
    with terminal(tmp_path) as at:
        assert at("ingest").status == 0
        day = str(date(2024, 2, 28))
        for _ in range(2):
            said = progress(at, day, day, status=1)
            assert said[0].startswith("PP_2024-02-28: PP_2024-02-28 is rejected: no symbol has a price")
        assert said[0].endswith("as it was)")
        (tmp_path / "inbox" / "more.csv").write_text(f"symbol,date,close\nAAA,{day},101\n")
        assert at("ingest").status == 0
        assert progress(at, day, day, status=1)[0].endswith("s a day)")


@pytest.mark.parametrize(
    "told",
    [
        "trades: Query interrupted",  # by DuckDB
        "trades: dagster._core.errors.DagsterExecutionInterruptedError",  # between two of its queries
        "trades: KeyboardInterrupt",
    ],
)
def test_a_day_that_a_signal_ended_is_the_last_one(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    """Going on would leave the days after it waiting for it."""
    monkeypatch.setattr(backfill, "run_pack", lambda *_, **__: Outcome(FAILED, None, told))
    with remembering(made := Made()) as own, pytest.raises(KeyboardInterrupt):
        backfill._run(own, own, made, date(2024, 2, 28))
