"""Symbols that nobody has ever priced, and those that may be meant by them."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

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
    return {symbol: _said(near(symbol, known)) for symbol in symbols if symbol in unpriced}


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


def near(symbol: str, known: Sequence[str]) -> list[str]:
    """The known symbols that may be meant: the same letters first, then the closest; at most three."""
    plain: Mapping[str, str] = {name: "".join(filter(str.isalnum, name.upper())) for name in known}
    wanted = "".join(filter(str.isalnum, symbol.upper()))
    same = [name for name in known if plain[name] == wanted]
    close = [name for name in get_close_matches(symbol.upper(), known, n=MOST) if name not in same]
    return [*same, *close][:MOST]


def _said(meant: Sequence[str]) -> str:
    asked = f"did you mean {' or '.join(meant)}?" if meant else "correct it, or ingest its prices"
    return f"no source has ever priced it; {asked}"
