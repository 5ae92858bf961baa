"""What is set aside today and why: rows that were delivered and that nobody has believed or corrected since."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from optimizer.errors import how_many, some_of
from resources.ledger.ledger import Connection

# SQL for the rows of the newest month of prices: they lie together, and are found without a walk through the log.
RECENT_PRICES = "date > (select max(date) from log_leaves where log = 'prices') - 30"
MOST_LISTED = 2_000  # dates in a query; each takes some kilobytes while it is planned
RELEASE = "release it in overrides.yaml if it is true, or wait for the vendor's correction"
REMEDIES = {
    "SPLIT_UNEXPLAINED": "state the split in corporate_actions.csv (or the end of the company that had the symbol), or "
    "release the first row in overrides.yaml",
    "JUMP_75": RELEASE,
    "DIVIDEND_DOUBTED": f"ask the vendor whether it is in pence; {RELEASE}",
    "SPLIT_DOUBTED": RELEASE,
    "NOT_A_SESSION": "correct the date or the source's exchange; state a true session in overrides.yaml",
    "FUTURE_DATE": "wait for the day, or correct the date",
    "DUPLICATE_CONFLICT": "send one row of this symbol and date",
    "BAD_SYMBOL": "correct the symbol",
}
NUMBER = re.compile(r"(?<![\w-])[-+]?\d[\d.,]*%?(?![\w-])")  # a date is none
RESEND = "send the row again with what is right"


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """Rows of one symbol that are set aside for one reason.

    rows         days set aside; first and last of them
    reason       of the first of them
    remedy       what to do
    believed     the newest day of the symbol that the source gives and that is believed; None without one
    """

    symbol: str
    source: str
    code: str
    rows: int
    first: date | None
    last: date | None
    reason: str
    remedy: str
    believed: date | None = None

    @property
    def blocking(self) -> bool:
        """Whether the symbol's newest prices are among them: what is believed of it ends before they do."""
        return self.last is not None and (self.believed is None or self.believed < self.last)

    def __str__(self) -> str:
        span = f"of {self.first}" if self.first == self.last else f"from {self.first} to {self.last}"
        return f"prices of {self.symbol} are delivered and set aside, {self.rows} {span} ({self.code}): {self.remedy}"


def set_aside_since(question: OpenQuestion) -> str:
    """An open question as the reason why a price is missing."""
    return (
        f"prices of {question.symbol or 'no symbol'} are delivered and set aside since {question.first} "
        f"({question.code}, {how_many(question.rows, 'row')} of {question.source}: {question.reason})"
    )


def kind_of(name: str, text: str) -> str:
    """What a text says, whatever its name and its numbers: texts of one kind are told once."""
    return NUMBER.sub("#", _without(name, text))


def _without(name: str, text: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "", text) if name else text


def said_once(told: Sequence[tuple[str, str]]) -> list[tuple[list[int], str]]:
    """Of (name, text) the places of each kind, and the text of the first of them with the other names.

    What is of no name, or of one again, is told apart by its numbers too.

    >>> said_once([("A", "A fell by 3%"), ("B", "B fell by 4%"), ("C", "C rose")])
    [([0, 1], 'A fell by 3%; with other numbers of B'), ([2], 'C rose')]
    """
    kinds: dict[str, list[int]] = {}
    own: dict[tuple[str, str], str] = {}
    for place, (name, text) in enumerate(told):
        kind = kind_of(name, text)
        alone = not name or own.setdefault((name, kind), text) != text
        kinds.setdefault(text if alone else kind, []).append(place)
    said = []
    for places in kinds.values():
        _, *names = dict.fromkeys(told[place][0] for place in places)
        alike = {_without(*told[place]) for place in places}
        of = "the same of" if len(alike) == 1 else "with other numbers of"
        more = f"; {of} {some_of(names)}" if names else ""
        said.append((places, told[places[0]][1] + more))
    return said


def in_short(reason: str) -> str:
    """A reason of many parts, those that say the same of several names once.

    >>> in_short("A has no price; B has no price; mend it")
    'A has no price; the same of B; mend it'
    """
    parts = [(part.split(" ")[0], part) for part in reason.split("; ")]
    told = [(word if word.isupper() else "", part) for word, part in parts]
    return "; ".join(text for _, text in said_once(told))


def open_questions(con: Connection, watermark: int | None = None) -> list[OpenQuestion]:
    """One entry a symbol, source and code, as known at the watermark (now, when left out), the newest rows first.

    A row is no longer asked about once a row of its symbol, date and source that came with it or later is believed, or
    one was withdrawn later: it belongs to another name.
    """
    days = con.execute(
        "select distinct date from quarantine where log = 'prices' and code <> 'CARRIED' "
        "and ($1 is null or ingest_seq <= $1) order by 1",
        [watermark],
    ).fetchall()
    if not days:
        return []
    # Dates that stand in the query itself are looked up in the log; those of another table are joined to all of it.
    listed = ", ".join(f"date '{day}'" for (day,) in days if day is not None) or "null"
    among = f"p.date in ({listed})" if len(days) <= MOST_LISTED else "true"
    asked = con.execute(
        f"""
        with aside as (
            select coalesce(symbol, '') as symbol, source, date, code, reason, ingest_seq from quarantine
            where log = 'prices' and code <> 'CARRIED' and ($1 is null or ingest_seq <= $1)
            qualify rank() over (partition by symbol, source, date order by ingest_seq desc) = 1
        ), unanswered as (
            select * from aside a where not exists (
                select 1 from believed_prices($1) p where {among} and p.symbol = a.symbol
                and p.date = a.date and p.source = a.source and p.ingest_seq >= a.ingest_seq)
            and not exists (
                select 1 from prices p where p.withdrawn and {among} and p.symbol = a.symbol
                and p.date = a.date and p.source = a.source and p.ingest_seq > a.ingest_seq
                and ($1 is null or p.ingest_seq <= $1))
        )
        select symbol, source, code, count(distinct date), min(date), max(date) as last, arg_min(reason, (date, reason))
        from unanswered group by symbol, source, code order by last desc nulls last, symbol, source, code
        """,
        [watermark],
    ).fetchall()
    newest = _newest_believed(con, {(row[0], row[1]) for row in asked}, watermark)
    return [
        OpenQuestion(
            symbol, source, code, count, first, last, reason, REMEDIES.get(code, RESEND), newest.get((symbol, source))
        )
        for symbol, source, code, count, first, last, reason in asked
    ]  # fmt: skip


def _newest_believed(
    con: Connection, wanted: set[tuple[str, str]], watermark: int | None
) -> dict[tuple[str, str], date]:
    """(symbol, source) -> the newest date of a believed price; looked for among the recent rows first."""
    found: dict[tuple[str, str], date] = {}
    for where in (RECENT_PRICES, "true"):
        left = sorted({symbol for symbol, source in wanted if (symbol, source) not in found})
        if left:
            rows = con.execute(
                f"select symbol, source, max(date) from believed_prices($1) where {where} "
                "and symbol in (select unnest($2)) group by symbol, source",
                [watermark, left],
            ).fetchall()
            found = {(symbol, source): day for symbol, source, day in rows} | found
    return found
