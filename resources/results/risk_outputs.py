"""What the service answers about trades, scenarios and regimes, as rows of their tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from optimizer import (
    DataError,
    ExposureType,
    FactorModel,
    HedgeLimits,
    Impact,
    Instrument,
    Scenario,
    stress_factors,
)
from optimizer.risk.hedges import Hedge, HedgePlan, Offers, plan_by
from optimizer.risk.scenarios import Stress, stress_each
from optimizer.trading.impact import NUMBERS
from resources.results.scenario_inputs import Exposed
from resources.results.stage_outputs import Answer, Columns


def impact_columns(change: Impact) -> Columns:
    """Rows of `impact`: the value in base currency, each number, and each exposure."""
    now, then = change.current, change.post
    rows: list[tuple[str, float, float]] = [("value", float(now.value), float(then.value))]
    rows += [(name, getattr(now, name), getattr(then, name)) for name in NUMBERS]
    kinds = [kind for kind in ExposureType if kind in now.exposures or kind in then.exposures]
    rows += [
        (f"exposure {kind.name}", now.exposures.get(kind, 0.0), then.exposures.get(kind, 0.0))
        for kind in kinds
    ]
    metric, current, post = zip(*rows, strict=True)
    delta = [after - before for before, after in zip(current, post, strict=True)]
    return {"metric": metric, "current": current, "post": post, "delta": delta}


NO_MODEL = (
    "the pack has no factor model for it: covariance_method: factor_model in its policy, or factor_model: on in "
    "pipeline.yaml"
)
BY_EXPOSURE = "A factor is hedged by its exposure: see the pattern suggest_factor_hedges"


@dataclass(frozen=True)
class Hedged:
    """One scenario over a portfolio, and the hedges against it."""

    stress: Stress
    plan: HedgePlan


def jumped(values: Mapping[str, float], model: FactorModel | None, scenario: Scenario) -> Hedged:
    """A scenario of factors over holdings; its hedges are asked for by exposure.

    Raises DataError where the pack has no factor model of the portfolio, PolicyError for a factor that it has not.
    """
    if model is None:
        raise DataError(f"scenario {scenario.id} shocks factors, and {NO_MODEL}")
    found = stress_factors(values, model, scenario)
    return Hedged(found, HedgePlan((), max(-found.total, 0.0), (BY_EXPOSURE,)))


def stressed(book: Exposed, scenarios: Sequence[Scenario]) -> list[Stress]:
    """Some scenarios of shocks over the portfolio; by its real returns where the pack has them."""
    replays = [book.replays.get(scenario.id) for scenario in scenarios]
    return stress_each(book.values, book.held, [*map(book.shock, scenarios)], replays)


def hedged(
    book: Exposed, scenarios: Sequence[Scenario], instruments: Sequence[Instrument], limits: HedgeLimits
) -> list[Hedged]:
    """Scenarios of shocks over the portfolio, each with its hedges: the `hedges` asset and the service call it."""
    return [
        Hedged(found, plan_by(_offers(book, found, instruments, limits), found, book.nav, limits))
        for found in stressed(book, scenarios)
    ]


def _offers(book: Exposed, found: Stress, instruments: Sequence[Instrument], limits: HedgeLimits) -> Offers:
    return book.offers(found.scenario, instruments, limits) if found.total < 0 else Offers()


def expiry(hedge: Hedge, as_of: date) -> date | None:
    """The last day of an option bought on a pack's date; None for a fund."""
    instrument = hedge.instrument
    return as_of + timedelta(days=instrument.expiry_days) if instrument.option_type else None


def rationale(hedge: Hedge, loss: float) -> str:
    """Why the hedge is in the plan."""
    instrument, option = hedge.instrument, hedge.instrument.option_type
    what = f"{instrument.symbol} {option.lower()} options" if option else instrument.symbol
    verb = "bought" if instrument.side == "BUY" else "sold short"
    return (
        f"{what} {verb} gain {hedge.quote.gain:.1%} of their notional under the scenario, which offsets "
        f"{hedge.offset / loss:.0%} of the loss (shocks to {', '.join(instrument.against)})"
    )


def hedge_columns(book: Exposed | None, answers: Sequence[Hedged]) -> Answer:
    """Rows of `scenario_losses`, one a scenario, and of `hedges`, one a hedge; none without a book."""
    losses = [
        {
            "scenario_id": found.stress.scenario.id, "profit": found.stress.total,
            "standard_error": found.stress.standard_error, "replayed": len(found.stress.replayed),
            "hedge_offset": found.plan.offset, "hedge_cost": found.plan.cost, "residual_loss": found.plan.residual,
            "note": "; ".join(found.plan.notes) or None,
        }
        for found in answers
    ]  # fmt: skip
    rows = [
        hedge_row(book, found, hedge) | {"sequence": place}
        for found in answers
        for place, hedge in enumerate(found.plan.hedges)
        if book is not None
    ]
    return {"scenario_losses": _columns(losses), "hedges": _columns(rows)}


def _columns(rows: Sequence[Mapping[str, object]]) -> Columns:
    """Rows with the same names in the same order, as columns."""
    cells = zip(*(row.values() for row in rows), strict=True)
    return dict(zip(rows[0], cells, strict=True)) if rows else {}


def hedge_row(book: Exposed, found: Hedged, hedge: Hedge) -> dict[str, object]:
    """One hedge under the names that the table and the service's answer share; money in base currency."""
    return {
        "scenario_id": found.stress.scenario.id,
        "instrument": hedge.instrument.symbol,
        "instrument_type": hedge.instrument.kind,
        "action": hedge.instrument.side,
        "option_type": hedge.instrument.option_type,
        "strike": hedge.quote.strike,
        "expiry": expiry(hedge, book.pack.as_of),
        "quantity": hedge.quantity,
        "notional": hedge.notional,
        "exposure": hedge.exposure,
        "hedge_ratio": hedge.hedge_ratio,
        "expected_offset": hedge.offset,
        "expected_offset_pct": 100 * hedge.offset / found.plan.loss,
        "standard_error": hedge.standard_error,
        "estimated_cost": hedge.cost,
        "rationale": rationale(hedge, found.plan.loss),
    }
