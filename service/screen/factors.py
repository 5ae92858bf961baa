"""Risk and return by factor: exposures before and after the daily run's trades, what each did, what came of it."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import streamlit as st

from service.screen.charts import SIDES, lines, two_sides
from service.screen.client import Client
from service.screen.shown import show_metrics, show_table
from service.screen.tables import literal, part_name
from service.screen.tails import show_live

Row = dict[str, Any]
MOST_FACTORS, MOST_NAMES = 6, 20


def show_factors(client: Client, pack: str, name: str, currency: str) -> None:
    """The factor page of a portfolio; what its data do not tell is left out, with the reason."""
    path = f"/v1/packs/{pack}/attribution"
    found = client.get(path, portfolio=name)
    for reason in found["left_out"].values():
        st.info(f"Left out: {literal(reason)}.")
    if found["predicted"]:
        _show_predicted(found)
    if found["realised"]:
        _show_realised(client, path, name, found["realised"], currency)
    if found["live"]:
        show_live(found["live"], currency)
    for row in found["missing"] if found["predicted"] else ():
        st.caption(f"No factor {literal(row['factors'])}: {literal(row['note'])}.")


def _show_predicted(found: Row) -> None:
    total, active = found["predicted"]["total"], found["predicted"].get("active")
    sides = {"Volatility": total["volatility"]} | ({"Tracking error": active["volatility"]} if active else {})
    show_metrics({
        f"{label}, {side.lower()}": f"{100 * value:z.2f}%"
        for label, both in sides.items()
        for side, value in zip(SIDES, both, strict=True)
    })  # fmt: skip
    st.caption(
        "A year, before and after the daily run's trades. The risks of factors, and of names, add up to it."
    )
    st.subheader("Exposures")
    st.caption("To styles in standard deviations, to market and sectors as fractions of the portfolio.")
    rows = side_rows(total["factors"], "exposure", 1.0)
    st.vega_lite_chart(
        rows, two_sides("Factor", rows, "Exposure", "exposure"),
        alt="Exposure to each factor before and after the trades; the table below has the same numbers",
    )  # fmt: skip
    st.subheader("Volatility by factor")
    rows = side_rows(total["factors"], "risk", 100.0)
    st.vega_lite_chart(
        rows, two_sides("Factor", rows, "Risk", "percent a year"),
        alt="What each factor adds to the volatility before and after the trades; the table below has the same numbers",
    )  # fmt: skip
    table = factor_rows(total["factors"], active["factors"] if active else ())
    show_table(table, dict.fromkeys([key for key in table[0] if key != "Factor"], "%.2f"))
    st.subheader("Risk by name")
    names = name_rows(total["symbols"])
    show_table(names, dict.fromkeys([key for key in names[0] if key != "Symbol"] if names else [], "%.2f"))
    if found["trades"]:
        st.subheader("What each trade did to the exposures")
        moved = trade_rows(found["trades"])
        plain = ("Action", "Symbol")
        forms = dict.fromkeys([key for key in moved[0] if key not in plain], "%.3f") | {"Weight %": "%.2f"}
        show_table(moved, forms)


def side_rows(factors: Sequence[Row], what: str, times: float) -> list[Row]:
    """Rows of a picture of two sides; the names' own part has a risk and no exposure."""
    title = what.capitalize()
    return [
        {"Factor": part_name(row["part"]), "Side": side, title: round(times * value, 4)}
        for row in factors
        for side, value in zip(SIDES, row[what], strict=True)
        if value is not None
    ]


def factor_rows(total: Sequence[Row], active: Sequence[Row]) -> list[Row]:
    """A row a factor, in percent where it is a risk."""
    other = {row["part"]: row for row in active}
    shown = []
    for row in total:
        told = (
            {"Factor": part_name(row["part"])}
            | _both("Exposure", row["exposure"], 1)
            | _both("Risk %", row["risk"], 100)
        )
        if against := other.get(row["part"]):
            told |= _both("Active exposure", against["exposure"], 1) | _both(
                "Active risk %", against["risk"], 100
            )
        shown.append(told)
    return shown


def name_rows(symbols: Sequence[Row]) -> list[Row]:
    """The names that add most to the risk, in percent."""
    return [
        {"Symbol": row["part"]} | _both("Weight %", row["exposure"], 100) | _both("Risk %", row["risk"], 100)
        for row in symbols[:MOST_NAMES]
    ]


def trade_rows(trades: Sequence[Row]) -> list[Row]:
    """What the largest trades did to the exposures that changed most, and all of them together."""
    sums: dict[str, float] = {}
    for row in trades:
        for name, change in row["exposures"].items():
            sums[name] = sums.get(name, 0.0) + change
    moved = sorted(sums, key=lambda name: (-abs(sums[name]), name))[:MOST_FACTORS]
    rows = [
        {
            "Action": row["action"],
            "Symbol": row["symbol"],
            "Weight %": 100 * (row["weight"][1] - row["weight"][0]),
        }
        | {name: row["exposures"].get(name) for name in moved}
        for row in [row for row in trades if row["action"] != "HOLD"][:MOST_NAMES]
    ]
    return [
        *rows,
        {"Action": "", "Symbol": "in all", "Weight %": None} | {name: sums[name] for name in moved},
    ]


def _show_realised(client: Client, path: str, name: str, told: Row, currency: str) -> None:
    st.subheader("Where the backtest's return came from")
    first, last = (date.fromisoformat(told[key]) for key in ("from", "to"))
    one, other = st.columns(2)
    start = one.date_input("From", first, min_value=first, max_value=last, key=f"from {name} {path}")
    end = other.date_input("To", last, min_value=first, max_value=last, key=f"to {name} {path}")
    if (start, end) != (first, last):
        window = {"from": str(start), "to": str(end)}
        told = client.get(path, portfolio=name, **window)["realised"]
    show_metrics({
        label: f"{100 * told[key]:z.2f}%"
        for label, key in (("Return", "total"), ("Benchmark", "benchmark"), ("Active", "active"))
    })  # fmt: skip
    simulated = " Some prices are simulated: nobody traded these." if told["simulated"] else ""
    st.caption(
        f"Of {told['pack_id']}, {told['from']} to {told['to']}. The parts are linked and add up; an error is one "
        f"standard error of the days' regressions.{simulated}"
    )
    groups = {name: path for name, path in told["path"]["groups"].items() if any(round(x, 6) for x in path)}
    rows = [
        {"Date": day, "Strategy": group, "Earned, percent": round(100 * value, 4)}
        for group, values in groups.items()
        for day, value in zip(told["path"]["dates"], values, strict=True)
    ]
    st.vega_lite_chart(
        rows, lines("Earned, percent", list(groups), height=320),
        alt="What market, sectors, styles, names and costs had earned by each day; the table below has the sums",
    )  # fmt: skip
    money = f"Money ({currency})"
    forms = {money: "%,.0f"} | dict.fromkeys(("Return %", "± error", "Active %", "± active error"), "%.2f")
    show_table(return_rows(told["parts"], money), forms)


def return_rows(parts: Sequence[Row], money: str) -> list[Row]:
    """A row a part, in money of the window's first day and in percent."""
    columns = (
        ("Return %", "contribution"), ("± error", "standard_error"), ("Active %", "active"),
        ("± active error", "active_error"),
    )  # fmt: skip
    return [
        {"Part": part_name(row["part"]), money: row["money"]}
        | {label: _times(row[key], 100) for label, key in columns}
        for row in parts
    ]


def _both(label: str, pair: Sequence[float | None], times: float) -> Row:
    return {label: _times(pair[0], times), f"{label} after": _times(pair[1], times)}


def _times(value: float | None, times: float) -> float | None:
    return None if value is None else times * value
