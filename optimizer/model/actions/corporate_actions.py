"""What corporate actions do to shares, their cost and cash."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError
from optimizer.model.actions.action_kinds import ENDS, CorporateAction, places, scaled
from optimizer.model.portfolio import ZERO, Number, exact, money, price_of

DUST = Decimal("1e-9")  # shares; holdings come back from the warehouse as doubles


class Holding(Protocol):
    """Shares of one symbol and their cost per share: a `Position` or a tax `Lot`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def symbol(self) -> str:
        """Whose shares."""

    @property
    def quantity(self) -> Decimal:
        """How many; below 0 where they are owed."""

    @property
    def cost_basis(self) -> Decimal:
        """Cost per share, base currency."""


H = TypeVar("H", bound=Holding)
Market = Callable[[CorporateAction], tuple[Number, Mapping[str, Number]]]


@dataclass(frozen=True)
class Realised(Generic[H]):
    """A gain that an action realised on shares of one holding, base currency.

    holding   the shares as they were before, or as they came out where a fraction of one is paid in cash
    quantity  of its shares, those that were paid for
    """

    holding: H
    quantity: Decimal
    proceeds: Decimal
    cost: Decimal

    @property
    def gain(self) -> Decimal:
        """Proceeds - cost; negative is a loss."""
        return self.proceeds - self.cost


@dataclass(frozen=True)
class Adjusted(Generic[H]):
    """What an action left: holdings in their order, cash received in base currency, gains realised."""

    held: tuple[H, ...]
    cash: Decimal = ZERO
    realised: tuple[Realised[H], ...] = ()


@dataclass(frozen=True)
class _Day:
    """Base currency per unit of the action's own, and prices per share in base currency."""

    rate: Decimal
    prices: Mapping[str, Number]


@typed
def adjust_position(
    action: CorporateAction,
    held: Sequence[H],
    *,
    rate: Number = 1,
    prices: Mapping[str, Number] | None = None,
) -> Adjusted[H]:
    """The holdings after an action, the cash it paid and the gains it realised; other symbols stay as they are.

    held    positions or lots; fractions paid in cash are taken from the first on
    rate    base currency per unit of the action's currency
    prices  symbol -> price after the action, base currency: needed for the cost of a merger paid in shares and cash,
            and of a spin-off that states no `basis_share` (that of both symbols)
    Value before (at the prices before) = value after (at the prices after) + cash. Cost before = cost after + cost
    realised. Cash dividends leave the cost (26 U.S.C. 301); a return of capital lowers it, to 0 at least (301(c));
    share-for-share steps carry it over (305, 355, 358), cash beside shares realises at most itself (356).
    Raises DataError when a price that is needed is missing.

    >>> [str(one.quantity) for one in adjust_position(CorporateAction('A', day, 'split', 3), [lot]).held]
    ['15']
    """
    own = [item for item in held if item.symbol == action.symbol and item.quantity]
    if not own:
        return Adjusted(tuple(held))
    others = tuple(item for item in held if item.symbol != action.symbol)
    after = STEPS[action.kind](action, own, _Day(exact(rate), prices or {}))
    return replace(after, held=(*others, *after.held), cash=money(after.cash))


def adjust_holdings(
    actions: Iterable[CorporateAction],
    held: Sequence[H],
    market: Market,
) -> Adjusted[H]:
    """The holdings after all the actions, day by day; what is renamed on one day is renamed at once.

    market  an action's `rate` and `prices`, as `adjust_position` wants them
    Of one day, what gives shares comes before what befalls those shares; DataError where that goes in a circle.
    """
    actions, cash, now = list(actions), ZERO, tuple(held)
    gains: list[Realised[H]] = []
    for _, group in groupby(sorted(actions, key=places(actions)), key=lambda action: action.day):
        of_day = list(group)
        names = {action.symbol: action.new_symbol for action in of_day if action.kind == "rename"}
        now = tuple(replace(item, symbol=names.get(item.symbol, item.symbol)) for item in now)
        for action in (action for action in of_day if action.kind != "rename"):
            rate, prices = at_its_turn(action, of_day, market)
            step = adjust_position(action, now, rate=rate, prices=prices)
            now, cash, gains = step.held, cash + step.cash, [*gains, *step.realised]
    return Adjusted(now, cash, tuple(gains))


def at_its_turn(
    action: CorporateAction, of_day: Sequence[CorporateAction], market: Market
) -> tuple[Number, Mapping[str, Number]]:
    """What `market` says of an action, with what the new share spins off on the same day still in its price."""
    rate, prices = market(action)
    new = action.new_symbol
    if action.kind != "spin_off" or new is None or new not in prices:
        return rate, prices
    return rate, {**prices, new: _with_its_own(new, exact(prices[new]), of_day, market)}


def _with_its_own(symbol: str, price: Decimal, of_day: Sequence[CorporateAction], market: Market) -> Decimal:
    for one in of_day:
        if one.kind != "spin_off" or one.symbol != symbol:
            continue
        given = market(one)[1].get(str(one.new_symbol))
        if one.basis_share is not None:
            price /= 1 - exact(one.basis_share)
        elif given is not None:  # else who holds it is told that it has no price
            price += scaled(_with_its_own(str(one.new_symbol), exact(given), of_day, market), one.ratio)
    return price


def final_return(
    action: CorporateAction, last: Number, *, rate: Number = 1, prices: Mapping[str, Number] | None = None
) -> float:
    """What a share that ceased to be gave its holder on its last close, a fraction; a backtest's `delisting_return`.

    last    its last close, base currency;  rate, prices  as in `adjust_position`
    Raises PolicyError for an action that ends no share.
    """
    if action.kind not in ENDS:
        raise PolicyError(f"{action} ends no share; {' and '.join(ENDS)} do")
    paid = action.per_share * exact(rate)
    if action.new_symbol:
        paid += scaled(price_of(action.new_symbol, prices or {}), action.ratio)
    return float(paid / price_of(action.symbol, {action.symbol: last}) - 1)


def _renamed(action: CorporateAction, own: Sequence[H], _: _Day) -> Adjusted[H]:
    return Adjusted(tuple(replace(item, symbol=action.new_symbol) for item in own))


def _paid(action: CorporateAction, own: Sequence[H], day: _Day) -> Adjusted[H]:
    return Adjusted(tuple(own), _total(own) * action.per_share * day.rate)


def _capital_returned(action: CorporateAction, own: Sequence[H], day: _Day) -> Adjusted[H]:
    each = action.per_share * day.rate
    kept = tuple(replace(item, cost_basis=max(item.cost_basis - each, ZERO)) for item in own)
    beyond = [(item, each, min(each, item.cost_basis)) for item in own if each > item.cost_basis]
    gains = tuple(_realised(item, item.quantity, paid, cost) for item, paid, cost in beyond)
    return Adjusted(kept, _total(own) * each, gains)


def _exchanged(action: CorporateAction, own: Sequence[H], day: _Day) -> Adjusted[H]:
    """Split and stock dividend: other shares at the same cost in all."""
    return _in_lieu(action, own, tuple(_times(item, action.ratio) for item in own), day)


def _spun_off(action: CorporateAction, own: Sequence[H], day: _Day) -> Adjusted[H]:
    share = _basis_share(action, day)
    kept = tuple(replace(item, cost_basis=item.cost_basis * (1 - share)) for item in own)
    new = (replace(item, symbol=action.new_symbol, cost_basis=item.cost_basis * share) for item in own)
    children = _in_lieu(action, own, tuple(_times(item, action.ratio) for item in new), day)
    return replace(children, held=(*kept, *children.held))


def _basis_share(action: CorporateAction, day: _Day) -> Decimal:
    if action.basis_share is not None:
        return exact(action.basis_share)
    spun = scaled(_price_after(action, str(action.new_symbol), day), action.ratio)
    return spun / (spun + _price_after(action, action.symbol, day))


def _merged(action: CorporateAction, own: Sequence[H], day: _Day) -> Adjusted[H]:
    if action.value is None:
        return _ended(action, own, day)
    cash = action.per_share * day.rate
    worth = scaled(_price_after(action, str(action.new_symbol), day), action.ratio) if cash else ZERO
    new, gains = [], []
    for item in own:
        gain = max(min(worth + cash - item.cost_basis, cash), ZERO)
        cost = item.cost_basis - cash + gain
        new.append(_times(replace(item, symbol=action.new_symbol, cost_basis=cost), action.ratio))
        if gain:
            gains.append(_realised(item, item.quantity, cash, cash - gain))
    after = _in_lieu(action, own, tuple(new), day)
    return Adjusted(after.held, after.cash + _total(own) * cash, (*gains, *after.realised))


def _ended(action: CorporateAction, own: Sequence[H], day: _Day) -> Adjusted[H]:
    """All shares are gone for cash: a delisting, or a merger paid in cash."""
    each = action.per_share * day.rate
    gains = tuple(_realised(item, item.quantity, each, item.cost_basis) for item in own)
    return Adjusted((), _total(own) * each, gains)


STEPS: dict[str, Callable[[CorporateAction, Sequence[Any], _Day], Adjusted[Any]]] = {
    "rename": _renamed, "dividend": _paid, "special_dividend": _paid, "return_of_capital": _capital_returned,
    "split": _exchanged, "stock_dividend": _exchanged, "spin_off": _spun_off, "merger": _merged, "delisting": _ended,
}  # fmt: skip


def _price_after(action: CorporateAction, symbol: str, day: _Day) -> Decimal:
    if symbol not in day.prices:
        stated = ", or state its basis_share" if action.kind == "spin_off" else ""
        raise DataError(
            f"{action}: {symbol} has no price of that day or later, which the cost of the new shares is taken from; "
            f"deliver it{stated}"
        )
    return price_of(symbol, day.prices)


def _total(held: Sequence[Holding]) -> Decimal:
    return sum((item.quantity for item in held), ZERO)


def _times(item: H, ratio: Fraction) -> H:
    return replace(item, quantity=scaled(item.quantity, ratio), cost_basis=scaled(item.cost_basis, 1 / ratio))


def _realised(item: H, quantity: Decimal, each: Decimal, cost: Decimal) -> Realised[H]:
    return Realised(item, quantity, money(quantity * each), money(quantity * cost))


def _in_lieu(action: CorporateAction, before: Sequence[H], after: Sequence[H], day: _Day) -> Adjusted[H]:
    """The new holdings, whose shares beyond a whole number in all are paid in cash where the action says so."""
    if action.cash_in_lieu is None:
        return Adjusted(tuple(after))
    total, each = scaled(_total(before), action.ratio), exact(action.cash_in_lieu) * day.rate
    side = 1 if total > 0 else -1
    fraction = abs(total) - (abs(total) + DUST).to_integral_value(ROUND_DOWN)
    kept, gains, cash = [], [], ZERO
    for item in after:
        taken = min(abs(item.quantity), fraction) if fraction > DUST else ZERO
        fraction -= taken
        if taken:
            gains.append(_realised(item, side * taken, each, item.cost_basis))
            cash += side * taken * each
        if abs(item.quantity) > taken:
            kept.append(replace(item, quantity=item.quantity - side * taken))
    return Adjusted(tuple(kept), cash, tuple(gains))
