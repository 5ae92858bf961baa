"""Eight significant digits: what a price is rounded to, once, when it is ingested."""

import numpy as np

from optimizer.typing import Array

DIGITS = 8
BLOCK = 1 << 15  # doubles that stay in the processor's cache through all steps
LOWEST, HIGHEST = -15, 22  # decimal exponents for which the scaling below is exact
POWERS = 10.0 ** np.arange(23)
STEPS = 10.0 ** np.arange(LOWEST, HIGHEST + 1)


def significant(values: Array) -> Array:
    """Values at 8 significant digits: the doubles nearest to those decimals; rounding again changes nothing.

    values  (n,); NaN and infinity stay. Scaling is by exact powers of ten and division rounds correctly, so
    the result is the same on every machine; magnitudes outside 1e-15..1e22 are left as they are.
    """
    out = values
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        with np.errstate(invalid="ignore", over="ignore"):
            # A usual price has at most four decimals and is below 10,000: it has its eight digits already.
            rounded = block if _is_plain(block) else _round(block)
        if rounded is not block and out is values:
            out = values.copy()
        if rounded is not block:
            out[start : start + BLOCK] = rounded
    return out


def _is_plain(block: Array) -> bool:
    return bool(((np.rint(block * 1e4) / 1e4 == block) & (np.abs(block) < 1e4)).all())


def _round(block: Array) -> Array:
    size = np.abs(block)
    exponent = np.floor(np.log10(size, where=size > 0, out=np.zeros_like(size)))
    exponent = np.clip(np.nan_to_num(exponent, posinf=0.0), LOWEST, HIGHEST - 1).astype(np.int64)
    exponent += size >= STEPS[exponent + 1 - LOWEST]  # a logarithm can be one off next to a power of ten
    exponent -= size < STEPS[exponent - LOWEST]
    decimals = DIGITS - 1 - np.clip(exponent, LOWEST, HIGHEST - 1)
    if (decimals >= 0).all():
        rounded = np.rint(block * POWERS[decimals]) / POWERS[decimals]
    else:
        up, down = POWERS[np.maximum(decimals, 0)], POWERS[np.maximum(-decimals, 0)]
        rounded = np.rint(block * up / down) * down / up
    inside = (size >= STEPS[0]) & (size < STEPS[-1])
    return np.where(inside, rounded, block)
