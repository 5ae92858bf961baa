"""From a report's contents to one HTML file that needs nothing else."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from resources.ledger.record_error import in_a_line
from resources.results.measure_text import GROUPS, measure_text, part_name, shared_cause
from resources.settings.policies.policy_grid import is_variant
from service.report import factors, figures
from service.report.contents import Contents, Section
from service.report.factors import factor_pictures
from service.report.track import LEVELS, OWN, Row, Track, in_words

MOVED = 1e-6
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def render(report: Contents) -> str:
    """The page; equal contents give equal bytes."""
    from plotly.offline import get_plotlyjs

    return str(
        _templates()
        .get_template("page.html.j2")
        .render(
            report=report,
            sections=[
                {
                    "section": section,
                    "pictures": _pictures(section, f"p{place}"),
                    "histories": {
                        name: _track(told, f"p{place}-{name}")
                        for name, told in (
                            ("backtest", section.stored.backtest),
                            ("book", section.stored.book),
                        )
                        if told
                    },
                    "totals": section.facts["totals"],
                    "factors": {
                        name: _safe(html)
                        for name, html in factor_pictures(section.factors, f"p{place}-factors").items()
                    },
                }
                for place, section in enumerate(report.sections)
            ],
            plotly=get_plotlyjs(),
            head=report.materializations[-1],
        )
    )


@cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Text from files (names, reasons, vendor messages) is escaped; figures are ours and marked safe.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        # no sign turns what is beside it
        finalize=lambda value: in_a_line(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        pct=_percent,
        num=_number,
        shares=_shares,
        short=_short,
        measure=measure_text,
        words=_words,
        points=_points,
        part=part_name,
    )
    environment.tests["variant"] = is_variant
    environment.globals.update(GROUPS=GROUPS, LEVELS=LEVELS, months=MONTHS)
    for told in (
        factors.factor_rows,
        factors.name_rows,
        factors.moved_factors,
        factors.exposure_changes,
        factors.told_trades,
        shared_cause,
    ):
        environment.globals[told.__name__] = told
    return environment


def _pictures(section: Section, prefix: str) -> Row:
    """Name -> HTML of each figure of today that has something to show."""
    result, weights = section.facts["result"] or {}, section.stored.weights
    moved = {
        row["symbol"]: (row["current_weight"] or 0.0, row["weight"])
        for row in weights
        if max(abs(row["current_weight"] or 0.0), abs(row["weight"])) > MOVED
    }
    target = (
        (result["volatility"], result["expected_return"]) if result.get("volatility") is not None else None
    )
    made = {
        "weights": figures.bars(moved, f"{prefix}-weights") if moved else "",
        "exposures": figures.bars(section.exposures, f"{prefix}-exposures") if section.exposures else "",
        "risk": figures.risk_bars(weights, f"{prefix}-risk") if moved else "",
        "frontier": figures.frontier_line(section.frontier, target, f"{prefix}-frontier")
        if section.frontier and section.frontier.points
        else "",
        "stress": figures.losses(section.stress, f"{prefix}-stress")
        if section.stress and section.stress.scenarios
        else "",
    }
    return {name: _safe(html) for name, html in made.items()}


def _track(told: Track, prefix: str) -> Row:
    """The pictures, the sentences and the tables of one history."""
    drawn = {
        "value": figures.value(told, f"{prefix}-value"),
        "drawdown": figures.drawdown(told, f"{prefix}-drawdown"),
        "distribution": figures.distribution(told, f"{prefix}-distribution"),
    }
    drawn |= {name: figures.rolling(told, name, f"{prefix}-rolling-{name}") for name in told.rolling}
    if told.weights is not None:
        drawn["held"] = figures.held(told, f"{prefix}-held")
    return {
        "track": told,
        "words": in_words(told),
        "calendar": calendar(told.months[OWN]),
        "pictures": {n: _safe(html) for n, html in drawn.items()},
    }


def calendar(grid: pd.DataFrame) -> list[tuple[int, list[tuple[str, str, int]]]]:
    """By year, of each month and the year itself: percent, "up" or "down", and how strong its colour is, 0 to 70."""
    whole = np.nanmax(np.abs(grid["year"].to_numpy()))
    bounds = [*[np.nanquantile(np.abs(grid.drop(columns="year").to_numpy()), 0.98)] * 12, whole]
    return [
        (
            int(year),
            [
                (_points(value), "up" if value > 0 else "down", round(70 * min(abs(value) / bound, 1.0)))
                if value == value and bound > 0
                else (_points(value), "", 0)
                for value, bound in zip(row, bounds, strict=True)
            ],
        )
        for year, row in zip(grid.index, grid.to_numpy().tolist(), strict=True)
    ]


def _safe(html: str) -> Any:
    from markupsafe import Markup

    return Markup(html)  # noqa: S704  plotly escapes names itself


def _percent(value: float | None, digits: int = 1) -> str:
    return "" if value is None or value != value else f"{100 * value:z.{digits}f}%"


def _points(value: float) -> str:
    return "" if value != value else f"{100 * value:z.1f}"


def _number(value: Any, digits: int = 2) -> str:
    return "" if value is None or value != value else f"{value:z,.{digits}f}"


def _shares(value: Any) -> str:
    return _number(value, 4).rstrip("0").rstrip(".")


def _words(listed: str) -> str:
    return ", ".join(json.loads(listed))


def _short(digest: str | None) -> str:
    return (digest or "")[:16]
