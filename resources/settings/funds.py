"""The desk's fund table, `config/funds.yaml`: what each fund holds, what it costs, who says so."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from optimizer import ExposureType, Fund, FundExposureMap
from resources.settings.policies.values import Strict
from resources.settings.yaml_files import load_yaml


class FundFile(Strict):
    """One fund; `share_of_notional` exposures add up to 1 and are multiplied by `total_notional`."""

    name: str = Field(min_length=1)
    exposures: dict[str, float] = Field(min_length=1)
    exposures_are: Literal["per_nav", "share_of_notional"] = "per_nav"
    total_notional: float = Field(gt=0)
    unfunded: tuple[str, ...] = ()
    fee_bps: float | None = Field(default=None, ge=0, le=1000)
    spread_bps: float | None = Field(default=None, ge=0, le=1000)
    source: str = Field(min_length=1)
    as_of: str | None = None
    note: str = ""

    @field_validator("exposures")
    @classmethod
    def known_types(cls, value: dict[str, float]) -> dict[str, float]:
        """Refuses an exposure type that does not exist."""
        for name in value:
            ExposureType.parse(name)
        return value

    @field_validator("unfunded", mode="before")
    @classmethod
    def listed(cls, value: Any) -> Any:
        """YAML has lists where a tuple belongs."""
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def adds_up(self) -> "FundFile":
        """Refuses what `Fund` refuses, above all exposures that do not add up to the stated notional."""
        self.to_fund(self.name, 0.0, "")
        return self

    def to_fund(self, symbol: str, default_spread_bps: float, as_of: str) -> Fund:
        """The fund in fractions, exposures per 1 of NAV."""
        factor = self.total_notional if self.exposures_are == "share_of_notional" else 1.0
        return Fund(
            symbol=symbol,
            name=self.name,
            exposures={ExposureType.parse(kind): factor * amount for kind, amount in self.exposures.items()},
            fee=None if self.fee_bps is None else self.fee_bps / 10_000,
            spread=(default_spread_bps if self.spread_bps is None else self.spread_bps) / 10_000,
            unfunded=frozenset(map(ExposureType.parse, self.unfunded)),
            total_notional=self.total_notional,
            source=self.source,
            as_of=self.as_of or as_of,
            note=self.note,
        )


class FundsFile(Strict):
    """The whole table; `default_spread_bps` is the financing cost over cash of a fund that states none."""

    as_of: str
    default_spread_bps: float = Field(ge=0, le=1000)
    funds: dict[str, FundFile]

    def to_map(self) -> FundExposureMap:
        """The funds by symbol."""
        return FundExposureMap(
            fund.to_fund(symbol, self.default_spread_bps, self.as_of) for symbol, fund in self.funds.items()
        )


def load_funds(path: Path) -> FundExposureMap:
    """The fund table of a YAML file; raises PolicyError with every mistake by file, line and key."""
    return load_yaml(path, FundsFile).to_map()
