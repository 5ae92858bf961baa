"""The leaves of the logs: of each date and ingest one hash over the rows that were the newest then."""

import hashlib
from binascii import hexlify
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise

import numpy as np
import pyarrow as pa

from optimizer.typing import Array
from resources.ledger.ledger import Connection
from resources.ledger.tables import LOGS

BLOCK = 1 << 20  # rows in memory at a time


@dataclass(frozen=True)
class Leaf:
    """What a date's rows were after one ingest.

    rows         how many
    hash         SHA-256 over their row hashes in ascending order, each as 32 upper-case hexadecimal digits
    vendor_hash  SHA-256 over the vendor's own adjusted closes that this ingest brought, as big-endian doubles in the
                 same order, NaN for the other rows; None where it brought none. No pack hash covers them.
    """

    rows: int
    hash: str
    vendor_hash: str | None


Place = tuple[date, int]


def plain_rows(log: str, where: str) -> str:
    """SQL for the rows of the leaves of dates that one ingest alone brought."""
    vendor = "vendor_adj_close" if log == "prices" else "null::double"
    return f"select date, ingest_seq as seq, row_hash, {vendor} as vendor from {log} where {where}"


def layered_rows(log: str, wanted: str) -> str:
    """SQL for the rows of the leaves of each (date, ingest_seq) of the relation `wanted`.

    They are of each key the newest row up to that ingest.
    """
    keys = ", ".join(f"l.{key}" for key in LOGS[log].keys)
    vendor = (
        "case when l.ingest_seq = w.ingest_seq then vendor_adj_close end"
        if log == "prices"
        else "null::double"
    )
    return f"""
        select l.date, w.ingest_seq as seq, row_hash, {vendor} as vendor
        from {log} l join {wanted} w on l.date = w.date and l.ingest_seq <= w.ingest_seq
        qualify row_number() over (partition by w.ingest_seq, {keys} order by l.ingest_seq desc) = 1
    """


def read_leaves(con: Connection, rows: str) -> dict[Place, Leaf]:
    """(date, ingest_seq) -> leaf, in that order, of the rows that the SQL of `plain_rows` or `layered_rows` gives."""
    ordered = con.sql(
        f"select date - date '1970-01-01' as day, seq, row_hash, vendor from ({rows}) order by day, seq, row_hash"
    )
    pieces = (piece for batch in ordered.to_arrow_reader(BLOCK) for piece in _pieces(batch))
    found = {}
    for (day, seq), its in groupby(pieces, key=lambda piece: (piece[0], piece[1])):
        count, hashed, told, vendor = 0, hashlib.sha256(), False, hashlib.sha256()
        for _, _, rows_here, digests, values in its:
            count += rows_here
            hashed.update(hexlify(digests).upper())
            told = told or not np.isnan(values).all()
            vendor.update(values.astype(">f8").tobytes())
        place = np.datetime64(day, "D").item(), seq
        found[place] = Leaf(count, hashed.hexdigest(), vendor.hexdigest() if told else None)
    return found


Piece = tuple[int, int, int, memoryview, Array]


def _pieces(batch: pa.RecordBatch) -> Iterator[Piece]:
    """(day since 1970, ingest, rows, row hashes end to end, vendor's closes) of each stretch of one date and ingest."""
    days, seqs = batch["day"].to_numpy(), batch["seq"].to_numpy()
    vendor = batch["vendor"].to_numpy(zero_copy_only=False)
    vendor = np.where(np.isnan(vendor), np.nan, vendor)  # one NaN, whatever the machine fills nulls with
    offsets = np.frombuffer(batch["row_hash"].buffers()[1], np.int32)
    digests = memoryview(batch["row_hash"].buffers()[2])
    changes = np.flatnonzero(np.diff(days) | np.diff(seqs)) + 1
    bounds = [0, *changes.tolist(), len(days)]
    for start, end in pairwise(bounds):
        yield (
            int(days[start]),
            int(seqs[start]),
            end - start,
            digests[offsets[start] : offsets[end]],
            vendor[start:end],
        )
