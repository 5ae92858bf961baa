"""A portfolio under a pack: what is wrong with it today is its problem, and whatever it was is read back the same."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from bench import STAMP, ingest, new_warehouse, price_rows, staying_open, take_snapshot

from optimizer import DataError, Estimates, ExposureType, Fund, FundExposureMap, Policy
from optimizer.proposals.rebalance_rules import Decision
from resources.accounts.known import account_of
from resources.books.day_before import DayBefore, day_before
from resources.books.snapshots import Snapshot, read_snapshots
from resources.books.take_snapshots import OF_GONE, REMEDY, _unpriced
from resources.books.universes import UNPRICED
from resources.packs.packs import Pack, cut_pack
from resources.results.estimates.pack_estimates import Own, case_of
from resources.results.pack_inputs import look_through, read_inputs, under_policy
from resources.results.rebalancing import quiet_result
from resources.screening.pack_checks import CheckLimits
from resources.settings.portfolios import PortfolioFile
from resources.settings.view_files import ViewFile, like_a_fraction
from resources.settings.yaml_files import parse_yaml
from resources.store.warehouse import Warehouse

DAYS = tuple(date(2024, 1, 1) + timedelta(days=number) for number in range(40))
NO_FUNDS = FundExposureMap([])
BOOK = """
id: 11111111-1111-1111-1111-111111111111
name: book
mode: live
universe: [AAA, BBB]
policy: {lookback_days: 20, risk_free_rate: 0.01}
holdings: [{as_of: 2024-01-02, cash: 100, positions: {AAA: 5}}]
"""


def book(*changes: tuple[str, str]) -> PortfolioFile:
    text = BOOK
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return parse_yaml(text, PortfolioFile, "book.yaml")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Pack]:
    """AAA, BBB and EUR are priced to the end, EUR in euro without a rate; LOST stopped, LATE waits, NEW is young."""
    warehouse = Warehouse(tmp_path_factory.mktemp("desk"))
    histories = {
        "AAA": DAYS,
        "BBB": DAYS,
        "EUR": DAYS,
        "LOST": DAYS[:-10],
        "LATE": DAYS[:-2],
        "NEW": DAYS[-12:],
    }
    for symbol, days in histories.items():
        rows = price_rows(days=days, symbols=(symbol,))
        if symbol == "EUR":
            place = rows.schema.get_field_index("currency")
            rows = rows.set_column(place, "currency", pa.array(["EUR"] * len(days)))
        with warehouse.write(STAMP) as tx:
            ingest(tx, "prices", rows)
    with warehouse.write(STAMP) as tx:
        pack = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits()).pack
    return warehouse, pack


def taken(
    desk: tuple[Warehouse, Pack], *changes: tuple[str, str], previous: DayBefore | None = None
) -> Snapshot:
    warehouse, pack = desk
    with warehouse.live() as con:
        return take_snapshot(con, pack, previous, account_of(book(*changes), pack))


UNIVERSE, HELD = "universe: [AAA, BBB]", "positions: {AAA: 5}"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ([("2024-01-02", "2030-01-01")], "book has no holdings dated 2024-02-09 or before"),
        ([(HELD, "positions: {AAA: 5, LOST: 1}")], f"LOST {UNPRICED}: {REMEDY}"),
        (
            [(HELD, "positions: {AAAA: 5, LOST: 1}")],
            f"AAAA {UNPRICED}: no source has ever priced it; did you mean AAA?; LOST {UNPRICED}: {REMEDY}",
        ),
        ([("name: book", "name: book\nbenchmark: LOST")], f"LOST {UNPRICED}: {REMEDY}"),
        ([("name: book", "name: book\nbenchmark: market_cap")], "has no market cap of ['AAA', 'BBB']"),
        ([(HELD, "positions: {EUR: 5}")], "EUR"),
        ([(UNIVERSE, "universe: [LOST]"), (HELD, "positions: {}")], "no symbol of its universe has a price"),
    ],
)
def test_what_is_wrong_today_is_a_problem(
    desk: tuple[Warehouse, Pack], changes: list[tuple[str, str]], problem: str
) -> None:
    found = taken(desk, *changes)
    assert found.problem is not None and problem in found.problem
    assert found.benchmark == {}


def test_a_share_whose_end_is_stated_is_not_asked_for_again() -> None:
    """Holdings of after its end: to state its delisting was the advice, which had been taken."""
    ended = "was delisted on 2024-01-30 for 5 USD a share"
    said = _unpriced({"GONE": ended, "LOST": UNPRICED, "NONE": f"{UNPRICED}: no source has ever priced it"})
    assert said == (
        f"NONE {UNPRICED}: no source has ever priced it; LOST {UNPRICED}: {REMEDY}; GONE {ended}: {OF_GONE}"
    )


def test_a_restricted_symbol_that_nobody_knows_is_told_and_one_that_left_is_not(
    desk: tuple[Warehouse, Pack],
) -> None:
    limits = "risk_free_rate: 0.01, do_not_buy: {LOST: old, AAAA: typed wrong}, do_not_trade: [EUR, AAA]"
    found = taken(desk, ("risk_free_rate: 0.01", limits))
    assert found.excluded == {
        "AAAA": "stands in do_not_buy, and no source has ever priced it; did you mean AAA?"
    }
    warehouse, pack = desk
    with warehouse.live() as con:
        inputs = read_inputs(con, pack, found, NO_FUNDS)
    assert (inputs.policy.do_not_buy, inputs.policy.do_not_trade) == ({}, {"AAA": ""})
    assert under_policy(inputs, found.policy, 0.0).policy == inputs.policy


def test_a_paper_book_whose_rate_is_missing_has_a_problem_and_no_holdings(
    desk: tuple[Warehouse, Pack],
) -> None:
    warehouse, _ = desk
    with warehouse.write(STAMP) as tx:
        before = cut_pack(tx, DAYS[-2], ["feed"], DAYS, CheckLimits()).pack
    paper = ("mode: live", "mode: paper")
    snapshot = taken(desk, paper, (HELD, "positions: {EUR: 5}"))
    with warehouse.write(STAMP) as tx:
        tx.record(
            "portfolio_snapshots", snapshot.frames(), pack_id=before.id, portfolio_id=snapshot.portfolio_id
        )
    with warehouse.live() as con:
        _, pack = desk
        rests = day_before(con, pack, account_of(book(paper, (HELD, "positions: {EUR: 5}")), pack))
    found = taken(desk, paper, previous=rests)
    assert found.problem is not None and "EUR" in found.problem
    assert (found.holdings.as_of, dict(found.holdings.quantities)) == (None, {})


def test_what_may_not_be_bought_is_left_out_with_its_reason(desk: tuple[Warehouse, Pack]) -> None:
    found = taken(
        desk, (UNIVERSE, "universe: [AAA, BBB, LOST, NEW]"), ("lookback_days: 20", "lookback_days: 39")
    )
    assert found.problem is None
    assert (found.symbols, found.investable) == (("AAA", "BBB"), ("AAA", "BBB"))
    assert found.excluded == {"LOST": UNPRICED, "NEW": "has 12 days of prices; 31 are needed"}
    assert found.benchmark == {"AAA": 0.5, "BBB": 0.5}


@pytest.mark.parametrize(
    ("benchmark", "weights", "symbols"),
    [
        ("AAA", {"AAA": 1.0}, ("AAA", "BBB")),
        ("{BBB: 40, NEW: 60}", {"BBB": 0.4, "NEW": 0.6}, ("AAA", "BBB", "NEW")),
    ],
)
def test_a_benchmark_is_estimated_even_where_it_may_not_be_bought(
    desk: tuple[Warehouse, Pack], benchmark: str, weights: dict[str, float], symbols: tuple[str, ...]
) -> None:
    found = taken(desk, ("name: book", f"name: book\nbenchmark: {benchmark}"))
    assert (found.benchmark, found.symbols, found.investable) == (weights, symbols, ("AAA", "BBB"))


def test_a_universe_of_all_is_what_the_pack_prices(desk: tuple[Warehouse, Pack]) -> None:
    found = taken(desk, (UNIVERSE, "universe: all"), ("name: book", "name: book\nbase_currency: EUR"), (HELD, "positions: {}"))  # fmt: skip  # noqa: E501
    assert found.problem is not None and "USD" in found.problem  # no rate: never 1
    assert found.investable == ("AAA", "BBB", "EUR", "LATE", "NEW")


BOUGHT = "[{acquired: 2023-06-01, quantity: 2, cost_basis: 90}, {acquired: 2023-07-03, quantity: 1, cost_basis: 99}]"
LOTS = f"positions: {{AAA: {{lots: {BOUGHT}}}, BBB: {{quantity: 3, cost_basis: 80.5}}}}"
VIEWS = "views: [{assets: [AAA], type: absolute, expected_return_pct: 8, confidence: 0.5}]\nholdings"


@pytest.mark.parametrize(
    "changes",
    [[(HELD, LOTS), ("holdings", VIEWS)], [("2024-01-02", "2030-01-01")], [(HELD, "positions: {}")]],
)
def test_a_snapshot_is_read_back_as_it_was_taken(tmp_path: Path, changes: list[tuple[str, str]]) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(days=DAYS, symbols=("AAA", "BBB")))
    with warehouse.write(STAMP) as tx:
        pack = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits()).pack
    given = taken((warehouse, pack), *changes)
    with warehouse.write(STAMP) as tx:
        for key in (given.portfolio_id, "of the same model"):
            tx.record("portfolio_snapshots", given.frames(), pack_id=pack.id, portfolio_id=key)
    with warehouse.live() as con:
        back, other = read_snapshots(con, pack)
    for name in Snapshot.__dataclass_fields__:
        assert getattr(back, name) == getattr(given, name), name
    assert (back.policy, back.symbols) == (other.policy, other.symbols)
    # Read once for all accounts of a model.
    assert back.policy is other.policy and back.symbols is other.symbols


def test_a_policy_on_record_that_is_refused_today_is_the_problem_of_its_portfolio_alone(
    tmp_path: Path,
) -> None:
    """What an older version took ended every reading of the pack in words of pydantic."""
    warehouse = new_warehouse(tmp_path, staying_open)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(days=DAYS, symbols=("AAA", "BBB")))
    with warehouse.write(STAMP) as tx:
        pack = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits()).pack
    given = taken((warehouse, pack))
    with warehouse.write(STAMP) as tx:
        for key, cap in ((given.portfolio_id, 50.0), ("of before", 0.5)):
            frames = given.frames()
            table = frames["portfolio_snapshots"]
            assert isinstance(table, pa.Table)
            [row] = table.to_pylist()
            row["policy"] = json.dumps({**json.loads(row["policy"]), "max_single_position_pct": cap})
            frames["portfolio_snapshots"] = pa.Table.from_pylist([row], schema=table.schema)
            tx.record("portfolio_snapshots", frames, pack_id=pack.id, portfolio_id=key)
    with warehouse.live() as con:
        found = {one.portfolio_id: one for one in read_snapshots(con, pack)}
    kept, refused = found[given.portfolio_id], found["of before"]
    assert kept.problem is None and kept.policy.max_single_position_pct == 50
    assert refused.problem is not None and "refused by this version of packfolio" in refused.problem
    assert "max_single_position_pct is 0.5 percent" in refused.problem


def test_a_price_of_an_older_day_is_told_with_its_day_whether_the_book_trades_or_not(
    desk: tuple[Warehouse, Pack],
) -> None:
    warehouse, pack = desk
    late, priced = (
        taken(desk, (UNIVERSE, f"universe: [AAA, {name}]"), (HELD, f"positions: {{{name}: 5}}"))
        for name in ("LATE", "BBB")
    )
    with warehouse.live() as con:
        inputs, without = (read_inputs(con, pack, one, NO_FUNDS) for one in (late, priced))
    said = f"No price since {DAYS[-3]}, whose close is taken: LATE"
    assert (late.problem, inputs.prices["LATE"], without.old_prices()) == (None, 137.0, [])
    case = case_of(inputs, Estimates(late.symbols, None, np.diag([0.04, 0.09])), Own())
    assert case.mandate.notes == (said,)
    slip = ViewFile(assets=["BBB"], type="absolute", expected_return_pct=0.1, confidence=0.5)
    doubted = replace(inputs, snapshot=replace(late, views=(slip,)))
    told = case_of(doubted, Estimates(late.symbols, None, np.diag([0.04, 0.09])), Own()).mandate.notes
    assert told == (said, like_a_fraction(slip))
    decision = Decision("no_trade", "no trade: drift 0% of 2%")
    [warnings] = quiet_result(case, decision)["optimization_results"]["warnings"]
    assert json.loads(warnings) == [said]


def test_inputs_have_prices_in_the_base_currency_and_the_views_in_excess_of_the_rate(
    desk: tuple[Warehouse, Pack],
) -> None:
    warehouse, pack = desk
    sighted = taken(desk, ("holdings", VIEWS))
    unrated = taken(desk, ("risk_free_rate: 0.01", "max_turnover_pct: 20"))
    with warehouse.live() as con:
        found = read_inputs(con, pack, sighted, NO_FUNDS)
        with pytest.raises(DataError, match="risk-free"):
            read_inputs(con, pack, unrated, NO_FUNDS)
    assert found.prices == {"AAA": 139.0, "BBB": 139.0}
    assert (found.currencies["AAA"], found.rates["AAA"], found.ratings) == ("USD", 1.0, {})
    assert found.views[0].expected_return == pytest.approx(0.07)  # type: ignore[union-attr]
    assert found.universe.benchmark == {"AAA": 0.5, "BBB": 0.5}
    assert found.policy is sighted.in_fractions  # which states its rate, and is checked once for all stages
    again = under_policy(found, book(("risk_free_rate: 0.01", "method: min_volatility")).policy, 0.03)
    assert (again.policy.method, again.policy.risk_free_rate) == ("min_volatility", 0.03)
    assert again.views[0].expected_return == pytest.approx(0.05)  # type: ignore[union-attr]


def test_stocks_are_equity_and_the_unmapped_an_error_only_where_exposures_are_limited() -> None:
    funds = FundExposureMap([Fund("SPY", "SPY", {ExposureType.US_LARGE_EQUITY: 1.0})])
    kinds: dict[str, object] = {"AAA": "stock", "SPY": "stock", "XYZ": "fund"}
    free = look_through(funds, kinds, Policy())
    assert set(free) == {"AAA", "SPY"} and free.unmapped == "unknown"
    assert free["SPY"].exposures == {ExposureType.US_LARGE_EQUITY: 1.0}
    for limits in ({"max_notional": 1.5}, {"max_exposures": {ExposureType.EQUITY: 0.6}}):
        assert look_through(funds, kinds, Policy(**limits)).unmapped == "error"  # type: ignore[arg-type]
