"""Instruments that hedge: what each gains under a scenario, and at what cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import NormalDist
from typing import Literal, get_args

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import PolicyError, check_one_of
from optimizer.model.ranges import check_between
from optimizer.risk.scenarios import FACTORS, Sensitivities
from optimizer.risk.stresses import standard_error
from optimizer.typing import Array

NORMAL = NormalDist()
DAYS = 365.0
CONTRACT = 100
BPS = 1e-4
ENDS = {
    "moneyness": (0.01, 100.0), "spread_bps": (0.0, 1e4), "carry_bps": (0.0, 1e4), "expiry_days": (1, 1e6),
    "contract": (1, 1e6),
}  # fmt: skip

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


@typed
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
        check_one_of("kind", self.kind, ("etf", "option"))
        check_one_of("side", self.side, get_args(Side))
        if self.option_type is not None:
            check_one_of("option_type", self.option_type, get_args(OptionType))
        for name, (low, high) in ENDS.items():
            check_between(f"hedge {self.symbol}: {name}", getattr(self, name), low, high)
        if strangers := sorted(set(self.against) - set(FACTORS)):
            raise PolicyError(f"hedge {self.symbol}: {strangers} are no factors; use {', '.join(FACTORS)}")

    @property
    def name(self) -> str:
        """What tells it from the others: AAPL, SPY PUT."""
        return f"{self.symbol} {self.option_type}" if self.option_type else f"{self.side} {self.symbol}"


@dataclass(frozen=True)
class Market:
    """What an instrument's underlying is worth: price in the base currency, volatility and riskless rate per year.

    >>> Market(400.0, 0.2, 0.04).volatility
    0.2
    """

    price: float
    volatility: float
    rate: float


@typed
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
        check_between("horizon_days", self.horizon_days, 0, 1e6)


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


Offer = tuple[Instrument, Quote, float]  # and what a share or contract is worth in the base currency


@dataclass(frozen=True, eq=False)
class Offers:
    """What may hedge a scenario, whatever the book: the instruments that gain by more than one standard error.

    usable   the cheapest offset first
    refused  (instrument, why) of those that gain less than they cost
    """

    usable: tuple[Offer, ...] = ()
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
