"""The fields of a policy with their defaults, and the settings that it holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from optimizer.arguments import typed
from optimizer.errors import PolicyError
from optimizer.model.exposure_types import ExposureType
from optimizer.model.policies.horizon import Horizon
from optimizer.model.ranges import Range

OnConflict = Literal["fail", "transition"]
ForcedCash = Literal["fail", "hold"]
ViewModel = Literal["black_litterman", "entropy_pooling"]
DoubtShape = Literal["diagonal", "full"]
ReturnsOf = Literal["posterior", "factor_premia", "own_alpha"]
Rounding = Literal["tracking_error", "money"]


@typed
@dataclass(frozen=True)
class BlackLittermanSettings:
    """How the equilibrium and the views become a posterior (He & Litterman 1999; Idzorek 2005).

    delta       the market's risk aversion in pi = delta S w; "implied" = the one that the estimated means imply
    tau         weight of the prior's uncertainty
    confidence  "idzorek": 0 = no effect, 1 = the view holds exactly; "he_litterman": omega = tau p'Sp / c
    covariance  "posterior" = S + M, "sigma" = S

    >>> BlackLittermanSettings(delta='implied').tau
    0.05
    """

    delta: float | Literal["implied"] = 2.5
    tau: float = 0.05
    confidence: Literal["idzorek", "he_litterman"] = "idzorek"
    covariance: Literal["posterior", "sigma"] = "posterior"


def black_litterman_of(given: object) -> BlackLittermanSettings:
    """The settings, also from a mapping of some of them; raises PolicyError for anything else."""
    if isinstance(given, BlackLittermanSettings):
        return given
    known = [item.name for item in fields(BlackLittermanSettings)]
    if not isinstance(given, Mapping) or not set(given) <= set(known):
        raise PolicyError(
            f"black_litterman is {given!r}; it must be BlackLittermanSettings, or some of {known}"
        )
    return BlackLittermanSettings(**given)


@dataclass(frozen=True)
class PolicyFields:
    """What `Policy` is made of; it says what each field means."""

    method: str = "mean_variance"
    risk_aversion: float = 2.5
    risk_free_rate: float | None = None
    target_volatility: float | None = None
    exposure_budgets: Mapping[ExposureType, float] = field(default_factory=dict)
    mean_doubt: float = 0.0
    mean_doubt_shape: DoubtShape = "diagonal"
    tail_level: float = 0.95
    return_threshold: float = 0.0
    wasserstein_radius: float = 0.001
    l2_penalty: float = 0.0
    borrow_fee: float = 0.0
    borrow_fees: Mapping[str, float] = field(default_factory=dict)

    lookback_days: int = 252
    mean_method: str = "historical"
    covariance_method: str = "ledoit_wolf"
    view_model: ViewModel = "black_litterman"
    returns: ReturnsOf = "posterior"
    black_litterman: BlackLittermanSettings = field(default_factory=BlackLittermanSettings)

    min_quality_score: float | None = None
    long_only: bool = True
    min_weight: float | None = None
    max_weight: float | None = None
    asset_limits: Mapping[str, Range] = field(default_factory=dict)
    max_sector: float | None = None
    sector_limits: Mapping[str, Range] = field(default_factory=dict)
    min_exposures: Mapping[ExposureType, float] = field(default_factory=dict)
    max_exposures: Mapping[ExposureType, float] = field(default_factory=dict)
    max_notional: float | None = None
    max_gross: float | None = None
    max_margin: float | None = None
    long_margin: float = 0.5
    short_margin: float = 0.5
    margins: Mapping[str, Range] = field(default_factory=dict)
    net_limits: Range | None = None
    beta_limits: Range | None = None
    factor_limits: Mapping[str, Range] = field(default_factory=dict)
    active_factor_limits: Mapping[str, Range] = field(default_factory=dict)
    max_risk_share: float | None = None
    risk_share_limits: Mapping[str, Range] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    risk_budgets: Mapping[str, float] = field(default_factory=dict)
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
    cash_min: float = 0.0
    cash_max: float = 0.0
    max_turnover: float | None = None
    max_tracking_error: float | None = None
    max_volatility: float | None = None
    min_return: float | None = None

    commission: float = 5.0
    impact_bps: float = 15.0
    commission_per_share: float = 0.0
    buy_tax_bps: float = 0.0
    sell_tax_bps: float = 0.0
    root_impact: float = 0.0
    min_trade_value: float = 0.0
    rounding: Rounding = "tracking_error"
    max_participation: float | None = None
    participation_limits: Mapping[str, float] = field(default_factory=dict)
    cost_horizon_years: float | None = None
    horizon: Horizon | None = None
    on_conflict: OnConflict = "fail"
    forced_cash: ForcedCash = "fail"
    priorities: Mapping[str, int] = field(default_factory=dict)
