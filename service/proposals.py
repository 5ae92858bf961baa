"""Proposed trades, as answers."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from optimizer import Impact, Mandate, PolicyError, Proposal, Taxes, propose
from optimizer.model.portfolio import ZERO
from optimizer.proposals.proposal import orders_impact
from optimizer.solvers.hierarchy import PriorityLevel
from optimizer.trading.trade_list import LimitCheck, TradeRow
from resources.results.estimates.pack_estimates import Case
from resources.results.stage_outputs import as_json
from resources.settings.policies.limit_words import desk_warnings
from service.answers.proposals import (
    ConstraintAnswer,
    LevelAnswer,
    LotSaleAnswer,
    RebalanceAnswer,
    Shares,
    SolverAnswer,
    TradeAnswer,
)
from service.desk import Loaded

NAN = float("nan")
SCALED = "Trades scaled down to meet"
UNASKED = (
    "These are the trades of today; `rebalance`, which says when the daily run trades, is not asked here"
)


def proposed(loaded: Loaded, ratings: Mapping[str, float] | None) -> RebalanceAnswer:
    """Trades by the one composition that the pipeline runs; raises what `propose` raises."""
    case = loaded.case
    mandate = case.mandate if ratings is None else replace(case.mandate, ratings=_ratings(ratings, case))
    if not case.portfolio.positions and not case.portfolio.cash:
        return _nothing(loaded)
    policy, universe = case.inputs.policy, case.inputs.universe
    answer = propose(case.portfolio, case.prices, case.evidence, policy, universe, mandate, loaded.past)
    known = answer.beliefs.moments(case.evidence) if answer.beliefs else case.evidence
    # Of what is ordered alone: what is frozen stands in the list too, and is not estimated.
    orders = {order.symbol: (order.quantity, order.cost) for order in answer.trades.trades()}
    change = orders_impact(
        case.portfolio, case.prices, orders, case.evidence, policy, universe, mandate, (answer.beliefs, known)
    )
    return _rebalance(loaded, mandate, answer, change)


def _ratings(ratings: Mapping[str, float], case: Case) -> dict[str, float]:
    known = case.inputs.universe.symbols
    if strangers := sorted(set(ratings) - set(known)):
        raise PolicyError(
            f"ratings of {', '.join(strangers)}: not in the portfolio; it has {', '.join(known)}"
        )
    if wrong := {symbol: score for symbol, score in sorted(ratings.items()) if not 0 <= score <= 10}:
        raise PolicyError(f"ratings {wrong}: a score is a number from 0 to 10")
    return {symbol: float(score) for symbol, score in ratings.items()}


def _rebalance(loaded: Loaded, mandate: Mandate, answer: Proposal, change: Impact) -> RebalanceAnswer:
    case, trades, solution = loaded.case, answer.trades, answer.solution
    known = answer.beliefs is not None
    before, after, free = change.current, change.post, solution.unconstrained_turnover
    return RebalanceAnswer(
        **_head(loaded),
        method=solution.method,
        trades=[trade_answer(row, case, trades.taxes) for row in trades.rows],
        trade_count=len(trades.rows),
        total_turnover=trades.traded_value,
        turnover_pct=100 * trades.turnover_two_way,
        turnover_one_way_pct=100 * trades.turnover,
        turnover_without_limit_pct=None if free is None else 200 * free,
        estimated_costs=trades.costs,
        cost_bps=trades.cost_bps,
        current_value=trades.nav_before,
        post_rebalance_value=trades.nav_after,
        cash_before=trades.cash_before,
        cash_after=trades.cash_after,
        constraints_met=trades.constraints_met,
        constraints=[_constraint(check) for check in trades.constraints],
        warnings=[*dict.fromkeys([*loaded.notes, *_warnings(case, answer)])],
        current_volatility_pct=100 * before.volatility if known else NAN,
        post_volatility_pct=100 * after.volatility if known else NAN,
        current_sharpe=before.sharpe if known else NAN,
        post_sharpe=after.sharpe if known else NAN,
        te_current=100 * before.tracking_error if known else NAN,
        te_post=100 * after.tracking_error if known else NAN,
        policy_as_applied=as_json(case.inputs.policy),
        views_as_applied=[view.model_dump(mode="json") for view in case.snapshot.views_today],
        solver=SolverAnswer(
            lane=solution.lane, solver=solution.solver,
            primal_residual=solution.certificate.primal_residual, relative_gap=solution.certificate.relative_gap,
        ),
        levels=[_level(level) for level in solution.levels],
        **_totals(trades.taxes),
    )  # fmt: skip


def _level(level: PriorityLevel) -> LevelAnswer:
    gave = [LimitCheck(u.limit, u.bound, u.value, -abs(u.value - u.bound)) for u in level.gave]
    return LevelAnswer(
        priority=level.priority,
        gave=[_constraint(check) for check in gave],
        violation=level.violation,
        proven=level.proven,
        cost=level.cost,
        cost_bps=level.cost_bps,
    )


def _head(loaded: Loaded) -> dict[str, Any]:
    snapshot = loaded.snapshot
    return {
        "portfolio_id": snapshot.portfolio_id,
        "portfolio_name": snapshot.name,
        "pricing_pack_id": loaded.pack.id,
        "asof_date": loaded.pack.as_of,
        "base_currency": snapshot.base_currency,
    }


def _nothing(loaded: Loaded) -> RebalanceAnswer:
    """An empty portfolio: nothing to trade, which is no error."""
    return RebalanceAnswer(
        **_head(loaded), method=loaded.case.inputs.policy.method, trades=[], trade_count=0, total_turnover=ZERO,
        turnover_pct=0.0, turnover_one_way_pct=0.0, estimated_costs=ZERO, cost_bps=0.0, current_value=ZERO,
        post_rebalance_value=ZERO, cash_before=ZERO, cash_after=ZERO, constraints_met=True, constraints=[],
        warnings=[*loaded.notes, "No positions found"], current_volatility_pct=NAN, post_volatility_pct=NAN,
        current_sharpe=NAN, post_sharpe=NAN, te_current=NAN, te_post=NAN,
        policy_as_applied=as_json(loaded.case.inputs.policy),
    )  # fmt: skip


def _warnings(case: Case, answer: Proposal) -> list[str]:
    """The proposal's warnings; turnover in the policy's own measure, buys and sells."""
    free, limit = answer.solution.unconstrained_turnover, case.snapshot.policy.max_turnover_pct
    warnings = desk_warnings(answer.warnings, answer.solution, answer.trades.constraints)
    if (rules := case.snapshot.policy.rebalance) is not None:
        stop = f", and its do_not_trade holds: {rules.do_not_trade}" if rules.do_not_trade else ""
        warnings.append(f"{UNASKED}{stop}")
    if free is None or limit is None:
        return warnings
    said = f"{SCALED} {limit:.1f}% turnover limit"
    return [*(warning for warning in warnings if not warning.startswith(SCALED)), said]


def _constraint(check: LimitCheck) -> ConstraintAnswer:
    factor = 2.0 if check.constraint == "max_turnover" else 1.0
    return ConstraintAnswer(
        constraint=check.constraint,
        limit=factor * check.limit,
        achieved=factor * check.achieved,
        slack=factor * check.slack,
    )


def shares(quantity: Decimal) -> Shares:
    """Whole shares as an integer."""
    return int(quantity) if quantity == quantity.to_integral_value() else float(quantity)


def _totals(taxes: Taxes | None) -> dict[str, Any]:
    if taxes is None:
        return {}
    return {
        "short_term_gain": taxes.short_term_gain,
        "long_term_gain": taxes.long_term_gain,
        "estimated_tax": taxes.tax,
    }


def _sale(symbol: str, case: Case, taxes: Taxes | None) -> dict[str, Any]:
    """What a sale realises, lot by lot; nothing where no lots are known."""
    line = next((line for line in (taxes.lines if taxes else ()) if line.symbol == symbol), None)
    if line is None:
        return {}
    bought = {lot.lot_id: lot.acquired for lot in case.snapshot.holdings.lots[symbol]}
    lots = [
        LotSaleAnswer(
            lot_id=part.lot_id, acquired=bought[part.lot_id], quantity=shares(part.quantity),
            proceeds=part.proceeds, cost_basis=part.cost, gain=part.gain, long_term=part.long_term,
        )
        for part in line.disposal.realised
    ]  # fmt: skip
    return {
        "short_term_gain": line.disposal.short_term_gain,
        "long_term_gain": line.disposal.long_term_gain,
        "estimated_tax": line.tax,
        "lots": lots,
    }


def trade_answer(row: TradeRow, case: Case, taxes: Taxes | None = None) -> TradeAnswer:
    """One line as the seed names it."""
    return TradeAnswer(
        symbol=row.symbol,
        security_id=row.symbol,
        action=row.action,
        quantity=shares(row.quantity),
        current_shares=shares(row.current_quantity),
        target_shares=shares(row.target_quantity),
        current_weight_pct=100 * row.current_weight,
        target_weight_pct=100 * row.target_weight,
        achieved_weight_pct=100 * row.achieved_weight,
        current_price=row.price,
        trade_value=row.value,
        estimated_cost=row.cost,
        currency=case.inputs.currencies.get(row.symbol),
        simulated=row.symbol in case.inputs.simulated,
        rationale=row.rationale,
        **_sale(row.symbol, case, taxes),
    )
