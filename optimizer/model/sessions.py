"""The sessions of a set of names: dates on which all are priced, how many make a year, and whose gaps cost the set."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, tzinfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.errors import DataError, PolicyError
from optimizer.typing import Array

Dates = pd.Index | npt.NDArray[np.datetime64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

TRADING_DAYS = 252
FREQUENCIES = {
    "daily": TRADING_DAYS, "seven-day": 365, "weekly": 52, "monthly": 12, "quarterly": 4, "yearly": 1,
}  # fmt: skip
YEAR = 365.25
STEPS = ((7, 7, 52), (28, 31, 12), (89, 92, 4), (365, 366, 1))  # days from, to, and such periods a year
# National calendars have 240 to 261 sessions; a window begins and ends a weekend or a few holidays off.
NEAR_SHARE, NEAR_DAYS = 0.05, 4.5
COSTLY = 1 / 3
EPOCH = date(1970, 1, 1).toordinal()


def periods_per_year(dates: Dates, undated: float = TRADING_DAYS) -> float:
    """How many periods of (T,) ascending dates make a year; `undated` where they are no dates, or fewer than two.

    The standard number (252 sessions, 365 days, 52 weeks, 12 months, 4 quarters, 1 year) whose T - 1 periods would
    take as long as the dates do, within 5% or four and a half days; of several the nearest. Else what the dates count.
    Raises DataError for dates that descend, or are all the same.
    """
    ends = _days(dates[[0, -1]]) if len(dates) > 1 else None
    if ends is None:
        return float(undated)
    periods, span = len(dates) - 1, float(ends[1] - ends[0])
    if span <= 0:
        told = "descend; sort them: sort_index()" if span else "are all the same; give each row its own"
        raise DataError(f"the dates {told}")
    away, nearest = min((abs(span - periods * YEAR / number), number) for number in FREQUENCIES.values())
    if nearest == 365 and not _seven_day(dates):
        away, nearest = abs(span - periods * YEAR / TRADING_DAYS), TRADING_DAYS
    return float(nearest) if away <= max(NEAR_SHARE * span, NEAR_DAYS) else periods * YEAR / span


def usual_periods(dates: Dates) -> float:
    """The standard number of periods a year by the middle one of the steps between (T,) dates; 0 where it is none."""
    days = _days(dates)
    if days is None or len(days) < 2:
        return 0.0
    step = float(np.median(np.diff(np.floor(days))))
    if step == 1.0:
        return 365.0 if _seven_day(dates) else float(TRADING_DAYS)
    return float(next((number for low, high, number in STEPS if low <= step <= high), 0))


def frequency_of(periods: float) -> str:
    """ "daily", "weekly", ... for a standard number of periods a year, "" for another."""
    return next((name for name, number in FREQUENCIES.items() if number == periods), "")


def common_rows(prices: Array, last: int | None = None) -> Rows:
    """The rows of (T, n) prices in which every name has one; the `last` of them only, where told."""
    recent = prices if last is None else prices[-last:]
    if not np.isnan(recent.sum()):
        return np.arange(len(prices) - len(recent), len(prices))
    found = np.flatnonzero(~np.isnan(prices).any(axis=1))
    return found if last is None else found[-last:]


def session_rows(priced: Flags, dates: Dates) -> Flags:
    """(T,) True on the dates on which at least half of the names are priced (T, n); their gaps are judged on these.

    A Saturday or Sunday is none where some name is seldom priced on it: that is its calendar and no gap.
    """
    usual = np.asarray(2 * priced.sum(axis=1) >= priced.shape[1])
    weekend = _weekend(_days(dates))
    if weekend.any() and (2 * priced[weekend].sum(axis=0) < weekend.sum()).any():
        usual &= ~weekend
    return usual | priced.all(axis=1)


def alive(priced: Flags) -> slice:
    """The rows of (T, n) from the first on which every name has had a price."""
    return slice(int(priced.argmax(axis=0).max(initial=0)) if len(priced) else 0, None)


def costly_gaps(
    priced: Flags, dates: Dates, symbols: Sequence[str], kept: Collection[str] = ()
) -> dict[str, tuple[int, int]]:
    """The names without which a set has its dates again: symbol -> (sessions that it lacks, of so many).

    priced  (T, n) of the symbols;  kept  names that stay whatever they cost: the others are judged beside them
    One after the other, the one that lacks the most first, until all the others are priced on two thirds of the
    sessions. What lies before a name's first price is no gap.
    """
    left, found = list(range(len(symbols))), dict[str, tuple[int, int]]()
    while len(left) > 1 and len(priced):
        own = priced[:, left]
        rows = alive(own)
        lacking = ~own[rows][session_rows(own[rows], dates[rows])]
        able = [place for place, column in enumerate(left) if symbols[column] not in kept]
        if lacking[:, able].any(axis=1).sum() <= COSTLY * len(lacking):
            break
        counts = lacking.sum(axis=0)
        worst = max(able, key=lambda place: (counts[place], symbols[left[place]]))
        found[symbols[left.pop(worst)]] = (int(counts[worst]), len(lacking))
    return found


def as_dates(what: str, labels: pd.Index) -> pd.DatetimeIndex:
    """(T,) labels as dates without a zone, of a period its first day; DataError for labels that are no dates.

    >>> as_dates('rates', pd.period_range('2024-01', periods=2, freq='M')).strftime('%m-%d').tolist()
    ['01-01', '02-01']
    """
    if labels.hasnans:
        at = int(np.flatnonzero(labels.isna())[0])
        raise DataError(f"{what}: the label at place {at} is missing; give its date")
    found = _plain_dates(labels)
    if not isinstance(found, pd.DatetimeIndex):
        raise DataError(
            f"{what}: the labels are {labels.inferred_type}; dates are needed: pandas.to_datetime"
        )
    return found


def days_of(dates: Iterable[date]) -> npt.NDArray[np.datetime64]:
    """(T,) dates as numpy counts with them; told to it as dates they take seventy times as long.

    >>> days_of([date(2024, 1, 31)]).tolist() == [date(2024, 1, 31)]
    True
    """
    ordinals = np.array([day.toordinal() for day in dates], np.int64)
    return (ordinals - EPOCH).view("datetime64[D]")


def as_day(what: str, day: object, zone: tzinfo | None = None) -> pd.Timestamp:
    """One day, given as a date or a text like 2024-01-31, in a zone; PolicyError for anything else.

    >>> as_day('start_date', '2024-01-31').day
    31
    """
    try:
        found = pd.Timestamp(day) if isinstance(day, date | str | np.datetime64) else None
    except ValueError:
        found = None
    if found is None or pd.isna(found):
        raise PolicyError(f"{what} is {day!r}; give a date, like 2024-01-31")
    return found.tz_localize(None).tz_localize(zone)


def _plain_dates(dates: Dates) -> Dates:
    index = dates.to_timestamp() if isinstance(dates, pd.PeriodIndex) else dates
    if isinstance(index, pd.Index) and index.dtype == object and index.inferred_type in ("date", "datetime"):
        index = pd.DatetimeIndex(index)
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        index = index.tz_localize(None)
    return index


def _days(dates: Dates) -> Array | None:
    """(T,) days since 1970, with fractions; None where they are no dates."""
    values = np.asarray(_plain_dates(dates))
    if values.dtype.kind != "M":
        return None
    return np.asarray((values - np.datetime64("1970-01-01")) / np.timedelta64(1, "D"))


def _seven_day(dates: Dates) -> bool:
    """Whether dates are of more than five days of the week, but for one in twenty: Mumbai has sessions on Saturdays.

    From Sunday to Thursday is a week of sessions too.
    """
    days = _days(dates)
    if days is None:
        return False
    times = np.unique(np.floor(days) % 7, return_counts=True)[1]
    return int((times > len(days) / 20).sum()) > 5


def _weekend(days: Array | None) -> Flags:
    """(T,) True on Saturdays and Sundays: 1970-01-01 was a Thursday."""
    return np.asarray((np.floor(np.zeros(0) if days is None else days) + 3) % 7 >= 5)
