"""A file and a request take what the library takes, and the other way round."""

from typing import Any

import pytest

from optimizer import MarketView, PolicyError
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.view_files import VIEW
from resources.settings.yaml_files import parse_yaml
from service.policies import parse_policy

OPEN = [
    ("asset_limits_pct", {"A": [None, 10]}, "asset_limits", {"A": (None, 0.1)}),
    ("asset_limits_pct", {"A": [5, None]}, "asset_limits", {"A": (0.05, None)}),
    ("sector_limits_pct", {"x": [None, 30]}, "sector_limits", {"x": (None, 0.3)}),
    ("net_limits_pct", [None, 50], "net_limits", (None, 0.5)),
    ("beta_limits", [0.8, None], "beta_limits", (0.8, None)),
    ("factor_limits", {"size": [-0.2, None]}, "factor_limits", {"size": (-0.2, None)}),
    ("active_factor_limits", {"size": [None, 0.1]}, "active_factor_limits", {"size": (None, 0.1)}),
    ("risk_share_limits_pct", {"style": [None, 30]}, "risk_share_limits", {"style": (None, 0.3)}),
    ("risk_share_limits_pct", None, "risk_share_limits", {}),
    ("max_risk_share_pct", 10, "max_risk_share", 0.1),
    ("returns", "factor_premia", "returns", "factor_premia"),
    ("limits", "A <= 10%", "limits", ("A <= 10%",)),
    ("limits", None, "limits", ()),
    ("asset_limits_pct", None, "asset_limits", {}),
    ("max_exposures_pct", {"equity": None}, "max_exposures", {}),
    ("priorities", None, "priorities", {}),
    ("do_not_buy", None, "do_not_buy", {}),
    ("do_not_buy", ["A", "B"], "do_not_buy", {"A": "", "B": ""}),
    ("do_not_trade", {"A": None, "B": "no price"}, "do_not_trade", {"A": "", "B": "no price"}),
    ("trade_limits_pct", None, "trade_limits", {}),
    ("trade_limits_pct", {"A": 2, "B": None}, "trade_limits", {"A": 0.02}),
    ("largest_limits_pct", None, "largest_limits", {}),
    ("largest_limits_pct", {10: 40}, "largest_limits", {10: 0.4}),
    ("largest_limits_pct", {"10": 40}, "largest_limits", {10: 0.4}),
    ("participation_limits_pct", None, "participation_limits", {}),
]


@pytest.mark.parametrize(("key", "value", "field", "meant"), OPEN, ids=str)
def test_open_ends_single_lines_and_empty_keys(key: str, value: Any, field: str, meant: Any):
    import yaml

    read = parse_yaml(yaml.safe_dump({key: value}), PolicyFile, "model.yaml").to_policy()
    asked = parse_policy({key: value}).to_policy()
    assert getattr(read, field) == getattr(asked, field) == meant


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"asset_limits_pct": {"A": [-30, 30]}}, "long-only, which forbids short positions"),
        ({"asset_limits_pct": {"A": [None, -10]}}, "long-only, which forbids short positions"),
        ({"asset_limits_pct": {"A": [0, 0.1]}}, "the cap of A is 0.1 percent"),
        ({"risk_share_limits_pct": {"A": [0, 0.1]}}, "the cap of A is 0.1 percent"),
        ({"max_risk_share_pct": 0.1}, "for 10% write 10"),
        ({"asset_limits_pct": {"A": [None]}}, "asset_limits_pct.A"),
        ({"limits": 3}, "limits"),
        ({"asset_limits_pct": [["A", 0, 10]]}, "asset_limits_pct"),
    ],
    ids=str,
)
def test_what_the_library_refuses_is_refused_in_a_file_and_a_request(wrong: dict[str, Any], said: str):
    import yaml

    with pytest.raises(PolicyError, match=said):
        parse_yaml(yaml.safe_dump(wrong), PolicyFile, "model.yaml")
    with pytest.raises(PolicyError, match=said):
        parse_policy(wrong)


def test_views_have_weights_of_their_own():
    view = {"type": "absolute", "expected_return_pct": 7, "confidence": 0.5}
    mixed = VIEW.validate_python({**view, "assets": {"A": 0.9, "B": 0.1}}).to_view(0.02)
    assert mixed == MarketView({"A": 0.9, "B": 0.1}, "absolute", 0.07 - 0.02, 0.5)
    pair = {
        **view,
        "type": "relative",
        "assets": ["A"],
        "against": ["B", "C"],
        "weights": {"A": 1, "B": 0.4, "C": 0.6},
    }
    told = VIEW.validate_python(pair).to_view(0.02)
    assert told.weights == {"A": 1, "B": 0.4, "C": 0.6} and told.expected_return == pytest.approx(0.07)
    with pytest.raises(ValueError, match="give a weight to each of its names"):
        VIEW.validate_python({**pair, "weights": {"A": 1, "B": 0.4}})
    with pytest.raises(ValueError, match="all weights are 0"):
        VIEW.validate_python({**view, "assets": {"A": 0.0}})
