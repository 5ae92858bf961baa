"""What a paper book may spend where a sale of its list does not bring its money: what it has and its list borrows."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from optimizer import CostModel, Policy
from optimizer.model.actions.action_kinds import CorporateAction
from resources.books.adjustments import Carried
from resources.books.lots.lot_book import LotBook
from resources.books.orders import Order
from resources.books.paper import Holdings, Step, fill
from resources.packs.panels import Panel

DAYS = (date(2024, 1, 2), date(2024, 1, 3))
FREE = CostModel.of(Policy(commission=0.0, impact_bps=0.0))
ENDED = [CorporateAction("AAA", DAYS[1], "delisting", 5, currency="USD")]
SPUN = CorporateAction("AAA", DAYS[1], "spin_off", 0.5, new_symbol="DDD", basis_share=0.6)


def of_three(
    orders: list[Order], sold_at: float | None, ended: list[CorporateAction], least: int = 0
) -> tuple[Holdings, list[tuple[str, bool]]]:
    """Orders of AAA (at 50 before), BBB (120) and CCC (20) from a cash of 1,000; and what was not bought for AAA."""
    close = np.array([[50.0, 120.0, 20.0], [sold_at or np.nan, 120.0, 20.0]])
    prices = Panel(
        ("AAA", "BBB", "CCC"), DAYS, close, np.zeros((2, 3)), np.ones((2, 3)), ("USD",) * 3, (False,) * 3,
        ("as_traded",) * 3,
    )  # fmt: skip
    since = dict.fromkeys(prices.symbols, DAYS[0])
    step = Step(prices, since, since, {"USD": 1.0}, DAYS[0], DAYS[1])
    book = Carried(LotBook().items({one.symbol: one.held for one in orders if one.held}), Decimal(1000))
    found = fill(book, orders, ended, lambda _: (1.0, {}), step, FREE, LotBook(), Decimal(least))
    left = [(one.symbol, "sale of AAA" in one.note) for one in found.adjustments if one.kind == "not_bought"]
    return found, left


@pytest.mark.parametrize(
    ("sold_at", "ended", "held", "cash"),
    [(None, [], {"AAA": 30, "CCC": 40}, 200), (None, ENDED, {"CCC": 40}, 350),
     (20.0, [SPUN], {"BBB": 10, "DDD": 15}, 400), (50.0, [], {"BBB": 10, "CCC": 40}, 500)],
    ids=["no price", "delisted", "spun off", "sold"],
)  # fmt: skip
def test_what_a_sale_does_not_bring_is_not_spent(
    sold_at: float | None, ended: list[CorporateAction], held: dict[str, float], cash: float
) -> None:
    """1,500 of AAA are to be sold: BBB for 1,200 and CCC for 800 are to be bought."""
    orders = [Order.to("AAA", 30, 0), Order.to("BBB", 0, 10), Order.to("CCC", 0, 40)]
    found, left = of_three(orders, sold_at, ended)
    assert (found.quantities, found.cash) == (held, cash)
    assert left == [(symbol, True) for symbol in ("BBB", "CCC") if symbol not in held]


@pytest.mark.parametrize(
    ("order", "sold_at", "least", "held", "cash"),
    [((0, -10), 50, 0, -10, -60), ((-10, -20), 50, 0, -20, -60), ((30, 20), 50, 0, 20, -60),
     ((-10, 0), 50, 0, 0, -1060), ((0, -10), None, 0, 0, 1000), ((0, -10), None, -600, 0, -560),
     ((0, -10), None, -500, 0, 1000)],
    ids=["opens a short", "enlarges it", "sells a part", "covers", "no price", "borrows", "borrows less"],
)  # fmt: skip
def test_a_short_sale_brings_its_money_and_a_book_borrows_what_its_list_does(
    order: tuple[int, int], sold_at: float | None, least: int, held: int, cash: int
) -> None:
    """13 BBB for 1,560 are to be bought."""
    found, left = of_three([Order.to("AAA", *order), Order.to("BBB", 0, 13)], sold_at, [], least)
    assert (found.quantities.get("AAA", 0), found.cash) == (held, cash)
    assert left == ([("BBB", True)] if cash == 1000 else [])
