"""Hedges of factors: the closed form of the least other risk, whole shares, and what cannot be hedged."""

import numpy as np
import pytest

from optimizer import FactorModel, InfeasibleError, Instrument, PolicyError, plan_factor_hedges

RNG = np.random.default_rng(11)
BOOK, FUNDS = ("AAA", "BBB", "CCC"), ("XX", "YY", "ZZ")
NAMES = (*BOOK, *FUNDS)
ROOT = RNG.normal(size=(3, 3))
MODEL = FactorModel(
    NAMES, ("market", "momentum", "size"), ("market", "style", "style"),
    np.column_stack([np.ones(6), RNG.normal(size=(6, 2))]), ROOT @ ROOT.T / 100, RNG.uniform(0.01, 0.04, 6),
)  # fmt: skip
HELD = {"AAA": 0.5, "BBB": 0.3, "CCC": 0.2}
BOTH = [Instrument(fund, "etf", side, ()) for fund in FUNDS for side in ("BUY", "SELL")]


def before() -> np.ndarray:
    return MODEL.exposures[:3].T @ np.array(list(HELD.values()))


@pytest.mark.parametrize("named", [("market",), ("momentum",), ("market", "size")])
def test_hedges_take_the_named_exposures_at_the_least_other_risk(named: tuple[str, ...]):
    """Least h'Vh with A'h = -x is h = -V^-1 A (A'V^-1 A)^-1 x."""
    found = plan_factor_hedges(MODEL, HELD, dict.fromkeys(named, 0.0), BOTH, max_weight=9.0)
    places = [MODEL.factors.index(name) for name in named]
    others = [k for k in range(3) if k not in places]
    X = MODEL.exposures[3:]
    V = X[:, others] @ MODEL.factor_covariance[np.ix_(others, others)] @ X[:, others].T + np.diag(
        MODEL.specific[3:]
    )
    A = X[:, places]
    wanted = -np.linalg.solve(V, A) @ np.linalg.solve(A.T @ np.linalg.solve(V, A), before()[places])
    np.testing.assert_allclose([found.weights.get(fund, 0.0) for fund in FUNDS], wanted, atol=1e-5)
    assert max(abs(found.after[name]) for name in named) < 1e-5
    assert found.before["market"] == pytest.approx(1.0)


def test_a_target_is_a_size_that_is_reached_from_outside_and_no_further():
    x = before()[1]
    inside = plan_factor_hedges(MODEL, HELD, {"momentum": abs(x) + 0.1}, BOTH)
    assert inside.weights == {} and "no hedge is needed" in inside.notes[0]
    half = plan_factor_hedges(MODEL, HELD, {"momentum": abs(x) / 2}, BOTH)
    assert abs(half.after["momentum"]) == pytest.approx(abs(x) / 2, abs=1e-6)
    assert half.volatility_before > 0 and half.volatility_after > 0


def test_whole_shares_are_rounded_towards_nothing():
    free = plan_factor_hedges(MODEL, HELD, {"market": 0.5}, BOTH).weights
    whole = plan_factor_hedges(MODEL, HELD, {"market": 0.5}, BOTH, units=dict.fromkeys(FUNDS, 0.01)).weights
    for fund, weight in whole.items():
        assert weight / 0.01 == pytest.approx(round(weight / 0.01)) and abs(weight) <= abs(free[fund]) + 1e-9
        assert abs(weight - free[fund]) < 0.01 + 1e-9


def test_what_cannot_be_hedged_is_refused_by_name():
    with pytest.raises(PolicyError, match="there is no factor 'value'; there are market, momentum, size"):
        plan_factor_hedges(MODEL, HELD, {"value": 0.0}, BOTH)
    with pytest.raises(PolicyError, match="the target of size is -1; it must be a size >= 0"):
        plan_factor_hedges(MODEL, HELD, {"size": -1}, BOTH)
    with pytest.raises(PolicyError, match="no fund among the hedging instruments is covered"):
        plan_factor_hedges(MODEL, HELD, {"size": 0}, [Instrument("QQ", "etf", "SELL", ())])
    only_bought = [Instrument("XX", "etf", "BUY", ())]
    with pytest.raises(
        InfeasibleError, match="XX cannot bring market within the targets together; allow market "
    ) as told:
        plan_factor_hedges(MODEL, HELD, {"market": 0.0}, only_bought)
    least = float(str(told.value).partition("allow market ")[2].partition(",")[0])
    assert least == pytest.approx(before()[0], abs=0.001)
    assert plan_factor_hedges(MODEL, HELD, {"market": least}, only_bought).after["market"] <= least + 1e-6
