"""Every method under every kind of limit: what is asked for holds, recomputed from the answer alone."""

import numpy as np
import pytest

from optimizer import Estimates, Fund, FundExposureMap, Policy, Universe, solve
from optimizer import ExposureType as Kind
from optimizer.problem.methods import METHODS

NAMES = ("GLD", "QQQ", "RSST", "SPY", "TLT")
FUNDS = FundExposureMap(
    Fund(symbol, symbol, exposures)
    for symbol, exposures in {
        "GLD": {Kind.GOLD: 1.0},
        "QQQ": {Kind.US_LARGE_EQUITY: 1.0},
        "RSST": {Kind.US_LARGE_EQUITY: 1.0, Kind.MANAGED_FUTURES: 1.0},
        "SPY": {Kind.US_LARGE_EQUITY: 1.0},
        "TLT": {Kind.US_TREASURY_LONG: 1.0},
    }.items()
)
RNG = np.random.default_rng(2)
RETURNS = RNG.standard_normal((60, 5)) * [0.008, 0.013, 0.012, 0.01, 0.007] + 0.004 * RNG.standard_normal(
    (60, 1)
)
FIVE = Estimates(NAMES, np.array([0.05, 0.1, 0.11, 0.08, 0.035]), np.cov(RETURNS.T) * 252, RETURNS)
BOOK = Universe(
    NAMES,
    {"GLD": "Metal", "QQQ": "Stocks", "RSST": "Stocks", "SPY": "Stocks", "TLT": "Bonds"},
    FUNDS,
    benchmark={"SPY": 0.6, "TLT": 0.4},
    factors={"growth": dict(zip(NAMES, (0.0, 1.0, 0.4, 0.3, -0.5), strict=True))},
)
HELD = np.full(5, 0.2)
CAP = 1e-8


def exposure(w: np.ndarray, kind: Kind) -> float:
    return float(FUNDS.matrix(NAMES, (kind,))[0] @ w)


LIMITS = {
    "exposures": {
        "max_exposures": {Kind.EQUITY: 0.55, Kind.GOLD: 0.1},
        "min_exposures": {Kind.MANAGED_FUTURES: 0.12},
    },
    "notional": {"max_notional": 1.1, "max_weight": 0.4},
    "ranges": {"beta_limits": (0.2, 0.7), "factor_limits": {"growth": (0.0, 0.2)}, "net_limits": (1.0, 1.0)},
    "text": {"limits": ("Equity <= 60%", "QQQ + GLD >= 0.1", "sector:Bonds >= 20%")},
    "margin": {"max_margin": 0.55, "margins": {"QQQ": (1.0, 2.0), "SPY": (0.6, 0.9)}},
    "risk": {"max_turnover": 0.25, "max_tracking_error": 0.07, "max_sector": 0.65},
}
HOLDS = {
    "margin": lambda w: w @ [0.5, 1.0, 0.5, 0.6, 0.5] <= 0.55 + CAP,
    "exposures": lambda w: (
        exposure(w, Kind.EQUITY) <= 0.55 + CAP
        and exposure(w, Kind.GOLD) <= 0.1 + CAP
        and exposure(w, Kind.MANAGED_FUTURES) >= 0.12 - CAP
    ),
    "notional": lambda w: FUNDS.notional(NAMES) @ w <= 1.1 + CAP and w.max() <= 0.4 + CAP,
    "ranges": lambda w: -CAP <= w @ [0.0, 1.0, 0.4, 0.3, -0.5] <= 0.2 + CAP and abs(w.sum() - 1) <= CAP,
    "text": lambda w: (
        exposure(w, Kind.EQUITY) <= 0.6 + CAP and w[0] + w[1] >= 0.1 - CAP and w[4] >= 0.2 - CAP
    ),
    "risk": lambda w: np.abs(w - HELD).sum() / 2 <= 0.25 + CAP and w[1:4].sum() <= 0.65 + CAP,
}


@pytest.mark.parametrize("limits", sorted(LIMITS))
@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_limits_hold(method: str, limits: str):
    target = {"target_volatility": 0.12} if method == "target_volatility" else {}
    found = solve(FIVE, Policy(method=method, risk_free_rate=0.02, **target, **LIMITS[limits]), BOOK, HELD)
    assert found.certificate.ok and found.constraints_met
    assert HOLDS[limits](found.weights)
    assert abs(found.weights.sum() - 1) <= CAP and found.weights.min() >= -CAP
