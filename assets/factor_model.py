"""Stage 4a: the factor models that the policies' covariances are made of; nothing where no policy asks for one."""

from collections.abc import Mapping

import dagster as dg
import pandas as pd

from assets.portfolio_snapshots import portfolio_snapshots
from assets.shared.check_words import found as sentence
from assets.shared.materialized import bullets, materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.results.factor_models.fitting import fitted_models, out_of_bounds, wanted_recipes
from resources.results.factor_models.model_rows import factor_frames
from resources.results.stage_inputs import inputs_of

GOOD = "forecasts_hold"
UNASKED = "no policy asks for one: covariance_method: factor_model in a policy, or factor_model: on in pipeline.yaml"


@dg.asset(
    partitions_def=PACKS, deps=[portfolio_snapshots], group_name="model", kinds={"python", "duckdb"}, owners=OWNERS,
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            GOOD, asset="factor_model",
            description="The model's risks came true over the last year, and its factors explain what they should.",
        ),
    ],
)  # fmt: skip
def factor_model(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """Exposures, factor returns, factor covariances and specific risks, a model for each recipe that asks for one."""
    stage = warehouse.stage(context, desk)
    with stage.read() as con:
        pack = stage.pack(con, context.partition_key)
        before = "factor_model" in inputs_of(con, pack, ["factor_model"])
        recipes = wanted_recipes(con, pack, every=stage.desk.factor_model)
        fits, refused = fitted_models(con, pack, recipes)
        if not recipes and not before:
            return materialized(
                con, "factor_exposures", pack, [], {"factor_model": UNASKED}, check_results=[_check({}, {})]
            )
    frames = factor_frames(fits)
    with stage.write() as tx:
        inputs = inputs_of(tx.con, pack, ["portfolio_snapshots"])
        entry = tx.record("factor_model", frames, pack_id=pack.id, inputs=inputs)
        missing = {
            name: bullets([f"{f}: {why}" for f, why in fit.plan.missing.items()])
            for name, fit in fits.items()
        }
        quality = {name: dict(fit.quality) for name, fit in fits.items()}
        return materialized(
            tx.con, "factor_exposures", pack, [entry],
            {"quality": preview(pd.DataFrame(quality).T.reset_index(names="recipe")),
             **{f"left out of {name}": told for name, told in missing.items()}},
            check_results=[
                _check(
                    {name: [*out_of_bounds(fit).values()] for name, fit in fits.items()} | refused,
                    {factor: why for fit in fits.values() for factor, why in fit.plan.missing.items()},
                )
            ],
        )  # fmt: skip


def _check(found: dict[str, list[str]], missing: Mapping[str, str]) -> dg.AssetCheckResult:
    """A check that warns: the model is used, and whoever reads its risk knows how far to trust it."""
    without = (
        f" Without {'; '.join(f'{name}: {why}' for name, why in sorted(missing.items()))}." if missing else ""
    )
    told = [f"{name}: {said}" for name, lines in found.items() for said in lines]
    return dg.AssetCheckResult(
        check_name=GOOD,
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"out of bounds": bullets(told)},
        description=sentence(
            told, f"All factor models forecast within bounds ({len(found)}).", "out of bounds"
        )
        + without,
    )
