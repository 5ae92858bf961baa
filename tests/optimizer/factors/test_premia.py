"""Expected returns split into what factors explain and the rest: by the equations, and as a policy chooses."""

from dataclasses import replace

import numpy as np
import pytest

from optimizer import DataError, Estimates, FactorModel, Mandate, Policy, PolicyError, Universe, split_returns
from optimizer.proposals.proposal import form_beliefs, view_effects

N, K = 9, 3
NAMES = tuple(f"N{i}" for i in range(N))
RNG = np.random.default_rng(5)
MODEL = FactorModel(
    NAMES, ("market", "value", "size"), ("market", "style", "style"),
    np.column_stack([np.ones(N), RNG.normal(size=(N, K - 1))]), np.diag([0.03, 0.01, 0.008]),
    RNG.uniform(0.01, 0.05, N),
)  # fmt: skip
EXCESS = RNG.normal(0.05, 0.03, N)
BOOK = Universe(NAMES, factors=MODEL.loadings, factor_risk=MODEL.risk)
ESTIMATES = Estimates(NAMES, EXCESS + 0.02, MODEL.covariance, observations=500)


def test_the_split_is_that_of_weighted_least_squares():
    premia, spanned, own = split_returns(MODEL, EXCESS)
    weight = np.diag(1 / MODEL.specific)
    X = MODEL.exposures
    np.testing.assert_allclose(premia, np.linalg.solve(X.T @ weight @ X, X.T @ weight @ EXCESS), atol=1e-12)
    np.testing.assert_allclose(spanned + own, EXCESS, atol=1e-15)
    np.testing.assert_allclose(X.T @ weight @ own, 0.0, atol=1e-12)


def test_returns_made_of_factors_have_nothing_of_their_own_and_a_name_may_have_no_risk():
    truth = np.array([0.04, 0.02, -0.01])
    riskless = replace(MODEL, specific=np.where(np.arange(N) == 2, 0.0, MODEL.specific))
    for model in (MODEL, riskless):
        premia, _, own = split_returns(model, model.exposures @ truth)
        np.testing.assert_allclose(premia, truth, atol=1e-12)
        np.testing.assert_allclose(own, 0.0, atol=1e-12)
    with pytest.raises(DataError, match=r"have shape \(2,\); one finite number for each of 9 names"):
        split_returns(MODEL, np.zeros(2))


@pytest.mark.parametrize("chosen", ["posterior", "factor_premia", "own_alpha"])
def test_a_policy_chooses_which_part_it_counts(chosen: str):
    policy = Policy(risk_free_rate=0.02, returns=chosen)
    found = form_beliefs(ESTIMATES, BOOK, policy, Mandate(prior="historical"))
    _, spanned, own = split_returns(MODEL, EXCESS)
    wanted = {"posterior": EXCESS, "factor_premia": spanned, "own_alpha": own}[chosen]
    np.testing.assert_allclose(found.mean - 0.02, wanted, atol=1e-12)
    np.testing.assert_allclose(found.spanned + found.own, EXCESS, atol=1e-12)
    assert max(map(abs, view_effects(found).values())) < 1e-12  # no view, whatever part is counted


def test_a_part_needs_a_model_and_is_refused_without():
    for universe in (Universe(NAMES), Universe(NAMES, factors=MODEL.loadings)):
        with pytest.raises(PolicyError, match="returns: factor_premia needs a factor model"):
            form_beliefs(ESTIMATES, universe, Policy(returns="factor_premia"), Mandate(prior="historical"))
        assert form_beliefs(ESTIMATES, universe, Policy(), Mandate(prior="historical")).spanned is None
    with pytest.raises(
        PolicyError, match="returns 'alpha' does not exist; use one of posterior, factor_premia, own_alpha"
    ):
        Policy(returns="alpha")
    part = replace(BOOK, factors={name: own for name, own in BOOK.factors.items() if name != "size"})
    with pytest.raises(DataError, match="does not cover N0"):
        form_beliefs(ESTIMATES, part, Policy(), Mandate(prior="historical"))
