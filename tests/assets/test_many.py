"""What Dagster shows of many portfolios: sums, their spread, and the worst."""

from typing import Any

import pandas as pd
import pytest

from assets.shared.many import are_many, counts, drawn, spread, summed, worst
from resources.results.many import FEW, WORST

ROWS = pd.DataFrame({
    "name": [f"book {number:03}" for number in range(100)],
    "status": ["optimal"] * 97 + ["infeasible"] * 3,
    "turnover": [number / 100 for number in range(97)] + [None] * 3,
})  # fmt: skip


@pytest.mark.parametrize(("portfolios", "many"), [(0, False), (FEW, False), (FEW + 1, True)])
def test_up_to_ten_are_shown_one_by_one(portfolios: int, many: bool) -> None:
    assert are_many(portfolios) is many


def test_the_sums_of_a_hundred_are_those_of_their_rows() -> None:
    assert counts(ROWS, ["status"]).to_dict("records") == [
        {"status": "optimal", "portfolios": 97}, {"status": "infeasible", "portfolios": 3},
    ]  # fmt: skip
    (told,) = spread(ROWS, ["turnover"]).to_dict("records")
    assert (told["portfolios"], told["lowest"], told["median"], told["highest"]) == (97, 0.0, 0.48, 0.96)
    assert told["mean"] == pytest.approx(0.48)
    assert spread(ROWS.assign(turnover=None), ["turnover"]).empty


def test_the_worst_are_those_without_an_answer_and_then_the_largest() -> None:
    found = list(worst(ROWS, "turnover")["name"])
    assert len(found) == WORST
    assert found[:5] == ["book 097", "book 098", "book 099", "book 096", "book 095"]


def test_who_breaks_a_limit_stands_before_the_largest_and_who_needs_no_trade_last() -> None:
    """On a day without trades for most, those filled the list, and who had failed was not on it."""
    met = pd.Series([True] * 97 + [None, True, True], dtype=object)
    met[3] = False
    found = list(worst(ROWS.assign(constraints_met=met), "turnover")["name"])
    assert found[:4] == ["book 097", "book 003", "book 096", "book 095"]
    assert not {"book 098", "book 099"} & {*found}


def test_a_hundred_take_no_more_room_than_twenty() -> None:
    shown = summed(ROWS, ["status"], ["turnover"], "turnover")
    assert {name: len(table.records) for name, table in shown.items()} == {
        "outcomes": 2,
        "spread": 1,
        "worst": WORST,
    }


def test_pictures_are_of_those_named_that_have_rows() -> None:
    draw: Any = lambda name, rows: (name, len(rows))  # noqa: E731
    assert drawn(ROWS, ["book 003", "book 001", "none"], draw) == {
        "book 003": ("book 003", 1), "book 001": ("book 001", 1),
    }  # fmt: skip
