"""The report's parts by themselves: figures by their data, numbers as read, and what is taken from two packs."""

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from optimizer import DataError, PolicyError
from optimizer.measures.return_series import monthly_table
from resources.results.measure_text import measure_text
from resources.results.queries import pack_of_backtest
from service.answers.proposals import FrontierAnswer, FrontierPoint
from service.answers.risk import ScenarioAnswer, StressAnswer
from service.report import __main__ as command
from service.report import figures, page
from service.report.contents import _attribution
from service.report.stored import environment, findings, written
from service.report.track import track

Row = dict[str, Any]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, str, int]]:
    """Each figure with its place and height, instead of its HTML."""
    found: list[tuple[Any, str, int]] = []

    def keep(figure: Any, place: str, height: int) -> str:
        found.append((figure.to_dict(), place, height))
        return place

    monkeypatch.setattr(figures, "_html", keep)
    return found


def test_bars_are_the_thirty_largest_the_largest_on_top(drawn: list[tuple[Any, str, int]]) -> None:
    pairs = {f"S{number:02d}": (number / 100, -number / 50) for number in range(1, 33)} | {"A": (0.64, 0.0)}
    assert figures.bars(pairs, "here") == "here"
    [(figure, place, height)] = drawn
    target, now = figure["data"]
    # A tie is broken by name, the first on top.
    names = [f"S{number:02d}" for number in range(4, 32)] + [
        "S32",
        "A",
    ]
    assert list(now["y"]) == list(target["y"]) == names
    assert (now["name"], target["name"], place, height) == ("now", "target", "here", 110 + 22 * 30)
    assert (now["x"][0], target["x"][0], now["x"][-1], target["x"][-1]) == (0.04, -0.08, 0.64, 0.0)


def test_risk_bars_leave_out_what_is_neither_held_nor_risky(drawn: list[tuple[Any, str, int]]) -> None:
    weights = [
        {"symbol": "A", "weight": 0.5, "risk_contribution": 0.7},
        {"symbol": "B", "weight": 1e-6, "risk_contribution": None},
        {"symbol": "C", "weight": 2e-6, "risk_contribution": None},
        {"symbol": "D", "weight": 0.0, "risk_contribution": -0.1},
    ]  # fmt: skip
    figures.risk_bars(weights, "risk")
    risk, weight = drawn[0][0]["data"]
    assert [weight["name"], risk["name"], *weight["y"]] == ["weight", "share of risk", "C", "D", "A"]
    assert list(risk["x"]) == [0.0, -0.1, 0.7]


def point(volatility: float, expected: float) -> FrontierPoint:
    return FrontierPoint(volatility=volatility, expected_return=expected, weights={})


def test_the_frontier_has_volatility_across_and_return_upwards(drawn: list[tuple[Any, str, int]]) -> None:
    answer = FrontierAnswer(
        portfolio_id="p", pricing_pack_id="PP", asof_date=date(2024, 2, 29), current=point(0.3, 0.04),
        points=[point(0.1, 0.05), point(0.2, 0.08)], warnings=[],
    )  # fmt: skip
    figures.frontier_line(answer, (0.15, 0.07), "f")
    figures.frontier_line(answer.model_copy(update={"current": None}), None, "f")
    full, bare = (figure["data"] for figure, _, _ in drawn)
    assert [(trace["name"], list(trace["x"]), list(trace["y"])) for trace in full] == [
        ("frontier", [0.1, 0.2], [0.05, 0.08]), ("held", [0.3], [0.04]), ("target", [0.15], [0.07]),
    ]  # fmt: skip
    assert [trace["name"] for trace in bare] == ["frontier"]


def history(**strategies: list[float]) -> Any:
    """A track whose strategies have these returns on consecutive business days from 2024-01-02 on."""
    length = max(map(len, strategies.values()))
    index = pd.bdate_range("2024-01-02", periods=length)
    told = {name: pd.Series(returns, index[-len(returns) :]) for name, returns in strategies.items()}
    return track(told, 0.0, pd.Timestamp("2024-01-01"), weights="not kept")


def test_value_starts_at_one_and_the_own_policy_comes_first(drawn: list[tuple[Any, str, int]]) -> None:
    told = history(benchmark=[0.5, -0.5], policy=[0.25, 0.0])
    figures.value(told, "value")
    figures.drawdown(told, "drawdown")
    value, drawdown = (figure["data"] for figure, _, _ in drawn)
    dates = ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert [(t["name"], list(t["x"]), list(t["y"])) for t in value] == [
        ("policy", dates, [1.0, 1.25, 1.25]), ("benchmark", dates, [1.0, 1.5, 0.75]),
    ]  # fmt: skip
    assert [list(t["y"]) for t in drawdown] == [[0.0, 0.0, 0.0], [0.0, 0.0, -0.5]]
    assert [t["line"]["width"] for t in value] == [2.2, 1.2]
    assert [figure["layout"]["yaxis"].get("type") for figure, _, _ in drawn] == ["log", None]


@pytest.mark.parametrize(("number", "kept"), [(1500, 1500), (1501, 752), (3001, 1002)])
def test_a_long_history_is_thinned(drawn: list[tuple[Any, str, int]], number: int, kept: int) -> None:
    frame = pd.DataFrame({"policy": np.arange(number) + 1.0}, pd.bdate_range("2000-01-03", periods=number))
    figure = figures._lines(frame).to_dict()
    assert len(figure["data"][0]["x"]) == kept
    assert figure["data"][0]["y"][-1] == number


def test_a_strategy_has_one_colour_in_all_pictures() -> None:
    frame = pd.DataFrame(
        1.0, pd.bdate_range("2024-01-02", periods=2), ["policy", "benchmark", "equal_weight"]
    )
    first, second = (
        {t["name"]: t["line"]["color"] for t in figures._lines(part).to_dict()["data"]}
        for part in (frame, frame.drop(columns="benchmark"))
    )
    assert second == {name: first[name] for name in second} and len(set(first.values())) == 3


def test_the_calendar_tells_months_and_years_and_colours_them_by_their_size() -> None:
    returns = pd.Series(
        [0.1, 0.5, 0.1, -0.2, 0.0],
        pd.to_datetime(["2023-12-05", "2024-01-05", "2024-01-08", "2024-03-04", "2024-03-05"]),
    )
    (first, december), (second, year) = page.calendar(monthly_table(returns))
    assert (first, second) == (2023, 2024)
    assert [cell[0] for cell in december] == [*[""] * 11, "10.0", "10.0"]
    assert [cell[0] for cell in year] == ["65.0", "", "-20.0", *[""] * 9, "32.0"]
    assert [cell[1:] for cell in (year[0], year[1], year[2], year[12])] == [
        ("up", 70), ("", 0), ("down", round(70 * 0.20 / 0.632)), ("up", 70),
    ]  # fmt: skip


def scenario(name: str, profit: float, error: float) -> ScenarioAnswer:
    return ScenarioAnswer(
        scenario_id=name, name=name, severity="mild", probability=None, shocks={}, profit=profit,
        profit_pct=profit / 20, standard_error=error, by_factor={}, compounding=0.0, positions=[],
    )  # fmt: skip


def test_losses_are_shares_of_the_value_with_their_errors(drawn: list[tuple[Any, str, int]]) -> None:
    answer = StressAnswer(
        portfolio_id="p", pricing_pack_id="PP", asof_date=date(2024, 2, 29), current_value=2000.0, warnings=[],
        scenarios=[scenario("crash", -500.0, 40.0), scenario("calm", 0.0, 10.0), scenario("boom", 100.0, 20.0)],
    )  # fmt: skip
    figures.losses(answer, "s")
    figures.losses(answer.model_copy(update={"current_value": 0.0}), "s")
    [bar], [none] = (figure["data"] for figure, _, _ in drawn)
    assert (list(bar["y"]), list(bar["x"])) == (["boom", "calm", "crash"], [0.05, 0.0, -0.25])
    assert list(bar["error_x"]["array"]) == pytest.approx([0.01, 0.005, 0.02])
    assert list(bar["marker"]["color"]) == [figures.GAIN, figures.GAIN, figures.LOSS]
    assert list(none["error_x"]["array"]) == [0.0] * 3 and drawn[0][2] == 110 + 19 * 3


def axes(figure: Any) -> list[tuple[str | None, str | None]]:
    """Title and format of the axis across and of the one upwards."""
    layout = figure["layout"]
    told = [layout.get(name, {}) for name in ("xaxis", "yaxis")]
    return [(axis.get("title", {}).get("text"), axis.get("tickformat")) for axis in told]


def test_axes_say_what_they_measure(drawn: list[tuple[Any, str, int]]) -> None:
    answer = StressAnswer(
        portfolio_id="p", pricing_pack_id="PP", asof_date=date(2024, 2, 29), current_value=2000.0, warnings=[],
        scenarios=[scenario("crash", -500.0, 40.0)],
    )  # fmt: skip
    line = FrontierAnswer(
        portfolio_id="p", pricing_pack_id="PP", asof_date=date(2024, 2, 29), current=None, points=[point(0.1, 0.05)],
        warnings=[],
    )  # fmt: skip
    told = history(policy=[0.01, -0.01, 0.02])
    figures.losses(answer, "s")
    figures.frontier_line(line, None, "f")
    figures.bars({"A": (0.1, 0.2)}, "b")
    figures.value(told, "n")
    figures.drawdown(told, "d")
    figures.distribution(told, "h")
    assert [axes(figure) for figure, _, _ in drawn] == [
        [("of the portfolio's value", ".3~%"), (None, None)],
        [("volatility a year", ".3~%"), ("expected return a year", ".3~%")],
        [(None, ".3~%"), (None, None)],
        [(None, None), ("value of 1 invested", None)],
        [(None, None), ("below the peak", ".3~%")],
        [("return of a period", ".3~%"), ("share of the periods", ".3~%")],
    ]


def test_a_figure_has_its_place_and_brings_no_library() -> None:
    import plotly.graph_objects as go

    html = figures._html(go.Figure(go.Bar(x=[1], y=["a"])), "p0-weights", 321)
    assert 'id="p0-weights"' in html and '"height":321' in html and '"displaylogo": false' in html
    assert len(html) < 20_000 and "<html" not in html


def _light(colour: list[float]) -> float:
    """Relative luminance of WCAG 2."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_the_strongest_month_of_the_calendar_can_be_read_in_light_and_dark() -> None:
    sheet = (Path(page.__file__).parent / "page.html.j2").read_text("utf-8")
    for declared in re.findall(r":root {(.*?)}", sheet):
        told = dict(re.findall(r"--(\w+): ([^;]+);", declared))
        hexes = {name: text.replace("#fff", "#ffffff") for name, text in told.items() if text[0] == "#"}
        seen = {name: [int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)] for name, text in hexes.items()}
        share = 0.7 * float(told["heat"])  # 70 is the strongest
        for name in ("gain", "loss"):
            mixed = [
                share * one + (1 - share) * other
                for one, other in zip(seen[name], seen["paper"], strict=True)
            ]
            low, high = sorted((_light(mixed), _light(seen["ink"])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, declared


def test_numbers_are_read_with_their_digits() -> None:
    nan = float("nan")
    assert [page._percent(0.12345), page._percent(0.12345, 2), page._percent(None), page._percent(nan)] == [
        "12.3%", "12.35%", "", "",
    ]  # fmt: skip
    assert [page._number(1234.567), page._number(1234.5, 0), page._number(None), page._number(nan)] == [
        "1,234.57", "1,234", "", "",
    ]  # fmt: skip
    assert [page._short("0123456789abcdef0"), page._short(None), page._words('["a", "b"]')] == [
        "0123456789abcdef", "", "a, b",
    ]  # fmt: skip
    measures = {
        "trade_count": "1,235", "max_drawdown_days": "1,235", "final_value": "1,234.57", "total_cost": "1,234.57",
        "sharpe_low": "1,234.57", "information_ratio": "1,234.57", "volatility": "123456.70%",
    }  # fmt: skip
    assert {metric: measure_text(1234.567, metric) for metric in measures} == measures


def section(weights: list[Row] | None = None, **changes: Any) -> Any:
    facts = {"result": {"volatility": 0.1, "expected_return": 0.05}, "totals": None}
    row = {"symbol": "A", "current_weight": None, "weight": 1e-5, "risk_contribution": 0.1}
    stored = SimpleNamespace(weights=[row] if weights is None else weights, backtest=None, book=None)
    return SimpleNamespace(
        **{"facts": facts, "stored": stored, "exposures": {}, "frontier": None, "stress": None, **changes}
    )


def test_only_pictures_with_something_to_show_are_drawn(drawn: list[tuple[Any, str, int]]) -> None:
    answer = FrontierAnswer(
        portfolio_id="p", pricing_pack_id="PP", asof_date=date(2024, 2, 29), current=None, points=[point(0.1, 0.05)],
        warnings=[],
    )  # fmt: skip
    made = page._pictures(section(), "p1")
    assert {name for name, html in made.items() if html} == {"weights", "risk"}
    assert made["weights"] == "p1-weights" and list(drawn[0][0]["data"][1]["x"]) == [0.0]
    still = section(
        weights=[{"symbol": "A", "current_weight": 1e-7, "weight": 1e-6, "risk_contribution": None}]
    )
    assert not any(page._pictures(still, "p1").values())
    drawn.clear()
    full = section(frontier=answer, exposures={"EQUITY": (0.5, 1.0)}, weights=[])
    assert {name for name, html in page._pictures(full, "p2").items() if html} == {"exposures", "frontier"}
    assert [trace["name"] for trace in drawn[1][0]["data"]] == ["frontier", "target"]
    drawn.clear()
    unsolved = section(weights=[], frontier=answer, facts={"result": None, "totals": None})
    assert {name for name, html in page._pictures(unsolved, "p3").items() if html} == {"frontier"}
    assert [trace["name"] for trace in drawn[0][0]["data"]] == ["frontier"]
    empty = answer.model_copy(update={"points": []})
    assert not any(page._pictures(section(weights=[], frontier=empty), "p4").values())


def test_the_parts_of_the_policys_return_are_a_row_each() -> None:
    names = ("strategy", "breakdown", "part", "effect", "contribution")
    found = [
        ("policy", "sector", "Energy", "allocation", 0.1), ("policy", "sector", "Energy", "selection", 0.2),
        ("benchmark", "sector", "Energy", "allocation", 9.0), ("policy", "exposure", "EQUITY", "total", 0.3),
        ("policy", "sector", "Banks", "selection", -0.1),
    ]  # fmt: skip
    assert _attribution([dict(zip(names, row, strict=True)) for row in found]) == {
        "sector": [
            {"part": "Energy", "allocation": 0.1, "selection": 0.2}, {"part": "Banks", "selection": -0.1},
        ],
        "exposure": [{"part": "EQUITY", "total": 0.3}],
    }  # fmt: skip


@pytest.fixture
def reading() -> Iterator[Any]:
    """Two packs and a rejected one, two portfolios, two versions of the code in two environments."""
    with duckdb.connect() as con:
        con.execute("""
            create table pricing_packs as select * from (values
                ('PP_1', date '2024-01-01', 1, 'fresh'), ('PP_1.2', date '2024-01-01', 2, 'fresh'),
                ('PP_2', date '2024-01-02', 1, 'rejected'), ('PP_3', date '2024-01-03', 1, 'fresh')
            ) as t(pack_id, as_of, revision, verdict);
            create table latest_backtest_results as select * from (values
                ('PP_1', 'book'), ('PP_1.2', 'book'), ('PP_2', 'book'), ('PP_3', 'book'), ('PP_1', 'other')
            ) as t(pack_id, portfolio_id);
            create table latest_portfolio_snapshots as select * from (values
                ('PP_1', 'b', 'book'), ('PP_3', 'b', 'renamed'), ('PP_1', 'o', 'other')
            ) as t(pack_id, portfolio_id, name);
            create table configs as select * from (values
                ('v1', '{"commit": "one"}'), ('v2', '{"commit": "two"}'), ('c', '{}')
            ) as t(config_hash, text);
            create table materializations as select * from (values
                (1, 'prices', null, null, 10, 'h1', 'c', 'v1', timestamp '2024-01-01 20:00', 'r1', 't1'),
                (2, 'trades', 'PP_1', 'b', 3, 'h2', 'c', 'v1', timestamp '2024-01-01 21:00', 'r1', 't2'),
                (3, 'trades', 'PP_1', 'o', 4, 'h3', 'c', 'v2', timestamp '2024-01-02 21:00', 'r2', 't3'),
                (4, 'trades', 'PP_3', 'b', 5, 'h4', 'c', 'v3', timestamp '2024-01-03 21:00', 'r3', 't4')
            ) as t(id, asset, pack_id, portfolio_id, rows, content_hash, config_hash, code_version, "at", run_id,
                   this_hash);
            create view versions as select id as materialization, * exclude id from materializations;
            create table check_findings as select * from (values
                ('STALE', 'warn', 'AAA', date '2024-01-01', 'old news', 'PP_1', 2),
                ('STALE', 'warn', 'BBB', date '2024-01-02', 'new news', 'PP_1', 2),
                ('STALE', 'warn', 'BBB', null, 'undated', 'PP_1', 2),
                ('STALE', 'warn', 'CCC', date '2024-01-09', 'of another pack', 'PP_3', 4),
                ('JUMP', 'warn', 'AAA', null, 'at the watermark', null, 2),
                ('JUMP', 'warn', 'BBB', null, 'after the watermark', null, 3),
                ('GAP', 'error', 'AAA', date '2024-01-01', 'a gap', null, 1)
            ) as t(code, severity, symbol, date, message, pack_id, materialization);
        """)
        yield SimpleNamespace(con=con)


def pack(name: str, as_of: date, watermark: int = 2) -> Any:
    return SimpleNamespace(id=name, as_of=as_of, watermark=watermark)


def test_a_backtest_is_of_the_newest_fresh_pack_up_to_this_one(reading: Any) -> None:
    new_year = date(2024, 1, 1)
    asked = [
        (new_year, "book"), (date(2024, 1, 2), "book"), (date(2024, 1, 3), "book"), (date(2024, 1, 3), "other"),
        (date(2023, 12, 31), "book"), (date(2024, 1, 3), "nobody"),
    ]  # fmt: skip
    found = [pack_of_backtest(reading.con, pack("x", day), portfolio) for day, portfolio in asked]
    assert found == ["PP_1.2", "PP_1.2", "PP_3", "PP_1", None, None]


def test_findings_are_counted_by_code_up_to_the_watermark(reading: Any) -> None:
    told = findings(reading, pack("PP_1", date(2024, 1, 1)))
    assert [tuple(row.values()) for row in told] == [
        ("GAP", "error", 1, 1, date(2024, 1, 1), "a gap"),
        ("JUMP", "warn", 1, 1, None, "at the watermark"),
        ("STALE", "warn", 3, 2, date(2024, 1, 2), "new news"),
    ]


def test_the_environment_is_that_of_the_packs_last_write(reading: Any) -> None:
    first, last = (written(reading, pack(name, date(2024, 1, 1))) for name in ("PP_1", "PP_3"))
    assert [(row["id"], row["portfolio"], row["rows"], row["at"]) for row in first] == [
        (2, "book", 3, datetime(2024, 1, 1, 21)), (3, "other", 4, datetime(2024, 1, 2, 21)),  # noqa: DTZ001  as stored
    ]  # fmt: skip
    assert environment(reading, first) == {"commit": "two"}
    assert environment(reading, first[:1]) == {"commit": "one"}
    assert [row["portfolio"] for row in last] == ["renamed"] and environment(reading, last) == {}
    with pytest.raises(PolicyError, match="packs verify"):
        environment(reading, [])


def asked_of(
    monkeypatch: pytest.MonkeyPatch, home: Path, error: Exception | None = None
) -> list[tuple[Any, ...]]:
    asked: list[tuple[Any, ...]] = []

    def contents(desk: Any, pack: Any, portfolio: Any) -> Any:
        asked.append((desk.settings.home, pack, portfolio))
        if error:
            raise error
        return SimpleNamespace(pack={"pack_id": "PP_2024-02-29"})

    monkeypatch.setenv("PACKFOLIO_HOME", str(home))
    monkeypatch.setattr(command, "contents", contents)
    monkeypatch.setattr(command, "render", lambda report: json.dumps(report.pack))
    return asked


def test_a_report_is_written_into_the_home_or_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = asked_of(monkeypatch, tmp_path)
    command.write()
    command.write("PP_1", "book", tmp_path / "a" / "b.html")
    command.write("PP_1", "a/b")  # not over that of all
    reports = tmp_path / "reports"
    places = [reports / "PP_2024-02-29.html", tmp_path / "a" / "b.html", reports / "PP_2024-02-29-a_b.html"]
    assert capsys.readouterr().out.split() == [str(place) for place in places]
    assert [place.read_text() for place in places] == ['{"pack_id": "PP_2024-02-29"}'] * 3
    assert asked == [(tmp_path, None, None), (tmp_path, "PP_1", "book"), (tmp_path, "PP_1", "a/b")]
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["b.html"]


@pytest.mark.parametrize(
    ("error", "status"), [(PolicyError("no such portfolio"), 2), (DataError("rejected"), 1)]
)
def test_a_report_that_cannot_be_made_ends_with_its_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
) -> None:
    asked_of(monkeypatch, tmp_path, error)
    with pytest.raises(SystemExit) as ended:
        command.write()
    assert ended.value.code == status
    assert capsys.readouterr() == ("", f"{type(error).__name__} {error}\n")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        PolicyError, match=r"page.html cannot be written \(.*\); choose another place with --out"
    ):
        command._save(tmp_path / "file" / "page.html", b"x")
