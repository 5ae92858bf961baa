"""What the logs say already of the symbols of a delivery: its rows are checked against that."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from resources.ledger.ledger import Connection
from resources.ledger.tables import SAME_VALUE
from resources.logs.open_questions import RECENT_PRICES
from resources.prices.series import Record
from resources.prices.source import CARRIED, PRICE_ROWS, Delivery
from resources.screening.corroboration import Elsewhere
from resources.screening.doubts import NOT_ANSWERED, WAITING

COLUMNS = ", ".join(f"p.{name}" for name in PRICE_ROWS.names)
MOST_ASKED = 1000  # symbols in one query
ELSEWHERE = """
    with told as (
        select *, min(source) over (partition by symbol) as first_source
        from believed_prices(null) where symbol in (select unnest($1)) and source <> $2
    )
    select symbol, date - date '1970-01-01', close, split, dividend from told where source = first_source
    qualify row_number() over (partition by symbol, date order by ingest_seq desc) = 1"""
Row = dict[str, Any]
Key = tuple[str, date]


def newest_price(con: Connection, sources: Iterable[str]) -> date | None:
    """The newest date of a believed price of the given sources; looked for among the recent rows first."""
    for where in (RECENT_PRICES, "true"):
        found = con.execute(
            f"select max(date) from believed_prices(null) where {where} and source in (select unnest(?))",
            [list(sources)],
        ).fetchall()[0][0]
        if found is not None:
            return date(found.year, found.month, found.day)
    return None


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


def set_aside(con: Connection, source: str, symbols: list[str]) -> tuple[list[Row], dict[Key, Row]]:
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
        {
            **parsed_row(raw),
            "symbol": symbol,
            "date": day,
            "code": code,
            "known_at": known,
            "ingest_seq": seq,
        }
        for symbol, day, code, raw, known, seq in found
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


def no_longer_believed(con: Connection, delivery: Delivery) -> pa.Table:
    """The rows on record, `PRICE_ROWS`, that a screened delivery sets aside: told again with the close they have there.

    A row set aside that tells another close corrects nothing: what is on record stays. So does one for a split or
    dividend of its own that the price does not answer, where another is on record.
    """
    aside = delivery.quarantined
    aside = aside.filter(pc.is_in(aside["code"], pa.array(WAITING)))
    if not aside.num_rows:
        return PRICE_ROWS.empty_table()
    told = [parsed_row(raw) for raw in aside["raw"].to_pylist()]
    doubted = aside.select(["symbol", "date", "code"])
    for name in ("close", "split", "dividend"):
        doubted = doubted.append_column(name, pa.array([row[name] for row in told], pa.float64()))
    con.register("doubted", doubted)
    rows = con.sql(
        f"""
        select {COLUMNS} from believed_prices(null) p join doubted d on p.symbol = d.symbol and p.date = d.date
        where p.source = $source
        qualify row_number() over (partition by p.symbol, p.date order by p.ingest_seq desc) = 1
            and abs(p.close - d.close) <= {SAME_VALUE} * p.close
            and not (d.code in (select unnest($codes))
                and (coalesce(d.split, 1) <> 1 and abs(d.split - p.split) > {SAME_VALUE} * p.split
                or coalesce(d.dividend, 0) <> 0 and abs(d.dividend - p.dividend) > {SAME_VALUE} * p.dividend))
        order by p.symbol, p.date
        """,
        params={"source": delivery.source, "codes": list(NOT_ANSWERED)},
    ).to_arrow_table()
    con.unregister("doubted")
    return rows.set_column(0, "symbol", rows["symbol"].dictionary_encode()).cast(PRICE_ROWS)


def prices_elsewhere(con: Connection, source: str, symbols: Collection[str] = ()) -> Elsewhere:
    """Symbol -> day -> (close, split, dividend) as the first other source by name has it.

    symbols  that may be asked about. Each query asks of twice as many as all before: one a symbol takes minutes of
             thousands, and one of all is a waste where only one is asked about, as on most days
    """
    found: dict[str, dict[int, tuple[float, float, float]]] = {}

    @cache
    def known() -> set[str]:
        told = con.execute("select distinct symbol from prices where source <> ?", [source]).fetchall()
        return {str(row[0]) for row in told}

    @cache
    def later() -> list[str]:
        return sorted(known().intersection(symbols), reverse=True)

    def told(symbol: str) -> Mapping[int, tuple[float, float, float]]:
        if symbol not in known():
            return {}
        if symbol not in found:
            asked = [symbol, *(later().pop() for _ in range(min(len(found), MOST_ASKED, len(later()))))]
            found.update({one: {} for one in asked if one not in found})
            rows = con.execute(ELSEWHERE, [sorted(set(asked)), source]).fetchall()
            for one, day, close, split, paid in rows:
                found[one][int(day)] = float(close), float(split), float(paid)
        return found[symbol]

    return told
