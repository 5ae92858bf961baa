"""Corporate actions: value before = value after + cash, cost before = cost after + cost realised, for every kind."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import DataError, Lot, Position
from optimizer.model.actions.action_kinds import (
    KINDS,
    CorporateAction,
    action_faults,
    nearest_kind,
    share_ratio,
)
from optimizer.model.actions.corporate_actions import STEPS, adjust_holdings, adjust_position

DAY = date(2024, 6, 3)


def action(kind: str, **stated: Any) -> CorporateAction:
    return CorporateAction("OLD", DAY, kind, **stated)


def lots(*told: tuple[int, int]) -> tuple[Lot, ...]:
    """Lots of (shares, cost per share), oldest first."""
    return tuple(
        Lot(f"l{place}", "OLD", Decimal(shares), Decimal(cost), date(2020, 1, 1 + place))
        for place, (shares, cost) in enumerate(told)
    )


def value(held: Any, prices: dict[str, float]) -> Decimal:
    return sum((item.quantity * Decimal(str(prices[item.symbol])) for item in held), Decimal(0))


# kind -> what it states, and the prices of (OLD before, OLD after, NEW after): a market without any other news
MARKETS: dict[str, tuple[dict[str, Any], tuple[float, float, float]]] = {
    "rename": ({"new_symbol": "NEW"}, (60, 0, 60)),
    "dividend": ({"value": 1.5}, (60, 58.5, 0)),
    "special_dividend": ({"value": 20}, (60, 40, 0)),
    "return_of_capital": ({"value": 20}, (60, 40, 0)),
    "split": ({"value": 1.2, "cash_in_lieu": 50}, (60, 50, 0)),
    "stock_dividend": ({"value": 0.25, "cash_in_lieu": 48}, (60, 48, 0)),
    "spin_off": ({"value": 0.5, "new_symbol": "NEW", "cash_in_lieu": 24}, (60, 48, 24)),
    "merger": ({"value": 0.4, "new_symbol": "NEW", "cash": 12, "cash_in_lieu": 120}, (60, 0, 120)),
    "delisting": ({"value": 60}, (60, 0, 0)),
}
SHARES = st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 500)), min_size=1, max_size=4)


def test_every_kind_has_its_step_and_its_market() -> None:
    assert set(KINDS) == set(STEPS) == set(MARKETS)


@pytest.mark.parametrize("kind", KINDS)
@given(told=SHARES, whole=st.booleans(), rate=st.sampled_from(["1", "1.25"]))
def test_value_and_cost_are_kept(kind: str, told: list[tuple[int, int]], whole: bool, rate: str) -> None:
    stated, (before, after, new) = MARKETS[kind]
    stated = {name: item for name, item in stated.items() if whole or name != "cash_in_lieu"}
    held, fx = lots(*told), float(rate)
    prices = {"OLD": after * fx, "NEW": new * fx}
    out = adjust_position(action(kind, **stated), held, rate=rate, prices=prices)
    assert float(value(out.held, prices) + out.cash) == pytest.approx(
        float(value(held, {"OLD": before * fx})), abs=1e-3
    )
    cost = sum(lot.quantity * lot.cost_basis for lot in held)
    kept = sum(lot.quantity * lot.cost_basis for lot in out.held)
    used = sum(part.cost for part in out.realised)
    if kind == "return_of_capital":
        used = out.cash - sum(part.gain for part in out.realised)
    if kind == "merger":  # cash beside shares: what it did not realise lowers the cost
        used = out.cash - sum(part.gain for part in out.realised)
    assert float(kept + used) == pytest.approx(float(cost), abs=1e-2)
    assert {lot.acquired for lot in out.held} <= {lot.acquired for lot in held}  # the holding period goes on
    if whole and "cash_in_lieu" in stated:
        changed = "OLD" if kind in ("split", "stock_dividend") else "NEW"
        shares = float(sum(lot.quantity for lot in out.held if lot.symbol == changed))
        assert shares == pytest.approx(round(shares), abs=1e-9)


def test_three_lots_of_a_split_lose_one_fraction_in_all() -> None:
    out = adjust_position(action("split", value=1.5, cash_in_lieu=40), lots((35, 30), (35, 60), (35, 90)))
    assert [lot.quantity for lot in out.held] == [52, Decimal("52.5"), Decimal("52.5")]  # 157.5 -> 157
    assert out.cash == 20
    (part,) = out.realised
    assert (part.holding.lot_id, part.quantity, part.proceeds, part.cost) == ("l0", Decimal("0.5"), 20, 10)


def test_one_share_for_three_is_exact() -> None:
    (lot,) = adjust_position(action("split", value=0.33333333), lots((300, 20))).held
    assert (lot.quantity, lot.cost_basis) == (100, 60)
    assert (
        adjust_position(
            action("split", value=0.33333333, cash_in_lieu=60), lots((35, 1), (35, 1), (35, 1))
        ).cash
        == 0
    )


def test_a_lot_that_became_worthless_is_a_realised_loss() -> None:
    out = adjust_position(action("delisting", value=0), lots((100, 90)))
    assert (out.held, out.cash) == ((), 0)
    assert [part.gain for part in out.realised] == [-9000]


def test_capital_is_returned_out_of_the_cost_first() -> None:
    out = adjust_position(action("return_of_capital", value=5), lots((10, 3), (10, 8)))
    assert [lot.cost_basis for lot in out.held] == [0, 3]
    assert out.cash == 100
    assert [(part.holding.lot_id, part.gain) for part in out.realised] == [("l0", 20)]


def test_the_cost_of_a_spin_off_follows_the_stated_share_or_the_first_prices() -> None:
    stated = adjust_position(
        action("spin_off", value=0.5, new_symbol="NEW", basis_share=0.2), lots((10, 100))
    )
    assert [(lot.symbol, lot.quantity, lot.cost_basis) for lot in stated.held] == [
        ("OLD", 10, 80), ("NEW", 5, 40),
    ]  # fmt: skip
    by_price = adjust_position(
        action("spin_off", value=0.5, new_symbol="NEW"), lots((10, 100)), prices={"OLD": 75, "NEW": 50}
    )
    assert [lot.cost_basis for lot in by_price.held] == [75, 50]
    with pytest.raises(DataError, match="NEW has no price of that day or later"):
        adjust_position(action("spin_off", value=0.5, new_symbol="NEW"), lots((10, 100)), prices={"OLD": 75})


@pytest.mark.parametrize(
    ("cost", "gain", "new_cost"),
    [(20, 12, 20), (55, 5, 48), (70, 0, 58)],  # the cash is the most, the whole gain, and never a loss
)
def test_cash_beside_shares_realises_at_most_itself(cost: int, gain: int, new_cost: int) -> None:
    terms = action("merger", value=0.5, new_symbol="NEW", cash=12)
    out = adjust_position(terms, lots((10, cost)), prices={"NEW": 96})
    (lot,) = out.held
    assert (lot.symbol, lot.quantity, lot.cost_basis) == ("NEW", 5, 2 * new_cost)
    assert out.cash == 120
    assert sum(part.gain for part in out.realised) == 10 * gain


def test_a_short_position_pays() -> None:
    short = Position("OLD", Decimal(-10), Decimal(50))
    assert adjust_position(action("dividend", value=2), [short]).cash == -20
    out = adjust_position(action("delisting", value=30), [short])
    assert (out.cash, out.realised[0].gain) == (-300, 200)


def test_other_symbols_stay_and_a_currency_is_converted() -> None:
    other = Position("OTHER", Decimal(3), Decimal(7))
    out = adjust_position(action("dividend", value=2, currency="EUR"), [other, *lots((10, 5))], rate="1.1")
    assert out.held[0] == other
    assert out.cash == 22


def test_actions_of_a_day_in_any_order_and_renames_at_once() -> None:
    swap = [
        CorporateAction("A", DAY, "rename", new_symbol="B"),
        CorporateAction("B", DAY, "rename", new_symbol="A"),
    ]
    later = [
        CorporateAction("B", DAY, "dividend", value=1.0),  # names are those of the day
        CorporateAction("B", DAY, "split", value=2.0),
        CorporateAction("B", date(2024, 7, 1), "rename", new_symbol="C"),
    ]
    held = [Position("A", Decimal(10), Decimal(8)), Position("B", Decimal(5), Decimal(1))]
    for actions in ([*swap, *later], [*reversed(later), *reversed(swap)]):
        out = adjust_holdings(actions, held, lambda _: (1, {}))
        assert {item.symbol: (item.quantity, item.cost_basis) for item in out.held} == {
            "C": (20, 4),
            "A": (5, 1),
        }
        assert out.cash == 10  # per share before the split


@pytest.mark.parametrize("share", [None, 1 / 6])
def test_the_cost_of_spin_offs_in_a_chain_of_one_day_is_divided_as_their_values(share: float | None) -> None:
    """NEW at 40 was 48 with the half share of SUB at 16 in it: of the cost 24% went over, and 20.8% were told."""
    closes = {"OLD": 76, "NEW": 40, "SUB": 16}
    chain = [
        action("spin_off", value=0.5, new_symbol="NEW"),
        CorporateAction("NEW", DAY, "spin_off", value=0.5, new_symbol="SUB", basis_share=share),
    ]
    out = adjust_holdings(
        chain, [Position("OLD", Decimal(100), Decimal(10))],
        lambda one: (1, {symbol: closes[symbol] for symbol in (one.symbol, str(one.new_symbol))}),
    )  # fmt: skip
    costs = {item.symbol: float(item.quantity * item.cost_basis) for item in out.held}
    assert costs == pytest.approx({"OLD": 760, "NEW": 200, "SUB": 40})


@pytest.mark.parametrize(
    ("printed", "ratio"),
    [
        (0.333, Fraction(1, 3)), (0.667, Fraction(2, 3)), (1.2345, Fraction(2469, 2000)),
        (0.33333333, Fraction(1, 3)), (0.3333, Fraction(1, 3)), (0.66666667, Fraction(2, 3)), (1.2, Fraction(6, 5)),
        (11, Fraction(11)), (0.0052631579, Fraction(1, 190)), (0.0028571429, Fraction(1, 350)),
        (1.05, Fraction(21, 20)), (1.5, Fraction(3, 2)), (1.3333333, Fraction(4, 3)), (0.33, Fraction(33, 100)),
        (3.1415927, Fraction(31415927, 10**7)), (0.090909091, Fraction(1, 11)), (1.0145, Fraction(2029, 2000)),
    ],
)  # fmt: skip
def test_a_printed_ratio_is_the_fraction_that_it_stands_for(printed: float, ratio: Fraction) -> None:
    assert share_ratio(printed) == ratio


@given(st.integers(1, 300), st.integers(1, 300))
def test_every_small_ratio_survives_eight_digits(after: int, before: int) -> None:
    printed = float(f"{after / before:.8g}")
    assert float(share_ratio(printed)) == pytest.approx(after / before, rel=1e-7)
    if after * before <= 1000:
        assert share_ratio(printed) == Fraction(after, before)


@pytest.mark.parametrize(
    ("kind", "stated", "field", "said"),
    [
        ("stock_split", {"value": 2}, "kind", "did you mean split"),
        ("SPLIT", {"value": 2}, "kind", "must be one of rename, dividend"),
        ("split", {}, "value", "shares after per share before"),
        ("split", {"value": 0}, "value", "above 0"),
        ("split", {"value": float("nan")}, "value", "is empty"),
        ("dividend", {"value": -1}, "value", "0 or more"),
        ("dividend", {"value": 1, "cash": 1}, "cash", "has no cash"),
        ("delisting", {}, "value", "0 when it is worthless"),
        ("rename", {}, "new_symbol", "needs its new_symbol"),
        ("rename", {"new_symbol": "OLD", "symbol": "OLD"}, "new_symbol", "the symbol itself"),
        ("spin_off", {"value": 1, "new_symbol": "NEW", "basis_share": 1.2}, "basis_share", "below 1"),
        ("merger", {}, "value", "what is paid"),
        ("merger", {"value": 0.5}, "new_symbol", "both value and new_symbol"),
        ("merger", {"cash": 0}, "cash", "above 0"),
    ],
)  # fmt: skip
def test_a_wrong_statement_names_its_field(kind: str, stated: dict[str, Any], field: str, said: str) -> None:
    found = dict(action_faults(kind, stated))
    assert said in found[field]


def test_a_right_statement_has_no_fault_and_a_wrong_action_is_never_born() -> None:
    for kind, (stated, _) in MARKETS.items():
        assert list(action_faults(kind, stated)) == []
    with pytest.raises(DataError, match="OLD on 2024-06-03: a split needs its value"):
        action("split")


@pytest.mark.parametrize(
    ("word", "kind"),
    [("stock_split", "split"), ("Spin-Off", "spin_off"), ("spinoff", "spin_off"), ("cash dividend", "dividend"),
     ("delisted", "delisting"), ("xyzzy", None)],
)  # fmt: skip
def test_the_nearest_kind(word: str, kind: str | None) -> None:
    assert nearest_kind(word) == kind


def test_an_action_says_what_it_is() -> None:
    assert (
        str(action("merger", value=0.5, new_symbol="NEW", cash=12))
        == "OLD merger of 2024-06-03: 0.5 NEW 12 in cash"
    )
