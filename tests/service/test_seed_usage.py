"""Every code block of the seed's usage examples, with the corrections of our conventions."""

import asyncio
import logging
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from service_desk import EMPTY, NEWCOMERS, PACK, PORTFOLIO

from optimizer import DataError
from service import OptimizerService, PolicyConstraints
from service.patterns import RequestContext, optimizer_propose_trades

SEED = UUID(PORTFOLIO)
RATINGS = {"AAPL": 9.2, "RY": 8.5, "XIU": 7.0}
POLICY = {
    "min_quality_score": 6.0, "max_single_position_pct": 15.0, "max_turnover_pct": 20.0, "method": "mean_variance",
    "lookback_days": 252, "risk_free_rate": 0.02, "commission_per_trade": 5.00, "market_impact_bps": 15.0,
}  # fmt: skip


def propose(service: OptimizerService, policy: dict[str, Any], **more: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"portfolio_id": SEED, "policy_json": policy, "pricing_pack_id": PACK} | more
    return asyncio.run(service.propose_trades(**arguments))


def test_the_basic_example_prints(service: OptimizerService) -> None:
    result = propose(service, POLICY, ratings=RATINGS)
    lines = [
        f"Trade Count: {result['trade_count']}",
        f"Turnover: {result['turnover_pct']:.2f}%",
        f"Costs: {result['cost_bps']:.2f} bps",
    ]
    for trade in result["trades"]:
        lines += [
            f"{trade['action']} {trade['quantity']} {trade['symbol']}",
            f"  Current: {trade['current_shares']} shares ({trade['current_weight_pct']:.1f}%)",
            f"  Target: {trade['target_shares']} shares ({trade['target_weight_pct']:.1f}%)",
            f"  Value: ${trade['trade_value']:.2f}",
            f"  Cost: ${trade['estimated_cost']:.2f}",
            f"  Rationale: {trade['rationale']}",
        ]
    assert result["trade_count"] == len(result["trades"]) == 3
    assert "  Current: 500 shares (49.3%)" in lines
    assert result["turnover_pct"] <= 20.0 and result["turnover_one_way_pct"] == result["turnover_pct"] / 2
    assert result["estimated_costs"] == sum(t["estimated_cost"] for t in result["trades"])
    assert result["post_rebalance_value"] == result["current_value"] - result["estimated_costs"]
    bought = sum(t["trade_value"] for t in result["trades"] if t["action"] == "BUY")
    sold = sum(t["trade_value"] for t in result["trades"] if t["action"] == "SELL")
    assert bought + result["estimated_costs"] == sold + result["cash_before"] - result["cash_after"]


def test_three_names_under_a_cap_of_15_percent_say_what_is_not_met(service: OptimizerService) -> None:
    result = propose(service, POLICY | {"do_not_buy": ["APPL", "RY"]}, ratings=RATINGS)
    (unknown,) = [warning for warning in result["warnings"] if "do_not_buy" in warning]
    assert unknown == "do_not_buy names APPL: no source has ever priced it; did you mean AAPL?"
    assert result["constraints_met"] is False
    broken = [limit for limit in result["constraints"] if limit["slack"] < -1e-9]
    assert [limit["constraint"] for limit in broken] == ["max_weight"]
    assert any("can hold after" in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    ("policy", "method"),
    [
        ({"method": "risk_parity", "max_turnover_pct": 25.0, "lookback_days": 252}, "risk_parity"),
        (
            {"method": "max_sharpe", "risk_free_rate": 0.025, "max_single_position_pct": 40.0, "max_turnover_pct": 30},
            "max_sharpe",
        ),
        ({"method": "cvar", "max_turnover_pct": 20.0, "lookback_days": 252}, "cvar"),
        ({"lookback_days": 126}, "mean_variance"),
    ],
)  # fmt: skip
def test_the_advanced_methods(service: OptimizerService, policy: dict[str, Any], method: str) -> None:
    result = propose(service, policy)
    assert result["method"] == method
    assert result["turnover_pct"] <= policy.get("max_turnover_pct", 200.0)


def test_impact_prints_what_is_and_what_was_to_come(service: OptimizerService) -> None:
    trades = propose(service, {"max_turnover_pct": 20.0})["trades"]
    impact = asyncio.run(service.analyze_impact(SEED, trades, PACK))
    printed = (
        f"Current Value: ${impact['current_value']:.2f} ${impact['post_rebalance_value']:.2f}"
        f"Change: ${impact['value_delta']:.2f}"
        f"Concentration {impact['current_concentration_top10']:.1f}% {impact['post_concentration_top10']:.1f}%"
        f"Change: {impact['delta_concentration']:.1f}%"
        f"{impact['current_expected_return']:.2%} -> {impact['post_expected_return']:.2%}"
        f"{impact['current_vol']:.2%} -> {impact['post_vol']:.2%}"
        f"{impact['current_sharpe']:.2f} -> {impact['post_sharpe']:.2f}"
        f"{impact['current_max_dd']:.2%} -> {impact['post_max_dd']:.2%}"
    )
    assert "nan" not in printed
    assert [name for name, value in impact.items() if value is None] == []
    assert impact["value_delta"] == -sum(trade["estimated_cost"] for trade in trades)
    assert impact["value_delta"] > Decimal(-1000)
    assert impact["current_max_dd"] < 0 < impact["current_vol"]
    assert impact["te_delta"] == impact["post_tracking_error"] - impact["current_tracking_error"]


def test_impact_of_no_trades_changes_nothing(service: OptimizerService) -> None:
    impact = asyncio.run(service.analyze_impact(SEED, [], PACK))
    assert impact["value_delta"] == 0
    assert all(value == 0 for name, value in impact.items() if name.startswith("delta_"))


def test_an_equity_selloff_prints_its_hedges(service: OptimizerService) -> None:
    hedges = asyncio.run(service.suggest_hedges(SEED, "equity_selloff", PACK))
    assert hedges["scenario_id"] == "equity_selloff" and len(hedges["hedges"]) > 0
    for hedge in hedges["hedges"]:
        printed = (
            f"{hedge['action']} {hedge['instrument']} ({hedge['instrument_type']}) ${hedge['notional']:.2f} "
            f"{hedge['hedge_ratio']:.0%} {hedge['expected_offset_pct']:.0f}% {hedge['rationale']}"
        )
        assert hedge["expected_offset"] > 0 and 0 < hedge["hedge_ratio"] <= 1, printed
        assert hedge["notional"] == pytest.approx(hedge["hedge_ratio"] * hedge["exposure"])
        assert hedge["option_type"] is None or (
            hedge["action"] == "BUY" and hedge["expiry"] and hedge["strike"]
        )
    assert 0 <= hedges["residual_loss"] < hedges["loss"]


@pytest.mark.parametrize(
    ("scenario", "instrument", "action"),
    [("rates_up", "TLT", "SELL"), ("usd_up", "UUP", "BUY"), ("credit_spread_widening", "LQD", "BUY")],
)
def test_the_sides_follow_from_the_computation(
    service: OptimizerService, scenario: str, instrument: str, action: str
) -> None:
    hedges = asyncio.run(service.suggest_hedges(SEED, scenario, PACK))["hedges"]
    assert (instrument, action) in [(hedge["instrument"], hedge["action"]) for hedge in hedges]


@pytest.mark.parametrize("regime", ["DELEVERAGING", "LATE_EXPANSION", "REFLATION"])
def test_a_regime_prints_its_recommendations(service: OptimizerService, regime: str) -> None:
    found = asyncio.run(service.suggest_deleveraging_hedges("mixed", regime, PACK))
    assert found["regime"] == regime and len(found["recommendations"]) in (2, 3)
    for rec in found["recommendations"]:
        targets = [name for name in ("target_reduction_pct", "target_allocation_pct") if name in rec]
        assert (
            len(targets) == 1 and f"{rec[targets[0]]:.0f}%{', '.join(rec['instruments'])}{rec['rationale']}"
        )
    assert found["post_vol"] == pytest.approx(found["post_vol"])  # a number


def test_the_agent_capability_attaches_its_metadata(as_process: OptimizerService) -> None:
    context = RequestContext(pricing_pack_id=PACK, portfolio_id=SEED, asof_date="2025-10-26")
    result = asyncio.run(
        optimizer_propose_trades(context, {"ratings": RATINGS}, constraints={"max_turnover_pct": 10})
    )
    assert result["trade_count"] == 3 and result["turnover_pct"] < 10.5
    assert any("10.0% turnover limit" in text for text in result["warnings"])
    assert result["metadata"]["source"] == f"optimizer:{PACK}"
    assert (result["metadata"]["ttl"], result["metadata"]["asof"]) == (300, "2025-10-26")


def test_no_riskfolio_is_needed(service: OptimizerService) -> None:
    assert service.riskfolio_available is True


def test_no_positions_found(service: OptimizerService) -> None:
    result = propose(service, {}, portfolio_id=UUID(EMPTY))
    assert (result["trade_count"], result["trades"], result["warnings"]) == (0, [], ["No positions found"])


def test_too_short_a_history_falls_back_to_equal_weights(service: OptimizerService) -> None:
    result = propose(service, {"lookback_days": 252}, portfolio_id=UUID(NEWCOMERS))
    assert result["method"] == "equal_weight"
    assert "Insufficient data for optimization (24 days)" in result["warnings"]


def test_a_tight_turnover_limit_keeps_the_seeds_wording(service: OptimizerService) -> None:
    result = propose(service, {"max_turnover_pct": 10.0})
    assert "Trades scaled down to meet 10.0% turnover limit" in result["warnings"]
    assert result["constraints_met"] is True and result["turnover_pct"] <= 10.0


def test_no_warehouse_is_a_named_error(service: OptimizerService, settings: Any, tmp_path: Any) -> None:
    from dataclasses import replace

    from service.desk import Desk

    elsewhere = OptimizerService(Desk(replace(settings, home=tmp_path)))
    with pytest.raises(DataError, match="run `packfolio run` first"):
        propose(elsewhere, {})


def test_parse_policy(service: OptimizerService) -> None:
    policy = service._parse_policy({"min_quality_score": 7.0, "max_turnover_pct": 15.0})
    assert policy.min_quality_score == 7.0 and policy.max_turnover_pct == 15.0


def test_estimate_trade_cost(service: OptimizerService) -> None:
    policy = PolicyConstraints(commission_per_trade=5.00, market_impact_bps=15.0)
    costs = {10_000: "20.00", 11_625: "22.44", 11_000: "21.50", 23_250: "39.88"}
    for value, cost in costs.items():
        assert service._estimate_trade_cost(Decimal(value), policy) == Decimal(cost)


def test_calculate_concentration(service: OptimizerService) -> None:
    positions = [{"symbol": "AAPL", "value": 10000}, {"symbol": "MSFT", "value": 5000}]
    assert service._calculate_concentration_top10(positions) == 100.0


def test_many_portfolios_at_once(service: OptimizerService) -> None:
    async def all_of_them() -> list[dict[str, Any]]:
        asked = [
            service.propose_trades(name, {"max_turnover_pct": 20.0}, PACK)
            for name in ("seed", "mixed", PORTFOLIO)
        ]
        return await asyncio.gather(*asked)

    first, other, again = asyncio.run(all_of_them())
    assert first == again and first["portfolio_name"] != other["portfolio_name"]


def test_the_complete_workflow(service: OptimizerService, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("portfolio.rebalance")
    with caplog.at_level(logging.INFO):
        rebalance = propose(service, {key: POLICY[key] for key in list(POLICY)[:6]}, ratings=RATINGS)
        logger.info(f"  Costs: ${rebalance['estimated_costs']:.2f}  Method: {rebalance['method']}")
        for trade in rebalance["trades"]:
            logger.info(
                f"  {trade['action']} {trade['quantity']} {trade['symbol']} @ ${trade['current_price']:.2f}"
            )
        impact = asyncio.run(service.analyze_impact(SEED, rebalance["trades"], PACK))
        assert impact["current_concentration_top10"] > 60.0
        hedges = asyncio.run(service.suggest_hedges(SEED, "equity_selloff", PACK))
    assert hedges["hedges"] and not rebalance["constraints_met"] and impact["value_delta"] > -1000
    assert "AAPL @ $232.50" in caplog.text
