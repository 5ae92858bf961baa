"""Risk and return by factor as tables, for files that are made of them."""

from collections.abc import Iterable, Iterator
from typing import Any

from resources.results.measure_text import part_name
from service.report.factors import exposure_changes, factor_rows, moved_factors
from service.report.table import Table
from service.report.track import Row

BOTH = {
    "exposure": "ratio", "exposure after": "ratio", "risk": "percent", "risk after": "percent",
}  # fmt: skip


def factor_tables(told: Row) -> Iterator[Table]:
    """Those of one portfolio, as `attribution_of` tells it; without rows where it tells nothing."""
    predicted, realised = told["predicted"], told["realised"]
    yield Table(
        "Factor risk",
        {"factor": "text", **BOTH, **{f"active {name}": form for name, form in BOTH.items()}},
        [
            [part_name(row["part"]), *row["exposure"], *row["risk"],
             *(row["active_exposure"] or (None, None)), *(row["active_risk"] or (None, None))]
            for row in (factor_rows(predicted) if predicted else ())
        ],
    )  # fmt: skip
    yield Table(
        "Risk by name",
        {"symbol": "text", "weight": "percent", "weight after": "percent", "risk": "percent", "risk after": "percent"},
        [[row["part"], *row["exposure"], *row["risk"]]
         for row in (predicted["total"]["symbols"] if predicted else ())],
    )  # fmt: skip
    moved = moved_factors(told["trades"])
    whole = exposure_changes(told["trades"])
    yield Table(
        "Exposures by trade",
        {"action": "text", "symbol": "text", "weight": "percent", **dict.fromkeys(moved, "ratio")},
        [[row["action"], row["symbol"], row["weight"][1] - row["weight"][0],
          *(row["exposures"].get(name) for name in moved)] for row in told["trades"]]
        + ([["", "in all", None, *(whole[name] for name in moved)]] if moved else []),
    )  # fmt: skip
    columns = {
        "part": "text", "group": "text", "money": "money", "contribution": "percent", "standard_error": "percent",
        "active": "percent", "active_error": "percent",
    }  # fmt: skip
    yield Table(
        "Return by factor", columns,
        [_named(row, columns) for row in (realised["parts"] if realised else ())],
    )  # fmt: skip
    yield from _tail_tables(told)


def _tail_tables(told: Row) -> Iterator[Table]:
    """Value at risk, and what the book earned from pack to pack."""
    columns = {
        "book": "text", "method": "text", "level": "percent", "value_at_risk": "percent",
        "expected_shortfall": "percent", "horizon_days": "count", "scenarios": "count", "value": "money",
    }  # fmt: skip
    rows = told["tail"]["rows"] if told["tail"] else ()
    shown = [row | {"method": row["method"].replace("_", " ")} for row in rows]
    yield Table("Value at risk", columns, [[row[name] for name in columns] for row in shown])
    columns = {"part": "text", "group": "text", "money": "money", "contribution": "percent"}
    rows = told["live"]["parts"] if told["live"] else ()
    yield Table("Return from pack to pack", columns, [_named(row, columns) for row in rows])


def _named(row: Row, columns: Iterable[str]) -> list[Any]:
    return [part_name(row[name]) if name == "part" else row[name] for name in columns]
