"""The keys of scenarios.yaml: shocks to markets or returns of factors, proxies of factors, loads of exposures."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from optimizer import (
    ExposureType,
    Scenario,
)
from resources.settings.playbook_schemas.tail_risk import TailFile
from resources.settings.policies.values import Strict

Symbol = Annotated[str, Field(min_length=1, max_length=32)]
Factor = Literal["rates", "inflation", "credit", "usd", "equity", "commodity", "volatility"]


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
