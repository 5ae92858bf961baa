"""The patterns of `POST /v1/execute`, and the capability that an agent calls; inputs are checked here, once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from optimizer import PolicyError
from resources.settings.playbook_schemas.scenario_schema import Shocks
from resources.settings.playbooks import TEMPLATES
from resources.settings.policies.values import Strict
from resources.settings.view_files import AnyViewFile
from service import optimizer_service
from service.answers.answer import Answer, as_json
from service.answers.proposals import FrontierAnswer, ImpactAnswer, RebalanceAnswer
from service.answers.risk import FactorHedgesAnswer, HedgesAnswer, RegimeAnswer, StressAnswer
from service.frontier import frontier
from service.optimizer_service import OptimizerService
from service.policies import MOST_VIEWS, merged_policy

TTL_SECONDS = 300
MOST = 1e15  # shares or money of a trade: cents are still told apart


class PortfolioInputs(Strict):
    """What every pattern takes: the portfolio's UUID or name, and the pack (the newest fresh one when left out)."""

    portfolio_id: str = Field(min_length=1, max_length=64)
    pricing_pack_id: str | None = Field(default=None, max_length=24)


class RebalanceInputs(PortfolioInputs):
    """Policy of a rebalance: a template, `policies` [{type, value}] and `constraints` (policy keys) merge.

    `views` are written as in a portfolio's file, and count in place of the portfolio's own; [] is none.
    """

    template: str | None = Field(default=None, max_length=64)
    policies: list[dict[str, Any]] = Field(default_factory=list, max_length=100)
    constraints: dict[str, Any] = Field(default_factory=dict)
    ratings: dict[str, float] | None = None
    views: list[AnyViewFile] | None = Field(default=None, max_length=MOST_VIEWS)


class FrontierInputs(PortfolioInputs):
    """Limits of an efficient frontier, its method is not among them; views as of a rebalance; weights beside it."""

    policies: list[dict[str, Any]] = Field(default_factory=list, max_length=100)
    constraints: dict[str, Any] = Field(default_factory=dict)
    weights: dict[str, Annotated[float, Field(ge=-10, le=10)]] | None = Field(default=None, max_length=5000)
    views: list[AnyViewFile] | None = Field(default=None, max_length=MOST_VIEWS)


class TradeInput(Strict):
    """One trade; of a trade as `policy_rebalance` gives it the other keys are taken and not needed."""

    model_config = ConfigDict(extra="ignore")

    symbol: str = Field(min_length=1, max_length=32)
    action: str
    quantity: float = Field(ge=0, le=MOST)
    estimated_cost: float | None = Field(default=None, ge=0, le=MOST)


class ImpactInputs(PortfolioInputs):
    """Trades whose effect is asked for."""

    proposed_trades: list[TradeInput] = Field(max_length=5000)


class HedgeInputs(PortfolioInputs):
    """A scenario of the registry, or shocks of one's own."""

    scenario_id: str = Field(default="custom", max_length=64)
    custom_shocks: Shocks | None = None
    max_cost_bps: float | None = Field(default=None, ge=0, le=10_000)


class FactorHedgeInputs(PortfolioInputs):
    """The most exposure in size that each named factor may be left with; 0 takes all of it away."""

    targets: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(min_length=1, max_length=100)


class RegimeInputs(PortfolioInputs):
    """A macro regime; the one that the pack's macro series look like when it is left out."""

    regime: str | None = Field(default=None, max_length=64)


class StressInputs(PortfolioInputs):
    """Scenarios of the registry (all when none is named), shocks and returns of factors (fractions) of one's own."""

    scenario_ids: list[str] | None = Field(default=None, max_length=100)
    custom_shocks: Shocks | None = None
    custom_factors: dict[str, Annotated[float, Field(gt=-1, le=10)]] | None = Field(
        default=None, max_length=100
    )


@dataclass(frozen=True)
class Pattern:
    """One pattern: what it takes, what it gives, how it is answered."""

    inputs: type[PortfolioInputs]
    answer: type[Answer]
    run: Callable[[OptimizerService, Any, str], dict[str, Any]]


Result = dict[str, Any]


def _rebalance(service: OptimizerService, inputs: RebalanceInputs, pack: str) -> Result:
    templates = service.desk.playbooks.templates
    if inputs.template is not None:
        service.desk.playbooks.require(TEMPLATES)
    if inputs.template is not None and inputs.template not in templates:
        raise PolicyError(f"there is no template {inputs.template!r}; there are {', '.join(templates)}")
    template = templates[inputs.template] if inputs.template else None
    policy = merged_policy(inputs.policies, inputs.constraints, template)
    proposal = service.proposal(inputs.portfolio_id, policy, pack, inputs.ratings, inputs.views)
    found = as_json(proposal)
    impact = as_json(service.impact(inputs.portfolio_id, found["trades"], pack, policy, inputs.views))
    return {**found, "impact": impact}


def _frontier(service: OptimizerService, inputs: FrontierInputs, pack: str) -> Result:
    policy = merged_policy(inputs.policies, inputs.constraints)
    loaded = service.desk.case(pack, inputs.portfolio_id, policy, views=inputs.views)
    return as_json(frontier(loaded, inputs.weights))


def _impact(service: OptimizerService, inputs: ImpactInputs, pack: str) -> Result:
    trades = [trade.model_dump() for trade in inputs.proposed_trades]
    return as_json(service.impact(inputs.portfolio_id, trades, pack))


def _hedges(service: OptimizerService, inputs: HedgeInputs, pack: str) -> Result:
    shocks = _given(inputs.custom_shocks)
    return as_json(service.hedges(inputs.portfolio_id, inputs.scenario_id, pack, shocks, inputs.max_cost_bps))


def _factor_hedges(service: OptimizerService, inputs: FactorHedgeInputs, pack: str) -> Result:
    return as_json(service.factor_hedges(inputs.portfolio_id, inputs.targets, pack))


def _regime(service: OptimizerService, inputs: RegimeInputs, pack: str) -> Result:
    regime = inputs.regime or service.detected_regime(pack)
    return as_json(service.regime(inputs.portfolio_id, regime, pack))


def _stress(service: OptimizerService, inputs: StressInputs, pack: str) -> Result:
    shocks = _given(inputs.custom_shocks)
    return as_json(
        service.stress(inputs.portfolio_id, pack, inputs.scenario_ids, shocks, inputs.custom_factors)
    )


def _given(shocks: Shocks | None) -> dict[str, float] | None:
    return None if shocks is None else shocks.model_dump(exclude_none=True)


PATTERNS: Mapping[str, Pattern] = {
    "policy_rebalance": Pattern(RebalanceInputs, RebalanceAnswer, _rebalance),
    "analyze_impact": Pattern(ImpactInputs, ImpactAnswer, _impact),
    "suggest_hedges": Pattern(HedgeInputs, HedgesAnswer, _hedges),
    "suggest_factor_hedges": Pattern(FactorHedgeInputs, FactorHedgesAnswer, _factor_hedges),
    "suggest_deleveraging_hedges": Pattern(RegimeInputs, RegimeAnswer, _regime),
    "portfolio_stress": Pattern(StressInputs, StressAnswer, _stress),
    "efficient_frontier": Pattern(FrontierInputs, FrontierAnswer, _frontier),
}


@dataclass(frozen=True)
class RequestContext:
    """What an agent knows of the request it serves."""

    pricing_pack_id: str
    portfolio_id: UUID | str
    asof_date: str


async def optimizer_propose_trades(
    ctx: RequestContext,
    state: Mapping[str, Any],
    portfolio_id: str | None = None,
    policies: list[dict[str, Any]] | None = None,
    constraints: Mapping[str, Any] | None = None,
    views: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The agent capability optimizer.propose_trades: the proposal, with metadata of where it comes from.

    state  may hold `ratings`, symbol -> score;  views  as a portfolio's file has them, in place of its own
    """
    policy = merged_policy(policies or [], constraints or {})
    service = optimizer_service.get_optimizer_service()
    result = await service.propose_trades(
        portfolio_id or ctx.portfolio_id,
        policy.model_dump(exclude_unset=True),
        ctx.pricing_pack_id,
        ratings=state.get("ratings") or None,
        views=views,
    )
    return {**result, "metadata": metadata(ctx.pricing_pack_id, ctx.asof_date)}


def metadata(pack_id: str, asof: str) -> dict[str, Any]:
    """Where an answer comes from, of when it is, and for how many seconds it may be kept."""
    return {"agent_name": "optimizer", "source": f"optimizer:{pack_id}", "asof": asof, "ttl": TTL_SECONDS}
