"""Trading sessions of an exchange, kept as a small file because building them costs a second."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from importlib.metadata import version
from os import getpid
from pathlib import Path

import numpy as np
import numpy.typing as npt

from optimizer.errors import DataError, PolicyError

Dates = npt.NDArray[np.datetime64]
FIRST_DAY = "1960-01-01"


@dataclass(frozen=True)
class Calendar:
    """An exchange's sessions, ascending.

    dates   (s,) datetime64[D], at least to the end of the year after the one it was loaded in
    closes  (s,) int64, seconds since 1970 UTC
    """

    exchange: str
    dates: Dates
    closes: npt.NDArray[np.int64]

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

    def _check(self, day: date) -> None:
        first, last = self.dates[0].item(), self.dates[-1].item()
        if not first <= day <= last:
            raise DataError(f"{day} lies outside the {self.exchange} calendar, which holds {first} to {last}")


def load_calendar(exchange: str, today: date, cache: Path) -> Calendar:
    """The sessions of an exchange (ISO 10383 code), to the end of the second year after today's.

    cache  folder for the session file, one per exchange, library version and last year
    Raises PolicyError for an unknown exchange.
    """
    last_year = today.year + 2
    file = cache / f"sessions-{exchange.replace('/', '_')}-{version('exchange_calendars')}-{last_year}.npy"
    try:
        table = np.load(file, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        table = build_sessions(exchange, last_year)
        save_atomically(file, table)
    return Calendar(exchange, table[0].astype("datetime64[D]"), table[1])


def build_sessions(exchange: str, last_year: int) -> npt.NDArray[np.int64]:
    """(2, s) days and closing seconds since 1970 UTC, from the exchange_calendars library."""
    import exchange_calendars as xc  # half a second to import

    names = xc.get_calendar_names()
    if exchange not in names:
        near = get_close_matches(exchange, names, 3)
        raise PolicyError(
            f"exchange {exchange!r} is unknown; nearest: {', '.join(near) or 'XNYS, XTSE, XLON'}"
        )
    end = f"{last_year}-12-31"
    try:
        calendar = xc.get_calendar(exchange, start=FIRST_DAY, end=end)
    except (ValueError, NotImplementedError):  # some exchanges are recorded for fewer years
        calendar = xc.get_calendar(exchange, end=end)
    closes = calendar.closes.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[s]")
    days = calendar.sessions.to_numpy("datetime64[D]")
    return np.stack([days.astype(np.int64), closes.astype(np.int64)])


def save_atomically(file: Path, table: npt.NDArray[np.int64]) -> None:
    """Write an array so that a reader sees all of it or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{getpid()}.part")
    with part.open("wb") as out:
        np.save(out, table, allow_pickle=False)
    part.replace(file)
