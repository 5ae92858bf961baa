"""What the service answers about trades, scenarios and regimes, as rows of their tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer import (
    DataError,
    FactorModel,
    HedgeLimits,
    Impact,
    Instrument,
    Scenario,
    stress_factors,
)
from optimizer.model.exposure_types import in_order
from optimizer.risk.hedge_plans import HedgePlan, Plans, plan_each
from optimizer.risk.hedges import Offers, Quote
from optimizer.risk.stresses import Stress, StressTable, stressed_by
from optimizer.trading.impact import NUMBERS
from resources.results.scenario_inputs import Exposed
from resources.results.stage_outputs import Answer, Columns


def impact_columns(change: Impact) -> Columns:
    """Rows of `impact`: the value in base currency, each number, and each exposure."""
    now, then = change.current, change.post
    rows: list[tuple[str, float, float]] = [("value", float(now.value), float(then.value))]
    rows += [(name, getattr(now, name), getattr(then, name)) for name in NUMBERS]
    kinds = in_order([*now.exposures, *then.exposures])
    rows += [
        (f"exposure {kind.name}", now.exposures.get(kind, 0.0), then.exposures.get(kind, 0.0))
        for kind in kinds
    ]
    metric, current, post = zip(*rows, strict=True)
    delta = [after - before for before, after in zip(current, post, strict=True)]
    return {"metric": metric, "current": current, "post": post, "delta": delta}


NOTHING = Offers()
NO_MODEL = (
    "the pack has no factor model for it: covariance_method: factor_model in its policy, or factor_model: on in "
    "pipeline.yaml"
)
BY_EXPOSURE = "A factor is hedged by its exposure: see the pattern suggest_factor_hedges"


@dataclass(frozen=True)
class Hedged:
    """One scenario over a portfolio, and the hedges against it, with what is told of each."""

    stress: Stress
    plan: HedgePlan
    rows: Sequence[Mapping[str, object]] = ()


def jumped(values: Mapping[str, float], model: FactorModel | None, scenario: Scenario) -> Hedged:
    """A scenario of factors over holdings; its hedges are asked for by exposure.

    Raises DataError where the pack has no factor model of the portfolio, PolicyError for a factor that it has not.
    """
    if model is None:
        raise DataError(f"scenario {scenario.id} shocks factors, and {NO_MODEL}")
    found = stress_factors(values, model, scenario)
    return Hedged(found, HedgePlan((), max(-found.total, 0.0), (BY_EXPOSURE,)))


def stressed(book: Exposed, scenarios: Sequence[Scenario]) -> StressTable:
    """Some scenarios of shocks over the portfolio, one at least; by its real returns where the pack has them."""
    replays = [book.replays.get(scenario.id) for scenario in scenarios]
    return stressed_by(book.values, book.held, book.shocks(scenarios), replays)


@dataclass(frozen=True, eq=False)
class Lost:
    """What some scenarios do to a book worth `nav`, for each what may hedge it, and what is said of instruments."""

    table: StressTable
    offers: Sequence[Offers]
    nav: float
    aged: Sequence[str] = ()


def lost(
    book: Exposed, scenarios: Sequence[Scenario], instruments: Sequence[Instrument], limits: HedgeLimits
) -> Lost:
    """Some scenarios of shocks over the portfolio, and the offers against those under which it loses."""
    table = stressed(book, scenarios)
    offers = [
        book.offers(scenario, instruments, limits) if profit < 0 else NOTHING
        for scenario, profit in zip(scenarios, table.totals.tolist(), strict=True)
    ]
    return Lost(table, offers, book.nav, book.aged)


def plans(books: Sequence[Lost], limits: HedgeLimits) -> Plans:
    """The hedges against each scenario of each book: a row each, scenarios of a book together."""
    offers = [offer for book in books for offer in book.offers]
    profits, causes = (
        np.concatenate([getattr(b.table, name) for b in books]) for name in ("totals", "causes")
    )
    navs = np.repeat([book.nav for book in books], [len(book.offers) for book in books])
    return plan_each(offers, profits, causes, navs, limits)


def hedged(
    book: Exposed, scenario: Scenario, instruments: Sequence[Instrument], limits: HedgeLimits
) -> Hedged:
    """A scenario of shocks over the portfolio, with its hedges."""
    found = lost(book, [scenario], instruments, limits)
    plan = plans([found], limits)
    rows = hedge_rows(plan, book.pack.as_of)
    cells = zip(*(told.tolist() for told in rows.values()), strict=True)
    return Hedged(found.table.each()[0], plan.plan(0), [dict(zip(rows, row, strict=True)) for row in cells])


def hedge_rows(found: Plans, as_of: date) -> dict[str, npt.NDArray[Any]]:
    """All hedges of some plans, by the names that table and service share; money in base currency."""
    own, offers = found.chosen, found.offers
    reasons = [_reason(instrument, quoted) for instrument, quoted, _ in offers]
    loss = found.loss[own.row]
    shares = np.array([f"{share:.0%}" for share in (own.offset / loss).tolist()], dtype=object)

    def of_offers(told: Iterable[object]) -> npt.NDArray[np.object_]:
        return np.array([*told], dtype=object)[own.offer]

    instruments = [instrument for instrument, _, _ in offers]
    return {
        "instrument": of_offers(one.symbol for one in instruments),
        "instrument_type": of_offers(one.kind for one in instruments),
        "action": of_offers(one.side for one in instruments),
        "option_type": of_offers(one.option_type for one in instruments),
        "strike": of_offers(quoted.strike for _, quoted, _ in offers),
        "expiry": of_offers(_expiry(one, as_of) for one in instruments),
        "quantity": own.quantity.astype(np.int64),
        "notional": own.notional,
        "exposure": own.notional / own.hedge_ratio,
        "hedge_ratio": own.hedge_ratio,
        "expected_offset": own.offset,
        "expected_offset_pct": 100 * own.offset / loss,
        "standard_error": own.standard_error,
        "estimated_cost": own.cost,
        "rationale": of_offers(before for before, _ in reasons)
        + shares
        + of_offers(after for _, after in reasons),
    }


def _expiry(instrument: Instrument, as_of: date) -> date | None:
    """The last day of an option bought on a pack's date; None for a fund."""
    return as_of + timedelta(days=instrument.expiry_days) if instrument.option_type else None


def _reason(instrument: Instrument, quoted: Quote) -> tuple[str, str]:
    """Why a hedge is in its plan, before and after the share of the loss that it offsets."""
    option = instrument.option_type
    what = f"{instrument.symbol} {option.lower()} options" if option else instrument.symbol
    verb = "bought" if instrument.side == "BUY" else "sold short"
    return (
        f"{what} {verb} gain {quoted.gain:.1%} of their notional under the scenario, which offsets ",
        f" of the loss (shocks to {', '.join(instrument.against)})",
    )


def hedge_columns(
    books: Sequence[Lost], scenarios: Sequence[Scenario], as_of: date, limits: HedgeLimits
) -> list[Answer]:
    """For each book its rows of `scenario_losses`, one a scenario, and of `hedges`, one a hedge."""
    found, count = plans(books, limits), len(scenarios)
    said = ["; ".join([*books[at // count].aged, *notes]) or None for at, notes in enumerate(found.notes)]
    ids = np.array([scenario.id for scenario in scenarios], dtype=object)
    losses: Columns = {
        "scenario_id": np.tile(ids, len(books)),
        "profit": np.concatenate([book.table.totals for book in books]),
        "standard_error": np.concatenate([book.table.errors for book in books]),
        "replayed": np.concatenate([book.table.replayed.sum(axis=1) for book in books]),
        "hedge_offset": found.offset,
        "hedge_cost": found.cost,
        "residual_loss": found.loss - found.offset,
        "note": np.array(said, dtype=object),
    }
    row = found.chosen.row
    hedges: Columns = {
        "scenario_id": ids[row % count],
        **hedge_rows(found, as_of),
        "sequence": np.arange(len(row)) - np.searchsorted(row, row),
    }
    ends = np.searchsorted(row, count * np.arange(len(books) + 1)).tolist()
    return [
        {
            "scenario_losses": {name: told[count * at : count * (at + 1)] for name, told in losses.items()},
            "hedges": {name: told[ends[at] : ends[at + 1]] for name, told in hedges.items()},
        }
        for at in range(len(books))
    ]


def with_jumps(answer: Answer, jumps: Sequence[Hedged]) -> Answer:
    """The rows of a portfolio with those of scenarios of factors after them."""
    losses = answer.get("scenario_losses", {})
    if jumps:
        stresses, plans = [found.stress for found in jumps], [found.plan for found in jumps]
        more: Columns = {
            "scenario_id": [stress.scenario.id for stress in stresses],
            "profit": [stress.total for stress in stresses],
            "standard_error": [stress.standard_error for stress in stresses],
            "replayed": [0 for _ in jumps],
            "hedge_offset": [plan.offset for plan in plans],
            "hedge_cost": [plan.cost for plan in plans],
            "residual_loss": [plan.residual for plan in plans],
            "note": ["; ".join(plan.notes) for plan in plans],
        }
        losses = {name: [*losses.get(name, ()), *told] for name, told in more.items()}
    return {"scenario_losses": losses, "hedges": answer.get("hedges", {})}
