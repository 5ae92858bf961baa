"""The one cost model of the optimizer, the trade list and the backtest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite

import numpy as np

from optimizer.errors import DataError, PolicyError
from optimizer.policy import Policy
from optimizer.portfolio import Number, exact, money
from optimizer.typing import Array

BPS = 1e-4


def trade_cost(value: Number, commission: Number = 5, impact_bps: Number = 15) -> Decimal:
    """Commission + |value| x impact_bps / 10,000 in the value's currency; no trade, no cost."""
    traded = abs(exact(value))
    return money(exact(commission) + traded * exact(impact_bps) / 10_000) if traded else money(0)


@dataclass(frozen=True)
class Liquidity:
    """How one symbol trades: volume in base currency a day, volatility a day (fraction)."""

    daily_volume: float
    daily_volatility: float

    def __post_init__(self) -> None:
        if not (isfinite(self.daily_volume) and self.daily_volume > 0 and self.daily_volatility >= 0):
            raise DataError(f"{self}: the volume must be above 0 and the volatility at least 0")


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
    def of(cls, policy: Policy) -> "CostModel":
        """The policy's commission and impact."""
        return cls(commission=policy.commission, impact_bps=policy.impact_bps)

    def rate(self, *, buy: bool) -> float:
        """The linear part, a fraction of the traded value: what an optimizer charges per unit of trade."""
        return (self.impact_bps + (self.buy_tax_bps if buy else self.sell_tax_bps)) * BPS

    def cost(self, symbol: str, quantity: Number, price: Number) -> Decimal:
        """The cost of one trade of signed quantity, exact to 4 decimals; DataError without its liquidity."""
        shares = abs(exact(quantity))
        value = money(shares * exact(price))
        if not value:
            return trade_cost(0)
        tax_bps = self.buy_tax_bps if exact(quantity) > 0 else self.sell_tax_bps
        linear = value * (exact(self.impact_bps) + exact(tax_bps)) / 10_000
        rooted = self._root_cost((symbol,), np.array([float(value)]))[0] if self.root_impact else 0.0
        return money(exact(self.commission) + exact(self.per_share) * shares + linear + exact(float(rooted)))

    def costs(self, symbols: tuple[str, ...], values: Array, prices: Array | None = None) -> Array:
        """The same cost of many trades at once.

        values   (n,) signed traded values, base currency
        prices   (n,) base currency per share; needed when there is a fee per share
        returns  (n,) base currency, 0 where nothing is traded
        """
        traded = np.abs(values)
        tax_bps = np.where(values > 0, self.buy_tax_bps, self.sell_tax_bps)
        total = self.commission * (traded > 0) + traded * (self.impact_bps + tax_bps) * BPS
        if self.per_share:
            if prices is None:
                raise PolicyError("a fee per share needs prices; give them to costs()")
            total = total + self.per_share * traded / prices
        if self.root_impact:
            total = total + self._root_cost(symbols, traded)
        return np.asarray(total, dtype=np.float64)

    def _root_cost(self, symbols: tuple[str, ...], traded: Array) -> Array:
        missing = [s for s, v in zip(symbols, traded, strict=True) if v > 0 and s not in self.liquidity]
        if missing:
            raise DataError(f"no liquidity for {', '.join(missing)}; give it, or root_impact 0")
        out = np.zeros(len(symbols))
        for i in np.flatnonzero(traded):
            it = self.liquidity[symbols[i]]
            out[i] = self.root_impact * it.daily_volatility * traded[i] * np.sqrt(traded[i] / it.daily_volume)
        return out
