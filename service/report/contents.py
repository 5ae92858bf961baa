"""What a report shows: the pack's materialized rows, and what the service computes on top of them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from optimizer import ExposureType, PackfolioError, PolicyError
from resources.packs.packs import Pack
from resources.results.queries import backtest_of, notes_of, pack_details, rows, trades_of
from resources.settings.policy_grid import is_variant
from service.answers import FrontierAnswer, StressAnswer
from service.desk import Desk, Loaded, Reading
from service.frontier import frontier
from service.stresses import chosen_scenarios, exposed, stress_answer

Row = dict[str, Any]
Answered = TypeVar("Answered", FrontierAnswer, StressAnswer)


@dataclass(frozen=True)
class Section:
    """A portfolio in a report; rows are as their tables have them.

    exposures  type -> (now, target), fractions of NAV;  problem: why there are no trades
    frontier, stress  computed under the configuration of today; None where the portfolio has a problem
    left_out   "frontier", "stress" -> why it can not be computed
    backtest   strategy -> rows of date, nav, return, drawdown;  measures: strategy -> metric -> value
    attribution  breakdown -> {"part", effect: contribution}, of the policy, the largest first
    """

    name: str
    facts: Row
    weights: Sequence[Row]
    exposures: dict[str, tuple[float, float]]
    frontier: FrontierAnswer | None
    stress: StressAnswer | None
    left_out: dict[str, str]
    backtest: dict[str, list[Row]]
    backtest_pack: str | None
    measures: dict[str, dict[str, float]]
    attribution: dict[str, list[Row]]
    problem: str | None


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
        read = [_stored(reading, pack, row) for row in listed["portfolios"]]
        environment = _environment(reading, details["materializations"])
        findings = _findings(reading, pack)
        notes = notes_of(reading.con, pack)
        written = _written(reading, pack)
    sections = [
        _section(desk, pack, row, stored) for row, stored in zip(listed["portfolios"], read, strict=True)
    ]
    return Contents(details, sections, notes, findings, written, environment)


def _stored(reading: Reading, pack: Pack, row: Row) -> Row:
    """What only the warehouse knows of one portfolio."""
    con, key = reading.con, [pack.id, row["portfolio_id"]]
    weights = rows(
        con,
        "select symbol, weight, current_weight, lower, upper, risk_contribution, binding, simulated "
        "from latest_optimal_weights where pack_id = ? and portfolio_id = ? order by symbol",
        key,
    )
    amounts = rows(
        con,
        "select exposure_type, amount from latest_portfolio_exposures where pack_id = ? and portfolio_id = ? "
        "order by exposure_type",
        key,
    )
    tested = _tested_pack(reading, pack, row["portfolio_id"])
    days = rows(
        con,
        'select strategy, date, nav, "return", drawdown from latest_backtest_results '
        "where pack_id = ? and portfolio_id = ? order by strategy, date",
        [tested, row["portfolio_id"]],
    )
    backtest: dict[str, list[Row]] = {}
    for day in (day for day in days if not is_variant(day["strategy"])):
        backtest.setdefault(day["strategy"], []).append(day)
    told = backtest_of(con, tested, row["portfolio_id"]) if tested else {"portfolios": {}, "attribution": {}}
    return {
        "weights": weights, "exposures": {found["exposure_type"]: found["amount"] for found in amounts},
        "backtest": backtest, "backtest_pack": tested, "measures": told["portfolios"].get(row["name"], {}),
        "attribution": told["attribution"].get(row["name"], []),
    }  # fmt: skip


def _tested_pack(reading: Reading, pack: Pack, portfolio_id: str) -> str | None:
    """The newest pack up to this one with a backtest of the portfolio: backtests have a job of their own."""
    found = reading.con.execute(
        "select p.pack_id from pricing_packs p where p.verdict = 'fresh' and p.as_of <= ? and exists "
        "(select 1 from latest_backtest_results b where b.pack_id = p.pack_id and b.portfolio_id = ?) "
        "order by p.as_of desc, p.revision desc limit 1",
        [pack.as_of, portfolio_id],
    ).fetchall()
    return str(found[0][0]) if found else None


def _section(desk: Desk, pack: Pack, row: Row, stored: Row) -> Section:
    problem = row["problem"] or (None if row["result"] else "it was not computed")
    if not problem and row["result"]["status"] != "optimal":
        problem = row["result"]["reason"]
    loaded = None if row["problem"] else desk.case(pack.id, row["portfolio_id"])
    left_out: dict[str, str] = {}
    return Section(
        name=row["name"],
        facts=row,
        weights=stored["weights"],
        exposures=_exposures(loaded, stored["exposures"]),
        frontier=_tried("frontier", loaded, frontier, left_out),
        stress=_tried("stress", loaded, lambda found: _stress(desk, found), left_out),
        left_out=left_out,
        backtest=stored["backtest"],
        backtest_pack=stored["backtest_pack"],
        measures=stored["measures"],
        attribution=_attribution(stored["attribution"]),
        problem=problem,
    )


def _attribution(found: Sequence[Row]) -> dict[str, list[Row]]:
    told: dict[str, dict[str, Row]] = {}
    for row in found:
        if row["strategy"] == "policy":
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
    return stress_answer(exposed(desk, loaded), scenarios)


def _exposures(loaded: Loaded | None, target: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Of what is held and of the target, parents with their children as the table has them."""
    funds = loaded.case.inputs.universe.funds if loaded else None
    if loaded is None or funds is None:
        return {}
    case = loaded.case
    held = {symbol: weight for symbol, weight in case.portfolio.get_weights(case.prices).items() if weight}
    listed = funds.types(held)
    named = {*target, *(kind.name for kind in listed), *(up.name for kind in listed for up in kind.parents)}
    kinds = [kind for kind in ExposureType if kind.name in named]
    now = funds.matrix(held, kinds) @ np.array(list(held.values()))
    return {
        kind.name: (amount, target.get(kind.name, 0.0))
        for kind, amount in zip(kinds, now.tolist(), strict=True)
    }


def _findings(reading: Reading, pack: Pack) -> list[Row]:
    """Of each code how often it was found up to the pack, and the newest cases."""
    return rows(
        reading.con,
        "select code, severity, count(*) as cases, count(distinct symbol) as symbols, max(date) as newest, "
        "coalesce(max_by(message, date), max(message)) as message from check_findings where pack_id = $1 or "
        "(pack_id is null and materialization <= $2) group by code, severity order by severity, code",
        [pack.id, pack.watermark],
    )


def _written(reading: Reading, pack: Pack) -> list[Row]:
    return rows(
        reading.con,
        "with named as (select v.materialization, case count(*) when 1 then any_value(s.name) "
        "else count(*) || ' portfolios' end as portfolio from versions v join latest_portfolio_snapshots s "
        "using (pack_id, portfolio_id) where v.pack_id = $1 group by v.materialization) "
        "select m.id, m.asset, n.portfolio, m.rows, m.content_hash, m.config_hash, m.code_version, "
        'm."at", m.run_id, m.this_hash from materializations m left join named n on n.materialization = m.id '
        "where m.pack_id = $1 order by m.id",
        [pack.id],
    )


def _environment(reading: Reading, written: Sequence[Row]) -> Row:
    """Libraries, machine and commit of the last write of the pack."""
    if not written:
        raise PolicyError("the pack has no ledger rows; run `packfolio packs verify`")
    found = reading.con.execute(
        "select c.text from materializations m join configs c on c.config_hash = m.code_version where m.id = ?",
        [written[-1]["id"]],
    ).fetchall()
    return dict(json.loads(found[0][0])) if found else {}
