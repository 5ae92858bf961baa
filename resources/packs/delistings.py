"""Shares that ceased to be: what the corporate actions say became of them, and what a holder was paid."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import isinf
from typing import Any, Protocol

from optimizer import DataError
from optimizer.model.actions.action_kinds import ENDS
from resources.ledger.ledger import Connection
from resources.screening.renames import Rename, Segment, present_name, segments

KIND = "delisting"
EPOCH = date(1970, 1, 1)
ENDINGS = (
    "select symbol, date, kind, value, new_symbol, cash, currency, ingest_seq from stated_actions(?) "
    "where kind in ('delisting', 'merger', 'rename')"
)


class Seen(Protocol):
    """A pack, before it is written too: what it sees is every row with date <= as_of and ingest_seq <= watermark."""

    @property
    def as_of(self) -> date:
        """Its as-of date."""

    @property
    def watermark(self) -> int:
        """Its watermark."""


@dataclass(frozen=True)
class Delisting:
    """The end of a share.

    day       from when on nobody holds it
    value     cash per share, in `currency`; 0 when it is worthless
    currency  the action's own, else that of the share's last price before it; None where it had none
    """

    day: date
    value: float
    currency: str | None

    def __str__(self) -> str:
        return f"was delisted on {self.day} for {self.value:g} {f'{self.currency} ' if self.currency else ''}a share"


def delistings(con: Connection, pack: Seen, symbols: Iterable[str]) -> dict[str, Delisting]:
    """The delistings among the symbols, as the pack saw them; not of a name that was priced again later."""
    return standing(every_delisting(con, pack, symbols))


def standing(ends: Iterable[tuple[str, Delisting, bool]]) -> dict[str, Delisting]:
    """The newest of each symbol, of those as `every_delisting` gives them whose name was not priced again."""
    return {symbol: end for symbol, end, again in ends if not again}


def every_delisting(con: Connection, pack: Seen, symbols: Iterable[str]) -> list[tuple[str, Delisting, bool]]:
    """Each delisting of the symbols that the pack saw, by symbol and day, and whether the name was priced again."""
    rows = con.execute(
        f"""
        with gone as (
            select symbol, date, value, currency from stated_actions($3)
            where kind = '{KIND}' and symbol in (select unnest($1)) and date <= $2
        )
        select g.symbol, g.date, g.value,
            coalesce(g.currency, arg_max(p.currency, (p.date, p.ingest_seq)) filter (p.date <= g.date)),
            coalesce(max(p.date) > g.date, false)
        from gone g left join believed_prices($3) p on p.symbol = g.symbol and p.date <= $2
        group by g.symbol, g.date, g.value, g.currency order by g.symbol, g.date
        """,
        [sorted(symbols), pack.as_of, pack.watermark],
    ).fetchall()
    return [
        (str(symbol), Delisting(day, float(value), currency), bool(again))
        for symbol, day, value, currency, again in rows
    ]


def gone_symbols(con: Connection, pack: Seen, symbols: Iterable[str]) -> dict[str, str]:
    """Symbol -> why nobody can hold it any more; not of a name that was priced again later, by another company.

    A name that will be given up after the pack's date is gone too where its prices are kept under the later one.
    """
    return _gone(con, pack, con.execute(ENDINGS, [pack.watermark]).fetchall(), set(symbols))


def _gone(
    con: Connection, pack: Seen, stated: Sequence[tuple[Any, ...]], wanted: Collection[str]
) -> dict[str, str]:
    ends = [row for row in stated if row[0] in wanted and (row[1] <= pack.as_of or row[2] == "rename")]
    newest = _newest_prices(con, pack, {row[0] for row in ends}) if ends else {}
    # Names that changed hands within a day.
    taken = {(row[4], row[1]) for row in stated if row[2] == "rename"}
    found: dict[str, tuple[Any, ...]] = {}
    for row in sorted(
        ends, key=lambda row: (row[0], row[1] <= pack.as_of, abs(row[1] - pack.as_of), -row[-1])
    ):
        last, later = newest.get(row[0]), row[1] > pack.as_of
        passed_on = row[2] == "rename" and row[:2] in taken and last == row[1]
        if last is None or (last <= row[1] and not later and not passed_on):
            found.setdefault(row[0], row[1:-1])
    told = [symbol for symbol, row in found.items() if row[1] == KIND]
    paid = delistings(con, pack, told) if told else {}
    return {
        symbol: f"is kept as {new}, its name from {day} on"
        if day > pack.as_of
        else str(paid[symbol])
        if symbol in paid
        else _became(day, kind, value, new, cash, currency)
        for symbol, (day, kind, value, new, cash, currency) in found.items()
    }


def given_up_later(con: Connection, pack: Seen, symbols: Collection[str]) -> Collection[str]:
    """Of names that their companies give up after a pack's date, those whose prices are kept under the later ones.

    Raises DataError where another takes one, whose past prices it has then: as two that exchange their names.
    """
    gone = gone_symbols(con, pack, symbols)
    renames = _renames(con.execute(ENDINGS, [pack.watermark]).fetchall())
    taken = {
        row[4]: row[1] for row in renames if row[1] > pack.as_of and row[4] in symbols and row[4] not in gone
    }
    names, today = _names_of(renames), (pack.as_of - EPOCH).days
    for symbol in sorted(taken):
        if (company := present_name(names, symbol, today)) != symbol:
            raise DataError(
                f"{symbol} of {pack.as_of} is kept as {company}, and the prices of {symbol} are those of the company "
                f"that is called so from {taken[symbol]} on: begin the book on that day, with its names"
            )
    return gone


def _newest_prices(con: Connection, pack: Seen, symbols: Iterable[str]) -> dict[str, date]:
    """The newest priced day of each symbol that has one."""
    rows = con.execute(
        "select symbol, max(date) from believed_prices(?) where date <= ? and symbol in (select unnest(?)) "
        "group by all",
        [pack.watermark, pack.as_of, sorted(symbols)],
    ).fetchall()
    return {str(symbol): day for symbol, day in rows}


def present_names(con: Connection, pack: Seen, symbols: Iterable[str] | None = None) -> dict[str, str]:
    """Symbol -> the name under which the prices of the company are kept that had it last, of those given up for it.

    symbols  those that are asked for; None: all that were ever renamed
    """
    asked = _ever(con, "rename")
    asked = asked if symbols is None else asked.intersection(symbols)
    if not asked:  # of most books, which the whole of it would cost a tenth of their snapshot
        return {}
    stated = con.execute(ENDINGS, [pack.watermark]).fetchall()
    renames = _renames(stated)
    gone = _gone(con, pack, stated, asked.intersection(row[0] for row in renames))
    names = _names_of(renames) if gone else {}
    today = (pack.as_of - EPOCH).days
    return {old: _name(parts, today) for old, parts in names.items() if old in gone}


def names_given_up(con: Connection, pack: Seen) -> list[list[Any]]:
    """Columns symbol, since, until, company: the days on which a symbol was that of a company that is called so now.

    Of a name that nobody has since, the days after it too: where a rename is told late, books have the share under it.
    """
    if not (symbols := _ever(con, "rename")):
        return [[], [], [], []]
    gone = present_names(con, pack, symbols)
    renames = _renames(con.execute(ENDINGS, [pack.watermark]).fetchall())
    names = _names_of(row for row in renames if row[1] <= pack.as_of)
    rows = [(old, _day(part.since), _day(part.until), part.name) for old in names for part in names[old]]
    last = {old: until for old, _, until, _ in rows}  # by day: the newest of each
    rows += [(old, last.get(old, date.min), date.max, name) for old, name in gone.items()]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]


def called_now(named: Sequence[Sequence[Any]]) -> Callable[[str, date], str]:
    """(symbol, day) -> the present name of the company that had a symbol on a day; `named` as in `names_given_up`."""
    rows = list(zip(*named, strict=True))

    def name(symbol: str, day: date) -> str:
        return next(
            (now for old, since, until, now in rows if old == symbol and since <= day < until), symbol
        )

    return name


def quoted_in(con: Connection, pack: Seen, names: Iterable[str], day: date, *, ended: bool) -> str | None:
    """The currency of a share: of its last price up to a day, else of its first, else as a security.

    names  the latest first, under which prices are kept: those under an old one may be another company's
    ended  whether it ended on that day: a later price is another company's
    """
    sql = """
        select coalesce(
            (select coalesce(arg_max(currency, (date, ingest_seq)) filter (date <= $3),
                arg_min(currency, (date, ingest_seq)) filter (not $5))
                from believed_prices($1) where symbol = $2 and date <= $4),
            (select arg_max(currency, (date, ingest_seq)) from securities where symbol = $2 and ingest_seq <= $1))
    """
    every = (
        con.execute(sql, [pack.watermark, name, day, pack.as_of, ended]).fetchall()[0][0] for name in names
    )
    return next((str(found) for found in every if found is not None), None)


HAD = "(select unnest(?) as symbol, unnest(?) as since, unnest(?) as until, unnest(?) as company)"
# Of a fact told of one date under two names of a company in one delivery, the word under the name of that date.
NEWEST_WORD = "ingest_seq desc, until, symbol"


def names_had(con: Connection, pack: Seen, symbols: Sequence[str]) -> list[list[Any]]:
    """Columns of `HAD`: the names that the companies of some symbols had, from when and until when each.

    What was stated of a share at a date was stated under the name of that date; before a company had its name, another
    that has ended or is called otherwise may have had it.
    """
    stated = con.execute(ENDINGS, [pack.watermark]).fetchall() if _ever(con, *ENDS, "rename") else []
    renames = _renames(stated)
    later = {row[0] for row in renames if row[1] > pack.as_of}
    named = _gone(con, pack, stated, later) if later else {}
    names = _names_of([row for row in renames if row[1] <= pack.as_of or row[0] in named])
    begun = {old: _day(parts[-1].until) for old, parts in names.items()}
    for symbol, day in _taken_over(con, pack, stated, symbols).items():
        begun[symbol] = max(day, begun.get(symbol, day))
    rows = [(symbol, begun.get(symbol, date.min), date.max, symbol) for symbol in symbols]
    wanted = set(symbols)
    ended: dict[str, list[date]] = {}
    for symbol, day, kind, *_ in stated:
        if kind in ENDS:
            ended.setdefault(symbol, []).append(day)
    for old, parts in names.items():
        for part in (part for part in parts if part.name in wanted):
            since, until = _day(part.since), _day(part.until)
            before = [day for day in ended.get(old, ()) if day < until]
            rows.append((old, max([since, *before]), until, part.name))
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]


def taken_over(con: Connection, pack: Seen, symbols: Iterable[str]) -> dict[str, date]:
    """Symbol -> from when on it is that of the company which has it now, where it is priced after another has ended."""
    ended = _ever(con, *ENDS).intersection(symbols)
    return _taken_over(con, pack, con.execute(ENDINGS, [pack.watermark]).fetchall(), ended) if ended else {}


def _taken_over(
    con: Connection, pack: Seen, stated: Sequence[tuple[Any, ...]], symbols: Iterable[str]
) -> dict[str, date]:
    """`taken_over` of what is `stated`."""
    wanted = set(symbols)
    ends = [row for row in stated if row[0] in wanted and row[1] <= pack.as_of and row[2] in ENDS]
    newest = _newest_prices(con, pack, {row[0] for row in ends}) if ends else {}
    given = {(row[4], row[1]) for row in stated if row[2] == "rename"}
    return {
        # A price of the day itself is the last of the one that ended.
        symbol: day if (symbol, day) in given else day + timedelta(days=1)
        for symbol, day, *_ in sorted(ends, key=lambda row: row[1])
        if newest.get(symbol, date.min) > day
    }


def _ever(con: Connection, *kinds: str) -> set[str]:
    """The symbols of which an action of one of the kinds was ever stated, those taken back too."""
    ever = "select distinct symbol from corporate_actions where kind in (select unnest(?::varchar[]))"
    return {str(symbol) for (symbol,) in con.execute(ever, [list(kinds)]).fetchall()}


def _renames(stated: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row for row in stated if row[2] == "rename"]


def _names_of(renames: Iterable[tuple[Any, ...]]) -> dict[str, list[Segment]]:
    """`segments` of rows of `ENDINGS`."""
    return segments(Rename(str(row[0]), str(row[4]), (row[1] - EPOCH).days) for row in renames)


def _day(since: float) -> date:
    return date.min if isinf(since) else EPOCH + timedelta(days=since)


def _name(parts: Sequence[Segment], today: int) -> str:
    return next((part.name for part in parts if part.since <= today < part.until), parts[-1].name)


def _became(
    day: date, kind: str, value: float | None, new: str | None, cash: float | None, currency: str | None
) -> str:
    if kind == "rename":
        return f"is called {new} since {day}"
    paid = [f"{value:g} {new}"] if new else []
    paid += [f"{cash:g} {currency or 'in cash'}"] if cash else []
    return f"was merged on {day} for {' and '.join(paid)} a share"
