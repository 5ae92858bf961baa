"""How a desk writes the taxes on its sales, and the losses that it wants realised."""

from pydantic import Field, model_validator

from optimizer.tax.taxes import check_method
from resources.settings.policies.values import Percent, Strict, no_fraction


class TaxFile(Strict):
    """How sales are taxed: rates in percent of a gain, the lots sold by `method` of `optimizer.tax.lots.sell`.

    order  for `specific`: symbol -> lot ids, the first is sold first; lots that are not named follow, the oldest first
    """

    method: str = "fifo"
    short_rate_pct: Percent = Field(ge=0, le=100)
    long_rate_pct: Percent = Field(ge=0, le=100)
    order: dict[str, list[str]] = Field(default_factory=dict)
    in_costs: bool = False

    @model_validator(mode="after")
    def rates_and_method(self) -> "TaxFile":
        """Refuses an unknown method, an order that nothing reads, and a fraction where percent belongs."""
        check_method(self.method, harvests=False)
        if self.order and self.method != "specific":
            raise ValueError(
                f"order is read by method specific, not {self.method}; drop it or change the method"
            )
        for rate in (self.short_rate_pct, self.long_rate_pct):
            no_fraction(rate)
        return self


class HarvestFile(Strict):
    """Losses to realise: symbol -> what is held in its place, and the least loss worth it, in base currency."""

    substitutes: dict[str, str] = Field(min_length=1)
    min_loss: float = Field(default=0.0, ge=0)
