"""What the specification of OpenLineage asks of events, as its client states it, and that their datasets join up."""

from datetime import datetime
from typing import Any
from uuid import UUID

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    dataset_version_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
    tags_run,
)

from resources.lineage.open_lineage import LedgerFacet

FACETS: dict[str, Any] = {
    "parent": parent_run.ParentRunFacet,
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "tags": tags_run.TagsRunFacet,  # the client's own version, added by itself
    "packfolio": LedgerFacet,
    "schema": schema_dataset.SchemaDatasetFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
    "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet,
}


def fits(told: dict[str, Any], kind: Any) -> None:
    """Every field that the class demands is there, and none that it does not know."""
    fields = attr.fields_dict(kind)
    assert told.keys() <= fields.keys() | {"_producer", "_schemaURL"}, (kind, told)
    assert {
        name for name, field in fields.items() if field.init and field.default is attr.NOTHING
    } <= told.keys()


def fit_the_specification(events: list[dict[str, Any]]) -> None:
    """Events, runs, jobs, datasets and facets, each by its class in the client."""
    seen = set()
    for event in events:
        for told, kind in ((event, RunEvent), (event["run"], Run), (event["job"], Job)):
            fits(told, kind)
        for told, kind in (("inputs", InputDataset), ("outputs", OutputDataset)):
            for dataset in event[told]:
                fits(dataset, kind)
        assert event["schemaURL"].startswith("https://openlineage.io/spec/")
        assert str(UUID(event["run"]["runId"])) == event["run"]["runId"]
        assert datetime.fromisoformat(event["eventTime"]).utcoffset() is not None
        for holder in (event["run"], *event["inputs"], *event["outputs"]):
            for name, facet in holder["facets"].items():
                seen.add(name)
                fits(facet, FACETS[name])
                assert facet["_producer"] and facet["_schemaURL"].startswith("https://openlineage.io/spec/")
    assert seen == FACETS.keys()


def join_up(events: list[dict[str, Any]]) -> None:
    """A run has one START before its COMPLETE, and reads only tables that a run before it wrote."""
    written: set[str] = set()
    started: set[str] = set()
    for event in events:
        run = event["run"]["runId"]
        if event["eventType"] == "START":
            assert run not in started
            started.add(run)
            continue
        assert run in started
        tables = {item["name"] for item in event["inputs"] if item["namespace"] == "packfolio"}
        written |= {item["name"] for item in event["outputs"]}
        assert tables <= written, (event["job"]["name"], tables - written)
