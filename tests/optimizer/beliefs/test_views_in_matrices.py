"""P, q and Omega as they stand, errors in place of confidences, and the risk aversion that a market implies."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import (
    BlackLittermanSettings,
    DataError,
    Estimates,
    FundExposureMap,
    JointViews,
    Mandate,
    MarketView,
    OptimizationEngine,
    Policy,
    PolicyError,
    Universe,
    ViewMatrix,
    implied_risk_aversion,
    performance,
    posterior,
)
from optimizer.proposals.proposal import form_beliefs
from resources.settings.policies.policy_schema import BlackLittermanFile
from resources.settings.view_files import VIEW

NAMES = ("A", "B", "C")
MARKET = np.array([0.5, 0.3, 0.2])


def covariance(seed: int) -> np.ndarray:
    root = 0.15 * np.random.default_rng(seed).standard_normal((9, 3))
    return root.T @ root / 3


@given(st.integers(0, 500))
def test_p_q_and_omega_give_the_textbook_posterior(seed: int) -> None:
    rng, S, tau = np.random.default_rng(seed), covariance(seed), 0.05
    P, q = rng.standard_normal((2, 3)), 0.05 * rng.standard_normal(2)
    root = 0.05 * rng.standard_normal((4, 2))
    omega = root.T @ root
    found = posterior(NAMES, MARKET, S, ViewMatrix(P, q, omega))
    inverse = np.linalg.inv
    M = inverse(inverse(tau * S) + P.T @ inverse(omega) @ P)
    mean = M @ (inverse(tau * S) @ (2.5 * S @ MARKET) + P.T @ inverse(omega) @ q)
    assert found.mean == pytest.approx(mean, rel=1e-6, abs=1e-9)
    assert found.covariance == pytest.approx(S + M, rel=1e-6, abs=1e-9)
    engine = OptimizationEngine(None, FundExposureMap())
    assert engine.black_litterman_returns(NAMES, MARKET, S, ViewMatrix(P, q, omega)) == pytest.approx(
        found.mean
    )


@given(st.integers(0, 500), st.floats(0.0, 0.3))
def test_an_error_is_the_root_of_omega_and_none_holds_exactly(seed: int, error: float) -> None:
    S = covariance(seed)
    view = MarketView({"A": 1.0, "B": -0.5}, "absolute", 0.04, error=error)
    row = np.array([[1.0, -0.5, 0.0]])
    by_words = posterior(NAMES, MARKET, S, [view])
    by_matrix = posterior(NAMES, MARKET, S, ViewMatrix(row, np.array([0.04]), np.array([error**2])))
    assert by_words.mean == pytest.approx(by_matrix.mean)
    if error == 0:
        assert row @ by_words.mean == pytest.approx(0.04)


def test_what_is_no_view_is_named() -> None:
    S = covariance(1)
    with pytest.raises(PolicyError, match="confidence, or its error"):
        MarketView(["A"], "absolute", 0.05)
    with pytest.raises(PolicyError, match="confidence, or its error"):
        MarketView(["A"], "absolute", 0.05, 0.5, error=0.1)
    with pytest.raises(PolicyError, match=r"write 0\.02 for 2%"):
        MarketView(["A"], "absolute", 0.05, error=-0.1)
    with pytest.raises(DataError, match="omega"):
        ViewMatrix(np.ones((2, 3)), np.zeros(2), np.eye(3))
    with pytest.raises(DataError, match="covariance"):
        ViewMatrix(np.ones((2, 3)), np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(DataError, match="4 columns for 3 symbols"):
        posterior(NAMES, MARKET, S, ViewMatrix(np.ones((1, 4)), np.zeros(1), np.ones(1)))
    with pytest.raises(DataError, match="fractions are expected"):
        posterior(NAMES, MARKET, 1e4 * S, [], BlackLittermanSettings(delta=1e-4))
    with pytest.raises(DataError, match="fraction is expected"):
        posterior(NAMES, MARKET, S, [], prior=np.array([8.0, 5.0, 3.0]))


@given(st.integers(0, 500), st.floats(0.5, 9.0))
def test_the_implied_aversion_gives_back_the_markets_own_return(seed: int, delta: float) -> None:
    S, rate = covariance(seed), 0.02
    mean = delta * S @ MARKET + rate  # a market in equilibrium
    assert implied_risk_aversion(MARKET, S, mean - rate) == pytest.approx(delta)
    policy = Policy(risk_free_rate=rate, black_litterman=BlackLittermanSettings(delta="implied"))
    universe = Universe(NAMES, benchmark=dict(zip(NAMES, MARKET.tolist(), strict=True)))
    off = mean + np.array([0.01, -0.01, 0.02])  # no equilibrium: the market's return alone counts
    found = form_beliefs(Estimates(NAMES, off, S), universe, policy, Mandate())
    assert MARKET @ found.prior == pytest.approx(MARKET @ off)
    assert found.prior - rate == pytest.approx(implied_risk_aversion(MARKET, S, off - rate) * S @ MARKET)


def test_a_market_below_cash_implies_nothing_and_says_so() -> None:
    S = covariance(2)
    with pytest.raises(DataError, match="implies no risk aversion"):
        implied_risk_aversion(MARKET, S, np.full(3, -0.01))
    with pytest.raises(PolicyError, match="implied_risk_aversion"):
        posterior(NAMES, MARKET, S, [], BlackLittermanSettings(delta="implied"))
    policy = Policy(risk_free_rate=0.02, black_litterman={"delta": "implied"})
    universe = Universe(NAMES, benchmark={"A": 1.0})
    with pytest.raises(PolicyError, match="needs estimated means"):
        form_beliefs(Estimates(NAMES, None, S), universe, policy, Mandate())


def test_yaml_takes_portfolios_errors_and_the_word_implied() -> None:
    assert BlackLittermanFile(delta="implied").delta == "implied"
    with pytest.raises(ValueError, match="greater than 0"):
        BlackLittermanFile(delta=0.0)
    told = {"assets": {"A": 0.9, "B": 0.3}, "type": "absolute", "expected_return_pct": 8.0, "error_pct": 2.0}
    view = VIEW.validate_python(told).to_view(0.02)
    assert view.error == pytest.approx(0.02) and view.confidence is None
    assert view.expected_return == pytest.approx(0.08 - 0.02 * 1.2)  # 120% are not in cash
    sides = {
        "assets": {"A": 1.0},
        "against": {"B": 0.5},
        "type": "relative",
        "expected_return_pct": 1.0,
        "confidence": 0.5,
    }
    assert VIEW.validate_python(sides).to_view(0.02).expected_return == pytest.approx(0.01 - 0.02 * 0.5)
    with pytest.raises(ValueError, match="error_pct in place of it"):
        VIEW.validate_python({"assets": ["A"], "type": "absolute", "expected_return_pct": 8.0})
    plain = {"assets": ["A"], "type": "absolute", "expected_return_pct": 8.0, "confidence": 0.5}
    stored = VIEW.validate_python(plain).model_dump(mode="json")
    assert stored == {**plain, "against": [], "weights": "market"}
    assert VIEW.validate_python(stored).to_view(0.02) == VIEW.validate_python(plain).to_view(0.02)


@given(st.integers(0, 500))
def test_joint_views_by_name_are_the_matrices_and_stand_beside_others(seed: int) -> None:
    rng, S = np.random.default_rng(seed), covariance(seed)
    root = 0.05 * rng.standard_normal((4, 2))
    omega = root.T @ root
    joint = JointViews([{"C": 0.5, "A": -1.0}, {"B": 1.0}], [0.02, 0.05], omega.tolist())
    matrix = ViewMatrix(np.array([[-1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]), np.array([0.02, 0.05]), omega)
    assert posterior(NAMES, MARKET, S, [joint]).mean == pytest.approx(
        posterior(NAMES, MARKET, S, matrix).mean
    )
    alone = MarketView(["A"], "absolute", 0.03, error=0.1)
    whole = np.zeros((3, 3))
    whole[0, 0], whole[1:, 1:] = 0.01, omega
    rows = np.vstack([[1.0, 0.0, 0.0], matrix.P])
    both = posterior(NAMES, MARKET, S, ViewMatrix(rows, np.array([0.03, 0.02, 0.05]), whole))
    found = posterior(NAMES, MARKET, S, [joint, alone])
    assert found.mean == pytest.approx(both.mean) and found.covariance == pytest.approx(both.covariance)


def test_a_file_writes_joint_views_in_total_returns() -> None:
    told = {
        "portfolios": [{"A": 1.0, "B": -1.0}, {"C": 0.5}],
        "expected_returns_pct": [2.0, 8.0],
        "omega": [[0.0004, 0.0001], [0.0001, 0.0009]],
    }
    file = VIEW.validate_python(told)
    assert VIEW.validate_python(file.model_dump(mode="json")) == file
    view = file.to_view(0.04)
    assert np.asarray(view.expected_returns) == pytest.approx([0.02, 0.08 - 0.04 * 0.5])
    assert view.names == ("1 A -1 B = 0.02", "0.5 C = 0.06")
    beliefs = form_beliefs(
        Estimates(NAMES, None, covariance(3)), Universe(NAMES, benchmark=dict(zip(NAMES, MARKET, strict=True))),
        Policy(risk_free_rate=0.04), Mandate(views=(view,)),
    )  # fmt: skip
    assert beliefs.mean == pytest.approx(posterior(NAMES, MARKET, covariance(3), [view]).mean + 0.04)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"portfolios": [{"A": 1.0}], "expected_returns_pct": [1.0, 2.0], "omega": [0.01]}, "give one each"),
        ({"portfolios": [{"A": 0.0}], "expected_returns_pct": [1.0], "omega": [0.01]}, "all weights are 0"),
        ({"portfolios": [{"A": 1.0}], "expected_returns_pct": [1.0], "omega": [-0.01]}, "view 0"),
        ({"portfolios": [{"A": 1.0}], "expected_returns_pct": [1.0], "omega": [[0.01, 0.0]]}, "omega"),
    ],
)
def test_joint_views_that_cannot_be_are_refused(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        VIEW.validate_python(wrong)


def test_joint_views_of_a_stranger_are_refused_by_name() -> None:
    with pytest.raises(PolicyError, match="names Z"):
        posterior(NAMES, MARKET, covariance(1), [JointViews([{"Z": 1.0}], [0.01], [0.01])])


def test_what_carries_names_is_put_in_the_order_of_the_symbols():
    other, rows = ["C", "A", "B"], ["lead", "level"]
    prior = np.array([0.01, 0.02, 0.03])
    covariance = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.02], [0.0, 0.02, 0.16]])
    views = ViewMatrix(np.array([[1.0, 0, -1], [0, 1, 0]]), np.array([0.02, 0.05]), np.array([0.001, 0.002]))
    named = ViewMatrix(
        pd.DataFrame(views.P, rows, NAMES)[other],
        pd.Series(views.q, rows)[::-1],
        pd.DataFrame(views.omega, rows, rows).loc[rows[::-1], rows],
    )
    right = posterior(NAMES, MARKET, covariance, views, prior=prior)
    for stated in (pd.Series(MARKET, NAMES)[other], dict(zip(NAMES, MARKET, strict=True))):
        risk = pd.DataFrame(covariance, NAMES, NAMES).loc[other, other[::-1]]
        found = posterior(NAMES, stated, risk, named, prior=pd.Series(prior, NAMES)[other])
        np.testing.assert_allclose(found.mean, right.mean)
        np.testing.assert_allclose(found.covariance, right.covariance)


def test_risk_aversion_and_figures_go_by_label():
    names, other = ["A", "B", "C"], ["C", "A", "B"]
    weights, risk = pd.Series(MARKET, names), pd.DataFrame(np.diag([0.04, 0.09, 0.16]), names, names)
    excess = 2.5 * risk @ weights
    assert implied_risk_aversion(weights[other], risk, excess) == pytest.approx(2.5)
    with pytest.raises(DataError, match="other labels than market_weights"):
        implied_risk_aversion(weights, risk, excess.rename({"A": "Z"}))
    for odd in (None, "x", {"A": 1.0}):
        with pytest.raises(DataError):
            implied_risk_aversion(weights, odd, excess)
    days = pd.date_range("2024-01-01", periods=40)
    own = pd.Series(np.random.default_rng(2).normal(0, 0.01, 40), days)
    assert performance.beta(own, (own / 2).sample(frac=1, random_state=1)) == pytest.approx(2.0)
