"""What the pipeline materialized for a pack, as plain JSON values."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeVar

from optimizer import PolicyError
from optimizer.problem.methods import METHODS
from optimizer.risk.scenarios import FACTORS
from resources.ledger.ledger import columns
from resources.lineage.tracing import OF_FACTORS, refuse_untraced, trace_of
from resources.packs.packs import Pack
from resources.results.account_list import Wanted, accounts_page, letters
from resources.results.attribution.summary import attribution_of
from resources.results.queries import by_portfolio, packs_table, portfolios_of, regime_of
from resources.settings.playbook_schemas.scenario_schema import Shocks
from resources.store.query_rows import rows
from service.answers.answer import plain
from service.desk import Desk, Reading
from service.http.callers import Caller
from service.performance import performance as performance_of
from service.policies import method_keys

Item = TypeVar("Item")


@dataclass(frozen=True)
class Asked:
    """Who reads, and which part of what there is: `limit` packs, portfolios or decisions from `offset` on."""

    caller: Caller
    limit: int = 1000
    offset: int = 0

    def page(self, items: Sequence[Item]) -> Sequence[Item]:
        """The part that is asked for."""
        return items[self.offset : self.offset + self.limit]


Seen = tuple[Any, int]  # a view, and how many items there are of which it shows some


def pack_list(reading: Reading, asked: Asked) -> Seen:
    """Every pack, the newest first."""
    found = packs_table(reading.con)
    return plain(asked.page(found)), len(found)


def portfolio_list(reading: Reading, pack_id: str, search: str, asked: Asked) -> Seen:
    """The portfolios of a pack with policy, universe size and problem; those whose name or UUID has `search` in it."""
    pack = reading.pack(pack_id)
    own = dict(asked.caller.own(reading.named(pack)))
    seen = [one for one in reading.snapshots(pack) if one.portfolio_id in own]
    if search.strip():
        told = [search.strip(), *(f"{one.portfolio_id} {one.name}" for one in seen)]
        part, *texts = letters(reading.con, told)
        seen = [one for one, text in zip(seen, texts, strict=True) if part in text]
    shown = [
        {
            "portfolio_id": snapshot.portfolio_id,
            "name": snapshot.name,
            "mode": snapshot.mode,
            "base_currency": snapshot.base_currency,
            "symbols": list(snapshot.symbols),
            "policy": snapshot.policy.model_dump(mode="json", exclude_none=True),
            "problem": snapshot.problem,
        }
        for snapshot in asked.page(seen)
    ]
    return shown, len(seen)


def account_list(reading: Reading, pack_id: str, wanted: Wanted, asked: Asked) -> Seen:
    """The accounts of a pack that are wanted and that the caller may see, with counts by model and outcome."""
    pack, caller = reading.pack(pack_id), asked.caller
    mine = None if caller.portfolios is None else tuple(key for key, _ in caller.own(reading.named(pack)))
    found = accounts_page(reading.con, pack.id, replace(wanted, mine=mine))
    return plain(found), int(found["there"])


def _portfolios(reading: Reading, pack: Pack, wanted: str | None, caller: Caller) -> list[dict[str, Any]]:
    """The portfolios of a pack that the caller may see, or the one that he names."""
    if wanted is not None:
        wanted = caller.chosen(reading.named(pack), wanted)
    own = dict(caller.own(reading.named(pack)))
    return [row for row in portfolios_of(reading.con, pack, wanted) if row["portfolio_id"] in own]


def _by_portfolio(table: str, order: str) -> Callable[[Reading, str, str | None, Asked], Seen]:
    def view(reading: Reading, pack_id: str, portfolio: str | None, asked: Asked) -> Seen:
        pack = reading.pack(pack_id)
        seen = _portfolios(reading, pack, portfolio, asked.caller)
        page = asked.page(seen)
        told = by_portfolio(reading.con, pack, table, [found["portfolio_id"] for found in page], order)
        shown = [
            {**found, table: [_decoded(row) for row in told.get(found["portfolio_id"], [])]} for found in page
        ]
        return plain({"pack_id": pack.id, "as_of": pack.as_of, "portfolios": shown}), len(seen)

    return view


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(value)
        if name in ("warnings", "certificate", "diagnostics", "numbers") and value
        else value
        for name, value in row.items()
    }


VIEWS: Mapping[str, Callable[[Reading, str, str | None, Asked], Seen]] = {
    "trades": _by_portfolio("trades", "sequence"),
    "weights": _by_portfolio("optimal_weights", "symbol"),
    "exposures": _by_portfolio("portfolio_exposures", "exposure_type"),
    "results": _by_portfolio("optimization_results", "method"),
    "impact": _by_portfolio("impact", "metric"),
    "scenarios": _by_portfolio("scenario_losses", "profit, scenario_id"),
    "hedges": _by_portfolio("hedges", "scenario_id, sequence"),
    "tail_risk": _by_portfolio("tail_risk", "book, method, level"),
    "trade_schedule": _by_portfolio("trade_schedule", "day, symbol"),
}


def performance(reading: Reading, pack_id: str, portfolio: str, window: int, asked: Asked) -> Seen:
    """The newest backtest of one portfolio up to a pack, and what it was worth on the days of the daily runs."""
    pack = reading.pack(pack_id)
    portfolio = asked.caller.chosen(reading.named(pack), portfolio)
    return performance_of(reading, pack, portfolio, window), 1


def attribution(
    reading: Reading, pack_id: str, portfolio: str, start: date | None, end: date | None, asked: Asked
) -> Seen:
    """Risk of a portfolio by factor and name, what its trades did to it, and where its backtest's return came from."""
    pack = reading.pack(pack_id)
    portfolio = asked.caller.chosen(reading.named(pack), portfolio)
    own = portfolios_of(reading.con, pack, portfolio)[0]
    return plain(attribution_of(reading.con, pack, own, start, end)), 1


def regime(reading: Reading, pack_id: str) -> Seen:
    """The regime that a pack's macro series look like."""
    return plain(regime_of(reading.con, reading.pack(pack_id).id)), 1


def decisions(reading: Reading, pack_id: str, asked: Asked) -> Seen:
    """What was proposed under a pack to portfolios that the caller may see, as ingested since, the newest first."""
    pack, mine = reading.pack(pack_id), None
    if asked.caller.portfolios is not None:
        mine = [key for key, _ in asked.caller.own(reading.named(pack))]
    where = "from decisions where pack_id = ? and (? is null or list_contains(?, portfolio_id))"
    key: list[object] = [pack.id, mine, mine]
    there = int(reading.con.execute(f"select count(*) {where}", key).fetchall()[0][0])
    found = rows(
        reading.con,
        f'select * exclude (pack_id, ingest_seq) {where} order by "at" desc, line_sha256 limit ? offset ?',
        [*key, asked.limit, asked.offset],
    )
    shown = [{**row, "trades": json.loads(row["trades"])} for row in found]
    return plain({"pack_id": pack.id, "decisions": shown}), there


def trace(
    reading: Reading,
    pack_id: str,
    table: str,
    symbol: str | None,
    portfolio: str | None,
    factor: str | None,
    asked: Asked,
) -> Seen:
    """From rows of a table back to the price rows and files they came from; `limit` rows in all are told.

    Each part of the key is what its name says, but for a table of portfolios without symbols: there a lone symbol is
    the portfolio, as on the command line.
    """
    pack = reading.pack(pack_id)
    refuse_untraced(table)
    known = dict(columns(reading.con, table))
    if symbol and not portfolio and "symbol" not in known and "portfolio_id" in known:
        symbol, portfolio = None, symbol
    if portfolio or known.keys() & {"portfolio_id", "recipe"}:  # a recipe tells what its portfolios may hold
        portfolio = asked.caller.chosen(reading.named(pack), portfolio or "")
    own = reading.snapshot(pack, portfolio).portfolio_id if portfolio else None
    for name, value, there in (
        ("symbol", symbol, "symbol" in known or table == "pricing_packs"),
        ("factor", factor, table in OF_FACTORS),
    ):
        if value and not there:
            raise PolicyError(f"{table} has no {name}s: leave {name} out")
    return plain(trace_of(reading.con, table, pack, symbol, own, factor, asked.limit, asked.offset)), 1


def catalogue(desk: Desk) -> dict[str, Any]:
    """Scenarios with shocks, factors, the keys of custom shocks, regimes, policy templates, methods and their keys.

    What the desk has no file for is empty, with the reason under `left_out`.
    """
    books = desk.playbooks
    return {
        "left_out": {name.removesuffix(".yaml"): books.without(name) for name in books.missing},
        "factors": list(FACTORS),
        "shocks": list(Shocks.model_fields),
        "methods": sorted(METHODS),
        "method_keys": method_keys(),
        "regimes": list(books.regimes),
        "templates": {name: dict(keys) for name, keys in books.templates.items()},
        "scenarios": [
            {
                "scenario_id": name,
                "name": found.name,
                "severity": found.severity,
                "probability": found.probability,
                "shocks": dict(found.shocks),
                "factors": dict(found.factors),
                "window": [day.isoformat() for day in found.window] if found.window else None,
            }
            for name, found in books.scenarios.items()
        ],
    }
