"""A witness signs only what has grown from what it saw; two histories shown to two witnesses are found."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from bench import BOOK, STAMP
from proof_desk import PACK, WEIGHTS, Made, fill

from optimizer import DataError, PolicyError
from resources.audit.backup import accept_break
from resources.ledger.signatures import make_keys
from resources.proofs import witnessing
from resources.proofs.check_proof import Refused, check, read_key
from resources.proofs.checkpoints import cosignatures, linked_sizes, rooted_lines
from resources.proofs.proving import Witnessed, prove
from resources.proofs.witnessing import cosign
from resources.store.warehouse import Warehouse


def another_weight(made: Made, folder: Path, first: float) -> Made:
    """A copy of the desk at which one more row was written."""
    shutil.copytree(made.store.home, folder)
    store = Warehouse(folder)
    with store.write(STAMP) as tx:
        weights = WEIGHTS.assign(weight=[first, 0.5, 0.5 - first])
        tx.record("optimal_weights", {"optimal_weights": weights}, pack_id=PACK, portfolio_id=BOOK)
    grown = replace(made, store=store)
    return replace(grown, proof=grown.prove("pricing_packs", PACK))


def written(folder: Path, name: str, made: Made) -> Path:
    path = folder / name
    path.write_text(json.dumps(made.proof))
    return path


def test_what_readers_do_not_see_yet_is_published_before_it_is_proved(tmp_path: Path) -> None:
    """After a break was accepted and its publish failed, one was told to write a checkpoint, which was there."""
    store = fill(tmp_path / "home")
    store.publish()
    accept_break(store, STAMP, "a disk was full then")
    desk = Witnessed(rooted_lines(store, STAMP.at))
    refused = pytest.raises(DataError, match=r"ends at ledger row 6, before the .*`packfolio ingest`")
    with store.read() as con, store.tree.read(con) as tree, refused:
        prove(con, tree, "trades", (PACK, "AAA"), desk)
    store.publish()
    with store.read() as con, store.tree.read(con) as tree:
        check(json.loads(json.dumps(prove(con, tree, "trades", (PACK, "AAA"), desk))))


def test_days_of_a_backtest_stay_hashes_where_its_summary_is_proved(tmp_path: Path, made: Made) -> None:
    """They were most of four megabytes, and nobody had asked for them."""
    shutil.copytree(made.store.home, tmp_path / "home")
    store, days = Warehouse(tmp_path / "home"), ["2024-01-03", "2024-01-04"]
    result = {
        "backtest_results": pd.DataFrame({
            "strategy": "policy", "date": days, "nav": [100.0, 101.0], "simulated": True,
        }),
        "backtest_summary": pd.DataFrame({
            "strategy": ["policy"], "metric": ["total_return"], "value": [0.01], "simulated": [True],
        }),
    }  # fmt: skip
    with store.write(STAMP) as tx:
        tx.record("backtest_results", result, pack_id=PACK, portfolio_id=BOOK)
    for table, shown in (("backtest_summary", 1), ("backtest_results", 2)):
        proof = replace(made, store=store).prove(table, PACK)
        check(proof)
        beside = {part["table"]: (len(part["rows"]), len(part["others"])) for part in proof["cells"]}
        assert beside.pop(table) == (shown, 0) and [*beside.values()] == [(0, 3 - shown)]


def test_of_two_histories_shown_at_once_one_is_signed(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both continue what was seen before: whoever asks for both at once had both signed."""
    own, seen = tmp_path / "witness", tmp_path / "seen.json"
    make_keys(own, made.store.home)
    cosign(written(tmp_path, "first", made), made.public, own, seen, STAMP.at, first=True)
    one, other = (
        another_weight(made, tmp_path / name, first) for name, first in (("one", 0.1), ("other", 0.2))
    )
    files = written(tmp_path, "one.json", one), written(tmp_path, "other.json", other)

    def meanwhile(*asked: Any) -> object:
        monkeypatch.setattr(witnessing, "LOCK_SECONDS", 0.1)
        with pytest.raises(DataError, match=r"seen.json has been locked by another process"):
            cosign(files[1], made.public, own, seen, STAMP.at)
        return check(*asked)

    with monkeypatch.context() as patch:
        patch.setattr(witnessing, "check", meanwhile)
        assert cosign(files[0], made.public, own, seen, STAMP.at)["count"] == 7
    with pytest.raises(Refused, match="another history"):
        cosign(files[1], made.public, own, seen, STAMP.at)


def test_what_was_seen_to_grow_is_signed_and_asked_for(tmp_path: Path, made: Made) -> None:
    own, seen = tmp_path / "witness", tmp_path / "seen.json"
    public = make_keys(own, made.store.home)
    first = cosign(written(tmp_path, "one", made), made.public, own, seen, STAMP.at, first=True)
    grown = another_weight(made, tmp_path / "grown", 0.1)
    second = cosign(written(tmp_path, "two", grown), made.public, own, seen, STAMP.at)
    assert (first["count"], second["count"]) == (6, 7)
    assert json.loads(seen.read_text()) == grown.proof["checkpoint"]
    file = grown.store.home / "witnesses.jsonl"
    file.write_text(json.dumps(first) + "\n")
    proof = grown.prove("trades", PACK, "AAA", cosigned=cosignatures(grown.store.anchor))
    assert proof["checkpoint"]["count"] == 6  # the newest that a witness signed
    check(proof, read_key(made.public), witnesses=[read_key(public)])
    with pytest.raises(Refused, match="has not co-signed"):
        check(made.proof, read_key(made.public), witnesses=[read_key(public)])
    for name, value in {
        "count": 5,
        "at": "later",
        "key": second["key"][::-1],
        "signature": second["signature"],
    }.items():
        changed = copy.deepcopy(proof)
        changed["witnesses"][0][name] = value
        with pytest.raises(Refused):
            check(changed)
    file.write_text("half a li")
    with pytest.raises(DataError, match=r"line 1 of .*witnesses.jsonl is none"):
        cosignatures(grown.store.anchor)
    with pytest.raises(DataError, match="no checkpoint has been co-signed"):
        grown.prove("trades", PACK, "AAA", cosigned=[{"root": "0" * 64}])


def test_two_histories_shown_to_two_witnesses_are_found(tmp_path: Path, made: Made) -> None:
    seen = {}
    for name, first in (("one", 0.1), ("two", 0.2)):
        desk = another_weight(made, tmp_path / f"desk {name}", first)
        own, state = tmp_path / name, tmp_path / f"seen {name}"
        make_keys(own, made.store.home)
        cosign(written(tmp_path, f"proof {name}", desk), made.public, own, state, STAMP.at, first=True)
        seen[name] = (desk, json.loads(state.read_text()))
    desk, own_view = seen["one"]
    check(desk.proof, read_key(made.public), [own_view])
    with pytest.raises(Refused, match="of 7 rows is of another history"):
        check(desk.proof, read_key(made.public), [own_view, seen["two"][1]])
    # The second history is not signed by the first witness.
    with pytest.raises(Refused, match="another history"):
        cosign(tmp_path / "proof two", made.public, tmp_path / "one", tmp_path / "seen one", STAMP.at)
    assert json.loads((tmp_path / "seen one").read_text()) == own_view


def test_an_older_or_forged_checkpoint_is_not_signed(tmp_path: Path, made: Made) -> None:
    own, seen = tmp_path / "witness", tmp_path / "seen.json"
    make_keys(own, made.store.home)
    other = make_keys(tmp_path / "other", made.store.home)
    proof = written(tmp_path, "proof", made)
    with pytest.raises(Refused, match="no signature of this key"):
        cosign(proof, other, own, seen, STAMP.at, first=True)
    assert not seen.exists()
    seen.write_text(json.dumps(made.proof["checkpoint"] | {"count": 7}))
    with pytest.raises(Refused, match="older than the checkpoint"):
        cosign(proof, made.public, own, seen, STAMP.at)
    with pytest.raises(PolicyError, match=r"cannot be read: No such file or directory: '.*none'$"):
        cosign(tmp_path / "none", made.public, own, seen, STAMP.at)
    with pytest.raises(PolicyError, match="no readable private key"):
        cosign(proof, made.public, made.public, tmp_path / "fresh", STAMP.at, first=True)


def test_a_proof_links_to_the_newest_checkpoints_to_the_last_of_each_month_and_to_those_asked_for() -> None:
    days = ("2023-01-02", "2023-01-31", "2023-02-01", "2023-02-28", "2023-03-01", "2023-03-02")
    lines: list[Any] = [SimpleNamespace(at=day, count=10 * place) for place, day in enumerate(days, 1)]
    assert linked_sizes(lines, [10, 60], 60, newest=1) == [10, 20, 40, 50]
    assert linked_sizes(lines, [], 60, newest=3) == [20, 30, 40, 50]


def test_a_witness_whose_memory_is_not_where_it_was_named_signs_nothing(tmp_path: Path, made: Made) -> None:
    """A mistyped name was a new memory, under which another history was signed."""
    own, seen = tmp_path / "witness", tmp_path / "seen.json"
    make_keys(own, made.store.home)
    one, other = (another_weight(made, tmp_path / name, at) for name, at in (("one", 0.1), ("other", 0.2)))
    first, second = written(tmp_path, "first", one), written(tmp_path, "second", other)
    with pytest.raises(PolicyError, match=r"there is no .*seen.json, and whatever is shown .* give --first"):
        cosign(first, made.public, own, seen, STAMP.at)
    assert not seen.exists()
    cosign(first, made.public, own, seen, STAMP.at, first=True)
    with pytest.raises(PolicyError, match=r"something was seen already.*leave --first out"):
        cosign(second, made.public, own, seen, STAMP.at, first=True)
    for mistyped in (tmp_path / "sen.json", tmp_path / "sen" / "seen.json"):
        with pytest.raises(PolicyError, match="there is no"):
            cosign(second, made.public, own, mistyped, STAMP.at)
        assert not mistyped.exists()
