"""Why an account waits: what its rows leave open, so that its value, or what it may do, is not known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from resources.accounts.rows import CASH
from resources.ledger.ledger import Connection

Row = tuple[Any, ...]
# Of a file of accounts its newest reading counts; what an account is was told again by any later row of it.
ASIDE = """
    with newest as (
        select payload_name, max(ingest_seq) as ingest_seq from ingests
        where source = 'accounts' and log = 'accounts' and status = 'ingested' group by payload_name
    )
    select q.log, coalesce(q.account, 'no account') as account, q.date, q.symbol, q.reason
    from quarantine q join newest using (ingest_seq)
    where q.log = 'accounts' and q.code <> 'DUPLICATE_SAME' and not exists (
        select 1 from accounts a where a.account = q.account and a.ingest_seq > q.ingest_seq)
    union all
    select log, account, date, symbol, reason from rows_set_aside(date '9999-12-31', 9223372036854775807)
    order by account, log <> 'accounts', log, date, symbol, reason
"""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A row of an account file that is set aside today; an account of which no row was taken is known by it alone."""

    log: str
    account: str
    date: date | None
    symbol: str | None
    reason: str

    def __str__(self) -> str:
        dated = f" of {self.date}" if self.date and self.log in ("account_positions", "account_flows") else ""
        of = f", {self.symbol}" if self.symbol else ""
        return f"{self.account}: a row of {self.log}{dated}{of} is set aside: {self.reason}"


def account_rows_aside(con: Connection) -> list[AccountRow]:
    """Rows of account files that are set aside, and that nobody has told again or taken back since; by account."""
    found = con.execute(ASIDE).fetchall()
    return [AccountRow(*row) for row in found]


def told_in_both_ways(positions: Sequence[Row]) -> str | None:
    """Why it is not known how much is held of a symbol that one file told whole and another by its lots."""
    whole, by_lots = dict[str, set[int]](), dict[str, set[int]]()
    for symbol, _, _, quantity, _, acquired, delivery in positions:
        if quantity:
            (whole if acquired is None else by_lots).setdefault(str(symbol), set()).add(delivery)
    for symbol in whole.keys() & by_lots.keys():
        if whole[symbol].isdisjoint(by_lots[symbol]):
            return (
                f"{symbol} was told of {positions[0][1]} by its tax lots in one file and without lots in another: both "
                "together would count it twice; take the rows of one back (withdrawn: true)"
            )
    return None


def in_another_base(
    positions: Sequence[Row], flows: Sequence[Row], base: str, others: Sequence[Row]
) -> str | None:
    """Why money is not known that was told of a day on which the base currency was another.

    others  from when, up to when and which, the latest first
    """
    for start, until, before in others if positions else ():
        day, told = positions[0][1], [when for when, _, currency in flows if not currency]
        if _within(day, start, until) and any(
            quantity if symbol == CASH else cost for symbol, _, _, quantity, cost, *_ in positions
        ):
            what = f"cash and costs of {day}"
        elif any(when > day and _within(when, start, until) for when in told):
            what = f"flows without a currency before {until}"
        else:
            continue
        since = others[0][1]
        return (
            f"its base currency is {base} since {since}, and its {what} are in {before}: send positions of {since} or "
            "later"
        )
    return None


def _within(day: date, start: date | None, until: date) -> bool:
    return (start is None or start <= day) and day < until


def set_aside(rows: Sequence[Row]) -> str:
    """Why an account waits for rows that are set aside, told by the first of them."""
    log, when, symbol, said = rows[0]
    what = log.removeprefix("account_").removesuffix("s")
    dated = f" of {when}" if when and what != "restriction" else ""
    more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
    of = f"{symbol}: " if symbol else ""
    return f"a {what}{dated} is set aside ({of}{said}){more}; correct the row, or take it back"
