"""Files are there whole or not at all: a full disk or a kill at any step leaves what stood before."""

import errno
import os
from pathlib import Path

import pytest

from optimizer import PolicyError
from resources.ledger import atomic_file, timestamps
from resources.ledger.atomic_file import copy_whole, write_whole
from resources.ledger.signatures import make_keys
from resources.settings import new_desk

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Killed(BaseException):
    """The process ends here."""


def ended(how: BaseException) -> object:
    def end(*_: object, **__: object) -> None:
        raise how

    return end


@pytest.mark.parametrize("how", [FULL, Killed()])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_stood_before_stands_whatever_ends_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, how: BaseException
) -> None:
    place, source = tmp_path / "kept.json", tmp_path / "source"
    write_whole(place, b"before")
    source.write_bytes(b"after")
    with monkeypatch.context() as patch, pytest.raises(type(how)):
        patch.setattr(atomic_file.os if step == "fsync" else Path, step, ended(how))
        copy_whole(source, place)
    assert place.read_bytes() == b"before"
    assert {one.name for one in tmp_path.iterdir()} == {"kept.json", "source"}
    copy_whole(source, place)
    assert place.read_bytes() == b"after"


def test_half_a_pair_of_keys_does_not_stand_in_the_way_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, home = tmp_path / "keys" / "desk", tmp_path / "home"
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
            patch.setattr(atomic_file.os if step == "fsync" else Path, step, ended(FULL))
            make_keys(key, home)
        assert list(key.parent.iterdir()) == []
    assert make_keys(key, home).exists()
    with pytest.raises(PolicyError, match="exists already"):
        make_keys(key, home)


def test_a_time_stamp_that_the_disk_does_not_take_leaves_those_before_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "timestamps.jsonl"
    one = timestamps.Stamp(3, "ab" * 32, "2024-01-09T07:30:00+00:00", b"der")
    timestamps.keep_stamp(file, one)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(Path, "replace", ended(FULL))
        timestamps.keep_stamp(file, one)
    assert timestamps.read_stamps(file) == [one]
    timestamps.keep_stamp(file, one)
    assert timestamps.read_stamps(file) == [one, one]


def test_a_desk_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(PolicyError, match="No space"):
        patch.setattr(Path, "replace", ended(FULL))
        new_desk.make_desk(tmp_path, {}, example=True)
    assert not (tmp_path / "config").exists() and not (tmp_path / "config.part").exists()
    made = new_desk.make_desk(tmp_path, {}, example=True)
    assert made == tmp_path / "config" and (made / "sources.yaml").is_file()
