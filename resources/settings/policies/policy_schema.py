"""The policy as a desk writes it, in percent; the edge between YAML or JSON and `optimizer.model.policy.Policy`."""

import re
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from optimizer import BlackLittermanSettings, ExposureType, Horizon, Policy, PolicyError
from optimizer.errors import one_of
from optimizer.model.policies.checks import MOST_AVERSE
from optimizer.model.policies.horizon import MOST_STEPS
from optimizer.model.ranges import FIXED, YIELDING
from optimizer.tax.taxes import HarvestRule, check_method
from resources.settings.policies.rebalance_schema import RebalanceFile
from resources.settings.policies.tax_schema import HarvestFile, TaxFile
from resources.settings.policies.values import (
    Count,
    Most,
    Percent,
    PercentRange,
    Rate,
    RateRange,
    Share,
    ShareRange,
    Strict,
    in_fractions,
    no_fraction,
)

MAPPINGS = (
    "asset_limits_pct", "sector_limits_pct", "min_exposures_pct", "max_exposures_pct", "exposure_budgets_pct",
    "risk_budgets_pct", "priorities", "factor_limits", "active_factor_limits", "risk_share_limits_pct",
    "borrow_fees_pct", "margins_pct", "largest_limits_pct", "trade_limits_pct", "participation_limits_pct",
)  # fmt: skip
PAIRS = (
    "asset_limits_pct", "sector_limits_pct", "factor_limits", "active_factor_limits", "risk_share_limits_pct",
    "margins_pct",
)  # fmt: skip
EXPOSURES = ("exposure_budgets", "min_exposures", "max_exposures")
OWN_KEYS = {
    "max_weight": "max_single_position_pct", "commission": "commission_per_trade", "impact_bps": "market_impact_bps",
    "min_trade_value": "min_lot_value",
}  # fmt: skip

Size = Annotated[Percent, Field(ge=-100 * MOST_AVERSE, le=100 * MOST_AVERSE)]  # what `Policy` takes
Plain = Annotated[float, Field(ge=-MOST_AVERSE, le=MOST_AVERSE)]
Open = tuple[Plain | None, Plain | None]  # least and most in the unit of what is limited; None is open


class BlackLittermanFile(Strict):
    """How equilibrium and views become the posterior."""

    delta: Annotated[float, Field(gt=0)] | Literal["implied"] = 2.5
    tau: float = Field(default=0.05, gt=0)
    confidence: Literal["idzorek", "he_litterman"] = "idzorek"
    covariance: Literal["posterior", "sigma"] = "posterior"


class HorizonFile(Strict):
    """A plan of several steps, of which the first is traded; days are sessions."""

    steps: int = Field(default=10, ge=1, le=MOST_STEPS)
    step_days: Count = Field(default=5, ge=1)
    half_life_days: float | None = Field(default=None, gt=0)
    quadratic_cost: float = Field(default=0.0, ge=0)


class PolicyFile(Strict):
    """A policy: `_pct` is 0-100, `risk_free_rate` a fraction per year, costs in base currency and basis points.

    `max_turnover_pct` counts buys and sells: it is twice the one-way turnover. Without `lot_size` orders are whole
    shares, and backtests, which need not send any, trade fractions.
    """

    method: str = "mean_variance"
    risk_aversion: float = Field(default=2.5, gt=0)
    risk_free_rate: float | None = Field(default=None, gt=-0.5, lt=1)
    target_volatility_pct: Most | None = Field(default=None, gt=0)
    exposure_budgets_pct: dict[str, Share] = Field(default_factory=dict)
    mean_doubt: float = Field(default=0.0, ge=0, le=10)
    mean_doubt_shape: Literal["diagonal", "full"] = "diagonal"
    tail_level: float = Field(default=0.95, ge=0.5, lt=1)
    return_threshold: float = Field(default=0.0, gt=-0.5, lt=1)
    wasserstein_radius: float = Field(default=0.001, ge=0, le=1)
    l2_penalty: float = Field(default=0.0, ge=0, le=MOST_AVERSE)
    borrow_fee_pct: Most = Field(default=0.0, ge=0)
    borrow_fees_pct: dict[str, Share] = Field(default_factory=dict)

    lookback_days: Count = Field(default=252, ge=2)
    mean_method: str = "historical"
    covariance_method: str = "ledoit_wolf"
    on_gaps: Literal["exclude", "pairwise", "keep"] = "exclude"
    view_model: Literal["black_litterman", "entropy_pooling"] = "black_litterman"
    returns: Literal["posterior", "factor_premia", "own_alpha"] = "posterior"
    black_litterman: BlackLittermanFile = BlackLittermanFile()

    min_quality_score: float | None = Field(default=None, ge=0, le=10)
    long_only: bool = True
    max_single_position_pct: Most | None = Field(default=None, gt=0)
    min_position_pct: Percent | None = Field(default=None, ge=0, le=100)
    max_holdings: Count | None = Field(default=None, ge=1)
    no_trade_band_pct: Percent | None = Field(default=None, ge=0, lt=100)
    largest_limits_pct: dict[Count, Annotated[Most, Field(gt=0)]] = Field(default_factory=dict)
    large_holdings_pct: tuple[Percent, Percent] | None = None
    do_not_buy: dict[str, str] = Field(default_factory=dict)
    do_not_sell: dict[str, str] = Field(default_factory=dict)
    do_not_trade: dict[str, str] = Field(default_factory=dict)
    max_trade_pct: Size | None = Field(default=None, ge=0)
    trade_limits_pct: dict[str, Annotated[Size, Field(ge=0)]] = Field(default_factory=dict)
    asset_limits_pct: dict[str, RateRange] = Field(default_factory=dict)
    max_sector_pct: Most | None = Field(default=None, gt=0)
    sector_limits_pct: dict[str, RateRange] = Field(default_factory=dict)
    min_exposures_pct: dict[str, Size] = Field(default_factory=dict)
    max_exposures_pct: dict[str, Size] = Field(default_factory=dict)
    max_notional_pct: Most | None = Field(default=None, gt=0)
    max_gross_pct: Most | None = Field(default=None, gt=0)
    max_margin_pct: Most | None = Field(default=None, gt=0)
    long_margin_pct: Most = Field(default=50.0, ge=0)
    short_margin_pct: Most = Field(default=50.0, ge=0)
    margins_pct: dict[str, ShareRange] = Field(default_factory=dict)
    net_limits_pct: RateRange | None = None
    beta_limits: Open | None = None
    factor_limits: dict[str, Open] = Field(default_factory=dict)
    active_factor_limits: dict[str, Open] = Field(default_factory=dict)
    max_risk_share_pct: Most | None = Field(default=None, gt=0)
    risk_share_limits_pct: dict[str, RateRange] = Field(default_factory=dict)
    limits: tuple[str, ...] = ()
    risk_budgets_pct: dict[str, Share] = Field(default_factory=dict)
    cash_min_pct: Rate = 0.0
    cash_max_pct: Rate = 0.0
    max_turnover_pct: Percent | None = Field(default=None, ge=0, le=2000)
    max_tracking_error_pct: Most | None = Field(default=None, gt=0)
    max_volatility_pct: Most | None = Field(default=None, gt=0)
    min_return_pct: Rate | None = None

    commission_per_trade: float = Field(default=5.0, ge=0)
    market_impact_bps: float = Field(default=15.0, ge=0)
    commission_per_share: float = Field(default=0.0, ge=0)
    buy_tax_bps: float = Field(default=0.0, ge=0)
    sell_tax_bps: float = Field(default=0.0, ge=0)
    root_impact: float = Field(default=0.0, ge=0, le=10)
    max_participation_pct: Percent | None = Field(default=None, gt=0, le=100)
    participation_limits_pct: dict[str, Annotated[Percent, Field(gt=0, le=100)]] = Field(default_factory=dict)
    lot_size: float | None = Field(default=None, ge=1e-18, le=1e15)
    min_lot_value: float = Field(default=0.0, ge=0)
    rounding: Literal["tracking_error", "money"] = "tracking_error"
    cost_horizon_years: float | None = Field(default=None, gt=0)
    horizon: HorizonFile | None = None
    tax: TaxFile | None = None
    harvest: HarvestFile | None = None
    on_conflict: Literal["fail", "transition"] = "transition"
    forced_cash: Literal["fail", "hold"] = "hold"
    on_missing_price: Literal["freeze", "block"] = "block"
    on_short_history: Literal["freeze", "equal_weight"] = "equal_weight"
    priorities: dict[str, Annotated[int, Field(ge=0, le=9)]] = Field(default_factory=dict)
    rebalance: RebalanceFile | None = None

    @field_validator(
        "max_single_position_pct", "max_sector_pct", "max_turnover_pct", "max_notional_pct", "max_gross_pct",
        "max_trade_pct", "max_risk_share_pct", "max_margin_pct",
        "target_volatility_pct",
        "max_volatility_pct",
    )  # fmt: skip
    @classmethod
    def percent_not_fraction(cls, value: float | None) -> float | None:
        """Refuses a cap in (0, 1): percent was asked for, a fraction probably meant."""
        no_fraction(value)
        return value

    @field_validator("method", "mean_method", "covariance_method")
    @classmethod
    def known_methods(cls, name: str, info: ValidationInfo) -> str:
        """Refuses a method that does not exist, with the nearest one that does."""
        from optimizer.beliefs.estimators.recipes import COVARIANCES, MEANS
        from optimizer.problem.methods import METHODS

        known = {"method": METHODS, "mean_method": MEANS, "covariance_method": COVARIANCES}
        valid = sorted(known[str(info.field_name)])
        if name not in valid:
            raise ValueError(f"{name!r} does not exist; {one_of(name, valid)}")
        return name

    @model_validator(mode="after")
    def pairwise_methods(self) -> "PolicyFile":
        """Refuses pairwise estimates by a method that needs every name on every date."""
        from optimizer.beliefs.estimators.recipes import PAIRWISE

        told = {key: able for key, able in PAIRWISE.items() if getattr(self, key) != able}
        if self.on_gaps == "pairwise" and told:
            needed = " and ".join(f"{key}: {able}" for key, able in told.items())
            raise ValueError(f"on_gaps: pairwise needs {needed}; set that too, or on_gaps: exclude or keep")
        return self

    @field_validator(*MAPPINGS, mode="before")
    @classmethod
    def nothing_is_empty(cls, value: Any) -> Any:
        """A key without a value, and an exposure whose limit is null, are no limit."""
        if isinstance(value, dict):
            return {key: limit for key, limit in value.items() if limit is not None}
        return {} if value is None else value

    @field_validator(*PAIRS, mode="before")
    @classmethod
    def pairs(cls, value: Any) -> Any:
        """YAML has lists where a pair belongs."""
        if isinstance(value, dict):
            return {key: tuple(pair) if isinstance(pair, list) else pair for key, pair in value.items()}
        return value

    @field_validator("largest_limits_pct", mode="before")
    @classmethod
    def counts(cls, value: Any) -> Any:
        """JSON has text where a number of names belongs."""
        if isinstance(value, dict):
            return {int(k) if isinstance(k, str) and k.isdecimal() else k: most for k, most in value.items()}
        return value

    @field_validator("do_not_buy", "do_not_sell", "do_not_trade", mode="before")
    @classmethod
    def reasons(cls, value: Any) -> Any:
        """A list of symbols gives no reasons, nor does a symbol without a value; a key without one is no limit."""
        if isinstance(value, dict):
            return {symbol: "" if why is None else why for symbol, why in value.items()}
        if not (value is None or isinstance(value, list | tuple)):
            raise ValueError("must be symbols, [AAPL], or symbols with reasons, {AAPL: results are due}")
        return dict.fromkeys(value or (), "")

    @field_validator("net_limits_pct", "large_holdings_pct", "beta_limits", "limits", mode="before")
    @classmethod
    def tuples(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML has lists where a pair or several belong; one line of text, or none, stands for as many."""
        if info.field_name == "limits" and (value is None or isinstance(value, str)):
            return () if value is None else (value,)
        return tuple(value) if isinstance(value, list) else value

    @field_validator("asset_limits_pct", "sector_limits_pct", "risk_share_limits_pct", "max_exposures_pct")
    @classmethod
    def caps_in_percent(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Refuses a cap in (0, 1) of any name, sector or exposure; a floor may be as small."""
        for name, cap in value.items():
            no_fraction(cap[1] if isinstance(cap, tuple) else cap, f"the cap of {name} ")
        return value

    @field_validator("net_limits_pct")
    @classmethod
    def net_in_percent(cls, value: PercentRange | None) -> PercentRange | None:
        """Refuses an upper limit in (0, 1)."""
        no_fraction(None if value is None else value[1])
        return value

    @field_validator("large_holdings_pct", "largest_limits_pct", "trade_limits_pct")
    @classmethod
    def sums_in_percent(cls, value: Any) -> Any:
        """Refuses a sum or trade in (0, 1)."""
        for most in value.values() if isinstance(value, dict) else value or ():
            no_fraction(most)
        return value

    @field_validator("min_exposures_pct", "max_exposures_pct", "exposure_budgets_pct")
    @classmethod
    def known_exposures(cls, value: dict[str, float]) -> dict[str, float]:
        """Refuses an exposure type that does not exist."""
        for name in value:
            ExposureType.parse(name)
        return value

    @model_validator(mode="after")
    def limits_hold_together(self) -> "PolicyFile":
        """Refuses what `Policy` refuses: crossed or impossible limits; and a harvest that no lots are sold for."""
        try:
            self.to_policy()
        except PolicyError as error:
            raise ValueError(in_file_words(str(error))) from None
        if self.harvest is not None:
            if self.tax is None:
                raise ValueError("harvest needs tax: its rates and a method, hifo or min_tax")
            check_method(self.tax.method, harvests=True)
            HarvestRule(self.harvest.substitutes)
        return self

    @property
    def shares_in_a_lot(self) -> float:
        """What orders are whole numbers of."""
        return 1.0 if self.lot_size is None else self.lot_size

    def to_policy(self) -> Policy:
        """The same policy in fractions: the numbers of a key in `_pct`, and of those alone, are divided by 100."""
        same: dict[str, Any] = {}
        for name, key in FILED.items():
            value = getattr(self, key)
            same[name] = in_fractions(value) if key.endswith("_pct") else value
        own = {
            "max_turnover": None if self.max_turnover_pct is None else self.max_turnover_pct / 200,
            "black_litterman": BlackLittermanSettings(**self.black_litterman.model_dump()),
            "horizon": None if self.horizon is None else Horizon(**self.horizon.model_dump()),
            "priorities": {field_of(key): level for key, level in self.priorities.items()},
        }
        exposures = {
            name: {ExposureType.parse(kind): amount for kind, amount in same[name].items()}
            for name in EXPOSURES
        }
        return Policy(**(same | own | exposures))


def key_of(field: str) -> str:
    """What a field of `Policy` is called in a file; any other name as it is."""
    key = OWN_KEYS.get(field, f"{field}_pct")
    return key if key in PolicyFile.model_fields else field


FILED = {item.name: key for item in fields(Policy) if (key := key_of(item.name)) in PolicyFile.model_fields}


def in_file_words(said: str) -> str:
    """What `Policy` says, its fields called as in a file; `max_sector Energy` is one limit, and called so in both."""
    return FIELD.sub(lambda found: key_of(found[0]), said)


def field_of(key: str) -> str:
    """The field of `Policy` that a key of a file fills; any other name, as of one limit or a line, as it is."""
    named = {key_of(field): field for field in (*YIELDING, *FIXED)}
    return named.get(key, key)


FIELD = re.compile(rf"\b({'|'.join(item.name for item in fields(Policy))})\b(?! [A-Z\"])")
