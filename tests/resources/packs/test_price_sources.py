"""Where the preferred source stops, the next takes over, joined where the two agree; and a pack says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from bench import STAMP, ingest, new_warehouse, price_rows, staying_open
from small_desk import sessions

from resources.ledger.ledger import Connection
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Cut, cut_pack
from resources.results.pack_notes import notes_of
from resources.screening.pack_checks import CheckLimits

DAYS = sessions()[-20:]
CLOSE = 10.0


def told(source: str, days: list[date], close: float = CLOSE, **constants: str) -> pa.Table:
    """AAA of a source: the close of each day is `close` plus the number of the day."""
    rows = price_rows(close=close, days=tuple(days), symbols=("AAA",))
    first = DAYS.index(days[0])
    closes = [close + first + place for place in range(len(days))]
    rows = rows.set_column(rows.column_names.index("close"), "close", pa.array(closes))
    for name, text in {"source": source, **constants}.items():
        rows = rows.set_column(rows.column_names.index(name), name, pa.array([text] * rows.num_rows))
    return rows


@dataclass(frozen=True)
class Seen:
    con: Connection
    cut: Cut

    def closes(self) -> list[float]:
        return [float(value) for value in read_panel(self.con, self.cut.pack, ["AAA"]).close[:, 0]]

    def said(self) -> list[tuple[str, str, str]]:
        found = [item for item in self.cut.findings if item.code == "SOURCE_STOPPED"]
        return [(item.severity, str(item.symbol), item.message) for item in found]


@contextmanager
def pack_of(folder: Path, *deliveries: pa.Table, day: date = DAYS[-1]) -> Iterator[Seen]:
    warehouse = new_warehouse(folder, staying_open)
    for rows in deliveries:
        with warehouse.write(STAMP) as tx:
            ingest(tx, "prices", rows)
    with warehouse.write(STAMP) as tx:
        cut = cut_pack(tx, day, ["first", "second", "third"], DAYS, CheckLimits())
    with warehouse.live() as con:
        yield Seen(con, cut)


def test_the_second_source_goes_on_where_the_first_stops(tmp_path: Path) -> None:
    other = told("second", DAYS, 10.05)  # half a percent higher: the same price told by another vendor
    with pack_of(tmp_path, told("first", DAYS[:-2]), other) as seen:
        assert seen.closes() == [CLOSE + place for place in range(18)] + [10.05 + 18, 10.05 + 19]
        ((severity, symbol, message),) = seen.said()
        assert (severity, symbol) == ("INFO", "AAA")
        assert f"first stops on {DAYS[-3]}; second" in message
        assert f"SOURCE_STOPPED: {message}" in notes_of(seen.con, seen.cut.pack)  # what a run tells
        sql = seen.con.execute(
            f"select close from pack_prices('{seen.cut.pack.id}') order by date"
        ).fetchall()
        assert [row[0] for row in sql] == pytest.approx(seen.closes())


def test_a_first_source_that_is_up_to_date_is_the_only_one(tmp_path: Path) -> None:
    with pack_of(tmp_path, told("first", DAYS[5:]), told("second", DAYS, 20.0)) as seen:
        assert seen.closes() == [CLOSE + place for place in range(5, 20)]
        assert seen.said() == []


@pytest.mark.parametrize(
    "constants", [{"basis": "split_adjusted"}, {"currency": "EUR"}, {"basis": "total_return"}]
)
def test_what_is_told_in_another_unit_is_not_joined(tmp_path: Path, constants: dict[str, str]) -> None:
    """Late by some days the first source keeps its symbol; after more than a week the other has it alone."""
    other = told("second", DAYS, **constants)
    with pack_of(tmp_path / "late", told("first", DAYS[:-2]), other) as seen:
        assert len(seen.closes()) == 18
        assert [item[0] for item in seen.said()] == ["WARN"]
        assert "not used" in seen.said()[0][2]
    with pack_of(tmp_path / "stopped", told("first", DAYS[:8]), other) as seen:
        assert len(seen.closes()) == 20
        assert read_panel(seen.con, seen.cut.pack, ["AAA"]).currency == (constants.get("currency", "USD"),)
        assert "all prices are those of second" in seen.said()[0][2]
        sql = seen.con.execute(f"select distinct source from pack_prices('{seen.cut.pack.id}')").fetchall()
        assert sql == [("second",)]


def test_a_close_that_differs_on_the_day_of_the_seam_is_not_joined(tmp_path: Path) -> None:
    """Half the price on the same day: one of the two is restated for a split."""
    with pack_of(tmp_path, told("first", DAYS[:8]), told("second", DAYS, 5.0)) as seen:
        assert seen.closes() == [5.0 + place for place in range(20)]
        assert "differs by" in seen.said()[0][2]


def test_without_a_common_day_two_companies_are_not_joined(tmp_path: Path) -> None:
    with pack_of(tmp_path, told("first", DAYS[:6]), told("second", DAYS[14:])) as seen:
        assert len(seen.closes()) == 6
        assert "no close of that day" in seen.said()[0][2]


def test_a_third_source_goes_on_after_the_second(tmp_path: Path) -> None:
    with pack_of(
        tmp_path, told("first", DAYS[:6]), told("second", DAYS[:12], 10.01), told("third", DAYS, 10.02)
    ) as seen:
        closes = seen.closes()
        assert closes[5:7] == [CLOSE + 5, 10.01 + 6]
        assert closes[11:13] == [10.01 + 11, 10.02 + 12]
        assert [item[2].split(";")[0] for item in seen.said()] == [
            f"AAA: first stops on {DAYS[5]}",
            f"AAA: second stops on {DAYS[11]}",
        ]


@pytest.mark.parametrize(("later", "said"), [(0, 0), (1, 1), (2, 1)])
def test_a_pack_of_a_day_without_a_session_says_of_which_its_closes_are(
    tmp_path: Path, later: int, said: int
) -> None:
    day = DAYS[-1] + timedelta(days=later)
    with pack_of(tmp_path, told("first", DAYS), day=day) as seen:
        notes = [note for note in notes_of(seen.con, seen.cut.pack) if note.startswith("NO_SESSION")]
        assert len(notes) == said
        assert all(f"no price of {day}" in one and f"at closes of {DAYS[-1]}" in one for one in notes)
