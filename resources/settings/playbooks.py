"""The desk's scenarios, hedging instruments, regime playbook and policy templates, as `config/` states them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from optimizer import (
    Advice,
    Band,
    Detector,
    ExposureType,
    HedgeLimits,
    Indicator,
    Instrument,
    PolicyError,
    Scenario,
)
from optimizer.risk.regimes import REGIMES
from optimizer.risk.scenarios import FACTORS, Loads
from resources.settings.policies.policy_schema import PolicyFile
from resources.settings.policies.values import Count, Percent, Strict
from resources.settings.tail_risk import TailFile
from resources.settings.words import told
from resources.settings.yaml_files import Model, every_mistake, load_yaml, read_text

Symbol = Annotated[str, Field(min_length=1, max_length=32)]
Factor = Literal["rates", "inflation", "credit", "usd", "equity", "commodity", "volatility"]
Bps = Annotated[float, Field(ge=0, le=10_000)]


class Shocks(Strict):
    """Sizes of the shocks; one left out moves as it usually does with the others, 0 stands still."""

    rates_bps: float | None = Field(default=None, ge=-2000, le=2000)
    inflation_bps: float | None = Field(default=None, ge=-2000, le=2000)
    credit_bps: float | None = Field(default=None, ge=-3000, le=3000)
    usd_pct: float | None = Field(default=None, gt=-100, le=300)
    equity_pct: float | None = Field(default=None, gt=-100, le=300)
    commodity_pct: float | None = Field(default=None, gt=-100, le=300)
    volatility_pct: float | None = Field(default=None, gt=-100, le=1000)

    def sizes(self) -> dict[str, float]:
        """Factor -> size, fractions."""
        units = {"bps": 10_000.0, "pct": 100.0}
        named = {name: value for name, value in self.model_dump().items() if value is not None}
        return {name.split("_")[0]: value / units[name.split("_")[1]] for name, value in named.items()}


class ScenarioFile(Strict):
    """One scenario: shocks to markets, or returns of factors of the factor model, fractions."""

    name: str = Field(min_length=1)
    shocks: Shocks | None = None
    factors: dict[str, float] = Field(default_factory=dict)
    probability: float | None = Field(default=None, ge=0, le=1)
    severity: Literal["low", "moderate", "high", "extreme"] = "moderate"
    window: list[date] | None = Field(default=None, min_length=2, max_length=2)

    @model_validator(mode="after")
    def hangs_together(self) -> "ScenarioFile":
        """Refuses what `Scenario` refuses."""
        self.to_scenario(self.name)
        return self

    def to_scenario(self, name: str) -> Scenario:
        """The scenario in fractions."""
        first, last = self.window or (None, None)
        window = (first, last) if first and last else None
        sizes = self.shocks.sizes() if self.shocks else {}
        return Scenario(
            name, self.name, sizes, self.probability, self.severity, window, factors=dict(self.factors)
        )


class ScenariosFile(Strict):
    """`scenarios.yaml`."""

    proxies: dict[Factor, list[dict[Symbol, float]]]
    loads: dict[str, dict[Factor, float]]
    scenarios: dict[str, ScenarioFile] = Field(min_length=1)
    tail_risk: TailFile = TailFile()

    @field_validator("loads")
    @classmethod
    def known_types(cls, value: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        """Refuses an exposure type that does not exist."""
        for name in value:
            ExposureType.parse(name)
        return value


class InstrumentFile(Strict):
    """One hedging instrument."""

    symbol: Symbol
    kind: Literal["etf", "option"]
    side: Literal["BUY", "SELL"] = "BUY"
    option_type: Literal["PUT", "CALL"] | None = None
    moneyness_pct: float = Field(default=100.0, ge=20, le=500)
    expiry_days: int = Field(default=90, ge=1, le=1100)
    spread_bps: Bps
    carry_bps: Bps = 0.0
    contract: Count = Field(default=100, ge=1)
    against: list[Factor] = Field(min_length=1)

    @model_validator(mode="after")
    def hangs_together(self) -> "InstrumentFile":
        """Refuses what `Instrument` refuses."""
        self.to_instrument()
        return self

    def to_instrument(self) -> Instrument:
        """The instrument in fractions."""
        return Instrument(
            self.symbol, self.kind, self.side, tuple(self.against), self.option_type, self.moneyness_pct / 100,
            self.expiry_days, self.spread_bps, self.carry_bps, self.contract,
        )  # fmt: skip


class HedgeLimitsFile(Strict):
    """How much may be spent and done; see `HedgeLimits`."""

    max_cost_bps: Bps = 100.0
    max_count: int = Field(default=3, ge=0, le=20)
    max_share_pct: float = Field(default=60.0, gt=0, le=100)
    target_pct: float = Field(default=100.0, ge=0, le=100)
    horizon_days: int = Field(default=90, ge=1, le=1100)

    def to_limits(self) -> HedgeLimits:
        """The limits in fractions."""
        return HedgeLimits(
            self.max_cost_bps,
            self.max_count,
            self.max_share_pct / 100,
            self.target_pct / 100,
            self.horizon_days,
        )


class HedgesFile(Strict):
    """`hedges.yaml`."""

    limits: HedgeLimitsFile = HedgeLimitsFile()
    instruments: list[InstrumentFile] = Field(min_length=1)


class AdviceFile(Strict):
    """One line of a regime's playbook."""

    action: str = Field(min_length=1)
    reduce_pct: Percent | None = Field(default=None, ge=0, le=100)
    raise_to_pct: Percent | None = Field(default=None, ge=0, le=100)
    exposures: list[str] = Field(default_factory=list)
    sectors: list[str] = Field(default_factory=list)
    candidates: list[Symbol] = Field(default_factory=list)
    rationale: str = Field(min_length=1)

    @model_validator(mode="after")
    def hangs_together(self) -> "AdviceFile":
        """Refuses both or none of the two targets, and what `Advice` refuses."""
        if (self.reduce_pct is None) == (self.raise_to_pct is None):
            raise ValueError("give reduce_pct or raise_to_pct, one of them")
        self.to_advice()
        return self

    def to_advice(self) -> Advice:
        """The advice in fractions."""
        percent = self.reduce_pct if self.reduce_pct is not None else self.raise_to_pct
        return Advice(
            self.action, "raise" if self.reduce_pct is None else "reduce", (percent or 0.0) / 100, self.rationale,
            tuple(map(ExposureType.parse, self.exposures)), tuple(self.sectors), tuple(self.candidates),
        )  # fmt: skip


class IndicatorFile(Strict):
    """How the regime detector reads a series."""

    transform: Literal["level", "yearly_change"] = "level"
    stale_days: int = Field(ge=1, le=1000)


Banded = Annotated[tuple[float | None, float | None, Annotated[float, Field(ge=0)]], Field(strict=False)]


class DetectorFile(Strict):
    """What the regime detector looks at."""

    window_years: float = Field(default=10.0, gt=0, le=100)
    least_points: Count = Field(default=30, ge=3)
    indicators: dict[str, IndicatorFile] = Field(min_length=1)
    rules: dict[str, dict[str, Banded]] = Field(min_length=2)

    @model_validator(mode="after")
    def hangs_together(self) -> "DetectorFile":
        """Refuses what `Detector` refuses."""
        self.to_detector()
        return self

    def to_detector(self) -> Detector:
        """The detector."""
        return Detector(
            tuple(
                Indicator(name, found.transform, found.stale_days) for name, found in self.indicators.items()
            ),
            {
                regime: {series: Band(*band) for series, band in bands.items()}
                for regime, bands in self.rules.items()
            },
            self.window_years,
            self.least_points,
        )


class RegimesFile(Strict):
    """`regimes.yaml`: how a regime is detected; every regime has its playbook, and no other exists."""

    detector: DetectorFile
    regimes: dict[str, list[AdviceFile]]

    @field_validator("regimes")
    @classmethod
    def one_vocabulary(cls, value: dict[str, list[AdviceFile]]) -> dict[str, list[AdviceFile]]:
        """Refuses a regime that is missing or unknown."""
        if strangers := sorted(set(value) ^ set(REGIMES)):
            raise ValueError(
                f"missing or unknown: {', '.join(strangers)}; the regimes are {', '.join(REGIMES)}"
            )
        return value


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
            f"the desk has no {', '.join(lacking)}: copy {those} from the config/ that Packfolio comes with, "
            "or do without"
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
