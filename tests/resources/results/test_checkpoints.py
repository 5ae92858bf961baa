import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optimizer import OptimizationBacktest
from optimizer.backtests.walk_forward import BacktestSettings
from resources.ledger.record_error import RecordError
from resources.results.replays.checkpoints import Checkpoint

DAYS = pd.bdate_range("2024-01-31", periods=3, freq="BME")


def test_decisions_survive_a_kill_bit_for_bit_and_a_line_cut_short_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "decisions.jsonl"
    made = Checkpoint(path)
    made[DAYS[0]] = {"AAA": 0.1 + 0.2, "BBB": 1 / 3}
    made[DAYS[1]] = {"AAA": 1.0}
    with path.open("a") as file:
        file.write('["2024-03-29T00:00')
    again = Checkpoint(path)
    assert dict(again) == dict(made)
    again[DAYS[2]] = {}
    assert list(Checkpoint(path)) == list(DAYS)
    again.finish()
    assert not path.exists()
    assert Checkpoint(path) == {}


@pytest.mark.parametrize(
    "damage",
    [
        b"\x00" * 64 + b"\n",
        b"\xff\xfe torn",
        b"null\n[]\n\n",
        b'["2024-02-29T00:00:00", {"AAA": 1.0}]\n',
        b"0" * 64 + b' ["2024-02-29T00:00:00", {"AAA": 1.0}]\n',
    ],
)
def test_only_lines_with_their_sum_are_believed(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "decisions.jsonl"
    Checkpoint(path)[DAYS[0]] = {"AAA": 0.25, "BBB": 0.75}
    Checkpoint(path)[DAYS[1]] = {"AAA": 1.0}
    first, second = path.read_bytes().splitlines(keepends=True)
    for torn in (
        first + second + damage,
        damage + b"\n" + first + second,
        first + second.replace(b"1.0", b"0.9"),
    ):
        path.write_bytes(torn)
        found = Checkpoint(path)
        kept = [DAYS[0], DAYS[1]] if second in torn else [DAYS[0]]
        assert list(found) == kept
        assert found[DAYS[0]] == {"AAA": 0.25, "BBB": 0.75}
        found[DAYS[2]] = {"BBB": 1.0}
        assert list(Checkpoint(path)) == [*kept, DAYS[2]]


def test_a_backtest_that_was_killed_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    days = pd.bdate_range("2020-01-01", periods=300)
    prices = pd.DataFrame(
        50 * np.exp(np.cumsum(rng.normal(0, 0.01, (300, 3)), axis=0)), days, ["A", "B", "C"]
    )
    run, chosen, made = OptimizationBacktest(prices).backtest_strategy, BacktestSettings(min_history=20), []

    def inverse(history: pd.DataFrame, as_of: pd.Timestamp) -> dict[str, float]:
        made.append(as_of)
        if len(made) == 5:
            raise KeyboardInterrupt
        risk = 1 / history.pct_change().std()
        return dict(risk / risk.sum() * 0.99)

    path = tmp_path / "decisions.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(inverse, settings=chosen, decisions=Checkpoint(path))
    resumed = run(inverse, settings=chosen, decisions=Checkpoint(path))
    assert len(made) == 5 + len(Checkpoint(path)) - 4
    whole = run(inverse, settings=chosen)
    assert resumed.nav.to_numpy().tobytes() == whole.nav.to_numpy().tobytes()
    pd.testing.assert_frame_equal(resumed.trades, whole.trades, check_exact=True)


def test_a_line_of_another_replay_is_not_believed(tmp_path: Path) -> None:
    one, other = tmp_path / "backtest-one.jsonl", tmp_path / "backtest-other.jsonl"
    Checkpoint(one)[DAYS[0]] = {"AAA": 1.0}
    other.write_bytes(one.read_bytes())
    assert Checkpoint(other) == {}
    assert list(Checkpoint(one)) == [DAYS[0]]


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    os.mkfifo(path)
    with pytest.raises(RecordError, match=r"is a folder, a pipe.*: move that away"):
        Checkpoint(path)
