"""A portfolio as a pack found it: what is held, what may be held, what it is measured against, and at what prices."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import pandas as pd

from optimizer import (
    DataError,
    PolicyError,
    Recipe,
)
from optimizer.trading.frozen import FrozenPosition
from resources.books.adjustments import Adjustment, adjustment_frame, read_adjustments_of_all
from resources.books.day_before import DayBefore
from resources.books.frozen_positions import frozen_positions, frozen_row, read_frozen
from resources.books.paper import Holdings, paper_holdings
from resources.books.stated import stated_holdings
from resources.books.tax_lots import Lots, lot_frame, read_lots_of_all
from resources.books.universes import (
    WEIGHTINGS,
    benchmark_symbols,
    benchmark_weights,
    cap_weights,
    gappy_symbols,
    missing_rates,
    universe_of,
    unpriced_symbols,
    without_volume,
    young_symbols,
)
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.settings.policy_schema import PolicyFile
from resources.settings.portfolios import PortfolioFile
from resources.settings.view_files import VIEW, ScenarioViewFile, ViewFile

UNKNOWN = Holdings(None, Decimal(0), {})
REMEDY = "deliver its price, state its delisting, or take it out (docs/how-to/delisted-symbol.md)"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One portfolio under one pack.

    symbols    everything estimated: investable, held, and the benchmark; ascending
    investable what the policy may buy; what is held besides is sold
    excluded   symbol of the universe -> why it cannot be bought today
    benchmark  symbol -> weight, a fraction
    measure    how those weights are made: "fixed", "equal_weight" or "market_cap";  listed  False: all may be held
    problem    why this portfolio cannot be computed today; None when it can
    rests_on   of a paper book the pack of its day before, and the hash of what was taken from it
    waits_for  the pack whose trades must come before this day; None where they are there
    frozen     what is held without a price today, where the policy keeps that at its last known one
    """

    portfolio_id: str
    name: str
    mode: str
    base_currency: str
    holdings: Holdings
    symbols: tuple[str, ...]
    investable: tuple[str, ...]
    excluded: Mapping[str, str]
    benchmark: Mapping[str, float]
    prior: str
    policy: PolicyFile
    views: tuple[ViewFile | ScenarioViewFile, ...]
    problem: str | None
    measure: str = "fixed"
    listed: bool = True
    rests_on: Mapping[str, str] | None = None
    waits_for: str | None = None
    frozen: tuple[FrozenPosition, ...] = ()

    def recipe(self) -> Recipe:
        """How this portfolio's estimates are made."""
        return Recipe(
            mean_method=self.policy.mean_method,
            covariance_method=self.policy.covariance_method,
            lookback_days=self.policy.lookback_days,
            currency=self.base_currency,
            symbols=self.symbols,
            missing="pairwise" if self.policy.on_gaps == "pairwise" else "complete",
        )

    def frames(self) -> dict[str, pd.DataFrame]:
        """The rows of `portfolio_snapshots` and `holdings`."""
        row = {
            "name": self.name, "mode": self.mode, "base_currency": self.base_currency,
            "holdings_date": self.holdings.as_of, "cash": self.holdings.cash,
            "policy": self.policy.model_dump_json(),
            "views": json.dumps([view.model_dump(mode="json") for view in self.views]),
            "benchmark": json.dumps(dict(self.benchmark)), "problem": self.problem,
            "universe": json.dumps({
                "symbols": self.symbols, "investable": self.investable, "excluded": dict(self.excluded),
                "prior": self.prior, "measure": self.measure, "listed": self.listed,
                **({"rests_on": self.rests_on} if self.rests_on else {}),
                **({"waits_for": self.waits_for} if self.waits_for else {}),
                **({"frozen": [frozen_row(one) for one in self.frozen]} if self.frozen else {}),
            }),
        }  # fmt: skip
        held = [
            {
                "symbol": symbol,
                "quantity": float(quantity),
                "cost_basis": self.holdings.cost_basis.get(symbol),
            }
            for symbol, quantity in sorted(self.holdings.quantities.items())
        ]
        columns = ["symbol", "quantity", "cost_basis"]
        lots = {"tax_lots": lot_frame(self.holdings.lots)} if self.holdings.lots else {}
        changed = self.holdings.adjustments
        adjustments = {"holding_adjustments": adjustment_frame(changed)} if changed else {}
        return {
            "portfolio_snapshots": pd.DataFrame([row]), "holdings": pd.DataFrame(held, columns=columns), **lots,
            **adjustments,
        }  # fmt: skip


def take_snapshot(con: Connection, pack: Pack, previous: DayBefore | None, file: PortfolioFile) -> Snapshot:
    """The portfolio of `file` under `pack`; what is wrong with it today is its `problem`, not an error.

    previous  what the holdings of a paper book rest on
    """
    holdings, problem = _holdings(con, pack, previous, file)
    wanted = universe_of(con, pack, file)
    named = benchmark_symbols(file)
    symbols = sorted({*wanted, *holdings.quantities, *named})
    unpriced = unpriced_symbols(con, pack, symbols)
    frozen, without_rate = frozen_positions(con, pack, unpriced, holdings, file)
    problem = problem or without_rate
    kept_anyway = {one.symbol for one in frozen}
    needed = [s for s in (*sorted(holdings.quantities.keys() - kept_anyway), *named) if s in unpriced]
    if needed and not problem:
        problem = "; ".join(f"{symbol} {unpriced[symbol]}" for symbol in needed) + f": {REMEDY}"
    problem = problem or missing_rates(con, pack, symbols, file)
    young = young_symbols(con, pack, sorted({*wanted} - {*unpriced}), file.policy.lookback_days)
    closed = unpriced | young
    if file.policy.on_gaps == "exclude":
        others = [symbol for symbol in symbols if symbol not in closed]
        closed |= gappy_symbols(con, pack, others, file.policy.lookback_days, {*holdings.quantities, *named})
    excluded = {symbol: why for symbol, why in sorted(closed.items()) if symbol in wanted}
    investable = tuple(symbol for symbol in sorted(wanted) if symbol not in excluded)
    if not investable and not problem:
        problem = "no symbol of its universe has a price"
    problem = problem or without_volume(con, pack, {*investable, *holdings.quantities} - kept_anyway, file)
    benchmark: dict[str, float] = {}
    try:
        benchmark = {} if problem else benchmark_weights(con, pack, file, investable)
        if file.prior == "market_cap" and not problem:
            cap_weights(con, pack, investable, file.base_currency)
    except DataError as error:
        problem = str(error)
    priced = {*investable, *(symbol for symbol in (*holdings.quantities, *named) if symbol not in unpriced)}
    kept = tuple(symbol for symbol in symbols if symbol in priced)
    return Snapshot(
        str(file.id), file.name, file.mode, file.base_currency, holdings, kept, investable, excluded,
        benchmark, file.prior, file.policy, tuple(file.views), problem,
        file.benchmark if file.benchmark in WEIGHTINGS else "fixed", file.universe != "all",
        previous.rests_on if previous else None, previous.missing if previous else None, frozen,
    )  # fmt: skip


def _holdings(
    con: Connection, pack: Pack, previous: DayBefore | None, file: PortfolioFile
) -> tuple[Holdings, str | None]:
    """What is held, and why that is not known, where it is not."""
    try:
        if file.mode != "paper" or previous is None:
            return stated_holdings(con, pack, file), None
        if previous.missing is None:
            return paper_holdings(con, pack, previous.pack, file), None
        return UNKNOWN, previous.waiting(file.name)
    except (PolicyError, DataError) as error:
        return UNKNOWN, str(error)


def read_snapshots(con: Connection, pack: Pack, mode: str | None = None) -> list[Snapshot]:
    """The newest snapshot of every portfolio under a pack, or of those of one mode, by name."""
    rows = con.execute(
        "select portfolio_id, name, mode, base_currency, holdings_date, cash, policy, views, benchmark, universe, "
        "problem from latest_portfolio_snapshots where pack_id = ? and (? is null or mode = ?) order by name",
        [pack.id, mode, mode],
    ).fetchall()
    held = _read_holdings(con, pack)
    lots, adjustments = read_lots_of_all(con, pack), read_adjustments_of_all(con, pack)
    texts = _Texts()
    return [
        _snapshot(row, texts, held.get(row[0], ()), lots.get(row[0], {}), adjustments.get(row[0], ()))
        for row in rows
    ]


Held = tuple[str, float, float | None]


def _read_holdings(con: Connection, pack: Pack) -> dict[str, list[Held]]:
    """Portfolio -> (symbol, quantity, cost per share) of what it holds, by symbol."""
    found: dict[str, list[Held]] = {}
    for portfolio_id, *held in con.execute(
        "select portfolio_id, symbol, quantity, cost_basis from latest_holdings where pack_id = ? order by all",
        [pack.id],
    ).fetchall():
        found.setdefault(portfolio_id, []).append((held[0], held[1], held[2]))
    return found


class _Texts:
    """Texts that many portfolios share, read once: the same text gives the same object."""

    def __init__(self) -> None:
        self.policy = cache(PolicyFile.model_validate_json)
        self.views = cache(lambda text: tuple(VIEW.validate_python(view) for view in json.loads(text)))
        self.table = cache(json.loads)
        self.symbols = cache(lambda text: _symbols(self.table(text)))


def _symbols(known: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(known["symbols"]), tuple(known["investable"])


def _snapshot(
    row: tuple[Any, ...],
    texts: _Texts,
    held: Sequence[Held],
    lots: Lots,
    adjustments: tuple[Adjustment, ...],
) -> Snapshot:
    portfolio_id, name, mode, currency, dated, cash, policy, views, benchmark, universe, problem = row
    known = texts.table(universe)
    symbols, investable = texts.symbols(universe)
    return Snapshot(
        portfolio_id, name, mode, currency,
        Holdings(
            dated, Decimal(str(cash)),
            {symbol: Decimal(str(quantity)) for symbol, quantity, _ in held},
            {symbol: cost for symbol, _, cost in held if cost is not None},
            lots, adjustments,
        ),
        symbols, investable, known["excluded"], texts.table(benchmark), known["prior"],
        texts.policy(policy), texts.views(views), problem, known.get("measure", "fixed"), known.get("listed", True),
        known.get("rests_on"), known.get("waits_for"), tuple(map(read_frozen, known.get("frozen", ()))),
    )  # fmt: skip
