"""The universe binds, ranges may be open, and a limit that another setting makes void is refused."""

import numpy as np
import pytest

from optimizer import (
    BlackLittermanSettings,
    DataError,
    Estimates,
    ExposureType,
    InfeasibleError,
    MarketView,
    OptimizationConstraints,
    Policy,
    PolicyError,
    PolicyStrategy,
    Portfolio,
    Recipe,
    ScenarioView,
    Universe,
    ViewMatrix,
    build_trades,
    posterior,
    solve,
)
from optimizer.problem.methods import METHODS, ON_SCENARIOS

NAMES = ("A", "B", "C", "D")
DAYS = np.random.default_rng(5).standard_normal((120, 4)) * [0.01, 0.012, 0.008, 0.015]
FOUR = Estimates(NAMES, np.array([0.05, 0.09, 0.03, 0.06]), np.cov(DAYS.T) * 252, DAYS)
BOOK = Universe(NAMES, {s: "x" if s in "AB" else "y" for s in NAMES}, benchmark=dict.fromkeys(NAMES, 0.25))


# Two methods over scenarios stand for all: the limits are the same.
UNLIKE = sorted(set(METHODS) - ON_SCENARIOS - {"exposure_risk_parity"} | {"cvar", "kelly"})


@pytest.mark.parametrize("method", UNLIKE)
def test_what_the_universe_leaves_out_is_not_held(method: str):
    policy = Policy(method=method, risk_free_rate=0.01, target_volatility=0.15)
    universe = Universe(("A", "C", "D", "E"), benchmark={"A": 0.5, "C": 0.5})
    found = solve(FOUR, policy, universe, np.full(4, 0.25))
    assert found.weights[1] == pytest.approx(0.0, abs=1e-12)
    assert found.weights.sum() == pytest.approx(1.0)


def test_the_universe_holds_in_books_that_may_be_short_and_is_named_where_it_forbids_an_answer():
    free = Policy(method="max_return", long_only=False, min_weight=-0.5, max_weight=0.8, risk_free_rate=0.0)
    assert solve(FOUR, free, Universe(("A", "C", "D"))).weights[1] == 0.0
    with pytest.raises(InfeasibleError, match="universe B is 0"):
        solve(FOUR, Policy(method="min_volatility", max_weight=0.4), Universe(("A", "C")))
    with pytest.raises(PolicyError, match="asset_limits demand B, which the universe leaves out"):
        solve(FOUR, Policy(method="min_volatility", asset_limits={"B": (0.1, 0.3)}), Universe(("A", "C")))
    with pytest.raises(PolicyError, match="allow no name at all"):
        solve(FOUR, Policy(method="equal_weight"), Universe(("X",)))


def test_the_universe_binds_in_a_backtest():
    import pandas as pd

    prices = pd.DataFrame(
        100 * np.cumprod(1 + DAYS, axis=0), pd.bdate_range("2024-01-01", periods=120), list(NAMES)
    )
    recipe = Recipe(covariance_method="sample", lookback_days=100)
    strategy = PolicyStrategy(Policy(method="min_volatility"), Universe(("A", "C")), recipe, "historical")
    assert strategy(prices, prices.index[-1], {})["B"] == 0.0


@pytest.mark.parametrize(
    "limits",
    [
        {"min_weight": -0.1},
        {"max_weight": -0.1},
        {"asset_limits": {"C": (-0.3, 0.3)}},
        {"asset_limits": {"C": (None, -0.1)}},
        {"sector_limits": {"x": (-0.1, None)}},
        {"sector_limits": {"x": (None, -0.1)}},
        {"max_sector": -0.1},
        {"net_limits": (-0.2, None)},
    ],
    ids=str,
)
def test_a_short_limit_of_a_long_only_book_is_refused(limits: dict[str, object]):
    with pytest.raises(PolicyError, match="long-only, which forbids short positions"):
        Policy(**limits)
    Policy(long_only=False, **limits)


def test_a_written_short_limit_of_a_long_only_book_is_refused():
    for line in ("C >= -0.3", "x >= -10%", "A + y >= -0.1", "symbol:A <= -0.1", "-0.2 <= C <= 1"):
        with pytest.raises(PolicyError, match="long-only"):
            solve(FOUR, Policy(method="min_volatility", limits=(line,)), BOOK)
    solve(FOUR, Policy(method="min_volatility", limits=("C - A >= -0.3", "cash >= -0.1")), BOOK)


def test_constraints_of_the_engine_refuse_a_short_limit_too():
    with pytest.raises(PolicyError, match=r"min_weight: -20% is below 0"):
        OptimizationConstraints(min_weight=-0.2)


@pytest.mark.parametrize(
    ("open_end", "written"),
    [
        ({"sector_limits": {"y": (None, 0.3)}}, "y <= 0.3"),
        ({"sector_limits": {"y": [0.8, None]}}, "y >= 0.8"),
        ({"asset_limits": {"C": (None, 0.1)}}, "C <= 0.1"),
        ({"asset_limits": {"A": (0.5, None)}}, "A >= 0.5"),
        ({"net_limits": (None, 0.5), "cash_max": 1.0}, "invested <= 0.5"),
        ({"net_limits": [0.5, None], "cash_max": 1.0}, "invested >= 0.5"),
        ({"factor_limits": {"size": (0.6, None)}}, "size >= 0.6"),
    ],
    ids=str,
)
def test_an_end_that_is_none_is_open(open_end: dict[str, object], written: str):
    universe = Universe(NAMES, BOOK.sectors, factors={"size": {"A": 0.0, "B": 1.0, "C": 0.0, "D": 1.0}})
    base = {"method": "min_volatility", "risk_free_rate": 0.0}
    cash = {"cash_max": open_end.get("cash_max", 0.0)}
    found = solve(FOUR, Policy(**base, **open_end), universe)
    same = solve(FOUR, Policy(**base, **cash, limits=written), universe)
    np.testing.assert_allclose(found.weights, same.weights, atol=1e-8)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sector_limits": {"y": 0.3}}, r"sector_limits of y is 0.3; it must be \(least, most\)"),
        ({"asset_limits": {"A": "0.1"}}, "asset_limits of A is '0.1'"),
        ({"asset_limits": {"A": (0, "0.1")}}, "asset_limits of A is '0.1'; it must be a number"),
        ({"asset_limits": [("A", 0.1)]}, "it must be a mapping"),
        ({"net_limits": (0.1,)}, r"net_limits is \(0.1,\)"),
        ({"max_weight": "0.3"}, "max_weight is '0.3'; it must be a number"),
        ({"cash_min": None}, "cash_min is None; it must be a number"),
        ({"max_turnover": True}, "max_turnover is True"),
        ({"max_exposures": {"equty": 0.3}}, "exposure type 'equty' does not exist"),
        ({"risk_budgets": {"A": "all"}}, "risk_budgets of A is 'all'"),
        ({"lookback_days": "a year"}, "lookback_days is 'a year'; it must be a number"),
        ({"black_litterman": {"delt": 2}}, "black_litterman is {'delt': 2}; it must be"),
        ({"limits": 0.3}, "limits are 0.3; they must be lines of text"),
        ({"limits": ("A <= 0.1", 3)}, "they must be lines of text"),
        ({"asset_limits": {"A": (0, float("inf"))}}, "limits of A: inf is not a number"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_limit_is_refused_in_words(wrong: dict[str, object], said: str):
    with pytest.raises(PolicyError, match=said):
        Policy(**wrong)


def test_names_and_lines_are_taken_as_a_file_writes_them():
    policy = Policy(max_exposures={"equity": 0.6}, limits=["A <= 0.1"], asset_limits={"A": [0, 0.2]})
    assert policy.max_exposures == {ExposureType.EQUITY: 0.6}
    assert policy.limits == ("A <= 0.1",) and policy.asset_limits == {"A": (0, 0.2)}
    assert Policy(limits="A <= 0.1").limits == ("A <= 0.1",)
    assert Policy(max_exposures={"equity": None}).max_exposures == {}
    assert Policy(black_litterman={"delta": 3.0}).black_litterman == BlackLittermanSettings(delta=3.0)
    assert ScenarioView("mean", ["A", "B"], 0.1).assets == {"A": 1.0, "B": 1.0}


def test_views_of_the_wrong_kind_are_refused_in_words():
    for wrong in (
        lambda: MarketView(["A"], "absolute", "much", 0.5),
        lambda: ScenarioView("mean", "A", 0.1),
        lambda: ScenarioView("mean", {"A": "1"}, 0.1),
        lambda: ScenarioView("mean", {"A": 1}, "much"),
    ):
        with pytest.raises(PolicyError, match="it must be a"):
            wrong()
    for odd in (None, 3, [None], ["A", 3], [["A"]]):
        with pytest.raises(PolicyError):
            MarketView(odd, "absolute", 0.02, 0.5)
        with pytest.raises(PolicyError):
            ScenarioView("mean", odd, 0.02)
    right = {"assets": ["A"], "view_type": "absolute", "expected_return": 0.02, "confidence": 1.0}
    for wrong_field in ({"weights": None}, {"weights": ["A"]}, {"expected_return": None}, {"against": 3}):
        with pytest.raises(PolicyError):
            MarketView(**{**right, **wrong_field})
    for odd in (None, "x", [None]):
        with pytest.raises(DataError):
            ViewMatrix(np.ones((1, 2)), [0.02], odd)
    for views in (None, MarketView(["A"], "absolute", 0.02, 0.5)):
        with pytest.raises(PolicyError, match="views must be a list"):
            posterior(("A", "B"), [0.5, 0.5], np.diag([0.04, 0.09]), views)
    with pytest.raises(PolicyError, match="tau is 'x'"):
        posterior(("A", "B"), [0.5, 0.5], np.diag([0.04, 0.09]), [], {"tau": "x"})


def test_trades_name_the_target_rate_or_lot_that_is_no_number():
    nothing = float("nan")
    two, book, prices = (
        Estimates(("A", "B"), None, np.diag([0.04, 0.09])),
        Portfolio("p", 1000),
        {"A": 10, "B": 5},
    )

    def ask(target: dict[str, float], **options: object) -> None:
        build_trades(book, prices, target, two, Policy(), Universe(("A", "B")), **options)

    with pytest.raises(PolicyError, match="the target of A is nan"):
        ask({"A": nothing, "B": 0.5})
    with pytest.raises(DataError, match="the exchange rate of A is nan"):
        ask({"A": 0.5}, fx={"A": nothing})
    with pytest.raises(DataError, match="the lot of A is nan"):
        ask({"A": 0.5}, lots=nothing)


IDLE = np.diag([0.04, 0.09, 0.0, 0.01])


@pytest.mark.parametrize("method", ["hrp", "hrp_condensed", "herc", "nco", "risk_parity"])
def test_a_name_that_never_moved_is_refused_by_name_where_risk_is_shared(method: str):
    with pytest.raises(DataError, match="C never moved"):
        solve(Estimates(NAMES, None, IDLE), Policy(method=method), BOOK)
    found = solve(Estimates(NAMES, None, IDLE), Policy(method=method, asset_limits={"C": (0, 0)}), BOOK)
    assert found.weights[2] == pytest.approx(0, abs=1e-9) and found.weights.sum() == pytest.approx(1)


def test_a_hedge_without_a_risk_budget_is_named():
    hedged = np.array([[0.04, -0.018, 0.01], [-0.018, 0.01, -0.002], [0.01, -0.002, 0.0225]])
    policy = Policy(method="risk_parity", risk_budgets={"A": 0.6, "C": 0.4})
    found = solve(Estimates(("A", "B", "C"), None, hedged), policy, Universe(("A", "B", "C")))
    assert any("no share of the risk to B" in warning for warning in found.warnings)
    plain = solve(
        Estimates(("A", "B", "C"), None, np.diag([0.04, 0.01, 0.02])), policy, Universe(("A", "B", "C"))
    )
    assert plain.weights[1] == pytest.approx(0, abs=1e-9)
    assert not any("no share" in warning for warning in plain.warnings)


def test_a_universe_takes_lists_and_the_words_of_a_file():
    listed = Universe(["A", "B"], benchmark="equal_weight")
    assert listed.symbols == ("A", "B") and listed.benchmark == {"A": 0.5, "B": 0.5}
    assert Universe(("A", "B"), benchmark="SPY").benchmark == {"SPY": 1.0}
    capped = Universe(("A", "B"), benchmark="market_cap", market_caps={"A": 3.0, "B": 1.0})
    assert capped.benchmark == {"A": 0.75, "B": 0.25}
    with pytest.raises(PolicyError, match="market_caps lacks B"):
        Universe(("A", "B"), benchmark="market_cap", market_caps={"A": 3.0})
    with pytest.raises(PolicyError, match="symbols is 'SPY', of str; give a list of names"):
        Universe("SPY")


def test_settings_of_the_wrong_kind_are_refused_where_they_are_made():
    for wrong in (
        {"long_only": None}, {"long_only": "no"}, {"method": ["hrp"]}, {"mean_method": 3}, {"on_conflict": "x"},
        {"forced_cash": None}, {"do_not_buy": [["A"]]},
    ):  # fmt: skip
        with pytest.raises(PolicyError):
            Policy(**wrong)
    for wrong in (
        {"symbols": None}, {"symbols": [["A"]]}, {"sectors": "x"}, {"benchmark": {"A": None}}, {"benchmark": ["A"]},
        {"factors": 3}, {"funds": {"A": 1}}, {"factor_risk": "x"},
    ):  # fmt: skip
        with pytest.raises(PolicyError):
            Universe(**{"symbols": NAMES, **wrong})
    assert Universe(NAMES, None, factors=None).sectors == {}
