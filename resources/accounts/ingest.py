"""Deliveries of accounts into their logs: a file in one transaction, known ones skipped, bad rows set aside."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from resources.accounts.files import Told, account_files, key_of, read_told
from resources.accounts.rows import MAY_CHANGE, Known, judged
from resources.ledger.ledger import Connection, Stamp, head
from resources.logs.storing import (
    STILL_SO,
    Ingested,
    read_again,
    store_delivery,
    store_rejection,
    taken_since,
    withdraw_gone,
)
from resources.prices.folder import can_be_read, unseen_folders
from resources.prices.source import Delivery, FileRejected
from resources.settings.configuration import Configuration
from resources.settings.sources import inbox_folders
from resources.store.transaction import Transaction
from resources.store.warehouse import Warehouse

SOURCE = "accounts"


@dataclass(frozen=True)
class AccountInbox:
    """The account files of a desk's folders, on one day."""

    warehouse: Warehouse
    desk: Configuration
    stamp: Stamp
    today: date

    def take(self, progress: Callable[[str], None]) -> list[Ingested]:
        """Every file that is new, or that has rows set aside whose reason may have gone."""
        folders = inbox_folders(self.desk.sources, self.desk.folder)
        files = account_files(folders)
        done: list[Ingested] = []
        refused: set[str] = set()
        with self.warehouse.live() as con:
            told_before, again, mark = *_known(con), head(con)[0]
        if not files and not told_before:
            return []
        for log, file, name in files:
            try:
                _, key = key_of(log, file, name)
                if key in told_before and key not in again:
                    continue
                progress(f"{SOURCE}: {name}")
                done += self._store(read_told(log, file, name), mark)
            except FileRejected as error:
                refused.add(name)
                with self.warehouse.write(self.stamp) as tx:
                    self.desk.keep(tx)
                    done.append(store_rejection(tx, SOURCE, error))
        if all(map(can_be_read, folders)):
            unseen = {one.name for folder in folders for one in unseen_folders(folder)}
            withdraw_gone(self.warehouse, self.stamp, SOURCE, refused | unseen)
        return done

    def _store(self, told: Told, mark: int) -> list[Ingested]:
        """What became of a file, decided in the transaction that writes it; nothing where it says nothing new."""
        with self.warehouse.write(self.stamp) as tx:
            if taken_since(tx.con, SOURCE, told.key, mark):
                return []
            found = judged(tx.con, told, self.known)
            if _as_before(tx, told.key, found.aside.select(["line", "code"]).to_pylist()):
                return []
            self.desk.keep(tx)
            delivery = Delivery(
                SOURCE, told.key, told.name, told.sha256, told.path, found.rows, log=told.log,
                quarantined=found.aside, warnings=found.findings,
            )  # fmt: skip
            stored = store_delivery(tx, read_again(tx.con, delivery), str(told.path))
            return [replace(stored, findings=found.findings)]

    @property
    def known(self) -> Known:
        """What the rows are held against."""
        models = {name: not model.policy.long_only for name, model in self.desk.portfolios.models.items()}
        taken = {word for one in self.desk.portfolios.files for word in (str(one.id), one.name)}
        return Known(self.today, models, frozenset(taken))


def _known(con: Connection) -> tuple[set[str], set[str]]:
    """(delivery keys that were taken, those of them with rows set aside that may be right by now)."""
    rows = con.execute(
        f"select delivery_key, max(ingest_seq) from ingests i where source = ? and {STILL_SO} group by 1",
        [SOURCE],
    ).fetchall()
    open_ = {
        row[0]
        for row in con.execute(
            "select distinct ingest_seq from quarantine where source = ? and code in (select unnest(?))",
            [SOURCE, list(MAY_CHANGE)],
        ).fetchall()
    }
    return {key for key, _ in rows}, {key for key, seq in rows if seq in open_}


def _as_before(tx: Transaction, key: str, aside: list[dict[str, object]]) -> bool:
    """Whether the file was taken before and the same rows were set aside for the same reasons."""
    rows = tx.con.execute(
        "select line, code from quarantine where ingest_seq = (select max(ingest_seq) from ingests i "
        f"where source = ? and delivery_key = ? and status = 'ingested' and {STILL_SO}) order by line",
        [SOURCE, key],
    ).fetchall()
    return bool(rows) and rows == [(row["line"], row["code"]) for row in aside]
