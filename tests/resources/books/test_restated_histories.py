"""Books through histories that are restated, or come again on another basis or by another source."""

from datetime import date
from pathlib import Path

import pytest
from book_chain import DAYS, EX, HELD, book_file, cash, chain, close_rows, flat, halved, shares, upto
from draws import some

D1, D2, D3, D4, D5 = DAYS[20:25]


@pytest.mark.parametrize(
    "told",
    some(
        [("split_adjusted", 1 / 3), ("total_return", 1.02), ("split_adjusted", 4), ("split_adjusted", 1.5)], 2
    ),
)
def test_restated_adjusted_closes_change_the_unit_not_the_value(
    tmp_path: Path, told: tuple[str, float]
) -> None:
    basis, parts = told
    book = chain(tmp_path)
    book.prices("AAA", upto(flat(100.0), D2), basis=basis)
    book.day(D2)
    # All of history, on the evening of the split.
    book.prices("AAA", upto(flat(round(100.0 / parts, 4)), D3), basis=basis)
    found = book.day(D3)
    assert shares(found)["AAA"] == pytest.approx(300 * parts, rel=1e-5)
    assert shares(found)["AAA"] * round(100.0 / parts, 4) == pytest.approx(30_000, rel=1e-5)
    assert (
        "AAA split by" if basis == "split_adjusted" else "AAA is restated by"
    ) in found.holdings.adjustments[0].note
    book.prices("AAA", {D4: round(100.0 / parts, 4)}, basis=basis)
    assert shares(book.day(D4)) == shares(found)


def test_history_that_was_adjusted_all_along_splits_nothing(tmp_path: Path) -> None:
    book = chain(tmp_path)
    book.prices("AAA", flat(25.0), basis="split_adjusted")
    assert [shares(book.day(day))["AAA"] for day in (D2, D3, D4)] == [300, 300, 300]


@pytest.mark.parametrize("mode", ["live", "paper"])
@pytest.mark.parametrize("restated", [False, True])
def test_stated_splits_bring_a_book_through_a_history_that_came_after_them(
    tmp_path: Path, mode: str, restated: bool
) -> None:
    """A split before the first delivery shows in no restatement; the vendor's own word on it does."""
    book = chain(tmp_path, mode=mode)
    if restated:  # a second split, after the first delivery
        book.prices("AAA", upto(flat(50.0), D3), basis="split_adjusted")
        book.action("AAA", D4, "split", 2.0)
    book.action("AAA", D1, "split", 4.0)
    book.prices("AAA", flat(25.0), basis="split_adjusted")
    found = book.snapshot(D5)
    assert shares(found)["AAA"] == 300 * 4 * (2 if restated else 1)
    assert sum("AAA split of" in one.note for one in found.holdings.adjustments) == 1 + restated


OTHER_BASIS = {  # basis before and now -> shares, and cash, of 300 that were split by two and then paid 2 a share
    ("as_traded", "split_adjusted"): (600, 2200),
    ("split_adjusted", "as_traded"): (600, 2200),
    ("as_traded", "total_return"): (600, 2200),
    ("total_return", "as_traded"): (600 / 0.96, 1000),
}


@pytest.mark.parametrize("told", OTHER_BASIS)
def test_a_history_that_comes_again_on_another_basis_splits_and_pays_nothing_twice(
    tmp_path: Path, told: tuple[str, str]
) -> None:
    """As where another source takes over, or the desk corrects the basis of its source."""
    book = chain(tmp_path)
    before, now = told
    for day in (D2, D3, D4):
        book.prices("AAA", _of_basis(before, day), **_paid_by(before), basis=before)
        book.day(day)
    book.prices("AAA", _of_basis(now, D5), **_paid_by(now), basis=now)
    found = book.day(D5)
    right, paid = OTHER_BASIS[told]
    assert shares(found)["AAA"] == pytest.approx(right) and cash(found) == paid
    assert found.holdings.adjustments == ()


def _of_basis(basis: str, known: date) -> dict[date, float]:
    """100, from D3 on 50, from D4 on 48, as told on an evening."""
    split = 2 if basis != "as_traded" and known >= D3 else 1
    paid = 0.96 if basis == "total_return" and known >= D4 else 1
    closes = {day: 100 / split * paid if day < D3 else 50 * paid if day < D4 else 48 for day in DAYS}
    return upto(closes, known)


def _paid_by(basis: str) -> dict[str, dict[date, float]]:
    """What rows state of it beside the closes."""
    paid = {} if basis == "total_return" else {"dividend": {D4: 2.0}}
    return paid | ({"split": {D3: 2.0}} if basis == "as_traded" else {})


@pytest.mark.parametrize("mode", ["live", "paper"])
def test_a_split_that_only_the_source_before_told_is_not_lost_where_adjusted_closes_take_over(
    tmp_path: Path, mode: str
) -> None:
    """Of a book counted before the split; its first pack, of a paper book, comes after the seam."""
    book = chain(tmp_path, HELD.replace("300", "10"), mode=mode)
    book.sources = ("feed", "second")
    closes = {day: 100.0 if day < DAYS[5] else 50.0 for day in DAYS[:11]}
    book.prices("AAA", closes, split={DAYS[5]: 2.0})
    if mode == "live":
        assert shares(book.day(DAYS[10]))["AAA"] == 20
    second = close_rows("AAA", upto(flat(50.0), DAYS[18]), basis="split_adjusted")
    book.deliver([row | {"source": "second"} for row in second])
    found = book.day(DAYS[18])
    assert shares(found)["AAA"] == 20
    assert "AAA split of 2024-01-07: 2: 10 AAA became 20" in found.holdings.adjustments[0].note


def test_a_dividend_that_only_the_history_on_another_basis_tells_is_paid(tmp_path: Path) -> None:
    """1 for a share of after the split is 2 for one of before it."""
    book = chain(tmp_path)
    book.prices("AAA", upto(halved(2), D4), split={EX: 2.0})
    for day in (D1, D2, D3, D4):
        book.day(day)
    book.prices("AAA", upto(flat(50.0), D5), dividend={D2: 1.0}, basis="split_adjusted")
    found = book.day(D5)
    assert (shares(found)["AAA"], cash(found)) == (600, 1600)


def test_an_order_is_split_with_the_shares_of_a_restated_history(tmp_path: Path) -> None:
    book = chain(tmp_path)
    book.prices("AAA", upto(flat(100.0), D2), basis="split_adjusted")
    book.day(D2, {"AAA": 200})
    book.prices("AAA", upto(flat(25.0), D3), basis="split_adjusted")
    found = book.day(D3)
    assert (shares(found)["AAA"], cash(found)) == (800, 1000 + 400 * 25)


def test_one_corrected_close_of_an_adjusted_history_is_no_split(tmp_path: Path) -> None:
    book = chain(tmp_path)
    book.prices("AAA", upto(flat(100.0), D2), basis="split_adjusted")
    book.day(D2)
    book.prices("AAA", {D2: 50.0, D3: 100.0}, basis="split_adjusted")
    assert shares(book.day(D3))["AAA"] == 300


@pytest.mark.parametrize("evenings", [1, 4, 12])
@pytest.mark.parametrize("told", some([("2024-01-23", 1200), ("2024-01-24", 300)], 1))
def test_a_live_book_of_adjusted_closes_goes_through_a_split_that_came_after_its_date(
    tmp_path: Path, told: tuple[str, float], evenings: int
) -> None:
    day, held = told  # the restated history brings older days too: they never were anything else
    book = chain(tmp_path, mode="live")
    book.file = book_file(HELD, mode="live").model_copy(
        update={
            "holdings": [book_file(HELD).holdings[0].model_copy(update={"as_of": date.fromisoformat(day)})]
        }
    )
    for known in DAYS[22 - evenings : 25]:  # an evening each, history restated on that of the split
        if known >= EX:
            book.prices("AAA", {past: 25.0 for past in DAYS if past <= known}, basis="split_adjusted")
        else:
            book.prices("AAA", {known: 100.0}, basis="split_adjusted")
    assert shares(book.snapshot(D5))["AAA"] == held
    book.action("AAA", EX, "split", 4.0)  # stated besides, it counts once
    book.cut(D5, revise="a split")
    assert shares(book.snapshot(D5))["AAA"] == held


@pytest.mark.parametrize("mode", ["live", "paper"])
def test_a_stated_split_counts_for_adjusted_closes_that_carried_it_from_the_first(
    tmp_path: Path, mode: str
) -> None:
    book = chain(tmp_path, mode=mode)
    book.prices("AAA", flat(25.0), basis="split_adjusted")
    book.action("AAA", EX, "split", 4.0)
    assert shares(book.snapshot(D4))["AAA"] == 1200  # the file is of before the split


def test_a_split_that_may_be_of_the_day_of_the_holdings_or_after_it_is_asked(tmp_path: Path) -> None:
    book = chain(tmp_path, mode="live")
    day = DAYS[21]
    held = [book_file(HELD).holdings[0].model_copy(update={"as_of": day})]
    book.file = book_file(HELD, mode="live").model_copy(update={"holdings": held})
    for known in DAYS[17:21]:
        book.prices("AAA", {known: 100.0}, basis="split_adjusted")
    book.prices("AAA", upto(flat(25.0), EX), basis="split_adjusted")  # the evening of the holdings is missing
    problem = str(book.snapshot(EX).problem)
    assert (
        "AAA: its adjusted closes were restated by 4 in the file that first told its close of 2024-01-23"
        in problem
    )
    book.action("AAA", EX, "split", 4.0)
    book.cut(EX, revise="the split is stated")
    assert shares(book.snapshot(EX))["AAA"] == 1200
