"""The policy of a request: every key of the seed enforced or refused, merged without loss, percent never a fraction."""

from types import SimpleNamespace
from typing import Any

import pytest

from optimizer import PolicyError
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.policies.tax_schema import TaxFile
from service import desk
from service.policies import merged_policy, parse_policy
from service.screen.tables import to_csv

SEED = {
    "min_quality_score": 6.0, "max_single_position_pct": 15.0, "min_position_pct": 0, "max_sector_pct": 30.0,
    "max_tracking_error_pct": 5.0, "target_volatility_pct": 12.0, "max_turnover_pct": 30.0,
    "commission_per_trade": 5.0, "market_impact_bps": 15.0, "method": "mean_variance", "risk_free_rate": 0.02,
    "lookback_days": 252, "min_lot_value": 500,
}  # fmt: skip


def test_every_key_of_the_seed_reaches_the_optimizer() -> None:
    policy = parse_policy(SEED).to_policy()
    assert (policy.min_quality_score, policy.max_weight, policy.max_sector) == (6.0, 0.15, 0.30)
    assert (policy.max_tracking_error, policy.target_volatility, policy.max_turnover) == (0.05, 0.12, 0.15)
    assert (policy.commission, policy.impact_bps, policy.min_trade_value) == (5.0, 15.0, 500.0)
    assert (policy.risk_free_rate, policy.lookback_days, policy.method) == (0.02, 252, "mean_variance")
    assert (policy.on_conflict, policy.forced_cash) == ("transition", "hold")


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            {"min_position_pct": 50, "max_single_position_pct": 20},
            "min_position_pct 50% is above max_single_position_pct",
        ),
        ({"max_turnover_pct": 0.2}, "for 20% write 20"),
        ({"max_single_position_pct": 0.15}, "for 15% write 15"),
        ({"risk_free_rate": 2.5}, "less than 1"),
        ({"max_turnover": 20}, "did you mean max_turnover_pct"),
        ({"max_te_pct": 2.0, "max_tracking_error_pct": 3.0}, "twice"),
        ({"method": 5, "lookback_days": "long"}, "lookback_days"),
    ],
)
def test_the_wrong_is_refused_with_the_remedy(policy: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        parse_policy(policy)


def test_policies_constraints_and_template_lose_no_key() -> None:
    policies = [
        {"type": "min_quality_score", "value": 7.0},
        {"type": "max_sector", "value": 35.0, "category": "x"},
    ]
    constraints = {"max_te_pct": 2.0, "max_turnover_pct": 10.0, "min_lot_value": 500, "method": "cvar"}
    merged = merged_policy(policies, constraints, {"max_sector_pct": 40, "max_single_position_pct": 10})
    assert merged.model_dump(exclude_unset=True) == {
        "min_quality_score": 7.0, "max_sector_pct": 35.0, "max_single_position_pct": 10.0, "method": "cvar",
        "max_tracking_error_pct": 2.0, "max_turnover_pct": 10.0, "min_lot_value": 500.0,
    }  # fmt: skip


def test_a_text_that_a_spreadsheet_would_run_is_defused() -> None:
    assert to_csv([{"a": "=1+1", "b": -2.0, "c": "AAPL"}]) == "a,b,c\n'=1+1,-2.0,AAPL\n"


def test_a_short_book_and_rounding_by_money_are_asked_for_in_percent():
    asked = {
        "long_only": False, "borrow_fee_pct": 0.3, "borrow_fees_pct": {"TSLA": 4.0}, "max_margin_pct": 100.0,
        "short_margin_pct": 30.0, "margins_pct": {"GME": [None, 300.0]}, "rounding": "money",
        "priorities": {"max_margin_pct": 2},
    }  # fmt: skip
    policy = parse_policy(asked).to_policy()
    assert (policy.borrow_fee, policy.borrow_fees) == (0.003, {"TSLA": 0.04})
    assert (policy.max_margin, policy.long_margin, policy.short_margin) == (1.0, 0.5, 0.3)
    assert policy.margins == {"GME": (None, 3.0)} and policy.rounding == "money"
    assert policy.priorities == {"max_margin": 2}
    with pytest.raises(PolicyError, match="for 100% write 100"):
        parse_policy(asked | {"max_margin_pct": 0.9999999999999999})
    with pytest.raises(PolicyError, match="long-only"):
        parse_policy({"borrow_fee_pct": 1.0})


OWN = TaxFile(short_rate_pct=40, long_rate_pct=20)
OTHER = TaxFile(short_rate_pct=30, long_rate_pct=10)


class AppliedError(Exception):
    """The policy and the rate were applied."""


@pytest.mark.parametrize(
    ("asked", "tax", "rate"),
    [
        (PolicyFile(), OWN, 0.02),
        (PolicyFile(tax=OTHER, risk_free_rate=0.0), OTHER, 0.0),
    ],
)
def test_a_policy_without_taxes_or_a_rate_leaves_those_of_the_portfolio(
    asked: PolicyFile, tax: TaxFile, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def applied(inputs: Any, policy: PolicyFile, earned: float, views: Any) -> None:
        assert (policy.tax, earned) == (tax, rate)
        raise AppliedError

    monkeypatch.setattr(desk, "under_policy", applied)
    snapshot = SimpleNamespace(policy=PolicyFile(tax=OWN, risk_free_rate=0.02), base_currency="USD")
    loaded: Any = SimpleNamespace(case=SimpleNamespace(snapshot=snapshot, inputs=None), pack=None)
    with pytest.raises(AppliedError):
        desk._under(SimpleNamespace(), loaded, asked, None)  # type: ignore[arg-type]
