"""Symbols that nobody has ever priced, and those that may be meant by them."""

from collections.abc import Sequence

from optimizer.errors import asked, nearest_of_each
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack


def unknown_symbols(con: Connection, pack: Pack, symbols: Sequence[str]) -> dict[str, str]:
    """Symbol -> what to say of it, for those of which a pack sees no price of any day."""
    unpriced = set(symbols) - _seen(con, pack, "prices", symbols) if symbols else set()
    if not unpriced:
        return {}
    known = [
        str(row[0])
        for row in con.execute(
            "select distinct symbol from prices where date <= ? and ingest_seq <= ? order by 1",
            [pack.as_of, pack.watermark],
        ).fetchall()
    ]
    return {
        symbol: f"no source has ever priced it; {asked(near, 'correct it, or ingest its prices')}"
        for symbol, near in nearest_of_each([name for name in symbols if name in unpriced], known).items()
    }


def strange_symbols(con: Connection, pack: Pack, symbols: Sequence[str]) -> dict[str, str]:
    """The same without those that the pack's reference data know, as a share that another desk holds."""
    found = unknown_symbols(con, pack, symbols)
    stated = _seen(con, pack, "securities", list(found)) if found else set()
    return {symbol: said for symbol, said in found.items() if symbol not in stated}


def _seen(con: Connection, pack: Pack, log: str, symbols: Sequence[str]) -> set[str]:
    rows = con.execute(
        f"select distinct symbol from {log} where symbol in (select unnest(?)) and date <= ? and ingest_seq <= ?",
        [list(symbols), pack.as_of, pack.watermark],
    ).fetchall()
    return {str(row[0]) for row in rows}
