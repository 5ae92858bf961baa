"""What the checks of the daily run say of a pack in words, in numbers and in the rows beside them."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from duckdb import connect

from assets import decisions, hedges, impact, optimal_weights, portfolio_snapshots, prices, regimes, tail_risk
from assets.shared.data_checks import OF_PRICES, answers
from assets.shared.materialized import column_lineage, literal, version_of
from optimizer import DataError
from resources.logs.decisions import Brought, Damaged
from resources.logs.storing import REJECTED, Ingested
from resources.screening.pack_checks import Finding
from resources.settings.sources import Limits

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def told(check: dg.AssetCheckResult) -> dict[str, Any]:
    """The metadata: text as it stands, tables as their rows."""
    found = {}
    for name, value in (check.metadata or {}).items():
        table = isinstance(value, dg.TableMetadataValue)
        found[name] = [row.data for row in value.records] if table else value.value  # type: ignore[union-attr]
    return found


def body(asset: Any) -> Any:
    """The function of an asset, to be called as it stands."""
    return asset.op.compute_fn.decorated_fn


@contextmanager
def opened(told: Any) -> Iterator[Any]:
    yield told


def test_a_portfolio_that_lacks_something_is_named_beside_what_was_left_out() -> None:
    whole: Any = SimpleNamespace(name="whole", problem=None, excluded={"AAA": "gone", "BBB": "too new"})
    lame: Any = SimpleNamespace(name="lame", problem="no price of CCC", excluded={})
    check = portfolio_snapshots._complete([whole, lame])
    assert (check.passed, check.severity) == (False, ERROR)
    assert check.description == "1 not complete: lame: no price of CCC"
    assert told(check) == {
        "problems": "- lame: no price of CCC",
        "left_out": [
            {"portfolio": "whole", "symbol": "AAA", "why": "gone"},
            {"portfolio": "whole", "symbol": "BBB", "why": "too new"},
        ],
    }
    check = portfolio_snapshots._complete([whole])
    assert check.passed and check.description == "All portfolios are complete (1)."


def test_a_delivery_that_is_refused_is_named_with_its_faults() -> None:
    taken = Ingested("inbox", "prices", "a.csv", "ingested")
    refused = Ingested("inbox", "prices", "b.csv", REJECTED, findings=(Finding("HEAD", "FAIL", "no header"),))
    check = prices._all_read("prices", [taken, refused])
    assert (check.passed, check.severity, check.asset_key) == (False, ERROR, dg.AssetKey("prices"))
    assert list(told(check)) == ["b.csv"] and "no header" in told(check)["b.csv"]
    assert (check.description or "").startswith("1 refused: b.csv: ")
    check = prices._all_read("prices", [taken])
    assert (check.passed, check.description) == (True, "All deliveries were read (1).")


def test_rows_of_prices_are_counted_by_what_became_of_them() -> None:
    con = connect()
    con.execute("create table prices (symbol varchar)")
    con.execute("create table log_leaves (log varchar, date date, ingest_seq bigint)")
    con.execute("insert into log_leaves values ('prices', '2024-01-02', 3), ('prices', '2024-01-03', 4)")
    inbox: Any = SimpleNamespace(warehouse=SimpleNamespace(live=lambda: opened(con)))
    first = Ingested("inbox", "prices", "a.csv", "ingested", new=5, same=2, symbols=frozenset("AB"))
    second = Ingested("inbox", "prices", "b.csv", REJECTED, symbols=frozenset("BC"))
    for done, counts in (([], (0, 0, 0, 0)), ([first, second], (5, 0, 2, 0))):
        found = prices._result(inbox, "prices", done, []).metadata or {}
        rows = [found[f"rows_{name}"] for name in ("new", "corrected", "same", "quarantined")]
        assert tuple(rows) == counts and found["payloads"] == len(done)
    assert (found["refused"], found["symbols"]) == (1, 3)


def test_prices_are_asked_for_the_days_of_the_launch_and_a_known_fault_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def ask(start: Any, end: Any, say: Any, source: Any) -> None:
        asked.append((start, end, source))
        raise DataError("no such source")

    monkeypatch.setattr(prices, "_inbox", lambda *rest: SimpleNamespace(prices=ask))
    run, context = body(prices.prices), SimpleNamespace(log=SimpleNamespace(info=print))
    with pytest.raises(dg.Failure, match="no such source") as failed:
        run(context, prices.IngestConfig(source="x", start="2024-01-02", end="2024-02-03"), None, None)
    assert not failed.value.allow_retries
    with pytest.raises(dg.Failure):
        run(context, prices.IngestConfig(), None, None)
    assert asked == [(date(2024, 1, 2), date(2024, 2, 3), "x"), (None, None, None)]


def test_what_may_pass_is_tried_again_after_twice_as_long() -> None:
    with pytest.raises(dg.RetryRequested) as asked, prices.tried_again(SimpleNamespace(retry_number=2)):
        raise ConnectionResetError("reset by peer")
    assert (asked.value.max_retries, asked.value.seconds_to_wait) == (3, 8.0)
    with pytest.raises(ZeroDivisionError), prices.tried_again(SimpleNamespace(retry_number=0)):
        raise ZeroDivisionError


def test_what_series_lack_is_told_only_where_there_are_series() -> None:
    found: Any = SimpleNamespace(problems=["no inflation"], regime=None)
    known, none = regimes._check(found, True), regimes._check(found, False)
    assert (known.passed, none.passed, known.severity) == (False, True, WARN)
    assert told(known) == {"problems": "- no inflation"}
    assert told(none)["problems"] == f"- {literal(regimes.NOTHING)}" and none.description == regimes.NOTHING
    assert known.description == "1 silent: no inflation"


def test_a_damaged_proposal_is_told_by_its_line() -> None:
    check = decisions._check(Brought(3, (Damaged(7, "no JSON", "{"),)))
    assert (check.passed, check.description) == (False, "1 damaged: line 7: no JSON")
    assert told(check) == {"damaged": "- line 7: no JSON"}
    whole = decisions._check(Brought(3, ()))
    assert (whole.passed, whole.description) == (True, "3 new proposals, every line read.")


def test_portfolios_without_a_stress_or_a_tail_are_named() -> None:
    books: Any = SimpleNamespace(without=lambda *names: "")
    written: Any = SimpleNamespace(
        names={"a": "first", "b": "other"},
        told={"b": ("no model", "no price")},
        lines=lambda: ["other: no model"],
    )
    check = hedges._check(written, books)
    assert (check.passed, told(check)) == (False, {"other": "no model; no price"})
    assert check.description == "1 not stressed: other: no model; no price"
    check = tail_risk._told(written)
    assert (check.passed, check.severity) == (False, WARN)
    assert told(check) == {"untold": "- other: no model"}
    assert check.description == "1 without a part of it: other: no model"
    sound: Any = SimpleNamespace(names={"a": "first"}, told={}, lines=list)
    assert hedges._check(sound, books).description == "All portfolios were stressed (1)."
    assert tail_risk._told(sound).description == "All portfolios are told (1)."


def test_sixty_rows_stand_beside_a_check() -> None:
    found = [
        {"severity": "WARN", "code": "JUMP_BAND", "symbol": f"S{number}", "date": None, "message": ""}
        for number in range(61)
    ]
    assert len(answers(OF_PRICES, found, Limits())["rows"].records) == 60


def test_sixty_tails_are_shown_and_of_many_books_the_statuses_are_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pack: Any = SimpleNamespace(id="PP")
    rows = pd.DataFrame({"name": [f"b{number:02}" for number in range(61)]})
    monkeypatch.setattr(tail_risk, "frame", lambda *rest: rows)
    few: Any = SimpleNamespace(pack=pack, names={"a": "first"})
    con: Any = None
    assert [len(table.records) for table in tail_risk._shown(con, few).values()] == [60, 60]
    results = rows.assign(
        status="solved", constraints_met=True, turnover=0.1, expected_return=0.0, volatility=0.1, sharpe=0.5,
        notional=1.0, cash=0.0, warnings=None, method="hrp", solver="none", reason="",
    )  # fmt: skip
    results.loc[0, "constraints_met"] = False
    weights = pd.DataFrame(
        columns=["name", "symbol", "current_weight", "weight", "risk_contribution", "simulated"]
    )
    tables = iter([results, weights])
    monkeypatch.setattr(optimal_weights, "frame", lambda *rest: next(tables))
    shown = optimal_weights._shown(con, pack)
    counted = [row.data for row in shown["outcomes"].records]
    assert {(row["status"], row["constraints_met"], row["portfolios"]) for row in counted} == {
        ("solved", True, 60), ("solved", False, 1),
    }  # fmt: skip
    tables = iter([results.head(1), weights.assign(constraints_met=None)])
    shown = optimal_weights._shown(con, pack)
    assert [row.data["name"] for row in shown["results"].records] == ["b00"]
    assert list(shown) == ["results", "warnings", "weights"] and shown["warnings"].value == "none"


def test_proposals_on_record_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    con = connect()
    con.execute("create table decisions as select unnest([1, 2, 3]) as at")
    warehouse: Any = SimpleNamespace(
        decision_log=tmp_path / "log",
        stage=lambda *rest: SimpleNamespace(write=lambda: opened(SimpleNamespace(con=con))),
    )
    monkeypatch.setattr(decisions, "ingest_decisions", lambda tx, path: Brought(2, ()))
    monkeypatch.setattr(decisions, "table_schema", lambda con, table: table)
    run = body(decisions.decisions)
    assert run(None, warehouse, None).metadata == {"written": 0}
    warehouse.decision_log.symlink_to("log")  # which leads nowhere: it is looked at, and not taken for none
    assert run(None, warehouse, None).metadata["written"] == 2
    warehouse.decision_log.unlink()
    warehouse.decision_log.touch()
    found = run(None, warehouse, None)
    assert (found.metadata["written"], found.metadata["rows"], found.data_version.value) == (2, 3, "3")


def test_the_impact_on_many_books_is_told_by_its_spread_and_of_a_past_day_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = pd.DataFrame({
        "name": ["a", "a", "b", "b"], "metric": ["vol", "sharpe"] * 2, "current": 1.0, "post": 1.1,
        "delta": [0.1, 0.2, 0.3, 0.4],
    })  # fmt: skip
    pack = SimpleNamespace(id="PP")
    written: Any = SimpleNamespace(lines=lambda: ["late"], pack=pack, names=range(1000), entries=[])
    for name, answer in (("computed", written), ("frame", rows), ("_by_factor", {}), ("_check", None)):
        monkeypatch.setattr(impact, name, lambda *rest, answer=answer: answer)
    monkeypatch.setattr(impact, "materialized", lambda con, table, pack, entries, extra, check_results: extra)
    said: list[str] = []
    context = SimpleNamespace(partition_key="PP", log=SimpleNamespace(warning=said.append))
    stage = SimpleNamespace(read=lambda: opened(None), past=False)
    warehouse = SimpleNamespace(stage=lambda *rest: stage)
    extra = body(impact.impact)(context, warehouse, None)
    told = [
        (row.data["measure"], row.data["portfolios"], row.data["mean"]) for row in extra["impact"].records
    ]
    assert told == [("sharpe", 2, 0.3), ("vol", 2, 0.2)] and said == ["late"]
    stage.past = True
    assert body(impact.impact)(context, warehouse, None) == {}


def test_each_book_with_a_model_has_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pd.DataFrame({
        "name": ["a", "b"], "side": "before", "part": "market", "exposure": 1.0, "contribution": 0.1,
    })  # fmt: skip
    con: Any = None
    pack: Any = SimpleNamespace(id="PP")
    monkeypatch.setattr(impact, "frame", lambda *rest: rows)
    drawn: list[Any] = []
    monkeypatch.setattr(
        impact, "factor_risk_plot", lambda name, found: drawn.append((name, len(found))) or name
    )
    assert impact._by_factor(con, pack, 2) == {"factors_a": "a", "factors_b": "b"}
    assert drawn == [("a", 1), ("b", 1)] and impact._by_factor(con, pack, 1000) == {}


def test_a_version_is_the_content_hash_or_a_hash_of_those_of_all_portfolios_a_line_each() -> None:
    entries: Any = [SimpleNamespace(content_hash=text) for text in ("aa", "bb")]
    assert version_of(entries[:1]).value == "aa"
    assert version_of(entries).value == hashlib.sha256(b"aa\nbb").hexdigest()


def test_a_column_tells_dagster_the_columns_that_it_comes_from() -> None:
    found = column_lineage("optimal_weights").deps_by_column["weight"]
    assert dg.TableColumnDep(dg.AssetKey("posterior_returns"), "posterior_return") in found
