"""Answers about risk: scenarios and their losses, hedges against them, and what a regime asks for."""

from datetime import date
from typing import Literal

from service.answers.answer import Answer, Money


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
