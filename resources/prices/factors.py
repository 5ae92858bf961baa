"""Dividends and splits, read off the ratio of a vendor's adjusted close to its close."""

import numpy as np

from optimizer.typing import Array

# New shares per old share: n:1, fractions of small numbers, and 11:10; a reverse split is one of their inverses.
SMALL = [above / below for below in range(2, 6) for above in range(below + 1, 4 * below)]
SPLITS = np.unique([1.1, *SMALL, *range(2, 201)])
SPLIT_RATIOS = np.unique(np.concatenate([SPLITS, 1 / SPLITS, 1 / np.arange(201.0, 1001.0)]))
SPLIT_TOLERANCE = 2e-4
# Splits that a factor may be of beside a dividend of the same day, up to 4% of the price. Near 3:2, 2:1 and 5:2 it is a
# spin-off far more often (Mondelez 1.52, Johnson Controls 2.01, HP 2.06); near a reverse split it cannot be one.
REVERSE = np.array([1.5, 2.5, *range(2, 51)])
WHOLE = np.unique(np.concatenate([np.arange(3.0, 51.0), 1 / REVERSE]))
BESIDE = 1.04
LARGE = float(np.log(1.45))  # no dividend is likely to be a third of the price, and a simple ratio of it
# Vendors print six decimals, or a 32-bit number: a factor closer to 1 than this says nothing.
PRINT_ERROR, FLOAT_ERROR = 1e-6, 5e-7


def actions(
    close: Array, adjusted: Array, previous: Array, previous_adjusted: Array, *, splits: bool
) -> tuple[Array, Array]:
    """(dividend, split) of each day, both (n,), from closes of the day and of the one before, (n,) each.

    The factor of a day is (adjusted/close) / (previous adjusted/previous close). Near a simple ratio it is a
    split (shares after per share before), else a dividend D = previous close x (1 - 1/factor), as vendors
    define it (adjusted_t-1 = close_t-1 x (1 - D/close_t-1)); a spin-off is a dividend. A little above a split of
    `WHOLE` it is both, the dividend per share before the split. NaN in, NaN out.

    splits  whether the closes are as traded; False: they are split-adjusted, so every factor is a dividend
    """
    factor = (adjusted / close) / (previous_adjusted / previous)
    noise = FLOAT_ERROR + PRINT_ERROR * (1 / close + 1 / adjusted + 1 / previous + 1 / previous_adjusted)
    known = np.where(np.isfinite(factor), 0.0, np.nan)
    moved = np.abs(factor - 1) > noise
    is_split = moved & splits & (nearest_split(factor) > 0)
    beside = np.where(moved & splits & ~is_split, _beside_dividend(factor), 1.0)
    paid = factor / beside
    dividend = np.where(moved & ~is_split & (paid > 1), np.round(previous * (1 - 1 / paid), 5), known)
    return dividend, np.where(is_split, nearest_split(factor), known + beside)


def _beside_dividend(factor: Array) -> Array:
    """The split of each day that has a dividend too, (n,); 1 where its factor, (n,), is none of both."""
    below = np.array([np.nan, *WHOLE])[np.searchsorted(WHOLE, factor, side="right")]
    return np.where((np.abs(np.log(factor)) > LARGE) & (factor / below <= BESIDE), below, 1.0)


def nearest_split(ratio: Array, tolerance: float = SPLIT_TOLERANCE) -> Array:
    """The split ratio within a relative tolerance of each ratio, (n,); 0 where there is none."""
    place = np.clip(np.searchsorted(SPLIT_RATIOS, ratio), 1, len(SPLIT_RATIOS) - 1)
    below, above = SPLIT_RATIOS[place - 1], SPLIT_RATIOS[place]
    nearest = np.where(ratio - below < above - ratio, below, above)
    return np.where(np.abs(ratio / nearest - 1) <= tolerance, nearest, 0.0)
