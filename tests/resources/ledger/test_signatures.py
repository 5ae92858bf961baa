"""Signed anchors: the desk's key signs each line, and whoever has its public half can tell."""

import errno
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from bench import BOOK, STAMP, ingest, new_warehouse, price_rows

from optimizer import PolicyError
from optimizer.errors import how_many
from resources.audit.backup import accept_break
from resources.audit.verification import verify, verify_home
from resources.ledger import anchors as anchors_file
from resources.ledger import signatures
from resources.ledger.anchor_lines import ACCEPTED, REVOKED, ROTATED, Anchor
from resources.ledger.anchors import Anchors, append_line, read_anchors
from resources.ledger.ledger import head
from resources.ledger.signatures import KEY, PublicKey, make_keys
from resources.store.continuity import NO_ANCHOR
from resources.store.warehouse import Warehouse

WEIGHTS = pd.DataFrame({"symbol": ["AAA", "BBB"], "weight": [0.25, 0.75]})
AT = datetime(2024, 1, 5, tzinfo=UTC)


def write(warehouse: Warehouse, weight: float) -> None:
    with warehouse.write(STAMP) as tx:
        frames = {"optimal_weights": WEIGHTS.assign(weight=weight)}
        tx.record("optimal_weights", frames, pack_id="PP_2024-01-05", portfolio_id=BOOK)


def few_rows(home: Path) -> Warehouse:
    """A ledger row of a log and one of weights: a signature is a line's, whatever tables there are."""
    warehouse = new_warehouse(home)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    write(warehouse, 0.5)
    return warehouse


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublicKey:
    """The desk signs from now on."""
    path = tmp_path / "keys" / "desk"
    made = make_keys(path, tmp_path / "home")
    monkeypatch.setenv(KEY, str(path))
    return PublicKey.of_file(made)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, PublicKey]:
    """A warehouse of which every line is signed; it is only read."""
    folder = tmp_path_factory.mktemp("signed")
    made = make_keys(folder / "desk", folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, str(folder / "desk"))
        return few_rows(folder / "home"), PublicKey.of_file(made)


def said(warehouse: Warehouse, anchors: Anchors, key: PublicKey | None) -> tuple[list[str], list[str]]:
    with warehouse.live() as con:
        report = verify(con, anchors, key=key)
    return [fault.message for fault in report.faults], list(report.notes)


def test_every_commit_is_signed_and_the_key_fits(signed: tuple[Warehouse, PublicKey]) -> None:
    warehouse, public = signed
    anchors = read_anchors(warehouse.anchor)
    assert all("signature" in line.told for line in anchors.lines)
    assert said(warehouse, anchors, public) == ([], [])
    assert "give --key" in said(warehouse, anchors, None)[1][0]


def test_a_changed_a_missing_and_a_foreign_signature_are_named(
    tmp_path: Path, signed: tuple[Warehouse, PublicKey]
) -> None:
    warehouse, public = signed
    anchors = read_anchors(warehouse.anchor)
    lines, last = anchors.lines, anchors.lines[-1]
    stripped = replace(anchors, lines=(*lines[:-1], resigned(last, None)))
    assert said(warehouse, stripped, public)[0] == [
        f"line {last.place} of {last.at}, ledger row {last.count}, has no signature"
    ]
    moved = replace(anchors, lines=(*lines[:-1], resigned(last, lines[0].told["signature"])))
    assert "another key, or was changed" in said(warehouse, moved, public)[0][0]
    other = PublicKey.of_file(make_keys(tmp_path / "other", tmp_path / "home"))
    assert len(said(warehouse, anchors, other)[0]) == len(lines)
    assert said(warehouse, Anchors(), public)[0] == ["there is no line to check against the key", NO_ANCHOR]
    bare = replace(anchors, lines=tuple(resigned(line, None) for line in lines))
    assert len(said(warehouse, bare, public)[0]) == len(lines)


def resigned(line: Anchor, signature: object) -> Anchor:
    told = {name: value for name, value in line.told.items() if name != "signature"}
    return replace(line, told=told if signature is None else {**told, "signature": signature})


def test_lines_from_before_the_key_are_a_note(tmp_path: Path) -> None:
    warehouse = few_rows(tmp_path / "home")
    count = len(read_anchors(warehouse.anchor).lines)
    public = PublicKey.of_file(make_keys(tmp_path / "desk", warehouse.home))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, str(tmp_path / "desk"))
        with warehouse.write(STAMP) as tx:
            tx.record(
                "optimal_weights", {"optimal_weights": WEIGHTS}, pack_id="PP_2024-01-05", portfolio_id=BOOK
            )
    faults, notes = said(warehouse, read_anchors(warehouse.anchor), public)
    assert faults == []
    assert notes == [f"from before the desk had a key: the first {how_many(count, 'anchor line')}"]


def test_a_line_that_nobody_signed_is_seen_without_its_key_where_the_desk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public: PublicKey
) -> None:
    """A forged copy with a line of its own digest passed `packs verify` without --key."""
    warehouse = few_rows(tmp_path / "home")
    with monkeypatch.context() as patch:
        patch.delenv(KEY)
        warehouse.publish()
        assert verify_home(warehouse).faults == []
    (fault,) = verify_home(warehouse).faults
    assert "has no signature" in str(fault)
    with monkeypatch.context() as patch:
        patch.delenv(KEY)
        accept_break(warehouse, STAMP, "nobody signs this")
    assert len(verify_home(warehouse).faults) == 3  # that acceptance and its announcement bear none either
    accept_break(warehouse, STAMP, "a run without the key")
    report = verify_home(warehouse, key=public)
    assert report.status == "accepted" and any("accepted since: line" in note for note in report.notes)
    monkeypatch.setenv(KEY, str(tmp_path / "none"))
    assert verify_home(warehouse).status == "accepted"  # verification needs no right to read the key


def test_an_accepted_break_is_signed_with_its_reason(tmp_path: Path, public: PublicKey) -> None:
    file = tmp_path / "anchors.jsonl"
    append_line(file, ACCEPTED, 1, "1" * 64, AT, {"accepted": "a disk was lost"})
    (line,) = read_anchors(file).lines
    assert public.fits(line.fields, line.told["signature"])
    for changed in ({"accepted": "nothing happened"}, {"number": 2}, {"previous": "1" * 64}):
        assert not public.fits({**line.fields, **changed}, line.told["signature"])
    assert "PRIVATE" not in json.dumps(line.fields)


def test_keys_stay_outside_the_home_are_private_and_are_never_overwritten(tmp_path: Path) -> None:
    home, path = tmp_path / "home", tmp_path / "desk"
    with pytest.raises(PolicyError, match="must not hold the key"):
        make_keys(home / "desk", home)
    make_keys(path, home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(PolicyError, match="never overwritten"):
        make_keys(path, home)
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(PolicyError, match="never overwritten"):  # nor the public half by itself
        make_keys(path, home)


def test_a_full_disk_leaves_no_half_of_a_pair_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for step in ("force_to_disk", "write_whole"):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
            patch.setattr(signatures, step, full)
            make_keys(tmp_path / "desk", tmp_path / "home")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, "no key at all"])
def test_a_key_that_cannot_be_read_stops_the_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    warehouse, path = Warehouse(tmp_path / "home"), tmp_path / "desk"
    if content:
        path.write_text(content)
    monkeypatch.setenv(KEY, str(path))
    expected = pytest.raises(PolicyError, match=r"no readable private key.*nothing was written")
    with expected, warehouse.write(STAMP):
        pass
    assert not warehouse.path.exists()
    with pytest.raises(PolicyError, match="no readable public key"):
        PublicKey.of_file(path)


@pytest.fixture
def past_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are written with whatever key somebody has, as another program would."""
    monkeypatch.setattr(anchors_file, "may_sign", lambda *_: True)


def test_a_key_that_signs_no_more_writes_nothing(
    tmp_path: Path, public: PublicKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler that kept the old key signed on after a rotation: each of its lines was a fault for ever."""
    warehouse, new, other = new_warehouse(tmp_path / "home"), tmp_path / "new", tmp_path / "other"
    make_keys(new, warehouse.home)
    make_keys(other, warehouse.home)
    write(warehouse, 0.1)
    told = {"old_key": public.text, "new_key": PublicKey.of_private(new).text}
    warehouse.tell_anchor(ROTATED, told, new)
    before = warehouse.anchor.read_bytes()
    doors = (
        lambda: write(warehouse, 0.2), warehouse.publish, lambda: warehouse.state_root(STAMP.at),
        lambda: warehouse.tell_anchor(ROTATED, told | {"new_key": PublicKey.of_private(other).text}, other),
    )  # fmt: skip
    for key in (tmp_path / "keys" / "desk", other):
        monkeypatch.setenv(KEY, str(key))
        for door in doors:
            with pytest.raises(
                PolicyError, match=rf"{key.name} is not the key that signs .* line 3; nothing"
            ):
                door()
    assert warehouse.anchor.read_bytes() == before and not list(warehouse.home.glob("published*"))
    accept_break(warehouse, STAMP, "both keys were lost")
    write(warehouse, 0.2)
    assert verify_home(warehouse).status == "accepted"
    monkeypatch.setenv(KEY, str(new))
    with pytest.raises(PolicyError, match="new is not the key that signs"):
        warehouse.publish()


@pytest.mark.parametrize("gap", [1, 60], ids=["one line", "more lines than are read of the end"])
def test_lines_that_nobody_signed_give_no_turn_back(
    tmp_path: Path, public: PublicKey, monkeypatch: pytest.MonkeyPatch, gap: int
) -> None:
    """After a run without a key, one that had been handed over signed again, and each of its lines was a fault."""
    warehouse, new, old = new_warehouse(tmp_path / "home"), tmp_path / "new", tmp_path / "keys" / "desk"
    make_keys(new, warehouse.home)
    write(warehouse, 0.1)
    warehouse.tell_anchor(ROTATED, {"old_key": public.text, "new_key": PublicKey.of_private(new).text}, new)
    monkeypatch.delenv(KEY)
    for _ in range(gap):
        warehouse.state_root(STAMP.at)
    before = warehouse.anchor.read_bytes()
    monkeypatch.setenv(KEY, str(old))
    for door in (warehouse.publish, lambda: accept_break(warehouse, STAMP, "a run without the key")):
        with pytest.raises(PolicyError, match=r"desk (is not the key that signs|signs no more).* line 3[ ;]"):
            door()
    assert warehouse.anchor.read_bytes() == before
    monkeypatch.setenv(KEY, str(new))
    accept_break(warehouse, STAMP, "a run without the key")
    write(warehouse, 0.2)
    assert verify_home(warehouse).status == "accepted"


@pytest.mark.usefixtures("past_the_program")
def test_a_key_is_replaced_by_a_line_that_both_sign_and_either_verifies(
    tmp_path: Path, public: PublicKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, new = new_warehouse(tmp_path / "home"), tmp_path / "new"
    successor = PublicKey.of_file(make_keys(new, warehouse.home))
    stranger = PublicKey.of_file(make_keys(tmp_path / "stranger", warehouse.home))
    write(warehouse, 0.1)
    told = {"old_key": public.text, "new_key": successor.text}
    warehouse.tell_anchor(ROTATED, told, new)
    monkeypatch.setenv(KEY, str(new))
    write(warehouse, 0.2)
    anchors = read_anchors(warehouse.anchor)
    for key in (public, successor):
        faults, notes = said(warehouse, anchors, key)
        assert faults == []
        assert f"the key {successor.text} signs in place of {public.text}" in notes[0]
    assert len(said(warehouse, anchors, stranger)[0]) == len(anchors.lines)
    monkeypatch.setenv(KEY, str(tmp_path / "keys" / "desk"))
    write(warehouse, 0.3)  # the old key signs on
    late = said(warehouse, read_anchors(warehouse.anchor), successor)[0]
    assert len(late) == 2 and all("another key" in one for one in late)


@pytest.mark.usefixtures("past_the_program")
def test_a_rotation_that_the_old_key_did_not_sign_turns_nothing(
    tmp_path: Path, public: PublicKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, thief = new_warehouse(tmp_path / "home"), tmp_path / "thief"
    stolen = PublicKey.of_file(make_keys(thief, warehouse.home))
    write(warehouse, 0.1)
    monkeypatch.setenv(KEY, str(thief))
    warehouse.tell_anchor(ROTATED, {"old_key": public.text, "new_key": stolen.text}, thief)
    write(warehouse, 0.2)
    faults = said(warehouse, read_anchors(warehouse.anchor), public)[0]
    assert len(faults) == 3 and all("another key" in fault for fault in faults)


@pytest.mark.usefixtures("past_the_program")
def test_a_rotation_to_a_key_that_did_not_sign_is_a_fault_and_turns_nothing(
    tmp_path: Path, public: PublicKey
) -> None:
    """Who names a key that nobody shows to have would leave the desk without one."""
    warehouse = new_warehouse(tmp_path / "home")
    unseen = PublicKey.of_file(make_keys(tmp_path / "unseen", warehouse.home))
    write(warehouse, 0.1)
    warehouse.tell_anchor(ROTATED, {"old_key": public.text, "new_key": unseen.text})
    write(warehouse, 0.2)
    anchors = read_anchors(warehouse.anchor)
    (fault,) = said(warehouse, anchors, public)[0]
    assert "is not signed by the new key" in fault
    assert len(said(warehouse, anchors, unseen)[0]) == len(anchors.lines)  # nothing leads back from it


@pytest.mark.usefixtures("past_the_program")
def test_what_a_revoked_key_signs_is_a_fault(
    tmp_path: Path, public: PublicKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, new = new_warehouse(tmp_path / "home"), tmp_path / "new"
    successor = PublicKey.of_file(make_keys(new, warehouse.home))
    write(warehouse, 0.1)
    warehouse.tell_anchor(ROTATED, {"old_key": public.text, "new_key": successor.text}, new)
    monkeypatch.setenv(KEY, str(new))
    warehouse.tell_anchor(REVOKED, {"revoked_key": successor.text, "reason": "a laptop was lost"})
    write(warehouse, 0.2)
    faults, notes = said(warehouse, read_anchors(warehouse.anchor), public)
    assert len(faults) == 2 and all("a key that was revoked" in fault for fault in faults)
    assert any("a laptop was lost" in note for note in notes)


def test_a_revoked_key_signs_nothing_more(tmp_path: Path, public: PublicKey) -> None:
    """Nor does it accept what others wrote: that was written, and no acceptance to any reader of the anchor."""
    warehouse = new_warehouse(tmp_path / "home")
    write(warehouse, 0.1)
    warehouse.tell_anchor(REVOKED, {"revoked_key": public.text, "reason": "a laptop was lost"})
    before = warehouse.anchor.read_bytes()
    with pytest.raises(PolicyError, match=r"not the key that signs the anchor now, by its line 3;"):
        write(warehouse, 0.2)
    with pytest.raises(PolicyError, match=r"signs no more since line 3 .* anchor keygen"):
        accept_break(warehouse, STAMP, "I have no other")
    with warehouse.live() as con:
        assert warehouse.anchor.read_bytes() == before and head(con)[0] == 1


def test_no_revoked_key_is_handed_the_anchor(
    tmp_path: Path, public: PublicKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is asked where the line is written: a revocation may come between a command's question and its line."""
    file, new, old = tmp_path / "anchors.jsonl", tmp_path / "new", tmp_path / "keys" / "desk"
    own = PublicKey.of_file(make_keys(new, tmp_path / "home")).text
    state, there = (0, "0" * 64, AT), {"old_key": public.text, "new_key": own}
    append_line(file, ROTATED, *state, there, new_key=new)
    monkeypatch.setenv(KEY, str(new))
    append_line(file, REVOKED, *state, {"revoked_key": public.text, "reason": "a laptop was lost"})
    with pytest.raises(PolicyError, match="desk was revoked, and is not believed"):
        append_line(file, ROTATED, *state, {"old_key": own, "new_key": public.text}, new_key=old)
    assert len(read_anchors(file).lines) == 2


def test_what_others_write_of_a_key_takes_no_turn_of_it(tmp_path: Path, public: PublicKey) -> None:
    """A line that anybody could append, of a turn or a revocation, left the desk's own key nothing to accept with."""
    warehouse, stranger = new_warehouse(tmp_path / "home"), tmp_path / "stranger"
    other = PublicKey.of_file(make_keys(stranger, warehouse.home)).text
    write(warehouse, 0.1)
    forged = ((REVOKED, {"revoked_key": public.text, "reason": "said a stranger"}),
              (ROTATED, {"old_key": public.text, "new_key": other}))  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(KEY)
        patch.setattr(anchors_file, "may_sign", lambda *_: True)
        warehouse.tell_anchor(*forged[0])
        patch.setenv(KEY, str(stranger))
        warehouse.tell_anchor(*forged[1])
    with pytest.raises(PolicyError, match=r"not the key that signs the anchor now, by its line 4;"):
        write(warehouse, 0.2)
    accept_break(warehouse, STAMP, "lines of a stranger")
    write(warehouse, 0.2)
    assert verify_home(warehouse).status == "accepted"
    assert said(warehouse, read_anchors(warehouse.anchor), public)[0] == []


def test_a_key_that_was_given_back_accepts(
    tmp_path: Path, public: PublicKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn away from it came first, and was taken for the last."""
    warehouse, new, old = new_warehouse(tmp_path / "home"), tmp_path / "new", tmp_path / "keys" / "desk"
    between = PublicKey.of_file(make_keys(new, warehouse.home)).text
    write(warehouse, 0.1)
    warehouse.tell_anchor(ROTATED, {"old_key": public.text, "new_key": between}, new)
    monkeypatch.setenv(KEY, str(new))
    warehouse.tell_anchor(ROTATED, {"old_key": between, "new_key": public.text}, old)
    with pytest.raises(PolicyError, match="signs no more since line 4 "):
        accept_break(warehouse, STAMP, "by the key between")
    stranger = tmp_path / "stranger"
    make_keys(stranger, warehouse.home)
    with monkeypatch.context() as patch:
        patch.setattr(anchors_file, "may_sign", lambda *_: True)
        patch.setenv(KEY, str(stranger))
        warehouse.state_root(STAMP.at)
    monkeypatch.setenv(KEY, str(old))
    accept_break(warehouse, STAMP, "a line of a stranger")
    write(warehouse, 0.2)
    assert verify_home(warehouse).status == "accepted"
    assert said(warehouse, read_anchors(warehouse.anchor), public)[0] == []
