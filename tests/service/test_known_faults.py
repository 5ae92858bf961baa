"""The faults of the system that the seed describes, each as a test that ours does not have it.

FAULTS names, for each of D1 to D24 of the study of that system, what went wrong there and the tests that would show it
here. What had no test elsewhere has one in this file.
"""

import asyncio
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from service_desk import NEWCOMERS, PACK, PORTFOLIO
from source_tree import ROOT

from optimizer import DataError, InfeasibleError, PolicyError
from service import OptimizerService
from service.answers.answer import plain

HERE, SEED, API = "service/test_known_faults.py", "service/test_seed_usage.py", "service/http/test_api.py"
FAULTS: dict[str, tuple[str, list[str]]] = {
    "D1": ("no method gave an answer", [f"{SEED}::test_the_advanced_methods"]),
    "D2": ("position caps were set where nobody read them", [f"{HERE}::test_a_cap_binds"]),
    "D3": ("an annual rate met daily means: no solution", [f"{HERE}::test_any_usual_rate_has_a_best_sharpe_ratio"]),
    "D4": ("mean-variance was max-Sharpe", [f"{HERE}::test_methods_differ"]),
    "D5": ("limits were taken and ignored", [f"{HERE}::test_a_target_volatility_is_met_or_said_to_be_missed",
           f"{HERE}::test_every_policy_key_is_enforced_or_refused",
           f"{HERE}::test_a_limit_is_recomputed_on_the_rounded_trades"]),
    "D6": ("a floor for every name", [f"{HERE}::test_a_name_is_held_at_its_least_position_or_not_at_all",
           f"{HERE}::test_small_trades_are_not_made"]),
    "D7": ("scaled trades kept stale costs and weights", [f"{HERE}::test_a_binding_turnover_leaves_nothing_stale"]),
    "D8": ("no cash: buys need not be paid for", [f"{SEED}::test_the_basic_example_prints",
           f"{SEED}::test_impact_prints_what_is_and_what_was_to_come"]),
    "D9": ("currencies were added one to one", [f"{HERE}::test_foreign_holdings_are_converted"]),
    "D10": ("price returns, filled backwards; today's date", [f"{HERE}::test_the_date_is_the_packs",
            "resources/packs/test_pack_prices.py::test_the_macro_and_the_panel_agree_on_prices_and_total_returns"]),
    "D11": ("fractions of shares were cut off", [
            "optimizer/trading/test_trades.py::test_fractional_shares_reach_the_target",
            "optimizer/trading/test_trades.py::test_names_without_a_target_are_sold_out_odd_lots_and_fractions_included"]),
    "D12": ("names below the quality vanished, unrated ones too", [
            f"{HERE}::test_quality_sells_down_and_keeps_the_unrated",
            f"{HERE}::test_nothing_good_enough_is_said_as_such"]),
    "D13": ("22.50 for a cost of 20.00", [f"{SEED}::test_estimate_trade_cost"]),
    "D14": ("the sample is not one portfolio", [f"{HERE}::test_an_answer_adds_up"]),
    "D15": ("hedges that lose under their scenario", [f"{SEED}::test_the_sides_follow_from_the_computation",
            "optimizer/risk/test_hedges.py::test_each_hedge_gains_and_no_loss_means_no_hedge",
            "optimizer/risk/test_hedges.py::test_long_bonds_are_sold_against_rising_rates_never_bought"]),
    "D16": ("bonds gained when spreads widened; values at cost", [
            f"{HERE}::test_values_are_the_packs_not_what_was_paid",
            "optimizer/risk/test_scenarios.py::test_bonds_lose_when_rates_rise_or_spreads_widen"]),
    "D17": ("the unknown became a default", [f"{API}::test_the_unknown_is_named"]),
    "D18": ("monthly series stood still; levels among changes; no point in time", [
            "optimizer/risk/test_regime_detector.py::test_each_phase_is_recognised",
            "optimizer/risk/test_regime_detector.py::test_a_change_over_a_year_is_never_taken_from_a_level",
            "optimizer/risk/test_regime_detector.py::test_what_is_published_later_changes_nothing"]),
    "D19": ("a method was defined twice", [f"{HERE}::test_a_name_is_defined_once"]),
    "D20": ("an error class was never imported", [f"{SEED}::test_no_warehouse_is_a_named_error"]),
    "D21": ("a cache forgot the lookback", [f"{HERE}::test_what_is_kept_is_kept_for_its_policy",
            f"{SEED}::test_no_positions_found"]),
    "D22": ("made-up figures where data were missing", [f"{HERE}::test_what_is_not_known_is_null"]),
    "D23": ("calls that the libraries no longer have", [f"{HERE}::test_warnings_are_errors_here"]),
    "D24": ("positions without their lots", ["optimizer/tax/test_lots.py", "resources/settings/test_portfolios.py"]),
}  # fmt: skip


def test_every_fault_has_a_test_that_exists() -> None:
    assert list(FAULTS) == [f"D{number}" for number in range(1, 25)]
    for _, tests in FAULTS.values():
        for named in tests:
            path, _, function = named.partition("::")
            assert f"def {function}" in (ROOT / "tests" / path).read_text("utf-8"), named


def propose(service: OptimizerService, policy: dict[str, Any], portfolio: str = "seed", **more: Any) -> Any:
    return asyncio.run(service.propose_trades(portfolio, policy, PACK, **more))


def targets(result: dict[str, Any]) -> dict[str, float]:
    return {trade["symbol"]: trade["target_weight_pct"] for trade in result["trades"]}


def test_a_cap_binds(service: OptimizerService) -> None:
    free = propose(service, {"method": "min_volatility"}, "mixed")
    capped = propose(service, {"method": "min_volatility", "max_single_position_pct": 20.0}, "mixed")
    assert max(targets(free).values()) > 25
    assert max(targets(capped).values()) <= 20 + 1e-6
    assert all(trade["achieved_weight_pct"] <= 20.5 for trade in capped["trades"])


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.045])
def test_any_usual_rate_has_a_best_sharpe_ratio(service: OptimizerService, rate: float) -> None:
    try:
        result = propose(service, {"method": "max_sharpe", "risk_free_rate": rate}, "mixed")
    except (InfeasibleError, PolicyError) as error:
        assert "min_volatility" in str(error)  # only where nothing earns more than the rate, and it says so
    else:
        assert result["method"] == "max_sharpe" and result["post_sharpe"] > 0


def test_methods_differ(service: OptimizerService) -> None:
    methods = ("mean_variance", "max_sharpe", "risk_parity", "cvar", "min_volatility")
    found = [targets(propose(service, {"method": method}, "mixed")) for method in methods]
    for i, one in enumerate(found):
        for other in found[i + 1 :]:
            assert max(abs(one[symbol] - other.get(symbol, 0.0)) for symbol in one) > 0.5


KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "max_single_position_pct": ({"max_single_position_pct": 25.0}, "max_weight"),
    "max_sector_pct": ({"max_sector_pct": 40.0, "cash_max_pct": 100.0}, "max_sector"),
    "max_tracking_error_pct": ({"max_tracking_error_pct": 2.0}, "max_tracking_error"),
    "max_turnover_pct": ({"max_turnover_pct": 15.0}, "max_turnover"),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_limit_is_recomputed_on_the_rounded_trades(service: OptimizerService, name: str) -> None:
    policy, constraint = KEYS[name]
    result = propose(service, policy, "seed" if name == "max_sector_pct" else "mixed")
    checks = [check for check in result["constraints"] if check["constraint"].startswith(constraint)]
    assert checks, [check["constraint"] for check in result["constraints"]]
    for check in checks:
        assert set(check) == {"constraint", "limit", "achieved", "slack"}
    assert result["constraints_met"] == all(check["slack"] >= -1e-9 for check in result["constraints"])


def test_every_policy_key_is_enforced_or_refused(service: OptimizerService) -> None:
    """Every key of the seed's policy changes the answer, or is refused by name."""
    plain_answer = propose(service, {"method": "min_volatility"}, "mixed")
    binding: dict[str, Any] = {
        "max_single_position_pct": 20.0, "max_tracking_error_pct": 1.0, "max_turnover_pct": 10.0,
        "commission_per_trade": 50.0, "market_impact_bps": 80.0, "method": "risk_parity", "lookback_days": 126,
        "target_volatility_pct": 8.0, "min_lot_value": 60_000.0,
        "max_holdings": 2, "min_position_pct": 30.0, "no_trade_band_pct": 20.0,
    }  # fmt: skip
    for key, value in binding.items():
        changed = propose(service, {"method": "min_volatility", key: value}, "mixed")
        figures = ("trades", "estimated_costs", "post_sharpe", "warnings")
        assert [changed[name] for name in figures] != [plain_answer[name] for name in figures], key
    # A Sharpe ratio in equilibrium does not move with the rate, of which the excess returns know nothing.
    applied = propose(service, {"risk_free_rate": 0.04}, "mixed")["policy_as_applied"]
    assert applied["risk_free_rate"] == 0.04 != plain_answer["policy_as_applied"]["risk_free_rate"]
    for refused in ("min_turnover_pct", "target_growth", "max_te"):
        with pytest.raises(PolicyError, match=refused):
            propose(service, {refused: 1.0})


def test_a_target_volatility_is_met_or_said_to_be_missed(service: OptimizerService) -> None:
    met = propose(service, {"method": "max_return", "target_volatility_pct": 9.0}, "mixed")
    assert met["post_volatility_pct"] == pytest.approx(9.0, abs=0.2)
    missed = propose(service, {"method": "max_return", "target_volatility_pct": 60.0}, "mixed")
    assert any("target volatility 60.00% is not reached" in warning for warning in missed["warnings"])


def test_a_name_is_held_at_its_least_position_or_not_at_all(service: OptimizerService) -> None:
    result = propose(
        service, {"method": "mean_variance", "min_position_pct": 10.0, "max_holdings": 5}, "mixed"
    )
    wanted = [weight for weight in targets(result).values() if weight > 1e-9]
    assert min(wanted) >= 10 - 1e-6 and len(wanted) <= 5
    kept = [trade for trade in result["trades"] if trade["target_shares"] > 0]
    assert len(kept) <= 5 and min(trade["achieved_weight_pct"] for trade in kept) >= 10 - 0.1


def test_small_trades_are_not_made(service: OptimizerService) -> None:
    result = propose(service, {"method": "risk_parity", "min_lot_value": 2500.0}, "mixed")
    traded = [trade["trade_value"] for trade in result["trades"] if trade["action"] != "HOLD"]
    assert traded and min(traded) >= 2500


def test_a_binding_turnover_leaves_nothing_stale(service: OptimizerService) -> None:
    result = propose(service, {"max_turnover_pct": 10.0, "max_single_position_pct": 60.0}, "mixed")
    assert any(warning.startswith("Trades scaled down to meet 10.0%") for warning in result["warnings"])
    value = float(result["current_value"])
    for trade in result["trades"]:
        worth = float(trade["trade_value"])
        assert worth == pytest.approx(trade["quantity"] * float(trade["current_price"]), abs=0.01)
        cost = 5 + worth * 15e-4 if trade["action"] != "HOLD" else 0.0
        assert float(trade["estimated_cost"]) == pytest.approx(cost, abs=0.006)
        signed = {"BUY": 1, "SELL": -1, "HOLD": 0}[trade["action"]] * trade["quantity"]
        assert trade["target_shares"] == trade["current_shares"] + signed
    total = sum(float(trade["trade_value"]) for trade in result["trades"])
    assert float(result["total_turnover"]) == pytest.approx(total, abs=0.01)
    assert result["turnover_pct"] == pytest.approx(100 * total / value) and result["turnover_pct"] <= 10
    checked = {check["constraint"]: check["slack"] for check in result["constraints"]}
    assert min(checked.values()) >= -1e-9 and any("max_weight" in name for name in checked)


def test_foreign_holdings_are_converted(service: OptimizerService, home: Any) -> None:
    result = propose(service, {})
    with duckdb.connect(str(home / "published.duckdb"), read_only=True) as con:
        usdcad = con.execute("select rate from fx_rates order by date desc limit 1").fetchall()[0][0]
    close = pd.read_csv(home.parent / "canada" / "RY.csv")["close"].iloc[-1]
    royal = next(trade for trade in result["trades"] if trade["symbol"] == "RY")
    assert royal["currency"] == "CAD" and float(royal["current_price"]) == pytest.approx(
        close / usdcad, abs=1e-3
    )
    held = sum(t["current_shares"] * float(t["current_price"]) for t in result["trades"])
    assert float(result["current_value"]) == pytest.approx(held + 500, abs=1)


def test_the_date_is_the_packs(service: OptimizerService) -> None:
    for portfolio in ("seed", "empty", "newcomers"):
        assert propose(service, {}, portfolio)["asof_date"].isoformat() == PACK[3:]


def test_quality_sells_down_and_keeps_the_unrated(service: OptimizerService) -> None:
    policy = {"min_quality_score": 8.0}
    result = propose(service, policy, ratings={"AAPL": 9.2, "XIU": 7.0})
    index = next(trade for trade in result["trades"] if trade["symbol"] == "XIU")
    assert (index["action"], index["target_weight_pct"], index["target_shares"]) == ("SELL", 0.0, 0)
    assert "quality 7 is below the minimum 8" in index["rationale"]
    assert "Unrated, kept: RY" in result["warnings"]
    assert result["current_value"] == propose(service, {})["current_value"]  # what is sold stays in the value


def test_nothing_good_enough_is_said_as_such(service: OptimizerService) -> None:
    """All below the minimum: the pipeline's and the service's rule is to hold the cash that limits force."""
    result = propose(service, {"min_quality_score": 10.0}, ratings={"AAPL": 9.2, "RY": 8.5, "XIU": 7.0})
    assert {trade["target_shares"] for trade in result["trades"]} == {0}
    assert result["warnings"] and not any("Riskfolio" in warning for warning in result["warnings"])


def test_an_answer_adds_up(service: OptimizerService) -> None:
    result = propose(service, {"max_turnover_pct": 20.0})
    costs = sum(trade["estimated_cost"] for trade in result["trades"])
    assert result["estimated_costs"] == costs
    assert result["post_rebalance_value"] == result["current_value"] - costs
    assert result["cost_bps"] == pytest.approx(1e4 * float(costs / result["current_value"]))
    weights = sum(trade["current_weight_pct"] for trade in result["trades"])
    cash = 100 * float(result["cash_before"] / result["current_value"])
    assert weights + cash == pytest.approx(100)


def test_values_are_the_packs_not_what_was_paid(service: OptimizerService) -> None:
    stress = asyncio.run(service.portfolio_stress("mixed", PACK, ["equity_selloff"]))
    proposed = propose(service, {}, "mixed")
    priced = {t["symbol"]: t["current_shares"] * float(t["current_price"]) for t in proposed["trades"]}
    for position in stress["scenarios"][0]["positions"]:
        assert position["value"] == pytest.approx(priced[position["symbol"]], rel=1e-9)


def test_a_name_is_defined_once() -> None:
    asked = ("propose_trades", "analyze_impact", "suggest_hedges", "suggest_deleveraging_hedges")
    text = (ROOT / "service" / "optimizer_service.py").read_text("utf-8")
    assert [text.count(f"async def {name}(") for name in asked] == [1, 1, 1, 1]


def test_what_is_kept_is_kept_for_its_policy(service: OptimizerService) -> None:
    long, short, again = (
        propose(service, {"method": "min_volatility", "lookback_days": days}, "mixed")
        for days in (252, 126, 252)
    )
    assert targets(long) == targets(again) != targets(short)
    assert long == again


def test_what_is_not_known_is_null(service: OptimizerService) -> None:
    answer = plain(propose(service, {}, NEWCOMERS))
    unknown = (
        "current_volatility_pct",
        "post_volatility_pct",
        "current_sharpe",
        "post_sharpe",
        "te_current",
        "te_post",
    )
    assert [answer[name] for name in unknown] == [None] * 6
    impact = asyncio.run(service.analyze_impact(NEWCOMERS, [], PACK))
    assert all(np.isnan(impact[name]) for name in ("current_vol", "current_sharpe", "current_max_dd"))
    assert any(warning.startswith("Insufficient data") for warning in impact["warnings"])


def test_warnings_are_errors_here(request: pytest.FixtureRequest) -> None:
    assert "error" in request.config.getini("filterwarnings")


@pytest.mark.parametrize("pack", ["PP_1999-01-01", "yesterday", ""])
def test_a_bad_pack_is_refused_by_each_method_before_anything_else(
    service: OptimizerService, pack: str
) -> None:
    for question in (
        service.propose_trades(PORTFOLIO, {}, pack),
        service.analyze_impact(PORTFOLIO, [], pack),
        service.suggest_hedges(PORTFOLIO, "equity_selloff", pack),
        service.suggest_deleveraging_hedges(PORTFOLIO, "REFLATION", pack),
        service.portfolio_stress(PORTFOLIO, pack),
    ):
        with pytest.raises(DataError, match="PP_2025-10-26"):
            asyncio.run(question)
