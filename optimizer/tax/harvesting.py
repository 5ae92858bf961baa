"""Losses realised on purpose: which lots to sell, what to hold in their place, and the limits that make it so."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from math import inf

from optimizer.model.policy import Policy
from optimizer.model.portfolio import Number, Portfolio, price_of
from optimizer.model.ranges import Range, ends
from optimizer.problem.priorities import closing
from optimizer.solvers.solution import Solution
from optimizer.tax.lots import Harvest, Lot, harvest_losses
from optimizer.tax.taxes import HarvestRule, TaxPlan
from optimizer.tax.wash_sales import WASH_DAYS

NOTHING = 1e-9


@dataclass(frozen=True)
class Swap:
    """One harvest: the lots that lose go, `kept` (fraction of NAV) stays, and `substitute` takes their place."""

    harvest: Harvest
    substitute: str
    kept: float

    @property
    def symbol(self) -> str:
        """What is sold."""
        return self.harvest.symbol

    @property
    def text(self) -> str:
        """What a warning says of it."""
        found = self.harvest
        return (
            f"To be harvested: {self.symbol}, {float(found.quantity):.10g} shares that lose {found.loss:,.2f}, which "
            f"saves {found.saving:,.2f} in tax, as far as whole lots allow; {self.substitute} takes their place"
        )


def swaps(
    portfolio: Portfolio,
    prices: Mapping[str, Number],
    plan: TaxPlan | None,
    investable: Collection[str] | None,
) -> tuple[tuple[Swap, ...], tuple[str, ...]]:
    """The harvests that no wash sale would undo, the largest saving first, and a sentence for each left out.

    investable  symbols that may be bought; None = all
    """
    if plan is None or plan.harvest is None:
        return (), ()
    rule, nav = plan.harvest, portfolio.total_value(prices)
    lots = [
        lot
        for symbol in sorted(set(rule.substitutes) & set(portfolio.positions))
        for lot in plan.held(symbol, portfolio.positions[symbol].quantity)
    ]
    found: list[Swap] = []
    left: list[str] = []
    for harvest in harvest_losses(
        lots, prices, plan.day, substitutes=rule.substitutes, min_loss=rule.min_loss, rates=plan.rates
    ):
        why = _why_not(harvest, lots, plan, rule, prices, investable) or _in_the_way(harvest, found, rule)
        if why:
            left.append(f"{harvest.symbol} is not harvested (a loss of {harvest.loss:,.2f}): {why}")
            continue
        rest = portfolio.positions[harvest.symbol].quantity - harvest.quantity
        kept = float(rest * price_of(harvest.symbol, prices) / nav)
        found.append(Swap(harvest, rule.substitutes[harvest.symbol], kept))
    return tuple(found), tuple(left)


def _why_not(
    harvest: Harvest,
    lots: list[Lot],
    plan: TaxPlan,
    rule: HarvestRule,
    prices: Mapping[str, Number],
    investable: Collection[str] | None,
) -> str | None:
    other = rule.substitutes[harvest.symbol]
    if harvest.saving <= 0:
        return "it saves no tax at these rates"
    if investable is not None and other not in investable:
        return f"its substitute {other} cannot be bought today"
    if other in plan.recent_losses():
        return f"its substitute {other} was itself sold at a loss within {WASH_DAYS} days"
    price, start = price_of(harvest.symbol, prices), plan.day - timedelta(days=WASH_DAYS)
    young = [
        lot
        for lot in lots
        if lot.symbol == harvest.symbol and lot.cost_basis <= price and lot.acquired >= start
    ]
    return f"shares bought on {young[0].acquired} would disallow it" if young else None


def _in_the_way(harvest: Harvest, found: list[Swap], rule: HarvestRule) -> str | None:
    """Why it cannot be made beside those found: what one sells another would hold in place of its own."""
    for swap in found:
        if swap.symbol == rule.substitutes[harvest.symbol]:
            return f"its substitute {swap.symbol} is itself sold at a loss"
        if swap.substitute == harvest.symbol:
            return f"it takes the place of {swap.symbol}, which is sold at a loss"
    return None


def not_bought_back(policy: Policy, plan: TaxPlan | None, held: Mapping[str, float]) -> Policy:
    """The policy with what was harvested within 30 days capped at what is held (fractions of NAV)."""
    if plan is None or plan.harvest is None:
        return policy
    caps: dict[str, Range] = {}
    for symbol in sorted(set(plan.harvest.substitutes) & set(plan.recent_losses())):
        pair = policy.asset_limits.get(symbol, (min(0.0, held.get(symbol, 0.0)), 1.0))
        low, high = ends(pair)
        caps[symbol] = (pair[0], max(low, _holdable(policy, min(high, _cap(policy), held.get(symbol, 0.0)))))
    return closing(policy, caps)


def _cap(policy: Policy) -> float:
    return 1.0 if policy.max_weight is None else policy.max_weight


def _holdable(policy: Policy, most: float) -> float:
    """The same cap; 0 where it is below the least position, so that nothing can be held under it."""
    return most if most >= (policy.min_position or 0.0) else min(most, 0.0)


def harvest_limits(
    found: tuple[Swap, ...], optimum: Solution, held: Mapping[str, float], policy: Policy
) -> Policy | None:
    """The policy under which the swaps are made; None where the optimum sells those lots anyway.

    optimum  the best weights without a harvest: of what it would keep of the losing lots, the substitute gets as
             much more, as far as its cap allows
    """
    if not found:
        return None
    wanted = dict(zip(optimum.symbols, optimum.weights.tolist(), strict=True))
    limits = optimum.feasible.limits
    lower = dict(zip(limits.symbols, limits.lower.tolist(), strict=True))
    upper = dict(zip(limits.symbols, limits.upper.tolist(), strict=True))
    caps: dict[str, Range] = {}
    more: dict[str, float] = {}
    for swap in found:
        moved = min(wanted[swap.symbol], held[swap.symbol]) - swap.kept
        if moved > NOTHING:
            least = lower[swap.symbol]
            kept = _holdable(policy, swap.kept)
            caps[swap.symbol] = (min(least, kept) if least > -inf else None, kept)
            more[swap.substitute] = more.get(swap.substitute, 0.0) + moved
    for symbol, weight in more.items():
        if symbol not in caps:
            high = max(min(upper[symbol], 1.0), policy.min_position or 0.0)
            caps[symbol] = (min(wanted[symbol] + weight, high), high)
    if not caps:
        return None
    firm = {**policy.asset_limits, **caps}
    return replace(policy, asset_limits=firm, on_conflict="fail", priorities={})


def harvest_reasons(
    found: tuple[Swap, ...], target: Mapping[str, float], held: Mapping[str, float]
) -> dict[str, str]:
    """Symbol -> why the swap trades it, for those that the target makes of what is held (fractions of NAV)."""
    told = {}
    for swap in found:
        if target.get(swap.symbol, 0.0) <= swap.kept + NOTHING:
            # how much of it the list's whole lots realise is told beside it
            told[swap.symbol] = f"its loss is harvested, and {swap.substitute} takes its place"
            if target.get(swap.substitute, 0.0) > held.get(swap.substitute, 0.0):
                told[swap.substitute] = f"it takes the place of {swap.symbol}, whose loss is harvested"
    return told
