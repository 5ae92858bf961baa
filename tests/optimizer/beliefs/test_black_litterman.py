import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import BlackLittermanSettings, DataError, MarketView, PolicyError, posterior

NAMES = ("A", "B", "C", "D")
W = np.array([0.4, 0.3, 0.2, 0.1])
L = np.array([[0.2, 0, 0, 0], [0.1, 0.15, 0, 0], [0.05, 0.1, 0.2, 0], [0.0, 0.05, -0.1, 0.1]])
S = L @ L.T


def view(assets, kind, value, confidence=0.5, **more):
    return MarketView(assets, kind, value, confidence, **more)


def test_no_views_give_delta_s_w_exactly():
    answer = posterior(NAMES, W, S, [])
    assert answer.mean.tobytes() == (2.5 * (S @ W)).tobytes()
    assert answer.covariance == pytest.approx(1.05 * S)


def test_vanishing_confidence_is_no_confidence():
    none = posterior(NAMES, W, S, [])
    whisper = posterior(NAMES, W, S, [view(["A"], "absolute", 0.2, 1e-12)])
    assert whisper.mean == pytest.approx(none.mean, abs=1e-10)
    assert whisper.covariance == pytest.approx(none.covariance, abs=1e-10)


def test_another_prior_than_the_equilibrium_is_pulled_alike():
    start = np.array([0.05, 0.04, 0.03, 0.02])
    answer = posterior(NAMES, W, S, [view(["A"], "absolute", 0.1, 0.5)], prior=start)
    assert answer.mean[0] == pytest.approx(0.075)


def test_weights_in_percent_and_wrong_shapes_are_refused():
    with pytest.raises(PolicyError, match=r"write fractions, 0.6 for 60%"):
        posterior(NAMES, 100 * W, S, [])
    with pytest.raises(PolicyError, match="must be 4 finite fractions"):
        posterior(NAMES, W[:3], S, [])
    with pytest.raises(PolicyError, match="must be 4 x 4"):
        posterior(NAMES, W, S[:3, :3], [])


def test_no_confidence_changes_nothing_and_full_confidence_holds_exactly():
    silent = posterior(NAMES, W, S, [view(["A"], "absolute", 0.2, 0.0)])
    assert silent.mean.tobytes() == silent.prior.tobytes()
    sure = posterior(
        NAMES, W, S, [view(["A"], "absolute", 0.2, 1.0), view(["B", "C"], "relative", 0.03, 1.0)]
    )
    assert sure.mean[0] == pytest.approx(0.2, abs=1e-12)
    assert sure.mean[1] - sure.mean[2] == pytest.approx(0.03, abs=1e-12)
    assert sure.warnings == ()


def test_confidence_is_the_share_of_the_way():
    half = posterior(NAMES, W, S, [view(["C"], "absolute", 0.2, 0.3)])
    assert half.mean[2] == pytest.approx(half.prior[2] + 0.3 * (0.2 - half.prior[2]))


def test_mean_and_covariance_equal_the_textbook_form_with_inverses():
    views = [view(["A"], "absolute", 0.1, 0.6), view(["B", "D"], "relative", 0.02, 0.4)]
    chosen = BlackLittermanSettings(confidence="he_litterman")
    answer = posterior(NAMES, W, S, views, chosen)
    P = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, -1.0]])
    q = np.array([0.1, 0.02])
    prior_precision = np.linalg.inv(0.05 * S)
    omega = np.diag(np.diag(P @ (0.05 * S) @ P.T) / np.array([0.6, 0.4]))
    M = np.linalg.inv(prior_precision + P.T @ np.linalg.inv(omega) @ P)
    mean = M @ (prior_precision @ answer.prior + P.T @ np.linalg.inv(omega) @ q)
    assert answer.mean == pytest.approx(mean)
    assert answer.covariance == pytest.approx(S + M)
    sigma = posterior(
        NAMES, W, S, views, BlackLittermanSettings(confidence="he_litterman", covariance="sigma")
    )
    assert sigma.covariance is S


def test_groups_are_weighted_by_the_market_or_equally():
    answer = posterior(NAMES, W, S, [view(["A", "B"], "relative", 0.04, 1.0, against=["C", "D"])])
    lead = answer.mean[:2] @ [4 / 7, 3 / 7] - answer.mean[2:] @ [2 / 3, 1 / 3]
    assert lead == pytest.approx(0.04)
    equal = posterior(NAMES, W, S, [view(["A", "B"], "absolute", 0.1, 1.0, weights="equal")])
    assert equal.mean[:2].mean() == pytest.approx(0.1)
    with pytest.raises(PolicyError, match="no market weight; say weights='equal'"):
        posterior(NAMES, np.array([1.0, 0, 0, 0]), S, [view(["B", "C"], "absolute", 0.1)])


def test_more_assets_than_days_need_no_inverse():
    rng = np.random.default_rng(0)
    X = rng.normal(0, 0.01, (30, 80))
    singular = np.cov(X.T) * 252
    names = tuple(f"S{i}" for i in range(80))
    answer = posterior(names, np.full(80, 1 / 80), singular, [view(["S3"], "absolute", 0.24, 1.0)])
    assert answer.mean[3] == pytest.approx(0.24)
    assert np.abs(answer.mean).max() < 2


def test_twins_cannot_be_told_apart_and_it_says_so():
    twins = np.full((2, 2), 0.04)
    answer = posterior(("A", "B"), np.array([0.5, 0.5]), twins, [view(["A", "B"], "relative", 0.05, 1.0)])
    assert answer.mean == pytest.approx(answer.prior)
    assert "cannot hold" in answer.warnings[0]


def test_contradictory_views_are_reported_with_what_is_left():
    views = [
        view(["A", "B"], "relative", 0.02, 1.0),
        view(["B", "C"], "relative", 0.02, 1.0),
        view(["A", "C"], "relative", -0.02, 1.0),
    ]
    answer = posterior(NAMES, W, S, views)
    assert len(answer.warnings) == 3
    assert "A - B = 0.02 contradicts the others" in answer.warnings[0]
    assert np.isfinite(answer.mean).all()


def test_the_same_view_twice_is_fine_unless_it_differs():
    twice = [view(["A"], "absolute", 0.1, 1.0)] * 2
    assert posterior(NAMES, W, S, twice).mean[0] == pytest.approx(0.1)
    for opposed in (view(["A", "B"], "relative", 0.03), view(["B", "A"], "relative", 0.02)):
        with pytest.raises(PolicyError, match="contradict each other"):
            posterior(NAMES, W, S, [view(["A", "B"], "relative", 0.02), opposed])


def test_an_unknown_asset_is_named_with_the_valid_ones():
    with pytest.raises(
        PolicyError, match=r"names E, which is not among the 4 symbols .*; there are A, B, C, D"
    ):
        posterior(NAMES, W, S, [view(["E"], "absolute", 0.1)])


@pytest.mark.parametrize(
    ("arguments", "more", "said"),
    [
        ((["A"], "absolut", 0.1, 0.5), {}, "use one of absolute, relative"),
        (("A", "absolute", 0.1, 0.5), {}, "give a list"),
        (([], "absolute", 0.1, 0.5), {}, "at least one asset"),
        ((["A", "A"], "relative", 0.1, 0.5), {}, "each once"),
        ((["A"], "relative", 0.1, 0.5), {}, "compares two assets"),
        ((["A", "B", "C"], "relative", 0.1, 0.5), {}, "compares two assets"),
        ((["A"], "absolute", 0.1, 0.5), {"against": ["B"]}, "takes no `against`"),
        ((["A"], "absolute", float("nan"), 0.5), {}, "expected_return is nan"),
        ((["A"], "absolute", 8.0, 0.5), {}, "write 0.02 for 2%"),
        ((["A"], "absolute", 0.1, 1.5), {}, r"must lie in \[0, 1\]"),
        ((["A"], "absolute", 0.1, float("nan")), {}, r"must lie in \[0, 1\]"),
        ((["A"], "absolute", 0.1, 0.5), {"weights": "cap"}, "use one of market, equal"),
    ],
)
def test_a_view_that_means_nothing_is_refused(arguments, more, said):
    with pytest.raises(PolicyError, match=said):
        MarketView(*arguments, **more)


@pytest.mark.parametrize(
    "bad", [{"delta": 0.0}, {"tau": float("nan")}, {"confidence": "gut"}, {"covariance": "M"}]
)
def test_settings_that_mean_nothing_are_refused(bad):
    with pytest.raises(PolicyError, match=f"black_litterman.{next(iter(bad))}"):
        posterior(NAMES, W, S, [], BlackLittermanSettings(**bad))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.floats(-0.2, 0.2), st.floats(0, 1)), min_size=1, max_size=4
    ),
    st.permutations(range(4)),
    st.sampled_from([1.0, 1 / 252]),
)
def test_order_changes_nothing_and_the_posterior_covariance_lies_between(seed, opinions, order, scale):
    X = np.random.default_rng(seed).normal(0, 0.1, (3, 4))
    covariance = (X.T @ X) * scale
    unique = {asset: (value * scale, confidence) for asset, value, confidence in opinions}
    views = [view([asset], "absolute", *rest) for asset, rest in unique.items()]
    plain = posterior(NAMES, W, covariance, views)
    moved = list(order)
    shuffled = posterior(
        tuple(NAMES[i] for i in moved), W[moved], covariance[np.ix_(moved, moved)], views[::-1]
    )
    size = max(np.abs(plain.mean).max(), 1e-9)
    assert shuffled.mean == pytest.approx(plain.mean[moved], abs=1e-6 * size)
    top = np.trace(covariance)
    assert np.linalg.eigvalsh(plain.covariance - covariance)[0] >= -1e-9 * top
    assert np.linalg.eigvalsh(1.05 * covariance - plain.covariance)[0] >= -1e-9 * top


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (np.array([[0.04, np.nan], [np.nan, 0.09]]), r"covariance\[0, 1\] is nan"),
        (np.array([[0.04, 0.01], [0.02, 0.09]]), "covariance is not symmetric: A,B"),
        (np.array([[0.04, 0.1], [0.1, 0.09]]), "negative eigenvalue"),
        (np.array([[-0.04, 0.0], [0.0, 0.09]]), "the variance of A is -0.04"),
    ],
)
def test_a_covariance_that_no_returns_have_is_refused(broken: np.ndarray, said: str):
    half, opinion = np.array([0.5, 0.5]), [view(["A"], "absolute", 0.05)]
    with pytest.raises(DataError, match=said):
        posterior(("A", "B"), half, broken, opinion)


def test_a_prior_symbols_and_views_are_checked_too():
    half, opinion, good = np.array([0.5, 0.5]), [view(["A"], "absolute", 0.05)], np.diag([0.04, 0.09])
    with pytest.raises(DataError, match=r"prior\[1\] is inf"):
        posterior(("A", "B"), half, good, opinion, prior=np.array([0.1, np.inf]))
    with pytest.raises(DataError, match=r"prior has shape \(3,\)"):
        posterior(("A", "B"), half, good, opinion, prior=np.zeros(3))
    with pytest.raises(DataError, match="A given more than once"):
        posterior(("A", "A"), half, good, opinion)
    with pytest.raises(PolicyError, match="a list of MarketView"):
        posterior(("A", "B"), half, good, ["A = 0.05"])


@settings(max_examples=30, deadline=None)
@given(
    weights=st.lists(st.floats(-2, 2).filter(lambda w: abs(w) > 0.01), min_size=1, max_size=4),
    q=st.floats(-0.2, 0.2),
)
def test_a_view_of_own_weights_and_full_confidence_holds_for_that_portfolio(weights: list[float], q: float):
    held = dict(zip(NAMES, weights, strict=False))
    row = np.array([held.get(symbol, 0.0) for symbol in NAMES])
    for opinion in (
        view(held, "absolute", q, 1.0),
        view(list(held), "absolute", q, 1.0, weights=held),
        view(held, "relative", q, 1.0),
    ):
        assert float(row @ posterior(NAMES, W, S, [opinion]).mean) == pytest.approx(q, abs=1e-9)


def test_own_weights_of_both_sides_and_how_such_a_view_reads():
    opinion = view({"A": 0.7, "B": 0.3}, "relative", 0.02, 1.0, against={"C": 0.5, "D": 0.5})
    mean = posterior(NAMES, W, S, [opinion]).mean
    assert float(np.array([0.7, 0.3, -0.5, -0.5]) @ mean) == pytest.approx(0.02)
    assert str(opinion) == "0.7 A +0.3 B -0.5 C -0.5 D = 0.02"


@pytest.mark.parametrize(
    "wrong",
    [
        {"assets": {"A": 0.7}, "against": ["B"], "view_type": "relative"},
        {"assets": ["A", "B"], "weights": {"A": 1.0}},
        {"assets": {"A": np.nan}},
        {"assets": {"A": "all"}},
        {"assets": {"A": 60.0, "B": 40.0}},
        {"assets": {"A": 0.0}},
    ],
    ids=str,
)
def test_own_weights_that_say_no_portfolio_are_refused(wrong: dict[str, object]):
    with pytest.raises(PolicyError, match="weight"):
        MarketView(**{"view_type": "absolute", "expected_return": 0.1, "confidence": 1.0, **wrong})


@pytest.mark.parametrize("sure", [{"confidence": 0.5}, {"error": 0.01}, {"confidence": 1.0}], ids=str)
def test_a_view_on_what_has_no_risk_is_said_to_move_nothing(sure: dict[str, float]) -> None:
    twins, still = np.full((3, 3), 0.04), np.diag([0.04, 0.0, 0.09])
    for covariance, view in (
        (twins, MarketView({"A": 1.0, "B": -1.0}, "relative", 0.1, **sure)),
        (still, MarketView(["B"], "absolute", 0.1, **sure)),
    ):
        found = posterior(("A", "B", "C"), np.array([0.5, 0.3, 0.2]), covariance, [view])
        assert (
            "cannot hold: the covariance leaves its portfolio no freedom; it comes to 0.0000"
            in found.warnings[0]
        )
        assert found.mean == pytest.approx(found.prior)
    calm = posterior(
        ("A", "B", "C"), np.array([0.5, 0.3, 0.2]), twins, [MarketView(["A"], "absolute", 0.2, **sure)]
    )
    assert calm.warnings == () and calm.mean[0] > calm.prior[0] + 0.01
