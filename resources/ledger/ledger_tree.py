"""The Merkle tree of the ledger: a file of nodes beside the warehouse, which is only a cache of what the rows say."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from duckdb import DuckDBPyConnection as Connection

from optimizer import DataError
from resources.ledger.merkle import WIDTH, Tree, grown, node_count, size_within
from resources.ledger.record_error import refuse_no_file

Head = tuple[int, str]  # number of ledger rows, hash of the newest


class LedgerTree:
    """The tree whose leaf n holds the hash of ledger row n, kept in the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def grow(self, con: Connection, before: Head | None = None, after: Head | None = None) -> str:
        """Bring the file to the ledger of an open transaction; gives the root as hexadecimal digits.

        before, after  the ledger's head without and with the transaction, where they are known: a row more is not asked
                       of the database again, which costs more than all the rest
        A file that does not fit the ledger, or was damaged, is made anew from the rows. Only the writer may call this.
        Raises DataError where rows are missing in the ledger.
        """
        found = self._one_more(before, after) if before and after else None
        size, entries = found or self._known(con)
        with self.path.open("r+b" if size else "w+b") as file:
            tree = Tree(file)
            new = b"".join(grown(tree.frontier(size), size, entries))
            file.truncate(node_count(size) * WIDTH)
            file.seek(0, io.SEEK_END)
            file.write(new)
            return tree.root(size + len(entries)).hex()

    @contextmanager
    def read(self, con: Connection) -> Iterator[Tree]:
        """The tree of a whole ledger, from the rows where the file does not hold it; nothing is written.

        Raises DataError where rows are missing in the ledger.
        """
        size, entries = self._known(con)
        if size and not entries:
            with self.path.open("rb") as file:
                yield Tree(file)
        else:
            yield tree_of(entries_from(con, 1))

    def _one_more(self, before: Head, after: Head) -> tuple[int, list[bytes]] | None:
        """As `_known`, of a file that ends with the row before the newest; None for any other."""
        size = before[0]
        if not size or after[0] != size + 1 or not self.path.exists():
            return None
        if self.path.stat().st_size != node_count(size) * WIDTH:
            return None
        with self.path.open("rb") as file:
            sound = Tree(file).sound(size, bytes.fromhex(before[1]))
        return (size, [bytes.fromhex(after[1])]) if sound else None

    def _known(self, con: Connection) -> tuple[int, list[bytes]]:
        """(how many leaves of the file are the ledger's, what the leaves after them hold)."""
        refuse_no_file(self.path, "move that away, it is made again")
        size = size_within(self.path.stat().st_size // WIDTH) if self.path.exists() else 0
        found = entries_from(con, size) if size else []
        if size and not found:  # a transaction was undone, or an older warehouse was put back
            size = int(con.execute("select coalesce(max(id), 0) from materializations").fetchall()[0][0])
            found = entries_from(con, size) if size else []
        if found:
            with self.path.open("rb") as file:
                if Tree(file).sound(size, found[0]):
                    return size, found[1:]
        return 0, entries_from(con, 1)


def tree_of(entries: Sequence[bytes]) -> Tree:
    """A tree in memory."""
    return Tree(io.BytesIO(b"".join(grown([], 0, entries))))


def entries_from(con: Connection, first: int) -> list[bytes]:
    """What the leaves from number `first` on hold: the hashes of those ledger rows.

    Raises DataError where rows are missing.
    """
    found = con.execute(f"select id, this_hash from materializations where id >= {int(first)}")
    rows = sorted(found.fetchall())  # DuckDB takes longer for one row: to sort it, and to prepare a parameter
    for place, (number, digest) in enumerate(rows, first):
        if number != place or len(digest) != 2 * WIDTH or set(digest) - set("0123456789abcdef"):
            raise DataError(
                f"ledger row {place} is missing, stands twice or has no hash: run `packfolio packs verify`"
            )
    return [bytes.fromhex(digest) for _, digest in rows]
