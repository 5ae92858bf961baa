"""Numbers, days and percentages as a desk writes them: what every file that it edits is made of."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# A weight limit between 0 and 1 percent is more likely a fraction written where percent belongs.
AMBIGUOUS = "is {value} percent; for {percent:g}% write {percent:g}, or use a value of at least 1"

Percent = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(le=100_000)]  # of days or names: more is a slip, and no calendar holds it
Most = Annotated[Percent, Field(le=1000)]  # of the NAV or per year: more is a slip
Rate = Annotated[Most, Field(ge=-1000)]
Share = Annotated[Most, Field(ge=0)]
RateRange = tuple[Rate | None, Rate | None]
ShareRange = tuple[Share | None, Share | None]
PercentRange = tuple[Percent | None, Percent | None]


def _unquoted(value: Any) -> Any:
    """A date in quotes is the date, as it is without them."""
    return date.fromisoformat(value) if isinstance(value, str) and ISO_DAY.fullmatch(value) else value


ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.A)
Day = Annotated[date, BeforeValidator(_unquoted)]


class Strict(BaseModel):
    """Unknown keys, NaN and silent conversions are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def fraction(percent: float | None) -> float | None:
    """15 percent -> 0.15."""
    return None if percent is None else percent / 100


def no_fraction(percent: float | None, whose: str = "") -> None:
    """Raises ValueError for a percentage that is more likely a fraction."""
    if percent is not None and 0 < percent < 1:
        raise ValueError(whose + AMBIGUOUS.format(value=percent, percent=100 * percent))


def in_fractions(percent: Any) -> Any:
    """A percentage, or each one of a range or by name, as a fraction; None stays."""
    if isinstance(percent, dict):
        return {name: in_fractions(one) for name, one in percent.items()}
    return tuple(map(fraction, percent)) if isinstance(percent, tuple) else fraction(percent)
