"""Recomputing the logs from their rows: row hashes, then the leaves over them, date by date."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from optimizer.errors import how_many
from resources.audit.faults import ADDED, CHANGED, MISSING, Fault
from resources.ledger.ledger import Connection, sha256
from resources.ledger.tables import LOGS
from resources.logs.appending import row_hash_sql
from resources.logs.log_leaves import Leaf, layered_rows, plain_rows, read_leaves

NAMED = 20  # rows of one kind that are named before the rest is only counted


def _said(day: date | int) -> date:
    """A day; one without end, which only a forger writes, comes as a number, and is told as the last or first."""
    return day if isinstance(day, date) else date.max if day > 0 else date.min


@dataclass(frozen=True)
class LogCheck:
    """One log within what is to be verified.

    within         SQL condition on date and ingest_seq
    broken_leaves  ids of the ledger rows whose entries in `log_leaves` are not what they wrote
    """

    con: Connection
    log: str
    within: str
    broken_leaves: Set[int]

    def faults(self) -> list[Fault]:
        """Everything that differs between the rows, their hashes and their leaves."""
        changed = self._changed_rows()
        spared = {fault.date for fault in changed}
        found = [*changed, *self._duplicates()]
        for day, seq, recomputed, recorded in self._unequal_leaves():
            if day not in spared:
                found += self._explain(day, seq, recomputed, recorded)
            spared.add(day)  # a leaf covers the ones before it: the first tells all
        return found

    def _fault(self, what: str, key: Sequence[object], day: date | None, seq: int, message: str) -> Fault:
        symbol = "/".join(str(part) for part in key if part != "") or None
        return Fault(self.log, what, message, symbol=symbol, date=day, ledger_row=seq)

    @property
    def _names(self) -> list[str]:
        """The key columns that name a thing: a symbol, or a pair of currencies."""
        return [key for key in LOGS[self.log].keys if key not in ("date", "source", "kind")]

    def _changed_rows(self) -> list[Fault]:
        names = ", ".join(self._names)
        rows = self.con.execute(
            f"select {names}, date, source, ingest_seq from {self.log} "
            f"where {self.within} and row_hash is distinct from {row_hash_sql(self.con, self.log)} order by all"
        ).fetchall()
        return [
            self._fault(CHANGED, key, day, seq, f"the row of {source} no longer fits its own hash")
            for *key, day, source, seq in rows
        ]

    @cached_property
    def _spread(self) -> str:
        """SQL condition: the date's rows came with more than one ingest."""
        rows = self.con.execute(
            f"select date from {self.log} where {self.within} group by date having min(ingest_seq) <> max(ingest_seq)"
        ).fetchall()
        listed = ", ".join(f"date '{row[0]}'" for row in rows)
        return f"date in ({listed})" if rows else "false"

    def _duplicates(self) -> list[Fault]:
        keys = ", ".join(LOGS[self.log].keys)
        rows = self.con.execute(
            f"select {', '.join(self._names)}, date, ingest_seq, count(*) from {self.log} "
            f"where {self.within} and {self._spread} group by {keys}, ingest_seq having count(*) > 1 "
            f"order by all"
        ).fetchall()
        return [
            self._fault(ADDED, key, day, seq, f"it stands {count} times in ledger row {seq}")
            for *key, day, seq, count in rows
        ]

    def _unequal_leaves(self) -> list[tuple[date, int, Leaf | None, Leaf | None]]:
        """(date, ingest_seq, leaf as recomputed, leaf on record) where they differ."""
        log, within, spread = self.log, self.within, self._spread
        layers = f"(select distinct date, ingest_seq from {log} where {within} and {spread})"
        found = read_leaves(self.con, plain_rows(log, f"{within} and not ({spread})"))
        found |= read_leaves(self.con, layered_rows(log, layers))
        rows = self.con.execute(
            f"select date, ingest_seq, rows, hash, vendor_hash from log_leaves where log = ? and {within}",
            [log],
        ).fetchall()
        kept = {(row[0], row[1]): Leaf(*row[2:]) for row in rows}
        places = sorted({*found, *kept}, key=str)  # a forged date may be without end, which is no date here
        return [
            (_said(place[0]), place[1], found.get(place), kept.get(place))
            for place in places
            if found.get(place) != kept.get(place)
        ]

    def _explain(self, day: date, seq: int, found: Leaf | None, kept: Leaf | None) -> list[Fault]:
        if seq in self.broken_leaves:
            what = MISSING if kept is None else ADDED if found is None else CHANGED
            message = f"the leaf of {self.log} is not the one that ledger row {seq} wrote"
            return [Fault("log_leaves", what, message, date=day, ledger_row=seq)]
        if kept is None:
            return self._unannounced(day, seq)
        if found is None or found.rows < kept.rows:
            return self._missing(day, seq, kept.rows - (found.rows if found else 0))
        if found.rows > kept.rows:
            return self._surplus(day, seq, found.rows - kept.rows, kept.hash)
        if found.hash == kept.hash:
            message = "vendor_adj_close of a symbol of that date differs from what was delivered"
        else:
            message = (
                "rows of that date were rewritten together with their hashes; compare with the raw payload"
            )
        return [self._fault(CHANGED, (), day, seq, message)]

    def _unannounced(self, day: date, seq: int) -> list[Fault]:
        rows = self._keys_at(f"date = '{day}' and ingest_seq = {seq}")
        message = f"ledger row {seq} brought no row of that date"
        return [self._fault(ADDED, key, day, seq, message) for key in rows[:NAMED]]

    def _missing(self, day: date, seq: int, count: int) -> list[Fault]:
        """Names what has a row on the dates before and after, and none on this one."""
        near = self.con.execute(
            "select max(date) filter (date < $1), min(date) filter (date > $1) from log_leaves where log = $2",
            [day, self.log],
        ).fetchall()[0]
        around = [set(self._keys_at(f"date = '{other}'")) for other in near if other is not None]
        present = set(self._keys_at(f"date = '{day}'"))
        likely = sorted(set.intersection(*around) - present) if around else []
        if len(likely) == count:
            message = "its row of that date is gone; it has one on the dates before and after"
            return [self._fault(MISSING, key, day, seq, message) for key in likely]
        named = ", ".join("/".join(key) for key in likely[:NAMED])
        message = f"gone: {how_many(count, 'row')} of that date{', likely among ' + named if named else ''}"
        return [self._fault(MISSING, (), day, seq, message)]

    def _surplus(self, day: date, seq: int, count: int, kept_hash: str) -> list[Fault]:
        """Names the row without which the leaf is right again."""
        keys = ", ".join(LOGS[self.log].keys)
        rows = self.con.execute(
            f"select {', '.join(self._names)}, hex(row_hash) from {self.log} where date = ? and ingest_seq <= ? "
            f"qualify rank() over (partition by {keys} order by ingest_seq desc) = 1 order by row_hash",
            [day, seq],
        ).fetchall()
        digests = [row[-1] for row in rows]
        for at, row in enumerate(rows if count == 1 else []):
            if sha256("".join(digests[:at] + digests[at + 1 :])) == kept_hash:
                return [self._fault(ADDED, row[:-1], day, seq, f"ledger row {seq} did not bring this row")]
        return [self._fault(ADDED, (), day, seq, f"added: {how_many(count, 'row')} of that date")]

    def _keys_at(self, where: str) -> list[tuple[str, ...]]:
        return self.con.execute(
            f"select distinct {', '.join(self._names)} from {self.log} where {where} order by all"
        ).fetchall()
