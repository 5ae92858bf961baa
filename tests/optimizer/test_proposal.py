import numpy as np
import pytest

from optimizer.black_litterman import MarketView
from optimizer.estimates import Estimates
from optimizer.policy import Policy
from optimizer.portfolio import Portfolio, Position, Universe
from optimizer.proposal import Mandate, propose

RETURNS = np.random.default_rng(1).standard_normal((120, 2)) * [0.01, 0.015]
PAIR = Estimates(("A", "B"), np.array([0.06, 0.07]), np.cov(RETURNS.T) * 252, RETURNS, observations=120)
HALF = Universe(("A", "B"), benchmark={"A": 0.5, "B": 0.5})


@pytest.mark.parametrize(
    ("policy", "heard"),
    [
        (Policy(method="mean_variance", risk_free_rate=0.02), True),
        (Policy(method="min_volatility", risk_free_rate=0.02), False),
        (Policy(method="cdar", risk_free_rate=0.02), False),
        (Policy(method="min_volatility", risk_free_rate=0.02, min_return=0.01), True),
    ],
    ids=["mean_variance", "min_volatility", "cdar", "min_return"],
)
def test_views_are_a_reason_only_where_expected_returns_are_read(policy: Policy, heard: bool):
    book = Portfolio("book", positions={"A": Position("A", 900, 0), "B": Position("B", 100, 0)})
    mandate = Mandate(views=(MarketView(["B"], "absolute", 0.2, 0.9),))
    found = propose(book, {"A": 10.0, "B": 10.0}, PAIR, policy, HALF, mandate)
    said = " ".join(row.rationale for row in found.trades.rows)
    assert found.trades.rows[0].action != "HOLD"
    assert ("the views move" in said) == heard
