"""Scenarios, hedges and regimes over a portfolio under a pack, as answers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pandas as pd

from optimizer import (
    Book,
    CostModel,
    FactorModel,
    HedgeLimits,
    Instrument,
    PackfolioError,
    PolicyError,
    Scenario,
    advise,
    plan_factor_hedges,
)
from optimizer.model.sessions import periods_per_year
from optimizer.risk.regimes import Recommendation
from optimizer.risk.scenarios import find_scenario
from optimizer.risk.stresses import Stress
from resources.results.factor_models.recorded import with_others
from resources.results.risk_outputs import hedged, jumped, stressed
from resources.results.scenario_inputs import Exposed, read_exposed
from resources.settings.playbooks import REGIME_RULES, SCENARIOS, Playbooks
from service.answers.risk import (
    FactorHedgeAnswer,
    FactorHedgesAnswer,
    HedgeAnswer,
    HedgesAnswer,
    OrderAnswer,
    PositionStress,
    RecommendationAnswer,
    RegimeAnswer,
    ScenarioAnswer,
    Source,
    StressAnswer,
)
from service.desk import Desk, Loaded

ROUNDED = 1e-3  # standard deviations that rounding to whole shares may leave unsaid


def chosen_scenarios(
    books: Playbooks,
    scenario_ids: Sequence[str] | None,
    custom: Mapping[str, float] | None,
    factors: Mapping[str, float] | None = None,
) -> list[Scenario]:
    """The scenarios asked for, all when none is named; custom shocks, and returns of factors, are one more each.

    Raises PolicyError for a desk without scenarios.yaml, which also says what moves with what.
    """
    books.require(SCENARIOS)
    named = [find_scenario(books.scenarios, wanted) for wanted in scenario_ids or ()]
    if custom:
        named.append(Scenario("custom", "Custom shocks", custom))
    if factors:
        named.append(Scenario("custom_factors", "Custom returns of factors", {}, factors=factors))
    return named or list(books.scenarios.values())


def exposed(desk: Desk, loaded: Loaded, *, moved: bool = True) -> Exposed:
    """What scenarios need to know of a portfolio, and what is to be said of its pack; kept per pack.

    moved  as in `read_exposed`
    """
    books = desk.playbooks
    if moved:
        books.require(SCENARIOS)
    digest = desk.configuration.digest
    funds = desk.configuration.funds
    with desk.read() as reading:
        key = ("exposed", digest, loaded.pack.id, loaded.snapshot.portfolio_id, moved)
        found = reading.memory.keep(
            key, lambda: read_exposed(reading.con, loaded.pack, loaded.case, funds, books, moved=moved)
        )
    return replace(found, notes=(*loaded.notes, *found.notes))


def _place(book: Exposed) -> dict[str, Any]:
    return {
        "portfolio_id": book.case.snapshot.portfolio_id,
        "pricing_pack_id": book.pack.id,
        "asof_date": book.pack.as_of,
    }


def stress_answer(book: Exposed, scenarios: Sequence[Scenario]) -> StressAnswer:
    """The stress table, the worst first; of many scenarios those of factors that cannot be told are warned of."""
    shocks = [scenario for scenario in scenarios if not scenario.factors]
    results = stressed(book, shocks).each() if shocks else []
    untold = []
    for scenario in (one for one in scenarios if one.factors):
        try:
            results.append(jumped(book.values, book.model, scenario).stress)
        except PackfolioError as error:
            if len(scenarios) == 1:
                raise
            untold.append(str(error))
    results.sort(key=lambda found: (found.total, found.scenario.id))
    return StressAnswer(
        **_place(book),
        current_value=book.nav,
        scenarios=[_scenario_answer(book, result) for result in results],
        warnings=[*book.notes, *untold],
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
                source=_source(result, symbol, sources),
            )
            for symbol, profit in sorted(result.profits.items(), key=lambda item: (item[1], item[0]))
        ],
    )  # fmt: skip


def _source(result: Stress, symbol: str, sources: Mapping[str, str]) -> Source:
    if result.scenario.factors:
        return "factor_model"
    if symbol in result.replayed:
        return "replayed"
    return "declared" if sources[symbol] == "declared" else "history"


def hedges_answer(
    book: Exposed, scenario: Scenario, instruments: Sequence[Instrument], limits: HedgeLimits
) -> HedgesAnswer:
    """Hedges against a scenario."""
    if scenario.factors:
        answer = jumped(book.values, book.model, scenario)
    else:
        answer = hedged(book, scenario, instruments, limits)
    result, plan = answer.stress, answer.plan
    return HedgesAnswer(
        **_place(book),
        scenario_id=scenario.id,
        scenario_name=scenario.name,
        shocks=dict(result.moves),
        loss=plan.loss,
        loss_pct=100 * plan.loss / book.nav if book.nav else 0.0,
        loss_standard_error=result.standard_error,
        hedges=[
            _hedge_answer(book, row, hedge.cost) for row, hedge in zip(answer.rows, plan.hedges, strict=True)
        ],
        suggestions_count=len(plan.hedges),
        total_notional=sum(hedge.notional for hedge in plan.hedges),
        expected_offset=plan.offset,
        residual_loss=plan.residual,
        total_cost=plan.cost,
        total_cost_bps=1e4 * plan.cost / book.nav if book.nav else 0.0,
        warnings=[*book.notes, *plan.notes],
    )


def factor_hedges_answer(
    desk: Desk, book: Exposed, targets: Mapping[str, float], instruments: Sequence[Instrument]
) -> FactorHedgesAnswer:
    """Hedges that leave each named factor at most so much exposure.

    The model is that of the portfolio's names and lookback, whatever covariance its policy asks for.
    """
    model, nav = _covering(desk, book), book.nav
    if not book.values or nav <= 0:
        raise PolicyError(
            f"{book.case.snapshot.name} holds nothing in {book.pack.id}; there is nothing to hedge"
        )
    held = {symbol: value / nav for symbol, value in book.values.items()}
    units = {symbol: market.price / nav for symbol, market in book.markets.items()}
    usable = [one for one in instruments if one.symbol in units]
    funds = sorted({one.symbol for one in instruments if one.kind == "etf"})
    if funds and not {one.symbol for one in usable if one.kind == "etf"}:
        raise PolicyError(
            f"none of the funds in hedges.yaml ({', '.join(funds)}) has a price in {book.pack.id}: ingest prices of "
            "one, or add a fund that has them"
        )
    plan = plan_factor_hedges(model, held, targets, usable, units=units)
    spreads = {one.symbol: one.spread_bps for one in usable}
    hedges = [
        _factor_hedge(symbol, weight, nav, book.markets[symbol].price, spreads[symbol], model, targets)
        for symbol, weight in sorted(plan.weights.items(), key=lambda item: (-abs(item[1]), item[0]))
    ]
    missed = [
        f"{name} is left at {plan.after[name]:+.3f}, target {most:g}: hedges are whole shares"
        for name, most in targets.items()
        if abs(plan.after[name]) > most + ROUNDED
    ]
    cost = sum(hedge.estimated_cost for hedge in hedges)
    return FactorHedgesAnswer(
        **_place(book),
        targets=dict(targets),
        exposures_before=dict(plan.before),
        exposures_after=dict(plan.after),
        volatility_before_pct=100 * plan.volatility_before,
        volatility_after_pct=100 * plan.volatility_after,
        hedges=hedges,
        suggestions_count=len(hedges),
        total_notional=sum(hedge.notional for hedge in hedges),
        total_cost=cost,
        total_cost_bps=1e4 * cost / nav,
        warnings=[*book.notes, *plan.notes, *missed],
    )


def _covering(desk: Desk, book: Exposed) -> FactorModel:
    """The portfolio's factor model, with the hedging funds by the regression of their returns on its factors."""
    recipe = book.case.snapshot.recipe()
    with desk.read() as reading:
        model, returns = reading.factors(book.pack, recipe)
    return with_others(
        model,
        returns,
        book.prices,
        recipe.periods_per_year or periods_per_year(pd.DatetimeIndex(returns.index)),
    )


def _factor_hedge(
    symbol: str, weight: float, nav: float, price: float, spread_bps: float, model: FactorModel,
    targets: Mapping[str, float],
) -> FactorHedgeAnswer:  # fmt: skip
    notional = abs(weight) * nav
    added = weight * model.of((symbol,)).exposures[0]
    named = {name: float(added[model.factors.index(name)]) for name in targets}
    told = " and ".join(f"{name} by {change:+.3f}" for name, change in named.items())
    return FactorHedgeAnswer(
        instrument=symbol,
        action="BUY" if weight > 0 else "SELL",
        quantity=round(notional / price),
        notional=notional,
        estimated_cost=notional * spread_bps / 1e4,
        exposures=named,
        rationale=f"moves the exposure to {told}",
    )


def _hedge_answer(book: Exposed, row: Mapping[str, Any], cost: float) -> HedgeAnswer:
    return HedgeAnswer(**row, cost_bps=1e4 * cost / book.nav)


def regime_answer(desk: Desk, book: Exposed, regime: str) -> RegimeAnswer:
    """A regime's playbook applied to the portfolio."""
    case = book.case
    desk.playbooks.require(REGIME_RULES)
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
        CostModel.of(replace(case.inputs.policy, root_impact=0.0)),  # volumes of the instruments are not read
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
