"""From a report's contents to one HTML file that needs nothing else."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from resources.results.measure_text import measure_text
from resources.settings.policy_grid import is_variant
from service.report import figures
from service.report.contents import Contents, Row, Section

TEMPLATE = Path(__file__).with_name("page.html.j2")
MOVED = 1e-6


def render(report: Contents) -> str:
    """The page; equal contents give equal bytes."""
    from plotly.offline import get_plotlyjs

    return str(
        _template().render(
            report=report,
            sections=[
                {
                    "section": section,
                    "pictures": _pictures(section, f"p{place}"),
                    "totals": section.facts["totals"],
                }
                for place, section in enumerate(report.sections)
            ],
            plotly=get_plotlyjs(),
            head=report.materializations[-1],
        )
    )


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    # Text from files (names, reasons, vendor messages) is escaped; figures are ours and marked safe.
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(pct=_percent, num=_number, short=_short, measure=measure_text, words=_words)
    environment.tests["variant"] = is_variant
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _pictures(section: Section, prefix: str) -> Row:
    """Name -> HTML of each figure that has something to show."""
    from markupsafe import Markup

    result = section.facts["result"] or {}
    moved = {
        row["symbol"]: (row["current_weight"] or 0.0, row["weight"])
        for row in section.weights
        if max(abs(row["current_weight"] or 0.0), abs(row["weight"])) > MOVED
    }
    target = (
        (result["volatility"], result["expected_return"]) if result.get("volatility") is not None else None
    )
    made = {
        "weights": figures.bars(moved, f"{prefix}-weights") if moved else "",
        "exposures": figures.bars(section.exposures, f"{prefix}-exposures") if section.exposures else "",
        "risk": figures.risk_bars(section.weights, f"{prefix}-risk") if moved else "",
        "frontier": figures.frontier_line(section.frontier, target, f"{prefix}-frontier")
        if section.frontier and section.frontier.points
        else "",
        "stress": figures.losses(section.stress, f"{prefix}-stress")
        if section.stress and section.stress.scenarios
        else "",
        **_backtest(section, prefix),
    }
    return {name: Markup(html) for name, html in made.items()}  # noqa: S704  plotly escapes names itself


def _backtest(section: Section, prefix: str) -> dict[str, str]:
    if figures.OWN not in section.backtest:
        return {"nav": "", "drawdown": "", "monthly": ""}
    return {
        "nav": figures.equity(section.backtest, "nav", f"{prefix}-nav"),
        "drawdown": figures.equity(section.backtest, "drawdown", f"{prefix}-drawdown"),
        "monthly": figures.monthly(own_days(section), f"{prefix}-monthly"),
    }


def own_days(section: Section) -> Sequence[Row]:
    """The days of the portfolio's own policy."""
    return section.backtest[figures.OWN]


def _percent(value: float | None, digits: int = 1) -> str:
    return "" if value is None or value != value else f"{100 * value:.{digits}f}%"


def _number(value: Any, digits: int = 2) -> str:
    return "" if value is None or value != value else f"{value:,.{digits}f}"


def _words(listed: str) -> str:
    return ", ".join(json.loads(listed))


def _short(digest: str | None) -> str:
    return (digest or "")[:16]
