"""The rows near a delivery's dates that count when it is judged: those on record, and those set aside since."""

from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import replace
from datetime import date
from operator import gt, lt
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resources.ledger.ledger import Connection
from resources.ledger.tables import SAME_VALUE
from resources.logs.recorded_prices import COLUMNS, Key, Row, parsed_row, set_aside
from resources.prices.rows import newest_words
from resources.prices.series import Record
from resources.prices.source import PRICE_ROWS, Delivery
from resources.screening.corroboration import MONTH
from resources.screening.doubts import WAITING
from resources.screening.merged import NEVER, Recorded, with_column
from resources.screening.settling import KEEPING, agreed, lost
from resources.settings.sources import days_since_1970

# Whether a later payload tells a row; another that only judged it again leaves its close.
SINCE = (
    "bool_or(p.ingest_seq in (select unnest($later::bigint[]))) over (partition by p.symbol, p.date, p.close)"
)

# What a row without a split or a dividend has.
NOTHING = {"split": 1.0, "dividend": 0.0}


def rows_around(
    con: Connection,
    delivery: Delivery,
    record: Mapping[str, Record] = MappingProxyType({}),
    units: Mapping[str, str] = MappingProxyType({}),
    given: Collection[tuple[str, int]] = (),
) -> Recorded:
    """The rows of the delivery's symbols near its dates: on record in the same currency, or set aside since.

    record  the newest closes: of a symbol that is told out of order the rows on record before and after count, however
            long the gaps are
    units   as in `newest_closes_on_record`
    given   (symbol, days since 1970) of rows whose split or dividend is that of an action, and not their own
    Of a symbol with rows set aside, from a month before the first of them to a month after the last; the same of rows
    that an earlier reading of the delivery released or judged again. Rows on record that the delivery tells again in
    full are left out, unless a later payload tells them: its own word counts.
    """
    days = delivery.rows["date"].to_numpy()
    if not len(days):
        return Recorded()
    first, last = (day.astype("datetime64[D]").item() for day in (days.min(), days.max()))
    symbols = sorted({*delivery.rows["symbol"].unique().to_pylist()} - {None})
    aside, own = set_aside(con, delivery.source, symbols)
    starts, judged = dict.fromkeys(symbols, first), _ends(delivery.rows)
    waits = [(row["symbol"], row["date"], row["date"]) for row in [*aside, *own.values()]]
    for symbol, oldest, newest in [*waits, *_written_before(con, delivery, symbols)]:
        starts[symbol] = min(starts[symbol], oldest)
        last = max(last, newest)  # what waits beyond is judged with the rows before it, not across them
        judged[symbol] = min(judged[symbol][0], oldest), max(judged[symbol][1], newest)
    on_record = _on_record(con, delivery, units, starts, last)
    on_record = pa.concat_tables(
        [on_record, *_beyond(con, delivery, units, record, judged, on_record)]
    ).unify_dictionaries()
    waiting = [row for row in aside if row["code"] in WAITING and row["close"]]
    losing = [row for row in aside if row["code"] in KEEPING]
    said = _said_before(con, delivery, on_record, own, given)
    return replace(_recorded(on_record, waiting, own, losing, said), given=frozenset(given))


def _written_before(con: Connection, delivery: Delivery, symbols: list[str]) -> list[tuple[str, date, date]]:
    """(symbol, first day, last day) of what earlier readings of a payload wrote into the log, others' rows too."""
    readings = con.execute(
        "select ingest_seq from ingests where source = $1 and log = 'prices' and payload_name = $2 "
        "and payload_sha256 = $3 and status = 'ingested'",
        [delivery.source, delivery.payload_name, delivery.payload_sha256],
    ).fetchall()
    if not readings:
        return []
    return con.execute(
        "select symbol, min(date), max(date) from prices where source = ? and symbol in (select unnest(?)) "
        "and ingest_seq in (select unnest(?)) group by symbol",
        [delivery.source, symbols, [int(seq) for (seq,) in readings]],
    ).fetchall()


def _on_record(
    con: Connection,
    delivery: Delivery,
    units: Mapping[str, str],
    starts: Mapping[str, date],
    last: date,
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
    found = [
        _group_on_record(con, delivery, units, {s: starts[s] for s in its}, last) for its in groups if its
    ]
    con.unregister("told_again")
    rows = pa.concat_tables(found)
    rows = rows.set_column(0, "symbol", rows["symbol"].dictionary_encode())
    return rows.take(pa.array(newest_words(rows, np.arange(len(rows))))).drop_columns("ingest_seq")


def _beyond(
    con: Connection,
    delivery: Delivery,
    units: Mapping[str, str],
    record: Mapping[str, Record],
    judged: Mapping[str, tuple[date, date]],
    on_record: pa.Table,
) -> Iterator[pa.Table]:
    """The next rows before and after those of symbols that are told out of order, where none is `on_record` there.

    judged  symbol -> first and last day of what is told, or was set aside
    """
    first = days_since_1970(min(days[0] for days in judged.values()))
    if all(known.day < first for known in record.values()):
        return
    near = _ends(on_record)
    for side, beyond, order, is_beyond in ((0, "<", "desc", lt), (1, ">", "asc", gt)):
        wanted = [
            (symbol, days[side], units.get(symbol, delivery.currency))
            for symbol, days in judged.items()
            if symbol in record
            and record[symbol].day >= days_since_1970(days[side])
            and not is_beyond(near.get(symbol, days)[side], days[side])
        ]
        if not wanted:
            continue
        rows = con.sql(
            f"""
            with wanted as (select unnest($1) as symbol, unnest($2::date[]) as day, unnest($3) as unit)
            select {COLUMNS}, p.known_at - date '1970-01-01' as known, false as since
            from believed_prices(null) p join wanted w on p.symbol = w.symbol and p.currency = w.unit
            where p.source = $4 and p.date {beyond} w.day
            qualify row_number() over (partition by p.symbol order by p.date {order}, p.ingest_seq desc) = 1
            """,
            params=[*map(list, zip(*wanted, strict=True)), delivery.source],
        ).to_arrow_table()
        yield rows.set_column(0, "symbol", rows["symbol"].dictionary_encode()).cast(on_record.schema)


def _said_before(
    con: Connection,
    delivery: Delivery,
    on_record: pa.Table,
    own: Mapping[Key, Row],
    given: Collection[tuple[str, int]],
) -> dict[Key, date]:
    """(symbol, day) of rows on record that a later file released -> when they were last told before that.

    A later file that tells another split or dividend with the same close released nothing: it corrected the row.
    """
    if delivery.known_at is None:
        return {}
    later = pc.greater(on_record["known"], days_since_1970(delivery.known_at))
    asked = on_record.select(["symbol", "date", "close", *NOTHING]).filter(later)
    if not asked.num_rows:
        return {}
    con.register("asked", asked)
    rows = con.execute(
        "select q.symbol, q.date, q.raw, i.known_at, a.close, a.split, a.dividend "
        "from quarantine q join asked a using (symbol, date) "
        "join ingests i using (ingest_seq) where q.log = 'prices' and q.source = ? and q.code in (select unnest(?)) "
        "and i.known_at is not null order by i.known_at, q.ingest_seq",
        [delivery.source, list(WAITING)],
    ).fetchall()
    con.unregister("asked")
    found: dict[Key, date] = {}
    for symbol, day, raw, known, close, split, dividend in rows:
        told, stands = parsed_row(raw), own.get((symbol, day)) or {"split": split, "dividend": dividend}
        names = () if (symbol, days_since_1970(day)) in given else [name for name in NOTHING if told[name]]
        if all(
            _same(told[name], value)
            for name, value in (("close", close), *((name, stands[name]) for name in names))
        ):
            found[symbol, day] = known
    return found


def _same(told: float | None, stands: float | None) -> bool:
    return told is not None and stands is not None and abs(told - stands) <= SAME_VALUE * abs(stands)


def _ends(rows: pa.Table) -> dict[str, tuple[date, date]]:
    """Symbol -> its first and last day."""
    found = rows.group_by("symbol").aggregate([("date", "min"), ("date", "max")])
    days = zip(found["date_min"].to_pylist(), found["date_max"].to_pylist(), strict=True)
    return dict(zip(found["symbol"].to_pylist(), days, strict=True))


def _group_on_record(
    con: Connection,
    delivery: Delivery,
    units: Mapping[str, str],
    starts: Mapping[str, date],
    last: date,
) -> pa.Table:
    wanted = {
        "symbol": list(starts),
        "start": list(starts.values()),
        "unit": [units.get(symbol, delivery.currency) for symbol in starts],
    }
    con.register("wanted", pa.table(wanted))
    since, told = (SINCE, {"later": [*delivery.later]}) if delivery.later else ("false", {})
    rows = con.sql(
        f"""
        from (
            select {COLUMNS}, p.known_at - date '1970-01-01' as known, {since} as since, p.ingest_seq
            from believed_prices(null) p join wanted w on p.symbol = w.symbol and p.currency = w.unit
            where p.source = $source and p.date between $low::date - {MONTH} and $high::date + {MONTH}
            and p.date >= w.start - {MONTH}
        ) p where since or not exists (select 1 from told_again t where t.symbol = p.symbol and t.date = p.date)
        """,
        params={"source": delivery.source, "low": min(starts.values()), "high": last, **told},
    ).to_arrow_table()
    con.unregister("wanted")
    return rows


def _recorded(
    on_record: pa.Table,
    waiting: list[Row],
    own: Mapping[Key, Row],
    losing: list[Row],
    said: Mapping[Key, date],
) -> Recorded:
    if gone := [*_places(on_record, {(row["symbol"], row["date"]) for row in waiting})]:
        on_record = on_record.take(np.delete(np.arange(len(on_record)), gone))
    rows = on_record.select(PRICE_ROWS.names).cast(PRICE_ROWS)
    split, dividend = (rows[name].to_numpy().copy() for name in ("split", "dividend"))
    rows = _by_themselves(rows, own)
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
    for place, key in _places(on_record, said.keys()).items():
        said_at[place] = days_since_1970(said[key])
    return Recorded(
        pa.concat_tables([rows, more]).unify_dictionaries(),
        np.arange(len(rows) + len(waiting)) >= len(rows),
        np.append(split, nothing),
        np.append(dividend, nothing),
        known_at,
        said_at,
        np.append(on_record["since"].to_numpy(), np.zeros(len(waiting), bool)),
        agreed(stated),
    )


def _places(rows: pa.Table, wanted: Set[Key]) -> dict[int, Key]:
    """Place of each row whose (symbol, day) is wanted -> the two; a month of all names is a hundred thousand rows."""
    if not wanted:
        return {}
    near = np.flatnonzero(pc.is_in(rows["symbol"], pa.array(sorted({symbol for symbol, _ in wanted}))))
    keys = zip(*(rows[name].take(near).to_pylist() for name in ("symbol", "date")), strict=True)
    return {place: key for place, key in zip(near.tolist(), keys, strict=True) if key in wanted}


def _by_themselves(rows: pa.Table, own: Mapping[Key, Row]) -> pa.Table:
    """The rows on record, those that carry the actions of others with what they state themselves."""
    carrying = _places(rows, own.keys())
    if not carrying:
        return rows
    for name, nothing in NOTHING.items():
        alone = rows[name].to_numpy().copy()
        alone[[*carrying]] = [own[key][name] or nothing for key in carrying.values()]
        rows = with_column(rows, name, alone)
    return rows
