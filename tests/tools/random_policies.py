"""Random small books under random policies of all methods and limits: `python tests/tools/random_policies.py [COUNT]`.

Each is certified or refused by name, under each of two BLAS kernels; what is neither is printed with its seed, and is a
failure. One policy again: `python tests/tools/random_policies.py 1 SEED`.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from kernels import environment, used

from optimizer import (
    DataError,
    Estimates,
    ExposureType,
    Fund,
    FundExposureMap,
    InfeasibleError,
    PackfolioError,
    Policy,
    PolicyError,
    Universe,
    solve,
)
from optimizer.model.ranges import YIELDING
from optimizer.problem.methods import METHODS

SECTORS = ("tech", "food", "bank")
KERNELS = ("Haswell", "Nehalem")
COUNT, AT_ONCE = 10_000, 500
ALL_METHODS = tuple(sorted(METHODS))
COUNTED = ("mean_variance", "max_return", "target_volatility", "min_volatility", "min_tracking_error")


@dataclass(frozen=True)
class Case:
    """What is solved: `solve(estimates, policy, universe, held)`."""

    estimates: Estimates
    policy: Policy
    universe: Universe
    held: Any


def estimates_of(
    rng: np.random.Generator, *, most: int = 9, lengths: Sequence[int] = (5, 20, 60, 120), twins: float = 0.2,
    coarse: float = 0.0,
) -> Estimates:  # fmt: skip
    """Of at most so many names, at times with two that move alike, or with means of one digit."""
    n, days = int(rng.integers(1, most + 1)), int(rng.choice(lengths))
    names = tuple(f"S{i:02d}" for i in range(n))
    own = rng.standard_normal((days, n)) * rng.uniform(0.003, 0.03, n)
    returns = own + rng.choice([0, 0.005, 0.02]) * rng.standard_normal((days, 1)) + rng.normal(0, 5e-4, n)
    if n > 1 and rng.random() < twins:
        returns[:, 1] = returns[:, 0]
    if rng.random() < 0.1:
        returns = np.round(returns, 2)
    per_year = rng.choice([1, 252])
    mean = np.clip(returns.mean(axis=0) * per_year, -0.9, 0.9)
    if coarse and rng.random() < coarse:
        mean = np.round(mean, 1)
    covariance = np.atleast_2d(np.cov(returns.T)) * per_year
    if rng.random() < 0.6 or (np.diag(covariance) <= 0).any():
        covariance = 0.8 * covariance + (0.2 * np.trace(covariance) / n + 1e-6) * np.eye(n)
    return Estimates(names, mean, covariance, returns, observations=days)


def universe_of(rng: np.random.Generator, it: Estimates) -> Universe:
    kinds = (ExposureType.EQUITY, ExposureType.BONDS, ExposureType.GOLD)
    funds = FundExposureMap(
        [Fund(symbol, symbol, {kinds[int(rng.integers(3))]: 1.0}) for symbol in it.symbols]
    )
    benchmark = dict.fromkeys(it.symbols, 1 / len(it.symbols)) if rng.random() < 0.4 else None
    return Universe(
        it.symbols,
        {symbol: str(rng.choice(SECTORS)) for symbol in it.symbols},
        funds=funds,
        benchmark=benchmark,
        factors={"size": dict(zip(it.symbols, rng.standard_normal(len(it.symbols)).tolist(), strict=True))},
    )


def limits_of(rng: np.random.Generator, it: Estimates, universe: Universe, risk: float) -> dict[str, Any]:
    """Every limit that a policy knows, each with a plausible bound."""
    first, last, n = it.symbols[0], it.symbols[-1], len(it.symbols)

    def pair(*ends: float) -> tuple[float, float]:
        low, high = sorted(rng.choice(ends, 2).tolist())
        return low, high

    return {
        "max_weight": float(rng.choice([0.1, 0.2, 0.4, 1 / n, 1.0])),
        "min_weight": float(rng.choice([0, 0.01, 0.05])),
        "asset_limits": {last: pair(0, 0, 0.1, 0.3, 1)},
        "max_sector": float(rng.choice([0.2, 0.4, 0.7])),
        "sector_limits": {universe.sectors[first]: pair(0, 0.1, 0.3, 1)},
        "min_exposures": {ExposureType.EQUITY: float(rng.choice([0, 0.1, 0.4]))},
        "max_exposures": {ExposureType.EQUITY: float(rng.choice([0.3, 0.6, 1]))},
        "max_notional": float(rng.choice([0.8, 1, 1.5])),
        "max_margin": float(rng.choice([0.4, 0.6, 1])),
        "max_gross": float(rng.choice([0.9, 1, 1.6])),
        "net_limits": pair(0, 0.5, 0.9, 1.1),
        "beta_limits": pair(0, 0.5, 0.9, 1.1, 1.5),
        "factor_limits": {"size": pair(-1, -0.2, 0.1, 0.3, 1)},
        "limits": (f"{first} <= {rng.choice([0.1, 0.4])}",),
        "largest_limits": {int(rng.integers(1, 4)): float(rng.choice([0.3, 0.6, 0.9]))},
        "large_holdings": (float(rng.choice([0.05, 0.2])), float(rng.choice([0.4, 0.8]))),
        "do_not_buy": {first: "results are due"},
        "do_not_sell": {last: "a lock-up"},
        "do_not_trade": {first: "no price"},
        "max_trade": float(rng.choice([0.02, 0.1, 0.5])),
        "trade_limits": {last: float(rng.choice([0, 0.05]))},
        "max_turnover": float(rng.choice([0, 0.05, 0.1, 0.3])),
        "max_tracking_error": risk * float(rng.choice([0.02, 0.1, 0.3])),
        "max_volatility": risk * float(rng.choice([0.5, 0.9, 1.1])),
        "target_volatility": risk * float(rng.choice([0.5, 0.9, 1.5])),
        "min_return": float(np.quantile(it.mean, rng.choice([0.3, 0.6, 1]))),
        "min_position": float(rng.choice([0.02, 0.1, 0.3])),
        "max_holdings": int(rng.integers(1, n + 1)),
        "no_trade_band": float(rng.choice([0.01, 0.05])),
        "cash_max": float(rng.choice([0.1, 1.0])),
        "cash_min": float(rng.choice([0, 0.05])),
    }


def settings_of(rng: np.random.Generator, method: str) -> dict[str, Any]:
    """What a method itself may be told."""
    found: dict[str, Any] = {}
    if rng.random() < 0.3:
        found |= {
            "mean_doubt": float(rng.choice([0.3, 1, 2])),
            "mean_doubt_shape": str(rng.choice(["diagonal", "full"])),
        }
    if method in COUNTED and rng.random() < 0.3:
        found["l2_penalty"] = float(rng.choice([0.01, 0.5]))
    if method in COUNTED and rng.random() < 0.3:
        found["cost_horizon_years"] = float(rng.choice([0.5, 2]))
    return found


def policy_of(rng: np.random.Generator, it: Estimates, universe: Universe, risk: float) -> Policy:
    method = str(rng.choice(ALL_METHODS))
    share = float(rng.choice([0.1, 0.2, 0.35]))
    chosen = {
        name: value for name, value in limits_of(rng, it, universe, risk).items() if rng.random() < share
    } | settings_of(rng, method)
    if rng.random() < 0.2:
        chosen |= {"long_only": False, "min_weight": -0.3, "max_weight": 0.5}
        chosen.pop("large_holdings", None)
        if rng.random() < 0.6:
            chosen |= {"borrow_fee": 0.01, "borrow_fees": {it.symbols[0]: float(rng.choice([0, 0.1]))}}
    if "max_margin" in chosen and rng.random() < 0.5:
        chosen |= {"long_margin": 0.4, "margins": {it.symbols[-1]: (float(rng.choice([0.2, 1])), None)}}
    if method == "target_volatility":
        chosen.setdefault("target_volatility", risk)
    yielding = [name for name in chosen if name in YIELDING]
    if yielding and rng.random() < 0.3:
        chosen["priorities"] = {name: int(rng.integers(0, 5)) for name in yielding}
    chosen |= {
        "risk_free_rate": float(rng.choice([0, 0.02, 0.04])),
        "on_conflict": str(rng.choice(["fail", "transition"])),
        "forced_cash": str(rng.choice(["fail", "hold"])),
    }
    return Policy(method=method, **chosen | newer_limits_of(rng, it, method))


def newer_limits_of(rng: np.random.Generator, it: Estimates, method: str) -> dict[str, Any]:
    """What came after the rest; drawn last, so that a seed keeps what it had before."""
    first, n = it.symbols[0], len(it.symbols)
    every = {
        "max_risk_share": float(rng.choice([0.3, 0.6, 1.5 / n])),
        "risk_share_limits": {first: (None, float(rng.choice([0.1, 0.4])))},
        "active_factor_limits": {"size": (-float(rng.choice([0.1, 0.5])), 0.5)},
        "tail_level": float(rng.choice([0.5, 0.9, 0.99])),
        "wasserstein_radius": float(rng.choice([0, 0.01])),
        "return_threshold": 0.05,
    }
    found = {name: value for name, value in every.items() if rng.random() < 0.06}
    if method in ("risk_parity", "cvar_risk_parity") and rng.random() < 0.4:
        shares = rng.dirichlet(np.ones(n)) if rng.random() < 0.7 else np.eye(n)[0]
        found["risk_budgets"] = dict(zip(it.symbols, shares.tolist(), strict=True))
    return found


def case_of(seed: int) -> Case:
    """Raises PolicyError where the policy contradicts itself."""
    rng = np.random.default_rng(seed)
    it = estimates_of(rng)
    universe = universe_of(rng, it)
    held = rng.dirichlet(np.full(len(it.symbols), rng.choice([0.2, 1, 5]))) * rng.choice([1, 0.7, 1])
    risk = float(np.sqrt(held @ it.covariance @ held)) or 0.1
    return Case(it, policy_of(rng, it, universe, risk), universe, held)


def outcome(seed: int) -> str:
    """ "certified", the kind of refusal, or what is wrong with either."""
    try:
        case = case_of(seed)
        found = solve(case.estimates, case.policy, case.universe, case.held)
    except InfeasibleError as error:
        named = [c for c in error.conflicts if np.isfinite(c.relaxation) and c.relaxation >= 0]
        return "infeasible" if named or not error.conflicts else f"unnamed conflict: {error}"
    except (PolicyError, DataError) as error:
        return type(error).__name__
    except PackfolioError as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001  (what is foreign is what is sought)
        return f"foreign {type(error).__name__}: {error}"
    firm = case.policy.on_conflict == "fail" and not any(case.policy.priorities.values())
    if firm and found.unmet:
        return f"breaks limits that hold always: {found.unmet}"
    return "certified" if found.certificate.ok else f"not certified: {found.certificate}"


FINE = ("certified", "infeasible", "PolicyError", "DataError")


def told(first: int, count: int) -> int:
    """Prints what is wrong and how many of each outcome there were; 1 where anything is wrong."""
    counts: dict[str, int] = {}
    for seed in range(first, first + count):
        found = outcome(seed)
        counts[found if found in FINE else "wrong"] = counts.get(found if found in FINE else "wrong", 0) + 1
        if found not in FINE:
            print(f"seed {seed}: {found[:400]}", flush=True)
    print(f"{first} to {first + count - 1}: {counts}", flush=True)
    return 1 if "wrong" in counts else 0


def main(count: int) -> int:
    """The policies in pieces, each in a process of its own, under each kernel that this processor can run."""
    wrong = 0
    for kernel in KERNELS:
        if used(kernel) != kernel:
            print(f"no run under {kernel}: this processor or OpenBLAS takes another")
            continue
        print(f"== {count} random policies under the BLAS kernel {kernel}", flush=True)
        for first in range(0, count, AT_ONCE):
            command = [sys.executable, __file__, str(min(AT_ONCE, count - first)), str(first)]
            wrong |= subprocess.run(command, env=environment(kernel), check=False).returncode
    return wrong


if __name__ == "__main__":
    asked = [int(word) for word in sys.argv[1:]] or [COUNT]
    sys.exit(told(asked[1], asked[0]) if len(asked) > 1 else main(asked[0]))
