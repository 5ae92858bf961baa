"""A portfolio as a pack found it, as rows and back: what is held, what may be, its benchmark and policy."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import ValidationError

from optimizer import FrozenPosition, Policy, Position, Recipe
from optimizer.model.portfolio import ZERO, exact
from optimizer.proposals.rebalance_rules import Standing
from resources.books.adjustments import adjustment_frame, read_adjustments
from resources.books.frozen_positions import frozen_row, read_frozen
from resources.books.lots.tax_lots import lot_frame, read_lots
from resources.books.paper import Holdings
from resources.books.universes import is_too_young
from resources.ledger.ledger import Connection, sha256
from resources.packs.packs import Pack
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.view_files import VIEW, View, named_in
from resources.store.query_rows import many


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One portfolio under one pack.

    symbols    everything estimated: investable, held, and the benchmark; ascending
    investable what the policy may buy; what is held besides is sold
    excluded   symbol of the universe -> why it cannot be bought today; restricted symbol -> that nobody knows it
    benchmark  symbol -> weight, a fraction
    measure    how those weights are made: "fixed", "equal_weight" or "market_cap";  listed  False: all may be held
    problem    why this portfolio cannot be computed today; None when it can
    rests_on   of a paper book the pack of its day before, and the hash of what was taken from it
    waits_for  the pack whose trades must come before this day; None where they are there
    frozen     what is held without a price today, where the policy keeps that at its last known one
    model      of an account that is rows, the model's name
    standing   what the policy's rebalance rules are held against; None where it has none
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
    views: tuple[View, ...]
    problem: str | None
    measure: str = "fixed"
    listed: bool = True
    rests_on: Mapping[str, str] | None = None
    waits_for: str | None = None
    frozen: tuple[FrozenPosition, ...] = ()
    model: str | None = None
    standing: Standing | None = None

    @cached_property
    def positions(self) -> dict[str, Position]:
        """What is held at today's prices, by symbol: made once for all stages."""
        kept, costs = {one.symbol for one in self.frozen}, self.holdings.cost_basis
        return {
            symbol: Position(symbol, quantity, exact(costs.get(symbol) or ZERO))
            for symbol, quantity in self.holdings.quantities.items()
            if symbol not in kept
        }

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """Names that are not estimated, being left out or frozen: what the policy says of them does not count."""
        named = {*self.excluded, *(one.symbol for one in self.frozen)}
        return tuple(sorted(named.difference(self.symbols)))

    @cached_property
    def views_today(self) -> tuple[View, ...]:
        """The views on what is estimated; those that speak of an absent name do not count."""
        absent = {*self.absent}
        return tuple(view for view in self.views if not absent & named_in(view)) if absent else self.views

    @cached_property
    def in_fractions(self) -> Policy:
        """Its policy as the optimizer takes it: read and checked once for all stages."""
        return self.policy.to_policy()

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

    def left_out(self, symbol: str) -> str:
        """Why an excluded symbol is none that may be bought; and what that does to the book where it is held."""
        why = self.excluded[symbol]
        said = f"{symbol} is left out: it {why}"
        if not is_too_young(why) or symbol not in {*self.holdings.quantities} & {*self.symbols}:
            return said
        return (
            f"{said}; being held it leaves the others no more either: on_short_history: freeze sets it apart"
        )

    def frames(self) -> dict[str, pa.Table | pd.DataFrame]:
        """The rows of `portfolio_snapshots` and `holdings`."""
        row = {
            "name": self.name, "mode": self.mode, "base_currency": self.base_currency,
            "holdings_date": self.holdings.as_of, "cash": self.holdings.cash,
            "policy": policy_text(self.policy),
            "views": json.dumps([view.model_dump(mode="json") for view in self.views]),
            "benchmark": json.dumps(dict(self.benchmark)), "problem": self.problem,
            "universe": json.dumps({
                "symbols": self.symbols, "investable": self.investable, "excluded": dict(self.excluded),
                "prior": self.prior, "measure": self.measure, "listed": self.listed,
                **({"rests_on": self.rests_on} if self.rests_on else {}),
                **({"waits_for": self.waits_for} if self.waits_for else {}),
                **({"frozen": [frozen_row(one) for one in self.frozen]} if self.frozen else {}),
                **({"standing": self.standing.as_json()} if self.standing else {}),
            }),
            "model": self.model,
        }  # fmt: skip
        held = sorted(self.holdings.quantities.items())
        rows = {
            "symbol": [symbol for symbol, _ in held],
            "quantity": [float(quantity) for _, quantity in held],
            "cost_basis": [self.holdings.cost_basis.get(symbol) for symbol, _ in held],
        }
        lots = {"tax_lots": lot_frame(self.holdings.lots)} if self.holdings.lots else {}
        changed = self.holdings.adjustments
        adjustments = {"holding_adjustments": adjustment_frame(changed)} if changed else {}
        return {
            "portfolio_snapshots": pa.table({name: [value] for name, value in row.items()}),
            "holdings": pa.table(rows, schema=HELD), **lots, **adjustments,
        }  # fmt: skip


HELD = pa.schema([("symbol", pa.string()), ("quantity", pa.float64()), ("cost_basis", pa.float64())])


# Keys that came later than packs on record: where one says nothing there is no word of it, as in those.
LATER = (
    "rebalance", "borrow_fee_pct", "borrow_fees_pct", "max_margin_pct", "long_margin_pct", "short_margin_pct",
    "margins_pct", "rounding", "on_short_history",
)  # fmt: skip


def policy_text(policy: PolicyFile) -> str:
    """A policy as JSON."""
    defaults = {key: PolicyFile.model_fields[key].get_default(call_default_factory=True) for key in LATER}
    silent = {key for key, default in defaults.items() if getattr(policy, key) == default}
    return policy.model_dump_json(exclude=silent or None)


SNAPSHOTS = (
    "select portfolio_id, name, mode, base_currency, holdings_date, cash, policy, views, benchmark, universe, problem, "
    "model from latest_portfolio_snapshots where pack_id = $1 and ($2 is null or mode = $2) "
    "and ($3 is null or portfolio_id = $3) order by name, portfolio_id"
)


def read_snapshots(
    con: Connection, pack: Pack, mode: str | None = None, portfolio_id: str | None = None
) -> list[Snapshot]:
    """The newest snapshot of every portfolio under a pack, or of those of one mode, or of one, by name.

    One query a table; what many share, as the policy of their model, is parsed once and is one object. A policy that
    this version refuses is the problem of its portfolio alone.
    """
    rows = con.execute(SNAPSHOTS, [pack.id, mode, portfolio_id]).fetchall()
    held = _held(con, pack, portfolio_id)
    lots, adjustments = read_lots(con, pack, portfolio_id), read_adjustments(con, pack, portfolio_id)
    policies = {text: _recorded(text) for text in {str(row[6]) for row in rows}}
    views = {
        text: tuple(VIEW.validate_python(view) for view in json.loads(text))
        for text in {str(row[7]) for row in rows}
    }
    benchmarks = {text: json.loads(text) for text in {str(row[8]) for row in rows}}
    universes = {text: _universe(text) for text in {str(row[9]) for row in rows}}
    found = []
    for key, name, kind, currency, dated, cash, policy, seen, benchmark, universe, problem, model in rows:
        known, (quantities, costs) = universes[universe], held.get(key, ({}, {}))
        holdings = Holdings(
            dated, Decimal(str(cash)), quantities, costs, lots.get(key, {}), adjustments.get(key, ())
        )
        standing, (own, refused) = known.get("standing"), policies[policy]
        found.append(Snapshot(
            key, name, kind, currency, holdings,
            known["symbols"], known["investable"], known["excluded"], benchmarks[benchmark], known["prior"],
            own, views[seen], problem or refused, known.get("measure", "fixed"),
            known.get("listed", True), known.get("rests_on"), known.get("waits_for"),
            tuple(map(read_frozen, known.get("frozen", ()))), model,
            Standing.of_json(standing) if standing else None,
        ))  # fmt: skip
    return found


def _recorded(text: str) -> tuple[PolicyFile, str | None]:
    """A policy as it was written, and why it can not be read: an older version took what this one refuses."""
    try:
        return PolicyFile.model_validate_json(text), None
    except ValidationError as stop:
        said = "; ".join(f"{'.'.join(map(str, one['loc']))} {one['msg']}".strip() for one in stop.errors())
        told = said.replace("Value error, ", "")
    return (
        PolicyFile(),
        f"the policy on record is refused by this version of packfolio, and is not computed again: {told}",
    )


def _universe(text: str) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(text)
    return known | {names: tuple(known[names]) for names in ("symbols", "investable")}


_KEPT: dict[str, list[Snapshot]] = {}


def kept_snapshots(con: Connection, pack: Pack) -> list[Snapshot]:
    """The same of all portfolios, read once for all stages of a run: while no version of theirs is another."""
    ((known,),) = con.execute(
        "with newest as (select portfolio_id, arg_max(content_hash, materialization) as content from versions "
        "where pack_id = ? and asset = 'portfolio_snapshots' group by all) "
        "select sha256(string_agg(concat_ws(' ', portfolio_id, content), ',' order by portfolio_id)) from newest",
        [pack.id],
    ).fetchall()
    key = sha256(repr((pack, known)))
    if key not in _KEPT:
        _KEPT.clear()
        _KEPT[key] = read_snapshots(con, pack)
    return _KEPT[key]


def _held(
    con: Connection, pack: Pack, portfolio_id: str | None
) -> dict[str, tuple[dict[str, Decimal], dict[str, float]]]:
    """Portfolio -> its shares and average costs by symbol, ascending."""
    rows = many(
        con,
        "select portfolio_id, symbol, quantity, cost_basis from latest_holdings where pack_id = $1 "
        "and ($2 is null or portfolio_id = $2) order by portfolio_id, symbol",
        [pack.id, portfolio_id],
    )
    found: dict[str, tuple[dict[str, Decimal], dict[str, float]]] = {}
    for key, symbol, quantity, cost in rows:
        quantities, costs = found.setdefault(key, ({}, {}))
        quantities[symbol] = exact(quantity)
        if cost is not None:
            costs[symbol] = cost
    return found
