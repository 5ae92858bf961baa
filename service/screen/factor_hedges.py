"""Hedges of factors: by how much each may be left, and the funds that bring it there."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from service.screen.client import Client
from service.screen.shown import show_metrics, show_reasons, show_table
from service.screen.tables import COUNT, literal

Row = dict[str, Any]
A_LINE = 3  # boxes beside each other


def show_factor_hedges(client: Client, pack: str, name: str, currency: str) -> None:
    """Hedges that bring chosen factors down; nothing for a portfolio without a recorded factor model."""
    predicted = client.get(f"/v1/packs/{pack}/attribution", portfolio=name).get("predicted")
    if not predicted:
        return
    st.subheader("Factors")
    now = exposures(predicted["total"]["factors"])
    chosen = st.multiselect(
        "Bring down the exposure to", list(now), format_func=lambda factor: f"{factor} ({now[factor]:+.2f})",
        key=f"hedged {name} {pack}",
    )  # fmt: skip
    if not chosen:
        st.caption(
            "Choose at least one: funds of the catalogue bring it down, and add the least risk of any other kind."
        )
        return
    boxes = [box for _ in range(0, len(chosen), A_LINE) for box in st.columns(A_LINE)]
    targets = {
        factor: box.number_input(
            f"At most, {factor}", 0.0, 100.0, 0.0, 0.05, key=f"most {factor} {name} {pack}"
        )
        for factor, box in zip(chosen, boxes, strict=False)
    }
    with st.spinner("Choosing hedges"):
        found = client.execute(
            "suggest_factor_hedges", portfolio_id=name, pricing_pack_id=pack, targets=targets
        )
    show_metrics({
        "Volatility": f"{found['volatility_before_pct']:.2f}%",
        "Volatility hedged": f"{found['volatility_after_pct']:.2f}%",
        "Cost": f"{found['total_cost_bps']:.1f} bps",
    })  # fmt: skip
    for warning in found["warnings"]:
        st.info(literal(warning))
    show_table(target_rows(found), dict.fromkeys(("Now", "Most", "Hedged"), "%.3f"))
    if found["hedges"]:
        money = dict.fromkeys((f"Notional ({currency})", f"Cost ({currency})"), COUNT)
        rows = fund_rows(found["hedges"], currency)
        show_table(rows, {"Units": COUNT} | money)
        show_reasons((f"{row['Action']} {row['Instrument']}", row["Reason"]) for row in rows)


def exposures(factors: Sequence[Row]) -> dict[str, float]:
    """What is held of each factor now, the largest first; the names' own part is none."""
    found = {str(row["part"]): row["exposure"][0] for row in factors if row["exposure"][0] is not None}
    return dict(sorted(found.items(), key=lambda item: (-abs(item[1]), item[0])))


def target_rows(found: Mapping[str, Any]) -> list[Row]:
    """A row a named factor."""
    return [
        {
            "Factor": factor,
            "Now": found["exposures_before"][factor],
            "Most": most,
            "Hedged": found["exposures_after"][factor],
        }
        for factor, most in found["targets"].items()
    ]


def fund_rows(hedges: Sequence[Row], currency: str) -> list[Row]:
    """A row a fund; money in the portfolio's currency."""
    return [
        {
            "Action": h["action"],
            "Instrument": h["instrument"],
            "Units": h["quantity"],
            f"Notional ({currency})": round(h["notional"]),
            f"Cost ({currency})": round(h["estimated_cost"]),
            "Reason": h["rationale"],
        }
        for h in hedges
    ]
