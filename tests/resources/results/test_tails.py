"""What a book may lose and what it earned from pack to pack: by hand, and blind to what came later."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from bench import PRICE_TYPES, STAMP, ingest, price_rows
from source_tree import ROOT

from assets.shared.portfolio_rows import record_each
from assets.tail_risk import INPUTS
from optimizer import DataError, FactorModel
from resources.books.paper import Holdings
from resources.books.snapshots import Snapshot, read_snapshots
from resources.fleet.engines import compute
from resources.fleet.work import read_work
from resources.packs.markets import read_market
from resources.packs.packs import Pack, cut_pack
from resources.results.sensitivities.priced_dates import Span
from resources.results.stage_inputs import Inputs, inputs_of, read_inputs
from resources.results.tails.backtests import judged
from resources.results.tails.held_before import HeldBefore
from resources.results.tails.held_returns import held_columns
from resources.results.tails.summary import live_of
from resources.screening.pack_checks import CheckLimits
from resources.settings.configuration import load_configuration
from resources.settings.playbook_schemas.tail_risk import TailFile
from resources.settings.portfolios import PortfolioFile
from resources.settings.yaml_files import parse_yaml
from resources.store.warehouse import Warehouse

NAMES = ("AAA", "BBB", "CCC")
DAYS = tuple(day for day in (date(2023, 1, 2) + timedelta(days=n) for n in range(430)) if day.weekday() < 5)
FIRST, SECOND = DAYS[-6], DAYS[-3]  # a pack each; what follows is of later days
# Closes of the first pack's day and of the three after it; BBB splits in two on the second, CCC pays 0.5 on the first.
CLOSES = {
    "AAA": [100.0, 102.0, 101.0, 103.0],
    "BBB": [80.0, 82.0, 40.5, 41.0],
    "CCC": [20.0, 20.2, 20.1, 20.4],
}
MODEL = (
    "id: 00000000-0000-0000-0000-000000000000\nname: book\nmode: live\nuniverse: [AAA, BBB, CCC]\n"
    "policy: {method: min_volatility, risk_free_rate: 0.02}\nholdings: [{as_of: 2023-01-02, cash: 5000}]\n"
)
CCC_EARNED = 2000 * (20.7 / 20 * 20.4 / 20.2 - 1)


@dataclass(frozen=True)
class Desk:
    """Two packs three sessions apart, and the book under each: 4 AAA were sold at 102 for 1, and 1,000 came in."""

    warehouse: Warehouse
    first: Pack
    second: Pack

    def answers(self) -> dict[str, list[dict[str, Any]]]:
        with self.warehouse.live() as con:
            work = read_work(con, self.second, "tail_risk", read_snapshots(con, self.second), DESK)
        return {
            name: table.to_pylist()
            for name, table in compute(work, DESK, self.warehouse.home, "run").tables.items()
        }

    def named_inputs(self) -> dict[str, str]:
        """What a ledger row of the book's tail says that it came from."""
        with self.warehouse.live() as con:
            return read_inputs(con, self.second, INPUTS).of("book")

    def prices(self, rows: list[dict[str, Any]]) -> None:
        with self.warehouse.write(STAMP) as tx:
            ingest(tx, "prices", pa.Table.from_pylist(rows, schema=PRICE_TYPES))

    def take(self, pack: Pack, quantities: dict[str, float], cash: float) -> None:
        model = parse_yaml(MODEL, PortfolioFile, "book")
        held = {symbol: Decimal(str(shares)) for symbol, shares in quantities.items()}
        taken = Snapshot(
            portfolio_id="book", name="book", mode="live", base_currency="USD",
            holdings=Holdings(pack.as_of, Decimal(str(cash)), held), symbols=NAMES, investable=NAMES, excluded={},
            benchmark={}, prior="benchmark", policy=model.policy, views=(), problem=None, measure="equal_weight",
        )  # fmt: skip
        with self.warehouse.write(STAMP) as tx:
            seen = Inputs((), {"pricing_pack": pack.content_hash}, {})
            record_each(tx, "portfolio_snapshots", pack, {taken: taken.frames()}, seen)


DESK = load_configuration(ROOT / "config")


def price(symbol: str, day: date, close: float, dividend: float = 0.0, split: float = 1.0) -> dict[str, Any]:
    (row,) = price_rows(days=(day,), symbols=(symbol,)).to_pylist()
    own = {"close": close, "high": 2 * close, "low": close / 2, "vendor_adj_close": close}
    return dict(row) | own | {"dividend": dividend, "split": split}


def cut(warehouse: Warehouse, day: date) -> Pack:
    with warehouse.write(STAMP) as tx:
        return cut_pack(tx, day, ["feed"], [one for one in DAYS if one <= day], CheckLimits()).pack


def make_desk(folder: Path) -> Desk:
    warehouse, rng = Warehouse(folder), np.random.default_rng(5)
    start, moves = DAYS.index(FIRST), rng.normal(0, 0.01, (len(DAYS), 3))
    rows = [
        price(symbol, day, CLOSES[symbol][0] * float(np.exp(-moves[row : start + 1, i].sum())))
        for i, symbol in enumerate(NAMES)
        for row, day in enumerate(DAYS[:start])
    ]
    for symbol in NAMES:
        for number, day in enumerate(DAYS[start : start + 4]):
            paid = 0.5 if (symbol, number) == ("CCC", 1) else 0.0
            split = 2.0 if (symbol, number) == ("BBB", 2) else 1.0
            rows.append(price(symbol, day, CLOSES[symbol][number], paid, split))
    desk = Desk(warehouse, *(Pack("", FIRST, 0, 1, "", None, 0, 0, (), ""),) * 2)
    desk.prices([row for row in rows if row["date"] <= FIRST])
    first = cut(warehouse, FIRST)
    desk.take(first, {"AAA": 10, "BBB": 5, "CCC": 100}, 500)
    desk.prices([row for row in rows if row["date"] > FIRST])
    second = cut(warehouse, SECOND)
    desk.take(second, {"AAA": 6, "BBB": 10, "CCC": 100}, 500 + 408 - 1 + 1000 + 50)
    return Desk(warehouse, first, second)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return make_desk(tmp_path_factory.mktemp("tails"))


def test_what_was_held_earned_by_hand_and_trades_and_deposits_are_told_apart(desk: Desk) -> None:
    rows = desk.answers()["held_returns"]
    assert {(row["previous_pack"], row["sessions"]) for row in rows} == {(desk.first.id, 3)}
    money = {row["part"]: row["money"] for row in rows}
    assert money["AAA"] == pytest.approx(30) and money["BBB"] == pytest.approx(10)
    # Its dividend lies in CCC again from the day that it is paid.
    assert money["CCC"] == pytest.approx(CCC_EARNED)
    assert money["HELD"] == pytest.approx(40 + CCC_EARNED)
    assert money["VALUE"] == pytest.approx(6 * 103 + 10 * 41 + 100 * 20.4 + 1957 - 3900)
    # Deposit, cost, what the shares sold at 102 made no more, and the dividend as cash instead of in CCC.
    assert money["OTHER"] == pytest.approx(1000 - 1 - 4 + 90 - CCC_EARNED)
    assert money["HELD"] + money["OTHER"] == pytest.approx(money["VALUE"], abs=1e-9)
    for row in rows:
        assert row["return"] == pytest.approx(row["money"] / 3900, abs=1e-15)
    weights = {row["part"]: row["exposure"] for row in rows if row["kind"] == "symbol"}
    assert weights == pytest.approx({"AAA": 1000 / 3900, "BBB": 400 / 3900, "CCC": 2000 / 3900})


def test_the_tail_of_the_book_is_that_of_its_past_days(desk: Desk) -> None:
    rows = {(row["method"], row["level"]): row for row in desk.answers()["tail_risk"]}
    assert set(rows) == {(method, level) for method in ("historical", "filtered") for level in (0.95, 0.99)}
    with desk.warehouse.live() as con:
        market = read_market(con, desk.second, NAMES, ["USD"], [501])
    prices = market.panel.total_return().to_numpy()
    nav = 6 * 103 + 10 * 41 + 100 * 20.4 + 1957
    book = (prices[1:] / prices[:-1] - 1) @ (np.array([618.0, 410.0, 2040.0]) / nav)
    worst = np.sort(book)
    told = rows["historical", 0.99]
    assert told["scenarios"] == len(book) and told["value"] == pytest.approx(nav)
    assert told["value_at_risk"] == pytest.approx(-worst[int(np.ceil(0.01 * len(book))) - 1], rel=1e-9)
    part = 0.01 * len(book)
    mean = (worst[: int(part)].sum() + (part - int(part)) * worst[int(part)]) / part
    assert told["expected_shortfall"] == pytest.approx(-mean, rel=1e-9)


def test_nothing_of_a_later_day_and_no_later_correction_reaches_a_pack(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    before = desk.answers()
    later = [
        price(symbol, day, close)
        for symbol in NAMES
        for day, close in zip(DAYS[-2:], (1e-3, 1e9), strict=True)
    ]
    restated = [price(symbol, day, 7.0) for symbol in NAMES for day in (FIRST, SECOND)]
    desk.prices(later + restated)
    named = desk.named_inputs()
    desk.take(desk.first, {"AAA": 99999}, 1e9)  # a correction of the book of then
    cut(desk.warehouse, DAYS[-1])
    assert desk.answers() == before and desk.named_inputs() == named
    with desk.warehouse.live() as con:
        first = inputs_of(con, desk.first, ["portfolio_snapshots"], "book")["portfolio_snapshots"]
    assert named["previous_portfolio_snapshots"] not in (first, named["portfolio_snapshots"])


def span_of(desk: Desk) -> Span:
    with desk.warehouse.live() as con:
        market = read_market(con, desk.second, NAMES, ["USD"], [501])
    return Span(market, NAMES, NAMES, "USD", 501, lambda _, make: make())


def test_factors_and_the_names_by_themselves_add_up_to_what_was_held(desk: Desk) -> None:
    before = HeldBefore(
        desk.first.id, FIRST, "USD", {"AAA": 10.0, "CCC": 100.0}, 1000.0, {"market": 0.75, "size": -0.5}
    )
    model = FactorModel(
        NAMES, ("market", "size"), ("market", "style"), np.ones((3, 2)), np.eye(2), np.full(3, 0.01)
    )
    days = pd.DatetimeIndex([FIRST, *DAYS[-5:-2]])
    series = pd.DataFrame({"market": [9.0, 0.01, -0.02, 0.03], "size": [9.0, 0.02, 0.0, np.nan]}, days)
    found = held_columns(before, span_of(desk), 4200.0, model, series)
    money = dict(zip(found["part"], found["money"], strict=True))
    assert money["market"] == pytest.approx(4000 * 0.75 * (1.01 * 0.98 * 1.03 - 1))
    assert money["size"] == pytest.approx(4000 * -0.5 * 0.02)
    assert money["market"] + money["size"] + money["SPECIFIC"] == pytest.approx(30 + CCC_EARNED)
    assert money["VALUE"] == pytest.approx(200)
    renamed = FactorModel(
        NAMES, ("market", "beta"), ("market", "style"), np.ones((3, 2)), np.eye(2), np.full(3, 0.01)
    )
    other = held_columns(before, span_of(desk), 4200.0, renamed, series)
    assert "SPECIFIC" not in other["part"]  # today's model has other factors: none is told


def test_what_cannot_be_told_says_why(desk: Desk) -> None:
    def earned(**changes: Any) -> Any:
        told: dict[str, Any] = {
            "pack_id": "PP_X", "as_of": FIRST, "currency": "USD", "quantities": {"AAA": 1.0}, "cash": 0.0,
            "exposures": {},
        }  # fmt: skip
        return held_columns(HeldBefore(**(told | changes)), span_of(desk), 100.0, None, None)

    assert earned(as_of=SECOND) == {}  # no session in between
    with pytest.raises(DataError, match="longer ago than prices are read"):
        earned(as_of=date(2020, 1, 1))
    with pytest.raises(DataError, match="worth -"):
        earned(cash=-1000.0)


def forecasts(returns: list[float], at_risk: float, shortfall: float, sessions: int = 1) -> Any:
    """A connection with a pack a day, each with its forecast and with what was then earned."""
    con = duckdb.connect()
    packs = pd.DataFrame({
        "pack_id": [f"P{number:03d}" for number in range(len(returns) + 1)],
        "as_of": [date(2024, 1, 1) + timedelta(days=number) for number in range(len(returns) + 1)],
        "revision": 1, "verdict": "fresh",
    })  # fmt: skip
    told = packs[:-1].assign(
        portfolio_id="b", book="held", method="filtered", level=0.95, horizon_days=1, value_at_risk=at_risk,
        expected_shortfall=shortfall, scenarios=500, value=1e6,
    )  # fmt: skip
    earned = packs[1:].assign(
        portfolio_id="b", previous_pack=packs["pack_id"][:-1].to_numpy(), sessions=sessions, kind="held", part="HELD",
        factor_group=None, money=[1e6 * found for found in returns], **{"return": returns},
    )  # fmt: skip
    snapshots = packs.assign(portfolio_id="b", name="book")
    for name, table in (
        ("pricing_packs", packs), ("latest_tail_risk", told), ("latest_held_returns", earned),
        ("latest_portfolio_snapshots", snapshots),
    ):  # fmt: skip
        con.register("given", table)
        con.execute(f"create table {name} as select * from given")
    last = Pack(packs["pack_id"].iloc[-1], packs["as_of"].iloc[-1], 1, 1, "fresh", None, 1, 1, (), "")
    return con, last


def test_forecasts_are_tested_over_the_packs_and_only_up_to_the_pack() -> None:
    rng, settings = np.random.default_rng(2), TailFile(levels_pct=(95.0,), least_packs=60)
    returns = [float(x) for x in rng.normal(0, 0.01, 150)]
    con, pack = forecasts(returns, 0.01645, 0.0206)
    found = judged(con, pack, settings)
    ((one,), periods) = (found.tested, found.periods)
    assert not one.failed and periods == 150 and one.found.exceptions == sum(r < -0.01645 for r in returns)
    assert found.sentence(settings) == "1 series of forecasts pass every test."
    assert judged(con, pack, settings).tested[0].found is one.found  # a server draws for one content once
    garbage, _ = forecasts([*returns, *[-0.9] * 50], 0.01645, 0.0206)
    assert judged(garbage, pack, settings) == found


def test_forecasts_that_said_too_little_fail_by_name_and_few_or_uneven_ones_are_not_tested() -> None:
    rng, settings = np.random.default_rng(2), TailFile(levels_pct=(95.0,), least_packs=60)
    returns = [float(x) for x in rng.normal(0, 0.01, 150)]
    con, pack = forecasts(returns, 0.005, 0.006)
    told = judged(con, pack, settings).sentence(settings)
    assert told.startswith("1 of 1 series fail a test: book, filtered, 95%:")
    assert "Kupiec: their number is not as said" in told
    few = judged(*forecasts(returns[:20], 0.005, 0.006), settings)
    assert not few.tested and "20 forecasts so far, 60 are needed" in few.sentence(settings)
    uneven = judged(*forecasts(returns, 0.005, 0.006, sessions=2), settings)
    assert not uneven.tested and "150 forecasts of packs that are not 1 session apart" in uneven.sentence(
        settings
    )
    nothing = TailFile(levels_pct=())
    assert "levels_pct of scenarios.yaml is empty" in judged(con, pack, nothing).sentence(nothing)


def test_the_book_from_pack_to_pack_adds_up_in_money_and_links_to_the_compound_return() -> None:
    con, pack = forecasts([0.1, -0.05], 0.01, 0.02)
    con.execute(
        "insert into latest_held_returns (pack_id, as_of, portfolio_id, previous_pack, sessions, kind, part, money, "
        "\"return\") values ('P001', '2024-01-02', 'b', 'P000', 1, 'other', 'OTHER', 7, 7e-6)"
    )
    told = live_of(con, pack, "b")
    assert told is not None and told["packs"] == 2 and told["total"] == pytest.approx(1.1 * 0.95 - 1)
    assert told["money"] == pytest.approx(50_007) == sum(row["money"] for row in told["parts"])
    linked = [row["contribution"] for row in told["parts"]]
    assert None in linked and sum(x for x in linked if x is not None) == pytest.approx(told["total"])
    one = live_of(con, pack, "b", start=date(2024, 1, 3))
    assert one is not None and one["total"] == pytest.approx(-0.05)
    assert live_of(con, pack, "b", end=date(2023, 1, 1)) is None
