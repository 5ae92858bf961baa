"""Reference facts by the dates on which they were stated, and as they were known on each session of a pack."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from optimizer import DataError
from optimizer.backtests.dated_facts import carried_caps
from optimizer.model.returns import growth_index
from optimizer.model.sessions import days_of
from optimizer.typing import Array
from resources.ledger.ledger import Connection
from resources.packs.delistings import HAD, NEWEST_WORD, names_had
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack
from resources.packs.rates import exchange_rates, ways

NEAR = pd.Timedelta(days=10)  # a close is looked for this long before a statement


def stated_sectors(con: Connection, pack: Pack, symbols: list[str]) -> pd.DataFrame:
    """Sectors as stated, by date and symbol."""
    rows = con.execute(
        f"select date, company, sector from securities join {HAD} using (symbol) where date >= since and date < until "
        "and date <= ? and ingest_seq <= ? "
        f"qualify row_number() over (partition by company, date order by {NEWEST_WORD}) = 1 order by date, company",
        [*names_had(con, pack, symbols), pack.as_of, pack.watermark],
    ).fetchall()
    table = pd.DataFrame(rows, columns=["date", "symbol", "sector"]).dropna()
    wide = table.pivot(index="date", columns="symbol", values="sector")
    return wide.set_axis(pd.DatetimeIndex(wide.index))


def known_caps(
    con: Connection, pack: Pack, symbols: Sequence[str], currency: str, days: pd.Index
) -> pd.DataFrame:
    """(T, n) capitalisations in a currency as known at the close of each of the days, NaN where none is.

    The newest one stated counts, carried on by the name's price since (see `carried_caps`) in the currency of the
    statement, at the rates of the days. Raises DataError where none is stated.
    """
    names = list(symbols)
    table = _stated_caps(con, pack, names)
    units = _wide(table, "currency", names).ffill()
    earlier = table[table["date"] <= days[0]].groupby("symbol")["date"].max()
    panel = read_panel(con, pack, names, (min([days[0], *earlier]) - NEAR).date())
    moves = growth_index(panel.close, np.zeros_like(panel.close), panel.split)
    rates, dates = exchange_rates(con, pack), pd.DatetimeIndex(panel.days)
    asked, nothing = [day.date() for day in pd.DatetimeIndex(days)], np.full(len(dates), np.nan)
    found = pd.DataFrame(np.nan, days, names)
    for word, own in table.groupby("currency"):
        unit = str(word)
        ways = {one: rates.way(one, unit, panel.days).rates for one in {*panel.currency} - {""}}
        told = np.transpose([ways.get(one, nothing) for one in panel.currency])
        caps = carried_caps(_wide(own, "cap", names), pd.DataFrame(moves * told, dates, names))
        caps = caps.reindex(days, method="ffill").mul(rates.way(unit, currency, asked).rates, axis=0)
        found = found.mask(units.reindex(days, method="ffill") == unit, caps)
    return found


def _stated_caps(con: Connection, pack: Pack, symbols: list[str]) -> pd.DataFrame:
    """Capitalisations as stated: date, symbol, currency, cap."""
    rows = con.execute(
        f"select date, company, currency, market_cap from market_caps join {HAD} using (symbol) where date >= since "
        "and date < until and date <= ? and ingest_seq <= ? "
        f"qualify row_number() over (partition by company, date order by {NEWEST_WORD}) = 1 order by date, company",
        [*names_had(con, pack, symbols), pack.as_of, pack.watermark],
    ).fetchall()
    if not rows:
        raise DataError(
            f"{pack.id} has no market cap of {symbols}: ingest market_caps, or choose another benchmark and prior"
        )
    table = pd.DataFrame(rows, columns=["date", "symbol", "currency", "cap"])
    return table.assign(date=pd.to_datetime(table["date"]), cap=table["cap"].astype(float))


def _wide(table: pd.DataFrame, value: str, names: list[str]) -> pd.DataFrame:
    return table.pivot(index="date", columns="symbol", values=value).reindex(columns=names)


def newest_caps(con: Connection, pack: Pack, symbols: Sequence[str], currency: str) -> dict[str, float]:
    """The newest capitalisations as they were stated, at the pack's rates, of the symbols with one.

    They are not carried on by price as those of past days are: what a desk states for today is what it means, and the
    finding STALE_CAP says where it is old. Raises DataError where none is stated.
    """
    newest = _stated_caps(con, pack, list(symbols)).groupby("symbol").tail(1)
    rates = ways(con, pack, sorted(set(newest["currency"])), currency, [pack.as_of])
    found = {
        str(symbol): float(cap * rates[unit].rates[0])
        for symbol, unit, cap in zip(newest["symbol"], newest["currency"], newest["cap"], strict=True)
    }
    return {symbol: cap for symbol, cap in sorted(found.items()) if cap == cap}


def known_characteristics(
    con: Connection, pack: Pack, symbols: Sequence[str], dates: Sequence[date]
) -> dict[str, Array]:
    """Name -> (T, n) values as known on each date: the newest date's newest value of those published by then.

    NaN where nothing was known; a later revision is seen from its own `known_at` on.
    """
    rows = con.execute(
        f"select name, company, known_at, date, value from characteristics join {HAD} using (symbol) "
        "where known_at >= since and known_at < until and date <= ? and known_at <= ? and ingest_seq <= ? "
        f"qualify row_number() over (partition by name, company, date, known_at order by {NEWEST_WORD}) = 1 "
        "order by 1, 2, 3, 4",
        [*names_had(con, pack, symbols), pack.as_of, pack.as_of, pack.watermark],
    ).fetchall()
    place = {symbol: i for i, symbol in enumerate(symbols)}
    days = days_of(dates)
    found: dict[str, Array] = {}
    newest: dict[tuple[str, str], date] = {}
    for name, symbol, known_at, day, value in rows:
        if day < newest.get((name, symbol), date.min):
            continue  # a revision of a period that a newer one had replaced by then
        newest[(name, symbol)] = day
        table = found.setdefault(name, np.full((len(dates), len(symbols)), np.nan))
        table[days.searchsorted(np.datetime64(known_at, "D")) :, place[symbol]] = value
    return found
