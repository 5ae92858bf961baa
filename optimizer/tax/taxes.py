"""What sales are taxed by: a portfolio's lots and the way they are sold, and what a list's sales realise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError, check_one_of
from optimizer.model.portfolio import ZERO, Number, Portfolio, exact, money, price_of
from optimizer.tax.lots import ORDERS, Disposal, Lot, TaxRates, sell
from optimizer.tax.wash_sales import WASH_DAYS, Loss, Match, WashSale, losses_of, match, told

SAME_SHARES = Decimal("0.000001")
CHEAPEST_FIRST = ("hifo", "min_tax")


@dataclass(frozen=True)
class TaxLine:
    """One sale: the lots it disposes of, gains in the base currency before costs, and losses that do not count.

    tax  of the gains, and of the losses that count
    """

    symbol: str
    disposal: Disposal
    tax: Decimal
    washed: tuple[Match, ...]

    @property
    def wash_sales(self) -> tuple[WashSale, ...]:
        """One for each purchase that disallows a part of the loss."""
        return told(self.washed)

    def disallowed(self, lot_id: str) -> Decimal:
        """The part of the loss of a lot that does not count."""
        return sum((one.amount for one in self.washed if one.loss.lot_id == lot_id), ZERO)


@typed
@dataclass(frozen=True)
class Taxes:
    """The sales of a list, by symbol; negative gains are losses, a negative tax is a saving against other gains.

    repurchases  losses of earlier sales that the list's purchases disallow

    >>> Taxes(()).tax
    Decimal('0')
    """

    lines: tuple[TaxLine, ...]
    repurchases: tuple[WashSale, ...] = ()

    @property
    def short_term_gain(self) -> Decimal:
        """Of what was held for up to a year."""
        return sum((line.disposal.short_term_gain for line in self.lines), ZERO)

    @property
    def long_term_gain(self) -> Decimal:
        """Of what was held for longer."""
        return sum((line.disposal.long_term_gain for line in self.lines), ZERO)

    @property
    def tax(self) -> Decimal:
        """Short- and long-term gains at their rates, without the losses that a wash sale disallows."""
        return sum((line.tax for line in self.lines), ZERO)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each wash sale."""
        washed = (*(wash for line in self.lines for wash in line.wash_sales), *self.repurchases)
        return tuple(f"Wash sale: {wash}" for wash in washed)


@dataclass(frozen=True)
class HarvestRule:
    """Losses to realise: symbol -> what to hold in its place, and the least loss worth it, base currency."""

    substitutes: Mapping[str, str]
    min_loss: Number = 0

    def __post_init__(self) -> None:
        if same := sorted(symbol for symbol, other in self.substitutes.items() if symbol == other):
            raise PolicyError(f"harvest: {', '.join(same)} cannot be the substitute of itself; name another")


@dataclass(frozen=True)
class TaxPlan:
    """What a portfolio's sales of a day are taxed by.

    lots      symbol -> lots, costs in the base currency; they add up to what is held
    method    as in `sell`
    order     for "specific": symbol -> lot ids, the first is sold first; lots not named follow, the oldest first
    in_costs  whether tax counts when trades are chosen, and is kept in cash
    losses    realised before, which a purchase within 30 days disallows
    harvest   which losses to realise; None = none
    Raises PolicyError for an unknown method, or a harvest by a method that does not sell losses first.

    >>> TaxPlan({'A': [lot]}, day, method='hifo').rates.long
    0.2
    """

    lots: Mapping[str, Sequence[Lot]]
    day: date
    method: str = "fifo"
    order: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rates: TaxRates = field(default_factory=TaxRates)
    in_costs: bool = False
    losses: Sequence[Loss] = ()
    harvest: HarvestRule | None = None

    def __post_init__(self) -> None:
        check_method(self.method, self.harvest is not None)
        object.__setattr__(self, "losses", tuple(Loss(*loss) for loss in self.losses))

    def held(self, symbol: str, quantity: Decimal) -> Sequence[Lot]:
        """The lots of a symbol, that many shares in all; DataError where lots and book differ."""
        known = self.lots.get(symbol, ())
        total = sum((lot.quantity for lot in known), ZERO)
        if abs(total - quantity) > SAME_SHARES:
            raise DataError(
                f"{symbol}: the lots hold {total} shares, the book {quantity}; correct the lots of its position"
            )
        return evened(known, quantity)

    def sell(self, symbol: str, held: Decimal, quantity: Decimal, price: Number) -> Disposal:
        """The lots that a sale of that many of the shares held disposes of."""
        lots = self.held(symbol, held)
        chosen = self._named(symbol, lots, quantity) if self.method == "specific" else None
        return sell(lots, quantity, price, self.day, self.method, chosen=chosen, rates=self.rates)

    def _named(self, symbol: str, lots: Sequence[Lot], quantity: Decimal) -> dict[str, Decimal]:
        order = list(self.order.get(symbol, ()))
        if unknown := sorted(set(order) - {lot.lot_id for lot in lots}):
            raise PolicyError(
                f"{symbol} has no lot {', '.join(unknown)}; it has {[lot.lot_id for lot in lots]}"
            )
        by_age = sorted(lots, key=lambda lot: (lot.acquired, lot.lot_id))
        by_wish = sorted(
            by_age, key=lambda lot: order.index(lot.lot_id) if lot.lot_id in order else len(order)
        )
        chosen = {}
        for lot in by_wish:
            chosen[lot.lot_id] = min(lot.quantity, quantity)
            quantity -= chosen[lot.lot_id]
        return chosen

    def recent_losses(self) -> dict[str, tuple[date, Decimal]]:
        """Symbol -> when it was last sold at a loss in the 30 days before, and the loss."""
        start = self.day - timedelta(days=WASH_DAYS)
        return {
            loss.symbol: (loss.day, loss.loss)
            for loss in sorted(self.losses, key=lambda loss: loss.day)
            if start <= loss.day <= self.day
        }

    def line(self, symbol: str, held: Decimal, quantity: Decimal, price: Number) -> TaxLine:
        """A sale with its tax: shares that it leaves, bought shortly before, disallow a loss as well."""
        gone = self.sell(symbol, held, quantity, price)
        washed = match(losses_of(gone, self.day), gone.remaining)
        lost = sum((one.amount * self.rates.rate(one.long_term) for one in washed), ZERO)
        return TaxLine(symbol, gone, gone.tax(self.rates) + money(lost), washed)

    def repurchases(self, symbol: str, quantity: Decimal) -> tuple[WashSale, ...]:
        """The losses of earlier sales that a purchase of that many shares today disallows."""
        earlier = [loss for loss in self.losses if loss.symbol == symbol and loss.day <= self.day]
        return told(match(earlier, [Lot("bought today", symbol, quantity, ZERO, self.day)]), earlier=True)

    def sell_rates(
        self, portfolio: Portfolio, prices: Mapping[str, Number], target: Mapping[str, float]
    ) -> dict[str, float]:
        """Symbol -> tax per unit of value sold on the way to the target weights, >= 0; an estimate, for choosing.

        Lots make the tax rise with the shares sold; its mean on the way stands for it. A saving counts as 0: it comes
        with next year's return, if at all.
        """
        nav, found = portfolio.total_value(prices), {}
        for symbol, position in sorted(portfolio.positions.items()):
            if position.quantity > 0:
                price = price_of(symbol, prices)
                wanted = exact(target.get(symbol, 0.0)) * nav / price
                shares = min(max(position.quantity - wanted, Decimal(1)), position.quantity)
                tax = self.sell(symbol, position.quantity, shares, price).tax(self.rates)
                found[symbol] = max(float(tax / (shares * price)), 0.0)
        return found


def evened(lots: Sequence[Lot], quantity: Decimal) -> Sequence[Lot]:
    """The lots, so many shares in all: the largest takes what splits and storage left of a share."""
    left = quantity - sum((lot.quantity for lot in lots), ZERO)
    largest = max(lots, key=lambda lot: lot.quantity, default=None)
    return [replace(lot, quantity=lot.quantity + left) if lot is largest and left else lot for lot in lots]


def check_method(method: str, harvests: bool) -> None:
    """Raises PolicyError for a method that does not exist, or that a harvest cannot go with."""
    methods = (*ORDERS, "specific")
    check_one_of("tax method", method, methods)
    if harvests and method not in CHEAPEST_FIRST:
        raise PolicyError(
            f"harvest sells the lots that lose, and tax method {method} sells others first; use one of "
            f"{', '.join(CHEAPEST_FIRST)}"
        )
