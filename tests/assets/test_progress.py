"""What a long replay says of itself while it runs."""

from types import SimpleNamespace
from typing import Any

import pytest

from assets.backtest_results import _teller


@pytest.mark.parametrize(("decisions", "said"), [(121, 10), (4, 4), (1, 1)])
def test_a_replay_says_how_far_it_is_ten_times_at_most(decisions: int, said: int) -> None:
    heard: list[str] = []
    context: Any = SimpleNamespace(log=SimpleNamespace(info=heard.append))
    snapshot: Any = SimpleNamespace(name="book")
    tell = _teller(context, snapshot)
    for done in range(1, decisions + 1):
        tell(done, decisions)
    assert len(heard) == said
    assert heard[-1] == f"book: {decisions} of {decisions} decisions"
