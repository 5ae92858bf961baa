"""Why each trade is made: one computed sentence, and the numbers behind it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import NamedTuple

import numpy as np

from optimizer.model.universe import Universe
from optimizer.solvers.audit import Binding
from optimizer.solvers.hierarchy import Unmet

Numbers = dict[str, float]

TOLD_FACTORS, LEAST_EXPOSURE = 2, 5e-4  # in standard deviations
TOLD_SHARE = 5e-4  # of the variance
PLAIN_GROUPS = ("market", "sector")
# A weight follows the lead of its return over the others': of leads below this, per year, too many are no cause.
LEAST_LEAD, SAME = 2e-3, 1e-9


@dataclass(frozen=True)
class Reasons:
    """What the earlier stages know of the causes; all of it may be absent.

    binding           limits the target touches, with shadow prices
    gave              limits that gave way by their priority
    excluded          symbol -> why it is sold down ("quality 4.2 is below the minimum 6.0")
    restricted        symbol -> what is not done with it, and why ("do not buy: results are due")
    previous_target   symbol -> weight wanted last time, fraction; tells drift from a changed target
    unfilled          symbol -> (shares ordered last time, those of them not filled), signed, in shares of today
    ordered_on, held_on   the day whose close those orders follow, and of which the holdings are; holdings that are not
                      later cannot show what was filled
    previous_returns, returns   symbol -> expected total return per year, before and now
    views             symbol -> expected return less its equilibrium prior, per year
    loadings          factor -> symbol -> exposure of the pack's factor model, of those a trade is told by
    factor_risks      factor -> volatility per year, by which the exposures are compared
    two_way           whether turnover is told in buys + sales, as the desk's files and the service have it

    >>> why = Reasons(excluded={'BONDS': 'too dear', 'EQUITY': 'too wild'})
    >>> build_trades(book, quotes, {}, estimates, Policy(cash_max=1.0), universe, reasons=why).rows[0].rationale
    'Sell the whole position of 50.0%: too dear'
    """

    binding: tuple[Binding, ...] = ()
    gave: tuple[Unmet, ...] = ()
    excluded: Mapping[str, str] = field(default_factory=dict)
    restricted: Mapping[str, str] = field(default_factory=dict)
    previous_target: Mapping[str, float] = field(default_factory=dict)
    unfilled: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    ordered_on: date | None = None
    held_on: date | None = None
    previous_returns: Mapping[str, float] = field(default_factory=dict)
    returns: Mapping[str, float] = field(default_factory=dict)
    views: Mapping[str, float] = field(default_factory=dict)
    loadings: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    factor_risks: Mapping[str, float] = field(default_factory=dict)
    two_way: bool = field(default=False, compare=False)

    @cached_property
    def told(self) -> tuple[tuple[Binding, str], ...]:
        """The binding limits with what is said of each."""
        return tuple((limit, limit.told(two_way=self.two_way)) for limit in self.binding)

    @cached_property
    def touched(self) -> tuple[tuple[str, str, str], ...]:
        """What the target touches, and what gave way for it: the limit, its kind, and what it is the limit of."""
        every = [*(one.limit for one in self.binding), *(one.limit for one in self.gave)]
        return tuple((limit, *limit.partition(" ")[::2]) for limit in every)

    def of_factors(self, universe: Universe) -> "Reasons":
        """With the universe's factor model, where it has one: its factors but market and sectors, which are plain."""
        model = universe.factor_risk
        if model is None:
            return self
        spread = np.sqrt(model.covariance.diagonal().clip(0.0)).tolist()
        risks = {
            factor: size
            for factor, group, size in zip(model.factors, model.groups, spread, strict=True)
            if group not in PLAIN_GROUPS and factor in universe.factors
        }
        return replace(
            self, loadings={factor: universe.factors[factor] for factor in risks}, factor_risks=risks
        )


class Move(NamedTuple):
    """One name's weights now, wanted and reached, one share, one lot, the least trade; fractions of the NAV.

    risk_before, risk_after  its share of the variance now and then; 0 where there is none
    """

    symbol: str
    sector: str | None
    current: float
    target: float
    achieved: float
    share: float
    lot: float
    min_trade: float
    risk_before: float = 0.0
    risk_after: float = 0.0


class Shift(NamedTuple):
    """Changes of the expected returns, per year, and what a name's own is held against.

    name, text    of the number, and what is said of it
    own           symbol -> its change
    average       by the size of the positions wanted; cash, and names whose change is not known, count with 0
    bought, sold  by the size of the purchases and of the sales on the way to them
    moved         symbol -> which way it moved the best weight, under the limits and beside what moved the others; none
                  where no change leads
    """

    name: str
    text: str
    own: Mapping[str, float]
    average: float
    bought: float
    sold: float
    moved: Mapping[str, float]

    def causes(self, move: Move, *, scarce: bool) -> bool:
        """Whether it leads the average the way of the trade and moved the best weight that way.

        Where turnover is scarce it is not behind its like either.
        """
        own, buys = self.own[move.symbol], move.achieved > move.current
        lead, ahead = (
            (own - self.average, own - self.bought) if buys else (self.average - own, self.sold - own)
        )
        if lead <= LEAST_LEAD or (scarce and ahead <= -SAME):
            return False
        return (self.moved[move.symbol] if buys else -self.moved[move.symbol]) > SAME


def shifts_of(
    reasons: Reasons, moves: Collection[Move], effect_of: Callable[[Mapping[str, float]], Mapping[str, float]]
) -> tuple[Shift, ...]:
    """What moved the expected returns: the time since the last list, and the views.

    effect_of  from changes by symbol to which way each moved the best weights
    """
    now, before = reasons.returns, reasons.previous_returns
    known = [one.symbol for one in moves if one.symbol in now and one.symbol in before]
    since = {symbol: now[symbol] - before[symbol] for symbol in known}
    moved = "expected return moved {own:+.2%}, the average position's {average:+.2%}"
    views = "the views move its expected return by {own:+.2%}, the average position's by {average:+.2%}"
    told = ("expected_return_change", moved, since), ("view_effect", views, reasons.views)
    target, trades = np.array([(one.target, one.target - one.current) for one in moves]).T
    sizes = np.array([np.abs(target), np.maximum(trades, 0.0), np.maximum(-trades, 0.0)])
    totals = np.maximum(sizes.sum(axis=1), (1.0, SAME, SAME))  # what is left in cash; nothing bought, or sold
    found = []
    for name, text, own in told:
        if own:
            changes = np.array([own.get(one.symbol, 0.0) for one in moves])
            average, bought, sold = ((sizes * changes).sum(axis=1) / totals).tolist()
            leads = np.abs(changes - average).max() > LEAST_LEAD
            found.append(Shift(name, text, own, average, bought, sold, effect_of(own) if leads else {}))
    return tuple(found)


def explain(move: Move, reasons: Reasons, shifts: Collection[Shift], *, traded: bool) -> tuple[str, Numbers]:
    """One sentence, and the numbers in it by name (fractions, rates per year); shifts: those of the whole list."""
    numbers: Numbers = {
        "current_weight": move.current,
        "target_weight": move.target,
        "achieved_weight": move.achieved,
        "target_less_current": move.target - move.current,
    }
    kept = [reasons.restricted[move.symbol]] if move.symbol in reasons.restricted else []
    causes = _causes(move, reasons, shifts, numbers) if traded else kept
    text = _traded(move) if traded else _kept(move)
    return (f"{text}: {'; '.join(causes)}" if causes else text), numbers


def _traded(move: Move) -> str:
    if move.achieved == 0 and move.current < 0:
        return f"Buy back the whole short position of {-move.current:.1%}"
    if move.achieved == 0:
        return f"Sell the whole position of {move.current:.1%}"
    verb = "Increase" if move.achieved > move.current else "Decrease"
    return f"{verb} weight from {move.current:z.1%} to {move.achieved:z.1%}"


def _kept(move: Move) -> str:
    gap = abs(move.target - move.current)
    if gap <= 1e-9:
        return "No change (already at target weight)"
    if gap < move.min_trade:
        return f"No change ({gap:.2%} from target is below the minimum trade of {move.min_trade:.2%})"
    if gap < move.lot:
        return f"No change ({gap:.2%} from target is less than one lot, {move.lot:.2%})"
    return f"No change ({gap:.2%} from target is not worth its cost, or cash and limits do not allow it)"


def _causes(move: Move, reasons: Reasons, shifts: Collection[Shift], numbers: Numbers) -> list[str]:
    limits = {limit for limit, kind, name in reasons.touched if _concerns(kind, name, move)}
    causes = _news(move, reasons, numbers)
    for shift in shifts:
        if move.symbol in shift.own:
            own = shift.own[move.symbol]
            numbers |= {shift.name: own, f"average_{shift.name}": shift.average}
            if move.symbol not in reasons.excluded and shift.causes(move, scarce="max_turnover" in limits):
                causes.append(shift.text.format(own=own, average=shift.average))
    if not causes and limits <= {"max_turnover"}:
        causes += _its_merits(move, reasons, numbers)
    return causes + _at_limits(limits, reasons, numbers) + _moved_factors(move, reasons, numbers)


def _news(move: Move, reasons: Reasons, numbers: Numbers) -> list[str]:
    """What is new of a name: it is left out, an order was not filled, it or its target moved."""
    symbol = move.symbol
    causes = []
    if symbol in reasons.excluded:
        causes.append(reasons.excluded[symbol])
    if symbol in reasons.previous_target:
        previous = reasons.previous_target[symbol]
        ordered, left = reasons.unfilled.get(symbol, (0.0, 0.0))
        if left:
            numbers["unfilled"] = left * move.share
            causes.append(_unfilled(ordered, left, reasons))
        numbers["drift"] = move.current + left * move.share - previous
        numbers["target_change"] = move.target - previous
        if abs(numbers["drift"]) > 5e-4:
            causes.append(f"drifted {numbers['drift']:+.2%} from the last target")
        if abs(numbers["target_change"]) > 5e-4:
            causes.append(f"target moved {numbers['target_change']:+.2%}")
    return causes


def _at_limits(limits: Collection[str], reasons: Reasons, numbers: Numbers) -> list[str]:
    """What the limits that a name touches say: the binding ones, and those that give way."""
    causes = []
    for limit, text in reasons.told:
        if limit.limit in limits:
            numbers[f"{limit.limit} bound"] = limit.bound
            numbers[f"{limit.limit} shadow_price"] = limit.shadow_price
            causes.append(text)
    for unmet in reasons.gave:
        if unmet.limit in limits:
            numbers[f"{unmet.limit} gave"] = abs(unmet.value - unmet.bound)
            gave, way = abs(unmet.value - unmet.bound), ""
            if unmet.limit == "max_turnover":
                gave, way = (2 * gave, " two-way") if reasons.two_way else (gave, " one-way")
            causes.append(f"{unmet.limit} gives way by {gave:.2%}{way}, by its priority {unmet.priority}")
    return causes


def _its_merits(move: Move, reasons: Reasons, numbers: Numbers) -> list[str]:
    """What the goal weighs of a name that neither news nor a limit of its own moves: its return and its risk."""
    told = []
    if move.symbol in reasons.returns:
        numbers["expected_return"] = reasons.returns[move.symbol]
        told.append(f"its expected return is {reasons.returns[move.symbol]:z.1%} a year")
    if abs(move.risk_after - move.risk_before) > TOLD_SHARE:
        numbers |= {"risk_share_before": move.risk_before, "risk_share_after": move.risk_after}
        told.append(f"its share of the risk goes from {move.risk_before:z.1%} to {move.risk_after:z.1%}")
    return [", ".join(told)] if told else []


def _moved_factors(move: Move, reasons: Reasons, numbers: Numbers) -> list[str]:
    """What the trade does to the portfolio's exposures: the factors that it moves most, in risk."""
    if not reasons.loadings:
        return []
    traded = move.achieved - move.current
    changes = {
        factor: traded * own[move.symbol] for factor, own in reasons.loadings.items() if move.symbol in own
    }
    sizes = {factor: abs(change) * reasons.factor_risks[factor] for factor, change in changes.items()}
    largest = sorted(sizes, key=lambda factor: (-sizes[factor], factor))[:TOLD_FACTORS]
    told = [factor for factor in largest if abs(changes[factor]) >= LEAST_EXPOSURE]
    numbers.update({f"{factor} exposure": changes[factor] for factor in told})
    parts = [f"{factor} by {changes[factor]:+.3f}{_bound(factor, reasons)}" for factor in told]
    return [f"moves the exposure to {' and '.join(parts)}"] if parts else []


def _bound(factor: str, reasons: Reasons) -> str:
    """The limits on that factor which the target touches."""
    touched = [one.limit for one in reasons.binding if factor in one.limit.replace(":", " ").split()]
    return f" ({', '.join(touched)} binds)" if touched else ""


def _unfilled(ordered: float, left: float, reasons: Reasons) -> str:
    order = f"the last order to {'buy' if ordered > 0 else 'sell'} {abs(ordered):,.10g} shares"
    if reasons.held_on and reasons.ordered_on and reasons.held_on <= reasons.ordered_on:
        return f"not known whether {order} ({reasons.ordered_on}) was filled, as the holdings are of {reasons.held_on}"
    return f"{order} was not filled" if left == ordered else f"{abs(left):,.10g} of {order} were not filled"


def _concerns(kind: str, name: str, move: Move) -> bool:
    return kind == "max_turnover" or name == move.symbol or (kind.endswith("_sector") and name == move.sector)
