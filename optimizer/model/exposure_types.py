"""The markets a fund can be exposed to, and which is part of which: the tree of exposure types."""

from collections.abc import Iterable, Mapping
from enum import Enum

from optimizer.errors import PolicyError, meant


class ExposureType(Enum):
    """A market a fund can be exposed to; an amount of one counts for all its `parents` too.

    >>> ExposureType.parse('US large equity').parents[0].value
    'us_equity'
    """

    EQUITY = "equity"
    US_EQUITY = "us_equity"
    US_LARGE_EQUITY = "us_large_equity"
    US_SMALL_EQUITY = "us_small_equity"
    US_VALUE_EQUITY = "us_value_equity"
    US_SMALL_VALUE_EQUITY = "us_small_value_equity"
    US_GROWTH_EQUITY = "us_growth_equity"
    INTL_EQUITY = "intl_equity"
    INTL_DEVELOPED_EQUITY = "intl_developed_equity"
    INTL_VALUE_EQUITY = "intl_value_equity"
    EMERGING_EQUITY = "emerging_equity"
    EM_VALUE_EQUITY = "em_value_equity"
    GLOBAL_EQUITY = "global_equity"
    GOLD_MINERS_EQUITY = "gold_miners_equity"

    BONDS = "bonds"
    US_BONDS = "us_bonds"
    US_TREASURY = "us_treasury"
    US_TREASURY_SHORT = "us_treasury_short"
    US_TREASURY_INTERMEDIATE = "us_treasury_intermediate"
    US_TREASURY_LONG = "us_treasury_long"
    TIPS = "tips"
    TIPS_LONG = "tips_long"
    CREDIT = "credit"
    CREDIT_IG = "credit_ig"
    CREDIT_HY = "credit_hy"
    INTL_BONDS = "intl_bonds"
    GLOBAL_GOVERNMENT_BONDS = "global_government_bonds"
    LONG_DURATION_BONDS = "long_duration_bonds"

    CASH = "cash"

    REAL_ASSETS = "real_assets"
    COMMODITIES = "commodities"
    GOLD = "gold"
    COMMODITIES_AND_PRODUCERS = "commodities_and_producers"
    REAL_ESTATE = "real_estate"

    ALTERNATIVES = "alternatives"
    MANAGED_FUTURES = "managed_futures"
    TREND_FOLLOWING = "trend_following"
    FUTURES_CARRY = "futures_carry"
    LONG_SHORT = "long_short"
    VOLATILITY = "volatility"

    FACTORS = "factors"
    VALUE_FACTOR = "value_factor"
    MOMENTUM_FACTOR = "momentum_factor"
    QUALITY_FACTOR = "quality_factor"
    LOW_VOL_FACTOR = "low_vol_factor"
    CARRY = "carry"

    CURRENCY = "currency"
    USD = "usd"
    CRYPTO = "crypto"
    BITCOIN = "bitcoin"

    UNKNOWN = "unknown"

    @property
    def parents(self) -> tuple["ExposureType", ...]:
        """The types this one is part of, all the way up, nearest first; () at a root."""
        return _ANCESTORS[self]

    # Each member is one object: it needs no hash of its name, which millions of look-ups would work out again.
    __hash__ = object.__hash__

    @classmethod
    def parse(cls, text: str) -> "ExposureType":
        """The type of that name or value, in any case, with spaces or hyphens for underscores.

        Raises PolicyError with the nearest names, or all of them, for an unknown one.
        """
        wanted = text.strip().lower().replace(" ", "_").replace("-", "_")
        values = [kind.value for kind in cls]
        if wanted in values:
            return cls(wanted)
        raise PolicyError(f"exposure type {text!r} does not exist; {meant(wanted, values)}")


_T = ExposureType
# A type may have two parents (long Treasuries are Treasuries and long bonds); each ancestor counts it once.
_PARENTS: Mapping[ExposureType, tuple[ExposureType, ...]] = {
    _T.US_EQUITY: (_T.EQUITY,),
    _T.US_LARGE_EQUITY: (_T.US_EQUITY,),
    _T.US_SMALL_EQUITY: (_T.US_EQUITY,),
    _T.US_VALUE_EQUITY: (_T.US_EQUITY,),
    _T.US_SMALL_VALUE_EQUITY: (_T.US_SMALL_EQUITY, _T.US_VALUE_EQUITY),
    _T.US_GROWTH_EQUITY: (_T.US_EQUITY,),
    _T.INTL_EQUITY: (_T.EQUITY,),
    _T.INTL_DEVELOPED_EQUITY: (_T.INTL_EQUITY,),
    _T.INTL_VALUE_EQUITY: (_T.INTL_EQUITY,),
    _T.EMERGING_EQUITY: (_T.INTL_EQUITY,),
    _T.EM_VALUE_EQUITY: (_T.EMERGING_EQUITY,),
    _T.GLOBAL_EQUITY: (_T.EQUITY,),
    _T.GOLD_MINERS_EQUITY: (_T.EQUITY,),
    _T.US_BONDS: (_T.BONDS,),
    _T.US_TREASURY: (_T.US_BONDS,),
    _T.US_TREASURY_SHORT: (_T.US_TREASURY,),
    _T.US_TREASURY_INTERMEDIATE: (_T.US_TREASURY,),
    _T.US_TREASURY_LONG: (_T.US_TREASURY, _T.LONG_DURATION_BONDS),
    _T.TIPS: (_T.US_BONDS,),
    _T.TIPS_LONG: (_T.TIPS, _T.LONG_DURATION_BONDS),
    _T.CREDIT: (_T.BONDS,),
    _T.CREDIT_IG: (_T.CREDIT,),
    _T.CREDIT_HY: (_T.CREDIT,),
    _T.INTL_BONDS: (_T.BONDS,),
    _T.GLOBAL_GOVERNMENT_BONDS: (_T.BONDS,),
    _T.LONG_DURATION_BONDS: (_T.BONDS,),
    _T.COMMODITIES: (_T.REAL_ASSETS,),
    _T.GOLD: (_T.COMMODITIES,),
    _T.COMMODITIES_AND_PRODUCERS: (_T.REAL_ASSETS,),
    _T.REAL_ESTATE: (_T.REAL_ASSETS,),
    _T.MANAGED_FUTURES: (_T.ALTERNATIVES,),
    _T.TREND_FOLLOWING: (_T.MANAGED_FUTURES,),
    _T.FUTURES_CARRY: (_T.ALTERNATIVES,),
    _T.LONG_SHORT: (_T.ALTERNATIVES,),
    _T.VOLATILITY: (_T.ALTERNATIVES,),
    _T.VALUE_FACTOR: (_T.FACTORS,),
    _T.MOMENTUM_FACTOR: (_T.FACTORS,),
    _T.QUALITY_FACTOR: (_T.FACTORS,),
    _T.LOW_VOL_FACTOR: (_T.FACTORS,),
    _T.CARRY: (_T.FACTORS,),
    _T.USD: (_T.CURRENCY,),
    _T.BITCOIN: (_T.CRYPTO,),
}


def _ancestors(kind: ExposureType) -> tuple[ExposureType, ...]:
    found: list[ExposureType] = []
    layer = list(_PARENTS.get(kind, ()))
    while layer:
        found += [above for above in layer if above not in found]
        layer = [higher for above in layer for higher in _PARENTS.get(above, ())]
    return tuple(found)


_ANCESTORS = {kind: _ancestors(kind) for kind in ExposureType}
PLACES = {kind: place for place, kind in enumerate(ExposureType)}


def in_order(kinds: Iterable[ExposureType]) -> tuple[ExposureType, ...]:
    """The types, each once, in the order of ExposureType."""
    return tuple(sorted(set(kinds), key=PLACES.__getitem__))


def lowest_of(own: ExposureType, kinds: tuple[ExposureType, ...]) -> tuple[ExposureType, ...]:
    """The one of the kinds that the type counts for: itself, else the lowest above it; () for none."""
    above = [kind for kind in (own, *own.parents) if kind in kinds]
    lowest = tuple(kind for kind in above if not any(kind in lower.parents for lower in above))
    if len(lowest) > 1:
        raise PolicyError(
            f"{own.value} is part of {' and of '.join(kind.value for kind in lowest)}, and would count twice; "
            f"leave one of these out, or list {own.value} itself"
        )
    return lowest
