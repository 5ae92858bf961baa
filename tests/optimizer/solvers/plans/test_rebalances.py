"""After how many rebalances a limit can hold: by hand, where trades of single names are limited."""

from typing import Any

import numpy as np
import pytest

from optimizer import Estimates, Policy, Universe, solve

FOUR = Estimates(("A", "B", "C", "D"), np.full(4, 0.05), np.diag([0.04] * 4))
HELD = np.array([0.4, 0.2, 0.2, 0.2])
CAP, SUM = {"max_weight": 0.3}, {"limits": ("A + B <= 40%",)}
SMALL_BUYS = {"A": 0.1, "B": 0.02, "C": 0.02, "D": 0.02}


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        (CAP | {"max_turnover": 0.05}, 2),
        (CAP | {"max_trade": 0.02}, 5),  # 0.1 of A, 0.02 at a time: it was never
        (CAP | {"max_trade": 0.02, "max_turnover": 0.5}, 5),  # it was 1, by turnover alone
        (CAP | {"max_trade": 0.02, "max_turnover": 0.03}, 5),  # 4 by turnover
        (CAP | {"max_trade": 0.09, "max_turnover": 0.01}, 10),
        (CAP | {"trade_limits": SMALL_BUYS}, 2),  # the others take 0.06 of the 0.1 at a time
        (CAP | {"trade_limits": SMALL_BUYS, "cash_max": 0.02}, 2),  # and cash 0.02 once
        (CAP | {"do_not_sell": {"A": "a lock-up"}, "max_turnover": 0.3}, np.inf),  # it was 1
        (CAP | {"do_not_sell": {"A": "a lock-up"}}, np.inf),
        (SUM | {"max_trade": 0.02}, 5),  # 0.2 of both, 0.04 at a time
        (SUM | {"max_trade": 0.02, "max_turnover": 0.02}, 10),
    ],
    ids=str,
)
def test_a_limit_can_hold_after_as_many_rebalances_as_all_trades_need(
    limits: dict[str, Any], count: float
) -> None:
    policy = Policy(method="min_volatility", risk_free_rate=0.0, on_conflict="transition", **limits)
    (unmet,) = solve(FOUR, policy, Universe(FOUR.symbols), HELD).unmet
    assert unmet.rebalances == count
    told = "it cannot hold under the limits on trades" if np.isinf(count) else f"after {count:.0f} rebalances"
    assert unmet.text.endswith(told)
