"""Pictures: what the daily run draws without a plotting library."""

import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from assets.plots import covariance_plot, diverging, weights_plot
from assets.svg import label, picture, png, ticks
from optimizer.estimates import Estimates

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
    bars = [node for node in root.iter(f"{SVG}rect") if node.get("width") == "7.0"]
    heights = [float(str(node.get("height"))) for node in bars]
    assert heights == pytest.approx([heights[1] / 2, heights[1], 0, heights[1] / 4], abs=0.1)
    assert {"AAA", "BBB *"} <= set(texts(root))
    assert any("simulated" in said for said in texts(root))


def test_correlations_have_their_colours_and_large_matrices_are_thinned() -> None:
    assert diverging(np.array([-1.0, 0.0, 1.0])).tolist() == [[5, 48, 97], [255, 255, 255], [103, 0, 31]]
    symbols = tuple(f"S{number:03}" for number in range(400))
    found = Estimates(symbols, np.zeros(400), np.eye(400), observations=300)
    text = covariance_plot(found, frozenset()).md_str or ""
    assert "Correlations, 300 days, one symbol in 3" in texts(drawn(text))
    assert len(text) < 100_000
