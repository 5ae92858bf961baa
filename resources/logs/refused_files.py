"""Which payloads are refused today: of each, the last word on record."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from resources.ledger.ledger import Connection

REJECTED, WITHDRAWN = "rejected", "withdrawn"


@dataclass(frozen=True)
class RefusedFile:
    """A payload of which nothing was taken, and that came neither right nor away since.

    since    when it was first refused so, UTC
    reason   everything that is wrong in it, with what to do
    """

    source: str
    log: str
    name: str
    sha256: str
    since: datetime
    reason: str

    def __str__(self) -> str:
        # What was taken of it before, or of what lies in a folder, stays on record.
        return f"{self.reason}; nothing of it was taken since {self.since:%Y-%m-%d}"


def refused_files(con: Connection, watermark: int | None = None) -> list[RefusedFile]:
    """The refused payloads as known at the watermark (now, when left out), by source and name."""
    rows = con.execute(
        """
        with last as (
            select * from ingests where $1 is null or ingest_seq <= $1
            qualify row_number() over (partition by source, payload_name order by ingest_seq desc) = 1
        )
        select l.source, l.log, l.payload_name, l.payload_sha256, m."at", l.message
        from last l join materializations m on m.id = l.ingest_seq where l.status = $2 order by all
        """,
        [watermark, REJECTED],
    ).fetchall()
    return [RefusedFile(*row) for row in rows]


def gone_files(con: Connection, source: str, refused: Collection[str]) -> list[RefusedFile]:
    """The refused payloads of a source, read whole, that are no longer there to be read.

    refused  the names of what it refused now, files and folders
    """
    return [file for file in refused_files(con) if file.source == source and not is_among(file.name, refused)]


def is_among(name: str, refused: Collection[str]) -> bool:
    """Whether a file, or a folder that it lies in, is among those refused."""
    return any(str(place) in refused for place in (PurePosixPath(name), *PurePosixPath(name).parents))
