"""What the commands hand on, with everything behind them replaced: which file, which words, until when."""

import contextlib
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import typer
import yaml
from rich.console import Console
from rich.progress import Progress

from optimizer import DataError
from pipeline import schedules, unchanged
from pipeline.commands import anchor_keys, audit, daily_run, init, proofs, terminal
from pipeline.commands.books import accounts
from pipeline.environment import Environment
from resources.store.last_run import LastRun

NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)


class Calendar:
    """Sessions every day; the newest has closed."""

    def __init__(self, closes: datetime | None = None) -> None:
        self.closes = closes

    def last_closed_session(self, now: datetime) -> date:
        return now.date()

    def sessions(self, first: date, last: date) -> Iterator[date]:
        return (first + timedelta(days=day) for day in range((last - first).days + 1))

    def next_close(self, now: datetime) -> datetime | None:
        return self.closes


def desk_of(*sources: tuple[str, bool, bool]) -> Any:
    found = [SimpleNamespace(exchange=name, enabled=on, live=live) for name, on, live in sources]
    return SimpleNamespace(sources=SimpleNamespace(sources=found))


def test_an_answer_holds_until_a_live_exchange_closes_and_no_longer_than_the_day(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closes = {
        "XNYS": NOON + timedelta(hours=9),
        "XTSE": NOON + timedelta(hours=8),
        "XLON": NOON + timedelta(hours=4),
    }
    calendars = "resources.logs.calendars.desk_calendar"
    monkeypatch.setattr(calendars, lambda desk, name, day, cache: Calendar(closes[name]))
    midnight = datetime(2024, 3, 6, tzinfo=UTC)
    assert unchanged._until(desk_of(), tmp_path, NOON) == midnight
    assert unchanged._until(desk_of(("XLON", True, False), ("XTSE", False, True)), tmp_path, NOON) == midnight
    both = desk_of(("XNYS", True, True), ("XTSE", True, True), ("XLON", False, True))
    assert unchanged._until(both, tmp_path, NOON) == closes["XTSE"]


def test_a_run_is_spared_where_everything_is_as_it_was_and_only_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    before, after = ((now + timedelta(hours=hours)).isoformat() for hours in (-1, 1))
    asked = {"as_of": "2024-03-05", "source": None}
    last = LastRun(asked, ("inbox",), "ground", (7, "hash"), before, after, "PP", 0, "")
    seen = {"last": last, "ground": "ground", "head": (7, "hash")}
    published: list[bool] = []

    @contextmanager
    def live() -> Iterator[None]:
        yield

    store = SimpleNamespace(live=live, publish=lambda: published.append(True))
    monkeypatch.setattr("resources.store.last_run.read_last_run", lambda home: seen["last"])
    monkeypatch.setattr(
        unchanged, "_ground", lambda here, inboxes: SimpleNamespace(digest=lambda: seen["ground"])
    )
    monkeypatch.setattr("resources.ledger.ledger.head", lambda con: seen["head"])
    monkeypatch.setattr("resources.store.warehouse.Warehouse", lambda home, anchor: store)
    here: Any = SimpleNamespace(home=tmp_path, anchor=tmp_path / "anchor")
    assert unchanged.unchanged_since(here, asked) is last and published == [True]
    assert unchanged.unchanged_since(here, asked | {"source": "x"}) is None
    changes: list[tuple[str, Any]] = [
        ("last", None), ("ground", "other"), ("head", (8, "hash")), ("head", (7, "other")),
        ("last", LastRun(asked, (), "ground", (7, "hash"), after, after, "PP", 0, "")),
        ("last", LastRun(asked, (), "ground", (7, "hash"), before, before, "PP", 0, "")),
    ]  # fmt: skip
    for name, value in changes:
        kept, seen[name] = seen[name], value
        assert unchanged.unchanged_since(here, asked) is None, name
        seen[name] = kept
    assert published == [True]


def test_sessions_are_looked_for_two_weeks_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "_calendar", lambda desk, warehouse, now: Calendar())
    nothing: Any = None
    found = schedules.closed_sessions(nothing, nothing, NOON)
    assert (found[0], found[-1], len(found)) == (date(2024, 2, 20), date(2024, 3, 5), 15)


def test_a_file_is_read_five_seconds_after_its_last_change(tmp_path: Path) -> None:
    times = {"a.csv": -6.0, "b.csv": -4.0, "c.csv": 4.0, "d.csv": 6.0, "e.csv": -5.5, "f.csv": 9.0}
    for name, seconds in times.items():
        (tmp_path / name).write_text("x", "utf-8")
        os.utime(tmp_path / name, (1e9 + seconds, 1e9 + seconds))
    found = schedules._settled("inbox", tmp_path, "*.csv", 1e9)
    assert list(found) == ["inbox/a.csv", "inbox/d.csv", "inbox/e.csv", "inbox/f.csv"]
    assert found["inbox/a.csv"][::2] == [1e9 - 6.0, 1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    for name in [name for name in os.environ if name.startswith("PACKFOLIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PACKFOLIO_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return Environment.of_process()


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """What progress was told of, and whether it was to be quiet."""
    found: list[tuple[str, bool]] = []

    @contextmanager
    def working(what: str, quiet: bool) -> Iterator[Any]:
        found.append((what, quiet))
        yield lambda doing, done, steps: None

    monkeypatch.setattr(audit, "working", working)
    return found


def test_another_anchor_is_compared_and_the_homes_own_is_not_another(
    here: Environment, worked: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[Any, ...]] = []

    def verify(store: Any, other: Any, pack: Any, public: Any, roots: Any) -> Any:
        asked.append((other, pack, public, roots))
        return SimpleNamespace(status="accepted", as_json=lambda: {"status": "accepted"})

    monkeypatch.setattr("resources.audit.verification.verify_home", verify)
    monkeypatch.setattr(audit, "print_json", lambda told: None)
    copy = tmp_path / "anchor.jsonl"
    copy.touch()
    here.anchor.parent.mkdir(parents=True, exist_ok=True)
    here.anchor.touch()
    for anchor in (None, copy, here.anchor):
        with pytest.raises(typer.Exit) as ended:
            audit.verify_packs(pack="PP_2024-03-05", anchor=anchor, as_json=True)
        assert ended.value.exit_code == 4
    assert [one[0] for one in asked] == [None, copy, None] and {one[1] for one in asked} == {"PP_2024-03-05"}
    assert worked == [("verifying", True)] * 3


@pytest.mark.parametrize(
    ("identical", "config", "status"), [(True, False, 0), (False, False, 3), (False, True, 0)]
)
def test_a_replay_that_differs_is_a_fault_unless_another_configuration_was_asked(
    here: Environment, worked: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    identical: bool, config: bool, status: int,
) -> None:  # fmt: skip
    import pipeline.rerun

    monkeypatch.setattr(Environment, "prepare", lambda here: None)
    monkeypatch.setattr(pipeline.rerun, "replay", lambda here, pack, config: {"identical": identical})
    monkeypatch.setattr(audit, "print_json", lambda told: None)
    with pytest.raises(typer.Exit) as ended:
        audit.replay("PP_2024-03-05", config=tmp_path if config else None, as_json=True)
    assert ended.value.exit_code == status and worked == [("replaying", True)]


def test_a_replay_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pipeline import rerun

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["PP_2024-03-05"]))
    def weights() -> None:
        raise DataError("no prices")

    monkeypatch.setattr(dg, "load_assets_from_package_module", lambda module: [weights])
    pack: Any = SimpleNamespace(id="PP_2024-03-05", as_of=date(2024, 3, 5))
    with pytest.raises(DataError, match=r"the replay of PP_2024-03-05 failed: weights: .*no prices"):
        rerun._run(dg.AssetSelection.all(), pack, tmp_path, tmp_path)


def test_no_restatement_is_said_with_the_threshold_of_the_desk(
    here: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def reader() -> Iterator[None]:
        yield

    monkeypatch.setattr(audit, "reader", reader)
    monkeypatch.setattr("resources.audit.restatements.proposed_revisions", lambda con, threshold: found)
    monkeypatch.setattr("resources.audit.restatements.book_news", lambda con: [])
    configuration = SimpleNamespace(restated_weight=0.0125)
    monkeypatch.setattr("resources.settings.configuration.load_configuration", lambda folder: configuration)
    found: list[Any] = []
    audit.restatements()
    assert capsys.readouterr().out.split() == (
        ["no", "restatement", "moves", "a", "live", "portfolio's", "weight", "by", "more", "than", "1.25%"]
    )
    found.append(SimpleNamespace(pack_id="PP", reason="AAA moved", command="packfolio revise PP"))
    audit.restatements()
    assert capsys.readouterr().out.split() == ["PP", "AAA", "moved", "packfolio", "revise", "PP"]


@pytest.mark.parametrize(("form", "key", "signed"), [
    (proofs.Form.proof, None, False), (proofs.Form.proof, "key", False), (proofs.Form.in_toto, "key", True),
])  # fmt: skip
def test_a_proof_is_put_into_a_signed_statement_only_where_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: proofs.Form, key: str | None, signed: bool
) -> None:
    printed: list[Any] = []
    looked: list[str] = []

    @contextmanager
    def opened(*rest: Any) -> Iterator[Any]:
        looked.append("copy")
        yield None

    store = SimpleNamespace(anchor=tmp_path, tree=SimpleNamespace(read=opened))
    monkeypatch.setattr(proofs, "opened_store", lambda: store)
    monkeypatch.setattr(proofs, "reader", opened)
    monkeypatch.setattr(proofs, "print_json", printed.append)
    monkeypatch.setattr("resources.ledger.signatures.signing_key", lambda: key)
    for name in ("cosignatures", "lines_about_keys"):
        monkeypatch.setattr(f"resources.proofs.checkpoints.{name}", lambda anchor: [])
    monkeypatch.setattr(
        "resources.proofs.checkpoints.rooted_lines", lambda store, now: looked.append("lines") or []
    )
    monkeypatch.setattr("resources.proofs.proving.prove", lambda con, tree, table, key, on, days: {
        "table": table, "key": key, "days": days, "sizes": on.sizes if hasattr(on, "sizes") else None,
    })  # fmt: skip
    monkeypatch.setattr(
        "resources.proofs.in_toto.envelope",
        lambda con, told, signer, anchors: {"signed": signer, "of": told, "anchors": anchors},
    )
    monkeypatch.setattr("resources.ledger.anchors.read_anchors", lambda anchor: [str(anchor)])
    proofs.prove("trades", ["PP", "AAA"], since=["7"], days=3, form=form)
    assert (
        looked[-1] == "lines"
    )  # after the copy: of a run that publishes meanwhile the lines would be too few
    [told] = printed
    inner = told["of"] if signed else told
    assert (inner["table"], inner["key"], inner["days"]) == ("trades", ["PP", "AAA"], 3)
    assert told.get("signed") == (key if signed else None) and json.dumps(told)
    assert told.get("anchors") == ([str(tmp_path)] if signed else None)


def test_a_bar_has_no_end_until_it_is_told_one(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[Progress] = []

    class Kept(Progress):
        def __init__(self, *columns: Any, **how: Any) -> None:
            super().__init__(*columns, **how)
            bars.append(self)

    monkeypatch.setattr(terminal, "Progress", Kept)
    monkeypatch.setattr(terminal, "err", Console(force_terminal=True, file=io.StringIO(), width=80))
    with terminal.working("running", False) as tell:
        [task] = bars[0].tasks
        assert (task.description, task.total) == ("running", None)
        tell("trades", 3, 8)
        assert (task.description, task.completed, task.total) == ("running: trades", 3, 8)


def test_a_stamp_is_told_with_its_line_and_its_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[Any, ...]] = []
    lines = [SimpleNamespace(count=5), SimpleNamespace(count=9)]

    def stamped(line: Any, url: str, roots: Any, beside: Any) -> Any:
        asked.append((line, url, roots, beside))
        return SimpleNamespace(place=4, at="2024-03-05T12:00:00")

    store = SimpleNamespace(home=tmp_path, anchor=tmp_path)
    monkeypatch.setattr(anchor_keys, "newest_checkpoint", lambda: (store, lines[1]))
    monkeypatch.setattr("resources.ledger.timestamps.stamp", stamped)
    monkeypatch.setattr("resources.ledger.timestamps.read_roots", lambda file: [str(file)])
    monkeypatch.setattr("resources.ledger.timestamps.stamps_beside", lambda anchor: anchor / "stamps")
    with pytest.raises(typer.Exit) as ended:
        anchor_keys.stamp("http://clock", Path("roots.pem"), as_json=True)
    assert ended.value.exit_code == 0
    assert asked == [(lines[1], "http://clock", ["roots.pem"], tmp_path / "stamps")]
    assert json.loads(capsys.readouterr().out) == {"line": 4, "rows": 9, "stamped at": "2024-03-05T12:00:00"}


@pytest.mark.parametrize("portfolio", [None, "book"])
def test_a_run_is_of_the_portfolio_that_was_asked(
    monkeypatch: pytest.MonkeyPatch, portfolio: str | None
) -> None:
    from pipeline import runs

    seen: dict[str, Any] = {}

    @contextmanager
    def opened(*rest: Any) -> Iterator[str]:
        yield "opened"

    def run_pack(instance: Any, day: Any, **asked: Any) -> Any:
        seen["run"] = (instance, day, asked)
        return runs.Outcome(0, "PP_2024-03-05", "the second")

    monkeypatch.setattr(daily_run, "unchanged_since", lambda here, asked: seen.update(asked=asked))
    monkeypatch.setattr(daily_run, "history", opened)
    monkeypatch.setattr(daily_run, "working", opened)
    begun = SimpleNamespace(ended=lambda first, second: seen.update(ended=(first.status, second.status)))
    monkeypatch.setattr(runs, "refuse_unknown", lambda wanted: seen.update(looked_for=wanted))
    monkeypatch.setattr(daily_run, "begin", lambda here, asked: begun)
    monkeypatch.setattr(runs, "ingest", lambda instance, watch, publish: runs.Outcome(1, None, "the first"))
    monkeypatch.setattr(runs, "choose_as_of", lambda day: day)
    monkeypatch.setattr(runs, "run_pack", run_pack)
    monkeypatch.setattr(daily_run, "_show_run", lambda *told: seen.update(shown=told))
    with contextlib.suppress(typer.Exit):
        daily_run.run(as_of=date(2024, 3, 5), portfolio=portfolio)
    assert seen["looked_for"] == portfolio
    assert seen["asked"] == {"as_of": "2024-03-05", "portfolio": portfolio} and seen["ended"] == (1, 0)
    assert seen["run"] == ("opened", date(2024, 3, 5), {"portfolio": portfolio, "watch": "opened"})
    assert seen["shown"] == ("PP_2024-03-05", 1, "the first; the second", portfolio, False)


def test_a_paper_portfolio_begins_with_a_hundred_thousand(tmp_path: Path) -> None:
    init.init(tmp_path / "desk", prices="example", symbols="KO, XOM")
    made = yaml.safe_load((tmp_path / "desk" / "config" / "portfolios" / "main.yaml").read_text("utf-8"))
    assert [holding["cash"] for holding in made["holdings"]] == [100_000]
    assert (made["universe"], made["mode"], made["base_currency"]) == (["KO", "XOM"], "paper", "USD")


def test_an_account_is_shown_part_by_part_and_what_it_has_not_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def reader() -> Iterator[str]:
        yield "con"

    found = {
        "account": {"key": "a1", "name": "Ann"}, "flows": [], "restrictions": None, "set_aside": [],
        "holdings": [{"symbol": "AAA", "quantity": 3}, {"symbol": "BBB", "quantity": 4}],
    }  # fmt: skip
    asked: list[tuple[Any, ...]] = []
    shown: list[Any] = []
    monkeypatch.setattr(accounts, "reader", reader)
    monkeypatch.setattr(accounts, "_pack", lambda con, pack: (con, pack))
    monkeypatch.setattr(
        "resources.results.account_list.account_details", lambda *told: asked.append(told) or found
    )
    monkeypatch.setattr(
        "pipeline.commands.printed.show_trades.show_portfolio", lambda out, told: shown.append(told)
    )
    monkeypatch.setattr(
        "pipeline.commands.printed.show.show_rows", lambda out, rows, words: shown.append(rows)
    )
    accounts.show_account("a1")
    assert asked == [("con", ("con", "latest"), "a1")]
    assert shown == [found, [found["account"]], found["holdings"]]
    assert capsys.readouterr().out.split() == ["account", "holdings"]
