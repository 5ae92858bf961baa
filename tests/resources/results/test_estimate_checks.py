"""Estimates that are odd: covariances near singular, and jumps since the pack before."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bench import DAYS, STAMP, cut, ingest, new_warehouse, price_rows, staying_open
from hypothesis import given
from hypothesis import strategies as st

from optimizer import Estimates
from optimizer.numerics.matrices import LowRank
from resources.results.estimates.estimate_checks import condition_number, drifted, ill_conditioned
from resources.screening.pack_checks import CheckLimits


def of(covariance: np.ndarray, mean: list[float] | None = None) -> Estimates:
    symbols = tuple(f"S{i}" for i in range(len(covariance)))
    return Estimates(symbols, None if mean is None else np.array(mean), covariance)


@given(st.lists(st.floats(1e-4, 1.0), min_size=1, max_size=6))
def test_the_condition_number_is_numpys(variances: list[float]) -> None:
    turned = np.linalg.qr(np.random.default_rng(1).standard_normal((len(variances),) * 2))[0]
    covariance = (turned * variances) @ turned.T
    covariance = (covariance + covariance.T) / 2
    assert condition_number(of(covariance)) == pytest.approx(np.linalg.cond(covariance), rel=1e-6)


def test_twins_are_singular_and_a_factored_covariance_is_bounded() -> None:
    twins = np.full((2, 2), 0.04)
    assert condition_number(of(twins)) > 1e12
    root, diagonal = np.random.default_rng(1).standard_normal((3, 8)) / 10, np.full(8, 0.01)
    factored = Estimates(tuple("ABCDEFGH"), None, LowRank(root, diagonal))
    dense = np.linalg.cond(root.T @ root + np.diag(diagonal))
    assert dense <= condition_number(factored) < 8 * dense
    said = ill_conditioned({"one": 1.0, "two": condition_number(of(twins))}, CheckLimits())
    assert len(said) == 1 and said[0].startswith("two: condition number")
    assert ill_conditioned({"one": 11.0}, CheckLimits(condition_number=10))


def test_estimates_that_jumped_since_the_pack_before_are_named(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    first, second = cut(warehouse, DAYS[-2]), cut(warehouse, DAYS[-1])
    stored = pd.DataFrame(
        {"recipe": "r", "symbol": ["S0", "S1", "S2"], "expected_return": [0.05, 0.05, None],
         "volatility": [0.20, 0.20, 0.20], "observations": 100, "simulated": False}
    )  # fmt: skip
    with warehouse.write(STAMP) as tx:
        tx.record("return_estimates", {"return_estimates": stored}, pack_id=first.id)
    now = of(np.diag([0.26**2, 0.24**2, 0.1**2, 0.5**2]), [0.14, 0.16, 0.9, 0.9])
    with warehouse.live() as con:
        found = list(drifted(con, second, {"r": now, "other": now}, CheckLimits()))
        none = list(drifted(con, first, {"r": now}, CheckLimits()))  # there is no pack before
    assert [(row["symbol"], row["estimate"], row["before"], row["limit"]) for row in found] == [
        ("S0", "volatility", 0.20, 0.25), ("S1", "expected_return", 0.05, 0.10), ("S2", "volatility", 0.20, 0.25),
    ]  # fmt: skip
    assert none == []
