"""Each figure of a rolling window is the plain measure of the returns in it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from optimizer import DataError
from optimizer.measures.performance import beta, sharpe, volatility
from optimizer.measures.rolling import rolling_beta, rolling_sharpe, rolling_volatility

STEPS = st.integers(-80, 80).map(lambda step: step / 1000)


@settings(max_examples=60, deadline=None)
@given(arrays(float, 24, elements=STEPS), arrays(float, 24, elements=STEPS), st.integers(2, 24))
def test_a_window_says_what_its_returns_say_alone(r: np.ndarray, b: np.ndarray, window: int) -> None:
    rates = np.linspace(0.0, 0.05, 24)
    found = (
        rolling_volatility(r, window), rolling_sharpe(r, window, rates, 52), rolling_beta(r, b, window),
    )  # fmt: skip
    for figures in found:
        assert len(figures) == 24 and np.isnan(figures[: window - 1]).all()
    for end in range(window, 25):
        part = slice(end - window, end)
        assert found[0][end - 1] == pytest.approx(volatility(r[part]), abs=1e-12)
        if np.ptp(r[part]) > 0:
            assert found[1][end - 1] == pytest.approx(sharpe(r[part], rates[part], 52), rel=1e-9)
        if np.ptp(b[part]) > 0:
            assert found[2][end - 1] == pytest.approx(beta(r[part], b[part]), rel=1e-9, abs=1e-12)


def test_windows_without_variation_have_no_ratio() -> None:
    flat = np.full(6, 0.1)
    assert np.isnan(rolling_sharpe(flat, 3)).all()
    assert np.isnan(rolling_beta(np.arange(6) / 100, flat, 3)).all()
    assert rolling_volatility(flat, 3)[2:].tolist() == pytest.approx([0.0] * 4)


def test_fewer_returns_than_the_window_give_none_and_a_window_of_one_is_refused() -> None:
    assert np.isnan(rolling_volatility([0.01, 0.02], 3)).all()
    with pytest.raises(DataError, match="window is 1; a spread needs at least 2"):
        rolling_volatility([0.01, 0.02], 1)
    with pytest.raises(DataError, match="benchmark"):
        rolling_beta([0.01, 0.02], [0.01], 2)
