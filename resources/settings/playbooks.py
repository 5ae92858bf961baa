"""The desk's scenarios, hedging instruments, regime playbook and policy templates, as `config/` states them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError, field_validator

from optimizer import Advice, Detector, ExposureType, HedgeLimits, Instrument, PolicyError, Scenario
from optimizer.risk.regimes import REGIMES
from optimizer.risk.scenarios import FACTORS, Loads
from resources.settings.playbook_schemas.hedge_schema import HedgeLimitsFile, HedgesFile
from resources.settings.playbook_schemas.regime_schema import RegimesFile
from resources.settings.playbook_schemas.scenario_schema import ScenariosFile
from resources.settings.playbook_schemas.tail_risk import TailFile
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.policies.values import Strict
from resources.settings.words import told
from resources.settings.yaml_files import Model, every_mistake, load_yaml, read_text


class TemplatesFile(Strict):
    """`policy_templates.yaml`; each is a set of policy keys."""

    templates: dict[str, dict[str, float | int | bool | str]]

    @field_validator("templates")
    @classmethod
    def are_policies(cls, value: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
        """Refuses a template that is no policy."""
        wrong = []
        for name, keys in value.items():
            try:
                PolicyFile.model_validate(keys)
            except ValidationError as error:
                wrong += [f"{name}: {said}" for said in told(error)]
        if wrong:
            raise ValueError("; ".join(wrong))
        return value


@dataclass(frozen=True)
class Playbooks:
    """What the service answers with, besides packs; a desk may do without each of the four files.

    proxies    factor -> alternatives, each {symbol: coefficient}, the preferred first
    detector   None without regimes.yaml
    templates  name -> policy keys
    tail       how value at risk is told, as `scenarios.yaml` says or by default
    missing    the files that the desk does without: what they would say is empty
    """

    scenarios: Mapping[str, Scenario]
    proxies: Mapping[str, tuple[Mapping[str, float], ...]]
    loads: Loads
    instruments: tuple[Instrument, ...]
    hedge_limits: HedgeLimits
    regimes: Mapping[str, tuple[Advice, ...]]
    detector: Detector | None
    templates: Mapping[str, Mapping[str, object]]
    missing: tuple[str, ...] = ()
    tail: TailFile = field(default_factory=TailFile)

    @property
    def by_shocks(self) -> list[Scenario]:
        """The scenarios of shocks to markets."""
        return [scenario for scenario in self.scenarios.values() if not scenario.factors]

    @property
    def by_factors(self) -> list[Scenario]:
        """The scenarios of factors of the factor model."""
        return [scenario for scenario in self.scenarios.values() if scenario.factors]

    def proxy_symbols(self) -> tuple[str, ...]:
        """Every symbol that could stand for a factor, ascending."""
        return tuple(sorted({s for choices in self.proxies.values() for legs in choices for s in legs}))

    def chosen_proxies(self, priced: set[str]) -> dict[str, Mapping[str, float]]:
        """Of each factor the first alternative whose symbols are all priced; a factor without one is left out."""
        found = {
            f: next((legs for legs in self.proxies.get(f, ()) if set(legs) <= priced), None) for f in FACTORS
        }
        return {factor: legs for factor, legs in found.items() if legs is not None}

    def without(self, *names: str) -> str | None:
        """What to say where one of the files would be needed; None where the desk has them all."""
        lacking = [name for name in names if name in self.missing]
        if not lacking:
            return None
        those = "them" if lacking[1:] else "it"
        return (
            f"the desk has no {', '.join(lacking)}: copy {those} from the config/ of a desk made by "
            "`packfolio init example --prices example`, or do without"
        )

    def require(self, *names: str) -> None:
        """Raises PolicyError where the desk lacks one of the files."""
        if said := self.without(*names):
            raise PolicyError(said)


SCENARIOS, HEDGES, REGIME_RULES, TEMPLATES = FILES = (
    "scenarios.yaml", "hedges.yaml", "regimes.yaml", "policy_templates.yaml",
)  # fmt: skip


def load_playbooks(folder: Path) -> Playbooks:
    """The playbooks in a configuration folder; raises PolicyError naming every mistake by file, line and key."""
    found = [folder / name for name in FILES if (folder / name).exists()]
    texts = {path.name: read_text(path) for path in found}
    return _parsed(folder, json.dumps(texts))


@lru_cache(maxsize=4)
def _parsed(folder: Path, text: str) -> Playbooks:
    """Parsed once for each state of the files."""
    there = json.loads(text)

    def read(name: str, model: type[Model]) -> Callable[[], Model | None]:
        return lambda: load_yaml(folder / name, model) if name in there else None

    stress, hedging = read(SCENARIOS, ScenariosFile), read(HEDGES, HedgesFile)
    cycle, policies = read(REGIME_RULES, RegimesFile), read(TEMPLATES, TemplatesFile)
    try:
        return _joined(stress(), hedging(), cycle(), policies())
    except PolicyError as error:
        raise every_mistake(error, stress, hedging, cycle, policies) from None


def _joined(
    stress: ScenariosFile | None,
    hedging: HedgesFile | None,
    cycle: RegimesFile | None,
    policies: TemplatesFile | None,
) -> Playbooks:
    given = (stress, hedging, cycle, policies)
    loads = stress.loads.items() if stress else ()
    return Playbooks(
        {name: found.to_scenario(name) for name, found in stress.scenarios.items()} if stress else {},
        {factor: tuple(choices) for factor, choices in stress.proxies.items()} if stress else {},
        {ExposureType.parse(kind): dict[str, float](**load) for kind, load in loads},
        tuple(found.to_instrument() for found in hedging.instruments) if hedging else (),
        (hedging.limits if hedging else HedgeLimitsFile()).to_limits(),
        {name: tuple(advice.to_advice() for advice in cycle.regimes[name]) for name in REGIMES}
        if cycle
        else {},
        cycle.detector.to_detector() if cycle else None,
        policies.templates if policies else {},
        tuple(name for name, file in zip(FILES, given, strict=True) if file is None),
        stress.tail_risk if stress else TailFile(),
    )
