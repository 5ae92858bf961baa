"""Several words that a paper book hears late, of actions that act on one another, against figures by hand."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from bench import PRICE_TYPES, STAMP, ingest
from book_chain import DAYS, Chain, book_file, cash, close_rows, shares

BEGUN, E1, E2, E3, E4, HEARD = DAYS[19:25]
Told = dict[str, Any]
ORDERED = "a new name that stands in the orders"
SOLD = "an order of 100 shares under a name that they have no more"
# 300 PPP that cost 80 and 100 HHH that cost 50, all at 50, XXX beside them: what is told in time and what before the
# last pack only; then what is held, what it cost in all, and the cash that was paid.
CASES: dict[str, tuple[list[Told], list[Told], dict[str, float], dict[str, float], float]] = {
    "a new name of a held share, before its stock dividend": (
        [{"symbol": "HHH", "date": E4, "kind": "stock_dividend", "value": 0.1}],
        [{"date": E2, "kind": "rename", "new_symbol": "HHH"}],
        {"HHH": 440}, {"HHH": 29_000}, 0,
    ),
    "a new name on the day of a dividend": (
        [{"symbol": "HHH", "date": E3, "kind": "special_dividend", "value": 1.0}],
        [{"date": E3, "kind": "rename", "new_symbol": "HHH"}],
        {"HHH": 400}, {"HHH": 29_000}, 400,
    ),
    ORDERED: (
        [{"symbol": "XXX", "date": E4, "kind": "dividend", "value": 2.0}],
        [{"date": E2, "kind": "rename", "new_symbol": "XXX"}],
        {"HHH": 100, "XXX": 300}, {"HHH": 5_000, "XXX": 24_000}, 600,
    ),
    SOLD: (
        [],
        [{"date": E2, "kind": "rename", "new_symbol": "XXX"}],
        {"HHH": 100, "XXX": 200}, {"HHH": 5_000, "XXX": 16_000}, 0,
    ),
    "a return of capital and a spin-off": (
        [],
        [
            {"date": E2, "kind": "return_of_capital", "value": 4.0},
            {"date": E4, "kind": "spin_off", "value": 2.0, "new_symbol": "XXX", "basis_share": 0.25},
        ],
        {"HHH": 100, "PPP": 300, "XXX": 600}, {"HHH": 5_000, "PPP": 17_100, "XXX": 5_700}, 1_200,
    ),
    "a split and a return of capital": (
        [],
        [
            {"date": E2, "kind": "split", "value": 2.0},
            {"date": E4, "kind": "return_of_capital", "value": 5.0},
        ],
        {"HHH": 100, "PPP": 600}, {"HHH": 5_000, "PPP": 21_000}, 3_000,
    ),
    "a stock dividend of what was given since the day before": (
        [{"date": E1, "kind": "spin_off", "value": 0.5, "new_symbol": "XXX", "basis_share": 0.25}],
        [{"symbol": "XXX", "date": E2, "kind": "stock_dividend", "value": 0.1}],
        {"HHH": 100, "PPP": 300, "XXX": 165}, {"HHH": 5_000, "PPP": 18_000, "XXX": 6_000}, 0,
    ),
    "a merger into a share on the day of its split": (
        [{"symbol": "XXX", "date": E3, "kind": "split", "value": 2.0}],
        [{"date": E3, "kind": "merger", "value": 0.5, "new_symbol": "XXX"}],
        {"HHH": 100, "XXX": 150}, {"HHH": 5_000, "XXX": 24_000}, 0,
    ),
    "a merger and a new name of what it gave": (
        [],
        [
            {"date": E2, "kind": "merger", "value": 0.5, "new_symbol": "HHH"},
            {"symbol": "HHH", "date": E4, "kind": "rename", "new_symbol": "XXX"},
        ],
        {"XXX": 250}, {"XXX": 29_000}, 0,
    ),
    "a split, a merger and a dividend of its heir": (
        [{"symbol": "HHH", "date": E4, "kind": "dividend", "value": 1.0}],
        [
            {"date": E1, "kind": "split", "value": 2.0},
            {"date": E3, "kind": "merger", "value": 0.5, "new_symbol": "HHH"},
        ],
        {"HHH": 400}, {"HHH": 29_000}, 400,
    ),
    "an exchange of names, before a return of capital": (
        [{"date": E4, "kind": "return_of_capital", "value": 2.0}],
        [
            {"date": E2, "kind": "rename", "new_symbol": "HHH"},
            {"symbol": "HHH", "date": E2, "kind": "rename", "new_symbol": "PPP"},
        ],
        {"HHH": 300, "PPP": 100}, {"HHH": 24_000, "PPP": 4_800}, 200,
    ),
}  # fmt: skip


def _lots(symbol: str, quantity: int, cost: int) -> str:
    return f"{symbol}: {{lots: [{{acquired: 2020-01-02, quantity: {quantity}, cost_basis: {cost}}}]}}"


def _named(told: Told, own: str) -> Told:
    stated = {"symbol": "PPP"} | told
    return {
        key: f"{value}{own}" if key in ("symbol", "new_symbol") else value for key, value in stated.items()
    }


def test_a_book_is_what_it_would_be_had_all_been_told_in_time(tmp_path: Path) -> None:
    """All cases go through one book, the symbols of each with its number behind."""
    cases = {f"_{place}": case for place, case in enumerate(CASES.values())}
    held_in = ", ".join(f"{_lots(f'PPP{own}', 300, 80)}, {_lots(f'HHH{own}', 100, 50)}" for own in cases)
    book = Chain(tmp_path, book_file(f"cash: 1000, positions: {{{held_in}}}"), AAA=10.0, BBB=10.0)
    for own, (on_time, late, *_) in cases.items():
        ends = {
            one.get("symbol", "PPP"): one["date"]
            for one in (*on_time, *late)
            if one["kind"] in ("merger", "rename")
        }
        given = {one["new_symbol"] for one in late if one["kind"] == "rename"}
        for symbol in ("PPP", "HHH", "XXX"):
            priced = [day for day in DAYS if symbol in given or symbol not in ends or day < ends[symbol]]
            book.deliver(close_rows(f"{symbol}{own}", dict.fromkeys(priced, 50.0)))
    book.day(BEGUN)
    book.actions(_named(one, own) for own, (on_time, *_) in cases.items() for one in on_time)
    places = {case: f"_{place}" for place, case in enumerate(CASES)}
    # A share that is not held stands in the trade list too.
    wanted = {f"XXX{places[ORDERED]}": 0, f"PPP{places[SOLD]}": 200}
    days = [book.day(E3), book.day(E4, wanted)]
    book.actions(_named(one, own) for own, (_, late, *_) in cases.items() for one in late)
    days.append(book.snapshot(HEARD))
    (*_, found) = days
    assert found.problem is None
    changed = [one for day in days for one in day.holdings.adjustments if one.lot_id is None]
    for own, (case, (_, _, held, costs, paid)) in zip(cases, CASES.items(), strict=True):
        its = {name.removesuffix(own): value for name, value in shares(found).items() if name.endswith(own)}
        assert its == pytest.approx(held), case
        lots = {name: found.holdings.lots[name + own] for name in its}
        cost = {name: float(sum(lot.quantity * lot.cost_basis for lot in own)) for name, own in lots.items()}
        assert cost == pytest.approx(costs), case
        assert float(sum(one.cash for one in changed if one.symbol.endswith(own))) == pytest.approx(paid), (
            case
        )
    assert float(cash(found)) == pytest.approx(1000 + 100 * 50 + sum(paid for *_, paid in CASES.values()))


@pytest.mark.parametrize(("told", "held", "paid"), [("dividend", 100.0, 200), ("split", 200.0, 0)])
def test_what_rows_said_under_the_old_name_stays_when_they_move_to_the_new_one(
    tmp_path: Path, told: str, held: float, paid: int
) -> None:
    """As ingest keeps them: all under the new name, those of the old one taken back."""
    book = Chain(tmp_path, book_file("cash: 1000, positions: {OLD: 100}"), AAA=10.0, BBB=10.0)
    old = close_rows("OLD", {day: 50.0 for day in DAYS if day < E4}, **{told: {E2: 2.0}})
    book.deliver(old)
    for day in (BEGUN, E2, E3):
        book.day(day)
    book.action("OLD", E4, "rename", new_symbol="NEW")
    book.prices("NEW", dict.fromkeys(DAYS, 50.0), **{told: {E2: 2.0}})
    with book.warehouse.write(STAMP) as tx:
        schema = PRICE_TYPES.append(pa.field("withdrawn", pa.bool_()))
        ingest(tx, "prices", pa.Table.from_pylist([row | {"withdrawn": True} for row in old], schema=schema))
    found = book.snapshot(E4)
    assert (found.problem, shares(found), cash(found)) == (None, {"NEW": held}, 1000 + paid)


# 300 PPP that cost 80, on record since before the first of them: what is told before E4 and what only before HEARD, and
# the cost of a share of PPP and of XXX at the end.
IN_TURN: dict[str, tuple[Told, Told, dict[str, float]]] = {
    "a return of capital, then a spin-off of a later day": (
        {"date": E1, "kind": "return_of_capital", "value": 4.0},
        {"date": E3, "kind": "spin_off", "value": 2.0, "new_symbol": "XXX", "basis_share": 0.25},
        {"PPP": 57.0, "XXX": 9.5},
    ),
    "a spin-off, then another of a later day": (
        {"date": E1, "kind": "spin_off", "value": 1.0, "new_symbol": "HHH", "basis_share": 0.5},
        {"date": E3, "kind": "spin_off", "value": 2.0, "new_symbol": "XXX", "basis_share": 0.25},
        {"PPP": 30.0, "HHH": 40.0, "XXX": 5.0},
    ),
    "a return of capital beyond what is left of the cost": (
        {"date": E1, "kind": "return_of_capital", "value": 50.0},
        {"date": E3, "kind": "return_of_capital", "value": 45.0},
        {"PPP": 0.0},
    ),
    "a return of capital, then a split": (
        {"date": E1, "kind": "return_of_capital", "value": 4.0},
        {"date": E3, "kind": "split", "value": 2.0},
        {"PPP": 38.0},
    ),
}  # fmt: skip


def test_what_was_told_late_before_is_in_the_cost_that_a_later_late_word_divides(tmp_path: Path) -> None:
    cases = {f"_{place}": case for place, case in enumerate(IN_TURN.values())}
    held_in = ", ".join(_lots(f"PPP{own}", 300, 80) for own in cases)
    book = Chain(tmp_path, book_file(f"cash: 1000, positions: {{{held_in}}}"), AAA=10.0, BBB=10.0)
    for own in cases:
        for symbol in ("PPP", "HHH", "XXX"):
            book.deliver(close_rows(f"{symbol}{own}", dict.fromkeys(DAYS, 50.0)))
    days = [book.day(day) for day in (BEGUN, E2, E3)]
    book.actions(_named(first, own) for own, (first, *_) in cases.items())
    days.append(book.day(E4))
    book.actions(_named(later, own) for own, (_, later, _) in cases.items())
    found = book.snapshot(HEARD)
    lots = {name: own[0].cost_basis for name, own in found.holdings.lots.items()}
    assert {name: float(cost) for name, cost in lots.items()} == pytest.approx(
        {f"{name}{own}": cost for own, (*_, costs) in cases.items() for name, cost in costs.items()}
    )
    changed = [one for day in (*days, found) for one in day.holdings.adjustments if one.lot_id]
    gains = [(one.symbol, float((one.proceeds or 0) - (one.cost_basis or 0))) for one in changed]
    assert gains == [("PPP_2", pytest.approx(300 * 15.0))]


def test_a_split_that_waited_for_a_price_is_in_the_shares_of_the_eve_of_a_late_word(tmp_path: Path) -> None:
    """No close on E1 and E2: it acts on E3, of which a dividend is told late."""
    policy = "{lookback_days: 20, risk_free_rate: 0.01, on_missing_price: freeze}"
    book = Chain(tmp_path, book_file("cash: 1000, positions: {PPP: 300}", policy=policy), AAA=10.0, BBB=10.0)
    book.prices("PPP", {day: 50.0 for day in DAYS if day not in (E1, E2)})
    book.action("PPP", E1, "split", 2.0)
    held = [shares(book.day(day))["PPP"] for day in (BEGUN, E1, E2, E3)]
    book.action("PPP", E3, "dividend", 1.0)
    found = book.snapshot(E4)
    assert (held, float(cash(found))) == ([300, 300, 300, 600], 1600)


# 300 of a share at 50 that ended on E2 for 3, told in time or before the last pack only; another has its ticker from E3
# on, at 20: shares wanted of that one on E3, what is held at the end, and the cash that was paid.
PASSED_ON: dict[str, tuple[bool, dict[str, float], dict[str, float], float]] = {
    "KEPT": (True, {}, {}, 900),
    "MORE": (True, {"MORE": 350}, {"MORE": 50}, 900 - 50 * 20),
    "SOLD": (True, {"SOLD": 0}, {"SOLD": -300}, 900 + 300 * 20),
    "TOLD": (False, {"TOLD": 50}, {"TOLD": 50}, 900 - 50 * 20),
}


def test_shares_of_a_company_that_ended_are_not_those_of_the_next_under_its_ticker(tmp_path: Path) -> None:
    """Shares of the next that were sold and never had are owed."""
    kinds: dict[str, Told] = {"D": {"kind": "delisting", "value": 3.0}, "M": {"kind": "merger", "cash": 3.0}}
    names = [f"{name}{kind}" for name in PASSED_ON for kind in kinds]
    held_in = ", ".join(_lots(name, 300, 80) if "M" in name[-1] else f"{name}: 300" for name in names)
    book = Chain(tmp_path, book_file(f"cash: 90000, positions: {{{held_in}}}"), AAA=10.0, BBB=10.0)
    closes = {day: 50.0 if day < E2 else 20.0 for day in DAYS if day != E2}
    book.deliver([row for name in names for row in close_rows(name, closes)])

    def tell(late: bool) -> None:
        told = [name for name in names if PASSED_ON[name[:-1]][0] == late]
        book.actions([{"symbol": name, "date": E2, **kinds[name[-1]]} for name in told])

    book.day(E1)
    tell(late=False)
    book.day(
        E3,
        {
            name + kind: n
            for _, wanted, *_ in PASSED_ON.values()
            for name, n in wanted.items()
            for kind in kinds
        },
    )
    book.day(E4)
    tell(late=True)
    found = book.snapshot(HEARD)
    assert found.problem is None
    kept = {
        name + kind: n for *_, held, _ in PASSED_ON.values() for name, n in held.items() for kind in kinds
    }
    assert (shares(found), cash(found)) == (kept, 90_000 + 2 * sum(paid for *_, paid in PASSED_ON.values()))
    assert {one.lot_id for one in found.holdings.lots["MOREM"]} == {f"MOREM-{E4:%Y%m%d}"}


CIRCLES = {
    "AAA and BBB": (("AAA", "BBB"), ("BBB", "AAA")),
    "AAA, BBB and CCC": (("CCC", "AAA"), ("AAA", "BBB"), ("BBB", "CCC")),
}


@pytest.mark.parametrize("kind", ["spin_off", "merger"])
@pytest.mark.parametrize("said", CIRCLES)
def test_shares_of_one_day_that_are_given_in_a_circle_are_refused(
    tmp_path: Path, said: str, kind: str
) -> None:
    book = Chain(tmp_path, book_file("cash: 1000, positions: {AAA: 300}"), AAA=10.0, BBB=10.0)
    book.day(E1)
    book.actions(
        {"symbol": one, "date": E2, "kind": kind, "value": 0.5, "new_symbol": other}
        for one, other in CIRCLES[said]
    )
    problem = book.snapshot(E2).problem
    assert problem is not None and f"{said} give each other's shares on {E2}" in str(problem)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("first", ["AAA", "ZZZ"])
@pytest.mark.parametrize("kind", ["spin_off", "merger"])
def test_what_is_given_comes_before_what_befalls_it_whatever_the_names(
    tmp_path: Path, kind: str, first: str, late: bool
) -> None:
    """By the alphabet a holder of ZZZ got shares of MMM that were no more, or without what MMM spun off that day."""
    flats = dict.fromkeys(("AAA", "BBB", "MMM", "NNN", "ZZZ"), 10.0)
    book = Chain(tmp_path, book_file(f"cash: 1000, positions: {{{first}: 300}}"), **flats)
    book.day(E1)
    if late:
        book.day(E2)
    book.actions(
        {"symbol": one, "date": E2, "kind": kind, "value": 0.5, "new_symbol": other}
        for one, other in ((first, "MMM"), ("MMM", "NNN"))
    )
    found = book.snapshot(E3 if late else E2)
    kept = {first: 300, "MMM": 150} if kind == "spin_off" else {}
    assert shares(found) == {**kept, "NNN": 75}
