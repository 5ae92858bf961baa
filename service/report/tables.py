"""A report as tables, for files that are made of them: numbers stay numbers, each column has a form."""

from collections.abc import Iterator, Sequence

import pandas as pd

from resources.results.measure_text import GROUPS, measure_form, part_name
from service.report.contents import Contents, Section
from service.report.factor_tables import factor_tables
from service.report.figures import held_most
from service.report.table import BY_ROW, Table
from service.report.track import LEVELS, Track

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def tables(report: Contents) -> list[Table]:
    """Every table of a report; those of several portfolios have a column that names them, empty ones are left out."""
    made: dict[str, list[tuple[str, Table]]] = {}
    for section in report.sections:
        for table in section_tables(section):
            made.setdefault(table.title, []).append((section.name, table))
    told = [_facts(report), *(_joined(parts) for parts in made.values()), *of_the_pack(report)]
    return [table for table in told if table.rows]


def _joined(parts: Sequence[tuple[str, Table]]) -> Table:
    """One table of the portfolios' tables of one title; a column that one lacks is empty there."""
    columns = {"portfolio": "text"}
    for _, table in parts:
        columns |= {name: form for name, form in table.columns.items() if name not in columns}
    rows, forms = [], []
    for portfolio, table in parts:
        places = {name: place for place, name in enumerate(table.columns)}
        for number, row in enumerate(table.rows):
            cells = [row[places[name]] if name in places else None for name in list(columns)[1:]]
            rows.append([portfolio, *cells])
            forms += [table.forms[number]] if table.forms else []
    return Table(parts[0][1].title, columns, rows, forms)


def _facts(report: Contents) -> Table:
    pack, head = report.pack, report.materializations[-1]
    told = {
        "pack": pack["pack_id"], "as of": pack["as_of"], "verdict": pack["verdict"], "symbols": pack["symbols"],
        "content hash": pack["content_hash"], "ledger row": head["id"], "ledger hash": head["this_hash"],
        "configuration": head["config_hash"], "code": head["code_version"],
    }  # fmt: skip
    notes = [["note", note] for note in report.notes]
    forms = [{"as of": "date", "symbols": "count", "ledger row": "count"}.get(what, "text") for what in told]
    rows = [*map(list, told.items()), *notes]
    return Table("Pack", {"what": "text", "value": BY_ROW}, rows, [*forms, *["text"] * len(notes)])


def of_the_pack(report: Contents) -> list[Table]:
    """Data quality, and every write."""
    found = [
        [f[name] for name in ("severity", "code", "cases", "symbols", "newest", "message")]
        for f in report.findings
    ]
    written = [
        [row["id"], row["asset"], row["portfolio"], row["rows"], row["content_hash"], f"{row['at']:%Y-%m-%d %H:%M:%S}",
         row["run_id"]]
        for row in report.materializations
    ]  # fmt: skip
    return [
        Table(
            "Data quality",
            {"severity": "text", "code": "text", "cases": "count", "symbols": "count", "newest": "date",
             "message": "text"},
            found,
        ),
        Table(
            "Provenance",
            {"ledger row": "count", "table": "text", "portfolio": "text", "rows": "count", "content hash": "text",
             "at (UTC)": "text", "run": "text"},
            written,
        ),
    ]  # fmt: skip


def section_tables(section: Section) -> Iterator[Table]:
    """Those of one portfolio, those of today first."""
    yield from _today(section)
    for name, told in (("Backtest", section.stored.backtest), ("Book", section.stored.book)):
        if told:
            yield from track_tables(name, told)
    yield Table(
        "Attribution",
        {"breakdown": "text", "part": "text", "total": "percent", "allocation": "percent", "selection": "percent",
         "interaction": "percent"},
        [[kind, part_name(row["part"], kind),
          *(row.get(effect) for effect in ("total", "allocation", "selection", "interaction"))]
         for kind, rows in section.attribution.items() for row in rows],
    )  # fmt: skip
    yield from factor_tables(section.factors)
    yield Table("Left out", {"part": "text", "reason": "text"}, list(_left_out(section)))


def _left_out(section: Section) -> Iterator[list[str]]:
    if section.problem:
        yield ["trades", section.problem]
    yield from ([part, reason] for part, reason in section.left_out.items())
    yield from ([f"factors: {part}", reason] for part, reason in section.factors["left_out"].items())
    yield from ([f"factor {row['factors']}", row["note"]] for row in section.factors["missing"])
    for name, told in (("backtest", section.stored.backtest), ("book", section.stored.book)):
        if told:
            yield from ([f"{name}: {part}", reason] for part, reason in told.left_out.items())


SUMMARY = (
    ("mode", "mode", "text"), ("base_currency", "currency", "text"), ("method", "method", "text"),
    ("expected_return", "expected return", "percent"), ("volatility", "volatility", "percent"),
    ("sharpe", "Sharpe", "ratio"), ("notional", "notional", "percent"), ("nav_before", "NAV", "money"),
    ("nav_after", "NAV after the trades", "money"), ("bought", "bought", "money"), ("sold", "sold", "money"),
    ("costs", "costs", "money"), ("cost_bps", "costs, bps of the NAV", "ratio"),
    ("turnover", "turnover, one-way", "percent"), ("cash_after", "cash after the trades", "money"),
    ("short_term_gain", "realised short-term", "money"), ("long_term_gain", "realised long-term", "money"),
    ("tax", "estimated tax, not in the costs", "money"),
)  # fmt: skip


def _today(section: Section) -> Iterator[Table]:
    result = section.facts["result"] or {}
    totals = section.facts["totals"] or {}
    kept = {**section.facts, **result, "turnover": None, **totals}  # that of whole shares
    shown = [(words, kept[name], form) for name, words, form in SUMMARY if kept.get(name) is not None]
    yield Table(
        "Summary",
        {"what": "text", "value": BY_ROW},
        [[name, value] for name, value, _ in shown],
        [form for *_, form in shown],
    )
    yield Table("Warnings", {"warning": "text"}, [[warning] for warning in section.warnings])
    yield from _lists(section)
    yield Table("Limits that bind", {"limit": "text"}, [[limit] for limit in section.binding])
    yield Table(
        "Exposures", {"exposure": "text", "now": "percent", "target": "percent"},
        [[name, *pair] for name, pair in section.exposures.items()],
    )  # fmt: skip
    points = section.frontier.points if section.frontier else []
    yield Table(
        "Frontier", {"volatility": "percent", "expected return": "percent"},
        [[point.volatility, point.expected_return] for point in points],
    )  # fmt: skip
    stress = section.stress
    share = 1 / stress.current_value if stress and stress.current_value else 0.0
    yield Table(
        "Scenarios", {"scenario": "text", "profit": "percent", "standard error": "percent"},
        [[found.name, found.profit_pct / 100, found.standard_error * share]
         for found in (stress.scenarios if stress else [])],
    )  # fmt: skip


def _lists(section: Section) -> Iterator[Table]:
    """Orders, how long they take, and weights."""
    columns = {
        "action": "text", "symbol": "text", "quantity": "shares", "price": "money", "value": "money", "cost": "money",
        "current_weight": "percent", "target_weight": "percent", "achieved_weight": "percent", "rationale": "text",
    }  # fmt: skip
    yield Table("Trades", columns, [[trade[name] for name in columns] for trade in section.facts["trades"]])
    columns = {
        "symbol": "text", "lot_id": "text", "acquired": "date", "quantity": "shares", "proceeds": "money",
        "cost_basis": "money", "gain": "money", "long_term": "text",
    }  # fmt: skip
    sales = [{**lot, "long_term": "yes" if lot["long_term"] else "no"} for lot in section.facts["lot_sales"]]
    yield Table("Tax lots", columns, [[lot[name] for name in columns] for lot in sales])
    columns = {
        "symbol": "text",
        "quantity": "shares",
        "price": "money",
        "value": "money",
        "weight": "percent",
    }
    yield Table("Held", columns, [[row[name] for name in columns] for row in section.held])
    columns = {
        "symbol": "text", "day": "count", "action": "text", "quantity": "shares", "left_quantity": "shares",
        "participation": "percent", "remaining_risk": "percent",
    }  # fmt: skip
    schedule = section.facts["trade_schedule"]
    yield Table("Days to trade", columns, [[row[name] for name in columns] for row in schedule])
    columns = {
        "symbol": "text", "current_weight": "percent", "weight": "percent", "lower": "percent", "upper": "percent",
        "risk_contribution": "percent", "binding": "text",
    }  # fmt: skip
    yield Table("Weights", columns, [[row[name] for name in columns] for row in section.stored.weights])


def track_tables(prefix: str, told: Track) -> Iterator[Table]:
    """Those of a history: each title begins with `prefix`."""
    names = told.strategies
    lines = [
        (group, metric, values) for group, metrics in told.measures.items() for metric, values in metrics.items()
    ]  # fmt: skip
    yield Table(
        f"{prefix} measures",
        {"group": "text", "measure": "text", **dict.fromkeys(names, BY_ROW), "what it says": "text"},
        [
            [group, GROUPS[group][metric][0], *(values.get(name) for name in names), GROUPS[group][metric][1]]
            for group, metric, values in lines
        ],
        [measure_form(metric) for _, metric, _ in lines],
    )
    yield Table(
        f"{prefix} falls",
        {"strategy": "text", "depth": "percent", "peak": "date", "lowest": "date", "made good": "date",
         "days": "count"},
        [[name, f.depth, f.peak, f.trough, f.recovered, f.days] for name in names for f in told.worst[name]],
    )  # fmt: skip
    yield Table(
        f"{prefix} months",
        {"strategy": "text", "year": "text", **dict.fromkeys((*MONTHS, "whole year"), "percent")},
        [[name, str(row.Index), *row[1:]] for name in names for row in told.months[name].itertuples()],
    )  # fmt: skip
    yield Table(
        f"{prefix} trailing", {"up to the last day": "text", **dict.fromkeys(names, "percent")},
        [[time, *(returns[name] for name in names)] for time, returns in told.trailing.items()],
    )  # fmt: skip
    yield Table(
        f"{prefix} quantiles",
        {"returns of a": "text", "strategy": "text", **dict.fromkeys(LEVELS, "percent")},
        [[horizon, name, *levels.values()]
         for horizon, each in told.quantiles.items() for name, levels in each.items()],
    )  # fmt: skip
    yield from _drawn(prefix, told)


def _drawn(prefix: str, told: Track) -> Iterator[Table]:
    """What the charts of a history draw."""
    yield _by_day(f"{prefix} value", told.value, "ratio")
    yield _by_day(f"{prefix} returns", told.returns, "percent")
    for figure, frame in told.rolling.items():
        yield _by_day(f"{prefix} rolling {figure}", frame, "percent" if figure == "volatility" else "ratio")
    if told.weights is not None:
        yield _by_day(f"{prefix} weights", held_most(told, len(told.weights.columns)), "percent")
    middle = (told.edges[:-1] + told.edges[1:]) / 2
    shares = (told.shares[name].tolist() for name in told.strategies)
    yield Table(
        f"{prefix} histogram", {"return": "percent", **dict.fromkeys(told.strategies, "percent")},
        [list(cells) for cells in zip(middle.tolist(), *shares, strict=True)],
    )  # fmt: skip


def _by_day(title: str, frame: pd.DataFrame, form: str) -> Table:
    rows = [
        [pd.Timestamp(day).date(), *values] for day, values in zip(frame.index, frame.to_numpy().tolist(), strict=True)
    ]  # fmt: skip
    return Table(title, {"date": "date", **dict.fromkeys(map(str, frame.columns), form)}, rows)
