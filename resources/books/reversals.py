"""An action that turned out to be another, or none: the difference, on the shares of its eve, to a book of today."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from optimizer import Lot, Position
from optimizer.model.action_kinds import CorporateAction, scaled
from optimizer.model.portfolio import ZERO, exact
from resources.books.adjustments import Adjustment, Carried, Items, Market, carry, held_of


@dataclass(frozen=True)
class Restated:
    """What was said of an action before, and what is said now; None: nothing.

    eve    what a book held of the action's symbol just before it
    since  symbol -> shares of today for one right after the action
    """

    before: CorporateAction | None
    told: CorporateAction | None
    eve: Items
    since: Mapping[str, Fraction]

    def apply(self, book: Carried, market: Market) -> Carried:
        """The book as if what is said now had been said then; shares sold since and never had are owed."""
        was, now = (
            carry(Carried(self.eve), [] if action is None else [action], market, lambda _: True)
            for action in (self.before, self.told)
        )
        items, moved = book.items, dict[str, Decimal]()
        for symbol in sorted({item.symbol for item in (*was.items, *now.items)}):
            ratio = self.since.get(symbol, Fraction(1))
            items = _recosted(items, symbol, was.items, now.items, ratio)
            extra = scaled(held_of(now.items, symbol) - held_of(was.items, symbol), ratio)
            if extra:
                moved[symbol] = extra
                items = _resized(
                    items, symbol, extra, [one for one in now.items if one.symbol == symbol], ratio
                )
        cash = now.cash - was.cash
        if items == book.items and not cash:
            return book
        return book.then(items, cash, self._adjustments(moved, cash, was, now))

    def _adjustments(
        self, moved: Mapping[str, Decimal], cash: Decimal, was: Carried, now: Carried
    ) -> list[Adjustment]:
        action = self.told or self.before
        assert action is not None  # noqa: S101  one of them is there
        said = "was withdrawn" if self.told is None else f"not {self.before}" if self.before else "known late"
        changes = [f"{float(extra):+,.10g} {symbol}" for symbol, extra in moved.items()]
        changes += [f"{cash:+,.2f} in cash"] if cash else []
        note = f"{action}, {said}: {' and '.join(changes) or 'another cost'} for the shares of that day; known late"
        rows = [
            Adjustment(
                symbol, action.day, action.kind, moved.get(symbol, ZERO), cash if symbol == action.symbol else ZERO,
                note, late=True,
            )
            for symbol in sorted({action.symbol, *moved})
        ]  # fmt: skip
        undone = [_negative(one) for one in was.adjustments if one.lot_id is not None]
        return [*rows, *undone, *(one for one in now.adjustments if one.lot_id is not None)]


def _negative(one: Adjustment) -> Adjustment:
    """What an action realised of a lot, taken back."""
    return replace(
        one, quantity=-one.quantity, proceeds=-(one.proceeds or ZERO), cost_basis=-(one.cost_basis or ZERO)
    )


def _recosted(items: Items, symbol: str, was: Items, now: Items, ratio: Fraction) -> Items:
    """The lots of a symbol with the cost that the action gives them now."""
    old, new = (
        {item.lot_id: item.cost_basis for item in side if isinstance(item, Lot) and item.symbol == symbol}
        for side in (was, now)
    )
    return tuple(
        replace(
            item,
            cost_basis=max(item.cost_basis + scaled(new[item.lot_id] - old[item.lot_id], 1 / ratio), ZERO),
        )
        if isinstance(item, Lot) and item.symbol == symbol and item.lot_id in old.keys() & new.keys()
        else item
        for item in items
    )


def _resized(
    items: Items, symbol: str, extra: Decimal, given: Iterable[Lot | Position], ratio: Fraction
) -> Items:
    """So many more shares of a symbol, at the cost of those held, else as they were given; below 0 so many less."""
    held = held_of(items, symbol)
    if held > 0 and held + extra > 0:
        more = 1 + extra / held
        return tuple(
            replace(item, quantity=item.quantity * more) if item.symbol == symbol else item for item in items
        )
    others = tuple(item for item in items if item.symbol != symbol)
    if held + extra <= 0:
        return (*others, *([Position(symbol, held + extra)] if held + extra else []))
    source = list(given)
    share = (held + extra) / exact(scaled(held_of(source, symbol), ratio))
    return (*others, *(
        replace(item, quantity=scaled(item.quantity, ratio) * share, cost_basis=scaled(item.cost_basis, 1 / ratio))
        for item in source
    ))  # fmt: skip
