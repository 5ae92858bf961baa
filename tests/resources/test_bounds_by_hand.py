"""Bounds at which an answer turns, and what holds where a desk says nothing: each as its page tells it."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from resources.ledger.anchor_lines import ACCEPTED, INTENT, read_object
from resources.prices.csv_file import _fail, at_most
from resources.proofs import checkpoints
from resources.results.measure_text import measure_text
from resources.screening.currencies import _stale
from resources.screening.pack_checks import CheckLimits
from resources.screening.price_warnings import WatchLimits
from resources.settings.configuration import housekeeping
from resources.settings.playbook_schemas.hedge_schema import HedgesFile


def test_what_a_desk_does_not_say_is_as_the_reference_tells_it() -> None:
    checks, rows = CheckLimits(), WatchLimits()
    assert (checks.coverage, checks.stale_sessions, checks.symbol_stale_sessions) == (0.8, 3, 5)
    assert (checks.source_gap, checks.rate_days, checks.fx_days) == (0.01, 45, 10)
    assert (checks.condition_number, checks.volatility_drift, checks.return_drift) == (1e12, 0.25, 0.1)
    assert (rows.band, rows.band_spreads, rows.reversal, rows.day_spreads) == (0.30, 10.0, 0.12, 5.0)
    assert (rows.own_spreads, rows.stale_sessions, rows.catch_up, rows.busy) == (8.0, 5, 0.03, 3.0)
    assert (rows.adjustment, rows.reuse_sessions) == (0.005, 126)


def test_a_rate_is_stale_the_day_after_it_is_allowed() -> None:
    newest = date(2024, 1, 1)
    assert list(_stale("rate", newest, date(2024, 1, 11), 10)) == []
    [(code, symbol, day, age, said)] = _stale("rate", newest, date(2024, 1, 12), 10)
    assert (code, symbol, day, age) == ("STALE_RATE", None, newest, 11.0)
    assert said == "the newest rate is of 2024-01-01, 11 days before 2024-01-12; 10 are allowed"


@pytest.mark.parametrize(("faults", "told"), [(50, 50), (51, 51), (53, 51)])
def test_fifty_faults_of_a_file_are_told_and_the_others_counted(faults: int, told: int) -> None:
    found = at_most(_fail("BAD_NUMBER", "wrong", line) for line in range(faults))
    assert len(found) == told and [one.code for one in found[:50]] == ["BAD_NUMBER"] * 50
    assert [one.message for one in found[50:]] == [f"and {faults - 50} more lines like these"] * (told - 50)


@pytest.mark.parametrize("text", [b"[" * 200_000 + b"}", b'{"a": 1, "a": 2}', b"[1]", b"{]}"])
def test_a_line_that_is_no_object_is_called_that_however_deep_it_is(text: bytes) -> None:
    with pytest.raises(ValueError, match="is no JSON object"):
        read_object(text)


def test_a_checkpoint_is_a_line_with_a_root_from_the_accepted_one_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def line(place: int, kind: str = "", root: str = "r") -> Any:
        return SimpleNamespace(place=place, kind=kind, root=root)

    accepted = line(3, ACCEPTED)
    lines = [line(1), line(2), accepted, line(4, INTENT), line(5, root=""), line(6)]
    store: Any = SimpleNamespace(anchor=None)
    for mark, places in ((accepted, [3, 6]), (None, [1, 2, 3, 6])):
        found = SimpleNamespace(accepted=mark, lines=lines, disputed=())
        monkeypatch.setattr(checkpoints, "read_anchors", lambda anchor, found=found: found)
        assert [one.place for one in checkpoints._rooted(store)] == places


def test_housekeeping_is_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("housekeeping: {keep_backups: 4, history_days: 9}\n", "utf-8")
    said = housekeeping(tmp_path)
    assert (said.backup_folder, said.keep_backups, said.history_days) == (None, 4, 9)


def test_one_instrument_is_enough_to_hedge_with() -> None:
    fund = {"symbol": "TLT", "kind": "etf", "side": "SELL", "spread_bps": 2, "against": ["rates"]}
    with pytest.raises(ValueError, match="instruments"):
        HedgesFile.model_validate({"instruments": []})
    assert len(HedgesFile.model_validate({"instruments": [fund]}).instruments) == 1


def test_a_measure_that_is_not_known_has_no_text() -> None:
    assert [measure_text(value, "volatility") for value in (None, float("nan"), 0.1234)] == ["", "", "12.34%"]
