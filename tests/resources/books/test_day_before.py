"""A paper book's days come in order: a day waits for its day before, and one that no longer follows is named."""

from datetime import date
from pathlib import Path

import pytest
from bench import close_kept
from book_chain import DAYS, Chain, book_file, flat, shares

from resources.books.day_before import skipped_before
from resources.books.orders import past_reasons
from resources.packs.packs import newest_fresh

D1, D2, D3, D4 = DAYS[20:24]


FILE = book_file("cash: 1000, positions: {AAA: 300}")


@pytest.fixture
def book(tmp_path: Path) -> Chain:
    return Chain(tmp_path, FILE, AAA=50.0, BBB=50.0)


@pytest.fixture
def begun(tmp_path: Path) -> Chain:
    """The book after its first day."""
    return Chain(tmp_path, FILE, _first_day)


def _first_day(folder: Path) -> None:
    Chain(folder, FILE, AAA=50.0, BBB=50.0).day(D1)
    close_kept()


def test_a_day_waits_for_the_trades_of_the_day_before(begun: Chain) -> None:
    begun.snapshot(D2)  # its trades are still to come
    waiting = begun.snapshot(D3)
    assert waiting.waits_for == f"PP_{D2}"
    assert waiting.problem is not None
    assert waiting.problem.startswith(f"compute PP_{D2} first") and "--portfolio book" in waiting.problem
    assert (waiting.holdings.as_of, dict(waiting.holdings.quantities)) == (None, {})
    begun.order(D2, {"AAA": 200})
    assert shares(begun.snapshot(D3)) == {"AAA": 200}
    assert begun.out_of_date() == []


def test_a_day_waits_for_a_day_that_waits_and_for_a_pack_that_the_book_has_not_seen(begun: Chain) -> None:
    begun.snapshot(D2)
    begun.snapshot(D3)
    assert begun.snapshot(D4).waits_for == f"PP_{D2}"  # the earliest
    begun.order(D2, {})
    assert begun.snapshot(D4).waits_for == f"PP_{D3}"
    begun.day(D3)
    assert begun.snapshot(D4).problem is None


def test_a_pack_without_the_book_is_computed_first(begun: Chain) -> None:
    begun.cut(D2)
    assert begun.snapshot(D3).waits_for == f"PP_{D2}"


def test_a_new_book_waits_for_nothing(book: Chain) -> None:
    book.cut(D1)
    book.cut(D2)
    assert shares(book.snapshot(D3)) == {"AAA": 300}


def test_trades_of_other_holdings_are_not_those_of_the_day(book: Chain) -> None:
    book.day(D1, {"AAA": 250})
    book.day(D2)
    book.order(D1, {"AAA": 100})  # the day before is computed again, with another answer
    (found,) = book.out_of_date()
    assert (found.pack_id, found.before, found.later, found.skipped) == (f"PP_{D2}", f"PP_{D1}", 0, False)
    assert f"rests on an older version of PP_{D1}" in str(found)
    assert found.command == f"packfolio run --as-of {D2} --portfolio {found.portfolio}"
    book.snapshot(D2)  # holds 100 now; the trades on record are those of 250
    assert book.snapshot(D3).waits_for == f"PP_{D2}"
    book.order(D2, {})
    assert shares(book.snapshot(D3)) == {"AAA": 100}
    assert book.out_of_date() == []


def test_a_day_that_comes_in_between_names_the_days_that_skipped_it(book: Chain) -> None:
    book.day(D1, {"AAA": 200})
    book.day(D3)
    book.day(D4)
    book.day(D2)
    (found,) = book.out_of_date()
    assert (found.pack_id, found.rested_on, found.before, found.later, found.skipped) == (
        f"PP_{D3}", f"PP_{D1}", f"PP_{D2}", 1, True,
    )  # fmt: skip
    assert f"was computed from PP_{D1} before PP_{D2} was there, and 1 later day with it: " in str(found)
    assert found.command == f"packfolio backfill {D3} {D4}" and str(found).endswith(found.command)
    book.day(D3)
    book.day(D4)
    assert book.out_of_date() == []


def test_of_a_day_only_what_was_computed_before_it_and_must_follow_it_is_told(book: Chain) -> None:
    def skipped(day: date) -> list[str]:
        with book.warehouse.live() as con:
            return [late.pack_id for late in skipped_before(con, newest_fresh(con, day))]

    book.day(D1, {"AAA": 200})
    book.day(D3)
    assert skipped(D1) == skipped(D3) == []
    book.day(D2)
    # An earlier day is out of date too: of D2, what follows it is told all the same.
    book.order(D1, {"AAA": 100})
    assert [late.pack_id for late in book.out_of_date()] == [f"PP_{D2}"]
    assert (skipped(D1), skipped(D2), skipped(D3)) == ([], [f"PP_{D3}"], [])


def test_a_day_that_began_with_the_file_before_an_earlier_one_was_there_is_named(book: Chain) -> None:
    book.day(D3)
    book.day(D1, {"AAA": 100})
    (found,) = book.out_of_date()
    assert (found.pack_id, found.rested_on, found.skipped) == (f"PP_{D3}", None, True)
    assert "was computed from its file" in str(found)


def test_a_revised_day_leaves_the_next_one_on_an_older_version(begun: Chain) -> None:
    begun.day(D2)
    begun.cut(D1, revise="a correction")
    assert begun.snapshot(D2).waits_for == f"PP_{D1}.2"
    begun.day(D1)
    assert begun.snapshot(D2).problem is None


def test_a_computed_day_that_is_computed_again_alike_changes_nothing(book: Chain) -> None:
    for day in (D1, D2, D3):
        book.day(day, {"AAA": 100})
    book.day(D1, {"AAA": 100})
    assert book.out_of_date() == []


@pytest.mark.parametrize(("mode", "said"), [("paper", {}), ("live", {"AAA": (-100.0, -100.0)})])
def test_orders_of_a_paper_book_are_never_called_unfilled(
    tmp_path: Path, mode: str, said: dict[str, object]
) -> None:
    book = Chain(tmp_path, book_file("cash: 1000, positions: {AAA: 300, BBB: 10}", mode=mode))
    book.prices("BBB", flat(50.0))
    book.prices("AAA", {day: 50.0 for day in DAYS if day <= D1})
    book.day(D1, {"AAA": 200})
    found = book.snapshot(D2)  # AAA is not priced: nobody could have sold it
    assert shares(found)["AAA"] == 300
    with book.warehouse.live() as con:
        assert past_reasons(con, newest_fresh(con, D2), found.portfolio_id).unfilled == said
