"""What the service proposed since the last run: its own log file becomes rows."""

import os

import dagster as dg

from assets.shared.check_words import found as sentence
from assets.shared.materialized import bullets, table_schema
from assets.shared.partitions import OWNERS
from optimizer.errors import how_many
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.logs.decisions import Brought, ingest_decisions

ALL_READ = "every_line_was_read"


@dg.asset(
    group_name="service", kinds={"python", "duckdb"}, owners=OWNERS, code_version="1",
    check_specs=[dg.AssetCheckSpec(ALL_READ, asset="decisions", description="No line of the log is damaged.")],
)  # fmt: skip
def decisions(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """Who was proposed what, when, from which pack and policy: one row a proposal, never changed."""
    stage = warehouse.stage(context, desk)
    if not os.path.lexists(warehouse.decision_log):  # a link that leads nowhere is refused
        return dg.MaterializeResult(metadata={"written": 0}, check_results=[_check(Brought(0, ()))])
    with stage.write() as tx:
        found = ingest_decisions(tx, warehouse.decision_log)
        rows = tx.con.execute("select count(*) from decisions").fetchall()[0][0]
        return dg.MaterializeResult(
            metadata={
                "dagster/table_name": "packfolio.main.decisions",
                "dagster/column_schema": table_schema(tx.con, "decisions"),
                "written": found.decisions,
                "rows": rows,
            },
            data_version=dg.DataVersion(str(rows)),
            check_results=[_check(found)],
        )


def _check(found: Brought) -> dg.AssetCheckResult:
    lines = [f"line {damaged.line}: {damaged.reason}" for damaged in found.damaged]
    return dg.AssetCheckResult(
        check_name=ALL_READ,
        passed=not lines,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"damaged": bullets(lines)},
        description=sentence(
            lines, f"{how_many(found.decisions, 'new proposal')}, every line read.", "damaged"
        ),
    )
