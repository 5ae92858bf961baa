"""Expected returns as factors explain them, and what each name has of its own."""

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError
from optimizer.factors.factor_model import FactorModel
from optimizer.factors.regression import weighted_least_squares
from optimizer.model.alignment import named_vector
from optimizer.numerics.counted import floats
from optimizer.typing import Array


@typed
def split_returns(model: FactorModel, excess: Array) -> tuple[Array, Array, Array]:
    """Factor premia (K,), the part of the excess returns that exposures span (n,), and the names' own part (n,).

    excess  (n,) expected returns less the riskless rate, per year, in the order of the model's symbols
    The premia are those of the regression of the returns on the exposures, weighted by 1 / specific variance, so that
    the own part has no premium of any factor: exposures' diag(1 / specific) own = 0. A name without specific risk
    weighs as the least risky of the others. Raises DataError for another shape.
    Source: Grinold & Kahn (2000), Active Portfolio Management, ch. 4 and 12; Fama & MacBeth (1973).

    >>> model = FactorModel(('A', 'B'), ('market',), ('market',), np.ones((2, 1)), np.eye(1) * 0.04, np.full(2, 0.01))
    >>> split_returns(model, np.array([0.06, 0.04]))[1].round(4).tolist()
    [0.05, 0.05]
    """
    excess = floats("excess", named_vector("excess", excess, model.symbols))
    if excess.shape != (len(model.symbols),) or not np.isfinite(excess).all():
        raise DataError(
            f"excess returns have shape {excess.shape}; one finite number for each of {len(model.symbols)} names"
        )
    live = model.specific[model.specific > 0]
    variances = np.where(model.specific > 0, model.specific, live.min() if live.size else 1.0)
    premia = weighted_least_squares(model.exposures, excess, 1.0 / variances)
    spanned = model.exposures @ premia
    return premia, spanned, excess - spanned
