"""Exchange rates by date: of each day the freshest way from one currency to another, and how old that is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.typing import Array

Pair = tuple[str, str]
Days = npt.NDArray[np.datetime64]

# Units in which shares are quoted, as exchanges and vendors write them, by their currency: so many make one of it.
PARTS = {
    "EUR": (100, "EUC EUX EUr"),
    "GBP": (100, "GBX GBp"),
    "ILS": (100, "ILA ILs"),
    "KWD": (1000, "KWF KWd"),
    "USD": (100, "USC USX USd"),
    "ZAR": (100, "ZAC ZAc ZAr"),
}
UNITS = {unit: (main, 1 / parts) for main, (parts, units) in PARTS.items() for unit in units.split()}
# The form of a currency or unit that prices are told in.
CURRENCY = "|".join(("[A-Z]{3}", *(unit for unit in UNITS if not unit.isupper())))
# A currency -> the one that its state holds it to at one rate: a rate on record holds until another is.
PEGGED = {
    **dict.fromkeys(("AED", "BHD", "JOD", "OMR", "QAR", "SAR"), "USD"),
    **dict.fromkeys(("BAM", "BGN", "XAF", "XOF"), "EUR"),
}


def main_currency(unit: str) -> tuple[str, float]:
    """The currency of a unit, and how much of it one unit is: ("GBP", 0.01) of "GBX"."""
    return UNITS.get(unit, (unit, 1.0))


@dataclass(frozen=True, eq=False)
class Way:
    """One currency in another on some dates.

    rates  (T,) units of the other for one, NaN where no way exists yet
    told   (T,) the day of the oldest rate on the way, NaT without one; the date itself where it is a definition
    """

    rates: Array
    told: Days

    def fresher(self, other: "Way") -> "Way":
        """Of each date the one told later; this one where both are as old."""
        better = ~np.isnat(other.told) & (np.isnat(self.told) | (other.told > self.told))
        return Way(np.where(better, other.rates, self.rates), np.where(better, other.told, self.told))

    def then(self, leg: "Way") -> "Way":
        """First this way, then that one: as old as the older of the two."""
        return Way(self.rates * leg.rates, np.minimum(self.told, leg.told))

    def times(self, factor: float) -> "Way":
        """The same in another unit."""
        return Way(self.rates * factor, self.told)


@dataclass(frozen=True, eq=False)
class Leg:
    """The rates of one pair of currencies: days ascending, and units of `quote` for one `base`."""

    base: str
    quote: str
    days: Days
    rates: Array

    def newest(self, dates: Days) -> Way:
        """The newest rate on each date."""
        at = np.searchsorted(self.days, dates, side="right") - 1
        known = at >= 0
        told = (
            dates
            if PEGGED.get(self.base) == self.quote or PEGGED.get(self.quote) == self.base
            else self.days[at]
        )
        nothing = np.datetime64("NaT", "D")
        return Way(np.where(known, self.rates[at], np.nan), np.where(known, told, nothing))


@dataclass(frozen=True, eq=False)
class ExchangeRates:
    """Rates on record: (base, quote) -> days, ascending, and units of `quote` for one `base`.

    Units that are a part of a currency by definition are counted in it; a rate between the two says nothing new.
    """

    stated: Mapping[Pair, tuple[Sequence[object] | Days, Sequence[float]]]

    @cached_property
    def _legs(self) -> tuple[Leg, ...]:
        found = []
        for (base, quote), (days, rates) in sorted(self.stated.items()):
            (own, one), (other, two) = main_currency(base), main_currency(quote)
            if own != other:
                found.append(
                    Leg(own, other, np.array(days, "datetime64[D]"), np.array(rates, dtype=float) * two / one)
                )
        return tuple(found)

    def way(self, base: str, quote: str, dates: Iterable[object]) -> Way:
        """The freshest of all ways, over as many currencies as it takes; of those as fresh the one with fewest steps.

        Of each date only rates up to it count. A rate between a currency and the one it is pegged to is as fresh as the
        date.
        """
        days = np.array(dates if isinstance(dates, np.ndarray) else list(dates), "datetime64[D]")
        (start, one), (end, two) = main_currency(base), main_currency(quote)
        nowhere = Way(np.full(len(days), np.nan), np.full(len(days), "NaT", "datetime64[D]"))
        told = [(leg, leg.newest(days)) for leg in self._legs]
        steps = [(leg.base, leg.quote, known) for leg, known in told]
        steps += [(leg.quote, leg.base, Way(1 / known.rates, known.told)) for leg, known in told]
        reached = {start: Way(np.ones(len(days)), days)}
        while True:
            longer = dict(reached)
            for here, there, step in steps:
                if here in reached:
                    longer[there] = longer.get(there, nowhere).fresher(reached[here].then(step))
            if all(_as_fresh(reached.get(there, nowhere), way) for there, way in longer.items()):
                return reached.get(end, nowhere).times(one / two)
            reached = longer


def _as_fresh(one: Way, other: Way) -> bool:
    return bool(np.array_equal(one.told, other.told, equal_nan=True))
