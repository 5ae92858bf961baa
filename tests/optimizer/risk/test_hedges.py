"""Every hedge gains under its scenario, whatever the book; what it costs and leaves adds up."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_tree import ROOT

from optimizer import (
    DataError,
    FactorModel,
    HedgeLimits,
    Instrument,
    PolicyError,
    Scenario,
    estimate_sensitivities,
    plan_hedges,
    stress,
    stress_factors,
)
from optimizer.risk.hedge_plans import plan_each
from optimizer.risk.hedges import Market, black_scholes, offers_of, quote
from optimizer.risk.scenarios import FACTORS, Sensitivities, applied_moves
from optimizer.typing import Array
from resources.settings.playbooks import load_playbooks

BOOKS = load_playbooks(ROOT / "config")
SCALE = np.array([0.0006, 0.0004, 0.0004, 0.004, 0.010, 0.010, 0.05])
# Sensitivities of the catalogue's underlyings; the books are random.
TRUE = {
    "SPY": [0, 0, 0, 0, 1.0, 0, 0], "QQQ": [0, 0, 0, 0, 1.2, 0, 0], "TLT": [-16, 0, 0, 0, 0, 0, 0],
    "IEF": [-7.5, 0, 0, 0, 0, 0, 0], "LQD": [-8.4, 0, -8.4, 0, 0, 0, 0], "HYG": [-3.5, 0, -3.8, 0, 0.1, 0, 0],
    "UUP": [0, 0, 0, 1, 0, 0, 0], "TIP": [-7, 6.5, 0, 0, 0, 0, 0], "DBC": [0, 0, 0, 0, 0, 1, 0],
    "SPX": [0, 0, 0, 0, 1.0, 0, 0], "GLD": [-4, 3, 0, -0.5, 0, 0.2, 0], "VIXY": [0, 0, 0, 0, 0, 0, 0.45],
}  # fmt: skip
MARKETS = {symbol: Market(100.0, 0.8 if symbol == "VIXY" else 0.15, 0.02) for symbol in TRUE}
LIMITS = HedgeLimits(max_cost_bps=500)


def sensitivities(book: Array) -> Sensitivities:
    rng = np.random.default_rng(5)
    moves = rng.standard_normal((300, 7)) * SCALE
    moves[:, 6] = -5 * moves[:, 4] + 0.02 * rng.standard_normal(300)
    true = np.vstack([np.array(list(TRUE.values()), dtype=float), book])
    noise = 0.003 * rng.standard_normal((300, len(true)))
    symbols = [*TRUE, *(f"B{i}" for i in range(len(book)))]
    return estimate_sensitivities(symbols, moves @ true.T + noise, moves, np.full(true.shape, np.nan))


@pytest.mark.parametrize("scenario", BOOKS.scenarios.values(), ids=lambda scenario: scenario.id)
@settings(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_each_hedge_gains_and_no_loss_means_no_hedge(scenario: object, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = sensitivities(rng.normal(size=(3, 7)) * np.array([5, 2, 3, 0.5, 1, 0.5, 0.1]))
    held = dict(zip(("B0", "B1", "B2"), (1e6 * rng.dirichlet(np.ones(3))).tolist(), strict=True))
    result = stress(held, found, scenario)  # type: ignore[arg-type]
    plan = plan_hedges(result, 1e6, BOOKS.instruments, MARKETS, found, LIMITS)
    if result.total >= 0:
        assert plan.hedges == () and plan.loss == 0
        return
    moves = applied_moves(result.scenario, found)
    for hedge in plan.hedges:
        growth = exp(found.of([hedge.instrument.symbol]).values[0] @ moves)
        assert hedge.offset == pytest.approx(hedge.notional * gain_of(hedge.instrument, growth, moves))
        assert hedge.offset > max(hedge.standard_error, hedge.cost) and hedge.cost > 0 and hedge.quantity >= 1
    assert 0 <= plan.residual <= plan.loss
    assert plan.residual == pytest.approx(plan.loss - sum(hedge.offset for hedge in plan.hedges))
    assert plan.cost <= LIMITS.max_cost_bps * 1e-4 * 1e6 + 1e-6
    assert len(plan.hedges) <= LIMITS.max_count


def gain_of(instrument: Instrument, growth: float, moves: Array) -> float:
    """Per unit of notional, computed again."""
    if instrument.option_type is None:
        return (growth - 1) * (1 if instrument.side == "BUY" else -1)
    market, years = MARKETS[instrument.symbol], instrument.expiry_days / 365
    after = market.volatility * exp(moves[FACTORS.index("volatility")])
    priced = [
        black_scholes(instrument.option_type, spot, instrument.moneyness, years, vol, market.rate)
        for spot, vol in ((1.0, market.volatility), (growth, after))
    ]
    return priced[1] - priced[0]


def test_black_scholes_against_a_published_value_and_parity() -> None:
    rate = exp(0.1) - 1  # Hull's example states 10% continuously compounded
    call = black_scholes("CALL", 42, 40, 0.5, 0.2, rate)
    put = black_scholes("PUT", 42, 40, 0.5, 0.2, rate)
    # Hull, Options, Futures, and Other Derivatives, 15.6.
    assert (round(call, 2), round(put, 2)) == (
        4.76,
        0.81,
    )
    assert call - put == pytest.approx(42 - 40 * exp(-0.05))
    assert black_scholes("PUT", 30, 40, 0.0, 0.2, rate) == 10
    assert log(1 + rate) == pytest.approx(0.1)


def test_long_bonds_are_sold_against_rising_rates_never_bought() -> None:
    found = sensitivities(np.array([[-9.0, 0, 0, 0, 0, 0, 0]]))
    result = stress({"B0": 1e6}, found, BOOKS.scenarios["rates_up"])
    sides = {(h.instrument.symbol, h.instrument.side, h.instrument.option_type)
             for h in plan_hedges(result, 1e6, BOOKS.instruments, MARKETS, found, LIMITS).hedges}  # fmt: skip
    assert ("TLT", "SELL", None) in sides and ("TLT", "BUY", None) not in sides


def test_the_cheapest_offset_goes_first_and_the_budget_holds() -> None:
    found = sensitivities(np.array([[0, 0, 0, 0, 1.0, 0, 0]], dtype=float))
    result = stress({"B0": 1e7}, found, BOOKS.scenarios["equity_selloff"])
    tight = plan_hedges(result, 1e7, BOOKS.instruments, MARKETS, found, HedgeLimits(max_cost_bps=10))
    loose = plan_hedges(result, 1e7, BOOKS.instruments, MARKETS, found, HedgeLimits(max_cost_bps=1000))
    assert tight.cost <= 10 * 1e-4 * 1e7 < loose.cost
    assert loose.residual < tight.residual
    rates = [h.cost / (h.offset - h.standard_error) for h in loose.hedges]
    assert rates == sorted(rates)


def test_a_hedge_that_costs_more_than_it_brings_is_left_out_and_says_so() -> None:
    found = sensitivities(np.array([[0, 0, 0, 0, 1.0, 0, 0]], dtype=float))
    result = stress({"B0": 1e6}, found, BOOKS.scenarios["equity_selloff"])

    def short(carry_bps: float) -> Instrument:
        return Instrument("SPY", "etf", "SELL", ("equity",), spread_bps=0.0, carry_bps=carry_bps)

    def plan(carry_bps: float):  # type: ignore[no-untyped-def]
        return plan_hedges(result, 1e6, [short(carry_bps)], MARKETS, found, HedgeLimits(max_cost_bps=1e4))

    brings = plan(1.0).hedges[0].quote.gain
    at_par = brings * 1e4 * 365 / HedgeLimits().horizon_days  # carry that eats up the gain
    assert len(plan(0.99 * at_par).hedges) == 1
    dear = plan(1.01 * at_par)
    assert dear.hedges == () and dear.residual == dear.loss
    assert any("SELL SPY is left out: it costs" in note for note in dear.notes)


def test_an_instrument_that_cannot_be_is_refused() -> None:
    for wrong in ({"kind": "etf", "option_type": "PUT"}, {"kind": "option"}, {"against": ("weather",)}):
        with pytest.raises(PolicyError):
            Instrument(**{"symbol": "X", "kind": "etf", "side": "BUY", "against": ("equity",), **wrong})  # type: ignore[arg-type]
    with pytest.raises(PolicyError):
        HedgeLimits(max_share=0.0)


def test_a_put_is_worth_more_after_a_fall_and_costs_its_premium() -> None:
    found = sensitivities(np.array([[0, 0, 0, 0, 1.0, 0, 0]], dtype=float))
    moves = applied_moves(BOOKS.scenarios["equity_selloff"], found)
    put = next(i for i in BOOKS.instruments if i.symbol == "SPY")
    found_quote = quote(put, MARKETS["SPY"], found, moves, LIMITS)
    assert found_quote.premium is not None and found_quote.strike == pytest.approx(95)
    assert found_quote.gain > found_quote.premium and found_quote.cost >= found_quote.premium


def test_a_replayed_scenario_moves_instruments_by_what_they_did() -> None:
    found = sensitivities(np.array([[0, 0, 0, 0, 1.0, 0, 0]], dtype=float))
    real = {"B0": -0.4, "SPY": -0.35, "TLT": 0.2}
    result = stress({"B0": 1e6}, found, BOOKS.scenarios["CRISIS_2008"], real)
    plan = plan_hedges(result, 1e6, BOOKS.instruments, MARKETS, found, LIMITS, real)
    assert plan.loss == pytest.approx(400_000) and plan.hedges
    for hedge in plan.hedges:
        if hedge.instrument.symbol in real:
            assert hedge.standard_error == 0
    put = next(i for i in BOOKS.instruments if i.symbol == "SPY")
    moves = applied_moves(result.scenario, found)
    quoted = quote(put, MARKETS["SPY"], found, moves, LIMITS, real["SPY"])
    assert quoted.gain == pytest.approx(gain_of(put, 0.65, moves))
    sold = next(i for i in BOOKS.instruments if (i.symbol, i.side, i.kind) == ("TLT", "SELL", "etf"))
    assert quote(sold, MARKETS["TLT"], found, moves, LIMITS, real["TLT"]).gain == pytest.approx(-0.2)


def test_a_budget_without_end_is_none_and_a_value_that_is_no_amount_is_refused() -> None:
    found = sensitivities(np.array([[0, 0, 0, 0, 1.0, 0, 0]]))
    result = stress({"B0": 1e7}, found, BOOKS.scenarios["equity_selloff"])
    open_end = HedgeLimits(max_cost_bps=np.inf)
    plans = [plan_hedges(result, nav, BOOKS.instruments, MARKETS, found, open_end) for nav in (0.0, 1e7)]
    assert plans[0] == plans[1] and plans[0].hedges
    for wrong in (np.nan, np.inf):
        with pytest.raises(DataError, match=f"the NAV is {wrong}"):
            plan_hedges(result, wrong, BOOKS.instruments, MARKETS, found, LIMITS)


def test_a_scenario_of_another_models_factors_is_not_hedged_by_shocks() -> None:
    model = FactorModel(("B0",), ("momentum",), ("style",), np.ones((1, 1)), np.eye(1), np.zeros(1))
    result = stress_factors({"B0": 1e6}, model, Scenario("m", "m", {}, factors={"momentum": -0.2}))
    found = sensitivities(np.array([[0, 0, 0, 0, 1.0, 0, 0]]))
    plan = plan_hedges(result, 1e6, BOOKS.instruments, MARKETS, found, LIMITS)
    assert plan.hedges == () and plan.loss == pytest.approx(2e5) and "No instrument" in plan.notes[0]


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), most=st.integers(0, 4), cost=st.sampled_from([0.0, 5.0, 500.0]))
def test_a_book_gets_the_same_hedges_whoever_else_is_planned_for(seed: int, most: int, cost: float) -> None:
    """Bit for bit, in any order: what shares a shard decides nothing, and books differ from each other."""
    rng = np.random.default_rng(seed)
    found = sensitivities(rng.normal(size=(5, 7)) * np.array([5, 2, 3, 0.5, 1, 0.5, 0.1]))
    limits = HedgeLimits(max_cost_bps=cost, max_count=most)
    lines = []
    for scenario in list(BOOKS.scenarios.values())[::3]:
        moves = applied_moves(scenario, found)
        offers = offers_of(BOOKS.instruments, MARKETS, found, moves, limits)
        for _ in range(3):
            nav = float(rng.uniform(1e4, 1e8))
            shares = rng.dirichlet(np.ones(5)) * rng.choice([-1, 1, 1], 5)
            held = dict(zip([f"B{i}" for i in range(5)], (nav * shares).tolist(), strict=True))
            replay = {"B1": float(rng.uniform(-0.5, 0.2))} if rng.random() < 0.3 else None
            lines.append((offers, stress(held, found, scenario, replay), nav))
    order = rng.permutation(len(lines))
    offers_, results, navs = zip(*(lines[i] for i in order), strict=True)
    totals, causes = np.array([r.total for r in results]), np.array([r.causes for r in results])
    among = plan_each(offers_, totals, causes, np.array(navs), limits)
    for place, result in enumerate(results):
        alone = plan_hedges(result, navs[place], BOOKS.instruments, MARKETS, found, limits)
        assert among.plan(place) == alone
        assert (among.offset[place], among.cost[place]) == (alone.offset, alone.cost)
    assert list(among.chosen.row) == sorted(among.chosen.row)
