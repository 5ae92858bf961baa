"""What the last run left is believed where it can be read, and waited for nowhere."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.store.last_run import FILE, Ground, LastRun, forget_last_run, keep_last_run, read_last_run

LAST = LastRun(
    {"as_of": None}, ("../inbox",), "a" * 64, (9, "b" * 64), "2024-01-01", "2024-01-02", "PP", 0, ""
)


def test_what_was_kept_is_read_again_until_it_is_forgotten(tmp_path: Path) -> None:
    keep_last_run(tmp_path, LAST)
    assert read_last_run(tmp_path) == LAST
    forget_last_run(tmp_path)
    assert read_last_run(tmp_path) is None


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda place: place.symlink_to(place)])
def test_what_is_no_file_is_nothing_that_a_run_left_and_no_ground(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / FILE)
    assert read_last_run(tmp_path) is None
    config = tmp_path / "config"
    config.mkdir()
    (config / "desk.yaml").write_text("name: desk\n")
    there, none = tmp_path / "decisions.jsonl", tmp_path / "none"
    assert Ground(config, (), (there, none), tmp_path).digest() is not None
    make(there)
    assert Ground(config, (), (there, none), tmp_path).digest() is None
    make(config / "odd.yaml")
    assert Ground(config, (), (none,), tmp_path).digest() is None
