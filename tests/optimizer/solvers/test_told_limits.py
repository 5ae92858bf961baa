"""What a limit costs is told as a manager would: what gets better, by how much, in the measure of the reader's door."""

import re

import numpy as np
import pytest

from optimizer import Estimates, ExposureType, Fund, FundExposureMap, Policy, Universe, solve
from optimizer.measures.portfolio_measures import volatility
from optimizer.problem.methods import AFTER_COSTS, METHODS
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
    r"(raises the (utility|expected return|Sharpe ratio|diversification ratio|ratio of return to CVaR|growth per year)|"
    r"lowers the (volatility|tracking error|mean loss of the worst 5% of periods|distance from [a-z_ ]+ weights|"
    r"[A-Za-z ]*drawdown|[CE]DaR 0.95|EVaR 0.95|robust CVaR 0.95|ulcer index|mean absolute deviation|"
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
        assert not re.search("penalty|negative", text)
        assert re.fullmatch(BETTER, text.partition("by 1 point ")[2]), text


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
        sentence, numbers = explain(move, Reasons(binding=(binding,), two_way=two_way), traded=True)
        assert said in sentence
        assert numbers["max_turnover bound"] == 0.05
