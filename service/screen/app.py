"""The page: choose a pack, a portfolio and limits; see trades, risk, scenarios and hedges. `packfolio screen`."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import streamlit as st

from service.screen.client import AnswerError, Client
from service.screen.factors import show_factors
from service.screen.limits import LineError, chosen_limits, differences
from service.screen.panels import (
    show_exposures,
    show_frontier,
    show_impact,
    show_schedule,
    show_trades,
    show_weights,
    totals,
)
from service.screen.performance import show_compare, show_performance
from service.screen.risk_panels import show_hedges, show_regime, show_scenarios
from service.screen.tables import literal

Row = dict[str, Any]
SIDEBAR = 340  # pixels; on a telephone it is folded away
LISTED = 50  # portfolios that one look at the list shows
STALE = "stale"
STYLE = f"""<style>
[class*=st-key-{STALE}] {{opacity: 0.45; filter: grayscale(1);}}
[data-testid=stBaseButton-primary], [data-testid=stMultiSelect] [data-tag] {{
    background: #1f5aa6; border-color: #1f5aa6; color: #fff;}}
@media (min-width: 768px) {{[data-testid=stMainBlockContainer] {{padding: 3.5rem 2.5rem;}}}}
[data-testid=stCaptionContainer] {{color: inherit; opacity: 0.85;}}
[data-testid=stCaptionContainer] * {{color: inherit;}}
</style>"""
OF_TRADES: dict[str, Callable[..., None]] = {
    "Trades": show_trades,
    "Weights": show_weights,
    "Exposures": show_exposures,
    "Impact": show_impact,
}
OF_HOLDINGS: dict[str, Callable[..., None]] = {
    "Scenarios": show_scenarios,
    "Hedges": show_hedges,
    "Regime": show_regime,
    "Factors": show_factors,
    "Performance": show_performance,
}
PACED = ("max_participation_pct", "participation_limits_pct")  # keys by which orders take days
FRONTIER, COMPARE = "Frontier", "Compare packs"


def main() -> None:
    """Everything on the page; what fails is said in words."""
    st.set_page_config(page_title="Packfolio", layout="wide", initial_sidebar_state=SIDEBAR)
    st.html(STYLE)
    st.title("Portfolio Rebalancing")
    client = Client()
    try:
        page(client)
    except (AnswerError, LineError) as error:
        st.error(literal(str(error)))


def page(client: Client) -> None:
    """The sidebar, the button, and the answer in tabs."""
    packs = [pack["pack_id"] for pack in client.get("/v1/packs") if pack["verdict"] == "fresh"]
    if not packs:
        st.info("There is no fresh pack yet: run `packfolio run`, then reload this page.")
        return
    with st.sidebar:
        pack = st.selectbox("Pricing pack", packs)
        own = portfolio(client, pack)
        if own is None:
            return
        name = own["name"]
        limits = (
            {}
            if own["problem"]
            else chosen_limits(own["policy"], client.get("/v1/catalogue"), f"{name} {pack}")
        )
    if own["problem"]:
        st.warning(f"{name} cannot be computed under {pack}: {literal(own['problem'])}")
        return
    symbols = "1 symbol" if len(own["symbols"]) == 1 else f"{len(own['symbols'])} symbols"
    st.caption(f"{name} under {pack}, in {own['base_currency']}: {symbols}")
    answer, fresh = answered(client, pack, name, limits)
    tabs(client, pack, own, limits, answer, fresh, packs)


def portfolio(client: Client, pack: str) -> Row | None:
    """The portfolio chosen; among many, one that the search finds. None, with the reason, where there is none."""
    path = f"/v1/packs/{pack}/portfolios"
    found, there = client.part(path, limit=LISTED)
    if not found:
        st.info(f"{pack} has no portfolios: the run stopped before them. Run `packfolio run` again.")
        return None
    if there > LISTED:
        part = st.text_input("Search portfolios", placeholder="part of a name", key="search")
        matching = there
        if part:
            found, matching = client.part(path, limit=LISTED, search=part)
        shown = f"the first {LISTED} of " if matching > LISTED else ""
        st.caption(
            f"{shown}{matching:,} that match, of {there:,}" if part else f"{shown}{there:,} portfolios"
        )
        if not found:
            st.info(f"No portfolio of {pack} has {literal(part)} in its name.")
            return None
    named = {one["name"]: one for one in found}
    return named[st.selectbox("Portfolio", list(named))]


def answered(client: Client, pack: str, name: str, limits: Row) -> tuple[Row | None, bool]:
    """The last answer for this portfolio and pack, and whether it answers the limits that the sidebar shows."""
    asked, answer = st.session_state.get("answer", ({}, None))
    if (asked.get("name"), asked.get("pack")) != (name, pack):
        answer = None
    fresh = answer is not None and asked["limits"] == limits
    label = "Generate Rebalance Trades" if answer is None or fresh else "Generate again"
    if st.button(label, type="primary", key="generate"):
        st.session_state.pop("answer", None)
        with st.spinner("Solving: weights, whole shares, costs, limits"):
            answer = client.execute(
                "policy_rebalance", portfolio_id=name, pricing_pack_id=pack, constraints=limits
            )
        st.session_state["answer"] = ({"name": name, "pack": pack, "limits": limits}, answer)
        st.rerun()
    if answer is None:
        st.info(
            "Choose the limits on the left (» opens them in a narrow window), then press *Generate Rebalance Trades*."
        )
    elif not fresh:
        changed = "\n".join(f"- {literal(line)}" for line in differences(asked["limits"], limits))
        st.warning(
            f"What is grey answers other limits than those on the left: *Generate again*.\n\n{changed}"
        )
    return answer, fresh


def as_it_is(fresh: bool, part: str) -> AbstractContextManager[Any]:
    """A place for what follows from the answer: grey where that answers other limits."""
    return st.container(key=None if fresh else f"{STALE}-{part}")


def tabs(
    client: Client, pack: str, own: Row, limits: Row, answer: Row | None, fresh: bool, packs: list[str]
) -> None:
    """One tab a question; what a tab asks of the API is asked when it is on the page."""
    name = own["name"]
    if answer:
        with as_it_is(fresh, "totals"):
            totals(answer)
    names = [*OF_TRADES, FRONTIER, *OF_HOLDINGS, COMPARE]
    wanted = st.segmented_control("Show", names, default="Trades", key="tab", required=True)
    if wanted in OF_TRADES and answer:
        with as_it_is(fresh, "tab"):
            OF_TRADES[wanted](answer, fresh)
    elif wanted in OF_TRADES:
        st.caption(f"{wanted}: shown when trades are generated.")
    elif wanted == FRONTIER:
        show_frontier(client, pack, name, limits, answer if fresh else None)
    elif wanted == COMPARE:
        show_compare(client, pack, name, packs)
    else:
        OF_HOLDINGS[wanted](client, pack, name, own["base_currency"])
    if wanted == "Trades" and any(own["policy"].get(key) for key in PACED):
        show_schedule(client, pack, name)


main()
