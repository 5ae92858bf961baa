"""Symbols that nobody has ever priced, and those that may be meant by them."""

from collections.abc import Sequence

from optimizer.errors import nearest
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack

MOST = 3


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
        symbol: _said(names)
        for symbol, names in near([symbol for symbol in symbols if symbol in unpriced], known).items()
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


def near(symbols: Sequence[str], known: Sequence[str]) -> dict[str, list[str]]:
    """Symbol -> the known ones that may be meant: those of the same letters first, then the closest; at most three."""
    same: dict[str, list[str]] = {}
    for name in known:
        same.setdefault(_letters(name), []).append(name)
    close = nearest({symbol.upper(): None for symbol in symbols}, known)
    found = ((symbol, [*same.get(_letters(symbol), []), *close[symbol.upper()]]) for symbol in symbols)
    return {symbol: [*dict.fromkeys(names)][:MOST] for symbol, names in found}


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.upper()))


def _said(meant: Sequence[str]) -> str:
    asked = f"did you mean {' or '.join(meant)}?" if meant else "correct it, or ingest its prices"
    return f"no source has ever priced it; {asked}"
