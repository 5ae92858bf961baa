"""What the pipeline materialized for a pack, as plain JSON values."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from optimizer.problem.methods import METHODS
from optimizer.risk.scenarios import FACTORS
from resources.audit.tracing import trace_row
from resources.results.queries import packs_table, portfolios_of, regime_of, rows
from resources.settings.playbooks import Shocks
from service.answers import plain
from service.desk import Desk, Reading

Rows = list[dict[str, Any]]
HIDDEN = "exclude (pack_id, portfolio_id, materialization)"


def pack_list(reading: Reading) -> Any:
    """Every pack, the newest first."""
    return plain(packs_table(reading.con))


def portfolio_list(reading: Reading, pack_id: str) -> Any:
    """The portfolios of a pack with policy, universe size and problem."""
    pack = reading.pack(pack_id)
    return [
        {
            "portfolio_id": snapshot.portfolio_id,
            "name": snapshot.name,
            "mode": snapshot.mode,
            "base_currency": snapshot.base_currency,
            "symbols": list(snapshot.symbols),
            "policy": snapshot.policy.model_dump(mode="json", exclude_none=True),
            "problem": snapshot.problem,
        }
        for snapshot in reading.snapshots(pack)
    ]


def _by_portfolio(table: str, order: str) -> Callable[[Reading, str, str | None], Any]:
    def view(reading: Reading, pack_id: str, portfolio: str | None) -> Any:
        pack = reading.pack(pack_id)
        shown = []
        for found in portfolios_of(reading.con, pack, portfolio):
            listed = rows(
                reading.con,
                f"select * {HIDDEN} from latest_{table} where pack_id = ? and portfolio_id = ? order by {order}",
                [pack.id, found["portfolio_id"]],
            )
            shown.append({**found, table: [_decoded(row) for row in listed]})
        return plain({"pack_id": pack.id, "as_of": pack.as_of, "portfolios": shown})

    return view


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(value)
        if name in ("warnings", "certificate", "diagnostics", "numbers") and value
        else value
        for name, value in row.items()
    }


VIEWS: Mapping[str, Callable[[Reading, str, str | None], Any]] = {
    "trades": _by_portfolio("trades", "sequence"),
    "weights": _by_portfolio("optimal_weights", "symbol"),
    "exposures": _by_portfolio("portfolio_exposures", "exposure_type"),
    "results": _by_portfolio("optimization_results", "method"),
    "impact": _by_portfolio("impact", "metric"),
    "scenarios": _by_portfolio("scenario_losses", "profit, scenario_id"),
    "hedges": _by_portfolio("hedges", "scenario_id, sequence"),
}


def regime(reading: Reading, pack_id: str) -> Any:
    """The regime that a pack's macro series look like."""
    return plain(regime_of(reading.con, reading.pack(pack_id).id))


def decisions(reading: Reading, pack_id: str) -> Any:
    """What was proposed under a pack and has been ingested since, the newest first."""
    pack = reading.pack(pack_id)
    found = rows(
        reading.con,
        'select * exclude (pack_id, ingest_seq) from decisions where pack_id = ? order by "at" desc, line_sha256',
        [pack.id],
    )
    shown = [{**row, "trades": json.loads(row["trades"])} for row in found]
    return plain({"pack_id": pack.id, "decisions": shown})


def trace(reading: Reading, pack_id: str, table: str, symbol: str | None, portfolio: str | None) -> Any:
    """From rows of a table back to the price rows and files they came from."""
    reading.pack(pack_id)
    return plain(trace_row(reading.con, table, [pack_id, *(key for key in (symbol, portfolio) if key)]))


def catalogue(desk: Desk) -> dict[str, Any]:
    """Scenarios with their shocks, factors, the keys of custom shocks, regimes, policy templates and methods.

    What the desk has no file for is empty, with the reason under `left_out`.
    """
    books = desk.playbooks
    return {
        "left_out": {name.removesuffix(".yaml"): books.without(name) for name in books.missing},
        "factors": list(FACTORS),
        "shocks": list(Shocks.model_fields),
        "methods": sorted(METHODS),
        "regimes": list(books.regimes),
        "templates": {name: dict(keys) for name, keys in books.templates.items()},
        "scenarios": [
            {
                "scenario_id": name,
                "name": found.name,
                "severity": found.severity,
                "probability": found.probability,
                "shocks": dict(found.shocks),
                "window": [day.isoformat() for day in found.window] if found.window else None,
            }
            for name, found in books.scenarios.items()
        ],
    }
