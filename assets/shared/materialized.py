"""What every asset reports of what it wrote: version, counts, schema, a preview, plots."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from resources.ledger.ledger import Connection, Entry, columns, head, sha256
from resources.lineage.column_lineage import COLUMNS, asset_of
from resources.packs.packs import Pack
from resources.store.descriptions import column_sentence

PREVIEW_ROWS = 25
MARKDOWN = re.compile(r"[\\`*_\[\]<>#|~!&]")


def table_schema(con: Connection, table: str) -> dg.TableSchema:
    """The columns of a warehouse table with what they hold, as Dagster shows them."""
    return dg.TableSchema([
        dg.TableColumn(name, kind, column_sentence(table, name)) for name, kind in columns(con, table)
    ])  # fmt: skip


def column_lineage(table: str) -> dg.TableColumnLineage:
    """Which columns of which assets each column of a table is computed from, as Dagster shows it."""
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(dg.AssetKey(asset_of(source)), name)
                for source, name in (told.split(".") for told in sources)
            ]
            for column, sources in COLUMNS.get(table, {}).items()
        }
    )


def preview(rows: pd.DataFrame, limit: int = PREVIEW_ROWS) -> dg.TableMetadataValue:
    """The first rows as a table in the UI."""
    shown = rows.head(limit).astype(object).where(rows.head(limit).notna(), None)
    records = [
        dg.TableRecord({str(name): _plain(value) for name, value in row.items()})
        for row in shown.to_dict("records")
    ]
    if not records:
        names = [dg.TableColumn(str(name)) for name in rows.columns]
        return dg.MetadataValue.table([], schema=dg.TableSchema(names))
    return dg.MetadataValue.table(records)


def _plain(value: Any) -> Any:
    """A value as the UI can show it; numbers at six digits, for the eye: the table has them all."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, pd.Timestamp):
        return str(value.date() if value == value.normalize() else value)
    return value if isinstance(value, str | int | bool) or value is None else str(value)


def bullets(lines: Sequence[str]) -> dg.MarkdownMetadataValue:
    """Texts as a list; what Markdown or HTML would read as more than text is escaped."""
    return dg.MetadataValue.md("\n".join(f"- {literal(line)}" for line in lines) or "none")


def literal(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    return MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))


def warnings_of(rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """The warnings of each portfolio as a list; rows have `name`, and JSON or nothing in `warnings`."""
    texts = rows.loc[rows["warnings"].notna(), ["name", "warnings"]].itertuples(index=False)
    return bullets([f"{name}: {said}" for name, text in texts for said in json.loads(text)])


def version_of(entries: Sequence[Entry]) -> dg.DataVersion:
    """The data version: the content hash, or a hash of those of all portfolios."""
    hashes = [entry.content_hash for entry in entries]
    return dg.DataVersion(hashes[0] if len(hashes) == 1 else sha256("\n".join(hashes)))


def materialized(
    con: Connection,
    table: str,
    pack: Pack,
    entries: Sequence[Entry],
    extra: Mapping[str, Any] | None = None,
    **options: Any,
) -> dg.MaterializeResult:
    """The result of an asset that wrote `entries` to `table` under `pack`."""
    rows = sum(entry.rows for entry in entries)
    return dg.MaterializeResult(
        metadata={
            "pack_id": pack.id,
            **(extra or {}),  # what a desk reads, above what the record needs
            "dagster/table_name": f"packfolio.main.{table}",
            "dagster/partition_row_count": rows,
            "dagster/column_schema": table_schema(con, table),
            "dagster/column_lineage": column_lineage(table),
            "written": sum(entry.changed for entry in entries),
            "ledger_rows": ", ".join(str(row) for row in sorted({entry.id for entry in entries})),
            "ledger_head": "{} {}".format(*head(con)),
        },
        data_version=version_of(entries) if entries else None,
        **options,
    )
