"""Stage 2: freeze what the logs say into a pack, checked before it is written."""

from dataclasses import replace
from datetime import timedelta

import dagster as dg
import pandas as pd

from assets.shared.data_checks import OF_PACK, answers
from assets.shared.materialized import materialized, preview
from assets.shared.partitions import OWNERS, PACKS
from optimizer.errors import how_many
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.ledger.ledger import latest
from resources.packs.packs import Pack, cut_pack, parse_pack_id
from resources.screening.pack_checks import CheckLimits
from resources.store.warehouse import frame

CHECK = "fit_for_use"


class PackConfig(dg.Config):
    """Launch settings: a reason replaces the fresh pack of the date by a new revision."""

    revise: str | None = None


@dg.asset(
    partitions_def=PACKS,
    deps=["prices", "reference_data"],
    group_name="packs",
    kinds={"python", "duckdb"},
    owners=OWNERS,
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset="pricing_pack",
            blocking=True,
            description="The pack may flow on: nothing in it is blocking.",
        ),
    ],
)
def pricing_pack(
    context: dg.AssetExecutionContext, config: PackConfig, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """An immutable reference to the prices, rates and facts known up to the as-of date, under a content hash."""
    stage = warehouse.stage(context, desk)
    as_of, _ = parse_pack_id(context.partition_key)
    with stage.write() as tx:
        cut = cut_pack(
            tx,
            as_of,
            stage.desk.sources.precedence,
            stage.sessions(as_of - timedelta(days=120), as_of),
            stage.desk.checks,
            revise=config.revise,
        )
    if not cut.pack.fresh:
        stage.publish()
    with stage.read() as con:
        entry = latest(con, "pricing_packs", cut.pack.id)
        found = frame(
            con,
            "select code, severity, symbol, date, message from check_findings where pack_id = ?",
            [cut.pack.id],
        )
        sources = frame(
            con,
            "select source, basis, simulated, count(distinct symbol) as symbols, max(date) as newest "
            "from believed_prices(?) where date between ? and ? group by all order by all",
            [cut.pack.watermark, as_of - timedelta(days=14), as_of],
        )
        return materialized(
            con, "pricing_packs", cut.pack, [replace(entry, changed=cut.written)] if entry else [],
            {
                "as_of": str(cut.pack.as_of), "verdict": cut.pack.verdict, "reason": cut.pack.reason or "",
                "content_hash": cut.pack.content_hash, "watermark": cut.pack.watermark,
                "symbols": cut.pack.symbols, "price_rows": cut.pack.rows, "sources": preview(sources),
                "findings": preview(found),
            },
            check_results=[_verdict(cut.pack, found, stage.desk.checks)],
        )  # fmt: skip


def _said(pack: Pack, warnings: int) -> str:
    """The verdict in words."""
    if not pack.fresh:
        return f"{pack.id} is rejected: {pack.reason}"
    rows = f"{how_many(pack.symbols, 'symbol')}, {how_many(pack.rows, 'row')} of prices"
    return f"{pack.id} is fresh: {rows}, {how_many(warnings, 'warning')}"


def _verdict(pack: Pack, found: pd.DataFrame, limits: CheckLimits) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=pack.fresh,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "reason": pack.reason or "",
            "warnings": int((found["severity"] == "WARN").sum()),
            **answers(OF_PACK, found.to_dict("records"), limits),
        },
        description=_said(pack, int((found["severity"] == "WARN").sum())),
    )
