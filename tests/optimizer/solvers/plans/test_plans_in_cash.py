"""Plans over a horizon for which cash is best: nothing costs anything, against which a gap could be judged."""

import numpy as np
import pytest

from optimizer import Estimates, Horizon, Policy, Universe, solve

# A variance is flat at nothing: of a name whose own is 1e-5 no more than this can be told from none.
NEAR = {"mean_variance": 1e-6, "min_volatility": 1e-3, "max_return": 1e-6}


def in_cash(method: str, means: list[float], held: dict[str, float], bps: float) -> np.ndarray:
    """(H, n) a certified plan of three steps."""
    risk = np.array([[0.04, 0.0, 0.0], [0.0, 1e-5, 0.0], [0.0, 0.0, 0.09]])
    policy = Policy(
        method=method, risk_free_rate=0.02, cash_max=1.0, commission=0.0, impact_bps=bps, horizon=Horizon(steps=3)
    )  # fmt: skip
    found = solve(Estimates(tuple("ABC"), np.array(means), risk), policy, Universe(tuple("ABC")), held)
    assert found.certificate.ok and found.plan is not None and found.plan.certificate.ok
    return np.asarray(found.plan.weights)


@pytest.mark.parametrize("bps", [0.0, 10.0])
@pytest.mark.parametrize("method", ["mean_variance", "min_volatility", "max_return"])
def test_a_plan_of_a_book_in_cash_stays_there(method: str, bps: float) -> None:
    """All names earn less than cash, or no more and bear risk; each of these was refused as not found."""
    assert np.abs(in_cash(method, [0.01, 0.019, -0.03], {}, bps)).max() < NEAR[method]


@pytest.mark.parametrize("method", ["mean_variance", "min_volatility", "max_return"])
def test_a_plan_sells_for_nothing_what_earns_less_than_cash(method: str) -> None:
    assert np.abs(in_cash(method, [0.01, 0.019, -0.03], {"A": 0.5, "B": 0.3}, 0.0)).max() < NEAR[method]


@pytest.mark.parametrize("bps", [0.0, 10.0])
def test_of_names_that_earn_what_cash_does_each_plan_is_best(bps: float) -> None:
    in_cash("max_return", [0.02, 0.02, 0.02], {}, bps)
    assert np.abs(in_cash("mean_variance", [0.02, 0.02, 0.02], {}, bps)).max() < 1e-3
