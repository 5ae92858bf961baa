"""Views on CVaR as rows whose expectation is 0 or not negative."""

from dataclasses import dataclass

import numpy as np

from optimizer.beliefs.entropy_dual import Rows, tilt
from optimizer.typing import Array

CVAR_TOLERANCE = 1e-9
TILTS = np.geomspace(1e-4, 1e4, 400)  # times 1 / the spread of the losses
TINY = 1e-300
FAILURES = 16  # so many quantiles without an answer, the likeliest first, and there is none


@dataclass(frozen=True, eq=False)
class TailView:
    """A view on CVaR, the least over v of v + E[(loss - v)+] / (1 - level) (Rockafellar & Uryasev 2000).

    At least c: the row of every v must hold, and is added where it is broken. At most c: the row of one v will
    do; the first is the best of all losses v given the other rows, the next the best for the probabilities found,
    which never adds entropy.
    """

    losses: Array
    level: float
    value: float
    upward: bool
    place: int

    @classmethod
    def of(
        cls, losses: Array, level: float, value: float, sense: str, place: int, *, now: Array
    ) -> "TailView":
        """The view; an equality binds from the side on which the probabilities `now` (T,) are."""
        tail = cls(losses, level, value, sense == ">=", place)
        if sense != "=":
            return tail
        return cls(losses, level, value, bool(now @ tail.line(now) <= value), place)

    def line(self, p: Array) -> Array:
        """(T,) the function of the losses whose expectation is their CVaR under p."""
        return self._at(self._quantile(p))

    def first(self, prior: Array, others: Rows, now: Array) -> Rows:
        """The rows to start from, beside the others."""
        return self.cut(Rows.none(len(now)), now) if self.upward else self._calmest(prior, others, now)

    def cut(self, kept: Rows, p: Array) -> Rows:
        """The rows to hold next."""
        if not self.upward:
            return self._below(self._quantile(p))
        if len(kept.values) and self.holds(p):
            return kept
        return kept.joined(Rows.one(self.line(p) - self.value, ">=", self.place))

    def holds(self, p: Array) -> bool:
        """Whether the probabilities (T,) fulfil the view."""
        missed = self.value - float(p @ self.line(p))
        size = float(np.abs(self.losses).max())
        return (missed if self.upward else -missed) <= CVAR_TOLERANCE * size

    def _at(self, quantile: float) -> Array:
        return np.asarray(quantile + np.maximum(self.losses - quantile, 0.0) / (1.0 - self.level))

    def _below(self, quantile: float) -> Rows:
        return Rows.one(self._at(quantile) - self.value, "<=", self.place)

    def _quantile(self, p: Array) -> float:
        order = np.argsort(-self.losses, kind="stable")
        worst = min(int(np.searchsorted(np.cumsum(p[order]), 1.0 - self.level)), len(order) - 1)
        return float(self.losses[order[worst]])

    def _calmest(self, prior: Array, others: Rows, now: Array) -> Rows:
        """The row of the quantile that takes the least entropy beside the others.

        Every quantile counts; those whose lower bound is above the best found need no solve.
        """
        base = tilt(prior, others)
        levels = np.unique(self.losses[self.losses < self.value])
        if base is None or not len(levels):
            # Which no probabilities fulfil: the solve says so by name.
            return self._below(self._quantile(now))
        floors = self._floors(levels, base) + _entropy(base, prior)
        best, row, failures = np.inf, self._below(self._quantile(now)), 0
        for i in np.argsort(floors, kind="stable"):
            if floors[i] >= best or (failures >= FAILURES and not np.isfinite(best)):
                break
            tried = self._below(float(levels[i]))
            found = tilt(prior, others.joined(tried))
            entropy = np.inf if found is None else _entropy(found, prior)
            failures += found is None
            if entropy < best:
                best, row = entropy, tried
        return row

    def _floors(self, levels: Array, p: Array) -> Array:
        """(k,) lower bounds of the entropy that each quantile's row adds to p (T,): the best of many dual values.

        For any x >= 0 it is at least -ln E exp(-x row), which sums over sorted losses give for all quantiles at once.
        """
        order = np.argsort(self.losses, kind="stable")
        losses, log_p = self.losses[order], np.log(np.maximum(p[order], TINY))
        beyond = np.searchsorted(losses, levels, side="right")
        inside = np.log(np.maximum(np.cumsum(p[order]), TINY))[beyond - 1]
        floors, steep = np.zeros(len(levels)), 1.0 - self.level
        for x in TILTS / (float(np.ptp(losses)) or 1.0):
            tails = np.logaddexp.accumulate((log_p - x * losses / steep)[::-1])[::-1]
            worse = np.append(tails, -np.inf)[beyond] + x * levels / steep
            floors = np.maximum(floors, x * (levels - self.value) - np.logaddexp(inside, worse))
        return floors


def _entropy(p: Array, prior: Array) -> float:
    some = p > 0
    return float(p[some] @ np.log(p[some] / prior[some]))
