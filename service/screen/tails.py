"""What a book may lose, whether earlier packs foretold it, and what it earned from pack to pack."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from service.screen.client import Client
from service.screen.shown import show_metrics, show_table
from service.screen.tables import literal, part_name

Row = dict[str, Any]
METHODS = {
    "historical": "past days",
    "filtered": "past days at today's volatility",
    "factor_model": "through the factor model",
}


def show_tail(client: Client, pack: str, name: str, currency: str) -> None:
    """Value at risk and expected shortfall, held and proposed, and how earlier forecasts did."""
    told = client.get(f"/v1/packs/{pack}/attribution", portfolio=name)["tail"]
    st.subheader("Value at risk")
    if told is None:
        st.info("Left out: the daily run told no tail of it; its check every_portfolio_has_a_tail says why.")
        return
    days = told["rows"][0]["horizon_days"]
    st.caption(
        f"Losses over {days} session{'s' if days > 1 else ''}, as held and after the daily run's trades. The expected "
        "shortfall is the mean of the losses beyond the value at risk."
    )
    show_table(tail_rows(told["rows"], currency), tail_forms(currency))
    st.caption(literal(told["backtest"]))
    for line in told["series"]:
        st.caption(literal(line))


def tail_rows(rows: Sequence[Row], currency: str) -> list[Row]:
    """A row a book, level and method, in percent and in money."""
    return [
        {
            "Book": row["book"],
            "By": METHODS[row["method"]],
            "Level %": 100 * row["level"],
            "Value at risk %": 100 * row["value_at_risk"],
            f"Value at risk ({currency})": row["value"] * row["value_at_risk"],
            "Shortfall %": 100 * row["expected_shortfall"],
            f"Shortfall ({currency})": row["value"] * row["expected_shortfall"],
            "Scenarios": row["scenarios"],
        }
        for row in rows
    ]


def tail_forms(currency: str) -> dict[str, str]:
    """How the numbers of the table are written."""
    money = dict.fromkeys((f"Value at risk ({currency})", f"Shortfall ({currency})"), "%,.0f")
    return {"Level %": "%g", "Value at risk %": "%.2f", "Shortfall %": "%.2f", "Scenarios": "%d"} | money


def show_live(told: Row, currency: str) -> None:
    """What was held earned from pack to pack, by factor."""
    st.subheader("Where the book's own return came from")
    show_metrics({"Return of what was held": f"{100 * told['total']:.2f}%", "Packs": str(told["packs"])})
    st.caption(
        f"From {told['from']} to {told['to']}: what was held under each pack until the next, by the exposures of the "
        'first. The part "other" is money alone: trades, costs, deposits, interest. The money adds up to the change of '
        "value."
    )
    money = f"Money ({currency})"
    show_table(live_rows(told["parts"], money), {money: "%,.0f", "Return %": "%.2f"})


def live_rows(parts: Sequence[Row], money: str) -> list[Row]:
    """A row a part."""
    return [
        {
            "Part": part_name(row["part"]),
            money: row["money"],
            "Return %": None if row["contribution"] is None else 100 * row["contribution"],
        }
        for row in parts
    ]
