"""What is asked of the holdings as they stand: scenarios, hedges, and what a regime asks for."""

from typing import Any

import streamlit as st

from service.screen.charts import losses
from service.screen.client import AnswerError, Client
from service.screen.factor_hedges import show_factor_hedges
from service.screen.limits import Limit, entry
from service.screen.shown import show_metrics, show_reasons, show_table
from service.screen.tables import (
    driver_rows,
    hedge_forms,
    hedge_rows,
    literal,
    money,
    order_forms,
    order_rows,
    scenario_forms,
    scenario_rows,
)
from service.screen.tails import show_tail

Row = dict[str, Any]
FIRST = "equity_selloff"  # the scenario that a reader sees first, where the desk has it
BUDGET = Limit("hedge_budget", "Budget, bps of the portfolio", 5.0, 500.0, 5.0, None, usual=100.0)
HELD = "Of what is held now, before any trade."


def says_why_not(client: Client, *parts: str) -> bool:
    """Whether the desk lacks a file that a tab needs: then its place has the reason."""
    left_out = client.get("/v1/catalogue").get("left_out", {})
    reasons = [left_out[part] for part in parts if part in left_out]
    for reason in reasons:
        st.info(f"Left out: {reason}.")
    return bool(reasons)


def show_scenarios(client: Client, pack: str, name: str, currency: str) -> None:
    """Profit and loss under every scenario, and the value at risk."""
    _show_losses(client, pack, name, currency)
    show_tail(client, pack, name, currency)


def _show_losses(client: Client, pack: str, name: str, currency: str) -> None:
    if says_why_not(client, "scenarios"):
        return
    try:
        with st.spinner("Pricing the scenarios"):
            found = client.execute("portfolio_stress", portfolio_id=name, pricing_pack_id=pack)
    except AnswerError as error:
        if not error.lacks:
            raise
        st.info(f"Scenarios are left out: {literal(str(error))}")
        return
    rows = scenario_rows(found["scenarios"], currency)
    st.subheader("Scenarios, the worst first")
    for warning in found["warnings"]:
        st.warning(literal(warning))
    st.caption(HELD)
    if any(one["profit_pct"] for one in found["scenarios"]):
        st.vega_lite_chart(
            rows,
            losses("Scenario"),
            alt="Profit or loss under each scenario; the table below has the same numbers",
        )
    else:
        st.info("Nothing that is held moves under a scenario.")
    show_table(rows, scenario_forms(currency))
    _show_own_shocks(client, pack, name, currency)


def _show_own_shocks(client: Client, pack: str, name: str, currency: str) -> None:
    """The loss under shocks that the reader gives; what is left empty moves as it usually does with the others."""
    st.subheader("Shocks of your own")
    keys = client.get("/v1/catalogue")["shocks"]
    boxes = zip(keys, st.columns(len(keys)), strict=True)
    given = {
        key: box.number_input(key.replace("_pct", ", %").replace("_", ", "), value=None, key=f"shock {key}")
        for key, box in boxes
    }
    shocks = {key: size for key, size in given.items() if size is not None}
    if not shocks:
        st.caption(
            "Give at least one; an empty one moves as it usually does with the others, 0 stands still."
        )
        return
    found = client.execute("portfolio_stress", portfolio_id=name, pricing_pack_id=pack, custom_shocks=shocks)
    show_table(scenario_rows(found["scenarios"], currency), scenario_forms(currency))


def show_hedges(client: Client, pack: str, name: str, currency: str) -> None:
    """Hedges against one scenario, and against factors where the portfolio has a model of them."""
    if says_why_not(client, "hedges"):
        return
    st.caption(HELD)
    if not says_why_not(client, "scenarios"):
        try:
            _show_scenario_hedges(client, pack, name, currency)
        except AnswerError as error:
            if not error.lacks:
                raise
            st.info(f"Hedges of scenarios are left out: {literal(str(error))}")
    show_factor_hedges(client, pack, name, currency)


def _show_scenario_hedges(client: Client, pack: str, name: str, currency: str) -> None:
    scenarios = {s["scenario_id"]: s["name"] for s in client.get("/v1/catalogue")["scenarios"]}
    chosen = st.selectbox(
        "Scenario",
        list(scenarios),
        index=[*scenarios, FIRST].index(FIRST) % len(scenarios),
        format_func=lambda found: scenarios[found],
    )
    budget = entry(BUDGET, BUDGET.usual, f"{name} {pack}")
    with st.spinner("Choosing hedges"):
        found = client.execute(
            "suggest_hedges",
            portfolio_id=name,
            pricing_pack_id=pack,
            scenario_id=chosen,
            max_cost_bps=budget,
        )
    shown = {"Loss": found["loss"], "Offset": found["expected_offset"], "Loss left": found["residual_loss"]}
    show_metrics({
        **{f"{label} ({currency})": money(value, 0) for label, value in shown.items()},
        "Cost": f"{found['total_cost_bps']:.1f} bps",
    })  # fmt: skip
    for warning in found["warnings"]:
        st.info(literal(warning))
    if found["hedges"]:
        rows = hedge_rows(found["hedges"], currency)
        show_table(rows, hedge_forms(currency))
        show_reasons((f"{row['Action']} {row['Instrument']}", row["Reason"]) for row in rows)


def show_regime(client: Client, pack: str, name: str, currency: str) -> None:
    """What a regime asks of the holdings."""
    if says_why_not(client, "scenarios", "regimes"):
        return
    st.caption(HELD)
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
            f"Held of it: {held}{others}. Before this step {rec['current_pct']:.1f}%, wanted {rec['wanted_pct']:.1f}%, "
            f"after it {rec['achieved_pct']:.1f}% of the portfolio."
        )
        if rec["trades"]:
            show_table(order_rows(rec["trades"], currency), order_forms(currency))


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
        show_table(driver_rows(seen["drivers"]), {"Value": "%,.4g", "z-score": "%.2f"})
