"""The search under limits on shares of risk: how it ends, and what it says where it ended early."""

from typing import Any

import numpy as np
import pytest
from eight_names import BOOK, EIGHT, N, answer, shares

from optimizer import DataError, Estimates, InfeasibleError, Policy, SolverError, Universe, solve
from optimizer.measures.portfolio_measures import risk_contributions
from optimizer.numerics.answers import NoAnswerError
from optimizer.problem.gini import GiniMeanDifference
from optimizer.problem.scenario_goals import Scenario
from optimizer.solvers.fast import dispatch, ellipsoid_tangents
from optimizer.solvers.shares import share_search, share_work
from optimizer.solvers.shares.share_search import Within


@pytest.mark.parametrize("method", ["mean_variance", "max_sharpe"])
def test_a_solver_without_a_verdict_is_not_told_as_cash_alone(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything was to be sold, or no portfolio was said to earn more than cash, where nothing had been found out."""

    def no_verdict(*_: Any) -> Any:
        raise NoAnswerError("HiGHS", "iteration limit", infeasible=False)

    monkeypatch.setattr(share_work, "optimum", no_verdict)
    policy = Policy(method=method, risk_free_rate=0.02, cash_max=1.0, max_risk_share=0.2)
    with pytest.raises(SolverError, match=r"without a verdict \(HiGHS: iteration limit\)"):
        solve(EIGHT, policy, BOOK)


def test_a_search_that_ends_where_nothing_is_risked_says_so() -> None:
    """Of a hedge, the more is hedged the less of the risk is A's: the best has none, and shares of none."""
    it = Estimates(("A", "B"), np.array([0.05, 0.02]), np.outer([0.2, -0.1], [0.2, -0.1]))
    policy = Policy(
        method="max_return", risk_free_rate=0.02, risk_share_limits={"A": (None, 0.2), "B": (0.5, None)}
    )
    with pytest.raises(DataError, match="some portfolios no risk at all, in which there are no shares"):
        solve(it, policy, Universe(it.symbols))


def test_a_search_that_does_not_settle_ends_at_a_certified_answer_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Distances to other weights settle slowly: a book of 150 names ended as a fault of ours after seven searches."""
    settled = answer(method="equal_weight", max_risk_share=0.14)
    monkeypatch.setattr(share_search, "SETTLED", -1.0)
    monkeypatch.setattr(share_search, "STEPS", 40)
    monkeypatch.setattr(share_search, "SOLVES", 1)
    found = answer(method="equal_weight", max_risk_share=0.14)
    assert "limits on shares of risk: the search ended after 40 steps, not settled" in found.warnings
    assert shares(found.weights).max() <= 0.14 + 1e-8
    assert settled.objective - 1e-9 <= found.objective and found.bound <= settled.objective + 1e-9


@pytest.mark.parametrize(("solves", "searches"), [(300, 7), (10, 1)])
def test_no_further_search_begins_once_the_ones_before_took_many_solves(
    solves: int, searches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three searches of a cost without an algorithm of its own took a minute in a long-short book of eight names."""
    begun: list[np.ndarray] = []
    climbed = share_search._climbed

    def counted(*asked: Any) -> Within:
        begun.append(asked[3])
        return climbed(*asked)

    monkeypatch.setattr(share_search, "SOLVES", solves)
    monkeypatch.setattr(share_search, "_climbed", counted)
    found = answer(method="max_return", max_risk_share=0.25)
    assert len(begun) == searches and found.optimality_gap > 0
    assert any("leave open whether a better portfolio exists" in told for told in found.warnings)


TWO_CONFLICTS: dict[str, Any] = {
    "sector_limits": {"Old": (0.5, 1), "New": (0.6, 1)}, "limits": ("risk:Old <= 5%",),
}  # fmt: skip


def test_one_count_of_work_ends_all_ways_out_of_another_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way out had solves of its own: 60 names under a limit on volatility took more than three minutes."""
    with pytest.raises(InfeasibleError) as whole:
        answer(**TWO_CONFLICTS)
    assert len(whole.value.ways) == 3 and "not looked for" not in str(whole.value)
    monkeypatch.setattr(share_work, "WORK", 5 * N)
    with pytest.raises(
        InfeasibleError, match=r"what else would do was not looked for: .* after \d+ solves$"
    ) as cut:
        answer(**TWO_CONFLICTS)
    assert cut.value.ways == () and cut.value.conflicts
    assert int(str(cut.value).split()[-2]) <= 5


def test_a_refusal_says_that_starts_were_left(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"sector_limits": {"Old": (0.6, 1)}, "limits": ("risk:Old <= 5%",)}
    with pytest.raises(InfeasibleError, match="relax these") as whole:
        answer(**limits)
    assert "places to start from" not in str(whole.value)
    monkeypatch.setattr(share_search, "SOLVES", 1)
    with pytest.raises(InfeasibleError, match="ended after 1 solve, before all places to start from"):
        answer(**limits)


def test_the_work_of_a_gini_mean_difference_grows_with_its_days_and_ends_a_search(
    monkeypatch: pytest.MonkeyPatch,
):
    """Over 1,000 days a solve takes 20 s, and each counted as one over 250: seven searches took minutes."""

    def of(days: int) -> Scenario:
        return Scenario(np.zeros((days, 2)), 0.0, GiniMeanDifference())

    assert [share_work.general_of(of(days)) for days in (20, 250, 1000)] == [30, 30, 187]
    monkeypatch.setattr(share_work, "PLAIN_DAYS", 2)
    found = answer(method="gini_mean_difference", max_risk_share=0.2)
    assert any(
        "shares of risk: the search ended after 1 step, not settled" in told for told in found.warnings
    )
    assert shares(found.weights).max() <= 0.2 + 1e-8


def test_a_search_that_was_cut_ends_at_shares_that_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step after the last was taken without the sides that no step before had met, and its answer refused."""
    monkeypatch.setattr(share_search, "STEPS", 1)
    found = answer(method="min_volatility", max_risk_share=0.2)
    assert any("search ended after 1 step, not settled" in told for told in found.warnings)
    assert shares(found.weights).max() <= 0.2 + 1e-8


def test_a_search_by_the_general_lane_settles() -> None:
    """Ten solves ended it, of a second and of a hundredth alike."""
    found = answer(method="max_return_to_cvar", max_risk_share=0.15)
    assert not any("not settled" in told for told in found.warnings)


def test_many_limits_and_few_days_take_few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What rounding leaves was taken for swinging, 80 rounds each time, and each limit was tried as the only one."""
    calls = {"refine": 0, "_round": 0, "solve_priced": 0}

    def counted(module: Any, name: str) -> None:
        original = getattr(module, name)

        def count(*asked: Any) -> Any:
            calls[name] += 1
            return original(*asked)

        monkeypatch.setattr(module, name, count)

    counted(ellipsoid_tangents, "_round")
    counted(dispatch, "refine")
    counted(dispatch, "solve_priced")
    rng, names = np.random.default_rng(3), tuple(f"N{i}" for i in range(24))
    returns = rng.normal(0, 0.01, (12, 24)) * rng.uniform(0.5, 2, 24) + rng.normal(0, 0.008, (12, 1))
    estimates = Estimates(names, np.linspace(0.03, 0.1, 24), np.cov(returns.T) * 252)
    found = solve(estimates, Policy(method="equal_weight", max_risk_share=1.3 / 24), Universe(names))
    assert found.lane == "fast" and found.optimality_gap <= 1e-6
    assert risk_contributions(found.weights, estimates.risk).max() <= 1.3 / 24 + 1e-8
    assert calls["_round"] <= 20 * calls["refine"] and calls["solve_priced"] <= calls["refine"]
