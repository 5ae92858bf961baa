"""Rates that are old; rates and caps that contradict others, units or a definition; prices that change currency."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from optimizer.errors import how_many
from optimizer.model.exchange_rates import ExchangeRates, main_currency
from optimizer.typing import Array
from resources.ledger.ledger import Connection

RECENT = timedelta(days=14)
DEFINED = 1e-6  # relative difference of a stated rate from its definition
# Times the one before it, or a part of it: beyond, another unit or pair is meant.
RATE_MOVE, CAP_MOVE = (1.5, 20.0)
INVERSE = 0.02  # relative difference of the rates of a day that two directions of a pair tell

Fault = tuple[str, str | None, date | None, float | None, str]
TIMES, LEAST_MOVE = 8.0, 0.003  # a move is doubted where it is this many times, and this much, a year
HIGHEST = 0.25  # per year; a half may be half a percent
LOWEST = 0.09  # per year: that a currency's rates never reach in years, if it is what their periods add up to
DAILY, MONTHS = 100.0, 20.0  # rows a year: of days above the one, of months below the other
YEARS = {True: 2.0, False: 10.0}  # by whether they are of days: how long rates must be so low
YEAR = 365.25


def rate_faults(
    con: Connection, as_of: date, watermark: int, rate_days: int, fx_days: int
) -> Iterator[Fault]:
    """(code, symbol, date, value, message) of each; the days are the greatest age that is not stale."""
    yield from _exchange(con, as_of, watermark, fx_days)
    yield from _moved(con, as_of, watermark)
    yield from _contradicting(con, as_of, watermark)
    yield from interest_faults(con, as_of, watermark, rate_days, as_of - RECENT)
    yield from _changes(con, as_of, watermark)


def _exchange(con: Connection, as_of: date, watermark: int, allowed: int) -> Iterator[Fault]:
    """Pairs between which even the freshest way is old, and rates that contradict what a unit is."""
    rows = con.execute(
        "select base, quote, max(date), arg_max(rate, (date, ingest_seq)) from fx_rates "
        "where date <= ? and ingest_seq <= ? group by base, quote order by 1, 2",
        [as_of, watermark],
    ).fetchall()
    rates = ExchangeRates({(base, quote): ([day], [rate]) for base, quote, day, rate in rows})
    told: set[frozenset[str]] = set()
    for base, quote, newest, rate in rows:
        (own, one), (other, two) = main_currency(base), main_currency(quote)
        if own == other:
            if abs(rate * two / one - 1) > DEFINED:
                message = (
                    f"the exchange rate {base}/{quote} is on record as {rate:g}; it is {one / two:g} by definition, "
                    f"which is used: take the rate out of fx_rates"
                )
                yield "UNIT_RATE", None, newest, float(rate), message
            continue
        if (pair := frozenset((own, other))) not in told:
            told.add(pair)
            freshest = rates.way(base, quote, [as_of]).told[0].astype(object)
            yield from _stale(f"exchange rate {base}/{quote}", freshest, as_of, allowed)


MOVED = """
    with told as (
        select {name} as name, date, arg_max({value}, ingest_seq)::double as value from {log}
        where date between $3::date - {back} and $1 and ingest_seq <= $2 group by all
    ), steps as (
        select *, lag(value) over own as before, lag(date) over own as eve from told
        window own as (partition by name order by date)
    )
    select name, date, value, before, eve from steps
    where date >= $3 and before > 0 and value > 0 and greatest(value / before, before / value) > {most} order by all
"""
WATCHED = {  # code -> what is asked for
    "RATE_DOUBTED": {
        "log": "fx_rates", "name": "base || '/' || quote", "value": "rate", "back": 60, "most": RATE_MOVE
    },
    "CAP_DOUBTED": {
        "log": "market_caps", "name": "symbol || ' in ' || currency", "value": "market_cap", "back": 400,
        "most": CAP_MOVE,
    },
}  # fmt: skip

# Another company has the symbol since.
PASSED_ON = (
    "select 1 from stated_actions(?) where symbol = ? and date > ? and date <= ? "
    "and kind in ('rename', 'merger', 'delisting')"
)


def _moved(con: Connection, as_of: date, watermark: int) -> Iterator[Fault]:
    """Recent rates and caps that are many times the one before, or a part of it: in another unit, or inverted?"""
    for code, asked in WATCHED.items():
        rows = con.execute(MOVED.format(**asked), [as_of, watermark, as_of - RECENT]).fetchall()
        for name, day, value, before, eve in rows:
            message = (
                f"{asked['log']}: {name} is {value:g} on {day} and was {before:g} on {eve}: another unit, or the other "
                f"way round? It is used; correct it there if it is not true"
            )
            symbol = name.partition(" in ")[0] if code == "CAP_DOUBTED" else None
            if symbol and con.execute(PASSED_ON, [watermark, symbol, eve, day]).fetchall():
                continue
            yield code, symbol, day, float(value), message


def _contradicting(con: Connection, as_of: date, watermark: int) -> Iterator[Fault]:
    """Recent rates of both directions of a pair that are not the inverse of each other."""
    rows = con.execute(
        """
        with told as (
            select base, quote, date, arg_max(rate, ingest_seq) as rate from fx_rates
            where date between $3 and $1 and ingest_seq <= $2 group by all
        )
        select a.base, a.quote, max(a.date), arg_max(a.rate, a.date), arg_max(b.rate, a.date)
        from told a join told b on a.base = b.quote and a.quote = b.base and a.date = b.date
        where a.base < a.quote and abs(a.rate * b.rate - 1) > $4 group by all order by all
        """,
        [as_of, watermark, as_of - RECENT, INVERSE],
    ).fetchall()
    for base, quote, day, rate, inverse in rows:
        if main_currency(base)[0] == main_currency(quote)[0]:
            continue  # a definition, told as UNIT_RATE
        message = (
            f"fx_rates tell {base}/{quote} as {rate:g} and {quote}/{base} as {inverse:g} on {day}: one is not the "
            f"inverse of the other; correct one of them"
        )
        yield "RATE_DOUBTED", None, day, float(rate), message


def _stale(name: str, newest: date, as_of: date, allowed: int) -> Iterator[Fault]:
    if (age := (as_of - newest).days) > allowed:
        message = (
            f"the newest {name} is of {newest}, {how_many(age, 'day')} before {as_of}; {allowed} are allowed"
        )
        yield "STALE_RATE", None, newest, float(age), message


def _changes(con: Connection, as_of: date, watermark: int) -> Iterator[Fault]:
    """Symbols whose prices are told in another currency since some day."""
    rows = con.execute(
        """
        with told as (
            select symbol, source, date, arg_max(currency, ingest_seq) as unit from believed_prices($2)
            where date between $3 and $1 group by all
        ), last as (
            select symbol, source, arg_max(unit, date) as unit from told group by all having count(distinct unit) > 1
        )
        select t.symbol, t.source, max(t.date), arg_max(t.unit, t.date), any_value(l.unit)
        from told t join last l using (symbol, source) where t.unit <> l.unit group by all order by 1, 2
        """,
        [as_of, watermark, as_of - RECENT],
    ).fetchall()
    for symbol, source, last, old, new in rows:
        message = (
            f"{symbol}: {source} tells its prices in {new}, in {old} until {last}: those are converted at the rates of "
            f"their dates, and left out where none is on record"
        )
        yield "CURRENCY_CHANGED", str(symbol), last, None, message


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
        if first[0] < days[-1]:
            yield from _stale(f"risk-free rate of {currency}", days[-1], as_of, allowed)
        yield from _moved_interest(currency, days, np.array(rates, dtype=np.float64), since)
        yield from _units(currency, days, np.array(rates, dtype=np.float64), first[0])


def _moved_interest(currency: str, days: Sequence[date], rates: Array, since: date) -> Iterator[Fault]:
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
