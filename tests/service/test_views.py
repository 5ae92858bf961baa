"""What the daily run wrote, read through the API: each view against its table, for two portfolios and more."""

from collections.abc import Iterator
from datetime import date

import duckdb
import pytest
from built_once import built_once
from fastapi.testclient import TestClient
from service_desk import PACK, PORTFOLIO
from small_desk import SYMBOLS
from typed_desk import THURSDAY, typed_desk

from resources.packs.packs import find_pack
from service import OptimizerService, views
from service.api import create_app
from service.desk import Reading
from service.performance import performance
from service.published import Memory
from service.settings import Settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


NAMES = ["empty", "mixed", "newcomers", "opinions", "seed"]
ORDERS = {
    "trades": ("latest_trades", "trades", "sequence"),
    "weights": ("latest_optimal_weights", "optimal_weights", "symbol"),
    "exposures": ("latest_portfolio_exposures", "portfolio_exposures", "exposure_type"),
    "results": ("latest_optimization_results", "optimization_results", "method"),
    "impact": ("latest_impact", "impact", "metric"), "hedges": ("latest_hedges", "hedges", "scenario_id, sequence"),
    "scenarios": ("latest_scenario_losses", "scenario_losses", "profit, scenario_id"),
    "tail_risk": ("latest_tail_risk", "tail_risk", "book, method, level"),
    "trade_schedule": ("latest_trade_schedule", "trade_schedule", "day, symbol"),
}  # fmt: skip


@pytest.mark.parametrize("view", ORDERS)
def test_a_view_has_the_rows_of_each_portfolio_in_their_order(
    client: TestClient, settings: Settings, view: str
) -> None:
    table, key, order = ORDERS[view]
    told = client.get(f"/v1/packs/{PACK}/{view}").json()
    assert (told["pack_id"], told["as_of"]) == (PACK, "2025-10-26")
    assert [one["name"] for one in told["portfolios"]] == NAMES
    with duckdb.connect(str(settings.home / "published.duckdb"), read_only=True) as con:
        for one in told["portfolios"]:
            found = con.execute(
                f"select * from {table} where pack_id = ? and portfolio_id = ? order by {order}",
                [PACK, one["portfolio_id"]],
            ).fetchall()
            shown = [name[0] for name in con.description or ()]
            assert len(one[key]) == len(found)
            hidden = {"pack_id", "portfolio_id", "materialization"}
            assert all(set(row) == set(shown) - hidden for row in one[key])
            for column in order.split(", "):
                assert [row[column] for row in one[key]] == [row[shown.index(column)] for row in found]
    alone = client.get(f"/v1/packs/{PACK}/{view}", params={"portfolio": "mixed"}).json()["portfolios"]
    assert alone == told["portfolios"][1:2]


def test_portfolios_and_the_catalogue_are_told_in_full(client: TestClient, service: OptimizerService) -> None:
    told = {one["name"]: one for one in client.get(f"/v1/packs/{PACK}/portfolios").json()}
    assert told["mixed"]["symbols"] == ["AAPL", "GLD", "HYG", "JNK", "LQD", "QQQ", "SPY", "TLT"]
    seed = told["seed"]
    assert (seed["portfolio_id"], seed["mode"], seed["base_currency"], seed["problem"]) == (
        PORTFOLIO,
        "live",
        "USD",
        None,
    )
    assert seed["policy"]["max_single_position_pct"] == 60 and "max_sector_pct" not in seed["policy"]
    catalogue = client.get("/v1/catalogue").json()
    assert {"equity", "rates", "volatility"} < set(catalogue["factors"]) and len(catalogue["factors"]) == 7
    by_name = {one["scenario_id"]: one for one in catalogue["scenarios"]}
    assert by_name["LAST_SPRING"]["window"] == ["2025-03-03", "2025-04-30"]
    assert by_name["LAST_SPRING"]["shocks"] == {"equity": -0.1}
    assert by_name["equity_selloff"]["window"] is None
    assert catalogue["methods"] == sorted(catalogue["methods"]) and "hrp" in catalogue["methods"]
    assert set(catalogue["regimes"]) == set(service.desk.playbooks.regimes)
    row = {"warnings": '["a"]', "numbers": "", "reason": '["b"]', "diagnostics": None}
    assert views._decoded(row) == {"warnings": ["a"], "numbers": "", "reason": '["b"]', "diagnostics": None}


def test_portfolios_are_searched_by_a_part_of_name_or_uuid(client: TestClient) -> None:
    def found(search: str) -> list[str]:
        answer = client.get(f"/v1/packs/{PACK}/portfolios", params={"search": search, "limit": 2})
        there = [name for name in NAMES if search.lower().replace("\u00e9", "e") in name]
        assert answer.headers["X-Total-Count"] == str(len(there))
        assert [one["name"] for one in answer.json()] == there[:2]
        return there

    assert found("E") == ["empty", "mixed", "newcomers", "seed"]
    assert found("S\u00e9ed") == ["seed"]
    assert found("nobody") == [] and found("") == NAMES
    by_id = client.get(f"/v1/packs/{PACK}/portfolios", params={"search": PORTFOLIO[:8]}).json()
    assert [one["name"] for one in by_id] == ["seed"]


def test_the_performance_of_a_portfolio_says_what_it_is_worth_and_what_is_not_there(
    client: TestClient,
) -> None:
    told = client.get(f"/v1/packs/{PACK}/performance", params={"portfolio": "mixed"}).json()
    assert (told["name"], told["mode"], told["base_currency"]) == ("mixed", "live", "USD")
    assert told["backtest"] is None and "packfolio backtest" in told["left_out"]["backtest"]
    results = client.get(f"/v1/packs/{PACK}/impact", params={"portfolio": "mixed"}).json()["portfolios"][0]
    value = next(row["current"] for row in results["impact"] if row["metric"] == "value")
    [live] = told["live"]
    assert (live["as_of"], live["pack_id"], live["drawdown"]) == ("2025-10-26", PACK, 0.0)
    assert live["value"] == pytest.approx(value)
    for asked in ({"portfolio": "nobody"}, {"portfolio": "mixed", "window": 1}, {}):
        assert client.get(f"/v1/packs/{PACK}/performance", params=asked).status_code == 422


def test_attribution_without_a_factor_model_says_how_to_get_one(client: TestClient) -> None:
    told = client.get(f"/v1/packs/{PACK}/attribution", params={"portfolio": "mixed"}).json()
    assert told["predicted"] is told["realised"] is None and told["trades"] == told["missing"] == []
    assert "factor_model: on in pipeline.yaml" in told["left_out"]["predicted"]
    assert "packfolio backtest" in told["left_out"]["realised"]
    for asked in ({"portfolio": "nobody"}, {"portfolio": "mixed", "from": "yesterday"}, {}):
        assert client.get(f"/v1/packs/{PACK}/attribution", params=asked).status_code == 422


def test_a_pattern_asked_for_twice_gives_equal_answers_with_their_metadata(client: TestClient) -> None:
    body = {"pattern_id": "efficient_frontier", "inputs": {"portfolio_id": "mixed"}}
    one, two = (client.post("/v1/execute", json=body).json() for _ in range(2))
    assert one["result"] == two["result"] and one["trace_id"] != two["trace_id"]
    assert one["metadata"] == {
        "agent_name": "optimizer", "source": f"optimizer:{PACK}", "asof": "2025-10-26", "ttl": 300,
    }  # fmt: skip
    assert one["warnings"] == list(dict.fromkeys(one["result"]["warnings"]))


def test_what_a_book_was_worth_stands_beside_its_benchmark(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, _ = built_once(tmp_path_factory, "typed", typed_desk)
    with duckdb.connect(str(folder / "home" / "published.duckdb"), read_only=True) as con:
        pack = find_pack(con, THURSDAY)
        live = performance(Reading(con, Memory(), Memory()), pack, "book", 63)["live"]
        closes = dict(
            con.execute(
                "select (symbol, date), arg_max(close, ingest_seq) from prices where source = 'inbox' "
                "and date >= '2024-02-28' group by 1"
            ).fetchall()
        )
    assert [row["as_of"] for row in live] == ["2024-02-28", "2024-02-29"]
    grown = [closes[name, date(2024, 2, 29)] / closes[name, date(2024, 2, 28)] for name in SYMBOLS]
    assert live[0]["benchmark"] == pytest.approx(live[0]["value"], abs=0.01)
    assert live[1]["benchmark"] == pytest.approx(live[0]["value"] * sum(grown) / 5, abs=0.01)
