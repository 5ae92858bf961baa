"""How estimates are made from prices: methods, window, frequency, what to do with gaps."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import PolicyError
from optimizer.model.estimates import check_periods, check_symbols
from optimizer.model.ranges import check_rate, checked_number


@typed
@dataclass(frozen=True)
class Recipe:
    """How estimates are made from prices; equal recipes on equal prices give equal estimates.

    lookback_days  returns between dates on which every symbol is priced, of which the last are used
    currency       of the prices
    symbols        what is estimated, in this order; () = every column of the prices
    frequency      daily: rows as they come; weekly or monthly: the last of each
    missing        "complete": the dates on which every symbol has a price; "pairwise": each pair's own
    risk_free_rate  per year, for `capm` and `semi`
    half_life      of exponential weights, in periods; None = the method's own
    periods_per_year  how many returns a year has; None = as many as the dates have (`periods_per_year` of them)

    >>> Recipe(mean_method='historical', covariance_method='oas', lookback_days=120).covariance_method
    'oas'
    """

    mean_method: str = "historical"
    covariance_method: str = "ledoit_wolf"
    lookback_days: int = 252
    currency: str = "USD"
    symbols: tuple[str, ...] = ()
    frequency: str = "daily"
    missing: str = "complete"
    risk_free_rate: float = 0.0
    half_life: float | None = None
    periods_per_year: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", () if self.symbols is None else tuple(self.symbols))
        if self.symbols:
            check_symbols(self.symbols)
        if not isinstance(self.lookback_days, int | np.integer) or self.lookback_days < 2:
            raise PolicyError(f"lookback_days is {self.lookback_days}; it must be a number of days, e.g. 252")
        for name in ("mean_method", "covariance_method", "frequency", "missing"):
            if not isinstance(getattr(self, name), str):
                raise PolicyError(f"{name} is {getattr(self, name)!r}; it must be a name, a text")
        check_rate("risk_free_rate", self.risk_free_rate)
        for name in ("half_life", "periods_per_year"):
            if getattr(self, name) is not None:
                checked_number(name, getattr(self, name))
        if self.periods_per_year is not None:
            check_periods(self.periods_per_year)

    @property
    def name(self) -> str:
        """One line that tells two recipes apart: methods, window, currency, and a digest of the symbols."""
        digest = sha256("\n".join(self.symbols).encode()).hexdigest()[:8]
        extras = [part for part in (self.frequency, self.missing) if part not in ("daily", "complete")]
        rate = [f"rf{self.risk_free_rate:g}"] if self.risk_free_rate else []
        half_life = [f"h{self.half_life:g}"] if self.half_life else []
        half_life += [f"p{self.periods_per_year:g}"] if self.periods_per_year else []
        window = f"{self.lookback_days}d"
        return "-".join(
            [
                self.mean_method,
                self.covariance_method,
                window,
                self.currency,
                *extras,
                *rate,
                *half_life,
                digest,
            ]
        )
