"""Every check says in a sentence what it found, and the sentence names what is wrong."""

import ast

import dagster as dg
import pytest
from source_tree import ROOT
from typed_desk import Typed

from assets.shared.check_words import found

pytestmark = pytest.mark.xdist_group("terminal")


def test_the_first_three_are_named_and_the_rest_counted() -> None:
    assert found({}, "All is well.", "without") == "All is well."
    assert found({"a": "late"}, "", "without") == "1 without: a: late"
    assert found(list("abcde"), "", "are odd") == "5 are odd: a; b; c; and 2 more"


def test_every_check_result_has_a_sentence() -> None:
    silent = []
    for path in sorted((ROOT / "assets").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            made = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("AssetCheckResult")
            if made and not any(word.arg == "description" for word in node.keywords):
                silent.append(f"{path.name}:{node.lineno}")
    assert silent == []


def test_dagster_keeps_the_sentences(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(typed.at.home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        told = {}
        for run in instance.get_runs():
            for record in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
                event = record.get_dagster_event()
                check = event.asset_check_evaluation_data
                told.setdefault((check.check_name, check.passed), set()).add(check.description)
    assert all(said and not {None, ""} & said for said in told.values()), told
    weights = told["every_portfolio_has_an_answer", False]
    assert any("have no weights: tight: " in said for said in weights)
    [rejected] = told["fit_for_use", False]
    assert rejected.startswith("PP_2024-03-20 is rejected: no symbol has a price")
    assert any(said.startswith("PP_2024-02-28 is fresh: ") for said in told["fit_for_use", True])
