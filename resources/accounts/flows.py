"""What was paid into an account, and out of it, from one pack to the next."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from math import nan
from typing import NamedTuple

import numpy as np

from optimizer.measures.flows import growth_between_flows
from optimizer.model.portfolio import ZERO, exact
from optimizer.typing import Array
from resources.ledger.ledger import Connection


class Seen(NamedTuple):
    """What a pack saw of an account: rows up to a date and a watermark, and the positions of one day."""

    as_of: date
    watermark: int
    positions: date


def paid_between(con: Connection, account: str, base: str, packs: Sequence[Seen]) -> list[float] | None:
    """Paid in less paid out since the pack before, in base currency, of each pack; None where no flow is on record.

    Positions hold what flowed up to their day, so that a flow told late counts where it reached the value. NaN where
    money in another currency moved.
    """
    if not con.execute("select 1 from account_flows where account = ? limit 1", [account]).fetchall():
        return None
    known = [_flows(con, account, base, pack) for pack in packs]
    if not any(known):
        return None
    paid = [0.0]
    for before, earlier, later in zip(packs[:-1], known[:-1], known[1:], strict=True):
        moved = {
            currency: _since(later, currency, before.positions) - _since(earlier, currency, before.positions)
            for currency in {currency for _, currency in (*earlier, *later)}
        }
        foreign = any(amount for currency, amount in moved.items() if currency != base)
        paid.append(nan if foreign else float(moved.get(base, ZERO)))
    return paid


def growth_without(values: Array, paid: Sequence[float]) -> Array:
    """(N - 1,) what 1 in an account grew to from each pack to the next, without what was paid in or out between.

    NaN where nobody knows: money in another currency moved, or more was paid in than was there afterwards, so that what
    it grew from is not told by the value before.
    """
    growth = growth_between_flows(values, np.array(paid))
    return np.where(growth > 0, growth, nan)


Flows = Mapping[tuple[date, str], Decimal]


def _flows(con: Connection, account: str, base: str, pack: Seen) -> Flows:
    """Day and currency -> amount."""
    found = con.execute(
        "select date, coalesce(currency, ?), sum(amount) from known_flows(?, ?) where account = ? group by all",
        [base, pack.as_of, pack.watermark, account],
    ).fetchall()
    return {(day, str(currency)): exact(amount) for day, currency, amount in found}


def _since(flows: Flows, currency: str, day: date) -> Decimal:
    return sum((amount for (when, own), amount in flows.items() if own == currency and when > day), ZERO)
