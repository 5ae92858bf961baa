"""Lineage as OpenLineage events: a run for each ledger row on the way from a row back to its payloads."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import attr
from openlineage.client.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    BaseFacet,
    column_lineage_dataset,
    dataset_version_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
)
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import HttpConfig, HttpTransport

from optimizer import DataError
from resources.ledger.ledger import Connection, columns
from resources.lineage.column_lineage import COLUMNS
from resources.lineage.tracing import PARENTS
from resources.store.query_rows import Row

SPACE = "packfolio"
Wrote = tuple[int, str]  # a ledger row, and the content of the unit in it


@attr.define
class LedgerFacet(BaseFacet):
    """What our ledger says of a run, under the key `packfolio`."""

    ledgerRow: int  # noqa: N815  facets are written in camel case
    contentHash: str  # noqa: N815
    configHash: str  # noqa: N815
    codeVersion: str  # noqa: N815
    inputHashes: dict[str, str]  # noqa: N815
    libraries: dict[str, str]


def lineage_events(con: Connection, tree: Row) -> list[RunEvent]:
    """START and COMPLETE of each ledger row in a lineage of `trace_row`, the oldest first.

    Datasets are tables, their version our content hash; the parent of each run is the run of the pipeline. A row may
    have written several tables: all are outputs of its run, and none of them its input.
    """
    nodes = list(_written(tree))
    runs: dict[Wrote, RunEvent] = {}
    for node in nodes:
        row = _wrote(node)
        if row not in runs:
            runs[row] = _event(node, tree["environments"])
        event = runs[row]
        if _table(node) not in {item.name for item in event.outputs or ()}:
            event.outputs = [*(event.outputs or ()), _output(con, node)]
        elsewhere = [one for one in nodes if _table(one) in PARENTS.get(_table(node), ())]
        sources = [one for one in (*node["from"], *elsewhere) if _wrote(one) != row]
        known = {(item.namespace, item.name) for item in event.inputs or ()}
        for item in (found for source in sources for found in _dataset(source)):
            if (item.namespace, item.name) not in known:
                known.add((item.namespace, item.name))
                event.inputs = [*(event.inputs or ()), item]
    return [event for row in sorted(runs) for event in (_start(runs[row]), runs[row])]


def _start(event: RunEvent) -> RunEvent:
    """The event that the specification wants before every COMPLETE; the ledger knows one time, that of the commit."""
    return attr.evolve(event, eventType=RunState.START, inputs=[], outputs=[])


def emit(events: Sequence[RunEvent], target: str) -> None:
    """Send events to an http(s) address, or append them to a file, a line each.

    Raises DataError when the target does not take them.
    """
    transport = (
        HttpTransport(HttpConfig(url=target))
        if target.startswith(("http://", "https://"))
        else FileTransport(FileConfig(log_file_path=target, append=True))
    )
    client = OpenLineageClient(transport=transport)
    try:
        for event in events:
            client.emit(event)
    except (OSError, RuntimeError) as error:
        raise DataError(f"--openlineage: {target} did not take the events: {error}") from None


def _written(node: Row) -> Iterator[Row]:
    """Every node that a ledger row wrote; the tree shows a source of two stages under the first alone."""
    if isinstance(node["facts"].get("written"), dict):
        yield node
    for child in node["from"]:
        yield from _written(child)


def _wrote(node: Row) -> Wrote:
    """What wrote a node; 0, which is no ledger row, where a node stands for many."""
    written = node["facts"].get("written")
    return (
        (int(written["ledger_row"]), str(written["content_hash"])) if isinstance(written, dict) else (0, "")
    )


def _table(node: Row) -> str:
    kind = str(node["label"]).split()[0]
    return {"pack": "pricing_packs", "ingest": str(node["facts"].get("log", "prices"))}.get(kind, kind)


def _dataset(node: Row) -> list[InputDataset]:
    """What a node stands for as an input: a version of a table, or a payload's file."""
    facts = node["facts"]
    if "written" in facts and isinstance(facts["written"], dict):
        return [InputDataset(SPACE, _table(node), facets=_version(facts["written"]["content_hash"]))]
    if node["label"].startswith("payload "):
        name = facts.get("path") or node["label"].removeprefix("payload ")
        return [InputDataset("file", str(name), facets=_version(facts["sha256"]))]
    return [found for child in node["from"] for found in _dataset(child)]


def _version(digest: str) -> dict[str, Any]:
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=digest)}


def _event(node: Row, environments: Row) -> RunEvent:
    told, table = node["facts"]["written"], _table(node)
    libraries = environments.get(told["code_version"], {}).get("libraries", {})
    ledger = LedgerFacet(
        told["ledger_row"], told["content_hash"], told["config_hash"], told["code_version"],
        told["input_hashes"], libraries,
    )  # fmt: skip
    facets: dict[str, Any] = {
        "parent": parent_run.ParentRunFacet(
            parent_run.Run(_uuid(str(told["run_id"]))), parent_run.Job(SPACE, "run")
        ),
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
            version=str(libraries.get("duckdb", "unknown")), name="DuckDB"
        ),
        "packfolio": ledger,
    }
    return RunEvent(
        eventTime=_time(told["at"]),
        run=Run(_uuid(f"{SPACE}:{told['ledger_row']}:{told['content_hash']}"), facets),
        job=Job(SPACE, table),
        eventType=RunState.COMPLETE,
        inputs=[],
        outputs=[],
        producer=f"urn:packfolio:{told['code_version']}",
    )


def _output(con: Connection, node: Row) -> OutputDataset:
    table = _table(node)
    return OutputDataset(
        SPACE, table, facets=_version(node["facts"]["written"]["content_hash"]) | _columns(con, table)
    )


def _columns(con: Connection, table: str) -> dict[str, Any]:
    """The schema of a table, and what its columns are computed from."""
    fields = [schema_dataset.SchemaDatasetFacetFields(name, kind) for name, kind in columns(con, table)]
    facets: dict[str, Any] = {"schema": schema_dataset.SchemaDatasetFacet(fields)}
    made = {
        column: column_lineage_dataset.Fields(
            [
                column_lineage_dataset.InputField(SPACE, of, name)
                for of, name in (s.split(".") for s in sources)
            ]
        )
        for column, sources in COLUMNS.get(table, {}).items()
    }
    return facets | (
        {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(made)} if made else {}
    )


def _uuid(text: str) -> str:
    """The ID itself where it is a UUID; else one that the same text always gives."""
    try:
        return str(UUID(text))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, text))


def _time(at: datetime | str) -> str:
    return (datetime.fromisoformat(str(at))).replace(tzinfo=UTC).isoformat()
