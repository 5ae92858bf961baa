"""A disk that fills up, and one that cannot be written: a clear line, nothing by halves, and the rerun converges."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from small_desk import make_desk
from zygote import Zygote

pytestmark = pytest.mark.xdist_group("zygote")
ROOM = ("300k", "1200k", "3000k", "8000k")  # for nothing, for no commit, for no copy, for no second copy


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[str], None]]]:
    """A disk of its own, and how to give it other options; needs the right to mount."""
    place = tmp_path / "small"
    place.mkdir()
    tool = shutil.which("mount")
    if tool is None or _mount("-t", "tmpfs", "-o", f"size={ROOM[0]}", "tmpfs", str(place)).returncode:
        pytest.skip("no right to mount a disk here")

    def change(option: str) -> None:
        assert _mount("-o", f"remount,{option}", str(place)).returncode == 0

    yield place, change
    subprocess.run(["umount", str(place)], check=True)


def _mount(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["mount", *arguments], capture_output=True, check=False)


def record(home: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(
            "select asset, pack_id, portfolio_id, rows, content_hash from versions order by all"
        ).fetchall()


@pytest.mark.slow
def test_a_disk_that_is_full_or_read_only_is_told_in_a_line_and_loses_nothing(
    tmp_path: Path, disk: tuple[Path, Callable[[str], None]]
) -> None:
    place, change = disk
    day = str(make_desk(tmp_path)[-1])
    zygote = Zygote(tmp_path)
    for room in ROOM:
        change(f"size={room}")
        status, said = zygote.packfolio("run", "--as-of", day, home="small")
        assert status == 1 and "Traceback" not in said, said
        *of_dagster, told = said.splitlines()  # Dagster names the event that it could not keep
        assert all(
            "writing logger call" in line or "Background on this error" in line for line in of_dagster
        ), said
        assert "No space left" in told or "is full" in told
        assert not (place / "published.tmp").exists()
    change("size=64m")
    change("ro")
    status, said = zygote.packfolio("run", "--as-of", day, home="small")
    assert status == 1 and len(said.splitlines()) == 1, said
    assert f"{place} can be read and written" in said
    change("rw")
    for home in ("small", "roomy"):
        assert zygote.packfolio("run", "--as-of", day, home=home)[0] == 0
    change("ro")
    assert zygote.packfolio("packs", "list", home="small")[0] == 0  # readers need no right to write
    assert record(place) == record(tmp_path / "roomy")
    assert zygote.read("packs", "verify", home="small")["faults"] == []
