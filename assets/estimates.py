"""Stage 4: expected returns, volatilities and covariances, one recipe for each way a portfolio wants them."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pandas as pd

from assets.factor_model import factor_model
from assets.plots.charts import covariance_plot
from assets.portfolio_snapshots import portfolio_snapshots
from assets.shared.check_words import found as sentence
from assets.shared.materialized import bullets, materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from optimizer import DataError, Estimates, Recipe
from resources.books.snapshots import kept_snapshots
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import Connection
from resources.packs.pack_prices import simulated_symbols
from resources.packs.packs import Pack
from resources.results.estimates.estimate_checks import (
    DRIFT_COLUMNS,
    condition_number,
    drifted,
    ill_conditioned,
)
from resources.results.estimates.estimate_rows import estimate_frames
from resources.results.estimates.pack_estimates import estimate_on, panels_for
from resources.results.many import FEW
from resources.results.stage_inputs import inputs_of
from resources.screening.pack_checks import CheckLimits
from resources.store.warehouse import frame

STEADY, SOUND = "steady", "sound"
ESTIMATES = (
    "select recipe, symbol, expected_return, volatility, observations, simulated from latest_return_estimates "
    "where pack_id = ? order by all"
)


def _spec(name: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name, deps=[portfolio_snapshots, factor_model], group_name="model", kinds={"python", "duckdb"}, owners=OWNERS,
        code_version="1", description=description,
    )  # fmt: skip


def _recipes(con: Connection, pack: Pack) -> dict[str, Recipe]:
    """The recipes by which the portfolios of a pack want their estimates, by name."""
    found = {snapshot.recipe() for snapshot in kept_snapshots(con, pack) if not snapshot.problem}
    return {recipe.name: recipe for recipe in found}


@dg.multi_asset(
    specs=[
        _spec(
            "return_estimates", "Expected return and volatility per recipe and symbol, fractions per year."
        ),
        _spec("covariances", "One row of the covariance matrix per recipe and symbol, per year."),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            STEADY, asset="return_estimates", description="No estimate jumped since the pack before."
        ),
        dg.AssetCheckSpec(
            SOUND, asset="covariances", description="No covariance is singular, or as good as."
        ),
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
        recipes = _recipes(con, pack)
        panels = panels_for(con, pack, recipes.values())
        found = {name: (recipe, estimate_on(panels, recipe)) for name, recipe in sorted(recipes.items())}
        simulated = simulated_symbols(con, pack, sorted({s for one in recipes.values() for s in one.symbols}))
        items = {name: item for name, (_, item) in found.items()}
        moved = pd.DataFrame(drifted(con, pack, items, stage.desk.checks), columns=DRIFT_COLUMNS)
    returns, matrices = estimate_frames(found, simulated)
    with stage.write() as tx:
        if _recipes(tx.con, pack).keys() != recipes.keys():
            raise DataError(
                f"another run changed the recipes of {pack.id} meanwhile: nothing was written; run it again"
            )
        inputs = inputs_of(tx.con, pack, ["portfolio_snapshots", "factor_model"])
        means = tx.record("return_estimates", {"return_estimates": returns}, pack_id=pack.id, inputs=inputs)
        risks = tx.record("covariances", {"covariances": matrices}, pack_id=pack.id, inputs=inputs)
    notes = {name: list(item.notes) for name, item in items.items() if item.notes}
    looked_at = enumerate([] if stage.past else list(items.values())[:FEW], 1)
    plots = {f"plot_{number}": covariance_plot(item, simulated) for number, item in looked_at}
    steady, sound = _steady(moved), _sound(items, stage.desk.checks)
    with stage.read() as con:
        shown = {} if stage.past else {"estimates": preview(frame(con, ESTIMATES, [pack.id]), 30)}
        for name, version, extra, check in (
            ("return_estimates", means, {"notes": notes, **shown}, steady),
            ("covariances", risks, {"recipes": sorted(found), **plots}, sound),
        ):
            yield materialized(con, name, pack, [version], extra, asset_key=name, check_results=[check])


def _steady(moved: pd.DataFrame) -> dg.AssetCheckResult:
    """Whether no estimate moved beyond its bound; a row for each that did."""
    told = {"moved": preview(moved, 60), "estimates_moved": len(moved)}
    said = f"{len(moved) or 'No'} estimates moved beyond their bound since the pack before."
    return _check(STEADY, "return_estimates", moved.empty, told, said)


def _sound(estimates: Mapping[str, Estimates], limits: CheckLimits) -> dg.AssetCheckResult:
    """Whether no covariance is singular, or as good as, by recipe."""
    numbers = {name: condition_number(item) for name, item in estimates.items()}
    singular = ill_conditioned(numbers, limits)
    told = {"singular": bullets(singular), "condition_numbers": {k: f"{v:.3g}" for k, v in numbers.items()}}
    said = sentence(singular, f"All covariances are well conditioned ({len(numbers)}).", "close to singular")
    return _check(SOUND, "covariances", not singular, told, said)


def _check(name: str, asset: str, passed: bool, metadata: dict[str, Any], said: str) -> dg.AssetCheckResult:
    """A check that warns, and blocks nothing: the optimizer solves with what is odd, and says so."""
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=asset,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=said,
    )
