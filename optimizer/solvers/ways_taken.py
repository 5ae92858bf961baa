"""Ways out of a conflict, each taken before it is told: limits that hold together are not enough for an answer.

What finds a conflict knows convex limits alone: limits on shares of risk may end the way out, and so may a goal that
has no value on some portfolios.
"""

from collections.abc import Callable
from dataclasses import replace

from optimizer.errors import Conflict, InfeasibleError, PackfolioError
from optimizer.numerics.convex_limits import Limits
from optimizer.problem.goals import Goal, Ratio, RiskBudget
from optimizer.problem.scenario_goals import Scenario
from optimizer.problem.tails.tail_goals import TailBudget, TailRatio
from optimizer.problem.written.shares import too_low
from optimizer.solvers.elastic import widened
from optimizer.solvers.shares.share_search import UnreachedError
from optimizer.solvers.shares.share_work import WorkEndedError

Way = tuple[Conflict, ...]
NOT_EVERYWHERE = (Ratio, RiskBudget, Scenario, TailBudget, TailRatio)


def with_answers(
    stop: InfeasibleError, goal: Goal, limits: Limits, answer: Callable[[Limits], object]
) -> InfeasibleError:
    """The refusal with those of its ways out that lead to an answer, and what shares of risk must give beside them.

    limits  those in conflict, and those on shares of risk
    answer  the best weights under given limits; raises where there are none
    """
    if not stop.ways or not (limits.shares or isinstance(goal, NOT_EVERYWHERE)):
        return stop
    cut = ""
    found: list[tuple[Way, Way | None]] = []
    for way in stop.ways:
        try:
            found.append((way, _besides(way, limits.revealed(), answer)))
        except WorkEndedError as end:
            cut = f"; what else would do was not looked for: {end}"
    whole = tuple(way for way, more in found if more == ())
    if whole == stop.ways:
        return stop
    joined = tuple(_joined(way, more) for way, more in found if more)
    if isinstance(stop, UnreachedError):
        return stop.by(joined).cut_short(cut)
    told = stop.along(whole, joined)
    if told.ways:
        return InfeasibleError(f"{told}{cut}", told.conflicts, told.ways)
    shares = " that keeps the limits on shares of risk" if limits.shares else ""
    low = too_low(limits)
    besides = () if low is None else (replace(low, enough=False),)
    also = "".join(f"; {one} for that, at least" for one in besides) + cut
    message = f"{told}, and no best {goal.measure}{shares} was found without them{also}"
    return InfeasibleError(message, (*told.conflicts, *besides))


def _besides(way: Way, limits: Limits, answer: Callable[[Limits], object]) -> Way | None:
    """What limits on shares must give beside a way out; None where that leads to no answer either."""
    wide = _wider(limits, way)
    try:
        answer(wide)
    except UnreachedError as stop:
        try:
            answer(_wider(wide, stop.conflicts))
        except PackfolioError:
            return None
        return stop.conflicts
    except PackfolioError:
        return None
    return ()


def _wider(limits: Limits, way: Way) -> Limits:
    """The limits wider by what a way out states."""
    by = {conflict.limit: conflict.stated for conflict in way}
    shares = tuple(
        replace(
            share, low=share.low - by.get(low, 0.0), high=share.high + by.get(high, by.get(share.group, 0.0))
        )
        for share in limits.shares
        for low, high in [share.names]
    )
    return replace(widened(limits, by), shares=shares)


def _joined(way: Way, more: Way) -> Way:
    """Both together; a limit that is in both gives the sum."""
    beside = {conflict.limit: conflict.stated for conflict in more}
    firsts = {conflict.limit for conflict in way}
    return (
        *(replace(one, enough=False, relaxation=one.relaxation + beside.get(one.limit, 0.0)) for one in way),
        *(one for one in more if one.limit not in firsts),
    )
