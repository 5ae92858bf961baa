"""`packfolio explain` of a name that is neither held nor traded says which limit keeps it out."""

from collections.abc import Iterator
from typing import Any

import pytest
from built_once import own_copy
from terminal import Terminal, terminal
from typed_desk import THURSDAY, typed_desk

from optimizer.solvers.audit import Binding
from resources.results.explanations import explanation

pytestmark = pytest.mark.xdist_group("terminal")
SHY = """
id: 77777777-7777-7777-7777-777777777777
name: shy
mode: live
universe: [AAA, BBB, CCC, DDD, EEE]
policy:
  method: min_volatility
  risk_free_rate: 0.02
  asset_limits_pct: {EEE: [null, 0]}
  do_not_buy: {DDD: results are due}
holdings:
  - {as_of: 2022-12-01, cash: 100000}
"""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    folder, _ = own_copy(tmp_path_factory, "typed", typed_desk)
    (folder / "config" / "portfolios" / "shy.yaml").write_text(SHY)
    with terminal(folder) as at:
        ran = at("run", "--as-of", "2024-02-29", "--portfolio", "shy")
        assert "shy (live, USD)" in ran.out, ran
        yield at


@pytest.mark.parametrize(
    ("symbol", "portfolio", "said"),
    [
        ("DDD", "shy", "kept out: lifting do_not_buy DDD for 1 point lowers the volatility by"),
        ("EEE", "shy", "kept out: its limits allow none of it"),
        ("AAA", "tight", "there is no answer (infeasible): no portfolio keeps all limits; relax one of:"),
    ],
)
def test_what_keeps_a_name_out_is_told(at: Terminal, symbol: str, portfolio: str, said: str) -> None:
    shown = at("explain", THURSDAY, symbol, "--portfolio", portfolio)
    assert (shown.status, shown.lines[1]) == (0, f"{portfolio}  neither holds nor trades {symbol}")
    assert shown.lines[2].strip().startswith(said)
    (row,) = at.read("explain", THURSDAY, symbol, "--portfolio", portfolio)
    assert (row["action"], row["quantity"], row["lots"]) == ("NONE", 0, [])
    assert row["target_weight"] == (0 if portfolio == "shy" else None)


def test_who_has_a_name_is_told_before_who_might_and_a_stranger_is_refused(at: Terminal) -> None:
    assert [row["name"] for row in at.read("explain", THURSDAY, "AAA")] == ["book", "paper", "shy"]
    refused = at("explain", THURSDAY, "AAZ", "--portfolio", "shy")
    assert refused.status == 2
    assert refused.err.endswith("neither holds nor trades 'AAZ'; did you mean AAA?\n")


CAP = Binding(
    "max_weight AAA", 0.0, 0.0, 1.0, "relaxing max_weight AAA (0%) by 1 point raises the return by 3 bps"
)
TURNOVER = Binding("max_turnover", 0.1, 0.1, 1.0, "relaxing max_turnover (10%) by 1 point")
OTHER = Binding("max_weight BBB", 0.4, 0.4, 1.0, "relaxing max_weight BBB (40%) by 1 point")


@pytest.mark.parametrize(
    ("known", "limits", "said"),
    [
        ({"weight": 0.0004}, [CAP], "the target is 0.040%, and the list of orders buys none of it"),
        ({"weight": 0.0}, [CAP, TURNOVER], f"kept out: {CAP.text}"),
        (
            {"weight": 0.0, "investable": False},
            [],
            "kept out: it is not in the universe of what may be bought",
        ),
        ({"weight": 0.0}, [OTHER], "no limit of its own keeps it out: the goal is better served without it"),
        (
            {"weight": 0.0},
            [OTHER, TURNOVER],
            "no limit of its own keeps it out: the goal is better served without it, under what binds for "
            "the whole book: max_turnover",
        ),
    ],
)
def test_each_way_to_be_kept_out_has_its_words(
    known: dict[str, Any], limits: list[Binding], said: str
) -> None:
    given = {"symbol": "AAA", "upper": 0.4, "investable": True, "limits": limits} | known
    assert explanation._why_not(**given) == said
