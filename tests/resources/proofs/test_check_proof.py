"""A proof holds, and whatever is changed in it is told in one sentence, never by a traceback."""

import copy
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench import BOOK, STAMP
from hypothesis import given
from hypothesis import strategies as st
from proof_desk import PACK, WEIGHTS, Made, fill

from optimizer import DataError, PolicyError
from resources.ledger.anchor_lines import REVOKED, ROTATED
from resources.ledger.signatures import KEY, PublicKey, make_keys, signed
from resources.proofs import check_proof
from resources.proofs.check_proof import Refused, check, main, read_key
from resources.proofs.checkpoints import rooted_lines
from resources.store.warehouse import Warehouse


def refused(document: Any, key: Path | None = None, *kept: Any) -> str:
    with pytest.raises(Refused) as caught:
        check(document, read_key(key) if key else None, kept)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_trade_is_proven_down_to_its_prices_and_their_payloads(made: Made) -> None:
    found = check(made.proof, read_key(made.public), [made.early, made.proof])
    assert found.result["key"] == {"pack_id": PACK, "portfolio_id": BOOK, "symbol": "AAA"}
    assert [row["action"] for row in found.result["rows"]] == ["BUY"]
    shown = {table: [row.get("symbol") for row in rows] for (_, table), rows in found.cells.items()}
    assert shown["optimal_weights"] == shown["return_estimates"] == ["AAA"]
    closes = {place: [row["close"] for row in rows] for place, rows in found.logs.items()}
    assert closes[2, "prices of 2024-01-05"] == ["101.0000"] and closes[1, "prices of 2024-01-04"] == [
        "102.0000"
    ]
    payloads = [
        row["payload_sha256"]
        for (_, table), rows in found.cells.items()
        if table == "ingests"
        for row in rows
    ]
    assert payloads == ["abc", "abc"]
    assert "ledger row 6 rests on previous_state ffffffffffff…, not opened here" in found.notes


def test_a_row_with_a_separator_inside_and_a_whole_table_are_proven(
    tmp_path: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = made.prove("trades", PACK, "BBB")
    assert "\x1f" in check(proof).result["rows"][0]["rationale"]
    (tmp_path / "proof.json").write_text(json.dumps(proof))
    assert main([str(tmp_path / "proof.json")]) == 0
    assert all(line.isprintable() for line in capsys.readouterr().out.split("\n"))
    whole = made.prove("optimal_weights", PACK)
    assert len(check(whole).result["rows"]) == 3 and whole["cells"][0]["others"] == []
    assert check(made.prove("pricing_packs", PACK)).result["table"] == "pricing_packs"
    assert check(made.prove("return_estimates", PACK, "CCC")).result["ledger_row"] == 4


def texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values in a document that are no list or object, and of all that could be taken out."""
    if isinstance(value, dict | list):
        for at in value if isinstance(value, dict) else range(len(value)):
            yield from texts(value[at], (*path, at))
    if path:
        yield path


def put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    for step in path[:-1]:
        document = document[step]
    if value is None:
        del document[path[-1]]
    else:
        document[path[-1]] = value


def changed(value: Any, at: int) -> Any:
    if isinstance(value, str):
        if not value:
            return "x"
        at %= len(value)
        return value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1 :]
    return value + 1 if isinstance(value, int) else "something else"


@given(data=st.data())
def test_every_changed_and_every_missing_value_is_told(made: Made, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(list(texts(made.proof))))
    document = copy.deepcopy(made.proof)
    inner = document
    for step in path:
        inner = inner[step]
    gone = data.draw(st.booleans())
    if gone and path[0] in ("links", "witnesses") and len(path) == 2:
        gone = False  # a link that is not asked for may be left out
    value = None if gone else changed(inner, data.draw(st.integers(0, 200)))
    put(document, path, value)
    refused(document, made.public, made.early)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
NAMES = st.sampled_from([*check_proof.PARTS.split(), "x"])
ODD = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)
ODD_FILES = [
    b"", b"{", b"[]", b"null", b"NaN", b'{"format": NaN}', b'{"format": 1, "format": 1}', b"[" * 9000, b"9" * 5000,
    b'"\\ud800"', b"\x00\xff",
]  # fmt: skip


@given(ODD, st.data())
def test_odd_documents_are_refused_in_a_sentence(made: Made, odd: Any, data: st.DataObject) -> None:
    refused(odd)
    document = copy.deepcopy(made.proof)
    path = data.draw(st.sampled_from([path for path in texts(document) if path[0] != "witnesses"]))
    put(document, path, [odd])
    refused(document, made.public)
    with pytest.raises(Refused):
        check(made.proof, None, [odd])


HOSTILE: list[Callable[[Any], Any]] = [
    lambda value: float(value) if type(value) is int else value,
    lambda value: bool(value) if type(value) is int else value,
    lambda value: 10**30 if type(value) is int else value,
    lambda value: str(value) if type(value) is int else f"{value}\n",
    lambda value: f"{value}\x1b[2J" if isinstance(value, str) else None,
    lambda value: f"{value}\ud800" if isinstance(value, str) else float("nan"),
    lambda value: value.replace("a", "\N{CYRILLIC SMALL LETTER A}") if isinstance(value, str) else [value],
    lambda value: value.upper() if isinstance(value, str) else {"a": value},
    lambda value: [*value, *value[-1:]] if isinstance(value, list) else f" {value}",
]


def test_whatever_looks_alike_moves_the_cursor_or_stands_twice_is_refused_in_a_line(
    tmp_path: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "proof.json"
    for number, path in enumerate(texts(made.proof)):
        document = copy.deepcopy(made.proof)
        inner = document
        for step in path[:-1]:
            inner = inner[step]
        before = inner[path[-1]]
        inner[path[-1]] = after = HOSTILE[number % len(HOSTILE)](before)
        if before == after and type(before) is type(after):
            continue
        file.write_text(json.dumps(document))
        assert main([str(file), "--key", str(made.public)]) == 3, (path, after)
        said = capsys.readouterr().out
        assert said.count("\n") == 1 and said[:-1].isprintable() and len(said) < 330, (path, after)


def test_a_refusal_has_an_end() -> None:
    assert len(str(Refused("\x1b" * 200))) == 300  # each is told in four signs


def test_names_stand_in_any_order_and_joined_texts_are_cut_in_one_way(made: Made) -> None:
    check(json.loads(json.dumps(made.prove("trades", PACK, "BBB"), sort_keys=True)), read_key(made.public))
    for part in {*check_proof.LISTS.split()} & {*made.proof}:
        assert refused(made.proof | {part: {}}) == f"{part} of the proof must be a list"
    for part, at in (("ledger", "path"), ("cells", "rows"), ("logs", "rows"), ("logs", "others")):
        for empty in ({}, ""):  # an empty object was taken for no rows
            items = [item | {at: empty} if not item[at] else item for item in made.proof[part]]
            items = items if items != made.proof[part] else [made.proof[part][0] | {at: empty}]
            assert f"{at} of " in refused(made.proof | {part: items}, made.public)
    joined = copy.deepcopy(made.proof)
    joined["leaves"][:2] = ["\n".join(joined["leaves"][:2])]
    assert "leaves must hold" in refused(joined)
    moved = copy.deepcopy(made.proof)  # hashed alike: symbol of "GC=F", and symbol=GC of "F"
    moved["cells"][0]["rows"][0]["symbol=GC"] = "F"
    assert "plain names" in refused(moved)


@pytest.mark.parametrize("name", ["cells", "ledger", "units", "logs", "links"])
def test_what_stands_twice_is_refused(made: Made, name: str) -> None:
    refused(made.proof | {name: [*made.proof[name], *made.proof[name][-1:]]}, made.public)


@pytest.mark.parametrize("text", ODD_FILES, ids=range(len(ODD_FILES)))
def test_odd_files_are_told_with_status_3(
    tmp_path: Path, made: Made, capsys: pytest.CaptureFixture[str], text: bytes
) -> None:
    (tmp_path / "odd").write_bytes(text)
    (tmp_path / "proof").write_text(json.dumps(made.proof))
    assert main([str(tmp_path / "odd")]) == 3
    assert main([str(tmp_path / "proof"), "--checkpoint", str(tmp_path / "odd"), "--json"]) == 3
    assert capsys.readouterr().out.count("\n") == 2


def test_other_keys_and_other_histories_are_told(tmp_path: Path, made: Made) -> None:
    other = make_keys(tmp_path / "other", made.store.home)
    assert "no signature of this key" in refused(made.proof, other)
    unsigned = {name: value for name, value in made.proof["checkpoint"].items() if name != "signature"}
    assert "no signature" in refused(made.proof | {"checkpoint": unsigned}, made.public)
    for garbled in ("no base64", "AA="):
        checkpoint = made.proof["checkpoint"] | {"signature": garbled}
        assert "no signature of this key" in refused(made.proof | {"checkpoint": checkpoint}, made.public)
    early = made.early
    assert "another history" in refused(made.proof, made.public, early | {"root": "0" * 64})
    assert "older than the checkpoint" in refused(made.proof, made.public, early | {"count": 99})
    assert "no link to 2 rows" in refused(made.proof | {"links": []}, made.public, early)
    for name in ("root", "at"):  # without a key, a proof without its time ended in a traceback
        told = {field: value for field, value in made.proof["checkpoint"].items() if field != name}
        assert "has no root or time" in refused(made.proof | {"checkpoint": told})
        assert "has no root or time" in refused(made.proof, None, told)
    for odd in ([], None, 1, "root", {"checkpoint": None}, early | {"root": []}, {**early, "count": None}):
        assert "the checkpoint that was kept" in refused(made.proof, None, odd), odd
    rewritten = fill(tmp_path / "rewritten")
    lines = rooted_lines(rewritten, STAMP.at)
    assert [line.root for line in lines] == [line.root for line in rooted_lines(made.store, STAMP.at)]


def test_a_key_that_was_handed_over_or_revoked_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old public key still checks what the new one signs; nothing that the old one signs afterwards holds."""
    home = tmp_path / "home"
    one, two, thief = (make_keys(tmp_path / name, home) for name in ("one", "two", "thief"))
    monkeypatch.setenv(KEY, str(tmp_path / "one"))
    desk = Made(fill(home), one, {}, {})
    before = desk.prove("trades", PACK, "AAA")
    names = [PublicKey.of_file(path).text for path in (one, two)]
    desk.store.tell_anchor(ROTATED, {"old_key": names[0], "new_key": names[1]}, tmp_path / "two")
    monkeypatch.setenv(KEY, str(tmp_path / "two"))
    desk.store.tell_anchor(REVOKED, {"revoked_key": names[0], "reason": "its laptop was lost"})
    after = desk.prove("trades", PACK, "AAA")
    told = " ".join(check(after, read_key(one)).notes)
    assert names[1] in told and "its laptop was lost" in told
    assert check(after, read_key(two)).notes[:-1] == check(before, read_key(one)).notes
    assert "no signature of this key" in refused(after, thief)
    assert "no signature of this key" in refused(before | {"keys": after["keys"]}, two)
    assert "no signature of this key" in refused(after | {"keys": []}, one)
    check(before | {"keys": after["keys"]}, read_key(one))  # what was handed over later was its own then
    stolen = {name: value for name, value in after["checkpoint"].items() if name != "signature"}
    # With the lost key, after it was handed over.
    stolen = json.loads(json.dumps(signed(stolen, tmp_path / "one")))
    assert "no signature of this key" in refused(after | {"checkpoint": stolen}, one)
    for name, value in {"number": 2, "new_key": names[0], "countersignature": "AA==", "at": "then"}.items():
        turned = [after["keys"][0] | {name: value}, *after["keys"][1:]]
        refused(after | {"keys": turned}, one)
    earlier = {name: part for name, part in before.items() if name != "keys"} | {
        "format": "packfolio-proof-2"
    }
    assert check(earlier, read_key(one)).size == 6
    for told in ("packfolio-proof-1", "packfolio-proof-2"):
        assert "has an unknown 'keys'" in refused(before | {"format": told})


def test_a_row_cannot_be_given_to_another_payload(made: Made) -> None:
    document = made.prove("trades", PACK, "BBB")
    first, second = (part for part in document["logs"] if part["date"] == "2024-01-05")
    assert (first["ledger_row"], second["ledger_row"], second["rows"]) == (1, 2, [])
    digest = hashlib.sha256("|".join(first["rows"][0].values()).encode()).hexdigest()[:32].upper()
    second["others"].remove(digest)
    second["rows"], first["rows"] = first["rows"], []
    first["others"].append(digest)
    assert "came with another payload" in refused(document)


def test_what_cannot_be_proven_is_told_with_the_remedy(tmp_path: Path, made: Made) -> None:
    with pytest.raises(PolicyError, match="no proof of 'prices'"):
        made.prove("prices", PACK)
    with pytest.raises(PolicyError, match="name the pack"):
        made.prove("trades")
    with pytest.raises(PolicyError, match="trades has no row of PP_2024-01-05 ZZZ"):
        made.prove("trades", PACK, "ZZZ")
    with pytest.raises(PolicyError, match="cannot continue 99"):
        made.prove("trades", PACK, "AAA", since=(99,))
    shutil.copytree(made.store.home, tmp_path / "home")
    store = replace(made, store=Warehouse(tmp_path / "home"))
    with store.store.live() as con:
        con.execute("update trades set quantity = 4 where symbol = 'AAA'")
    with pytest.raises(DataError, match="not those that it wrote; run `packfolio packs verify`"):
        store.prove("trades", PACK, "AAA")


def test_a_damaged_missing_or_foreign_file_of_nodes_is_made_anew(tmp_path: Path, made: Made) -> None:
    shutil.copytree(made.store.home, tmp_path / "home")
    desk = replace(made, store=Warehouse(tmp_path / "home"))
    file = desk.store.tree.path
    nodes = file.read_bytes()
    for damage in (
        b"",
        nodes[:-1],
        nodes[:40],
        bytes(len(nodes)),
        nodes + nodes,
        nodes[:64] + bytes(32) + nodes[96:],
    ):
        file.write_bytes(damage)
        assert desk.prove("trades", PACK, "AAA") == made.proof
        with desk.store.live() as con:
            assert desk.store.tree.grow(con) == made.proof["checkpoint"]["root"]
    file.unlink()
    assert desk.prove("trades", PACK, "AAA") == made.proof
    with pytest.raises(ZeroDivisionError), desk.store.write(STAMP) as tx:
        tx.record("optimal_weights", {"optimal_weights": WEIGHTS[:1]}, pack_id=PACK, portfolio_id=BOOK)
        raise ZeroDivisionError
    assert desk.prove("trades", PACK, "AAA") == made.proof


def test_the_page_of_the_format_has_each_field_in_its_place(made: Made) -> None:
    page = " ".join(
        (Path(check_proof.__file__).parents[2] / "docs/methods/proofs.md").read_text("utf-8").split()
    )
    for fields in (check_proof.LEDGER, check_proof.PRICES, check_proof.DATE):
        assert ", ".join(f"`{name}`" for name in fields.split()) in page
    for part in check_proof.PARTS.split():
        assert f"`{part}`" in page
        for item in made.proof[part] if isinstance(made.proof[part], list) else ():
            assert not isinstance(item, dict) or all(f"`{name}`" in page for name in item)


def test_the_file_runs_alone_and_is_short(tmp_path: Path, made: Made) -> None:
    source = Path(check_proof.__file__)
    assert len(source.read_text("utf-8").splitlines()) < 400
    shutil.copy(source, tmp_path / "check_proof.py")
    for name, document in {"proof.json": made.proof, "earlier.json": made.early}.items():
        (tmp_path / name).write_text(json.dumps(document))
    command = [sys.executable, "-I", "check_proof.py", "proof.json", "--key", str(made.public)]
    done = subprocess.run(
        [*command, "--checkpoint", "earlier.json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.startswith(f"proven: trades of {PACK} {BOOK} AAA, ledger row 6 of 6 at 2024-01-05")
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as stopped:
        assert stopped.stdout and stopped.stderr
        stopped.stdout.close()  # as `head` does when it has enough
        assert (stopped.stderr.read(), stopped.wait() != 0) == (b"", True)
    (tmp_path / "proof.json").write_text(
        json.dumps(made.proof).replace('"quantity": "3.0"', '"quantity": "4.0"')
    )
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (
        3,
        "not proven: the rows of trades of ledger row 6 are not those that it wrote\n",
        "",
    )
    done = subprocess.run(
        [*command[:-1], "none.pub"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    said = "a file or a key cannot be read: No such file or directory: 'none.pub'\n"
    assert (done.returncode, done.stderr) == (2, said)
