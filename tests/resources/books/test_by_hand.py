"""Books against a few lines of plain arithmetic: pence beside pounds, and a fraction of a spin-off."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from bench import STAMP, ingest
from book_chain import DAYS, Chain, book_file, cash, close_rows, flat, shares

from optimizer import FundExposureMap
from resources.packs.packs import newest_fresh
from resources.results.pack_inputs import read_inputs

D2, D3, D4 = DAYS[21:24]
LONG_AGO = D3 - timedelta(days=400)
# Pounds in dollars: direct and old, the other way round and newer, by way of the euro and of the day itself.
RATES = [
    ("GBP", "USD", LONG_AGO, 2.0), ("USD", "GBP", D2, 1 / 1.5), ("GBP", "EUR", D3, 1.2), ("EUR", "USD", D3, 1.05),
]  # fmt: skip
POUND = {D2: 1.5, D3: 1.2 * 1.05}


def test_pence_beside_pounds_are_worth_what_the_freshest_way_says(tmp_path: Path) -> None:
    """40 shares at 1,250 pence are 500 pounds, 30 at 20 pounds are 600; ten and five of them are sold."""
    book = Chain(tmp_path, book_file("cash: 1000, positions: {AAA: 40, BBB: 30}"))
    paid = close_rows("AAA", flat(1250.0), dividend={D3: 25.0})
    rows = [row | {"currency": "GBX"} for row in paid]
    book.deliver([*rows, *(row | {"currency": "GBP"} for row in close_rows("BBB", flat(20.0)))])
    with book.warehouse.write(STAMP) as tx:
        told = [dict(zip(("base", "quote", "date", "rate"), rate, strict=True)) for rate in RATES]
        ingest(tx, "fx_rates", pa.Table.from_pylist([row | {"source": "desk"} for row in told]))
    for day, wanted in ((D2, {"AAA": 30.0, "BBB": 25.0}), (D3, {})):
        found = book.day(day, wanted)
        assert found.problem is None
        with book.warehouse.live() as con:
            seen = read_inputs(con, newest_fresh(con, day), found, FundExposureMap([]))
        assert seen.prices == pytest.approx({"AAA": 12.5 * POUND[day], "BBB": 20 * POUND[day]}, rel=1e-12)
    # The dividend of who held on its eve, and the sales, at the new rate.
    pounds = 40 * 0.25 + 10 * 12.5 + 5 * 20
    assert float(cash(found)) == pytest.approx(1000 + pounds * POUND[D3], abs=1e-4)
    assert shares(found) == {"AAA": 30, "BBB": 25}


def test_what_a_share_paid_that_was_long_suspended_is_in_its_own_currency(tmp_path: Path) -> None:
    """Its last price is three weeks old: 10 shares end for 50 euros each, a euro is 1.20."""
    book = Chain(
        tmp_path, book_file("cash: 1000, positions: {EUR: 10, BBB: 1}", mode="live"), AAA=10.0, BBB=10.0
    )
    book.deliver([row | {"currency": "EUR"} for row in close_rows("EUR", {DAYS[0]: 50.0})])
    rate = {"base": "EUR", "quote": "USD", "date": DAYS[0], "rate": 1.2, "source": "desk"}
    with book.warehouse.write(STAMP) as tx:
        ingest(tx, "fx_rates", pa.Table.from_pylist([rate]))
    book.action("EUR", D3, "merger", cash=50.0)
    assert cash(book.day(D3)) == 1600


def test_a_book_that_began_with_lots_keeps_them_after_a_day_without_any(tmp_path: Path) -> None:
    lot = "cash: 1000, positions: {AAA: {lots: [{acquired: 2020-01-02, quantity: 10, cost_basis: 40}]}}"
    book = Chain(tmp_path, book_file(lot), AAA=10.0, BBB=20.0)
    book.day(D2, {"AAA": 0.0})
    assert dict(book.day(D3, {"BBB": 5.0}).holdings.lots) == {}
    (bought,) = book.day(D4).holdings.lots["BBB"]
    assert (bought.quantity, bought.cost_basis, bought.acquired) == (5, 20, D4)


@pytest.mark.parametrize("how", ["paper", "paper, a day late", "live"])
def test_what_was_paid_in_another_currency_counts_at_the_rate_of_its_day(tmp_path: Path, how: str) -> None:
    """10 shares at 50 euros each end for that on a day on which a euro is 1.20; it is 1.50 the day after."""
    lot = (
        "cash: 1000, positions: {EUR: {lots: [{acquired: 2020-01-02, quantity: 10, cost_basis: 40}]}, BBB: 1}"
    )
    book = Chain(tmp_path, book_file(lot, mode=how.split(",")[0]), AAA=10.0, BBB=10.0)
    book.deliver(
        [row | {"currency": "EUR"} for row in close_rows("EUR", {day: 50.0 for day in DAYS if day < D3})]
    )
    rates = [("EUR", "USD", day, 1.1 if day < D3 else 1.2 if day == D3 else 1.5) for day in DAYS]
    with book.warehouse.write(STAMP) as tx:
        told = [dict(zip(("base", "quote", "date", "rate"), rate, strict=True)) for rate in rates]
        ingest(tx, "fx_rates", pa.Table.from_pylist([row | {"source": "desk"} for row in told]))
    if how != "live":
        book.day(D2)
    if how.endswith("late"):
        book.day(D3)
    book.action("EUR", D3, "merger", cash=50.0)
    if how == "paper":
        book.day(D3)
    found = book.day(D4)
    assert (cash(found), shares(found)) == (1600, {"BBB": 1})
    if how != "paper":  # told on its day
        (gain,) = [one for one in found.holdings.adjustments if one.lot_id is not None]
        assert (gain.proceeds, gain.cost_basis) == (600, 400)


def test_a_fraction_of_a_spin_off_is_paid_and_its_cost_leaves_the_lots(tmp_path: Path) -> None:
    """33 and 18 shares give 9.9 and 5.4 at a fifth of the cost: 15 are kept, 0.3 of the first lot is sold for 6."""
    lots = "[{acquired: 2020-01-02, quantity: 33, cost_basis: 40}, "
    lots += "{acquired: 2023-06-01, quantity: 18, cost_basis: 60}]"
    book = Chain(tmp_path, book_file(f"cash: 1000, positions: {{BBB: {{lots: {lots}}}}}"), AAA=10.0)
    book.prices("BBB", {day: 50.0 if day < D3 else 44.0 for day in DAYS})
    book.prices("KID", {day: 20.0 for day in DAYS if day >= D3})
    book.day(D2)
    spun = {"value": 0.3, "new_symbol": "KID", "basis_share": 0.2, "cash_in_lieu": 20.0}
    book.action("BBB", D3, "spin_off", **spun)  # type: ignore[arg-type]
    found = book.day(D3, {"KID": 9.0})
    assert (shares(found), cash(found)) == ({"BBB": 51, "KID": 15}, 1006)
    assert float(cash(found)) + 51 * 44 + 15 * 20 == 1000 + 51 * 50
    held = found.holdings.lots
    assert [(lot.acquired, float(lot.quantity)) for lot in held["KID"]] == [
        (date(2020, 1, 2), pytest.approx(9.6)), (date(2023, 6, 1), pytest.approx(5.4)),
    ]  # fmt: skip
    cost = {
        name: sum((lot.quantity * lot.cost_basis for lot in own), Decimal(0)) for name, own in held.items()
    }
    fraction = 0.3 * (40 * 0.2 / 0.3)
    whole = 33 * 40 + 18 * 60
    assert float(cost["BBB"]) == pytest.approx(0.8 * whole)
    assert float(cost["KID"]) == pytest.approx(0.2 * whole - fraction)
    (gain,) = [
        one for one in found.holdings.adjustments if one.lot_id is not None and one.proceeds is not None
    ]
    assert (gain.proceeds, float(gain.cost_basis or 0)) == (6, pytest.approx(fraction))
    after = book.day(D4)  # six of the oldest lot are sold at 20
    assert (shares(after), cash(after)) == ({"BBB": 51, "KID": 9}, 1006 + 6 * 20)
    assert [float(lot.quantity) for lot in after.holdings.lots["KID"]] == pytest.approx([3.6, 5.4])


@pytest.mark.parametrize("late", [False, True], ids=["in time", "a day late"])
def test_a_dividend_of_an_action_in_pounds_and_of_a_row_in_pence_is_one(tmp_path: Path, late: bool) -> None:
    """100 shares of each name; one USD is 0.80 GBP."""
    told = {  # pence by the row, the action's value and currency, what it pays in pounds
        "AAA": (5.0, 0.05, "GBP", 5.0),
        "FFF": (0.0, 0.05, "GBP", 5.0),
        "GGG": (7.0, 0.05, "GBP", 7.0),  # the row knows of two more pence
        "HHH": (8.0, 0.10, "USD", 8.0),
        "JJJ": (0.0, 0.10, "USD", 8.0),
    }
    held = ", ".join(f"{name}: 100" for name in told)
    book = Chain(tmp_path, book_file(f"cash: 0, positions: {{{held}}}", more="base_currency: GBP\n"))
    rows = close_rows("BBB", flat(50.0))
    for name, (row, *_) in told.items():
        rows += close_rows(name, flat(500.0), dividend={DAYS[22]: row})
    book.deliver([one | {"currency": "GBX"} for one in rows])
    rates = [{"base": "USD", "quote": "GBP", "date": day, "rate": 0.8, "source": "feed"} for day in DAYS]
    with book.warehouse.write(STAMP) as tx:
        ingest(tx, "fx_rates", pa.Table.from_pylist(rates))
    paid: dict[str, float] = dict.fromkeys(told, 0.0)
    days = [book.day(day) for day in (DAYS[21:23] if late else DAYS[21:22])]
    book.actions(
        {"symbol": name, "date": DAYS[22], "kind": "dividend", "value": value, "currency": currency}
        for name, (_, value, currency, _) in told.items()
    )
    for found in (*days, last := book.day(DAYS[23])):
        for one in found.holdings.adjustments:
            paid[one.symbol] += float(one.cash)
    assert paid == pytest.approx({name: right for name, (*_, right) in told.items()}, abs=1e-4)
    assert float(cash(last)) == pytest.approx(sum(paid.values()), abs=1e-4)


@pytest.mark.parametrize("kind", ["delisting", "merger"])
def test_what_ended_pays_in_its_own_currency_though_another_company_has_its_ticker(
    tmp_path: Path, kind: str
) -> None:
    """10 shares at 150 pence are 15 pounds, 18 dollars; the next company of that name is quoted in dollars."""
    book = Chain(tmp_path, book_file("cash: 1000, positions: {OLD: 10}"), BBB=10.0)
    with book.warehouse.write(STAMP) as tx:
        rate = {"base": "GBP", "quote": "USD", "date": DAYS[0], "rate": 1.2, "source": "desk"}
        ingest(tx, "fx_rates", pa.Table.from_pylist([rate]))
    book.deliver([row | {"currency": "GBX"} for row in close_rows("OLD", flat(200.0, DAYS[:8]))])
    book.day(DAYS[6])
    book.prices("OLD", flat(33.0, DAYS[9:]))
    paid = {"value": 150.0} if kind == "delisting" else {"cash": 150.0}
    book.action("OLD", DAYS[8], kind, **paid)  # type: ignore[arg-type]
    found = book.snapshot(DAYS[10])
    assert (shares(found), cash(found)) == ({}, 1018)


@pytest.mark.parametrize(("value", "currency"), [(0.0, None), (2.0, None), (2.0, "USD")])
def test_the_end_of_a_share_that_never_had_a_price_is_asked_for_its_currency_where_it_pays(
    tmp_path: Path, value: float, currency: str | None
) -> None:
    book = Chain(tmp_path, book_file("cash: 1000, positions: {DEAD: 10}", mode="live"), AAA=10.0, BBB=10.0)
    book.action("DEAD", DAYS[5], "delisting", value, currency=currency)
    found = book.snapshot(DAYS[6])
    if value and not currency:
        assert "DEAD has no price; state its `currency`" in str(found.problem)
    else:
        assert (found.problem, shares(found), cash(found)) == (None, {}, 1000 + 10 * value)


def _exchanged(book: Chain, *told: dict[str, object]) -> None:
    """AAA, in pence, is BBB from day 10 on, and BBB, in dollars, AAA: their prices are kept under the later names."""
    names = ("AAA", "BBB"), ("BBB", "AAA")
    renames = [{"symbol": old, "date": DAYS[10], "kind": "rename", "new_symbol": new} for old, new in names]
    book.actions([*renames, *told])
    book.deliver([row | {"currency": "GBX"} for row in close_rows("BBB", flat(200.0))])
    book.deliver(close_rows("AAA", flat(33.0)))


def _in_pence(tmp_path: Path, **how: str) -> Chain:
    book = Chain(tmp_path, book_file("cash: 0, positions: {AAA: 10}", **how))
    with book.warehouse.write(STAMP) as tx:
        rate = {"base": "GBP", "quote": "USD", "date": DAYS[0], "rate": 1.2, "source": "desk"}
        ingest(tx, "fx_rates", pa.Table.from_pylist([rate]))
    return book


def test_a_late_dividend_of_one_of_two_that_exchanged_their_tickers_is_in_its_own_currency(
    tmp_path: Path,
) -> None:
    """10 shares at 150 pence are 15 pounds, 18 dollars."""
    book = _in_pence(tmp_path)
    book.deliver([row | {"currency": "GBX"} for row in close_rows("AAA", flat(200.0, DAYS[:10]))])
    book.prices("BBB", flat(33.0, DAYS[:10]))
    for day in (4, 6, 9):
        book.day(DAYS[day])
    _exchanged(book, {"symbol": "AAA", "date": DAYS[5], "kind": "dividend", "value": 150.0})
    found = book.day(DAYS[12])
    assert (shares(found), cash(found)) == ({"BBB": 10}, 18)


@pytest.mark.parametrize("mode", ["live", "paper"])
def test_a_day_before_two_exchanged_their_tickers_is_not_valued_at_the_price_of_the_other(
    tmp_path: Path, mode: str
) -> None:
    """A pack that is cut afterwards has 33 dollars under AAA, which was 200 pence then."""
    book = _in_pence(tmp_path, mode=mode)
    _exchanged(book)
    problem = str(book.snapshot(DAYS[9]).problem)
    assert f"AAA of {DAYS[9]} is kept as BBB" in problem and f"called so from {DAYS[10]} on" in problem
    assert shares(book.snapshot(DAYS[10])) == {"BBB": 10}
