"""The pictures of the page as Vega-Lite specifications; rows come in ready, in percent."""

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
Spec = dict[str, Any]
BEFORE, AFTER, ACCENT = "#8c9bb0", "#3b82d0", "#d9683c"  # told apart on white and on black
SERIES = (AFTER, ACCENT, "#8c9bb0", "#4f9d69", "#9b72c8", "#c29a2b")
SIDES = ("Before", "After")
STEP = 14
MARKS = {"tickCount": 5}  # two at least, however little a line moves
# A screen reader has the table beside the picture, and no use for its bars one by one.
SILENT = {"aria": False}
NAMES = {"title": None, "labelLimit": 260, "labelOverlap": False}
SHORT = "domain('x')[1] - domain('x')[0] < 90 * 86400000"  # months would stand there many times
OF_A_DAY = "hours(datum.value) ? '' : timeFormat(datum.value, '%d %b')"
DAYS = {
    "title": None, "tickCount": 8, "labelOverlap": True,
    "labelExpr": f"{SHORT} ? ({OF_A_DAY}) : timeFormat(datum.value, '%b %Y')",
}  # fmt: skip


def _axis(title: str | None, form: str | None = None) -> Spec:
    return {"title": title} | ({"format": form} if form else {})


def two_sides(
    name: str, rows: Sequence[Row], value: str = "Percent", unit: str = "percent of the portfolio"
) -> Spec:
    """Two bars a name, before above after; rows: `name`, Side, `value`, in the order in which they are drawn."""
    order = list(dict.fromkeys(row[name] for row in rows))
    return {
        "height": {"step": STEP},
        "mark": {"type": "bar", **SILENT},
        "encoding": {
            "y": {
                "field": name,
                "type": "nominal",
                "sort": order,
                "axis": {"title": None, "labelLimit": 220},
            },
            "yOffset": {"field": "Side", "sort": list(SIDES)},
            "x": {"field": value, "type": "quantitative", "axis": _axis(unit)},
            "color": _colours("Side", SIDES, (BEFORE, AFTER)),
            "tooltip": [{"field": name}, {"field": "Side"}, {"field": value, "format": ".2f"}],
        },
    }


def losses(name: str) -> Spec:
    """A bar a scenario, the worst on top; rows: `name`, Profit %."""
    return {
        "height": {"step": STEP + 4},
        "mark": {"type": "bar", **SILENT},
        "encoding": {
            "y": {"field": name, "type": "nominal", "sort": "x", "axis": NAMES},
            # With more ticks every other label is left out for room, and with it that of 0.
            "x": {
                "field": "Profit %",
                "type": "quantitative",
                "axis": _axis("percent of the portfolio") | {"tickCount": 7},
            },
            "color": {
                "condition": {"test": "datum['Profit %'] < 0", "value": ACCENT},
                "value": AFTER,
            },
            "tooltip": [{"field": name}, {"field": "Profit %", "format": ".1f"}],
        },
    }


def frontier() -> Spec:
    """The frontier as a line, with what is held and proposed; rows: Volatility %, Expected return %, What, Order.

    `Order` is the place of a point on the line.
    """
    place = {
        axis: {
            "field": field, "type": "quantitative", "scale": {"zero": False},
            "axis": _axis(field.replace(" %", ", percent a year")),
        }
        for axis, field in (("x", "Volatility %"), ("y", "Expected return %"))
    }  # fmt: skip
    marks = ("held now", "proposed")
    tooltip = [{"field": "What"}, *({"field": place[axis]["field"], "format": ".2f"} for axis in "xy")]
    return {
        "height": 380,
        "layer": [
            {
                "transform": [{"filter": "datum.What == 'frontier'"}],
                "mark": {"type": "line", "point": SILENT, "color": AFTER, **SILENT},
                "encoding": {**place, "order": {"field": "Order"}, "tooltip": tooltip},
            },
            {
                "transform": [{"filter": "datum.What != 'frontier'"}],
                "mark": {"type": "point", "filled": True, "size": 220, "opacity": 1, **SILENT},
                "encoding": {
                    **place,
                    "color": _colours("What", marks, (BEFORE, ACCENT)),
                    "shape": {
                        "field": "What", "type": "nominal", "legend": None,
                        "scale": {"domain": list(marks), "range": ["circle", "diamond"]},
                    },
                    "tooltip": tooltip,
                },
            },
        ],
    }  # fmt: skip


def lines(value: str, series: Sequence[str], *, log: bool = False, height: int = 280, form: str = "") -> Spec:
    """Lines over time; rows: Date, Strategy, `value`."""
    scale = {"type": "log", "nice": False} if log else {"zero": False}
    axis = _axis(value, form or None) | ({} if log else MARKS)
    return {
        "height": height,
        "mark": {"type": "line", "strokeWidth": 1.4, **SILENT},
        "encoding": {
            "x": {"field": "Date", "type": "temporal", "axis": DAYS},
            "y": {"field": value, "type": "quantitative", "scale": scale, "axis": axis},
            "color": _colours("Strategy", series, SERIES),
            "tooltip": [
                {"field": "Date", "type": "temporal"}, {"field": "Strategy"}, {"field": value, "format": ",.2f"},
            ],
        },
    }  # fmt: skip


def _colours(field: str, domain: Sequence[str], colours: Sequence[str]) -> Spec:
    shown = [colours[place % len(colours)] for place in range(len(domain))]
    return {
        "field": field, "type": "nominal", "legend": {"title": None, "orient": "top", "columns": 3},
        "scale": {"domain": list(domain), "range": shown},
    }  # fmt: skip
