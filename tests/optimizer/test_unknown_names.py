"""Names that nobody knows, beside known ones: refused wherever they are said, with what may have been meant."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer import (
    BacktestSettings,
    Estimates,
    Mandate,
    OptimizationBacktest,
    PackfolioError,
    Policy,
    PolicyError,
    Portfolio,
    Universe,
    build_trades,
    propose,
    solve,
)

SYMBOLS = ("AAPL", "MSFT", "XOM")
IT = Estimates(SYMBOLS, np.array([0.08, 0.06, 0.05]), np.diag([0.04, 0.05, 0.06]))
HELD = dict.fromkeys(SYMBOLS, 1 / 3)
PRICES = pd.DataFrame(100.0, pd.bdate_range("2023-01-02", periods=30), list(SYMBOLS))
CASH, QUOTES = Portfolio("book", 1000), dict.fromkeys(SYMBOLS, 10.0)
DAY = date(2023, 2, 1)

OF_THE_POLICY: dict[str, dict[str, Any]] = {
    "asset_limits": {"asset_limits": {"APPL": (0, 0.5), "MSFT": (0, 0.5)}},
    "trade_limits": {"trade_limits": {"APPL": 0.5, "MSFT": 0.5}},
    "margins": {"max_margin": 1.0, "margins": {"APPL": (0.5, None), "MSFT": (0.5, None)}},
    "borrow_fees": {"long_only": False, "method": "mean_variance", "borrow_fees": {"APPL": 0.1, "MSFT": 0.1}},
    "participation_limits": {"max_participation": 0.1, "participation_limits": {"APPL": 0.1, "MSFT": 0.1}},
    "risk_budgets": {"method": "risk_parity", "risk_budgets": {"APPL": 0.5, "MSFT": 0.5}},
}
OF_A_REPLAY: dict[str, dict[str, Any]] = {
    "borrow_fees": {"borrow_fees": {"APPL": 0.1, "MSFT": 0.1}},
    "delisting_return": {"delisting_return": pd.Series({"APPL": -0.3, "MSFT": -0.3})},
    "payouts": {"payouts": {("APPL", DAY): 1.0, ("MSFT", DAY): 1.0}},
    "heirs": {"heirs": {("APPL", DAY): ("XOM", 1.0)}},
}


def said(error: PackfolioError) -> bool:
    return "APPL, not among the 3 symbols; did you mean AAPL?" in str(error)


@pytest.mark.parametrize("what", OF_THE_POLICY)
def test_a_policy_that_names_a_stranger_is_refused(what: str) -> None:
    policy = Policy(**{"method": "min_volatility", "risk_free_rate": 0.0, **OF_THE_POLICY[what]})
    with pytest.raises(PolicyError, match=what) as caught:
        solve(IT, policy, Universe(SYMBOLS), HELD)
    assert said(caught.value)


@pytest.mark.parametrize("what", OF_A_REPLAY)
def test_a_backtest_that_is_told_of_a_stranger_is_refused(what: str) -> None:
    settings = BacktestSettings(min_history=1, **OF_A_REPLAY[what])
    with pytest.raises(PolicyError) as caught:
        OptimizationBacktest(PRICES).backtest_strategy(
            lambda h, d: {"XOM": 1.0}, "monthly", settings=settings
        )
    assert said(caught.value)


def test_what_may_be_bought_holds_no_stranger() -> None:
    """A slip of the pen would sell AAPL as if it might not be held."""
    policy, mandate = (
        Policy(method="equal_weight", risk_free_rate=0.0),
        Mandate(("APPL", "MSFT"), prior="historical"),
    )
    with pytest.raises(PolicyError, match="investable names APPL") as caught:
        propose(CASH, QUOTES, IT, policy, Universe(SYMBOLS), mandate)
    assert said(caught.value)


def test_weights_of_a_stranger_are_refused() -> None:
    with pytest.raises(PackfolioError, match="held names APPL") as caught:
        solve(IT, Policy(method="min_volatility"), Universe(SYMBOLS), {"APPL": 0.5, "MSFT": 0.5})
    assert said(caught.value)
    with pytest.raises(PackfolioError, match="sell_rates holds APPL") as caught:
        build_trades(
            CASH, QUOTES, HELD, IT, Policy(risk_free_rate=0.0), Universe(SYMBOLS),
            sell_rates={"APPL": 0.1, "MSFT": 0.1},
        )  # fmt: skip
    assert said(caught.value)


def test_of_names_that_nobody_could_mean_the_known_are_listed() -> None:
    with pytest.raises(
        PolicyError, match="asset_limits names ZZZ, not among the 3 symbols; there are AAPL, MSFT, XOM"
    ):
        solve(IT, Policy(method="min_volatility", asset_limits={"ZZZ": (0, 1)}), Universe(SYMBOLS))
