"""A policy as a strategy of a backtest: the same steps as `propose`, on what each day knew."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from optimizer.backtests.panel import Window
from optimizer.beliefs.estimators.recipes import estimate_window
from optimizer.model.costs import CostCurve, CostModel
from optimizer.model.estimates import Estimates, Recipe
from optimizer.model.liquidity import LiquidityPanel
from optimizer.model.policy import Policy
from optimizer.model.portfolio import Universe
from optimizer.model.returns import check_values
from optimizer.numerics.matrices import scaled
from optimizer.proposals.priors import starting_point
from optimizer.proposals.proposal import Mandate, form_beliefs
from optimizer.solvers.solve import solve
from optimizer.typing import Array


@dataclass(frozen=True, eq=False)
class PolicyStrategy:
    """A policy replayed through the past; views and ratings are today's opinions and stay out.

    liquidity  of each close, for a policy with root_impact
    The first purchase is not bound by the turnover limit or the no-trade band.
    """

    policy: Policy
    universe: Universe
    recipe: Recipe
    prior: str
    liquidity: LiquidityPanel | None = None
    _seen: dict[tuple[str, ...], tuple[Recipe, Universe]] = field(
        default_factory=dict, init=False, repr=False
    )

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
        recipe, universe = self._among(window.symbols)
        days = slice(-(recipe.lookback_days + 1), None)
        prices, dates = window.prices[days], window.dates[days]
        check_values(prices, dates, window.symbols)
        evidence = estimate_window(prices, dates, window.symbols, recipe)
        policy = self.policy if held.any() else replace(self.policy, max_turnover=None, no_trade_band=None)
        # What is held is the last answer, drifted; a run that is resumed starts from the same.
        start = held if held.any() else None
        believed, costs = self._believed(evidence, universe), self._costs(window)
        return solve(believed, policy, universe, held, costs=costs, start=start).weights

    def _costs(self, window: Window) -> CostCurve | None:
        """What trades will cost by the liquidity of the last close; None where the policy's linear rates say it all."""
        policy = self.policy
        if policy.cost_horizon_years is None or not policy.root_impact or window.worth is None:
            return None
        known = self.liquidity.at(pd.Timestamp(window.dates[-1])) if self.liquidity is not None else {}
        model = replace(CostModel.of(policy, known), per_share=0.0)
        return model.curve(window.symbols, nav=window.worth)

    def _believed(self, evidence: Estimates, universe: Universe) -> Estimates:
        """The prior in total returns, and its covariance: `form_beliefs` without views, in factors where they are."""
        factors = evidence.low_rank
        if factors is None:
            beliefs = form_beliefs(evidence, universe, self.policy, Mandate(prior=self.prior))
            return beliefs.estimates(evidence)
        settings, rate = self.policy.black_litterman, self.policy.risk_free_rate or 0.0
        market, start = starting_point(self.prior, evidence, universe, rate)
        excess = settings.delta * (factors @ market) if start is None else start
        blended = settings.covariance == "posterior" and self.policy.view_model == "black_litterman"
        scale = 1.0 + settings.tau if blended else 1.0
        return replace(evidence, mean=excess + rate, covariance=scaled(factors, scale), trusted=True)

    def _among(self, symbols: tuple[str, ...]) -> tuple[Recipe, Universe]:
        """Recipe and universe of the names that exist; kept, for they seldom change."""
        if symbols not in self._seen:
            allowed = tuple(symbol for symbol in symbols if symbol in set(self.universe.symbols))
            universe = replace(self.universe, symbols=allowed, benchmark=self._benchmark(symbols))
            self._seen[symbols] = replace(self.recipe, symbols=symbols), universe
        return self._seen[symbols]

    def _benchmark(self, symbols: tuple[str, ...]) -> dict[str, float] | None:
        """The benchmark's weights among the names that exist, made whole."""
        existing = set(symbols)
        known = {symbol: w for symbol, w in (self.universe.benchmark or {}).items() if symbol in existing}
        total = sum(known.values())
        return {symbol: w / total for symbol, w in known.items()} if total else None
