"""Books through splits, dividends, corrections and delistings, told on time or late, against figures made by hand."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from book_chain import DAYS, Chain, book_file, cash, close_rows, flat, shares
from draws import some

from resources.audit.restatements import book_news
from resources.books.snapshots import read_snapshots
from resources.packs.packs import newest_fresh

D1, D2, D3, D4, D5 = DAYS[20:25]
EX = DAYS[22]  # D3
HELD = "cash: 1000, positions: {AAA: 300, BBB: 10}"


def chain(tmp_path: Path, holdings: str = HELD, **told: str) -> Chain:
    return Chain(tmp_path, book_file(holdings, **told), BBB=50.0)


def upto(closes: dict[date, float], day: date) -> dict[date, float]:
    return {known: close for known, close in closes.items() if known <= day}


def halved(parts: float) -> dict[date, float]:
    """100 before the ex-date, a part of it from then on."""
    return {day: 100.0 / (parts if day >= EX else 1) for day in DAYS}


@pytest.mark.parametrize(
    "split", some([(0.33333333, 1 / 3), (0.0052631579, 1 / 190), (4.0, 4), (1.5, 1.5)], 2)
)
def test_a_split_of_the_price_rows_is_exact(tmp_path: Path, split: tuple[float, float]) -> None:
    told, ratio = split
    book = chain(tmp_path, HELD.replace("300", "570"))
    book.prices("AAA", halved(ratio), split={EX: told})
    book.day(D2)
    found = book.day(D3)
    assert shares(found) == {"AAA": pytest.approx(570 * ratio, abs=1e-12), "BBB": 10}
    (told_,) = found.holdings.adjustments
    assert told_.kind == "split" and not told_.late and "AAA split of 2024-01-24" in told_.note


@pytest.mark.parametrize("mode", ["live", "paper"])
def test_holdings_of_before_a_split_are_brought_through_it(tmp_path: Path, mode: str) -> None:
    book = chain(tmp_path, mode=mode)
    book.prices("AAA", halved(4), split={EX: 4.0})
    found = book.snapshot(D5)  # the first pack, three weeks after the file
    assert shares(found) == {"AAA": 1200, "BBB": 10}
    assert (found.holdings.as_of, cash(found)) == (date(2024, 1, 2), 1000)
    assert "300 AAA became 1,200 AAA" in found.holdings.adjustments[0].note


def test_what_a_live_book_holds_is_not_split_twice_and_gets_no_cash(tmp_path: Path) -> None:
    book = chain(tmp_path, mode="live")
    closes = flat(100.0)
    book.prices("AAA", closes, split={DAYS[0]: 2.0, EX: 3.0}, dividend={EX: 1.0})
    for day in (D3, D4, D5):  # a split of the file's own date is in the file
        found = book.snapshot(day)
        assert (shares(found)["AAA"], cash(found)) == (900, 1000)


def test_lots_of_a_live_book_go_through_the_split_with_their_cost(tmp_path: Path) -> None:
    lots = "{lots: [{acquired: 2020-01-02, quantity: 300, cost_basis: 80, held_since: 2019-05-06}]}"
    book = chain(tmp_path, f"cash: 0, positions: {{AAA: {lots}}}", mode="live")
    book.prices("AAA", halved(4), split={EX: 4.0})
    (lot,) = book.snapshot(D4).holdings.lots["AAA"]
    assert (lot.quantity, lot.cost_basis, lot.acquired, lot.held_since) == (
        1200,
        20,
        date(2020, 1, 2),
        date(2019, 5, 6),
    )


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


def test_a_dividend_that_comes_late_is_paid_on_the_shares_of_its_eve(tmp_path: Path) -> None:
    book = chain(tmp_path)
    closes = flat(100.0)
    book.prices("AAA", upto(closes, D3))
    book.day(D1)
    book.day(D2, {"AAA": 100})  # 200 are sold at the close of the ex-date: they have earned it
    book.day(D3)
    book.prices("AAA", {D3: 100.0, D4: 100.0}, dividend={EX: 5.0})
    found = book.day(D4)
    assert cash(found) == 1000 + 200 * 100 + 300 * 5
    (late,) = found.holdings.adjustments
    assert (late.late, late.date, late.kind, late.cash, late.told) == (True, EX, "dividend", 1500, True)
    book.prices("AAA", {D5: 100.0})
    after = book.day(D5)
    assert (cash(after), after.holdings.adjustments) == (cash(found), ())  # once only


def test_a_dividend_corrected_late_pays_the_difference_also_to_who_sold_everything(tmp_path: Path) -> None:
    book = chain(tmp_path)
    book.prices("AAA", upto(flat(100.0), D3), dividend={EX: 5.0})
    book.day(D2, {"AAA": 0})
    assert cash(book.day(D3)) == 1000 + 300 * 100 + 300 * 5
    book.prices("AAA", {D3: 100.0, D4: 100.0}, dividend={EX: 2.0})
    assert cash(book.day(D4)) == 1000 + 300 * 100 + 300 * 2


def test_a_split_that_comes_late_multiplies_the_shares_of_its_eve(tmp_path: Path) -> None:
    lots = "{lots: [{acquired: 2020-01-02, quantity: 300, cost_basis: 84}]}"
    book = chain(tmp_path, f"cash: 0, positions: {{AAA: {lots}}}")
    book.prices("AAA", upto(flat(100.0), D3))
    book.day(D1)
    book.day(D2, {"AAA": 400})  # a hundred more at the close of the day itself, in new shares
    book.day(D3)
    book.prices("AAA", {D3: 100.0, D4: 100.0}, split={EX: 1.05})
    found = book.day(D4)
    assert shares(found)["AAA"] == pytest.approx(300 * 1.05 + 100, abs=1e-12)
    held = found.holdings.lots["AAA"]
    assert sum(lot.quantity for lot in held) == pytest.approx(Decimal(415))
    assert sum(lot.quantity * lot.cost_basis for lot in held) == pytest.approx(Decimal(300 * 84 + 100 * 100))


def test_a_fill_at_a_close_that_was_false_is_corrected(tmp_path: Path) -> None:
    book = chain(tmp_path)
    book.prices("AAA", upto(flat(100.0), D2))
    book.prices("AAA", {D3: 90.0})
    book.day(D2, {"AAA": 310})
    assert cash(book.day(D3)) == 1000 - 10 * 90
    book.prices("AAA", {D3: 95.0, D4: 100.0})
    found = book.day(D4)
    assert cash(found) == 1000 - 10 * 95
    assert (
        "its close of 2024-01-24 is 95, not 90: -50.00 for the 10 shares bought at it"
        in found.holdings.adjustments[0].note
    )


def test_a_lot_that_is_delisted_to_nothing_is_a_loss_on_record(tmp_path: Path) -> None:
    old, new = (
        "acquired: 2021-01-04, quantity: 100, cost_basis: 90",
        "acquired: 2024-01-02, quantity: 50, cost_basis: 60",
    )
    book = chain(tmp_path, f"cash: 0, positions: {{AAA: {{lots: [{{{old}}}, {{{new}}}]}}, BBB: 10}}")
    book.prices("AAA", upto(flat(100.0), D2))
    book.day(D2)
    book.action("AAA", D3, "delisting", 0.0)
    found = book.day(D4)
    assert (shares(found), cash(found), dict(found.holdings.lots)) == ({"BBB": 10}, 0, {})
    whole, *details = sorted(found.holdings.adjustments, key=lambda one: one.lot_id or "")
    assert "a loss of 12,000.00 is realised" in whole.note and whole.quantity == -150
    assert [(one.lot_id, one.cost_basis, one.proceeds, one.long_term) for one in details] == [
        ("AAA-20210104", 9000, 0, True), ("AAA-20240102", 3000, 0, False),
    ]  # fmt: skip


def test_restatements_name_what_reaches_a_paper_book_and_what_will(tmp_path: Path) -> None:
    book = chain(tmp_path)
    book.prices("AAA", upto(flat(100.0), D4))
    for day in (D1, D2, D3):
        book.day(day)

    def told() -> list[str]:
        with book.warehouse.live() as con:
            return [f"{one.symbol}: {one.reason}" for one in book_news(con)]

    assert told() == []
    book.prices("AAA", {D3: 100.0}, dividend={EX: 5.0})
    (pending,) = told()
    assert pending.startswith("AAA: AAA dividend of 2024-01-24: 5: 1,500.00 on the 300 AAA of that day")
    assert pending.endswith("adjusts the paper book in its next pack")
    assert cash(book.day(D4)) == 2500
    (reached,) = told()
    assert reached.endswith(f"adjusts the paper book in PP_{D4}")


def test_a_name_without_a_price_blocks_the_book_or_is_frozen_at_its_last(tmp_path: Path) -> None:
    policy = "{lookback_days: 20, risk_free_rate: 0.01, on_missing_price: %s}"
    for how, problem in (("block", "AAA has no price in the last 5 sessions"), ("freeze", None)):
        book = chain(tmp_path / how, policy=policy % how)
        book.prices("AAA", upto(flat(100.0), DAYS[10]))
        found = book.snapshot(D5)
        assert found.problem is None if problem is None else problem in str(found.problem)
        assert [(one.symbol, one.value, one.day) for one in found.frozen] == (
            [("AAA", 30_000, DAYS[10])] if how == "freeze" else []
        )
        assert found.symbols == ("BBB",)
    book.order(D5, {"AAA": 300, "BBB": 20})
    book.prices("AAA", {DAYS[25]: 110.0})
    book.prices("BBB", {DAYS[25]: 50.0})
    after = book.snapshot(DAYS[25])
    assert (shares(after), after.frozen) == ({"AAA": 300, "BBB": 20}, ())


@pytest.mark.parametrize("held", ["{AAA: 300, BBB: 10, NEW: 50}", "{AAA: 300, BBB: 10}"])
@pytest.mark.parametrize("how", ["equal_weight", "freeze"])
def test_a_held_name_without_a_history_is_set_apart_where_the_policy_says_so(
    tmp_path: Path, how: str, held: str
) -> None:
    """NEW, 12 days old, was spun off into the book, or may be bought."""
    policy = f"{{lookback_days: 40, risk_free_rate: 0.01, on_short_history: {how}}}"
    book = chain(tmp_path, f"cash: 1000, positions: {held}", mode="live", policy=policy)
    book.file = book.file.model_copy(update={"universe": ["AAA", "BBB", "NEW"]})
    earlier = [date(2023, 12, day) for day in range(4, 32)]
    for symbol, close in {"AAA": 100.0, "BBB": 50.0}.items():
        book.prices(symbol, dict.fromkeys([*earlier, *(DAYS if symbol == "AAA" else ())], close))
    book.prices("NEW", dict.fromkeys(DAYS[13:], 20.0))
    found = book.snapshot(D5)
    own = "NEW" in held
    assert found.problem is None
    assert (found.investable, found.excluded) == (
        ("AAA", "BBB"),
        {"NEW": "has 12 days of prices; 31 are needed"},
    )
    assert found.symbols == (("AAA", "BBB", "NEW") if own and how == "equal_weight" else ("AAA", "BBB"))
    assert [str(one) for one in found.frozen] == (
        ["NEW has 12 days of prices; 31 are needed: its 0.00% of the value are kept as they are, not weighed"]
        if own and how == "freeze"
        else []
    )
    assert all((one.symbol, one.value) == ("NEW", 1000) for one in found.frozen)
    assert found.left_out("NEW").endswith("sets it apart") == (own and how == "equal_weight")
    with book.warehouse.live() as con:
        (back,) = read_snapshots(con, newest_fresh(con, D5))
    assert back.frozen == found.frozen


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


@pytest.mark.parametrize("mode", ["live", "paper"])
def test_a_book_goes_on_under_the_new_name_though_its_file_says_the_old_one(
    tmp_path: Path, mode: str
) -> None:
    policy = "{lookback_days: 20, do_not_sell: {AAA: kept}, asset_limits_pct: {AAA: [20, 60]}}"
    stated = "type: relative, expected_return_pct: 2, confidence: 0.5"
    joint = "expected_returns_pct: [9], omega: [0.01]"
    more = "benchmark: {AAA: 60, BBB: 40}\nviews:\n" + "".join(
        f"  - {{{line}}}\n"
        for line in (
            f"assets: [AAA], against: [BBB], {stated}",
            f"assets: {{BBB: 1}}, against: {{AAA: 1}}, {stated}",
            f"assets: [AAA], against: [BBB], weights: {{AAA: 2, BBB: 1}}, {stated}",
            f"portfolios: [{{BBB: 0.5, AAA: 0.5}}], {joint}",
        )
    )
    book = Chain(tmp_path, book_file(HELD, mode=mode, policy=policy, more=more), BBB=50.0)
    book.prices("ZZZ", flat(100.0))
    book.action("AAA", D5, "rename", new_symbol="NEW")
    book.action("NEW", DAYS[26], "rename", new_symbol="ZZZ")  # all is kept under the last name from the first
    for day, why in (
        (D4, "is kept as NEW, its name from 2024-01-26 on"),
        (D5, "is called NEW since 2024-01-26"),
    ):
        found = book.day(day)
        assert (shares(found), found.problem) == ({"ZZZ": 300, "BBB": 10}, None)
        assert (found.investable, found.excluded) == (("BBB", "ZZZ"), {"AAA": why})
        assert found.benchmark == {"ZZZ": 0.6, "BBB": 0.4}
        assert (found.policy.do_not_sell, found.policy.asset_limits_pct) == (
            {"ZZZ": "kept"},
            {"ZZZ": (20, 60)},
        )
        assert [
            view.model_dump(include={"assets", "against", "weights", "portfolios"}) for view in found.views
        ] == [
            {"assets": ["ZZZ"], "against": ["BBB"], "weights": "market"},
            {"assets": {"BBB": 1}, "against": {"ZZZ": 1}, "weights": "market"},
            {"assets": ["ZZZ"], "against": ["BBB"], "weights": {"ZZZ": 2, "BBB": 1}},
            {"portfolios": [{"BBB": 0.5, "ZZZ": 0.5}]},
        ]


def test_a_view_on_a_distribution_follows_the_new_name_too(tmp_path: Path) -> None:
    more = "views: [{kind: mean, assets: [AAA, NEW], value_pct: 5}]\n"
    policy = "{lookback_days: 20, view_model: entropy_pooling}"
    book = Chain(tmp_path, book_file(HELD, policy=policy, more=more), BBB=50.0)
    book.prices("NEW", flat(100.0))
    book.action("AAA", D5, "rename", new_symbol="NEW")
    assert [view.assets for view in book.day(D5).views] == [{"NEW": 1.0}]


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
