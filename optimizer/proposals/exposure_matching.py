"""Funds for wanted exposures in two stages: the nearest exposures first, then the cheapest funds that give them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import PolicyError
from optimizer.model.exposure_types import ExposureType
from optimizer.model.exposures import ABSURD_WEIGHT, FundExposureMap
from optimizer.model.policy import Policy
from optimizer.model.ranges import checked_exposures
from optimizer.numerics.answers import NoAnswerError, verdict_needed
from optimizer.numerics.convex_limits import Limits, Linear, Norm
from optimizer.numerics.counted import floats
from optimizer.problem.feasible_set import plain
from optimizer.problem.goals import Quadratic
from optimizer.problem.policy_limits import build_limits
from optimizer.problem.setting import Setting
from optimizer.solvers.conflicts import explain
from optimizer.solvers.names import cardinality
from optimizer.solvers.solution import Solution
from optimizer.solvers.solver_choice import optimum
from optimizer.typing import Array

BAND = 1e-7


@dataclass(frozen=True)
class ExposureRisk:
    """How misses of exposures are weighed against each other: covariance (k, k) per year of these k types.

    Raises PolicyError for another shape.

    >>> ExposureRisk(kinds, covariance).of((ExposureType.GOLD,)).tolist()
    [[0.0225]]
    """

    kinds: tuple[ExposureType, ...]
    covariance: Array

    def __post_init__(self) -> None:
        covariance, k = floats("the exposures' covariance", self.covariance), len(self.kinds)
        if covariance.shape != (k, k) or not np.isfinite(covariance).all():
            raise PolicyError(
                f"the exposures' covariance has shape {covariance.shape}; finite numbers are needed, {k} x {k}"
            )
        object.__setattr__(self, "covariance", covariance)

    def of(self, kinds: tuple[ExposureType, ...]) -> Array:
        """(m, m) of those types, in that order; PolicyError naming the ones it does not have."""
        missing = [kind.name for kind in kinds if kind not in self.kinds]
        if missing:
            raise PolicyError(f"the exposures' covariance lacks {', '.join(missing)}; give a row for each")
        chosen = [self.kinds.index(kind) for kind in kinds]
        return np.asarray(self.covariance[np.ix_(chosen, chosen)])


@typed
@verdict_needed
def match_exposures(
    setting: Setting,
    target: Mapping[ExposureType, float],
    *,
    cheapest: bool,
    risk: ExposureRisk | None = None,
    tolerance: float = 0.0,
) -> Solution:
    """The weights whose exposures are nearest to the target, and of these the cheapest funds.

    target     type -> fraction of NAV; listed types outside it (and its parents and children) are aimed at 0
    cheapest   least fees plus financing spread among equals; without it the most even weights
    risk       nearest is then by tracking error to the target per year; without it by least squares
    tolerance  by how much more the distance may be for the sake of cheaper funds, in its own unit
    Raises PolicyError without funds or target, InfeasibleError naming the limits in conflict.

    >>> setting = Setting(estimates, Policy(cash_max=1.0), Universe(symbols, funds=funds))
    >>> match_exposures(setting, {ExposureType.EQUITY: 0.6}, cheapest=False).weights.round(3).tolist()
    [0.0, 0.6, 0.0]
    """
    funds = setting.universe.funds
    if funds is None or not target:
        raise PolicyError("matching exposures needs funds and at least one target exposure; give both")
    target = checked_exposures("target_exposures", target)
    refuse_absurd(target, tolerance)
    feasible = plain(build_limits(setting))
    refuse_combined(setting.policy, feasible.limits)
    kinds, wanted = aims(funds, setting.symbols, target)
    matrix = funds.matrix(setting.symbols, kinds)
    metric = np.eye(len(kinds)) if risk is None else risk.of(kinds)
    unit = "distance from" if risk is None else "tracking error to"
    goal = distance(matrix, metric, wanted, f"{unit} the target exposures")
    try:
        first = optimum(goal, feasible)
    except NoAnswerError as stop:
        if not stop.infeasible:
            raise
        raise explain(feasible.limits) from stop
    second, warnings = preference(setting, funds, cheapest=cheapest)
    if tolerance > BAND:  # nearer than that no answer tells apart
        bound = goal.value(first.weights) + tolerance
        limits = feasible.limits.with_norms((near_enough(matrix, metric, wanted, bound),))
    else:
        same = face(kinds, matrix, first.weights)
        limits = replace(feasible.limits, linear=(*feasible.limits.linear, *same))
    narrow = plain(limits)
    best = optimum(second, narrow)
    gap = goal.value(best.weights)
    told = (*warnings, *missed(kinds, wanted, matrix @ best.weights), *best.notes)
    return Solution(setting.symbols, best.weights, gap, "target_exposures", second, narrow, best, (), told)


def refuse_absurd(target: Mapping[ExposureType, float], tolerance: float) -> None:
    """Raises PolicyError for a target that is no fraction of the NAV, and for a tolerance that is no distance."""
    for kind, amount in target.items():
        if not abs(amount) <= ABSURD_WEIGHT:
            raise PolicyError(
                f"the target of {kind.value} is {amount}; write a fraction of the NAV, 0.6 for 60%"
            )
    if not 0 <= tolerance <= ABSURD_WEIGHT:
        raise PolicyError(f"exposure_tolerance is {tolerance}; it must be a distance >= 0")


def refuse_combined(policy: Policy, limits: Limits) -> None:
    """Raises PolicyError for what the two stages cannot keep."""
    names = cardinality.wanted(policy) or policy.cost_horizon_years is not None or policy.horizon is not None
    for present, what in (
        (names, "min_position, max_holdings, no_trade_band, cost_horizon_years or a horizon"),
        (any(policy.priorities.values()), "priorities"),
        (bool(limits.shares), "limits on shares of risk"),
    ):
        if present:
            raise PolicyError(
                f"target exposures cannot be combined with {what}; drop these, or choose another method"
            )


def distance(matrix: Array, metric: Array, wanted: Array, name: str) -> Quadratic:
    """Half the squared distance between the exposures of the weights and those wanted."""
    pull = metric @ wanted
    return Quadratic(matrix.T @ metric @ matrix, -matrix.T @ pull, name, "root", 0.5 * float(wanted @ pull))


def face(kinds: tuple[ExposureType, ...], matrix: Array, w: Array) -> list[Linear]:
    """All weights with the exposures of w."""
    return [
        Linear((f"exposure {kind.name}",) * 2, row, value - BAND, value + BAND)
        for kind, row, value in zip(kinds, matrix, matrix @ w, strict=True)
    ]


def near_enough(matrix: Array, metric: Array, wanted: Array, bound: float) -> Norm:
    """All weights at most that far from the wanted exposures: an ellipsoid around those that come nearest freely."""
    shape = matrix.T @ metric @ matrix
    center = np.asarray(np.linalg.lstsq(shape, matrix.T @ metric @ wanted, rcond=None)[0], dtype=float)
    away = matrix @ center - wanted
    least = float(away @ metric @ away)
    return Norm("exposure_tolerance", shape, center, float(np.sqrt(max(bound**2 - least, 0.0))))


def aims(
    funds: FundExposureMap, symbols: tuple[str, ...], target: Mapping[ExposureType, float]
) -> tuple[tuple[ExposureType, ...], Array]:
    """The types to look at and the exposure (k,) wanted of each."""
    related = {kind for kind in ExposureType for aim in target if aim in kind.parents or kind in aim.parents}
    others = [kind for kind in funds.types(symbols) if kind not in target and kind not in related]
    kinds = (*target, *(kind for kind in others if kind is not ExposureType.CASH))
    return kinds, np.array([target.get(kind, 0.0) for kind in kinds])


def preference(
    setting: Setting, funds: FundExposureMap, *, cheapest: bool
) -> tuple[Quadratic, tuple[str, ...]]:
    """What decides between funds that give the same exposures, and a warning where a fee is not known."""
    n = len(setting.symbols)
    if not cheapest:
        return Quadratic(np.eye(n), np.zeros(n), "size of the weights", "root"), ()
    chosen = funds.select(setting.symbols)
    costs = np.array([(fund.fee or 0.0) + fund.spread * max(fund.funded - 1.0, 0.0) for fund in chosen])
    unknown = [fund.symbol for fund in chosen if fund.fee is None]
    warnings = (f"no fee is known for {', '.join(unknown)}; counted as 0",) if unknown else ()
    return Quadratic(None, costs, "yearly cost of the funds", "negative", 0.0, np.eye(n)), warnings


def missed(kinds: tuple[ExposureType, ...], wanted: Array, reached: Array) -> tuple[str, ...]:
    """A warning of the exposures that are not reached; none where all are."""
    parts = [
        f"{kind.value} {value:.1%} instead of {aim:.1%}"
        for kind, aim, value in zip(kinds, wanted, reached, strict=True)
        if abs(value - aim) > 10 * BAND
    ]
    return (f"the target exposures cannot be met: {', '.join(parts)}",) if parts else ()
