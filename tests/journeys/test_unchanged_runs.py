"""A run of which nothing changed is answered before Dagster is loaded, and only where that is certain."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from built_once import own_copy
from terminal import terminal
from zygote import run_one_day

from pipeline.environment import Environment
from pipeline.unchanged import begin, unchanged_since
from resources.ledger.record_error import RecordError
from resources.store.last_run import FILE, LastRun, forget_last_run, keep_last_run, read_last_run

pytestmark = pytest.mark.xdist_group("zygote")
ASKED = {"as_of": "2024-02-26", "portfolio": None}
HEAVY = ("dagster", "pandas", "numpy", "pyarrow", "scipy", "sqlalchemy")
ALONE = f"""
import sys
from pipeline.cli import command
try:
    command()
finally:
    print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A desk's folder, and what its run of one day printed."""
    folder, (_, said) = own_copy(tmp_path_factory, "together", run_one_day)
    last = read_last_run(folder / "home")
    assert last is not None
    keep_last_run(folder / "home", replace(last, until="9999"))  # whatever the clock says while the tests run
    return folder, said


def here(folder: Path) -> Environment:
    home = folder / "home"
    return Environment(home, folder / "config", home / "anchors.jsonl", home / "decisions.jsonl")


def test_the_answer_is_that_of_the_run_without_its_libraries_and_leaves_nothing(
    ran: tuple[Path, Any],
) -> None:
    folder, first = ran
    home = folder / "home"
    before = {name: (home / name).read_bytes() for name in ("anchors.jsonl", "published.duckdb", FILE)}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, "run", "--as-of", str(ASKED["as_of"]), "--json"], capture_output=True, text=True,
        check=False, env={**os.environ, "PACKFOLIO_HOME": str(home), "PACKFOLIO_CONFIG": str(folder / "config")},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "[]\n"), done.stdout
    again = json.loads(done.stdout)
    last = read_last_run(home)
    assert last is not None
    assert again == {**first, "unchanged_since": last.at}
    assert before == {name: (home / name).read_bytes() for name in before}


def test_a_copy_that_readers_lost_is_put_back(ran: tuple[Path, Any]) -> None:
    published = ran[0] / "home" / "published.duckdb"
    published.unlink()
    assert unchanged_since(here(ran[0]), ASKED) is not None
    with duckdb.connect(str(published), read_only=True) as con:
        assert con.execute("select count(*) > 0 from latest_trades").fetchall() == [(True,)]


def _rewritten(path: Path, text: str) -> None:
    """As many bytes at the same time: only the contents tell."""
    state = path.stat()
    path.write_text(text)
    assert path.stat().st_size == state.st_size
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def _one_close_corrected(folder: Path) -> None:
    file = folder / "inbox" / "history.csv"
    text = file.read_text()
    _rewritten(file, text[:-2] + ("1" if text[-2] != "1" else "2") + text[-1])


def _one_limit_changed(folder: Path) -> None:
    file = folder / "config" / "portfolios" / "book.yaml"
    _rewritten(file, file.read_text().replace("pct: 40", "pct: 41"))


def _last(folder: Path, **changes: Any) -> None:
    last = read_last_run(folder / "home")
    assert last is not None
    keep_last_run(folder / "home", replace(last, **changes))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a close": _one_close_corrected,
    "a limit": _one_limit_changed,
    "a new file": lambda folder: (folder / "inbox" / "new.csv").write_text("symbol,date,close\n"),
    "a new configuration file": lambda folder: (folder / "config" / "overrides.yaml").write_text("{}\n"),
    "a file gone": lambda folder: (folder / "inbox" / "history.csv").unlink(),
    "a folder gone": lambda folder: (folder / "inbox").rename(folder / "elsewhere"),
    "a link": lambda folder: (folder / "inbox" / "there").symlink_to(folder / "config"),
    "a proposal": lambda folder: (folder / "home" / "decisions.jsonl").write_text("{}\n"),
    "another code": lambda folder: _last(folder, ground="0" * 64),
    "another ledger": lambda folder: _last(folder, head=(1, "0" * 64)),
    "another day of the clock": lambda folder: _last(folder, until="2024-03-01"),
    "a clock put back": lambda folder: _last(folder, at="9998"),
    "half a record": lambda folder: (folder / "home" / FILE).write_text('{"asked": {'),
    "a record of something else": lambda folder: (folder / "home" / FILE).write_text('["head", "inboxes"]'),
    "no record": lambda folder: forget_last_run(folder / "home"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changed_is_run(ran: tuple[Path, Any], change: str, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    for part in ("config", "inbox"):
        _copied(ran[0] / part, folder / part)
    (folder / "home").mkdir()
    for name in ("warehouse.duckdb", "published.duckdb", "anchors.jsonl", FILE):
        _copied(ran[0] / "home" / name, folder / "home" / name)
    assert unchanged_since(here(folder), ASKED) is not None
    CHANGES[change](folder)
    assert unchanged_since(here(folder), ASKED) is None


def _copied(source: Path, target: Path) -> None:
    shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)


@pytest.mark.parametrize("asked", [{"as_of": None, "portfolio": None}, {**ASKED, "portfolio": "book"}])
def test_something_else_that_is_asked_for_is_run(ran: tuple[Path, Any], asked: dict[str, str | None]) -> None:
    assert unchanged_since(here(ran[0]), asked) is None


def test_a_ledger_that_is_not_the_anchors_is_refused_as_a_run_refuses_it(
    ran: tuple[Path, Any], tmp_path: Path
) -> None:
    desk = here(ran[0])
    lines = desk.anchor.read_text().splitlines(keepends=True)
    shorter = tmp_path / "anchors.jsonl"
    shorter.write_text("".join(lines[: len(lines) // 2]))
    with pytest.raises(RecordError, match="anchor"):
        unchanged_since(replace(desk, anchor=shorter), ASKED)


def left(folder: Path, **how: Any) -> LastRun | None:
    """What a run leaves that ended so; `how`: of the ingest, of the chain, and rows of the ledger when it began."""
    from pipeline.runs import Outcome

    with duckdb.connect(str(folder / "home" / "warehouse.duckdb"), read_only=True) as con:
        ((ingest, pack),) = con.execute(
            "select arg_min(run_id, id), arg_max(run_id, id) from materializations"
        ).fetchall()
    begun = begin(Environment.of_process(), ASKED)
    assert read_last_run(folder / "home") is None  # were the run killed now, the next one would be ordinary
    begun = replace(begun, rows=how.pop("rows", begun.rows), ground=how.pop("ground", begun.ground))
    how.pop("meanwhile", lambda: None)()
    ingested = Outcome(how.pop("refused", 0), None, run_id=how.pop("by", ingest))
    begun.ended(ingested, replace(Outcome(0, "PP_2024-02-26", run_id=pack), **how))
    return read_last_run(folder / "home")


def test_word_is_left_only_where_the_next_run_would_find_nothing(
    tmp_path: Path, ran: tuple[Path, Any]
) -> None:
    folder = tmp_path / "desk"
    _copied(ran[0], folder)
    touch = (folder / "inbox" / "history.csv").touch
    with terminal(folder):
        assert left(folder) is not None
        assert left(folder, rows=0) is not None  # it wrote all of the ledger
        assert left(folder, status=1, reason="book: infeasible") is not None
        assert left(folder, refused=1) is not None  # again, and nothing was written
        assert left(folder, rows=0, refused=1) is None
        assert left(folder, rows=0, by="another process") is None
        assert left(folder, whole=False) is None
        assert left(folder, status=3, pack_id=None) is None
        assert left(folder, ground=None) is None
        assert left(folder, meanwhile=touch) is None
        sources = folder / "config" / "sources.yaml"
        yahoo = "  - {name: yahoo, kind: yahoo, symbols: [SPY], start: 2024-01-01}\n"
        sources.write_text(sources.read_text() + yahoo)
        assert left(folder) is None  # it must be asked
