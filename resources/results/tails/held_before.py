"""What was held under the pack before, as it was on record when today's was cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from resources.books.orders import NEWEST, cut_at, pack_before
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack


@dataclass(frozen=True, eq=False)
class HeldBefore:
    """A book under the pack before.

    quantities  symbol -> shares held then;  cash  in base currency
    exposures   factor -> exposure of what was held, by that pack's factor model; empty without one
    """

    pack_id: str
    as_of: date
    currency: str
    quantities: Mapping[str, float]
    cash: float
    exposures: Mapping[str, float]


def held_before(con: Connection, pack: Pack, portfolios: Sequence[str]) -> dict[str, HeldBefore]:
    """Portfolio -> what it held under the pack before, of those that could be computed there.

    Only what was on record when `pack` was cut counts, so that a later correction of that day changes nothing here.
    """
    cut = cut_at(con, pack)
    before = pack_before(con, pack, cut)
    if before is None:
        return {}

    def read(asset: str, sql: str) -> list[tuple[Any, ...]]:
        found = con.execute(
            f"{sql} join {NEWEST} m using (portfolio_id, materialization)",
            [asset, before.id, cut, list(portfolios)],
        )
        return found.fetchall()

    books = read(
        "portfolio_snapshots",
        "select s.portfolio_id, s.base_currency, s.cash, s.problem from portfolio_snapshots s",
    )
    held: dict[str, dict[str, float]] = {}
    for portfolio, symbol, quantity in read(
        "portfolio_snapshots", "select h.portfolio_id, h.symbol, h.quantity from holdings h"
    ):
        if float(quantity):
            held.setdefault(portfolio, {})[symbol] = float(quantity)
    exposures: dict[str, dict[str, float]] = {}
    for portfolio, side, basis, kind, part, exposure in read(
        "impact",
        "select r.portfolio_id, r.side, r.basis, r.kind, r.part, r.exposure from factor_risks r",
    ):
        if (side, basis, kind) == ("before", "total", "factor"):
            exposures.setdefault(portfolio, {})[part] = float(exposure)
    return {
        portfolio: HeldBefore(
            before.id, before.as_of, currency, dict(sorted(held[portfolio].items())), float(cash or 0),
            exposures.get(portfolio, {}),
        )
        for portfolio, currency, cash, problem in sorted(books)
        if problem is None and portfolio in held
    }  # fmt: skip
