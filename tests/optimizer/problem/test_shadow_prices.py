"""What a limit is said to cost against what the answer really gains when its bound moves."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from draws import some

from optimizer import Estimates, Policy, Solution, Universe, solve
from optimizer.problem.goals import sign
from optimizer.problem.methods import METHODS

NAMES = ("A", "B", "C", "D", "E")
SECTORS = dict(zip(NAMES, ("x", "x", "y", "y", "y"), strict=True))
STEP = 1e-5
ONE_NUMBER = ("max_turnover", "max_tracking_error", "max_volatility", "max_gross", "cash_max")
MEASURED = sorted(set(METHODS) - {"risk_parity", "cvar_risk_parity", "exposure_risk_parity"})


def case(seed: int, method: str) -> tuple[Estimates, Policy, Universe, np.ndarray]:
    """Five names under limits of each form, of which some bind."""
    rng = np.random.default_rng(seed)
    days = rng.standard_normal((60, 5)) * rng.uniform(0.005, 0.02, 5) + 0.006 * rng.standard_normal((60, 1))
    it = Estimates(NAMES, rng.uniform(0.03, 0.12, 5), 252 * np.cov(days.T), days, observations=60)
    held = rng.dirichlet(np.full(5, 2.0))
    risk = float(np.sqrt(held @ it.covariance @ held))
    every: dict[str, Any] = {
        "asset_limits": {"A": (0.05, 0.2), "C": (0, 0.25)}, "sector_limits": {"x": (0.1, 0.3)},
        "max_turnover": 0.3, "max_tracking_error": 0.3 * risk, "max_volatility": 1.05 * risk, "max_gross": 0.98,
    }  # fmt: skip
    chosen = {name: every[name] for name in every if rng.random() < 0.6}
    if method == "target_volatility":
        chosen["target_volatility"] = 0.9 * risk
    policy = Policy(method=method, risk_free_rate=0.01, cash_max=0.3, **chosen)
    return it, policy, Universe(NAMES, SECTORS, benchmark="equal_weight"), held


def moved(policy: Policy, limit: str, bound: float) -> Policy | None:
    """The policy with another bound of a limit as it is named; None for other forms of limits."""
    side, _, name = limit.partition(" ")
    if limit in ONE_NUMBER:
        return replace(policy, **{limit: bound})
    field = {"weight": "asset_limits", "sector": "sector_limits"}.get(side[4:])
    if not name or field is None:
        return None
    pairs = getattr(policy, field)
    low, high = pairs.get(name, (0.0, None))
    return replace(policy, **{field: {**pairs, name: (low, bound) if side[:3] == "max" else (bound, high)}})


def gain(found: Solution, other: Solution) -> float:
    """By how much the other answer is better."""
    return sign(found.goal) * (found.objective - other.objective)


@pytest.mark.parametrize("seed", some([10, 4, *range(4), *range(5, 10), *range(11, 16)], 2))
def test_a_shadow_price_is_what_a_little_more_room_gains(seed: int) -> None:
    """Between what the same step gains in the wider set and costs in the narrower: at a kink these differ."""
    checked = 0
    for method in MEASURED[seed % 8 :: 8]:
        it, policy, universe, held = case(seed, method)
        found = solve(it, policy, universe, held)
        for one in found.binding:
            out = STEP if not one.limit.startswith("min") else -STEP
            wide, narrow = (moved(policy, one.limit, one.bound + step) for step in (out, -out))
            if wide is None or narrow is None:
                continue
            gained = gain(found, solve(it, wide, universe, held)) / STEP
            lost = -gain(found, solve(it, narrow, universe, held)) / STEP
            low, high = sorted((gained, lost))
            near = 0.01 * high + 2e-3
            assert low - near <= one.shadow_price <= high + near, (method, one, gained, lost)
            checked += 1
    assert checked


def test_beside_what_gave_way_a_price_holds_while_that_stays() -> None:
    """Volatility forces cash: a wider limit has less cash, and more risk; at the same cash it has less."""
    it, _, universe, held = case(1, "cvar")
    least = solve(it, Policy(method="min_volatility"), universe).objective
    tight = Policy(method="cvar", risk_free_rate=0.0, max_volatility=0.6 * least, forced_cash="hold")
    found = solve(it, tight, universe, held)
    [risk] = [one for one in found.binding if one.limit == "max_volatility"]
    [cash] = [one for one in found.binding if one.limit == "cash_max"]
    assert found.given_way == ("cash_max",) and cash.bound > 0.39
    assert risk.text.endswith(" bps, while what gave way stays where it is") and " lowers " in risk.text
    assert cash.text.endswith(" bps, beyond the bound to which it gave way")
    wider = replace(tight, max_volatility=0.6 * least * 1.01)
    assert solve(it, wider, universe, held).objective > found.objective
    stays = replace(tight, forced_cash="fail", cash_max=cash.bound)
    more = solve(it, replace(stays, max_volatility=0.6 * least + 1e-8), universe, held)
    assert gain(found, more) / 1e-8 == pytest.approx(risk.shadow_price, rel=0.05)


def test_where_nothing_gave_way_no_price_hangs_on_it() -> None:
    it, policy, universe, held = case(0, "min_volatility")
    found = solve(it, replace(policy, forced_cash="hold", on_conflict="transition"), universe, held)
    assert found.binding and found.given_way == ()
    assert not any("gave way" in one.text for one in found.binding)


def test_beside_turnover_that_gave_way_by_its_priority_the_same_is_said() -> None:
    it, _, universe, held = case(2, "min_volatility")
    ranked = Policy(
        method="min_volatility", risk_free_rate=0.0, max_turnover=0.02, asset_limits={"A": (0.5, 1.0)},
        priorities={"max_turnover": 2},
    )  # fmt: skip
    found = solve(it, ranked, universe, held)
    told = {one.limit: one.text for one in found.binding}
    assert found.given_way == ("max_turnover",)
    assert told["min_weight A"].endswith(" bps, while what gave way stays where it is")
