"""What the logs say already of the symbols of a delivery: its rows are checked against that."""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from operator import gt, lt
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resources.ledger.ledger import Connection
from resources.ledger.tables import SAME_VALUE
from resources.logs.open_questions import RECENT_PRICES
from resources.prices.rows import newest_words
from resources.prices.series import Record
from resources.prices.source import CARRIED, PRICE_ROWS, Delivery
from resources.screening.doubts import WAITING
from resources.screening.evidence import MONTH, Elsewhere
from resources.screening.merged import NEVER, Recorded, with_column
from resources.screening.settling import KEEPING, agreed, lost
from resources.settings.sources import days_since_1970

COLUMNS = ", ".join(f"p.{name}" for name in PRICE_ROWS.names)


def newest_closes_on_record(
    con: Connection, delivery: Delivery, units: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Record]:
    """The newest close of each recent symbol of a delivery's source, and of each symbol that it brings.

    units  symbol -> currency in which the delivery tells it, where that is not its source's: a close in another one is
           nothing to compare with
    Recent rows lie together, so that they are found without a walk through the whole log.
    """
    source = delivery.source
    newest = _newest_closes(con, source, RECENT_PRICES, [])
    others = set(delivery.rows["symbol"].unique().to_pylist()) - set(newest)
    if others:
        newest |= _newest_closes(con, source, "symbol in (select unnest(?))", [sorted(others)])
    return {
        symbol: Record(day, close)
        for symbol, (day, close, unit) in sorted(newest.items())
        if unit == units.get(symbol, delivery.currency)
    }


def _newest_closes(
    con: Connection, source: str, where: str, params: list[object]
) -> dict[str, tuple[int, float, str]]:
    rows = con.execute(
        "select symbol, max(date) - date '1970-01-01', arg_max(close, (date, ingest_seq)), "
        "arg_max(currency, (date, ingest_seq)) "
        f"from believed_prices(null) where source = ? and {where} group by symbol",
        [source, *params],
    ).fetchall()
    return {str(symbol): (int(day), float(close), str(unit)) for symbol, day, close, unit in rows}


def rows_around(
    con: Connection,
    delivery: Delivery,
    record: Mapping[str, Record] = MappingProxyType({}),
    units: Mapping[str, str] = MappingProxyType({}),
) -> Recorded:
    """The rows of the delivery's symbols near its dates: on record in the same currency, or set aside since.

    record  the newest closes: of a symbol that is told out of order the rows on record before and after count, however
            long the gaps are
    units   as in `newest_closes_on_record`
    Of a symbol with rows set aside, from a month before the first of them to a month after the last. Rows on record
    that the delivery tells again in full are left out: its own word counts.
    """
    days = delivery.rows["date"].to_numpy()
    if not len(days):
        return Recorded()
    first, last = (day.astype("datetime64[D]").item() for day in (days.min(), days.max()))
    symbols = sorted({*delivery.rows["symbol"].unique().to_pylist()} - {None})
    aside, own = _set_aside(con, delivery.source, symbols)
    starts = dict.fromkeys(symbols, first)
    for row in [*aside, *own.values()]:
        starts[row["symbol"]] = min(starts[row["symbol"]], row["date"])
        last = max(last, row["date"])  # what waits beyond is judged with the rows before it, not across them
    on_record = _on_record(con, delivery, units, starts, last)
    on_record = pa.concat_tables(
        [on_record, *_beyond(con, delivery, units, record, on_record)]
    ).unify_dictionaries()
    waiting = [row for row in aside if row["code"] in WAITING and row["close"]]
    losing = [row for row in aside if row["code"] in KEEPING]
    return _recorded(on_record, waiting, own, losing, _said_before(con, delivery, on_record))


Row = dict[str, Any]
Key = tuple[str, date]


def _on_record(
    con: Connection, delivery: Delivery, units: Mapping[str, str], starts: Mapping[str, date], last: date
) -> pa.Table:
    """The newest rows on record of the symbols from a month before their start to a month after the last day."""
    split, dividend = (pc.is_valid(delivery.rows[name]) for name in ("split", "dividend"))
    told = delivery.rows.select(["symbol", "date"]).filter(pc.and_(split, dividend))
    if delivery.known_at is not None:  # an older evening's word may not count
        told = told.slice(0, 0)
    con.register("told_again", told)
    # One symbol that waits since years must not make the years of all the others be read.
    usual = max(starts.values())
    groups = [[s for s in starts if (starts[s] == usual) == at_end] for at_end in (True, False)]
    read = [
        _group_on_record(con, delivery, units, {s: starts[s] for s in its}, last) for its in groups if its
    ]
    con.unregister("told_again")
    rows = pa.concat_tables(read)
    rows = rows.set_column(0, "symbol", rows["symbol"].dictionary_encode())
    return rows.take(pa.array(newest_words(rows, np.arange(len(rows))))).drop_columns("ingest_seq")


def _beyond(
    con: Connection,
    delivery: Delivery,
    units: Mapping[str, str],
    record: Mapping[str, Record],
    on_record: pa.Table,
) -> Iterator[pa.Table]:
    """The next rows before and after those of symbols that are told out of order, where none is `on_record` there."""
    first = days_since_1970(pc.min(delivery.rows["date"]).as_py())
    if all(known.day < first for known in record.values()):
        return
    told, near = _ends(delivery.rows), _ends(on_record)
    for side, beyond, order, is_beyond in ((0, "<", "desc", lt), (1, ">", "asc", gt)):
        wanted = [
            (symbol, days[side], units.get(symbol, delivery.currency))
            for symbol, days in told.items()
            if symbol in record
            and record[symbol].day >= days_since_1970(days[side])
            and not is_beyond(near.get(symbol, days)[side], days[side])
        ]
        if not wanted:
            continue
        rows = con.sql(
            f"""
            with wanted as (select unnest($1) as symbol, unnest($2::date[]) as day, unnest($3) as unit)
            select {COLUMNS}, p.known_at - date '1970-01-01' as known
            from believed_prices(null) p join wanted w on p.symbol = w.symbol and p.currency = w.unit
            where p.source = $4 and p.date {beyond} w.day
            qualify row_number() over (partition by p.symbol order by p.date {order}, p.ingest_seq desc) = 1
            """,
            params=[*map(list, zip(*wanted, strict=True)), delivery.source],
        ).to_arrow_table()
        yield rows.set_column(0, "symbol", rows["symbol"].dictionary_encode()).cast(on_record.schema)


def _said_before(con: Connection, delivery: Delivery, on_record: pa.Table) -> dict[Key, date]:
    """(symbol, day) of rows on record that a later file released -> when they were last told before that."""
    if delivery.known_at is None:
        return {}
    later = pc.greater(on_record["known"], days_since_1970(delivery.known_at))
    asked = on_record.select(["symbol", "date", "close"]).filter(later)
    if not asked.num_rows:
        return {}
    con.register("asked", asked)
    rows = con.execute(
        "select q.symbol, q.date, q.raw, i.known_at, a.close from quarantine q join asked a using (symbol, date) "
        "join ingests i using (ingest_seq) where q.log = 'prices' and q.source = ? and q.code in (select unnest(?)) "
        "and i.known_at is not null order by i.known_at, q.ingest_seq",
        [delivery.source, list(WAITING)],
    ).fetchall()
    con.unregister("asked")
    return {
        (symbol, day): known
        for symbol, day, raw, known, close in rows
        if abs((parsed_row(raw)["close"] or np.nan) / close - 1) <= SAME_VALUE
    }


def _ends(rows: pa.Table) -> dict[str, tuple[date, date]]:
    """Symbol -> its first and last day."""
    found = rows.group_by("symbol").aggregate([("date", "min"), ("date", "max")])
    days = zip(found["date_min"].to_pylist(), found["date_max"].to_pylist(), strict=True)
    return dict(zip(found["symbol"].to_pylist(), days, strict=True))


def _group_on_record(
    con: Connection, delivery: Delivery, units: Mapping[str, str], starts: Mapping[str, date], last: date
) -> pa.Table:
    wanted = {
        "symbol": list(starts),
        "start": list(starts.values()),
        "unit": [units.get(symbol, delivery.currency) for symbol in starts],
    }
    con.register("wanted", pa.table(wanted))
    rows = con.sql(
        f"""
        select {COLUMNS}, p.known_at - date '1970-01-01' as known, p.ingest_seq
        from believed_prices(null) p join wanted w on p.symbol = w.symbol and p.currency = w.unit
        where p.source = $source and p.date between $low::date - {MONTH} and $high::date + {MONTH}
        and p.date >= w.start - {MONTH}
        and not exists (select 1 from told_again t where t.symbol = p.symbol and t.date = p.date)
        """,
        params={"source": delivery.source, "low": min(starts.values()), "high": last},
    ).to_arrow_table()
    con.unregister("wanted")
    return rows


def _set_aside(con: Connection, source: str, symbols: list[str]) -> tuple[list[Row], dict[Key, Row]]:
    """(rows that are set aside and not believed since, what rows state themselves that carry the actions of others)."""
    found = con.execute(
        """
        with newest as (
            select symbol, date, max(ingest_seq) as seq from believed_prices(null)
            where source = $1 and symbol in (select unnest($2)) and (symbol, date) in
                (select symbol, date from quarantine where log = 'prices' and source = $1)
            group by all
        ), moved as (
            select symbol, date, max(ingest_seq) as seq from prices
            where withdrawn and source = $1 and symbol in (select unnest($2)) group by all
        )
        select q.symbol, q.date, q.code, q.raw, i.known_at, q.ingest_seq
        from quarantine q left join newest n using (symbol, date) left join moved m using (symbol, date)
        left join (select ingest_seq, any_value(known_at) as known_at from ingests group by all) i using (ingest_seq)
        where q.log = 'prices' and q.source = $1 and q.symbol in (select unnest($2)) and q.date is not null
        and coalesce(m.seq, 0) <= q.ingest_seq
        and (case when q.code = $3 then coalesce(n.seq, 0) <= q.ingest_seq else coalesce(n.seq, 0) < q.ingest_seq end)
        qualify q.ingest_seq = max(q.ingest_seq) over (partition by q.symbol, q.date, q.code = $3)
        order by q.symbol, q.date, q.line
        """,
        [source, symbols, CARRIED],
    ).fetchall()
    rows = [
        {**parsed_row(raw), "symbol": symbol, "date": day, "code": code, "known_at": known}
        for symbol, day, code, raw, known, _ in found
    ]
    own = {(row["symbol"], row["date"]): row for row in rows if row["code"] == CARRIED}
    return [row for row in rows if row["code"] != CARRIED], own


def parsed_row(raw: str) -> Row:
    """The cells of a row that was set aside, by their columns; none where its text is in another form."""
    cells = raw.split(",")
    if len(cells) != len(PRICE_ROWS):
        return dict.fromkeys(PRICE_ROWS.names)
    return {
        field.name: None
        if not cell or field.name in ("symbol", "date")
        else (int if field.name == "volume" else float)(cell)
        for field, cell in zip(PRICE_ROWS, cells, strict=True)
    }


def _recorded(
    on_record: pa.Table,
    waiting: list[Row],
    own: Mapping[Key, Row],
    losing: list[Row],
    said: Mapping[Key, date],
) -> Recorded:
    newer = {(row["symbol"], row["date"]) for row in waiting}
    keys: list[Key] = []
    # Mostly nothing is set aside, and a month of all names is a hundred thousand keys.
    if newer or own or said:
        keys = list(zip(on_record["symbol"].to_pylist(), on_record["date"].to_pylist(), strict=True))
    if newer:
        stays = [key not in newer for key in keys]
        on_record, keys = (
            on_record.filter(pa.array(stays, pa.bool_())),
            [key for key in keys if key not in newer],
        )
    rows = on_record.select(PRICE_ROWS.names).cast(PRICE_ROWS)
    split, dividend = (rows[name].to_numpy().copy() for name in ("split", "dividend"))
    carrying = [place for place, key in enumerate(keys) if key in own] if own else []
    for name, values in (("split", split), ("dividend", dividend)):
        if carrying:
            alone = values.copy()
            alone[carrying] = [
                own[keys[place]][name] or (1.0 if name == "split" else 0.0) for place in carrying
            ]
            rows = with_column(rows, name, alone)
    more = pa.Table.from_pylist(
        [{name: row[name] for name in PRICE_ROWS.names} for row in waiting], schema=PRICE_ROWS
    )
    nothing = np.full(len(waiting), np.nan)  # what is set aside does not stand in the log
    stated = [
        (str(row["symbol"]), lost(row["date"], row["close"], row["split"], row["dividend"])) for row in losing
    ]
    known_at = np.append(
        on_record["known"].fill_null(NEVER).to_numpy(),
        [NEVER if row["known_at"] is None else days_since_1970(row["known_at"]) for row in waiting],
    ).astype(np.int32)
    said_at = known_at.copy()
    for place, key in enumerate(keys if said else ()):
        if key in said:
            said_at[place] = days_since_1970(said[key])
    return Recorded(
        pa.concat_tables([rows, more]).unify_dictionaries(),
        np.arange(len(rows) + len(waiting)) >= len(rows),
        np.append(split, nothing),
        np.append(dividend, nothing),
        known_at,
        said_at,
        agreed(stated),
    )


def no_longer_believed(con: Connection, delivery: Delivery) -> pa.Table:
    """The rows on record, `PRICE_ROWS`, that a screened delivery sets aside: told again with the close they have there.

    A row set aside that tells another close corrects nothing: what is on record stays.
    """
    aside = [
        {"symbol": symbol, "date": day, "close": parsed_row(raw)["close"]}
        for symbol, day, code, raw in zip(
            *(delivery.quarantined[name].to_pylist() for name in ("symbol", "date", "code", "raw")),
            strict=True,
        )
        if code in WAITING
    ]
    if not aside:
        return PRICE_ROWS.empty_table()
    con.register("doubted", pa.Table.from_pylist(aside))
    rows = con.sql(
        f"""
        select {COLUMNS} from believed_prices(null) p join doubted d on p.symbol = d.symbol and p.date = d.date
        where p.source = $source
        qualify row_number() over (partition by p.symbol, p.date order by p.ingest_seq desc) = 1
            and abs(p.close - d.close) <= {SAME_VALUE} * p.close
        order by p.symbol, p.date
        """,
        params={"source": delivery.source},
    ).to_arrow_table()
    con.unregister("doubted")
    return rows.set_column(0, "symbol", rows["symbol"].dictionary_encode()).cast(PRICE_ROWS)


def prices_elsewhere(con: Connection, source: str) -> Elsewhere:
    """Symbol -> day -> (close, split, dividend) as the first other source by name has it."""

    @cache
    def known() -> set[str]:
        """Asked once: to ask of each of thousands of symbols takes minutes."""
        found = con.execute("select distinct symbol from prices where source <> ?", [source]).fetchall()
        return {str(row[0]) for row in found}

    def told(symbol: str) -> Mapping[int, tuple[float, float, float]]:
        if symbol not in known():
            return {}
        rows = con.execute(
            "with told as (select * from believed_prices(null) where symbol = $1 and source <> $2) "
            "select date - date '1970-01-01', close, split, dividend from told "
            "where source = (select min(source) from told) "
            "qualify row_number() over (partition by date order by ingest_seq desc) = 1",
            [symbol, source],
        ).fetchall()
        return {int(day): (float(close), float(split), float(paid)) for day, close, split, paid in rows}

    return cache(told)
