"""Risk-free rates that are old, or that no fraction per year may be: told in percent, or for a day or a month."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from optimizer.typing import Array
from resources.ledger.ledger import Connection

Fault = tuple[str, str | None, date | None, float | None, str]
TIMES, LEAST_MOVE = 8.0, 0.003  # a move is doubted where it is this many times, and this much, a year
HIGHEST = 0.25  # per year; a half may be half a percent
LOWEST = 0.09  # per year: that a currency's rates never reach in years, if it is what their periods add up to
DAILY, MONTHS = 100.0, 20.0  # rows a year: of days above the one, of months below the other
YEARS = {True: 2.0, False: 10.0}  # by whether they are of days: how long rates must be so low
YEAR = 365.25


def interest_faults(
    con: Connection, as_of: date, watermark: int, allowed: int, since: date
) -> Iterator[Fault]:
    """(code, symbol, date, value, message) of each currency's rates.

    allowed  days that the newest of several may be old;  since: moves before that day are not told again
    """
    rows = con.execute(
        "select currency, date, rate, min(date) over (partition by currency) as first from risk_free_rates "
        "where date <= $1 and ingest_seq <= $2 qualify date > $3 "
        "and row_number() over (partition by currency, date order by ingest_seq desc) = 1 order by all",
        [as_of, watermark, as_of - timedelta(days=YEAR * (YEARS[False] + 1))],
    ).fetchall()
    if not rows:
        return
    for currency, told in groupby(rows, key=itemgetter(0)):
        _, days, rates, first = (list(column) for column in zip(*told, strict=True))
        if first[0] < days[-1] and (age := (as_of - days[-1]).days) > allowed:
            message = (
                f"the newest risk-free rate of {currency} is of {days[-1]}, {age} days before {as_of}; {allowed} are "
                f"allowed"
            )
            yield "STALE_RATE", None, days[-1], float(age), message
        yield from _moved(currency, days, np.array(rates, dtype=np.float64), since)
        yield from _units(currency, days, np.array(rates, dtype=np.float64), first[0])


def _moved(currency: str, days: Sequence[date], rates: Array, since: date) -> Iterator[Fault]:
    """Recent rates many times the one before, or a part of it: rates for a day beside rates for a year."""
    for place in range(1, len(days)):
        before, now = rates[place - 1 : place + 1]
        low, high = min(before, now), max(before, now)
        if days[place] >= since and low >= 0 and high > TIMES * low and high - low > LEAST_MOVE:
            message = (
                f"risk_free_rates: {currency} is {now:g} on {days[place]} and was {before:g} on {days[place - 1]}; "
                f"rates are fractions per year: is one of them in percent, or for a day or a month? It is used; "
                f"correct it there if it is not true"
            )
            yield "RATE_DOUBTED", None, days[place], float(now), message


def _units(currency: str, days: Sequence[date], rates: Array, first: date) -> Iterator[Fault]:
    """Rates that are percent, or what a day or a month earned, from the first on: no move shows it."""
    if rates[-1] > HIGHEST:
        message = (
            f"the risk-free rate of {currency} is {rates[-1]:g} per year on {days[-1]}: is it in percent? Then write "
            f"{rates[-1] / 100:g}"
        )
        yield "RATE_UNITS", None, days[-1], float(rates[-1]), message
        return
    numbers: npt.NDArray[np.int64] = np.array([day.toordinal() for day in days])
    for daily, years in YEARS.items():
        recent = rates[numbers > numbers[-1] - years * YEAR]
        a_year, high = recent.size / years, float(recent.max())
        if (days[-1] - first).days < years * YEAR or (a_year > DAILY) != daily or recent.min() < 0:
            continue
        if 0 < high < LOWEST / a_year:
            period = "day" if daily else "month" if a_year < MONTHS else "week"
            times = round(a_year)
            message = (
                f"no risk-free rate of {currency} passes {high:g} in the {years:g} years to {days[-1]}: is each of a "
                f"{period}? They are fractions per year, of which (1 + {high:g}) ** {times} - 1 = "
                f"{(1 + high) ** times - 1:.4f} would be one"
            )
            yield "RATE_UNITS", None, days[-1], high, message
