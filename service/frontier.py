"""The efficient frontier of a portfolio under its limits, as an answer."""

from dataclasses import replace

import numpy as np

from optimizer import Estimates, Policy
from optimizer import frontier as efficient
from optimizer.measures.portfolio_measures import expected_return, volatility
from optimizer.proposals.compiled_policy import applied_policy, enough
from optimizer.proposals.proposal import form_beliefs
from optimizer.typing import Array
from service.answers import FrontierAnswer, FrontierPoint
from service.desk import Loaded

POINTS = 12


def frontier(loaded: Loaded) -> FrontierAnswer:
    """Least volatility for each expected return that the limits but those on trades allow, both ends included."""
    case, notes = loaded.case, list(loaded.notes)
    points: list[FrontierPoint] = []
    held = case.portfolio.get_weights(case.prices)
    now = None
    if enough(case.evidence):
        beliefs = form_beliefs(case.evidence, case.inputs.universe, case.inputs.policy, case.mandate)
        believed = beliefs.estimates(case.evidence)
        applied = applied_policy(case.inputs.policy, believed, case.mandate)[0]
        points = _points(
            loaded, believed, replace(applied, max_turnover=None, no_trade_band=None, min_return=None)
        )
        now = _point(np.array([held.get(s, 0.0) for s in believed.symbols]), believed, applied)
    else:
        notes.append(f"Insufficient data for a frontier ({case.evidence.observations} days)")
    return FrontierAnswer(
        portfolio_id=loaded.snapshot.portfolio_id, pricing_pack_id=loaded.pack.id, asof_date=loaded.pack.as_of,
        current=now, points=points, warnings=notes,
    )  # fmt: skip


def _points(loaded: Loaded, believed: Estimates, policy: Policy) -> list[FrontierPoint]:
    found = efficient(believed, policy, loaded.case.inputs.universe, points=POINTS)
    return [_point(point.solution.weights, believed, policy) for point in found]


def _point(weights: Array, believed: Estimates, policy: Policy) -> FrontierPoint:
    mean = believed.mean if believed.mean is not None else np.zeros(len(weights))
    return FrontierPoint(
        volatility=volatility(weights, believed.risk),
        expected_return=expected_return(weights, mean, policy.risk_free_rate or 0.0),
        weights={
            s: round(w, 6) for s, w in zip(believed.symbols, weights.tolist(), strict=True) if abs(w) > 1e-6
        },
    )
