"""What follows from an answer: its totals, trades, weights, exposures and impact, and the frontier beside it."""

from datetime import datetime
from typing import Any

import streamlit as st

from service.screen.charts import frontier, two_sides
from service.screen.client import Client
from service.screen.shown import RIGHT, show_metrics, show_reasons, show_table
from service.screen.tables import (
    SCHEDULE_FORMS,
    exposure_rows,
    impact_rows,
    level_rows,
    limit_rows,
    literal,
    money,
    percent,
    schedule_rows,
    side_rows,
    to_csv,
    trade_forms,
    trade_rows,
    weight_rows,
)

Row = dict[str, Any]
NOTHING = "Nothing is held, and nothing is proposed."


def totals(answer: Row) -> None:
    """The totals, whether every limit holds, what is warned of, and what the proposal was saved as."""
    traded = sum(trade["action"] != "HOLD" for trade in answer["trades"])  # `trade_count` counts every line
    shown = {
        "Trade Count": f"{traded}",
        "Turnover": f"{answer['turnover_pct']:.2f}%",
        "Costs": f"{answer['cost_bps']:.2f} bps",
        f"Value ({answer['base_currency']})": f"{answer['current_value']:,.0f}",
        "Limits": "hold" if answer["constraints_met"] else "not all hold",
    }
    show_metrics(shown)
    if answer["warnings"]:
        st.warning("\n".join(f"- {literal(warning)}" for warning in answer["warnings"]))
    if saved := answer["metadata"].get("saved"):
        at = datetime.fromisoformat(saved["at"])
        st.caption(
            f"Saved at {at:%Y-%m-%d %H:%M:%S} UTC for {literal(saved['caller'])} as decision "
            f"{saved['line_sha256'][:12]}, trace {answer['trace_id']}; the next run takes it on record, in the table "
            f"decisions."
        )


def show_trades(answer: Row, fresh: bool) -> None:
    """Every trade with its reason, and the limits on the rounded trades."""
    currency = answer["base_currency"]
    rows = trade_rows(answer["trades"], currency)
    st.subheader("Proposed Trades")
    if rows:
        show_table(rows, trade_forms(currency))
        name = f"trades-{answer['portfolio_name']}-{answer['pricing_pack_id']}.csv"
        st.download_button("Download CSV", to_csv(rows), name, "text/csv", disabled=not fresh)
        show_reasons((f"{t['action']} {t['symbol']}", t["rationale"]) for t in answer["trades"])
    else:
        st.info(NOTHING)
    st.subheader("Limits on the rounded trades")
    show_table(limit_rows(answer["constraints"]), dict.fromkeys(("Allowed", "Reached"), RIGHT))
    if answer.get("levels"):
        st.subheader("Limits that gave way by priority")
        show_table(level_rows(answer["levels"]), dict.fromkeys(("Allowed", "Reached", "Gave"), RIGHT))


def show_schedule(client: Client, pack: str, name: str) -> None:
    """The days that the daily run's orders take, where one takes more than one."""
    found = client.get(f"/v1/packs/{pack}/trade_schedule", portfolio=name)["portfolios"]
    rows = schedule_rows(found[0]["trade_schedule"]) if found else []
    if any(row["Day"] > 1 for row in rows):
        st.subheader("Days to trade, of the daily run's orders")
        st.caption(
            "Each at its greatest pace under the limit on participation, and the risk a day of what is left."
        )
        show_table(rows, SCHEDULE_FORMS)


def show_weights(answer: Row, fresh: bool) -> None:
    """Weights before and after."""
    rows = weight_rows(answer["trades"])
    st.subheader("Weights before and after")
    if not rows:
        st.info(NOTHING)
        return
    st.vega_lite_chart(
        side_rows(rows, "Symbol"), two_sides("Symbol", side_rows(rows, "Symbol")),
        alt="Weight of each symbol before and after the trades; the table below has the same numbers",
    )  # fmt: skip
    show_table(rows, dict.fromkeys(("Before %", "Target %", "After %"), "%.2f"))


def show_exposures(answer: Row, fresh: bool) -> None:
    """What the funds really hold, and the notional."""
    impact = answer["result"]["impact"]
    rows = exposure_rows(impact)
    st.subheader("Exposures, looked through leverage")
    st.caption(
        f"Notional {percent(impact['current_notional'])} before, {percent(impact['post_notional'])} after"
    )
    if not rows:
        st.info("No exposure of what it holds is known: declare its funds in funds.yaml.")
        return
    st.vega_lite_chart(
        side_rows(rows, "Exposure"), two_sides("Exposure", side_rows(rows, "Exposure")),
        alt="Exposure of each kind before and after the trades; the table below has the same numbers",
    )  # fmt: skip
    show_table(rows, dict.fromkeys(("Before %", "After %"), "%.2f"))


def show_impact(answer: Row, fresh: bool) -> None:
    """Risk and return on both sides of the trades."""
    impact = answer["result"]["impact"]
    st.subheader("Impact")
    show_table(impact_rows(impact), dict.fromkeys(("Before", "After"), RIGHT))
    st.caption(
        f"Value changes by the costs alone: {money(impact['value_delta'])} {answer['base_currency']}. Return and risk "
        f"are those that the portfolio's own policy believes, per year."
    )


def show_frontier(client: Client, pack: str, name: str, limits: Row, answer: Row | None) -> None:
    """Least volatility for each expected return, with what is held and, of these limits, what is proposed."""
    asked: Row = {"portfolio_id": name, "pricing_pack_id": pack, "constraints": limits}
    if answer:
        asked["weights"] = {t["symbol"]: t["achieved_weight_pct"] / 100 for t in answer["trades"]}
    with st.spinner("Solving the frontier"):
        found = client.execute("efficient_frontier", **asked)
    marked = {"held now": found["current"], "proposed": found.get("proposed")}
    rows = [_point(point, what, 0) for what, point in marked.items() if point]
    rows += [_point(point, "frontier", place) for place, point in enumerate(found["points"])]
    st.subheader("Efficient frontier under these limits, without turnover")
    for warning in found["warnings"]:
        st.warning(literal(warning))
    if not answer:
        st.caption("Generate trades for these limits to see the proposal beside it.")
    st.vega_lite_chart(
        rows, frontier(), alt="Expected return over volatility; the table below has the same numbers"
    )
    show_table(
        [{key: value for key, value in row.items() if key != "Order"} for row in rows],
        dict.fromkeys(("Volatility %", "Expected return %"), "%.2f"),
    )


def _point(point: Row, what: str, order: int) -> Row:
    return {
        "What": what,
        "Volatility %": round(100 * point["volatility"], 2),
        "Expected return %": round(100 * point["expected_return"], 2),
        "Order": order,
    }
