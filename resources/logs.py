"""Appending to the logs: what is new or corrected becomes a row, what is on record already does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from resources import ledger
from resources.ledger import Connection
from resources.tables import LOGS, SAME_VALUE, Log

# NULL in these columns of a delivery means "this payload cannot know it": what is on record stays.
UNKNOWABLE = {"dividend": "0", "split": "1"}

# The text of a price row is positional, because it is hashed 25 million times; the other logs use the general form.
PRICE_TEXT = (
    "concat(symbol, '|', date - date '1970-01-01', '|', open, '|', high, '|', low, '|', close, '|', volume, '|', "
    "case when dividend <> 0 then dividend end, '|', case when split <> 1 then split end, '|', "
    "source, '|', basis, '|', currency, '|', simulated, '|', known_at)"
)


@dataclass(frozen=True)
class Appended:
    """Counts of one append: rows new, rows that correct one on record, rows already on record."""

    new: int
    corrected: int
    same: int

    @property
    def rows(self) -> int:
        """Rows written."""
        return self.new + self.corrected


def row_hash_sql(con: Connection, log: str) -> str:
    """SQL for the 128-bit hash of a log row: the first half of SHA-256 over its key and value cells."""
    text = PRICE_TEXT if log == "prices" else _general_text(con, log)
    return f"unhex(left(sha256({text}), 32))"


def _general_text(con: Connection, log: str) -> str:
    kept = set(LOGS[log].columns)
    return ledger.row_text([column for column in ledger.columns(con, log) if column[0] in kept])


def append_log(con: Connection, log: str, rows: pa.Table, ingest_seq: int) -> Appended:
    """Append what `rows` brings that is not on record, and a leaf for each date touched, in the open transaction.

    rows        the columns of the log, of one source; keys unique
    ingest_seq  id of the ledger row that this transaction will get
    """
    if rows.num_rows == 0:
        return Appended(0, 0, 0)
    shape = LOGS[log]
    con.register("incoming", rows)
    try:
        low, high = con.execute("select min(date), max(date) from incoming").fetchall()[0]
        known = con.execute(f"select 1 from {log} where date between ? and ? limit 1", [low, high]).fetchall()
        compared = _against_record(shape, log, low, high) if known else _all_new(shape)
        con.execute(f"create or replace temp table compared as {compared}")
    finally:
        con.unregister("incoming")
    columns = [*shape.columns, *(["vendor_adj_close"] if log == "prices" else [])]
    con.execute(
        f"insert into {log} by name select {', '.join(columns)}, {ingest_seq} as ingest_seq, "
        f"{row_hash_sql(con, log)} as row_hash from compared where fate <> 'same' order by date, {shape.keys[0]}"
    )
    counts = dict(con.execute("select fate, count(*) from compared group by fate").fetchall())
    con.execute("drop table compared")
    appended = Appended(counts.get("new", 0), counts.get("corrected", 0), counts.get("same", 0))
    if appended.rows:
        _append_leaves(con, log, ingest_seq, only_new=not known)
    return appended


def _all_new(shape: Log) -> str:
    filled = ", ".join(f"coalesce({name}, {default}) as {name}" for name, default in UNKNOWABLE.items())
    replaced = f"replace ({filled})" if set(UNKNOWABLE) <= set(shape.values) else ""
    return f"select * {replaced}, 'new' as fate from incoming"


def _against_record(shape: Log, log: str, low: date, high: date) -> str:
    """SQL: the incoming rows, completed from the newest rows on record, each with its fate.

    What was known earlier than the row on record corrects nothing: an old file is being read again.
    """
    keys = ", ".join(shape.keys)
    filled = ", ".join(
        f"coalesce(i.{name}, c.{name}, {default}) as {name}"
        for name, default in UNKNOWABLE.items()
        if name in shape.values
    )
    completed = f"i.* {f'replace ({filled})' if filled else ''}"
    # the same value, told again later, is the same
    compared = [name for name in shape.values if name != "known_at"]
    outdated = "i.known_at < c.known_at" if "known_at" in shape.values else "false"
    return f"""
        with c as (
            select * from {log} where date between date '{low}' and date '{high}'
            qualify row_number() over (partition by {keys} order by ingest_seq desc) = 1
        ), i as (
            select {completed}, c.ingest_seq as on_record from incoming i left join c using ({keys})
        )
        select i.* exclude (on_record),
            case when on_record is null then 'new'
                 when {outdated} then 'same'
                 when {" and ".join(_same(name) for name in compared)} then 'same' else 'corrected' end as fate
        from i left join c using ({keys})
    """


NUMBERS = frozenset("open high low close volume dividend split value market_cap rating rate".split())


def _same(name: str) -> str:
    if name not in NUMBERS:
        return f"i.{name} is not distinct from c.{name}"
    near = f"abs(i.{name} - c.{name}) <= {SAME_VALUE} * greatest(abs(i.{name}), abs(c.{name}))"
    return f"coalesce({near}, i.{name} is null and c.{name} is null)"


LEAF = "sha256(string_agg(hex(row_hash), '' order by row_hash))"
VENDOR = (
    "sha256(string_agg(symbol || '=' || vendor_adj_close, ',' order by symbol, source) "
    "filter (vendor_adj_close is not null))"
)


def vendor_sql(log: str) -> str:
    """SQL for the digest of the vendor's own adjusted closes, which no pack hash covers; NULL without any."""
    return VENDOR if log == "prices" else "null::varchar"


def plain_leaves_sql(log: str, where: str) -> str:
    """SQL for (date, ingest_seq, rows, hash, vendor_hash) of dates that one ingest alone brought."""
    return (
        f"select date, ingest_seq, count(*) as rows, {LEAF} as hash, {vendor_sql(log)} as vendor_hash "
        f"from {log} where {where} group by date, ingest_seq"
    )


def leaves_sql(log: str, wanted: str) -> str:
    """SQL for (date, ingest_seq, rows, hash, vendor_hash) of each (date, ingest_seq) of the relation `wanted`.

    A leaf hashes the row hashes of a date: of each key the newest row up to that ingest. Its vendor hash is over
    the rows of that ingest alone.
    """
    keys = ", ".join(f"l.{key}" for key in LOGS[log].keys)
    return f"""
        select date, seq as ingest_seq, count(*) as rows, {LEAF} as hash, any_value(vendor) as vendor_hash
        from (
            select l.*, w.ingest_seq as seq from {log} l join {wanted} w on l.date = w.date
            and l.ingest_seq <= w.ingest_seq
            qualify row_number() over (partition by w.ingest_seq, {keys}
                                       order by l.ingest_seq desc) = 1
        ) left join (
            select date, ingest_seq as seq, {vendor_sql(log)} as vendor from {log} semi join {wanted}
            using (date, ingest_seq) group by all
        ) using (date, seq)
        group by date, seq
    """


def _append_leaves(con: Connection, log: str, ingest_seq: int, *, only_new: bool) -> None:
    if only_new:  # nothing to supersede: spare 25 million rows the window
        sql = plain_leaves_sql(log, f"ingest_seq = {ingest_seq}")
    else:
        sql = leaves_sql(
            log, f"(select distinct date, ingest_seq from {log} where ingest_seq = {ingest_seq})"
        )
    con.execute(f"insert into log_leaves by name select '{log}' as log, * from ({sql}) order by date")


def root_hash(con: Connection, logs: Sequence[str], as_of: date, watermark: int) -> tuple[str, int]:
    """(content hash, price rows) of what is visible: the newest leaf <= watermark of each date <= as_of of each log."""
    found = con.execute(
        """
        select log, date, arg_max(hash, ingest_seq) as hash, arg_max(rows, ingest_seq) as rows from log_leaves
        where date <= ? and ingest_seq <= ? and log in (select unnest(?)) group by log, date order by log, date
        """,
        [as_of, watermark, list(logs)],
    ).fetchall()
    text = "\n".join(f"{log}|{day}|{digest}" for log, day, digest, _ in found)
    return ledger.sha256(text), sum(int(row[3]) for row in found if row[0] == "prices")
