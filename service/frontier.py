"""The efficient frontier of a portfolio under its limits, as an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from optimizer import Estimates, Policy, PolicyError, form_beliefs
from optimizer import frontier as efficient
from optimizer.measures.portfolio_measures import expected_return, volatility
from optimizer.proposals.compiled_policy import applied_policy, enough
from optimizer.proposals.frontier import free_of_trades
from optimizer.typing import Array
from resources.settings.policies.limit_words import desk_warnings
from service.answers.proposals import FrontierAnswer, FrontierPoint
from service.desk import Loaded

POINTS = 12


def frontier(loaded: Loaded, proposed: Mapping[str, float] | None = None) -> FrontierAnswer:
    """Least volatility for each expected return that the limits but those on trades allow, both ends included.

    proposed  weights to place beside it, on the same estimates; raises PolicyError for a name without one
    """
    case, notes = loaded.case, list(loaded.notes)
    points: list[FrontierPoint] = []
    held = case.portfolio.get_weights(case.prices)
    now = wanted = None
    if enough(case.evidence):
        beliefs = form_beliefs(case.evidence, case.inputs.universe, case.inputs.policy, case.mandate)
        believed = beliefs.estimates(case.evidence)
        applied, _, told = applied_policy(case.inputs.policy, believed, case.inputs.universe, case.mandate)
        limits = replace(free_of_trades(applied), min_return=None)
        found = [one.solution for one in efficient(believed, limits, case.inputs.universe, points=POINTS)]
        points = [_point(one.weights, believed, limits) for one in found]
        of_points = (said for one in found for said in desk_warnings(one.warnings, one))
        notes += dict.fromkeys((*beliefs.warnings, *told, *of_points))
        now = _point(_aligned(held, believed.symbols), believed, applied)
        wanted = None if proposed is None else _point(_known(proposed, believed.symbols), believed, applied)
    else:
        notes.append(f"Insufficient data for a frontier ({case.evidence.observations} days)")
    return FrontierAnswer(
        portfolio_id=loaded.snapshot.portfolio_id, pricing_pack_id=loaded.pack.id, asof_date=loaded.pack.as_of,
        current=now, proposed=wanted, points=points, warnings=notes,
    )  # fmt: skip


def _aligned(weights: Mapping[str, float], symbols: Sequence[str]) -> Array:
    """(n,) the weights in the order of the symbols."""
    return np.array([weights.get(symbol, 0.0) for symbol in symbols])


def _known(weights: Mapping[str, float], symbols: Sequence[str]) -> Array:
    if strangers := sorted(set(weights) - set(symbols)):
        raise PolicyError(f"weights of {', '.join(strangers)}: the frontier has {', '.join(symbols)}")
    return _aligned(weights, symbols)


def _point(weights: Array, believed: Estimates, policy: Policy) -> FrontierPoint:
    mean = believed.mean if believed.mean is not None else np.zeros(len(weights))
    return FrontierPoint(
        volatility=volatility(weights, believed.risk),
        expected_return=expected_return(weights, mean, policy.risk_free_rate or 0.0),
        weights={
            s: round(w, 6) for s, w in zip(believed.symbols, weights.tolist(), strict=True) if abs(w) > 1e-6
        },
    )
