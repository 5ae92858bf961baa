"""The mathematics of Packfolio; usable alone. Names are imported at first use, so that `import optimizer` is light."""

from importlib import import_module
from typing import Any

# Where each public name lives: wing and module; a name that is a module itself stands for all its functions.
_HOMES = {
    "errors": "Conflict DataError InfeasibleError PackfolioError PolicyError SolverError",
    "model.actions.action_kinds": "CorporateAction",
    "model.actions.corporate_actions": "adjust_position",
    "model.costs": "CostCurve CostModel Liquidity trade_cost",
    "model.estimates": "Estimates",
    "model.exposure_types": "ExposureType",
    "model.exposures": "ExposureCalculator Fund FundExposureMap",
    "model.policies.horizon": "Horizon",
    "model.liquidity": "LiquidityPanel rolling_liquidity",
    "model.policies.fields": "BlackLittermanSettings",
    "model.policy": "Policy",
    "model.portfolio": "Portfolio Position Trade",
    "model.recipe": "Recipe",
    "model.returns": "log_returns simple_returns total_return_index",
    "model.universe": "FactorRisk Universe",
    "model.policies.text_limits": "parse_limit",
    "factors.attribution": "attributed predicted_risk",
    "factors.factor_model": "FactorModel",
    "factors.fit": "FactorSettings fit_factors",
    "factors.panel": "FactorPanel",
    "factors.premia": "split_returns",
    "beliefs.black_litterman": "Posterior implied_risk_aversion posterior",
    "beliefs.market_views": "JointViews MarketView ViewMatrix",
    "beliefs.entropy_pooling": "pool pooled_estimates",
    "beliefs.scenario_view": "ScenarioView",
    "beliefs.estimators.covariances": "ewma_covariance regime_ewma sample_covariance semi_covariance",
    "beliefs.estimators.exposure_model": "look_through look_through_return",
    "beliefs.estimators.garch": "garch",
    "beliefs.estimators.gerber": "gerber",
    "beliefs.estimators.means": "bayes_stein capm equilibrium ewma historical james_stein",
    "beliefs.estimators.pairwise": "pairwise_moments",
    "beliefs.estimators.psd": "nearest_psd",
    "beliefs.estimators.recipes": "estimate",
    "beliefs.estimators.return_estimator": "ReturnEstimator",
    "beliefs.estimators.sample": "Sample",
    "beliefs.estimators.shrinkage": "geodesic graphical_lasso ledoit_wolf ledoit_wolf_constant_correlation oas",
    "beliefs.estimators.spectral": "denoised statistical_factors",
    "numerics.tracking_risk": "TrackingRisk",
    "measures": "performance portfolio_measures",
    "measures.analytics": "PortfolioAnalytics",
    "measures.attribution": "brinson",
    "measures.return_series": "monthly_table performance_metrics",
    "problem.setting": "Setting",
    "solvers.audit": "Certificate",
    "solvers.solution": "Solution",
    "solvers.solve": "solve",
    "tax.lots": "Lot TaxRates harvest_losses sell",
    "tax.taxes": "TaxPlan Taxes",
    "tax.wash_sales": "wash_sales",
    "trading.frozen": "FrozenPosition",
    "trading.impact": "Impact impact",
    "trading.rationale": "Reasons",
    "trading.trade_list": "TradeList",
    "trading.trades": "build_trades",
    "risk.factor_hedges": "plan_factor_hedges",
    "risk.factor_scenarios": "stress_factors",
    "risk.filtered_simulation": "TailRisk factor_tail filtered_scenarios over_horizon shocked_returns tail_risk",
    "risk.hedge_plans": "plan_hedges",
    "risk.hedges": "HedgeLimits Instrument Market",
    "risk.regime_detector": "Band Detector Indicator Observation detect",
    "risk.regimes": "Advice Book advise",
    "risk.tail_backtests": "TailBacktest backtest_forecasts backtest_tail",
    "risk.scenarios": "Scenario estimate_sensitivities",
    "risk.stresses": "stress",
    "proposals.engine": "OptimizationEngine",
    "proposals.engine_constraints": "ObjectiveType OptimizationConstraints",
    "proposals.exposure_matching": "ExposureRisk match_exposures",
    "proposals.frontier": "FrontierPoint frontier",
    "proposals.portfolio_estimator": "PortfolioEstimator",
    "proposals.compiled_policy": "CompiledPolicy Mandate",
    "proposals.proposal": "Proposal form_beliefs propose propose_account",
    "proposals.result": "OptimizationResult",
    "backtests.dated_facts": "DatedFacts FactorHistory",
    "backtests.cross_validation": "combinatorial_splits cross_validate probability_of_overfitting",
    "backtests.point_in_time": "Vintages",
    "backtests.policy_strategy": "PolicyStrategy",
    "backtests.report": "BacktestResult",
    "backtests.shared_windows": "SharedWindows",
    "backtests.walk_forward": "BacktestSettings OptimizationBacktest sweep",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"optimizer has no {name!r}; it has {', '.join(__all__)}")
    home = import_module(f"optimizer.{_HOME[name]}")
    value = getattr(home, name, None)
    return import_module(f"{home.__name__}.{name}") if value is None else value


def __dir__() -> list[str]:
    return __all__
