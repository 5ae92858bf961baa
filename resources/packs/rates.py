"""Exchange rates and risk-free rates as a pack saw them, each day's by what was on record for it."""

from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
import pandas as pd

from optimizer import DataError
from optimizer.model.exchange_rates import ExchangeRates, Way
from optimizer.model.sessions import days_of
from optimizer.typing import Array
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack


def exchange_rate(con: Connection, pack: Pack, base: str, quote: str) -> float:
    """Units of `quote` for one `base` on the pack's date; raises DataError without a way between them."""
    return float(exchange_rate_series(con, pack, base, quote, [pack.as_of])[0])


def exchange_rate_series(con: Connection, pack: Pack, base: str, quote: str, dates: Sequence[date]) -> Array:
    """(T,) units of `quote` for one `base`, of each date by the freshest way known then.

    Raises DataError for a date without one; a missing rate is never 1.
    """
    rates = ways(con, pack, [base], quote, dates)[base].rates
    if (unknown := np.isnan(rates)).any():
        raise DataError(missing_rate(pack, base, quote, dates[int(np.argmax(unknown))]))
    return rates


def ways(
    con: Connection, pack: Pack, units: Iterable[str], quote: str, dates: Sequence[date]
) -> dict[str, Way]:
    """From each of the units to `quote` on some dates, at the rates that the pack saw."""
    wanted = list(units)
    known = exchange_rates(con, pack) if set(wanted) - {quote} else ExchangeRates({})
    days = days_of(dates)
    return {unit: known.way(unit, quote, days) for unit in wanted}


def missing_rate(pack: Pack, base: str, quote: str, day: date) -> str:
    """What to say where no way is known."""
    return (
        f"{pack.id} has no exchange rate {base}/{quote} for {day}, nor a path to it: "
        f"ingest fx_rates for that pair from that date on"
    )


def missing_risk_free_rate(pack: Pack, currency: str) -> str:
    """What to say where a currency has none."""
    return f"{pack.id} has no risk-free rate for {currency}: set risk_free_rate in the policy, or ingest one"


def exchange_rates(con: Connection, pack: Pack) -> ExchangeRates:
    """Every rate that the pack saw."""
    rows = con.execute(
        "select base, quote, date, rate from fx_rates where date <= ? and ingest_seq <= ? "
        "qualify row_number() over (partition by base, quote, date order by ingest_seq desc) = 1 order by all",
        [pack.as_of, pack.watermark],
    ).fetchall()
    table: dict[tuple[str, str], tuple[list[date], list[float]]] = {}
    for base, quote, day, rate in rows:
        days, rates = table.setdefault((str(base), str(quote)), ([], []))
        days.append(day)
        rates.append(float(rate))
    return ExchangeRates({pair: (days_of(days), rates) for pair, (days, rates) in table.items()})


def risk_free_rate(con: Connection, pack: Pack, currency: str) -> float:
    """The newest risk-free rate of a currency on record for the pack, per year; raises DataError without one."""
    return float(risk_free_rates(con, pack, currency).iloc[-1])


def risk_free_rates(con: Connection, pack: Pack, currency: str) -> pd.Series:
    """The risk-free rates of a currency, per year, by the date from which each holds; raises DataError without one."""
    rows = con.execute(
        "select date, rate from risk_free_rates where currency = ? and date <= ? and ingest_seq <= ? "
        "qualify row_number() over (partition by date order by ingest_seq desc) = 1 order by date",
        [currency, pack.as_of, pack.watermark],
    ).fetchall()
    if not rows:
        raise DataError(missing_risk_free_rate(pack, currency))
    return pd.Series([float(rate) for _, rate in rows], pd.DatetimeIndex([day for day, _ in rows]))
