"""Tax lots: which shares a sale disposes of, the gains it realises, and losses worth harvesting."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from optimizer.arguments import typed
from optimizer.errors import PolicyError, check_one_of
from optimizer.model.portfolio import ZERO, Number, exact, money, price_of
from optimizer.model.ranges import check_between


def long_term(held_since: date, day: date) -> bool:
    """Whether shares held since one day and sold on another were held for more than one year (26 U.S.C. 1222).

    The year begins on the day after the purchase: what is bought on the last day of a month is long-term from the
    first day of the thirteenth month after it (Rev. Rul. 66-7).
    """
    first = held_since + timedelta(days=1)
    leap_day = (first.month, first.day) == (2, 29)
    return day >= (date(first.year + 1, 3, 1) if leap_day else first.replace(year=first.year + 1))


@typed
@dataclass(frozen=True)
class Lot:
    """Shares bought together: quantity > 0, cost per share in the base currency, and when.

    held_since  where their holding period is another's too, as after a wash sale: when that began; None = acquired

    >>> lot.long_term(day)
    True
    """

    lot_id: str
    symbol: str
    quantity: Decimal
    cost_basis: Decimal
    acquired: date
    held_since: date | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantity", exact(self.quantity))
        object.__setattr__(self, "cost_basis", exact(self.cost_basis))
        if self.quantity <= 0:
            raise PolicyError(f"lot {self.lot_id} has {self.quantity} shares; a lot has more than 0")

    def long_term(self, day: date) -> bool:
        """Held for more than one year on that day."""
        return long_term(self.held_since or self.acquired, day)


@typed
@dataclass(frozen=True)
class TaxRates:
    """Tax on realised gains, fractions; a loss saves the same.

    >>> TaxRates(short=0.37, long=0.2).rate(True)
    Decimal('0.2')
    """

    short: float = 0.37
    long: float = 0.20

    def __post_init__(self) -> None:
        check_between("the short-term tax rate", self.short, 0.0, 1.0)
        check_between("the long-term tax rate", self.long, 0.0, 1.0)

    def rate(self, long_term: bool) -> Decimal:
        """The rate of one holding period."""
        return exact(self.long if long_term else self.short)


@dataclass(frozen=True)
class Realised:
    """Part of a lot that was sold: proceeds and cost in the base currency."""

    lot_id: str
    symbol: str
    quantity: Decimal
    proceeds: Decimal
    cost: Decimal
    long_term: bool
    acquired: date
    held_since: date

    @property
    def gain(self) -> Decimal:
        """Proceeds - cost; negative is a loss."""
        return self.proceeds - self.cost


@dataclass(frozen=True)
class Disposal:
    """What a sale realised, and the lots that are left, in their order."""

    realised: tuple[Realised, ...]
    remaining: tuple[Lot, ...]

    @property
    def short_term_gain(self) -> Decimal:
        """Gains less losses of what was held up to a year."""
        return sum((r.gain for r in self.realised if not r.long_term), ZERO)

    @property
    def long_term_gain(self) -> Decimal:
        """Gains less losses of what was held for longer."""
        return sum((r.gain for r in self.realised if r.long_term), ZERO)

    def tax(self, rates: TaxRates) -> Decimal:
        """Tax on both gains; negative is a saving."""
        return money(self.short_term_gain * rates.rate(False) + self.long_term_gain * rates.rate(True))


@dataclass(frozen=True)
class _Sale:
    """What an order of lots may depend on."""

    price: Decimal
    day: date
    rates: TaxRates

    def tax_per_share(self, lot: Lot) -> Decimal:
        return (self.price - lot.cost_basis) * self.rates.rate(lot.long_term(self.day))


Order = Callable[[Lot, _Sale], tuple[Decimal | int | str, ...]]
ORDERS: dict[str, Order] = {
    "fifo": lambda lot, sale: (lot.acquired.toordinal(), lot.lot_id),
    "lifo": lambda lot, sale: (-lot.acquired.toordinal(), lot.lot_id),
    "hifo": lambda lot, sale: (-lot.cost_basis, lot.lot_id),
    # of those that a rate of 0 makes alike the losses first
    "min_tax": lambda lot, sale: (sale.tax_per_share(lot), -lot.cost_basis, lot.lot_id),
    "average": lambda lot, sale: (lot.acquired.toordinal(), lot.lot_id),
}


@typed
def sell(
    lots: Sequence[Lot],
    quantity: Number,
    price: Number,
    day: date,
    method: str = "fifo",
    *,
    chosen: Mapping[str, Number] | None = None,
    rates: TaxRates | None = None,
) -> Disposal:
    """Disposes of shares of one symbol.

    method  fifo, lifo, hifo (highest cost first), min_tax (least tax at `rates`), average (all lots at their
            average cost, oldest first), specific (`chosen`: lot id -> shares)
    Raises PolicyError for an unknown method, too few shares, lots of several symbols or of one id.

    >>> sell([lot], 5, 80, day).long_term_gain
    Decimal('100.0000')
    """
    total, wanted = sum((lot.quantity for lot in lots), ZERO), exact(quantity)
    if len({lot.symbol for lot in lots}) > 1:
        raise PolicyError(
            f"lots of {', '.join(sorted({lot.symbol for lot in lots}))}; sell one symbol at a time"
        )
    if len({lot.lot_id for lot in lots}) < len(lots):
        raise PolicyError(f"{lots[0].symbol} has two lots of one id; give each an id of its own")
    if not 0 < wanted <= total:
        raise PolicyError(f"{wanted} shares cannot be sold of {total} held; sell more than 0 and at most all")
    sale = _Sale(exact(price), day, rates or TaxRates())
    if method == "average":
        cost = sum((lot.quantity * lot.cost_basis for lot in lots), ZERO) / total
        lots = [replace(lot, cost_basis=cost) for lot in lots]
    taken = _specific(lots, wanted, chosen) if method == "specific" else _ordered(lots, wanted, method, sale)
    return _dispose(lots, taken, sale)


def _dispose(lots: Sequence[Lot], taken: Mapping[str, Decimal], sale: _Sale) -> Disposal:
    realised, remaining = [], []
    for lot in lots:
        shares = taken.get(lot.lot_id, ZERO)
        if shares:
            proceeds, cost = money(shares * sale.price), money(shares * lot.cost_basis)
            realised.append(
                Realised(
                    lot.lot_id, lot.symbol, shares, proceeds, cost, lot.long_term(sale.day), lot.acquired,
                    lot.held_since or lot.acquired,
                )
            )  # fmt: skip
        if lot.quantity > shares:
            remaining.append(replace(lot, quantity=lot.quantity - shares))
    return Disposal(tuple(realised), tuple(remaining))


def _ordered(lots: Sequence[Lot], wanted: Decimal, method: str, sale: _Sale) -> dict[str, Decimal]:
    check_one_of("method", method, (*ORDERS, "specific"))
    taken = {}
    for lot in sorted(lots, key=lambda lot: ORDERS[method](lot, sale)):
        taken[lot.lot_id] = min(lot.quantity, wanted)
        wanted -= taken[lot.lot_id]
    return taken


def _specific(
    lots: Sequence[Lot], wanted: Decimal, chosen: Mapping[str, Number] | None
) -> dict[str, Decimal]:
    held = {lot.lot_id: lot.quantity for lot in lots}
    taken = {lot_id: exact(shares) for lot_id, shares in (chosen or {}).items()}
    for lot_id, shares in taken.items():
        if not 0 <= shares <= held.get(lot_id, ZERO):
            raise PolicyError(f"lot {lot_id} has {held.get(lot_id, 0)} shares; {shares} cannot be sold of it")
    if sum(taken.values(), ZERO) != wanted:
        raise PolicyError(f"the chosen lots give {sum(taken.values(), ZERO)} shares; {wanted} are to be sold")
    return taken


@dataclass(frozen=True)
class Harvest:
    """A loss worth realising: the shares, what the loss saves in tax, and what to buy instead."""

    symbol: str
    quantity: Decimal
    loss: Decimal
    saving: Decimal
    substitute: str | None


@typed
def harvest_losses(
    lots: Sequence[Lot],
    prices: Mapping[str, Number],
    day: date,
    *,
    substitutes: Mapping[str, str] | None = None,
    min_loss: Number = 0,
    rates: TaxRates | None = None,
) -> tuple[Harvest, ...]:
    """One proposal per symbol whose lots under water lose more than `min_loss`, the largest saving first.

    >>> len(harvest_losses([lot], {'A': 40}, day))
    1
    """
    told = rates or TaxRates()
    found = []
    for symbol in sorted({lot.symbol for lot in lots}):
        price = price_of(symbol, prices)
        under = [lot for lot in lots if lot.symbol == symbol and lot.cost_basis > price]
        loss = money(sum((lot.quantity * (lot.cost_basis - price) for lot in under), ZERO))
        if under and loss > exact(min_loss):
            shares = sum((lot.quantity for lot in under), ZERO)
            chosen = {lot.lot_id: lot.quantity for lot in under}
            saving = -sell(under, shares, price, day, "specific", chosen=chosen).tax(told)
            found.append(Harvest(symbol, shares, loss, saving, (substitutes or {}).get(symbol)))
    return tuple(sorted(found, key=lambda harvest: (-harvest.saving, harvest.symbol)))
