"""Moving windows and the worst drawdowns against pandas, day by day, and by hand."""

import numpy as np
import pandas as pd
import pytest

from optimizer import DataError
from optimizer import performance as p
from optimizer.measures.rolling import rolling_beta, rolling_sharpe, rolling_volatility

RNG = np.random.default_rng(7)
OWN = RNG.standard_t(4, 400) * 0.01
MARKET = 0.5 * OWN + 0.004 * RNG.standard_normal(400)
RATES = np.linspace(0.01, 0.05, 400)


@pytest.mark.parametrize("window", [2, 21, 126, 400])
def test_a_window_has_the_figures_of_its_days_alone(window: int) -> None:
    told = (
        rolling_volatility(OWN, window),
        rolling_sharpe(OWN, RATES, window),
        rolling_beta(OWN, MARKET, window),
    )
    assert all(len(row) == 400 and np.isnan(row[: window - 1]).all() for row in told)
    for end in {window, (window + 400) // 2, 400}:
        days = slice(end - window, end)
        assert [row[end - 1] for row in told] == pytest.approx([
            p.volatility(OWN[days]), p.sharpe(OWN[days], RATES[days]), p.beta(OWN[days], MARKET[days]),
        ], rel=1e-9)  # fmt: skip
    frame = pd.DataFrame({"own": OWN, "market": MARKET}).rolling(window)
    beta = frame.cov().xs("own", level=1)["market"] / frame["market"].var()
    assert told[2] == pytest.approx(beta.to_numpy(), rel=1e-6, nan_ok=True)


def test_what_does_not_move_has_no_ratio_and_a_short_history_no_window() -> None:
    still = np.full(10, 0.001)
    assert np.isnan(rolling_sharpe(still, 0.0, 5)).all() and np.isnan(rolling_beta(OWN[:10], still, 5)).all()
    assert rolling_volatility(still, 5)[4:] == pytest.approx(0.0, abs=1e-15)
    assert np.isnan(rolling_volatility(OWN[:10], 11)).all()
    with pytest.raises(DataError, match="the window is 1; it must span 2"):
        rolling_beta(OWN, MARKET, 1)


def test_the_worst_drawdowns_are_one_a_stay_below_the_peak() -> None:
    returns = [0.1, -0.2, 0.1, 0.2, -0.3, 0.5, -0.05, 0.01]
    found = p.worst_drawdowns(returns)
    assert [(round(f.depth, 4), f.peak, f.trough, f.recovered, f.duration) for f in found] == [
        (-0.3, 4, 5, 6, 2), (-0.2, 1, 2, 4, 3), (-0.05, 6, 7, None, 2),
    ]  # fmt: skip
    assert found[0] == p.max_drawdown(returns) and len(p.worst_drawdowns(returns, 2)) == 2
    assert p.worst_drawdowns([0.1, 0.0, 0.2]) == []
    with pytest.raises(DataError, match="count is 0"):
        p.worst_drawdowns(returns, 0)


def test_twins_come_in_time_and_the_worst_of_any_series_is_its_maximum() -> None:
    assert [f.trough for f in p.worst_drawdowns([-0.1, 0.2, -0.1, 0.2], 1)] == [1]
    for seed in range(50):
        returns = np.random.default_rng(seed).normal(0, 0.02, 60)
        found = p.worst_drawdowns(returns, 99)
        assert found[0] == p.max_drawdown(returns)
        below = (p.drawdowns(returns) < -1e-12).sum()  # each day below a peak belongs to exactly one
        assert sum(f.duration - (f.recovered is not None) for f in found) == below
