"""Positions that nobody can trade today: kept at their last known price, out of the optimizer's reach."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from optimizer.model.policy import Policy
from optimizer.model.portfolio import ZERO, exact, money
from optimizer.trading.trade_list import TradeList, TradeRow


@dataclass(frozen=True)
class FrozenPosition:
    """A position without a price today, or of which too little is known to weigh it.

    price   its last known one, of `day`, in its own currency;  rate  base currency per unit of it, today's
    weight  fraction of the NAV
    reason  why it is not weighed although it has a price

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


def weighed(positions: Sequence[FrozenPosition], total: Decimal) -> tuple[FrozenPosition, ...]:
    """The positions with their weights in a NAV."""
    return tuple(replace(one, weight=float(one.value / total)) for one in positions)


def beside_frozen(policy: Policy, positions: Sequence[FrozenPosition]) -> Policy:
    """The policy for what can be traded: what is frozen is held in any case, like cash beyond the policy's own."""
    held = sum(one.weight for one in positions)
    return (
        replace(policy, cash_min=policy.cash_min + held, cash_max=policy.cash_max + held) if held else policy
    )


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
