"""What commands and service show: the newest version of each table, texts decoded, and the unknown named."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bench import BOOK, DAYS, STAMP, cut, ingest, new_warehouse, price_rows, staying_open

from optimizer import DataError, PackfolioError, PolicyError
from optimizer.backtests.report import KNOWLEDGE
from resources.books.snapshots import read_snapshots
from resources.ledger.ledger import Connection
from resources.ledger.tables import OF_PORTFOLIOS
from resources.packs.packs import find_pack
from resources.results import queries as reading
from resources.results.attribution.summary import attribution_of
from resources.results.explanations.explanation import explanation
from resources.results.pack_notes import missing_factors
from resources.store.warehouse import Warehouse

OTHER = "22222222-2222-2222-2222-222222222222"
FIRST, SECOND = f"PP_{DAYS[-2]}", f"PP_{DAYS[-1]}"


def snapshot(name: str) -> dict[str, object]:
    return {
        "name": name, "mode": "live", "base_currency": "USD", "cash": Decimal(5), "policy": "{}", "views": "[]",
        "benchmark": "{}", "universe": "{}",
    }  # fmt: skip


def trade(symbol: str, sequence: int) -> dict[str, object]:
    return {
        "symbol": symbol, "action": "BUY", "quantity": 2.0, "price": 10.0, "value": Decimal(20), "cost": Decimal(5),
        "rationale": "why", "current_quantity": 0.0, "target_quantity": 2.0, "sequence": sequence,
        "numbers": json.dumps({"view": 0.01}),
    }  # fmt: skip


LOT = {"symbol": "AAA", "lot_id": "AAA-1", "acquired": DAYS[0], "cost_basis": 9.0}
BOOKED: dict[str, dict[str, list[dict[str, Any]]]] = {
    "portfolio_snapshots": {
        "portfolio_snapshots": [snapshot("book")],
        "holdings": [{"symbol": "AAA", "quantity": 3.0}],
        "tax_lots": [LOT | {"quantity": 3.0}],
    },
    "return_estimates": {"return_estimates": [
        {"recipe": recipe, "symbol": "AAA", "expected_return": mean, "volatility": 0.2, "observations": 60}
        for recipe, mean in (("a", 0.07), ("b", 0.09))
    ]},
    "optimal_weights": {"optimization_results": [
        {"method": "min_volatility", "status": "optimal", "warnings": '["mind"]', "certificate": '{"gap": 0.0}'}
    ]},
    "trades": {
        "trades": [trade("BBB", 2), trade("AAA", 1)],
        "trade_lists": [{"nav_before": Decimal(100), "constraints": "[]", "warnings": "[]"}],
        "lot_sales": [LOT | {"quantity": 1.0, "proceeds": Decimal(10), "cost_basis": Decimal(9), "gain": Decimal(1),
                             "long_term": False}],
    },
    "impact": {"impact": [{"metric": name, "current": 1.0, "post": 2.0, "delta": 1.0} for name in ("z", "a")]},
    "hedges": {
        "hedges": [{"scenario_id": "s", "instrument": name, "sequence": place} for place, name in ((2, "B"), (1, "A"))],
        "scenario_losses": [
            {"scenario_id": name, "profit": profit, "standard_error": 0.0, "replayed": 0, "hedge_offset": 0.0,
             "hedge_cost": 0.0, "residual_loss": 0.0} for name, profit in (("mild", -1.0), ("worst", -9.0))
        ],
    },
    "backtest_results": {
        "backtest_summary": [
            {"strategy": name, "metric": metric, "value": value}
            for name, metric, value in (
                ("policy", "sharpe", 1.0), ("policy", "costs", 2.0), ("equal", "skipped_count", 1.0),
            )
        ],
        "backtest_attribution": [
            {"strategy": "policy", "breakdown": "asset", "part": part, "effect": "held", "contribution": much}
            for part, much in (("AAA", 0.01), ("BBB", -0.02))
        ],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two packs, the first revised; everything is recorded under the last, for one portfolio and a bare second."""
    warehouse = Warehouse(tmp_path_factory.mktemp("home"))
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
        findings = [
            {"code": code, "severity": "WARN", "message": f"{code} of old"}
            for code in ("SURVIVORSHIP", "HIGH_LOW")
        ]
        tx.record("check_findings", {"check_findings": pd.DataFrame(findings)})
        settings = json.dumps({"pipeline.yaml": "backtest: {knowledge: vintage}"})
        tx.record(
            "configs", {"configs": pd.DataFrame([{"config_hash": STAMP.config_hash, "text": settings}])}
        )
    cut(warehouse, DAYS[-2])
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=101.0, days=DAYS[1:2]))
    cut(warehouse, DAYS[-2], revise="the vendor corrected a day")
    pack = cut(warehouse, DAYS[-1])
    with warehouse.write(STAMP) as tx:
        for asset, tables in BOOKED.items():
            frames = {name: pd.DataFrame(rows) for name, rows in tables.items()}
            owner = BOOK if asset in OF_PORTFOLIOS else None
            tx.record(asset, frames, pack_id=pack.id, portfolio_id=owner)
        bare = {"portfolio_snapshots": pd.DataFrame([snapshot("bare")])}
        tx.record("portfolio_snapshots", bare, pack_id=pack.id, portfolio_id=OTHER)
    return warehouse.home


@pytest.fixture
def con(home: Path) -> Any:
    with Warehouse(home).live() as found:
        yield found


def test_portfolios_are_found_by_name_and_id_and_the_unknown_lists_them(con: Connection) -> None:
    pack = reading.newest_pack(con)
    assert pack.id == SECOND
    assert [row["name"] for row in reading.portfolios_of(con, pack, None)] == ["bare", "book"]
    assert reading.portfolios_of(con, pack, BOOK) == reading.portfolios_of(con, pack, "book")
    with pytest.raises(PolicyError, match=rf"{SECOND} has no portfolio 'bok'; did you mean book\?"):
        reading.portfolios_of(con, pack, "bok")


def test_trades_come_in_their_order_with_texts_decoded(con: Connection) -> None:
    bare, book = reading.trades_of(con, SECOND)["portfolios"]
    assert (bare["result"], bare["totals"], bare["trades"], bare["lot_sales"]) == (None, None, [], [])
    assert [row["symbol"] for row in book["trades"]] == ["AAA", "BBB"]
    assert book["trades"][0]["numbers"] == {"view": 0.01}
    assert (book["result"]["warnings"], book["result"]["certificate"]) == (["mind"], {"gap": 0.0})
    assert book["totals"]["constraints"] == []
    assert {"pack_id", "materialization"}.isdisjoint(book["trades"][0])


def test_only_what_changes_how_prices_are_read_is_a_note_and_only_of_ingests_the_pack_saw(
    con: Connection,
) -> None:
    caveat, *missing = reading.trades_of(con, SECOND)["notes"]
    assert caveat == "SURVIVORSHIP: SURVIVORSHIP of old"
    assert all(note.startswith("SET_ASIDE: prices of BAD are delivered and set aside") for note in missing)


def test_an_explanation_takes_one_recipe_and_the_lots(con: Connection) -> None:
    (found,) = explanation(con, SECOND, "AAA")
    assert (found["historical_return"], found["recipe"], found["numbers"]) == (0.07, "a", {"view": 0.01})
    assert [(lot["quantity"], lot["sold"], lot["gain"]) for lot in found["lots"]] == [(3.0, 1.0, Decimal(1))]
    assert explanation(con, SECOND, "AAA", "book") == [found]
    for symbol, portfolio, said in (
        ("ZZZ", None, f"{SECOND} neither holds nor trades 'ZZZ'; there are AAA, BBB"),
        ("AAA", "bare", f"bare in {SECOND} neither holds nor trades 'AAA'; there are none"),
    ):
        with pytest.raises(PolicyError, match=said):
            explanation(con, SECOND, symbol, portfolio)


def test_packs_are_listed_the_newest_first_and_a_revised_one_says_by_what(con: Connection) -> None:
    assert [row["pack_id"] for row in reading.packs_table(con)] == [SECOND, f"{FIRST}.2", FIRST]
    details = reading.pack_details(con, FIRST)
    assert details["superseded_by"] == [{"pack_id": f"{FIRST}.2", "reason": "the vendor corrected a day"}]
    (log,) = details["logs"]
    assert (log["log"], log["dates"], log["newest"], log["ingest_seq"]) == ("prices", 3, DAYS[-2], 1)
    assert [row["asset"] for row in details["materializations"]] == ["pricing_packs"]
    with pytest.raises(PackfolioError, match="PP_2024-02-30"):
        reading.pack_details(con, "PP_2024-02-30")


def test_a_backtest_is_nested_by_strategy_and_says_what_it_knew(con: Connection) -> None:
    found = reading.backtest_of(con, SECOND)
    assert found["portfolios"] == {
        "bare": {}, "book": {"equal": {"skipped_count": 1.0}, "policy": {"costs": 2.0, "sharpe": 1.0}},
    }  # fmt: skip
    assert [row["part"] for row in found["attribution"]["book"]] == ["BBB", "AAA"]  # the largest first
    assert found["notes"][-2:] == [
        f"Backtest: {KNOWLEDGE['vintage']}", "book, equal: 1 decision kept the weights of the day before",
    ]  # fmt: skip


def test_a_pack_under_which_nothing_was_computed_says_so(con: Connection) -> None:
    for read in (reading.backtest_of, reading.trades_of, reading.stresses_of):
        with pytest.raises(DataError, match=rf"nothing was computed under {FIRST}.2; `packfolio run --as-of"):
            read(con, f"{FIRST}.2")
    rejected = replace(find_pack(con, FIRST), verdict="rejected", reason="only 20% are priced")
    with pytest.raises(
        DataError, match=f"{FIRST} was rejected, only 20% are priced: nothing is computed from it"
    ):
        reading.portfolios_of(con, rejected, None)


def test_risks_come_in_an_order_that_means_something(con: Connection) -> None:
    assert [
        row["metric"] for row in reading.impact_of_trades(con, SECOND, "book")["portfolios"][0]["impact"]
    ] == ["a", "z"]
    (found,) = reading.stresses_of(con, SECOND, "book")["portfolios"]
    assert [row["scenario_id"] for row in found["scenarios"]] == ["worst", "mild"]
    assert [row["instrument"] for row in found["hedges"]] == ["A", "B"]


def test_a_regime_says_what_it_lacks(home: Path) -> None:
    warehouse = Warehouse(home)
    with warehouse.live() as con:
        none = reading.regime_of(con, SECOND)
    assert (none["regime"], none["score"], none["margin"], none["scores"]) == (None, None, None, {})
    (said,) = none["problems"]
    assert (
        said == "no macro series were on record when the pack was cut: see docs/how-to/detect-the-regime.md"
    )
    scores = [
        {"regime": name, "score": score, "detected": score > 2} for name, score in (("A", 1.5), ("B", 4.0))
    ]
    drivers = [
        {
            "series": "T10Y2Y",
            "date": DAYS[0],
            "known_at": DAYS[0] + timedelta(days=1),
            "value": 1.0,
            "points": 300,
        },
        {"series": "UNRATE", "points": 0, "problem": "it is not on record"},
    ]
    with warehouse.write(STAMP) as tx:
        tx.record(
            "regimes",
            {"regimes": pd.DataFrame(scores), "regime_drivers": pd.DataFrame(drivers)},
            pack_id=SECOND,
        )
    with warehouse.live() as con:
        found = reading.regime_of(con, SECOND)
    assert (found["regime"], found["score"], found["margin"]) == ("B", 4.0, 2.5)
    assert found["problems"] == ["UNRATE: it is not on record"]


def test_a_warehouse_without_a_fresh_pack_says_so(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    with warehouse.live() as con, pytest.raises(DataError, match="fresh"):
        reading.newest_pack(con)


def test_a_portfolio_is_told_the_factors_that_its_own_model_lacks(tmp_path: Path) -> None:
    store = new_warehouse(tmp_path, staying_open)
    with store.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    pack = cut(store, DAYS[-1])
    known = {"symbols": ["AAA"], "investable": ["AAA"], "excluded": {}, "prior": "historical"}
    with store.write(STAMP) as tx:
        for owner, name, days in ((BOOK, "book", 60), (OTHER, "sectors", 90)):
            row = snapshot(name) | {
                "universe": json.dumps(known), "policy": json.dumps({"lookback_days": days}),
                "holdings_date": DAYS[0],
            }  # fmt: skip
            frames = {"portfolio_snapshots": pd.DataFrame([row])}
            tx.record("portfolio_snapshots", frames, pack_id=pack.id, portfolio_id=owner)
    with store.live() as con:
        book, sectors = (found.recipe().name for found in read_snapshots(con, pack))
    missing = [
        {"recipe": recipe, "measure": "missing", "factor": factor, "note": f"no {factor}"}
        for recipe, factor in ((book, "sectors"), (book, "size"), (sectors, "size"))
    ]
    with store.write(STAMP) as tx:
        tx.record("factor_model", {"factor_model_quality": pd.DataFrame(missing)}, pack_id=pack.id)
    with store.live() as con:
        told = {
            row["name"]: [one["factors"] for one in attribution_of(con, pack, row)["missing"]]
            for row in reading.portfolios_of(con, pack, None)
        }
        lacking = missing_factors(con, pack)
        assert [(row["factors"], row["models"]) for row in lacking] == [("sectors", f" {book}"), ("size", "")]
    assert book != sectors and told == {"book": ["sectors", "size"], "sectors": ["size"]}


def test_many_portfolios_are_read_in_as_few_looks_as_one(con: Connection) -> None:
    """Each look reads the whole pack: one for each of 10,000 accounts took minutes."""

    class Counted:
        asked = 0

        def execute(self, *what: Any) -> Any:
            self.asked += 1
            return con.execute(*what)

    for read in (reading.impact_of_trades, reading.stresses_of, reading.backtest_of):
        one, both = Counted(), Counted()
        assert len(read(one, SECOND, "book")["portfolios"]) == 1  # type: ignore[arg-type]
        assert len(read(both, SECOND)["portfolios"]) == 2  # type: ignore[arg-type]
        assert both.asked == one.asked <= 10
