"""Numbers as the desk reads them, and files that a spreadsheet opens safely."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def percent(value: float | None, digits: int = 1) -> str:
    """0.153 -> 15.3%; a dash for what is not known."""
    return "–" if value is None else f"{100 * value:.{digits}f}%"


def money(value: float | None) -> str:
    """1234.5 -> 1,234.50; a dash for what is not known."""
    return "–" if value is None else f"{value:,.2f}"


def literal(text: str) -> str:
    """Text from outside as Markdown shows it: as it stands, with no link, picture or heading in it."""
    return re.sub(r"[\\`\[\]<>$]", r"\\\g<0>", " ".join(text.split()))


def to_csv(rows: Sequence[Row]) -> str:
    """CSV with a header; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _safe(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def trade_rows(trades: Sequence[Row]) -> list[Row]:
    """The trade table."""
    return [
        {
            "Action": t["action"],
            "Symbol": t["symbol"] + (" (simulated)" if t["simulated"] else ""),
            "Shares": t["quantity"],
            "Price": round(t["current_price"], 2),
            "Value": round(t["trade_value"], 2),
            "Cost": round(t["estimated_cost"], 2),
            "Now %": round(t["current_weight_pct"], 1),
            "After %": round(t["achieved_weight_pct"], 1),
            "Reason": t["rationale"],
        }
        for t in trades
    ]


IMPACT = (
    ("Expected return", "expected_return", percent),
    ("Volatility", "vol", percent),
    ("Max drawdown", "max_dd", percent),
    ("Tracking error", "tracking_error", percent),
    ("Notional", "notional", percent),
    ("Cash", "cash", percent),
    ("Sharpe ratio", "sharpe", lambda value: "–" if value is None else f"{value:.2f}"),
    ("Average quality", "avg_quality", lambda value: "–" if value is None else f"{value:.1f}"),
    ("Top 10", "concentration_top10", lambda value: "–" if value is None else f"{value:.1f}%"),
)


def impact_rows(impact: Row) -> list[Row]:
    """Before and after, one measure a row."""
    values = [{"Measure": "Value", "Before": money(impact["current_value"]),
               "After": money(impact["post_rebalance_value"])}]  # fmt: skip
    return values + [
        {"Measure": name, "Before": shown(impact[f"current_{key}"]), "After": shown(impact[f"post_{key}"])}
        for name, key, shown in IMPACT
    ]


def hedge_rows(hedges: Sequence[Row]) -> list[Row]:
    """The hedge table."""
    return [
        {
            "Action": h["action"],
            "Instrument": " ".join(filter(None, (h["instrument"], h["option_type"]))),
            "Units": h["quantity"],
            "Strike": h["strike"] and round(h["strike"], 2),
            "Expiry": h["expiry"],
            "Notional": round(h["notional"]),
            "Hedge ratio %": round(100 * h["hedge_ratio"]),
            "Offset %": round(h["expected_offset_pct"]),
            "Cost": round(h["estimated_cost"]),
            "Reason": h["rationale"],
        }
        for h in hedges
    ]


def scenario_rows(scenarios: Sequence[Row]) -> list[Row]:
    """The stress table, the worst first."""
    return [
        {
            "Scenario": s["name"],
            "Profit": round(s["profit"]),
            "Profit %": round(s["profit_pct"], 1),
            "± error": round(s["standard_error"]),
            "Severity": s["severity"],
            "Worst holding": s["positions"][0]["symbol"] if s["positions"] else "",
            "Priced by": ", ".join(sorted({p["source"] for p in s["positions"]})),
        }
        for s in scenarios
    ]


def level_rows(levels: Sequence[Row]) -> list[Row]:
    """A row a limit that gave way, the firmest priority first."""
    return [
        {
            "Priority": level["priority"],
            "Limit": given["constraint"],
            "Allowed": percent(given["limit"]),
            "Reached": percent(given["achieved"]),
            "Gave": percent(-given["slack"]),
            "Level costs, bps": None if level["cost_bps"] is None else round(level["cost_bps"], 2),
        }
        for level in levels
        for given in level["gave"]
    ]


def exposure_rows(impact: Row) -> list[Row]:
    """Look-through exposures before and after, percent of the portfolio, long form for a chart."""
    sides = (("Before", impact["current_exposures"]), ("After", impact["post_exposures"]))
    return [
        {"Exposure": kind.replace("_", " "), "Side": side, "Percent": round(100 * amount, 2)}
        for side, amounts in sides
        for kind, amount in amounts.items()
    ]


def driver_rows(drivers: Sequence[Row]) -> list[Row]:
    """The indicators behind a detected regime."""
    return [
        {
            "Series": d["series"],
            "Of": d["date"],
            "Known since": d["known_at"],
            "Value": round(d["value"], 4),
            "z-score": round(d["z_score"], 2),
        }
        for d in drivers
    ]
