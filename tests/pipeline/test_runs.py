"""Which as-of date a run may have, which sessions a range has, what is told of a failed step, which runs are short."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from optimizer import DataError
from pipeline import runs
from pipeline.run_history.failed_steps import is_record_fault, why
from pipeline.runs import choose_as_of
from resources.logs.calendars import Calendar
from resources.settings.policies.policy_schema import PolicyFile
from resources.store.file_lock import held
from resources.store.warehouse import Warehouse

SESSIONS = [date(2026, 7, day) for day in (1, 2, 6, 7)]  # Friday the 3rd is Independence Day, observed
CLOSES = np.array([f"{day}T20:00" for day in SESSIONS], "datetime64[s]").astype(np.int64)
PADDED = np.array([date(2026, 6, 1), *SESSIONS, date(2027, 12, 31)], "datetime64[D]")
CALENDAR = Calendar("XTSE", PADDED, np.array([0, *CLOSES, 2**40]))


def july(day: int, hour: int = 18) -> datetime:
    return datetime(2026, 7, day, hour, tzinfo=UTC)


def source(**changes: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"exchange": "XTSE", "live": True, "enabled": True, **changes})


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """The sources of a desk whose newest price is that of the newest closed session, or of 1 July without live ones."""
    sources = [source()]

    @contextmanager
    def live() -> Iterator[None]:
        yield None

    def newest(con: None, configuration: Any, cache: Path, now: datetime) -> date:
        living = any(one.live and one.enabled for one in sources)
        return CALENDAR.last_closed_session(now) if living else date(2026, 7, 1)

    def load(desk: Any, exchange: str, today: date, cache: Path) -> Calendar:
        assert (exchange, cache) == ("XTSE", tmp_path / "cache")
        return CALENDAR

    monkeypatch.setattr(runs, "desk", lambda: SimpleNamespace(sources=SimpleNamespace(sources=sources)))
    monkeypatch.setattr(runs, "warehouse", lambda: SimpleNamespace(home=tmp_path, live=live))
    monkeypatch.setattr(runs, "default_as_of", newest)
    monkeypatch.setattr(runs, "desk_calendar", load)
    return sources


@pytest.mark.parametrize(
    ("now", "wanted", "expected"),
    [
        (july(2), None, date(2026, 7, 1)),
        (july(2, 20), None, date(2026, 7, 2)),  # the close itself
        (july(2), date(2026, 7, 1), date(2026, 7, 1)),
        (july(2, 20), date(2026, 7, 2), date(2026, 7, 2)),
        (july(5), date(2026, 7, 3), date(2026, 7, 3)),  # a holiday that is over sees the close before it
        (july(5), date(2026, 7, 4), date(2026, 7, 4)),
    ],
)
def test_a_run_is_of_a_closed_session_or_of_a_day_that_is_over(
    desk: list[SimpleNamespace], now: datetime, wanted: date | None, expected: date
) -> None:
    assert choose_as_of(wanted, now) == expected


@pytest.mark.parametrize(
    ("now", "wanted", "newest"),
    [
        (july(2), date(2026, 7, 2), date(2026, 7, 1)),  # still open
        (july(2), date(2026, 7, 3), date(2026, 7, 1)),  # tomorrow
        (july(5), date(2026, 7, 5), date(2026, 7, 2)),  # a Sunday that is not over
        (july(6, 19), date(2026, 7, 6), date(2026, 7, 2)),
    ],
)
def test_a_day_that_may_still_bring_prices_is_refused(
    desk: list[SimpleNamespace], now: datetime, wanted: date, newest: date
) -> None:
    with pytest.raises(DataError) as refused:
        choose_as_of(wanted, now)
    assert (
        str(refused.value) == f"the session of {wanted} is not closed yet; the newest closed one is {newest}"
    )


@pytest.mark.parametrize("only", [source(live=False), source(enabled=False)])
def test_without_a_live_source_only_the_future_is_refused(
    desk: list[SimpleNamespace], only: SimpleNamespace
) -> None:
    desk[:] = [only]
    assert choose_as_of(None, july(2)) == date(2026, 7, 1)
    assert choose_as_of(date(2026, 7, 2), july(2)) == date(2026, 7, 2)
    with pytest.raises(DataError):
        choose_as_of(date(2026, 7, 3), july(2))


def test_the_innermost_error_of_each_failed_step_is_told_or_what_is_wrong_with_the_record() -> None:
    def failed(key: str, *messages: str) -> SimpleNamespace:
        error = None
        for message in reversed(messages):
            kind = message.partition(":")[0].rpartition(".")[2]
            error = SimpleNamespace(message=message, cls_name=kind, cause=error)
        return SimpleNamespace(
            step_key=key, is_step_failure=True, step_failure_data=SimpleNamespace(error=error)
        )

    events = [
        SimpleNamespace(is_step_failure=False),
        failed("prices", "the step failed", "a layer\n", " there is no file\n"),
        failed("trades"),
        failed(
            "hedges",
            "the step failed",
            "resources.x.RecordError: restore it",
            "_duckdb.IOException: what it says",
        ),
        failed("weights", "the step failed", "optimizer.errors.DataError: no prices"),
        failed("impact", "the step failed", "PermissionError: [Errno 13] Permission denied: 'a'"),
    ]

    def of(*kept: SimpleNamespace) -> Any:
        return SimpleNamespace(filter_events=lambda wanted: [event for event in kept if wanted(event)])

    told = "prices: there is no file; trades: failed; hedges: restore it; weights: no prices"
    assert why(of(*events[:-1])) == told
    assert re.fullmatch(
        r"impact: .*'a'; see that .* can read and write it .*: run it again", why(of(events[-1]))
    )
    assert (is_record_fault(of(*events)), is_record_fault(of(events[1], events[2], events[4]))) == (
        True,
        False,
    )
    assert why(of(events[0])) == "the run failed; see packfolio ui"


@pytest.mark.parametrize(
    ("universes", "models", "policy", "kept"),
    [
        ([["A"] * 4_000, ["B"] * 6_000], {}, {"max_holdings": None}, True),
        ([["A"] * 4_000, ["B"] * 6_001], {}, {}, False),
        (["all"], {}, {}, False),  # whatever the pack prices
        ([["A"]], {"growth": None}, {}, False),  # any number of accounts may be of it
        ([["A"]], {}, {"max_holdings": 5}, False),  # a choice of names may take minutes
        ([["A"]], {}, {"min_position_pct": 2.0}, False),
        ([["A"]], {}, {"rounding": "money"}, False),
    ],
)
def test_a_run_of_few_names_keeps_the_warehouse_open(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    universes: list[object],
    models: dict[str, None],
    policy: dict[str, object],
    kept: bool,
) -> None:
    files = [SimpleNamespace(universe=universe, policy=PolicyFile(**policy)) for universe in universes]
    desk = SimpleNamespace(portfolios=SimpleNamespace(files=files, models=models))
    monkeypatch.setattr(runs, "desk", lambda: desk)
    monkeypatch.setattr(runs, "warehouse", lambda: Warehouse(tmp_path))
    free = True
    with runs._opened_once():
        try:
            with held(tmp_path / "warehouse.lock", 0.05, "it"):
                pass
        except DataError:
            free = False
    assert free is not kept
