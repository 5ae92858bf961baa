"""What a book loses when factors of its factor model jump: the shocks reach every name through its exposures."""

from collections.abc import Mapping

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError
from optimizer.factors.factor_model import FactorModel
from optimizer.risk.filtered_simulation import usual_moves
from optimizer.risk.scenarios import ABSURD, Scenario
from optimizer.risk.stresses import Stress

MOST_GROWTH = 20.0  # of a logarithm: 500 million times as much


@typed
def stress_factors(values: Mapping[str, float], model: FactorModel, scenario: Scenario) -> Stress:
    """The effect of a scenario's `factors` on holdings: value x (exp(exposures x log moves) - 1).

    values  symbol -> value held, base currency, negative when short
    Factors that the scenario does not name move as they usually do with those named (Kupiec 1998); what is specific to
    a name stays at 0. The exposures are taken as they are: no standard error is told of them.
    Raises PolicyError for a scenario without factors, for a factor that the model has not, naming those it has, and for
    moves beyond any price; DataError for a name that it does not cover or a value that is no number.

    >>> one = FactorModel(('A', 'B'), ('market',), ('market',), np.array([[1.0], [0.5]]), np.eye(1), np.zeros(2))
    >>> round(stress_factors({'A': 1000.0}, one, Scenario('fall', 'x', {}, factors={'market': -0.2})).total, 2)
    -200.0
    """
    if not scenario.factors:
        raise PolicyError(
            f"scenario {scenario.id} names no factors of the factor model; see `stress` for its shocks"
        )
    if unknown := sorted(set(scenario.factors) - set(model.factors)):
        raise PolicyError(
            f"scenario {scenario.id}: the factor model has no {', '.join(unknown)}; its factors are "
            f"{', '.join(model.factors)}"
        )
    if wrong := [f"{symbol} {value}" for symbol, value in values.items() if not abs(value) < ABSURD]:
        raise DataError(f"{', '.join(wrong)} is no amount; correct it")
    own = model.of(tuple(values))
    moves = usual_moves(model, {name: float(np.log1p(size)) for name, size in scenario.factors.items()})
    held, growth = np.array(list(values.values()), dtype=float), own.exposures @ moves
    if not (np.abs([*growth, *moves]) < MOST_GROWTH).all():
        raise PolicyError(
            f"scenario {scenario.id} moves a name or a factor {np.abs([*growth, *moves]).max():.3g} times e-fold; "
            "no market does: give smaller returns, or name the factors that shall stand still with 0"
        )
    profits = held * np.expm1(growth)
    first_order = held @ (own.exposures * moves)
    return Stress(
        scenario,
        dict(zip(model.factors, np.expm1(moves).tolist(), strict=True)),
        dict(zip(values, profits.tolist(), strict=True)),
        dict(zip(model.factors, first_order.tolist(), strict=True)),
        float(profits.sum() - first_order.sum()),
        0.0,
    )
