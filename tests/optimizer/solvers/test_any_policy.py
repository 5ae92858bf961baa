"""Random small books under random policies, degenerate ones on purpose: certified, or refused by name."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import random_policies
from draws import some

from optimizer import DataError, Estimates, InfeasibleError, Policy, PolicyError, SolverError, Universe, solve
from optimizer.model.ranges import YIELDING
from optimizer.problem.methods import METHODS, SCENARIO_COSTS
from optimizer.solvers.hierarchy import TRANSITION

SECTORS = ("tech", "food", "bank")
CLASSIC = tuple(sorted(set(METHODS) - set(SCENARIO_COSTS)))
ON_SCENARIOS = tuple(sorted({"cvar", *SCENARIO_COSTS}))
# Answers that no lane could prove, until normals were read with the solver's own factor of the covariance.
ONCE_UNPROVEN = (102, 448, 536, 575)


def estimates_of(rng: np.random.Generator) -> Estimates:
    drawn = random_policies.estimates_of(rng, most=12, lengths=(5, 20, 60, 250), twins=0.3, coarse=0.3)
    return replace(drawn, observations=0)


def policy_of(
    rng: np.random.Generator, it: Estimates, sectors: dict[str, str], risk: float, methods: tuple[str, ...]
) -> Policy:
    pair = [tuple(sorted(rng.choice([0, 0, 0.1, 0.3, 1], 2).tolist())) for _ in range(2)]
    choices = {
        "max_weight": float(rng.choice([0.1, 0.2, 0.4, 1 / len(it.symbols), 1.0])),
        "min_weight": float(rng.choice([0, 0.01, 0.05])),
        "asset_limits": {it.symbols[-1]: pair[0]},
        "max_sector": float(rng.choice([0.2, 0.4, 0.7])),
        "sector_limits": {sectors[it.symbols[0]]: pair[1]},
        "max_turnover": float(rng.choice([0, 0.05, 0.1, 0.3])),
        "max_tracking_error": risk * float(rng.choice([0.02, 0.1, 0.3])),
        "max_volatility": risk * float(rng.choice([0.5, 0.9, 1.1])),
        "target_volatility": risk * float(rng.choice([0.5, 0.9, 1.5])),
        "min_return": float(np.quantile(it.mean, rng.choice([0.3, 0.6, 1]))),
        "max_notional": float(rng.choice([0.8, 1, 1.5])),
        "cash_max": float(rng.choice([0.1, 1.0])),
    }
    chosen = {name: value for name, value in choices.items() if rng.random() < 0.35}
    if rng.random() < 0.15:
        chosen |= {"long_only": False, "min_weight": -0.3, "max_weight": 0.5}
    method = str(rng.choice(methods))
    if method == "target_volatility":
        chosen.setdefault("target_volatility", risk)
    return Policy(
        method=method,
        risk_free_rate=float(rng.choice([0, 0.02, 0.04])),
        on_conflict=str(rng.choice(["fail", "transition"])),
        forced_cash=str(rng.choice(["fail", "hold"])),
        **chosen,
    )


def check(seed: int, methods: tuple[str, ...] = CLASSIC) -> None:
    rng = np.random.default_rng(seed)
    it = estimates_of(rng)
    sectors = {symbol: str(rng.choice(SECTORS)) for symbol in it.symbols}
    held = rng.dirichlet(np.full(len(it.symbols), rng.choice([0.2, 1, 5]))) * rng.choice([1, 0.7, 1])
    risk = float(np.sqrt(held @ it.covariance @ held)) or 0.1
    benchmark = dict.fromkeys(it.symbols, 1 / len(it.symbols)) if rng.random() < 0.3 else None
    try:
        policy = policy_of(rng, it, sectors, risk, methods)
        found = solve(it, policy, Universe(it.symbols, sectors, benchmark=benchmark), held)
    except InfeasibleError as error:
        named = [c for c in error.conflicts if np.isfinite(c.relaxation) and c.relaxation >= 0]
        assert named or not error.conflicts, f"{seed}: {error}"
        assert "one of:  " not in str(error) and not str(error).endswith("one of: "), f"{seed}: {error}"
    except (PolicyError, DataError):
        return
    else:
        assert found.certificate.ok, f"{seed}: {found.certificate}"


@pytest.mark.parametrize("start", some(range(0, 120, 40), 1))
def test_any_policy_is_answered_or_refused_by_name(start: int):
    for seed in range(start, start + 40):
        check(seed)


@pytest.mark.parametrize("seeds", some([range(15), ONCE_UNPROVEN, range(15, 40)], 2))
def test_any_policy_over_scenarios_is_answered_or_refused_by_name(seeds: Sequence[int]):
    for seed in seeds:
        check(seed, ON_SCENARIOS)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 4000, 500))
def test_thousands_of_policies_over_scenarios_are_answered_or_refused_by_name(start: int):
    for seed in range(start, start + 500):
        check(seed, ON_SCENARIOS)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 9000, 500))
def test_thousands_of_policies_are_answered_or_refused_by_name(start: int):
    for seed in range(start, start + 500):
        check(seed)


def check_ranked(seed: int) -> bool:
    """A random policy with random priorities: certified in each level, or refused by name."""
    rng = np.random.default_rng(seed)
    it = estimates_of(rng)
    sectors = {symbol: str(rng.choice(SECTORS)) for symbol in it.symbols}
    held = rng.dirichlet(np.full(len(it.symbols), rng.choice([0.2, 1, 5])))
    risk = float(np.sqrt(held @ it.covariance @ held)) or 0.1
    try:
        policy = policy_of(rng, it, sectors, risk, tuple(sorted(METHODS)))
        ranked = {
            field: int(level)
            for field, level in zip(YIELDING, rng.integers(0, 5, len(YIELDING)), strict=True)
        }
        found = solve(it, replace(policy, priorities=ranked), Universe(it.symbols, sectors), held)
    except (InfeasibleError, PolicyError, DataError):
        return False
    assert found.certificate.ok, f"{seed}: {found.certificate}"
    for level in found.levels:
        assert 0 <= level.violation - level.proven <= 1e-5 * max(1.0, level.violation), f"{seed}: {level}"
    missed = [unmet for unmet in found.unmet if unmet.priority != TRANSITION]
    assert not found.levels or any(level.violation > 0 for level in found.levels) or not missed
    return bool(found.levels)


@pytest.mark.parametrize("start", some(range(0, 40, 20), 1))
def test_any_policy_with_priorities_is_certified_or_refused_by_name(start: int):
    assert sum(check_ranked(seed) for seed in range(start, start + 20)) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 2000, 200))
def test_many_policies_with_priorities_are_certified_or_refused_by_name(start: int):
    """All but one in a hundred, where a level leaves a set too thin for any solver: these end as a SolverError."""
    unproven = 0
    for seed in range(start, start + 200):
        try:
            check_ranked(seed)
        except SolverError:
            unproven += 1
    assert unproven <= 2
