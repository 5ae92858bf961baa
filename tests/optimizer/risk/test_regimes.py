"""A playbook applied to what is held: how much goes, how much may be bought, and what is only a candidate."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_tree import ROOT

from optimizer import CostModel, ExposureType, Fund, FundExposureMap, PolicyError, advise
from optimizer.risk.regimes import REGIMES, Advice, Book
from resources.settings.playbooks import load_playbooks

PLAYBOOK = load_playbooks(ROOT / "config").regimes
T = ExposureType
FUNDS = FundExposureMap(
    [
        Fund("SPY", "SPY", {T.US_LARGE_EQUITY: 1.0}),
        Fund("RSST", "RSST", {T.US_LARGE_EQUITY: 1.0, T.MANAGED_FUTURES: 1.0}),
        Fund("HYG", "HYG", {T.CREDIT_HY: 1.0}), Fund("TLT", "TLT", {T.US_TREASURY_LONG: 1.0}),
        Fund("GLD", "GLD", {T.GOLD: 1.0}), Fund("DBC", "DBC", {T.COMMODITIES: 1.0}), Fund("TIP", "TIP", {T.TIPS: 1.0}),
    ],
    unmapped="unknown",
)  # fmt: skip
PRICES = {"SPY": 500.0, "RSST": 25.0, "HYG": 80.0, "TLT": 90.0, "GLD": 200.0, "DBC": 22.0, "TIP": 108.0}
COSTS = CostModel(commission=5.0, impact_bps=15.0)


def book(cash: float = 0.0, **values: float) -> Book:
    held = {symbol: Decimal(str(value)) for symbol, value in values.items()}
    return Book(held, PRICES, Decimal(str(cash)), {}, FUNDS)


def test_deleveraging_sells_forty_percent_of_equity_and_all_high_yield() -> None:
    found = advise(PLAYBOOK, "DELEVERAGING", book(SPY=100_000, HYG=16_000), COSTS)
    reduce_equity, credit, havens = found
    assert [(o.symbol, o.action, o.quantity) for o in reduce_equity.orders] == [("SPY", "SELL", 80)]
    assert [(o.symbol, o.quantity) for o in credit.orders] == [("HYG", 200)]
    assert reduce_equity.achieved == pytest.approx(reduce_equity.current * 0.6)
    assert credit.achieved == 0
    assert havens.instruments == ("CASH",) and havens.candidates == ("GLD", "TLT")
    assert havens.orders == ()  # the cash of the sales is already more than 30%


def test_equity_inside_a_stacked_fund_counts() -> None:
    found = advise(PLAYBOOK, "LATE_EXPANSION", book(RSST=50_000, TLT=50_000), COSTS)[0]
    assert found.instruments == ("RSST",) and found.current == pytest.approx(0.5)


def test_what_is_not_held_is_a_candidate_and_bought_only_with_cash() -> None:
    rich = advise(PLAYBOOK, "REFLATION", book(cash=50_000, SPY=50_000), COSTS)
    assert rich[0].orders == () and rich[0].instruments == ()
    assert rich[1].candidates == ("GLD", "TIP", "DBC")
    assert [(o.symbol, o.action) for o in rich[1].orders] == [("GLD", "BUY")]
    poor = advise(PLAYBOOK, "REFLATION", book(SPY=100_000), COSTS)
    assert poor[1].orders == () and poor[1].achieved == 0


@given(
    st.sampled_from(REGIMES),
    st.lists(st.integers(0, 10_000), min_size=7, max_size=7),
    st.integers(0, 100_000),
    st.sampled_from([COSTS, CostModel(per_share=0.5), CostModel(commission=60.0, buy_tax_bps=50.0)]),
)
def test_nothing_is_oversold_and_cash_is_never_overdrawn(
    regime: str, shares: list[int], cash: int, costs: CostModel
) -> None:
    values = {s: n * PRICES[s] for s, n in zip(PRICES, shares, strict=True) if n}
    here = book(cash=cash, **values)
    flows: dict[str, float] = {}
    left = float(cash)
    for recommendation in advise(PLAYBOOK, regime, here, costs):
        for order in recommendation.orders:
            sign = 1 if order.action == "BUY" else -1
            flows[order.symbol] = flows.get(order.symbol, 0.0) + sign * float(order.value)
            left -= sign * float(order.value) + float(order.cost)
    assert all(values.get(symbol, 0.0) + flow >= -0.01 for symbol, flow in flows.items())
    assert left >= -1e-6


def test_every_regime_has_a_playbook_and_no_other_exists() -> None:
    assert tuple(PLAYBOOK) == REGIMES
    with pytest.raises(PolicyError, match="EARLY_EXPANSION"):
        advise(PLAYBOOK, "BOOM", book(SPY=1.0), COSTS)
    with pytest.raises(PolicyError, match="name exposures or sectors"):
        Advice("x", "reduce", 0.5, "why")
    assert advise(PLAYBOOK, "RECESSION", book(), COSTS) == ()
