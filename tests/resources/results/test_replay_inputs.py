"""Backtests on what each day knew: garbage after a date changes nothing before it, by not one bit."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from bench import PRICE_TYPES, STAMP, ingest, take_snapshot

from optimizer import FundExposureMap
from optimizer.proposals.proposal import without_evidence
from resources.accounts.known import account_of
from resources.packs.packs import cut_pack
from resources.results.estimates.pack_estimates import Case, load_case
from resources.results.replays.checkpoints import Checkpoints
from resources.results.replays.pack_backtests import EQUAL, POLICY, Replay, backtest, replay_past, worth
from resources.results.replays.replay_inputs import Past
from resources.screening.pack_checks import CheckLimits
from resources.settings.configuration import BacktestFile
from resources.settings.portfolios import PortfolioFile
from resources.store.warehouse import Warehouse

DAYS = tuple(pd.bdate_range("2022-01-03", periods=330).date)
UNITS = {"AAA": "USD", "BBB": "USD", "EURO": "EUR", "GONE": "USD", "PENCE": "GBX", "YOUNG": "USD"}
GONE, YOUNG, CUT = 180, 150, 250
TEXT = pa.string()
ACTIONS = pa.schema([
    ("symbol", TEXT), ("date", pa.date32()), ("kind", TEXT), ("value", pa.float64()), ("currency", TEXT),
    ("note", TEXT), ("source", TEXT),
])  # fmt: skip
RATES = pa.schema(
    [("currency", TEXT), ("date", pa.date32()), ("rate", pa.float64()), ("note", TEXT), ("source", TEXT)]
)
BOOK = {
    "id": "11111111-1111-1111-1111-111111111111", "name": "book", "mode": "live", "universe": sorted(UNITS),
    "benchmark": "market_cap", "prior": "market_cap",
    "policy": {"lookback_days": 40, "max_single_position_pct": 60, "cash_max_pct": 30, "method": "max_sharpe",
               "commission_per_share": 0.01, "asset_limits_pct": {"YOUNG": [1, 50]}},
    "holdings": [{"as_of": date(2022, 1, 3), "cash": 50_000}],
}  # fmt: skip


def facts(spoilt: bool, seed: int = 1) -> dict[str, list[dict[str, object]]]:
    """Rows of every log; where spoilt, all that is dated after CUT is garbage, and there is more of it."""
    rng, dice = np.random.default_rng(seed), np.random.default_rng(99)
    noise = [float(dice.uniform(0.3, 3)) if spoilt and row > CUT else 1.0 for row in range(len(DAYS))]
    rows: dict[str, list[dict[str, object]]] = {log: [] for log in
        ("prices", "fx_rates", "market_caps", "risk_free_rates", "corporate_actions")}  # fmt: skip
    for place, (symbol, unit) in enumerate(UNITS.items()):
        close = (30 + 20 * place) * np.exp(np.cumsum(rng.normal(4e-4, 0.012, len(DAYS))))
        for row, day in enumerate(DAYS):
            end = {"GONE": GONE, "AAA": CUT + 1 if spoilt else len(DAYS)}.get(symbol, len(DAYS))
            if row >= end or (symbol == "YOUNG" and row < YOUNG):
                continue
            rows["prices"].append({
                "symbol": symbol, "date": day, "open": None, "high": None, "low": None,
                "close": float(close[row]) * noise[row], "volume": 1000,
                "dividend": 0.2 * noise[row] * (row % 60 == 30),
                "split": 2.0 if row in (100, 300) and place == 1 else noise[row] if row % 9 == 0 else 1.0,
                "vendor_adj_close": None, "currency": unit, "basis": "as_traded", "source": "feed",
                "simulated": False, "known_at": None,
            })  # fmt: skip
    for row, day in enumerate(DAYS):
        for base, quote, rate in (("EUR", "USD", 1.1), ("USD", "GBP", 0.8)):
            value = rate * float(np.exp(0.1 * np.sin(row / 40))) * noise[row]
            if row % 3 == 0 or base == "EUR":
                rows["fx_rates"].append(
                    {"base": base, "quote": quote, "date": day, "rate": value, "source": "feed"}
                )
        rows["risk_free_rates"].append({
            "currency": "USD", "date": day, "rate": 0.01 + 1e-4 * row * noise[row] / 3, "note": None, "source": "feed"
        })  # fmt: skip
        if row % 50 == 0:
            rows["market_caps"] += [
                {"symbol": symbol, "date": day, "market_cap": 1e9 * (place + 1) * (1 + row / 99) * noise[row],
                 "currency": "USD" if unit == "GBX" else unit, "source": "feed"}
                for place, (symbol, unit) in enumerate(UNITS.items())
            ]  # fmt: skip
    ends = [("GONE", DAYS[GONE + 2], 7.0)] + (
        [("AAA", DAYS[CUT + 1], 0.0), ("BBB", DAYS[-1], 1.0)] if spoilt else []
    )
    rows["corporate_actions"] = [
        {"symbol": symbol, "date": day, "kind": "delisting", "value": value, "source": "feed"}
        for symbol, day, value in ends
    ]
    return rows


SCHEMAS = {"prices": PRICE_TYPES, "corporate_actions": ACTIONS, "risk_free_rates": RATES}


@dataclass(frozen=True)
class World:
    """A book in a pack, and what its replays read and gave."""

    case: Case
    past: Past
    replay: Replay


def world(folder: Path, spoilt: bool, settings: BacktestFile, book: dict[str, object] = BOOK) -> World:
    warehouse = Warehouse(folder)
    for log, rows in facts(spoilt).items():
        with warehouse.write(STAMP) as tx:
            ingest(tx, log, pa.Table.from_pylist(rows, schema=SCHEMAS.get(log)))
    with warehouse.write(STAMP) as tx:
        pack = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits()).pack
    with warehouse.live() as con:
        snapshot = take_snapshot(con, pack, None, account_of(PortfolioFile.model_validate(book), pack))
        assert snapshot.problem is None
        assert snapshot.measure == book["benchmark"]
        case = load_case(con, pack, snapshot, FundExposureMap({}), without_evidence(snapshot.symbols, 0))
        past = replay_past(con, pack, case, settings)
    return World(case, past, backtest(case, past, settings, pack.as_of, Checkpoints(folder / "cache", "key")))


SETTINGS = BacktestFile(years=1.1, rebalance="weekly", compare=["min_volatility"])


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield world(tmp_path_factory.mktemp("clean"), False, SETTINGS)


def test_garbage_after_a_date_changes_the_past_by_not_one_bit(tmp_path: Path, clean: World) -> None:
    spoilt = world(tmp_path, True, SETTINGS)
    until = pd.Timestamp(DAYS[CUT])
    assert {"AAA", "GONE"} <= set(spoilt.case.snapshot.excluded)
    for name in (POLICY, "min_volatility", EQUAL):
        one, other = clean.replay.results[name], spoilt.replay.results[name]
        assert len(one.nav.loc[:until]) > 100
        for series in ("nav", "cash", "returns"):
            ours, theirs = (getattr(it, series).loc[:until].to_numpy() for it in (one, other))
            assert ours.tobytes() == theirs.tobytes(), (name, series)
        pd.testing.assert_frame_equal(
            one.weights.loc[:until, list(other.weights.columns)], other.weights.loc[:until], check_exact=True
        )
        assert not np.array_equal(one.nav.loc[until:], other.nav.loc[until:])
    pd.testing.assert_series_equal(
        clean.replay.benchmark.loc[:until], spoilt.replay.benchmark.loc[:until], check_exact=True
    )


def test_names_join_when_they_can_and_are_paid_out_when_they_end(clean: World) -> None:
    result = clean.replay.results[EQUAL]
    weights, trades = result.weights, result.trades
    assert (weights["YOUNG"].loc[: pd.Timestamp(DAYS[YOUNG + 40])] == 0).all()
    assert weights["YOUNG"].iloc[-1] > 0.1
    end = trades[(trades["symbol"] == "GONE") & (trades["reason"] == "stopped")]
    assert end["date"].dt.date.tolist() == [DAYS[GONE + 2]]
    unit = clean.past.prices["GONE"].dropna().iloc[-1] / clean.past.closes["GONE"].dropna().iloc[-1]
    assert end["price"].item() == pytest.approx(7.0 * unit)
    assert clean.case.snapshot.excluded["GONE"].startswith("was delisted on")
    policy = clean.replay.results[POLICY]
    assert policy.metrics["skipped_count"] == len(policy.skipped)


def test_prices_are_in_base_currency_by_the_definition_of_the_unit(clean: World) -> None:
    day = pd.Timestamp(DAYS[120])
    rows = {(row["symbol"], row["date"]): row["close"] for row in facts(False)["prices"]}
    pounds = 1 / (0.8 * np.exp(0.1 * np.sin(120 / 40)))
    assert clean.past.closes.at[day, "PENCE"] == pytest.approx(
        float(str(rows["PENCE", DAYS[120]])) / 100 * pounds
    )


def test_a_book_is_replayed_with_its_own_money_or_the_one_stated(clean: World) -> None:
    assert clean.replay.results[POLICY].nav.iloc[0] == worth(clean.case, SETTINGS) == 50_000
    assert worth(clean.case, SETTINGS.model_copy(update={"nav": 3e6})) == 3e6


def test_a_replay_begins_where_its_facts_do_and_says_so(clean: World, tmp_path: Path) -> None:
    assert clean.past.since == (DAYS[0], "risk-free rates of USD")
    late = BacktestFile(years=3, rebalance="monthly")
    replay = backtest(clean.case, clean.past, late, DAYS[-1], Checkpoints(tmp_path, "x"))  # fmt: skip
    assert f"risk-free rates of USD are on record since {DAYS[0]}: nothing before is replayed" in replay.notes
    assert replay.results[POLICY].nav.index[0].date() > DAYS[40] > DAYS[0] + timedelta(days=1)
