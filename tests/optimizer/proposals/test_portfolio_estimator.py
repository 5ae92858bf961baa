"""A policy in scikit-learn's manners, and a quant's own numbers by name in any order."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from optimizer import (
    DataError,
    Estimates,
    Policy,
    PolicyError,
    PortfolioEstimator,
    Recipe,
    Universe,
    estimate,
    performance,
    solve,
)

RNG = np.random.default_rng(3)
DAYS = pd.bdate_range("2023-01-02", periods=300)
NAMES = ["C", "A", "B"]
RETURNS = pd.DataFrame(
    RNG.standard_normal((300, 3)) * [0.008, 0.012, 0.006] + 0.006 * RNG.standard_normal((300, 1)) + 4e-4,
    DAYS,
    NAMES,
)
INDEX = (0.5 * RETURNS["A"] + 0.3 * RETURNS["B"] + RNG.normal(0, 0.003, 300)).rename("INDEX")
MIXED = ["B", "C", "A"]


class Hundredths(PortfolioEstimator):
    """sklearn's checks fit on standard normal numbers, of which some are below -100% as returns."""

    def _estimated(self, table: pd.DataFrame, policy: Policy, benchmark: pd.Series | None) -> Estimates:
        return super()._estimated(table / 100, policy, benchmark)


def test_sklearns_own_checks_pass() -> None:
    from sklearn.utils.estimator_checks import check_estimator

    few = {"check_fit2d_1feature": "its ten rows are fewer returns than twelve, which are refused by name"}
    done = check_estimator(
        Hundredths(recipe=Recipe(periods_per_year=4)), expected_failed_checks=few, on_skip=None
    )
    outcome = {row["check_name"]: row["status"] for row in done}
    assert {name for name, status in outcome.items() if status == "xfail"} == set(few)
    assert sum(status == "passed" for status in outcome.values()) > 30


def test_fields_of_policy_and_recipe_are_parameters_and_others_are_refused_in_words() -> None:
    own = PortfolioEstimator(recipe=Recipe(lookback_days=100))
    own.set_params(recipe__covariance_method="oas", policy__max_weight=0.6)
    assert own.get_params()["recipe__covariance_method"] == "oas" and own.recipe.lookback_days == 100
    assert own.policy.max_weight == 0.6
    bare = PortfolioEstimator()
    with pytest.raises(PolicyError, match="recipe is None and has no covariance_method; set recipe itself"):
        bare.set_params(recipe__covariance_method="oas")
    with pytest.raises(PolicyError, match="universe is None and has no sectors; set universe itself"):
        bare.set_params(universe__sectors={})
    with pytest.raises(PolicyError, match="a recipe has no window; there are mean_method"):
        own.set_params(recipe__window=3)
    assert bare.set_params(recipe=Recipe(), recipe__lookback_days=50).recipe.lookback_days == 50


def test_it_is_searched_piped_and_cloned() -> None:
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    policy = Policy(method="mean_variance", max_weight=0.7, risk_free_rate=0.02)
    pipe = Pipeline([("same", FunctionTransformer()), ("book", PortfolioEstimator(policy))])
    grid = {"book__policy__risk_aversion": [1.0, 8.0], "book__policy__max_weight": [0.5, 0.9]}
    search = GridSearchCV(pipe, grid, cv=TimeSeriesSplit(3)).fit(RETURNS)
    best = search.best_estimator_["book"]
    assert best.policy.max_weight == search.best_params_["book__policy__max_weight"]
    assert best.policy.risk_free_rate == 0.02 and policy.max_weight == 0.7
    again = clone(best).fit(RETURNS)
    pd.testing.assert_series_equal(again.weights_, best.weights_)
    by_hand = []
    for train, test in TimeSeriesSplit(3).split(RETURNS):
        book = PortfolioEstimator(best.policy).fit(RETURNS.iloc[train])
        daily, periods = RETURNS.iloc[test] @ book.weights_, book.estimates_.periods_per_year
        by_hand.append(performance.sharpe(daily.to_numpy(), 0.02, periods))
    assert search.best_score_ == pytest.approx(np.mean(by_hand))


def test_weights_are_those_of_solve_and_carry_their_names() -> None:
    policy = Policy(method="max_sharpe", risk_free_rate=0.01, cash_max=0.2, max_turnover=0.3)
    held = {"B": 0.6, "A": 0.4}
    book = PortfolioEstimator(policy, held=held).fit(RETURNS)
    it = estimate(returns=RETURNS, recipe=Recipe(lookback_days=300, risk_free_rate=0.01))
    plain = solve(it, policy, Universe(("A", "B", "C")), np.array([0.0, 0.4, 0.6]))
    assert list(book.weights_.index) == NAMES
    np.testing.assert_allclose(book.weights_, plain.series[NAMES])
    mixed = book.predict(RETURNS[MIXED])
    pd.testing.assert_series_equal(mixed, book.predict(RETURNS))
    assert mixed.iloc[7] == pytest.approx(
        float(RETURNS.iloc[7] @ book.weights_) + book.cash_ * (1.01 ** (1 / 252) - 1)
    )
    bare = PortfolioEstimator(Policy(method="min_volatility")).fit(RETURNS.to_numpy())
    assert list(bare.weights_.index) == ["x0", "x1", "x2"]
    assert isinstance(bare.predict(RETURNS.to_numpy()), np.ndarray)


def test_a_benchmark_is_a_series_of_returns_by_date() -> None:
    """Least variance of R w - b by an independent solver; the benchmark is held by nobody."""
    policy = Policy(method="min_tracking_error", covariance_method="sample")
    book = PortfolioEstimator(policy, universe=Universe(tuple(NAMES), dict.fromkeys(NAMES, "x")))
    book.fit(RETURNS, INDEX.sample(frac=1.0, random_state=1))
    by_hand = minimize(
        lambda w: 1e4 * np.var(RETURNS.to_numpy() @ w - INDEX.to_numpy()),
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        tol=1e-14,
    )
    np.testing.assert_allclose(book.weights_, by_hand.x, atol=1e-4)
    away = (RETURNS @ book.weights_ - INDEX).std() * np.sqrt(252)
    assert book.solution_.objective == pytest.approx(away, rel=1e-9)
    assert book.solution_.series["INDEX"] == 0.0
    found = performance.information_ratio((RETURNS @ book.weights_).to_numpy(), INDEX.to_numpy())
    assert book.score(RETURNS, INDEX) == pytest.approx(found)
    limited = Policy(method="max_return", max_tracking_error=1.2 * away, max_sector=1.0)
    universe = Universe(tuple(NAMES), dict.fromkeys(NAMES, "x"))
    tight = PortfolioEstimator(limited, universe=universe).fit(RETURNS, INDEX)
    assert tight.solution_.certificate.ok
    assert any(limit.limit == "max_tracking_error" for limit in tight.solution_.binding)


@pytest.mark.parametrize(("rule", "periods", "rows"), [("W-FRI", 52, 60), ("ME", 12, 14), ("YE", 1, 12)])
def test_periods_a_year_follow_from_the_dates_or_are_stated(rule: str, periods: float, rows: int) -> None:
    dates = pd.date_range("2001-01-31", periods=rows, freq=rule)
    table = pd.DataFrame(np.random.default_rng(0).normal(0.01, 0.03, (rows, 3)), dates, NAMES)
    book = PortfolioEstimator(Policy(method="min_volatility", covariance_method="sample")).fit(table)
    assert book.estimates_.periods_per_year == periods
    np.testing.assert_allclose(book.estimates_.covariance, periods * table.cov())
    stated = PortfolioEstimator(Policy(method="min_volatility"), recipe=Recipe(periods_per_year=26))
    assert stated.fit(RETURNS.to_numpy()).estimates_.periods_per_year == 26


def test_own_numbers_are_read_by_name() -> None:
    covariance = RETURNS.cov() * 252
    mean = pd.Series({"A": 0.09, "B": 0.02, "C": 0.05})
    direct = Estimates(tuple(NAMES), mean, covariance.loc[MIXED, MIXED], RETURNS[MIXED])
    np.testing.assert_allclose(direct.mean, [0.05, 0.09, 0.02])
    np.testing.assert_allclose(direct.covariance, covariance)
    np.testing.assert_allclose(direct.scenarios, RETURNS)
    odds = pd.Series(np.arange(1.0, 301), DAYS) / np.arange(1.0, 301).sum()
    weighed = Estimates(tuple(NAMES), mean, covariance, RETURNS, probabilities=odds[::-1])
    np.testing.assert_allclose(weighed.probabilities, odds)
    through = estimate(returns=RETURNS, mean={"B": 0.5}, covariance=covariance.loc[MIXED, MIXED])
    assert through.mean[2] == 0.5 and through.mean[0] == pytest.approx(252 * RETURNS["C"].tail(252).mean())
    np.testing.assert_allclose(through.covariance, covariance)

    from sklearn.covariance import OAS

    fitted = PortfolioEstimator(Policy(method="min_volatility"), covariance=OAS()).fit(RETURNS)
    np.testing.assert_allclose(fitted.estimates_.covariance, OAS().fit(RETURNS).covariance_ * 252)


@pytest.mark.parametrize("method", ["hrp", "hrp_condensed", "hrp_ward", "herc", "nco"])
def test_hierarchies_cluster_by_the_own_correlation(method: str) -> None:
    """With the covariance's own correlation nothing changes; with another, names are told apart by that one."""
    days = np.random.default_rng(8).standard_normal((60, 4)) * [0.2, 0.22, 0.25, 0.3]
    it = Estimates(("P", "Q", "R", "S"), None, np.cov(days.T) + 0.02)
    universe = Universe(it.symbols)
    risk = it.volatility
    own = pd.DataFrame(it.covariance / np.outer(risk, risk), it.symbols, it.symbols)
    same = Estimates(it.symbols, None, it.covariance, correlation=own.iloc[::-1, ::-1])
    policy = Policy(method=method)
    before = solve(it, policy, universe).weights
    np.testing.assert_allclose(solve(same, policy, universe).weights, before, atol=1e-12)
    other = np.eye(4)
    for i, j in ((0, 3), (1, 2)):
        other[i, j] = other[j, i] = 0.95
    told = Estimates(it.symbols, None, it.covariance, correlation=other)
    assert np.abs(solve(told, policy, universe).weights - before).max() > 1e-3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Estimates(("A", "B"), {"A": 0.1}, np.eye(2)), "mean lacks B"),
        (lambda: Estimates(("A", "B"), pd.Series({"A": 0.1, "B": 0.2, "X": 0.1}), np.eye(2)), "names X, not among"),
        (lambda: Estimates(("A", "B"), pd.Series([0.1, 0.1, 0.2], ["A", "A", "B"]), np.eye(2)), "names A more than"),
        (lambda: Estimates(("A", "B"), None, pd.DataFrame(np.eye(2), ["A", "B"], ["A", "X"])), "columns lacks B"),
        (lambda: Estimates(("A", "B"), None, np.eye(2), correlation=np.full((2, 2), 2.0)), "diagonal other than 1"),
        (lambda: Estimates(("A", "B"), None, np.eye(2), correlation=[[1, 0.1], [0.2, 1]]), "not symmetric"),
        (lambda: Estimates(("A", "B"), None, np.eye(2), correlation=[[1, 1.2], [1.2, 1]]), "between -1 and 1"),
        (lambda: estimate(returns=RETURNS, benchmark=INDEX.rename("A")), "called A, as one of the symbols"),
        (lambda: estimate(returns=RETURNS, benchmark=INDEX.reset_index(drop=True)), "other dates than the table"),
        (lambda: PortfolioEstimator(held={"X": 1.0}).fit(RETURNS), "held names X"),
        (lambda: PortfolioEstimator().fit(RETURNS).predict(RETURNS[["A", "B"]]), "lacks C"),
        (lambda: PortfolioEstimator().fit(RETURNS.iloc[:10]), "10 daily returns are usable"),
    ],
)  # fmt: skip
def test_wrong_names_are_told(wrong: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        wrong()


def test_an_unknown_setting_is_told() -> None:
    with pytest.raises(PolicyError, match="a policy has no risk_avresion"):
        PortfolioEstimator().set_params(policy__risk_avresion=1.0)
    with pytest.raises(PolicyError, match="max_weight is 'x'"):
        PortfolioEstimator().set_params(policy__max_weight="x")


def test_rows_that_are_left_out_make_no_return_longer():
    weeks = RETURNS.set_axis(pd.date_range("2020-01-03", periods=300, freq="W-FRI"))
    for table, periods in ((RETURNS, 252), (weeks, 52)):
        holed = pd.concat([table[:100], table[180:]])
        some = table.sample(frac=0.7, random_state=1).sort_index()
        for fewer in (holed, some):
            found = estimate(returns=fewer, recipe=Recipe(lookback_days=400))
            assert found.periods_per_year == periods and any("rows are missing" in n for n in found.notes)


def test_tables_of_any_make_are_taken_or_refused_in_words():
    right = estimate(returns=RETURNS)
    risk = pd.DataFrame(right.covariance)[[2, 0, 1]]
    plain = estimate(returns=RETURNS.set_axis([0, 1, 2], axis=1), covariance=risk, mean={1: 0.1})
    assert plain.symbols == ("0", "1", "2") and plain.mean[1] == 0.1
    np.testing.assert_allclose(plain.covariance, right.covariance)
    series = estimate(returns=RETURNS, benchmark=RETURNS["A"].rename("I"))
    for same in (RETURNS[["A"]].rename(columns={"A": "I"}), RETURNS["A"].to_numpy()):
        np.testing.assert_allclose(estimate(returns=RETURNS, benchmark=same).covariance, series.covariance)
    for wrong in (RETURNS["A"], RETURNS.to_numpy(), [[0.1]]):
        with pytest.raises(PolicyError, match="DataFrame"):
            estimate(returns=wrong)
    for text in ({"returns": RETURNS.assign(A="x")}, {"benchmark": "x"}, {"mean": {"A": "x"}}):
        with pytest.raises(DataError):
            estimate(**{"returns": RETURNS, **text})
    for odd in ({"lookback_days": 2.5}, {"lookback_days": None}, {"half_life": "x"}, {"risk_free_rate": None},
                {"mean_method": None}, {"symbols": "AB"}):  # fmt: skip
        with pytest.raises(PolicyError):
            Recipe(**odd)
    with pytest.raises(PolicyError, match="must be a Policy"):
        PortfolioEstimator({"method": "hrp"}).fit(RETURNS)
