"""What a policy that is asked for takes over from the portfolio it is asked for."""

from types import SimpleNamespace
from typing import Any

import pytest

from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.policies.tax_schema import TaxFile
from service import desk

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
