"""Reading what a pack saw: prices as arrays, last closes, facts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from optimizer import DataError
from optimizer.model.exchange_rates import ExchangeRates
from optimizer.typing import Array
from resources.ledger.ledger import Connection
from resources.packs.delistings import HAD, NEWEST_WORD, names_had, taken_over
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.packs.price_sources import Span, source_spans
from resources.packs.rates import exchange_rates, missing_rate
from resources.packs.spin_offs import distributions, spin_offs

Window = tuple[date, date]  # the first and the last day


def window_start(con: Connection, pack: Pack, sessions: int) -> date:
    """The date of the `sessions`-th newest priced day of a pack, or of its first where it has fewer."""
    return window_starts(con, pack, [sessions])[sessions]


def window_starts(con: Connection, pack: Pack, sessions: Iterable[int]) -> dict[int, date]:
    """The same of several numbers of sessions."""
    wanted = sorted(set(sessions))
    ((starts,),) = con.execute(
        "select [days[least(n, len(days))] for n in $3] from (select list_reverse_sort(list(distinct date)) as days "
        "from log_leaves where log = 'prices' and date <= $1 and ingest_seq <= $2)",
        [pack.as_of, pack.watermark, wanted],
    ).fetchall()
    if None in starts:
        raise DataError(f"{pack.id} sees no prices at all: ingest prices up to {pack.as_of}")
    return dict(zip(wanted, starts, strict=True))


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
    con: Connection, pack: Pack, symbols: Sequence[str], start: date = date.min, end: date = date.max, *,
    ended: bool = False,
) -> Panel:  # fmt: skip
    """The given symbols from `start` to `end` (all that there is, when left out), as the pack saw them.

    What is spun off counts at its first close; a ticker that another company had before does not show its rows, but
    with `ended` those of one that was delisted or merged: what became of it is the reader's to act on. Prices of a
    symbol that changed its currency are all told in the newest, at the rates of their dates.
    Raises DataError for a spin-off in another currency that states no `basis_share`.
    """
    return read_panels(con, pack, symbols, [(start, end)], ended=ended)[0]


def read_panels(
    con: Connection, pack: Pack, symbols: Sequence[str], windows: Iterable[Window], *, ended: bool = False
) -> list[Panel]:
    """The same of several windows."""
    since = {} if ended else taken_over(con, pack, symbols)
    panels = [_read(con, pack, tuple(symbols), window, since) for window in windows]
    spun = spin_offs(con, pack, symbols)
    if not spun:
        return panels
    names = tuple(sorted({action.new_symbol or "" for action in spun}))
    children = _read(con, pack, names, (date.min, date.max), {})
    told = [distributions(panel, children, spun) for panel in panels]
    return [
        replace(panel, dividend=dividend, in_kind=in_kind)
        for panel, (dividend, in_kind) in zip(panels, told, strict=True)
    ]


def _read(
    con: Connection, pack: Pack, names: tuple[str, ...], window: Window, since: Mapping[str, date]
) -> Panel:
    """Of the symbols in `since` the rows from that day on."""
    start, end = window
    rows = con.sql(
        """
        with wanted as (
            select unnest($1) as symbol, unnest($2) as source, unnest($3::date[]) as first_day,
                unnest($4::date[]) as last_day, unnest($5)::integer as position),
        named as materialized (select symbol, new_symbol, date from stated_actions($6) where kind = 'rename'),
        given_up as (  -- but where who has the name now brought its own past under it
            select symbol, max(date) as day from (
                select symbol, date from named g where date <= $7 and not exists (
                    select 1 from named n where n.new_symbol = g.symbol and n.date >= g.date)
                union all select unnest($10), unnest($11::date[])
            ) group by symbol
        )
        select w.position, p.date - date '1970-01-01' as day, p.close, p.dividend, p.split,
            p.currency, p.simulated, p.basis, p.ingest_seq
        from believed_prices($6) p join wanted w
            on p.symbol = w.symbol and p.source = w.source and p.date between w.first_day and w.last_day
            left join given_up g on p.symbol = g.symbol
        where p.date between $8 and $9 and (g.day is null or p.date >= g.day)
        """,
        params=[
            *(*_wanted(con, pack, names), pack.watermark, pack.as_of, start, min(end, pack.as_of)),
            *([*since], [*since.values()]),
        ],
    ).to_arrow_table()
    return _scatter(names, _in_newest_currency(con, pack, _newest_rows(rows, len(names))))


def _newest_rows(rows: pa.Table, width: int) -> dict[str, Any]:
    """The newest row of each symbol and day, by day and position, as arrays: seven times as fast as a window in SQL."""
    position, day, seq = (rows[name].to_numpy() for name in ("position", "day", "ingest_seq"))
    first = int(day.min()) if len(day) else 0
    cell = (day - first).astype(np.int64) * width + position
    order = np.argsort(seq, kind="stable")
    place = np.full(int(cell.max()) + 1 if len(cell) else 0, -1, np.int64)
    place[cell[order]] = order  # of several rows of one cell the last one stays: the newest
    kept = place[place >= 0]
    texts = {name: rows[name].combine_chunks().dictionary_encode() for name in ("currency", "basis")}
    words = {
        name: np.array(told.dictionary.to_pylist(), dtype=object)[told.indices.to_numpy()[kept]]
        for name, told in texts.items()
    }
    plain = ("position", "day", "close", "dividend", "split", "simulated")
    return {name: rows[name].to_numpy()[kept] for name in plain} | words


def _in_newest_currency(con: Connection, pack: Pack, table: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rows, by date, with each symbol told in its newest currency; a row of a date without a rate is no price."""
    units = np.asarray(table["currency"], dtype=object)
    if not len(units) or (units == units[0]).all():
        return table
    position = np.asarray(table["position"], dtype=int)
    newest = np.empty(position.max() + 1, dtype=object)
    newest[position] = units  # dates ascend: the newest row wins
    other = np.flatnonzero(units != newest[position])
    if not len(other):
        return table
    told = {name: np.array(values) for name, values in table.items()}
    known, days = exchange_rates(con, pack), told["day"].astype("datetime64[D]")
    for old, new in sorted({(units[row], newest[position[row]]) for row in other.tolist()}):
        rows = other[(units[other] == old) & (newest[position[other]] == new)]
        rates = known.way(old, new, days[rows]).rates
        for name in ("close", "dividend"):
            told[name][rows] *= rates
    return {name: values[np.isfinite(told["close"].astype(float))] for name, values in told.items()}


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
    # Dates ascend: the newest row wins.
    newest = dict(zip(position.tolist(), range(len(position)), strict=True))

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
    """The panel's total-return prices, or (T, n) `values` of its symbols, each converted at the rates of its dates.

    Raises DataError for a price of a date on which no way to `currency` is known.
    """
    foreign = {*panel.currency} - {"", currency}
    rates = exchange_rates(con, pack) if foreign else ExchangeRates({})
    return converted(pack, panel, currency, rates, values)


def converted(
    pack: Pack, panel: Panel, currency: str, rates: ExchangeRates, values: Array | None = None
) -> pd.DataFrame:
    """`in_currency` at rates that were read before."""
    prices = panel.total_return() if values is None else panel.table(values)
    for unit in sorted({*panel.currency} - {"", currency}):
        told = rates.way(unit, currency, panel.days).rates
        columns = [s for s, c in zip(panel.symbols, panel.currency, strict=True) if c == unit]
        unknown = np.isnan(told) & prices[columns].notna().to_numpy().any(axis=1)
        if unknown.any():
            raise DataError(missing_rate(pack, unit, currency, panel.dates[int(np.argmax(unknown))]))
        prices[columns] = prices[columns].to_numpy() * told[:, None]
    return prices


def newest_facts(
    con: Connection, pack: Pack, log: str, columns: Sequence[str], symbols: Sequence[str]
) -> dict[str, dict[str, object]]:
    """Columns of the newest row of a reference log (sector, market cap, rating): column -> symbol -> value, if any."""
    rows = con.execute(
        f"select company, {', '.join(columns)} from {log} join {HAD} using (symbol) "
        "where date >= since and date < until and date <= ? and ingest_seq <= ? "
        f"qualify row_number() over (partition by company order by date desc, {NEWEST_WORD}) = 1 order by company",
        [*names_had(con, pack, symbols), pack.as_of, pack.watermark],
    ).fetchall()
    return {
        column: {str(symbol): found[at] for symbol, *found in rows if found[at] is not None}
        for at, column in enumerate(columns)
    }


def simulated_symbols(con: Connection, pack: Pack, symbols: Sequence[str]) -> frozenset[str]:
    """Those of the symbols whose prices were computed under assumptions: nobody traded them."""
    rows = con.execute(
        "select distinct symbol from believed_prices($1) where simulated and symbol in (select unnest($2)) "
        "and date between $3 and $4",
        [pack.watermark, list(symbols), window_start(con, pack, 5), pack.as_of],
    ).fetchall()
    return frozenset(str(row[0]) for row in rows)
