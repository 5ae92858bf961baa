"""The grid of a sweep: what a desk writes becomes policies, and what is wrong is said."""

import pytest

from optimizer import PolicyError
from resources.settings.configuration import PipelineFile
from resources.settings.policies.policy_grid import read_grid, varied
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.yaml_files import parse_value, parse_yaml


def test_every_combination_is_the_policy_with_those_values() -> None:
    own = PolicyFile(risk_aversion=4.0, max_single_position_pct=30.0)
    grid = read_grid(["lookback_days=126,252", "black_litterman.tau=0.025, 0.1", "long_only=true"])
    found = varied(own, grid)
    assert list(found)[:2] == [
        "lookback_days=126, black_litterman.tau=0.025, long_only=True",
        "lookback_days=126, black_litterman.tau=0.1, long_only=True",
    ]
    assert [(p.lookback_days, p.black_litterman.tau) for p in found.values()] == [
        (126, 0.025), (126, 0.1), (252, 0.025), (252, 0.1),
    ]  # fmt: skip
    assert {(p.risk_aversion, p.max_single_position_pct) for p in found.values()} == {(4.0, 30.0)}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["lookback_dayz=126"], "lookback_dayz: unknown key; did you mean lookback_days?"),
        (["black_litterman.tua=0.1"], "black_litterman.tua: unknown key; did you mean tau?"),
        (["method=min_volatlity"], "; did you mean min_volatility"),
        (["covariance_method=ledoit"], "'ledoit' does not exist; use one of"),
        (["covariance_method=ledoit"], "; did you mean ledoit_wolf"),
        (["lookback_days=1,soon"], "must be at least 2 (it is 1)"),
        (["lookback_days=1,soon"], "must be a whole number (it is 'soon')"),
        (["max_single_position_pct=0.2"], "for 20% write 20"),
        (["lookback_days=126,126"], "lookback_days has 126 twice"),
        (["lookback_days=126", "lookback_days=252"], "stands twice"),
        (["lookback_days"], "write it as KEY=VALUE,VALUE"),
        (["lookback_days=126,"], "'' is neither a number nor a word"),
        (["lookback_days=0700"], "0700 is read as 448 in YAML"),
        (["lookback_days=2024-13-01"], "2024-13-01 is no day of the calendar"),
        ([f"lookback_days={'1' * 5000}"], "a number has 5000 signs, at most 100 are read"),
        (["method=*a"], "aliases are not read"),
        (["method=!!python/name:os.system"], "could not determine a constructor"),
        ([f"method={'[' * 60}"], "nested deeper than 32 levels"),
    ],
)
def test_a_mistake_is_named_with_what_was_meant(options: list[str], said: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read_grid(options)
    assert said in str(refused.value)


def test_values_that_contradict_the_rest_of_the_policy_are_named() -> None:
    with pytest.raises(
        PolicyError,
        match=r"sweep min_position_pct=20: min_position_pct 20% is above max_single_position_pct 10%",
    ):
        varied(PolicyFile(max_single_position_pct=10.0), read_grid(["min_position_pct=5,20"]))


def test_the_file_is_checked_when_it_is_read() -> None:
    with pytest.raises(PolicyError, match=r"p.yaml:2: backtest.sweep: .*did you mean lookback_days"):
        parse_yaml("backtest:\n  sweep: {lookback: [126, 252]}\n", PipelineFile, "p.yaml")


@pytest.mark.parametrize("number", [2**63, 10**18, 10**400, 100_001])
@pytest.mark.parametrize(
    "key", ["lookback_days", "max_holdings", "rebalance.cool_down_days", "largest_limits_pct.N"]
)
def test_no_number_of_days_or_names_is_beyond_all_calendars(key: str, number: int) -> None:
    first, _, rest = key.partition(".")
    value = {str(number) if rest == "N" else rest: 50.0 if rest == "N" else number} if rest else number
    with pytest.raises(PolicyError, match=r"must be at most 100[,_]?000|must be at most 1e\+05"):
        parse_value({first: value}, PolicyFile, "policy")
