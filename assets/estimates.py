"""Stage 4: expected returns, volatilities and covariances, one recipe for each way a portfolio wants them."""

from collections.abc import Iterator

import dagster as dg

from assets.materialized import materialized, preview
from assets.partitions import OWNERS, PACKS
from assets.plots import covariance_plot
from assets.portfolio_snapshots import portfolio_snapshots
from resources.evidence import estimate_evidence
from resources.outputs import estimate_frames, inputs_of
from resources.pack_prices import simulated_symbols
from resources.snapshots import read_snapshots
from resources.warehouse import frame
from resources.warehouse_resource import DeskResource, WarehouseResource


def _spec(name: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name, deps=[portfolio_snapshots], group_name="model", kinds={"python", "duckdb"}, owners=OWNERS,
        code_version="1", description=description,
    )  # fmt: skip


@dg.multi_asset(
    specs=[
        _spec(
            "return_estimates", "Expected return and volatility per recipe and symbol, fractions per year."
        ),
        _spec("covariances", "One row of the covariance matrix per recipe and symbol, per year."),
    ],
    partitions_def=PACKS,
)
def estimates(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> Iterator[dg.MaterializeResult]:
    """Expected returns and covariances from the pack's total-return prices, by the recipes of the policies."""
    stage = warehouse.stage(context, desk)
    with stage.read() as con:
        pack = stage.pack(con, context.partition_key)
        recipes = {s.recipe().name: s.recipe() for s in read_snapshots(con, pack) if not s.problem}
        found = {
            name: (recipe, estimate_evidence(con, pack, recipe)) for name, recipe in sorted(recipes.items())
        }
        symbols = sorted({symbol for recipe in recipes.values() for symbol in recipe.symbols})
        simulated = simulated_symbols(con, pack, symbols)
    returns, matrices = estimate_frames(found, simulated)
    with stage.write() as tx:
        inputs = inputs_of(tx.con, pack, ["portfolio_snapshots"])
        means = tx.record("return_estimates", {"return_estimates": returns}, pack_id=pack.id, inputs=inputs)
        risks = tx.record("covariances", {"covariances": matrices}, pack_id=pack.id, inputs=inputs)
    notes = {name: list(item.notes) for name, (_, item) in found.items() if item.notes}
    plots = {
        f"plot_{number}": covariance_plot(item, simulated)
        for number, (_, item) in enumerate(found.values(), 1)
    }
    with stage.read() as con:
        shown = frame(
            con,
            "select recipe, symbol, expected_return, volatility, observations, simulated from latest_return_estimates "
            "where pack_id = ? order by all",
            [pack.id],
        )
        extra = {"estimates": preview(shown, 60), "notes": notes}
        yield materialized(con, "return_estimates", pack, [means], extra, asset_key="return_estimates")
        extra = {"recipes": sorted(found), **plots}
        yield materialized(con, "covariances", pack, [risks], extra, asset_key="covariances")
