"""What the logs say already of the symbols of a delivery: its rows are checked against that."""

from resources.prices.series import Record
from resources.prices.source import Delivery
from resources.settings.sources import days_since_1970
from resources.store.ledger import Connection


def newest_closes_on_record(con: Connection, delivery: Delivery) -> dict[str, Record]:
    """The newest close of each recent symbol of a delivery's source, and of each symbol that it brings.

    Recent rows lie together, so that they are found without a walk through the whole log.
    """
    source = delivery.source
    recent = "date > (select max(date) from log_leaves where log = 'prices') - 30"
    newest = _newest_closes(con, source, recent, [])
    others = set(delivery.rows["symbol"].unique().to_pylist()) - set(newest)
    if others:
        newest |= _newest_closes(con, source, "symbol in (select unnest(?))", [sorted(others)])
    held = con.execute(
        "select symbol, max(date) - date '1970-01-01' from quarantine where source = ? "
        "and code = 'SPLIT_UNEXPLAINED' group by symbol",
        [source],
    ).fetchall()
    waiting = {symbol: int(day) for symbol, day in held}
    return {
        symbol: Record(day, close, waiting.get(symbol, -1) > day)
        for symbol, (day, close) in sorted(newest.items())
    }


def _newest_closes(
    con: Connection, source: str, where: str, params: list[object]
) -> dict[str, tuple[int, float]]:
    rows = con.execute(
        "select symbol, max(date) - date '1970-01-01', arg_max(close, (date, ingest_seq)) from prices "
        f"where source = ? and {where} group by symbol",
        [source, *params],
    ).fetchall()
    return {str(symbol): (int(day), float(close)) for symbol, day, close in rows}


def known_splits(con: Connection) -> dict[tuple[str, int], float]:
    """(symbol, days since 1970) -> shares after per share before, as the corporate actions say."""
    rows = con.execute(
        "select symbol, date, arg_max(value, ingest_seq) from corporate_actions where kind = 'split' group by all"
    ).fetchall()
    return {(str(symbol), days_since_1970(day)): float(ratio) for symbol, day, ratio in rows}
