"""Books through splits, dividends, corrections and delistings, told on time or late, against figures made by hand."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from book_chain import DAYS, EX, HELD, Chain, book_file, cash, chain, flat, halved, shares, upto
from draws import some

from resources.audit.restatements import book_news
from resources.books.snapshots import read_snapshots
from resources.packs.packs import newest_fresh

D1, D2, D3, D4, D5 = DAYS[20:25]


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
