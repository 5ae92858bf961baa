# Written by docs/wings.py from _HOMES of __init__.py, so that editors and mypy know the lazy names.
from optimizer.errors import Conflict as Conflict, DataError as DataError, InfeasibleError as InfeasibleError, PackfolioError as PackfolioError, PolicyError as PolicyError, SolverError as SolverError
from optimizer.model.actions.action_kinds import CorporateAction as CorporateAction
from optimizer.model.actions.corporate_actions import adjust_position as adjust_position
from optimizer.model.costs import CostCurve as CostCurve, CostModel as CostModel, Liquidity as Liquidity, trade_cost as trade_cost
from optimizer.model.estimates import Estimates as Estimates
from optimizer.model.exposure_types import ExposureType as ExposureType
from optimizer.model.exposures import ExposureCalculator as ExposureCalculator, Fund as Fund, FundExposureMap as FundExposureMap
from optimizer.model.policies.horizon import Horizon as Horizon
from optimizer.model.liquidity import LiquidityPanel as LiquidityPanel, rolling_liquidity as rolling_liquidity
from optimizer.model.policies.fields import BlackLittermanSettings as BlackLittermanSettings
from optimizer.model.policy import Policy as Policy
from optimizer.model.portfolio import Portfolio as Portfolio, Position as Position, Trade as Trade
from optimizer.model.recipe import Recipe as Recipe
from optimizer.model.returns import log_returns as log_returns, simple_returns as simple_returns, total_return_index as total_return_index
from optimizer.model.universe import FactorRisk as FactorRisk, Universe as Universe
from optimizer.model.policies.text_limits import parse_limit as parse_limit
from optimizer.factors.attribution import attributed as attributed, predicted_risk as predicted_risk
from optimizer.factors.factor_model import FactorModel as FactorModel
from optimizer.factors.fit import FactorSettings as FactorSettings, fit_factors as fit_factors
from optimizer.factors.panel import FactorPanel as FactorPanel
from optimizer.factors.premia import split_returns as split_returns
from optimizer.beliefs.black_litterman import Posterior as Posterior, implied_risk_aversion as implied_risk_aversion, posterior as posterior
from optimizer.beliefs.market_views import JointViews as JointViews, MarketView as MarketView, ViewMatrix as ViewMatrix
from optimizer.beliefs.entropy_pooling import pool as pool, pooled_estimates as pooled_estimates
from optimizer.beliefs.scenario_view import ScenarioView as ScenarioView
from optimizer.beliefs.estimators.covariances import ewma_covariance as ewma_covariance, regime_ewma as regime_ewma, sample_covariance as sample_covariance, semi_covariance as semi_covariance
from optimizer.beliefs.estimators.exposure_model import look_through as look_through, look_through_return as look_through_return
from optimizer.beliefs.estimators.garch import garch as garch
from optimizer.beliefs.estimators.gerber import gerber as gerber
from optimizer.beliefs.estimators.means import bayes_stein as bayes_stein, capm as capm, equilibrium as equilibrium, ewma as ewma, historical as historical, james_stein as james_stein
from optimizer.beliefs.estimators.pairwise import pairwise_moments as pairwise_moments
from optimizer.beliefs.estimators.psd import nearest_psd as nearest_psd
from optimizer.beliefs.estimators.recipes import estimate as estimate
from optimizer.beliefs.estimators.return_estimator import ReturnEstimator as ReturnEstimator
from optimizer.beliefs.estimators.sample import Sample as Sample
from optimizer.beliefs.estimators.shrinkage import geodesic as geodesic, graphical_lasso as graphical_lasso, ledoit_wolf as ledoit_wolf, ledoit_wolf_constant_correlation as ledoit_wolf_constant_correlation, oas as oas
from optimizer.beliefs.estimators.spectral import denoised as denoised, statistical_factors as statistical_factors
from optimizer.numerics.tracking_risk import TrackingRisk as TrackingRisk
from optimizer.measures import performance as performance, portfolio_measures as portfolio_measures
from optimizer.measures.analytics import PortfolioAnalytics as PortfolioAnalytics
from optimizer.measures.attribution import brinson as brinson
from optimizer.measures.return_series import monthly_table as monthly_table, performance_metrics as performance_metrics
from optimizer.problem.setting import Setting as Setting
from optimizer.solvers.audit import Certificate as Certificate
from optimizer.solvers.solution import Solution as Solution
from optimizer.solvers.solve import solve as solve
from optimizer.tax.lots import Lot as Lot, TaxRates as TaxRates, harvest_losses as harvest_losses, sell as sell
from optimizer.tax.taxes import TaxPlan as TaxPlan, Taxes as Taxes
from optimizer.tax.wash_sales import wash_sales as wash_sales
from optimizer.trading.frozen import FrozenPosition as FrozenPosition
from optimizer.trading.impact import Impact as Impact, impact as impact
from optimizer.trading.rationale import Reasons as Reasons
from optimizer.trading.trade_list import TradeList as TradeList
from optimizer.trading.trades import build_trades as build_trades
from optimizer.risk.factor_hedges import plan_factor_hedges as plan_factor_hedges
from optimizer.risk.factor_scenarios import stress_factors as stress_factors
from optimizer.risk.filtered_simulation import TailRisk as TailRisk, factor_tail as factor_tail, filtered_scenarios as filtered_scenarios, over_horizon as over_horizon, shocked_returns as shocked_returns, tail_risk as tail_risk
from optimizer.risk.hedge_plans import plan_hedges as plan_hedges
from optimizer.risk.hedges import HedgeLimits as HedgeLimits, Instrument as Instrument, Market as Market
from optimizer.risk.regime_detector import Band as Band, Detector as Detector, Indicator as Indicator, Observation as Observation, detect as detect
from optimizer.risk.regimes import Advice as Advice, Book as Book, advise as advise
from optimizer.risk.tail_backtests import TailBacktest as TailBacktest, backtest_forecasts as backtest_forecasts, backtest_tail as backtest_tail
from optimizer.risk.scenarios import Scenario as Scenario, estimate_sensitivities as estimate_sensitivities
from optimizer.risk.stresses import stress as stress
from optimizer.proposals.engine import OptimizationEngine as OptimizationEngine
from optimizer.proposals.engine_constraints import ObjectiveType as ObjectiveType, OptimizationConstraints as OptimizationConstraints
from optimizer.proposals.exposure_matching import ExposureRisk as ExposureRisk, match_exposures as match_exposures
from optimizer.proposals.frontier import FrontierPoint as FrontierPoint, frontier as frontier
from optimizer.proposals.portfolio_estimator import PortfolioEstimator as PortfolioEstimator
from optimizer.proposals.compiled_policy import CompiledPolicy as CompiledPolicy, Mandate as Mandate
from optimizer.proposals.proposal import Proposal as Proposal, form_beliefs as form_beliefs, propose as propose, propose_account as propose_account
from optimizer.proposals.result import OptimizationResult as OptimizationResult
from optimizer.backtests.dated_facts import DatedFacts as DatedFacts, FactorHistory as FactorHistory
from optimizer.backtests.cross_validation import combinatorial_splits as combinatorial_splits, cross_validate as cross_validate, probability_of_overfitting as probability_of_overfitting
from optimizer.backtests.point_in_time import Vintages as Vintages
from optimizer.backtests.policy_strategy import PolicyStrategy as PolicyStrategy
from optimizer.backtests.report import BacktestResult as BacktestResult
from optimizer.backtests.shared_windows import SharedWindows as SharedWindows
from optimizer.backtests.walk_forward import BacktestSettings as BacktestSettings, OptimizationBacktest as OptimizationBacktest, sweep as sweep
