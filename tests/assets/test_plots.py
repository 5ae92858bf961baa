"""Pictures: small PNG images in the metadata, with simulated names starred."""

import base64
import io

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from assets.plots import backtest_plot, covariance_plot, posterior_plot, starred, weights_plot
from optimizer.estimates import Estimates
from optimizer.proposal import Beliefs

PREFIX = "![plot](data:image/png;base64,"
RNG = np.random.default_rng(0)


def pixels(markdown: str | None) -> npt.NDArray[np.uint8]:
    """The picture inside an image's Markdown."""
    from matplotlib.image import imread

    assert markdown is not None and markdown.startswith(PREFIX)
    payload = base64.b64decode(markdown.removeprefix(PREFIX)[:-1])
    assert len(payload) < 100_000  # Dagster keeps every event for ever
    return np.asarray(imread(io.BytesIO(payload)))


def symbols(n: int) -> tuple[str, ...]:
    return tuple(f"S{number:03}" for number in range(n))


def test_a_simulated_name_carries_a_star() -> None:
    assert starred("SPX2X.SIM", frozenset({"SPX2X.SIM"})) == "SPX2X.SIM *"
    assert starred("AAPL", frozenset({"SPX2X.SIM"})) == "AAPL"


@pytest.mark.parametrize("n", [1, 20, 400])
def test_correlations_of_any_number_of_names(n: int) -> None:
    found = Estimates(symbols(n), np.zeros(n), np.eye(n), observations=300)
    image = pixels(covariance_plot(found, frozenset()).md_str)
    assert image.std() > 0.05


def test_weights_and_beliefs_of_more_names_than_fit() -> None:
    names = symbols(60)
    rows = pd.DataFrame(
        {
            "current_weight": RNG.dirichlet(np.ones(60)),
            "weight": RNG.dirichlet(np.ones(60)),
            "simulated": False,
        },
        index=list(names),
    )
    beliefs = Beliefs(names, np.full(60, 0.05), RNG.normal(0.06, 0.02, 60), np.eye(60))
    wide = pixels(weights_plot("book", rows).md_str)
    assert wide.shape[1] > wide.shape[0]
    assert pixels(posterior_plot("book", beliefs, frozenset({names[0]})).md_str).std() > 0.05


def test_the_backtest_shows_equity_and_drawdown() -> None:
    dates = pd.date_range("2020-01-01", periods=500)
    nav = pd.DataFrame(
        np.exp(RNG.normal(0, 0.01, (500, 3)).cumsum(axis=0)), dates, ["policy", "equal_weight", "benchmark"]
    )
    assert pixels(backtest_plot("book", nav, simulated=True).md_str).std() > 0.05


def test_equal_pictures_are_equal_bytes() -> None:
    found = Estimates(symbols(5), np.zeros(5), np.eye(5), observations=300)
    assert covariance_plot(found, frozenset()).md_str == covariance_plot(found, frozenset()).md_str
