"""Specific risk: each name's own residuals, a structural model for thin names, and shrinkage to its size."""

from dataclasses import dataclass

import numpy as np

from optimizer.factors.panel import Codes, Mask
from optimizer.factors.regression import constrained_wls
from optimizer.factors.windows import spread
from optimizer.typing import Array

# Regressions: from the one on a name's own residuals count, at the other in full.
FULL_HISTORY, SHORT_HISTORY = (180, 60)
DECILES = 10
# Of a return: a residual within it is that of a name which the factors explain, such as one alone in its sector.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Moments:
    """Decayed products of each name's residuals with those of the sessions before.

    products  (L + 1, n) by lag;  weight  (n,) decayed count of residuals;  recent  (L, n) residuals, 0 where none,
    newest first;  count  (n,) residuals seen;  moved  (n,) those that were not 0;  decay, the weight of one session
    against the next
    """

    products: Array
    weight: Array
    recent: Array
    count: Array
    moved: Array
    decay: float

    @classmethod
    def empty(cls, names: int, lags: int, half_life: float) -> "Moments":
        """Before the first session."""
        n = names
        return cls(
            np.zeros((lags + 1, n)), np.zeros(n), np.zeros((lags, n)), np.zeros(n), np.zeros(n),
            0.5 ** (1 / half_life),
        )  # fmt: skip

    def advanced(self, residuals: Array) -> "Moments":
        """With one more session (n,), NaN = none: an absent name's past decays and nothing is added."""
        known = np.isfinite(residuals)
        now = np.where(known, residuals, 0.0)
        lagged = np.vstack([now[None], self.recent])
        # By the geometric mean of two sessions' weights, which keeps the long-run variance positive.
        products = (
            self.products * self.decay + lagged * now * self.decay ** (0.5 * np.arange(len(lagged)))[:, None]
        )
        return Moments(
            products, self.weight * self.decay + known, lagged[:-1], self.count + known,
            self.moved + (np.abs(now) > ROUNDING), self.decay,
        )  # fmt: skip

    def over(self, place: Codes) -> "Moments":
        """Those of other names: of each the place that it has here, -1 for one without a residual."""
        return Moments(
            spread(self.products, place), spread(self.weight, place), spread(self.recent, place),
            spread(self.count, place), spread(self.moved, place), self.decay,
        )  # fmt: skip

    @property
    def daily(self) -> Array:
        """(n,) decayed variance per session, NaN where there is no residual."""
        return np.asarray(self.products[0] / np.where(self.weight > 0, self.weight, np.nan))

    @property
    def long_run(self) -> Array:
        """(n,) variance per session with autocovariances by Bartlett weights; NaN where there is no residual.

        Source: Newey & West (1987); Menchero, Orr & Wang (2011), USE4, 5.1.
        """
        lags = len(self.products) - 1
        bartlett = 2.0 * (1.0 - np.arange(lags + 1) / (lags + 1.0))
        bartlett[0] = 1.0
        return np.asarray(
            (bartlett @ self.products).clip(0.0) / np.where(self.weight > 0, self.weight, np.nan)
        )


def specific_deviation(
    moments: Moments,
    exposures: Array,
    weights: Array,
    universe: Mask,
    constraint: Array,
    shrinkage: float = 0.1,
) -> Array:
    """(n,) specific standard deviation per session: own where known well, structural where thin, then shrunk.

    A name without any exposure, which stands still, has its own alone.
    exposures  (n, K);  weights  (n,) capitalisations;  universe  (n,) estimation universe;  constraint  (K,)
    Source: Menchero, Orr & Wang (2011), USE4, 5.1 (blending, by length of history), 5.2 (Bayesian shrinkage).
    """
    own = np.sqrt(moments.long_run)
    trust = history_trust(moments.count)
    well = universe & (trust >= 1.0) & (own > 0)
    # Too few to tell the slopes apart: where histories are short and have gaps.
    if well.sum() <= exposures.shape[1]:
        well = universe & (trust > 0.5) & (own > 0)
    if not well.any():
        well = (moments.count == moments.count.max()) & (own > 0)
    structural = structural_deviation(own, exposures, weights, well, constraint)
    blended = trust * np.where(trust > 0, own, 0.0) + (1.0 - trust) * structural
    moved = exposures.any(axis=1)
    found = np.where(np.isnan(own), 0.0, own)
    found[moved] = shrunk_to_size(blended[moved], weights[moved], shrinkage)
    return found


def history_trust(count: Array) -> Array:
    """(n,) between 0 and 1: how far a name's own residuals are believed.

    USE4's 60 and 180 regressions; where nobody has 180, a third of the longest history and all of it.
    """
    full = max(1.0, min(FULL_HISTORY, float(count.max(initial=0.0))))
    short = full * SHORT_HISTORY / FULL_HISTORY
    return np.asarray(((count - short) / (full - short)).clip(0.0, 1.0))


def structural_deviation(
    own: Array, exposures: Array, weights: Array, well: Mask, constraint: Array
) -> Array:
    """(n,) what a name of such exposures has: exp of a regression of log deviations, scaled to their level.

    The mean of the names that are known well, where these are no more than the slopes.
    """
    if not well.any():
        return np.zeros(len(own))
    root = np.sqrt(weights)
    if well.sum() <= exposures.shape[1]:
        scale = root[well] if root[well].any() else np.ones(int(well.sum()))
        return np.full(len(own), float(scale @ own[well] / scale.sum()))
    # A sector without such a name has no slope of its own, and the constraint may not give it one.
    present = np.where(exposures[well].any(axis=0), constraint, 0.0)
    slopes = constrained_wls(exposures[well], np.log(own[well]), root[well], present)
    fitted = np.exp(exposures @ slopes)
    level = float(root[well] @ own[well]) / float(root[well] @ fitted[well])
    return np.asarray(level * fitted)


def shrunk_to_size(deviation: Array, weights: Array, shrinkage: float) -> Array:
    """(n,) deviations drawn to the weighted mean of their decile of capitalisation, the further off the more.

    sigma -> v mean + (1 - v) sigma with v = q |sigma - mean| / (spread + q |sigma - mean|), q = shrinkage
    Names without a weight, or all where weights do not differ, form one group.
    """
    order = np.argsort(weights, kind="stable")
    groups = np.array_split(order, DECILES) if len(np.unique(weights)) > DECILES else [order]
    result = deviation.copy()
    for group in groups:
        own, weight = deviation[group], weights[group]
        mean = float(weight @ own / weight.sum()) if weight.sum() > 0 else float(own.mean())
        gap = np.abs(own - mean)
        spread = float(np.sqrt((gap**2).mean()))
        reach = shrinkage * gap
        pull = reach / np.where(spread + reach > 0, spread + reach, 1.0)
        result[group] = pull * mean + (1.0 - pull) * own
    return result
