"""Estimates of a pack whose names keep different calendars: each set is read on its own sessions."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from bench import PRICE_TYPES, STAMP, ingest, price_rows, take_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import FundExposureMap, Recipe
from optimizer.proposals.compiled_policy import applied_policy
from optimizer.proposals.proposal import ASSUMED_VOLATILITY
from optimizer.proposals.rebalance_rules import Standing
from resources.accounts.known import account_of
from resources.books.snapshots import Snapshot
from resources.books.universes import Listing
from resources.packs.packs import Pack, cut_pack
from resources.results.estimates.estimate_rows import estimate_frames, read_estimates
from resources.results.estimates.pack_estimates import estimate_evidence, load_case, notes_of
from resources.results.pack_inputs import read_inputs, under_policy
from resources.results.rebalancing import decision_of
from resources.screening.pack_checks import CheckLimits
from resources.settings.portfolios import PortfolioFile
from resources.settings.yaml_files import parse_yaml
from resources.store.warehouse import Warehouse

EVERY = tuple(date(2022, 1, 3) + timedelta(days=number) for number in range(700))
WEEKDAYS = tuple(day for day in EVERY if day.weekday() < 5)
HISTORIES = {
    "AAA": WEEKDAYS,
    "BBB": WEEKDAYS,
    "CCC": tuple(day for day in WEEKDAYS if day != date(2023, 6, 15)),
    "COIN": EVERY,
    "TYO": tuple(day for number, day in enumerate(WEEKDAYS) if number % 25),
    "ALT": WEEKDAYS[len(WEEKDAYS) % 2 :: 2] + WEEKDAYS[-1:],
    "FUND": tuple(day for day in WEEKDAYS if day.weekday() == 4),
    "NEW": WEEKDAYS[-100:],
    "YOUNG": WEEKDAYS[-20:],
}
BOOK = """
id: 11111111-1111-1111-1111-111111111111
name: book
mode: live
universe: [AAA, BBB, CCC, TYO, ALT, COIN]
policy: {lookback_days: 252, risk_free_rate: 0.01}
holdings: [{as_of: 2022-01-04, cash: 100, positions: {AAA: 5}}]
"""


def history(symbol: str, days: tuple[date, ...], seed: int) -> pa.Table:
    """Prices of a random walk with a volatility of a fifth a year, on the days given."""
    moves = np.random.default_rng(seed).normal(0, 0.2 / np.sqrt(365), len(EVERY))
    closes = dict(zip(EVERY, 100 * np.exp(moves.cumsum()), strict=True))
    rows = price_rows(days=days, symbols=(symbol,)).to_pylist()
    return pa.Table.from_pylist(
        [row | {"close": closes[row["date"]], "dividend": 0.0} for row in rows], schema=PRICE_TYPES
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Pack]:
    """Stocks, one with a gap; a coin of seven days a week, another exchange, a fund of Fridays, a name of half the
    sessions, a young one."""
    warehouse = Warehouse(tmp_path_factory.mktemp("calendars"))
    for seed, (symbol, days) in enumerate(HISTORIES.items()):
        with warehouse.write(STAMP) as tx:
            ingest(tx, "prices", history(symbol, days, seed))
    with warehouse.write(STAMP) as tx:
        stated = [
            {"symbol": symbol, "date": EVERY[0], "currency": "USD", "simulated": False, "source": "feed",
             "sector": "metals" if symbol == "ALT" else "tech"}
            for symbol in HISTORIES
        ]  # fmt: skip
        ingest(tx, "securities", pa.Table.from_pylist(stated))
    with warehouse.write(STAMP) as tx:
        pack = cut_pack(tx, WEEKDAYS[-1], ["feed"], WEEKDAYS, CheckLimits()).pack
    return warehouse, pack


def taken(desk: tuple[Warehouse, Pack], *changes: tuple[str, str]) -> Snapshot:
    warehouse, pack = desk
    text = BOOK
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    with warehouse.live() as con:
        return take_snapshot(con, pack, None, account_of(parse_yaml(text, PortfolioFile, "book.yaml"), pack))


@pytest.mark.parametrize(
    ("symbols", "observations", "periods"),
    [
        (("AAA", "BBB"), 252, 252),
        (("AAA", "BBB", "COIN"), 252, 252),
        (("COIN",), 252, 365),
        (("AAA", "CCC"), 252, 252),
        (("AAA", "TYO"), 252, 250.5),
        (("AAA", "FUND"), 99, 52),
        (("AAA", "NEW"), 99, 252),
        (("AAA", "BBB", "ALT"), 250, 130.4),
    ],
)
def test_a_recipe_reads_the_sessions_of_its_own_names(
    desk: tuple[Warehouse, Pack], symbols: tuple[str, ...], observations: int, periods: float
) -> None:
    warehouse, pack = desk
    with warehouse.live() as con:
        found = estimate_evidence(con, pack, Recipe(symbols=symbols))
    assert found.observations == pytest.approx(observations, abs=2)
    assert found.periods_per_year == pytest.approx(periods, rel=0.01)
    assert found.volatility == pytest.approx(np.full(len(symbols), 0.2), rel=4 / np.sqrt(2 * observations))


@settings(max_examples=10, deadline=None)
@given(st.permutations(["AAA", "BBB", "COIN", "TYO"]), st.integers(30, 400))
def test_the_lookback_of_a_set_is_exact_where_history_reaches(
    desk: tuple[Warehouse, Pack], symbols: list[str], lookback: int
) -> None:
    warehouse, pack = desk
    with warehouse.live() as con:
        found = estimate_evidence(con, pack, Recipe(symbols=tuple(symbols), lookback_days=lookback))
    assert found.observations == lookback


def test_too_few_common_dates_are_a_stand_in_still(desk: tuple[Warehouse, Pack]) -> None:
    warehouse, pack = desk
    with warehouse.live() as con:
        found = estimate_evidence(con, pack, Recipe(symbols=("FUND", "NEW")))
        nothing = estimate_evidence(con, pack, Recipe(symbols=("AAA", "NONE")))
    assert (found.observations, nothing.observations) == (19, 1)
    assert found.volatility == pytest.approx([ASSUMED_VOLATILITY] * 2)


def test_too_few_dates_for_a_factor_model_are_a_stand_in_that_says_so(desk: tuple[Warehouse, Pack]) -> None:
    """Between 30 dates and the 65 that the model needs the stand-in passed for estimates, and was optimized on."""
    warehouse, pack = desk
    few, enough = (
        Recipe(symbols=("AAA", "BBB"), covariance_method="factor_model", lookback_days=days)
        for days in (64, 65)
    )
    with warehouse.live() as con:
        found, estimated = (estimate_evidence(con, pack, recipe) for recipe in (few, enough))
    assert found.assumed and found.observations == 64
    assert found.notes == (
        "covariance_method factor_model needs 65 days on which all names are priced; there are 64",
    )
    assert not estimated.assumed and estimated.volatility[0] != ASSUMED_VOLATILITY


def test_a_name_of_every_other_session_is_left_out_with_its_reason(desk: tuple[Warehouse, Pack]) -> None:
    found = taken(desk)
    assert found.problem is None
    assert found.investable == found.symbols == ("AAA", "BBB", "CCC", "COIN", "TYO")
    assert list(found.excluded) == ["ALT"]
    assert found.excluded["ALT"] == (
        "has no price on 125 of 252 sessions, and the others are estimated on the dates on which all are priced; "
        "on_gaps: keep or pairwise takes it in"
    )


ON_ALT = """
views:
  - {assets: [ALT], type: absolute, expected_return_pct: 6, confidence: 0.5}
  - {assets: [AAA], against: [ALT], type: relative, expected_return_pct: 6, confidence: 0.5}
  - {assets: [AAA], type: absolute, expected_return_pct: 7, confidence: 0.5}
policy:
  lookback_days: 252
  risk_free_rate: 0.01
  asset_limits_pct: {ALT: [5, 20], AAA: [0, 30]}
  trade_limits_pct: {ALT: 5}
  sector_limits_pct: {metals: [0, 30], tech: [0, 90]}
  risk_budgets_pct: {ALT: 50, AAA: 30, BBB: 20}
  limits: ["ALT + AAA <= 40%", "Metals <= 20%"]
  priorities: {"max_weight ALT": 2}
"""


def test_what_a_desk_says_of_a_name_that_is_left_out_does_not_count(desk: tuple[Warehouse, Pack]) -> None:
    """The book had no answer until the name was estimated: "asset_limits names ALT, not among the 5 symbols"."""
    warehouse, pack = desk
    found = taken(desk, ("policy: {lookback_days: 252, risk_free_rate: 0.01}\n", ON_ALT[1:]))
    assert found.absent == ("ALT",)
    with warehouse.live() as con:
        inputs = read_inputs(con, pack, found, FundExposureMap({}))
    policy = inputs.policy
    assert [view.assets for view in inputs.views] == [("AAA",)]
    assert (policy.asset_limits, policy.trade_limits, policy.priorities) == ({"AAA": (0, 0.3)}, {}, {})
    assert policy.sector_limits == {"tech": (0, 0.9)} and policy.risk_budgets == {"AAA": 0.6, "BBB": 0.4}
    assert [line.partition(" <=")[0] for line in policy.limits] == ['+ 1.0 * "AAA"']
    assert notes_of(inputs)[1:] == (
        "Limits on ALT, metals do not count: what is left out is not traded",
        "The view on ALT does not count: what is left out is not traded",
        "The view on AAA, ALT does not count: what is left out is not traded",
    )
    again = under_policy(inputs, found.policy, 0.01)
    assert again.policy == policy and again.views == inputs.views
    plain = taken(desk, ("0.01}", "0.01, risk_budgets_pct: {AAA: 30, BBB: 60, FUND: 10}}"))
    with warehouse.live() as con:  # 0.3 + 0.6 + 0.1 is not 1, and that is nothing said of ALT
        assert read_inputs(con, pack, plain, FundExposureMap({})).unbound == ()
    strange = taken(desk, ("0.01}", "0.01, asset_limits_pct: {XYZ: [0, 20]}}"))
    with warehouse.live() as con:
        assert read_inputs(con, pack, strange, FundExposureMap({})).policy.asset_limits == {"XYZ": (0, 0.2)}


def test_what_is_frozen_counts_in_its_sector(desk: tuple[Warehouse, Pack]) -> None:
    warehouse, pack = desk
    policy = (
        "0.01}",
        "0.01, on_short_history: freeze, max_sector_pct: 60, max_single_position_pct: 20, cash_max_pct: 90}",
    )
    found = taken(desk, policy, ("{AAA: 5}", "{AAA: 5, YOUNG: 5}"))
    with warehouse.live() as con:
        case = load_case(con, pack, found, FundExposureMap({}), estimate_evidence(con, pack, found.recipe()))
    (young,) = case.mandate.frozen
    assert (young.symbol, young.sector) == ("YOUNG", "tech")
    applied, _, told = applied_policy(case.inputs.policy, case.evidence, case.inputs.universe, case.mandate)
    assert applied.sector_limits == {"tech": (None, pytest.approx(0.6 - young.weight))}
    assert told[1] == f"YOUNG is above its limit of 20.00%: {young.weight:.2%} are frozen"


def test_what_is_frozen_is_no_cash_to_invest_and_has_no_drift(desk: tuple[Warehouse, Pack]) -> None:
    """Its weight was taken for cash, which was invested first day after day, and for a drift from its target."""
    warehouse, pack = desk
    rules = "0.01, on_short_history: freeze, rebalance: {drift: {absolute_pct: 2}, cash: {min_pct: 1, max_pct: 30}}}"
    found = taken(desk, ("0.01}", rules), ("{AAA: 5}", "{AAA: 5, YOUNG: 5}"))
    with warehouse.live() as con:
        case = load_case(con, pack, found, FundExposureMap({}), estimate_evidence(con, pack, found.recipe()))
    (young,), held = case.mandate.frozen, case.portfolio.get_weights(case.prices)
    standing = Standing({**held, "YOUNG": young.weight}, pack.as_of)
    decision = decision_of(replace(case, snapshot=replace(found, standing=standing)), pack.as_of)
    assert decision is not None and not decision.trades
    cash = 100 / float(case.portfolio.total_value(case.prices))
    assert decision.sentence == f"no trade: drift 0% of 2%, cash {100 * cash:.2f}".rstrip("0") + "% of 1-30%"


def test_the_days_of_a_coin_make_no_share_young(desk: tuple[Warehouse, Pack]) -> None:
    """Of 36 days of the desk, Saturdays among them, a share has 26."""
    found = taken(desk, ("lookback_days: 252", "lookback_days: 35"))
    assert found.investable == ("AAA", "BBB", "CCC", "COIN", "TYO")
    assert found.excluded["ALT"].startswith("has 19 days of prices; 31 are needed")


@pytest.mark.parametrize(
    "changes",
    [
        [("lookback_days: 252", "lookback_days: 252, on_gaps: keep")],
        [("positions: {AAA: 5}", "positions: {ALT: 5}")],
        [("name: book", "name: book\nbenchmark: ALT")],
    ],
)
def test_what_is_kept_held_or_measured_against_stays(
    desk: tuple[Warehouse, Pack], changes: list[tuple[str, str]]
) -> None:
    found = taken(desk, *changes)
    assert (found.problem, found.excluded) == (None, {})
    assert "ALT" in found.symbols and "ALT" in found.investable


def test_pairwise_estimates_use_what_every_name_has(desk: tuple[Warehouse, Pack]) -> None:
    pairwise = ("lookback_days: 252", "lookback_days: 252, on_gaps: pairwise, covariance_method: sample")
    snapshot = taken(desk, pairwise)
    assert "ALT" in snapshot.investable
    warehouse, pack = desk
    with warehouse.live() as con:
        found = estimate_evidence(con, pack, snapshot.recipe())
        alone = estimate_evidence(con, pack, Recipe(symbols=("AAA", "BBB"), covariance_method="sample"))
    place = [found.symbols.index(symbol) for symbol in alone.symbols]
    assert found.covariance[np.ix_(place, place)] == pytest.approx(alone.covariance, rel=1e-3)
    with pytest.raises(Exception, match="on_gaps: pairwise needs covariance_method: sample"):
        taken(desk, ("lookback_days: 252", "on_gaps: pairwise"))


def test_whose_gaps_cost_nobody_anything_nobody_names(desk: tuple[Warehouse, Pack]) -> None:
    warehouse, pack = desk
    with warehouse.live() as con:
        listing = Listing(con, pack, ("AAA", "CCC", "COIN", "FUND", "TYO"))
        assert listing.gappy(["AAA", "CCC", "COIN", "TYO"], 252, ()) == {}
        assert list(listing.gappy(["AAA", "COIN", "FUND"], 252, ())) == ["FUND"]
        assert listing.gappy([], 252, ()) == {}


def test_what_is_missing_and_the_periods_are_on_record_with_the_estimates(
    desk: tuple[Warehouse, Pack],
) -> None:
    warehouse, pack = desk
    recipes = {r.name: r for r in (Recipe(symbols=("AAA", "FUND")), Recipe(symbols=("AAA", "BBB")))}
    with warehouse.live() as con:
        found = {name: (recipe, estimate_evidence(con, pack, recipe)) for name, recipe in recipes.items()}
    returns, matrices = estimate_frames(found, frozenset())
    with warehouse.write(STAMP) as tx:
        tx.record("return_estimates", {"return_estimates": returns}, pack_id=pack.id)
        tx.record("covariances", {"covariances": matrices}, pack_id=pack.id)
    with warehouse.live() as con:
        for recipe, computed in found.values():
            stored = read_estimates(con, pack, recipe)
            assert stored is not None
            assert stored.notes == computed.notes
            assert stored.periods_per_year == computed.periods_per_year
            assert np.array_equal(stored.covariance, computed.covariance)
            assert np.array_equal(stored.mean, computed.mean) and stored.observations == computed.observations
    of_both = Recipe(symbols=("AAA", "BBB")).name
    usual = next(row["recipe_text"] for row in matrices.to_pylist() if row["recipe"] == of_both)
    assert "notes" not in usual and "periods_per_year" not in usual


def test_a_name_that_is_young_asks_for_no_rates_of_days_before_it(desk: tuple[Warehouse, Pack]) -> None:
    """The euro's rates begin with the young name's prices."""
    warehouse, pack = desk
    rates = [{"base": "USD", "quote": "EUR", "date": WEEKDAYS[-253], "rate": 0.9, "source": "feed"}]
    with warehouse.write(STAMP) as tx:
        ingest(tx, "fx_rates", pa.Table.from_pylist(rates))
    with warehouse.write(STAMP) as tx:
        later = cut_pack(tx, WEEKDAYS[-1], ["feed"], WEEKDAYS, CheckLimits(), revise="rates").pack
    with warehouse.live() as con:
        euros = estimate_evidence(con, later, Recipe(symbols=("AAA", "NEW"), currency="EUR"))
        dollars = estimate_evidence(con, pack, Recipe(symbols=("AAA", "NEW")))
    assert euros.mean == pytest.approx(dollars.mean)
