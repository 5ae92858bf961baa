"""The report's figures and words where a reader can check them: round returns, a short table, a sentence each."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.drawing_primitives import DeviceRGB

from service import performance
from service.report import contents as report_contents
from service.report import drawing, figures, pdf
from service.report.contents import Contents, contents
from service.report.pdf import document
from service.report.table import Table
from service.report.track import in_words, track

START = pd.Timestamp("2022-12-30")


def test_every_level_of_a_quantile_is_that_share_of_the_days() -> None:
    returns = pd.Series(np.arange(101) / 1e4, pd.bdate_range("2023-01-02", periods=101))
    told = track({"policy": returns, "benchmark": returns / 2}, 0.0, START, weights="not kept").quantiles[
        "day"
    ]
    shares = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0]
    assert list(told["policy"]) == ["worst", "1%", "5%", "25%", "median", "75%", "95%", "99%", "best"]
    assert list(told["policy"].values()) == pytest.approx([share / 100 for share in shares])
    assert list(told["benchmark"].values()) == pytest.approx([share / 200 for share in shares])


def test_a_history_in_sentences() -> None:
    days = pd.bdate_range("2023-01-02", periods=260)
    own = pd.Series(np.tile([0.01, -0.005], 130), days)
    own.iloc[1] = -0.02
    told = track({"policy": own, "benchmark": own / 2}, 0.0, START, weights="not kept")
    shown = {metric: values["policy"] for group in told.measures.values() for metric, values in group.items()}
    first, fall, tail, sharpe = in_words(told)
    ahead = 100 * (shown["annual_return"] - told_of(told, "annual_return", "benchmark"))
    assert ahead > 1.0
    assert first == (
        f"From 2023-01-02 to 2023-12-29 it earned {100 * shown['annual_return']:.1f}% a year, {ahead:.1f} points a "
        f"year more than its benchmark, at a volatility of {100 * shown['volatility']:.1f}%."
    )
    assert fall == "Its deepest fall was 2.0%, from 2023-01-02 to 2023-01-03, made good by 2023-01-12."
    # (2 + 12 / 2) / 13.
    assert tail == "One day in twenty lost more than 0.5%; on those days it lost 0.6% on average."
    assert sharpe.startswith(
        f"Its Sharpe ratio is {shown['sharpe']:.2f}, between {shown['sharpe_low']:.2f} and "
    )
    assert sharpe.endswith(f"with a chance of {100 * shown['probabilistic_sharpe']:.1f}%.")
    behind = in_words(track({"policy": own / 2, "benchmark": own}, 0.0, START, weights="not kept"))
    assert f", {ahead:.1f} points a year less than its benchmark" in behind[0]
    alike = in_words(track({"policy": own, "benchmark": own}, 0.0, START, weights="not kept"))
    assert "% a year, as much as its benchmark, at a volatility of " in alike[0]


def told_of(told: Any, measure: str, name: str) -> float:
    [found] = [group[measure][name] for group in told.measures.values() if measure in group]
    return float(found)


def test_a_table_of_a_page_keeps_the_rows_of_its_strategies() -> None:
    table = Table("t", {"at": "text", "strategy": "text"}, [[1, "policy"], [2, "other"], [3, "benchmark"]])
    assert pdf._only(table, 1, ("policy", "benchmark")).rows == [[1, "policy"], [3, "benchmark"]]


def test_only_a_warning_is_in_the_colour_of_warnings() -> None:
    colours: list[tuple[int, ...]] = []
    page: Any = SimpleNamespace(
        set_font=lambda **how: None, multi_cell=lambda *where, **how: None, ln=lambda high: None,
        set_text_color=lambda *colour: colours.append(colour),
    )  # fmt: skip
    pdf._text(page, "as ever")
    pdf._text(page, "look here", warn=True)
    assert colours == [drawing.INK, (180, 86, 31)]


def test_the_lines_of_a_file_are_as_wide_as_the_page_and_its_fonts_are_closed(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[TTFont] = []
    closed: list[TTFont] = []
    lines: list[tuple[Any, ...]] = []
    begin, close, cell = TTFont.__init__, TTFont.close, FPDF.cell
    monkeypatch.setattr(
        FPDF, "cell", lambda page, *told, **how: (lines.append(told), cell(page, *told, **how))[1]
    )
    monkeypatch.setattr(
        TTFont, "__init__", lambda font, *a, **k: (opened.append(font), begin(font, *a, **k))[1]
    )
    monkeypatch.setattr(TTFont, "close", lambda font: (closed.append(font), close(font))[1])
    found: Contents = contents(service.desk, "PP_2025-10-26", "empty")
    document(found)
    assert len(opened) >= 2 and {*map(id, opened)} == {*map(id, closed)}
    [section] = found.sections
    assert lines[0] == (0, 10, found.pack["pack_id"])
    assert [line for line in lines if line[1] == 8] == [
        (0, 8, f"{section.name} (live, USD)"),
        (0, 8, "Data quality and provenance"),
    ]


@pytest.mark.parametrize(("value", "form", "told"), [
    (None, "percent", ""), (float("nan"), "percent", ""), (0.1234, "percent", "12.3%"), (-0.0001, "percent", "0.0%"),
    (1234.5, "shares", "1,234.5"), (10.0, "shares", "10"), (1234.6, "count", "1,235"), (1234.567, "money", "1,234.57"),
    ("as is", "percent", "as is"),
])  # fmt: skip
def test_a_cell_is_told_in_its_form(value: Any, form: str, told: str) -> None:
    assert pdf.text(value, form) == told


def test_a_months_colour_is_stronger_the_further_it_moved_up_to_a_tenth() -> None:
    months = Table("x months", {"year": "text", "Jan": "percent", "whole year": "percent"}, [])
    # 55% of the way from white to green or red at 10%, or at 30% in a year.
    for name, value, colour in (
        ("Jan", 0.05, (202, 224, 211)), ("Jan", 0.1, (149, 193, 167)), ("Jan", 0.5, (149, 193, 167)),
        ("Jan", -0.1, (225, 162, 148)), ("whole year", 0.15, (202, 224, 211)),
    ):  # fmt: skip
        style = pdf._heat(months, name, value)
        assert style is not None and style.fill_color == DeviceRGB(*(part / 255 for part in colour))
    assert pdf._heat(months, "year", "2024") is None and pdf._heat(months, "Jan", float("nan")) is None
    assert pdf._heat(Table("x falls", {}, []), "Jan", 0.1) is None


def test_groups_that_earned_nothing_are_not_drawn_and_the_others_keep_their_colours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(
        figures, "_html", lambda figure, place, height: drawn.append(figure.to_dict()) or place
    )
    path = {
        "dates": ["2024-01-02", "2024-01-03"],
        "groups": {"market": [0.1234567, 0.2], "cash": [0.0, 4e-6], "style": [0.0, -0.01]},
    }
    assert figures.earned(path, "here") == "here"
    market, style = drawn[0]["data"]
    assert (market["name"], list(market["x"]), list(market["y"])) == ("market", path["dates"], [0.12346, 0.2])
    assert (style["name"], list(style["y"]), style["mode"]) == ("style", [0.0, -0.01], "lines")
    assert [line["line"]["color"] for line in (market, style)] == [figures.AREAS[0], figures.AREAS[2]]


def test_a_backtest_on_the_screen_begins_with_the_policy_and_at_one(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [f"2024-01-0{day}" for day in (1, 2, 3)]
    told = {
        "benchmark": [(2.0, 0.0, 0.0), (2.2, 0.1, 0.0), (1.1, -0.5, -0.5)],
        "policy": [None, (4.0, 0.25, 0.0), (3.0, -0.25, -0.25)],
    }
    stored = [
        {"strategy": name, "date": day, "nav": row[0], "return": row[1], "drawdown": row[2], "simulated": False}
        for name, values in told.items() for day, row in zip(days, values, strict=True) if row
    ]  # fmt: skip
    monkeypatch.setattr(performance, "pack_of_backtest", lambda con, pack, portfolio: "PP_2024-01-03")
    monkeypatch.setattr(performance, "rows", lambda con, query, values: stored)
    measures = {"portfolios": {"book": {"policy": {"sharpe": 0.5}}}}
    monkeypatch.setattr(performance, "backtest_of", lambda con, pack, portfolio: measures)
    snapshot: Any = SimpleNamespace(portfolio_id="p", policy=SimpleNamespace(risk_free_rate=0.0))
    found = performance._backtest(None, None, snapshot, 5)  # type: ignore[arg-type]
    assert found is not None
    assert (found["strategies"], found["dates"]) == (["policy", "benchmark"], days[1:])
    assert found["growth"] == {"policy": [1.0, 0.75], "benchmark": [1.0, 0.5]}
    assert found["drawdown"] == {"policy": [0.0, -0.25], "benchmark": [0.0, -0.5]}
    assert found["since"] == {"policy": days[1], "benchmark": days[0]} and found["simulated"] is False
    assert found["rolling"]["window"] == 5 and found["measures"] == {"policy": {"sharpe": 0.5}}


def test_rolling_figures_count_the_returns_that_there_are_and_the_periods_of_their_dates() -> None:
    weeks = pd.date_range("2024-01-05", periods=8, freq="W-FRI")
    own, other = [0.02, -0.01, 0.03, 0.0, -0.02, 0.01, 0.02], [0.01, -0.01, 0.01, 0.02, -0.01, 0.01, 0.0]
    returns = pd.DataFrame(
        {
            "policy": [np.nan, *own],
            "benchmark": [*[np.nan] * 3, *other[2:]],
            "ruined": [np.nan, 0.1, -0.5, -1.0, *[np.nan] * 4],
        },
        weeks,
    )
    rates = pd.Series([0.0, 0.52], weeks[[0, 6]])  # known at the close of week 6, charged in week 7
    found = performance._rolling(returns, rates, 3, range(8))
    volatility = [np.std(own[at : at + 3], ddof=1) * 52**0.5 for at in range(5)]
    assert found["volatility"]["policy"] == pytest.approx([np.nan] * 3 + volatility, abs=1e-6, nan_ok=True)
    ratios = [np.mean(own[at : at + 3]) * 52 / volatility[at] for at in range(4)]
    excess = np.array(own[4:]) - [0.0, 0.0, 1.52 ** (1 / 52) - 1]
    ratios.append(excess.mean() / excess.std(ddof=1) * 52**0.5)
    assert found["sharpe"]["policy"] == pytest.approx([np.nan] * 3 + ratios, abs=1e-6, nan_ok=True)
    lone = np.polyfit(other[4:], own[4:], 1)[0]
    assert np.isnan(found["beta"]["policy"][:5]).all() and found["beta"]["policy"][7] == pytest.approx(
        lone, abs=1e-6
    )
    assert np.flatnonzero(np.isfinite(found["volatility"]["ruined"])).tolist() == [3]
    assert sorted(found["beta"]) == ["policy", "ruined"]


def test_what_began_on_another_day_is_measured_on_the_policys_days() -> None:
    days = pd.bdate_range("2024-01-01", periods=22)
    returns = pd.DataFrame(
        {"policy": [np.nan, *[0.01] * 21], "equal_weight": [0.5, *[0.01, 0.0] * 10, 0.01]}, days
    )
    told = performance._measured(returns, "equal_weight", 0.0)
    assert told["total_return"] == pytest.approx(1.01**11 - 1)  # not what it earned before the policy began
    assert performance._measured(returns.iloc[:20], "equal_weight", 0.0) == {}
    # There is nothing to measure against before.
    late = returns.assign(benchmark=[*[np.nan] * 9, *[0.01] * 13])
    assert performance._measured(late, "equal_weight", 0.0) == pytest.approx(told, nan_ok=True)


def test_a_chart_that_has_no_room_for_all_says_of_how_many_it_is_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: dict[str, int] = {}
    monkeypatch.setattr(
        drawing, "bars", lambda pdf, pairs, names, title, margin: drawn.update({title: len(pairs)})
    )
    scenarios = [SimpleNamespace(name=f"s{place}", profit_pct=place - 40.0) for place in range(45)]
    section: Any = SimpleNamespace(
        stored=SimpleNamespace(weights=[]), exposures={}, stress=SimpleNamespace(scenarios=scenarios)
    )
    pdf._now(None, section)  # type: ignore[arg-type]
    section.stress = SimpleNamespace(scenarios=scenarios[:44])
    pdf._now(None, section)  # type: ignore[arg-type]
    title = "Scenario losses of what is held now, of its value"
    assert drawn == {f"{title} (the first 44 of 45)": 44, title: 44}


def test_a_book_that_no_scenario_moves_says_so_in_place_of_a_chart_of_zeros(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded, desk = SimpleNamespace(), SimpleNamespace(playbooks=None)
    monkeypatch.setattr(report_contents, "chosen_scenarios", lambda *asked: [])
    monkeypatch.setattr(report_contents, "exposed", lambda *asked: None)
    for moved, said in ((0.0, {"stress": "nothing that it holds moves under a scenario"}), (-1.0, {})):
        answer = SimpleNamespace(scenarios=[SimpleNamespace(profit_pct=part) for part in (0.0, moved)])
        monkeypatch.setattr(report_contents, "stress_answer", lambda *asked, answer=answer: answer)
        left_out: dict[str, str] = {}
        report_contents._tried("stress", loaded, lambda found: report_contents._stress(desk, found), left_out)  # type: ignore[arg-type]
        assert left_out == said


def test_a_window_begins_with_its_first_whole_one_and_a_year_with_the_last_close_before_it() -> None:
    days = pd.date_range("2022-07-01", "2023-01-20")  # a coin trades on New Year's Day too
    own = pd.Series(np.linspace(0.001, 0.02, len(days)), days)
    told = track({"policy": own}, 0.0, days[0] - pd.Timedelta(days=1), weights="not kept")
    assert told.rolling["volatility"].index[0] == days[told.window - 1]
    assert told.rolling["volatility"].notna().all().all()
    grew = {
        "year to date": own["2023-01-01":],
        "month to date": own["2023-01-01":],
        "3 months": own["2022-10-21":],
    }
    for time, returns in grew.items():
        assert told.trailing[time]["policy"] == pytest.approx((1 + returns).prod() - 1)


def test_a_history_begins_on_a_page_of_its_own_with_the_quantiles_of_its_two_strategies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    days = pd.bdate_range("2022-01-03", periods=260)
    own = pd.Series(np.tile([0.01, -0.005], 130), days)
    told = track(
        {"policy": own, "benchmark": own / 2, "other": own / 3},
        0.0,
        days[0] - pd.Timedelta(days=1),
        weights="",
    )
    asked: list[str] = []
    shown: list[Table] = []

    class Page:
        def __getattr__(self, name: str) -> Any:
            return lambda *where, **how: asked.append(name)

    nothing = dict.fromkeys(("lines", "histogram", "areas"), lambda *what, **how: None)
    monkeypatch.setattr(pdf, "drawing", SimpleNamespace(COLOURS=drawing.COLOURS, INK=drawing.INK, **nothing))
    monkeypatch.setattr(pdf, "_table", lambda page, table: shown.append(table))
    page: Any = Page()
    pdf._history(page, "Backtest", "Walk-forward.", told)
    assert asked[0] == "add_page" and asked.count("add_page") == 1
    quantiles = next(table for table in shown if table.title == "x quantiles")
    assert {row[0] for row in quantiles.rows} >= {"day", "month"}
    assert {row[1] for row in quantiles.rows} == {"policy", "benchmark"}


def test_exposures_by_trade_leave_out_who_holds_and_keep_what_the_trades_come_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    titles = (
        "Summary", "Trades", "Held", "Tax lots", "Limits that bind", "Days to trade", "Value at risk",
        "Factor risk", "Risk by name",
        "Return by factor", "Return from pack to pack", "Attribution", "Left out",
    )  # fmt: skip
    made = [Table(title, {}, []) for title in titles]
    rows: list[list[object]] = [["BUY", "A"], ["HOLD", "B"], ["SELL", "C"], ["", "together"]]
    shown: dict[str, Table] = {}
    monkeypatch.setattr(pdf, "section_tables", lambda section: [*made, Table("Exposures by trade", {}, rows)])
    monkeypatch.setattr(pdf, "_table", lambda page, table: shown.update({table.title: table}))
    for name in ("_heading", "_text", "_now"):
        monkeypatch.setattr(pdf, name, lambda *what, **how: None)
    section: Any = SimpleNamespace(
        name="book", problem=None, warnings=[],
        facts={"mode": "paper", "base_currency": "USD", "result": None, "totals": None, "trades": []},
        stored=SimpleNamespace(backtest=None, book=None, tested=None),
    )  # fmt: skip
    pdf._section(SimpleNamespace(), section)  # type: ignore[arg-type]
    assert list(shown["Exposures by trade"].rows) == [rows[0], rows[2], rows[3]]
    assert set(shown) == {*titles, "Exposures by trade"}
