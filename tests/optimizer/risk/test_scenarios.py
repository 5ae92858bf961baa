"""Sensitivities recovered from made-up returns, signs, replays, and books that cannot lose more than they hold."""

import numpy as np
import pandas as pd
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st

from optimizer import DataError, ExposureType, Fund, PolicyError, Scenario, estimate_sensitivities, stress
from optimizer.risk.scenarios import (
    FACTORS,
    Sensitivities,
    applied_moves,
    declared_sensitivities,
    factor_moves,
    find_scenario,
)
from optimizer.risk.stresses import Shock, stress_each
from optimizer.typing import Array

LOADS = {
    ExposureType.EQUITY: {"equity": 1.0},
    ExposureType.BONDS: {"rates": -6.5, "credit": -1.0},
    ExposureType.US_TREASURY_LONG: {"rates": -16.0},
    ExposureType.CREDIT_HY: {"rates": -3.5, "credit": -3.8},
}
SCALE = np.array([0.0006, 0.0004, 0.0004, 0.004, 0.010, 0.010, 0.05])
K = len(FACTORS)


def world(true: Array, days: int = 500, noise: float = 0.005, seed: int = 1) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    moves = rng.standard_normal((days, K)) * SCALE
    moves[:, 6] = -5 * moves[:, 4] + 0.02 * rng.standard_normal(days)
    return moves, moves @ true.T + noise * rng.standard_normal((days, len(true)))


def sensitivities(true: Array, **more: float) -> Sensitivities:
    moves, returns = world(true, **more)  # type: ignore[arg-type]
    symbols = [f"S{i}" for i in range(len(true))]
    return estimate_sensitivities(symbols, returns, moves, np.full(true.shape, np.nan))


def test_the_true_sensitivities_are_within_their_errors() -> None:
    true = np.array([[-2.0, 0, -1, 0, 1.1, 0.1, 0], [-16, 0, 0, 0, 0, 0, 0], [0, 6, 0, -0.5, 0.2, 0.5, 0.1]])
    found = sensitivities(true)
    assert set(found.sources) == {"history"}
    assert (np.abs(found.values - true) / found.errors).max() < 4
    assert (found.errors > 0).all()


def test_a_name_moves_the_same_whoever_else_is_estimated() -> None:
    """Bit for bit: what is estimated once for a whole market is what one portfolio alone would be told."""
    moves, returns = world(np.random.default_rng(3).normal(0, 1, (9, K)))
    nothing, symbols = np.full((9, K), np.nan), [f"S{i}" for i in range(9)]
    whole = estimate_sensitivities(symbols, returns, moves, nothing)
    for count in (1, 2, 5):
        few = estimate_sensitivities(symbols[-count:], returns[:, -count:], moves, nothing[:count])
        own = whole.of(few.symbols)
        for name in ("values", "errors", "residuals", "information", "covariance"):
            assert np.array_equal(getattr(few, name), getattr(own, name)), name


def test_standard_errors_cover_what_repetition_shows() -> None:
    true = np.array([[-2.0, 0, -1, 0, 1.1, 0.1, 0]])
    scenario = Scenario("s", "s", {"equity": -0.2, "rates": 0.01, "volatility": 1.0})
    runs = [stress({"S0": 1.0}, sensitivities(true, seed=seed, days=200), scenario) for seed in range(60)]
    spread = np.std([np.log1p(run.total) for run in runs])
    stated = np.mean([run.standard_error / (1 + run.total) for run in runs])
    assert spread == pytest.approx(stated, rel=0.35)


def test_bonds_lose_when_rates_rise_or_spreads_widen() -> None:
    for kind in (ExposureType.US_TREASURY_LONG, ExposureType.CREDIT_HY, ExposureType.US_BONDS):
        values = declared_sensitivities(Fund("B", "B", {kind: 1.0}), LOADS)
        assert values[FACTORS.index("rates")] < 0 and values[FACTORS.index("credit")] <= 0
    assert (
        declared_sensitivities(Fund("B", "B", {ExposureType.CREDIT_HY: 1.0}), LOADS)[FACTORS.index("credit")]
        < 0
    )


def test_declared_exposures_stand_in_for_a_short_history() -> None:
    true = np.array([[0, 0, 0, 0, 1.0, 0, 0], [0, 0, 0, 0, 1.0, 0, 0]], dtype=float)
    moves, returns = world(true)
    returns[:-20, 1] = np.nan
    levered = declared_sensitivities(Fund("L", "L", {ExposureType.US_LARGE_EQUITY: 2.0}), LOADS)
    declared = np.array([np.full(K, np.nan), levered])
    found = estimate_sensitivities(["A", "L"], returns, moves, declared)
    assert found.sources == ("history", "declared")
    assert found.values[1].tolist() == levered.tolist() and np.isnan(found.errors[1]).all()
    with pytest.raises(PolicyError, match=r"^L: fewer than"):
        estimate_sensitivities(["A", "L"], returns, moves, np.full((2, K), np.nan))
    names = [f"S{i}" for i in range(9)]
    many, blind = np.repeat(returns[:, :1], 9, axis=1), np.full(moves.shape, np.nan)
    with pytest.raises(PolicyError, match=r"^S0, S1, S2, S3, S4 and 4 more: no factor proxy has 60 moves"):
        estimate_sensitivities(names, many, blind, np.full((9, K), np.nan))


def test_a_factor_without_a_proxy_takes_declared_values() -> None:
    true = np.array([[0, 0, 0, 0, 1.3, 0, 0]], dtype=float)
    moves, returns = world(true)
    moves[:, FACTORS.index("rates")] = np.nan
    declared = declared_sensitivities(Fund("A", "A", {ExposureType.EQUITY: 1.0}), LOADS)[None, :]
    found = estimate_sensitivities(["A"], returns, moves, declared)
    assert found.values[0, FACTORS.index("equity")] == pytest.approx(1.3, abs=0.2)
    assert found.values[0, FACTORS.index("rates")] == 0


def test_an_unnamed_factor_moves_as_it_usually_does_and_a_zero_stands_still() -> None:
    found = sensitivities(np.array([[0, 0, 0, 0, 1.0, 0, 0]], dtype=float))
    usual = stress({"S0": 1.0}, found, Scenario("u", "u", {"equity": -0.2})).moves
    still = stress({"S0": 1.0}, found, Scenario("s", "s", {"equity": -0.2, "volatility": 0.0})).moves
    assert usual["volatility"] == pytest.approx(np.exp(5 * 0.2231) - 1, rel=0.1)
    assert still["volatility"] == 0.0 and still["equity"] == pytest.approx(-0.2)


def test_replayed_returns_are_taken_as_they_were() -> None:
    found = sensitivities(np.array([[0, 0, 0, 0, 1.0, 0, 0]] * 2, dtype=float), noise=0.0)
    result = stress({"S0": 100.0, "S1": 50.0}, found, Scenario("x", "x", {"equity": -0.2}), {"S0": -0.37})
    assert result.profits["S0"] == pytest.approx(-37.0) and result.replayed == ("S0",)
    assert result.profits["S1"] == pytest.approx(-10.0, rel=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 40))
@examples(8)
def test_a_scenario_prices_a_book_the_same_whatever_others_are_priced_beside_it(
    seed: int, names: int, count: int
) -> None:
    """Bit for bit: how many scenarios a desk keeps decides no number of any of them."""
    rng = np.random.default_rng(seed)
    found = sensitivities(rng.normal(0, 2, (names, K)), days=120, seed=seed)
    values = {symbol: float(rng.normal(0, 1e6)) for symbol in found.symbols}
    scenarios = [
        Scenario(f"s{i}", "x", {str(rng.choice(FACTORS[:4])): float(rng.normal(0, 0.05))})
        for i in range(count)
    ]
    replays = [
        {s: float(rng.uniform(-0.9, 1)) for s in found.symbols if rng.random() < 0.5}
        if rng.random() < 0.4
        else None
        for _ in scenarios
    ]
    shocks = [Shock(one, applied_moves(one, found)) for one in scenarios]
    for one, real, among in zip(scenarios, replays, stress_each(values, found, shocks, replays), strict=True):
        alone = stress(values, found, one, real)
        told = [
            (it.profits, it.by_factor, it.compounding, it.standard_error, it.replayed, it.moves)
            for it in (alone, among)
        ]
        assert told[0] == told[1]


@given(st.integers(0, 50), st.floats(-0.9, 2.0), st.floats(-0.05, 0.05))
def test_contributions_add_up_and_nothing_long_loses_more_than_itself(
    seed: int, equity: float, rates: float
) -> None:
    rng = np.random.default_rng(seed)
    found = sensitivities(rng.normal(size=(4, K)) * 2, days=120, seed=seed)
    held = dict(zip(found.symbols, (100 * rng.random(4)).tolist(), strict=True))
    result = stress(held, found, Scenario("x", "x", {"equity": equity, "rates": rates}))
    assert result.total == pytest.approx(sum(result.by_factor.values()) + result.compounding)
    assert all(profit >= -held[symbol] for symbol, profit in result.profits.items())


def test_the_unknown_and_the_impossible_are_refused() -> None:
    known = {"a": Scenario("a", "A", {"equity": -0.1}), "b": Scenario("b", "B", {"rates": 0.01})}
    with pytest.raises(PolicyError, match="there are a, b"):
        find_scenario(known, "c")
    for shocks in ({}, {"weather": 1.0}, {"equity": -1.0}, {"rates": 100.0}, {"usd": float("nan")}):
        with pytest.raises(PolicyError):
            Scenario("x", "x", shocks)


def test_a_yield_falls_when_its_proxy_rises() -> None:
    moves = factor_moves({"rates": {"IEF": -0.1333}}, {"IEF": np.array([0.0075])}, 1)
    assert moves[0, FACTORS.index("rates")] == pytest.approx(-0.001, rel=1e-3)
    assert np.isnan(moves[0, FACTORS.index("equity")])


def test_tables_with_names_are_read_by_them() -> None:
    rng, names = np.random.default_rng(1), ("A", "B", "C")
    returns = pd.DataFrame(rng.normal(0, 0.01, (300, 3)), columns=names)
    moves = pd.DataFrame(rng.normal(0, 0.01, (300, len(FACTORS))), columns=FACTORS)
    told = pd.DataFrame(rng.normal(0, 1, (3, len(FACTORS))), names, FACTORS)
    plain = estimate_sensitivities(names, *(table.to_numpy() for table in (returns, moves, told)))
    turned = estimate_sensitivities(
        names, returns[["C", "A", "B"]], moves[list(FACTORS[::-1])], told.loc[["B", "C", "A"]]
    )
    assert (turned.values == plain.values).all() and turned.sources == plain.sources
    for tables, said in (
        ((returns[["A", "B"]], moves, told), "returns's columns lacks C"),
        ((returns, moves, told.iloc[:2]), "declared's index lacks C"),
        ((returns, moves.to_numpy()[:, :2], told), "moves has shape"),
    ):
        with pytest.raises(DataError, match=said):
            estimate_sensitivities(names, *tables)


@pytest.mark.parametrize("size", [0.0, 1e-170])
def test_a_proxy_that_never_moves_is_named(size: float) -> None:
    rng = np.random.default_rng(1)
    returns, moves = rng.normal(0, 0.01, (90, 1)), rng.normal(0, 0.01, (90, len(FACTORS)))
    moves[:, 3] *= size
    with pytest.raises(DataError, match=f"the proxy of {FACTORS[3]} never moves"):
        estimate_sensitivities(("A",), returns, moves, np.zeros((1, len(FACTORS))))
