"""The one cost model of the optimizer, the trade list and the backtest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from optimizer.arguments import typed
from optimizer.errors import DataError, PolicyError
from optimizer.model.alignment import named_holdings, named_vector
from optimizer.model.policy import Policy
from optimizer.model.portfolio import Number, exact, money
from optimizer.numerics.counted import floats
from optimizer.typing import Array

BPS = 1e-4


@typed
def trade_cost(value: Number, commission: Number = 5, impact_bps: Number = 15) -> Decimal:
    """Commission + |value| x impact_bps / 10,000 in the value's currency; no trade, no cost.

    >>> trade_cost(10_000)
    Decimal('20.0000')
    """
    traded = abs(exact(value))
    return money(exact(commission) + traded * exact(impact_bps) / 10_000) if traded else money(0)


@typed
@dataclass(frozen=True)
class Liquidity:
    """How one symbol trades: volume in base currency a day (inf: without impact), volatility a day (fraction).

    >>> Liquidity(daily_volume=1e8, daily_volatility=0.02)
    Liquidity(daily_volume=100000000.0, daily_volatility=0.02)
    """

    daily_volume: float
    daily_volatility: float

    def __post_init__(self) -> None:
        if not (self.daily_volume > 0 and isfinite(self.daily_volatility) and self.daily_volatility >= 0):
            raise DataError(f"{self}: the volume must be above 0 and the volatility at least 0")


@typed
@dataclass(frozen=True)
class CostModel:
    """What a trade costs: commission, a fee per share, spread and impact in bps, taxes, square-root impact.

    commission   base currency per trade
    per_share    base currency per share
    impact_bps   spread and linear impact, bps of the traded value
    buy_tax_bps, sell_tax_bps   bps of the value bought or sold (stamp duty, transaction fees)
    root_impact  y in the cost y x daily volatility x value x sqrt(value / daily volume)
                 (Almgren et al. 2005; Toth et al. 2011: y near 1); it needs `liquidity`
    liquidity    symbol -> Liquidity

    >>> CostModel(commission=5.0, impact_bps=15.0).cost('A', 100, 100)
    Decimal('20.0000')
    """

    commission: float = 5.0
    impact_bps: float = 15.0
    per_share: float = 0.0
    buy_tax_bps: float = 0.0
    sell_tax_bps: float = 0.0
    root_impact: float = 0.0
    liquidity: Mapping[str, Liquidity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("commission", "impact_bps", "per_share", "buy_tax_bps", "sell_tax_bps", "root_impact"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise PolicyError(f"{name} is {value}; a cost must be a number >= 0")

    @classmethod
    def of(cls, policy: Policy, liquidity: Mapping[str, Liquidity] | None = None) -> "CostModel":
        """The policy's commissions, impact and taxes on trades; `liquidity` by symbol, for its root_impact."""
        return cls(
            commission=policy.commission,
            impact_bps=policy.impact_bps,
            per_share=policy.commission_per_share,
            buy_tax_bps=policy.buy_tax_bps,
            sell_tax_bps=policy.sell_tax_bps,
            root_impact=policy.root_impact,
            liquidity=liquidity or {},
        )

    def even(self) -> bool:
        """Whether every trade costs the same whole number of money steps, so that no cost is rounded."""
        shares = (
            self.impact_bps or self.per_share or self.buy_tax_bps or self.sell_tax_bps or self.root_impact
        )
        return not shares and money(self.commission) == exact(self.commission)

    def rate(self, *, buy: bool) -> float:
        """The linear part, a fraction of the traded value: what an optimizer charges per unit of trade."""
        return (self.impact_bps + (self.buy_tax_bps if buy else self.sell_tax_bps)) * BPS

    def cost(self, symbol: str, quantity: Number, price: Number) -> Decimal:
        """The cost of one trade of signed quantity, exact to 4 decimals; DataError for no price or liquidity."""
        traded, each = exact(quantity), exact(price)
        if each < 0:
            raise DataError(f"{symbol} has the price {price}; it must not be below 0: correct the price")
        shares = abs(traded)
        value = money(shares * each)
        if not value:
            return money(0)
        commission, per_share, buy, sell = self._exact
        linear = value * (buy if traded > 0 else sell)
        if not self.root_impact:
            return money(commission + per_share * shares + linear)
        rooted = exact(float(self._root((symbol,))[0])) * value * value.sqrt()
        return money(commission + per_share * shares + linear + rooted)

    @cached_property
    def _exact(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Commission, fee per share, and the part of the value bought or sold."""
        impact = exact(self.impact_bps)
        buy, sell = impact + exact(self.buy_tax_bps), impact + exact(self.sell_tax_bps)
        return exact(self.commission), exact(self.per_share), buy / 10_000, sell / 10_000

    def costs(self, symbols: Sequence[str], values: Array, prices: Array | None = None) -> Array:
        """The same cost of many trades at once.

        values   (n,) signed traded values, base currency
        prices   (n,) base currency per share; needed when there is a fee per share
        returns  (n,) base currency, 0 where nothing is traded
        """
        values = floats("values", named_holdings("values", values, tuple(symbols)))
        if values.shape != (len(symbols),) or not np.isfinite(values).all():
            raise DataError(
                f"values are {values}; a finite amount is needed for each of {len(symbols)} symbols"
            )
        return self.curve(symbols, prices).costs(values)

    def curve(self, symbols: Sequence[str], prices: Array | None = None, nav: float = 1.0) -> "CostCurve":
        """The model's coefficients for trades given as fractions of `nav` (base currency)."""
        ones = np.ones(len(symbols))
        if not (isfinite(nav) and nav > 0):
            raise DataError(f"nav is {nav}; costs per unit of it need an amount above 0")
        prices = None if prices is None else floats("prices", named_vector("prices", prices, tuple(symbols)))
        if prices is not None and not (prices.shape == ones.shape and (prices > 0).all()):
            raise DataError(
                f"prices have shape {prices.shape}; one above 0 is needed for each of {len(ones)} symbols"
            )
        if self.per_share and prices is None:
            raise PolicyError("a fee per share needs prices; give them")
        per_value = self.per_share / prices if self.per_share and prices is not None else 0 * ones
        return CostCurve(
            fixed=ones * self.commission / nav,
            buy=per_value + self.rate(buy=True),
            sell=per_value + self.rate(buy=False),
            root=self._root(symbols) * np.sqrt(nav),
        )

    def _root(self, symbols: Sequence[str]) -> Array:
        """(n,) coefficients of |value|^1.5, base currency."""
        if not self.root_impact:
            return np.zeros(len(symbols))
        missing = [symbol for symbol in symbols if symbol not in self.liquidity]
        if missing:
            raise DataError(f"no volume is known of {', '.join(missing)}; give it, or drop root_impact")
        known = [self.liquidity[symbol] for symbol in symbols]
        return np.array([self.root_impact * it.daily_volatility / np.sqrt(it.daily_volume) for it in known])


@typed
@dataclass(frozen=True)
class CostCurve:
    """Cost of a trade t: fixed where t is not 0, + rate x |t| + root x |t|^1.5; all (n,), in t's unit.

    >>> CostModel(5.0, 10.0).curve(('A',), nav=1e5).costs(np.array([0.1])).round(6).tolist()
    [0.00015]
    """

    fixed: Array
    buy: Array
    sell: Array
    root: Array

    @cached_property
    def rooted(self) -> bool:
        """Whether any trade has an impact of the power 3/2."""
        return bool(self.root.any())

    def picked(self, order: NDArray[np.intp]) -> "CostCurve":
        """The same with its names in another order, given by their places."""
        return CostCurve(self.fixed[order], self.buy[order], self.sell[order], self.root[order])

    @cached_property
    def nothing(self) -> bool:
        """Whether every trade is free."""
        return not (self.rooted or self.fixed.any() or self.buy.any() or self.sell.any())

    def costs(self, trades: Array) -> Array:
        """(n,) costs of (n,) signed trades, NaN where a trade is; DataError for another number of them."""
        trades = floats("trades", trades)
        if trades.shape[-1:] != self.fixed.shape:
            raise DataError(f"trades have shape {trades.shape}; there are costs of {len(self.fixed)} names")
        if self.nothing:
            return np.zeros(trades.shape)
        size = np.abs(trades)
        total = self.fixed * (size > 0) + np.where(trades > 0, self.buy, self.sell) * size
        return np.asarray(total + self.root * size**1.5 if self.rooted else total, dtype=np.float64)
