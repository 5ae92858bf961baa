"""Positions that nobody can trade today: kept at their last known price, out of the optimizer's reach."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from math import inf

from optimizer.model.policy import Policy
from optimizer.model.portfolio import ZERO, exact, money
from optimizer.model.ranges import ends
from optimizer.trading.trade_list import TradeList, TradeRow


@dataclass(frozen=True)
class FrozenPosition:
    """A position without a price today, or of which too little is known to weigh it.

    price   its last known one, of `day`, in its own currency;  rate  base currency per unit of it, today's
    weight  fraction of the NAV
    reason  why it is not weighed although it has a price
    sector  whose limits it counts in; empty where none is known

    >>> FrozenPosition('A', Decimal(5), 10.0, 1.1, day).value
    Decimal('55.0000')
    """

    symbol: str
    quantity: Decimal
    price: float
    rate: float
    day: date
    weight: float = 0.0
    reason: str = ""
    sector: str = ""

    @property
    def value(self) -> Decimal:
        """In base currency."""
        return money(self.quantity * exact(self.price) * exact(self.rate))

    def __str__(self) -> str:
        if self.reason:
            return f"{self.symbol} {self.reason}: its {self.weight:.2%} of the value are kept as they are, not weighed"
        return (
            f"{self.symbol} has no price since {self.day}: {self.weight:.2%} of the value is frozen at its last, "
            f"{self.price:,.10g}, and counts as cash that cannot be spent"
        )


def weighed(
    positions: Sequence[FrozenPosition], total: Decimal, sectors: Mapping[str, str]
) -> tuple[FrozenPosition, ...]:
    """The positions with their weights in a NAV, and their sectors."""
    return tuple(
        replace(one, weight=float(one.value / total), sector=sectors.get(one.symbol, "")) for one in positions
    )


def beside_frozen(
    policy: Policy, positions: Sequence[FrozenPosition], sectors: Collection[str]
) -> tuple[Policy, tuple[str, ...]]:
    """The policy for what can be traded, and what to say of it.

    sectors  those of what can be traded
    What is frozen is held in any case: like cash beyond the policy's own, and as its part of its sector's limits.
    """
    held = sum(one.weight for one in positions)
    if not any(one.weight for one in positions):
        return policy, ()
    policy = replace(policy, cash_min=policy.cash_min + held, cash_max=policy.cash_max + held)
    inside: dict[str, float] = {}
    for one in positions:
        inside[one.sector] = inside.get(one.sector, 0.0) + one.weight
    told = []
    for sector, weight in sorted(inside.items()):
        pair = policy.sector_limits.get(sector, (None, policy.max_sector))
        if not sector or pair == (None, None):
            continue
        most = ends(pair)[1]
        told += (
            [f"{sector} is above its limit of {most:.2%}: {weight:.2%} are frozen"] if weight > most else []
        )
        if sector in sectors:
            policy = _less(policy, sector, weight)
    return policy, (*told, *_not_counted(policy, positions))


def _less(policy: Policy, sector: str, weight: float) -> Policy:
    """The policy with what a frozen weight leaves of a sector's limits; in a long-only book 0 at least."""
    low, high = policy.sector_limits.get(sector, (None, policy.max_sector))
    least = 0.0 if policy.long_only else -inf
    left = (
        None if low is None else max(low - weight, least),
        None if high is None else max(high - weight, least),
    )
    ranks = dict(policy.priorities)
    if sector not in policy.sector_limits and "max_sector" in ranks:
        ranks.setdefault(f"max_sector {sector}", ranks["max_sector"])
    return replace(policy, sector_limits={**policy.sector_limits, sector: left}, priorities=ranks)


def _not_counted(policy: Policy, positions: Sequence[FrozenPosition]) -> Iterator[str]:
    """What to say of limits that a frozen position breaks by itself, or is no part of."""
    for one in positions:
        if policy.max_weight is not None and one.weight > policy.max_weight:
            yield f"{one.symbol} is above its limit of {policy.max_weight:.2%}: {one.weight:.2%} are frozen"
    exposed = policy.min_exposures or policy.max_exposures or policy.max_notional is not None
    kinds = [
        kind for kind, stated in (("on exposures", exposed), ("written as text", policy.limits)) if stated
    ]
    if kinds:
        names = ", ".join(one.symbol for one in positions)
        yield f"Limits {' and '.join(kinds)} are kept without what is frozen: {names}"


def with_frozen(trades: TradeList, positions: Sequence[FrozenPosition]) -> TradeList:
    """The list with a HOLD row for each frozen position, its value no longer in the cash."""
    if not positions:
        return trades
    total = sum((one.value for one in positions), ZERO)
    rows = tuple(
        TradeRow(
            symbol=one.symbol, action="HOLD", quantity=ZERO, price=exact(one.price) * exact(one.rate), value=ZERO,
            cost=ZERO, current_quantity=one.quantity, target_quantity=one.quantity, current_weight=one.weight,
            target_weight=one.weight, achieved_weight=float(one.value / trades.nav_after) if trades.nav_after else 0.0,
            local_price=exact(one.price), fx_rate=exact(one.rate), numbers={},
            rationale=f"it {one.reason}: kept as it is"
            if one.reason
            else f"it has no price since {one.day} and cannot be traded: frozen at its last",
        )
        for one in positions
    )  # fmt: skip
    return replace(
        trades,
        rows=(*trades.rows, *rows),
        cash_before=trades.cash_before - total,
        cash_after=trades.cash_after - total,
    )
