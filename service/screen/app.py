"""The page: choose a pack, a portfolio and limits; see trades, risk, scenarios and hedges. `packfolio screen`."""

from typing import Any

import streamlit as st

from service.screen.client import AnswerError, Client
from service.screen.panels import (
    show_compare,
    show_exposures,
    show_frontier,
    show_hedges,
    show_impact,
    show_regime,
    show_scenarios,
    show_trades,
    show_weights,
)
from service.screen.tables import literal

Row = dict[str, Any]


def main() -> None:
    """Everything on the page; what fails is said in words."""
    st.set_page_config(page_title="Packfolio", layout="wide")
    st.title("Portfolio Rebalancing")
    client = Client()
    try:
        page(client)
    except AnswerError as error:
        st.error(literal(str(error)))


def page(client: Client) -> None:
    """The sidebar, the button, and the answer in tabs."""
    packs = [pack["pack_id"] for pack in client.get("/v1/packs") if pack["verdict"] == "fresh"]
    if not packs:
        st.info("There is no fresh pack yet: run `packfolio run`, then reload this page.")
        return
    with st.sidebar:
        pack = st.selectbox("Pricing pack", packs)
        portfolios = {found["name"]: found for found in client.get(f"/v1/packs/{pack}/portfolios")}
        if not portfolios:
            st.info(f"{pack} has no portfolios: the run stopped before them. Run `packfolio run` again.")
            return
        name = st.selectbox("Portfolio", list(portfolios))
        own = portfolios[name]
        constraints = limits(own["policy"], methods(client))
    if own["problem"]:
        st.warning(f"{name} cannot be computed under {pack}: {literal(own['problem'])}")
        return
    st.caption(f"{name} under {pack}, in {own['base_currency']}: {len(own['symbols'])} symbols")
    if st.button("Generate Rebalance Trades", type="primary"):
        with st.spinner("Solving: weights, whole shares, costs, limits"):
            st.session_state["answer"] = client.execute(
                "policy_rebalance", portfolio_id=name, pricing_pack_id=pack, constraints=constraints
            )
    answer = st.session_state.get("answer")
    if answer and (answer["portfolio_name"], answer["pricing_pack_id"]) == (name, pack):
        metrics(answer)
        tabs(client, pack, name, constraints, answer, packs)
    else:
        st.info("Choose the limits on the left, then press *Generate Rebalance Trades*.")


def methods(client: Client) -> list[str]:
    """Names of the methods, the seed's four first."""
    first = ["mean_variance", "risk_parity", "max_sharpe", "cvar"]
    return [*first, *(method for method in client.get("/v1/catalogue")["methods"] if method not in first)]


def limits(policy: Row, known: list[str]) -> Row:
    """The policy's limits as sliders; what has no slider stays as the portfolio's policy says."""
    method = st.selectbox("Optimization Method", known, index=known.index(policy["method"]))
    quality = slider("Minimum Quality Score", 0.0, 10.0, policy.get("min_quality_score", 0.0), 0.5)
    turnover = slider(
        "Maximum Turnover %", 0.0, 200.0, policy.get("max_turnover_pct", 200.0), 5.0,
        "Buys and sales, of the portfolio's value; 200 is no limit",
    )  # fmt: skip
    position = slider("Maximum Position %", 1.0, 100.0, policy.get("max_single_position_pct", 100.0), 1.0)
    sector = slider("Maximum Sector %", 1.0, 100.0, policy.get("max_sector_pct", 100.0), 1.0)
    lookback = int(slider("Days of history", 63.0, 1260.0, policy.get("lookback_days", 252), 21.0))
    chosen = {
        "method": method,
        "min_quality_score": quality or None,
        "max_turnover_pct": turnover if turnover < 200 else None,
        "max_single_position_pct": position if position < 100 else None,
        "max_sector_pct": sector if sector < 100 else None,
        "lookback_days": lookback,
    }
    return {**policy, **chosen}


def slider(label: str, low: float, high: float, value: float, step: float, told: str | None = None) -> float:
    """A slider at the policy's value, as far as it is on the scale."""
    return st.slider(label, low, high, min(max(float(value), low), high), step, help=told)


def metrics(answer: Row) -> None:
    """The totals, and whether every limit holds."""
    columns = st.columns(5)
    columns[0].metric("Trade Count", answer["trade_count"])
    columns[1].metric("Turnover", f"{answer['turnover_pct']:.2f}%")
    columns[2].metric("Costs", f"{answer['cost_bps']:.2f} bps")
    columns[3].metric("Value", f"{answer['current_value']:,.0f}")
    columns[4].metric("Limits", "hold" if answer["constraints_met"] else "not all hold")
    if answer["warnings"]:
        st.warning("\n".join(f"- {literal(warning)}" for warning in answer["warnings"]))


def tabs(client: Client, pack: str, name: str, constraints: Row, answer: Row, packs: list[str]) -> None:
    """One tab a question; what a tab asks of the API is asked when it is on the page."""
    names = [
        "Trades",
        "Weights",
        "Exposures",
        "Impact",
        "Frontier",
        "Scenarios",
        "Hedges",
        "Regime",
        "Compare packs",
    ]
    wanted = st.segmented_control("Show", names, default="Trades", key="tab") or "Trades"
    match wanted:
        case "Trades":
            show_trades(answer)
        case "Weights":
            show_weights(answer)
        case "Exposures":
            show_exposures(answer["result"]["impact"])
        case "Impact":
            show_impact(answer["result"]["impact"])
        case "Frontier":
            show_frontier(client, pack, name, constraints)
        case "Scenarios":
            show_scenarios(client, pack, name)
        case "Hedges":
            show_hedges(client, pack, name)
        case "Regime":
            show_regime(client, pack, name)
        case _:
            show_compare(client, pack, name, packs)


main()
