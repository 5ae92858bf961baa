"""Bad prints that only several days show: what a delivery of one day cannot tell, its pack can."""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from resources.ledger.ledger import Connection
from resources.prices.rows import newest_words, symbol_codes
from resources.prices.series import Series, filled, make_series, sorted_places
from resources.prices.source import PRICE_ROWS
from resources.screening.price_warnings import WatchLimits, market_excess, reversals

SEEN = timedelta(days=60)  # enough rows to know what is usual for a symbol
RECENT = 14  # days; an older row belongs to a symbol that stopped
Print = tuple[str, str, date, float, str]


def recent_prints(con: Connection, as_of: date, watermark: int, limits: WatchLimits) -> Iterator[Print]:
    """(code, symbol, day, value, message) of each newest close that repeats too long, or undoes the day before it."""
    told = con.sql(
        "select source, symbol, date, close, volume, dividend, split, ingest_seq "
        "from believed_prices($1) where date between $2 and $3",
        params=[watermark, as_of - SEEN, as_of],
    ).to_arrow_table()
    for source, rows in _last_words(told):
        columns = [
            (rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type))
            for field in PRICE_ROWS
        ]  # fmt: skip
        table = pa.table(columns, schema=PRICE_ROWS)
        series = make_series(table, sorted_places(table), {})
        newest = series.bounds()[1:] - 1
        newest = newest[(np.datetime64(as_of).astype(int) - series.days[newest]) <= RECENT]
        yield from _repeated(series, table, newest, source, limits)
        yield from _undone(series, newest, source, limits)


def _last_words(told: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Each source with its newest row of each symbol and day, in their order."""
    sources, names = symbol_codes(told["source"].dictionary_encode())
    told = told.set_column(told.column_names.index("symbol"), "symbol", told["symbol"].dictionary_encode())
    for code, source in enumerate(names):
        last = newest_words(told, np.flatnonzero(sources == code))
        yield source, told.drop_columns(["source", "ingest_seq"]).take(pa.array(last))


def _repeated(
    series: Series, rows: pa.Table, newest: np.typing.NDArray[np.int64], source: str, limits: WatchLimits
) -> Iterator[Print]:
    """Symbols of which the newest rows repeat one close, each with no volume or that of the row before."""
    volume = filled(rows["volume"].cast(pa.float64()), 0.0)[series.order]
    same = np.concatenate([[False], (np.diff(series.close) == 0) & ~series.first[1:]])
    same[1:] &= (volume[1:] == 0) | (np.diff(volume) == 0)
    places = np.arange(len(series))
    run = places - np.maximum.accumulate(np.where(same, -1, places))
    for place in newest[run[newest] >= limits.stale_sessions]:
        symbol, day = _named(series, int(place))
        said = (
            f"{symbol}: the close {series.close[place]:g} of {source} is unchanged for {run[place]} sessions"
        )
        yield "STALE_5", symbol, day, float(run[place]), f"{said}, with no volume or the same"


def _undone(
    series: Series, newest: np.typing.NDArray[np.int64], source: str, limits: WatchLimits
) -> Iterator[Print]:
    """Symbols whose newest move undoes that of the day before."""
    excess, spread = market_excess(series, min(limits.band, limits.reversal) / 2)
    back = reversals(series, excess, spread, limits)
    before = newest[~series.first[newest]] - 1
    for place in before[back[before]]:
        symbol, day = _named(series, int(place))
        move = float(series.growth[place] - 1)
        said = f"{symbol}: the move of {move:+.1%} on {day} by {source} was undone by the next session: a bad print?"
        yield "REVERSAL", symbol, day, move, said


def _named(series: Series, place: int) -> tuple[str, date]:
    return series.symbols[series.codes[place]], np.datetime64(int(series.days[place]), "D").item()
