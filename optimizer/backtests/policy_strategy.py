"""A policy as a strategy of a backtest: the same steps as `propose`, on what each day knew."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from optimizer.arguments import typed
from optimizer.backtests.dated_facts import DatedFacts
from optimizer.backtests.panel import Window
from optimizer.backtests.shared_windows import SharedWindows
from optimizer.beliefs.black_litterman import delta_of
from optimizer.beliefs.estimators.recipes import estimate_window
from optimizer.beliefs.estimators.windows import first_row
from optimizer.model.costs import CostCurve, CostModel
from optimizer.model.estimates import Estimates
from optimizer.model.liquidity import LiquidityPanel
from optimizer.model.policy import Policy
from optimizer.model.recipe import Recipe
from optimizer.model.returns import check_values
from optimizer.model.sessions import Dates
from optimizer.model.universe import Universe
from optimizer.numerics.matrices import scaled
from optimizer.proposals.compiled_policy import Mandate
from optimizer.proposals.existing_names import policy_among, unrestricted
from optimizer.proposals.frontier import free_of_trades
from optimizer.proposals.priors import market_aversion, starting_point
from optimizer.proposals.proposal import form_beliefs
from optimizer.solvers.solve import solve
from optimizer.typing import Array


@typed
@dataclass(frozen=True, eq=False)
class PolicyStrategy:
    """A policy replayed through the past; views, ratings and restrictions are today's and stay out.

    liquidity  of each close, for a policy with root_impact
    facts      what each day knew besides prices
    closes     base currency for one share as traded, by date and symbol, for a fee per share; None: the prices are
    windows    given to several strategies, they estimate what they all read once
    The first purchase is not bound by the turnover limit, the no-trade band or the limits on trades of one name.

    >>> strategy = PolicyStrategy(policy, universe, Recipe(lookback_days=60), 'historical')
    >>> sorted(strategy(prices, prices.index[-1], {}))
    ['BONDS', 'EQUITY', 'GOLD']
    """

    policy: Policy
    universe: Universe
    recipe: Recipe
    prior: str
    liquidity: LiquidityPanel | None = None
    facts: DatedFacts = field(default_factory=DatedFacts)
    closes: pd.DataFrame | None = None
    windows: SharedWindows = field(default_factory=SharedWindows, repr=False)
    _seen: dict[object, tuple[Recipe, Universe, Policy]] = field(default_factory=dict, init=False, repr=False)

    def __call__(
        self, history: pd.DataFrame, as_of: pd.Timestamp, held: Mapping[str, float]
    ) -> dict[str, float]:
        """Target weights by symbol.

        history  (t, k) total-return prices that end at as_of
        held     symbol -> weight at that close
        """
        symbols = tuple(sorted(map(str, history.columns)))
        window = Window(
            history[list(symbols)].to_numpy(dtype=float), pd.DatetimeIndex(history.index), symbols
        )
        weights = self.decide(window, np.array([held.get(symbol, 0.0) for symbol in symbols]))
        return dict(zip(symbols, weights.tolist(), strict=True))

    def decide(self, window: Window, held: Array) -> Array:
        """(k,) target weights; held (k,) at the window's last close."""
        recipe, universe, policy = self._known(window)
        since = first_row(window.prices, window.dates, recipe)
        prices, dates = window.prices[since:], window.dates[since:]
        believed = self._believed(prices, dates, recipe, universe, policy)
        # What is held is the last answer, drifted; a run that is resumed starts from the same.
        start = held if held.any() else None
        policy = policy if held.any() else free_of_trades(policy)
        costs = self._costs(window)
        return solve(believed, policy, universe, held, costs=costs, start=start).weights

    def _costs(self, window: Window) -> CostCurve | None:
        """What trades will cost by the last close; None where the policy's linear rates say it all."""
        policy = self.policy
        varying = policy.root_impact or policy.commission_per_share
        counted = policy.cost_horizon_years is not None or policy.horizon is not None
        if not counted or not varying or window.worth is None:
            return None
        day = pd.Timestamp(window.dates[-1])
        known = self.liquidity.at(day) if self.liquidity is not None else {}
        prices = window.prices[-1]
        if self.closes is not None:
            told = self.closes.loc[:day, list(window.symbols)].ffill()
            prices = told.iloc[-1].to_numpy(dtype=np.float64)
        return CostModel.of(policy, known).curve(window.symbols, prices, window.worth)

    def _believed(
        self, prices: Array, dates: Dates, recipe: Recipe, universe: Universe, policy: Policy
    ) -> Estimates:
        """The estimates of prices (t, k) with the prior as their mean."""

        model = self.facts.model(pd.Timestamp(dates[-1]), recipe)

        def evidence() -> Estimates:
            check_values(prices, dates, recipe.symbols)
            risk = None if model is None else model.covariance
            return estimate_window(prices, dates, recipe.symbols, recipe, None, risk)

        known = self.windows.of(prices, dates, recipe)
        asked = policy.risk_free_rate, policy.black_litterman, policy.view_model, policy.returns
        rests_on = self.prior, *asked, universe
        return known.believed(rests_on, lambda: self._beliefs(known.evidence(evidence), universe, policy))

    def _beliefs(self, evidence: Estimates, universe: Universe, policy: Policy) -> Estimates:
        """The prior in total returns, and its covariance: `form_beliefs` without views, in factors where they are."""
        factors = evidence.low_rank
        if factors is None or universe.factor_risk is not None or policy.returns != "posterior":
            beliefs = form_beliefs(evidence, universe, policy, Mandate(prior=self.prior))
            return beliefs.estimates(evidence)
        rate = policy.risk_free_rate or 0.0
        market, start = starting_point(self.prior, evidence, universe, rate)
        settings = market_aversion(policy, evidence, market) if start is None else policy.black_litterman
        excess = delta_of(settings) * (factors @ market) if start is None else start
        blended = settings.covariance == "posterior" and policy.view_model == "black_litterman"
        scale = 1.0 + settings.tau if blended else 1.0
        lasting = excess + rate if start is None else None
        return replace(
            evidence, mean=excess + rate, covariance=scaled(factors, scale), long_run=lasting, trusted=True
        )

    def _known(self, window: Window) -> tuple[Recipe, Universe, Policy]:
        """Recipe, universe and policy of the names that exist, with what the last day knew."""
        facts, day = self.facts, pd.Timestamp(window.dates[-1])
        recipe, universe, policy = self._among(window.symbols, facts.sectors_of(day))
        if (model := facts.model(day, recipe)) is not None:
            universe = replace(universe, factors=model.loadings, factor_risk=model.risk)
        if facts.rates is None and facts.caps is None:
            return recipe, universe, policy
        caps, rate = facts.caps_of(day, window.symbols), facts.rate(day)
        if caps is not None:
            made = facts.benchmark(day, window.symbols, self.universe.benchmark or {})
            universe = replace(universe, benchmark=made, market_caps=caps)
        return recipe, universe, policy if rate is None else replace(policy, risk_free_rate=rate)

    def _among(
        self, symbols: tuple[str, ...], sectors: Mapping[str, str] | None
    ) -> tuple[Recipe, Universe, Policy]:
        """Recipe, universe and policy of the names that exist, in a day's sectors; kept, for they seldom change."""
        key = symbols, None if sectors is None else tuple(sorted(sectors.items()))
        if key not in self._seen:
            universe, others = self.universe, set[str]()
            if sectors is not None:
                others = {*universe.sectors.values(), *self._ever}
                universe = replace(universe, sectors=sectors)
            allowed = tuple(symbol for symbol in symbols if symbol in set(universe.symbols))
            self._seen[key] = (
                replace(self.recipe, symbols=symbols),
                replace(universe, symbols=allowed, benchmark=self._lasting(symbols)),
                policy_among(unrestricted(self.policy), universe, symbols, others),
            )
        return self._seen[key]

    @cached_property
    def _ever(self) -> frozenset[str]:
        """Every sector that a name has at some time."""
        told = self.facts.sectors
        return frozenset() if told is None else frozenset(map(str, told.stack()))

    def _lasting(self, symbols: tuple[str, ...]) -> dict[str, float] | None:
        """The benchmark's weights among the names that exist, where no day changes them."""
        if self.facts.weighting == "market_cap":
            return None
        return self.facts.benchmark(pd.Timestamp(0), symbols, self.universe.benchmark or {})
