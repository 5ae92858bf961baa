"""The mathematics of Packfolio; usable alone. Names are imported at first use, so that `import optimizer` is light."""

from importlib import import_module
from typing import Any

_HOME = {
    "BacktestResult": "backtest_report",
    "Conflict": "errors",
    "DataError": "errors",
    "Estimates": "estimates",
    "ExposureCalculator": "exposures",
    "ExposureType": "exposures",
    "FrontierPoint": "frontier",
    "Fund": "exposures",
    "FundExposureMap": "exposures",
    "InfeasibleError": "errors",
    "MarketView": "black_litterman",
    "ObjectiveType": "constraints",
    "OptimizationBacktest": "backtest",
    "OptimizationConstraints": "constraints",
    "OptimizationEngine": "engine",
    "OptimizationResult": "result",
    "Policy": "policy",
    "PolicyError": "errors",
    "Portfolio": "portfolio",
    "PortfolioAnalytics": "analytics",
    "Position": "portfolio",
    "Recipe": "estimates",
    "ReturnEstimator": "estimators.return_estimator",
    "ScenarioView": "entropy_pooling",
    "Solution": "solve",
    "SolverError": "errors",
    "Trade": "portfolio",
    "Universe": "portfolio",
    "pooled_estimates": "entropy_pooling",
    "posterior": "black_litterman",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"optimizer has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"optimizer.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
