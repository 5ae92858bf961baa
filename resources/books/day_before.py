"""What the day of a paper book rests on: its day before, computed to the end, and whether that has changed since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from optimizer.errors import how_many
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack, find_pack

if TYPE_CHECKING:
    from resources.accounts.known import Account

# Of each as-of date the pack that counts.
CURRENT = (
    "select pack_id, as_of from pricing_packs where verdict = 'fresh' "
    "qualify row_number() over (partition by as_of order by revision desc) = 1"
)


def _states(where: str = "") -> str:
    """SQL for (pack_id, portfolio_id, state): one hash of all that the next day takes from a day."""
    told = {
        "latest_holdings": "symbol, quantity",
        "latest_trades": "symbol, current_quantity, target_quantity",
        "latest_tax_lots": "symbol, lot_id, quantity, cost_basis, acquired, held_since",
        "latest_lot_sales": "symbol, lot_id, quantity",
    }
    parts = []
    for table, columns in told.items():
        row = f"concat_ws(':', {columns})"
        parts.append(
            f"left join (select pack_id, portfolio_id, string_agg({row}, ',' order by {row}) as told "
            f"from {table} {where} group by all) {table} using (pack_id, portfolio_id)"
        )
    cells = ", ".join(f"{table}.told" for table in told)
    return (
        f"select s.pack_id, s.portfolio_id, sha256(concat_ws('|', s.pack_id, s.cash, s.holdings_date, {cells})) as "
        f"state from (from latest_portfolio_snapshots {where}) s {' '.join(parts)}"
    )


@dataclass(frozen=True)
class DayBefore:
    """The pack under which a paper book's holdings and orders are on record.

    state    hash of what is taken from it: cash, holdings, orders, lots
    missing  the earliest pack between it and today that was not computed to the end; None where there is none
    """

    pack: Pack
    state: str
    missing: str | None

    def waiting(self, name: str) -> str:
        """Why the day of a book must wait."""
        day = str(self.missing).removeprefix("PP_").split(".")[0]
        return (
            f"compute {self.missing} first, whose trades come before this day: packfolio run --as-of {day} "
            f"--portfolio {name}, then this day again; the backfill job goes in order"
        )

    @property
    def rests_on(self) -> dict[str, str] | None:
        """What the snapshot keeps of it; nothing while it waits."""
        return {"pack": self.pack.id, "state": self.state} if self.missing is None else None


def day_before(con: Connection, pack: Pack, account: Account) -> DayBefore | None:
    """What a paper book's day rests on; None where it begins with its account.

    The packs of the days between must have been computed for it, for their trades come first.
    """
    found = con.execute(
        "select p.pack_id, row_number() over (partition by as_of order by revision desc) = 1 as counts, s.mode, "
        "s.holdings_date, json_extract_string(s.universe, '$.waits_for') from pricing_packs p "
        "left join latest_portfolio_snapshots s on s.pack_id = p.pack_id and s.portfolio_id = ? "
        "where p.verdict = 'fresh' and p.as_of < ? order by as_of desc, revision desc",
        [account.id, pack.as_of],
    ).fetchall()
    missing: str | None = None
    for pack_id, counts, mode, known, waits_for in found:
        if not counts and missing is None:  # a revision took its place, and was computed
            continue
        if mode is None or waits_for is not None:
            missing = pack_id if counts else missing
        elif mode != "paper":
            return None
        elif known is not None:
            if counts and not _computed(con, pack_id, account.id):
                missing = pack_id
            return DayBefore(find_pack(con, pack_id), state_of(con, pack_id, account.id), missing)
    return None


def state_of(con: Connection, pack_id: str, portfolio_id: str) -> str:
    """The hash of what the next day takes from a book's day."""
    sql = _states("where pack_id = $1 and portfolio_id = $2")
    return str(con.execute(sql, [pack_id, portfolio_id]).fetchall()[0][2])


def computed(con: Connection, pack_id: str) -> bool:
    """Whether a pack's trades of each paper book are those of its holdings: not where a run ended between the two."""
    books = con.execute(
        "select portfolio_id from latest_portfolio_snapshots where pack_id = ? and mode = 'paper' "
        "and holdings_date is not null",
        [pack_id],
    ).fetchall()
    return all(_computed(con, pack_id, portfolio_id) for (portfolio_id,) in books)


def _computed(con: Connection, pack_id: str, portfolio_id: str) -> bool:
    """Whether the trades of a day are those of its holdings, or there can be none."""
    key: list[object] = [pack_id, portfolio_id]
    where = "where pack_id = ? and portfolio_id = ?"
    cash, problem = con.execute(
        f"select cash, problem from latest_portfolio_snapshots {where}", key
    ).fetchall()[0]
    lists = con.execute(f"select cash_before from latest_trade_lists {where}", key).fetchall()
    if problem is not None:
        return not lists
    if not lists:
        results = con.execute(f"select status from latest_optimization_results {where}", key).fetchall()
        return bool(results) and results[0][0] not in ("optimal", "no_data")
    if lists[0][0] is None:  # weights without a permitted list: its warning says why
        return True
    held, traded = (
        {symbol: quantity for symbol, quantity in con.execute(sql, key).fetchall() if quantity}
        for sql in (
            f"select symbol, quantity from latest_holdings {where}",
            f"select symbol, current_quantity from latest_trades {where}",
        )
    )
    return bool(lists[0][0] == cash and held == traded)


@dataclass(frozen=True)
class OutOfDate:
    """A day of a paper book that was not computed from what its day before says now.

    rested_on  the pack it was computed from; None: from its file
    before     the pack that it must follow
    later      how many days follow it;  last: the newest of them
    """

    portfolio_id: str
    portfolio: str
    pack_id: str
    rested_on: str | None
    before: str
    later: int
    last: date

    @property
    def skipped(self) -> bool:
        """Whether it was computed without its day before, not only on an older version of it."""
        return self.rested_on is None or self.rested_on[:13] != self.before[:13]

    def __str__(self) -> str:
        was = f"was computed from {self.rested_on or 'its file'} before {self.before} was there"
        if not self.skipped:
            was = f"rests on an older version of {self.before}"
        after = f", and {how_many(self.later, 'later day')} with it" if self.later else ""
        day = f"{self.portfolio}: its day under {self.pack_id} {was}{after}"
        return f"{day}: compute them again in order, {self.command}"

    @property
    def command(self) -> str:
        """What to type for all of them."""
        day = self.pack_id.removeprefix("PP_").split(".")[0]
        if self.later:
            return f"packfolio backfill {day} {self.last}"
        return f"packfolio run --as-of {day} --portfolio {self.portfolio}"


def out_of_date(con: Connection, since: date = date.min) -> list[OutOfDate]:
    """Of each paper book the first day after `since` that no longer follows from the day before, by name.

    Days that were computed before this was recorded are taken to be right. What live books and accounts held is not
    read: there may be ten thousand of them beside one paper book.
    """
    told = "where pack_id in (select pack_id from pricing_packs where as_of >= $since) and portfolio_id in (from paper)"
    found = con.execute(
        f"""
        with packs as (from ({CURRENT}) where as_of >= $since),
        paper as (select distinct portfolio_id from portfolio_snapshots where mode = 'paper'),
        states as ({_states(told)}), days as (
            select s.portfolio_id, s.name, p.as_of, p.pack_id, t.state, s.universe ->> '$.rests_on.pack' as rested_on,
                s.universe ->> '$.rests_on.state' as rested_state,
                m.input_hashes ->> 'previous_pack' is not null and rested_on is null as unrecorded
            from packs p join latest_portfolio_snapshots s using (pack_id) join states t using (pack_id, portfolio_id)
                join versions m using (materialization, portfolio_id)
            where s.mode = 'paper' and s.holdings_date is not null
        ), chained as (
            select *, lag(pack_id) over w as before, lag(state) over w as expected, count(*) over (
                partition by portfolio_id order by as_of rows between 1 following and unbounded following) as later,
                max(as_of) over (partition by portfolio_id) as last
            from days window w as (partition by portfolio_id order by as_of)
        )
        select portfolio_id, name, pack_id, rested_on, before, later, last from chained
        where before is not null and not unrecorded and rested_state is distinct from expected
        qualify row_number() over (partition by portfolio_id order by as_of) = 1 order by name
        """,
        {"since": since},
    ).fetchall()
    return [OutOfDate(*row) for row in found]


def skipped_before(con: Connection, pack: Pack) -> list[OutOfDate]:
    """Of each paper book the day that must follow this pack's, where it was computed before this one was there."""
    later = "select 1 from pricing_packs where verdict = 'fresh' and as_of > ? limit 1"
    if not con.execute(later, [pack.as_of]).fetchall():  # the newest day, of a run or a backfill
        return []
    return [late for late in out_of_date(con, pack.as_of) if late.skipped and late.before == pack.id]
