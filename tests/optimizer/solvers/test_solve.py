import re
from dataclasses import replace

import numpy as np
import pytest

from optimizer import (
    Estimates,
    ExposureType,
    Fund,
    FundExposureMap,
    InfeasibleError,
    Policy,
    PolicyError,
    Solution,
    Universe,
    solve,
)
from optimizer.measures.portfolio_measures import turnover
from optimizer.problem.methods import METHODS

NAMES = ("A", "B", "C", "D")
RNG = np.random.default_rng(3)
RETURNS = (
    RNG.standard_normal((250, 4)) * [0.01, 0.012, 0.008, 0.02]
    + 0.006 * RNG.standard_normal((250, 1))
    + 0.0005
)
FOUR = Estimates(NAMES, RETURNS.mean(axis=0) * 252, np.cov(RETURNS.T) * 252, RETURNS)
EQUAL = np.full(4, 0.25)
KINDS = (
    ExposureType.US_LARGE_EQUITY,
    ExposureType.GOLD,
    ExposureType.US_TREASURY,
    ExposureType.MANAGED_FUTURES,
)
BOOK = Universe(
    NAMES,
    {"A": "tech", "B": "tech", "C": "food", "D": "food"},
    benchmark=dict.fromkeys(NAMES, 0.25),
    funds=FundExposureMap([Fund(s, s, {kind: 1.0}) for s, kind in zip(NAMES, KINDS, strict=True)]),
)
THREE = Estimates(
    ("A", "B", "C"),
    np.array([0.08, 0.03, 0.10]),
    np.array([[0.04, 0.01, 0.03], [0.01, 0.02, 0.005], [0.03, 0.005, 0.06]]),
)
SMALL = Universe(("A", "B", "C"))


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_keeps_every_limit(method: str):
    policy = Policy(
        method=method,
        risk_free_rate=0.02,
        max_weight=0.4,
        asset_limits={"D": (0.05, 0.3)},
        sector_limits={"tech": (0.3, 0.6)},
        max_notional=1.0,
        max_turnover=0.15,
        max_tracking_error=0.05,
        target_volatility=0.5,
    )
    found = solve(FOUR, policy, BOOK, EQUAL)
    w = found.weights
    assert found.certificate.ok
    assert found.constraints_met
    assert abs(w.sum() - 1) < 1e-8
    assert w.max() <= 0.4 + 1e-8 and 0.05 - 1e-8 <= w[3] <= 0.3 + 1e-8
    assert 0.3 - 1e-8 <= w[:2].sum() <= 0.6 + 1e-8
    assert turnover(w, EQUAL) <= 0.15 + 1e-8
    away = w - EQUAL
    assert np.sqrt(away @ FOUR.covariance @ away) <= 0.05 + 1e-8


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"target_volatility"}))
def test_no_random_allowed_portfolio_is_better(method: str):
    policy = Policy(method=method, risk_free_rate=0.02, max_weight=0.5)
    found = solve(FOUR, policy, BOOK, EQUAL)
    best = ("max_sharpe", "max_return", "mean_variance", "max_diversification", "kelly", "max_return_to_cvar")
    sign = 1.0 if method in best else -1.0
    for w in np.random.default_rng(0).dirichlet(np.ones(4), 500):
        if w.max() <= 0.5:
            assert sign * found.goal.value(w) <= sign * found.objective + 1e-9


def test_the_hot_path_needs_no_modelling_layer():
    import subprocess
    import sys

    code = (
        "import sys, numpy as np; from optimizer.solvers.solve import solve; from optimizer.model.policy import Policy;"
        "from optimizer.model.estimates import Estimates; from optimizer.model.universe import Universe;"
        "e = Estimates(('A', 'B'), np.array([.1, .05]), np.diag([.04, .01]));"
        "[solve(e, Policy(method=m, risk_free_rate=.02, max_weight=.8, max_turnover=.4, max_tracking_error=.1),"
        " Universe(('A', 'B')), np.array([.5, .5])) for m in ('min_volatility', 'max_sharpe', 'risk_parity')];"
        "print([m for m in ('cvxpy', 'scipy', 'sklearn') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_cap_that_forces_cash_fails_by_default_and_holds_the_least_cash_when_asked():
    strict = Policy(method="min_volatility", max_weight=0.15)
    with pytest.raises(InfeasibleError) as caught:
        solve(THREE, strict, SMALL)
    by_name = {conflict.limit: conflict for conflict in caught.value.conflicts}
    assert set(by_name) == {"max_weight", "cash_max"}
    assert by_name["max_weight"].relaxation == pytest.approx(1 / 3 - 0.15)
    assert by_name["cash_max"].relaxation == pytest.approx(0.55)
    held = solve(
        THREE,
        Policy(method="min_volatility", max_weight=0.15, forced_cash="hold", risk_free_rate=0.02),
        SMALL,
    )
    np.testing.assert_allclose(held.weights, 0.15, atol=2e-6)
    assert held.cash == pytest.approx(0.55, abs=2e-6)
    assert "55.0% in cash" in held.warnings[0]


def test_a_conflict_names_the_smallest_set():
    policy = Policy(
        method="min_volatility",
        max_weight=0.9,
        asset_limits={"A": (0.6, 0.9)},
        sector_limits={"tech": (0, 0.5)},
    )
    with pytest.raises(InfeasibleError, match="min_weight A") as caught:
        solve(FOUR, policy, BOOK)
    found = {conflict.limit: conflict.relaxation for conflict in caught.value.conflicts}
    assert set(found) == {"min_weight A", "max_sector tech", "long_only"}
    assert found["min_weight A"] == pytest.approx(0.1)
    assert found["max_sector tech"] == pytest.approx(0.1)


def test_a_volatility_target_below_the_least_is_named_with_its_price():
    with pytest.raises(InfeasibleError) as caught:
        solve(THREE, Policy(method="min_volatility", max_volatility=0.05), SMALL)
    conflict = next(c for c in caught.value.conflicts if c.limit == "max_volatility")
    least = solve(THREE, Policy(method="min_volatility"), SMALL).objective
    assert conflict.relaxation == pytest.approx(least - 0.05, rel=1e-6)


def test_transition_from_a_concentrated_book():
    held = np.array([0.6, 0.2, 0.2, 0.0])
    policy = Policy(
        method="mean_variance",
        risk_free_rate=0.02,
        max_weight=0.30,
        max_turnover=0.10,
        on_conflict="transition",
    )
    found = solve(FOUR, policy, BOOK, held)
    assert not found.constraints_met
    assert turnover(found.weights, held) == pytest.approx(0.1, abs=1e-6)
    assert found.weights[0] == pytest.approx(0.5, abs=1e-6)
    assert found.weights.sum() == pytest.approx(1, abs=1e-9)
    [unmet] = found.unmet
    assert (unmet.limit, unmet.bound, unmet.rebalances) == ("max_weight A", 0.3, 3)
    assert unmet.text.endswith("it can hold after 3 rebalances")
    assert replace(unmet, rebalances=1.0).text.endswith("it can hold after 1 rebalance")
    assert "max_weight A" in found.warnings[0] and "3 rebalances" in found.warnings[0]
    with pytest.raises(InfeasibleError, match="max_turnover"):
        solve(
            FOUR,
            Policy(method="mean_variance", risk_free_rate=0.02, max_weight=0.30, max_turnover=0.10),
            BOOK,
            held,
        )


def test_transition_goes_on_until_the_limits_hold():
    held = np.array([0.6, 0.2, 0.2, 0.0])
    policy = Policy(method="min_volatility", max_weight=0.30, max_turnover=0.10, on_conflict="transition")
    for _ in range(2):
        found = solve(FOUR, policy, BOOK, held)
        assert not found.constraints_met
        held = found.weights
    assert solve(FOUR, policy, BOOK, held).constraints_met


def test_cash_that_the_caps_force_is_not_said_to_go_in_transition():
    """It was `not met yet: 20%, limit 0%; it can hold after 1 rebalance`, which four caps of 20% never allow."""
    policy = Policy(
        method="min_volatility", max_weight=0.2, forced_cash="hold", risk_free_rate=0.02, max_turnover=0.2,
        on_conflict="transition",
    )  # fmt: skip
    found = solve(FOUR, policy, BOOK, np.array([0.6, 0.2, 0.2, 0.0]))
    np.testing.assert_allclose(found.weights, [0.3, 0.2, 0.2, 0.1], atol=1e-5)  # sells 30%, buys 10%
    assert found.warnings[0].startswith("the limits leave 20.0% in cash")
    assert [(unmet.limit, unmet.rebalances) for unmet in found.unmet] == [("max_weight A", 2)]


def test_a_policy_infeasible_in_itself_fails_in_transition_too():
    policy = Policy(method="min_volatility", max_weight=0.2, max_turnover=0.5, on_conflict="transition")
    with pytest.raises(InfeasibleError, match="max_weight"):
        solve(FOUR, policy, BOOK, EQUAL)


def test_a_book_all_in_cash_is_invested_step_by_step():
    policy = Policy(method="equal_weight", max_turnover=0.10, on_conflict="transition", risk_free_rate=0.02)
    found = solve(FOUR, policy, BOOK, np.zeros(4))
    assert found.cash == pytest.approx(0.8, abs=1e-6)
    assert found.unmet[0].limit == "cash_max" and found.unmet[0].rebalances == 5


def test_a_binding_turnover_limit_alone_is_met_and_told():
    policy = Policy(method="min_volatility", max_turnover=0.05)
    found = solve(FOUR, policy, BOOK, EQUAL)
    assert found.constraints_met
    assert found.unconstrained_turnover == pytest.approx(
        turnover(solve(FOUR, Policy(method="min_volatility"), BOOK).weights, EQUAL)
    )
    assert found.warnings[-1].startswith("Trades scaled down to meet 5.0% turnover limit")


def test_returns_below_the_risk_free_rate_are_a_named_answer():
    with pytest.raises(InfeasibleError, match="min_volatility"):
        solve(THREE, Policy(method="max_sharpe", risk_free_rate=0.2), SMALL)


def test_of_equal_ratios_the_one_with_least_cash_is_taken_or_the_one_at_the_target():
    policy = Policy(method="max_sharpe", risk_free_rate=0.02, cash_max=0.9)
    invested = solve(THREE, policy, SMALL)
    assert invested.cash == pytest.approx(0, abs=1e-9)
    calm = solve(
        THREE, Policy(method="max_sharpe", risk_free_rate=0.02, cash_max=0.9, target_volatility=0.1), SMALL
    )
    assert calm.objective == pytest.approx(invested.objective)
    w = calm.weights
    assert np.sqrt(w @ THREE.covariance @ w) == pytest.approx(0.1)


def test_a_target_volatility_without_its_number_is_asked_in_the_words_of_file_and_code():
    with pytest.raises(PolicyError, match=r"target_volatility_pct: 10 in a portfolio's file, target_vol"):
        solve(THREE, Policy(method="target_volatility"), SMALL)


def test_tied_means_give_the_least_risky_of_the_best():
    tied = Estimates(THREE.symbols, np.full(3, 0.08), THREE.covariance)
    found = solve(tied, Policy(method="max_return", risk_free_rate=0.02), SMALL)
    least = solve(tied, Policy(method="min_volatility"), SMALL)
    np.testing.assert_allclose(found.weights, least.weights, atol=1e-8)


def test_twins_share_in_any_way_but_cost_the_same():
    twins = THREE.covariance[np.ix_([0, 0, 1], [0, 0, 1])]
    found = solve(Estimates(("A", "B", "C"), None, twins), Policy(method="min_volatility"), SMALL)
    single = THREE.covariance[:2, :2]
    alone = solve(Estimates(("A", "C"), None, single), Policy(method="min_volatility"), Universe(("A", "C")))
    assert found.objective == pytest.approx(alone.objective)


def test_wrong_settings_are_refused_with_the_remedy():
    with pytest.raises(PolicyError, match="did you mean max_sharpe"):
        solve(THREE, Policy(method="max_sharp"), SMALL)
    with pytest.raises(PolicyError, match="held weights"):
        solve(THREE, Policy(method="min_volatility", max_turnover=0.1), SMALL)
    with pytest.raises(PolicyError, match="risk_free_rate"):
        solve(THREE, Policy(method="max_sharpe"), SMALL)
    with pytest.raises(PolicyError, match="shape"):
        solve(THREE, Policy(method="min_volatility"), SMALL, np.zeros(2))
    with pytest.raises(PolicyError, match="no sector"):
        solve(THREE, Policy(method="min_volatility", max_sector=0.5), SMALL)
    with pytest.raises(PolicyError, match="XYZ"):
        solve(THREE, Policy(method="min_volatility", asset_limits={"XYZ": (0, 1)}), SMALL)
    with pytest.raises(PolicyError, match="funds"):
        from optimizer import ExposureType

        solve(THREE, Policy(method="min_volatility", max_exposures={ExposureType.EQUITY: 1}), SMALL)


def test_a_riskless_portfolio_has_no_best_ratio():
    from optimizer import DataError

    flat = Estimates(("A", "B"), np.array([0.1, 0.05]), np.array([[0.04, 0.0], [0.0, 0.0]]))
    with pytest.raises(DataError, match="no risk at all"):
        solve(flat, Policy(method="max_sharpe", risk_free_rate=0.02), Universe(("A", "B")))


def test_two_conflicts_at_once_name_what_would_end_one():
    """Sectors force cash, and no name has the return: no single limit is enough."""
    policy = Policy(method="min_volatility", risk_free_rate=0.0, max_sector=0.2, min_return=2.0)
    with pytest.raises(InfeasibleError, match="then other limits conflict as well") as caught:
        solve(FOUR, policy, BOOK)
    assert {c.limit for c in caught.value.conflicts} == {"cash_max", "max_sector"}
    assert all(np.isfinite(c.relaxation) and not c.enough for c in caught.value.conflicts)


@pytest.mark.parametrize("seed", range(12))
def test_what_a_conflict_tells_to_relax_makes_a_portfolio(seed: int):
    """Each limit told by `relax one of` alone, and those told to be relaxed together."""
    rng = np.random.default_rng(seed)
    names = tuple("ABCDEF")
    it = Estimates(names, rng.uniform(0.02, 0.1, 6), np.diag(rng.uniform(0.01, 0.09, 6)))
    limits = {
        "max_weight": float(rng.choice([0.03, 0.12, 0.3])),
        "max_sector": float(rng.choice([0.2, 0.45])),
        "max_turnover": float(rng.choice([0.05, 0.3])),
        "min_return": float(rng.choice([0.05, 0.2])),
    }
    universe = Universe(names, dict(zip(names, "xxxyyy", strict=True)))

    def answer(given: dict[str, float]) -> Solution:
        policy = Policy(method="min_volatility", risk_free_rate=0.0, cash_max=0.1, **given)
        return solve(it, policy, universe, np.full(6, 1 / 6))

    try:
        answer(limits)
    except InfeasibleError as error:
        told, conflicts = str(error), error.conflicts
    else:
        return
    named = {c.limit: c.relaxation for c in conflicts if c.limit in limits}
    alone = {name for name in limits if "one of" in told and f"{name} is" in told}
    for name in alone:
        sign = -1 if name == "min_return" else 1
        answer({**limits, name: limits[name] + sign * (named[name] + 1e-6)})
    if "one of" not in told:
        together = told.split("relax together: ")[1]
        given = re.findall(r"(\w+) is \S+ and must give way by (\S+)", together)
        signs = {"min_return": -1, "cash_min": -1}
        relaxed = {**limits, "cash_max": 0.1}
        for name, amount in given:
            relaxed[name] += signs.get(name, 1) * (float(amount) * 1.001 + 1e-6)
        solve(it, Policy(method="min_volatility", risk_free_rate=0.0, **relaxed), universe, np.full(6, 1 / 6))


def test_the_relaxation_of_a_flat_limit_against_a_curved_one_is_enough_and_no_more():
    free, capped = (solve(THREE, Policy(method="min_volatility", max_weight=c), SMALL) for c in (1.0, 0.5))
    between = 0.5 * (free.objective + capped.objective)
    policy = Policy(method="min_volatility", max_weight=0.5, max_volatility=between)
    with pytest.raises(InfeasibleError) as caught:
        solve(THREE, policy, SMALL)
    by_name = {conflict.limit: conflict.relaxation for conflict in caught.value.conflicts}
    assert set(by_name) >= {"max_weight", "max_volatility"}
    solve(THREE, replace(policy, max_weight=0.5 + by_name["max_weight"] + 1e-6), SMALL)
    with pytest.raises(InfeasibleError):
        solve(THREE, replace(policy, max_weight=0.5 + by_name["max_weight"] - 1e-4), SMALL)


def test_a_volatility_limit_of_nothing_is_refused():
    with pytest.raises(
        PolicyError, match=r"max_tracking_error is 0.0; it must be a fraction per year above 0"
    ):
        Policy(max_tracking_error=0.0)
    with pytest.raises(PolicyError, match="less than a thousandth of a name's risk"):
        solve(FOUR, Policy(method="min_volatility", max_tracking_error=1e-5), BOOK, EQUAL)


def test_all_in_cash_is_a_certified_least_tail_loss():
    found = solve(FOUR, Policy(method="cvar", risk_free_rate=0.02, cash_max=1.0), BOOK)
    assert found.certificate.ok


def test_no_cash_by_selling_nothing_names_turnover():
    policy = Policy(method="min_volatility", risk_free_rate=0.02, cash_min=0.1, cash_max=0.2, max_turnover=0.0,
                    on_conflict="transition")  # fmt: skip
    with pytest.raises(InfeasibleError) as caught:
        solve(FOUR, policy, BOOK, EQUAL)
    assert {c.limit for c in caught.value.conflicts} == {"cash_min", "max_turnover"}
