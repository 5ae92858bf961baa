"""Paper books: yesterday's orders filled at today's close, after splits and dividends, to the cent."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import CostModel, Lot, Policy
from optimizer.model.actions.action_kinds import CorporateAction
from resources.books.adjustments import Carried
from resources.books.lots.lot_book import LotBook
from resources.books.orders import Order
from resources.books.pack_actions import actions_seen
from resources.books.paper import Holdings, Step, fill
from resources.packs.panels import Panel

DAYS = (date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4))
COSTS = CostModel.of(Policy(commission=5.0, impact_bps=15.0))
FREE = CostModel.of(Policy(commission=0.0, impact_bps=0.0))


def panel(close: list[float], dividend: list[float] | None = None, split: list[float] | None = None) -> Panel:
    def column(
        values: list[float] | None, otherwise: float
    ) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        return np.array(values or [otherwise] * 3, dtype=float).reshape(3, 1)

    return Panel(
        ("AAA",),
        DAYS,
        column(close, 0),
        column(dividend, 0.0),
        column(split, 1.0),
        ("USD",),
        (False,),
        ("as_traded",),
    )


Filled = tuple[Decimal, dict[str, Decimal]]


def after(
    orders: list[tuple[str, float, float]],
    prices: Panel,
    costs: CostModel = FREE,
    rate: float = 1.0,
    gone: list[CorporateAction] | None = None,
    lots: LotBook | None = None,
) -> Holdings:
    """Orders of the first day filled on the last, from a cash of 1,000."""
    kept = lots or LotBook()
    book = Carried(kept.items({symbol: Decimal(held) for symbol, held, _ in orders}), Decimal("1000.00"))
    step = Step(prices, {"AAA": DAYS[0]}, {"AAA": DAYS[0]}, {"USD": rate}, DAYS[0], DAYS[-1])
    return fill(
        book, [Order.to(*order) for order in orders], gone or [], lambda _: (rate, {}), step, costs, kept
    )


def filled(
    orders: list[tuple[str, float, float]],
    prices: Panel,
    costs: CostModel = FREE,
    rate: float = 1.0,
    gone: list[CorporateAction] | None = None,
) -> Filled:
    held = after(orders, prices, costs, rate, gone)
    return held.cash, dict(held.quantities)


def delisted(day: date, value: float) -> list[CorporateAction]:
    return [CorporateAction("AAA", day, "delisting", value, currency="USD")]


def test_an_order_is_filled_at_the_newest_close_and_pays_its_costs() -> None:
    cash, held = filled([("AAA", 0, 10)], panel([50, 51, 52]), COSTS)
    assert held == {"AAA": Decimal(10)}
    assert cash == Decimal("1000.00") - Decimal("520.00") - Decimal("5.78")  # 5.00 + 520 x 15 bps


def test_a_sale_pays_in_and_a_position_sold_off_is_gone() -> None:
    assert filled([("AAA", 4, 0)], panel([50, 51, 52])) == (Decimal("1208.00"), {})


def test_a_dividend_is_paid_on_what_was_held_before_the_order_is_filled() -> None:
    cash, _ = filled([("AAA", 10, 10)], panel([50, 51, 52], dividend=[9, 0.5, 0]))
    assert cash == Decimal("1005.00")  # the 9 came before the order


def test_a_split_changes_holding_and_order_alike() -> None:
    cash, held = filled([("AAA", 10, 12)], panel([50, 25.5, 26], split=[1, 2, 1]))
    assert held == {"AAA": Decimal(24)}
    assert cash == Decimal("1000.00") - 4 * Decimal("26.00")


def test_a_dividend_is_per_share_before_the_split_of_its_day() -> None:
    cash, _ = filled([("AAA", 10, 10)], panel([50, 25, 26], dividend=[0, 1, 0], split=[1, 2, 1]))
    assert cash == Decimal("1010.00")


def test_a_name_without_a_price_since_stays_as_it_was() -> None:
    nan = float("nan")
    assert filled([("AAA", 3, 10)], panel([50, nan, nan])) == (Decimal("1000.00"), {"AAA": Decimal(3)})


@pytest.mark.parametrize("rate", [1.25, 0.8])
def test_a_foreign_price_is_paid_in_base_currency(rate: float) -> None:
    cash, _ = filled([("AAA", 0, 10)], panel([50, 51, 52]), rate=rate)
    assert cash == Decimal("1000.00") - Decimal(str(520 * rate))


def test_a_delisted_share_is_paid_out_without_costs_and_its_order_is_void() -> None:
    gone = delisted(DAYS[1], 60.0)
    assert filled([("AAA", 10, 50)], panel([50, 51, 52]), COSTS, gone=gone) == (Decimal("1600.00"), {})


def test_dividends_and_splits_up_to_the_delisting_count_and_later_ones_do_not() -> None:
    gone = delisted(DAYS[1], 30.0)
    prices = panel([50, 25, 25], dividend=[0, 1, 9], split=[1, 2, 3])
    assert filled([("AAA", 10, 10)], prices, gone=gone) == (Decimal("1610.00"), {})


def test_what_is_paid_for_a_delisted_share_is_exchanged() -> None:
    gone = delisted(DAYS[2], 60.0)
    assert filled([("AAA", 10, 10)], panel([50, 51, 52]), rate=0.5, gone=gone)[0] == Decimal("1300.00")


def lots_after(
    orders: list[tuple[str, float, float]], prices: Panel, sold: dict[str, Decimal], averaged: bool = False
) -> list[tuple[str, Decimal, Decimal]]:
    """(id, shares, cost) of the lots after a day that began with 6 at 40 and 4 at 45."""
    lots = (
        Lot("old", "AAA", Decimal(6), Decimal(40), date(2020, 1, 2)),
        Lot("new", "AAA", Decimal(4), Decimal(45), date(2023, 1, 3)),
    )
    kept = LotBook({"AAA": lots}, {"AAA": sold}, averaged, keeps=True)
    held = after(orders, prices, COSTS, lots=kept)
    found = held.lots.get("AAA", ())
    assert sum(lot.quantity for lot in found) == held.quantities.get("AAA", 0)
    return [(lot.lot_id, lot.quantity, lot.cost_basis) for lot in found]


def test_lots_go_as_the_list_chose_after_a_split_and_under_another_name() -> None:
    split = panel([50, 25, 26], split=[1, 2, 1])
    assert [(lot, shares) for lot, shares, _ in lots_after([("AAA", 10, 7)], split, {"new": Decimal(3)})] == [
        ("old", 12), ("new", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("old", ["AAA", "ZZZ"])
def test_an_order_goes_through_a_rename_and_a_split_of_one_day_and_an_exchange_of_names(old: str) -> None:
    def act(symbol: str, kind: str, **told: Any) -> CorporateAction:
        return CorporateAction(symbol, DAYS[1], kind, **told)

    became = [act("MMM", "split", value=2.0), act(old, "rename", new_symbol="MMM")]
    order = Order.to(old, 10, 7).after(became)
    assert (order.symbol, order.change, order.shares) == ("MMM", -6, 2)
    swapped = [act("AAA", "rename", new_symbol="ZZZ"), act("ZZZ", "rename", new_symbol="AAA")]
    assert Order.to(old, 10, 7).after(swapped).symbol == ({"AAA", "ZZZ"} - {old}).pop()


def test_lots_go_as_the_list_chose_and_a_purchase_is_a_lot_that_bears_its_costs() -> None:
    assert lots_after([("AAA", 10, 3)], panel([50, 51, 52]), {"old": Decimal(5), "new": Decimal(2)}) == [
        ("old", 1, 40), ("new", 2, 45),
    ]  # fmt: skip
    assert lots_after([("AAA", 10, 20)], panel([50, 51, 52]), {}) == [
        ("old", 6, 40), ("new", 4, 45), ("AAA-20240104", 10, Decimal("52.578")),  # 5 + 520 x 15 bps
    ]  # fmt: skip
    assert lots_after([("AAA", 10, 0)], panel([50, 51, 52]), {"old": Decimal(6), "new": Decimal(4)}) == []


def test_lots_split_with_the_shares_and_keep_their_cost_in_all() -> None:
    halves = panel([50, 25.5, 26], split=[1, 2, 1])
    assert lots_after([("AAA", 10, 4)], halves, {"old": Decimal(6)}) == [("new", 8, Decimal("22.5"))]
    nan = float("nan")
    assert lots_after([("AAA", 10, 4)], panel([50, nan, nan]), {"old": Decimal(6)}) == [
        ("old", 6, 40), ("new", 4, 45),  # nobody could have traded it
    ]  # fmt: skip


def test_after_a_sale_at_average_cost_the_rest_has_that_cost() -> None:
    assert lots_after([("AAA", 10, 4)], panel([50, 51, 52]), {"old": Decimal(6)}, averaged=True) == [
        ("new", 4, 42),
    ]


def test_a_sale_that_the_list_says_nothing_of_takes_the_oldest_lots_first() -> None:
    assert lots_after([("AAA", 10, 3)], panel([50, 51, 52]), {}) == [("new", 3, 45)]
    assert lots_after([("AAA", 10, 3)], panel([50, 51, 52]), {"new": Decimal(2)}) == [
        ("old", 1, 40),
        ("new", 2, 45),
    ]


orders = st.lists(st.integers(-40, 40), min_size=1, max_size=5)


@given(
    orders=orders,
    split=st.sampled_from([1.0, 2.0, 1.5, 0.33333333]),
    averaged=st.booleans(),
    chosen=st.integers(0, 9),
)
def test_lots_always_add_up_to_what_is_held_long(
    orders: list[int], split: float, averaged: bool, chosen: int
) -> None:
    lots: dict[str, tuple[Lot, ...]] = {}
    held = Decimal(0)
    for day, target in enumerate(orders, 1):
        book = LotBook(lots, {"AAA": {"AAA-20240104": Decimal(chosen)}}, averaged, keeps=True, taxed=True)
        step = Step(
            panel([50, 51, 52], split=[1, split, 1]),
            {"AAA": DAYS[0]},
            {"AAA": DAYS[0]},
            {"USD": 1.0},
            DAYS[0],
            DAYS[-1] + timedelta(days=day),
        )
        start = Carried(book.items({"AAA": held}), Decimal(0))
        found = fill(start, [Order.to("AAA", float(held), target)], [], lambda _: (1, {}), step, FREE, book)
        held, lots = found.quantities.get("AAA", Decimal(0)), dict(found.lots)
        total = sum((lot.quantity for lot in lots.get("AAA", ())), Decimal(0))
        assert total == pytest.approx(max(held, Decimal(0)), abs=Decimal("1e-9"))
        assert len({lot.lot_id for lot in lots.get("AAA", ())}) == len(lots.get("AAA", ()))


@pytest.mark.parametrize(
    ("renames", "names"),
    [
        ([("OLD", 2, "AAA")], ["OLD", "AAA"]),
        ([("OLD", 1, "AAA")], ["AAA"]),
        ([("OLDER", 2, "OLD"), ("OLD", 3, "AAA")], ["OLDER", "AAA"]),
        ([("OLD", 2, "AAA"), ("AAA", 2, "OLD")], ["OLD"]),
        ([("AAA", 1, "OLD"), ("OLD", 2, "AAA")], ["OLD", "AAA"]),
        ([("AAA", 2, "OLD"), ("OLD", 3, "AAA")], ["AAA"]),
    ],
)
def test_what_a_row_states_is_told_under_the_name_of_its_day_and_the_present_one_where_no_other_had_it(
    renames: list[tuple[str, int, str]], names: list[str]
) -> None:
    """Of a book whose file says the new name already, or that held both, payments hung on what other books hold."""
    stated = [
        CorporateAction(old, DAYS[0] + timedelta(days=days), "rename", new_symbol=new)
        for old, days, new in renames
    ]
    seen = actions_seen(stated, panel([50, 50, 50], [0, 1, 0], [1, 2, 1]))
    for kind in ("dividend", "split"):
        assert [(action.symbol, action.day) for action in seen if action.kind == kind] == [
            (name, DAYS[1]) for name in names
        ]


@pytest.mark.parametrize(("basis", "left"), [("split_adjusted", []), ("as_traded", ["OLDER", "OLD"])])
def test_a_split_stated_under_an_old_name_is_in_the_closes_of_the_present_one(
    basis: str, left: list[str]
) -> None:
    named = [("OLDER", DAYS[1], "OLD"), ("OLD", DAYS[2], "AAA")]
    stated = [CorporateAction(old, day, "rename", new_symbol=new) for old, day, new in named]
    stated += [CorporateAction("OLDER", DAYS[0], "split", 2.0), CorporateAction("OLD", DAYS[1], "split", 3.0)]
    seen = actions_seen(stated, replace(panel([50, 50, 50]), basis=(basis,)))
    assert [action.symbol for action in seen if action.kind == "split"] == left
