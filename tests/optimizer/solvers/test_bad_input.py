"""What is wrong is refused before a solver sees it: the message names the argument, the value and the remedy."""

import numpy as np
import pytest

from optimizer import (
    DataError,
    Estimates,
    ExposureType,
    Fund,
    FundExposureMap,
    InfeasibleError,
    MarketView,
    OptimizationConstraints,
    OptimizationEngine,
    PackfolioError,
    Policy,
    PolicyError,
    SolverError,
    Universe,
    solve,
)
from optimizer.numerics.answers import NoAnswerError
from optimizer.solvers import conflicts
from optimizer.solvers import solve as solving

TWO = np.array([[0.04, 0.01], [0.01, 0.09]])
MEAN = np.array([0.08, 0.05])


@pytest.mark.parametrize(
    ("symbols", "mean", "covariance", "message"),
    [
        ((), np.zeros(0), np.zeros((0, 0)), "symbols is empty; at least one is needed"),
        (("A", "A"), MEAN, TWO, "symbols: A given more than once; keep each once"),
        (("A", "B"), np.array([8.0, 0.05]), TWO, r"mean of A is 8 per year, 800%; .* write 0.08 for 8%"),
        (
            ("A", "B"),
            np.array([np.nan, 0.05]),
            TWO,
            r"mean\[0\] is nan; each must be finite: drop the symbol or fill",
        ),
        (("A", "B"), np.zeros(3), TWO, r"mean has shape \(3,\); it must be 2"),
        (("A", "B"), MEAN, np.zeros((2, 3)), r"covariance has shape \(2, 3\); it must be 2 x 2"),
        (("A", "B"), MEAN, TWO * np.inf, r"covariance\[0, 0\] is inf; each must be finite"),
        (
            ("A", "B"),
            MEAN,
            np.array([[0.04, 0.1], [0.1, 0.09]]),
            r"covariance has the negative eigenvalue -0.0381",
        ),
        (
            ("A", "B"),
            MEAN,
            np.array([[0.04, 0.01], [0.02, 0.09]]),
            "A,B is 0.01 and B,A is 0.02; both must be",
        ),
        (("A", "B"), MEAN, np.diag([-0.04, 0.09]), r"the variance of A is -0.04; variances are positive"),
        (
            ("A", "B"),
            MEAN,
            np.diag([400.0, 900.0]),
            r"volatility of B is 30 per year, 3000%; .* write 0.20 for 20%",
        ),
    ],
)
def test_estimates(symbols: tuple, mean: np.ndarray, covariance: np.ndarray, message: str):
    with pytest.raises(DataError, match=message):
        Estimates(symbols, mean, covariance)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_weight": 15.0}, r"weight: 15 is 1500%; a fraction is expected: write 0.15 for 15%"),
        ({"max_sector": 30.0}, r"max_sector: 30 is 3000%; .* write 0.3 for 30%"),
        ({"max_turnover": 20.0}, r"max_turnover: 20 is 2000%; .* write 0.2 for 20%"),
        ({"asset_limits": {"A": (0.0, 25.0)}}, r"limits of A: 25 is 2500%"),
        ({"cash_max": 50.0}, r"cash: 50 is 5000%"),
        ({"target_volatility": 12.0}, r"target_volatility: 12 is 1200%"),
        ({"risk_free_rate": 4.5}, r"risk_free_rate is 4.5; .* write 0.045 for 4.5%"),
        ({"min_weight": 0.3, "max_weight": 0.2}, r"weight: the minimum 30% is above the maximum 20%; swap or widen"),
        ({"cash_min": 0.3, "cash_max": 0.2}, r"cash: the minimum 30% is above the maximum 20%"),
        ({"max_weight": float("nan")}, "weight: nan is not a number; leave a limit out to have none"),
        ({"max_turnover": -0.1}, r"max_turnover is -0.1; it must be a fraction >= 0"),
        ({"min_exposures": {ExposureType.EQUITY: 0.5}, "max_exposures": {ExposureType.EQUITY: 0.2}},
         r"exposure EQUITY: the minimum 50% is above the maximum 20%"),
        ({"beta_limits": (1.2, 0.8)}, r"beta_limits: the minimum 1.2 is above the maximum 0.8"),
        ({"mean_doubt": -1.0}, r"mean_doubt is -1.0"),
        ({"tail_level": 95.0}, r"tail_level is 95.0; it must lie between 0 and 1: 0.95 for the worst 5%"),
    ],
)  # fmt: skip
def test_policies(fields: dict, message: str):
    with pytest.raises(PolicyError, match=message):
        Policy(**fields)


@pytest.mark.parametrize("confidence", [-0.1, 1.5, float("nan")])
def test_confidence(confidence: float):
    view = MarketView(assets=["A"], view_type="absolute", expected_return=0.1, confidence=0.5)
    assert view.confidence == 0.5
    with pytest.raises(PolicyError, match=rf"confidence.*{confidence}"):
        MarketView(assets=["A"], view_type="absolute", expected_return=0.1, confidence=confidence)


def test_solve():
    it, universe = Estimates(("A", "B"), MEAN, TWO), Universe(("A", "B"))
    with pytest.raises(PolicyError, match=r"weights have shape \(3,\); they must be \(2,\) finite fractions"):
        solve(it, Policy(method="min_volatility"), universe, np.zeros(3))
    with pytest.raises(
        PolicyError, match=r"method 'min_vol' does not exist; use one of .*; did you mean min_volatility"
    ):
        solve(it, Policy(method="min_vol"), universe)
    with pytest.raises(PolicyError, match="asset_limits names C, not among the 2 symbols; there are A, B"):
        solve(it, Policy(method="min_volatility", asset_limits={"C": (0, 1)}), universe)
    with pytest.raises(PolicyError, match=r"symbols \('B', 'A', 'B'\) must be unique; keep each once"):
        Universe(("B", "A", "B"))
    assert Universe(("B", "A")) == Universe(("A", "B"))
    with pytest.raises(PolicyError, match="the benchmark holds C, not among the 2 symbols; add them"):
        solve(it, Policy(method="min_tracking_error"), Universe(("A", "B"), benchmark={"C": 1.0}))
    with pytest.raises(PolicyError, match="max_turnover needs the held weights"):
        solve(it, Policy(method="min_volatility", max_turnover=0.1), universe)


def test_one_asset_is_a_portfolio():
    found = solve(
        Estimates(("A",), np.array([0.05]), np.array([[0.04]])),
        Policy(method="min_volatility"),
        Universe(("A",)),
    )
    assert found.weights.tolist() == [1.0]


def test_unmapped_symbols_are_named_or_unknown_when_asked():
    funds = [Fund("SPY", "SPY", {ExposureType.US_LARGE_EQUITY: 1.0})]
    ask = (
        ("SPY", "XYZ"),
        MEAN,
        TWO,
        OptimizationConstraints(max_exposure_per_type={ExposureType.EQUITY: 0.6}),
    )
    with pytest.raises(PackfolioError, match="XYZ"):
        OptimizationEngine(None, FundExposureMap(funds)).optimize_mean_variance(*ask)
    known = OptimizationEngine(None, FundExposureMap(funds, unmapped="unknown"))
    result = known.optimize_mean_variance(*ask)
    assert result.success and result.exposures[ExposureType.UNKNOWN] == pytest.approx(result.weights["XYZ"])
    assert result.weights["SPY"] <= 0.6 + 1e-9


@pytest.mark.parametrize("method", ["hrp", "hrp_ward", "herc", "nco", "risk_parity", "max_diversification"])
def test_a_single_name_that_never_moved_has_no_risk_to_share(method: str) -> None:
    with pytest.raises(DataError, match=r"never moved|no name ever moved"):
        solve(
            Estimates(("A",), None, np.zeros((1, 1)), trusted=True), Policy(method=method), Universe(("A",))
        )


def test_certain_ruin_has_no_growth_and_cash_is_a_way_out() -> None:
    days = np.random.default_rng(1).normal(0.001, 0.01, (60, 2))
    days[7] = -1.0
    lost = Estimates(("A", "B"), None, TWO, days)
    with pytest.raises(InfeasibleError, match="loses everything in some scenario"):
        solve(lost, Policy(method="kelly", risk_free_rate=0.0), Universe(("A", "B")))
    rest = solve(lost, Policy(method="kelly", risk_free_rate=0.0, cash_max=1.0), Universe(("A", "B")))
    assert rest.weights.sum() < 1


@pytest.mark.parametrize("variance", [0.0, 1e-35, 1e-20])
def test_a_return_above_the_rate_without_risk_has_no_sharpe_ratio(variance: float) -> None:
    still = Estimates(("A", "B", "C"), np.array([0.06, 0.025, 0.07]), np.diag([0.04, variance, 0.05]))
    with pytest.raises(DataError, match="no risk at all, so the Sharpe ratio has no best value"):
        solve(still, Policy(method="max_sharpe", risk_free_rate=0.02), Universe(("A", "B", "C")))


def test_names_that_hedge_each_other_almost_exactly_are_told_where_nothing_can_be_certified() -> None:
    moves = np.random.default_rng(2).normal(0, 0.01, (60, 3))
    moves[:, 1] = -moves[:, 0]
    hedged = Estimates(("A", "B", "C"), None, np.cov(moves.T) * 252 + 1e-12 * np.eye(3))
    with pytest.raises(SolverError, match=r"hedge or copy each other almost exactly .* a shrunk covariance"):
        solve(hedged, Policy(method="max_diversification"), Universe(hedged.symbols))


@pytest.mark.parametrize(
    ("module", "name", "policy", "message"),
    [
        (
            solving, "certified", {"method": "max_diversification", "cash_max": 0.5, "target_volatility": 0.05},
            r"could not be found out, as a solver ended without a verdict \(HiGHS: Unknown\)",
        ),
        (conflicts, "inhabited", {"sector_limits": {"X": (0.7, 1), "Y": (0.7, 1)}}, "without a verdict"),
        (conflicts, "least_slack", {"sector_limits": {"X": (0.7, 1), "Y": (0.7, 1)}}, "without a verdict"),
    ],
)  # fmt: skip
def test_a_solver_without_a_verdict_ends_in_an_error_of_ours(
    module: object, name: str, policy: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The multiple with the target volatility, and what a conflict must give, let HiGHS's "unknown" out as it was."""

    def unknown(*_: object) -> None:
        raise NoAnswerError("HiGHS", "Unknown", infeasible=False)

    monkeypatch.setattr(module, name, unknown)
    with pytest.raises(SolverError, match=message):
        solve(Estimates(("A", "B"), MEAN, TWO), Policy(**policy), Universe(("A", "B"), {"A": "X", "B": "Y"}))
