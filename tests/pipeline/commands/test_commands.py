"""The commands of the day, typed at one small desk with two sources, three packs and three portfolios."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer
from typed_desk import REVISED, THURSDAY, WEDNESDAY, Typed, read_published

from pipeline.commands import backtest_sweep
from pipeline.runs import Outcome

pytestmark = pytest.mark.xdist_group("terminal")


def test_an_ingest_takes_one_source_and_the_days_asked_for(typed: Typed) -> None:
    other = {
        f"{kind}_{name}": 0 for kind in ("reference", "account") for name in ("files", "rows", "set_aside")
    }
    nothing = {"noted": [], "set_aside_today": [], "accounts_set_aside": [], "set_aside": 0, "refused": 0}
    done = {"status": "done", "reason": "", "files": 1} | nothing | other
    until = date(2024, 2, 27)
    inbox, annex = done | {"rows": 5 * 298, "symbols": 5}, done | {"rows": 1, "symbols": 1}
    assert typed.ingested["2024-02-27"] == (inbox, [("inbox", until, 5 * 298)])
    assert typed.ingested["annex"] == (annex, [("annex", date(2024, 2, 29), 1), ("inbox", until, 5 * 298)])


def test_a_run_prints_the_trades_of_the_pack_it_cut(typed: Typed) -> None:
    assert (typed.first["status"], typed.first["reason"], typed.first["pack_id"]) == ("done", "", WEDNESDAY)
    shown = typed.at.read("trades", WEDNESDAY)
    later = [note for note in shown["notes"] if note.startswith("paper: its day under")]
    shown["notes"] = [note for note in shown["notes"] if note not in later]
    assert len(later) == 1 and {**shown, "status": "done", "reason": ""} == typed.first
    assert [book["name"] for book in shown["portfolios"]] == ["book", "paper"]
    assert [
        book["name"] for book in typed.at.read("trades", WEDNESDAY, "--portfolio", "paper")["portfolios"]
    ] == ["paper"]


def test_a_run_with_an_infeasible_portfolio_trades_for_the_others_and_fails(typed: Typed) -> None:
    assert typed.second.status == 1
    assert typed.second.err.startswith(
        "1 without weights: tight: no portfolio keeps all limits; relax one of: "
    )
    lines = typed.second.lines
    assert lines[1] == f"{THURSDAY}  as of 2024-02-29"
    assert [line for line in lines if line.endswith(", USD)")] == [
        "book (live, USD)",
        "paper (paper, USD)",
        "tight (live, USD)",
    ]
    home = typed.made_in
    assert lines[-3:] == [
        f"warehouse  {home / 'warehouse.duckdb'}",
        f"readers    {home / 'published.duckdb'}",
        f"look       packfolio ui   |   why   packfolio explain {THURSDAY} SYMBOL",
    ]


def test_a_rejected_pack_ends_a_run_with_3_and_is_never_the_latest(typed: Typed) -> None:
    rejected = typed.rejected
    assert (rejected["status"], rejected["pack_id"]) == ("failed", "PP_2024-03-20")
    assert rejected["reason"].startswith("PP_2024-03-20 is rejected: no symbol has a price in the 14 days")
    assert typed.at.read("trades")["pack_id"] == typed.at.read("packs", "show")["pack_id"] == THURSDAY
    assert typed.at("trades", "PP_2024-03-20").status == 1
    assert typed.at("trades", "--portfolio", "paper").lines[1] == f"{THURSDAY}  as of 2024-02-29"
    again = typed.at("run", "--as-of", "2024-03-20")
    assert (again.status, again.out) == (3, "")
    assert again.err.startswith("failed PP_2024-03-20 is rejected: ")
    assert again.err.endswith("\nlook   packfolio packs show PP_2024-03-20\n")


def test_a_revision_bears_its_reason_and_replaces_the_pack(typed: Typed) -> None:
    assert (typed.revised["status"], typed.revised["pack_id"]) == ("failed", REVISED)
    packs = typed.at.read("packs", "list")
    assert [pack["pack_id"] for pack in packs] == ["PP_2024-03-20", THURSDAY, REVISED, WEDNESDAY]
    assert packs[2]["reason"] == "a restated close" and packs[2]["supersedes"] == WEDNESDAY
    said = typed.at("packs", "list").lines
    assert [line.split()[:3] for line in said if line.split()[2:3] in (["fresh"], ["rejected"])] == [
        [pack["pack_id"], pack["as_of"], pack["verdict"]] for pack in packs
    ]
    refused = typed.at("packs", "revise", "2024-02-28", "--reason", " why ")
    assert (refused.status, refused.err.splitlines()) == (
        2,
        ["PolicyError --reason must say why the pack is replaced; it goes on record"],
    )


def test_a_pack_is_shown_with_what_it_holds(typed: Typed) -> None:
    details = typed.at.read("packs", "show", THURSDAY)
    assert (details["symbols"], details["rows"], details["verdict"]) == (6, 1502, "fresh")
    said = typed.at("packs", "show", THURSDAY).out
    assert said.startswith(f"pack_id          {THURSDAY}\nas_of            2024-02-29\n")
    assert "\nrows             1502\n" in said and "\nlogs\n" in said


def test_a_symbol_is_explained_in_every_portfolio_or_in_one(typed: Typed) -> None:
    both = typed.at.read("explain", "latest", "AAA")
    assert [(row["name"], row["symbol"]) for row in both] == [("book", "AAA"), ("paper", "AAA")]
    [one] = typed.at.read("explain", THURSDAY, "AAA", "--portfolio", "paper")
    assert one == both[1]
    said = typed.at("explain", "latest", "AAA").out
    assert said.count("\n weight now ") == 2 and said.count("share of the risk") == 2
    assert both[0]["rationale"] in " ".join(said.split())


def test_changed_weights_are_explained_by_parts_that_add_up(typed: Typed) -> None:
    found = typed.at.read("explain", THURSDAY, "--since", WEDNESDAY)
    assert [(one["portfolio"], one["from"], one["to"]) for one in found] == [
        ("book", WEDNESDAY, THURSDAY), ("paper", WEDNESDAY, THURSDAY),
    ]  # fmt: skip
    for row in (row for one in found for row in one["weights"]):
        assert row["before"] + sum(row["parts"].values()) == pytest.approx(row["after"], abs=1e-9)
    new = typed.at("explain", THURSDAY, "--since", WEDNESDAY, "--portfolio", "tight")
    assert new.status == 2 and f"{WEDNESDAY} has no portfolio" in new.err
    [one] = typed.at.read("explain", THURSDAY, "BBB", "--since", WEDNESDAY, "--portfolio", "book")
    assert one["weights"] == [row for row in found[0]["weights"] if row["symbol"] == "BBB"]
    said = typed.at("explain", THURSDAY, "BBB", "--since", WEDNESDAY, "--portfolio", "book").out
    assert said.startswith(f"book: target weights from {WEDNESDAY} to {THURSDAY}, percent")
    assert f"{100 * one['weights'][0]['after']:.2f}" in said.splitlines()[4]
    refused = typed.at("explain", THURSDAY)
    assert refused.status == 2 and "name the symbol" in refused.err


def test_impact_stress_and_regime_are_of_the_portfolio_and_scenario_asked_for(typed: Typed) -> None:
    both = typed.at.read("stress", REVISED)["portfolios"]
    worst = [(row["scenario_id"], row["profit"]) for row in both[1]["scenarios"]]
    assert [book["name"] for book in both[:2]] == ["book", "paper"]
    assert worst == [("CRASH", -1001.0), ("RATES", 250.0)]
    [one] = typed.at.read("stress", REVISED, "--portfolio", "paper", "--scenario", "RATES")["portfolios"]
    assert [row["scenario_id"] for row in one["scenarios"]] == ["RATES"] and one["hedges"] == []
    said = typed.at("stress", REVISED, "--portfolio", "book", "--scenario", "CRASH").lines
    refused = typed.at("stress", REVISED, "--scenario", "crash")
    assert refused.status == 2 and "tells no scenario 'crash'; did you mean CRASH" in refused.err
    assert said[0] == f"book under {REVISED}, USD"
    assert said[4].split() == ["CRASH", "-1,000", "10", "-600", "20", "BUY", "2", "SPX", "PUT"]
    [impact] = typed.at.read("impact", THURSDAY, "--portfolio", "paper")["portfolios"]
    value = next(row for row in impact["impact"] if row["metric"] == "value")
    printed = typed.at("impact", THURSDAY, "--portfolio", "paper").lines
    assert printed[0] == f"paper under {THURSDAY}"
    [line] = [line for line in printed if line.strip().startswith("value")]
    assert line.split() == ["value", *(f"{value[side]:,.2f}" for side in ("current", "post", "delta"))]
    assert typed.at.read("regime", THURSDAY)["regime"] is None
    assert typed.at("regime").out.startswith(f"{THURSDAY}: no regime is detected; no macro series")


def test_a_backtest_is_kept_and_a_sweep_is_not(typed: Typed) -> None:
    measures = typed.backtest["portfolios"]
    assert (typed.backtest["pack_id"], list(measures)) == (THURSDAY, ["book"])
    assert sorted(measures["book"]) == ["equal_weight", "policy"]
    said = typed.at("backtest", "--as-of", "2024-02-29", "--portfolio", "book")
    assert (said.status, said.lines[0]) == (0, f"book under {THURSDAY}")
    told = [f"{measures['book'][name]['sharpe']:.2f}" for name in ("policy", "equal_weight")]
    assert ["Sharpe", "ratio", *told] in [line.split() for line in said.lines]
    early = typed.at.read("backtest", "--as-of", "2024-02-27", status=1)
    assert early["status"] == "failed" and early["reason"].startswith("backtest_results: ")
    found = typed.at.read("backtest", "--portfolio", "book", "--sweep", "max_single_position_pct=25,40")
    assert list(found["portfolios"]) == ["book"] and found["trials"] == {"book": 2} and found["failed"] == {}
    assert found["portfolios"]["book"]["policy"]["volatility"] == measures["book"]["policy"]["volatility"]
    kept = "select count(*) from latest_backtest_summary where strategy like 'max%'"
    assert read_published(typed.at, kept) == [(0,)]


def test_a_portfolio_that_was_not_replayed_hides_no_other(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status was told alone: of the others, which had been replayed, nothing was shown."""
    outcome = Outcome(1, THURSDAY, "1 not replayed: other: it has no rate")
    monkeypatch.setattr("pipeline.runs.run_backtest", lambda *told: outcome)
    said = typed.at("backtest")
    assert (said.status, said.lines[0]) == (1, f"book under {THURSDAY}")
    assert said.err.endswith("failed 1 not replayed: other: it has no rate\n")
    monkeypatch.setattr("pipeline.runs.run_backtest", lambda *told: replace(outcome, whole=False))
    assert (typed.at("backtest").status, typed.at("backtest").out) == (1, "")


def test_a_portfolio_that_could_not_be_swept_is_told_with_its_reason(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = (
        "backtest",
        "--as-of",
        "2024-02-29",
        "--portfolio",
        "book",
        "--sweep",
        "max_single_position_pct=25",
    )
    said = typed.at(*sweep)
    assert (said.status, said.err) == (0, "")
    assert said.lines[0] == f"book under {THURSDAY}" and " max_single_position_pct=25 " in said.out
    replayed = backtest_sweep._replayed(date(2024, 2, 29), "book", ["max_single_position_pct=25"], True)
    failed = replayed | {"failed": {"tight": "it has no prices"}}
    monkeypatch.setattr(backtest_sweep, "_replayed", lambda *asked: failed)
    said = typed.at(*sweep)
    assert (said.status, said.err) == (1, "tight it has no prices\n")
    assert typed.at.read(*sweep, status=1)["failed"] == failed["failed"]


def test_wrong_words_end_with_2_and_failed_work_with_1(typed: Typed) -> None:
    unknown = typed.at("trades", THURSDAY, "--portfolio", "nobody")
    assert (unknown.status, unknown.out) == (2, "")
    assert unknown.err.startswith(f"PolicyError {THURSDAY} has no portfolio 'nobody'")
    missing = typed.at("trades", "PP_1999-01-04")
    assert missing.status == 1 and missing.err.startswith("DataError ")
    future = typed.at("run", "--as-of", "2099-01-05")
    assert future.status == 1 and "the session of 2099-01-05 is not closed yet" in future.err
    early = typed.at("run", "--as-of", "1989-12-29")
    # where the days begin is read once a process, from the first desk that is opened in it
    assert early.status == 1 and "packs are cut from PP_" in early.err and "to today" in early.err


def test_what_the_machine_refuses_is_one_line_and_a_fault_of_the_program_is_raised(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resources.results.queries

    def broken(con: Any) -> None:
        raise KeyError("symbol")

    def refused(con: Any) -> None:
        raise PermissionError(13, "Permission denied", "published.duckdb")

    monkeypatch.setattr(resources.results.queries, "packs_table", refused)
    said = typed.at("packs", "list")
    assert said.status == 1 and len(said.err.splitlines()) == 1
    assert (
        said.err.startswith("PermissionError [Errno 13]") and "run as the user whose desk it is" in said.err
    )
    monkeypatch.setattr(resources.results.queries, "packs_table", broken)
    with pytest.raises(KeyError, match="symbol"):
        typed.at("packs", "list")


def test_servers_are_started_as_processes_with_these_words(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], str | None]] = []

    def call(words: list[str]) -> int:
        started.append((words, None))
        return 7

    def execve(program: str, words: list[str], env: dict[str, str]) -> None:
        assert program == words[0]
        started.append((words, env.get("PACKFOLIO_API")))
        raise typer.Exit(7)

    monkeypatch.setattr(subprocess, "call", call)
    monkeypatch.setattr(os, "execve", execve)
    python, scripts = sys.executable, Path(sys.executable).parent
    local = ["-w", str(typed.at.home / "dagster" / "workspace.yaml"), "-h", "127.0.0.1", "-p"]
    api = ["-m", "service.http.server", "--host", "127.0.0.1", "--port"]
    page = Path(__file__).parents[3] / "service" / "screen" / "app.py"
    screen = [
        "-m", "streamlit", "run", str(page), "--server.address", "127.0.0.1", "--server.port", "PORT",
        "--server.headless", "true", "--browser.gatherUsageStats", "false", "--client.toolbarMode", "viewer",
        "--theme.light.primaryColor", "#1f5aa6", "--theme.dark.primaryColor", "#7fb2ee",
        "--client.showErrorDetails", "none",
    ]  # fmt: skip
    eight = [word.replace("PORT", "8501") for word in screen]
    nine = [word.replace("PORT", "9001") for word in screen]
    for words, expected, address in (
        (("ui",), [str(scripts / "dagster"), "dev", *local, "3000"], None),
        (
            ("ui", "--port", "3001", "--read-only"),
            [str(scripts / "dagster-webserver"), "--read-only", *local, "3001"],
            None,
        ),
        (("api",), [python, *api, "8000", "--workers", "1"], None),
        (("api", "--port", "8001", "--workers", "3"), [python, *api, "8001", "--workers", "3"], None),
        (
            ("api", "--host", "10.0.0.5"),
            [python, *api[:3], "10.0.0.5", "--port", "8000", "--workers", "1"],
            None,
        ),
        (("screen",), [python, *eight], "http://127.0.0.1:8000"),
        (
            ("screen", "--port", "9001", "--api", "http://127.0.0.1:8001"),
            [python, *nine],
            "http://127.0.0.1:8001",
        ),
        (("report",), [python, "-m", "service.report", THURSDAY], None),
        (
            ("report", WEDNESDAY, "--portfolio", "book", "--out", "a.html"),
            [python, "-m", "service.report", WEDNESDAY, "--portfolio", "book", "--out", "a.html"],
            None,
        ),
    ):
        assert typed.at(*words).status == 7
        assert started.pop() == (expected, address)
