"""A paper and a live book through every kind of action on one day, against figures made by hand."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from book_chain import DAYS, Chain, book_file, cash, close_rows, shares

from optimizer import DataError
from resources.books import stated_holdings
from resources.packs.pack_prices import read_panel
from resources.packs.packs import newest_fresh

D2, D3, D4 = DAYS[21:24]
EX = D3
# 100 shares of each, bought on 2020-01-02 at 40 and worth 50; what is stated of it, and its price afterwards.
TOLD: dict[str, tuple[dict[str, object], float | None]] = {
    "PAY": ({"kind": "dividend", "value": 2.0}, 48.0),
    "EXTRA": ({"kind": "special_dividend", "value": 5.0}, 45.0),
    "BACK": ({"kind": "return_of_capital", "value": 3.0}, 47.0),
    "CUT": ({"kind": "split", "value": 4.0}, 12.5),
    "REV": ({"kind": "split", "value": 0.125, "cash_in_lieu": 400.0}, 400.0),
    "GIFT": ({"kind": "stock_dividend", "value": 0.05}, 50 / 1.05),
    "OLD": ({"kind": "spin_off", "value": 0.25, "new_symbol": "KID", "basis_share": 0.2}, 45.0),
    "SWAP": ({"kind": "merger", "value": 0.5, "new_symbol": "NEW"}, None),
    "BOTH": ({"kind": "merger", "value": 0.4, "new_symbol": "NEW", "cash": 10.0}, None),
    "CASH": ({"kind": "merger", "cash": 50.0}, None),
    "NAME": ({"kind": "rename", "new_symbol": "LATER"}, None),
    "DEAD": ({"kind": "delisting", "value": 0.0}, None),
    "GONE": ({"kind": "delisting", "value": 50.0}, None),
}
GIVEN = {"KID": 20.0, "NEW": 100.0, "LATER": 50.0}
LOT = "{lots: [{acquired: 2020-01-02, quantity: 100, cost_basis: 40}]}"
SHARES = {
    "PAY": 100, "EXTRA": 100, "BACK": 100, "CUT": 400, "REV": 12, "GIFT": 105, "OLD": 100, "KID": 25,
    "NEW": 100 * 0.5 + 100 * 0.4, "LATER": 100,
}  # fmt: skip
COSTS = {
    "PAY": 4000, "EXTRA": 4000, "BACK": 4000 - 300, "CUT": 4000, "REV": 4000 - 0.5 * 320, "GIFT": 4000, "OLD": 3200,
    "KID": 800, "NEW": 4000 + 4000, "LATER": 4000,
}  # fmt: skip
# In lieu of half a share of REV 200, of which 160 is cost; of BOTH the cash is all gain: 40 + 10 for what cost 40.
GAINS = {"REV": 200 - 160, "BOTH": 1000, "CASH": 5000 - 4000, "DEAD": -4000, "GONE": 5000 - 4000}
MERGED = 200 + 1000 + 5000  # in lieu of REV, with BOTH, for CASH
PAID = 200 + 500 + 300 + 5000  # PAY, EXTRA, BACK, GONE


def book(folder: Path, mode: str) -> Chain:
    held = ", ".join(f"{symbol}: {LOT}" for symbol in TOLD)
    found = Chain(folder, book_file(f"cash: 1000, positions: {{{held}}}", mode=mode), AAA=10.0, BBB=10.0)
    rows = []
    for symbol, (_, after) in TOLD.items():
        closes = {day: 50.0 if day < EX else after for day in DAYS}
        rows += close_rows(symbol, {day: close for day, close in closes.items() if close is not None})
    for symbol, price in GIVEN.items():
        rows += close_rows(symbol, {day: price for day in DAYS if day >= EX})
    found.deliver(rows)
    return found


def state(found: Chain) -> None:
    found.actions({"symbol": symbol, "date": EX, **said} for symbol, (said, _) in TOLD.items())


def price(symbol: str) -> float:
    return GIVEN.get(symbol) or TOLD[symbol][1] or 0.0


def costs(found: dict[str, tuple[object, ...]]) -> dict[str, float]:
    return {
        symbol: float(sum((lot.quantity * lot.cost_basis for lot in lots), Decimal(0)))  # type: ignore[attr-defined]
        for symbol, lots in found.items()
    }


@pytest.mark.parametrize("late", [False, True], ids=["in time", "a day late"])
def test_a_paper_book(tmp_path: Path, late: bool) -> None:
    desk = book(tmp_path, "paper")
    assert cash(desk.day(D2)) + 13 * 100 * 50 == 66_000
    if late:
        desk.day(D3)
    state(desk)
    found = desk.snapshot(D4 if late else D3)
    assert shares(found) == pytest.approx(SHARES, abs=1e-12)
    assert cash(found) == 1000 + MERGED + PAID
    value = float(cash(found)) + sum(float(count) * price(symbol) for symbol, count in shares(found).items())
    assert value == pytest.approx(66_000 - 5_000)  # DEAD was worth 50 a share
    assert costs(dict(found.holdings.lots)) == pytest.approx(COSTS)  # type: ignore[arg-type]
    gains: dict[str, float] = {}
    for one in found.holdings.adjustments:
        if one.lot_id is not None and one.proceeds is not None and one.cost_basis is not None:
            gains[one.symbol] = gains.get(one.symbol, 0.0) + float(one.proceeds - one.cost_basis)
    assert gains == GAINS
    assert {one.acquired for lots in found.holdings.lots.values() for one in lots} == {date(2020, 1, 2)}


def test_a_paper_book_trades_on_with_what_it_became(tmp_path: Path) -> None:
    desk = book(tmp_path, "paper")
    state(desk)
    # The orders go through the actions too: 200 of the 400 are sold at 12.50.
    desk.day(D2, {"PAY": 90, "CUT": 50})
    found = desk.day(D3, {"NEW": 60, "PAY": 0})
    assert (shares(found)["PAY"], shares(found)["CUT"]) == (90, 200)
    assert cash(found) == 1000 + MERGED + PAID + 10 * 48 + 200 * 12.5
    after = desk.day(D4)
    assert shares(after)["NEW"] == 60 and "PAY" not in shares(after)
    assert cash(after) == cash(found) + 30 * 100 + 90 * 48
    left = costs(dict(after.holdings.lots))["NEW"]  # type: ignore[arg-type]
    # 30 of the 40 that were BOTH, 100 each, the first by name.
    assert left == pytest.approx(10 * 100 + 50 * 80)
    value = sum(float(count) * price(symbol) for symbol, count in shares(after).items())
    assert float(cash(after)) + value == pytest.approx(61_000)


def test_a_live_book(tmp_path: Path) -> None:
    """What its shares became, with the cash that was paid for them; other cash is the desk's own to state."""
    desk = book(tmp_path, "live")
    state(desk)
    found = desk.snapshot(D4)
    assert shares(found) == pytest.approx(SHARES, abs=1e-12)
    assert cash(found) == 1000 + MERGED + 5000  # GONE
    assert costs(dict(found.holdings.lots)) == pytest.approx(COSTS)  # type: ignore[arg-type]
    assert found.problem is None
    told = [one.note for one in found.holdings.adjustments if "not in the cash" in one.note]
    assert sorted(note.split()[0] for note in told) == ["BACK", "EXTRA"]
    assert {one.note for one in found.holdings.adjustments if one.kind == "delisting"} >= {
        f"DEAD delisting of {EX}: 0: 100 DEAD became 0.00 in cash; a loss of 4,000.00 is realised; the holdings of "
        f"2024-01-02 still list it: state them anew, dated {EX} or later, without DEAD and with 0.00 more in cash"
    }
    (lost,) = [one for one in found.holdings.adjustments if one.symbol == "DEAD" and one.lot_id]
    assert (lost.proceeds, lost.cost_basis, lost.long_term) == (0, 4000, True)


@pytest.mark.parametrize("restated", [False, True])
def test_a_live_book_of_before_a_delisting_is_not_valued_at_the_next_company_of_that_name(
    tmp_path: Path, restated: bool
) -> None:
    held = "cash: 1000, positions: {OLD: 100}"
    file = book_file(held, mode="live")
    if restated:
        later = file.holdings[0].model_copy(update={"as_of": EX})
        file = file.model_copy(update={"holdings": [*file.holdings, later]})
    desk = Chain(tmp_path, file, AAA=10.0, BBB=10.0)
    desk.prices("OLD", {day: 5.0 if day < EX else 80.0 for day in DAYS if day != EX})
    desk.action("OLD", EX, "delisting", 0.0)
    found = desk.snapshot(D4)
    if restated:
        assert (found.problem, shares(found)) == (None, {"OLD": 100})
    else:
        assert f"OLD was delisted on {EX} for 0 USD a share, and is priced again later" in str(found.problem)


def test_what_was_spun_off_before_the_holdings_were_counted_stops_no_book(tmp_path: Path) -> None:
    desk = Chain(tmp_path, book_file("cash: 1000, positions: {AAA: 100}", mode="live"), AAA=10.0, BBB=10.0)
    desk.prices("KID", {day: 5.0 for day in DAYS if day != EX})
    desk.action("AAA", date(2023, 12, 29), "spin_off", 0.5, new_symbol="KID")
    desk.action("KID", EX, "delisting", 0.0)
    found = desk.snapshot(D4)
    assert (found.problem, shares(found)) == (None, {"AAA": 100})


@pytest.mark.parametrize("renamed", [DAYS[10], DAYS[23]])
def test_nor_under_a_name_that_its_shares_had_when_they_ended(tmp_path: Path, renamed: date) -> None:
    """Where they got the name only after the end, they are of the company that has it."""
    desk = Chain(tmp_path, book_file("cash: 1000, positions: {OLD: 100}", mode="live"), AAA=10.0, BBB=10.0)
    desk.prices("OLD", {day: 5.0 for day in DAYS if day < renamed})
    desk.prices("NEW", {day: 80.0 for day in DAYS if day > EX and day >= renamed})
    desk.action("NEW", EX, "delisting", 0.0)
    desk.action("OLD", renamed, "rename", new_symbol="NEW")
    found = desk.snapshot(D4)
    if renamed < EX:
        assert f"NEW was delisted on {EX} for 0 a share, and is priced again later" in str(found.problem)
    else:
        assert (found.problem, shares(found)) == (None, {"NEW": 100})


@pytest.mark.parametrize(("mode", "late"), [("live", False), ("paper", False), ("paper", True)])
def test_two_companies_exchange_their_tickers(tmp_path: Path, mode: str, late: bool) -> None:
    """Rows are kept under present names: each company's past is seen whole, and nobody is gone on the day itself."""
    desk = Chain(tmp_path, book_file("cash: 0, positions: {AAA: 10, BBB: 7}", mode=mode))
    desk.prices("AAA", dict.fromkeys(DAYS, 50.0))  # called BBB before
    desk.prices("BBB", dict.fromkeys(DAYS, 80.0))
    for day in (D2, EX) if late else ():
        desk.day(day)
    desk.actions(
        {"symbol": old, "date": EX, "kind": "rename", "new_symbol": new}
        for old, new in (("AAA", "BBB"), ("BBB", "AAA"))
    )
    seen = D4 if late else EX
    found = desk.snapshot(seen)
    assert (found.problem, shares(found)) == (None, {"AAA": 7, "BBB": 10})
    with desk.warehouse.live() as con:
        panel = read_panel(con, newest_fresh(con, seen), ["AAA", "BBB"])
    assert panel.dates == tuple(day for day in DAYS if day <= seen)
    assert (panel.close == [50.0, 80.0]).all()


@pytest.mark.parametrize("held", ["", ", positions: {AAA: 10}"])
def test_a_late_dividend_of_a_ticker_that_another_company_had_before(tmp_path: Path, held: str) -> None:
    """The book had none of that company on its day: no share at all, or those that are called BBB since."""
    desk = Chain(tmp_path, book_file(f"cash: 1000{held}"))
    desk.prices("AAA", dict.fromkeys(DAYS, 50.0))
    desk.prices("BBB", dict.fromkeys(DAYS, 80.0))
    desk.day(D2)
    desk.actions(
        {"symbol": old, "date": EX, "kind": "rename", "new_symbol": new}
        for old, new in (("AAA", "BBB"), ("BBB", "AAA"))
    )
    desk.day(D3, {"AAA": 2})
    kept = {"AAA": 2, "BBB": 10} if held else {"AAA": 2}
    assert shares(desk.day(D4)) == kept
    desk.action("AAA", EX, "dividend", 3.0)
    found = desk.day(DAYS[24])
    assert (found.problem, shares(found), cash(found)) == (None, kept, 900)
    desk.action("BBB", EX, "dividend", 4.0)
    assert cash(desk.snapshot(DAYS[25])) == 900 + (40 if held else 0)


def test_a_wrong_account_among_thousands_is_found_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share whose ticker went to another company stops one book for weeks; the others cost what they did."""
    asked: list[int] = []

    def of_day(con: Any, pack: Any, day: date, accounts: Sequence[Any]) -> dict[str, str]:
        asked.append(len(accounts))
        if wrong := [one.id for one in accounts if one.id in ("7", "640")]:
            raise DataError(f"not {wrong[0]}")
        return {one.id: "held" for one in accounts}

    monkeypatch.setattr(stated_holdings, "_of_day", of_day)
    told: Any = [
        SimpleNamespace(id=str(n), wrong=None, stated=SimpleNamespace(as_of=D2)) for n in range(1000)
    ]
    pack: Any = None
    found = stated_holdings.stated_holdings(pack, pack, told)
    assert [*found] == [one.id for one in told] and {*found.values()} == {"held", "not 7", "not 640"}
    assert (found["7"], found["640"]) == ("not 7", "not 640") and len(asked) < 50
