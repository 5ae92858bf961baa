from decimal import Decimal

import numpy as np
import pytest

from optimizer import CostModel, DataError, Liquidity, Policy, PolicyError, trade_cost


@pytest.mark.parametrize(
    ("value", "cost"),
    [("10000", "20.00"), ("11625", "22.4375"), ("11000", "21.50"), ("23250", "39.875"), (0, 0)],
)
def test_cost_is_commission_plus_impact_and_nothing_for_no_trade(value, cost):
    assert trade_cost(value, 5, 15) == Decimal(cost)
    assert CostModel(5, 15).cost("AAPL", value, 1) == Decimal(cost)
    assert CostModel(5, 15).cost("AAPL", -Decimal(value), 1) == Decimal(cost)


def test_vector_and_exact_costs_are_one_model():
    model = CostModel(
        commission=1.5,
        impact_bps=3.0,
        per_share=0.005,
        buy_tax_bps=50.0,
        sell_tax_bps=2.0,
        root_impact=1.0,
        liquidity={"A": Liquidity(1e6, 0.02), "B": Liquidity(5e5, 0.01), "C": Liquidity(1e5, 0.03)},
    )
    quantities, prices = np.array([120.0, -40.0, 0.0]), np.array([31.25, 410.5, 7.0])
    many = model.costs(("A", "B", "C"), quantities * prices, prices)
    one = [float(model.cost(s, q, p)) for s, q, p in zip("ABC", quantities, prices, strict=True)]
    np.testing.assert_allclose(many, one, atol=1e-4)
    # by hand: 1.50 + 0.60 + 3750 x 53 bps + 0.02 x 3750 x sqrt(3750 / 1e6)
    assert many[0] == pytest.approx(1.5 + 0.6 + 19.875 + 75 * np.sqrt(0.00375), abs=1e-12)
    assert many[2] == 0


def test_cost_model_follows_the_policy():
    assert CostModel.of(Policy(commission=1.0, impact_bps=7.0)) == CostModel(commission=1.0, impact_bps=7.0)
    assert CostModel(sell_tax_bps=2.0).rate(buy=False) == pytest.approx(17e-4)


def test_wrong_cost_settings_are_named():
    with pytest.raises(PolicyError, match="commission is -1"):
        CostModel(commission=-1.0)
    with pytest.raises(DataError, match="no volume is known of B"):
        CostModel(root_impact=1.0).cost("B", 1, 1)


def test_all_costs_that_a_policy_states_are_in_its_model():
    policy = Policy(
        commission=2.0, impact_bps=0.0, commission_per_share=0.01, buy_tax_bps=50.0, sell_tax_bps=10.0
    )
    model = CostModel.of(policy)
    assert model.cost("A", 100, 40) == Decimal("23.0000")  # 2 + 1 + 4000 x 50 bps
    assert model.cost("A", -100, 40) == Decimal("7.0000")  # 2 + 1 + 4000 x 10 bps
