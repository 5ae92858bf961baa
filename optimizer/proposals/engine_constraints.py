"""Objectives and constraints as the desk knows them by name, and the policy that they stand for."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum

from optimizer.arguments import typed
from optimizer.model.exposure_types import ExposureType
from optimizer.model.policies.fields import DoubtShape, ForcedCash, OnConflict
from optimizer.model.policy import Policy
from optimizer.model.ranges import Range
from optimizer.model.universe import FactorRisk
from optimizer.problem.methods import SCENARIO_COSTS


class ObjectiveType(Enum):
    """Types of optimization objectives.

    >>> ObjectiveType.MAX_SHARPE.value
    'maximize_sharpe_ratio'
    """

    MAX_SHARPE = "maximize_sharpe_ratio"
    MIN_VOLATILITY = "minimize_volatility"
    MAX_RETURN = "maximize_return"
    RISK_PARITY = "risk_parity"
    MAX_DIVERSIFICATION = "maximize_diversification"
    MIN_TRACKING_ERROR = "minimize_tracking_error"
    MAX_UTILITY = "maximize_utility"
    TARGET_VOLATILITY = "target_volatility"
    EQUAL_WEIGHT = "equal_weight"
    MIN_CVAR = "minimize_cvar"
    MIN_ROBUST_CVAR = "minimize_robust_cvar"
    MAX_RETURN_TO_CVAR = "maximize_return_to_cvar"
    CVAR_RISK_PARITY = "cvar_risk_parity"
    MIN_EVAR = "minimize_evar"
    MIN_CDAR = "minimize_cdar"
    MIN_WORST_REALIZATION = "minimize_worst_realization"
    MIN_MEAN_ABSOLUTE_DEVIATION = "minimize_mean_absolute_deviation"
    MIN_SEMI_DEVIATION = "minimize_semi_deviation"
    MIN_FIRST_LOWER_PARTIAL_MOMENT = "minimize_first_lower_partial_moment"
    MIN_SECOND_LOWER_PARTIAL_MOMENT = "minimize_second_lower_partial_moment"
    MIN_GINI_MEAN_DIFFERENCE = "minimize_gini_mean_difference"
    MIN_MAX_DRAWDOWN = "minimize_max_drawdown"
    MIN_AVERAGE_DRAWDOWN = "minimize_average_drawdown"
    MIN_ULCER_INDEX = "minimize_ulcer_index"
    MAX_GROWTH = "maximize_growth"


METHOD_OF = {
    ObjectiveType.MAX_SHARPE: "max_sharpe",
    ObjectiveType.MIN_VOLATILITY: "min_volatility",
    ObjectiveType.MAX_RETURN: "max_return",
    ObjectiveType.RISK_PARITY: "risk_parity",
    ObjectiveType.MAX_DIVERSIFICATION: "max_diversification",
    ObjectiveType.MIN_TRACKING_ERROR: "min_tracking_error",
    ObjectiveType.MAX_UTILITY: "mean_variance",
    ObjectiveType.TARGET_VOLATILITY: "target_volatility",
    ObjectiveType.EQUAL_WEIGHT: "equal_weight",
    ObjectiveType.MAX_GROWTH: "kelly",
    ObjectiveType.MIN_ROBUST_CVAR: "robust_cvar",
    ObjectiveType.MAX_RETURN_TO_CVAR: "max_return_to_cvar",
    ObjectiveType.CVAR_RISK_PARITY: "cvar_risk_parity",
    **{ObjectiveType(f"minimize_{name}"): name for name in ("cvar", *SCENARIO_COSTS) if name != "kelly"},
}


AS_IN_POLICY = (
    "target_volatility", "long_only", "max_weight", "asset_limits", "max_sector", "cash_min", "cash_max", "max_gross",
    "net_limits", "beta_limits", "factor_limits", "active_factor_limits", "max_risk_share", "risk_share_limits",
    "limits", "min_position", "max_holdings", "no_trade_band",
    "largest_limits", "large_holdings", "do_not_buy", "do_not_sell", "do_not_trade", "max_trade", "trade_limits",
    "l2_penalty", "wasserstein_radius", "borrow_fee", "borrow_fees", "max_margin", "long_margin", "short_margin",
    "margins",
    "max_turnover", "max_tracking_error", "max_volatility", "min_return", "risk_budgets", "exposure_budgets",
    "risk_aversion", "mean_doubt", "mean_doubt_shape", "tail_level", "return_threshold", "cost_horizon_years",
    "impact_bps", "buy_tax_bps", "sell_tax_bps", "on_conflict", "forced_cash", "priorities",
)  # fmt: skip


@typed
@dataclass(frozen=True)
class OptimizationConstraints:
    """Constraints for portfolio optimization; fractions, rates per year; an absent limit is no limit.

    max_total_notional   of sum |weight| x notional of the fund
    target_volatility    at most this; reached exactly by the objective TARGET_VOLATILITY and by levered risk parity
    sector_limits        sector -> (least, most), with `sectors` symbol -> sector
    long_only            False: weights may go down to -max_weight, or to a negative min_weight
    max_turnover         one-way: half of the traded value / NAV
    tail_level           of the tail objectives;  return_threshold  per year, of the lower partial moments
    factors              factor -> symbol -> loading, for `factor_limits` and lines of text
    factor_risk          what makes risk of the loadings, for limits on shares of it
    Every limit of `Policy` is here; those without a word above are as there. Raises PolicyError for a non-finite or
    crossed limit.

    >>> OptimizationConstraints(max_weight=0.4).long_only
    True
    """

    min_weight: float = 0.0
    max_weight: float = 1.0
    max_total_notional: float = 2.0
    target_volatility: float | None = None
    max_exposure_per_type: Mapping[ExposureType, float] | None = None
    min_exposure_per_type: Mapping[ExposureType, float] | None = None
    sector_limits: Mapping[str, Range] | None = None
    long_only: bool = True
    _: KW_ONLY
    sectors: Mapping[str, str] = field(default_factory=dict)
    factors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    factor_risk: FactorRisk | None = None
    asset_limits: Mapping[str, Range] = field(default_factory=dict)
    max_sector: float | None = None
    cash_min: float = 0.0
    cash_max: float = 0.0
    max_gross: float | None = None
    net_limits: Range | None = None
    beta_limits: Range | None = None
    factor_limits: Mapping[str, Range] = field(default_factory=dict)
    active_factor_limits: Mapping[str, Range] = field(default_factory=dict)
    max_risk_share: float | None = None
    risk_share_limits: Mapping[str, Range] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    min_position: float | None = None
    max_holdings: int | None = None
    no_trade_band: float | None = None
    largest_limits: Mapping[int, float] = field(default_factory=dict)
    large_holdings: tuple[float, float] | None = None
    do_not_buy: Mapping[str, str] = field(default_factory=dict)
    do_not_sell: Mapping[str, str] = field(default_factory=dict)
    do_not_trade: Mapping[str, str] = field(default_factory=dict)
    max_trade: float | None = None
    trade_limits: Mapping[str, float] = field(default_factory=dict)
    l2_penalty: float = 0.0
    wasserstein_radius: float = 0.001
    borrow_fee: float = 0.0
    borrow_fees: Mapping[str, float] = field(default_factory=dict)
    max_margin: float | None = None
    long_margin: float = 0.5
    short_margin: float = 0.5
    margins: Mapping[str, Range] = field(default_factory=dict)
    max_turnover: float | None = None
    max_tracking_error: float | None = None
    max_volatility: float | None = None
    min_return: float | None = None
    risk_budgets: Mapping[str, float] = field(default_factory=dict)
    exposure_budgets: Mapping[ExposureType, float] = field(default_factory=dict)
    risk_aversion: float = 2.5
    mean_doubt: float = 0.0
    mean_doubt_shape: DoubtShape = "diagonal"
    tail_level: float = 0.95
    return_threshold: float = 0.0
    cost_horizon_years: float | None = None
    impact_bps: float = 15.0
    buy_tax_bps: float = 0.0
    sell_tax_bps: float = 0.0
    on_conflict: OnConflict = "fail"
    forced_cash: ForcedCash = "fail"
    priorities: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.to_policy("min_volatility", None)

    def to_policy(self, method: str, risk_free_rate: float | None) -> Policy:
        """The one policy that everything else reads."""
        floor = self.min_weight
        if not self.long_only and floor == 0:
            floor = -self.max_weight
        return Policy(
            method=method,
            risk_free_rate=risk_free_rate,
            min_weight=floor,
            sector_limits=self.sector_limits or {},
            min_exposures=self.min_exposure_per_type or {},
            max_exposures=self.max_exposure_per_type or {},
            max_notional=self.max_total_notional,
            **{name: getattr(self, name) for name in AS_IN_POLICY},
        )
