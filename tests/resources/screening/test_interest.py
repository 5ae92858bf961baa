"""Risk-free rates beside prices: those of a day, a month or in percent are asked about, those of a year are not."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from bench import STAMP, ingest, new_warehouse, staying_open

from resources.screening.currencies import Fault, interest_faults

END = date(2024, 6, 28)
DAY = timedelta(days=1)


def asked(
    tmp_path: Path, rows: dict[date, float], currency: str = "USD"
) -> list[tuple[str, date | None, str]]:
    """(code, date, message) of what is asked of one currency's rates."""
    found = faults(tmp_path, [(currency, day, rate) for day, rate in rows.items()])
    return [(code, day, message) for code, _, day, _, message in found]


def faults(tmp_path: Path, rows: list[tuple[str, date, float]]) -> list[Fault]:
    """What is asked of rates (currency, date, rate)."""
    warehouse = new_warehouse(tmp_path, staying_open)
    told = [{"currency": unit, "date": day, "rate": rate, "source": "f"} for unit, day, rate in rows]
    with warehouse.write(STAMP) as tx:
        ingest(tx, "risk_free_rates", pa.Table.from_pylist(told))
    with warehouse.live() as con:
        return list(interest_faults(con, END, 1_000_000, 45, END - 14 * DAY))


def cycle(day: date) -> float:
    """A rate that falls from 2.5% to 0.05% and rises to 5.3% again, over twelve years; per year."""
    at = (END - day).days / (12 * 365.25)
    return (
        0.053 - 0.0525 * at / 0.3 if at < 0.3 else 0.0005 if at < 0.8 else 0.0005 + 0.0245 * (at - 0.8) / 0.2
    )


def series(step: int, years: int, told: Callable[[float], float] = float) -> dict[date, float]:
    days = [END - DAY * step * back for back in range(int(years * 365.25 / step) + 2)]
    return {day: told(cycle(day)) for day in days if step > 1 or day.weekday() < 5}


@pytest.mark.parametrize(("step", "years"), [(1, 12), (7, 12), (30, 12), (1, 3), (30, 11), (91, 12), (1, 1)])
def test_rates_per_year_of_any_frequency_raise_no_question(tmp_path: Path, step: int, years: int) -> None:
    assert asked(tmp_path, series(step, years)) == []


@pytest.mark.parametrize(
    ("step", "years", "periods", "period"), [(1, 3, 261, "day"), (7, 12, 52, "week"), (30, 12, 12, "month")]
)
def test_rates_of_a_period_are_asked_about_from_the_first_on(
    tmp_path: Path, step: int, years: int, periods: int, period: str
) -> None:
    ((code, day, message),) = asked(
        tmp_path, series(step, years, lambda rate: (1 + rate) ** (1 / periods) - 1)
    )
    assert (code, day) == ("RATE_UNITS", END)
    assert f"is each of a {period}?" in message
    assert float(message.rsplit(" = ", 1)[1].split()[0]) == pytest.approx(0.053, abs=0.002)


def test_too_few_years_tell_nothing_and_neither_do_rates_below_zero_or_at_it(tmp_path: Path) -> None:
    low = series(1, 3, lambda rate: rate / 252)
    assert asked(tmp_path / "a", {day: rate for day, rate in low.items() if day > date(2022, 9, 1)}) == []
    assert asked(tmp_path / "b", low | {END - DAY: -0.0001}) == []
    assert asked(tmp_path / "c", dict.fromkeys(low, 0.0)) == []


def test_rates_of_another_unit_than_the_one_before_are_doubted(tmp_path: Path) -> None:
    # A day, a month, …
    doubted = [
        (0.0525, 0.0002),
        (0.0525, 0.0042),
        (0.0042, 0.0525),
        (0.0525, 0.525),
        (0.05, 0.0),
    ]
    believed = [
        (0.011, 0.0025),  # March 2020
        (0.0, 0.0025),  # a first rise
        (-0.0058, -0.0008),
        (-0.0008, 0.0066),  # the euro's rise through zero
        (0.15, 0.09),  # spring of 1980
    ]
    moves = {f"{'DB'[place >= 5]}{place:02}": move for place, move in enumerate(doubted + believed)}
    for newest in (END, END - 40 * DAY):  # a move that was told before is not told again
        told = [
            (currency, day, rate)
            for currency, move in moves.items()
            for day, rate in zip((newest - 30 * DAY, newest), move, strict=True)
        ]
        said = [it[-1] for it in faults(tmp_path / str(newest), told) if it[0] == "RATE_DOUBTED"]
        found = {name: one for name in moves for one in said if f"{name} is " in one}
        assert len(found) == len(said)
        assert found.keys() == {currency for currency in moves if currency[0] == "D" and newest == END}
        for currency, message in found.items():
            before, now = moves[currency]
            assert f"{currency} is {now:g} on {END} and was {before:g} on {END - 30 * DAY}" in message


def test_a_half_may_be_half_a_percent(tmp_path: Path) -> None:
    ((code, day, message),) = asked(tmp_path, {END: 0.5})
    assert (code, day) == ("RATE_UNITS", END) and message.endswith("Then write 0.005")
    assert asked(tmp_path / "b", {END: 0.25}) == []


def test_a_correction_counts_and_what_is_known_later_does_not(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    for rate in (0.0002, 0.0525):
        rows = [{"currency": "USD", "date": day, "rate": value, "source": "f"} for day, value in
                ((END - DAY, 0.0525), (END, rate), (END + DAY, 0.9))]  # fmt: skip
        with warehouse.write(STAMP) as tx:
            ingest(tx, "risk_free_rates", pa.Table.from_pylist(rows))
    with warehouse.live() as con:
        seq = [
            row[0]
            for row in con.execute("select distinct ingest_seq from risk_free_rates order by 1").fetchall()
        ]
        before, after = (
            list(interest_faults(con, END, mark, 45, END - 14 * DAY)) for mark in (seq[0], seq[-1])
        )
    assert [fault[0] for fault in before] == ["RATE_DOUBTED"] and after == []
