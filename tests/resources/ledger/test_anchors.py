"""The anchor's lines: numbered, chained, in order; whatever is odd is a sentence, and never a traceback."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.audit.anchor_verification import accepted_breaks, check_anchors
from resources.ledger import anchors as module
from resources.ledger.anchor_lines import ACCEPTED, COMMIT, INTENT, KINDS, PUBLISHED
from resources.ledger.anchors import Anchors, append_line, read_anchors, read_end
from resources.ledger.record_error import RecordError

LOST = "A" * 43 + "="
AT = datetime(2024, 1, 5, 22, tzinfo=UTC).replace(tzinfo=None)


def head(count: int) -> str:
    return f"{count:064x}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three commits, each announced, and a published copy."""
    path = tmp_path / "anchors.jsonl"
    for count in (1, 2, 3):
        for kind in (INTENT, COMMIT):
            append_line(path, kind, count, head(count), AT)
    append_line(path, PUBLISHED, 3, head(3), AT, {"sha256": head(9)})
    return path


def odd(path: Path) -> list[tuple[int, str]]:
    return list(read_anchors(path).odd)


def test_lines_are_read_as_they_were_written(file: Path) -> None:
    found = read_anchors(file)
    assert (found.odd, found.torn, found.size) == ((), (), 7)
    assert found.settled is not None and found.settled.state == (3, head(3))
    assert found.pending is None
    assert [line.told["sha256"] for line in found.published] == [head(9)]
    assert read_anchors(file.with_name("absent")) == Anchors()


def test_a_commit_that_nobody_settled_is_pending(file: Path) -> None:
    append_line(file, INTENT, 5, head(5), AT)
    found = read_anchors(file)
    assert found.settled is not None and found.settled.count == 3
    assert found.pending is not None and found.pending.count == 5


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda lines: [*lines, lines[-1]], "says that it is line 7"),
        (lambda lines: [*lines, lines[3]], "says that it is line 4"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "says that it is line 3"),
        (lambda lines: lines[:2] + lines[4:], "says that it is line 5"),
        (lambda lines: [*lines[:3], lines[3].replace("22:00", "23:00"), *lines[4:]], "does not follow"),
        (lambda lines: [*lines, json.dumps({"count": 4, "head": head(4), "at": "2024-01-05"})], "has no number"),
        (lambda lines: [*lines, '{"count": 1e400, "head": "00", "at": "2023-06-30T00:00:00"}'], "no number of rows"),
        (lambda lines: [*lines, "[" * 100_000 + "}"], "no JSON object"),
        (lambda lines: [*lines, "[]}"], "no JSON object"),
        (lambda lines: [*lines, '{"count": ' + "9" * 5000 + "}"], "no JSON object"),
        (lambda lines: [*lines, '{"count": 1, "count": 2}'], "stands twice"),
        (lambda lines: [*lines, json.dumps({**json.loads(lines[-1]), "accepted": " "})], "accepted"),
        (lambda lines: [*lines, json.dumps({**json.loads(lines[-1]), "a\nok": 1})], "a\\nok"),
        (lambda lines: [*lines, json.dumps({**json.loads(lines[-1]), "number": "8\nok"})], "line 8\\nok"),
        (lambda lines: [*lines, json.dumps({**json.loads(lines[-1]), "number": 8.0})], "line 8.0"),
        (lambda lines: [*lines, json.dumps({**json.loads(lines[-1]), "count": True})], "no number of rows"),
        (lambda lines: [*lines, json.dumps({**json.loads(lines[-1]), "at": "2024-01-05\n22:00"})], "a time that is"),
        (lambda lines: [*lines, lines[-1].replace(head(3), head(3)[:-1] + "\N{FULLWIDTH DIGIT THREE}")], "no SHA-256"),
        (lambda lines: [*lines, lines[-1].replace('"count": 3', '"count": NaN')], "no number of rows"),
    ],
)  # fmt: skip
def test_an_odd_line_is_named_in_one_sentence(file: Path, edit: Any, said: str) -> None:
    lines = edit(file.read_text().splitlines())
    file.write_text("\n".join(lines) + "\n")
    found = odd(file)
    assert any(said in why for _, why in found), found
    assert all("\n" not in why and len(why) < 200 for _, why in found)


def test_what_another_wrote_into_a_line_is_told_in_one(file: Path) -> None:
    append_line(file, ACCEPTED, 3, head(3), AT, {"accepted": "fine\nok  all is as recorded \x1b[2J"})
    append_line(file, "revoked", 3, head(3), AT, {"revoked_key": LOST, "reason": "lost\nfound"})
    found = read_anchors(file)
    assert found.odd == ()
    (told,) = accepted_breaks(found)
    assert told.endswith("fine\\nok  all is as recorded \\x1b[2J")
    assert any(note.endswith("lost\\nfound") for note in check_anchors([], found)[1])


@pytest.mark.parametrize(
    ("kind", "count", "told"),
    [
        (INTENT, 3, {}), (COMMIT, 4, {}), (PUBLISHED, 2, {"sha256": head(1)}), ("begun", 3, {}),
        ("revoked", 2, {"revoked_key": LOST, "reason": "stolen"}), (ACCEPTED, 2, {"accepted": "  "}),
        ("wish", 3, {}), (PUBLISHED, 3, {}),
    ],
)  # fmt: skip
def test_a_well_formed_line_that_tells_what_cannot_be_is_odd(
    file: Path, kind: str, count: int, told: dict[str, str]
) -> None:
    append_line(file, kind, count, head(count), AT, told)
    assert [number for number, _ in odd(file)] == [8]
    with pytest.raises(RecordError, match=r"line 8 of the anchor .* nothing was written"):
        read_end(file)


def test_an_accepted_break_may_go_back_and_settles_what_was_odd_before(file: Path) -> None:
    with file.open("a") as out:
        out.write('{"number": "eight"}\n')
    append_line(file, ACCEPTED, 2, head(2), AT, {"accepted": "restored"}, after=read_anchors(file))
    found = read_anchors(file)
    assert [number for number, _ in found.odd] == [8]
    assert found.disputed == ()
    assert read_end(file).settled == found.settled == found.accepted
    append_line(file, INTENT, 3, head(30), AT)
    assert len(odd(file)) == 1


def test_half_a_line_is_passed_over_and_the_chain_goes_on(file: Path) -> None:
    with file.open("a") as half:
        half.write('{"number": 8, "he')
    append_line(file, INTENT, 4, head(4), AT)
    with file.open("ab") as half:
        half.write(b"\0" * 64)
    append_line(file, COMMIT, 4, head(4), AT)
    found = read_anchors(file)
    assert (found.torn, found.odd, found.size) == ((8, 10), (), 11)


def test_lines_of_the_first_release_are_read_and_may_stand_at_the_beginning_alone(tmp_path: Path) -> None:
    file = tmp_path / "anchors.jsonl"
    old = [json.dumps({"count": n, "head": head(n), "at": "2024-01-05T22:00:00"}) for n in (1, 2, 4)]
    file.write_text("\n".join(old) + "\n")
    append_line(file, INTENT, 5, head(5), AT)
    found = read_anchors(file)
    assert (found.odd, [line.place for line in found.lines]) == ((), [1, 2, 3, 4])
    for changed in ([old[0], old[0]], [old[1], old[0]]):
        file.write_text("\n".join(changed) + "\n")
        assert "stands twice or out of order" in odd(file)[0][1]
    back = json.dumps({"count": 1, "head": head(7), "at": "2024-01-05T22:00:00", "accepted": "restored"})
    file.write_text("\n".join([*old, back]) + "\n")
    assert odd(file) == []


def test_the_end_is_enough_to_go_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAIL", 700)  # three lines
    for count in range(4, 9):
        for kind in (INTENT, COMMIT):
            append_line(file, kind, count, head(count), AT)
    whole, end = read_anchors(file), read_end(file)
    assert (end.settled, end.size, end.end) == (whole.settled, whole.size, whole.end)
    assert len(end.lines) < len(whole.lines) and whole.odd == ()


texts = st.text(max_size=12)
values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), texts, st.lists(st.integers(), max_size=2)
)
names = st.sampled_from(
    ["number", "previous", "kind", "count", "head", "at", "accepted", "signature", "sha256"]
)


@given(
    st.lists(
        st.one_of(st.dictionaries(names | texts, values | st.sampled_from(list(KINDS))), values), max_size=6
    )
)
def test_no_line_whatever_ends_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, told: list[Any]
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    file.write_text("\n".join(json.dumps(item) for item in told) + "\n")
    found = read_anchors(file)
    assert len(found.lines) + len(found.torn) + len(found.odd) == found.size


@given(st.binary(max_size=80))
def test_no_bytes_whatever_end_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "bytes.jsonl"
    file.write_bytes(raw)
    assert read_anchors(file).lines == ()
