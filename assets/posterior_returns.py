"""Stage 5: what each portfolio believes of returns, after its views."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd

from assets.plots.charts import posterior_plot
from assets.shared.computed import Written, computed
from assets.shared.many import are_many, spread
from assets.shared.materialized import bullets, materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import Connection
from resources.store.warehouse import frame

INPUTS = ["return_estimates", "covariances", "portfolio_snapshots"]


@dg.asset(
    partitions_def=PACKS, deps=["return_estimates", "covariances"], group_name="model", kinds={"python", "duckdb"},
    owners=OWNERS, code_version="1",
)  # fmt: skip
def posterior_returns(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """Black-Litterman: equilibrium (prior) and posterior expected total returns per portfolio and symbol."""
    stage = warehouse.stage(context, desk)
    written = computed(stage, "posterior_returns", context.partition_key, INPUTS)
    with stage.read() as con:
        shown = {} if stage.past else _shown(con, written)
        return materialized(con, "posterior_returns", written.pack, written.entries, shown)


def _shown(con: Connection, written: Written) -> dict[str, Any]:
    """What each portfolio believes, or how that is spread over many, for the UI."""
    shown = frame(
        con,
        "select s.name, p.symbol, prior_return, posterior_return, posterior_volatility, p.simulated "
        "from latest_posterior_returns p join latest_portfolio_snapshots s using (pack_id, portfolio_id) "
        "where pack_id = ? order by 1, 2",
        [written.pack.id],
    )
    warnings, portfolios = written.lines(), len(written.names)
    return _summed(shown, portfolios, warnings) if are_many(portfolios) else _each(shown, warnings)


def _summed(shown: pd.DataFrame, portfolios: int, warnings: Sequence[str]) -> dict[str, Any]:
    """Many portfolios by their spread."""
    return {
        "portfolios": portfolios, "without_beliefs": portfolios - shown["name"].nunique(), "warnings": len(warnings),
        "spread": preview(spread(shown, ["prior_return", "posterior_return", "posterior_volatility"])),
    }  # fmt: skip


def _each(shown: pd.DataFrame, warnings: Sequence[str]) -> dict[str, Any]:
    """Each portfolio with its picture."""
    told = shown.rename(columns={"prior_return": "prior", "posterior_return": "posterior"})
    plots = {
        f"plot_{name}": posterior_plot(str(name), rows.set_index("symbol"))
        for name, rows in told.groupby("name")
    }
    return {**plots, "warnings": bullets(warnings), "posterior": preview(shown, 30)}
