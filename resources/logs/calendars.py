"""Trading sessions of an exchange, kept as a small file because building them costs a second."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from optimizer import DataError, PolicyError
from optimizer.errors import meant
from resources.ledger.atomic_file import write_whole
from resources.ledger.ledger import Connection
from resources.ledger.record_error import refuse_no_file
from resources.logs.recorded_prices import newest_price
from resources.prices.source import Delivery, Finding
from resources.settings.configuration import Configuration
from resources.settings.sources import load_overrides

Dates = npt.NDArray[np.datetime64]
FIRST_DAY = "1960-01-01"
DIGEST = 32  # bytes of a SHA-256


@dataclass(frozen=True)
class Calendar:
    """An exchange's sessions, ascending.

    dates        (s,) datetime64[D], at least to the end of the year after the one it was loaded in
    closes       (s,) int64, seconds since 1970 UTC
    known_until  the last day whose holidays are known; after it every day of the exchange's week is a session
    """

    exchange: str
    dates: Dates
    closes: npt.NDArray[np.int64]
    known_until: date = date.max

    @property
    def days(self) -> npt.NDArray[np.int32]:
        """Sessions as days since 1970, (s,) ascending."""
        return self.dates.astype(np.int32)

    def sessions(self, start: date, end: date) -> tuple[date, ...]:
        """Sessions in start..end, both included; raises DataError outside the calendar."""
        for day in (start, end):
            self._check(day)
        first, past = np.searchsorted(self.dates, np.array([start, end], "datetime64[D]"))
        found: list[date] = self.dates[first : past + self.is_session(end)].tolist()
        return tuple(found)

    def is_session(self, day: date) -> bool:
        """Whether the exchange trades on a day; raises DataError outside the calendar."""
        self._check(day)
        return bool(self.dates[np.searchsorted(self.dates, np.datetime64(day))] == np.datetime64(day))

    def last_closed_session(self, now: datetime) -> date:
        """The newest session that has closed at `now`, which must carry its time zone."""
        if now.tzinfo is None:
            raise DataError(f"{now} has no time zone; pass an aware datetime, such as datetime.now(UTC)")
        self._check(now.astimezone(UTC).date())
        closed = int(np.searchsorted(self.closes, int(now.timestamp()), side="right"))
        day: date = self.dates[closed - 1].item()
        return day

    def next_close(self, now: datetime) -> datetime:
        """When the first session closes that `last_closed_session` does not count as closed at `now`."""
        place = int(np.searchsorted(self.closes, int(now.timestamp()), side="right"))
        return datetime.fromtimestamp(int(self.closes[place]), UTC)

    def without(self, closed: Iterable[date]) -> "Calendar":
        """The calendar without days on which the exchange stayed shut."""
        days = np.array(sorted(closed), "datetime64[D]")
        open_ = ~np.isin(self.dates, days)
        return replace(self, dates=self.dates[open_], closes=self.closes[open_])

    def _check(self, day: date) -> None:
        first, last = self.dates[0].item(), self.dates[-1].item()
        if not first <= day <= last:
            raise DataError(f"{day} lies outside the {self.exchange} calendar, which holds {first} to {last}")


def desk_calendar(desk: Configuration, exchange: str, today: date, cache: Path) -> Calendar:
    """The sessions of an exchange, less the closures that the desk states in `overrides.yaml`."""
    stated = load_overrides(desk.folder).closures
    return load_calendar(exchange, today, cache).without(
        closure.date for closure in stated if closure.exchange == exchange
    )


def default_as_of(con: Connection, desk: Configuration, cache: Path, now: datetime) -> date:
    """The as-of date of a run that names none.

    The newest exchange session already closed where a source is live, else the newest date on record.
    Raises DataError when there is neither.
    """
    enabled = [source for source in desk.sources.sources if source.enabled]
    live = [source for source in enabled if source.live]
    if live:
        today = now.astimezone(UTC).date()
        return desk_calendar(desk, live[0].exchange, today, cache).last_closed_session(now)
    newest = newest_price(con, [source.name for source in enabled])
    if newest is None:
        raise DataError("no prices are on record: check the sources in sources.yaml, then `packfolio ingest`")
    return newest


def load_calendar(exchange: str, today: date, cache: Path) -> Calendar:
    """The sessions of an exchange (ISO 10383 code), to the end of the second year after today's.

    cache  folder for the session file, one per exchange, library version and last year; it is believed by its hash
    Raises PolicyError for an unknown exchange, and for one that the library fails to work out.
    """
    last_year = today.year + 2
    file = cache / f"calendar-{exchange.replace('/', '_')}-{version('exchange_calendars')}-{last_year}.npy"
    table = read_hashed(file)
    if table is None:
        table = _built(exchange, last_year)
        save_atomically(file, table)
    known_until = table[0, 0]
    until: date = known_until.astype("datetime64[D]").item()
    return Calendar(exchange, table[0, 1:].astype("datetime64[D]"), table[1, 1:], until)


def _built(exchange: str, last_year: int) -> npt.NDArray[np.int64]:
    try:
        return build_sessions(exchange, last_year)
    except PolicyError:
        raise
    # Athens, Bucharest and Tel Aviv in 4.13, with pandas 3.
    except (ValueError, NotImplementedError) as error:
        raise PolicyError(
            f"exchange_calendars {version('exchange_calendars')} fails to work out the sessions of {exchange} "
            f"({str(error)[:60]}); state an exchange with the same week, and the days it differs as closures in "
            "overrides.yaml"
        ) from error


@cache
def build_sessions(exchange: str, last_year: int) -> npt.NDArray[np.int64]:
    """(2, 1 + s) days and closing seconds since 1970 UTC, from the exchange_calendars library.

    The first column is the last day whose holidays are known. Some exchanges publish them a year ahead: after that
    day every day of their week counts as a session, that closes when the last known one does.
    """
    import exchange_calendars as xc  # half a second to import

    names = xc.get_calendar_names()
    if exchange not in names:
        raise PolicyError(f"exchange {exchange!r} is unknown; {meant(exchange, names)}")
    kind = type(xc.get_calendar(exchange))
    start, wanted = np.datetime64(FIRST_DAY), np.datetime64(f"{last_year}-12-31")
    if (bound := kind.bound_min()) is not None:
        start = max(start, bound.to_datetime64().astype("datetime64[D]"))
    known = wanted
    if (bound := kind.bound_max()) is not None:
        known = min(known, bound.to_datetime64().astype("datetime64[D]"))
    calendar = xc.get_calendar(exchange, start=str(start), end=str(known))
    closes = calendar.closes.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[s]")
    days = calendar.sessions.to_numpy("datetime64[D]")
    later = np.arange(known + 1, wanted + 1)
    later = later[np.is_busday(later, weekmask=calendar.weekmask)]
    hour = closes[-1] - days[-1]
    table = np.stack(
        [
            np.concatenate([[known], days, later]).astype(np.int64),
            np.concatenate([closes[:1], closes, later + hour]).astype("datetime64[s]").astype(np.int64),
        ]
    )
    table.setflags(write=False)
    return table


def calendar_ends(calendar: Calendar, delivery: Delivery) -> list[Finding]:
    """A warning where rows are newer than the holidays that are known of their exchange."""
    newest = pc.max(delivery.rows["date"]).as_py() or date.min
    if newest <= calendar.known_until:
        return []
    said = (
        f"the holidays of {calendar.exchange} are known to {calendar.known_until}; after it every weekday counts as a "
        f"session: upgrade exchange_calendars, or state closures in overrides.yaml"
    )
    return [Finding("CALENDAR_ENDS", "WARN", said, day=newest)]


def read_hashed(file: Path) -> npt.NDArray[np.int64] | None:
    """The array that `save_atomically` wrote; None where there is none, or where it is not what was written.

    Raises RecordError for what is no file.
    """
    refuse_no_file(file, "move that away, it is made again")
    raw = file.read_bytes() if file.exists() else b""
    body, digest = raw[:-DIGEST], raw[-DIGEST:]
    if not body or sha256(body).digest() != digest:
        return None
    table: npt.NDArray[np.int64] = np.load(BytesIO(body), allow_pickle=False)
    return table


def save_atomically(file: Path, table: npt.NDArray[np.int64]) -> None:
    """Write an array and its SHA-256 so that a reader sees all of it or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    body = BytesIO()
    np.save(body, table, allow_pickle=False)
    write_whole(file, body.getvalue() + sha256(body.getvalue()).digest())
