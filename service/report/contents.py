"""What a report shows: the pack's materialized rows, and what the service computes on top of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from optimizer import DataError, ExposureType, PackfolioError
from optimizer.solvers.audit import Binding
from resources.packs.packs import Pack
from resources.results.attribution.summary import attribution_of
from resources.results.pack_notes import notes_of
from resources.results.queries import pack_details, trades_of
from service.answers.proposals import FrontierAnswer
from service.answers.risk import StressAnswer
from service.desk import Desk, Loaded
from service.frontier import frontier
from service.report.stored import Stored, environment, findings, stored, written
from service.report.track import OWN, Row
from service.stresses import chosen_scenarios, exposed, stress_answer

Answered = TypeVar("Answered")


@dataclass(frozen=True)
class Section:
    """A portfolio in a report; rows are as their tables have them.

    stored     what the warehouse has: weights, measures, the backtest and the book's own NAV
    exposures  type -> (now, target), fractions of NAV;  problem: why there are no trades
    frontier, stress  computed under the configuration of today; None where the portfolio has a problem
    left_out   "frontier", "stress", "backtest", "book" -> why it is not there
    attribution  breakdown -> {"part", effect: contribution}, of the policy, the largest first
    factors    risk and return by factor, as `attribution_of` tells them
    held       of a portfolio without trades: symbol, quantity, price, value, weight, the largest first
    """

    name: str
    facts: Row
    stored: Stored
    exposures: dict[str, tuple[float, float]]
    frontier: FrontierAnswer | None
    stress: StressAnswer | None
    left_out: dict[str, str]
    attribution: dict[str, list[Row]]
    factors: Row
    problem: str | None
    held: Sequence[Row] = ()

    @property
    def quiet(self) -> bool:
        """Whether it does not trade because it stands within its own rules: nothing is wrong."""
        return bool(self.facts["result"]) and self.facts["result"]["status"] == "no_trade"

    @property
    def warnings(self) -> list[str]:
        """Of the answer and of its whole shares; none of a portfolio without trades, whose reason says it."""
        told = () if self.problem else (self.facts["result"], self.facts["totals"])
        return [warning for said in told for warning in (said or {}).get("warnings") or []]

    @property
    def binding(self) -> list[str]:
        """The limits that bind and what relaxing each would do, turnover in buys and sales as in the reasons."""
        found = ((self.facts["result"] or {}).get("diagnostics") or {}).get("binding") or []
        return [Binding(**limit).told(two_way=True) for limit in found]

    @property
    def no_trades(self) -> str:
        """Why there are no trades, as a sentence; empty where there are."""
        said = self.problem or ""
        return said[:1].upper() + said[1:] if self.quiet or not said else f"No trades today: {said}"


@dataclass(frozen=True)
class Contents:
    """A report on a pack."""

    pack: Row
    sections: Sequence[Section]
    notes: Sequence[str]
    findings: Sequence[Row]
    materializations: Sequence[Row]
    environment: Row


def contents(desk: Desk, pack_id: str | None, portfolio: str | None) -> Contents:
    """Everything a report shows.

    pack_id    the newest fresh pack when left out;  portfolio: all when left out
    Raises UnknownPackError, PolicyError for an unknown portfolio, DataError for a rejected pack.
    """
    with desk.read() as reading:
        pack = reading.pack(pack_id) if pack_id else reading.newest()
        listed = trades_of(reading.con, pack.id, portfolio)
        details = pack_details(reading.con, pack.id)
        read = [stored(reading, pack, row) for row in listed["portfolios"]]
        factors = [attribution_of(reading.con, pack, row) for row in listed["portfolios"]]
        made_in = environment(reading, details["materializations"])
        found, notes, rows = findings(reading, pack), notes_of(reading.con, pack), written(reading, pack)
    sections = [
        _section(desk, pack, row, told, by_factor)
        for row, told, by_factor in zip(listed["portfolios"], read, factors, strict=True)
    ]
    return Contents(details, sections, notes, found, rows, made_in)


def _section(desk: Desk, pack: Pack, row: Row, told: Stored, factors: Row) -> Section:
    problem = row["problem"] or (None if row["result"] else "it was not computed")
    if not problem and row["result"]["status"] != "optimal":
        problem = row["result"]["reason"]
    left_out = dict(told.left_out)
    loaded = None if row["problem"] else _loaded(desk, pack, row, left_out)
    return Section(
        name=row["name"],
        facts=row,
        stored=told,
        exposures=_tried("exposures", loaded, lambda it: _exposures(it, dict(told.exposures)), left_out)
        or {},
        frontier=_tried("frontier", loaded, frontier, left_out),
        stress=_tried("stress", loaded, lambda found: _stress(desk, found), left_out),
        left_out=left_out,
        attribution=_attribution(told.attribution),
        factors=factors,
        problem=problem,
        held=_held(loaded) if problem and loaded else (),
    )


def _loaded(desk: Desk, pack: Pack, row: Row, left_out: dict[str, str]) -> Loaded | None:
    """What more is computed from; where it can not be read, the reason goes into `left_out`, and others are told."""
    try:
        return desk.case(pack.id, row["portfolio_id"])
    except PackfolioError as error:
        left_out |= dict.fromkeys(("exposures", "frontier", "stress"), str(error))
        return None


def _held(loaded: Loaded) -> list[Row]:
    case = loaded.case
    held = [
        (one.symbol, float(one.quantity), case.prices[one.symbol])
        for one in case.portfolio.positions.values()
    ]
    held += [(one.symbol, float(one.quantity), one.price * one.rate) for one in case.snapshot.frozen]
    rows = [
        {
            "symbol": symbol, "quantity": quantity, "price": price, "value": quantity * price,
            "weight": quantity * price / case.nav if case.nav > 0 else None,
        }
        for symbol, quantity, price in held
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-abs(row["value"]), row["symbol"]))


def _attribution(found: Sequence[Row]) -> dict[str, list[Row]]:
    told: dict[str, dict[str, Row]] = {}
    for row in found:
        if row["strategy"] == OWN:
            parts = told.setdefault(row["breakdown"], {})
            parts.setdefault(row["part"], {"part": row["part"]})[row["effect"]] = row["contribution"]
    return {kind: list(parts.values()) for kind, parts in told.items()}


def _tried(
    name: str, loaded: Loaded | None, compute: Callable[[Loaded], Answered], left_out: dict[str, str]
) -> Answered | None:
    """What is computed for a portfolio without a problem; where it can not be, the reason goes into `left_out`."""
    if loaded is None:
        return None
    try:
        return compute(loaded)
    except PackfolioError as error:
        left_out[name] = str(error)
        return None


def _stress(desk: Desk, loaded: Loaded) -> StressAnswer:
    scenarios = chosen_scenarios(desk.playbooks, None, None)
    found = stress_answer(exposed(desk, loaded), scenarios)
    if found.scenarios and not any(one.profit_pct for one in found.scenarios):
        raise DataError("nothing that it holds moves under a scenario")
    return found


def _exposures(loaded: Loaded, target: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Of what is held and of the target, by their words, parents with their children as the table has them.

    Raises DataError where nothing of it is known, PolicyError where the policy needs it to be.
    """
    case = loaded.case
    if (funds := case.inputs.universe.funds) is None:
        return {}
    held = {symbol: weight for symbol, weight in case.portfolio.get_weights(case.prices).items() if weight}
    listed = funds.types(held)
    named = {*target, *(kind.name for kind in listed), *(up.name for kind in listed for up in kind.parents)}
    kinds = [kind for kind in ExposureType if kind.name in named]
    if kinds == [ExposureType.UNKNOWN]:
        raise DataError("no exposure of what it holds is known; declare its funds in funds.yaml")
    now = funds.matrix(held, kinds) @ np.array(list(held.values()))
    return {
        kind.value.replace("_", " "): (amount, target.get(kind.name, 0.0))
        for kind, amount in zip(kinds, now.tolist(), strict=True)
    }
