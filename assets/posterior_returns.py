"""Stage 5: what each portfolio believes of returns, after its views."""

import dagster as dg

from assets.plots.charts import posterior_plot
from assets.shared.computed import computed
from assets.shared.materialized import bullets, materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from resources.dagster_resources import DeskResource, WarehouseResource
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
    pack = written.pack
    with stage.read() as con:
        shown = frame(
            con,
            "select s.name, p.symbol, prior_return, posterior_return, posterior_volatility, p.simulated "
            "from latest_posterior_returns p join latest_portfolio_snapshots s using (pack_id, portfolio_id) "
            "where pack_id = ? order by 1, 2",
            [pack.id],
        )
        told = shown.rename(columns={"prior_return": "prior", "posterior_return": "posterior"})
        plots = {
            f"plot_{name}": posterior_plot(str(name), rows.set_index("symbol"))
            for name, rows in told.groupby("name")
        }
        extra = {**plots, "warnings": bullets(written.told()), "posterior": preview(shown, 60)}
        return materialized(con, "posterior_returns", pack, written.entries, extra)
