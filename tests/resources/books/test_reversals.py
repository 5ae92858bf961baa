"""Spin-offs, mergers, new names, returns of capital that are restated or taken back late, against figures by hand."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from bench import close_kept
from book_chain import DAYS, Chain, book_file, cash, close_rows, flat, shares

from resources.audit.restatements import book_news
from resources.settings.portfolios import PortfolioFile

D1, D2, D3, D4, D5 = DAYS[20:25]
EX = D2
LOTS = "{lots: [{acquired: 2020-01-02, quantity: 300, cost_basis: 80}]}"
WITHDRAWN = {"withdrawn": True}


def book_with(tmp_path: Path, kind: str, value: float | None, lots: bool = True, **more: object) -> Chain:
    """300 AAA that cost 80 through an action of D2, and the day after it."""
    ends = kind in ("merger", "rename", "delisting")
    book = Chain(tmp_path, _file(lots), first_day(ends, kind == "merger", lots))
    book.action("AAA", EX, kind, value, **more)
    book.day(D2)
    return book


def _file(lots: bool) -> PortfolioFile:
    return book_file(f"cash: 1000, positions: {{AAA: {LOTS if lots else 300}, BBB: 10}}")


@cache
def first_day(ends: bool, beside: bool, lots: bool) -> Callable[[Path], None]:
    """D1 of a book whose AAA is priced to the eve of D2, or on; CCC from D2, or all along beside it."""

    def build(folder: Path) -> None:
        book = Chain(folder, _file(lots), BBB=50.0, DDD=50.0)
        closes = {day: 100.0 for day in DAYS if day < EX or not ends}
        later = {day: 40.0 for day in DAYS if day >= EX or beside}
        book.deliver([*close_rows("AAA", closes), *close_rows("CCC", later)])
        book.day(D1)
        close_kept()

    return build


def costs(book: Chain, day: date) -> tuple[dict[str, float], float, dict[str, float]]:
    """(shares, cash, cost in all by symbol) of the book on a day."""
    found = book.day(day)
    assert found.holdings.as_of is not None, found.problem
    each = {
        symbol: float(sum((lot.quantity * lot.cost_basis for lot in lots), Decimal(0)))
        for symbol, lots in found.holdings.lots.items()
    }
    return shares(found), cash(found), each


def test_a_spin_off_taken_back_and_one_restated(tmp_path: Path) -> None:
    book = book_with(tmp_path, "spin_off", 0.5, new_symbol="CCC", basis_share=0.25)
    assert costs(book, D3) == ({"AAA": 300, "BBB": 10, "CCC": 150}, 1000, {"AAA": 18_000, "CCC": 6_000})
    book.action("AAA", EX, "spin_off", 0.6, new_symbol="CCC", basis_share=0.2)
    restated = costs(book, D4)
    assert restated[:2] == ({"AAA": 300, "BBB": 10, "CCC": 180}, 1000)
    assert restated[2] == pytest.approx({"AAA": 19_200, "CCC": 4_800})
    book.action("AAA", EX, "spin_off", **WITHDRAWN)
    assert costs(book, D5) == ({"AAA": 300, "BBB": 10}, 1000, {"AAA": pytest.approx(24_000)})


def test_a_spin_off_told_late_gives_to_who_held_on_its_eve(tmp_path: Path) -> None:
    book = Chain(tmp_path, book_file("cash: 1000, positions: {AAA: 300, BBB: 10}"))
    for symbol, close in (("AAA", 100.0), ("BBB", 50.0), ("CCC", 40.0)):
        book.prices(symbol, flat(close))
    book.day(D1)
    book.day(D2, {"AAA": 0})
    assert shares(book.day(D3)) == {"BBB": 10}
    book.action("AAA", EX, "spin_off", 0.5, new_symbol="CCC")
    assert shares(book.day(D4)) == {"BBB": 10, "CCC": 150}


def test_a_merger_restated_and_taken_back(tmp_path: Path) -> None:
    book = book_with(tmp_path, "merger", 2.0, new_symbol="CCC", cash=20.0)
    assert costs(book, D3) == ({"BBB": 10, "CCC": 600}, 7000, {"CCC": 300 * (80 + 20 - 20)})
    book.action("AAA", EX, "merger", 2.5, new_symbol="CCC")
    assert costs(book, D4) == ({"BBB": 10, "CCC": 750}, 1000, {"CCC": pytest.approx(24_000)})
    book.action("AAA", EX, "merger", **WITHDRAWN)
    assert costs(book, D5) == ({"AAA": 300, "BBB": 10}, 1000, {"AAA": pytest.approx(24_000)})


def test_shares_of_a_merger_that_never_was_are_owed_once_they_are_sold(tmp_path: Path) -> None:
    book = book_with(tmp_path, "merger", 2.5, lots=False, new_symbol="CCC")
    book.order(D2, {"CCC": 0})
    assert (shares(book.day(D3)), cash(book.day(D3))) == ({"BBB": 10}, 1000 + 750 * 40)
    book.action("AAA", EX, "merger", **WITHDRAWN)
    found = book.day(D4)
    assert (shares(found), cash(found)) == ({"AAA": 300, "BBB": 10, "CCC": -750}, 31_000)


def test_a_new_name_taken_back_and_another_one(tmp_path: Path) -> None:
    book = book_with(tmp_path, "rename", None, new_symbol="CCC")
    assert costs(book, D3) == ({"BBB": 10, "CCC": 300}, 1000, {"CCC": 24_000})
    book.action("AAA", EX, "rename", new_symbol="DDD")
    assert costs(book, D4) == ({"BBB": 10, "DDD": 300}, 1000, {"DDD": 24_000})
    book.action("AAA", EX, "rename", **WITHDRAWN)
    assert costs(book, D5) == ({"AAA": 300, "BBB": 10}, 1000, {"AAA": 24_000})


def test_a_return_of_capital_restated_moves_cash_and_cost(tmp_path: Path) -> None:
    book = book_with(tmp_path, "return_of_capital", 5.0)
    assert costs(book, D3) == ({"AAA": 300, "BBB": 10}, 2500, {"AAA": 22_500})
    book.action("AAA", EX, "return_of_capital", 3.0)
    assert costs(book, D4) == ({"AAA": 300, "BBB": 10}, 1900, {"AAA": 23_100})
    book.action("AAA", EX, "return_of_capital", **WITHDRAWN)
    assert costs(book, D5) == ({"AAA": 300, "BBB": 10}, 1000, {"AAA": 24_000})


def test_a_delisting_for_another_sum_pays_the_difference(tmp_path: Path) -> None:
    book = book_with(tmp_path, "delisting", 90.0)
    assert costs(book, D3) == ({"BBB": 10}, 28_000, {})
    book.action("AAA", EX, "delisting", 95.0)
    found = book.day(D4)
    assert (shares(found), cash(found)) == ({"BBB": 10}, 29_500)
    details = [(one.proceeds, one.cost_basis) for one in found.holdings.adjustments if one.lot_id is not None]
    assert sorted(details) == [(-27_000, -24_000), (28_500, 24_000)]


@pytest.mark.parametrize("lots", [True, False])
def test_a_delisting_taken_back_gives_the_shares_and_takes_the_cash(tmp_path: Path, lots: bool) -> None:
    book = book_with(tmp_path, "delisting", 90.0, lots)
    assert costs(book, D3)[:2] == ({"BBB": 10}, 28_000)
    book.prices("AAA", {D4: 101.0})
    book.action("AAA", EX, "delisting", **WITHDRAWN)
    found = costs(book, D4)
    assert found[:2] == ({"AAA": 300, "BBB": 10}, 1000)
    assert found[2] == ({"AAA": pytest.approx(24_000)} if lots else {})
    assert costs(book, D5)[:2] == ({"AAA": 300, "BBB": 10}, 1000)


def test_a_delisting_whose_ticker_another_company_has_stays(tmp_path: Path) -> None:
    book = book_with(tmp_path, "delisting", 90.0, lots=False)
    book.day(D3)
    book.prices("AAA", {D4: 7.0})
    assert costs(book, D4)[:2] == ({"BBB": 10}, 28_000)


def test_restatements_name_what_is_taken_back(tmp_path: Path) -> None:
    book = book_with(tmp_path, "spin_off", 0.5, new_symbol="CCC", basis_share=0.25)
    book.day(D3)
    book.action("AAA", EX, "spin_off", **WITHDRAWN)
    with book.warehouse.live() as con:
        told = {one.symbol: one.reason for one in book_news(con)}
    assert told.keys() == {"AAA", "CCC"}
    assert "was withdrawn: -150 CCC for the shares of that day; known late" in told["CCC"]
    assert told["CCC"].endswith("adjusts the paper book in its next pack")


# Told after D4: the action of D1 on the 300 AAA, beside what befell on time; what is held of each, and the cash.
LATE: dict[str, tuple[dict[str, Any], list[dict[str, Any]], dict[str, float], float]] = {
    "a split before a dividend": (
        {"kind": "split", "value": 2.0}, [{"symbol": "AAA", "date": D3, "kind": "dividend", "value": 1.0}],
        {"AAA": 600, "BBB": 10}, 600,
    ),
    "a split before a merger": (
        {"kind": "split", "value": 2.0},
        [{"symbol": "AAA", "date": D3, "kind": "merger", "value": 0.5, "new_symbol": "CCC"}],
        {"BBB": 10, "CCC": 300}, 0,
    ),
    "a merger before a split and a dividend": (
        {"kind": "merger", "value": 0.5, "new_symbol": "BBB"},
        [
            {"symbol": "BBB", "date": D2, "kind": "split", "value": 2.0},
            {"symbol": "BBB", "date": D3, "kind": "dividend", "value": 1.0},
        ],
        {"BBB": 320}, 320,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "priced"), [*((case, True) for case in LATE), ("a merger before a split and a dividend", False)]
)
def test_what_is_told_late_goes_through_what_befell_since(tmp_path: Path, case: str, priced: bool) -> None:
    """Whether AAA has closes after D1, as until a merger is told, or as after one none."""
    late, on_time, held, paid = LATE[case]
    held_in = f"AAA: {LOTS}, BBB: {LOTS.replace('300', '10')}"
    book = Chain(tmp_path, book_file(f"cash: 1000, positions: {{{held_in}}}"), BBB=50.0, CCC=50.0)
    book.prices("AAA", flat(50.0, [day for day in DAYS if day < D1 or priced]))
    book.day(DAYS[19])
    book.actions(on_time)
    for day in (D1, D2, D3, D4):
        book.day(day)
    book.action("AAA", D1, **late)
    found = book.snapshot(D5)
    assert (found.problem, shares(found), cash(found)) == (None, held, 1000 + paid)
    lots = [lot for lots in found.holdings.lots.values() for lot in lots]
    assert float(sum(lot.quantity * lot.cost_basis for lot in lots)) == pytest.approx(310 * 80)


def test_what_was_given_late_is_split_late_too(tmp_path: Path) -> None:
    """On the eve of the split no pack knew of the shares."""
    book = Chain(tmp_path, _file(True), first_day(False, False, True))
    for day in (D2, D3):
        book.day(day)
    book.action("AAA", EX, "spin_off", 0.5, new_symbol="CCC", basis_share=0.25)
    book.day(D4)
    book.action("CCC", D3, "split", 0.2)
    assert costs(book, D5) == ({"AAA": 300, "BBB": 10, "CCC": 30}, 1000, {"AAA": 18_000, "CCC": 6_000})
