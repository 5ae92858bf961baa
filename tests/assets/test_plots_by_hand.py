"""Where the daily run's pictures put their boxes, lines and words: pixels that a ruler on the screen would find."""

import base64
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.plots import charts
from assets.plots.charts import covariance_plot, diverging, posterior_plot, weights_plot
from assets.plots.factor_charts import factor_risk_plot, factors_plot
from assets.plots.risk_charts import frontier_plot, losses_plot, monthly_plot
from optimizer import Estimates

HELD, WANTED, RED = charts.BEFORE, charts.AFTER, charts.ACCENT


def told(plot: Any) -> list[str]:
    """Size of the picture, then what is drawn in its order; a word with its size and where it is tied."""
    text = base64.b64decode(plot.md_str.partition("base64,")[2][:-1])
    root = ET.fromstring(text)  # noqa: S314  our own text
    found = [f"{root.get('width')} x {root.get('height')}"]
    for node in list(root)[1:]:
        kind, own = node.tag.rpartition("}")[2], node.attrib
        if kind == "text":
            turned = " upward" if own.get("transform") == f"rotate(-90 {own['x']} {own['y']})" else ""
            tie = f"{own['x']} {own['y']} {own['font-size']} {own['text-anchor']}"
            found.append(f"{node.text!r} {tie}{turned}")
        elif kind == "rect":
            found.append(" ".join(["box", *(own[key] for key in ("x", "y", "width", "height", "fill"))]))
        elif kind == "path":
            found.append(f"line {own['d']} {own['stroke']}")
        elif kind == "circle":
            found.append(" ".join(["dot", *(own[key] for key in ("cx", "cy", "r", "fill"))]))
        elif kind == "polyline":
            found.append(f"through {own['points']} {own['stroke']}")
        else:
            found.append(" ".join([kind, *(own[key] for key in ("x", "y", "width", "height"))]))
    return found


def test_correlations_stand_beside_a_scale_of_their_colours() -> None:
    found = told(
        covariance_plot(Estimates(("A", "B"), np.zeros(2), np.eye(2), observations=9), frozenset("B"))
    )
    # 360 pixels for two names from (35, 30): their middles are 90 and 270 along, a letter 3 lower.
    assert found[:7] == [
        "450 x 417", "'Correlations, 9 days   (* simulated, nobody traded these)' 35.0 18.0 13 start",
        "image 35.0 30.0 360.0 360.0",
        "'A' 31.0 123.0 9 end", "'A' 128.0 395.0 9 end upward",
        "'B *' 31.0 303.0 9 end", "'B *' 308.0 395.0 9 end upward",
    ]  # fmt: skip
    scale, marks = found[7:48], found[48:]
    colours = ["#" + bytes(diverging(np.array(1 - place / 20))).hex() for place in range(41)]
    assert scale == [
        f"box 410.0 {30 + place * 360 / 41:.1f} 12.0 9.3 {colour}" for place, colour in enumerate(colours)
    ]
    assert (colours[0], colours[20], colours[-1]) == ("#67001f", "#ffffff", "#053061")
    assert marks == [
        "'+1' 426.0 34.0 9 start", "'+0.5' 426.0 124.0 9 start", "'+0' 426.0 214.0 9 start",
        "'-0.5' 426.0 304.0 9 start", "'-1' 426.0 394.0 9 start",
    ]  # fmt: skip
    assert diverging(np.array([-3.0, 3.0])).tolist() == [[5, 48, 97], [103, 0, 31]]
    symbols = tuple(f"S{number}" for number in range(181))
    sampled = told(
        covariance_plot(Estimates(symbols, np.zeros(181), np.eye(181), observations=9), frozenset())
    )
    assert sampled[:2] == ["431 x 398", "'Correlations, 9 days, one symbol in 2' 16.0 18.0 13 start"]
    assert len(sampled) == 3 + 41 + 5  # 181 names are not written


def test_bars_stand_on_zero_in_pairs() -> None:
    rows = pd.DataFrame(
        {"prior": [0.01, 0.02], "posterior": [0.02, -0.02], "simulated": False}, index=["AAA", "BBB"]
    )
    # -2 to 2% in 180 pixels from 48: 45 a point, zero at 138; 275 pixels a name, 28 a bar.
    assert told(posterior_plot("book", rows)) == [
        "615 x 257", "'book: expected return per year, prior and posterior' 50.0 18.0 13 start",
        f"box 50.0 28.0 9.0 9.0 {HELD}", "'prior' 63.0 36.0 11 start",
        f"box 160.0 28.0 9.0 9.0 {WANTED}", "'posterior' 173.0 36.0 11 start",
        "line M50.0 228.0L600.0 228.0 #ddd", "'-2%' 45.0 232.0 10 end",
        "line M50.0 183.0L600.0 183.0 #ddd", "'-1%' 45.0 187.0 10 end",
        "line M50.0 138.0L600.0 138.0 #ddd", "'0%' 45.0 142.0 10 end",
        "line M50.0 93.0L600.0 93.0 #ddd", "'1%' 45.0 97.0 10 end",
        "line M50.0 48.0L600.0 48.0 #ddd", "'2%' 45.0 52.0 10 end",
        f"box 159.5 48.0 28.0 90.0 {HELD}", f"box 187.5 138.0 28.0 90.0 {WANTED}",
        "'BBB' 190.5 234.0 10 end upward",
        f"box 434.5 93.0 28.0 45.0 {HELD}", f"box 462.5 48.0 28.0 90.0 {WANTED}",
        "'AAA' 465.5 234.0 10 end upward",
        "line M50.0 138.0L600.0 138.0 #222",
    ]  # fmt: skip
    many = pd.DataFrame(
        {"current_weight": 0.0, "weight": np.linspace(0.02, 0.01, 41), "simulated": False},
        index=[f"S{number}" for number in range(41)],
    )
    found = told(weights_plot("book", many))
    # 40 names of 18 pixels; a bar is (18 - 4) / 2.
    assert found[:2] == [
        "785 x 257",
        "'book: weights before and after (largest 40 of 41)' 50.0 18.0 13 start",
    ]
    assert [one for one in found if one.endswith(WANTED)][1] == f"box 59.0 48.0 7.0 180.0 {WANTED}"
    assert not any("S40" in one for one in found)


def test_a_backtest_grows_from_one_and_falls_from_its_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "_image", lambda figure: figure)
    nav = pd.DataFrame(
        {"policy": [50.0, 100.0, 80.0], "benchmark": [10.0, 9.0, 11.0]}, pd.bdate_range("2024", periods=3)
    )
    figure: Any = charts.backtest_plot("book", nav, simulated=False)
    equity, depth = figure.axes
    assert [line.get_ydata().tolist() for line in equity.lines] == [[1.0, 2.0, 1.6], [1.0, 0.9, 1.1]]
    assert [line.get_ydata() for line in depth.lines] == [
        pytest.approx([0, 0, -20]),
        pytest.approx([0, -10, 0]),
    ]
    assert [line.get_color() for line in equity.lines] == [WANTED, RED] and equity.get_yscale() == "log"


def test_a_factors_risk_is_a_bar_before_and_one_after() -> None:
    rows = pd.DataFrame({
        "side": ["before", "after", "after"], "part": ["market", "market", "size"], "contribution": [0.04, 0.02, -0.01],
    })  # fmt: skip
    # -1 to 4% in 420 pixels from 50: 84 a point, zero at 134; rows of 22 from 54.
    assert told(factor_risk_plot("book", rows)) == [
        "528 x 122",
        "'book: volatility a year by factor, 4.00% before and 1.00% after the trades' 10.0 18.0 13 start",
        f"box 50.0 28.0 9.0 9.0 {HELD}", "'before' 63.0 37.0 11 start",
        f"box 140.0 28.0 9.0 9.0 {WANTED}", "'after' 153.0 37.0 11 start",
        "line M50.0 54.0L50.0 98.0 #ddd", "'-1%' 50.0 112.0 10 middle",
        "line M134.0 54.0L134.0 98.0 #ddd", "'0%' 134.0 112.0 10 middle",
        "line M218.0 54.0L218.0 98.0 #ddd", "'1%' 218.0 112.0 10 middle",
        "line M302.0 54.0L302.0 98.0 #ddd", "'2%' 302.0 112.0 10 middle",
        "line M386.0 54.0L386.0 98.0 #ddd", "'3%' 386.0 112.0 10 middle",
        "line M470.0 54.0L470.0 98.0 #ddd", "'4%' 470.0 112.0 10 middle",
        f"box 134.0 57.0 336.0 8.0 {HELD}", f"box 134.0 65.0 168.0 8.0 {WANTED}", "'market' 44.0 69.0 10 end",
        f"box 134.0 79.0 0.0 8.0 {HELD}", f"box 50.0 87.0 84.0 8.0 {WANTED}", "'size' 44.0 91.0 10 end",
        "line M134.0 54.0L134.0 98.0 #222",
    ]  # fmt: skip


def test_what_groups_earned_is_drawn_day_by_day() -> None:
    days = ["2024-01-02", "2024-02-02", "2024-03-04"]
    groups = {"market": [0.0, 0.01, 0.02], "cash": [0.0, 0.0, 0.00004], "style": [0.0, -0.0001, 0.0001]}
    # 0.0 to 2.5% by halves in 260 pixels from 54 and one half below; 280 pixels a day from 55.
    found = told(factors_plot("book", {"dates": days, "groups": groups}, simulated=False))
    assert found[:2] == [
        "655 x 342", "'book: return earned by group, percent of the value at the start' 10.0 18.0 13 start",
    ]  # fmt: skip
    assert [one for one in found if one.startswith("'2024")] == [
        "'2024-01' 55.0 330.0 10 middle", "'2024-02' 335.0 330.0 10 middle", "'2024-03' 615.0 330.0 10 middle",
    ]  # fmt: skip
    assert [one for one in found if one.startswith("line")] == [
        f"line M55.0 {54 + 52 * place}.0L615.0 {54 + 52 * place}.0 #ddd" for place in reversed(range(6))
    ]
    # 104 pixels a point from zero at 262; what earned less than 0.005% has no line and no place among the colours.
    assert found[-6:] == [
        f"through 55.0,262.0 335.0,158.0 615.0,54.0 {WANTED}", f"box 55.0 28.0 9.0 9.0 {WANTED}",
        "'market' 68.0 37.0 11 start",
        f"through 55.0,262.0 335.0,263.0 615.0,261.0 {RED}", f"box 137.0 28.0 9.0 9.0 {RED}",
        "'style' 150.0 37.0 11 start",
    ]  # fmt: skip


def test_a_loss_has_its_error_across_its_end() -> None:
    rows = pd.DataFrame({
        "scenario_id": ["rally", "crash"], "profit": [0.02, -0.03], "standard_error": [0.0, 0.01],
    })  # fmt: skip
    # -4 to 2% in 420 pixels from 40: 70 a point, zero at 320; rows of 16 from 34.
    assert told(losses_plot("book", rows)) == [
        "485 x 90", "'book: profit or loss under each scenario, percent of NAV' 10.0 18.0 13 start",
        *(line for place, mark in enumerate(range(-4, 3)) for line in (
            f"line M{40 + 70 * place}.0 34.0L{40 + 70 * place}.0 66.0 #ddd",
            f"'{mark}%' {40 + 70 * place}.0 80.0 10 middle",
        )),
        f"box 110.0 37.0 210.0 10.0 {RED}", "line M40.0 42.0L180.0 42.0 #222", "'crash' 34.0 46.0 10 end",
        f"box 320.0 53.0 140.0 10.0 {WANTED}", "line M460.0 58.0L460.0 58.0 #222", "'rally' 34.0 62.0 10 end",
        "line M320.0 34.0L320.0 66.0 #222",
    ]  # fmt: skip


def test_the_frontier_is_drawn_over_volatility() -> None:
    # 10 to 20% in 480 pixels from 60: 48 a point; 4 to 8% in 300 from 34: 75 a point.
    found = told(frontier_plot(
        "book", [(0.10, 0.04), (0.20, 0.08)], {"held": (0.15, 0.05), "target": (0.12, 0.06)},
    ))  # fmt: skip
    assert found[:2] == [
        "600 x 376", "'book: the frontier under its limits, turnover left out' 10.0 18.0 13 start",
    ]  # fmt: skip
    assert found[2:14] == [
        line for place in range(6) for line in (
            f"line M{60 + 96 * place}.0 34.0L{60 + 96 * place}.0 334.0 #ddd",
            f"'{10 + 2 * place}%' {60 + 96 * place}.0 349.0 10 middle",
        )
    ]  # fmt: skip
    assert [one for one in found[14:] if one.startswith("'") and one.endswith("end")] == [
        "'4%' 55.0 338.0 10 end", "'5%' 55.0 263.0 10 end", "'6%' 55.0 188.0 10 end", "'7%' 55.0 113.0 10 end",
        "'8%' 55.0 38.0 10 end",
    ]  # fmt: skip
    assert found[-9:] == [
        f"through 60.0,334.0 540.0,34.0 {WANTED}", f"dot 60.0 334.0 2.5 {WANTED}", f"dot 540.0 34.0 2.5 {WANTED}",
        f"dot 300.0 259.0 6 {HELD}", "'held' 309.0 263.0 11 start",
        f"dot 156.0 184.0 6 {RED}", "'target' 165.0 188.0 11 start",
        "'volatility a year' 300.0 366.0 11 middle", "'expected return a year' 14.0 184.0 11 middle upward",
    ]  # fmt: skip


def test_a_month_is_written_into_its_cell() -> None:
    table = pd.DataFrame([[np.nan] * 10 + [-0.02, 0.02, 0.03]], index=[2024])
    found = told(monthly_plot("book", table, simulated=False))
    # 13 columns of 44 pixels from 50; the row is 18 high, from 52.
    assert found[:4] == [
        "637 x 80", "'book: return by month, percent' 10.0 18.0 13 start", "'Jan' 72.0 46.0 10 middle",
        "'Feb' 116.0 46.0 10 middle",
    ]  # fmt: skip
    red, blue = ("#" + bytes(diverging(np.array(half))).hex() for half in (0.5, -0.5))
    assert found[-8:] == [
        "'year' 600.0 46.0 10 middle", "'2024' 44.0 65.0 10 end",
        f"box 490.0 52.0 43.0 17.0 {red}", "'-2.0' 512.0 65.0 10 middle",
        f"box 534.0 52.0 43.0 17.0 {blue}", "'2.0' 556.0 65.0 10 middle",
        f"box 578.0 52.0 43.0 17.0 {blue}", "'3.0' 600.0 65.0 10 middle",
    ]  # fmt: skip
