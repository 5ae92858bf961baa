"""The parts of the page below the totals, one a question."""

from typing import Any

import streamlit as st

from service.screen.client import Client
from service.screen.tables import (
    driver_rows,
    exposure_rows,
    hedge_rows,
    impact_rows,
    level_rows,
    literal,
    money,
    percent,
    scenario_rows,
    to_csv,
    trade_rows,
)

Row = dict[str, Any]
FIRST = "equity_selloff"  # the scenario that a reader sees first, where the desk has it


def show_trades(answer: Row) -> None:
    """Every trade with its reason, and the limits on the rounded trades."""
    rows = trade_rows(answer["trades"])
    st.subheader("Proposed Trades")
    st.dataframe(rows, hide_index=True)
    name = f"trades-{answer['portfolio_name']}-{answer['pricing_pack_id']}.csv"
    st.download_button("Download CSV", to_csv(rows), name, "text/csv")
    st.subheader("Limits on the rounded trades")
    st.dataframe(
        [
            {
                "Limit": limit["constraint"],
                "Allowed": percent(limit["limit"]),
                "Reached": percent(limit["achieved"]),
                "Holds": "yes" if limit["slack"] >= -1e-9 else "no",
            }
            for limit in answer["constraints"]
        ],
        hide_index=True,
    )
    show_levels(answer)


def show_levels(answer: Row) -> None:
    """What gave way by its priority, and what keeping each level so far costs; nothing where all limits hold."""
    if answer.get("levels"):
        st.subheader("Limits that gave way by priority")
        st.dataframe(level_rows(answer["levels"]), hide_index=True)


def show_weights(answer: Row) -> None:
    """Weights before and after."""
    rows = [
        {"Symbol": t["symbol"], "Side": side, "Percent": round(t[key], 2)}
        for t in answer["trades"]
        for side, key in (("Before", "current_weight_pct"), ("After", "achieved_weight_pct"))
    ]
    st.subheader("Weights before and after")
    st.bar_chart(rows, x="Symbol", y="Percent", color="Side", stack=False)


def show_exposures(impact: Row) -> None:
    """What the funds really hold, and the notional."""
    st.subheader("Exposures, looked through leverage")
    st.caption(
        f"Notional {percent(impact['current_notional'])} before, {percent(impact['post_notional'])} after"
    )
    st.bar_chart(exposure_rows(impact), x="Exposure", y="Percent", color="Side", stack=False)


def show_impact(impact: Row) -> None:
    """Risk and return on both sides of the trades."""
    st.subheader("Impact")
    st.dataframe(impact_rows(impact), hide_index=True)
    st.caption(f"Value changes by the costs alone: {money(impact['value_delta'])}")


def show_frontier(client: Client, pack: str, name: str, constraints: Row) -> None:
    """Least volatility for each expected return."""
    with st.spinner("Solving the frontier"):
        found = client.execute(
            "efficient_frontier", portfolio_id=name, pricing_pack_id=pack, constraints=constraints
        )
    rows = [_point(point, "frontier") for point in found["points"]]
    if found["current"]:
        rows.append(_point(found["current"], "held now"))
    st.subheader("Efficient frontier under these limits, without turnover")
    for warning in found["warnings"]:
        st.warning(literal(warning))
    st.scatter_chart(rows, x="Volatility %", y="Expected return %", color="What", size=80)


def _point(point: Row, what: str) -> Row:
    return {
        "Volatility %": round(100 * point["volatility"], 2),
        "Expected return %": round(100 * point["expected_return"], 2),
        "What": what,
    }


def says_why_not(client: Client, *parts: str) -> bool:
    """Whether the desk lacks a file that a tab needs: then its place has the reason."""
    left_out = client.get("/v1/catalogue").get("left_out", {})
    reasons = [left_out[part] for part in parts if part in left_out]
    for reason in reasons:
        st.info(f"Left out: {reason}.")
    return bool(reasons)


def show_scenarios(client: Client, pack: str, name: str) -> None:
    """Profit and loss under every scenario."""
    if says_why_not(client, "scenarios"):
        return
    with st.spinner("Pricing the scenarios"):
        found = client.execute("portfolio_stress", portfolio_id=name, pricing_pack_id=pack)
    rows = scenario_rows(found["scenarios"])
    st.subheader("Scenarios, the worst first")
    for warning in found["warnings"]:
        st.warning(literal(warning))
    st.bar_chart(rows, x="Scenario", y="Profit %", horizontal=True, sort="Profit %", height=900)
    st.dataframe(rows, hide_index=True)
    _show_own_shocks(client, pack, name)


def _show_own_shocks(client: Client, pack: str, name: str) -> None:
    """The loss under shocks that the reader gives; what is left empty moves as it usually does with the others."""
    st.subheader("Shocks of your own")
    keys = client.get("/v1/catalogue")["shocks"]
    boxes = zip(keys, st.columns(len(keys)), strict=True)
    given = {
        key: box.number_input(key.replace("_", ", "), value=None, key=f"shock {key}") for key, box in boxes
    }
    shocks = {key: size for key, size in given.items() if size is not None}
    if not shocks:
        st.caption(
            "Give at least one; an empty one moves as it usually does with the others, 0 stands still."
        )
        return
    found = client.execute("portfolio_stress", portfolio_id=name, pricing_pack_id=pack, custom_shocks=shocks)
    st.dataframe(scenario_rows(found["scenarios"]), hide_index=True)


def show_hedges(client: Client, pack: str, name: str) -> None:
    """Hedges against one scenario."""
    if says_why_not(client, "scenarios", "hedges"):
        return
    scenarios = {s["scenario_id"]: s["name"] for s in client.get("/v1/catalogue")["scenarios"]}
    chosen = st.selectbox(
        "Scenario",
        list(scenarios),
        index=[*scenarios, FIRST].index(FIRST) % len(scenarios),
        format_func=lambda found: scenarios[found],
    )
    budget = st.slider("Budget, bps of the portfolio", 5, 500, 100, 5)
    with st.spinner("Choosing hedges"):
        found = client.execute(
            "suggest_hedges",
            portfolio_id=name,
            pricing_pack_id=pack,
            scenario_id=chosen,
            max_cost_bps=float(budget),
        )
    columns = st.columns(4)
    columns[0].metric("Loss", money(found["loss"]))
    columns[1].metric("Offset", money(found["expected_offset"]))
    columns[2].metric("Loss left", money(found["residual_loss"]))
    columns[3].metric("Cost", f"{found['total_cost_bps']:.1f} bps")
    for warning in found["warnings"]:
        st.info(literal(warning))
    if found["hedges"]:
        st.dataframe(hedge_rows(found["hedges"]), hide_index=True)


def show_regime(client: Client, pack: str, name: str) -> None:
    """What a regime asks of the holdings."""
    if says_why_not(client, "scenarios", "regimes"):
        return
    seen = client.get(f"/v1/packs/{pack}/regime")
    regimes = client.get("/v1/catalogue")["regimes"]
    chosen = regimes.index(seen["regime"] or "DELEVERAGING")
    regime = st.selectbox("Regime", regimes, index=chosen, key=f"regime-{pack}")
    show_detected(seen)
    with st.spinner("Applying the playbook"):
        found = client.execute(
            "suggest_deleveraging_hedges", portfolio_id=name, pricing_pack_id=pack, regime=regime
        )
    for rec in found["recommendations"]:
        st.markdown(f"**{rec['action'].replace('_', ' ').capitalize()}**: {literal(rec['rationale'])}")
        held = ", ".join(rec["instruments"]) or "nothing"
        others = f"; could be bought: {', '.join(rec['candidates'])}" if rec["candidates"] else ""
        st.caption(
            f"Held of it: {held}{others}. Now {rec['current_pct']:.1f}%, wanted {rec['wanted_pct']:.1f}%, "
            f"after the trades {rec['achieved_pct']:.1f}% of the portfolio."
        )
        if rec["trades"]:
            st.dataframe(rec["trades"], hide_index=True)


def show_detected(seen: Row) -> None:
    """Which regime the macro series look like, and what they say; or why none is detected."""
    if seen["regime"] is None:
        st.info(f"No regime is detected, so one is to be chosen: {literal('; '.join(seen['problems']))}.")
        return
    st.caption(
        f"The published figures look like {seen['regime']}: score {seen['score']:.2f} of 1, {seen['margin']:.2f} "
        f"before the next. A score is not a probability."
    )
    with st.expander("Indicators"):
        st.dataframe(driver_rows(seen["drivers"]), hide_index=True)


def show_compare(client: Client, pack: str, name: str, packs: list[str]) -> None:
    """The pipeline's weights under two packs."""
    if len(packs) == 1:
        st.info(f"{pack} is the only fresh pack: there is none to compare it with yet.")
        return
    other = st.selectbox("Compare with", [p for p in packs if p != pack])
    sides = {p: _weights(client, p, name) for p in dict.fromkeys((pack, other))}
    rows = [
        {
            "Symbol": symbol,
            **{f"{p} %": round(100 * weights.get(symbol, 0.0), 2) for p, weights in sides.items()},
            "Change %": round(100 * (sides[pack].get(symbol, 0.0) - sides[other].get(symbol, 0.0)), 2),
        }
        for symbol in sorted({symbol for weights in sides.values() for symbol in weights})
    ]
    st.subheader("Target weights of the daily run")
    st.dataframe(rows, hide_index=True)
    st.download_button("Download CSV", to_csv(rows), f"weights-{name}-{pack}-{other}.csv", "text/csv")


def _weights(client: Client, pack: str, name: str) -> dict[str, float]:
    found = client.get(f"/v1/packs/{pack}/weights", portfolio=name)["portfolios"]
    return {row["symbol"]: row["weight"] for portfolio in found for row in portfolio["optimal_weights"]}
