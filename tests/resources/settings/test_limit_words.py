"""Conflicts and priorities in a desk's own words: the keys of its files, percent, turnover as buys and sales."""

import json

import numpy as np
import pytest

from optimizer import (
    Conflict,
    Estimates,
    InfeasibleError,
    Mandate,
    Policy,
    PolicyError,
    Portfolio,
    Position,
    Universe,
    propose,
    solve,
)
from optimizer.problem.setting import Setting
from resources.results.stage_outputs import read_limits, result_row, trade_columns
from resources.settings.policies.limit_words import desk_conflict, desk_levels, desk_warnings, reason_of
from resources.settings.policies.policy_schema import PolicyFile, field_of, key_of
from resources.settings.yaml_files import parse_yaml

NAMES = ("A", "B", "C", "D")
FOUR = Estimates(NAMES, np.array([0.05, 0.09, 0.03, 0.06]), np.diag([0.04, 0.09, 0.01, 0.02]))
BOOK = Universe(NAMES, dict(zip(NAMES, "xxyy", strict=True)))
HELD = np.array([1.0, 0.0, 0.0, 0.0])


def read(text: str) -> PolicyFile:
    return parse_yaml(text, PolicyFile, "model.yaml")


@pytest.mark.parametrize(
    ("conflict", "said"),
    [
        (Conflict("max_weight", 0.15, 0.1), "max_single_position_pct is 15% and must give way by 10%"),
        (Conflict("max_turnover", 0.1, 0.05001), "max_turnover_pct is 20% and must give way by 10.01%"),
        (Conflict("max_sector x", 0.3, 1 / 3), "max_sector x is 30% and must give way by 33.34%"),
        (Conflict("max_trade A", 0.05, 0.1), "max_trade A is 5% and must give way by 10%"),
        (Conflict("largest 3", 0.4, 0.1), "largest 3 is 40% and must give way by 10%"),
        (Conflict("max_beta", 0.9, 0.05), "max_beta is 0.9 and must give way by 0.05"),
        (Conflict("A + B >= 55%", 0.55, 0.05), "A + B >= 55% is 55% and must give way by 5%"),
        (Conflict("A + B >= 0.55", 0.55, 0.05), "A + B >= 0.55 is 0.55 and must give way by 0.05"),
    ],
    ids=str,
)
def test_a_conflict_in_the_units_of_a_file(conflict: Conflict, said: str):
    assert str(desk_conflict(conflict)) == said


def test_what_a_desk_is_told_to_relax_is_enough_in_its_file():
    """Each way out in turn, by the keys and amounts as printed."""
    file = "method: min_volatility\nmax_single_position_pct: 22\ncash_max_pct: 1.5\nforced_cash: fail\n"
    with pytest.raises(InfeasibleError) as caught:
        solve(FOUR, read(file + "risk_free_rate: 0.0\n").to_policy(), BOOK)
    told = reason_of(caught.value)
    assert told == (
        "no portfolio keeps all limits; relax one of: max_single_position_pct is 22% and must give way by 2.625%; "
        "cash_max_pct is 1.5% and must give way by 10.5%"
    )
    for key, old, new in (("max_single_position_pct", "22", "24.625"), ("cash_max_pct", "1.5", "12")):
        wider = file.replace(f"{key}: {old}\n", f"{key}: {new}\n") + "risk_free_rate: 0.0\n"
        assert solve(FOUR, read(wider).to_policy(), BOOK).constraints_met


def test_another_error_says_what_it_says():
    assert reason_of(PolicyError("no such method")) == "no such method"


def test_every_field_has_its_key_and_back():
    assert (
        key_of("max_weight") == "max_single_position_pct"
        and field_of("max_single_position_pct") == "max_weight"
    )
    assert key_of("max_turnover") == "max_turnover_pct" and field_of("max_turnover_pct") == "max_turnover"
    assert key_of("beta_limits") == field_of("beta_limits") == "beta_limits"
    assert field_of("max_sector Energy") == "max_sector Energy"


RANKED = """
method: min_volatility
max_single_position_pct: 30
max_sector_pct: 60
max_turnover_pct: 40
limits: ["C >= 5%"]
priorities: {max_turnover_pct: 2, max_sector y: 5, "C >= 5%": 1, max_single_position_pct: 1}
"""


def test_priorities_are_read_by_the_keys_of_a_file_and_told_in_percent():
    policy = read(RANKED).to_policy()
    assert policy.priorities == {"max_turnover": 2, "max_sector y": 5, "C >= 5%": 1, "max_weight": 1}
    found = solve(FOUR, policy, BOOK, HELD)
    told = desk_warnings(found.warnings, found)
    assert any(
        said.startswith("max_turnover_pct gives way by 100%, by its priority 2: 140%, limit 40%")
        for said in told
    )
    assert any(
        said.startswith("priority 2: max_turnover_pct gives way, by 250% of the bounds in all")
        for said in told
    )
    levels = desk_levels(found)
    assert [level.priority for level in levels] == [1, 2, 5]
    assert levels[1].gave[0].limit == "max_turnover_pct" and levels[1].gave[0].value == pytest.approx(
        140, abs=1e-3
    )


def test_a_list_of_trades_is_warned_of_in_the_words_and_units_of_the_file():
    policy = read(
        "method: min_volatility\nmax_single_position_pct: 30\nmax_turnover_pct: 40\npriorities: {max_turnover_pct: 1}"
    ).to_policy()
    held = Portfolio("book", 0, {"A": Position("A", 1000)})
    found = propose(held, dict.fromkeys(NAMES, 10.0), FOUR, policy, BOOK, Mandate(prior="historical"))
    [line] = json.loads(trade_columns(found.trades, {}, {}, frozenset())["trade_lists"]["warnings"][0])
    assert line.startswith("max_turnover_pct is 1") and line.endswith("its limit is 40%: the target has 140%")


@pytest.mark.parametrize(
    ("priorities", "said"),
    [
        ("{max_turnover_pct: 10}", "must be at most 9"),
        ("{max_turnover_pct: 1.5}", "must be a whole number"),
        ("{max_turnover_pct: true}", "must be a whole number"),
        ("{turnover: 1}", "did you mean max_turnover"),
        ("{max_wieght: 2}", r":1: .*'max_wieght' is no limit; did you mean max_single_position_pct"),
        ("{max_sector_pct Energy: 2}", "did you mean max_sector Energy"),
        ("{long_only: 1}", "long_only cannot give way"),
        ("{max_risk_share_pct: 1}", "max_risk_share_pct cannot give way"),
        ("{min_position_pct: 1}", "min_position_pct cannot give way"),
        ("[max_turnover_pct]", "must be keys with values"),
    ],
)
def test_wrong_priorities_are_refused_with_their_line(priorities: str, said: str):
    with pytest.raises(PolicyError, match=said):
        read(f"priorities: {priorities}\n")


def test_without_priorities_the_policy_is_as_before():
    assert read("method: min_volatility").to_policy() == Policy(
        method="min_volatility", on_conflict="transition", forced_cash="hold"
    )


def test_a_result_row_keeps_what_each_level_gave_and_says_nothing_of_priorities_where_there_are_none():
    policy = read(RANKED).to_policy()
    found = solve(FOUR, policy, BOOK, HELD)
    row = result_row(found, Setting(FOUR, policy, BOOK, HELD), None)
    kept = json.loads(row["diagnostics"])
    assert [level["priority"] for level in kept["levels"]] == [1, 2, 5]
    assert kept["policy_as_applied"]["priorities"] == dict(policy.priorities)
    assert [limit.limit for limit in read_limits(row["diagnostics"])[1]] == ["max_turnover"]
    assert any("priority 2" in said for said in json.loads(row["warnings"])) and not row["constraints_met"]
    plain = Policy(method="min_volatility")
    kept = json.loads(result_row(solve(FOUR, plain, BOOK), Setting(FOUR, plain, BOOK), None)["diagnostics"])
    assert "levels" not in kept and "priorities" not in kept["policy_as_applied"]


def test_names_that_must_give_are_told_in_the_desks_units():
    conflicts = (Conflict("max_holdings", 2, 1), Conflict("min_position", 0.3, 0.05))
    error = InfeasibleError(
        f"relax one of: {'; '.join(map(str, conflicts))}", conflicts, ((conflicts[0],), (conflicts[1],))
    )
    assert reason_of(error) == (
        "relax one of: max_holdings is 2 and must give way by 1; min_position_pct is 30% and must give way by 5%"
    )


def test_what_a_desk_reads_is_no_less_than_what_the_library_states():
    """0.180643 one-way is stated as 0.1807; 36.13% in buys and sales would be less, and not enough beside others."""
    stated = Conflict("max_turnover", 0.025, 0.180643)
    assert str(stated) == "max_turnover is 0.025 and must give way by 0.1807"
    assert str(desk_conflict(stated)) == "max_turnover_pct is 5% and must give way by 36.14%"
    assert str(desk_conflict(Conflict("max_weight", 0.2, 0.14))).endswith("is 20% and must give way by 14%")


def test_what_is_not_traded_is_a_list_or_has_reasons_and_no_text():
    with pytest.raises(
        PolicyError, match=r"do_not_trade: must be symbols, \[AAPL\], or symbols with reasons"
    ):
        parse_yaml("do_not_trade: AAPL", PolicyFile, "policy")
    assert parse_yaml("do_not_trade: [AAPL]", PolicyFile, "policy").do_not_trade == {"AAPL": ""}
