"""The four questions a desk asks: what to trade, what it changes, how to hedge, how to follow a regime."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from optimizer import DataError, trade_cost
from resources.results.queries import regime_of
from resources.settings.playbook_schemas.scenario_schema import Shocks
from resources.settings.playbooks import HEDGES, SCENARIOS
from resources.settings.view_files import View
from resources.settings.yaml_files import parse_value
from service.answers.answer import Answer, as_dict
from service.desk import Desk
from service.impacts import analyzed, traded
from service.policies import PolicyConstraints, parse_policy, parse_views
from service.proposals import proposed
from service.settings import Settings
from service.stresses import (
    chosen_scenarios,
    exposed,
    factor_hedges_answer,
    hedges_answer,
    regime_answer,
    stress_answer,
)

Portfolio = str | UUID


class OptimizerService:
    """Answers from the published warehouse; every method names its pricing pack, and equal questions get equal answers.

    Raises PolicyError for a wrong question, DataError for what the pack does not have, InfeasibleError where limits
    conflict, SolverError where we failed.
    """

    riskfolio_available = True  # the seed's name: the optimizer is our own, and always there

    def __init__(self, desk: Desk | None = None) -> None:
        self.desk = desk or Desk(Settings.of_process())

    async def propose_trades(
        self,
        portfolio_id: Portfolio,
        policy_json: Mapping[str, Any],
        pricing_pack_id: str,
        ratings: Mapping[str, float] | None = None,
        *,
        views: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Trades towards the best weights under the policy; keys of `RebalanceAnswer`.

        views  as a portfolio's file has them, in place of the portfolio's own; [] for none
        """
        policy, seen = self._parse_policy(policy_json), None if views is None else parse_views(views)
        return await _answered(self.proposal, portfolio_id, policy, pricing_pack_id, ratings, seen)

    async def analyze_impact(
        self, portfolio_id: Portfolio, proposed_trades: Sequence[Mapping[str, Any]], pricing_pack_id: str
    ) -> dict[str, Any]:
        """Value, risk, return, quality and concentration before and after trades; keys of `ImpactAnswer`."""
        return await _answered(self.impact, portfolio_id, proposed_trades, pricing_pack_id)

    async def suggest_hedges(
        self,
        portfolio_id: Portfolio,
        scenario_id: str,
        pricing_pack_id: str,
        *,
        custom_shocks: Mapping[str, float] | None = None,
        max_cost_bps: float | None = None,
    ) -> dict[str, Any]:
        """Hedges against a scenario ("custom" with `custom_shocks`); keys of `HedgesAnswer`."""
        return await _answered(
            self.hedges, portfolio_id, scenario_id, pricing_pack_id, custom_shocks, max_cost_bps
        )

    async def suggest_factor_hedges(
        self, portfolio_id: Portfolio, targets: Mapping[str, float], pricing_pack_id: str
    ) -> dict[str, Any]:
        """Hedges that leave each factor at most its target exposure in size; keys of `FactorHedgesAnswer`."""
        return await _answered(self.factor_hedges, portfolio_id, targets, pricing_pack_id)

    async def suggest_deleveraging_hedges(
        self, portfolio_id: Portfolio, regime: str, pricing_pack_id: str
    ) -> dict[str, Any]:
        """What a macro regime asks of the holdings; keys of `RegimeAnswer`."""
        return await _answered(self.regime, portfolio_id, regime, pricing_pack_id)

    async def portfolio_stress(
        self,
        portfolio_id: Portfolio,
        pricing_pack_id: str,
        scenario_ids: Sequence[str] | None = None,
        custom_shocks: Mapping[str, float] | None = None,
        custom_factors: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        """Profit and loss under scenarios, all when none is named; keys of `StressAnswer`."""
        return await _answered(
            self.stress, portfolio_id, pricing_pack_id, scenario_ids, custom_shocks, custom_factors
        )

    def proposal(
        self,
        portfolio: Portfolio,
        policy: PolicyConstraints,
        pack_id: str,
        ratings: Mapping[str, float] | None = None,
        views: Sequence[View] | None = None,
    ) -> Answer:
        """`propose_trades` in the caller's thread."""
        return proposed(self.desk.case(pack_id, portfolio, policy, views=views), ratings)

    def impact(
        self,
        portfolio: Portfolio,
        trades: Sequence[Mapping[str, Any]],
        pack_id: str,
        policy: PolicyConstraints | None = None,
        views: Sequence[View] | None = None,
    ) -> Answer:
        """`analyze_impact` in the caller's thread; under the portfolio's own policy and views where none are given."""
        found = traded(trades)
        return analyzed(self.desk.case(pack_id, portfolio, policy, tuple(found), views), found)

    def hedges(
        self,
        portfolio: Portfolio,
        scenario_id: str,
        pack_id: str,
        custom_shocks: Mapping[str, float] | None = None,
        max_cost_bps: float | None = None,
    ) -> Answer:
        """`suggest_hedges` in the caller's thread."""
        books = self.desk.playbooks
        books.require(SCENARIOS, HEDGES)
        named = None if custom_shocks else [scenario_id]
        scenario = chosen_scenarios(books, named, _sizes(custom_shocks))[0]
        limits = books.hedge_limits
        if max_cost_bps is not None:
            limits = replace(limits, max_cost_bps=max_cost_bps)
        book = exposed(self.desk, self.desk.case(pack_id, portfolio))
        return hedges_answer(book, scenario, books.instruments, limits)

    def factor_hedges(self, portfolio: Portfolio, targets: Mapping[str, float], pack_id: str) -> Answer:
        """`suggest_factor_hedges` in the caller's thread."""
        books = self.desk.playbooks
        books.require(HEDGES)
        book = exposed(self.desk, self.desk.case(pack_id, portfolio), moved=False)
        return factor_hedges_answer(self.desk, book, targets, books.instruments)

    def regime(self, portfolio: Portfolio, regime: str, pack_id: str) -> Answer:
        """`suggest_deleveraging_hedges` in the caller's thread."""
        return regime_answer(self.desk, exposed(self.desk, self.desk.case(pack_id, portfolio)), regime)

    def detected_regime(self, pack_id: str) -> str:
        """The regime that the pack's macro series look like; raises DataError that says why there is none."""
        with self.desk.read() as reading:
            found = regime_of(reading.con, reading.pack(pack_id).id)
        if found["regime"] is None:
            raise DataError(f"no regime is detected ({'; '.join(found['problems'])}): name one")
        return str(found["regime"])

    def stress(
        self,
        portfolio: Portfolio,
        pack_id: str,
        scenario_ids: Sequence[str] | None = None,
        custom_shocks: Mapping[str, float] | None = None,
        custom_factors: Mapping[str, float] | None = None,
    ) -> Answer:
        """`portfolio_stress` in the caller's thread."""
        scenarios = chosen_scenarios(self.desk.playbooks, scenario_ids, _sizes(custom_shocks), custom_factors)
        return stress_answer(exposed(self.desk, self.desk.case(pack_id, portfolio)), scenarios)

    def _parse_policy(self, policy_json: Mapping[str, Any]) -> PolicyConstraints:
        """The policy of the seed's keys."""
        return parse_policy(policy_json)

    def _estimate_trade_cost(self, trade_value: Decimal, policy: PolicyConstraints) -> Decimal:
        """Commission + value x impact / 10,000, to the cent."""
        cost = trade_cost(trade_value, policy.commission_per_trade, policy.market_impact_bps)
        return cost.quantize(Decimal("0.01"))

    def _calculate_concentration_top10(self, positions: Sequence[Mapping[str, Any]]) -> float:
        """Share of the ten largest values, percent; 0 without any."""
        values = sorted((abs(float(position["value"])) for position in positions), reverse=True)
        return 100 * sum(values[:10]) / sum(values) if sum(values) else 0.0


def _sizes(custom_shocks: Mapping[str, float] | None) -> dict[str, float] | None:
    return parse_value(dict(custom_shocks), Shocks, "custom_shocks").sizes() if custom_shocks else None


async def _answered(question: Any, *arguments: Any) -> dict[str, Any]:
    return as_dict(await asyncio.to_thread(question, *arguments))


@lru_cache(maxsize=1)
def get_optimizer_service() -> OptimizerService:
    """The service of this process, set up from its environment."""
    return OptimizerService()
