"""What differs between two packs: the rows of the logs, and what was computed from them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from resources.ledger.ledger import Connection
from resources.ledger.tables import LOGS
from resources.packs.packs import Pack, find_pack
from resources.store.query_rows import Row, rows

SHOWN = 50  # changes listed in full; all are counted

# Of each table: what names a row within a pack, and the columns whose change matters.
COMPARED = {
    "portfolio_snapshots": (
        ("portfolio_id",),
        ("name", "cash", "policy", "views", "benchmark", "universe", "problem"),
    ),
    "holdings": (("portfolio_id", "symbol"), ("quantity", "cost_basis")),
    "tax_lots": (("portfolio_id", "symbol", "lot_id"), ("quantity", "cost_basis", "acquired")),
    "holding_adjustments": (
        ("portfolio_id", "symbol", "date", "kind", "lot_id"),
        ("quantity", "cash", "note"),
    ),
    "return_estimates": (("recipe", "symbol"), ("expected_return", "volatility", "observations")),
    "factor_exposures": (("recipe", "symbol", "factor"), ("exposure",)),
    "factor_returns": (("recipe", "date", "factor"), ("return",)),
    "factor_covariances": (("recipe", "factor", "other"), ("covariance",)),
    "specific_risks": (("recipe", "symbol"), ("variance", "observations")),
    "factor_model_quality": (("recipe", "measure", "factor"), ("value", "note")),
    "covariances": (("recipe", "symbol"), ("covariance_hash", "values")),
    "posterior_returns": (
        ("portfolio_id", "symbol"),
        ("prior_return", "posterior_return", "posterior_volatility", "spanned_return", "own_return"),
    ),
    "optimal_weights": (
        ("portfolio_id", "symbol"),
        ("weight", "current_weight", "risk_contribution", "binding"),
    ),
    "optimization_results": (
        ("portfolio_id",),
        (
            "method",
            "status",
            "reason",
            "objective",
            "expected_return",
            "volatility",
            "sharpe",
            "notional",
            "solver",
        ),
    ),
    "portfolio_exposures": (("portfolio_id", "exposure_type"), ("amount",)),
    "trades": (
        ("portfolio_id", "symbol"),
        ("action", "quantity", "price", "value", "cost", "target_weight", "rationale"),
    ),
    "trade_lists": (
        ("portfolio_id",),
        ("nav_before", "nav_after", "costs", "turnover", "constraints_met", "warnings", "tax"),
    ),
    "trade_schedule": (("portfolio_id", "symbol", "day"), ("quantity", "left_quantity", "days")),
    "lot_sales": (("portfolio_id", "symbol", "lot_id"), ("quantity", "gain", "long_term")),
    "backtest_results": (
        ("portfolio_id", "strategy", "date"),
        ("nav", "return", "turnover", "cost", "drawdown"),
    ),
    "backtest_attribution": (("portfolio_id", "strategy", "breakdown", "part", "effect"), ("contribution",)),
    "backtest_summary": (("portfolio_id", "strategy", "metric"), ("value",)),
    "factor_risks": (("portfolio_id", "side", "basis", "kind", "part"), ("exposure", "contribution")),
    "tail_risk": (
        ("portfolio_id", "book", "method", "level"),
        ("value_at_risk", "expected_shortfall", "scenarios"),
    ),
    "held_returns": (("portfolio_id", "kind", "part"), ("exposure", "return", "money")),
    "backtest_factors": (("portfolio_id", "strategy", "date", "part"), ("contribution", "benchmark")),
    "backtest_weights": (("portfolio_id", "strategy", "date", "symbol"), ("weight",)),
}
EFFECTS = ("return_estimates", "posterior_returns", "optimal_weights", "trades")


def diff_packs(con: Connection, first: str, second: str) -> Row:
    """Rows and values that differ between two packs, and the effect on estimates, posterior, weights and trades.

    Raises DataError for a pack that is not on record.
    """
    a, b = find_pack(con, first), find_pack(con, second)
    return {
        "from": a.id,
        "to": b.id,
        "same_content": a.content_hash == b.content_hash,
        "names": dict(
            con.execute(
                "select portfolio_id, max(name) from latest_portfolio_snapshots where pack_id in (?, ?) group by all",
                [a.id, b.id],
            ).fetchall()
        ),
        "logs": [found for log in LOGS if (found := log_changes(con, log, a, b))],
        "effects": [
            changes(table, _of_pack(con, table, a.id), _of_pack(con, table, b.id)) for table in EFFECTS
        ],
    }


def log_changes(con: Connection, log: str, a: Pack, b: Pack) -> Row | None:
    """Rows of a log that one pack sees and the other does not, or sees otherwise; only differing dates are read."""
    keys = LOGS[log].keys
    dates = con.execute(
        """
        with leaf as (
            select date, arg_max(hash, ingest_seq) filter (date <= $2 and ingest_seq <= $3) as a,
                   arg_max(hash, ingest_seq) filter (date <= $4 and ingest_seq <= $5) as b
            from log_leaves where log = $1 group by date
        )
        select date from leaf where a is distinct from b
        """,
        [log, a.as_of, a.watermark, b.as_of, b.watermark],
    ).fetchall()
    if not dates:
        return None
    days = [row[0] for row in dates]
    before, after = (_visible(con, log, pack, days) for pack in (a, b))
    found = cell_changes(before, after, keys, LOGS[log].values)
    kinds = Counter(change["what"] for change in found)
    restated = [change for change in found if change["what"] == "changed"]
    return {
        "log": log,
        "rows_added": kinds["added"],
        "rows_missing": kinds["missing"],
        "rows_restated": len({tuple(change["key"].values()) for change in restated}),
        "restated": restated[:SHOWN],
    }


def _visible(con: Connection, log: str, pack: Pack, days: Sequence[object]) -> list[Row]:
    return rows(
        con,
        f"select * from {log} where date in (select unnest(?)) and date <= ? and ingest_seq <= ? qualify row_number() "
        f"over (partition by {', '.join(LOGS[log].keys)} order by ingest_seq desc) = 1 order by all",
        [days, pack.as_of, pack.watermark],
    )


def _of_pack(con: Connection, table: str, pack_id: str) -> list[Row]:
    return rows(con, f"select * from latest_{table} where pack_id = ? order by all", [pack_id])


def changes(table: str, before: list[Row], after: list[Row]) -> Row:
    """The cells of an output table that differ: how many a column, the largest difference, and the first of them."""
    found = cell_changes(before, after, *COMPARED[table])
    columns: dict[str, Row] = {}
    for change in found:
        told = columns.setdefault(change["column"] or change["what"], {"cells": 0, "largest": None})
        told["cells"] += 1
        if change["difference"] is not None:
            told["largest"] = max(told["largest"] or 0.0, abs(change["difference"]))
    return {
        "table": table,
        "rows_before": len(before),
        "rows_after": len(after),
        "columns": columns,
        "changes": found[:SHOWN],
    }


def cell_changes(
    before: Iterable[Row], after: Iterable[Row], keys: Sequence[str], columns: Sequence[str]
) -> list[Row]:
    """{what, key, column, before, after, difference} of each cell that differs, rows in order of their keys."""
    left, right = ({tuple(row[key] for key in keys): row for row in side} for side in (before, after))
    found: list[Row] = []
    for key in sorted(left.keys() | right.keys(), key=str):
        named = dict(zip(keys, key, strict=True))
        if key not in right or key not in left:
            what = "missing" if key in left else "added"
            found.append(
                {
                    "what": what,
                    "key": named,
                    "column": None,
                    "before": None,
                    "after": None,
                    "difference": None,
                }
            )
            continue
        for column in columns:
            one, other = left[key].get(column), right[key].get(column)
            if one != other:
                found.append(
                    {"what": "changed", "key": named, "column": column, "difference": _difference(one, other)}
                    | ({} if isinstance(one, list) else {"before": one, "after": other})
                )
    return found


def _difference(one: Any, other: Any) -> float | None:
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return float(max(abs(x - y) for x, y in zip(one, other, strict=True)))
    try:
        return float(other) - float(one)
    except (TypeError, ValueError):
        return None
