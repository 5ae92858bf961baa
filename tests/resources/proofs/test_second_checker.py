"""Proofs checked by another implementation in another language, `tests/tools/proof_check.mjs`, on Node's own crypto."""

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from proof_desk import PACK, Made, fill

from resources.ledger.anchor_lines import ROTATED
from resources.ledger.signatures import KEY, PublicKey, make_keys

NODE = shutil.which("node")
CHECKER = Path(__file__).parents[2] / "tools" / "proof_check.mjs"


def said(folder: Path, proof: dict[str, Any], key: Path) -> str:
    (folder / "proof.json").write_text(json.dumps(proof))
    command = [str(NODE), str(CHECKER), str(folder / "proof.json"), str(key)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()


@pytest.mark.skipif(NODE is None, reason="there is no node")
def test_another_language_finds_the_same(tmp_path: Path, made: Made) -> None:
    assert said(tmp_path, made.prove("trades", PACK, "BBB"), made.public) == "proven"
    assert said(tmp_path, made.prove("optimal_weights", PACK), made.public) == "proven"
    forged = {
        "signature": lambda proof: proof["checkpoint"].update(at="2031-01-01T00:00:00"),
        "trades of ledger row 6": lambda proof: proof["cells"][0]["rows"][0].update(quantity="4.0"),
        "ledger row 6": lambda proof: proof["ledger"][-1]["path"].reverse(),
        "the pack's dates": lambda proof: proof["leaves"].pop(),
        "link to 2": lambda proof: proof["links"][1].update(root="0" * 64),
    }
    for told, forge in forged.items():
        proof = copy.deepcopy(made.proof)
        forge(proof)
        assert said(tmp_path, proof, made.public) == told


@pytest.mark.skipif(NODE is None, reason="there is no node")
def test_another_language_follows_a_key_that_was_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [make_keys(tmp_path / name, tmp_path / "home") for name in ("one", "two", "three")]
    monkeypatch.setenv(KEY, str(tmp_path / "one"))
    desk = Made(fill(tmp_path / "home"), keys[0], {}, {})
    names = [PublicKey.of_file(key).text for key in keys]
    desk.store.tell_anchor(ROTATED, {"old_key": names[0], "new_key": names[1]}, tmp_path / "two")
    monkeypatch.setenv(KEY, str(tmp_path / "two"))
    proof = desk.prove("trades", PACK, "AAA")
    assert [said(tmp_path, proof, key) for key in keys] == ["proven", "proven", "signature"]
    assert said(tmp_path, proof | {"keys": []}, keys[0]) == "signature"
