"""The mean of the worst of some returns: `expected_shortfall` where many levels of one row are asked for."""

import numpy as np

from optimizer.typing import Array


def mean_of_worst(ascending: Array, level: float) -> float:
    """Mean loss of the worst (1 - level) of finite returns in ascending order, the boundary one by its share.

    Rockafellar & Uryasev 2002.
    """
    count = (1 - level) * len(ascending)
    whole = int(np.floor(count + 1e-12))
    part = (count - whole) * ascending[min(whole, len(ascending) - 1)]
    return float(-(ascending[:whole].sum() + part) / count)
