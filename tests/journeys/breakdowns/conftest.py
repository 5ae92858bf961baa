"""The desk that an auditor looks at: two packs, a correction of an old price, a revision of the second."""

import os
from datetime import date
from pathlib import Path

import pytest
from built_once import own_copy
from small_desk import make_desk
from zygote import Zygote

from resources.ledger.signatures import KEY, make_keys

CANARY = "of-a-vendor-9f2c7"  # a secret in the environment of every run


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Zygote:
    """Two packs, then a correction of an old price and a revision of the second pack."""
    folder, _ = own_copy(tmp_path_factory, "audited", _run_and_revise)
    return _watched(folder)


def _watched(folder: Path) -> Zygote:
    """The desk's runs hold a vendor's secret and the desk's key in their environment."""
    return Zygote(folder, environment={
        **os.environ, "VENDOR_TOKEN": CANARY, KEY: str(folder / "keys" / "desk"),
    })  # fmt: skip


def _run_and_revise(folder: Path) -> None:
    days = make_desk(folder)
    make_keys(folder / "keys" / "desk", folder / "home")
    zygote = _watched(folder)
    for day in days[-2:]:
        status, said = zygote.packfolio("run", "--as-of", str(day))
        assert status == 0, said
    (folder / "inbox" / "late.csv").write_text(
        f"symbol,date,close\nCCC,{days[-9]},{_close(folder, days[-9]) * 1.02:.4f}\n"
    )
    for arguments in (
        ("ingest",),
        ("packs", "revise", str(days[-1]), "--reason", "the vendor corrected CCC"),
    ):
        status, said = zygote.packfolio(*arguments)
        assert status == 0, said


def _close(folder: Path, day: date) -> float:
    lines = (folder / "inbox" / "history.csv").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(f"CCC,{day}")).split(",")[2])
