"""Arguments by the name of a parameter, for a call of any public name with what is ordinary and what is degenerate.

A new parameter needs a line in MAKERS: "parameter", or "owner.parameter" where the name stands for several shapes.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from any_arguments import DAY, NAMES, Case

import optimizer as o
from optimizer.beliefs.estimators.recipes import COVARIANCES


def _decided(case: Case) -> Callable[..., dict[str, float]]:
    weights = case.one({"A": 1.0}, {}, {"A": -0.5}, {"A": 2.0}, {"ZZZ": 1.0}, {"A": float("nan")})
    return lambda history, as_of: dict(weights)


def _settings(case: Case) -> Any:
    from optimizer.backtests.panel import BacktestSettings

    return BacktestSettings(min_history=case.one(2, 1, 60), costs=case.one(o.CostModel(0, 0), o.CostModel()))


def _setting(case: Case) -> Any:
    from optimizer.problem.setting import Setting

    return Setting(case.estimates(), case.policy(), case.universe(), case.one(None, case.weights()))


def _stressed(case: Case) -> Any:
    return o.stress(
        {s: case.one(1000.0, -500.0, 0.0) for s in case.symbols}, case.sensitivities(), case.scenario()
    )


def _book(case: Case) -> Any:
    from optimizer.risk.regimes import Book

    values = {s: Decimal(case.one(1000, 0)) for s in case.symbols}
    return Book(values, dict.fromkeys(NAMES, 10.0), Decimal(case.one(100, 0, -50)), {}, case.funds())


def _playbook(case: Case) -> Any:
    from optimizer.risk.regimes import Advice

    T = o.ExposureType
    kind = case.one("reduce", "raise")
    return {
        "BOOM": (
            Advice(
                "x", kind, case.one(0.3, 0.0, 1.0), "why", exposures=(T.EQUITY, T.CASH), candidates=("B",)
            ),
        )
    }


def _detector(case: Case) -> Any:
    from optimizer.risk.regime_detector import Band, Indicator

    rules = {"RECESSION": {"gdp": Band(None, case.one(0.0, -9.0), 1.0)}}
    return o.Detector(
        (Indicator("gdp", case.one("level", "yearly_change"), 60),), rules, least_points=case.one(5, 30)
    )


def _observations(case: Case) -> Any:
    from optimizer.risk.regime_detector import Observation

    days = pd.bdate_range("2022-01-03", periods=max(case.days, 1) * 5, freq="30D")[: case.days]
    return {
        "gdp": [
            Observation(d.date(), d.date(), float(v)) for d, v in zip(days, case.returns(None), strict=False)
        ]
    }


def _fund(case: Case) -> o.Fund:
    return o.Fund("F", "f", {o.ExposureType.EQUITY: case.number(1.0, 1.5, -1.0)}, fee=case.one(0.001, None))


def _markets_of_hedges(case: Case) -> Any:
    from optimizer.risk.hedges import Market

    return case.one(
        {"SPY": Market(case.one(400.0, 1e9), case.one(0.2, 0.0), 0.02), "TLT": Market(90.0, 0.1, 0.02)}, {}
    )


def _instruments(case: Case) -> list[o.Instrument]:
    return [
        o.Instrument("SPY", "option", "BUY", ("equity",), "PUT"),
        o.Instrument("TLT", "etf", "SELL", ("rates",), carry_bps=case.one(0.0, 5000.0)),
    ]


def _disposal(case: Case) -> Any:
    return o.sell(case.lots(), case.one(3, 10), case.one(40, 80), DAY)


def _array(case: Case) -> Any:
    return case.returns(None)


def _table(case: Case) -> Any:
    return case.frame(case.returns(case.n))


def _quantity(case: Case) -> Any:
    return case.one(5, 0, -3, "2.5", float("nan"), 10**9)


def _price(case: Case) -> Any:
    return case.one(100, 0, -1, "7.25", float("nan"), float("inf"))


def _constraints(case: Case) -> o.OptimizationConstraints:
    return o.OptimizationConstraints(
        max_weight=case.one(1.0, 0.5, 0.1),
        target_volatility=case.one(None, 0.1, 0.0),
        long_only=case.one(True, False),
    )


def _beliefs(case: Case) -> Any:
    from optimizer.proposals.proposal import Beliefs

    mean = case.one(np.full(case.n, 0.05), case.weights())
    return case.one(
        None,
        None,
        Beliefs(
            case.symbols, np.full(case.n, 0.05), mean, 0.04 * np.eye(case.n), case.one((), ("left out",))
        ),
    )


def _mandate(case: Case) -> o.Mandate:
    return o.Mandate(
        investable=case.one(None, case.symbols, (), ("ZZZ",)),
        ratings=case.one({}, {"A": 7.0}, {"ZZZ": float("nan")}),
        lots=case.one(1, 100, "0.0001", 0, -1),
    )


def _compiled(case: Case) -> o.CompiledPolicy:
    return o.CompiledPolicy(case.estimates(), case.policy(), case.universe(), _mandate(case))


def _told(case: Case) -> Any:
    from optimizer.trading.rationale import Reasons

    return Reasons(excluded=case.one({}, {"A": "it is closed"}, {"ZZZ": ""}))


def _tracking_risk(case: Case) -> Any:
    from optimizer.numerics.tracking_risk import TrackingRisk

    return TrackingRisk.of(0.04 * np.eye(case.one(case.n, case.n + 1)))


def _rate(case: Case) -> Any:
    return case.one(case.number(0.02), case.number(0.0), np.full(case.days, 0.02), np.array([0.01]))


Maker = Callable[[Case], Any]
MAKERS: dict[str, Maker] = {
    # arrays and tables, by "owner.parameter" where one name stands for several shapes
    "returns": _array,
    "benchmark": _array,
    "target": lambda c: c.one(0.0, c.number(0.001), np.full(c.days, 0.001)),
    "flows": lambda c: c.one(np.zeros(c.days), c.returns(None)),
    "values": lambda c: c.one(100 + c.returns(None), c.returns(None)),
    "years": lambda c: c.one(np.arange(c.days) / 12, np.zeros(c.days), c.returns(None)),
    "performance_metrics.returns": lambda c: c.series(c.returns(None)),
    "performance_metrics.benchmark": lambda c: c.one(None, c.series(c.returns(None))),
    "hit_rate.benchmark": lambda c: c.one(None, c.returns(None)),
    "weights": lambda c: c.weights(),
    "w": lambda c: c.weights(),
    "held": lambda c: c.weights(),
    "market_weights": lambda c: c.weights(),
    "covariance": lambda c: c.covariance(),
    "covariance_matrix": lambda c: c.covariance(),
    "mean": lambda c: c.weights(),
    "expected_returns": lambda c: c.weights(),
    "prices": lambda c: c.by_name(lambda: _price(c)),
    "close": lambda c: c.prices(c.n),
    "dividend": lambda c: c.one(np.zeros((c.days, c.n)), c.returns(c.n)),
    "split": lambda c: c.one(np.ones((c.days, c.n)), c.returns(c.n)),
    "losses": _array,
    "r": _array,
    "odds": lambda c: c.one(None, np.full(c.days, 1 / max(c.days, 1))),
    "scenarios": lambda c: c.returns(c.n),
    "sample": lambda c: o.Sample(c.returns(c.n), half_life=c.one(None, 5.0)),
    "moves": lambda c: c.returns(7),
    "declared": lambda c: c.one(c.rng.standard_normal((c.n, 7)), np.full((c.n, 7), np.nan)),
    "rows": lambda c: c.one(40, 0, 3),
    "dates": lambda c: c.dates,
    "traded": lambda c: c.frame(np.abs(c.returns(c.n)) * 1e6),
    "market_data": lambda c: c.market_data(),
    "fx": lambda c: None,
    # numbers
    "periods": lambda c: c.number(252.0, 12.0),
    "periods_per_year": lambda c: c.number(252.0),
    "risk_free_rate": _rate,
    "risk_free": lambda c: c.number(0.02),
    "level": lambda c: c.number(0.95, 0.5),
    "trials": lambda c: c.one(1, 5, 0, -2),
    "count": lambda c: c.one(1, 5, 0, -2),
    "trial_variance": lambda c: c.number(0.5),
    "sharpe_test.trial_variance": lambda c: c.one(None, c.number(0.5)),
    "performance_metrics.trial_variance": lambda c: c.one(None, c.number(0.5)),
    "against": lambda c: c.number(0.5),
    "ratio": lambda c: c.number(1.0),
    "error": lambda c: c.number(0.5),
    "least": lambda c: c.one(2, 1),
    "up": lambda c: c.one(True, False),
    "delta": lambda c: c.number(2.5),
    "tau": lambda c: c.number(0.05),
    "risk_aversion": lambda c: c.number(2.5),
    "tolerance": lambda c: c.number(1e-7),
    "rounds": lambda c: c.one(100, 1, 0),
    "cash_rate": lambda c: c.number(0.02),
    "risk": lambda c: c.number(0.1),
    "days": lambda c: c.one(21, 2, 1, 0, -3),
    "blocks": lambda c: c.one(2, 4, 3, 0, -2),
    "groups": lambda c: c.one(3, 10, 1, 0),
    "tested": lambda c: c.one(1, 2, 0, 9),
    "purge": lambda c: c.one(1, 0, 50, -1),
    "embargo": lambda c: c.one(1, 0, 50, -1),
    "points": lambda c: c.one(4, 1, 0, -1),
    "band": lambda c: c.number(0.01, 0.0),
    "aversion": lambda c: c.number(100.0),
    "default_half_life": lambda c: c.number(5.0),
    "nav": lambda c: c.number(1e5),
    "commission": lambda c: c.one(5, 0, -1, float("nan")),
    "impact_bps": lambda c: c.one(15, 0, -1, float("nan")),
    "value": lambda c: c.one(Decimal(1000), Decimal(0), Decimal(-5)),
    "min_loss": lambda c: c.one(0, 100, -1, float("nan")),
    "lookback_years": lambda c: c.number(1.0),
    "exposure_tolerance": lambda c: c.number(0.0),
    "long_term": lambda c: c.one(True, False),
    "buy": lambda c: c.one(True, False),
    # words
    "method": lambda c: c.one("sample", "risk_parity", "historical", "fifo", "parametric", "no such"),
    "optimize_risk_parity.method": lambda c: c.one("risk_parity", "hrp", "herc", "nco", "no such"),
    "calculate_var.method": lambda c: c.one("historical", "parametric", "no such"),
    "sell.method": lambda c: c.one("fifo", "lifo", "hifo", "specific", "no such"),
    "frequency": lambda c: c.one("daily", "weekly", "monthly", "no such"),
    "rebalance_frequency": lambda c: c.one("monthly", "daily", "no such"),
    "knowledge": lambda c: c.one("final", "vintage", "no such"),
    "measure": lambda c: c.one("min_volatility", "cvar", "no such"),
    "regime": lambda c: c.one("BOOM", "no such"),
    "text": lambda c: c.one("A <= 0.5", "", "<=", "A + B >= 10%", "0.1 <= A <= x", "symbol,quantity\nA,5\n"),
    "name": lambda c: "book",
    "symbol": lambda c: c.one("A", "ZZZ"),
    "action": lambda c: "x",
    "market": lambda c: c.one(None, "A", "ZZZ"),
    # objects
    "symbols": lambda c: c.one(c.symbols, c.symbols, (), ("A", "A"), ("ZZZ",)),
    "estimates": lambda c: c.estimates(),
    "policy": lambda c: c.policy(),
    "universe": lambda c: c.universe(),
    "portfolio": lambda c: c.portfolio(),
    "current_portfolio": lambda c: c.portfolio(),
    "costs": lambda c: c.one(o.CostModel(), o.CostModel(0, 0)),
    "optimize_mean_variance.costs": lambda c: None,
    "solve.costs": lambda c: None,
    "constraints": _constraints,
    "solve.constraints": lambda c: None,
    "start": lambda c: c.one(None, c.weights()),
    "forecasts": lambda c: c.one(None, np.zeros((1, 1)), np.full((2, 4), np.nan)),
    "impact.costs": lambda c: Decimal(5),
    "build_exposure_constraints.weights": lambda c: __import__("cvxpy").Variable(c.n),
    "objective": lambda c: c.one(*o.ObjectiveType),
    "views": lambda c: [c.view() for _ in range(c.one(1, 2, 0))],
    "pool.views": lambda c: [c.scenario_view() for _ in range(c.one(1, 2, 0))],
    "pooled_estimates.views": lambda c: [c.scenario_view() for _ in range(c.one(1, 2, 0))],
    "factor_model": lambda c: o.FactorModel(
        c.symbols,
        ("market",),
        ("market",),
        np.ones((c.n, 1)),
        np.eye(1) * c.number(0.04),
        np.full(c.n, c.number(0.02)),
    ),
    "rng": lambda c: c.rng,
    "sessions": lambda c: c.one(1, 2, 0, -1, 99),
    "window": lambda c: c.one(5, 2, 1, 0, 60),
    "decay": lambda c: c.number(0.94, 0.5),
    "significance": lambda c: c.number(0.01),
    "volatility": lambda c: c.one("ewma", "garch", "no such"),
    "specific": lambda c: c.number(0.01, 0.0),
    "exposures": lambda c: c.weights(),
    "values_at_risk": lambda c: c.one(np.full(c.days, 0.01), c.returns(None)),
    "shortfalls": lambda c: c.one(np.full(c.days, 0.02), c.returns(None)),
    "shocked_returns.model": lambda c: MAKERS["factor_model"](c),
    "shocks": lambda c: c.one({"market": c.number(-0.2)}, {"no such": 0.1}, {}),
    "stress_factors.model": lambda c: MAKERS["factor_model"](c),
    "stress_factors.values": lambda c: c.by_name(lambda: c.number(1000.0)),
    "stress_factors.scenario": lambda c: o.Scenario(
        "s", "s", {}, factors={c.one("market", "no such"): c.number(-0.2, 9.0)}
    ),
    "split_returns.model": lambda c: MAKERS["factor_model"](c),
    "split_returns.excess": lambda c: c.weights(),
    "plan_factor_hedges.model": lambda c: MAKERS["factor_model"](c),
    "plan_factor_hedges.held": lambda c: c.by_name(lambda: c.number(0.5)),
    "plan_factor_hedges.targets": lambda c: c.one({"market": c.number(0.2)}, {"no such": 0.1}, {}),
    "plan_factor_hedges.instruments": lambda c: [
        o.Instrument(c.one(*NAMES, "ZZZ"), "etf", c.one("BUY", "SELL"), ()) for _ in range(c.one(2, 1, 0))
    ],
    "plan_factor_hedges.units": lambda c: c.one(None, {"A": c.number(0.01)}, {}),
    "plan_factor_hedges.max_weight": lambda c: c.number(1.0),
    "fit_factors.panel": lambda c: o.FactorPanel(c.symbols, tuple(range(c.days)), c.returns(c.n)),
    "fit_factors.settings": lambda c: o.FactorSettings(simulations=c.one(5, 0), shrinkage=c.number(0.1)),
    "settings": lambda c: c.one(
        None, o.BlackLittermanSettings(c.number(2.5), c.number(0.05), c.one("idzorek", "he_litterman"))
    ),
    "backtest_strategy.settings": _settings,
    "optimization_method": _decided,
    "methods": lambda c: {"x": _decided(c)},
    "make": lambda c: lambda **values: _decided(c),
    "grid": lambda c: {"a": [1, 2]},
    "fit": lambda c: lambda table: c.one({"A": 1.0}, {"ZZZ": 1.0}, {}),
    "cross_validate.returns": _table,
    "probability_of_overfitting.returns": _table,
    "prior": lambda c: None,
    "brinson.weights": _table,
    "brinson.returns": _table,
    "benchmark_weights": lambda c: c.one(None, c.weights()),
    "benchmark_returns": _table,
    "brinson.benchmark_weights": _table,
    "earned": lambda c: None,
    "estimate.prices": lambda c: c.one(c.market_data(), None),
    "estimate.correlation": lambda c: c.one(None, np.eye(c.n), np.eye(c.n + 1)),
    "estimate.benchmark": lambda c: c.one(None, _table(c).iloc[:, 0].rename("INDEX")),
    "PortfolioEstimator.deep": lambda c: c.one(True, False),
    "estimate.returns": lambda c: c.one(None, None, _table(c)),
    "recipe": lambda c: o.Recipe(
        c.one("historical", "ewma", "capm", "james_stein", "bayes_stein", "no such"),
        c.one(*COVARIANCES, "no such"),
        missing=c.one("complete", "pairwise"),
    ),
    "estimate_sensitivities.returns": lambda c: c.returns(c.n),
    "log_returns.prices": lambda c: c.prices(c.n),
    "simple_returns.prices": lambda c: c.prices(c.n),
    "pairwise_moments.prices": lambda c: c.prices(c.n),
    "pairwise_moments.periods": lambda c: lambda dates: 252.0,
    "pairwise_moments.symbols": lambda c: NAMES,
    "rolling_liquidity.prices": lambda c: c.market_data(),
    "SharedWindows.prices": lambda c: c.prices(c.n),
    "SharedWindows.recipe": lambda c: o.Recipe(lookback_days=c.one(60, 2)),
    "fund_map": lambda c: c.funds(),
    "funds": lambda c: c.funds(),
    "fund": _fund,
    "market_returns": lambda c: c.one({o.ExposureType.EQUITY: c.number(0.07)}, {}),
    "markets": lambda c: o.Estimates(("equity",), np.array([0.07]), np.array([[0.04]])),
    "plan_hedges.markets": _markets_of_hedges,
    "stressed": _stressed,
    "instruments": _instruments,
    "sensitivities": lambda c: c.sensitivities(),
    "limits": lambda c: o.HedgeLimits(max_cost_bps=c.one(100.0, 0.0)),
    "stress.values": lambda c: c.by_name(lambda: c.number(1000.0)),
    "scenario": lambda c: c.scenario(),
    "replayed": lambda c: c.one(None, {"A": -0.2}, {"SPY": float("nan")}),
    "playbook": _playbook,
    "book": _book,
    "detector": _detector,
    "series": _observations,
    "as_of": lambda c: DAY,
    "known_on.as_of": lambda c: pd.Timestamp("2023-02-01"),
    "day": lambda c: DAY,
    "at.day": lambda c: c.one(pd.Timestamp("2023-01-02"), pd.Timestamp("2000-01-01")),
    "lots": lambda c: c.one(1, 100, 0, -1),
    "sell.lots": lambda c: c.lots(),
    "harvest_losses.lots": lambda c: c.lots(),
    "harvest_losses.prices": lambda c: c.one({"A": 40}, {"A": 80}, {}),
    "quantity": _quantity,
    "price": _price,
    "cost.quantity": _quantity,
    "chosen": lambda c: c.one(None, {"l0": 3}, {"no such": 1}),
    "rates": lambda c: c.one(None, o.TaxRates()),
    "substitutes": lambda c: None,
    "disposal": _disposal,
    "purchases": lambda c: c.one([("A", DAY)], [], [("A", DAY, 3)], [("A", date(2020, 1, 1), 3)]),
    "build_trades.target": lambda c: c.by_name(lambda: c.number(0.4)),
    "build_trades.risk": lambda c: c.one(None, _tracking_risk(c)),
    "build_trades.gap": lambda c: c.one(1e-5, 0.0, float("nan"), -1.0, float("inf")),
    "CompiledPolicy.target": lambda c: c.by_name(lambda: c.number(0.4)),
    "CompiledPolicy.reasons": _told,
    "reasons": lambda c: None,
    "sell_rates": lambda c: None,
    "excess_returns": lambda c: c.weights(),
    "before": lambda c: dict.fromkeys(c.symbols, 1 / c.n),
    "after": lambda c: {s: c.one(0.0, 0.5) for s in c.symbols},
    "ratings": lambda c: c.one(None, {"A": 7.0}),
    "setting": _setting,
    "match_exposures.target": lambda c: {o.ExposureType.EQUITY: c.number(0.6)},
    "match_exposures.risk": lambda c: None,
    "target_exposures": lambda c: {o.ExposureType.EQUITY: c.number(0.6)},
    "cheapest": lambda c: c.one(True, False),
    "mandate": lambda c: None,
    "past": lambda c: None,
    "propose_account.past": lambda c: c.one(None, _told(c)),
    "beliefs": _beliefs,
    "compiled": _compiled,
    "current_weights": lambda c: c.one(None, c.weights()),
    "observations": lambda c: c.one(None, 40, 0, -3),
    "exposure_risk": lambda c: None,
    "use_leverage": lambda c: c.one(True, False),
    "minimize_cost": lambda c: c.one(True, False),
    "trade": lambda c: o.Trade("A", Decimal(c.one(3, -3)), Decimal(100)),
    "position": lambda c: o.Position("A", Decimal(3), Decimal(10)),
    "kind": lambda c: c.one(*o.ExposureType),
    "types": lambda c: c.one((o.ExposureType.EQUITY,), (), tuple(o.ExposureType)),
    "ExposureCalculator.weights": lambda c: c.by_name(lambda: c.number(0.5)),
    "trades": lambda c: c.weights(),
    "start_date": lambda c: None,
    "end_date": lambda c: None,
    "decisions": lambda c: None,
    "OptimizationBacktest.compare.executor": lambda c: None,
    "progress": lambda c: None,
    "watch": lambda c: None,
    "order": lambda c: np.arange(c.n),
    "CostModel.values": lambda c: c.weights(),
    "CostModel.prices": lambda c: c.one(None, 100 * c.weights()),
    "liquidity": lambda c: None,
    "calculate_metrics.benchmark": lambda c: c.one(None, c.series(c.prices(None))),
    "calculate_money_weighted_return.flows": lambda c: c.series(c.returns(None)),
    "backtest_strategy.benchmark": lambda c: c.one(None, c.series(c.prices(None))),
    "options": lambda c: {},
    "estimates.mean": lambda c: c.one("historical", "capm", "no such"),
    "estimates.covariance": lambda c: c.one("sample", "oas", "no such"),
    "backtest_strategy.costs": lambda c: None,
    "to_trades.lots": lambda c: 1,
    "growth_rate.mean": lambda c: c.number(0.08),
}
# What methods belong to: an instance of the class.
OWNERS: dict[str, Maker] = {
    "CompiledPolicy": _compiled,
    "CostCurve": lambda c: o.CostModel().curve(c.symbols),
    "CostModel": lambda c: o.CostModel(per_share=c.one(0.0, 0.01)),
    "ExposureCalculator": lambda c: o.ExposureCalculator(c.funds()),
    "Fund": _fund,
    "FundExposureMap": lambda c: c.funds(),
    "LiquidityPanel": lambda c: o.rolling_liquidity(
        c.frame(np.full((40, c.n), 1e6)), c.frame(100 + np.zeros((40, c.n))), 21
    ),
    "Lot": lambda c: o.Lot("l", "A", Decimal(5), Decimal(60), date(2022, 1, 3)),
    "OptimizationBacktest": lambda c: c.backtest(),
    "OptimizationEngine": lambda c: o.OptimizationEngine(None, c.funds()),
    "Portfolio": lambda c: c.portfolio(),
    "PortfolioAnalytics": lambda c: c.analytics(),
    "PortfolioEstimator": lambda c: o.PortfolioEstimator(c.policy()),
    "Position": lambda c: o.Position("A", Decimal(3), Decimal(10)),
    "ReturnEstimator": lambda c: o.ReturnEstimator(c.market_data()),
    "Sample": lambda c: o.Sample(c.returns(c.n)),
    "SharedWindows": lambda c: o.SharedWindows(),
    "TaxRates": lambda c: o.TaxRates(),
    "Vintages": lambda c: o.Vintages(
        pd.DataFrame({"symbol": ["A"], "date": ["2023-01-02"], "known_at": ["2023-01-03"], "close": [5.0]})
    ),
}
