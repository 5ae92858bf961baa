"""Answers about proposals: trades with their costs and taxes, constraints, what the trades change, the frontier."""

from datetime import date
from typing import Any, Literal

from pydantic import Field

from service.answers.answer import Answer, Money

Shares = int | float


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
    currency: str | None
    simulated: bool
    rationale: str
    short_term_gain: Money | None = None
    long_term_gain: Money | None = None
    estimated_tax: Money | None = None
    lots: list[LotSaleAnswer] = Field(default_factory=list)


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

    turnover_pct is buys + sells / value; turnover_one_way_pct is half of it; turnover_without_limit_pct is what
    turnover_pct would be without its limit, where that binds. `_sharpe`, `_volatility_pct` and `te_` (tracking error,
    percent) are ex ante, on the believed returns. Gains and `estimated_tax` are of the sales, where the portfolio has
    tax lots; the tax is no part of `estimated_costs`.
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
    views_as_applied: list[dict[str, Any]] = Field(default_factory=list)
    solver: SolverAnswer | None = None
    levels: list[LevelAnswer] = Field(default_factory=list)
    turnover_without_limit_pct: float | None = None
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
