"""Replays through every kind of action, files to equity curve: value before = value after + cash, to the last cent."""

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from bench import take_snapshot
from inbox_desk import write_folders
from small_desk import sessions

from optimizer import FundExposureMap
from optimizer.proposals.proposal import without_evidence
from resources.accounts.known import account_of
from resources.ledger.ledger import Stamp
from resources.logs.ingest import Inbox
from resources.packs.packs import cut_pack
from resources.results.estimates.pack_estimates import load_case
from resources.results.replays.checkpoints import Checkpoints
from resources.results.replays.pack_backtests import EQUAL, Replay, backtest, replay_past
from resources.screening.pack_checks import CheckLimits
from resources.settings.configuration import BacktestFile, load_configuration
from resources.settings.portfolios import PortfolioFile
from resources.store.warehouse import Warehouse

DAYS = sessions()[-140:]
EX = 100
SETTINGS = BacktestFile(years=0.5, rebalance="yearly", compare=[])
HEADER = "symbol,date,kind,value,new_symbol,cash,basis_share\n"


def book(universe: list[str]) -> PortfolioFile:
    policy = {"lookback_days": 30, "commission_per_trade": 0, "market_impact_bps": 0, "risk_free_rate": 0.0,
              "method": "equal_weight", "lot_size": None}  # fmt: skip
    return PortfolioFile.model_validate({
        "id": "11111111-1111-1111-1111-111111111111", "name": "book", "mode": "live", "universe": universe,
        "benchmark": "equal_weight", "policy": policy, "holdings": [{"as_of": DAYS[0], "cash": 100_000}],
    })  # fmt: skip


def replay(
    folder: Path,
    closes: dict[str, list[float | None]],
    actions: str,
    universe: list[str],
    rebalance: str = "yearly",
) -> tuple[Replay, dict[str, object]]:
    """The replay of a book on files without dividend and split columns: the actions tell everything."""
    settings = SETTINGS.model_copy(update={"rebalance": rebalance})
    write_folders(folder)
    rows = [
        f"{symbol},{day},{close}\n"
        for symbol, its in closes.items()
        for day, close in zip(DAYS, its, strict=True)
        if close is not None
    ]
    (folder / "inbox" / "prices.csv").write_text("symbol,date,close\n" + "".join(rows))
    (folder / "reference" / "corporate_actions.csv").write_text(HEADER + actions)
    warehouse = Warehouse(folder / "home")
    stamp = Stamp("run", datetime(2024, 3, 1, 22), "code", "config")  # noqa: DTZ001  the ledger's times are naive UTC
    inbox = Inbox(warehouse, load_configuration(folder / "config"), stamp, DAYS[-1])
    inbox.reference(lambda said: None)
    inbox.prices(None, None, lambda said: None)
    with warehouse.write(stamp) as tx:
        pack = cut_pack(tx, DAYS[-1], ["inbox"], DAYS, CheckLimits(coverage=0.0)).pack
    with warehouse.live() as con:
        snapshot = take_snapshot(con, pack, None, account_of(book(universe), pack))
        assert snapshot.problem is None
        case = load_case(con, pack, snapshot, FundExposureMap({}), without_evidence(snapshot.symbols, 0))
        past = replay_past(con, pack, case, settings)
    return backtest(case, past, settings, pack.as_of, Checkpoints(folder / "cache", "key")), dict(
        snapshot.excluded
    )


def level(before: float | None, after: float | None) -> list[float | None]:
    return [before] * EX + [after] * (len(DAYS) - EX)


WHEN = DAYS[EX]
# Symbol -> closes before and after, and what was stated: each leaves its holder as rich as before.
TOLD = {
    "PAID": (50, 49, "dividend,1,,,"),
    "SPECIAL": (50, 30, "special_dividend,20,,,"),
    "CAPITAL": (50, 46, "return_of_capital,4,,,"),
    "SPLIT": (50, 12.5, "split,4,,,"),
    "THIRD": (50, 150, "split,0.33333333,,,"),
    "STOCK": (52.5, 50, "stock_dividend,0.05,,,"),
    "PARENT": (50, 40, "spin_off,0.5,CHILD,,"),
    "ALONE": (50, 40, "spin_off,0.5,UNSEEN,,0.2"),
    "SHARES": (50, None, "merger,0.3125,HEIR,,"),
    "BOTH": (50, None, "merger,0.25,HEIR,10,"),
    "AWAY": (50, None, "merger,0.3125,STRANGER,,"),
    "MIXED": (50, None, "merger,0.25,STRANGER,10,"),
    "CASHED": (50, None, "merger,,,50,"),
    "ENDED": (50, None, "delisting,50,,,"),
    "FORMER": (50, None, "rename,,LATER,,"),
}
OTHERS = {
    "CHILD": (None, 20),
    "HEIR": (160, 160),
    "STRANGER": (160, 160),
    "LATER": (None, 50),
    "KEPT": (100, 100),
}


def test_value_before_is_value_after_and_cash(tmp_path: Path) -> None:
    closes = {name: level(*its[:2]) for name, its in {**TOLD, **OTHERS}.items()}
    lines = "".join(f"{name},{WHEN},{line}\n" for name, (_, _, line) in TOLD.items())
    universe = [*TOLD, "HEIR", "KEPT"]
    got, excluded = replay(tmp_path, closes, lines, universe)
    result, end = got.results[EQUAL], pd.Timestamp(WHEN)
    held = result.shares.columns.tolist()
    assert sorted(held) == sorted({*universe, "LATER"} - {"FORMER"})
    assert (result.weights.iloc[0] > 0.05).all()
    assert result.nav.to_numpy() == pytest.approx(result.nav.iloc[0], rel=1e-8)  # a log keeps eight digits
    assert result.attribution.abs().max() == pytest.approx(0, abs=1e-8)
    assert got.benchmark.to_numpy() == pytest.approx(1.0, rel=1e-8)
    assert got.notes == ()
    assert excluded["BOTH"].startswith("was merged on") and excluded["FORMER"].startswith("is called LATER")
    before, after = result.shares.loc[:end].iloc[0], result.shares.iloc[-1]
    assert after["HEIR"] - before["HEIR"] == pytest.approx(before["SHARES"] * 0.3125 + before["BOTH"] * 0.25)
    assert (after[["SHARES", "BOTH", "AWAY", "MIXED", "CASHED", "ENDED"]] == 0).all()
    reasons = result.trades[result.trades["date"] == end].groupby("symbol")["reason"].unique().map(list)
    assert reasons[["SHARES", "BOTH", "HEIR"]].tolist() == [["exchanged"]] * 3
    assert reasons[["AWAY", "MIXED", "CASHED", "ENDED"]].tolist() == [["stopped"]] * 4
    paid = before["BOTH"] * 10 + 50 * before[["AWAY", "MIXED", "CASHED", "ENDED"]].sum()
    assert result.cash.iloc[-1] == pytest.approx(paid)


def test_a_share_ends_once(tmp_path: Path) -> None:
    """Delisted to nothing, and what is stated of it later finds no holder: it made the benchmark infinite."""
    lines = f"ZERO,{WHEN},delisting,0,,,\nZERO,{DAYS[EX + 8]},merger,0.25,KEPT,10,\n"
    got, _ = replay(tmp_path, {"ZERO": level(50, None), "KEPT": level(100, 100)}, lines, ["ZERO", "KEPT"])
    assert got.benchmark.loc[pd.Timestamp(WHEN) :].to_numpy() == pytest.approx(0.5)
    assert got.results[EQUAL].nav.iloc[-1] == pytest.approx(got.results[EQUAL].nav.iloc[0] / 2)


def test_what_becomes_worthless_is_lost_and_a_merger_into_the_unknown_is_told(tmp_path: Path) -> None:
    closes = {"ZERO": level(50, None), "TAKEN": level(50, None), "KEPT": level(100, 100)}
    lines = f"ZERO,{WHEN},delisting,0,,,\nTAKEN,{WHEN},merger,0.25,NOBODY,10,\n"
    got, _ = replay(tmp_path, closes, lines, [*closes])
    nav = got.results[EQUAL].nav
    assert nav.iloc[-1] / nav.iloc[0] == pytest.approx(2 / 3)
    assert got.benchmark.iloc[-1] == pytest.approx(2 / 3)  # an index of the same names falls with them
    (note,) = got.notes
    assert note.endswith("NOBODY has no price, so that replays give TAKEN up at its last")


@pytest.mark.parametrize("paid", [49.0, 0.0])
def test_the_next_company_under_a_ticker_is_a_young_share(tmp_path: Path, paid: float) -> None:
    """What it is worth is no return of the one that ended: decisions of later look back on it alone."""
    begun = EX + 3
    old = [50 + (day % 3) * 0.1 for day in range(EX)]
    passed: list[float | None] = [
        *old,
        None,
        None,
        None,
        *(45 + 0.09 * day for day in range(len(DAYS) - begun)),
    ]
    got, _ = replay(
        tmp_path,
        {"PASSED": passed, "KEPT": level(100, 100)},
        f"PASSED,{WHEN},delisting,{paid},,,\n",
        ["PASSED", "KEPT"],
        rebalance="weekly",
    )
    end, last = pd.Timestamp(WHEN), old[-1]
    index = got.benchmark.loc[got.benchmark.index >= pd.Timestamp(DAYS[EX - 1])]
    assert index.loc[end] / index.iloc[0] == pytest.approx((1 + paid / last) / 2)
    assert index.loc[pd.Timestamp(DAYS[begun])] == pytest.approx(index.loc[end])
    assert index.iloc[-1] == pytest.approx(index.loc[end] * 1.036, rel=0.002)
    weights = got.results[EQUAL].weights["PASSED"]
    again = weights[(weights.index > end) & (weights > 0)].index[0]
    assert again > pd.Timestamp(DAYS[begun + 30])  # history enough of its own
