"""Wash sales, share by share: which part of a loss replacement shares disallow, and what becomes of those shares."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from optimizer.arguments import typed
from optimizer.model.portfolio import ZERO, Number, exact, money
from optimizer.tax.lots import Disposal, Lot, long_term

WASH_DAYS = 30
WINDOW = timedelta(days=WASH_DAYS)


class Loss(NamedTuple):
    """Shares sold at a loss.

    loss        of all of them, > 0, base currency
    shares      how many; None = not known, then the first purchase disallows all of the loss
    lot_id      the lot that they were part of
    held_since  when their holding period began; None = not known
    """

    symbol: str
    day: date
    loss: Decimal
    shares: Decimal | None = None
    lot_id: str = ""
    held_since: date | None = None


@dataclass(frozen=True)
class Match:
    """Replacement shares of one lot and the lost shares that they disallow, one for one."""

    loss: Loss
    replacement: Lot
    shares: Decimal

    @property
    def amount(self) -> Decimal:
        """The part of the loss that is disallowed, base currency."""
        return (
            self.loss.loss if not self.loss.shares else money(self.loss.loss * self.shares / self.loss.shares)
        )

    @property
    def long_term(self) -> bool:
        """Whether the loss is one of more than a year."""
        return long_term(self.loss.held_since or self.loss.day, self.loss.day)


@dataclass(frozen=True)
class WashSale:
    """A loss that a purchase within 30 days before or after the sale disallows (26 U.S.C. 1091).

    loss    the part that is disallowed
    sold    the day of an earlier sale; None for one of the same day's list
    shares  replacement shares, of so many sold at the loss; None = not known
    """

    symbol: str
    loss: Decimal
    bought: date
    sold: date | None = None
    shares: Decimal | None = None
    of: Decimal | None = None

    def __str__(self) -> str:
        part = f" on {self.part}" if self.part else ""
        sale = f" from the sale of {self.sold}" if self.sold else ""
        return f"{self.symbol}: the loss of {self.loss}{part}{sale} is disallowed by the purchase of {self.bought}"

    @property
    def part(self) -> str:
        """`10 of 990 shares`; nothing where all of the loss is disallowed."""
        if self.shares is None or self.of is None or self.shares >= self.of:
            return ""
        return f"{float(self.shares):.10g} of {float(self.of):.10g} shares"


def losses_of(disposal: Disposal, day: date) -> tuple[Loss, ...]:
    """What a sale of that day lost, lot by lot; gains of other lots do not make up for it."""
    return tuple(
        Loss(part.symbol, day, -part.gain, part.quantity, part.lot_id, part.held_since)
        for part in disposal.realised
        if part.gain < 0
    )


def match(losses: Iterable[Loss], replacements: Iterable[Lot]) -> tuple[Match, ...]:
    """Which shares replace which, one for one within 30 days before or after the sale (Reg. 1.1091-1(b) to (d)).

    losses        matched in the order of their sales, those of one day in the order of their purchase
    replacements  taken in the order of their purchase; a lot that a wash sale has changed replaces nothing again
    What is left of the very purchase that was sold is no replacement (Rev. Rul. 56-602), whatever lots it became.
    """
    young = sorted(
        (lot for lot in replacements if lot.held_since is None), key=lambda lot: (lot.acquired, lot.lot_id)
    )
    free = [lot.quantity for lot in young]
    found = []
    for loss in sorted(losses, key=lambda loss: (loss.day, loss.held_since or loss.day, loss.lot_id)):
        unmatched = loss.shares
        for place, lot in enumerate(young):
            near = (
                lot.symbol == loss.symbol
                and _bought_as(lot.lot_id) != _bought_as(loss.lot_id)
                and abs(lot.acquired - loss.day) <= WINDOW
            )
            shares = free[place] if unmatched is None else min(free[place], unmatched)
            if not near or shares <= 0:
                continue
            found.append(Match(loss, lot, shares))
            free[place] -= shares
            if unmatched is None:  # nobody knows how many were sold
                break
            unmatched -= shares
    return tuple(found)


def _bought_as(lot_id: str) -> str:
    """The lot that a purchase made: `replaced` sets the shares that replace apart from the rest of it."""
    return re.sub(r"(-w\d{8}(-\d+)?)+$", "", lot_id)


def replaced(lots: Sequence[Lot], matches: Sequence[Match]) -> tuple[Lot, ...]:
    """The lots with the disallowed losses in the cost of the shares that replace them (IRS Publication 550).

    Matched shares become lots of their own: dearer by the loss, and held since as many days longer as the sold ones
    were held.
    """
    after: list[Lot] = []
    for lot in lots:
        mine = [one for one in matches if one.replacement.lot_id == lot.lot_id]
        rest = lot.quantity - sum((one.shares for one in mine), ZERO)
        if rest > 0:
            after.append(replace(lot, quantity=rest) if mine else lot)
        for number, one in enumerate(mine, 1):
            whole = rest == 0 and len(mine) == 1
            name = (
                lot.lot_id
                if whole
                else f"{lot.lot_id}-w{one.loss.day:%Y%m%d}" + (f"-{number}" if number > 1 else "")
            )
            held = one.loss.day - (one.loss.held_since or one.loss.day)
            cost = lot.cost_basis + one.amount / one.shares
            after.append(Lot(name, lot.symbol, one.shares, cost, lot.acquired, lot.acquired - held))
    return tuple(after)


Purchase = tuple[str, date] | tuple[str, date, Number]


@typed
def wash_sales(disposal: Disposal, day: date, purchases: Sequence[Purchase]) -> tuple[WashSale, ...]:
    """The losses of a sale that day which purchases of the same symbol disallow.

    purchases  (symbol, date, shares); without shares as many as were sold at a loss

    >>> loss = sell([lot], 5, 40, day)
    >>> len(wash_sales(loss, day, [('A', date(2024, 3, 5))]))
    1
    """
    losses = losses_of(disposal, day)
    sold = sum((loss.shares or ZERO for loss in losses), ZERO)
    bought = [
        Lot(f"purchase {number}", one[0], exact(one[2]) if len(one) > 2 else sold, ZERO, one[1])
        for number, one in enumerate(purchases)
        if losses
    ]
    return told(match(losses, bought))


def told(matches: Sequence[Match], *, earlier: bool = False) -> tuple[WashSale, ...]:
    """One wash sale for each purchase and symbol; `earlier`: and for each day of the sales, which it names."""
    groups: dict[tuple[str, date, date], list[Match]] = {}
    for one in matches:
        groups.setdefault((one.loss.symbol, one.replacement.acquired, one.loss.day), []).append(one)
    return tuple(
        WashSale(
            symbol, sum((one.amount for one in ones), ZERO), bought, sold if earlier else None,
            sum((one.shares for one in ones), ZERO), _shares_lost(ones),
        )
        for (symbol, bought, sold), ones in groups.items()
    )  # fmt: skip


def _shares_lost(matches: Sequence[Match]) -> Decimal | None:
    """The shares of all losses matched; None where one is not known."""
    shares = {one.loss.lot_id: one.loss.shares for one in matches}
    return None if None in shares.values() else sum((held for held in shares.values() if held), ZERO)
