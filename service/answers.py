"""The shapes of all answers: the one source of names for the service, the API, the screen and the docs.

`_pct` is 0-100, `_bps` basis points, everything else a fraction, rates per year; money is in the portfolio's base
currency, Decimal in Python and a number in JSON; NaN (not known) is null in JSON.
"""

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Money = Decimal
Shares = int | float


class Answer(BaseModel):
    """No unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LotSaleAnswer(Answer):
    """What a sale takes of one tax lot; the gain is before costs, negative for a loss."""

    lot_id: str
    acquired: date
    quantity: Shares
    proceeds: Money
    cost_basis: Money
    gain: Money
    long_term: bool


class TradeAnswer(Answer):
    """One line of a trade list; HOLD for a name that does not change. `quantity` is never negative.

    Gains, `estimated_tax` (negative for a saving) and `lots` are those of a sale, where the portfolio has tax lots.
    """

    symbol: str
    security_id: str
    action: Literal["BUY", "SELL", "HOLD"]
    quantity: Shares
    current_shares: Shares
    target_shares: Shares
    current_weight_pct: float
    target_weight_pct: float
    achieved_weight_pct: float
    current_price: Money
    trade_value: Money
    estimated_cost: Money
    currency: str
    simulated: bool
    rationale: str
    short_term_gain: Money | None = None
    long_term_gain: Money | None = None
    estimated_tax: Money | None = None
    lots: list[LotSaleAnswer] = []


class ConstraintAnswer(Answer):
    """One limit recomputed on the rounded trades; it holds when slack >= 0. Turnover counts buys and sells."""

    constraint: str
    limit: float
    achieved: float
    slack: float


class LevelAnswer(Answer):
    """What the limits of one priority gave, so that those before them hold, and what keeping them so far cost.

    gave       the limits that do not hold, at the weights before rounding; `slack` is negative by what each gave
    violation  the sum of what they gave, each / its bound;  proven: no portfolio that keeps what comes before has less
    cost       of the method's objective, in its unit;  cost_bps  in basis points, where it is a return or a risk
    """

    priority: int
    gave: list[ConstraintAnswer]
    violation: float
    proven: float
    cost: float
    cost_bps: float


class SolverAnswer(Answer):
    """How the weights were found, and what certifies them."""

    lane: str
    solver: str
    primal_residual: float
    relative_gap: float


class RebalanceAnswer(Answer):
    """The trades proposed, in execution order, and what they add up to.

    turnover_pct is buys + sells / value; turnover_one_way_pct is half of it. `_sharpe`, `_volatility_pct` and `te_`
    (tracking error, percent) are ex ante, on the believed returns. Gains and `estimated_tax` are of the sales, where
    the portfolio has tax lots; the tax is no part of `estimated_costs`.
    """

    portfolio_id: str
    portfolio_name: str
    pricing_pack_id: str
    asof_date: date
    base_currency: str
    method: str
    trades: list[TradeAnswer]
    trade_count: int
    total_turnover: Money
    turnover_pct: float
    turnover_one_way_pct: float
    estimated_costs: Money
    cost_bps: float
    current_value: Money
    post_rebalance_value: Money
    cash_before: Money
    cash_after: Money
    constraints_met: bool
    constraints: list[ConstraintAnswer]
    warnings: list[str]
    current_volatility_pct: float
    post_volatility_pct: float
    current_sharpe: float
    post_sharpe: float
    te_current: float
    te_post: float
    policy_as_applied: dict[str, Any]
    views_as_applied: list[dict[str, Any]] = []
    solver: SolverAnswer | None = None
    levels: list[LevelAnswer] = []
    short_term_gain: Money | None = None
    long_term_gain: Money | None = None
    estimated_tax: Money | None = None


class ImpactAnswer(Answer):
    """Both sides of some trades and the difference; fractions per year, concentration in percent."""

    portfolio_id: str
    pricing_pack_id: str
    asof_date: date
    current_value: Money
    post_rebalance_value: Money
    value_delta: Money
    estimated_costs: Money
    current_cash: float
    post_cash: float
    current_concentration_top10: float
    post_concentration_top10: float
    delta_concentration: float
    current_expected_return: float
    post_expected_return: float
    delta_expected_return: float
    current_vol: float
    post_vol: float
    delta_vol: float
    current_sharpe: float
    post_sharpe: float
    delta_sharpe: float
    current_max_dd: float
    post_max_dd: float
    delta_max_dd: float
    current_tracking_error: float
    post_tracking_error: float
    te_delta: float
    current_avg_quality: float
    post_avg_quality: float
    delta_avg_quality: float
    current_notional: float
    post_notional: float
    current_exposures: dict[str, float]
    post_exposures: dict[str, float]
    warnings: list[str]


class HedgeAnswer(Answer):
    """One hedge in whole shares or contracts.

    notional         of the underlying = hedge_ratio x exposure, where exposure would offset the whole loss that the
                     shocks it is meant for cause
    expected_offset  gain under the scenario;  expected_offset_pct  of the portfolio's loss
    """

    instrument: str
    instrument_type: Literal["etf", "option"]
    action: Literal["BUY", "SELL"]
    option_type: Literal["PUT", "CALL"] | None
    strike: float | None
    expiry: date | None
    quantity: int
    notional: float
    exposure: float
    hedge_ratio: float
    expected_offset: float
    expected_offset_pct: float
    standard_error: float
    estimated_cost: float
    cost_bps: float
    rationale: str


class HedgesAnswer(Answer):
    """Hedges against one scenario. `loss` and `residual_loss` are positive money; 0 when nothing is lost."""

    portfolio_id: str
    pricing_pack_id: str
    asof_date: date
    scenario_id: str
    scenario_name: str
    shocks: dict[str, float]
    loss: float
    loss_pct: float
    loss_standard_error: float
    hedges: list[HedgeAnswer]
    suggestions_count: int
    total_notional: float
    expected_offset: float
    residual_loss: float
    total_cost: float
    total_cost_bps: float
    warnings: list[str]


class FactorHedgeAnswer(Answer):
    """One hedge in whole shares; `exposures` is what it adds to each named factor."""

    instrument: str
    action: Literal["BUY", "SELL"]
    quantity: int
    notional: float
    estimated_cost: float
    exposures: dict[str, float]
    rationale: str


class FactorHedgesAnswer(Answer):
    """Hedges that bring exposures to factors, in standard deviations, down; volatilities in percent per year."""

    portfolio_id: str
    pricing_pack_id: str
    asof_date: date
    targets: dict[str, float]
    exposures_before: dict[str, float]
    exposures_after: dict[str, float]
    volatility_before_pct: float
    volatility_after_pct: float
    hedges: list[FactorHedgeAnswer]
    suggestions_count: int
    total_notional: float
    total_cost: float
    total_cost_bps: float
    warnings: list[str]


Source = Literal["history", "declared", "replayed", "factor_model"]


class PositionStress(Answer):
    """What one holding does under a scenario, and how that was priced."""

    symbol: str
    value: float
    profit: float
    source: Source


class ScenarioAnswer(Answer):
    """One scenario's effect; profits are negative for a loss. `by_factor` is to first order."""

    scenario_id: str
    name: str
    severity: str
    probability: float | None
    shocks: dict[str, float]
    profit: float
    profit_pct: float
    standard_error: float
    by_factor: dict[str, float]
    compounding: float
    positions: list[PositionStress]


class StressAnswer(Answer):
    """The stress table of a portfolio, the worst scenario first."""

    portfolio_id: str
    pricing_pack_id: str
    asof_date: date
    current_value: float
    scenarios: list[ScenarioAnswer]
    warnings: list[str]


class FrontierPoint(Answer):
    """One portfolio: fractions per year, and its weights."""

    volatility: float
    expected_return: float
    weights: dict[str, float]


class FrontierAnswer(Answer):
    """Portfolios of least volatility, by expected return; `current` is what is held, `proposed` what was asked of."""

    portfolio_id: str
    pricing_pack_id: str
    asof_date: date
    current: FrontierPoint | None
    proposed: FrontierPoint | None = None
    points: list[FrontierPoint]
    warnings: list[str]


class OrderAnswer(Answer):
    """A trade that follows a recommendation."""

    symbol: str
    action: Literal["BUY", "SELL", "HOLD"]
    quantity: int
    trade_value: Money
    estimated_cost: Money


class RecommendationAnswer(Answer):
    """One line of the regime's playbook, applied: of the two targets, the one that the playbook gives is there.

    instruments     what is held of it;  candidates  what could be bought, none of it held
    current_pct, wanted_pct, achieved_pct  exposure to it now, by the advice, and after `trades`, of the portfolio
    """

    action: str
    instruments: list[str]
    candidates: list[str]
    target_reduction_pct: float | None = None
    target_allocation_pct: float | None = None
    current_pct: float
    wanted_pct: float
    achieved_pct: float
    trades: list[OrderAnswer]
    estimated_cost: Money
    rationale: str


class RegimeAnswer(Answer):
    """What a regime asks of a portfolio, in the order in which it should be done."""

    portfolio_id: str
    pricing_pack_id: str
    asof_date: date
    regime: str
    recommendations: list[RecommendationAnswer]
    total_sold: Money
    total_bought: Money
    estimated_costs: Money
    current_vol: float
    post_vol: float
    warnings: list[str]


def as_dict(answer: Answer) -> dict[str, Any]:
    """The answer as the seed's dictionaries; a recommendation lacks the target it does not have."""
    found = answer.model_dump()
    for recommendation in found.get("recommendations", ()):
        for target in ("target_reduction_pct", "target_allocation_pct"):
            if recommendation[target] is None:
                del recommendation[target]
    return found


def plain(value: Any) -> Any:
    """A value as JSON has it: Decimal as a number, dates as text, NaN as null."""
    match value:
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case Decimal():
            return float(value)
        case date() | datetime():
            return value.isoformat()
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def as_json(answer: Answer) -> dict[str, Any]:
    """The answer as JSON values."""
    found: dict[str, Any] = plain(as_dict(answer))
    return found
