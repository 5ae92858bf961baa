"""Each stage of one portfolio: from what it stands on to the rows of its version, and what is to be told of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from optimizer import DataError, InfeasibleError, PackfolioError, Reasons, Setting
from optimizer.problem.methods import reads_means
from optimizer.proposals.proposal import expected_returns, orders_impact, view_effects, weights_after
from resources.results.accounts.answers import Answers, Gathered
from resources.results.accounts.facts import Account
from resources.results.accounts.hedging import hedges_of
from resources.results.accounts.schedules import schedule_columns
from resources.results.accounts.shared_inputs import Ground
from resources.results.accounts.tails import tail_risk_of
from resources.results.attribution.risks import factor_risk_columns
from resources.results.estimates.pack_estimates import Case
from resources.results.rebalancing import decision_of, policy_of_day, quiet_list, quiet_result
from resources.results.risk_outputs import impact_columns
from resources.results.stage_outputs import (
    Answer,
    belief_columns,
    exposure_columns,
    failure_row,
    no_trades,
    one_row,
    read_limits,
    result_row,
    shares_of_risk,
    trade_columns,
    weight_columns,
)
from resources.settings.policies.limit_words import reason_of

Told = tuple[Answer, tuple[str, ...]]


def beliefs_of(ground: Ground, account: Account) -> Told:
    """What a portfolio believes of returns; no rows where it has none today: the next stage records the reason."""
    nothing: Answer = {"posterior_returns": {}}
    if account.snapshot.problem:
        return nothing, ()
    try:
        beliefs, _ = ground.believe(ground.case(account.snapshot, account.known(), account.key), account.key)
    except PackfolioError:
        return nothing, ()
    if beliefs is None:
        return nothing, ()
    return {"posterior_returns": belief_columns(beliefs, ground.simulated)}, beliefs.warnings


def weights_of(ground: Ground, account: Account) -> Told:
    """The best weights of a portfolio, or why there are none; what stops it stops no other."""
    method, problem = account.snapshot.policy.method, account.snapshot.problem
    if problem:
        return _refusal(method, "no_data", problem)
    try:
        return _solved(ground, account), ()
    except InfeasibleError as error:
        return _refusal(method, "infeasible", reason_of(error))
    except PackfolioError as error:
        return _refusal(method, "failed", str(error))


def _refusal(method: str, status: str, reason: str) -> Told:
    return {"optimization_results": one_row(failure_row(method, status, reason))}, (reason,)


def _solved(ground: Ground, account: Account) -> Answer:
    case = ground.case(account.snapshot, account.known(), account.key)
    decision = decision_of(case, ground.market.pack.as_of)
    if decision is not None and not decision.trades:
        return quiet_result(case, decision)
    inputs, policy = case.inputs, policy_of_day(case, decision)
    compiled = ground.compiled(case, account.key, policy)
    held, believed = case.portfolio.get_weights(case.prices), compiled.estimates
    solution = compiled.choose_weights(case.portfolio, case.prices, held)
    current = np.array([held.get(symbol, 0.0) for symbol in solution.symbols])
    setting, shares = Setting(believed, policy, inputs.universe, current), shares_of_risk(solution, believed)
    return {
        "optimal_weights": weight_columns(solution, current, shares, inputs.simulated),
        "optimization_results": one_row(result_row(solution, setting, shares, ground.told(policy))),
        "portfolio_exposures": exposure_columns(solution, inputs.universe),
    }


def orders_of(ground: Ground, account: Account) -> Told:
    """The orders of a portfolio; none where it has no weights today, a warning where none can be ordered."""
    if account.snapshot.problem or not (account.target or account.quiet):
        return no_trades(), ()
    case = ground.case(account.snapshot, account.known(), account.key)
    decision = decision_of(case, ground.market.pack.as_of)
    if account.quiet and decision is not None:
        return quiet_list(case, decision), ()
    inputs, policy = case.inputs, policy_of_day(case, decision)
    beliefs, _ = ground.believe(case, account.key)
    heard = beliefs if reads_means(policy) else None
    binding, gave = read_limits(str(account.diagnostics))
    reasons = replace(
        account.past or Reasons(),
        binding=binding,
        gave=gave,
        returns=expected_returns(heard),
        views=view_effects(heard),
    )
    try:
        compiled = ground.compiled(case, account.key, policy)
        answer = compiled.order_trades(case.portfolio, case.prices, account.target, reasons)
        lot = float(case.mandate.lots)
        schedule = schedule_columns(answer, policy, compiled.estimates, case.mandate.liquidity, lot)
    except PackfolioError as error:
        return no_trades(reason_of(error)), ()
    rows = trade_columns(answer, inputs.currencies, inputs.rates, inputs.simulated)
    return {**rows, **schedule}, ()


def impact_of(ground: Ground, account: Account) -> Told:
    """What its trades change, risk by factor too where there is a model; no rows where it has none, or that fails."""
    if account.snapshot.problem or account.orders is None:
        return {"impact": {}}, ()
    try:
        case = ground.case(account.snapshot, account.known(), account.key)
        change = orders_impact(
            case.portfolio, case.prices, account.orders, case.evidence, case.inputs.policy, case.inputs.universe,
            case.mandate, ground.believe(case, account.key),
        )  # fmt: skip
    except PackfolioError as error:
        return {"impact": {}}, (f"its trades' impact cannot be told: {error}",)
    by_factor, told = _by_factor(case, account)
    return {"impact": impact_columns(change), **by_factor}, told


def _by_factor(case: Case, account: Account) -> Told:
    """Risk before and after the trades by the factors of the model on record; nothing without one."""
    if account.model is None or account.orders is None:
        return {}, ()
    value, held = case.portfolio.value_and_weights(case.prices)
    before = {s: w for s, w in held.items() if w}
    after = weights_after(case.portfolio, case.prices, account.orders, value)
    benchmark = case.inputs.universe.benchmark
    try:
        return {"factor_risks": factor_risk_columns(account.model, before, after, benchmark)}, ()
    except DataError as error:
        return {}, (f"its risk by factor cannot be told: {error}",)


def _each(stage: Callable[[Ground, Account], Told]) -> Callable[[Ground, Sequence[Account]], Iterable[Told]]:
    """A stage of one portfolio after the other."""
    return lambda ground, accounts: (stage(ground, account) for account in accounts)


STAGES: Mapping[str, Callable[[Ground, Sequence[Account]], Iterable[Told]]] = {
    "posterior_returns": _each(beliefs_of),
    "optimal_weights": _each(weights_of),
    "trades": _each(orders_of),
    "impact": _each(impact_of),
    "tail_risk": _each(tail_risk_of),
    "hedges": hedges_of,
}


def answers_of(stage: str, ground: Ground, accounts: Sequence[Account]) -> Answers:
    """One stage of many portfolios: a pure function, whose answer for each depends on no other."""
    made = Gathered()
    for account, (answer, told) in zip(accounts, STAGES[stage](ground, accounts), strict=True):
        made.add(account.snapshot.portfolio_id, answer, told)
    return made.answers()
