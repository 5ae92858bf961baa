import numpy as np
import pytest

from optimizer import (
    CompiledPolicy,
    Estimates,
    Mandate,
    MarketView,
    Policy,
    PolicyError,
    Portfolio,
    Position,
    ScenarioView,
    Universe,
    propose,
    solve,
)
from optimizer.beliefs.entropy_pooling import moved
from optimizer.problem.methods import ON_ODDS, SCENARIO_COSTS
from optimizer.proposals.proposal import form_beliefs, without_evidence

RETURNS = np.random.default_rng(1).standard_normal((120, 2)) * [0.01, 0.015]
PAIR = Estimates(("A", "B"), np.array([0.06, 0.07]), np.cov(RETURNS.T) * 252, RETURNS, observations=120)
HALF = Universe(("A", "B"), benchmark={"A": 0.5, "B": 0.5})


@pytest.mark.parametrize(
    ("policy", "heard"),
    [
        (Policy(method="mean_variance", risk_free_rate=0.02), True),
        (Policy(method="min_volatility", risk_free_rate=0.02), False),
        (Policy(method="cdar", risk_free_rate=0.02), False),
        (Policy(method="min_volatility", risk_free_rate=0.02, min_return=0.01), False),
        (Policy(method="min_volatility", risk_free_rate=0.02, min_return=0.15), True),
    ],
    ids=["mean_variance", "min_volatility", "cdar", "a min_return that does not bind", "min_return"],
)
def test_views_are_a_reason_only_where_expected_returns_are_read(policy: Policy, heard: bool):
    book = Portfolio("book", positions={"A": Position("A", 900, 0), "B": Position("B", 100, 0)})
    mandate = Mandate(views=(MarketView(["B"], "absolute", 0.2, 0.9),))
    found = propose(book, {"A": 10.0, "B": 10.0}, PAIR, policy, HALF, mandate)
    said = " ".join(row.rationale for row in found.trades.rows)
    assert found.trades.rows[0].action != "HOLD"
    assert ("the views move" in said) == heard


POOLED = Policy(method="mean_variance", risk_free_rate=0.02, view_model="entropy_pooling")


def test_pooled_beliefs_without_views_are_the_prior_and_the_estimate():
    for prior, mean in (("benchmark", 0.02 + 2.5 * PAIR.covariance @ [0.5, 0.5]), ("historical", PAIR.mean)):
        found = form_beliefs(PAIR, HALF, POOLED, Mandate(prior=prior))
        assert found.mean == pytest.approx(mean) and found.prior == pytest.approx(mean)
        assert found.covariance == pytest.approx(PAIR.covariance)
        # A view that says what is believed already changes nothing either.
        told = ScenarioView("volatility", {"A": 1}, float(np.sqrt(PAIR.covariance[0, 0])))
        same = form_beliefs(PAIR, HALF, POOLED, Mandate(views=(told,), prior=prior))
        assert same.mean == pytest.approx(mean, abs=1e-9)
        assert same.covariance == pytest.approx(PAIR.covariance, abs=1e-9)


def test_pooled_views_hold_in_the_beliefs_and_reach_the_trades():
    views = (ScenarioView("mean", {"B": 1}, 0.25), ScenarioView("volatility", {"A": 1}, 0.2))
    views = (*views, ScenarioView("correlation", {"A": 1, "B": 1}, 0.4))
    found = form_beliefs(PAIR, HALF, POOLED, Mandate(views=views))
    sd = np.sqrt(np.diag(found.covariance))
    assert found.mean[1] == pytest.approx(0.25) and sd[0] == pytest.approx(0.2)
    assert found.covariance[0, 1] / sd.prod() == pytest.approx(0.4)
    book = Portfolio("book", positions={"A": Position("A", 900, 0), "B": Position("B", 100, 0)})
    made = propose(book, {"A": 10.0, "B": 10.0}, PAIR, POOLED, HALF, Mandate(views=views))
    assert any("the views move its expected return by" in row.rationale for row in made.trades.rows)


@pytest.mark.parametrize("method", sorted({"cvar", *SCENARIO_COSTS}))
def test_pooled_views_weigh_the_days_of_methods_that_take_odds_and_are_warned_of_in_the_others(method: str):
    """A quieter A is held more: CVaR, deviations and the like fall with it; drawdowns and Gini count days alike."""
    policy = Policy(method=method, risk_free_rate=0.02, view_model="entropy_pooling")
    book = Portfolio("book", positions={"A": Position("A", 900, 0), "B": Position("B", 100, 0)})
    quieter = ScenarioView("volatility", {"A": 1}, 0.7 * float(np.sqrt(PAIR.covariance[0, 0])))
    prices = {"A": 10.0, "B": 10.0}
    before = propose(book, prices, PAIR, policy, HALF, Mandate())
    after = propose(book, prices, PAIR, policy, HALF, Mandate(views=(quieter,)))
    deaf = f"method {method} counts every day alike, so the views have no part in its weights"
    assert (deaf in after.warnings) == (method not in ON_ODDS)
    if method not in ON_ODDS:
        np.testing.assert_array_equal(after.solution.weights, before.solution.weights)
    elif method != "kelly":  # it goes to the bound of the better name
        assert after.solution.weights[0] > before.solution.weights[0] + 0.01
    assert after.beliefs is not None
    believed = after.beliefs.estimates(PAIR)
    if method in ON_ODDS:
        assert 252 * believed.probabilities @ believed.scenarios == pytest.approx(believed.mean)


def test_views_of_the_other_model_are_refused():
    mean, lead = ScenarioView("mean", {"A": 1}, 0.1), MarketView(["A"], "absolute", 0.1, 0.5)
    with pytest.raises(PolicyError, match="view_model is entropy_pooling, which takes views of a kind"):
        form_beliefs(PAIR, HALF, POOLED, Mandate(views=(mean, lead)))
    with pytest.raises(PolicyError, match="view_model is black_litterman, which takes views on returns"):
        form_beliefs(PAIR, HALF, Policy(risk_free_rate=0.02), Mandate(views=(mean,)))
    with pytest.raises(
        PolicyError, match="view_model 'copula' does not exist; use one of black_litterman, entropy_pooling"
    ):
        Policy(view_model="copula")


def test_moved_days_have_the_moments_asked_for_whatever_the_order_of_the_names():
    covariance = np.array([[0.09, 0.01], [0.01, 0.02]])
    days = moved(RETURNS, np.array([0.1, 0.03]), covariance)
    assert days.mean(axis=0) * 252 == pytest.approx([0.1, 0.03])
    assert np.cov(days.T, ddof=0) * 252 == pytest.approx(covariance)
    turned = moved(RETURNS[:, ::-1], np.array([0.03, 0.1]), covariance[::-1, ::-1])
    assert turned[:, ::-1] == pytest.approx(days)
    with pytest.raises(
        PolicyError, match="needs scenarios that tell the 2 names apart, and these 120 days do not"
    ):
        moved(RETURNS[:, [0, 0]], np.zeros(2), covariance)


@pytest.mark.parametrize("model", ["black_litterman", "entropy_pooling"])
@pytest.mark.parametrize("prior", ["benchmark", "market_cap"])
def test_a_prior_that_is_partly_elsewhere_is_scaled_up_and_says_so(prior: str, model: str):
    policy = Policy(risk_free_rate=0.02, view_model=model)
    key = "benchmark" if prior == "benchmark" else "market_caps"
    part, mandate = {"A": 0.3, "B": 0.1, "ZZZ": 0.6}, Mandate(prior=prior)
    found = form_beliefs(PAIR, Universe(("A", "B"), **{key: part}), policy, mandate)
    whole = form_beliefs(PAIR, Universe(("A", "B"), **{key: {"A": 0.75, "B": 0.25}}), policy, mandate)
    np.testing.assert_allclose(found.mean, whole.mean, rtol=1e-12)
    assert whole.warnings == ()
    assert f"60.0% of prior {prior!r} is in ZZZ, not estimated" in found.warnings[0]
    with pytest.raises(PolicyError, match="no weight in the symbols estimated; it is in ZZZ"):
        form_beliefs(PAIR, Universe(("A", "B"), **{key: {"ZZZ": 1.0}}), policy, mandate)
    with pytest.raises(PolicyError, match=r"B (is )?nan"):
        form_beliefs(PAIR, Universe(("A", "B"), **{key: {"A": 1.0, "B": np.nan}}), policy, mandate)


def test_a_benchmark_that_holds_cash_is_taken_as_it_is():
    found = form_beliefs(
        PAIR, Universe(("A", "B"), benchmark={"A": 0.4, "B": 0.2}), Policy(risk_free_rate=0.0), Mandate()
    )
    np.testing.assert_allclose(found.prior, 2.5 * (PAIR.covariance @ [0.4, 0.2]))
    assert found.warnings == ()


@pytest.mark.parametrize("limit", [None, 0.1])
def test_a_policy_for_more_than_fifty_names_answers_as_the_solver_does(limit: float | None):
    symbols = tuple(f"S{number}" for number in range(51))
    spread = np.random.default_rng(2).standard_normal((51, 60)) * 0.1
    known = Estimates(symbols, np.full(51, 0.05), spread @ spread.T / 60 + 0.01 * np.eye(51))
    policy, book = Policy(method="min_volatility", max_turnover=limit), Portfolio("book", cash=0)
    for symbol in symbols[:10]:
        book.positions[symbol] = Position(symbol, 10, 0)
    prices = dict.fromkeys(symbols, 10.0)
    held = np.array([0.1] * 10 + [0.0] * 41)
    found = CompiledPolicy(known, policy, Universe(symbols), Mandate()).choose_weights(book, prices)
    assert found.weights == pytest.approx(solve(known, policy, Universe(symbols), held).weights, abs=1e-7)


def test_names_without_a_history_have_equal_risks_of_a_fifth_and_no_means():
    found = without_evidence(("A", "B"), 0)
    assert found.mean is None and found.observations == 1
    assert np.asarray(found.covariance) == pytest.approx(np.diag([0.04, 0.04]))


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"max_volatility": 0.1, "priorities": {"max_volatility": 2}}, ["max_volatility"]),
        ({"max_tracking_error": 0.1}, ["max_tracking_error"]),
        ({"beta_limits": (0.5, 0.6), "max_risk_share": 0.9}, ["beta_limits", "max_risk_share"]),
        ({"risk_share_limits": {"A": (0.0, 0.4)}}, ["risk_share_limits"]),
        ({"limits": ("A <= 90%", "beta:A <= 0.4", "risk:A <= 40%")}, ["beta:A <= 0.4", "risk:A <= 40%"]),
    ],
)
def test_a_limit_on_a_risk_that_is_only_assumed_does_not_count_and_says_so(limit: dict, said: list[str]):
    """Of two names with a fifth assumed a third stayed in cash under max_volatility 10%, which was told as kept."""
    policy, book = Policy(risk_free_rate=0.02, **limit), Portfolio("book", 1000)
    made = propose(book, {"A": 10.0, "B": 10.0}, without_evidence(("A", "B"), 24), policy, HALF, Mandate())
    assert made.solution.weights == pytest.approx([0.5, 0.5])
    told = [warning for warning in made.warnings if "does not count" in warning]
    assert told == [f"{name} does not count: the risk of the names is not known" for name in said]


def test_a_volatility_that_is_the_method_s_aim_is_none_of_equal_weights():
    """13% of three names stayed in cash for a volatility that nobody knew."""
    policy, book = (
        Policy(method="target_volatility", target_volatility=0.1, risk_free_rate=0.02),
        Portfolio("b", 1000),
    )
    made = propose(book, {"A": 10.0, "B": 10.0}, without_evidence(("A", "B"), 64), policy, HALF, Mandate())
    assert made.solution.weights == pytest.approx([0.5, 0.5])
    assert "target_volatility does not count: the risk of the names is not known" in made.warnings


@pytest.mark.parametrize("days", [1, 40, 60])
def test_assumed_risks_are_held_equally_and_are_no_reason_and_no_figure(days: int):
    """Of 30 days and more they passed for estimates: "its share of the risk goes from 81.0% to 50.0%"."""
    assumed = without_evidence(("A", "B"), days)
    book = Portfolio("book", positions={"A": Position("A", 900, 0), "B": Position("B", 100, 0)})
    policy = Policy(method="min_volatility", risk_free_rate=0.02, max_weight=0.6)
    made = propose(book, {"A": 10.0, "B": 10.0}, assumed, policy, HALF, Mandate())
    assert f"Insufficient data for optimization ({days} days)" in made.warnings
    assert made.solution.weights == pytest.approx([0.5, 0.5])
    assert all("risk" not in row.rationale for row in made.trades.rows)
    assert not any("risk_share" in name for row in made.trades.rows for name in row.numbers)
