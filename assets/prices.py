"""Stage 1: what the sources bring goes into the append-only logs, screened row by row."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from http.client import HTTPException

import dagster as dg
import pandas as pd

from assets.shared.check_words import found as sentence
from assets.shared.data_checks import OF_PRICES, answers
from assets.shared.materialized import PREVIEW_ROWS, preview, table_schema
from assets.shared.partitions import OWNERS
from optimizer import PackfolioError
from optimizer.errors import how_many
from resources.accounts.files import ACCOUNT_LOGS
from resources.accounts.ingest import AccountInbox
from resources.dagster_resources import DeskResource, WarehouseResource
from resources.logs.ingest import Inbox
from resources.logs.open_questions import open_questions
from resources.logs.refused_files import REJECTED
from resources.logs.storing import Ingested
from resources.prices.reference import SOURCE
from resources.prices.source import PRICES, in_words
from resources.store.warehouse import frame

MOST_FILES = 20  # refused ones, named in a sentence
RETRIES, DELAY_SECONDS = 3, 2.0  # the delay doubles
KINDS = (PRICES, "reference", "accounts")
ROWS = ("new", "corrected", "same", "quarantined")
MAY_PASS = (OSError, HTTPException)
ALL_READ, BELIEVABLE = "every_file_was_read", "believable"


class IngestConfig(dg.Config):
    """Launch settings: one source only, and the dates that are wanted."""

    source: str | None = None
    start: str | None = None
    end: str | None = None


@dg.asset(
    deps=["reference_data"],  # what explains a price is on record before it
    group_name="prices", kinds={"python", "duckdb"}, owners=OWNERS, code_version="1",
    check_specs=[
        dg.AssetCheckSpec(ALL_READ, asset="prices", description="No file was refused."),
        dg.AssetCheckSpec(BELIEVABLE, asset="prices", description="No row is set aside, and none was warned about."),
    ],
)  # fmt: skip
def prices(
    context: dg.AssetExecutionContext, config: IngestConfig, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """The log of prices as traded: a correction is a new row, nothing is ever changed or removed."""
    start, end = (date.fromisoformat(day) if day else None for day in (config.start, config.end))
    with tried_again(context):
        inbox = _inbox(context, warehouse, desk)
        done = inbox.prices(start, end, context.log.info, config.source)
        accounts = AccountInbox(inbox.warehouse, inbox.desk, inbox.stamp, inbox.today)
        done += accounts.take(context.log.info)  # after the prices, which tell what symbols there are
    told = [
        {
            "severity": one.severity,
            "code": one.code,
            "symbol": one.symbol,
            "date": one.day,
            "message": one.message,
        }
        for item in done
        if item.status != REJECTED
        for one in item.findings
    ]
    with inbox.warehouse.live() as con:
        aside = open_questions(con)
    believable = dg.AssetCheckResult(
        check_name=BELIEVABLE,
        passed=not told and not any(question.blocking for question in aside),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            **answers(OF_PRICES, told, inbox.desk.sources.limits),
            "set_aside": preview(pd.DataFrame([asdict(question) for question in aside[:PREVIEW_ROWS]])),
        },
        description=_believed([str(one["code"]) for one in told], len(aside)),
    )
    return _result(inbox, "prices", done, [_all_read("prices", done), believable])


@dg.asset(
    group_name="prices", kinds={"python", "duckdb"}, owners=OWNERS, code_version="1",
    check_specs=[dg.AssetCheckSpec(ALL_READ, asset="reference_data", description="No file was refused.")],
)  # fmt: skip
def reference_data(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> dg.MaterializeResult:
    """The logs of facts besides prices: securities, market caps, ratings, corporate actions, FX and risk-free rates."""
    with tried_again(context):
        inbox = _inbox(context, warehouse, desk)
        done = inbox.reference(context.log.info)
    return _result(inbox, "securities", done, [_all_read("reference_data", done)])


def _believed(codes: Sequence[str], aside: int) -> str:
    """What the check of rows found: by code, and how many questions wait for an answer."""
    counted = ", ".join(f"{number} {code}" for code, number in Counter(codes).most_common(5))
    waiting = f"; rows of {how_many(aside, 'symbol')} set aside" if aside else ""
    return f"{counted or 'Nothing odd in what was delivered'}{waiting}"


def _all_read(asset: str, done: Sequence[Ingested]) -> dg.AssetCheckResult:
    refused = [item for item in done if item.status == REJECTED]
    why = {item.payload: in_words(item.findings) for item in refused}
    return dg.AssetCheckResult(
        check_name=ALL_READ,
        asset_key=asset,
        passed=not refused,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=why,
        description=sentence(why, f"All deliveries were read ({len(done)}).", "refused", MOST_FILES),
    )


@contextmanager
def tried_again(context: dg.AssetExecutionContext) -> Iterator[None]:
    """What may pass by itself (a network, a disk) is tried again; a fault that we name will not.

    A retry policy of Dagster's would also begin anew what a signal ends: Ctrl-C would stop nothing.
    """
    try:
        yield
    except PackfolioError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except MAY_PASS as error:
        wait = DELAY_SECONDS * 2**context.retry_number
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=wait) from error


def _inbox(context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource) -> Inbox:
    stage = warehouse.stage(context, desk)
    return Inbox(stage.warehouse, stage.desk, stage.stamp, datetime.now(UTC).date())


def _kind(item: Ingested) -> str:
    """Which of `KINDS` a payload is of; the asset `prices` takes accounts too, and what a source has beside prices."""
    if item.log in (PRICES, *ACCOUNT_LOGS):
        return PRICES if item.log == PRICES else "accounts"
    return "reference"


def _counted(done: Sequence[Ingested]) -> dict[str, int]:
    counts = {f"rows_{name}": sum(getattr(item, name) for item in done) for name in ROWS}
    return {"payloads": len(done), **counts}


def _result(
    inbox: Inbox, table: str, done: Sequence[Ingested], checks: list[dg.AssetCheckResult]
) -> dg.MaterializeResult:
    counts = _counted(done)
    findings = [
        {"payload": item.payload} | {name: getattr(finding, name) for name in ("code", "severity", "message")}
        for item in done
        for finding in item.findings
    ]
    with inbox.warehouse.live() as con:
        logs = frame(con, "select log, count(distinct date) as dates, max(date) as newest, max(ingest_seq) as "
                          "ingest_seq from log_leaves group by log order by log")  # fmt: skip
        schema = table_schema(con, table)
        newest = (
            "log_leaves where log = 'prices'"
            if table == "prices"
            else f"ingests where source = '{SOURCE}' and status = 'ingested'"
        )
        version = con.execute(f"select coalesce(max(ingest_seq), 0) from {newest}").fetchall()[0][0]
    return dg.MaterializeResult(
        metadata={
            "dagster/table_name": f"packfolio.main.{table}",
            "dagster/column_schema": schema,
            "payloads": len(done),
            "refused": sum(item.status == REJECTED for item in done),
            "symbols": len(frozenset().union(*(item.symbols for item in done if item.log == PRICES))),
            **{name: count for name, count in counts.items() if name != "payloads"},
            "by_kind": {
                kind: dict(_counted([item for item in done if _kind(item) == kind])) for kind in KINDS
            },
            "ingested": preview(pd.DataFrame([item.row() for item in done])),
            "findings": preview(pd.DataFrame(findings)),
            "logs": preview(logs),
        },
        data_version=dg.DataVersion(str(version)),
        check_results=checks,
    )
