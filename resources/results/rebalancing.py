"""Whether a portfolio trades under a pack, by the rules of its policy, and the rows of a day without a trade."""

from datetime import date

import pandas as pd

from optimizer import Policy
from optimizer.trading.rebalance_rules import Decision, decide
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.pack_estimates import Case
from resources.results.stage_outputs import json_text

NO_TRADE = "no_trade"


def decision_of(case: Case, day: date) -> Decision | None:
    """What the rules say of a day; None where the policy has none, and every day is a day to trade."""
    rules, standing = case.snapshot.policy.rebalance, case.snapshot.standing
    if rules is None or standing is None:
        return None
    weights = case.portfolio.get_weights(case.prices)
    return decide(rules.to_rules(), standing, weights, 1 - sum(weights.values()), day)


def policy_of_day(case: Case, day: date) -> Policy:
    """The policy of a day's trade: while cash is raised nothing is bought, while it is invested nothing sold."""
    decision = decision_of(case, day)
    return decision.under(case.inputs.policy, case.snapshot.symbols) if decision else case.inputs.policy


def is_quiet(con: Connection, pack: Pack, portfolio_id: str) -> bool:
    """Whether the weights' stage found a portfolio inside its rules."""
    found = con.execute(
        "select 1 from latest_optimization_results where pack_id = ? and portfolio_id = ? and status = ?",
        [pack.id, portfolio_id, NO_TRADE],
    )
    return bool(found.fetchall())


def quiet_result(case: Case, decision: Decision) -> dict[str, pd.DataFrame]:
    """The row of `optimization_results` for a portfolio inside its rules: its reason is the sentence."""
    weights = case.portfolio.get_weights(case.prices)
    row = {
        "method": case.snapshot.policy.method, "status": NO_TRADE, "reason": decision.sentence,
        "cash": 1 - sum(weights.values()), "turnover": 0.0, "constraints_met": True,
    }  # fmt: skip
    return {"optimization_results": pd.DataFrame([row])}


def quiet_list(case: Case, decision: Decision) -> dict[str, pd.DataFrame]:
    """The row of `trade_lists` for a portfolio inside its rules: its value, no order, and the sentence."""
    value = case.portfolio.total_value(case.prices)
    zero = dict.fromkeys(("bought", "sold", "costs", "turnover", "turnover_two_way"), 0)
    row = {
        "nav_before": value, "nav_after": value, **zero, "constraints_met": True,
        "warnings": json_text([decision.sentence]),
    }  # fmt: skip
    return {"trades": pd.DataFrame({"symbol": pd.Series(dtype=object)}), "trade_lists": pd.DataFrame([row])}
