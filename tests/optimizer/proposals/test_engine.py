from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimizer import (
    CostCurve,
    DataError,
    Estimates,
    ExposureType,
    Fund,
    FundExposureMap,
    Horizon,
    MarketView,
    ObjectiveType,
    OptimizationConstraints,
    OptimizationEngine,
    Policy,
    PolicyError,
    Portfolio,
    PortfolioAnalytics,
    Position,
    ReturnEstimator,
    Universe,
    match_exposures,
)
from optimizer.problem.setting import Setting
from optimizer.proposals.exposure_matching import ExposureRisk

T = ExposureType
MAP = FundExposureMap(
    [
        Fund("GLD", "gold", {T.GOLD: 1.0}, fee=0.004),
        Fund("RSSB", "stocks and bonds", {T.GLOBAL_EQUITY: 1.0, T.US_TREASURY: 1.0}, fee=0.004, spread=0.005),
        Fund("RSST", "stacked", {T.US_LARGE_EQUITY: 1.0, T.MANAGED_FUTURES: 1.0}, fee=0.0098, spread=0.005),
        Fund("SPY", "plain", {T.US_LARGE_EQUITY: 1.0}, fee=0.000945),
        Fund("SSO", "2x", {T.US_LARGE_EQUITY: 2.0}, fee=0.0089, spread=0.005),
        Fund("TLT", "long bonds", {T.US_TREASURY_LONG: 1.0}, fee=0.0015),
    ]
)
ENGINE = OptimizationEngine(None, MAP)
MEAN = np.array([0.08, 0.03, 0.10])
COVARIANCE = np.array([[0.04, 0.01, 0.03], [0.01, 0.02, 0.005], [0.03, 0.005, 0.06]])
NAMES = ["SPY", "TLT", "GLD"]


def market(symbols: list[str], days: int = 800) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    common = rng.standard_normal((days, 1)) * 0.006
    returns = 0.0015 + common + rng.standard_normal((days, len(symbols))) * 0.008
    return pd.DataFrame(
        100 * np.exp(np.cumsum(returns, axis=0)), pd.bdate_range("2020-01-01", periods=days), symbols
    )


def test_the_seeds_example_usage(capsys: Any):
    market_data = market(["SPY", "TLT", "RSSB", "RSST", "GLD"])
    portfolio = Portfolio("desk", 1000)
    portfolio.add_position(Position("SPY", 10, 100))
    analytics = PortfolioAnalytics(portfolio, market_data)
    fund_map = MAP

    engine = OptimizationEngine(analytics, fund_map)
    estimator = ReturnEstimator(market_data)
    symbols = ["SPY", "TLT", "RSSB", "RSST", "GLD"]
    expected_returns = estimator.estimate_expected_returns(symbols)
    cov_matrix = estimator.estimate_covariance_matrix(symbols)
    constraints = OptimizationConstraints(
        min_weight=0.0,
        max_weight=0.4,
        max_total_notional=1.5,
        max_exposure_per_type={ExposureType.US_LARGE_EQUITY: 1.0, ExposureType.MANAGED_FUTURES: 0.3},
    )
    result = engine.optimize_mean_variance(
        symbols=symbols,
        expected_returns=expected_returns,
        covariance_matrix=cov_matrix,
        constraints=constraints,
        objective=ObjectiveType.MAX_SHARPE,
    )
    print(f"Optimal weights: {result.weights}")
    print(f"Expected return: {result.expected_return:.2%}")
    print(f"Expected volatility: {result.expected_volatility:.2%}")
    print(f"Total notional exposure: {result.total_notional:.1%}")
    print("\nResulting exposures:")
    for exp_type, exposure in result.exposures.items():
        print(f"  {exp_type.value}: {exposure:.1%}")

    assert result.success and result.certificate is not None and result.certificate.ok
    assert list(result.weights) == symbols
    assert sum(result.weights.values()) == pytest.approx(1)
    assert max(result.weights.values()) <= 0.4 + 1e-9
    assert result.total_notional <= 1.5 + 1e-9
    assert result.exposures[T.MANAGED_FUTURES] <= 0.3 + 1e-9
    assert "us_large_equity" in capsys.readouterr().out


def test_every_field_of_the_result_is_filled_truly():
    result = ENGINE.optimize_mean_variance(
        NAMES,
        MEAN,
        COVARIANCE,
        OptimizationConstraints(max_weight=0.5),
        current_weights=np.array([1.0, 0, 0]),
    )
    w = np.array(list(result.weights.values()))
    risk = np.sqrt(w @ COVARIANCE @ w)
    assert result.expected_return == pytest.approx(MEAN @ w)
    assert result.expected_volatility == pytest.approx(risk)
    assert result.sharpe_ratio == pytest.approx((MEAN @ w - 0.02) / risk)
    assert result.objective_value == pytest.approx(result.sharpe_ratio)
    assert result.diversification_ratio == pytest.approx(w @ np.sqrt(np.diag(COVARIANCE)) / risk)
    assert result.concentration_ratio == pytest.approx(w @ w)
    assert result.effective_number == pytest.approx(1 / (w @ w))
    assert result.effective_assets == (w > 1e-6).sum()
    assert result.max_weight == pytest.approx(0.5)
    assert result.expected_growth == pytest.approx(MEAN @ w - risk**2 / 2)
    assert result.turnover == pytest.approx(0.5 * np.abs(w - [1, 0, 0]).sum())
    assert sum(result.risk_contributions.values()) == pytest.approx(1)
    assert sum(result.exposure_risk.values()) == pytest.approx(1)
    assert result.exposures == {
        T.US_LARGE_EQUITY: result.weights["SPY"],
        T.US_TREASURY_LONG: result.weights["TLT"],
        T.GOLD: result.weights["GLD"],
    }
    assert result.binding and all(b.text for b in result.binding)
    assert result.cash == pytest.approx(0, abs=1e-12)


def test_the_order_of_symbols_changes_no_bit():
    order = [2, 0, 1]
    names = [NAMES[i] for i in order]
    one = ENGINE.optimize_mean_variance(NAMES, MEAN, COVARIANCE, OptimizationConstraints())
    two = ENGINE.optimize_mean_variance(
        names, MEAN[order], COVARIANCE[np.ix_(order, order)], OptimizationConstraints()
    )
    assert one.weights == two.weights
    assert list(two.weights) == names


def test_contradictory_limits_come_back_named_and_without_weights():
    result = ENGINE.optimize_mean_variance(NAMES, MEAN, COVARIANCE, OptimizationConstraints(max_weight=0.15))
    assert not result.success
    assert result.weights == {}
    assert "max_weight" in result.message and "cash_max" in result.message
    assert np.isnan(result.expected_return)


def test_returns_below_cash_are_a_named_answer():
    result = ENGINE.optimize_mean_variance(NAMES, MEAN - 0.2, COVARIANCE, OptimizationConstraints())
    assert not result.success
    assert "min_volatility" in result.message


def test_wrong_input_raises():
    with pytest.raises(PolicyError, match="QQQ"):
        ENGINE.optimize_mean_variance(["SPY", "QQQ"], MEAN[:2], COVARIANCE[:2, :2], OptimizationConstraints())
    with pytest.raises(DataError):
        ENGINE.optimize_mean_variance(NAMES, MEAN[:2], COVARIANCE, OptimizationConstraints())
    with pytest.raises(PolicyError):
        OptimizationConstraints(min_weight=0.5, max_weight=0.4)


def test_risk_parity_levers_up_to_the_target_and_says_when_it_cannot():
    roomy = OptimizationConstraints(target_volatility=0.2, max_weight=5.0, max_total_notional=3.0)
    levered = ENGINE.optimize_risk_parity(NAMES, COVARIANCE, roomy)
    assert levered.expected_volatility == pytest.approx(0.2)
    assert levered.cash < 0
    assert levered.warnings == ()
    shares = list(levered.risk_contributions.values())
    np.testing.assert_allclose(shares, 1 / 3, atol=1e-7)
    plain = ENGINE.optimize_risk_parity(NAMES, COVARIANCE, roomy, use_leverage=False)
    assert plain.cash == pytest.approx(0, abs=1e-9)
    assert "target volatility" in plain.warnings[0]


def test_risk_parity_keeps_exposure_limits_and_says_that_budgets_are_missed():
    limits = OptimizationConstraints(max_exposure_per_type={T.GOLD: 0.05})
    for method in ("risk_parity", "hrp", "hrp_condensed", "herc", "nco"):
        result = ENGINE.optimize_risk_parity(NAMES, COVARIANCE, limits, method=method)
        assert result.exposures[T.GOLD] <= 0.05 + 1e-9
        assert result.success and result.warnings


def test_exposures_from_a_stacked_fund():
    target = {T.US_LARGE_EQUITY: 1.0, T.MANAGED_FUTURES: 0.5}
    result = ENGINE.optimize_exposures(["RSST", "SPY", "GLD"], target, OptimizationConstraints())
    assert result.weights == pytest.approx({"RSST": 0.5, "SPY": 0.5, "GLD": 0.0}, abs=1e-6)
    assert result.total_notional == pytest.approx(1.5, abs=1e-6)
    assert result.objective_value == pytest.approx(0, abs=1e-6)
    assert result.warnings == ()


def test_exposures_that_leave_cash():
    target = {T.US_LARGE_EQUITY: 0.6, T.MANAGED_FUTURES: 0.3}
    result = ENGINE.optimize_exposures(["RSST", "SPY"], target, OptimizationConstraints())
    assert result.weights == pytest.approx({"RSST": 0.3, "SPY": 0.3}, abs=1e-6)
    assert result.cash == pytest.approx(0.4, abs=1e-6)


def test_the_cheapest_of_equal_funds_is_taken():
    target = {T.US_LARGE_EQUITY: 0.8}
    cheap = ENGINE.optimize_exposures(["SSO", "SPY"], target, OptimizationConstraints())
    assert cheap.weights == pytest.approx({"SSO": 0.0, "SPY": 0.8}, abs=1e-6)
    even = ENGINE.optimize_exposures(["SSO", "SPY"], target, OptimizationConstraints(), minimize_cost=False)
    assert even.weights["SSO"] > 0.3


def test_misses_are_weighed_by_the_risk_that_they_add():
    """One fund holds both; by least squares it splits the miss, by tracking error the calm type gives way."""
    funds = FundExposureMap(
        {"BOTH": Fund("BOTH", "BOTH", {T.US_LARGE_EQUITY: 1.0, T.GOLD: 1.0}, fee=0.001, total_notional=2.0)}
    )
    engine = OptimizationEngine(None, funds)
    target = {T.US_LARGE_EQUITY: 0.8, T.GOLD: 0.2}
    even = engine.optimize_exposures(["BOTH"], target, OptimizationConstraints())
    assert even.weights["BOTH"] == pytest.approx(0.5)
    risk = ExposureRisk((T.GOLD, T.US_LARGE_EQUITY), np.diag([0.01, 0.04]))
    weighed = engine.optimize_exposures(["BOTH"], target, OptimizationConstraints(), exposure_risk=risk)
    assert weighed.weights["BOTH"] == pytest.approx((0.04 * 0.8 + 0.01 * 0.2) / 0.05)
    assert weighed.objective_value == pytest.approx(np.sqrt(0.04 * 0.12**2 + 0.01 * 0.48**2))
    with pytest.raises(PolicyError, match="lacks GOLD"):
        engine.optimize_exposures(
            ["BOTH"], target, OptimizationConstraints(),
            exposure_risk=ExposureRisk((T.US_LARGE_EQUITY,), np.eye(1)),
        )  # fmt: skip


def test_a_tolerance_buys_cheaper_funds():
    funds = FundExposureMap(
        [
            Fund("DEAR", "DEAR", {T.US_LARGE_EQUITY: 1.0}, fee=0.02),
            Fund("NEAR", "NEAR", {T.US_LARGE_EQUITY: 0.9, T.GOLD: 0.1}, fee=0.001),
        ]
    )
    engine, target = OptimizationEngine(None, funds), {T.US_LARGE_EQUITY: 1.0}
    exact = engine.optimize_exposures(["DEAR", "NEAR"], target, OptimizationConstraints())
    assert exact.weights == pytest.approx({"DEAR": 1.0, "NEAR": 0.0}, abs=1e-6)
    cheap = engine.optimize_exposures(
        ["DEAR", "NEAR"], target, OptimizationConstraints(), exposure_tolerance=0.02
    )
    assert cheap.objective_value == pytest.approx(0.02, abs=1e-6)
    assert cheap.weights["NEAR"] > 0.1
    assert "instead of 100.0%" in cheap.warnings[0]
    with pytest.raises(PolicyError, match="exposure_tolerance"):
        engine.optimize_exposures(["DEAR"], target, OptimizationConstraints(), exposure_tolerance=-1)


def test_an_unreachable_target_is_said():
    result = ENGINE.optimize_exposures(["SPY"], {T.US_LARGE_EQUITY: 1.5}, OptimizationConstraints())
    assert result.weights == pytest.approx({"SPY": 1.0}, abs=1e-6)
    assert "100.0% instead of 150.0%" in result.warnings[0]


def test_black_litterman_without_views_is_the_equilibrium():
    weights = np.array([0.5, 0.3, 0.2])
    plain = ENGINE.black_litterman_returns(NAMES, weights, COVARIANCE, [])
    np.testing.assert_allclose(plain, 2.5 * COVARIANCE @ weights)
    view = MarketView(["GLD"], "absolute", 0.15, 1.0)
    moved = ENGINE.black_litterman_returns(NAMES, weights, COVARIANCE, [view])
    assert moved[2] == pytest.approx(0.15)


def test_exposure_constraints_for_a_problem_of_ones_own():
    import cvxpy as cp

    w = cp.Variable(2)
    limits = OptimizationConstraints(
        max_exposure_per_type={T.US_LARGE_EQUITY: 0.9},
        min_exposure_per_type={T.GOLD: 0.2},
        max_total_notional=1.5,
    )
    rules = ENGINE.build_exposure_constraints(w, ["SSO", "GLD"], limits)
    cp.Problem(cp.Maximize(w[0] + 0.1 * w[1]), rules).solve(solver="CLARABEL")
    assert w.value == pytest.approx([0.45, 0.6], abs=1e-6)


def test_a_result_becomes_trades():
    result = ENGINE.optimize_mean_variance(NAMES, MEAN, COVARIANCE, OptimizationConstraints(max_weight=0.6))
    portfolio = Portfolio("desk", 100_000)
    trades = result.to_trades(portfolio, {"SPY": 500, "TLT": 90, "GLD": 200})
    assert {trade.symbol for trade in trades} <= set(NAMES)
    bought = sum(float(trade.quantity * trade.price) for trade in trades)
    assert 98_000 < bought < 100_000
    failed = ENGINE.optimize_mean_variance(NAMES, MEAN, COVARIANCE, OptimizationConstraints(max_weight=0.1))
    with pytest.raises(PolicyError, match="no weights"):
        failed.to_trades(portfolio, {})


LATER = {"lookback_days", "mean_method", "covariance_method", "black_litterman", "view_model", "returns",
         "min_quality_score", "commission", "commission_per_share", "root_impact",
         "horizon", "max_participation", "participation_limits", "rounding",
         "min_trade_value", "method", "risk_free_rate"}  # fmt: skip
RENAMED = {
    "max_total_notional": "max_notional",
    "min_exposure_per_type": "min_exposures",
    "max_exposure_per_type": "max_exposures",
}


def test_the_constraints_have_every_limit_of_the_policy():
    own = {RENAMED.get(f.name, f.name) for f in fields(OptimizationConstraints)}
    assert {f.name for f in fields(Policy)} - own == LATER
    assert own - {f.name for f in fields(Policy)} == {"sectors", "factors", "factor_risk", "_"} & own
    told = OptimizationConstraints(**{name: value for name, (value, _) in EVERY.items()}).to_policy(
        "cvar", 0.02
    )
    assert all(
        getattr(told, RENAMED.get(name, name)) == value
        for name, (value, _) in EVERY.items()
        if name != "factors"
    )


FIVE = ("GLD", "RSSB", "RSST", "SPY", "TLT")
FIVE_MEAN = np.array([0.05, 0.07, 0.09, 0.08, 0.03])
FIVE_RISK = np.diag([0.02, 0.03, 0.04, 0.035, 0.015]) + 0.01
HELD = np.array([0.1, 0.15, 0.2, 0.25, 0.3])
LOADINGS = {"growth": dict(zip(FIVE, (0.0, 0.5, 1.0, 0.8, -0.4), strict=True))}
# Each constraint beyond the seed's: a value, and whether weights (5,) keep it.
EVERY: dict[str, tuple[Any, Any]] = {
    "max_gross": (1.0, lambda w: np.abs(w).sum() <= 1 + 1e-8),
    "max_margin": (0.5, lambda w: 0.5 * np.abs(w).sum() <= 0.5 + 1e-8),
    "net_limits": ((0.9, 0.95), lambda w: 0.9 - 1e-8 <= w.sum() <= 0.95 + 1e-8),
    "beta_limits": ((0.2, 0.8), lambda w: 0.2 - 1e-8 <= beta(w) <= 0.8 + 1e-8),
    "factor_limits": ({"growth": (0.0, 0.2)}, lambda w: -1e-8 <= loading(w) <= 0.2 + 1e-8),
    "factors": (LOADINGS, lambda w: True),
    "limits": (("GLD + TLT >= 40%", "growth <= 0.5"), lambda w: w[0] + w[4] >= 0.4 - 1e-8 and loading(w) <= 0.5),
    "min_position": (0.22, lambda w: ((w < 1e-8) | (w >= 0.22 - 1e-8)).all()),
    "max_holdings": (3, lambda w: (w > 1e-8).sum() <= 3),
    "no_trade_band": (0.12, lambda w: outside_band(w, 0.12)),
    "cost_horizon_years": (0.5, lambda w: np.abs(w - HELD).sum() < 0.9),
    "impact_bps": (40.0, lambda w: True),
    "buy_tax_bps": (50.0, lambda w: True),
    "sell_tax_bps": (10.0, lambda w: True),
    "mean_doubt": (0.5, lambda w: True),
    "forced_cash": ("hold", lambda w: True),
}  # fmt: skip


def beta(w: np.ndarray) -> float:
    return float(HELD @ FIVE_RISK @ w / (HELD @ FIVE_RISK @ HELD))


def loading(w: np.ndarray) -> float:
    return float(w @ list(LOADINGS["growth"].values()))


def outside_band(w: np.ndarray, band: float) -> bool:
    moved = np.abs(w - HELD)
    return bool(((moved < 1e-8) | (moved >= band - 1e-8) | (w < 1e-8)).all())


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_constraint_of_the_engine_holds(name: str):
    value, holds = EVERY[name]
    also = {"cash_max": 0.1} if name == "net_limits" else {}
    constraints = OptimizationConstraints(**{"factors": LOADINGS, name: value, **also})
    result = ENGINE.optimize_mean_variance(
        FIVE, FIVE_MEAN, FIVE_RISK, constraints, ObjectiveType.MAX_UTILITY,
        current_weights=HELD, benchmark_weights=HELD, observations=252,
    )  # fmt: skip
    assert result.success, result.message
    assert holds(np.array([result.weights.get(symbol, 0.0) for symbol in FIVE]))


def test_costs_by_name_keep_their_names_in_any_order():
    rates = np.array([0.0, 0.9, 0.0, 0.9, 0.0])
    curve = CostCurve(np.zeros(5), rates, rates, np.zeros(5))
    constraints = OptimizationConstraints(cost_horizon_years=1.0)
    found = {}
    for order in ([0, 1, 2, 3, 4], [3, 0, 4, 2, 1]):
        result = ENGINE.optimize_mean_variance(
            [FIVE[i] for i in order], FIVE_MEAN[order], FIVE_RISK[np.ix_(order, order)], constraints,
            ObjectiveType.MAX_UTILITY, current_weights=HELD[order], costs=curve.picked(np.array(order)),
        )  # fmt: skip
        assert result.weights["RSSB"] == pytest.approx(0.15) and result.weights["SPY"] == pytest.approx(0.25)
        found[order[0]] = [result.weights.get(symbol, 0.0) for symbol in FIVE]
    assert found[0] == pytest.approx(found[3], abs=1e-9)


def test_what_target_exposures_cannot_keep_is_refused():
    for limit in ({"min_position": 0.1}, {"max_holdings": 2}, {"no_trade_band": 0.02}):
        with pytest.raises(PolicyError, match="target exposures cannot be combined with min_position"):
            ENGINE.optimize_exposures(
                FIVE, {T.US_LARGE_EQUITY: 0.6}, OptimizationConstraints(**limit), current_weights=HELD
            )
    planned = Setting(
        Estimates(tuple(FIVE), FIVE_MEAN, FIVE_RISK), Policy(horizon=Horizon()),
        Universe(tuple(FIVE), funds=MAP),
    )  # fmt: skip
    with pytest.raises(PolicyError, match="or a horizon; drop these"):
        match_exposures(planned, {T.US_LARGE_EQUITY: 0.6}, cheapest=False)
