"""Which names share the risk, and how much of it each is to have."""

import numpy as np

from optimizer.errors import DataError, PolicyError
from optimizer.model.ranges import ends
from optimizer.problem.clusters.hierarchical import IntArray
from optimizer.problem.goals import RISKLESS
from optimizer.problem.setting import Setting, aligned
from optimizer.typing import Array


def budgets_of(setting: Setting, method: str) -> Array:
    """(n,) shares that add up to 1: those of `risk_budgets`, else equal ones of the names that may be held.

    Raises PolicyError in a book that may be short, DataError for a name without risk.
    """
    if not setting.policy.long_only:
        raise PolicyError(f"{method} holds every name long; set long_only, or choose another method")
    given = setting.policy.risk_budgets
    held = aligned(given, setting.symbols, "risk_budgets") if given else holdable(setting)
    refuse_idle(setting, np.flatnonzero(held), method)
    return np.asarray(held / held.sum())


def holdable(setting: Setting) -> Array:
    """(n,) 1 where the universe and the asset's own limits allow a long position, else 0."""
    limits, outside = setting.policy.asset_limits, set(setting.left_out())
    if not limits and not outside:
        return np.ones(len(setting.symbols))
    closed = outside | {symbol for symbol, pair in limits.items() if ends(pair)[1] <= 0}
    held = np.array([float(symbol not in closed) for symbol in setting.symbols])
    if not held.any():
        raise PolicyError(
            "universe and asset_limits allow no name at all; this method needs one that may be held"
        )
    return held


def refuse_idle(setting: Setting, held: IntArray, method: str) -> None:
    """Raises DataError with the names among those held that have no risk, and so no share of it."""
    variances = setting.estimates.variances
    least = RISKLESS**2 * float(variances.max())
    idle = [setting.symbols[i] for i in held if variances[i] <= least]
    if idle and (len(held) > 1 or setting.policy.risk_budgets or not variances[held].any()):
        raise DataError(
            f"{', '.join(idle)} never moved, and method {method} shares out risk; close these by asset_limits (0, 0), "
            f"or use a shrunk covariance"
        )
