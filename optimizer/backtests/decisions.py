"""What a strategy is asked at a close, and whether its answer can be traded."""

import inspect
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from optimizer.backtests.panel import History, Window
from optimizer.backtests.simulation import Account
from optimizer.errors import InfeasibleError, PolicyError
from optimizer.typing import Array

CASH_TOLERANCE = 1e-9
NOBODY = "no symbol has a price and history enough"


class Answer(Protocol):
    """What an OptimizationResult offers to a backtest."""

    weights: Mapping[str, float]
    success: bool
    message: str


@runtime_checkable
class ArrayMethod(Protocol):
    """A strategy that also decides on arrays, which spares a table of prices a decision."""

    def decide(self, window: Window, held: Array) -> Array:
        """(k,) target weights of the window's names; held (k,) at its last close."""


Method = Callable[..., Answer | Mapping[str, float] | pd.Series]
Decisions = MutableMapping[pd.Timestamp, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Plan:
    """A strategy, the rows on which it decides, and whom to tell."""

    method: Method
    days: Sequence[int]
    progress: Callable[[int, int], None] | None

    @cached_property
    def on_arrays(self) -> ArrayMethod | None:
        """The strategy, where it decides on arrays."""
        method: object = self.method
        return method if isinstance(method, ArrayMethod) else None

    @cached_property
    def told_held(self) -> bool:
        """Whether the strategy takes what is held."""
        return self.on_arrays is not None or "held" in inspect.signature(self.method).parameters


def decide(plan: Plan, history: History, day: int, account: Account) -> Mapping[str, float]:
    """The strategy's weights at the close of that row; InfeasibleError where it gives none."""
    if plan.on_arrays is not None:
        return _decide_on_arrays(plan.on_arrays, history, day, account)
    seen = history.until(day)
    if seen.empty:
        raise InfeasibleError(NOBODY)
    if plan.told_held:
        weights = account.weights()
        held = {history.symbols[i]: float(weights[i]) for i in np.flatnonzero(weights)}
        answer = plan.method(seen, history.dates[day], held=held)
    else:
        answer = plan.method(seen, history.dates[day])
    if isinstance(answer, pd.Series):
        return {str(symbol): float(weight) for symbol, weight in answer.items()}
    if isinstance(answer, Mapping):
        return answer
    if not hasattr(answer, "success"):
        raise PolicyError(f"the strategy gives a {type(answer).__name__}; it must give symbol -> weight")
    if not answer.success:
        raise InfeasibleError(answer.message)
    return answer.weights


def _decide_on_arrays(
    method: ArrayMethod, history: History, day: int, account: Account
) -> Mapping[str, float]:
    window, columns = history.window(day)
    if not window.symbols:
        raise InfeasibleError(NOBODY)
    told = replace(window, worth=float(account.nav[account.day]))
    weights = method.decide(told, account.weights()[columns])
    return dict(zip(window.symbols, weights.tolist(), strict=True))


def checked_weights(
    weights: Mapping[str, float], history: History, as_of: pd.Timestamp, cash_min: float
) -> Array:
    """(n,) the weights in the order of the panel; PolicyError for a wrong one."""
    place = history.place
    try:
        given = np.fromiter(map(float, weights.values()), float, len(weights))
    except (TypeError, ValueError):
        given = np.array([np.nan])
    if tuple(weights) == history.symbols:
        wanted = given
    else:
        if unknown := sorted(map(str, weights.keys() - place.keys())):
            raise PolicyError(
                f"weights of {as_of.date()} name {', '.join(unknown)}, which market_data has not"
            )
        wanted = np.zeros(len(place))
        wanted[[place[symbol] for symbol in weights]] = given
    total = float(wanted.sum())
    if not isfinite(total):
        raise PolicyError(f"weights of {as_of.date()} are not all numbers; return 0 for what is not held")
    if 1 - total < cash_min - CASH_TOLERANCE:
        raise PolicyError(
            f"weights of {as_of.date()} add up to {total:.6g}: cash would be {1 - total:.4g} of "
            f"the NAV, below cash_min {cash_min:g}; hold less, or lower cash_min to allow borrowing"
        )
    return wanted
