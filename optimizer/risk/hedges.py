"""Hedges against a scenario: what gains under it, at what cost, chosen and sized for the least loss left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, floor, log, sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np

from optimizer.errors import PolicyError
from optimizer.risk.scenarios import FACTORS, Sensitivities, Stress, applied_moves, standard_error
from optimizer.typing import Array

NORMAL = NormalDist()
DAYS = 365.0
CONTRACT = 100
BPS = 1e-4
MATERIAL = 0.05

Side = Literal["BUY", "SELL"]
OptionType = Literal["PUT", "CALL"]


def black_scholes(
    option: OptionType, spot: float, strike: float, years: float, volatility: float, rate: float
) -> float:
    """Value of a European option per unit of the underlying, without dividends (Black & Scholes 1973).

    volatility, rate  per year, the rate simple; at expiry or without volatility the discounted payoff
    """
    discount = exp(-log(1 + rate) * years)
    sign = 1 if option == "CALL" else -1
    spread = volatility * sqrt(max(years, 0.0))
    if spread <= 0:
        return max(sign * (spot - strike * discount), 0.0)
    d1 = (log(spot / (strike * discount)) + spread**2 / 2) / spread
    return sign * (spot * NORMAL.cdf(sign * d1) - strike * discount * NORMAL.cdf(sign * (d1 - spread)))


@dataclass(frozen=True)
class Instrument:
    """Something the desk may use as a hedge.

    against      the factors whose losses it is meant for
    option_type  None for the fund itself
    moneyness    strike / spot;  expiry_days  calendar days, of an option
    spread_bps   cost of dealing, of the notional; of an option's premium
    contract     units of the underlying that one option is on
    carry_bps    per year of the notional, while it is held: borrowing a fund sold short, financing one bought

    >>> Instrument('SPY', 'option', 'BUY', ('equity',), 'PUT').name
    'SPY PUT'
    """

    symbol: str
    kind: Literal["etf", "option"]
    side: Side
    against: tuple[str, ...]
    option_type: OptionType | None = None
    moneyness: float = 1.0
    expiry_days: int = 90
    spread_bps: float = 5.0
    carry_bps: float = 0.0
    contract: int = CONTRACT

    def __post_init__(self) -> None:
        if (self.kind == "option") != (self.option_type is not None) or (
            self.kind == "option" and self.side != "BUY"
        ):
            raise PolicyError(
                f"hedge {self.symbol}: an option has an option_type and is bought; a fund has none"
            )
        if strangers := sorted(set(self.against) - set(FACTORS)):
            raise PolicyError(f"hedge {self.symbol}: {strangers} are no factors; use {', '.join(FACTORS)}")

    @property
    def name(self) -> str:
        """What tells it from the others: AAPL, SPY PUT."""
        return f"{self.symbol} {self.option_type}" if self.option_type else f"{self.side} {self.symbol}"


@dataclass(frozen=True)
class Market:
    """What an instrument's underlying is worth: price in the base currency, volatility and riskless rate per year."""

    price: float
    volatility: float
    rate: float


@dataclass(frozen=True)
class HedgeLimits:
    """How much may be spent and done.

    max_cost_bps  of the NAV, over the horizon;  max_count  instruments
    max_share     of the loss due to its factors that one instrument may cover
    target        of the loss to be covered;  horizon_days  for which carry is paid

    >>> HedgeLimits(max_cost_bps=50.0).max_count
    3
    """

    max_cost_bps: float = 100.0
    max_count: int = 3
    max_share: float = 0.6
    target: float = 1.0
    horizon_days: int = 90

    def __post_init__(self) -> None:
        if not (
            self.max_cost_bps >= 0
            and self.max_count >= 0
            and 0 < self.max_share <= 1
            and 0 <= self.target <= 1
        ):
            raise PolicyError(
                f"{self}: cost and count are >= 0, max_share and target are shares of the loss, 0 to 1"
            )


@dataclass(frozen=True)
class Quote:
    """What a unit of an instrument's notional does under one scenario; all fractions of the notional.

    gain      under the scenario;  error  its standard error;  cost  of holding it over the horizon
    premium   of an option, per unit of the underlying's price
    """

    gain: float
    error: float
    cost: float
    premium: float | None = None
    strike: float | None = None


def quote(
    instrument: Instrument,
    market: Market,
    sensitivities: Sensitivities,
    moves: Array,
    limits: HedgeLimits,
    real: float | None = None,
) -> Quote:
    """Gain and cost of an instrument when the factors move by `moves` (k,) at once.

    real  the underlying's real return where the scenario is replayed, a fraction
    An option is revalued the moment after: at the new price, and at its volatility times the volatility's move.
    """
    sens = sensitivities.of((instrument.symbol,))
    growth, error = 1 + (real or 0.0), 0.0
    if real is None:
        growth = float(np.exp(sens.values[0] @ moves))
        error = growth * standard_error(np.ones(1), sens, moves)
    if instrument.option_type is None:
        side = 1 if instrument.side == "BUY" else -1
        carry = instrument.carry_bps * limits.horizon_days / DAYS
        return Quote(side * (growth - 1), error, (instrument.spread_bps + carry) * BPS)
    option, years = instrument.option_type, instrument.expiry_days / DAYS
    after = market.volatility * float(np.exp(moves[FACTORS.index("volatility")]))

    def value(spot: float, volatility: float) -> float:
        return black_scholes(option, spot, instrument.moneyness, years, volatility, market.rate)

    premium = value(1.0, market.volatility)
    steeper = abs(value(growth * 1.001, after) - value(growth / 1.001, after)) / (0.002 * growth)
    return Quote(
        value(growth, after) - premium, steeper * error, premium * (1 + instrument.spread_bps * BPS), premium,
        instrument.moneyness * market.price,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Offers:
    """What may hedge a scenario, whatever the book: the instruments that gain by more than one standard error.

    usable   (instrument, its quote, what a share or contract is worth in the base currency); cheapest offset first
    refused  (instrument, why) of those that gain less than they cost
    """

    usable: tuple[tuple[Instrument, Quote, float], ...] = ()
    refused: tuple[tuple[Instrument, str], ...] = ()


def offers_of(
    instruments: Sequence[Instrument],
    markets: Mapping[str, Market],
    sensitivities: Sensitivities,
    moves: Array,
    limits: HedgeLimits,
    replayed: Mapping[str, float] | None = None,
) -> Offers:
    """What `quote` says of each instrument with a market, when the factors move by `moves` (k,) at once.

    replayed  as in `plan_hedges`
    """
    real, usable, refused = replayed or {}, [], []
    for one in instruments:
        if one.symbol not in markets:
            continue
        market = markets[one.symbol]
        found = quote(one, market, sensitivities, moves, limits, real.get(one.symbol))
        if found.gain - found.error > 0 and found.gain > found.cost:
            usable.append((one, found, market.price * (one.contract if one.option_type else 1)))
        elif found.gain - found.error > 0:
            costs = f"it costs {found.cost:.2%} of its notional and brings {found.gain:.2%}"
            refused.append((one, f"{one.name} is left out: {costs}"))
    usable.sort(key=lambda offer: (offer[1].cost / (offer[1].gain - offer[1].error), offer[0].name))
    return Offers(tuple(usable), tuple(refused))


@dataclass(frozen=True)
class Hedge:
    """One hedge, in whole shares or contracts; money in the base currency.

    notional     of the underlying;  exposure  the notional that would offset its factors' whole loss
    hedge_ratio  notional / exposure;  offset  gain under the scenario;  cost  over the horizon
    """

    instrument: Instrument
    quote: Quote
    quantity: int
    notional: float
    hedge_ratio: float
    offset: float
    standard_error: float
    cost: float

    @property
    def exposure(self) -> float:
        """The notional that would offset the whole loss due to its factors."""
        return self.notional / self.hedge_ratio


@dataclass(frozen=True)
class HedgePlan:
    """The hedges against one scenario; the loss is positive money, and so is what is left of it."""

    hedges: tuple[Hedge, ...]
    loss: float
    notes: tuple[str, ...] = ()

    @cached_property
    def offset(self) -> float:
        """What the hedges gain together."""
        return sum([hedge.offset for hedge in self.hedges])

    @property
    def residual(self) -> float:
        """Loss less offset."""
        return self.loss - self.offset

    @cached_property
    def cost(self) -> float:
        """What the hedges cost together."""
        return sum([hedge.cost for hedge in self.hedges])


def plan_hedges(
    stressed: Stress,
    nav: float,
    instruments: Sequence[Instrument],
    markets: Mapping[str, Market],
    sensitivities: Sensitivities,
    limits: HedgeLimits,
    replayed: Mapping[str, float] | None = None,
) -> HedgePlan:
    """The hedges that leave the least loss within the limits, and of those the cheapest.

    replayed  symbol -> real return over the scenario's window; instruments without one move by sensitivity
    An instrument is used only against factors that cost the book something, and only if it gains by more than
    one standard error, and more than it costs; one that does not is noted. With a cost per unit of offset each, a
    cap each and one budget this is the continuous knapsack, where taking the cheapest offset first is optimal
    (Dantzig 1957); whole units are rounded down, so that no hedge covers more than its share. Instruments against
    the same factor share that factor's loss.

    >>> stressed = stress({'EQUITY': -100.0}, sensitivities, Scenario('down', 'fall', {'equity': -0.1}))
    >>> plan_hedges(stressed, 1e3, [], {}, sensitivities, HedgeLimits()).notes
    ('The portfolio does not lose under this scenario; no hedge is needed',)
    """
    if stressed.total >= 0:
        return plan_by(Offers(), stressed, nav, limits)
    moves = applied_moves(stressed.scenario, sensitivities)
    offers = offers_of(instruments, markets, sensitivities, moves, limits, replayed)
    return plan_by(offers, stressed, nav, limits)


def plan_by(offers: Offers, stressed: Stress, nav: float, limits: HedgeLimits) -> HedgePlan:
    """`plan_hedges` by the `offers_of` the instruments, where they are known already."""
    loss = -stressed.total
    if loss <= 0:
        return HedgePlan((), 0.0, ("The portfolio does not lose under this scenario; no hedge is needed",))
    # a replayed loss is not told apart by factor: any of them may be its cause
    untold = max(-sum([stressed.profits[symbol] for symbol in stressed.replayed]), 0.0)
    causes = {f: max(-profit, 0.0) + untold for f, profit in stressed.by_factor.items()}
    hurt = {f: due for f, due in causes.items() if due > MATERIAL * loss} or dict.fromkeys(FACTORS, loss)
    hedges, notes = _filled(offers, hurt, loss, limits.max_cost_bps * BPS * nav, limits)
    notes += [why for instrument, why in offers.refused if not hurt.keys().isdisjoint(instrument.against)]
    return HedgePlan(tuple(hedges), loss, tuple(notes))


def _filled(
    offers: Offers, hurt: Mapping[str, float], loss: float, budget: float, limits: HedgeLimits
) -> tuple[list[Hedge], list[str]]:
    """The hedges, and why others are none.

    hurt  factor -> loss due to it;  budget  what they may cost together
    """
    hedges: list[Hedge] = []
    notes: list[str] = []
    left, open_losses, usable = loss * limits.target, dict(hurt), False
    for instrument, found, unit in offers.usable:
        if len(hedges) == limits.max_count:
            break
        own = [factor for factor in instrument.against if factor in hurt]
        if not own:
            continue
        usable = True
        due, still = sum([hurt[factor] for factor in own]), sum([open_losses[factor] for factor in own])
        wanted = min(left, limits.max_share * min(due, loss), still)
        notional = min(wanted / found.gain, budget / found.cost if found.cost > 0 else np.inf)
        quantity = floor(notional / unit + 1e-9)
        if quantity < 1:
            if wanted > MATERIAL * loss:
                notes.append(
                    f"{instrument.name} is left out: one unit is {unit:,.0f}, {notional:,.0f} could be used"
                )
            continue
        hedge = _hedge(instrument, found, quantity, quantity * unit, min(due, loss))
        hedges.append(hedge)
        left, budget = left - hedge.offset, budget - hedge.cost
        share = hedge.offset / still
        for factor in own:
            open_losses[factor] *= 1 - share
    if not usable:
        notes.append(
            "No instrument of the catalogue that the pack prices gains more than it costs under this scenario"
        )
    return hedges, notes


def _hedge(instrument: Instrument, found: Quote, quantity: int, notional: float, due: float) -> Hedge:
    offset = notional * found.gain
    error, cost = notional * found.error, notional * found.cost
    return Hedge(instrument, found, quantity, notional, offset / due, offset, error, cost)
