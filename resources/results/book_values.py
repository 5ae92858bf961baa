"""What a book was worth at each pack, and how it grew between them without what was paid in or out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from optimizer.typing import Array
from resources.accounts.flows import Seen, growth_without, paid_between
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.store.query_rows import rows

# One pack a day: the one that is read on its own day, on others the newest revision.
PACK_DAYS = """days as (
    select pack_id, as_of, watermark_seq from pricing_packs where verdict = 'fresh' and as_of <= $1
    qualify row_number() over (partition by as_of order by pack_id = $2 desc, revision desc) = 1
)"""
ANEW = "holdings were stated anew, and what was paid in or out is not on record"
UNKNOWN = "money in another currency was paid in or out, or more in than was there afterwards"


@dataclass(frozen=True, eq=False)
class BookValues:
    """One book, by day; money in its base currency.

    packs    pack_id, as_of and benchmark of each;  values: (N,) before the trades of each
    growth   (N - 1,) what 1 grew to from each pack to the next, NaN where nobody knows;  unknown: why that is
    paid_in  (N,) of an account with flows on record, since the pack before, NaN where nobody knows; None of other books
    """

    packs: Sequence[Mapping[str, Any]]
    values: Array
    growth: Array
    unknown: str
    paid_in: Sequence[float] | None


def book_values(con: Connection, pack: Pack, portfolio_id: str, currency: str) -> BookValues:
    """At each fresh pack up to this one at which the book is worth something.

    Growth is without what was paid in or out, where an account's flows are on record. Else that across a day on which
    a live book's holdings were stated anew is not known.
    """
    found = rows(
        con,
        f"with {PACK_DAYS} select d.as_of, d.pack_id, d.watermark_seq, t.nav_before, s.mode, s.holdings_date, "
        "s.benchmark from days d join latest_trade_lists t using (pack_id) "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) "
        "where t.portfolio_id = $3 and t.nav_before > 0 order by d.as_of",
        [pack.as_of, pack.id, portfolio_id],
    )
    packs = [{name: row[name] for name in ("as_of", "pack_id", "benchmark")} for row in found]
    values = np.array([float(row["nav_before"]) for row in found])
    live = np.array([row["mode"] == "live" for row in found], dtype=bool)
    seen = [Seen(row["as_of"], row["watermark_seq"], row["holdings_date"]) for row in found]
    paid = paid_between(con, portfolio_id, currency, seen) if found and live.all() else None
    if paid is not None:
        return BookValues(packs, values, growth_without(values, paid), UNKNOWN, paid)
    stated = [row["holdings_date"] for row in found]
    anew = np.array([new != old for old, new in pairwise(stated)], dtype=bool) & live[1:]
    return BookValues(packs, values, np.where(anew, np.nan, values[1:] / values[:-1]), ANEW, None)
