"""The keys of regimes.yaml: how a regime is detected, and the playbook of each."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from optimizer import (
    Advice,
    Band,
    Detector,
    ExposureType,
    Indicator,
)
from optimizer.risk.regimes import REGIMES
from resources.settings.playbook_schemas.scenario_schema import Symbol
from resources.settings.policies.values import Count, Percent, Strict


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
