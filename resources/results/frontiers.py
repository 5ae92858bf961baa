"""The efficient frontier of a portfolio under a pack, with what is held and what is wanted on it."""

from dataclasses import replace

import numpy as np

from optimizer import InfeasibleError, SolverError
from optimizer.measures.portfolio_measures import expected_return, volatility
from optimizer.proposals.compiled_policy import applied_policy
from optimizer.proposals.frontier import free_of_trades
from optimizer.proposals.proposal import believe
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.estimates.pack_estimates import Case

Point = tuple[float, float]


def efficient_frontier(
    con: Connection, pack: Pack, case: Case
) -> tuple[list[Point], dict[str, Point]] | None:
    """(volatility, expected return) along the frontier, and of "held" and "target"; fractions per year.

    None where the history is too short for beliefs, or the limits but those on trades leave no portfolio at all.
    """
    from optimizer import frontier

    inputs = case.inputs
    beliefs, believed = believe(case.evidence, inputs.universe, inputs.policy, case.mandate)
    if beliefs is None:
        return None
    applied = applied_policy(free_of_trades(inputs.policy), believed, inputs.universe, case.mandate)[0]
    try:
        found = frontier(believed, replace(applied, min_return=None), inputs.universe)
    except (InfeasibleError, SolverError):
        return None
    wanted = con.execute(
        "select symbol, weight from latest_optimal_weights where pack_id = ? and portfolio_id = ? order by 1",
        [pack.id, case.snapshot.portfolio_id],
    ).fetchall()
    named = {"held": case.portfolio.get_weights(case.prices), "target": dict(wanted)}
    rate = inputs.policy.risk_free_rate or 0.0
    marked = {}
    for said, weights in named.items():
        if weights:
            w = np.array([weights.get(symbol, 0.0) for symbol in believed.symbols])
            marked[said] = (
                volatility(w, believed.risk),
                expected_return(w, beliefs.mean, rate),
            )
    return [(point.volatility, point.expected_return) for point in found], marked
