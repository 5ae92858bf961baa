"""Files between a stage and its workers: Arrow, named by their content, in any folder or fsspec address."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import fsspec
import pyarrow as pa

from optimizer import DataError


def packed(tables: Mapping[str, pa.Table]) -> bytes:
    """Tables with their names as one Arrow stream; the same tables give the same bytes."""
    rows = pa.table(
        {
            "name": pa.array(list(tables), pa.string()),
            "table": pa.array([_stream(table) for table in tables.values()], pa.large_binary()),
        }
    )
    return _stream(rows)


def unpacked(raw: bytes) -> dict[str, pa.Table]:
    """What `packed` packed."""
    rows = pa.ipc.open_stream(raw).read_all()
    return {
        name.as_py(): pa.ipc.open_stream(table.as_buffer()).read_all()
        for name, table in zip(rows["name"], rows["table"], strict=True)
    }


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


@dataclass(frozen=True)
class Files:
    """A folder of files that say by their name what they hold.

    folder  a path, or an address that fsspec knows: s3://..., gs://..., abfs://...
    """

    folder: str

    def keep(self, raw: bytes) -> str:
        """Writes bytes, unless they are there; gives the name that they are read by."""
        name = hashlib.sha256(raw).hexdigest()
        system, place = fsspec.core.url_to_fs(self.folder)
        path = f"{place}/{name}"
        if not system.exists(path):
            system.makedirs(place, exist_ok=True)
            system.pipe_file(path, raw)
        return name

    def read(self, name: str) -> bytes:
        """The bytes of that name; raises DataError where they are not what was written."""
        system, place = fsspec.core.url_to_fs(self.folder)
        try:
            raw = bytes(system.cat_file(f"{place}/{name}"))
        except FileNotFoundError:
            raise DataError(
                f"a worker finds no {name} in {self.folder}: set fleet.files of pipeline.yaml to a folder or address "
                f"that this desk and all of its workers reach"
            ) from None
        if hashlib.sha256(raw).hexdigest() != name:
            raise DataError(f"{self.folder}/{name} is not what was written there; run again")
        return raw

    def clear(self) -> None:
        """Takes the folder away."""
        system, place = fsspec.core.url_to_fs(self.folder)
        if system.exists(place):
            system.rm(place, recursive=True)
