"""Actions that turned out to be others, or none: the difference, on the shares of their eve, to a book of today."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from optimizer import CorporateAction, Lot, Position
from optimizer.model.actions.action_kinds import places
from optimizer.model.actions.corporate_actions import DUST
from optimizer.model.portfolio import ZERO
from resources.books.adjustments import Adjustment, Carried, Items, Market, carry, held_of

Key = tuple[str, date, str]
Actions = Mapping[Key, CorporateAction]


def came_since(action: CorporateAction, names: Iterable[str], now: Actions) -> list[CorporateAction]:
    """What befell shares of some names, and what they became, after an action."""
    found, meant, place = list[CorporateAction](), set(names), places(now.values())
    for one in sorted(now.values(), key=place):
        if one.symbol in meant and place(one) > place(action):
            found.append(one)
            meant |= {one.new_symbol} if one.new_symbol else set()
    return found


def linked(actions: Iterable[CorporateAction]) -> list[list[CorporateAction]]:
    """The actions, those together that are about the same shares or give them."""
    found: list[list[CorporateAction]] = []
    for action in actions:
        names = {action.symbol, action.new_symbol} - {None}
        own = [its for its in found if any(names & {one.symbol, one.new_symbol} for one in its)]
        found = [*(its for its in found if its not in own), [*(one for its in own for one in its), action]]
    return found


@dataclass(frozen=True)
class Restated:
    """What was said before of one or several actions that act at once, and what is said now; none for nothing.

    eve    what a book held just before them
    since  what befell those shares, and those that they became, afterwards
    """

    before: Sequence[CorporateAction]
    told: Sequence[CorporateAction]
    eve: Items
    since: Sequence[CorporateAction]

    def apply(self, book: Carried, market: Market) -> Carried:
        """The book as if what is said now had been said then; shares sold since and never had are owed."""
        was, now = (
            carry(Carried(self.eve), [*said, *self.since], market, lambda _: True)
            for said in (self.before, self.told)
        )
        items, moved = book.items, dict[str, Decimal]()
        for symbol in sorted({item.symbol for item in (*was.items, *now.items)}):
            then, given = (tuple(one for one in side.items if one.symbol == symbol) for side in (was, now))
            extra = held_of(given, symbol) - held_of(then, symbol)
            if extra:
                moved[symbol] = extra
            if (untouched := _lot_by_lot(items, symbol, then, given)) is not None:
                items = untouched
                continue
            items = _recosted(items, symbol, then, given)
            items = _resized(items, symbol, extra, then, given) if extra else items
        cash = now.cash - was.cash
        if items == book.items and not cash:
            return book
        return book.then(items, cash, self._adjustments(moved, cash, was, now))

    def _adjustments(
        self, moved: Mapping[str, Decimal], cash: Decimal, was: Carried, now: Carried
    ) -> list[Adjustment]:
        (action, *_) = (*self.told, *self.before)
        said = "was withdrawn" if not self.told else f"not {self.before[0]}" if self.before else "known late"
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
        then, given = ([one for one in side.adjustments if one.lot_id is not None] for side in (was, now))
        undone = [_negative(one) for one in then if one not in given]
        return [*rows, *undone, *(one for one in given if one not in then)]


def _negative(one: Adjustment) -> Adjustment:
    """What an action realised of a lot, taken back."""
    return replace(
        one, quantity=-one.quantity, proceeds=-(one.proceeds or ZERO), cost_basis=-(one.cost_basis or ZERO)
    )


def _lot_by_lot(items: Items, symbol: str, then: Items, given: Items) -> Items | None:
    """The lots of a symbol, each with the shares and the cost that it has more now; None where one was sold since."""
    own = [one for one in items if one.symbol == symbol]
    if not all(isinstance(one, Lot) for one in (*own, *then, *given)):
        return None
    held, old, new = (
        {one.lot_id: one for one in side if isinstance(one, Lot)} for side in (own, then, given)
    )
    for name, lot in old.items():
        if name not in held or abs(held[name].quantity - lot.quantity) > DUST:
            return None
    found = {name: lot for name, lot in held.items() if old.get(name) == new.get(name)}
    for name in [name for name in (held | new) if name not in found]:
        more, less = ([side[name]] if name in side else [] for side in (new, old))
        before = [held[name]] if name in held else []
        shares = held_of(before, symbol) + held_of(more, symbol) - held_of(less, symbol)
        if shares > DUST:
            cost = max(_cost((*before, *more)) - _cost(tuple(less)), ZERO)
            found[name] = replace((*before, *more)[0], quantity=shares, cost_basis=cost / shares)
    kept = [
        found.pop(one.lot_id, None) if one.symbol == symbol and isinstance(one, Lot) else one for one in items
    ]
    return (*(one for one in kept if one), *found.values())


def _recosted(items: Items, symbol: str, then: Items, given: Items) -> Items:
    """The lots of a symbol with the cost that the action gives them now, not the one that it gave them then."""
    old, new = (
        {one.lot_id: one.cost_basis for one in side if isinstance(one, Lot)} for side in (then, given)
    )
    return tuple(
        replace(
            item,
            cost_basis=max(item.cost_basis + new[item.lot_id] - old[item.lot_id], ZERO),
        )
        if isinstance(item, Lot) and item.symbol == symbol and item.lot_id in old.keys() & new.keys()
        else item
        for item in items
    )


def _resized(items: Items, symbol: str, extra: Decimal, then: Items, given: Items) -> Items:
    """So many more shares of a symbol, below 0 less: of the lots that the action was about, else of all that is held.

    Where none are held they come as they are given now, at the cost that is not gone with those of then.
    """
    named = {one.lot_id for one in (*then, *given) if isinstance(one, Lot)}
    for own in (
        [one for one in items if one.symbol == symbol and isinstance(one, Lot) and one.lot_id in named],
        [one for one in items if one.symbol == symbol],
    ):
        held = held_of(own, symbol)
        if held > 0 and held + extra > 0:
            more = 1 + extra / held
            return tuple(replace(one, quantity=one.quantity * more) if one in own else one for one in items)
    left = held_of(items, symbol) + extra
    others = tuple(one for one in items if one.symbol != symbol)
    if left <= 0:
        return (*others, *([Position(symbol, left)] if left else []))
    share = left / held_of(given, symbol)
    cost = max(_cost(given) - _cost(then), ZERO) / _cost(given) / share if _cost(given) else ZERO
    back = (replace(one, quantity=one.quantity * share, cost_basis=one.cost_basis * cost) for one in given)
    return (*others, *back)


def _cost(items: Items) -> Decimal:
    return sum((one.quantity * one.cost_basis for one in items), ZERO)
