"""Entropy pooling: closed forms, an independent convex program, contradictions."""

import cvxpy as cp
import numpy as np
import pytest
from draws import examples, some
from hypothesis import given
from hypothesis import strategies as st

from optimizer import Estimates, PolicyError, ScenarioView, pool, pooled_estimates
from optimizer.beliefs.entropy_dual import Rows, tilt

SYMBOLS = ("A", "B", "C")


def history(seed: int = 0, count: int = 500) -> np.ndarray:
    random = np.random.default_rng(seed)
    root = np.array([[0.010, 0.0, 0.0], [0.006, 0.008, 0.0], [-0.002, 0.001, 0.012]])
    return random.standard_t(5, size=(count, 3)) @ root.T + 0.0003


def cvar(losses: np.ndarray, p: np.ndarray, level: float) -> float:
    order = np.argsort(-losses)
    taken = np.minimum(p[order], np.maximum(1 - level - (np.cumsum(p[order]) - p[order]), 0.0))
    return float(taken @ losses[order] / (1 - level))


def test_without_views_the_prior_stays() -> None:
    x = history()
    found = pool(SYMBOLS, x, [])
    assert np.array_equal(found.probabilities, np.full(500, 1 / 500))
    assert found.relative_entropy == 0
    np.testing.assert_allclose(found.mean, x.mean(axis=0) * 252)
    np.testing.assert_allclose(found.covariance, np.cov(x.T, bias=True) * 252)


def test_two_states_have_the_probability_that_gives_the_mean() -> None:
    x = np.array([[0.01], [-0.01]])
    found = pool(("A",), x, [ScenarioView("mean", {"A": 1}, 252 * 0.002)])
    np.testing.assert_allclose(found.probabilities, [0.6, 0.4], atol=1e-10)
    assert found.relative_entropy == pytest.approx(0.6 * np.log(1.2) + 0.4 * np.log(0.8))


def test_gaussian_scenarios_give_the_conditional_distribution() -> None:
    """Meucci (2008), section 3: a view on the mean of a normal shifts it along the covariance and leaves S alone."""
    random = np.random.default_rng(3)
    S = np.array([[1.0, 0.5], [0.5, 2.0]]) * 1e-4
    z = random.standard_normal((100_000, 2))
    z = np.concatenate([z, -z])
    x = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T, bias=True))).T @ np.linalg.cholesky(S).T
    found = pool(("A", "B"), x, [ScenarioView("mean", {"A": 1}, 252 * 0.002)])
    np.testing.assert_allclose(found.mean / 252, 0.002 * S[:, 0] / S[0, 0], rtol=0.01)
    np.testing.assert_allclose(found.covariance / 252, S, rtol=0.02, atol=1e-6)


VIEWS = [
    ScenarioView("mean", {"A": 1}, 0.20),
    ScenarioView("mean", {"B": 1, "C": -1}, 0.05, sense=">="),
    ScenarioView("volatility", {"C": 1}, 0.30),
    ScenarioView("correlation", {"A": 1, "B": 1}, 0.85),
    ScenarioView("cvar", {"A": 0.5, "B": 0.5}, 0.030),
]


def test_all_kinds_of_views_hold_together() -> None:
    x = history()
    found = pool(SYMBOLS, x, VIEWS)
    p, spread = found.probabilities, np.sqrt(np.diag(found.covariance))
    assert p.min() > 0
    assert p.sum() == pytest.approx(1)
    assert found.mean[0] == pytest.approx(0.20, abs=1e-7)
    assert found.mean[1] - found.mean[2] >= 0.05 - 1e-7
    assert spread[2] == pytest.approx(0.30, abs=1e-7)
    assert found.covariance[0, 1] / spread[0] / spread[1] == pytest.approx(0.85, abs=1e-7)
    assert cvar(-(x @ [0.5, 0.5, 0]), p, 0.95) == pytest.approx(0.030, abs=1e-8)


@pytest.mark.parametrize("sense", ["=", ">=", "<="])
def test_means_agree_with_a_convex_program(sense: str) -> None:
    x = history(5, 120)
    views = [
        ScenarioView("mean", {"A": 1}, 0.3, sense=sense),
        ScenarioView("mean", {"A": 1, "C": -1}, 0.1),
    ]
    p = cp.Variable(120)
    rows = [252 * x[:, 0] @ p - 0.3, 252 * (x[:, 0] - x[:, 2]) @ p == 0.1, cp.sum(p) == 1]
    rows[0] = {"=": rows[0] == 0, ">=": rows[0] >= 0, "<=": rows[0] <= 0}[sense]
    program = cp.Problem(cp.Minimize(cp.sum(cp.rel_entr(p, 1 / 120))), rows)
    program.solve(solver="CLARABEL")
    found = pool(SYMBOLS, x, views)
    assert found.relative_entropy == pytest.approx(program.value, abs=1e-7)
    np.testing.assert_allclose(found.probabilities, p.value, atol=1e-5)


@pytest.mark.parametrize("value", [0.006, 0.012, 0.017, 0.020, 0.024, 0.028])
def test_a_view_on_cvar_is_the_nearest_of_all_tails(value: float) -> None:
    """Against a scan over every quantile (Meucci, Ardia & Keel 2011)."""
    x = history(8, 150)
    losses = -x[:, 0]
    found = pool(SYMBOLS, x, [ScenarioView("cvar", {"A": 1}, value, level=0.9)])
    assert cvar(losses, found.probabilities, 0.9) == pytest.approx(value, abs=1e-8)
    best = np.inf
    order = np.argsort(-losses)
    for tail in range(1, 149):
        inside = np.zeros(150)
        inside[order[:tail]] = 1.0
        edge = losses[order[tail]]
        line = edge + np.maximum(losses - edge, 0) / 0.1
        rows = Rows.one(line - value, "<=", 0)
        if value > cvar(losses, np.full(150, 1 / 150), 0.9):
            rows = Rows.one(inside - 0.1, "=", 0).joined(Rows.one(inside * losses - 0.1 * value, "=", 0))
        p = tilt(np.full(150, 1 / 150), rows)
        if p is not None:
            best = min(best, float(p @ np.log(p * 150)))
    assert found.relative_entropy <= best + 1e-9


def test_confidence_mixes_the_subsets_of_views() -> None:
    x = history()
    first = ScenarioView("mean", {"A": 1}, 0.2, confidence=0.25)
    second = ScenarioView("mean", {"B": 1}, 0.0, confidence=0.75)
    both, alone = pool(SYMBOLS, x, [_sure(first), _sure(second)]), pool(SYMBOLS, x, [_sure(second)])
    expected = 0.25 * both.probabilities + 0.5 * alone.probabilities + 0.25 / 500
    np.testing.assert_allclose(pool(SYMBOLS, x, [first, second]).probabilities, expected, atol=1e-12)


def _sure(view: ScenarioView) -> ScenarioView:
    return ScenarioView(view.kind, view.assets, view.value)


def test_contradictory_views_are_named_and_the_others_are_not() -> None:
    views = [
        ScenarioView("mean", {"A": 1}, 0.2),
        ScenarioView("mean", {"B": 1}, 0.1),
        ScenarioView("mean", {"A": 1}, 0.1, sense="<="),
    ]
    with pytest.raises(PolicyError, match=r"the views mean\(A\) = 0.2; mean\(A\) <= 0.1: "):
        pool(SYMBOLS, history(), views)


def test_a_view_beyond_every_scenario_is_refused() -> None:
    with pytest.raises(PolicyError, match="no weighting of these 500 scenarios"):
        pool(SYMBOLS, history() / 100, [ScenarioView("mean", {"A": 1}, 4.9)])


def test_the_same_view_twice_changes_nothing() -> None:
    x, view = history(), ScenarioView("volatility", {"A": 1}, 0.25)
    once, twice = pool(SYMBOLS, x, [view]), pool(SYMBOLS, x, [view, view])
    np.testing.assert_allclose(once.probabilities, twice.probabilities, atol=1e-10)


@examples(4)
@given(st.integers(0, 1000), st.floats(-0.3, 0.5), st.floats(0.08, 0.4), st.sampled_from(["=", ">=", "<="]))
def test_views_hold_on_random_histories(seed: int, mean: float, volatility: float, sense: str) -> None:
    views = [
        ScenarioView("mean", {"A": 1}, mean, sense=sense),
        ScenarioView("volatility", {"A": 1}, volatility),
    ]
    found = pool(SYMBOLS, history(seed, 300), views)
    gap = found.mean[0] - mean
    assert {"=": abs(gap), ">=": -gap, "<=": gap}[sense] < 1e-6
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(volatility, abs=1e-6)


def test_estimates_take_the_weighted_moments_and_say_so() -> None:
    x = history()
    plain = Estimates(SYMBOLS, x.mean(axis=0) * 252, np.cov(x.T) * 252, scenarios=x, observations=500)
    seen = pooled_estimates(plain, [ScenarioView("mean", {"A": 1}, 0.2)])
    assert seen.mean is not None
    assert seen.mean[0] == pytest.approx(0.2)
    assert seen.scenarios is not None and seen.probabilities is not None
    assert 252 * seen.probabilities @ seen.scenarios == pytest.approx(seen.mean)
    assert "entropy pooling, views: mean(A) = 0.2" in seen.notes
    with pytest.raises(PolicyError, match="have none"):
        pooled_estimates(Estimates(SYMBOLS, None, plain.covariance), [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sharpe", {"A": 1}, 1.0), "view kind 'sharpe' does not exist; use one of mean, volatility"),
        (("mean", {"A": 1}, 8.0), "value is 8; it must be a fraction from -5 to 5"),
        (("mean", {}, 0.1), "name symbols"),
        (("correlation", {"A": 1}, 0.1), "of two symbols"),
        (("correlation", {"A": 1, "B": 1}, 1.1), "fraction from -1 to 1"),
        (("volatility", {"A": 1}, -0.1), "from 0 to 5"),
    ],
)
def test_a_bad_view_says_what_it_must_be(arguments: tuple[str, dict[str, float], float], words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        ScenarioView(*arguments)


def test_an_unknown_symbol_and_a_bad_prior_are_named() -> None:
    with pytest.raises(PolicyError, match="names D, which is not estimated; there are A, B, C"):
        pool(SYMBOLS, history(), [ScenarioView("mean", {"D": 1}, 0.1)])
    with pytest.raises(PolicyError, match="add up to 2"):
        pool(SYMBOLS, history(), [], prior=np.full(500, 2 / 500))


@pytest.mark.parametrize("seed", some(range(8), 3))
@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
@pytest.mark.parametrize("beside", [False, True])
def test_a_calmer_tail_is_the_best_of_every_quantile(seed: int, share: float, beside: bool) -> None:
    """Few days with jumps: the entropy has several valleys; also beside a view on the mean, whose row counts too."""
    rng = np.random.default_rng(seed)
    x = 0.01 * rng.standard_normal((60, 3)) + 5e-4
    x[:, 0] -= 0.02 * (rng.random(60) < 0.05) * rng.random() * 2
    prior = rng.dirichlet(np.full(60, 20.0))
    losses = -x[:, 0]
    value = share * cvar(losses, prior, 0.95)
    lean = ScenarioView("mean", {"B": 1}, float(252 * prior @ x[:, 1]) + 0.05)
    mean = Rows.one(x[:, 1] - lean.value / 252, "=", 0) if beside else Rows.none(60)
    tail = ScenarioView("cvar", {"A": 1}, value, sense="<=")
    found = pool(SYMBOLS, x, [lean, tail] if beside else [tail], prior=prior)
    best = np.inf
    for edge in losses[losses < value]:
        row = Rows.one(edge + np.maximum(losses - edge, 0) / 0.05 - value, "<=", 1)
        p = tilt(prior, mean.joined(row))
        best = best if p is None else min(best, float(p @ np.log(p / prior)))
    assert found.relative_entropy <= best * (1 + 1e-9) + 1e-12
    assert cvar(losses, found.probabilities, 0.95) <= value + 1e-9


@pytest.mark.parametrize(("value", "sense"), [(0.5, "="), (0.5, ">="), (-0.5, "="), (-0.5, "<=")])
def test_a_tail_beyond_every_loss_is_refused_by_itself(value: float, sense: str) -> None:
    x = history(9, 60)
    views = [
        ScenarioView("volatility", {"A": 1}, 0.2),
        ScenarioView("cvar", {"A": 0.5, "B": 0.5}, value, sense=sense),
    ]
    losses = -(x @ [0.5, 0.5, 0])
    with pytest.raises(PolicyError) as refused:
        pool(SYMBOLS, x, views)
    said = f"view cvar(+0.5 A +0.5 B) {sense} {value:g}: the losses of these 60 scenarios are {losses.min():.4g} to"
    assert str(refused.value).startswith(said)


def test_a_view_that_moves_means_of_which_none_speaks_says_so() -> None:
    """Four days that A and B share, 1% up or down; C earns 0.8% where both rise and loses 0.2133% else.

    Correlated 0 at first; at 0.5 the two days on which they agree weigh 3/8 each, so that C's mean of 0.04% a day (a
    quarter x 0.8% - three quarters x 0.2133%) becomes 3/8 x 0.8% - 5/8 x 0.2133%.
    """
    up, down = 0.01, -0.01
    x = np.array(
        [[up, up, 0.008], [up, down, -0.064 / 30], [down, up, -0.064 / 30], [down, down, -0.064 / 30]]
    )
    view = ScenarioView("correlation", {"A": 1, "B": 1}, 0.5)
    found = pool(SYMBOLS, x, [view])
    np.testing.assert_allclose(found.probabilities, [3 / 8, 1 / 8, 1 / 8, 3 / 8], atol=1e-9)
    before, after = 252 * (0.002 - 0.048 / 30), 252 * (0.003 - 0.04 / 30)
    spread = np.sqrt(252 * 3 / 16) * (0.008 + 0.064 / 30)
    assert (after - before) / spread == pytest.approx(4.58, abs=0.01)
    assert found.warnings == (
        f"the views on correlation move expected returns that no view speaks of: C from {before:.1%} to {after:.1%} a "
        f"year; add a view of kind mean to hold one",
    )
    held = pool(SYMBOLS, x, [view, ScenarioView("mean", {"A": 1}, 0.01)])
    assert len(held.warnings) == 1  # the mean of C itself is still of no view
    assert (
        pool(SYMBOLS, x, [ScenarioView("mean", {"A": 1}, 0.5)]).warnings == ()
    )  # moves means, and says which
    assert (
        pool(SYMBOLS, x, [ScenarioView("correlation", {"A": 1, "B": 1}, 0.03)]).warnings == ()
    )  # 0.27 of it
