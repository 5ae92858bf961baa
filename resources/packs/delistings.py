"""Shares that ceased to be: what the corporate actions say a holder was paid for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from resources.packs.packs import Pack
from resources.store.ledger import Connection

KIND = "delisting"


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
            select symbol, date, value, currency from corporate_actions
            where kind = '{KIND}' and symbol in (select unnest($1)) and date <= $2 and ingest_seq <= $3
            qualify row_number() over (partition by symbol order by date desc, ingest_seq desc) = 1
        ), told as (
            select symbol, max(date) as newest, arg_max(currency, (date, ingest_seq)) as currency from prices
            where symbol in (select symbol from gone) and date <= $2 and ingest_seq <= $3 group by symbol
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
