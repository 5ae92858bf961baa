"""Where a process finds its things, what it prepares, and the bar that it shows while it works."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from rich.console import Console
from source_tree import ROOT

import pipeline.commands.terminal
from pipeline.commands.terminal import finish, print_json, working
from pipeline.environment import DAGSTER_YAML, WORKSPACE_YAML, Environment, keep_private
from service.settings import Settings

NAMES = ("PACKFOLIO_HOME", "PACKFOLIO_CONFIG", "PACKFOLIO_ANCHOR", "PACKFOLIO_DECISIONS", "DAGSTER_HOME")


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that what a test sets is taken back
        monkeypatch.delenv(name)


def test_without_a_word_all_lies_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / ".packfolio"
    there = Environment(home, tmp_path / "config", home / "anchors.jsonl", home / "decisions.jsonl")
    assert Environment.of_process() == there
    for name in NAMES:
        monkeypatch.setenv(name, "")  # as `docker run -e PACKFOLIO_HOME=` has it
    assert Environment.of_process() == there
    found = Settings.of_process()
    assert (found.home, found.config, found.anchor) == (there.home, there.config, None)


def test_each_variable_moves_one_thing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKFOLIO_HOME", str(tmp_path / "a"))
    monkeypatch.setenv("PACKFOLIO_CONFIG", str(tmp_path / "b"))
    beside = Environment(
        tmp_path / "a", tmp_path / "b", tmp_path / "a" / "anchors.jsonl", tmp_path / "a" / "decisions.jsonl"
    )
    assert Environment.of_process() == beside
    monkeypatch.setenv("PACKFOLIO_ANCHOR", str(tmp_path / "c"))
    monkeypatch.setenv("PACKFOLIO_DECISIONS", str(tmp_path / "d"))
    assert Environment.of_process() == Environment(*(tmp_path / name for name in "abcd"))


def test_a_link_that_leads_back_to_itself_is_left_for_those_who_open_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "round").symlink_to("round")
    for name in NAMES:
        monkeypatch.setenv(name, str(tmp_path / "round"))
    assert Environment.of_process() == Environment(*[tmp_path / "round"] * 4)
    found = Settings.of_process()
    assert {found.home, found.config, found.anchor, found.decisions} == {tmp_path / "round"}


def test_what_is_prepared_is_what_child_processes_find(tmp_path: Path) -> None:
    here = Environment(*(tmp_path / name for name in ("a/home", "b", "c", "d")))
    here.prepare()
    settings = here.home / "dagster" / "dagster.yaml"
    assert settings.read_text(encoding="utf-8") == DAGSTER_YAML
    assert here.workspace.read_text(encoding="utf-8") == WORKSPACE_YAML
    assert sorted(path.name for path in settings.parent.iterdir()) == ["dagster.yaml", "workspace.yaml"]
    assert Environment.of_process() == here
    assert os.environ["DAGSTER_HOME"] == str(here.dagster_home)
    settings.write_text("# edited\n", encoding="utf-8")
    here.prepare()
    assert settings.read_text(encoding="utf-8") == "# edited\n"


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal on standard error receives."""
    shown = io.StringIO()
    monkeypatch.setattr(
        pipeline.commands.terminal,
        "err",
        Console(file=shown, force_terminal=True, width=160, color_system=None),
    )
    return shown


def test_a_bar_tells_what_is_done_and_how_much(screen: io.StringIO) -> None:
    with working("running", quiet=False) as watch:
        watch("trades", 7, 14)
        watch("x" * 100, 14, 14)
    text = screen.getvalue()
    assert f"running: {'x' * 61} " in text and "x" * 62 not in text
    assert f"{'━' * 30}" in text  # full: 14 of 14


def test_nobody_is_told_where_nobody_looks(screen: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    with working("running", quiet=True) as watch:
        watch("trades", 1, 2)
    monkeypatch.setattr(pipeline.commands.terminal, "err", Console(file=screen, force_terminal=False))
    with working("running", quiet=False) as watch:
        watch("trades", 1, 2)
    assert screen.getvalue() == ""


@pytest.fixture(autouse=True)
def logging_as_before() -> object:
    import logging

    yield
    logging.disable(logging.NOTSET)


def test_an_end_is_told_on_the_stream_of_its_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, stderr in (("out", False), ("err", True)):
        monkeypatch.setattr(pipeline.commands.terminal, name, Console(stderr=stderr, width=100))
    document = {"status": "done", "pack_id": None, "reason": "", "rows": 3}
    ends = []
    for status in (0, 3):
        with pytest.raises(typer.Exit) as ended:
            finish(document, status, as_json=False)
        ends.append(ended.value.exit_code)
    said = capsys.readouterr()
    assert ends == [0, 3]
    assert said.out == said.err == "status: done; rows: 3\n"


def test_json_is_one_document_without_numbers_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": Path("x"), "b": [1.5]})
    assert capsys.readouterr().out == '{\n  "a": "x",\n  "b": [\n    1.5\n  ]\n}\n'
    print_json({"a": float("nan"), "b": [float("inf"), (-float("inf"), 1)], "c": {"d": 2.5}})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, [None, 1]], "c": {"d": 2.5}}


@pytest.mark.parametrize(("columns", "width"), [("80", "80"), (None, "160")])
def test_a_pipe_is_160_columns_wide_unless_it_is_told(columns: str | None, width: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")
    }
    program = "from pipeline.commands.terminal import out; print(out.width)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env=environment | ({"COLUMNS": columns} if columns else {}), check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.stdout.strip() == width


@pytest.mark.parametrize(("no_color", "escaped"), [("1", False), ("", True)])
def test_no_color_is_plain_text_whatever_forces_colours(no_color: str, escaped: bool) -> None:
    environment = os.environ | {"NO_COLOR": no_color, "FORCE_COLOR": "1"}
    for command in (["pipeline", "--help"], ["pipeline", "packs", "show", "nothing"]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ("\x1b[" in done.stdout + done.stderr) is escaped


def test_colours_that_are_asked_for_make_no_bar_in_a_pipe() -> None:
    program = (
        "from pipeline.commands.terminal import working\nwith working('x', False) as tell: tell('y', 1, 2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env=os.environ | {"FORCE_COLOR": "1"}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout + done.stderr == ""


def test_what_is_written_is_for_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        keep_private()
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").touch()
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("folder", "file")] == [0o700, 0o600]
