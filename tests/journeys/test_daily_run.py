"""The daily run on the embedded prices, as a portfolio manager meets it: command in, trades out."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml
from built_once import own_copy
from command_line import Desk, example_with_prices

from assets.shared.materialized import column_lineage
from optimizer import propose
from resources.books.snapshots import read_snapshots
from resources.packs.packs import find_pack, latest_fresh
from resources.results.estimates.pack_estimates import evidence, load_case
from resources.settings.configuration import load_configuration

pytestmark = pytest.mark.xdist_group("embedded")
PACK = "PP_2022-12-28"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A home in which the default run was made, for two as-of dates."""
    folder, _ = own_copy(tmp_path_factory, "example", partial(_run_two_days, tmp_path_factory))
    return Desk(folder / "home", folder / "config")


def _run_two_days(factory: pytest.TempPathFactory, folder: Path) -> None:
    made = example_with_prices(factory, folder)
    for arguments in (("run", "--as-of", "2022-12-27"), ("run",)):
        done = made.packfolio(*arguments)
        assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture
def warehouse(desk: Desk) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(desk.home / "published.duckdb"), read_only=True) as con:
        yield con


def test_the_default_as_of_date_is_the_newest_price(desk: Desk) -> None:
    packs = desk.read("packs", "list")
    assert [pack["pack_id"] for pack in packs] == [PACK, "PP_2022-12-27"]
    assert {pack["verdict"] for pack in packs} == {"fresh"}


def test_a_reading_without_a_pack_is_of_the_newest(desk: Desk) -> None:
    assert desk.read("trades") == desk.read("trades", "latest") == desk.read("trades", PACK)
    assert desk.read("packs", "show")["pack_id"] == PACK
    assert desk.read("packs", "diff", "PP_2022-12-27", "latest")["to"] == PACK


def test_sales_and_cash_pay_for_purchases_and_costs_to_the_cent(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    rows = warehouse.execute(
        "select portfolio_id, sum(value) filter (action = 'BUY'), sum(value) filter (action = 'SELL'), sum(cost) "
        "from latest_trades where pack_id = ? group by 1",
        [PACK],
    ).fetchall()
    totals = {
        row[0]: row[1:]
        for row in warehouse.execute(
            "select portfolio_id, cash_before, cash_after, nav_before, nav_after from latest_trade_lists "
            "where pack_id = ?",
            [PACK],
        ).fetchall()
    }
    assert len(rows) == 2
    for portfolio, bought, sold, costs in rows:
        before, after, nav_before, nav_after = totals[portfolio]
        assert (bought or Decimal(0)) + costs == (sold or Decimal(0)) + before - after
        assert nav_after == nav_before - costs
        assert after >= 0


def test_every_limit_of_the_equity_book_holds_on_whole_shares(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    rows = warehouse.execute(
        "select t.quantity, t.achieved_weight, s.sector from latest_trades t "
        "join securities s using (symbol) join latest_portfolio_snapshots p using (pack_id, portfolio_id) "
        "where pack_id = ? and p.name = 'us-equity'",
        [PACK],
    ).fetchall()
    sectors: dict[str, float] = {}
    for quantity, weight, sector in rows:
        assert quantity == int(quantity)
        assert weight <= 0.12 + 1e-9
        sectors[sector] = sectors.get(sector, 0.0) + weight
    assert max(sectors.values()) <= 0.30 + 1e-9
    assert sum(sectors.values()) == pytest.approx(1.0, abs=0.01)


def test_the_leveraged_book_is_bound_by_its_exposures_not_its_weights(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    exposures = dict(
        warehouse.execute(
            "select e.exposure_type, e.amount from latest_portfolio_exposures e "
            "join latest_portfolio_snapshots p using (pack_id, portfolio_id) "
            "where pack_id = ? and p.name = 'leverage-aware'",
            [PACK],
        ).fetchall()
    )
    assert exposures["EQUITY"] == pytest.approx(1.15, abs=1e-6)  # the least that its policy asks for


def test_a_second_run_of_the_day_changes_nothing(desk: Desk) -> None:
    before = _ledger(desk)
    done = desk.packfolio("run")
    assert done.returncode == 0
    assert _ledger(desk) == before


def test_dagsters_data_versions_change_with_the_content_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that staleness means something: all runs saw the same prices, and each of two packs has its version."""
    monkeypatch.setenv("DAGSTER_HOME", str(desk.home / "dagster"))
    with dg.DagsterInstance.from_config(str(desk.home / "dagster")) as instance:
        versions = {
            name: [
                str((record.asset_materialization.tags or {})["dagster/data_version"])
                for record in instance.fetch_materializations(dg.AssetKey(name), limit=10).records
                if record.asset_materialization
            ]
            for name in ("prices", "reference_data", "return_estimates")
        }
        (record,) = instance.fetch_materializations(dg.AssetKey("optimal_weights"), limit=1).records
        first = instance.fetch_materializations(dg.AssetKey("pricing_pack"), limit=10).records[-1]
    assert first.asset_materialization and first.asset_materialization.metadata["written"].value == 1
    assert record.asset_materialization is not None
    carried = record.asset_materialization.metadata["dagster/column_lineage"].value
    assert carried == column_lineage("optimal_weights")
    assert [len({*found}) for found in versions.values()] == [1, 1, 2]
    with duckdb.connect(str(desk.home / "published.duckdb"), read_only=True) as con:
        hashes = con.execute("select distinct content_hash from materializations").fetchall()
    assert {(version,) for version in versions["return_estimates"]} <= {*hashes}


def test_the_paper_book_holds_what_the_pack_before_traded(warehouse: duckdb.DuckDBPyConnection) -> None:
    of = "join latest_portfolio_snapshots p using (pack_id, portfolio_id) where p.name = 'leverage-aware'"
    traded = warehouse.execute(
        f"select symbol, target_quantity from latest_trades t {of} and t.pack_id = 'PP_2022-12-27' "
        "and target_quantity > 0 order by 1"
    ).fetchall()
    held = warehouse.execute(
        f"select symbol, quantity from latest_holdings h {of} and h.pack_id = ? order by 1", [PACK]
    ).fetchall()
    assert traded
    assert held == traded


def test_one_call_of_the_library_gives_what_the_stages_wrote(
    desk: Desk, warehouse: duckdb.DuckDBPyConnection
) -> None:
    funds = load_configuration(desk.config).funds
    pack = find_pack(warehouse, PACK)
    for snapshot in read_snapshots(warehouse, pack):
        case = load_case(warehouse, pack, snapshot, funds)
        answer = propose(
            case.portfolio, case.prices, case.evidence, case.inputs.policy, case.inputs.universe, case.mandate
        )
        key: list[object] = [PACK, snapshot.portfolio_id]
        where = "where pack_id = ? and portfolio_id = ?"
        weights = warehouse.execute(
            f"select symbol, weight from latest_optimal_weights {where} order by symbol", key
        ).fetchall()
        orders = warehouse.execute(
            f"select symbol, action, quantity, value, cost from latest_trades {where} order by sequence", key
        ).fetchall()
        assert weights == sorted(zip(answer.solution.symbols, answer.solution.weights.tolist(), strict=True))
        assert orders == [
            (row.symbol, row.action, float(row.quantity), row.value, row.cost) for row in answer.trades.rows
        ]


def test_methods_on_scenarios_find_them_in_the_pack(warehouse: duckdb.DuckDBPyConnection) -> None:
    pack = find_pack(warehouse, PACK)
    snapshot = read_snapshots(warehouse, pack)[0]
    assert evidence(warehouse, pack, snapshot).scenarios is None
    policy = snapshot.policy.model_copy(update={"method": "cdar"})
    found = evidence(warehouse, pack, replace(snapshot, policy=policy))
    assert found.scenarios is not None
    assert found.scenarios.shape == (found.observations, len(found.symbols))


def test_simulated_prices_are_named_so_in_every_answer(desk: Desk) -> None:
    shown = desk.read("trades", PACK, "--portfolio", "leverage-aware")
    flags = {row["symbol"]: row["simulated"] for row in shown["portfolios"][0]["trades"]}
    assert flags["SPX1X.SIM"] and not flags["USMV"]
    assert any(note.startswith("SIMULATED") for note in shown["notes"])
    assert any(note.startswith("SURVIVORSHIP") for note in shown["notes"])


def test_explain_gives_the_reason_and_its_numbers(desk: Desk) -> None:
    rows = desk.read("explain", PACK, "XOM", "--portfolio", "us-equity")
    assert "views" in rows[0]["rationale"]
    assert rows[0]["posterior_return"] - rows[0]["prior_return"] == pytest.approx(
        rows[0]["numbers"]["view_effect"]
    )


def test_impact_stress_and_regime_are_told_on_the_command_line(desk: Desk) -> None:
    (book,) = desk.read("impact", PACK, "--portfolio", "us-equity")["portfolios"]
    change = {row["metric"]: row["delta"] for row in book["impact"]}
    assert change["value"] < 0 and abs(change["cash"]) < 0.1
    (book,) = desk.read("stress", PACK, "--portfolio", "us-equity", "--scenario", "COVID_2020")["portfolios"]
    ((scenario,), (hedge, *_)) = book["scenarios"], book["hedges"]
    assert scenario["replayed"] == 16 and scenario["profit"] < 0 < scenario["hedge_offset"]
    assert (hedge["instrument"], hedge["option_type"], hedge["quantity"] > 0) == ("SPX", "PUT", True)
    regime = desk.read("regime")
    assert (regime["pack_id"], regime["regime"], regime["scores"]) == (PACK, None, {})
    assert "no macro series were on record" in regime["problems"][0]
    for words in (("impact", PACK), ("stress", PACK), ("regime", PACK)):
        said = desk.packfolio(*words)
        assert said.returncode == 0 and (PACK in said.stdout), said.stderr
    assert desk.packfolio("stress", "yesterday").returncode == 2


def test_wrong_words_are_told_apart_from_failed_work(desk: Desk) -> None:
    unknown = desk.packfolio("trades", PACK, "--portfolio", "nobody")
    assert unknown.returncode == 2
    assert "us-equity" in unknown.stderr
    missing = desk.packfolio("trades", "PP_1999-01-04")
    assert missing.returncode == 1
    assert PACK in missing.stderr
    assert desk.packfolio("trades", "yesterday").returncode == 2


def test_the_backtest_is_kept_under_the_pack(desk: Desk) -> None:
    shown = desk.read("backtest", "--portfolio", "us-equity")
    measures = shown["portfolios"]["us-equity"]["policy"]
    assert measures["max_drawdown"] < 0 < measures["total_cost"]
    with duckdb.connect(str(desk.home / "published.duckdb"), read_only=True) as con:
        strategies = con.execute(
            "select distinct strategy from latest_backtest_results where pack_id = ? order by 1", [PACK]
        ).fetchall()
    assert [row[0] for row in strategies] == ["benchmark", "equal_weight", "policy"]
    assert any("cut by date" in note for note in shown["notes"])
    assert not list((desk.home / "cache").glob("backtest-*"))


@pytest.mark.slow
def test_the_pack_and_its_backtest_replay_as_recorded(tmp_path: Path, desk: Desk) -> None:
    """Each by its own configuration: the backtest's was taken for the chain, whose hedges then seemed to differ."""
    later = Desk.example(tmp_path)
    shutil.copytree(desk.home, later.home, dirs_exist_ok=True)
    scenarios = later.config / "scenarios.yaml"
    scenarios.write_text(
        scenarios.read_text().replace(
            "\nscenarios:\n",
            "\nscenarios:\n  dear_oil: {name: Oil, shocks: {commodity_pct: 90}, probability: 0.1, severity: high}\n",
        )
    )
    later.read("backtest", "--portfolio", "us-equity")
    assert later.read("packs", "replay", PACK)["identical"]
    other = later.read("packs", "replay", PACK, "--with", str(later.config))
    assert {unit["asset"] for unit in other["differing"]} == {
        "hedges"
    }  # backtests are not replayed by another


def test_a_backtest_on_vintages_refuses_days_before_the_first_one_known(tmp_path: Path, desk: Desk) -> None:
    later = Desk.example(tmp_path)
    shutil.copytree(desk.home, later.home, dirs_exist_ok=True)
    _edit(later.config / "pipeline.yaml", backtest={"knowledge": "vintage"})
    refused = later.packfolio("backtest", "--portfolio", "us-equity")
    assert refused.returncode == 1
    assert "nothing was known on 2022-12-28" in refused.stderr + refused.stdout


def test_methods_and_values_are_compared_with_the_policy_in_one_replay(tmp_path: Path, desk: Desk) -> None:
    small, replayed = Desk.example(tmp_path), ("backtest", "--portfolio", "us-equity")
    shutil.copytree(desk.home, small.home)
    _edit(
        small.config / "pipeline.yaml",
        backtest={"years": 0.5, "compare": ["min_volatility"], "sweep": {"lookback_days": [126]}},
    )
    measures = small.read(*replayed)["portfolios"]["us-equity"]
    assert sorted(measures) == ["equal_weight", "lookback_days=126", "min_volatility", "policy"]
    lowest = min(measures, key=lambda name: measures[name]["volatility"])
    assert lowest == "min_volatility"

    grid = ("--sweep", "lookback_days=126", "--sweep", "method=mean_variance,min_volatility,risk_parity")
    found = small.read(*replayed, *grid)
    swept = found["portfolios"]["us-equity"]
    assert len(swept) == 5
    assert found["trials"] == {"us-equity": 4}
    assert 0.0 <= found["probability_of_overfitting"]["us-equity"] <= 1.0
    assert swept["policy"]["volatility"] == measures["policy"]["volatility"]
    same, kept = swept["lookback_days=126, method=mean_variance"], measures["lookback_days=126"]
    assert same["annual_return"] == kept["annual_return"]
    assert same["deflated_sharpe"] < kept["deflated_sharpe"]  # four trials here, three there
    assert not list((small.home / "cache").glob("backtest-*"))
    with duckdb.connect(str(small.home / "published.duckdb"), read_only=True) as con:
        [told] = con.execute(
            "select count(*) from latest_backtest_summary where strategy like '%method=%'"
        ).fetchall()
    assert told == (0,)
    wrong = small.packfolio("backtest", "--sweep", "lookback_dayz=126")
    assert wrong.returncode == 2
    assert "did you mean lookback_days" in wrong.stderr

    _edit(small.config / "pipeline.yaml", backtest={"compare": ["min_volatlity"]})
    wrong = small.packfolio("backtest")
    assert wrong.returncode != 0
    assert "no method min_volatlity" in wrong.stderr + wrong.stdout


@pytest.mark.slow
def test_one_infeasible_portfolio_stops_no_other(tmp_path: Path, desk: Desk) -> None:
    broken = Desk.example(tmp_path)
    shutil.copytree(desk.home, broken.home)
    _edit(
        broken.config / "portfolios" / "us-equity.yaml",
        policy={"sector_limits_pct": {"Energy": [50, 60]}},  # three names at 12% each
    )
    done = broken.packfolio("run", "--json")
    shown = json.loads(done.stdout)
    by_name = {portfolio["name"]: portfolio for portfolio in shown["portfolios"]}
    assert done.returncode == 1
    assert by_name["us-equity"]["result"]["status"] == "infeasible"
    assert "min_sector Energy" in by_name["us-equity"]["result"]["reason"]
    assert by_name["us-equity"]["trades"] == []
    assert by_name["leverage-aware"]["trades"]


def test_a_policy_that_cannot_be_read_is_named_by_file_line_and_key(tmp_path: Path) -> None:
    broken = Desk.example(tmp_path)
    file = broken.config / "portfolios" / "us-equity.yaml"
    file.write_text(file.read_text().replace("max_sector_pct", "max_sector_pc"), encoding="utf-8")
    done = broken.packfolio("run")
    assert done.returncode == 2
    line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if "max_sector_pc:" in text)
    assert f"us-equity.yaml:{line}: policy.max_sector_pc" in done.stderr
    assert "max_sector_pct" in done.stderr


def test_an_order_that_older_holdings_cannot_show_is_called_so_and_not_drift(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    said, numbers = warehouse.execute(
        "select rationale, numbers from latest_trades where pack_id = ? and symbol = 'AAPL'", [PACK]
    ).fetchall()[0]
    order = "not known whether the last order to sell 500 shares (2022-12-27) was filled"
    assert f"{order}, as the holdings are of 2022-12-01" in said
    figures = json.loads(numbers)
    assert abs(figures["drift"]) < 0.005 < -figures["unfilled"]
    paper = warehouse.execute(
        "select count(*) from latest_trades t join latest_portfolio_snapshots s using (pack_id, portfolio_id) "
        "where pack_id = ? and s.mode = 'paper' and contains(t.rationale, 'not filled')",
        [PACK],
    ).fetchall()
    assert paper == [(0,)]


@pytest.mark.slow
def test_a_date_without_prices_is_rejected_and_nothing_flows_on(desk: Desk) -> None:
    done = desk.packfolio("run", "--as-of", "2023-02-01", "--json")
    shown = json.loads(done.stdout)
    assert done.returncode == 3
    assert shown["pack_id"] == "PP_2023-02-01"
    assert "rejected" in shown["reason"]
    packs = {pack["pack_id"]: pack["verdict"] for pack in desk.read("packs", "list")}
    assert packs["PP_2023-02-01"] == "rejected"
    with duckdb.connect(str(desk.home / "published.duckdb"), read_only=True) as con:
        assert latest_fresh(con).id == max(name for name, verdict in packs.items() if verdict == "fresh")
    assert desk.packfolio("trades", "PP_2023-02-01").returncode != 0


def _ledger(desk: Desk) -> list[Any]:
    with duckdb.connect(str(desk.home / "published.duckdb"), read_only=True) as con:
        return con.execute("select id, asset, content_hash from materializations order by id").fetchall()


def _edit(path: Path, **changes: dict[str, Any]) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, values in changes.items():
        document[section].update(values)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
