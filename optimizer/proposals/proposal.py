"""From a portfolio, prices, estimates and a policy to trades: the one composition that pipeline and service share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimizer.arguments import typed
from optimizer.beliefs.black_litterman import delta_of, posterior
from optimizer.beliefs.entropy_pooling import moved, pool
from optimizer.beliefs.estimators.means import equilibrium
from optimizer.beliefs.market_views import JointViews, MarketView
from optimizer.beliefs.scenario_view import ScenarioView
from optimizer.errors import DataError, PolicyError
from optimizer.factors.factor_model import FactorModel
from optimizer.factors.premia import split_returns
from optimizer.model.estimates import Estimates
from optimizer.model.policy import Policy
from optimizer.model.portfolio import ZERO, Number, Portfolio, exact, money, parts_of
from optimizer.model.universe import Universe
from optimizer.numerics.matrices import Matrix, variances
from optimizer.problem.methods import ON_ODDS, ON_SCENARIOS, reads_means
from optimizer.proposals.compiled_policy import CompiledPolicy, Mandate, enough
from optimizer.proposals.priors import left_out_of_prior, market_aversion, starting_point
from optimizer.solvers.solution import Solution
from optimizer.trading.impact import Impact, impact
from optimizer.trading.rationale import Reasons
from optimizer.trading.trade_list import BrokenByTarget, TradeList
from optimizer.typing import Array

ASSUMED_VOLATILITY = 0.2


@dataclass(frozen=True, eq=False)
class Beliefs:
    """What the optimizer believes about returns after the views.

    prior, mean    (n,) total returns per year, before and after the views
    covariance     (n, n) per year, in factors where the evidence's is
    spanned, own   (n,) what factors explain of the excess return after the views, and the rest; None without a model
    whole          (n,) the mean after the views, where `mean` is a part of it
    long_run       (n,) total returns per year that the mean decays to over a horizon; None: what cash earns
    scenarios      (T, n) days that the views weigh, and their probabilities (T,); None: those of the evidence, alike
    """

    symbols: tuple[str, ...]
    prior: Array
    mean: Array
    covariance: Matrix
    warnings: tuple[str, ...] = ()
    scenarios: Array | None = None
    probabilities: Array | None = None
    spanned: Array | None = None
    own: Array | None = None
    whole: Array | None = None
    long_run: Array | None = None

    @property
    def volatility(self) -> Array:
        """(n,) standard deviations per year."""
        return np.sqrt(variances(self.covariance))

    def moments(self, evidence: Estimates) -> Estimates:
        """`evidence` with these beliefs in place of its mean and covariance; its scenarios stay as they happened."""
        return replace(
            evidence, mean=self.mean, covariance=self.covariance, long_run=self.long_run, trusted=True
        )

    def estimates(self, evidence: Estimates) -> Estimates:
        """The same, and in place of its scenarios the days that the views weigh: what weights are chosen from."""
        known = self.moments(evidence)
        if self.scenarios is None:
            return known
        return replace(
            known,
            covariance=self.covariance,
            scenarios=self.scenarios,
            probabilities=self.probabilities,
            trusted=True,
        )


@dataclass(frozen=True, eq=False)
class Proposal:
    """Today's trades and everything they rest on.

    >>> propose(book, quotes, estimates, policy, universe, Mandate(prior='historical')).policy.method
    'mean_variance'
    """

    policy: Policy
    beliefs: Beliefs | None
    solution: Solution
    trades: TradeList
    warnings: tuple[str, ...]


@typed
def form_beliefs(estimates: Estimates, universe: Universe, policy: Policy, mandate: Mandate) -> Beliefs:
    """What `formed` gives, split by the universe's factor model where it has one, and of it what the policy asks for.

    Raises PolicyError where the policy asks for a part and there is no factor model.

    >>> form_beliefs(estimates, universe, policy, Mandate()).mean.round(3).tolist()
    [0.027, 0.065, 0.037]
    """
    whole, rate = formed(estimates, universe, policy, mandate), policy.risk_free_rate or 0.0
    model = FactorModel.known_in(universe, estimates.symbols)
    if model is None and policy.returns != "posterior":
        raise PolicyError(
            f"returns: {policy.returns} needs a factor model, and none is known here; set covariance_method to "
            f"factor_model, or give Universe(factors=model.loadings, factor_risk=model.risk)"
        )
    if model is None:
        return whole
    _, spanned, own = split_returns(model, whole.mean - rate)
    used = {"posterior": whole.mean, "factor_premia": rate + spanned, "own_alpha": rate + own}[policy.returns]
    days = policy.method in ON_SCENARIOS and policy.returns != "posterior"
    deaf = f"method {policy.method} counts days, whose means are whole: returns: {policy.returns} has no part in it"
    warnings = (*whole.warnings, *((deaf,) if days else ()))
    part = None if policy.returns == "posterior" else whole.mean
    return replace(whole, mean=used, spanned=spanned, own=own, whole=part, warnings=warnings)


def formed(estimates: Estimates, universe: Universe, policy: Policy, mandate: Mandate) -> Beliefs:
    """The desk's views on its prior, in total returns: by Black-Litterman, or by entropy pooling of the days.

    Raises PolicyError for a view on an unknown symbol or of the other model, or a prior whose weights are missing.
    """
    rate = policy.risk_free_rate or 0.0
    market, start = starting_point(mandate.prior, estimates, universe, rate)
    partial = left_out_of_prior(mandate.prior, estimates, universe)
    settings = market_aversion(policy, estimates, market) if start is None else policy.black_litterman
    if policy.view_model == "entropy_pooling":
        excess = equilibrium(estimates.risk, market, delta_of(settings)) if start is None else start
        found = _pooled(estimates, excess + rate, policy, mandate)
        return replace(
            found, warnings=partial + found.warnings, long_run=excess + rate if start is None else None
        )
    views = [view for view in mandate.views if isinstance(view, MarketView | JointViews)]
    if len(views) < len(mandate.views):
        raise PolicyError(
            "view_model is black_litterman, which takes views on returns (type absolute or relative); set view_model "
            "entropy_pooling for views of a kind"
        )
    answer = posterior(
        estimates.symbols,
        market,
        estimates.risk,
        views,
        settings,
        prior=start,
        funds=universe.funds,
        trusted=True,
    )
    warnings = partial + answer.warnings
    prior = answer.prior + rate
    # An equilibrium lasts, and views on it fade; what history has above cash fades itself.
    return Beliefs(
        estimates.symbols, prior, answer.mean + rate, answer.covariance, warnings,
        long_run=prior if start is None else None,
    )  # fmt: skip


def _pooled(estimates: Estimates, prior: Array, policy: Policy, mandate: Mandate) -> Beliefs:
    """The days, moved to the prior's mean (n,) and the estimated covariance, weighed as the views ask."""
    symbols, views = estimates.symbols, [view for view in mandate.views if isinstance(view, ScenarioView)]
    if len(views) < len(mandate.views):
        raise PolicyError(
            "view_model is entropy_pooling, which takes views of a kind (mean, volatility, correlation, cvar); "
            "write the views so, or set view_model black_litterman"
        )
    if not views:
        return Beliefs(symbols, prior, prior, estimates.risk)
    if estimates.scenarios is None:
        raise PolicyError("entropy pooling needs scenarios; the estimates have none: estimate from prices")
    yearly = estimates.periods_per_year
    days = moved(estimates.scenarios, prior, estimates.covariance, periods_per_year=yearly)
    found = pool(symbols, days, views, periods_per_year=yearly)
    if policy.method in ON_ODDS:
        return Beliefs(
            symbols, prior, found.mean, found.covariance, found.warnings, days, found.probabilities
        )
    deaf = f"method {policy.method} counts every day alike, so the views have no part in its weights"
    warnings = (*found.warnings, *((deaf,) if policy.method in ON_SCENARIOS else ()))
    return Beliefs(symbols, prior, found.mean, found.covariance, warnings)


@typed
def propose(
    portfolio: Portfolio,
    prices: Mapping[str, Number],
    estimates: Estimates,
    policy: Policy,
    universe: Universe,
    mandate: Mandate | None = None,
    past: Reasons | None = None,
) -> Proposal:
    """Beliefs, weights and trades of one portfolio on one day.

    prices     symbol -> price of one share in base currency
    estimates  evidence on every symbol held or investable, in base currency
    policy     with its risk-free rate filled in
    past       what was wanted, ordered and expected last time, where that is known
    Raises PolicyError, DataError, InfeasibleError and SolverError as its steps do.

    >>> found = propose(book, quotes, estimates, policy, universe, Mandate(prior='historical'))
    >>> found.solution.certificate.ok
    True
    """
    told = mandate or Mandate()
    beliefs, believed = believe(estimates, universe, policy, told)
    return propose_account(portfolio, prices, beliefs, CompiledPolicy(believed, policy, universe, told), past)


def propose_account(
    portfolio: Portfolio,
    prices: Mapping[str, Number],
    beliefs: Beliefs | None,
    compiled: CompiledPolicy,
    past: Reasons | None = None,
) -> Proposal:
    """Weights and trades of one of the accounts that share a policy and the beliefs it was compiled with.

    prices, past  as in `propose`. Raises what `propose` raises.

    >>> compiled = CompiledPolicy(estimates, policy, universe, Mandate())
    >>> propose_account(book, quotes, None, compiled).solution.certificate.ok
    True
    """
    if beliefs is not None:
        _refuse_shapes(beliefs)
    policy = compiled.policy
    solution = compiled.choose_weights(portfolio, prices)
    target = dict(zip(solution.symbols, solution.weights.tolist(), strict=True))
    heard = beliefs if reads_means(policy) else None
    reasons = replace(
        past or Reasons(),
        binding=solution.binding,
        gave=tuple(limit for limit in solution.unmet if limit.priority),
        returns=expected_returns(heard),
        views=view_effects(heard),
    )
    trades = compiled.order_trades(portfolio, prices, target, reasons)
    warnings = (*(beliefs.warnings if beliefs else ()), *solution.warnings, *_of_list(trades, solution))
    return Proposal(policy, beliefs, solution, trades, warnings)


def _of_list(trades: TradeList, solution: Solution) -> tuple[str, ...]:
    """The list's warnings without those of limits that the weights are already told to break."""
    names = [limit.limit for limit in solution.unmet]
    told = {*names, *(name.partition(" ")[0] for name in names)}  # the list has one check of all caps
    again = {
        check.text
        for check in trades.constraints
        if isinstance(check, BrokenByTarget) and check.constraint in told and not check.by_lots
    }
    return tuple(warning for warning in trades.warnings if warning not in again)


def _refuse_shapes(beliefs: Beliefs) -> None:
    n = len(beliefs.symbols)
    for name, value in (("prior", beliefs.prior), ("mean", beliefs.mean)):
        if value.shape != (n,) or not np.isfinite(value).all():
            raise DataError(
                f"the {name} of the beliefs has shape {value.shape} or a number that is not finite; it must have a "
                f"finite return for each of {n} symbols: give the beliefs that `believe` forms"
            )


def orders_impact(
    portfolio: Portfolio,
    prices: Mapping[str, Number],
    orders: Mapping[str, tuple[Decimal, Decimal]],
    evidence: Estimates,
    policy: Policy,
    universe: Universe,
    mandate: Mandate,
    believed: tuple[Beliefs | None, Estimates] | None = None,
) -> Impact:
    """What orders change; cash pays for them, so that the value falls by their costs alone.

    prices    symbol -> price of one share in base currency, of everything held or ordered
    orders    symbol -> (shares, negative when sold; cost in base currency)
    believed  what `believe` gives, where that is known already
    Risk and return are NaN where the history is too short to form beliefs from.
    """
    value, before = portfolio.value_and_weights(prices)
    after = weights_after(portfolio, prices, orders, value)
    costs = sum((cost for _, cost in orders.values()), ZERO)
    beliefs, known = believed or believe(evidence, universe, policy, mandate)
    if beliefs is not None and beliefs.scenarios is not None:
        known = beliefs.moments(evidence)  # the days as they happened
    change = impact(before, after, value, costs, known, policy, universe, mandate.ratings)
    return change if beliefs else change.without_risk()


def weights_after(
    portfolio: Portfolio,
    prices: Mapping[str, Number],
    orders: Mapping[str, tuple[Decimal, Decimal]],
    value: Decimal,
) -> dict[str, float]:
    """Symbol -> fraction of the NAV once the orders are filled and paid; nothing where they cost all of it.

    prices, orders  as in `orders_impact`;  value  of the portfolio before them
    """
    held = {symbol: position.quantity for symbol, position in portfolio.positions.items()}
    for symbol, (quantity, _) in orders.items():
        held[symbol] = held.get(symbol, ZERO) + quantity
    left = value - sum((cost for _, cost in orders.values()), ZERO)
    if left <= 0:
        return {}
    return parts_of(
        left, {symbol: money(q * exact(prices[symbol])) for symbol, q in sorted(held.items()) if q}
    )


def believe(
    evidence: Estimates, universe: Universe, policy: Policy, mandate: Mandate
) -> tuple[Beliefs | None, Estimates]:
    """The beliefs, and the estimates with them in place; None and the evidence where history is too short."""
    if not enough(evidence):
        return None, evidence
    beliefs = form_beliefs(evidence, universe, policy, mandate)
    return beliefs, beliefs.estimates(evidence)


def expected_returns(beliefs: Beliefs | None) -> dict[str, float]:
    """Symbol -> expected total return per year; nothing without beliefs."""
    return {} if beliefs is None else dict(zip(beliefs.symbols, beliefs.mean.tolist(), strict=True))


def view_effects(beliefs: Beliefs | None) -> dict[str, float]:
    """Symbol -> expected return less its prior, per year."""
    if beliefs is None:
        return {}
    after = beliefs.mean if beliefs.whole is None else beliefs.whole
    return dict(zip(beliefs.symbols, (after - beliefs.prior).tolist(), strict=True))


def without_evidence(symbols: Sequence[str], observations: int, notes: tuple[str, ...] = ()) -> Estimates:
    """Equal risks and no means, for names whose history is too short: good for equal weights and rounding only."""
    covariance = np.eye(len(symbols)) * ASSUMED_VOLATILITY**2
    days = max(observations, 1)
    return Estimates(tuple(symbols), None, covariance, observations=days, notes=notes, assumed=True)
