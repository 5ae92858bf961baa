"""Risk parity where limits leave hardly any room: every instance has an answer, and it is certified."""

import numpy as np
import pytest

from optimizer.model.estimates import Estimates
from optimizer.model.policy import Policy
from optimizer.model.portfolio import Universe
from optimizer.solvers.solve import solve


def check(seed: int) -> None:
    """Bounds, sectors or turnover a millionth to a thousandth wide around weights that keep them."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(51, 140)) if rng.random() < 0.5 else int(rng.integers(2, 50))
    returns = 0.01 * rng.standard_normal((n + 60, 3)) @ rng.uniform(0.2, 1, (3, n))
    returns += 0.01 * rng.uniform(0.3, 2, n) * rng.standard_t(5, (n + 60, n))
    names = tuple(f"S{i:03d}" for i in range(n))
    inside = 0.9 * rng.dirichlet(np.full(n, rng.choice([0.5, 2, 10]))) + 0.1 / n
    thin, kind = 10.0 ** rng.uniform(-6, -3), seed % 4
    sectors = {name: f"G{rng.integers(4)}" for name in names}
    limits: dict[str, object] = {}
    if kind in (0, 2):
        below, above = thin * rng.random((2, n))
        limits["asset_limits"] = {
            name: (max(w - a, 0.0), w + b)
            for name, w, a, b, chosen in zip(names, inside, below, above, rng.random(n) < 0.6, strict=True)
            if chosen
        }
    if kind in (1, 2):
        total = {
            g: sum(w for name, w in zip(names, inside, strict=True) if sectors[name] == g)
            for g in ["G0", "G1", "G2", "G3"]
        }
        limits["sector_limits"] = {g: (max(w - thin, 0.0), w + thin) for g, w in total.items() if w > 0}
    if kind == 3:
        limits["max_turnover"] = thin
    estimates = Estimates(names, None, np.cov(returns.T).reshape(n, n) * 252, trusted=True)
    policy = Policy(method="risk_parity", max_weight=1.0, **limits)
    solution = solve(estimates, policy, Universe(names, sectors=sectors), inside)
    assert solution.certificate.ok, (seed, solution.certificate)
    assert solution.arena.limits.violation(solution.weights) <= 1e-8


@pytest.mark.parametrize("seed", range(24))
def test_risk_parity_in_a_sliver_is_certified(seed: int):
    check(seed)


@pytest.mark.slow
def test_risk_parity_in_two_thousand_slivers_is_certified():
    for seed in range(24, 2000):
        check(seed)
