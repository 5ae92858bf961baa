"""When a portfolio trades, as a desk writes it; `optimizer.proposals.rebalance_rules` says what the rules mean."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from optimizer.proposals.rebalance_rules import WEEKDAYS, CashRange, Period, RebalanceRules
from resources.settings.policies.values import Count, Percent, Strict, fraction

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class DriftFile(Strict):
    """Bands around the newest target weights, in percent; of `relative_pct` of the target, of the others of NAV."""

    absolute_pct: Percent | None = Field(default=None, ge=0)
    relative_pct: Percent | None = Field(default=None, ge=0)
    total_pct: Percent | None = Field(default=None, ge=0)


class CashFile(Strict):
    """How much cash is kept, in percent of NAV: outside min..max it is brought to the target."""

    min_pct: Percent = Field(default=0.0, ge=0, lt=100)
    target_pct: Percent | None = Field(default=None, ge=0, lt=100)
    max_pct: Percent | None = Field(default=None, ge=0, le=100)

    def to_range(self) -> CashRange:
        """The same in fractions."""
        return CashRange(self.min_pct / 100, fraction(self.target_pct), fraction(self.max_pct))


class RebalanceFile(Strict):
    """When a portfolio trades; a rule that is left out does not count. `calendar` is a period, or weekdays."""

    drift: DriftFile = DriftFile()
    calendar: Period | tuple[Weekday, ...] | None = None
    cool_down_days: Count = Field(default=0, ge=0)
    cash: CashFile | None = None
    do_not_trade: str | None = None

    @field_validator("calendar", mode="before")
    @classmethod
    def several(cls, value: Any) -> Any:
        """YAML has lists where several weekdays belong; one stands for itself."""
        if isinstance(value, str) and value in WEEKDAYS:
            return (value,)
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def rules_hold_together(self) -> "RebalanceFile":
        """Refuses what `RebalanceRules` refuses."""
        self.to_rules()
        return self

    def to_rules(self) -> RebalanceRules:
        """The same rules in fractions."""
        cash = self.cash
        return RebalanceRules(
            drift=fraction(self.drift.absolute_pct),
            relative_drift=fraction(self.drift.relative_pct),
            total_drift=fraction(self.drift.total_pct),
            calendar=self.calendar,
            cool_down_days=self.cool_down_days,
            cash=None if cash is None else cash.to_range(),
            do_not_trade=self.do_not_trade,
        )
