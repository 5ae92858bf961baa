"""Reference facts by the dates on which they were stated, and as they were known on each session of a pack."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from optimizer import DataError
from optimizer.backtests.dated_facts import carried_caps, with_caps_at_start
from optimizer.typing import Array
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack
from resources.packs.rates import exchange_rates


def stated_sectors(con: Connection, pack: Pack, symbols: list[str]) -> pd.DataFrame:
    """Sectors as stated, by date and symbol."""
    rows = con.execute(
        "select date, symbol, sector from securities where symbol in (select unnest(?)) and date <= ? "
        "and ingest_seq <= ? qualify row_number() over (partition by symbol, date order by ingest_seq desc) = 1 "
        "order by date, symbol",
        [symbols, pack.as_of, pack.watermark],
    ).fetchall()
    table = pd.DataFrame(rows, columns=["date", "symbol", "sector"]).dropna()
    wide = table.pivot(index="date", columns="symbol", values="sector")
    return wide.set_axis(pd.DatetimeIndex(wide.index))


def stated_caps(con: Connection, pack: Pack, symbols: list[str], currency: str) -> pd.DataFrame:
    """Capitalisations as stated, by date and symbol, at the rates of their dates."""
    rows = con.execute(
        "select date, symbol, currency, market_cap from market_caps where symbol in (select unnest(?)) and date <= ? "
        "and ingest_seq <= ? qualify row_number() over (partition by symbol, date order by ingest_seq desc) = 1 "
        "order by date, symbol",
        [symbols, pack.as_of, pack.watermark],
    ).fetchall()
    if not rows:
        raise DataError(
            f"{pack.id} has no market cap of {symbols}: ingest market_caps, or choose another benchmark"
        )
    table = pd.DataFrame(rows, columns=["date", "symbol", "currency", "cap"])
    table["cap"] = table["cap"].astype(float)
    known = exchange_rates(con, pack)
    for unit, own in table.groupby("currency"):
        table.loc[own.index, "cap"] *= known.way(str(unit), currency, own["date"].tolist()).rates
    wide = table.pivot(index="date", columns="symbol", values="cap").dropna(how="all")
    if wide.empty:
        raise DataError(
            f"{pack.id} has no market cap that can be told in {currency}: ingest fx_rates of their currencies"
        )
    return wide.set_axis(pd.DatetimeIndex(wide.index))


def known_caps(con: Connection, pack: Pack, prices: pd.DataFrame, currency: str) -> pd.DataFrame:
    """(T, n) capitalisations of the names of total-return prices in a currency, as known at each of their closes.

    The newest one stated counts, carried on by the name's return since, from before the first close too.
    """
    names, start = [str(name) for name in prices.columns], prices.index[0]
    stated = stated_caps(con, pack, names, currency)
    before = stated[stated.index < start]
    if len(before):
        oldest = before.apply(pd.Series.last_valid_index).min()
        panel = read_panel(con, pack, names, oldest.date(), start.date())
        rates = exchange_rates(con, pack)
        ways = {unit: rates.way(unit, currency, panel.dates).rates for unit in {*panel.currency} - {""}}
        nothing = np.full(len(panel.dates), np.nan)
        told = np.column_stack([ways.get(unit, nothing) for unit in panel.currency])
        stated = with_caps_at_start(stated, panel.total_return() * told)
    return carried_caps(stated, prices)


def known_characteristics(
    con: Connection, pack: Pack, symbols: Sequence[str], dates: Sequence[date]
) -> dict[str, Array]:
    """Name -> (T, n) values as known on each date: the newest date's newest value of those published by then.

    NaN where nothing was known; a later revision is seen from its own `known_at` on.
    """
    rows = con.execute(
        "select name, symbol, known_at, date, value from characteristics where symbol in (select unnest(?)) "
        "and date <= ? and known_at <= ? and ingest_seq <= ? qualify row_number() over "
        "(partition by name, symbol, date, known_at order by ingest_seq desc) = 1 order by 1, 2, 3, 4",
        [list(symbols), pack.as_of, pack.as_of, pack.watermark],
    ).fetchall()
    place = {symbol: i for i, symbol in enumerate(symbols)}
    days = np.array(dates, "datetime64[D]")
    found: dict[str, Array] = {}
    newest: dict[tuple[str, str], date] = {}
    for name, symbol, known_at, day, value in rows:
        if day < newest.get((name, symbol), date.min):
            continue  # a revision of a period that a newer one had replaced by then
        newest[(name, symbol)] = day
        table = found.setdefault(name, np.full((len(dates), len(symbols)), np.nan))
        table[days.searchsorted(np.datetime64(known_at, "D")) :, place[symbol]] = value
    return found
