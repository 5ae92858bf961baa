"""The desk whose proofs are checked, made once for each file of tests."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from bench import STAMP
from proof_desk import PACK, Made, fill

from resources.ledger.signatures import KEY, make_keys
from resources.proofs.checkpoints import rooted_lines


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("proofs")
    public = make_keys(folder / "desk", folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, str(folder / "desk"))
        desk = Made(fill(folder / "home"), public, {}, {})
        early = dict(rooted_lines(desk.store, STAMP.at)[1].told)
        yield replace(desk, early=early, proof=desk.prove("trades", PACK, "AAA"))
