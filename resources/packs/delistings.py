"""Shares that ceased to be: what the corporate actions say became of them, and what a holder was paid."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.screening.renames import Rename, segments

KIND = "delisting"
GONE = ("delisting", "merger", "rename")


@dataclass(frozen=True)
class Delisting:
    """The end of a share.

    day       from when on nobody holds it
    value     cash per share, in `currency`; 0 when it is worthless
    currency  the action's own, else that of the share's newest price
    """

    day: date
    value: float
    currency: str

    def __str__(self) -> str:
        return f"was delisted on {self.day} for {self.value:g} {self.currency} a share"


def delistings(con: Connection, pack: Pack, symbols: Iterable[str]) -> dict[str, Delisting]:
    """The delistings among the symbols, as the pack saw them; not of a name that was priced again later."""
    rows = con.execute(
        f"""
        with gone as (
            select symbol, date, value, currency from stated_actions($3)
            where kind = '{KIND}' and symbol in (select unnest($1)) and date <= $2
            qualify row_number() over (partition by symbol order by date desc) = 1
        ), told as (
            select symbol, max(date) as newest, arg_max(currency, (date, ingest_seq)) as currency
            from believed_prices($3) where symbol in (select symbol from gone) and date <= $2 group by symbol
        )
        select symbol, g.date, g.value, coalesce(g.currency, t.currency), coalesce(t.newest > g.date, false)
        from gone g left join told t using (symbol) order by symbol
        """,
        [sorted(symbols), pack.as_of, pack.watermark],
    ).fetchall()
    return {
        str(symbol): Delisting(day, float(value), str(currency))
        for symbol, day, value, currency, again in rows
        if not again
    }


def gone_symbols(con: Connection, pack: Pack, symbols: Iterable[str]) -> dict[str, str]:
    """Symbol -> why nobody can hold it any more; not of a name that was priced again later, by another company."""
    rows = con.execute(
        """
        with gone as (
            select symbol, date, kind, value, new_symbol, cash, currency from stated_actions($4)
            where kind in (select unnest($1)) and symbol in (select unnest($2)) and date <= $3
            qualify row_number() over (partition by symbol order by date desc, ingest_seq desc) = 1
        )
        select g.* from gone g where not exists (
            select 1 from believed_prices($4) p where p.symbol = g.symbol and p.date > g.date and p.date <= $3
        ) order by symbol
        """,
        [list(GONE), sorted(symbols), pack.as_of, pack.watermark],
    ).fetchall()
    ends = delistings(con, pack, [row[0] for row in rows if row[2] == KIND])
    return {
        str(symbol): str(ends[symbol]) if symbol in ends else _became(day, kind, value, new, cash, currency)
        for symbol, day, kind, value, new, cash, currency in rows
    }


def present_names(con: Connection, pack: Pack, symbols: Iterable[str]) -> dict[str, str]:
    """Symbol -> what the company is called now that had it last, of those that were given up for another name."""
    renames = [
        Rename(str(old), str(new), int(day))
        for old, new, day in con.execute(
            "select symbol, new_symbol, date - date '1970-01-01' from stated_actions(?) "
            "where kind = 'rename' and date <= ?",
            [pack.watermark, pack.as_of],
        ).fetchall()
    ]
    gone = gone_symbols(con, pack, symbols) if renames else {}
    return {old: parts[-1].name for old, parts in segments(renames).items() if old in gone}


def _became(
    day: date, kind: str, value: float | None, new: str | None, cash: float | None, currency: str | None
) -> str:
    if kind == "rename":
        return f"is called {new} since {day}"
    paid = [f"{value:g} {new}"] if new else []
    paid += [f"{cash:g} {currency or 'in cash'}"] if cash else []
    return f"was merged on {day} for {' and '.join(paid)} a share"
