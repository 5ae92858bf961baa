"""What a limit costs is told as a manager would: what gets better, by how much, in the measure of the reader's door."""

import re
from dataclasses import replace

import numpy as np
import pytest

from optimizer import Estimates, ExposureType, Fund, FundExposureMap, Policy, Universe, solve
from optimizer.measures.portfolio_measures import volatility
from optimizer.problem.cost_terms import AFTER_COSTS
from optimizer.problem.methods import METHODS
from optimizer.solvers.audit import Binding
from optimizer.trading.rationale import Move, Reasons, explain

NAMES = ("A", "B", "C", "D")
RNG = np.random.default_rng(3)
DAYS = RNG.normal(4e-4, 0.01, (90, 4)) * np.array([0.6, 1.0, 1.4, 1.8])
SOUND = Estimates(NAMES, 252 * DAYS.mean(axis=0), 252 * np.cov(DAYS.T), DAYS, observations=90)
T = ExposureType
FUNDS = FundExposureMap(
    [Fund(s, s, {k: 1.0}) for s, k in zip(NAMES, (T.EQUITY, T.BONDS, T.GOLD, T.CASH), strict=True)]
)
BOOK = Universe(NAMES, benchmark=dict.fromkeys(NAMES, 0.25), funds=FUNDS)
HELD = np.array([0.1, 0.1, 0.4, 0.4])
BETTER = (
    r"(raises the (expected return( less its penalty for risk)?|Sharpe ratio|diversification ratio|"
    r"ratio of return to CVaR|growth per year)|"
    r"lowers the (volatility|tracking error|mean loss of the worst 5% of periods|distance from [a-z_ ]+ weights|"
    r"[A-Za-z ]*drawdown|(CDaR|EVaR|robust CVaR) at 95%|ulcer index|mean absolute deviation|"
    r"deviation below the mean|"
    r"average shortfall|downside deviation|mean difference of two periods|loss of the worst period))"
    r"( after trading costs)? by [0-9.e+-]+( bps)?|leaves the [A-Za-z_%0-9 -]+ as it is"
)


def texts(policy: Policy) -> list[str]:
    return [binding.text for binding in solve(SOUND, policy, BOOK, HELD).binding]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_tells_its_limits_without_penalties(method: str) -> None:
    target = {"target_volatility": 0.25} if method == "target_volatility" else {}
    found = texts(Policy(method=method, risk_free_rate=0.0, max_weight=0.35, max_turnover=0.15, **target))
    for text in found:
        told = text.partition("by 1 point ")[2]
        assert told == "brings the shares of risk nearer to their budgets" or re.fullmatch(BETTER, told), text
    assert found or method in ("equal_weight",)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"beta_limits": (None, 0.8)}, r"relaxing max_beta \(0.8\) by 0.01 lowers the volatility by \S+ bps"),
        ({"limits": "A <= 0.1"}, r"relaxing A <= 0.1 \(0.1\) by 0.01 lowers"),
        ({"limits": "A <= 10%"}, r"relaxing A <= 10% \(10%\) by 1 point lowers"),
    ],
    ids=str,
)
def test_amounts_that_are_no_share_of_the_value_are_not_told_in_percent(limits: dict, said: str) -> None:
    names = ("A", "B")
    it = Estimates(names, np.array([0.05, 0.06]), np.diag([0.01, 0.09]))
    universe = Universe(names, benchmark={"A": 1.0}) if "limits" not in limits else Universe(names)
    found = solve(it, Policy(method="min_volatility", **limits), universe)
    assert any(re.match(said, binding.text) for binding in found.binding), found.binding


@pytest.mark.parametrize("method", AFTER_COSTS)
def test_after_costs_a_risk_is_told_as_the_risk(method: str) -> None:
    more = {"target_volatility": 0.25} if method == "target_volatility" else {}
    policy = Policy(
        method=method, risk_free_rate=0.0, max_turnover=0.05, cost_horizon_years=1.0, impact_bps=5.0, **more
    )
    for text in texts(policy):
        assert not re.search("the penalty|negative", text)
        assert re.fullmatch(BETTER, text.partition("by 1 point ")[2]), text


def test_a_penalty_for_concentration_is_told_as_what_it_is_taken_off() -> None:
    for method, said in (
        ("mean_variance", "raises the expected return less its penalty for risk and concentration by "),
        ("max_return", "raises the expected return less its penalty for concentration by "),
        ("min_volatility", "lowers the penalty for volatility and concentration by "),
    ):
        limited = {"method": method, "risk_free_rate": 0.0, "max_turnover": 0.15, "l2_penalty": 0.1}
        free = solve(SOUND, Policy(**limited | {"max_turnover": 0.1501}), BOOK, HELD).objective
        found = solve(SOUND, Policy(**limited), BOOK, HELD)
        [told] = [b for b in found.binding if b.limit == "max_turnover"]
        worth = told.text.partition(f"by 1 point {said}")[2].removesuffix(" bps")
        assert float(worth) == pytest.approx(1e6 * (free - found.objective), rel=0.06), told.text


def test_a_weight_without_a_choice_is_told_by_the_side_that_would_help() -> None:
    closed = {"do_not_trade": {"A": "a tender offer"}, "do_not_buy": ["B"], "do_not_sell": ["C"]}
    found = solve(SOUND, Policy(method="min_volatility", risk_free_rate=0.0, **closed), BOOK, HELD)
    assert sorted(b.limit for b in found.binding) == ["do_not_buy B", "do_not_trade A"]
    for binding in found.binding:
        told = f"lifting {binding.limit} for 1 point lowers the volatility by "
        assert binding.text.startswith(told), binding.text
    fixed = Policy(
        method="min_volatility", risk_free_rate=0.0, asset_limits={"A": (0.5, 0.5), "D": (0.2, 0.2)}
    )
    assert [b.limit for b in solve(SOUND, fixed, BOOK).binding] == ["min_weight D", "max_weight A"]


def test_a_name_that_is_not_chosen_is_no_limit_and_a_least_position_is_told_as_one() -> None:
    short = {"long_only": False, "min_weight": -0.3, "max_weight": 0.6, "risk_free_rate": 0.0}
    few = solve(SOUND, Policy(method="mean_variance", max_holdings=2, **short), BOOK)
    assert (np.abs(few.weights) > 1e-8).sum() == 2
    assert {b.limit.split()[0] for b in few.binding} <= {"max_weight", "max_holdings"}, few.binding
    policy = Policy(method="min_volatility", min_position=0.3, limits=("A <= 0.4",), risk_free_rate=0.0)
    found = {b.limit: b.value for b in solve(SOUND, policy, BOOK).binding}
    whole = {"A <= 0.4": 0.4, "min_position B": 0.3, "min_position D": 0.3, "min_position": 0.3}
    assert found == pytest.approx(whole)


def test_the_basis_points_of_a_volatility_after_costs_are_those_of_the_volatility() -> None:
    def run(limit: float):  # type: ignore[no-untyped-def]
        policy = Policy(method="min_volatility", risk_free_rate=0.0, max_turnover=limit, cost_horizon_years=1.0,
                        impact_bps=0.0)  # fmt: skip
        return solve(SOUND, policy, BOOK, HELD)

    limit, step = 0.05, 1e-4
    low, high = (volatility(run(at).weights, SOUND.covariance) for at in (limit - step, limit + step))
    [text] = [b.text for b in run(limit).binding if b.limit == "max_turnover"]
    told = re.fullmatch(
        r"relaxing max_turnover \(5%\) by 1 point lowers the volatility after .* by (\S+) bps", text
    )
    assert told is not None
    assert float(told[1]) == pytest.approx(-100 * (high - low) / (2 * step), rel=0.06)


def test_a_desk_reads_turnover_in_buys_and_sales() -> None:
    text = "relaxing max_turnover (5%) by 1 point lowers the volatility by 4 bps"
    binding = Binding("max_turnover", 0.05, 0.05, 0.04, text)
    move = Move("A", None, 0.1, 0.2, 0.2, 0.001, 0.001, 0.0)
    for two_way, said in (
        (False, "max_turnover (5%) by 1 point lowers"),
        (True, "max_turnover (10% in buys and sales) by 2 points lowers"),
    ):
        sentence, numbers = explain(move, Reasons(binding=(binding,), two_way=two_way), (), traded=True)
        assert said in sentence
        assert numbers["max_turnover bound"] == 0.05


@pytest.mark.parametrize(
    ("limits", "key", "shown"),
    [
        ({"max_holdings": 2}, "max_holdings", "2"),
        ({"min_position": 0.3}, "min_position", "30%"),
        ({"max_holdings": 2, "min_position": 0.1}, "max_holdings", "2"),
        ({"max_holdings": 3, "min_position": 0.4}, "min_position", "40%"),
    ],
    ids=str,
)
def test_a_sale_that_limits_on_names_alone_cause_has_them_for_its_reason(
    limits: dict, key: str, shown: str
) -> None:
    held = dict.fromkeys(NAMES, 0.25)
    free, few = (
        solve(SOUND, Policy(method="min_volatility", risk_free_rate=0.0, **own), BOOK, held)
        for own in ({}, limits)
    )
    sold = [s for s, w, v in zip(NAMES, few.weights, free.weights, strict=True) if abs(w) < 1e-8 < abs(v)]
    assert sold
    for symbol in NAMES:
        move = Move(symbol, None, 0.25, 0.0, 0.0, 0.001, 0.001, 0.0)
        text, numbers = explain(move, Reasons(binding=few.binding), (), traded=True)
        assert (f"{key} ({shown}) leaves it out" in text) == (symbol in sold), text
        assert symbol not in sold or f"{key} {symbol} bound" in numbers
    [whole] = [b for b in few.binding if b.limit == key]
    lowered = re.fullmatch(
        r".* leaves out \d names?; lifting .* lowers the volatility by (\S+) bps", whole.text
    )
    assert lowered is not None
    assert float(lowered[1]) == pytest.approx(1e4 * (few.objective - free.objective), rel=0.06)
    assert whole.shadow_price == pytest.approx((few.objective - free.objective) / len(sold))


def test_names_that_nothing_leaves_out_and_books_without_such_limits_are_told_nothing_of_them() -> None:
    held = dict.fromkeys(NAMES, 0.25)
    policy = Policy(method="min_volatility", risk_free_rate=0.0)
    kept = int((solve(SOUND, policy, BOOK, held).weights > 1e-8).sum())
    enough = solve(SOUND, replace(policy, max_holdings=kept), BOOK, held)
    assert not [b for b in enough.binding if b.limit.startswith("max_holdings")]
    rule = solve(
        SOUND, replace(policy, large_holdings=(0.05, 0.4), cash_max=0.6, method="mean_variance"), BOOK
    )
    assert [b.bound for b in rule.binding if b.limit == "large_holdings"] == [0.4]
