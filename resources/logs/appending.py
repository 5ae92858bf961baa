"""Appending to the logs: what is new or corrected becomes a row, what is on record already does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resources.ledger import ledger
from resources.ledger.ledger import Connection
from resources.ledger.tables import LOGS, SAME_VALUE, Log
from resources.logs.log_leaves import BLOCK, layered_rows, plain_rows, read_leaves
from resources.prices.rows import days_of
from resources.screening.row_checks import PRICES, ROUNDING

ANEW = "judged_anew"
# NULL in these columns of a delivery means "this payload cannot know it": what is on record stays.
UNKNOWABLE = {"dividend": "0", "split": "1"}

# The text of a price row is positional, because it is hashed 25 million times; the other logs use the general form.
PRICE_TEXT = (
    "concat(symbol, '|', date - date '1970-01-01', '|', {open}, '|', {high}, '|', {low}, '|', {close}, '|', "
    "volume, '|', case when dividend <> 0 or signbit(dividend) then dividend end, '|', case when split <> 1 then split "
    "end, '|', source, '|', basis, '|', currency, '|', simulated, '|', known_at, "
    "case when withdrawn then '|withdrawn' when not withdrawn then '|kept' end)"
)
# A price of at most four decimals is written with four: half the time of looking for the shortest text of a double.
FOUR_DECIMALS = "try_cast({0} as decimal(18, 4))"
PRICE = f"case when {FOUR_DECIMALS}::double = {{0}} then {FOUR_DECIMALS}::varchar else {{0}}::varchar end"


@dataclass(frozen=True)
class Appended:
    """Counts of one append: rows new, rows that correct one on record, rows already on record.

    rounded  how many of the last are on record with more decimals
    """

    new: int
    corrected: int
    same: int
    rounded: int = 0

    @property
    def rows(self) -> int:
        """Rows written."""
        return self.new + self.corrected


def row_hash_sql(con: Connection, log: str) -> str:
    """SQL for the 128-bit hash of a log row: the first half of SHA-256 over its key and value cells."""
    return f"unhex(left(sha256({log_row_text(con, log)}), 32))"


def log_row_text(con: Connection, log: str) -> str:
    """SQL for the text of a log row that is hashed."""
    return _price_text() if log == "prices" else _general_text(con, log)


def _price_text() -> str:
    return PRICE_TEXT.format(**{name: PRICE.format(name) for name in ("open", "high", "low", "close")})


def _general_text(con: Connection, log: str) -> str:
    kept = set(LOGS[log].columns)
    return ledger.row_text([column for column in ledger.columns(con, log) if column[0] in kept])


def append_log(
    con: Connection, log: str, rows: pa.Table, ingest_seq: int, later: Sequence[int] = ()
) -> Appended:
    """Append what `rows` brings that is not on record, and a leaf for each date touched, in the open transaction.

    rows        columns of the log, of one source; keys unique; a value column that is left out is empty; where some
                were judged anew by all that is on record, a column `ANEW` tells which
    ingest_seq  id of the ledger row that this transaction will get
    later       of a payload that is read again, as in `Delivery`: what these tell stands
    Raises DataError where a row was lost on the way.
    """
    if rows.num_rows == 0:
        return Appended(0, 0, 0)
    if "withdrawn" in LOGS[log].values and "withdrawn" not in rows.column_names:
        rows = rows.append_column("withdrawn", pa.nulls(rows.num_rows, pa.bool_()))
    ends = pc.min_max(rows["date"])
    low, high = ends["min"].as_py(), ends["max"].as_py()
    known = con.execute(f"select 1 from {log} where date between ? and ? limit 1", [low, high]).fetchall()
    rows = _completed(rows, LOGS[log])
    if known:
        appended = _append_compared(con, log, rows, ingest_seq, low, high, later)
    else:
        con.register("incoming", in_date_order(rows))
        _insert(con, log, ingest_seq, _all_new(LOGS[log]))
        con.unregister("incoming")
        appended = Appended(rows.num_rows, 0, 0)
    if appended.rows:
        leaves = _append_leaves(con, log, ingest_seq, only_new=not known)
        ledger.refuse_loss(con, ingest_seq, {log: appended.rows, "log_leaves": leaves})
    return appended


def _completed(rows: pa.Table, shape: Log) -> pa.Table:
    for name in shape.values:
        if name not in rows.column_names:
            kind = pa.float64() if name in NUMBERS else pa.string()
            rows = rows.append_column(name, pa.nulls(rows.num_rows, kind))
    return rows


def in_date_order(rows: pa.Table) -> pa.RecordBatchReader:
    """The rows by date, else in their order, a block at a time: what is stored by date is found by date."""
    days = days_of(rows)
    if (np.diff(days) >= 0).all():
        return rows.to_reader()
    offset = days - days.min()  # numpy sorts 16-bit numbers by radix
    order = np.argsort(offset.astype(np.uint16) if offset.max() < 1 << 16 else offset, kind="stable")
    blocks = (order[start : start + BLOCK] for start in range(0, len(order), BLOCK))
    batches = (
        batch for block in blocks for batch in rows.take(pa.array(block)).combine_chunks().to_batches()
    )
    return pa.RecordBatchReader.from_batches(rows.schema, batches)


def _append_compared(
    con: Connection, log: str, rows: pa.Table, ingest_seq: int, low: date, high: date, later: Sequence[int]
) -> Appended:
    """Append what differs from the record of the same dates."""
    con.register("incoming", rows)
    con.execute(
        "create or replace temp table compared as "
        f"{_against_record(LOGS[log], log, low, high, later, _said_since(rows, later), _answers(log, rows, later))}"
    )
    con.unregister("incoming")
    _insert(
        con,
        log,
        ingest_seq,
        f"select * from compared where fate not in ('same', 'rounded') order by date, {LOGS[log].keys[0]}",
    )
    counts = dict(con.execute("select fate, count(*) from compared group by fate").fetchall())
    ledger.whole(log, rows.num_rows, sum(counts.values()))
    con.execute("drop table compared")
    new, corrected, same, rounded = (counts.get(fate, 0) for fate in ("new", "corrected", "same", "rounded"))
    return Appended(new, corrected, same + rounded, rounded)


def _insert(con: Connection, log: str, ingest_seq: int, rows: str) -> None:
    """Insert the rows that an SQL gives, each with its hash."""
    columns = [*LOGS[log].columns, *(["vendor_adj_close"] if log == "prices" else [])]
    con.execute(
        f"insert into {log} by name select {', '.join(columns)}, {ingest_seq} as ingest_seq, "
        f"{row_hash_sql(con, log)} as row_hash from ({rows})"
    )


def _all_new(shape: Log) -> str:
    """SQL: the incoming rows, with no dividend and no split where the payload cannot know them."""
    filled = ", ".join(f"coalesce({name}, {default}) as {name}" for name, default in UNKNOWABLE.items())
    replaced = f"replace ({filled})" if set(UNKNOWABLE) <= set(shape.values) else ""
    return f"select * {replaced} from incoming"


def _said_since(rows: pa.Table, later: Sequence[int]) -> str:
    """SQL: whether a later payload tells the row on record; what is judged anew counts that."""
    if not later:
        return "false"
    return f"not coalesce(i.{ANEW}, false) and c.later" if ANEW in rows.column_names else "c.later"


def _against_record(
    shape: Log, log: str, low: date, high: date, later: Sequence[int], said_since: str, answers: str
) -> str:
    """SQL: the incoming rows, completed from the newest rows on record, each with its fate.

    What was known earlier than the row on record corrects nothing: an old file is being read again. What it takes back
    it does by all that is known now.
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
    outdated = (
        "i.known_at < c.known_at and c.withdrawn is null and i.withdrawn is null"
        if log == "prices"
        else "false"
    )
    rounded = _only_rounded(compared) if log == "prices" else "false"
    # Another that only judged a row again leaves its close, and did not tell it.
    told = f"{keys}, close" if log == "prices" else keys
    asked = "" if answers == "false" else ASKED.format(low, high)
    tells = f", bool_or(ingest_seq in {(*later, 0)}) over (partition by {told}) as later" if later else ""
    return f"""
        with c as (
            select *{tells} from {log} where date between date '{low}' and date '{high}'
            qualify row_number() over (partition by {keys} order by ingest_seq desc) = 1
        ), i as (
            select {completed}, c.ingest_seq as on_record from incoming i left join c using ({keys})
        ){asked and f", asked as ({asked})"}
        select i.* exclude (on_record),
            case when on_record is null then 'new'
                 when {outdated} or ({said_since}) then 'same'
                 when {" and ".join(_same(name) for name in compared)} and not {answers} then 'same'
                 when {rounded} then 'rounded' else 'corrected' end as fate
        from i left join c using ({keys}) {asked and f"left join asked using ({keys})"}
    """


# SQL: what was last set aside of each day.
ASKED = """
    select symbol, date, q.source, max(q.ingest_seq) as asked_in, max(told.known_at) as asked_at
    from quarantine q join ingests told using (ingest_seq)
    where q.log = 'prices' and q.code <> 'CARRIED' and date between date '{}' and date '{}' group by all
"""


def _answers(log: str, rows: pa.Table, later: Sequence[int]) -> str:
    """SQL: whether a row on record is told once more after another of its day was set aside, which that answers."""
    if log != "prices" or later:
        return "false"
    anew = f"coalesce(i.{ANEW}, false)" if ANEW in rows.column_names else "false"
    told = f"i.withdrawn is null and not {anew} and coalesce(asked.asked_at <= i.known_at, true)"
    return f"coalesce(asked.asked_in > c.ingest_seq and {told}, false)"


NUMBERS = frozenset([
    "open", "high", "low", "close", "volume", "dividend", "split", "value", "market_cap", "rating", "rate", "cash",
    "cash_in_lieu", "basis_share",
])  # fmt: skip


def _same(name: str) -> str:
    if name not in NUMBERS:
        return f"i.{name} is not distinct from c.{name}"
    near = f"abs(i.{name} - c.{name}) <= {SAME_VALUE} * greatest(abs(i.{name}), abs(c.{name}))"
    return f"coalesce({near}, i.{name} is null and c.{name} is null)"


def _only_rounded(compared: Sequence[str]) -> str:
    """SQL: whether as-traded prices are those on record, some with fewer decimals; all but volume is the same."""
    told = [_rounded(name) if name in PRICES else _same(name) for name in compared if name != "volume"]
    other = f"not ({' and '.join(map(_same, PRICES))})"
    return " and ".join(["i.basis = 'as_traded'", other, *told])


def _rounded(name: str) -> str:
    apart = f"abs(i.{name} - c.{name})"
    steps = [
        f"(i.{name} = round(i.{name}, {digits}) and {apart} <= {0.5 * 10.0**-digits * (1 + SAME_VALUE)})"
        for digits in (2, 3, 4)
    ]
    return f"({_same(name)} or ({apart} <= {ROUNDING} * c.{name} and ({' or '.join(steps)})))"


def _append_leaves(con: Connection, log: str, ingest_seq: int, *, only_new: bool) -> int:
    """A leaf for each date that the ingest touched; gives their number."""
    brought = f"ingest_seq = {ingest_seq}"
    if only_new:  # nothing to supersede: spare 25 million rows the window
        leaves = read_leaves(con, plain_rows(log, brought))
    else:
        wanted = f"(select distinct date, ingest_seq from {log} where {brought})"
        leaves = read_leaves(con, layered_rows(log, wanted))
    rows = [{"log": log, "date": day, "ingest_seq": seq, **vars(leaf)} for (day, seq), leaf in leaves.items()]
    con.register("incoming", pa.Table.from_pylist(rows, schema=LEAVES))
    con.execute("insert into log_leaves by name select * from incoming")
    con.unregister("incoming")
    return len(rows)


LEAVES = pa.schema([
    ("log", pa.string()), ("date", pa.date32()), ("ingest_seq", pa.int64()), ("rows", pa.int64()),
    ("hash", pa.string()), ("vendor_hash", pa.string()),
])  # fmt: skip


def root_hash(con: Connection, logs: Sequence[str], as_of: date, watermark: int) -> tuple[str, int]:
    """(content hash, price rows) of what is visible."""
    found = visible_leaves(con, logs, as_of, watermark)
    text = "\n".join(f"{log}|{day}|{digest}" for log, day, digest, _ in found)
    return ledger.sha256(text), sum(int(row[3]) for row in found if row[0] == "prices")


def visible_leaves(
    con: Connection, logs: Sequence[str], as_of: date, watermark: int
) -> list[tuple[str, date, str, int]]:
    """(log, date, hash, rows) of the newest leaf <= watermark of each date <= as_of of each log, in that order."""
    return con.execute(
        """
        select log, date, arg_max(hash, ingest_seq) as hash, arg_max(rows, ingest_seq) as rows from log_leaves
        where date <= ? and ingest_seq <= ? and log in (select unnest(?)) group by log, date order by log, date
        """,
        [as_of, watermark, list(logs)],
    ).fetchall()
