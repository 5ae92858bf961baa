"""Orders cut to a share of the volume: by hand, and what must be true of any."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import DataError, Policy, PolicyError
from optimizer.risk.trade_schedule import schedule_trades


def test_a_schedule_by_hand() -> None:
    # A trades 1,000 shares a day, a tenth of them 100; B 40 shares, half of them 20.
    found = schedule_trades(
        ("A", "B"), np.array([250.0, -15.0]), np.array([10.0, 50.0]), np.array([1e4, 2e3]), np.array([0.1, 0.5]),
        np.array([[0.04, 0.01], [0.01, 0.09]]), 10_000.0, periods_per_year=100.0,
    )  # fmt: skip
    assert found.traded.tolist() == [[100.0, -15.0], [100.0, 0.0], [50.0, 0.0]]
    assert found.left.tolist() == [[150.0, 0.0], [50.0, 0.0], [0.0, 0.0]]
    assert found.days.tolist() == [3.0, 1.0]
    assert found.participation[0].tolist() == [0.1, 0.375]
    # 1,500 and 500 of 10,000 left, at 20% a year over a hundredth of it.
    np.testing.assert_allclose(found.remaining_risk, [0.15 * 0.02, 0.05 * 0.02, 0.0], rtol=1e-12)


def test_what_is_left_hedges_what_else_is_left() -> None:
    same = np.full((2, 2), 0.04)
    pair = schedule_trades(
        ("A", "B"), np.array([200.0, -200.0]), np.ones(2), np.full(2, 1e3), np.full(2, 0.1), same, 1e4
    )
    assert pair.remaining_risk.max() < 1e-12


def test_lots_are_whole_until_the_last_day() -> None:
    found = schedule_trades(
        ("A",),
        np.array([1050.0]),
        np.array([1.0]),
        np.array([2550.0]),
        np.array([0.1]),
        np.eye(1),
        1e4,
        lot=100.0,
    )
    assert found.traded[:, 0].tolist() == [200.0, 300.0, 200.0, 300.0, 50.0]
    assert found.days[0] == 5


@given(
    quantity=st.integers(-5000, 5000), volume=st.floats(1e3, 1e7), share=st.floats(0.01, 1.0),
    price=st.floats(0.5, 500.0),
)  # fmt: skip
def test_everything_is_traded_within_its_share(
    quantity: int, volume: float, share: float, price: float
) -> None:
    found = schedule_trades(
        ("A",),
        np.array([float(quantity)]),
        np.array([price]),
        np.array([volume]),
        np.array([share]),
        np.eye(1),
        1e9,
    )
    if found.days[0] > 250:
        assert len(found.traded) == 250
        return
    assert found.traded.sum() == pytest.approx(quantity)
    assert len(found.traded) == found.days[0]
    cumulated = np.abs(found.traded[:, 0]).cumsum() * price
    assert (cumulated <= share * volume * np.arange(1, len(cumulated) + 1) * (1 + 1e-9)).all()
    assert (np.diff(found.remaining_risk) <= 1e-12).all()


def test_wrong_numbers_are_refused() -> None:
    one = np.ones(1)
    with pytest.raises(DataError, match="daily volume above 0"):
        schedule_trades(("A",), one, one, 0 * one, one, np.eye(1), 1.0)
    with pytest.raises(DataError, match="finite quantity"):
        schedule_trades(("A",), np.array([np.nan]), one, one, one, np.eye(1), 1.0)
    with pytest.raises(PolicyError, match="participation"):
        schedule_trades(("A",), one, one, one, 10 * one, np.eye(1), 1.0)
    for lot in (0.0, np.nan):  # both gave trades of NaN
        with pytest.raises(DataError, match="the lot is"):
            schedule_trades(("A",), one, one, one, one, np.eye(1), 1.0, lot=lot)
    with pytest.raises(DataError, match="covariance has 2 rows"):
        schedule_trades(("A",), one, one, one, one, np.eye(2), 1.0)
    with pytest.raises(DataError, match="a number that is none"):
        schedule_trades(("A",), 9 * one, one, one, one, np.full((1, 1), np.nan), 1.0)


def test_numbers_by_name_and_in_lists_are_those_of_arrays() -> None:
    names, rest = ("A", "B"), ([100.0, 50.0], [1e5, 1e4], [0.1, 0.1])
    wanted = schedule_trades(names, np.array([250.0, -100.0]), *map(np.array, rest), np.eye(2), 1e6)
    found = schedule_trades(names, pd.Series([-100.0, 250.0], ["B", "A"]), *rest, np.eye(2), 1e6)  # type: ignore[arg-type]
    assert found.traded.tolist() == wanted.traded.tolist()


@pytest.mark.parametrize(
    "wrong", [{"max_participation": 10.0}, {"max_participation": 0.0}, {"participation_limits": {"A": 0.1}}]
)
def test_a_policy_says_shares_of_the_volume(wrong: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match="participation"):
        Policy(**wrong)  # type: ignore[arg-type]
