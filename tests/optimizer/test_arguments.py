"""An argument of another kind is told by name; what goes well, and a fault of our own, is left as it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from optimizer import (
    CostModel,
    Estimates,
    FactorModel,
    FactorPanel,
    Fund,
    Horizon,
    Mandate,
    PackfolioError,
    Policy,
    PolicyError,
    Portfolio,
    Position,
    Scenario,
    Universe,
    backtest_tail,
    combinatorial_splits,
    detect,
    equilibrium,
    frontier,
    historical,
    nearest_psd,
    over_horizon,
    pairwise_moments,
    parse_limit,
    performance,
    pool,
    portfolio_measures,
    posterior,
    solve,
    sweep,
)
from optimizer.arguments import fits, said, typed
from optimizer.factors.series import time_series_model
from optimizer.typing import Array

IT = Estimates(("A", "B"), np.array([0.05, 0.06]), np.diag([0.04, 0.05]))
BOOK = Universe(("A", "B"))
KEEP: Any = None
HELD = Portfolio("book", 1, {"A": Position("A", Decimal(1))})
MOVES = np.random.default_rng(1).normal(0, 0.01, (320, 2))

CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    "no estimates": (lambda: solve(KEEP, Policy(), BOOK), "estimates is None, of NoneType; it must be a Estimates"),
    "no policy": (lambda: solve(IT, KEEP, BOOK), "solve: policy is None"),
    "no universe": (lambda: solve(IT, Policy(), KEEP), "solve: universe is None"),
    "no frontier": (lambda: frontier(KEEP, Policy(), BOOK), "frontier: estimates is None"),
    "points in fractions": (lambda: frontier(IT, Policy(risk_free_rate=0.0), BOOK, points=4.5), "points is 4.5"),  # type: ignore[arg-type]
    "too many points": (lambda: frontier(IT, Policy(risk_free_rate=0.0), BOOK, points=10**30), "give 2 to 10000"),
    "too many rows": (lambda: next(combinatorial_splits(10**30, 5, 2, purge=0, embargo=0)), "rows; use 1 <="),
    "no commission": (lambda: CostModel(commission=KEEP), "commission is None, of NoneType; it must be a number"),
    "an exposure in words": (lambda: Fund("A", "a", {"equity": "1"}), "Fund: exposures is"),  # type: ignore[dict-item]
    "a half-life in words": (lambda: Horizon(half_life_days="x"), "Horizon: half_life_days is 'x'"),  # type: ignore[arg-type]
    "shocks in a list": (lambda: Scenario("x", "x", [0.1]), "Scenario: shocks is"),  # type: ignore[arg-type]
    "a limit that is none": (lambda: parse_limit(KEEP), "parse_limit: text is None, of NoneType; it must be a text"),
    "returns by other names": (
        lambda: FactorPanel(("A",), (0, 1), pd.DataFrame({"B": [0.1, 0.2]})), "returns's columns lacks A"  # type: ignore[arg-type]
    ),
    "a book at a price in words": (lambda: HELD.total_value([5]), "Portfolio.total_value: prices is"),  # type: ignore[arg-type]
    "a bond's leverage": (lambda: Position("A", Decimal(1), leverage_factor=KEEP), "Position: leverage_factor is None"),
    "a tolerance in words": (lambda: nearest_psd(np.eye(2), tolerance="x"), "nearest_psd: tolerance is 'x'"),  # type: ignore[arg-type]
    "no grid": (lambda: sweep(len, {}), "grid is {}; give one name or more"),
    "values in a text": (lambda: sweep(len, {"a": "bc"}), "a list of values for each"),
    "values that read alike": (lambda: sweep(lambda a: len, {"a": [1, "1"]}), "two values of the grid read alike"),
    "periods of a complex number": (lambda: performance.calmar(MOVES[:, 0], 1j), "calmar: periods is 1j"),  # type: ignore[arg-type]
    "periods of a small float": (lambda: performance.calmar(MOVES[:, 0], np.float32(-1)), "periods is -1"),  # type: ignore[arg-type]
    "too many trials": (lambda: performance.deflated_sharpe(1.0, 0.1, 10**30, 0.1), "trials is 1"),
    "a window of no number": (
        lambda: backtest_tail(MOVES[:, 0], np.random.default_rng(1), window=np.nan), "window is nan"  # type: ignore[arg-type]
    ),
    "no chance": (lambda: backtest_tail(MOVES[:, 0], KEEP, level=0.95), "rng is None"),
    "sessions in fractions": (lambda: over_horizon(MOVES, 2.5), "sessions is 2.5, of float; it must be a whole number"),  # type: ignore[arg-type]
    "no detector": (lambda: detect(MOVES[:, 0], KEEP, KEEP), "detect: series is"),  # type: ignore[arg-type]
    "no sample": (lambda: historical(KEEP), "historical: sample is None"),
    "an aversion in words": (lambda: equilibrium(np.ones(2) / 2, np.eye(2), "x"), "equilibrium: "),  # type: ignore[arg-type]
    "a risk in words": (lambda: portfolio_measures.growth_rate(0.1, "x"), "growth_rate: risk is 'x'"),  # type: ignore[arg-type]
    "views in a text": (lambda: pool(("A", "B"), MOVES, "A up"), "pool: views is 'A up'"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("what", CALLS)
def test_it_is_told_by_its_name(what: str) -> None:
    call, told = CALLS[what]
    with pytest.raises(PackfolioError, match=told):
        call()


NAMED: dict[str, Callable[[Any], Any]] = {
    "Estimates": lambda names: Estimates(names, None, np.eye(2)),
    "FactorPanel": lambda names: FactorPanel(names, tuple(range(320)), MOVES),
    "FactorPanel: sector_names": lambda names: FactorPanel(
        ("A", "B"), tuple(range(320)), MOVES, sector_names=names
    ),
    "FactorModel.of": FactorModel(("A", "B"), ("f",), ("f",), np.ones((2, 1)), np.eye(1), np.ones(2)).of,
    "Mandate": lambda names: Mandate(investable=names),
    "Universe": Universe,
    "CostModel.costs": lambda names: CostModel().costs(names, np.ones(2)),
    "pairwise_moments": lambda names: pairwise_moments(
        1 + MOVES, np.arange(320), names, "daily", lambda rows: 252.0
    ),
    "pool": lambda names: pool(names, MOVES, []),
    "posterior": lambda names: posterior(names, np.ones(2) / 2, np.eye(2), []),
    "time_series_model": lambda names: time_series_model(MOVES, names, MOVES[:, :1] + MOVES[:, 1:], ("f",)),
}


@pytest.mark.parametrize("what", NAMED)
def test_a_text_is_no_row_of_names_and_a_set_no_order(what: str) -> None:
    call, where = NAMED[what], what.split(":")[0]
    for good in (("A", "B"), ["A", "B"], {"A": 1, "B": 1}.keys()):
        call(good)
    for odd in ("AB", b"AB", *([] if what in ("Mandate", "Universe", "FactorModel.of") else [{"A", "B"}])):
        with pytest.raises(PolicyError, match=rf"{where}: \w+ is .*; give a list of names"):
            call(odd)
    assert Universe({"B", "A"}).symbols == ("A", "B") and Policy(limits="A <= 0.5").limits == ("A <= 0.5",)  # type: ignore[arg-type]


@typed
def halved(row: Array, by: float = 2.0, names: "Unknown | None" = None) -> float:  # type: ignore[name-defined] # noqa: F821
    """A figure."""
    if by == 3.0:
        raise KeyError("ours")
    return float(row.sum() / by)


@typed
def quartered(what: Array) -> float:
    """Through another call."""
    return halved(what) / 2


@typed
@dataclass(frozen=True)
class Pair:
    """Two things."""

    one: float
    rest: Sequence[str] = ()

    def __post_init__(self) -> None:
        _ = self.one + 1, [name.upper() for name in self.rest]


def test_what_goes_well_and_what_is_our_fault_is_left_alone() -> None:
    assert halved(np.ones(4)) == 2.0
    assert halved.__name__ == "halved" and Pair(1.0) == Pair(1.0) and Pair(1, ("a",)).rest == ("a",)
    with pytest.raises(KeyError, match="ours"):
        halved(np.ones(4), 3.0)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        halved()  # type: ignore[call-arg]
    with pytest.raises(PolicyError, match=r"halved: row is \['x'\], of list; it must be an array of numbers"):
        halved(["x"])  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="sum"):  # a list of numbers is as good as an array: ours
        halved([1.0])  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match=r"quartered: what is \['x'\]"):
        quartered(["x"])  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="Pair: one is 'x', of str; it must be a number"):
        Pair("x")  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match=r"rest is \(1,\), of tuple; it must be several of a text"):
        Pair(1.0, (1,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "hint", "fit"),
    [
        (1, float, True), (True, float, False), (np.float32(1), float, True), (1.0, int, False),
        (np.int64(1), int, True),
        (None, float | None, True), ("a", Literal["a", "b"], True), (1, Literal["1"], False),
        ("ab", Sequence[str], False),
        (["a"], Sequence[str], True), ((1, "a"), tuple[int, str], True), (("a", 1), tuple[int, str], False),
        ({"a": 1}, Mapping[str, int], True), ({1: 1}, Mapping[str, int], False), (len, Callable[..., int], True),
        ([[1.0]], Array, True), ([[1.0], []], Array, False),
        (np.ones(1), Array, True), (np.array(["a"]), Array, False), (np.ones(1, dtype=np.longdouble), Array, False),
        ("anything", Any, True), (pd.Series([1]), Mapping[str, float], False), ({"a"}, set[str], True),
        (pd.Index(["a"]), Sequence[str], True), (["a"], tuple[str, ...], True), ({"a": 1}, Sequence[str], False),
    ],
)  # fmt: skip
def test_kinds(value: Any, hint: Any, fit: bool) -> None:
    assert fits(value, hint) is fit
    assert said(hint)
