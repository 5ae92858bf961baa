"""Times plans over a horizon beside plain cvxpy, and writes RESULTS-horizon.md: `python -m benchmarks.solving.horizon`.

A plan of 100 names over 10 steps of a week, no name above 10%, no sector above 25%, cash up to 10%: the whole of
`solve`, its proof and shadow prices included. The same program in cvxpy is compiled and solved by Clarabel at its
defaults; `apart` is how much less utility a year its plan has (above 0: ours is better). CPU milliseconds of one
thread, the least of several runs.
"""

import sys
from dataclasses import replace
from pathlib import Path

import cvxpy as cp
import numpy as np

from benchmarks.factors.fit import least
from optimizer import Estimates, Horizon, Policy, Universe, solve

RESULTS = Path(__file__).parents[1].joinpath("RESULTS-horizon.md")
NAMES, STEPS, DAYS, RUNS = 100, 10, 5, 15
CASH, CAP, SECTOR, MOST_CASH = 0.02, 0.1, 0.25, 0.1
PLANS = {  # what -> impact in basis points, k of quadratic costs, turnover of a step
    "linear costs": (15.0, 0.0, None),
    "quadratic costs": (0.0, 5.0, None),
    "both": (15.0, 5.0, None),
    "linear costs, turnover 10% a step": (15.0, 0.0, 0.1),
    "both, turnover 10% a step": (15.0, 5.0, 0.1),
}


def market(seed: int = 0) -> tuple[Estimates, Universe, np.ndarray]:
    """Names of ten sectors and eight hidden factors, and random holdings."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(size=(1260, 8)) @ rng.normal(size=(8, NAMES)) * 0.006
    moves += rng.normal(size=(1260, NAMES)) * 0.012
    symbols = tuple(f"S{i:03d}" for i in range(NAMES))
    known = Estimates(symbols, rng.normal(0.07, 0.06, NAMES), np.cov(moves.T) * 252)
    sectors = {symbol: "abcdefghij"[i % 10] for i, symbol in enumerate(symbols)}
    return known, Universe(symbols, sectors=sectors), rng.dirichlet(np.ones(NAMES))


def by_cvxpy(known: Estimates, policy: Policy, held: np.ndarray) -> float:
    """The utility per year of the same program's best plan."""
    horizon, years = policy.horizon, DAYS / 252
    if horizon is None or known.mean is None:
        raise ValueError("a plan needs a horizon and means")
    w, before, lost = cp.Variable((STEPS, NAMES)), held, 0.0
    rules = [w >= 0, w <= CAP, cp.sum(w, axis=1) <= 1, cp.sum(w, axis=1) >= 1 - MOST_CASH]
    rules += [cp.sum(w[:, place::10], axis=1) <= SECTOR for place in range(10)]
    risk = cp.psd_wrap(known.covariance)
    for step, gain in enumerate(horizon.decay[:, None] * (known.mean - CASH)):
        t = w[step] - before
        lost += 0.5 * policy.risk_aversion * cp.quad_form(w[step], risk) - gain @ w[step]
        lost += policy.impact_bps / 1e4 / years * cp.norm1(t)
        lost += 0.5 * horizon.quadratic_cost * cp.quad_form(t, risk)
        if policy.max_turnover is not None:
            rules.append(cp.norm1(t) <= 2 * policy.max_turnover)
        before = w[step]
    return CASH - float(cp.Problem(cp.Minimize(lost), rules).solve(solver="CLARABEL")) / STEPS


def main() -> None:
    """Measure, and write the page."""
    known, universe, held = market()
    base = Policy(
        risk_free_rate=CASH, max_weight=CAP, max_sector=SECTOR, cash_max=MOST_CASH, commission=0.0,
        horizon=Horizon(steps=STEPS, step_days=DAYS, half_life_days=20),
    )  # fmt: skip
    lines = [
        "| plan | ours, CPU ms | gap proved | cvxpy, CPU ms | apart |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for what, (impact, quadratic, turnover) in PLANS.items():
        horizon = Horizon(steps=STEPS, step_days=DAYS, half_life_days=20, quadratic_cost=quadratic)
        policy = replace(base, impact_bps=impact, max_turnover=turnover, horizon=horizon)
        plan = solve(known, policy, universe, held).plan
        if plan is None:
            raise ValueError("the answer has no plan")
        ours = 1e3 * least(lambda policy=policy: solve(known, policy, universe, held), RUNS)  # type: ignore[misc]
        other = by_cvxpy(known, policy, held)
        theirs = 1e3 * least(lambda policy=policy: by_cvxpy(known, policy, held), 2)  # type: ignore[misc]
        gap = plan.certificate.relative_gap
        lines.append(f"| {what} | {ours:.1f} | {gap:.0e} | {theirs:.0f} | {plan.utility - other:.0e} |")
    page = (__doc__ or "").split("\n\n", 1)[1]
    RESULTS.write_text(f"# Plans over a horizon\n\n{page}\n" + "\n".join(lines) + "\n", "utf-8")
    sys.stdout.write(RESULTS.read_text("utf-8"))


if __name__ == "__main__":
    main()
