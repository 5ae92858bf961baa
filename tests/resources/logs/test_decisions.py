"""The service's file of decisions becomes rows: each line once, a damaged one set aside, a half one left to grow."""

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bench import new_warehouse, staying_open

from resources.audit.verification import verify
from resources.ledger.ledger import Stamp
from resources.ledger.record_error import RecordError
from resources.logs.decisions import append_decision, ingest_decisions
from resources.store.warehouse import Warehouse

STAMP = Stamp("run", datetime(2025, 10, 27, tzinfo=UTC).replace(tzinfo=None), "code", "config")


def decision(trace: str) -> dict[str, object]:
    return {
        "at": "2025-10-27T14:00:00+00:00", "caller": "loopback", "trace_id": trace, "pricing_pack_id": "PP_2025-10-26",
        "portfolio_id": "11111111-1111-1111-1111-111111111111", "policy_hash": "0" * 64, "method": "cvar",
        "constraints_met": True, "estimated_costs": 12.5, "trades": [{"symbol": "A", "quantity": 3}],
    }  # fmt: skip


def bring(store: Warehouse, path: Path) -> tuple[int, list[int]]:
    with store.write(STAMP) as tx:
        found = ingest_decisions(tx, path)
    return found.decisions, [damaged.line for damaged in found.damaged]


def test_each_line_is_brought_once_and_the_ledger_covers_it(tmp_path: Path) -> None:
    store, path = new_warehouse(tmp_path, staying_open), tmp_path / "decisions.jsonl"
    assert bring(store, path) == (0, [])  # no file is no fault
    for trace in ("a", "b"):
        append_decision(path, decision(trace))
    assert path.stat().st_mode & 0o077 == 0
    assert bring(store, path) == (2, [])
    assert bring(store, path) == (0, [])
    append_decision(path, decision("c"))
    assert bring(store, path) == (1, [])
    with store.live() as con:
        rows = con.execute('select trace_id, "at", pack_id, trades from decisions order by 1').fetchall()
        assert [row[0] for row in rows] == ["a", "b", "c"]
        assert rows[0][1:3] == (datetime(2025, 10, 27, 14, tzinfo=UTC).replace(tzinfo=None), "PP_2025-10-26")
        assert json.loads(rows[0][3]) == [{"symbol": "A", "quantity": 3}]
        assert verify(con, store.anchor).faults == []
        assert con.execute("select count(*) from materializations").fetchall() == [(2,)]
        con.execute("update decisions set caller = 'somebody else' where trace_id = 'b'")
        (fault,) = verify(con, store.anchor).faults
        assert (fault.table, fault.what) == ("decisions", "changed")


DAMAGED = [
    b"not json",
    b"\xff\xfe",
    b"[1, 2]",
    json.dumps({**decision("x"), "surprise": 1}).encode(),
    json.dumps({**decision("x"), "policy_hash": "short"}).encode(),
    json.dumps({**decision("x"), "at": "yesterday"}).encode(),
    json.dumps({**decision("x"), "estimated_costs": "NaN"}).encode(),
]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_line_is_recorded_once_and_the_rest_goes_on(tmp_path: Path, damaged: bytes) -> None:
    store, path = new_warehouse(tmp_path, staying_open), tmp_path / "decisions.jsonl"
    append_decision(path, decision("a"))
    with path.open("ab") as file:
        file.write(damaged + b"\n\n")
    append_decision(path, decision("b"))
    assert bring(store, path) == (2, [2])
    assert bring(store, path) == (0, [])
    with store.live() as con:
        aside = con.execute("select line, code, raw from quarantine").fetchall()
        assert aside == [(2, "DAMAGED_LINE", damaged.decode("utf-8", "replace"))]
        assert verify(con, store.anchor).faults == []


def test_a_line_that_a_killed_service_left_half_spoils_no_other(tmp_path: Path) -> None:
    store, path = new_warehouse(tmp_path, staying_open), tmp_path / "decisions.jsonl"
    append_decision(path, decision("a"))
    with path.open("ab") as file:
        file.write(b'{"at": "2025-')
    assert bring(store, path) == (1, [])  # it may still be growing
    append_decision(path, decision("b"))
    assert bring(store, path) == (1, [2])


def test_a_line_that_was_changed_moved_or_taken_out_among_others_is_told_once(tmp_path: Path) -> None:
    """Whatever is done to one of four lines before any is on record; what is cut off at the end, nobody can know."""
    path, stores = tmp_path / "written.jsonl", list[Warehouse]()
    for trace in "abcd":
        append_decision(path, decision(trace))
    a, b, c, d = path.read_bytes().splitlines(keepends=True)
    plain = json.dumps(decision("x")).encode() + b"\n"
    for place, (lines, told) in enumerate(
        [
            ([a, b, c, d], []),
            ([a, b, c], []),
            ([a, c, d], [2]),
            ([b, c, d], [1]),
            ([a, c, b, d], [2, 3, 4]),
            ([a, b.replace(b"12.5", b"12.4"), c, d], [3]),
            ([a, b, b, c, d], [3]),
            ([a, b, plain, c, d], [3, 4]),
            ([plain, plain.replace(b'"x"', b'"y"')], []),  # as releases before this one wrote them
        ]
    ):
        log = tmp_path / f"{place}.jsonl"
        log.write_bytes(b"".join(lines))
        stores.append(new_warehouse(tmp_path / str(place), staying_open))
        assert bring(stores[place], log) == (len(set(lines)), told), place
        assert bring(stores[place], log) == (0, [])
    path.write_bytes(c + d)  # the lines before are on record: an old file may be put away
    append_decision(path, decision("e"))
    assert bring(stores[0], path) == (1, [])


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A file takes no byte beyond `size` in the block, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_of_a_line_that_a_full_disk_takes_in_part_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    append_decision(path, decision("a"))
    whole = path.read_bytes()
    for room in (0, 1, 100):
        with pytest.raises(OSError, match=r"No space left|too large"), largest_file(len(whole) + room):
            append_decision(path, decision("b"))
        assert path.read_bytes() == whole
    append_decision(path, decision("b"))
    assert bring(new_warehouse(tmp_path, staying_open), path) == (2, [])


def test_a_pipe_in_its_place_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "decisions.jsonl")
    with pytest.raises(RecordError, match="put the service's log back"):
        bring(new_warehouse(tmp_path, staying_open), tmp_path / "decisions.jsonl")
