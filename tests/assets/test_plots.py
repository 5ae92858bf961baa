"""Pictures: what the daily run draws without a plotting library."""

import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from assets.plots.charts import covariance_plot, diverging, risk_plot, weights_plot
from assets.plots.factor_charts import factor_risk_plot, factors_plot
from assets.plots.risk_charts import frontier_plot, losses_plot, monthly_plot
from assets.plots.svg import label, picture, png, ticks
from optimizer import Estimates
from optimizer.measures.return_series import monthly_table
from optimizer.proposals.proposal import without_evidence

SVG = "{http://www.w3.org/2000/svg}"


def drawn(markdown: str) -> ET.Element:
    """The SVG inside an image's Markdown."""
    prefix = "![plot](data:image/svg+xml;base64,"
    assert markdown.startswith(prefix)
    return ET.fromstring(base64.b64decode(markdown.removeprefix(prefix)[:-1]))  # noqa: S314  our own text


def texts(root: ET.Element) -> list[str]:
    return [str(node.text) for node in root.iter(f"{SVG}text")]


def test_another_reader_sees_the_pixels_we_wrote() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert (np.asarray(image.open(io.BytesIO(png(pixels)))) == pixels).all()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 25, [0, 5, 10, 15, 20, 25]),
        (-3, 8, [-4, -2, 0, 2, 4, 6, 8]),
        (0, 0.9, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    ],
)
def test_ticks_are_round_and_span_the_values(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_equal_values_still_have_an_axis() -> None:
    marks = ticks(0.0, 0.0)
    assert marks[-1] > marks[0]


def test_names_cannot_break_the_picture() -> None:
    root = drawn(picture(10, 10, [label(0, 0, "<b> & Co", 8)]).md_str or "")
    assert texts(root) == ["<b> & Co"]


def test_a_bar_is_as_long_as_its_weight() -> None:
    rows = pd.DataFrame(
        {"current_weight": [0.10, 0.0], "weight": [0.20, -0.05], "simulated": [False, True]},
        index=["AAA", "BBB"],
    )
    root = drawn(weights_plot("book", rows).md_str or "")
    bars = [node for node in root.iter(f"{SVG}rect") if node.get("width") == "28.0"]
    heights = [float(str(node.get("height"))) for node in bars]
    assert heights == pytest.approx([heights[1] / 2, heights[1], 0, heights[1] / 4], abs=0.1)
    assert {"AAA", "BBB *"} <= set(texts(root))
    assert float(root.attrib["width"]) > 600  # two names fill the dialog too
    assert any("simulated" in said for said in texts(root))


def test_correlations_have_their_colours_and_large_matrices_are_thinned() -> None:
    assert diverging(np.array([-1.0, 0.0, 1.0])).tolist() == [[5, 48, 97], [255, 255, 255], [103, 0, 31]]
    symbols = tuple(f"S{number:03}" for number in range(400))
    found = Estimates(symbols, np.zeros(400), np.eye(400), observations=300)
    text = covariance_plot(found, frozenset()).md_str or ""
    assert "Correlations, 300 days, one symbol in 3" in texts(drawn(text))
    assert len(text) < 100_000
    assumed = covariance_plot(without_evidence(symbols, 64), frozenset()).md_str or ""
    assert "Assumed correlations, too few days: 64 days, one symbol in 3" in texts(drawn(assumed))


def widths(root: ET.Element) -> list[float]:
    """Of the bars and cells, without the background."""
    return [
        float(node.attrib["width"]) for node in root.iter(f"{SVG}rect") if "%" not in node.attrib["width"]
    ]


def test_weights_stand_beside_their_shares_of_the_risk() -> None:
    rows = pd.DataFrame(
        {"weight": [0.2, 0.5, 0.0], "risk_contribution": [0.3, 0.1, 0.0], "simulated": False},
        index=["AAA", "BBB", "CCC"],
    )
    said = texts(drawn(risk_plot("book", rows).md_str or ""))
    assert "share of risk" in said
    assert [name for name in said if name in rows.index] == ["BBB", "AAA"]  # what is not held is not shown


def test_scenarios_stand_the_worst_first_and_bars_are_as_long_as_losses() -> None:
    rows = pd.DataFrame(
        {
            "scenario_id": ["rally", "crash", "dip"],
            "profit": [0.1, -0.4, -0.2],
            "standard_error": [0.0, 0.01, 0.0],
        }
    )
    root = drawn(losses_plot("book", rows).md_str or "")
    assert [name for name in texts(root) if name in set(rows["scenario_id"])] == ["crash", "dip", "rally"]
    crash, dip, rally = widths(root)
    assert crash == pytest.approx(2 * dip, abs=0.2)
    assert dip == pytest.approx(2 * rally, abs=0.2)


def test_the_frontier_rises_and_names_what_is_held_and_wanted() -> None:
    points, marked = [(0.1, 0.04), (0.15, 0.07), (0.25, 0.09)], {"held": (0.2, 0.05), "target": (0.15, 0.07)}
    root = drawn(frontier_plot("book", points, marked).md_str or "")
    dots = [(float(n.attrib["cx"]), float(n.attrib["cy"])) for n in root.iter(f"{SVG}circle")]
    assert {"held", "target", "volatility a year"} <= set(texts(root))
    along = dots[:3]
    assert along == sorted(along, key=lambda dot: (dot[0], -dot[1]))
    assert dots[4] == along[1]  # the target lies on it
    assert dots[3][1] > dots[4][1]  # what is held lies below


def test_a_month_is_a_cell_and_a_loss_is_red() -> None:
    days = pd.bdate_range("2020-01-01", "2021-02-26")
    returns = pd.Series(np.where(days.month == 1, -0.01, 0.001), days)
    root = drawn(monthly_plot("book", monthly_table(returns), simulated=True).md_str or "")
    assert len(widths(root)) == 12 + 1 + 2 + 1  # two years and their own cells
    cells = [node.attrib["fill"] for node in root.iter(f"{SVG}rect")][1:]
    red, blue = (tuple(bytes.fromhex(cells[at][1:])) for at in (0, 1))
    assert red[0] > red[2] and blue[2] > blue[0]
    assert "simulated" in texts(root)[0]


def test_a_factors_bars_are_its_risk_before_and_after_and_the_title_their_sums() -> None:
    rows = pd.DataFrame({
        "side": ["before", "after"] * 2, "part": ["size", "size", "market", "market"],
        "contribution": [0.02, -0.01, 0.16, 0.08],
    })  # fmt: skip
    root = drawn(factor_risk_plot("book", rows).md_str or "")
    assert texts(root)[0] == "book: volatility a year by factor, 18.00% before and 7.00% after the trades"
    assert [said for said in texts(root) if said in ("size", "market")] == ["market", "size"]
    before, after, *size = widths(root)[-4:]
    assert before == pytest.approx(2 * after, abs=0.2) and size[0] == pytest.approx(2 * size[1], abs=0.2)


def test_what_groups_earned_is_a_line_each_and_nothing_has_none() -> None:
    path = {"dates": ["2023-01-02", "2023-06-30"], "groups": {"market": [0.1, 0.2], "cash": [0.0, 0.0]}}
    root = drawn(factors_plot("book", path, simulated=True).md_str or "")
    assert len(list(root.iter(f"{SVG}polyline"))) == 1
    assert {"market", "2023-01", "2023-06"} <= set(texts(root)) and "cash" not in texts(root)
    assert "simulated" in texts(root)[0]
