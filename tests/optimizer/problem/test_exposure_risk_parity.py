import numpy as np
import pytest
from draws import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from optimizer import (
    Estimates,
    Fund,
    FundExposureMap,
    InfeasibleError,
    Policy,
    PolicyError,
    Solution,
    Universe,
    solve,
)
from optimizer import ExposureType as T
from optimizer.solvers.answer_warnings import told_apart

MARKETS = np.array([[0.0256, 0.0010, 0.0004], [0.0010, 0.0225, 0.0009], [0.0004, 0.0009, 0.0036]])
KINDS = (T.US_LARGE_EQUITY, T.GOLD, T.US_TREASURY)


def book(exposures: np.ndarray, markets: np.ndarray = MARKETS) -> tuple[Estimates, Universe]:
    """Funds with these exposures (k, n) and the covariance that they give."""
    names = tuple(f"F{i}" for i in range(exposures.shape[1]))
    funds = FundExposureMap(
        [
            Fund(name, name, {kind: e for kind, e in zip(KINDS, column, strict=True) if e})
            for name, column in zip(names, exposures.T.tolist(), strict=True)
        ]
    )
    estimates = Estimates(names, None, exposures.T @ markets @ exposures, trusted=True)
    return estimates, Universe(names, funds=funds)


def answer(exposures: np.ndarray, **policy: object) -> Solution:
    estimates, universe = book(exposures)
    defaults = {"method": "exposure_risk_parity", "risk_free_rate": 0.0}
    return solve(estimates, Policy(**{**defaults, **policy}), universe)


def shares(exposures: np.ndarray, w: np.ndarray) -> np.ndarray:
    held = exposures @ w
    return held * (MARKETS @ held) / (held @ MARKETS @ held)


def test_with_a_fund_an_exposure_it_is_risk_parity():
    estimates, universe = book(np.eye(3))
    plain = solve(estimates, Policy(method="risk_parity"), universe)
    np.testing.assert_allclose(answer(np.eye(3)).weights, plain.weights, atol=1e-7)


def test_more_funds_of_a_kind_do_not_get_it_more_risk():
    """Where risk parity of the funds counts equity three times."""
    exposures = np.column_stack([np.eye(3), np.eye(3)[0], np.eye(3)[0]])
    found = answer(exposures)
    np.testing.assert_allclose(shares(exposures, found.weights), 1 / 3, atol=1e-7)
    assert found.certificate.ok and found.warnings == ()


def test_given_budgets_through_stacked_funds():
    exposures = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]).T
    budgets = {T.US_LARGE_EQUITY: 0.5, T.GOLD: 0.2, T.US_TREASURY: 0.3}
    found = answer(exposures, exposure_budgets=budgets)
    if found.weights.min() > 1e-6:  # no bound in the way
        np.testing.assert_allclose(shares(exposures, found.weights), [0.5, 0.2, 0.3], atol=1e-6)
    calm = answer(exposures, exposure_budgets={T.US_LARGE_EQUITY: 0.7, T.GOLD: 0.2, T.US_TREASURY: 0.1})
    np.testing.assert_allclose(shares(exposures, calm.weights), [0.7, 0.2, 0.1], atol=1e-6)


def test_what_funds_cannot_give_is_said():
    exposures = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    found = answer(exposures, max_weight=0.5)
    assert found.certificate.ok
    said = "risk budgets cannot be met under the limits: US_LARGE_EQUITY's share of the variance is 81.0% where 50.0%"
    assert said in found.warnings[0]  # GOLD's misses by as much
    with pytest.raises(PolicyError, match="names US_TREASURY"):
        answer(exposures, exposure_budgets={T.US_TREASURY: 1.0})
    with pytest.raises(PolicyError, match="sum to 90%"):
        Policy(exposure_budgets={T.GOLD: 0.9})
    with pytest.raises(InfeasibleError, match="every exposure"):
        answer(np.eye(3), asset_limits={"F0": (0.0, 0.0)})
    with pytest.raises(PolicyError, match="add funds"):
        solve(book(np.eye(3))[0], Policy(method="exposure_risk_parity"), Universe(("F0", "F1", "F2")))


@examples(2)
@given(seed=st.integers(0, 10_000))
def test_limits_hold_and_no_allowed_portfolio_has_a_lower_objective(seed: int):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 7))
    exposures = np.round(rng.uniform(0, 1.5, (3, n)) * (rng.random((3, n)) < 0.6), 2) + 0.01
    exposures[:, :3] += np.eye(3)
    assume(0.7 * exposures[1].min() < 0.59)  # else nothing keeps both the cash and the gold limit
    found = answer(
        exposures,
        max_weight=0.7,
        cash_max=0.3,
        cash_min=-0.2,
        max_volatility=0.3,
        max_exposures={T.GOLD: 0.6},
    )
    limits, goal = found.feasible.limits, found.goal
    assert found.certificate.ok
    assert limits.violation(found.weights) <= 1e-8
    for v in rng.dirichlet(np.ones(n), 100):
        if limits.violation(v) <= 0 and (exposures @ v).min() > 1e-6:
            assert goal.value(v) >= found.objective - 1e-6


def of_kinds(kinds: tuple[T, ...], **policy: object) -> np.ndarray:
    """Shares of the variance of funds with one exposure each."""
    names = tuple(f"F{i}" for i in range(len(kinds)))
    scale = np.array([0.18, 0.13, 0.15, 0.2])[: len(kinds)]
    covariance = np.outer(scale, scale) * (0.1 + 0.9 * np.eye(len(kinds)))
    funds = FundExposureMap([Fund(name, name, {kind: 1.0}) for name, kind in zip(names, kinds, strict=True)])
    settings_ = Policy(method="exposure_risk_parity", risk_free_rate=0.0, **policy)
    found = solve(Estimates(names, None, covariance), settings_, Universe(names, funds=funds))
    return found.weights * (covariance @ found.weights) / (found.weights @ covariance @ found.weights)


@pytest.mark.parametrize(
    "kinds",
    [
        (T.US_LARGE_EQUITY, T.US_TREASURY_LONG, T.GOLD, T.COMMODITIES),
        (T.US_LARGE_EQUITY, T.EQUITY, T.US_EQUITY, T.BONDS),
        (T.US_TREASURY_LONG, T.US_TREASURY, T.LONG_DURATION_BONDS, T.GOLD),
    ],
)
def test_a_child_is_not_counted_beside_its_parent(kinds: tuple[T, ...]):
    np.testing.assert_allclose(of_kinds(kinds), 0.25, atol=1e-6)


def test_a_budget_of_a_parent_takes_what_has_none_of_its_own():
    kinds = (T.US_LARGE_EQUITY, T.GOLD, T.COMMODITIES, T.REAL_ESTATE)
    found = of_kinds(kinds, exposure_budgets={T.EQUITY: 0.4, T.REAL_ASSETS: 0.4, T.GOLD: 0.2})
    assert found[0] == pytest.approx(0.4, abs=1e-6) and found[1] == pytest.approx(0.2, abs=1e-6)
    assert found[2] + found[3] == pytest.approx(0.4, abs=1e-6)
    with pytest.raises(
        PolicyError, match="us_treasury_long is part of us_treasury and of long_duration_bonds"
    ):
        of_kinds(
            (T.GOLD, T.US_TREASURY_LONG), exposure_budgets={T.US_TREASURY: 0.5, T.LONG_DURATION_BONDS: 0.5}
        )


@pytest.mark.parametrize(
    ("value", "wanted", "digits", "told"),
    [
        (0.81, 0.5, 1, ("81.0%", "50.0%")),
        (1.00003, 1.0, 1, ("100.003%", "100.000%")),
        (0.0999996, 0.1, 2, ("9.99996%", "10.00000%")),
        (0.1, 0.1, 2, ("10.0000000%", "10.0000000%")),
    ],
)
def test_what_is_missed_is_told_by_numbers_that_differ(
    value: float, wanted: float, digits: int, told: tuple[str, str]
):
    """It said "100.0% where 100.0% is wanted"."""
    assert told_apart(value, wanted, digits) == told
