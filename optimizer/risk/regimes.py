"""What a macro regime asks of the holdings there are: what is over or under target, and the trades that get there."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import floor
from typing import Literal

from optimizer.arguments import typed
from optimizer.errors import PolicyError
from optimizer.model.costs import CostModel
from optimizer.model.exposure_types import ExposureType
from optimizer.model.exposures import FundExposureMap
from optimizer.model.portfolio import ZERO, Action, money

REGIMES = (
    "EARLY_EXPANSION", "MID_EXPANSION", "LATE_EXPANSION", "EARLY_CONTRACTION", "DEEP_CONTRACTION", "RECESSION",
    "DELEVERAGING", "DEPRESSION", "REFLATION",
)  # fmt: skip


@dataclass(frozen=True)
class Advice:
    """One line of a regime's playbook, about everything of some exposures or sectors.

    kind        "reduce" by, or "raise" to, `target`
    target      fraction of the class that goes, or of the NAV that it should be
    candidates  instruments that would raise it, the preferred first; CASH means: keep cash

    >>> Advice('reduce_equity', 'reduce', 0.25, 'growth slows', exposures=(ExposureType.EQUITY,)).target
    0.25
    """

    action: str
    kind: Literal["reduce", "raise"]
    target: float
    rationale: str
    exposures: tuple[ExposureType, ...] = ()
    sectors: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.target <= 1:
            raise PolicyError(f"{self.action}: the target is {self.target:g}; it is a fraction, 0 to 1")
        if not (self.exposures or self.sectors):
            raise PolicyError(f"{self.action} is about nothing; name exposures or sectors")


Playbook = Mapping[str, tuple[Advice, ...]]


@dataclass(frozen=True)
class Book:
    """What is held, at today's prices in the base currency.

    values, prices  symbol -> value held; price of a share of everything held and of the candidates that are priced
    funds           what each symbol holds, looked through

    >>> Book({'GOLD': Decimal(60)}, {'GOLD': 6.0}, Decimal(40), {}, funds).nav
    Decimal('100')
    """

    values: Mapping[str, Decimal]
    prices: Mapping[str, float]
    cash: Decimal
    sectors: Mapping[str, str]
    funds: FundExposureMap

    @property
    def nav(self) -> Decimal:
        """Value of the holdings and cash."""
        return self.cash + sum(self.values.values(), ZERO)


@dataclass(frozen=True)
class Order:
    """A trade of whole shares that follows the advice, with its cost in the base currency."""

    symbol: str
    action: Action
    quantity: int
    value: Decimal
    cost: Decimal


@dataclass(frozen=True)
class Recommendation:
    """One advice applied to a book.

    instruments  what is held of the class, CASH where idle cash belongs to it
    candidates   names of the catalogue that are not held
    current      exposure of the book to the class, fraction of NAV;  wanted  what the advice asks for
    achieved     after `orders`
    """

    advice: Advice
    instruments: tuple[str, ...]
    candidates: tuple[str, ...]
    current: float
    wanted: float
    achieved: float
    orders: tuple[Order, ...]

    @property
    def cost(self) -> Decimal:
        """Of all its orders."""
        return sum((order.cost for order in self.orders), ZERO)


@typed
def advise(playbook: Playbook, regime: str, book: Book, costs: CostModel) -> tuple[Recommendation, ...]:
    """The regime's playbook applied to what is held; purchases are paid from cash and the sales before them.

    Raises PolicyError that lists the regimes for an unknown one.

    >>> advise({'REFLATION': ()}, 'REFLATION', Book({}, {}, Decimal(100), {}, funds), CostModel())
    ()
    """
    if regime not in playbook:
        raise PolicyError(f"there is no regime {regime!r}; there are {', '.join(playbook)}")
    spendable, answers = book.cash, []
    if book.nav <= 0:
        return ()
    sold: dict[str, Decimal] = {}
    for advice in playbook[regime]:
        if advice.kind == "reduce":
            answer = _reduced(advice, book, costs, sold)
            for order in answer.orders:
                sold[order.symbol] = sold.get(order.symbol, ZERO) + order.value
            spendable += sum((order.value - order.cost for order in answer.orders), ZERO)
        else:
            answer = _raised(advice, book, costs, spendable, sold)
            spendable -= sum((order.value + order.cost for order in answer.orders), ZERO)
        answers.append(answer)
    return tuple(answers)


def share_of(advice: Advice, symbol: str, book: Book) -> float:
    """How much of a unit of the symbol's value belongs to the advice's class."""
    if book.sectors.get(symbol) in advice.sectors:
        return 1.0
    fund = book.funds.select([symbol])[0]
    return sum(
        amount for kind, amount in fund.exposures.items() if {kind, *kind.parents} & set(advice.exposures)
    )


def _exposure(advice: Advice, book: Book, values: Mapping[str, Decimal], cash: Decimal) -> float:
    held = sum(float(value) * share_of(advice, symbol, book) for symbol, value in values.items())
    idle = float(max(cash, ZERO)) if ExposureType.CASH in advice.exposures else 0.0
    return (held + idle) / float(book.nav)


def _reduced(advice: Advice, book: Book, costs: CostModel, sold: Mapping[str, Decimal]) -> Recommendation:
    """Sells the same fraction of every holding of the class, in whole shares, where that brings more than it costs."""
    owned = [s for s in sorted(book.values) if book.values[s] > 0 and share_of(advice, s, book) > 0]
    current = _exposure(advice, book, book.values, book.cash)
    orders, after = [], dict(book.values)
    for symbol in owned:
        price = book.prices[symbol]
        rest = book.values[symbol] - sold.get(symbol, ZERO)
        wanted = min(float(book.values[symbol]) * advice.target, float(rest))
        quantity = floor(wanted / price + 1e-9)
        order = _order(symbol, "SELL", quantity, price, costs)
        if order.value > order.cost:  # a sale that brings less than it costs is none
            orders.append(order)
            after[symbol] -= order.value
    wanted_exposure = current * (1 - advice.target)
    achieved = _exposure(advice, book, after, book.cash)
    return Recommendation(advice, tuple(owned), (), current, wanted_exposure, achieved, tuple(orders))


def _raised(
    advice: Advice, book: Book, costs: CostModel, spendable: Decimal, sold: Mapping[str, Decimal]
) -> Recommendation:
    """Buys what is held of the class, else the first candidate with a price, up to the target and the cash there is."""
    left = {symbol: value - sold.get(symbol, ZERO) for symbol, value in book.values.items()}
    owned = [s for s in sorted(left) if left[s] > 0 and share_of(advice, s, book) > 0]
    current = _exposure(advice, book, left, spendable)
    lacking = (advice.target - current) * float(book.nav)
    absent = tuple(s for s in advice.candidates if s not in book.values and s != "CASH")
    buyable = [s for s in owned or absent if s in book.prices and share_of(advice, s, book) > 0][
        : len(owned) or 1
    ]
    orders, after, cash = [], dict(left), spendable
    for symbol in buyable if lacking > 0 else ():
        price = book.prices[symbol]
        budget = min(lacking / len(buyable) / share_of(advice, symbol, book), float(cash))
        quantity = _affordable(symbol, floor(budget / price + 1e-9), price, cash, costs)
        if quantity > 0:
            order = _order(symbol, "BUY", quantity, price, costs)
            orders.append(order)
            after[symbol] = after.get(symbol, ZERO) + order.value
            cash -= order.value + order.cost
    achieved = _exposure(advice, book, after, cash)
    idle = ("CASH",) if ExposureType.CASH in advice.exposures and spendable > 0 else ()
    return Recommendation(advice, (*owned, *idle), absent, current, advice.target, achieved, tuple(orders))


def _affordable(symbol: str, most: int, price: float, cash: Decimal, costs: CostModel) -> int:
    """The greatest number of shares, at most `most`, that the cash pays for with what they cost."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        order = _order(symbol, "BUY", middle, price, costs)
        least, most = (middle, most) if order.value + order.cost <= cash else (least, middle - 1)
    return least


def _order(symbol: str, action: Action, quantity: int, price: float, costs: CostModel) -> Order:
    signed = quantity if action == "BUY" else -quantity
    return Order(
        symbol, action, quantity, money(quantity * Decimal(str(price))), costs.cost(symbol, signed, price)
    )
