"""Where the charts of a PDF put their lines, boxes and words: millimetres that a ruler on paper would find."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from service.report import drawing


class Page:
    """A page 182 mm wide between margins of 14, that tells what is drawn on it; a letter is 2 mm wide."""

    l_margin, epw, page_break_trigger = 14.0, 182.0, 282.0

    def __init__(self, y: float = 20.0) -> None:
        self.x, self.y, self.pages = self.l_margin, y, 1
        self.told: list[str] = []

    def tell(self, what: str, *numbers: float) -> None:
        self.told.append(" ".join([what, *(f"{number:.1f}" for number in numbers)]))

    def get_y(self) -> float:
        return self.y

    def get_string_width(self, text: str) -> float:
        return 2.0 * len(text)

    def set_xy(self, x: float, y: float) -> None:
        self.x, self.y = x, y

    def add_page(self) -> None:
        self.pages, self.y = self.pages + 1, 14.0

    def cell(
        self, wide: float, high: float, text: str, align: str = "L", new_x: str = "", new_y: str = ""
    ) -> None:
        self.tell(f"{text!r} {align}", self.x, self.y, wide, high)
        if new_y == "NEXT":
            self.x, self.y = self.l_margin, self.y + high

    def line(self, *ends: float) -> None:
        self.tell("line", *ends)

    def rect(self, *box: float, style: str) -> None:
        self.tell(f"box {style}", *box)

    def polyline(self, points: list[tuple[float, float]]) -> None:
        self.tell("through", *(number for point in points for number in point))

    def polygon(self, points: list[tuple[float, float]], style: str) -> None:
        self.tell(f"area {style}", *(number for point in points for number in point))

    def set_fill_color(self, *colour: int) -> None:
        self.told.append(f"fill {drawing.COLOURS.index(colour)}")  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return lambda *values, **options: None


def drawn(page: Page) -> list[str]:
    """What is drawn but for the lines of the grid."""
    return [told for told in page.told if not told.startswith("line")]


def test_bars_begin_at_zero_and_a_loss_has_its_own_colour() -> None:
    page = Page()
    drawing.bars(page, {"A": (-0.1,), "a long name": (0.3,)}, ["profit"], "Losses", margin=10)  # type: ignore[arg-type]
    # 170 mm for -10 to 30%: 42.5 mm for each tenth from 24; rows of 5.2 mm from 30, below a title of 6 and 4 of room.
    assert page.told == [
        "'Losses' L 14.0 20.0 0.0 6.0",
        "line 24.0 30.0 24.0 42.4", "'-10%' C 16.0 43.2 16.0 3.0",
        "line 66.5 30.0 66.5 42.4", "'0%' C 58.5 43.2 16.0 3.0",
        "line 109.0 30.0 109.0 42.4", "'10%' C 101.0 43.2 16.0 3.0",
        "line 151.5 30.0 151.5 42.4", "'20%' C 143.5 43.2 16.0 3.0",
        "line 194.0 30.0 194.0 42.4", "'30%' C 186.0 43.2 16.0 3.0",
        "'A' R 14.0 30.6 9.0 4.2", "fill 1", "box F 24.0 31.0 42.5 3.5",
        "'a long n' R 14.0 35.8 9.0 4.2", "fill 0", "box F 66.5 36.2 127.5 3.5",
    ]  # fmt: skip
    assert (page.x, page.y) == (14.0, 49.4)


def test_pairs_of_bars_share_a_row_and_the_legend_says_which_is_which() -> None:
    page = Page()
    drawing.bars(page, {"A": (0.2, -0.2)}, ["now", "target"], "Weights", margin=10)  # type: ignore[arg-type]
    # 170 mm for -20 to 20%, zero in the middle of them; two boxes of (5.2 - 1.4) / 2 in a row.
    assert drawn(page)[5:] == [
        "'20%' C 186.0 38.0 16.0 3.0", "'A' R 14.0 30.6 9.0 4.2",
        "fill 10", "box F 109.0 31.0 85.0 1.7", "fill 0", "box F 24.0 32.9 85.0 1.7",
        "fill 10", "box F 24.0 26.9 2.2 2.2", "'now' L 26.6 26.4 10.0 3.2",
        "fill 0", "box F 37.4 26.9 2.2 2.2", "'target' L 40.0 26.4 16.0 3.2",
    ]  # fmt: skip


def test_weights_are_stacked_and_the_last_is_held_as_long_as_the_others_on_average() -> None:
    page = Page()
    days = pd.to_datetime(["2024-01-01", "2024-01-05", "2024-01-09"])
    frame = pd.DataFrame({"A": [0.5, 1.0, 0.0], "B": [0.5, 0.0, -0.2]}, days)
    drawing.areas(page, frame, "Weights", height=20)  # type: ignore[arg-type]
    # 8 days, and a third of them for the last one: 168 mm / (8 + 8/3) = 15.75 mm a day from 26.
    assert [told for told in page.told if told.startswith(("area", "fill"))] == [
        "fill 0",
        "area F 26.0 40.0 89.0 40.0 89.0 30.0 152.0 30.0 152.0 50.0 194.0 50.0"
        " 194.0 50.0 152.0 50.0 152.0 50.0 89.0 50.0 89.0 50.0 26.0 50.0",
        "fill 1",
        "area F 26.0 30.0 89.0 30.0 89.0 30.0 152.0 30.0 152.0 50.0 194.0 50.0"
        " 194.0 50.0 152.0 50.0 152.0 30.0 89.0 30.0 89.0 40.0 26.0 40.0",
        "fill 0", "fill 1",
    ]  # fmt: skip


def test_a_histogram_has_the_own_shares_as_boxes_and_the_others_as_steps() -> None:
    page = Page()
    shares = {"policy": np.array([0.25, 0.75]), "benchmark": np.array([0.5, 0.5])}
    drawing.histogram(page, np.array([-0.01, 0.0, 0.01]), shares, "Returns")  # type: ignore[arg-type]
    # 48 mm up to 1.05 times 75%: 45.7 mm for 75%, 15.2 for 25%; 84 mm a bin, of which a box fills 93%.
    assert drawn(page) == [
        "'Returns' L 14.0 20.0 0.0 6.0",
        "'0%' R 13.0 76.5 12.0 3.0", "'20%' R 13.0 64.3 12.0 3.0", "'40%' R 13.0 52.1 12.0 3.0",
        "'60%' R 13.0 39.9 12.0 3.0",
        "'-1%' C 18.0 78.8 16.0 3.0", "'-0.5%' C 60.0 78.8 16.0 3.0", "'0%' C 102.0 78.8 16.0 3.0",
        "'0.5%' C 144.0 78.8 16.0 3.0", "'1%' C 186.0 78.8 16.0 3.0",
        "fill 0", "box F 26.0 62.8 78.1 15.2", "box F 110.0 32.3 78.1 45.7",
        "through 26.0 47.5 110.0 47.5 110.0 47.5 194.0 47.5",
        "fill 0", "box F 26.0 26.9 2.2 2.2", "'policy' L 28.6 26.4 16.0 3.2",
        "fill 1", "box F 45.4 26.9 2.2 2.2", "'benchmark' L 48.0 26.4 22.0 3.2",
    ]  # fmt: skip


def test_lines_end_at_their_last_day_and_the_first_is_drawn_last() -> None:
    page = Page()
    days = pd.to_datetime(["2024-01-01", "2024-01-06", "2024-01-11"])
    frame = pd.DataFrame({"policy": [0.0, 0.1, 0.2], "benchmark": [0.2, np.nan, 0.0]}, days)
    drawing.lines(page, frame, "Value", height=20)  # type: ignore[arg-type]
    # 20 mm for 0 to 20% and 4% of that above and below: 18.5 mm for 20%.
    assert drawn(page) == [
        "'Value' L 14.0 20.0 0.0 6.0",
        "'0%' R 13.0 47.8 12.0 3.0", "'5%' R 13.0 43.1 12.0 3.0", "'10%' R 13.0 38.5 12.0 3.0",
        "'15%' R 13.0 33.9 12.0 3.0", "'20%' R 13.0 29.2 12.0 3.0",
        "'01-01' C 18.0 50.8 16.0 3.0", "'01-03' C 51.6 50.8 16.0 3.0", "'01-05' C 85.2 50.8 16.0 3.0",
        "'01-07' C 118.8 50.8 16.0 3.0", "'01-09' C 152.4 50.8 16.0 3.0", "'01-11' C 186.0 50.8 16.0 3.0",
        "through 26.0 30.7 194.0 49.3", "through 26.0 49.3 110.0 40.0 194.0 30.7",
        "fill 0", "box F 26.0 26.9 2.2 2.2", "'policy' L 28.6 26.4 16.0 3.2",
        "fill 1", "box F 45.4 26.9 2.2 2.2", "'benchmark' L 48.0 26.4 22.0 3.2",
    ]  # fmt: skip
    page = Page()
    drawing.lines(page, 1 + frame, "Value", height=20, log=True)  # type: ignore[arg-type]
    assert drawn(page)[1:4] == [
        "'1' R 13.0 47.8 12.0 3.0", "'1.05' R 13.0 42.8 12.0 3.0", "'1.1' R 13.0 38.1 12.0 3.0",
    ]  # fmt: skip
    assert "through 26.0 49.3 110.0 39.6 194.0 30.7" in page.told


def test_a_chart_that_has_no_room_begins_a_page() -> None:
    for y, pages in ((282.0 - 37.0, 1), (282.0 - 36.9, 2)):
        page = Page(y)
        drawing.areas(page, pd.DataFrame({"A": [1.0]}, [pd.Timestamp("2024-01-01")]), "W", height=20)  # type: ignore[arg-type]
        assert page.pages == pages


@pytest.mark.parametrize(("low", "high", "told"), [
    (0.0, 1.0, [1.0, 2.0, 5.0, 10.0]),
    (0.0, 2.0, [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]),
    (0.0, 0.5, [1.0, 1.5, 2.0, 3.0]),
    (0.0, 0.9, [1.0, 2.0, 5.0]),
    (0.0, 4.0, [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0]),
    (0.0, 5.0, [1.0, 5.0, 20.0, 100.0, 500.0, 2000.0, 10000.0, 50000.0]),
    (0.0, 6.0, [1.0, 5.0, 20.0, 100.0, 500.0, 2000.0, 10000.0, 50000.0, 200000.0, 1000000.0]),
    (0.0, 0.1, [1.0, 1.05, 1.1, 1.15, 1.2, 1.25]),
    (0.001, 0.002, [1.0025, 1.003, 1.0035, 1.004, 1.0045]),
])  # fmt: skip
def test_a_logarithmic_axis_is_marked_at_round_numbers(low: float, high: float, told: list[float]) -> None:
    assert drawing._values(low, high) == pytest.approx(told)


@pytest.mark.parametrize(("end", "told"), [
    ("2024-02-10", ["01-01", "01-07", "01-13", "01-19", "01-25", "01-31", "02-06"]),
    ("2024-06-30", ["2024-01", "2024-02", "2024-03", "2024-04", "2024-05", "2024-06"]),
    ("2044-06-30", ["2024", "2027", "2030", "2033", "2036", "2039", "2042"]),
])  # fmt: skip
def test_days_months_or_years_are_named_below_some_eight_of_them(end: str, told: list[str]) -> None:
    marks = drawing._calendar(pd.DatetimeIndex([pd.Timestamp("2024-01-01"), pd.Timestamp(end)]))
    assert list(marks.values()) == told
    assert min(marks) == 19723.0  # days since 1970


def test_no_two_marks_of_an_axis_say_the_same() -> None:
    page = Page()
    fall = pd.DataFrame({"policy": [0.0, -0.004, -0.011]}, pd.bdate_range("2024-01-01", periods=3))
    drawing.lines(page, fall, "Below the peak")  # type: ignore[arg-type]
    marks = [told.split("'")[1] for told in page.told if "%'" in told]
    assert marks == ["-1%", "-0.8%", "-0.6%", "-0.4%", "-0.2%", "0%"]
