"""A policy on one day's estimates, read once for any number of accounts: each brings what it holds and its cash."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from optimizer.arguments import typed
from optimizer.beliefs.market_views import JointViews, MarketView
from optimizer.beliefs.scenario_view import ScenarioView
from optimizer.errors import DataError, InfeasibleError, PackfolioError, PolicyError
from optimizer.model.costs import CostCurve, CostModel, Liquidity
from optimizer.model.estimates import Estimates
from optimizer.model.policy import Policy
from optimizer.model.portfolio import Number, Portfolio, price_of
from optimizer.model.universe import Universe
from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.qp import SMALL
from optimizer.numerics.tracking_risk import TrackingRisk
from optimizer.problem.methods import goal_of
from optimizer.problem.policy_limits import build_limits
from optimizer.problem.priorities import closing
from optimizer.problem.setting import Setting, named
from optimizer.problem.trade_bounds import restrictions_of
from optimizer.problem.written.lines import without_limits_on_risk
from optimizer.solvers.solution import Solution
from optimizer.solvers.solve import solved, unlimited
from optimizer.tax.harvesting import harvest_limits, harvest_reasons, not_bought_back, swaps
from optimizer.tax.taxes import TaxPlan
from optimizer.trading.frozen import FrozenPosition, beside_frozen, with_frozen
from optimizer.trading.rationale import Reasons
from optimizer.trading.taxed_trades import with_taxes
from optimizer.trading.trade_list import TradeList
from optimizer.trading.trades import build_trades
from optimizer.typing import Array

MIN_OBSERVATIONS = 30
PIVOTED = {"min_volatility", "mean_variance", "max_sharpe", "max_diversification", "min_tracking_error"}


@typed
@dataclass(frozen=True)
class Mandate:
    """What the desk adds to prices and policy.

    investable  symbols that may be bought; a held one besides is sold; None = all
    views       MarketView and JointViews in excess returns, or ScenarioView in total ones, by the policy's view_model
    prior       "benchmark", "market_cap" (equilibria) or "historical" (the estimated means)
    ratings     symbol -> quality score
    lots        shares in a lot
    taxes       the tax lots and how sales are taxed; None = taxes are not looked at
    notes       what a reader of the weights must know: what was left out, and why
    frozen      positions without a price today, whose value is part of the portfolio's cash
    closed      symbol -> why it is not investable, the reason where it is sold ("it may not be held: tobacco")

    >>> Mandate(prior='historical').lots
    1
    """

    investable: tuple[str, ...] | None = None
    views: tuple[MarketView | JointViews | ScenarioView, ...] = ()
    prior: str = "benchmark"
    ratings: Mapping[str, float] = field(default_factory=dict)
    lots: Number = 1
    taxes: TaxPlan | None = None
    liquidity: Mapping[str, Liquidity] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    frozen: tuple[FrozenPosition, ...] = ()
    closed: Mapping[str, str] = field(default_factory=dict)


def applied_policy(
    policy: Policy, estimates: Estimates, universe: Universe, mandate: Mandate
) -> tuple[Policy, dict[str, str], tuple[str, ...]]:
    """The policy as it binds today, why each closed name is sold, and warnings.

    What is not investable, or rated below the minimum, gets the target 0; the unrated are kept and named.
    """
    closed: dict[str, str] = {}
    warnings: list[str] = []
    allowed = set(estimates.symbols if mandate.investable is None else mandate.investable)
    named(allowed, estimates.symbols, "investable")
    for symbol in estimates.symbols:
        score = mandate.ratings.get(symbol)
        if symbol not in allowed:
            closed[symbol] = mandate.closed.get(symbol, "it is not in the portfolio's universe")
        elif policy.min_quality_score is not None and score is not None and score < policy.min_quality_score:
            closed[symbol] = f"quality {score:g} is below the minimum {policy.min_quality_score:g}"
    if policy.min_quality_score is not None:
        unrated = sorted(allowed - set(mandate.ratings))
        warnings += [f"Unrated, kept: {', '.join(unrated)}"] if unrated else []
    applied, broken = beside_frozen(
        closing(policy, dict.fromkeys(closed, (0.0, 0.0))),
        mandate.frozen,
        {universe.sectors[symbol] for symbol in estimates.symbols if symbol in universe.sectors},
    )
    if not enough(estimates):
        if applied.min_return is not None and estimates.mean is None:
            raise DataError(
                f"min_return needs expected returns, and the {estimates.observations} days on which all names are "
                f"priced give none; {MIN_OBSERVATIONS} are needed: wait, take the youngest name out, or drop min_return"
            )
        # nothing is known of what trades would earn, over one step or several
        applied = replace(applied, method="equal_weight", horizon=None, cost_horizon_years=None)
        warnings.append(f"Insufficient data for optimization ({estimates.observations} days)")
    if estimates.assumed:
        applied, unknown = without_limits_on_risk(applied)
        warnings += [f"{limit} does not count: the risk of the names is not known" for limit in unknown]
    warnings += [*map(str, mandate.frozen), *broken]
    return applied, closed, tuple(warnings)


def enough(estimates: Estimates) -> bool:
    """Whether the history is long enough to form beliefs from it."""
    few = 0 < estimates.observations < MIN_OBSERVATIONS
    return not (few or estimates.assumed)


@dataclass(frozen=True, eq=False)
class CompiledPolicy:
    """What a policy asks of estimates, read once: `choose_weights` and `order_trades` of one account after another.

    estimates  with beliefs already in place of its mean and covariance

    >>> CompiledPolicy(estimates, policy, universe, Mandate()).choose_weights(book, quotes).certificate.ok
    True
    """

    estimates: Estimates
    policy: Policy
    universe: Universe
    mandate: Mandate

    @cached_property
    def _applied(self) -> tuple[Policy, dict[str, str], tuple[str, ...]]:
        return applied_policy(self.policy, self.estimates, self.universe, self.mandate)

    @cached_property
    def _costs(self) -> CostModel:
        return CostModel.of(self._applied[0], self.mandate.liquidity)

    @cached_property
    def _risk(self) -> TrackingRisk:
        return TrackingRisk.of(self.estimates.risk)

    @cached_property
    def _unlimited(self) -> Array:
        """(n,) the best weights without the turnover limit; whatever is held, these are the same."""
        setting = Setting(
            self.estimates, self._applied[0], self.universe, np.zeros(len(self.estimates.symbols))
        )
        return unlimited(goal_of(setting), build_limits(setting).without("max_turnover"))

    def _towards_unlimited(self, held: Array) -> Array | None:
        """(n,) from what is held to `_unlimited` as far as the turnover limit lets go, where that helps a solver.

        Every purchase, and every sale, is smaller by the same amount or falls away: as the best trades under the limit
        are, most names then rest where they are.
        """
        policy = self._applied[0]
        if policy.max_turnover is None or policy.method not in PIVOTED or len(held) <= SMALL:
            return None
        try:
            wanted = self._unlimited
        except (NoAnswerError, PackfolioError):
            return None  # the solve says what is wrong
        way, most = wanted - held, 2 * policy.max_turnover
        if float(np.abs(way).sum()) <= most:
            return wanted
        bought = min(max((most + float(way.sum())) / 2, 0.0), most)
        return held + _shrunk(np.maximum(way, 0.0), bought) - _shrunk(np.maximum(-way, 0.0), most - bought)

    @cached_property
    def _heeds_holdings(self) -> bool:
        """Whether what is held decides about the weights by more than the turnover limit."""
        policy = self._applied[0]
        tracked = policy.method == "min_tracking_error" or policy.max_tracking_error is not None
        return bool(
            policy.max_trade is not None
            or policy.trade_limits
            or restrictions_of(policy)
            or policy.cost_horizon_years is not None
            or policy.horizon is not None
            or (tracked and self.universe.benchmark is None)
        )

    @typed
    def choose_weights(
        self, portfolio: Portfolio, prices: Mapping[str, Number], held: Mapping[str, float] | None = None
    ) -> Solution:
        """The optimal weights of an account under today's policy; raises what `solve` raises.

        prices  symbol -> price of one share in base currency;  held: the portfolio's weights, where they are known
        """
        applied, _, warnings = self._applied
        mandate = self.mandate
        warnings = (*mandate.notes, *self.estimates.notes, *warnings)
        _refuse_shorts(portfolio, self.policy)
        held = portfolio.get_weights(prices) if held is None else held
        current = np.array([held.get(symbol, 0.0) for symbol in self.estimates.symbols])
        limited = not_bought_back(applied, mandate.taxes, held)
        free = limited is applied and not self._heeds_holdings
        setting = Setting(
            self.estimates, limited, self.universe, current, self._curve(portfolio, prices),
            (lambda: self._unlimited) if free else None,
        )  # fmt: skip
        solution = solved(setting, start=self._towards_unlimited(current) if free else None)
        found, left = swaps(portfolio, prices, mandate.taxes, mandate.investable)
        if harvested := harvest_limits(found, solution, held, limited):
            try:
                solution = solved(replace(setting, policy=harvested, without_turnover_limit=None))
                warnings += tuple(swap.text for swap in found)
            except InfeasibleError as error:
                left += (f"No losses are harvested: {error}",)
        told = warnings + left
        return replace(solution, warnings=told + solution.warnings) if told else solution

    def _curve(self, portfolio: Portfolio, prices: Mapping[str, Number]) -> CostCurve | None:
        """What the list will charge, for trades as fractions of the NAV; None where the goal counts no costs."""
        policy = self._applied[0]
        if policy.cost_horizon_years is None and policy.horizon is None:
            return None
        nav, symbols = float(portfolio.total_value(prices)), self.estimates.symbols
        if nav <= 0:
            return None
        return self._costs.curve(
            symbols, np.array([float(price_of(symbol, prices)) for symbol in symbols]), nav
        )

    @typed
    def order_trades(
        self,
        portfolio: Portfolio,
        prices: Mapping[str, Number],
        target: Mapping[str, float],
        reasons: Reasons,
    ) -> TradeList:
        """Whole lots nearest to the target in risk terms; raises what `build_trades` raises."""
        applied, closed, _ = self._applied
        plan = self.mandate.taxes
        found_swaps, _ = swaps(portfolio, prices, plan, self.mandate.investable)
        harvested = harvest_reasons(found_swaps, target, portfolio.get_weights(prices)) if found_swaps else {}
        told = reasons
        if harvested or closed:
            told = replace(reasons, excluded={**harvested, **closed, **reasons.excluded})
        rates = plan.sell_rates(portfolio, prices, target) if plan and plan.in_costs else None
        found = build_trades(
            portfolio,
            prices,
            target,
            self.estimates,
            applied,
            self.universe,
            costs=self._costs,
            lots=self.mandate.lots,
            reasons=told,
            sell_rates=rates,
            risk=self._risk,
        )
        return with_frozen(with_taxes(found, plan) if plan else found, self.mandate.frozen)


def _shrunk(sizes: Array, total: float) -> Array:
    """(n,) sizes less what is taken off all alike, none below 0, so that they sum to a smaller total."""
    ordered = np.sort(sizes)[::-1]
    off = (np.cumsum(ordered) - total) / np.arange(1, len(sizes) + 1)
    return np.asarray(np.maximum(sizes - off.max(), 0.0))


def _refuse_shorts(portfolio: Portfolio, policy: Policy) -> None:
    short = [f"{s} {held.quantity}" for s, held in sorted(portfolio.positions.items()) if held.quantity < 0]
    if short and policy.long_only:
        raise PolicyError(
            f"{portfolio.name} is long-only and holds a negative quantity: {', '.join(short)}; correct it, or set "
            "long_only to False"
        )
