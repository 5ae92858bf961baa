"""The sensor tells what the typed desk has wrong with it: a rejected pack, a book without an answer."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from receiver import Receiver, running
from sensors import look, resources_of
from typed_desk import Typed

from pipeline import alerts as sensor
from pipeline.alerts import alerts, opened, packed, send_new, wrong_now
from resources.alerts.conditions import Alert, conditions
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.store.warehouse import Warehouse

pytestmark = pytest.mark.xdist_group("terminal")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 64 MB; needs the right to mount."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a disk here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes what room there is."""
    with (disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(1 << 20))
    return disk / "filler"


def test_a_disk_that_is_really_full_is_told_once_and_again_when_it_fills_again(
    typed: Typed, small_disk: Path, tmp_path: Path
) -> None:
    home, config, chat = small_disk / "home", tmp_path / "config", Receiver()
    home.mkdir()
    shutil.copy(Warehouse(typed.at.home).published, home)
    shutil.copytree(typed.at.config, config)
    (config / "notify.yaml").write_text(f"webhooks: [{{name: chat, url: '{chat.url}'}}]\nfree_gib: 0.01\n")
    cursor = None
    with running(chat.server):
        for full in (True, True, False, True):
            filler = fill(small_disk) if full else small_disk / "none"
            _, cursor = look(alerts, resources_of(home, config), cursor=cursor)
            filler.unlink(missing_ok=True)
    told = [[one["said"] for one in body["alerts"] if one["kind"] == "disk"] for body in chat.taken]
    said = f"the disk of {home} has 0.0 GiB free, less than 0.01: make room, or runs will end in it"
    assert [one for one in told if one] == [[said], [said]]


def test_a_disk_that_hovers_is_told_once_and_is_over_when_it_clearly_has_room(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor, sent, free = dict[str, dict[str, str]](), list[tuple[float, str]](), list[float]()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free[-1] * (1 << 30)))

    def chat(alerts: Sequence[Alert]) -> str:
        sent.extend((free[-1], alert.kind) for alert in alerts)
        return "taken"

    resources = DeskResource(folder=str(typed.at.config)), WarehouseResource(home=str(tmp_path))
    for room in (2.1, 1.9, 2.0, 1.9, 2.49, 1.9, 2.5, 2.1, 1.9):
        free.append(room)
        found, looked = wrong_now(*resources, 2.0, datetime(2024, 3, 1, tzinfo=UTC))
        cursor, _, _ = send_new(found, looked, {"chat": chat}, cursor)
    assert sent == [(1.9, "disk"), (2.5, "over"), (1.9, "disk")]


def test_what_the_warehouse_knows_to_be_wrong(typed: Typed) -> None:
    sessions = [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]
    with Warehouse(typed.at.home).read() as con:
        found = {alert.key: alert for alert in conditions(con, datetime(2024, 3, 21, tzinfo=UTC), sessions)}
        quiet = [alert.kind for alert in conditions(con, datetime(2025, 3, 21, tzinfo=UTC), [])]
    assert set(found) == {"missed 2024-03-01", "rejected 2024-03-20", "no answer tight"}
    assert found["missed 2024-03-01"].said.endswith("run `packfolio run --as-of 2024-03-01`")
    assert "PP_2024-03-20 is rejected: no symbol has a price" in found["rejected 2024-03-20"].said
    assert "tight has no answer" in found["no answer tight"].said
    assert quiet == ["no_answer"]


def test_the_sensor_sends_and_remembers(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = resources_of(typed.at.home, typed.at.config)
    silent, _ = look(alerts, resources)
    assert str(silent.skip_message) == "notify.yaml names no channel: nothing is sent"
    sent: list[list[str]] = []
    monkeypatch.setattr(
        sensor, "channels", lambda file, home: {"chat": lambda found: sent.append([a.key for a in found])}
    )
    notify = typed.at.config / "notify.yaml"
    notify.write_text("webhooks: [{name: chat, url: 'http://127.0.0.1:1/'}]\nfree_gib: 0\n")
    try:
        first, cursor = look(alerts, resources)
        again, _ = look(alerts, resources, cursor=cursor)
    finally:
        notify.unlink()
    assert sent == [["no answer tight"]]
    assert str(first.skip_message) == "chat was told of no answer tight"
    assert str(again.skip_message) == "nothing new is wrong"
    assert opened(cursor) == {"chat": {"no answer tight": "no_answer"}}


def test_what_ten_thousand_books_were_told_of_fits_in_a_tick() -> None:
    """A cursor of 350 kB stood in each of the two thousand ticks that Dagster keeps of a week."""
    told = {f"chat{n}": {f"no answer account-{m:05}": "no_answer" for m in range(10_000)} for n in range(2)}
    assert opened(packed(told)) == told and 1_000 < len(packed(told)) < 8_000
    assert (
        opened(json.dumps(told)) == told and opened(None) == {}
    )  # as an older release kept it; the first tick


def test_what_could_not_be_looked_at_is_told_and_nothing_is_over(typed: Typed, tmp_path: Path) -> None:
    """A copy that cannot be read was taken for a desk before its first run: no word, and all was told again after."""
    home, config, chat = tmp_path / "home", tmp_path / "config", Receiver()
    shutil.copytree(typed.at.config, config)
    (config / "notify.yaml").write_text(f"webhooks: [{{name: chat, url: '{chat.url}'}}]\nfree_gib: 0\n")
    home.mkdir()
    copy, cursor, said = Warehouse(home).published, None, []
    with running(chat.server):
        for step in ("before the first run", "whole", "damaged", "mistaken", "whole"):
            if step == "whole":
                shutil.copy(Warehouse(typed.at.home).published, home)
                shutil.copy(typed.at.config / "pipeline.yaml", config)
            if step == "damaged":
                copy.write_bytes(b"no database" * 1000)
            if step == "mistaken":
                (config / "pipeline.yaml").write_text("backtests: {}\n")
            tick, cursor = look(alerts, resources_of(home, config), cursor=cursor)
            said.append(str(tick.skip_message))
    book = "no answer tight"
    assert said == [
        "nothing new is wrong", f"chat was told of {book}", "chat was told of record",
        "chat was told of configuration", "chat was told what is over: configuration, record",
    ]  # fmt: skip
    assert "cannot be read" in chat.taken[1]["text"] and "did you mean" in chat.taken[2]["text"]
    assert chat.taken[3]["text"].splitlines()[1:] == [
        "over: the configuration can be read again", "over: the published copy can be read again",
    ]  # fmt: skip
