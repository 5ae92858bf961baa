"""Every field of every kind of line, changed in every way: told in one sentence that names the line, at every door."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from bench import DAYS, STAMP, ingest, price_rows
from draws import some
from proof_desk import PACK, Made, fill

from optimizer import DataError
from pipeline.doctor.examination import examine
from pipeline.environment import Environment
from resources.audit.anchor_verification import check_anchors, check_signatures, check_witnessed
from resources.audit.backup import accept_break, backup, restore
from resources.audit.cell_verification import Line
from resources.audit.verification import _ledger, verify_home
from resources.ledger.anchor_lines import FORGED, REVOKED, ROTATED
from resources.ledger.anchors import read_anchors
from resources.ledger.cosignatures import read_cosigned
from resources.ledger.record_error import RecordError
from resources.ledger.signatures import KEY, PublicKey, make_keys
from resources.ledger.timestamps import read_stamps
from resources.proofs.checkpoints import rooted_lines
from resources.proofs.witnessing import cosign
from resources.store.warehouse import Warehouse

VALUES: dict[str, Any] = {
    "null": None, "true": True, "huge": 10**30, "negative": -1, "zero": 0, "float": 1.0, "list": [], "object": {},
    "NaN": float("nan"), "infinite": float("inf"), "empty": "", "space": " ", "text": "x", "NUL": "\x00",
    "full width": "\uff13", "right to left": "\u202e3", "half a pair": "\ud800", "long": "9" * 5000,
}  # fmt: skip
BYTES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda raw: b"", "half": lambda raw: raw[: len(raw) // 2], "its end": lambda raw: raw[:-1],
    "BOM": lambda raw: b"\xef\xbb\xbf" + raw, "CRLF": lambda raw: raw + b"\r", "spaces": lambda raw: raw + b"  ",
    "garbage": lambda raw: raw + b"}", "twice": lambda raw: raw + raw, "NUL": lambda raw: b"\0" * len(raw),
    "latin": lambda raw: raw[:-2] + b"\xe9" + raw[-2:], "in a list": lambda raw: b"[" + raw + b"]",
    "UTF-16": lambda raw: raw.decode().encode("utf-16"),
}  # fmt: skip
LINES = 24


@dataclass(frozen=True)
class Desk:
    """A home whose anchor has a line of every kind that is written today, its ledger, and the public key."""

    home: Path
    key: PublicKey
    ledger: list[Line]
    texts: list[bytes]

    def faults(self, texts: list[bytes]) -> list[str]:
        """What verification says of the anchor, with these lines in it."""
        anchor = self.home.parent / "changed.jsonl"
        anchor.write_bytes(b"".join(text + b"\n" for text in texts))
        anchors = read_anchors(anchor)
        odd, _ = check_anchors(self.ledger, anchors)
        forged, _ = check_signatures(anchors, self.key)
        return [str(fault) for fault in (*odd, *forged)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("anchor")
    home = folder / "home"
    publics = [make_keys(folder / name, home) for name in ("first", "second", "lost", "witness")]
    first, second, lost, _ = map(PublicKey.of_file, publics)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, str(folder / "first"))
        store = fill(home)
        store.publish()
        backup(store, folder / "kept", STAMP.at)
        store.state_root(STAMP.at)
        store.tell_anchor(FORGED, {"sha256": "a" * 64, "kept": "evidence"})
        store.tell_anchor(REVOKED, {"revoked_key": lost.text, "reason": "stolen"})
        store.tell_anchor(ROTATED, {"old_key": first.text, "new_key": second.text}, folder / "second")
        patch.setenv(KEY, str(folder / "second"))
        store.tell_anchor(REVOKED, {"revoked_key": first.text, "reason": "it was replaced"})
        accept_break(store, STAMP, "a restored backup")
        with store.write(STAMP) as tx:
            ingest(tx, "prices", price_rows(close=103.0, days=DAYS[:1]))
        store.publish()
        store.state_root(STAMP.at)
        (folder / "proof").write_text(
            json.dumps(Made(store, publics[1], {}, {}).prove("trades", PACK, "AAA"))
        )
        told = cosign(folder / "proof", publics[1], folder / "witness", folder / "seen", STAMP.at, first=True)
        (home / "witnesses.jsonl").write_text(json.dumps(told) + "\n")
        with store.live() as con:
            ledger, _ = _ledger(con)
        assert verify_home(store, key=second).status == "accepted"
        yield Desk(home, second, ledger, store.anchor.read_bytes().split(b"\n")[:-1])


def test_half_a_line_as_a_killed_run_leaves_it_is_a_note(desk: Desk) -> None:
    anchor = desk.home.parent / "half.jsonl"
    anchor.write_bytes(b"".join(text + b"\n" for text in desk.texts) + desk.texts[-1][:40])
    faults, notes = check_anchors(desk.ledger, read_anchors(anchor))
    assert faults == [] and f"anchor line {LINES + 1} is half a line, which a killed run leaves" in notes


def changed(told: dict[str, Any], others: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """The line with one thing about it changed, and what that is."""
    raw = json.dumps(told)
    for name, value in told.items():
        yield (
            f"{name} taken out",
            json.dumps({other: told[other] for other in told if other != name}).encode(),
        )
        for kind, another in VALUES.items():
            yield f"{name} {kind}", json.dumps({**told, name: another}).encode()
        for another in [one[name] for one in others if name in one and one[name] != value][-1:]:
            yield f"{name} of another line", json.dumps({**told, name: another}).encode()
        yield f"{name} twice", (raw[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}").encode()
        yield f"{name} in other letters", raw.replace(f'"{name}"', f'"{name[:-1]}\u0435"').encode()
        another = value + 1 if type(value) is int else value.swapcase()
        yield f"{name} near", json.dumps({**told, name: another}).encode()
    for name in ("accepted", "before", "reason", "root", "sha256", "countersignature", "x"):
        if name not in told:
            yield f"{name} besides", json.dumps({**told, name: "ab" * 32}).encode()
    yield "another order", json.dumps(dict(reversed(told.items()))).encode()
    for name, change in BYTES.items():
        yield name, change(raw.encode())


@pytest.mark.parametrize(
    "place", some([LINES - 1, 17, 15, 2, *(set(range(LINES)) - {LINES - 1, 17, 15, 2})], 1)
)
def test_each_field_of_a_line_changed_is_a_fault_that_names_it(desk: Desk, place: int) -> None:
    told = [json.loads(text) for text in desk.texts]
    assert len(told) == LINES and desk.faults(desk.texts) == []
    lines = {f"line {place + 1} ", f"line {place + 2} "}  # it, or that the next one does not follow it
    for what, text in changed(told[place], told[:place] + told[place + 1 :]):
        if text == desk.texts[place]:
            continue
        found = desk.faults([*desk.texts[:place], text, *desk.texts[place + 1 :]])
        if (text.rstrip(b"\0") and text.endswith((b"}", b"}\r", b"  ", b"]"))) or place + 1 < LINES:
            assert any(line in fault for fault in found for line in lines), (place + 1, what, found)
        assert all(fault.isprintable() for fault in found), (place + 1, what)


def test_a_line_before_an_accepted_break_is_not_accepted_when_it_is_changed_after_it(desk: Desk) -> None:
    place = next(at for at, text in enumerate(desk.texts) if b'"revoked"' in text)
    forged = desk.texts[place].replace(b"stolen", b"st0len")
    found = desk.faults([*desk.texts[:place], forged, *desk.texts[place + 1 :]])
    assert any("accepts a break, and a line before it was changed since" in fault for fault in found), found


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "is a folder, a pipe, a device"),
    "a pipe": (a_pipe, "is a folder, a pipe, a device"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe\n"), "line 1 "),
    "a list": (lambda path: path.write_text("[]\n"), "line 1 "),
    "blank": (lambda path: path.write_text("{}\n\n"), "line 1 "),
    "a line": (lambda path: path.write_text('{"number": 1, "count": NaN}\n'), "line 1 "),
}
DOORS: dict[str, Callable[[Warehouse], object]] = {
    "write": lambda store: store.write(STAMP).__enter__(),
    "publish": Warehouse.publish,
    "prove": lambda store: rooted_lines(store, STAMP.at),
    "revoke": lambda store: store.tell_anchor(REVOKED, {}),
    "backup": lambda store: backup(store, store.home.parent / "another", STAMP.at),
    "restore": lambda store: restore(store, store.home.parent / "kept", STAMP.at),
    "verify": lambda store: refused(verify_home(store).faults),
    "doctor": lambda store: refused(
        one["found"] for one in examine(of_home(store)) if one["state"] == "fault"
    ),
}


def of_home(store: Warehouse) -> Environment:
    return Environment(store.home, store.home / "config", store.anchor, store.home / "decisions.jsonl")


def refused(told: Any) -> None:
    raise RecordError("; ".join(map(str, told)))


@pytest.fixture
def store(desk: Desk, tmp_path: Path) -> Warehouse:
    shutil.copytree(desk.home, tmp_path / "home")
    shutil.copytree(desk.home.with_name("kept"), tmp_path / "kept")
    return Warehouse(tmp_path / "home")


@pytest.mark.parametrize("case", OTHERS)
def test_every_door_tells_what_stands_in_the_anchors_place(store: Warehouse, case: str) -> None:
    make, said = OTHERS[case]
    for read in (read_cosigned, read_stamps):
        file = store.home.parent / f"{read.__name__}.jsonl"
        make(file)
        with pytest.raises(RecordError, match=said):
            read(file)
    store.anchor.unlink()
    make(store.anchor)
    for door, enter in DOORS.items():
        with pytest.raises(DataError, match=said) as told:
            enter(store)
        assert str(told.value).isprintable(), door


@pytest.mark.parametrize("name", ["warehouse.duckdb", "published.duckdb"])
@pytest.mark.parametrize("make", [Path.mkdir, a_pipe, lambda path: path.symlink_to(path)])
def test_every_door_tells_what_stands_in_the_place_of_a_database(
    store: Warehouse, name: str, make: Callable[[Path], object]
) -> None:
    doors = DOORS | {"read": lambda store: store.open_published()}
    unread = {"read", "prove"} if name == store.path.name else {"write", "prove", "revoke", "backup"}
    (store.home / name).unlink()
    make(store.home / name)
    for door in doors.keys() - unread:
        with pytest.raises(RecordError, match=f"{name} is a folder, a pipe, a device or a link .*: m"):
            pytest.fail(f"{door} said {doors[door](store)}")


def test_a_changed_line_of_a_witness_is_named(desk: Desk, tmp_path: Path) -> None:
    line = (desk.home / "witnesses.jsonl").read_bytes().removesuffix(b"\n")
    told, file = json.loads(line), tmp_path / "witnesses.jsonl"
    assert len(read_cosigned(desk.home / "witnesses.jsonl")) == 1
    for what, text in changed(told, []):
        if what not in ("another order", "CRLF", "spaces"):  # the signature covers what is said, and not how
            file.write_bytes(line + b"\n" + text + b"\n")
            with pytest.raises(RecordError, match=r"line 2 of .* is none that `packfolio witness` printed"):
                pytest.fail(f"{what}: {read_cosigned(file)}")


def test_what_a_witness_saw_of_another_history_is_a_fault(desk: Desk, store: Warehouse) -> None:
    own, seen = desk.home.parent / "witness", store.home.parent / "seen"
    other = Warehouse(store.home.parent / "other")
    shutil.copytree(desk.home, other.home)
    for each, close in ((store, 90.0), (other, 91.0)):
        with each.write(STAMP) as tx:
            ingest(tx, "prices", price_rows(close=close, days=DAYS[:1]))
    public = desk.home.parent / "second.pub"
    proof = store.home.parent / "proof"
    proof.write_text(json.dumps(Made(other, public, {}, {}).prove("trades", PACK, "AAA")))
    line = cosign(proof, public, own, seen, STAMP.at, first=True)
    assert verify_home(store, key=desk.key).status == "accepted"
    with (store.home / "witnesses.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    (fault,) = verify_home(store, key=desk.key).faults
    assert "line 2 of the witnesses" in str(fault) and "saw another ledger of 9 rows" in str(fault)
    with suppress(RecordError):
        assert verify_home(other, key=desk.key).status == "accepted"
    with store.live() as con:
        lines, _ = _ledger(con)
    longer = replace(read_cosigned(store.home / "witnesses.jsonl")[-1], count=len(lines) + 1)
    (fault,), _ = check_witnessed(
        lines, read_anchors(store.anchor), [longer]
    )  # the anchor was cut off as well
    assert f"saw another ledger of {len(lines) + 1} rows" in str(fault) and "it was cut off" in str(fault)
