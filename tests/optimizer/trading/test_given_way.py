"""Trade lists of weights in which limits gave way by their priority."""

from dataclasses import replace

import numpy as np
import pytest

from optimizer import (
    Estimates,
    InfeasibleError,
    Mandate,
    Policy,
    Portfolio,
    Position,
    Universe,
    build_trades,
    propose,
)
from resources.settings.policies.limit_words import desk_warnings

NAMES = ("A", "B", "C")
THREE = Estimates(NAMES, None, np.diag([0.04, 0.05, 0.06]), observations=250)
BOTH = Universe(NAMES, benchmark="equal_weight")
BOOK = Portfolio("book", 0, {"A": Position("A", 1000)})
PRICES = dict.fromkeys(NAMES, 10.0)
TIGHT = Policy(method="min_volatility", risk_free_rate=0.0, max_weight=0.5, max_turnover=0.1, cash_max=0.02)


def test_turnover_that_gave_way_in_the_weights_gives_way_in_the_list_and_is_a_reason():
    ranked = replace(TIGHT, priorities={"max_turnover": 2})
    found = propose(BOOK, PRICES, THREE, ranked, BOTH, Mandate())
    [level] = found.solution.levels
    assert level.gave[0].limit == "max_turnover" and level.gave[0].value == pytest.approx(0.49, abs=1e-5)
    assert found.trades.turnover == pytest.approx(0.49, abs=0.005)
    checks = {check.constraint: check for check in found.trades.constraints}
    assert not checks["max_turnover"].met and checks["max_turnover"].limit == 0.1
    assert checks["max_weight"].met and not found.trades.constraints_met
    sold = next(row for row in found.trades.rows if row.symbol == "A")
    assert "max_turnover gives way by" in sold.rationale and "by its priority 2" in sold.rationale
    assert sold.numbers["max_turnover gave"] == pytest.approx(level.gave[0].value - 0.1)


def test_without_a_priority_turnover_holds_on_the_list():
    target = {"A": 0.5, "B": 0.5}
    kept = build_trades(BOOK, PRICES, target, THREE, TIGHT, BOTH)
    assert kept.turnover <= 0.1
    given = build_trades(BOOK, PRICES, target, THREE, replace(TIGHT, priorities={"max_turnover": 1}), BOTH)
    assert 0.45 <= given.turnover <= 0.5


def test_a_cap_that_gave_way_is_named_in_the_reason_of_its_name_alone():
    ranked = replace(TIGHT, max_turnover=0.1, priorities={"max_weight": 1})
    found = propose(BOOK, PRICES, THREE, ranked, BOTH, Mandate())
    reasons = {row.symbol: row.rationale for row in found.trades.rows}
    assert "max_weight A gives way by" in reasons["A"]
    assert "gives way" not in reasons["B"] + reasons["C"]


@pytest.mark.parametrize(
    "way", [{"priorities": {"max_weight": 1, "max_volatility": 2}}, {"on_conflict": "transition"}]
)
def test_a_limit_that_the_weights_break_is_told_once_and_no_lot_is_blamed(way: dict[str, object]) -> None:
    """It was told again of the list, as broken by whole lots."""
    found = propose(BOOK, PRICES, THREE, replace(TIGHT, max_volatility=0.15, **way), BOTH, Mandate())
    broken = [check for check in found.trades.constraints if not check.met]
    assert [check.constraint for check in broken] == ["max_weight", "max_volatility"]
    assert {limit.limit for limit in found.solution.unmet} == {"max_weight A", "max_volatility"}
    assert [warning.split()[0] for warning in found.warnings if "max_" in warning] == [
        "max_weight",
        "max_volatility",
    ]
    cap, risk = found.trades.warnings
    assert cap == "max_weight is 0.8916 in whole lots, its limit is 0.5: the target has 0.89"
    assert risk == "max_volatility is 0.1834 in whole lots, its limit is 0.15: the target has 0.183"
    assert desk_warnings([cap, risk], checks=broken) == [
        "max_single_position_pct is 89.16% in whole lots, its limit is 50%: the target has 89%",
        "max_volatility_pct is 18.34% in whole lots, its limit is 15%: the target has 18.3%",
    ]


def test_what_lots_add_to_what_gave_way_is_told_where_it_is_more() -> None:
    """The cap gives way by 1%, to 51%; lots are a fifth of the value."""
    ranked = Policy(
        method="min_volatility", risk_free_rate=0.0, max_weight=0.5, asset_limits={"A": (0.51, 1.0)}, priorities={
            "max_sector x": 1}, sector_limits={"x": (0.0, 0.5)}, cash_max=0.02,
    )  # fmt: skip
    universe = Universe(NAMES, benchmark="equal_weight", sectors={"A": "x", "B": "y", "C": "y"})
    found = propose(BOOK, PRICES, THREE, ranked, universe, Mandate(lots={"A": 200, "B": 1, "C": 1}))
    assert [limit.limit for limit in found.solution.unmet] == ["max_sector x"]
    told = [warning for warning in found.warnings if warning.startswith("max_sector x")]
    assert len(told) == 2 and told[1].endswith("its limit is 0.5: the target has 0.51")


def test_what_is_closed_or_capped_by_others_gives_no_way():
    """The desk's caps may give way; a name that the mandate closes stays closed."""
    ranked = Policy(
        method="min_volatility", risk_free_rate=0.0, max_weight=0.4, asset_limits={"C": (0, 0.4)},
        priorities={"asset_limits": 1, "max_weight": 1},
    )  # fmt: skip
    found = propose(BOOK, PRICES, THREE, ranked, BOTH, Mandate(investable=("A", "B")))
    assert found.solution.weights[2] == 0.0
    assert {u.limit for u in found.solution.unmet} == {"max_weight A", "max_weight B"}


def test_least_cash_with_a_priority_may_be_spent():
    policy = Policy(
        method="min_volatility", risk_free_rate=0.0, cash_min=0.1, cash_max=1.0, limits=("invested >= 0.95",)
    )
    with pytest.raises(InfeasibleError):
        propose(BOOK, PRICES, THREE, policy, BOTH, Mandate())
    found = propose(BOOK, PRICES, THREE, replace(policy, priorities={"cash_min": 3}), BOTH, Mandate())
    assert found.solution.cash == pytest.approx(0.05, abs=1e-6)
    left = float(found.trades.cash_after / found.trades.nav_after)
    assert 0.04 <= left < 0.1
