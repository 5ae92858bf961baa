"""Dagster's history of the days of a backfill: what a day made, in memory, until the next one begins."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import dagster as dg
from dagster._core.storage.event_log.base import AssetEntry, AssetRecord
from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage


class Made(InMemoryEventLogStorage):
    """The last materialization of each asset: of a history that is forgotten with its day no more is asked for.

    Dagster asks for them sixty times a day, to note what an asset was made from and what a check looked at.
    """

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[dg.AssetKey, dg.EventLogRecord] = {}

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Keep it where an asset was made."""
        told = event.dagster_event
        if told is not None and told.is_step_materialization and told.asset_key is not None:
            self.records[told.asset_key] = dg.EventLogRecord(
                storage_id=len(self.records) + 1, event_log_entry=event
            )

    def get_asset_records(self, asset_keys: Collection[dg.AssetKey] | None = None) -> Sequence[AssetRecord]:
        """What was made of the assets."""
        return [
            AssetRecord(
                storage_id=record.storage_id,
                asset_entry=AssetEntry(asset_key=key, last_materialization_record=record),
            )
            for key, record in self.records.items()
            if asset_keys is None or key in asset_keys
        ]

    def fetch_materializations(
        self, records_filter: dg.AssetKey | dg.AssetRecordsFilter, *_: object, **__: object
    ) -> dg.EventRecordsResult:
        """What was made of one asset."""
        key = records_filter if isinstance(records_filter, dg.AssetKey) else records_filter.asset_key
        found = [record for made, record in self.records.items() if made == key]
        return dg.EventRecordsResult(found, cursor="", has_more=False)

    def get_latest_tags_by_partition(
        self, asset_key: dg.AssetKey, event_type: object, tag_keys: Collection[str], *_: object, **__: object
    ) -> Mapping[str, Mapping[str, str]]:
        """The tags of what was made of one asset, by the day's partition."""
        found = {}
        for record in self.fetch_materializations(asset_key).records:
            made = record.event_log_entry.asset_materialization
            if made is not None and made.partition is not None:
                tags = made.tags or {}
                found[made.partition] = {key: tags[key] for key in tag_keys if key in tags}
        return found


@contextmanager
def remembering(made: Made) -> Iterator[dg.DagsterInstance]:
    """An instance in memory whose events are kept as `made` keeps them."""
    with dg.DagsterInstance.ephemeral() as instance:
        made.register_instance(instance)
        instance._event_storage = made
        yield instance
