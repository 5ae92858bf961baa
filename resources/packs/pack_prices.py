"""Reading what a pack saw: prices as arrays, last closes, exchange rates, the risk-free rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from optimizer.errors import DataError
from optimizer.model.returns import total_return_index
from optimizer.typing import Array
from resources.packs.packs import Pack
from resources.packs.price_sources import Span, source_spans
from resources.store.ledger import Connection


@dataclass(frozen=True)
class Panel:
    """Prices of some symbols as a pack saw them.

    dates      (T,) ascending
    close, dividend, split  (T, n) as traded; NaN where a symbol has no price that day
    currency, simulated, basis  (n,) of each symbol's newest row; "" and False without one
    """

    symbols: tuple[str, ...]
    dates: tuple[date, ...]
    close: Array
    dividend: Array
    split: Array
    currency: tuple[str, ...]
    simulated: tuple[bool, ...]
    basis: tuple[str, ...]

    def total_return(self) -> pd.DataFrame:
        """Total-return prices (T x n): close, dividends and splits as one index, anchored at the newest close."""
        index = total_return_index(self.close, self.dividend, self.split)
        return pd.DataFrame(
            index, index=pd.DatetimeIndex(self.dates, name="date"), columns=list(self.symbols)
        )

    def last_close(self, column: int) -> tuple[date, float] | None:
        """(date, close) of a symbol's newest price."""
        priced = np.flatnonzero(np.isfinite(self.close[:, column]))
        return (self.dates[priced[-1]], float(self.close[priced[-1], column])) if len(priced) else None


def window_start(con: Connection, pack: Pack, sessions: int) -> date:
    """The date of the `sessions`-th newest priced day of a pack."""
    found = con.execute(
        "select min(date) from (select distinct date from log_leaves where log = 'prices' and date <= ? "
        "and ingest_seq <= ? order by date desc limit ?)",
        [pack.as_of, pack.watermark, sessions],
    ).fetchall()[0][0]
    if found is None:
        raise DataError(f"{pack.id} sees no prices at all: ingest prices up to {pack.as_of}")
    return date(found.year, found.month, found.day)


def chosen_sources(con: Connection, pack: Pack, symbols: Sequence[str]) -> list[Span]:
    """The source of each symbol, of each of its days: the first of the pack's precedence, the next where it stops."""
    if len(pack.precedence) == 1:
        only = pack.precedence[0]
        return [
            Span(name, only, "first", None, None, None, pack.as_of, date.min, pack.as_of)
            for name in dict.fromkeys(symbols)
        ]
    spans = source_spans(con, pack.as_of, pack.watermark, pack.precedence, symbols)
    return [span for span in spans if span.last_day is not None]


def span_columns(spans: Sequence[Span]) -> list[list[object]]:
    """Symbols, sources, first and last days: the parameters of a query that joins prices to their spans."""
    return [[getattr(span, name) for span in spans] for name in ("symbol", "source", "first_day", "last_day")]


def read_panel(
    con: Connection, pack: Pack, symbols: Sequence[str], start: date = date.min, end: date = date.max
) -> Panel:
    """The given symbols from `start` to `end` (all that there is, when left out), as the pack saw them."""
    names = tuple(symbols)
    table = con.execute(
        """
        with wanted as (
            select unnest(?) as symbol, unnest(?) as source, unnest(?::date[]) as first_day,
                unnest(?::date[]) as last_day, unnest(?) as position)
        select w.position, p.date - date '1970-01-01' as day, p.close, p.dividend, p.split,
            p.currency, p.simulated, p.basis
        from prices p join wanted w
            on p.symbol = w.symbol and p.source = w.source and p.date between w.first_day and w.last_day
        where p.date between ? and ? and p.ingest_seq <= ?
        qualify row_number() over (partition by p.symbol, p.date order by p.ingest_seq desc) = 1
        order by p.date, w.position
        """,
        [*_wanted(con, pack, names), start, min(end, pack.as_of), pack.watermark],
    ).fetchnumpy()
    return _scatter(names, table)


def _wanted(con: Connection, pack: Pack, names: Sequence[str]) -> list[list[object]]:
    spans = chosen_sources(con, pack, names)
    places = {name: index for index, name in enumerate(names)}
    return [*span_columns(spans), [places[span.symbol] for span in spans]]


def _scatter(names: tuple[str, ...], table: Mapping[str, Any]) -> Panel:
    position, day = np.asarray(table["position"], dtype=int), np.asarray(table["day"], dtype=int)
    days, row = np.unique(day, return_inverse=True)
    values = {column: np.full((len(days), len(names)), np.nan) for column in ("close", "dividend", "split")}
    for column, matrix in values.items():
        matrix[row, position] = np.asarray(table[column], dtype=float)
    newest = dict(
        zip(position.tolist(), range(len(position)), strict=True)
    )  # dates ascend: the newest row wins

    def fact(column: str, absent: object) -> tuple[Any, ...]:
        return tuple(table[column][newest[i]] if i in newest else absent for i in range(len(names)))

    return Panel(
        names,
        tuple((np.datetime64("1970-01-01", "D") + days.astype("timedelta64[D]")).astype(object)),
        values["close"],
        values["dividend"],
        values["split"],
        currency=tuple(map(str, fact("currency", ""))),
        simulated=tuple(map(bool, fact("simulated", False))),
        basis=tuple(map(str, fact("basis", ""))),
    )


def in_currency(
    con: Connection, pack: Pack, panel: Panel, currency: str, values: Array | None = None
) -> pd.DataFrame:
    """The panel's total-return prices, or (T, n) `values` of its symbols, each converted at the rates of its dates."""
    index = pd.DatetimeIndex(panel.dates, name="date")
    prices = panel.total_return() if values is None else pd.DataFrame(values, index, list(panel.symbols))
    for foreign in sorted({*panel.currency} - {"", currency}):
        rates = exchange_rate_series(con, pack, foreign, currency, panel.dates)
        columns = [s for s, c in zip(panel.symbols, panel.currency, strict=True) if c == foreign]
        prices[columns] = prices[columns].to_numpy() * rates[:, None]
    return prices


def exchange_rate(con: Connection, pack: Pack, base: str, quote: str) -> float:
    """Units of `quote` for one `base` on the pack's date; raises DataError without a path between them."""
    return float(exchange_rate_series(con, pack, base, quote, [pack.as_of])[0])


def exchange_rate_series(con: Connection, pack: Pack, base: str, quote: str, dates: Sequence[date]) -> Array:
    """(T,) units of `quote` for one `base`, of each date the newest rate: direct, inverse, or through a third currency.

    Raises DataError when no path exists; a missing rate is never 1.
    """
    if base == quote:
        return np.ones(len(dates))
    table = _rates(con, pack)
    currencies = sorted({currency for pair in table for currency in pair})
    paths = [[(base, quote)], *([(base, middle), (middle, quote)] for middle in currencies)]
    for path in paths:
        legs = [_leg(table, leg, dates) for leg in path]
        if all(leg is not None and np.isfinite(leg).all() for leg in legs):
            return np.asarray(np.prod([leg for leg in legs if leg is not None], axis=0))
    raise DataError(
        f"{pack.id} has no exchange rate {base}/{quote} for {min(dates)}, nor a path to it: "
        f"ingest fx_rates for that pair from that date on"
    )


Pair = tuple[str, str]


def _rates(con: Connection, pack: Pack) -> dict[Pair, tuple[list[date], list[float]]]:
    rows = con.execute(
        "select base, quote, date, rate from fx_rates where date <= ? and ingest_seq <= ? "
        "qualify row_number() over (partition by base, quote, date order by ingest_seq desc) = 1 order by all",
        [pack.as_of, pack.watermark],
    ).fetchall()
    table: dict[Pair, tuple[list[date], list[float]]] = {}
    for base, quote, day, rate in rows:
        days, rates = table.setdefault((str(base), str(quote)), ([], []))
        days.append(day)
        rates.append(float(rate))
    return table


def _leg(
    table: Mapping[Pair, tuple[list[date], list[float]]], leg: Pair, dates: Sequence[date]
) -> Array | None:
    """The newest known rate on each date; NaN before the first one."""
    for pair, power in ((leg, 1), (leg[::-1], -1)):
        if pair in table:
            days, rates = table[pair]
            at = np.searchsorted(
                np.array(days, "datetime64[D]"), np.array(dates, "datetime64[D]"), side="right"
            )
            return np.where(at > 0, np.array(rates)[np.maximum(at - 1, 0)] ** power, np.nan)
    return None


def risk_free_rate(con: Connection, pack: Pack, currency: str) -> float:
    """The newest risk-free rate of a currency on record for the pack, per year; raises DataError without one."""
    found = con.execute(
        "select rate from risk_free_rates where currency = ? and date <= ? and ingest_seq <= ? "
        "order by date desc, ingest_seq desc limit 1",
        [currency, pack.as_of, pack.watermark],
    ).fetchall()
    if not found:
        raise DataError(
            f"{pack.id} has no risk-free rate for {currency}: set risk_free_rate in the policy, or ingest one"
        )
    return float(found[0][0])


def newest_facts(
    con: Connection, pack: Pack, log: str, value: str, symbols: Sequence[str]
) -> dict[str, object]:
    """The newest value of a reference log (sector, market cap, rating) of each symbol that has one."""
    rows = con.execute(
        f"select symbol, {value} from {log} where symbol in (select unnest(?)) and date <= ? and ingest_seq <= ? "
        f"qualify row_number() over (partition by symbol order by date desc, ingest_seq desc) = 1 order by symbol",
        [list(symbols), pack.as_of, pack.watermark],
    ).fetchall()
    return {str(symbol): found for symbol, found in rows if found is not None}


def simulated_symbols(con: Connection, pack: Pack, symbols: Sequence[str]) -> frozenset[str]:
    """Those of the symbols whose prices were computed under assumptions: nobody traded them."""
    rows = con.execute(
        "select distinct symbol from prices where simulated and symbol in (select unnest(?)) and date between ? and ? "
        "and ingest_seq <= ?",
        [list(symbols), window_start(con, pack, 5), pack.as_of, pack.watermark],
    ).fetchall()
    return frozenset(str(row[0]) for row in rows)
