"""A book of eight names in two sectors, and a factor model of it."""

import numpy as np

from optimizer import (
    Estimates,
    ExposureType,
    FactorModel,
    Fund,
    FundExposureMap,
    Policy,
    Universe,
    solve,
)
from optimizer.measures.portfolio_measures import risk_contributions

N = 8
NAMES = tuple(f"N{i}" for i in range(N))
RNG = np.random.default_rng(3)
RETURNS = RNG.normal(0, 0.01, (60, N)) * RNG.uniform(0.5, 2, N) + RNG.normal(0, 0.008, (60, 1))
MEAN = np.linspace(0.03, 0.1, N)
EIGHT = Estimates(NAMES, MEAN, np.cov(RETURNS.T) * 252, RETURNS + MEAN / 252 - RETURNS.mean(axis=0))
SECTORS = {name: "Old" if i < 3 else "New" for i, name in enumerate(NAMES)}
OLD = np.arange(N) < 3
MODEL = FactorModel(
    NAMES, ("market", "value", "size"), ("market", "style", "style"),
    np.column_stack([np.ones(N), RNG.normal(size=(N, 2))]), np.diag([0.03, 0.01, 0.008]), RNG.uniform(0.01, 0.05, N),
)  # fmt: skip
MODELLED = Estimates(NAMES, MEAN, MODEL.covariance)
FUNDS = FundExposureMap(
    Fund(name, name, {ExposureType.GOLD if sector == "Old" else ExposureType.EQUITY: 1.0})
    for name, sector in SECTORS.items()
)
BOOK = Universe(
    NAMES, SECTORS, FUNDS, benchmark="equal_weight", factors=MODEL.loadings, factor_risk=MODEL.risk
)


def shares(w: np.ndarray) -> np.ndarray:
    return risk_contributions(w, EIGHT.covariance)


def answer(estimates: Estimates = EIGHT, held: np.ndarray | None = None, **policy: object):
    given = {"method": "mean_variance", "risk_free_rate": 0.02, **policy}
    found = solve(estimates, Policy(**given), BOOK, held)
    assert found.certificate.ok
    return found
