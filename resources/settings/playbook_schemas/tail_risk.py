"""How the tail of a book is told: `tail_risk` of scenarios.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from resources.settings.policies.values import Count, Strict


class TailFile(Strict):
    """Value at risk and expected shortfall of what is held and of what is proposed; no level: none are told.

    levels_pct     confidence of each
    horizon_days   sessions that a loss is told over; 1 fits a pack a day, 5 a pack a week
    lookback_days  sessions that scenarios are taken from
    volatility     what days are filtered by: ewma (0.94 a day), or garch of each name
    least_packs    forecasts that must have come to their end before they are tested
    significance   probability with which right forecasts may fail a run's check
    """

    levels_pct: tuple[Annotated[float, Field(gt=50, lt=100)], ...] = Field(default=(95.0, 99.0), strict=False)
    horizon_days: int = Field(default=1, ge=1, le=20)
    lookback_days: int = Field(default=500, ge=120, le=5000)
    volatility: Literal["ewma", "garch"] = "ewma"
    least_packs: Count = Field(default=60, ge=2)
    significance: float = Field(default=0.01, gt=0, lt=0.5)

    @property
    def levels(self) -> tuple[float, ...]:
        """Fractions, ascending, each once."""
        return tuple(sorted({level / 100 for level in self.levels_pct}))
