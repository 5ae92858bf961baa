"""Scenarios, hedges and regimes over a portfolio under a pack, as answers."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from optimizer.costs import CostModel
from optimizer.errors import PolicyError
from optimizer.hedges import Hedge, HedgeLimits, HedgePlan, Instrument, plan_hedges
from optimizer.regimes import Book, Recommendation, advise
from optimizer.scenarios import Scenario, Stress, find_scenario, stress
from resources.playbooks import Playbooks
from service.answers import (
    HedgeAnswer,
    HedgesAnswer,
    OrderAnswer,
    PositionStress,
    RecommendationAnswer,
    RegimeAnswer,
    ScenarioAnswer,
    StressAnswer,
)
from service.desk import Desk
from service.exposed import Exposed


def chosen_scenarios(
    books: Playbooks, scenario_ids: Sequence[str] | None, custom: Mapping[str, float] | None
) -> list[Scenario]:
    """The scenarios asked for, all when none is named; custom shocks are one more."""
    named = [find_scenario(books.scenarios, wanted) for wanted in scenario_ids or ()]
    if custom:
        named.append(Scenario("custom", "Custom shocks", custom))
    return named or list(books.scenarios.values())


def stress_of(book: Exposed, scenario: Scenario) -> Stress:
    """One scenario over the portfolio."""
    return stress(book.values, book.sensitivities, scenario, book.replays.get(scenario.id))


def _place(book: Exposed) -> dict[str, Any]:
    return {
        "portfolio_id": book.loaded.snapshot.portfolio_id,
        "pricing_pack_id": book.loaded.pack.id,
        "asof_date": book.loaded.pack.as_of,
    }


def stress_answer(book: Exposed, scenarios: Sequence[Scenario]) -> StressAnswer:
    """The stress table, the worst first."""
    results = sorted(
        (stress_of(book, scenario) for scenario in scenarios), key=lambda r: (r.total, r.scenario.id)
    )
    return StressAnswer(
        **_place(book),
        current_value=book.nav,
        scenarios=[_scenario_answer(book, result) for result in results],
        warnings=list(book.notes),
    )


def _scenario_answer(book: Exposed, result: Stress) -> ScenarioAnswer:
    sources = dict(zip(book.sensitivities.symbols, book.sensitivities.sources, strict=True))
    return ScenarioAnswer(
        scenario_id=result.scenario.id,
        name=result.scenario.name,
        severity=result.scenario.severity,
        probability=result.scenario.probability,
        shocks=dict(result.moves),
        profit=result.total,
        profit_pct=100 * result.total / book.nav if book.nav else 0.0,
        standard_error=result.standard_error,
        by_factor=dict(result.by_factor),
        compounding=result.compounding,
        positions=[
            PositionStress(
                symbol=symbol, value=book.values[symbol], profit=profit,
                source="replayed" if symbol in result.replayed else sources[symbol],  # type: ignore[arg-type]
            )
            for symbol, profit in sorted(result.profits.items(), key=lambda item: (item[1], item[0]))
        ],
    )  # fmt: skip


def hedges_answer(
    book: Exposed, scenario: Scenario, instruments: Sequence[Instrument], limits: HedgeLimits
) -> HedgesAnswer:
    """Hedges against a scenario."""
    result = stress_of(book, scenario)
    plan = plan_hedges(result, book.nav, instruments, book.markets, book.sensitivities, limits)
    return HedgesAnswer(
        **_place(book),
        scenario_id=scenario.id,
        scenario_name=scenario.name,
        shocks=dict(result.moves),
        loss=plan.loss,
        loss_pct=100 * plan.loss / book.nav if book.nav else 0.0,
        loss_standard_error=result.standard_error,
        hedges=[_hedge_answer(book, plan, hedge) for hedge in plan.hedges],
        suggestions_count=len(plan.hedges),
        total_notional=sum(hedge.notional for hedge in plan.hedges),
        expected_offset=plan.offset,
        residual_loss=plan.residual,
        total_cost=plan.cost,
        total_cost_bps=1e4 * plan.cost / book.nav if book.nav else 0.0,
        warnings=[*book.notes, *plan.notes],
    )


def _hedge_answer(book: Exposed, plan: HedgePlan, hedge: Hedge) -> HedgeAnswer:
    instrument, option = hedge.instrument, hedge.instrument.option_type
    offset_pct = 100 * hedge.offset / plan.loss
    what = f"{hedge.instrument.symbol} {option.lower()} options" if option else hedge.instrument.symbol
    verb = "bought" if instrument.side == "BUY" else "sold short"
    return HedgeAnswer(
        instrument=instrument.symbol,
        instrument_type=instrument.kind,
        action=instrument.side,
        option_type=option,
        strike=hedge.quote.strike,
        expiry=book.loaded.pack.as_of + timedelta(days=instrument.expiry_days) if option else None,
        quantity=hedge.quantity,
        notional=hedge.notional,
        exposure=hedge.exposure,
        hedge_ratio=hedge.hedge_ratio,
        expected_offset=hedge.offset,
        expected_offset_pct=offset_pct,
        standard_error=hedge.standard_error,
        estimated_cost=hedge.cost,
        cost_bps=1e4 * hedge.cost / book.nav,
        rationale=(
            f"{what} {verb} gain {hedge.quote.gain:.1%} of their notional under the scenario, which offsets "
            f"{offset_pct:.0f}% of the loss (shocks to {', '.join(instrument.against)})"
        ),
    )


def regime_answer(desk: Desk, book: Exposed, regime: str) -> RegimeAnswer:
    """A regime's playbook applied to the portfolio."""
    case = book.loaded.case
    if regime not in desk.playbooks.regimes:
        raise PolicyError(f"there is no regime {regime!r}; there are {', '.join(desk.playbooks.regimes)}")
    prices = {**{s: market.price for s, market in book.markets.items()}, **case.prices}
    advised = advise(
        desk.playbooks.regimes,
        regime,
        Book(
            case.portfolio.values(case.prices),
            prices,
            case.portfolio.cash,
            case.inputs.universe.sectors,
            book.funds,
        ),
        CostModel.of(case.inputs.policy),
    )
    orders = [order for found in advised for order in found.orders]
    return RegimeAnswer(
        **_place(book),
        regime=regime,
        recommendations=[_recommendation(found) for found in advised],
        total_sold=sum((o.value for o in orders if o.action == "SELL"), Decimal(0)),
        total_bought=sum((o.value for o in orders if o.action == "BUY"), Decimal(0)),
        estimated_costs=sum((o.cost for o in orders), Decimal(0)),
        current_vol=book.volatility(book.values),
        post_vol=book.volatility(_after(book.values, advised)),
        warnings=[*book.notes, *(["No positions found"] if not book.values else [])],
    )


def _after(values: Mapping[str, float], advised: Sequence[Recommendation]) -> dict[str, float]:
    after = dict(values)
    for order in (order for found in advised for order in found.orders):
        signed = float(order.value) * (1 if order.action == "BUY" else -1)
        after[order.symbol] = after.get(order.symbol, 0.0) + signed
    return after


def _recommendation(found: Recommendation) -> RecommendationAnswer:
    advice = found.advice
    return RecommendationAnswer(
        action=advice.action,
        instruments=list(found.instruments),
        candidates=list(found.candidates),
        target_reduction_pct=100 * advice.target if advice.kind == "reduce" else None,
        target_allocation_pct=100 * advice.target if advice.kind == "raise" else None,
        current_pct=100 * found.current,
        wanted_pct=100 * found.wanted,
        achieved_pct=100 * found.achieved,
        trades=[
            OrderAnswer(
                symbol=o.symbol,
                action=o.action,
                quantity=o.quantity,
                trade_value=o.value,
                estimated_cost=o.cost,
            )
            for o in found.orders
        ],
        estimated_cost=found.cost,
        rationale=advice.rationale,
    )
