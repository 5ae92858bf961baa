"""Whether a run would change anything: asked before Dagster is loaded, which alone takes longer than the answer."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.environment import Environment

if TYPE_CHECKING:
    from pipeline.runs import Outcome
    from resources.ledger.ledger import Connection
    from resources.settings.configuration import Configuration
    from resources.store.last_run import Ground, LastRun

Asked = Mapping[str, str | None]


def unchanged_since(here: Environment, asked: Asked) -> "LastRun | None":
    """The last run, where one that is asked for the same would find nothing to do and end like it.

    It was told of a ground and a ledger; both are looked at anew. Where anything is another, or not known for certain,
    the answer is None: the ordinary run is never wrong. Raises RecordError, as a run does, for a warehouse that is not
    to be believed.
    """
    from resources.ledger.ledger import head
    from resources.store.last_run import read_last_run
    from resources.store.warehouse import Warehouse

    last = read_last_run(here.home)
    if last is None or last.asked != asked or not last.at <= datetime.now(UTC).isoformat() < last.until:
        return None
    if _ground(here, last.inboxes).digest() != last.ground:
        return None
    store = Warehouse(here.home, here.anchor)
    with store.live() as con:
        now = head(con)
    if now != last.head:
        return None
    store.publish()  # a copy that is gone, or that another hand put there
    return last


def _ground(here: Environment, inboxes: Iterable[str]) -> "Ground":
    from resources.ledger.signatures import signing_key
    from resources.store.last_run import Ground

    key = signing_key()
    files = (here.decisions, *((key,) if key else ()))
    return Ground(here.config, tuple(here.config / folder for folder in inboxes), files, here.home)


@dataclass(frozen=True)
class Begun:
    """What was there when a run began.

    ground, touched  digests of what it is about to read, and of when that was written; None where not all can be told
    rows             of the ledger
    """

    here: Environment
    asked: Asked
    at: datetime
    inboxes: tuple[str, ...]
    ground: str | None
    touched: str | None
    rows: int

    def ended(self, ingested: "Outcome", outcome: "Outcome") -> None:
        """Leaves word for the next run, where that would have nothing to do."""
        from pipeline import runs
        from resources.ledger.ledger import head
        from resources.store.last_run import LastRun, keep_last_run, touched

        if self.ground is None or not outcome.whole or outcome.pack_id is None:
            return
        desk, store = runs.desk(), runs.warehouse()
        with store.live() as con:
            wrote = con.execute("select distinct run_id from materializations where id > ?", [self.rows])
            ours, by = {ingested.run_id, outcome.run_id}, {str(row[0]) for row in wrote.fetchall()}
            settled = ingested.run_id not in by or (not ingested.status and not _read_again(con, desk))
            now = head(con)
        # what was put back as it was, while the run went on, was read as something else
        same = _ground(self.here, self.inboxes).digest(touched) == self.touched
        if by <= ours and settled and same:
            until = _until(desk, store.home / "cache", self.at).isoformat()
            last = LastRun(
                self.asked, self.inboxes, self.ground, now, self.at.isoformat(), until, outcome.pack_id,
                outcome.status or ingested.status,
                "; ".join(filter(None, (ingested.reason, outcome.reason))),
            )  # fmt: skip
            with suppress(OSError):  # the run has ended well without
                keep_last_run(self.here.home, last)


def begin(here: Environment, asked: Asked) -> Begun:
    """What an ordinary run finds; until it has ended the one before is forgotten, so that a killed one is run again.

    Raises PolicyError for mistakes in the configuration.
    """
    from pipeline import runs
    from resources.ledger.ledger import head
    from resources.prices.embedded import package_data
    from resources.settings.sources import EmbeddedSettings, FolderSettings, inbox_paths
    from resources.store.last_run import forget_last_run, touched

    now, desk = datetime.now(UTC), runs.desk()
    forget_last_run(here.home)
    sources = [source for source in desk.sources.sources if source.enabled]
    embedded = any(isinstance(source, EmbeddedSettings) for source in sources)
    inboxes = (*inbox_paths(desk.sources), *([str(package_data())] if embedded else []))
    ground = _ground(here, inboxes)
    near = all(isinstance(source, FolderSettings | EmbeddedSettings) for source in sources)
    seen = ground.digest() if near else None  # any other source must be asked each time
    with runs.warehouse().live() as con:
        rows = head(con)[0]
    return Begun(here, asked, now, inboxes, seen, ground.digest(touched) if seen else None, rows)


def _read_again(con: "Connection", desk: "Configuration") -> bool:
    """Whether the next ingest would read a delivery again, because what was stated after it explains it."""
    from resources.logs.recorded_actions import explained_deliveries
    from resources.prices.reference import SOURCE
    from resources.settings.sources import load_overrides

    overrides = load_overrides(desk.folder)
    return any(
        explained_deliveries(con, name, overrides.of(name).present_names())
        for name in (*desk.sources.precedence, SOURCE)
    )


def _until(desk: "Configuration", cache: Path, now: datetime) -> datetime:
    """When the clock alone may change an answer: what lies in the future, and which session has closed."""
    from resources.logs.calendars import desk_calendar

    exchanges = {source.exchange for source in desk.sources.sources if source.enabled and source.live}
    closes = [desk_calendar(desk, name, now.date(), cache).next_close(now) for name in exchanges]
    return min([datetime.combine(now.date() + timedelta(days=1), time(), UTC), *closes])
