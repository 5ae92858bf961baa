"""The keys of hedges.yaml: instruments, and how much may be spent on them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from optimizer import (
    HedgeLimits,
    Instrument,
)
from resources.settings.playbook_schemas.scenario_schema import Factor, Symbol
from resources.settings.policies.values import Count, Strict

Bps = Annotated[float, Field(ge=0, le=10_000)]


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
