"""Several actions of one day, ratios off any list, and actions of a day without a price, against figures by hand."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from bench import close_kept
from book_chain import DAYS, Chain, book_file, cash, close_rows, shares

from resources.books.snapshots import Snapshot
from resources.settings.portfolios import PortfolioFile

D2, D3, D4 = DAYS[21:24]
LOT = "{lots: [{acquired: 2020-01-02, quantity: 120, cost_basis: 40}]}"
Told = dict[str, Any]
# 120 shares of XYZ at 50, with 1,000 in cash: the actions of the day, its close after them (None: no longer there),
# what is held of what at which close, the cash paid, and what the lots cost in all.
CASES: dict[str, tuple[list[Told], float | None, dict[str, tuple[float, float]], float, float]] = {
    "6:5": ([{"kind": "split", "value": 1.2}], 50 / 1.2, {"XYZ": (144, 50 / 1.2)}, 0, 4800),
    "11:1": ([{"kind": "split", "value": 11}], 50 / 11, {"XYZ": (1320, 50 / 11)}, 0, 4800),
    "1:190": ([{"kind": "split", "value": 1 / 190}], 9500, {"XYZ": (120 / 190, 9500)}, 0, 4800),
    "1:190, paid": ([{"kind": "split", "value": 1 / 190, "cash_in_lieu": 9500}], 9500, {}, 6000, 0),
    "split and dividend": (
        [{"kind": "split", "value": 4}, {"kind": "dividend", "value": 2}], 12, {"XYZ": (480, 12)}, 240, 4800
    ),
    "three payments": (
        [
            {"kind": "special_dividend", "value": 5}, {"kind": "return_of_capital", "value": 3},
            {"kind": "dividend", "value": 2},
        ],
        40, {"XYZ": (120, 40)}, 1200, 4800 - 360,
    ),
    "split and spin-off": (
        [{"kind": "split", "value": 2}, {"kind": "spin_off", "value": 0.25, "new_symbol": "KID", "basis_share": 0.2}],
        20, {"XYZ": (240, 20), "KID": (60, 20)}, 0, 4800,
    ),
    "stock dividend and dividend": (
        [{"kind": "stock_dividend", "value": 0.05}, {"kind": "dividend", "value": 8}], 40, {"XYZ": (126, 40)}, 960, 4800
    ),
    "dividend and merger": (
        [{"kind": "dividend", "value": 2}, {"kind": "merger", "value": 0.5, "new_symbol": "NEW"}],
        None, {"NEW": (60, 96)}, 240, 4800,
    ),
    "special dividend and cash merger": (
        [{"kind": "special_dividend", "value": 5}, {"kind": "merger", "cash": 45}], None, {}, 600 + 5400, 0
    ),
    "split and merger": (
        [{"kind": "split", "value": 2}, {"kind": "merger", "value": 0.25, "new_symbol": "NEW", "cash": 1}],
        None, {"NEW": (60, 96)}, 240, 4800,
    ),
    "dividend and delisting": (
        [{"kind": "dividend", "value": 2}, {"kind": "delisting", "value": 48}], None, {}, 240 + 5760, 0
    ),
    "rename and split": (
        [{"kind": "rename", "new_symbol": "LATER"}, {"kind": "split", "value": 2, "symbol": "LATER"}],
        None, {"LATER": (240, 25)}, 0, 4800,
    ),
    "rename and dividend": (
        [{"kind": "rename", "new_symbol": "LATER"}, {"kind": "dividend", "value": 25, "symbol": "LATER"}],
        None, {"LATER": (120, 25)}, 3000, 4800,
    ),
}  # fmt: skip
GIVEN = {"KID": 20.0, "NEW": 96.0, "LATER": 25.0}


class Together:
    """Cases that one book goes through at once, the symbols of each with its number behind."""

    def __init__(self, folder: Path, cases: Iterable[str], first: int, mode: str = "paper") -> None:
        """The book as of D2; then closes from the `first`-th day after it on."""
        self.cases = {f"_{place}": CASES[case] for place, case in enumerate(cases)}
        self.book = Chain(folder, _file(mode, len(self.cases)), to_d2(mode, len(self.cases)))
        later = [day for day in DAYS if day >= D2 + timedelta(days=first)]
        closes = {
            name + own: close
            for own, (_, after, *_) in self.cases.items()
            for name, close in (GIVEN | ({"XYZ": after} if after else {})).items()
        }
        self.book.deliver([row for name, close in closes.items() for row in _rows(name, later, close)])

    def told(self, own: str) -> list[Told]:
        """The actions of one case, all of D3."""
        stated = [{"symbol": "XYZ", "date": D3} | one for one in self.cases[own][0]]
        return [
            {key: f"{value}{own}" if key in ("symbol", "new_symbol") else value for key, value in one.items()}
            for one in stated
        ]

    def check(self, *days: Snapshot, paid_for: bool = True) -> None:
        """After those days shares, cash, lots and value of each case are those by hand, and nothing else is held."""
        found = days[-1]
        assert found.problem is None
        changed = [one for day in days for one in day.holdings.adjustments]
        count, held, paid = len(self.cases), shares(found), 0.0
        for own, (_, _, wanted, cash_paid, cost) in self.cases.items():
            its = {name: value for name, value in held.items() if name.endswith(own)}
            assert its == pytest.approx({name + own: value for name, (value, _) in wanted.items()}, abs=1e-9)
            got = [float(one.cash) for one in changed if one.symbol.endswith(own)]
            lots = [lot for name in its for lot in found.holdings.lots[name]]
            if paid_for:
                assert sum(got) == pytest.approx(cash_paid, abs=1e-4)
                assert float(sum(lot.quantity * lot.cost_basis for lot in lots)) == pytest.approx(
                    cost, abs=1e-3
                )
                value = sum(got) + sum(shares * close for shares, close in wanted.values())
                assert value == pytest.approx(6000, abs=1e-3)
                paid += cash_paid
        assert all(name.endswith(tuple(self.cases)) for name in held)
        assert float(cash(found)) == pytest.approx(1000 * count + paid, abs=1e-3)


def _rows(symbol: str, days: Iterable[date], close: float) -> list[dict[str, object]]:
    return close_rows(symbol, dict.fromkeys(days, close))


def _file(mode: str, count: int) -> PortfolioFile:
    positions = ", ".join(f"XYZ_{place}: {LOT}" for place in range(count))
    return book_file(f"cash: {1000 * count}, positions: {{{positions}}}", mode)


@cache
def to_d2(mode: str, count: int) -> Callable[[Path], None]:
    """A book of so many names in a mode, with closes up to D2 and its snapshot of that day."""

    def build(folder: Path) -> None:
        book = Chain(folder, _file(mode, count), AAA=10.0, BBB=10.0)
        days = [day for day in DAYS if day <= D2]
        book.deliver([row for place in range(count) for row in _rows(f"XYZ_{place}", days, 50.0)])
        book.day(D2)
        close_kept()

    return build


@pytest.mark.parametrize("order", [1, -1], ids=["stated", "backwards"])
def test_the_value_of_a_book_is_the_same_after_all_actions_of_a_day(tmp_path: Path, order: int) -> None:
    desk = Together(tmp_path, CASES, 1)
    desk.book.actions(one for own in desk.cases for one in desk.told(own)[::order])
    desk.check(desk.book.snapshot(D3))


@pytest.mark.parametrize("known", [0, 1])
def test_actions_of_one_day_that_are_told_late_act_together(tmp_path: Path, known: int) -> None:
    """`known` of them were told in time."""
    desk = Together(tmp_path, [case for case, told in CASES.items() if len(told[0]) > 1], 1)
    if known:
        desk.book.actions(one for own in desk.cases for one in desk.told(own)[:known])
    days = [desk.book.day(day) for day in (D3, D4)]
    desk.book.actions(one for own in desk.cases for one in desk.told(own)[known:])
    desk.check(*days, desk.book.snapshot(DAYS[24]))


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_an_action_of_a_day_without_a_price_acts_once_with_the_next_price(tmp_path: Path, mode: str) -> None:
    """A Saturday, a row that came late: on that day the shares are worth what they were at the close before."""
    cases = ["6:5", "split and dividend", "split and spin-off", "three payments"]
    desk = Together(tmp_path, cases, 2, mode)
    desk.book.actions(one for own in desk.cases for one in desk.told(own))
    shut = desk.book.day(D3)
    assert (shares(shut), float(cash(shut))) == ({f"XYZ{own}": 120 for own in desk.cases}, 4000)
    desk.check(desk.book.day(D4), desk.book.snapshot(DAYS[24]), paid_for=mode == "paper")


def test_a_split_while_trading_is_suspended_acts_when_it_goes_on(tmp_path: Path) -> None:
    """After more days than are looked back for a close, and not again the day after."""
    policy = "{lookback_days: 20, risk_free_rate: 0.01, on_missing_price: freeze}"
    file = book_file(f"cash: 1000, positions: {{XYZ: {LOT}}}", policy=policy)
    book = Chain(tmp_path, file, AAA=10.0, BBB=10.0)
    book.prices("XYZ", dict.fromkeys(DAYS[:5], 50.0) | dict.fromkeys(DAYS[26:], 25.0))
    book.action("XYZ", DAYS[6], "split", 2.0)
    held = {day: shares(book.day(day))["XYZ"] for day in (DAYS[4], DAYS[8], DAYS[22], DAYS[25], *DAYS[26:])}
    assert held == {day: 120.0 if day < DAYS[26] else 240.0 for day in held}


# The split of the row of its day, what is stated of it, and what 300 shares become.
BESIDE: dict[str, tuple[float, dict[str, float], float]] = {
    "a split, and a stock dividend stated": (3.0, {"stock_dividend": 0.05}, 945),
    "a stock dividend that the vendor calls a split": (1.05, {"stock_dividend": 0.05}, 315),
    "a bonus issue, rounded": (1.3333, {"stock_dividend": 1 / 3}, 400),
    "both stated": (3.0, {"stock_dividend": 0.05, "split": 3.0}, 945),
    "one, stated as both": (1.0, {"stock_dividend": 0.05, "split": 1.05}, 315),
    "another split stated": (3.0, {"split": 2.0}, 600),
}


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_a_split_and_a_stock_dividend_of_one_day_are_one_where_their_ratios_agree(
    tmp_path: Path, mode: str
) -> None:
    cases = {f"XYZ_{place}": case for place, case in enumerate(BESIDE.values())}
    positions = ", ".join(f"{name}: 300" for name in cases)
    book = Chain(tmp_path, book_file(f"cash: 1000, positions: {{{positions}}}", mode), AAA=10.0, BBB=10.0)
    for name, (split, _, after) in cases.items():
        book.prices(name, {day: 50.0 if day < D3 else 15_000 / after for day in DAYS}, split={D3: split})
    book.actions(
        {"symbol": name, "date": D3, "kind": kind, "value": value}
        for name, (_, told, _) in cases.items()
        for kind, value in told.items()
    )
    book.day(D2)
    assert shares(book.snapshot(D3)) == pytest.approx({name: after for name, (*_, after) in cases.items()})
