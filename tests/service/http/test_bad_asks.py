"""Wrong portfolios, policies and views: every row of the table in docs/reference/data-quality.md, as it says."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from source_tree import ROOT

from optimizer import (
    DataError,
    Estimates,
    Horizon,
    Mandate,
    MarketView,
    PackfolioError,
    Policy,
    Portfolio,
    Position,
    Recipe,
    ScenarioView,
    Universe,
    estimate,
    pool,
    propose,
    solve,
)
from resources.results.estimates.estimate_checks import condition_number, ill_conditioned
from resources.screening.pack_checks import CheckLimits
from resources.settings.portfolios import PortfolioFile
from resources.settings.view_files import ViewFile
from resources.settings.yaml_files import parse_value, parse_yaml
from service.http.guard import code_of
from service.policies import parse_policy

SYMBOLS, MEAN, RISK = ("A", "B"), np.array([0.08, 0.05]), np.array([[0.04, 0.01], [0.01, 0.09]])
ESTIMATES = Estimates(SYMBOLS, MEAN, RISK)
UNIVERSE = Universe(SYMBOLS, sectors={"A": "Energy", "B": "Health"}, benchmark={"A": 0.5, "B": 0.5})
PAGE = (ROOT / "docs/reference/data-quality.md").read_text("utf-8")
TABLE = dict(
    re.findall(r"^\| ([^|]+) \| `?([a-z_]+)`? \|", PAGE.partition("## Portfolios, pol")[2].partition("\n## ")[0], re.M)
)  # fmt: skip
BOOK = """
id: 11111111-1111-1111-1111-111111111111
name: book
mode: live
universe: [A, B]
holdings: [{{as_of: 2024-01-02, positions: {{A: {quantity}}}}}]
"""

Attempt = Callable[[], Any]


def absolute(asset: str, value: float, confidence: float = 1.0) -> MarketView:
    return MarketView([asset], "absolute", value, confidence)


def lead(first: str, second: str, value: float) -> MarketView:
    return MarketView([first, second], "relative", value, 0.9)


def proposal(
    *views: MarketView | ScenarioView, held: float = 10, symbol: str = "A", **policy: Any
) -> Attempt:
    book = Portfolio("book", 0, {symbol: Position(symbol, held)} if held else {})  # type: ignore[arg-type]
    asked = Policy(risk_free_rate=0.02, **policy)
    return lambda: propose(book, {"A": 10, "B": 20}, ESTIMATES, asked, UNIVERSE, Mandate(views=views))


def pooled(*confidences: float) -> Attempt:
    return lambda: [ScenarioView("mean", {"A": 1.0}, 0.1, confidence=each) for each in confidences]


def solved(estimates: Estimates = ESTIMATES, method: str = "min_volatility", **policy: Any) -> Attempt:
    asked = Policy(method=method, **policy)
    return lambda: solve(estimates, asked, replace(UNIVERSE, symbols=estimates.symbols, benchmark=None))


def of_returns(days: int, count: int) -> Estimates:
    moves = np.random.default_rng(1).normal(3e-4, 0.01, (days, count))
    prices = pd.DataFrame(100 * np.exp(np.cumsum(moves, axis=0)), pd.bdate_range("2024-01-01", periods=days))
    prices.columns = pd.Index([f"S{place:02}" for place in range(count)])
    return estimate(prices, Recipe("historical", "ledoit_wolf", 252, "USD", tuple(prices.columns)))


def view_file(**changed: Any) -> Attempt:
    told = {"assets": ["A"], "type": "absolute", "expected_return_pct": 5.0, "confidence": 0.5} | changed
    return lambda: parse_value(told, ViewFile, "view")


def policy_file(**keys: Any) -> Attempt:
    return lambda: parse_policy(keys)


def covariance(*rows: list[float]) -> Attempt:
    return lambda: Estimates(SYMBOLS, MEAN, np.array(rows))


REFUSED: dict[str, list[tuple[Attempt, str]]] = {
    "a view on an unknown asset": [
        (proposal(absolute("ZZZ", 0.1)), "ZZZ, which is not among the 2 symbols .*; there are A, B"),
        (lambda: pool(SYMBOLS, np.zeros((40, 2)), [ScenarioView("mean", {"ZZZ": 1.0}, 0.1)]), "ZZZ"),
    ],
    "a limit on an unknown asset, sector or exposure": [
        (proposal(asset_limits={"ZZZ": (0.0, 0.1)}), "asset_limits names ZZZ, not among the 2 symbols; there are A, B"),
        (proposal(sector_limits={"Tech": (0.0, 0.1)}), "sector_limits names Tech; the sectors are Energy, Health"),
        (proposal(limits=("ZZZ <= 10%",)), "'ZZZ' is not known; there are A, B"),
        (policy_file(max_exposures_pct={"EQUTY": 50}), "'EQUTY' does not exist; did you mean equity"),
        (policy_file(exposure_budgets_pct={"EQUTY": 50}), "'EQUTY' does not exist; did you mean equity"),
    ],
    "a confidence outside 0 to 1, or NaN": [
        *((lambda c=c: absolute("A", 0.1, c), rf"confidence.*{c}") for c in (-0.1, 1.5, float("nan"))),
        *((pooled(c), rf"confidence.*{c}") for c in (-0.1, 1.5, float("nan"))),
        *((view_file(confidence=c), rf"confidence.*{c}") for c in (-0.1, 1.5, float("nan"))),
    ],
    "the same view twice with two values": [
        (proposal(absolute("A", 0.1), absolute("A", 0.2)), "contradict each other"),
        (proposal(lead("A", "B", 0.1), lead("B", "A", 0.1)), "contradict each other"),
    ],
    "limits that contradict each other": [
        (solved(max_weight=0.4, cash_max=0.0, forced_cash="fail"), "max_weight"),
        (solved(min_return=0.2), "relax one of: .*min_return is 0.2 and must give way by"),
    ],
    "an unknown key": [
        (policy_file(max_turnovr_pct=20), "max_turnovr_pct: unknown key; did you mean max_turnover_pct"),
    ],
    "a fraction where percent belongs: a cap or turnover in (0, 1)": [
        *((policy_file(**{key: 0.15}), rf"{key}: is 0.15 percent; for 15% write 15")
          for key in ("max_single_position_pct", "max_sector_pct", "max_turnover_pct", "max_notional_pct",
                      "max_gross_pct", "max_volatility_pct")),
        (policy_file(asset_limits_pct={"A": [0, 0.15]}), "the cap of A is 0.15 percent; for 15% write 15"),
        (policy_file(sector_limits_pct={"Energy": [0, 0.15]}), "the cap of Energy is 0.15 percent"),
        (policy_file(max_exposures_pct={"equity": 0.6}), "the cap of equity is 0.6 percent; for 60% write 60"),
        (policy_file(net_limits_pct=[0, 0.9]), "net_limits_pct: is 0.9 percent; for 90% write 90"),
    ],
    "percent where a fraction belongs: `max_weight=15`": [
        (lambda: Policy(max_weight=15.0), "15 is 1500%; a fraction is expected: write 0.15 for 15%"),
        (lambda: Policy(max_turnover=20.0), "write 0.2 for 20%"),
    ],
    "a negative quantity in a long-only book": [
        (proposal(held=-10), "book is long-only and holds a negative quantity: A -10"),
        (lambda: parse_yaml(BOOK.format(quantity=-5), PortfolioFile, "book.yaml"), "A has a negative quantity"),
    ],
    "positions that are worth nothing": [
        (lambda: Portfolio("book", 0, {"A": Position("A", 0)}).get_weights({"A": 10}),  # type: ignore[arg-type]
         r"book is worth 0.0000; weights need a value above 0"),
    ],
    "fewer than 30 days of history": [(lambda: of_returns(25, 3), "24 daily returns are usable .* 30 are needed")],
    "no return above the risk-free rate, for `max_sharpe`": [
        (solved(method="max_sharpe", risk_free_rate=0.09), "no best Sharpe ratio; use method min_volatility"),
    ],
    "a covariance that is not symmetric, not finite or not positive semidefinite": [
        (covariance([0.04, 0.01], [0.02, 0.09]), "A,B is 0.01 and B,A is 0.02"),
        (covariance([0.04, np.nan], [np.nan, 0.09]), r"covariance\[0, 1\] is nan"),
        (covariance([0.04, 0.1], [0.1, 0.09]), "negative eigenvalue -0.0381"),
    ],
}  # fmt: skip


def contradicting() -> None:
    views = lead("A", "B", 0.02), absolute("A", 0.02), absolute("B", 0.05)
    warnings = proposal(*views)().warnings
    assert [said.partition(":")[0] for said in warnings] == [
        f"view {view} contradicts the others" for view in ("A - B = 0.02", "A = 0.02", "B = 0.05")
    ]


def empty() -> None:
    answer = proposal(held=0)()
    assert (answer.trades.rows, answer.warnings) == ((), ("No positions found",))


def twins() -> None:
    estimates = Estimates(SYMBOLS, MEAN, np.full((2, 2), 0.04))
    assert solved(estimates)().weights.sum() == pytest.approx(1.0)
    assert ill_conditioned({"r": condition_number(estimates)}, CheckLimits()) == [
        "r: condition number inf, above 1e+12; are there twins in it?"
    ]


def few_days() -> None:
    estimates = of_returns(40, 60)
    assert np.linalg.eigvalsh(estimates.covariance)[0] > 0
    assert solved(estimates, max_weight=0.1)().weights.sum() == pytest.approx(1.0)


SOLVED: dict[str, Callable[[], None]] = {
    "views that contradict each other otherwise": contradicting,
    "an empty portfolio": empty,
    "a singular covariance, twins": twins,
    "more assets than days": few_days,
}


def test_every_row_of_the_table_is_tried() -> None:
    assert set(TABLE) == {"what is wrong", *REFUSED, *SOLVED}


@pytest.mark.parametrize(
    ("row", "place"), [(row, place) for row in REFUSED for place in range(len(REFUSED[row]))]
)
def test_what_is_wrong_is_refused_by_its_code(row: str, place: int) -> None:
    attempt, said = REFUSED[row][place]
    with pytest.raises(PackfolioError, match=said) as refused:
        attempt()
    assert code_of(refused.value) == TABLE[row]


@pytest.mark.parametrize("row", sorted(SOLVED))
def test_what_is_odd_is_answered(row: str) -> None:
    SOLVED[row]()
    assert TABLE[row] in ("warning", "none")


def test_little_history_is_answered_with_equal_weights() -> None:
    ask = replace(ESTIMATES, observations=25)
    book = Portfolio("book", 1000)
    answer = propose(book, {"A": 10, "B": 20}, ask, Policy(risk_free_rate=0.02), UNIVERSE)
    assert answer.solution.weights.tolist() == [0.5, 0.5]
    assert "Insufficient data for optimization (25 days)" in answer.warnings
    for more in ({"horizon": Horizon(steps=4)}, {"cost_horizon_years": 0.5}):  # no trade's worth is known
        same = propose(book, {"A": 10, "B": 20}, ask, Policy(risk_free_rate=0.02, **more), UNIVERSE)
        assert same.solution.weights.tolist() == [0.5, 0.5]
    short = replace(ask, mean=None)
    with pytest.raises(DataError, match="25 days on which all names are priced give none; 30 are needed"):
        propose(book, {"A": 10, "B": 20}, short, Policy(risk_free_rate=0.02, min_return=0.05), UNIVERSE)


def test_a_file_whose_positions_have_no_share_is_refused_and_an_empty_one_is_not() -> None:
    with pytest.raises(PackfolioError, match="no position has a share") as refused:
        parse_yaml(BOOK.format(quantity=0), PortfolioFile, "book.yaml")
    assert code_of(refused.value) == "policy_invalid"
    assert parse_yaml(
        BOOK.replace("{{A: {quantity}}}", "{}").replace("{{", "{").replace("}}", "}"), PortfolioFile, "b"
    )
