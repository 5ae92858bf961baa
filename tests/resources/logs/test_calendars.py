import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from optimizer import DataError, PolicyError
from resources.ledger.record_error import RecordError
from resources.logs import calendars
from resources.logs.calendars import Calendar, calendar_ends, load_calendar
from resources.prices.source import Delivery

TODAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calendars")


@pytest.fixture(scope="module")
def nyse(cache: Path) -> Calendar:
    return load_calendar("XNYS", TODAY, cache)


def test_sessions_skip_weekends_and_holidays(nyse: Calendar) -> None:
    week = nyse.sessions(date(2015, 7, 1), date(2015, 7, 7))
    assert week == (date(2015, 7, 1), date(2015, 7, 2), date(2015, 7, 6), date(2015, 7, 7))
    assert not nyse.is_session(date(2015, 7, 3))
    assert nyse.is_session(date(2015, 7, 2))
    assert nyse.sessions(date(2015, 7, 3), date(2015, 7, 5)) == ()


def test_reaches_a_year_past_today(nyse: Calendar) -> None:
    assert nyse.is_session(TODAY + timedelta(days=365))


def test_a_session_counts_as_closed_from_its_close(nyse: Calendar) -> None:
    close = datetime(2026, 3, 2, 21, 0, tzinfo=UTC)
    assert nyse.last_closed_session(close - timedelta(seconds=1)) == date(2026, 2, 27)
    assert nyse.last_closed_session(close) == date(2026, 3, 2)
    assert nyse.next_close(close - timedelta(seconds=1)) == close
    assert nyse.next_close(close) == close + timedelta(days=1)


def test_half_days_close_early(nyse: Calendar) -> None:
    assert nyse.last_closed_session(datetime(2025, 11, 28, 18, 0, tzinfo=UTC)) == date(2025, 11, 28)
    assert nyse.last_closed_session(datetime(2025, 11, 28, 17, 59, tzinfo=UTC)) == date(2025, 11, 26)


def test_the_second_load_reads_the_file(cache: Path, nyse: Calendar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(calendars, "build_sessions")
    again = load_calendar("XNYS", TODAY, cache)
    assert np.array_equal(again.dates, nyse.dates)
    assert np.array_equal(again.closes, nyse.closes)


def test_a_damaged_file_is_built_again(tmp_path: Path) -> None:
    whole = load_calendar("24/7", TODAY, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert np.array_equal(load_calendar("24/7", TODAY, tmp_path).dates, whole.dates)


def test_a_file_that_somebody_edited_is_built_again(tmp_path: Path) -> None:
    whole = load_calendar("24/7", TODAY, tmp_path)
    (file,) = tmp_path.iterdir()
    raw = bytearray(file.read_bytes())
    raw[-64] ^= 1  # the closing time of one of the last sessions
    file.write_bytes(raw)
    again = load_calendar("24/7", TODAY, tmp_path)
    assert np.array_equal(again.closes, whole.closes) and file.read_bytes() != raw
    for make in (file.mkdir, lambda: os.mkfifo(file)):
        file.unlink() if file.is_file() else file.rmdir()
        make()
        with pytest.raises(RecordError, match=r"is a folder, a pipe.*: move that away, it is made again"):
            load_calendar("24/7", TODAY, tmp_path)


def test_an_exchange_with_a_short_record_still_loads(tmp_path: Path) -> None:
    assert load_calendar("XTKS", TODAY, tmp_path).is_session(date(2025, 1, 6))


def test_wrong_questions_get_an_answer_that_helps(nyse: Calendar, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="XNYS"):
        load_calendar("XNYX", TODAY, tmp_path)
    with pytest.raises(DataError, match="1960-01-01"):
        nyse.is_session(date(1950, 1, 3))
    with pytest.raises(DataError, match="time zone"):
        nyse.last_closed_session(datetime(2026, 3, 2, 21, 0))  # noqa: DTZ001


@pytest.mark.parametrize("exchange", ["XBOM", "XSES", "XSHG"])
def test_holidays_that_are_known_a_year_ahead_are_enough(exchange: str, tmp_path: Path) -> None:
    """After the last known one every weekday counts; the second load, from the file, says the same."""
    today = date(2026, 11, 27)
    calendar = load_calendar(exchange, today, tmp_path)
    assert not calendar.is_session(date(2026, 1, 26 if exchange == "XBOM" else 1))
    assert calendar.known_until == date(2026, 12, 31)
    assert calendar.is_session(date(2027, 1, 4))
    assert not calendar.is_session(date(2027, 1, 3))
    assert calendar.dates[-1] >= np.datetime64("2028-12-29")
    assert calendar.last_closed_session(datetime(2027, 1, 4, 23, tzinfo=UTC)) == date(2027, 1, 4)
    again = load_calendar(exchange, today, tmp_path)
    assert (again.known_until, len(again.dates)) == (calendar.known_until, len(calendar.dates))
    assert (np.diff(calendar.dates.astype(int)) > 0).all()
    assert (np.diff(calendar.closes) > 0).all()


def test_a_day_without_trading_is_no_session(nyse: Calendar) -> None:
    mourning = date(2025, 1, 9)
    late = Calendar("XNYS", np.array([mourning], "datetime64[D]"), np.array([0]))
    assert late.without([mourning]).dates.size == 0
    closed = nyse.without([date(2026, 3, 3), date(2026, 3, 7)])
    assert not closed.is_session(date(2026, 3, 3))
    assert len(closed.dates) == len(closed.closes) == len(nyse.dates) - 1
    assert closed.last_closed_session(datetime(2026, 3, 3, 23, tzinfo=UTC)) == date(2026, 3, 2)


def test_rows_beyond_the_known_holidays_are_told() -> None:
    rows = pa.table({"date": pa.array([date(2026, 12, 30), date(2027, 1, 4)])})
    delivery = Delivery("s", "k", "n", "h", b"", rows)
    whole = Calendar("XBOM", np.array([], "datetime64[D]"), np.array([]))
    assert calendar_ends(whole, delivery) == []
    (told,) = calendar_ends(replace(whole, known_until=date(2026, 12, 31)), delivery)
    assert (told.code, told.severity) == ("CALENDAR_ENDS", "WARN")


def test_an_exchange_that_the_library_fails_to_work_out_is_refused_in_words(tmp_path: Path) -> None:
    """Athens needs Easter of a calendar that pandas no longer adds to dates."""
    with pytest.raises(
        PolicyError, match=r"fails to work out the sessions of ASEX .*; state an exchange with the same"
    ):
        load_calendar("ASEX", TODAY, tmp_path)
