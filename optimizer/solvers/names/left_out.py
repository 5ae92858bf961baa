"""What the limits on names leave out, told as limits that bind: sales that nothing else asks for have their cause."""

import numpy as np

from optimizer.errors import how_many
from optimizer.problem.goals import Goal
from optimizer.problem.setting import Setting
from optimizer.problem.weight_intervals import CLOSE, NOTHING
from optimizer.solvers.audit import Binding, worth
from optimizer.typing import Array

KEYS = ("max_holdings", "min_position", "no_trade_band", "large_holdings")


def left_out(goal: Goal, free: Array, w: Array, setting: Setting) -> tuple[Binding, ...]:
    """A binding limit for all names that only the limits on names keep at 0, and one for each of them that is held.

    free  (n,) the best weights without the limits on names;  w  (n,) those with them
    The shadow price is what lifting all limits on names is worth, shared among the names that they leave out.
    """
    policy = setting.policy
    without = (np.abs(free) > NOTHING) & (np.abs(w) <= NOTHING)
    least, most = policy.min_position or 0.0, policy.max_holdings
    held_names = int((np.abs(w) > NOTHING).sum())
    full = most is not None and held_names == most
    gain = goal.value(free) - goal.value(w)
    lifted = " and ".join(key for key in KEYS if getattr(policy, key))
    found = []
    for key, bound, shown, names in (
        ("max_holdings", most, f"{most}", without & full),
        ("min_position", least, f"{100 * least:.4g}%", without & (np.abs(free) < least - CLOSE) & (not full)),
    ):
        if not names.any():
            continue
        count, price = int(names.sum()), abs(gain) / int(without.sum())
        value = float(held_names if full else np.abs(w)[np.abs(w) > NOTHING].min(initial=least))
        told = f"{key} ({shown}) leaves out {how_many(count, 'name')}"
        found.append(
            Binding(key, value, float(bound or 0), price, f"{told}; lifting {lifted} {worth(goal, w, gain)}")
        )
        sold = names & (np.abs(setting.held if setting.held is not None else np.zeros(len(w))) > NOTHING)
        found += [
            Binding(
                f"{key} {setting.symbols[i]}", 0.0, float(bound or 0), price, f"{key} ({shown}) leaves it out"
            )
            for i in np.flatnonzero(sold)
        ]
    return tuple(found)
