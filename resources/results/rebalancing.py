"""Whether a portfolio trades under a pack, by the rules of its policy, and the rows of a day without a trade."""

from dataclasses import replace
from datetime import date

from optimizer import Policy
from optimizer.proposals.rebalance_rules import Decision, decide
from resources.results.estimates.pack_estimates import Case
from resources.results.stage_outputs import Answer, json_text, one_row

NO_TRADE = "no_trade"


def decision_of(case: Case, day: date) -> Decision | None:
    """What the rules say of a day; None where the policy has none, and every day is a day to trade."""
    rules, standing = case.snapshot.policy.rebalance, case.snapshot.standing
    if rules is None or standing is None:
        return None
    weights = case.portfolio.get_weights(case.prices)
    # What is frozen is no cash that could be invested, and drifts from no target: nobody can trade it.
    frozen = {one.symbol: one.weight for one in case.mandate.frozen}
    target = {symbol: weight for symbol, weight in standing.target.items() if symbol not in frozen}
    cash = 1 - sum(weights.values()) - sum(frozen.values())
    return decide(rules.to_rules(), replace(standing, target=target), weights, cash, day)


def policy_of_day(case: Case, decision: Decision | None) -> Policy:
    """The policy of a day's trade: while cash is raised nothing is bought, while it is invested nothing sold."""
    return decision.under(case.inputs.policy, case.snapshot.symbols) if decision else case.inputs.policy


def quiet_result(case: Case, decision: Decision) -> Answer:
    """The row of `optimization_results` for a portfolio inside its rules: its reason is the sentence."""
    weights = case.portfolio.get_weights(case.prices)
    row = {
        "method": case.snapshot.policy.method, "status": NO_TRADE, "reason": decision.sentence,
        "cash": 1 - sum(weights.values()), "turnover": 0.0, "constraints_met": True,
    }  # fmt: skip
    if old := case.inputs.old_prices():
        row["warnings"] = json_text(old)
    return {"optimization_results": one_row(row)}


def quiet_list(case: Case, decision: Decision) -> Answer:
    """The row of `trade_lists` for a portfolio inside its rules: its value, no order, and the sentence."""
    value = case.portfolio.total_value(case.prices)
    zero = dict.fromkeys(("bought", "sold", "costs", "turnover", "turnover_two_way"), 0)
    row = {
        "nav_before": value, "nav_after": value, **zero, "constraints_met": True,
        "warnings": json_text([decision.sentence]),
    }  # fmt: skip
    return {"trades": {}, "trade_lists": one_row(row)}
