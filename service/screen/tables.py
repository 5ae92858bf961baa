"""Numbers as the desk reads them, and files that a spreadsheet opens safely."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
WIDE = "\uff1d\uff0b\uff0d\uff20"  # of = + - @, which some spreadsheets take for those
FORMULA = (*"=+-@\t\r\n", *WIDE)


def percent(value: float | None, digits: int = 1) -> str:
    """0.153 -> 15.3%; a dash for what is not known."""
    return "–" if value is None else f"{100 * value:z.{digits}f}%"


def money(value: float | None, digits: int = 2) -> str:
    """1234.5 -> 1,234.50; a dash for what is not known."""
    return "–" if value is None else f"{value:z,.{digits}f}"


def literal(text: str) -> str:
    """Text from outside as Markdown shows it: as it stands, with no link, picture or heading in it.

    What is to be typed, as in `packfolio run`, is code.
    """
    escaped = re.sub(r"[\\`\[\]<>$]", r"\\\g<0>", " ".join(text.split()))
    return re.sub(r"\\`(packfolio [a-z ]+)\\`", r"`\1`", escaped)


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


MONEY, SHARE, COUNT, PERCENT = "%,.2f", "%,.10g", "%,d", "%.1f"
SCHEDULE_FORMS = {"Shares": SHARE, "Left": SHARE, "Of volume %": PERCENT, "Risk left %": "%.2f"}


def trade_rows(trades: Sequence[Row], currency: str) -> list[Row]:
    """The trade table; money in the portfolio's currency."""
    return [
        {
            "Action": t["action"],
            "Symbol": t["symbol"] + (" (simulated)" if t["simulated"] else ""),
            "Shares": t["quantity"],
            f"Price ({currency})": round(t["current_price"], 2),
            f"Value ({currency})": round(t["trade_value"], 2),
            f"Cost ({currency})": round(t["estimated_cost"], 2),
            "Now %": round(t["current_weight_pct"], 1),
            "After %": round(t["achieved_weight_pct"], 1),
            "Reason": t["rationale"],
        }
        for t in trades
    ]


def schedule_rows(schedule: Sequence[Row]) -> list[Row]:
    """What is traded of each order on which day, by day."""
    return [
        {
            "Day": row["day"],
            "Action": row["action"],
            "Symbol": row["symbol"],
            "Shares": row["quantity"],
            "Left": row["left_quantity"],
            "Of volume %": 100 * row["participation"],
            "Risk left %": 100 * row["remaining_risk"],
        }
        for row in schedule
    ]


def trade_forms(currency: str) -> dict[str, str]:
    """How the numbers of the trade table are written."""
    money_columns = {f"{name} ({currency})": MONEY for name in ("Price", "Value", "Cost")}
    return {"Shares": SHARE, **money_columns, "Now %": PERCENT, "After %": PERCENT}


def weight_rows(trades: Sequence[Row]) -> list[Row]:
    """Weights before, wanted and after, percent, the largest first."""
    found = [
        {
            "Symbol": t["symbol"],
            "Before %": round(t["current_weight_pct"], 2),
            "Target %": round(t["target_weight_pct"], 2),
            "After %": round(t["achieved_weight_pct"], 2),
        }
        for t in trades
    ]
    return sorted(found, key=lambda row: (-max(abs(row["Before %"]), abs(row["After %"])), row["Symbol"]))


def side_rows(rows: Sequence[Row], name: str) -> list[Row]:
    """Before and after of such rows in long form, for a chart."""
    return [
        {name: row[name], "Side": side, "Percent": row[f"{side} %"]}
        for row in rows
        for side in ("Before", "After")
    ]


LIMIT_WORDS = {
    "max_weight": "Maximum position",
    "min_weight": "Minimum position",
    "max_turnover": "Maximum turnover, buys and sales",
    "cash_min": "Least cash",
    "cash_max": "Most cash",
    "long_only": "No short position",
    "max_holdings": "Most names",
    "max_notional": "Most notional exposure",
    "max_gross": "Most gross exposure",
}


def limit_amount(name: str, value: float) -> str:
    """An amount of a limit in its own unit: names are counted, betas and loadings are plain, the rest is percent."""
    if name == "max_holdings":
        return f"{value:.0f}"
    plain = name.partition(" ")[0].endswith(("beta", "_factor"))
    line = any(sign in name for sign in "<>=") and "%" not in name
    return f"{value:.4g}" if plain or line else percent(value)


def limit_rows(constraints: Sequence[Row]) -> list[Row]:
    """The limits on the rounded trades, those that do not hold first."""
    rows = [
        {
            "Limit": limit_words(limit["constraint"]),
            "Allowed": limit_amount(limit["constraint"], limit["limit"]),
            "Reached": limit_amount(limit["constraint"], limit["achieved"]),
            "Holds": "yes" if limit["slack"] >= -1e-9 else "no",
        }
        for limit in constraints
    ]
    return sorted(rows, key=lambda row: row["Holds"])


def limit_words(name: str) -> str:
    """A limit as a desk calls it; a line of text as it stands."""
    if any(sign in name for sign in "<>="):
        return name
    kind, _, of = name.partition(" ")
    said = LIMIT_WORDS.get(kind, kind.replace("_", " ").capitalize())
    return f"{said}: {of}" if of else said


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


def hedge_rows(hedges: Sequence[Row], currency: str) -> list[Row]:
    """The hedge table; money in the portfolio's currency."""
    return [
        {
            "Action": h["action"],
            "Instrument": " ".join(filter(None, (h["instrument"], h["option_type"]))),
            "Units": h["quantity"],
            "Strike": h["strike"] and round(h["strike"], 2),
            "Expiry": h["expiry"],
            f"Notional ({currency})": round(h["notional"]),
            "Hedge ratio %": round(100 * h["hedge_ratio"]),
            "Offset %": round(h["expected_offset_pct"]),
            f"Cost ({currency})": round(h["estimated_cost"]),
            "Reason": h["rationale"],
        }
        for h in hedges
    ]


def hedge_forms(currency: str) -> dict[str, str]:
    """How the numbers of the hedge table are written."""
    return {"Units": COUNT, "Strike": MONEY, f"Notional ({currency})": COUNT, f"Cost ({currency})": COUNT}


def scenario_rows(scenarios: Sequence[Row], currency: str) -> list[Row]:
    """The stress table, the worst first; money in the portfolio's currency."""
    return [
        {
            "Scenario": s["name"],
            f"Profit ({currency})": round(s["profit"]),
            "Profit %": round(s["profit_pct"], 1),
            f"± error ({currency})": round(s["standard_error"]),
            "Severity": s["severity"],
            "Worst holding": s["positions"][0]["symbol"] if s["positions"] else "",
            "Priced by": ", ".join(sorted({p["source"] for p in s["positions"]})),
        }
        for s in scenarios
    ]


def scenario_forms(currency: str) -> dict[str, str]:
    """How the numbers of the stress table are written."""
    return {f"Profit ({currency})": COUNT, "Profit %": PERCENT, f"± error ({currency})": COUNT}


def order_rows(trades: Sequence[Row], currency: str) -> list[Row]:
    """The orders that follow a recommendation; money in the portfolio's currency."""
    return [
        {
            "Action": t["action"],
            "Symbol": t["symbol"],
            "Shares": t["quantity"],
            f"Value ({currency})": round(t["trade_value"], 2),
            f"Cost ({currency})": round(t["estimated_cost"], 2),
        }
        for t in trades
    ]


def order_forms(currency: str) -> dict[str, str]:
    """How the numbers of such orders are written."""
    return {"Shares": SHARE, f"Value ({currency})": MONEY, f"Cost ({currency})": MONEY}


def level_rows(levels: Sequence[Row]) -> list[Row]:
    """A row a limit that gave way, the firmest priority first."""
    return [
        {
            "Priority": level["priority"],
            "Limit": limit_words(given["constraint"]),
            "Allowed": limit_amount(given["constraint"], given["limit"]),
            "Reached": limit_amount(given["constraint"], given["achieved"]),
            "Gave": limit_amount(given["constraint"], -given["slack"]),
            "Level costs, bps": None if level["cost_bps"] is None else round(level["cost_bps"], 2),
        }
        for level in levels
        for given in level["gave"]
    ]


PARTS = {
    "SPECIFIC": "the names by themselves", "OTHER": "other", "COSTS": "costs", "CASH": "cash", "TRADING": "trading",
    "DELAY": "delay",
}  # fmt: skip


def part_name(part: str) -> str:
    """A part of a return or a risk as people read it: a factor by its own name."""
    return PARTS.get(part, part)


def exposure_rows(impact: Row) -> list[Row]:
    """Look-through exposures before and after, percent of the portfolio."""
    before, after = impact["current_exposures"], impact["post_exposures"]
    return [
        {
            "Exposure": kind.replace("_", " "),
            "Before %": round(100 * before.get(kind, 0.0), 2),
            "After %": round(100 * after.get(kind, 0.0), 2),
        }
        for kind in dict.fromkeys((*before, *after))
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
