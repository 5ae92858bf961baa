"""What Dagster shows of portfolios: each of a few; of many the sums, the spread, and the worst with their pictures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from assets.shared.materialized import preview
from resources.results.many import FEW, WORST

SHARES = {"lowest": 0.0, "5%": 0.05, "median": 0.5, "95%": 0.95, "highest": 1.0}


def are_many(portfolios: int) -> bool:
    """Whether so many portfolios are told by sums."""
    return portfolios > FEW


def spread(rows: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """Of each measure, a column of `rows`, how it is spread over the portfolios that have it."""
    told = []
    for measure in measures:
        values = pd.to_numeric(rows[measure], errors="coerce").dropna().astype(float)
        if len(values):
            told.append(
                {"measure": measure, "portfolios": len(values), "mean": values.mean()}
                | {name: values.quantile(share) for name, share in SHARES.items()}
            )
    return pd.DataFrame(told, columns=["measure", "portfolios", "mean", *SHARES])


def counts(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """How many portfolios have each outcome."""
    found = rows.groupby(list(columns), dropna=False).size()
    return found.rename("portfolios").reset_index().sort_values("portfolios", ascending=False, kind="stable")


def summed(
    rows: pd.DataFrame, outcomes: Sequence[str], measures: Sequence[str], worst_by: str
) -> dict[str, dg.TableMetadataValue]:
    """Metadata that tells many portfolios, a row each: outcomes, spread, and the worst by one measure."""
    return {
        "outcomes": preview(counts(rows, outcomes)),
        "spread": preview(spread(rows, measures)),
        "worst": preview(worst(rows, worst_by), WORST),
    }


def worst(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The portfolios with the largest values of a measure, after those without an answer and those that break a limit.

    One that keeps its limits and has no value needs no trade: it comes last.
    """
    met = rows["constraints_met"] if "constraints_met" in rows else pd.Series(None, rows.index, dtype=object)
    without = rows[measure].isna()
    kind = np.select([without & (met != True), met == False, ~without], [0, 1, 2], 3)  # noqa: E712  None is neither
    order = rows[[measure]].astype(float).assign(kind=kind)
    order = order.sort_values(["kind", measure], ascending=[True, False], kind="stable")
    return rows.loc[order.index].head(WORST)


def drawn(
    rows: pd.DataFrame,
    names: Sequence[str],
    draw: Callable[[str, pd.DataFrame], dg.MarkdownMetadataValue],
) -> Mapping[str, Any]:
    """Portfolio -> its picture, of those named that have rows; `rows` has a column `name`."""
    chosen = rows[rows["name"].isin(names)].groupby("name", sort=False)
    parts = {str(name): part for name, part in chosen}
    return {name: draw(name, parts[name]) for name in names if name in parts}
