"""What the report of a conflict says to relax, by as much as it says, does make a portfolio."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from draws import some
from random_policies import Case, case_of
from ways_out import dead_ends, taken, with_shares

from optimizer import Estimates, InfeasibleError, Policy, PolicyError, Universe, solve
from optimizer.errors import Conflict, rounded_up
from optimizer.numerics.lp import Mixed, solve_mixed
from optimizer.solvers.names import name_program, program_work
from resources.settings.policies.limit_words import desk_conflict

NAMES = tuple("ABCDEFGH")
SECTORS = dict(zip(NAMES, "xxxyyyzz", strict=True))
SAID = re.compile(r"([\w.<>=% +*-]+?) is (\S+) and must give way by (\S+?)(?=;| and | or |$)")


def estimates(rng: np.random.Generator) -> Estimates:
    spread = rng.standard_normal((8, 8)) * 0.08
    return Estimates(NAMES, rng.uniform(0.01, 0.15, 8), spread @ spread.T + 0.01 * np.eye(8))


def contradictory(rng: np.random.Generator) -> tuple[Policy, np.ndarray | None]:
    """Random limits that often cannot hold together."""
    choices: dict[str, Any] = {
        "max_weight": float(rng.choice([0.02, 0.07, 0.13, 0.3])),
        "min_weight": float(rng.choice([0.01, 0.11, 0.14])),
        "asset_limits": {
            "A": (float(rng.choice([0.1, 0.35])), 0.6),
            "H": (0.0, float(rng.choice([0.0, 0.01]))),
        },
        "max_sector": float(rng.choice([0.15, 0.3, 0.45])),
        "sector_limits": {
            "x": (0.0, float(rng.choice([0.05, 0.2]))),
            "z": (float(rng.choice([0.3, 0.7])), 1.0),
        },
        "max_turnover": float(rng.choice([0.0, 0.03, 0.2])),
        "min_return": float(rng.choice([0.06, 0.12, 0.3])),
        "max_volatility": float(rng.choice([0.02, 0.07, 0.1])),
        "max_tracking_error": float(rng.choice([0.01, 0.05])),
        "max_notional": float(rng.choice([0.5, 0.9])),
        "limits": (str(rng.choice(["A + B >= 55%", "D <= 0.3 * A", "invested <= 0.8"])),),
        "cash_min": float(rng.choice([0.0, 0.05])),
        "beta_limits": (0.2, float(rng.choice([0.5, 0.9]))),
    }
    chosen = {name: value for name, value in choices.items() if rng.random() < 0.35}
    chosen["cash_max"] = chosen.get("cash_min", 0.0) + float(rng.choice([0.0, 0.1]))
    if chosen.get("min_weight", 0) > chosen.get("max_weight", 1):
        del chosen["min_weight"]
    if rng.random() < 0.2:
        chosen |= {
            "long_only": False,
            "min_weight": -0.2,
            "max_weight": 0.4,
            "max_gross": float(rng.choice([0.5, 1.1])),
        }
    return Policy(method="min_volatility", risk_free_rate=0.01, **chosen), rng.dirichlet(np.full(8, 0.4))


def relaxed(policy: Policy, name: str, amount: float) -> Policy:
    """The policy with one limit, named as in a message, wider by so much."""
    return taken(policy, Conflict(name, 0.0, amount), NAMES)


def every_way(error: InfeasibleError) -> list[list[tuple[str, float]]]:
    """The sets that the message says to relax, with the amounts as it prints them."""
    said = str(error).partition("; ")[2]
    if said.startswith("relax one of: "):
        parts = said.removeprefix("relax one of: ").split("; ")
    else:
        parts = said.partition("relax together: ")[2].split(" or else ")
    return [
        [(name.strip().removeprefix("and "), float(by)) for name, _, by in SAID.findall(part)]
        for part in parts
    ]


def check(seed: int) -> bool:
    rng = np.random.default_rng(seed)
    it = estimates(rng)
    policy, held = contradictory(rng)
    universe = Universe(NAMES, SECTORS, benchmark={"A": 0.5, "E": 0.5})
    try:
        solve(it, policy, universe, held)
    except InfeasibleError as error:
        if not error.conflicts:
            return False
        ways = every_way(error)
        assert [[name for name, _ in way] for way in ways] == [
            [c.limit for c in way] for way in error.ways
        ], error
        assert ways, error
        for way in ways:
            wider = policy
            for name, amount in way:
                wider = relaxed(wider, name, amount)
            found = solve(it, wider, universe, held)
            assert found.certificate.ok and found.constraints_met, (seed, way)
            if len(way) > 1:  # a smallest set: none of it is enough without the others, however much it gives
                alone = [(name, amount) for name, amount in way][:-1]
                assert not feasible(it, policy, alone, universe, held), (seed, way)
        return True
    return False


def feasible(
    it: Estimates, policy: Policy, given: list[tuple[str, float]], universe: Universe, held: np.ndarray
) -> bool:
    wider = policy
    for name, amount in given:
        wider = relaxed(wider, name, amount)
    try:
        solve(it, wider, universe, held)
    except InfeasibleError:
        return False
    return True


def newer(rng: np.random.Generator) -> tuple[Policy, np.ndarray]:
    """Random limits on trades, the largest weights, margin and names, that often cannot hold together."""
    choices: dict[str, Any] = {
        "largest_limits": {int(rng.integers(1, 5)): float(rng.choice([0.05, 0.2, 0.4]))},
        "max_trade": float(rng.choice([0.02, 0.05, 0.2])),
        "trade_limits": {"A": 0.1, "E": 0.3},
        "do_not_buy": {"B": "results are due"},
        "do_not_sell": {"C": "a lock-up"},
        "max_weight": float(rng.choice([0.1, 0.2, 0.4])),
        "asset_limits": {"B": (0.3, 0.6), "C": (0.0, 0.2)},
        "max_turnover": float(rng.choice([0.0, 0.03, 0.2])),
        "max_volatility": float(rng.choice([0.03, 0.08])),
        "max_gross": float(rng.choice([0.5, 0.9])),
        "min_position": float(rng.choice([0.05, 0.1])),
        "max_holdings": int(rng.integers(1, 7)),
    }
    chosen = {name: value for name, value in choices.items() if rng.random() < 0.35}
    if rng.random() < 0.3:
        chosen |= {"long_only": False, "min_weight": -0.3, "max_margin": float(rng.choice([0.2, 0.4]))}
    cash = float(rng.choice([0.0, 0.1]))
    policy = Policy(method="min_volatility", risk_free_rate=0.01, cash_max=cash, **chosen)
    return policy, rng.dirichlet(np.full(8, 0.4))


def check_newer(seed: int) -> bool:
    rng = np.random.default_rng(seed)
    it, (policy, held), universe = estimates(rng), newer(rng), Universe(NAMES)
    try:
        solve(it, policy, universe, held)
    except InfeasibleError as error:
        for way in error.ways:
            wider = policy
            for conflict in way:
                wider = taken(wider, conflict, NAMES)
            found = solve(it, wider, universe, held)
            assert found.certificate.ok and found.constraints_met, (seed, way)
        alone = {way[0].limit for way in error.ways if len(way) == 1} | {"long_only"}  # which is no way out
        assert {conflict.limit for conflict in error.conflicts if conflict.enough} <= alone
        return bool(error.ways)
    return False


@pytest.mark.parametrize("start", some((20, 30, 0, 10), 2))  # the last two search for seconds
def test_relaxing_trades_concentration_margin_and_names_by_what_is_said_is_enough(start: int):
    assert sum(check_newer(seed) for seed in range(start, start + 10)) >= 2


@pytest.mark.parametrize("start", some(range(0, 30, 10), 1))
def test_relaxing_by_what_is_said_is_enough(start: int):
    assert sum(check(seed) for seed in range(start, start + 10)) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 1000, 100))
def test_relaxing_by_what_is_said_is_enough_in_many_policies(start: int):
    for seed in range(start, start + 100):
        check(seed)


# Ways that led to no answer: shares of risk were not looked at, or no portfolio that was left had a Sharpe ratio.
DEAD_ENDS = [
    (case_of, 30004), (case_of, 30082), (with_shares, 40022), (with_shares, 40013), (with_shares, 40143),
    (with_shares, 40026), (with_shares, 40075), (with_shares, 40003), (with_shares, 40153),
]  # fmt: skip


@pytest.mark.parametrize("case", some(DEAD_ENDS, 5))
def test_a_way_out_leads_to_an_answer(case: tuple[Callable[[int], Case], int]):
    made, seed = case
    assert dead_ends(made(seed)) == []


def test_a_share_that_is_too_low_for_any_weights_is_told_beside_another_conflict():
    """It ended each way out, and nobody said so."""
    names = NAMES[:4]
    policy = Policy(
        method="min_volatility", max_risk_share=0.2, max_turnover=0.01, asset_limits={"A": (0.5, 0.7)}
    )
    it = Estimates(names, np.zeros(4), np.diag([0.03, 0.037, 0.043, 0.05]))
    with pytest.raises(
        InfeasibleError, match=r"max_risk_share is 0\.2 and must give way by 0\.0501 for"
    ) as stop:
        solve(it, policy, Universe(names), np.full(4, 0.25))
    assert [one.limit for one in stop.value.conflicts] == ["min_weight A", "max_turnover", "max_risk_share"]
    assert stop.value.ways == ()


@pytest.mark.slow
@pytest.mark.parametrize("start", range(30000, 31000, 100))
@pytest.mark.parametrize("made", [case_of, with_shares])
def test_each_way_out_of_any_policy_leads_to_an_answer(made: Callable[[int], Case], start: int):
    for seed in range(start, start + 100):
        try:
            case = made(seed)
        except PolicyError:
            continue
        assert dead_ends(case) == [], seed


@pytest.mark.parametrize(
    ("amount", "stated"),
    [(0.05, 0.05), (0.0500001, 0.05001), (1 / 3, 0.3334), (12345.6, 12350.0), (0.0, 0.0)],
)
def test_amounts_are_rounded_up(amount: float, stated: float):
    assert rounded_up(amount) == stated
    assert Conflict("max_weight", 1 / 3, 1 / 3).stated >= 1 / 3


@pytest.mark.parametrize("said", ["55%", "12.3456%"])
def test_no_sum_is_told_to_give_way_below_nothing(said: str):
    """Room for a curved limit, and the rounding of what is told, went beyond it: `55% - 0.5502` is refused as short."""
    it, line = estimates(np.random.default_rng(0)), f"A + B >= {said}"
    policy = Policy(
        method="min_volatility", asset_limits={"A": (0, 0), "B": (0, 0)}, limits=(line,), max_volatility=0.2
    )
    with pytest.raises(InfeasibleError) as stop:
        solve(it, policy, Universe(NAMES))
    told = next(way[0] for way in stop.value.ways if way[0].limit == line)
    assert told.enough and told.stated == told.bound == pytest.approx(float(said[:-1]) / 100, rel=1e-15)
    assert f"must give way by {told.bound:g}" in str(stop.value)
    assert solve(it, taken(policy, told, NAMES), Universe(NAMES)).certificate.ok
    assert desk_conflict(told).stated == pytest.approx(float(said[:-1]), rel=1e-12)


def test_relaxing_a_least_weight_does_not_allow_short_positions():
    it = estimates(np.random.default_rng(0))
    policy = Policy(method="min_volatility", min_weight=0.01, limits=("A + B + C >= 1.05",))
    with pytest.raises(InfeasibleError) as caught:
        solve(it, policy, Universe(NAMES))
    assert {c.limit: c.relaxation for way in caught.value.ways for c in way}.keys() == {
        "A + B + C >= 1.05",
        "cash_min",
    }


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        ({"max_weight": 0.1}, {"large_holdings": (0.05, 0.4)}),
        ({"min_return": 0.5, "long_only": False, "min_weight": -0.1, "max_gross": 1.2}, {"max_holdings": 1}),
        ({"max_weight": 0.1, "priorities": {"max_sector": 3}}, {"large_holdings": (0.05, 0.4)}),
    ],
    ids=str,
)
def test_a_conflict_whose_end_leaves_no_choice_of_names_is_not_said_to_be_enough(limits: dict, names: dict):
    it, universe = estimates(np.random.default_rng(3)), Universe(NAMES)
    policy = Policy(method="min_volatility", risk_free_rate=0.0, **limits, **names)
    with pytest.raises(InfeasibleError) as caught:
        solve(it, policy, universe)
    assert caught.value.conflicts and not any(conflict.enough for conflict in caught.value.conflicts)
    assert all(way[-1].limit in names for way in caught.value.ways) and caught.value.ways


@pytest.mark.parametrize("limits", [{}, {"max_sector": 0.4}], ids=["alone", "beside another conflict"])
@pytest.mark.parametrize(
    ("bound", "value", "short"),
    [("ITERATIONS", 1200, "100 iterations of the simplex method"), ("CUTS", 1, "1 program")],
)
def test_a_report_on_names_ends_after_so_much_work_and_says_so(
    limits: dict[str, float], bound: str, value: int, short: str, monkeypatch: pytest.MonkeyPatch
):
    """With 40 names it took a minute, and told nothing; iterations, not seconds, end it at the same word everywhere."""
    monkeypatch.setattr(program_work if bound == "ITERATIONS" else name_program, bound, value)
    spent: list[int] = []

    def counted(*program: Any) -> Mixed:
        found = solve_mixed(*program)
        spent.append(found.iterations)
        return found

    monkeypatch.setattr(name_program, "solve_mixed", counted)
    it = estimates(np.random.default_rng(3))
    policy = Policy(
        method="min_volatility", max_tracking_error=0.02, min_position=0.3, max_holdings=3, **limits
    )
    with pytest.raises(InfeasibleError, match=f"was not looked for beyond {short}$") as stop:
        solve(it, policy, Universe(NAMES, SECTORS, benchmark="equal_weight"))
    assert (
        0 < sum(spent) < 3 * (100 + max(spent))
    )  # twice whether there is a choice, once what would make one
    assert all(conflict.limit in str(stop.value) for way in stop.value.ways for conflict in way)


def test_a_report_on_few_names_takes_as_long_as_one_on_many():
    """Eight names need some 50,000 iterations to be told what must give, which take two seconds; of 40 a minute."""
    allowed = [program_work.ProgramWork(names).allowed for names in (1, 8, 20, 40, 400)]
    assert allowed == [66_666, 66_666, 40_000, 20_000, 2_000]
