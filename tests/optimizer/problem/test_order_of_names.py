"""Answers belong to names, not to places: the order in which names are given changes nothing."""

import numpy as np
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st

from optimizer import Estimates, ExposureType, Fund, FundExposureMap, Policy, Solution, Universe, solve
from optimizer.problem.methods import METHODS

NAMES = ("AA", "BB", "CC", "DD", "EE")
FUNDS = FundExposureMap(
    [
        Fund(s, s, {kind: 1.0})
        for s, kind in zip(NAMES, [*[ExposureType.EQUITY] * 3, *[ExposureType.GOLD] * 2], strict=True)
    ]
)
BOOK = Universe(
    NAMES,
    dict(zip(NAMES, "xxyyz", strict=True)),
    FUNDS,
    benchmark="equal_weight",
)
CLOSE = {"kelly": 1e-4, "evar": 1e-3, "exposure_risk_parity": 1e-3}


def evidence(seed: int, twins: bool) -> Estimates:
    rng = np.random.default_rng(seed)
    days = rng.standard_normal((90, 5)) * rng.uniform(0.006, 0.02, 5) + 0.006 * rng.standard_normal((90, 1))
    if twins:
        days[:, 1] = days[:, 0]
    covariance = np.cov(days.T) * 252 + 1e-4 * np.eye(5)
    return Estimates(NAMES, rng.uniform(0.03, 0.12, 5), covariance, days)


def permuted(it: Estimates, order: list[int]) -> Estimates:
    assert it.mean is not None and it.scenarios is not None
    return Estimates(
        tuple(NAMES[i] for i in order),
        it.mean[order],
        it.covariance[np.ix_(order, order)],
        it.scenarios[:, order],
    )


def answer(it: Estimates, method: str) -> Solution:
    held = np.array([{"AA": 0.5, "CC": 0.5}.get(symbol, 0.0) for symbol in it.symbols])
    policy = Policy(
        method=method,
        risk_free_rate=0.01,
        target_volatility=0.25 if method == "target_volatility" else None,
        asset_limits={"BB": (0.0, 0.4)},
        max_sector=0.7,
        limits=("CC >= 0.05",),
    )
    return solve(it, policy, BOOK, held)


@pytest.mark.parametrize("method", sorted(METHODS))
@examples(2)
@given(seed=st.integers(0, 1000), order=st.permutations(range(5)), twins=st.booleans())
def test_the_order_of_names_changes_no_answer(method: str, seed: int, order: list[int], twins: bool):
    it = evidence(seed, twins)
    first, second = answer(it, method), answer(permuted(it, order), method)
    assert second.objective == pytest.approx(first.objective, rel=1e-6, abs=1e-8)
    if not (twins and method in FLAT):
        by_name = dict(zip(second.symbols, second.weights.tolist(), strict=True))
        away = [abs(by_name[symbol] - w) for symbol, w in zip(NAMES, first.weights.tolist(), strict=True)]
        assert max(away) <= CLOSE.get(method, 1e-4)


# Over days alone twins are one name: any split of it is an answer, and vertices of one value may differ.
FLAT = frozenset(METHODS) - {
    "min_volatility",
    "mean_variance",
    "equal_weight",
    "hrp",
    "hrp_condensed",
    "herc",
    "nco",
}
