"""The portfolios of the desk: one YAML file each in `config/portfolios/`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from optimizer import Lot, PolicyError
from resources.settings.policy_schema import Day, Percent, PolicyFile, Strict
from resources.settings.view_files import AnyViewFile, ScenarioViewFile, Symbol
from resources.settings.yaml_files import load_yaml


class LotFile(Strict):
    """Shares bought together: how many, at what cost per share in base currency, and when.

    held_since  where a wash sale made the holding period longer: when it began
    """

    acquired: Day
    quantity: float = Field(gt=0)
    cost_basis: float = Field(ge=0)
    id: str | None = Field(default=None, min_length=1, max_length=40)
    held_since: date | None = None

    @model_validator(mode="after")
    def held_before_bought(self) -> "LotFile":
        """Refuses a holding period that begins after the purchase."""
        if self.held_since is not None and self.held_since > self.acquired:
            raise ValueError(
                f"held_since is {self.held_since}, after the purchase of {self.acquired}; give that day or one before"
            )
        return self


class PositionFile(Strict):
    """A holding: shares, and their average cost per share where known; or the tax lots that both follow from."""

    quantity: float
    cost_basis: float | None = Field(default=None, ge=0)
    lots: list[LotFile] = Field(default=[])

    @model_validator(mode="before")
    @classmethod
    def from_lots(cls, value: Any) -> Any:
        """Lots say how many shares there are; stated as well, both must agree."""
        lots = value.get("lots") if isinstance(value, dict) else None
        if not (isinstance(lots, list) and all(isinstance(lot, dict) for lot in lots) and lots):
            return value
        shares = [lot.get("quantity") for lot in lots]
        if not all(_is_number(quantity) for quantity in shares):
            return value
        total = sum(Decimal(str(quantity)) for quantity in shares)
        stated = value.get("quantity")
        if stated is not None and Decimal(str(stated)) != total:
            raise ValueError(f"the lots have {total} shares and the position {stated}; correct one of them")
        if value.get("cost_basis") is not None:
            raise ValueError("the lots say what the shares cost; leave the position's cost_basis out")
        return {**value, "quantity": float(total)}

    def tax_lots(self, symbol: str) -> tuple[Lot, ...]:
        """The lots, the oldest first; one without an id is named by symbol and date."""
        named: dict[str, Lot] = {}
        for lot in sorted(self.lots, key=lambda lot: lot.acquired):
            name, count = lot.id or f"{symbol}-{lot.acquired:%Y%m%d}", 1
            while name in named and lot.id is None:
                count += 1
                name = f"{symbol}-{lot.acquired:%Y%m%d}-{count}"
            if name in named:
                raise PolicyError(f"{symbol}: two lots have the id {name}; give each its own")
            named[name] = Lot(
                name,
                symbol,
                Decimal(str(lot.quantity)),
                Decimal(str(lot.cost_basis)),
                lot.acquired,
                lot.held_since,
            )
        return tuple(named.values())


class HoldingsFile(Strict):
    """What was held at the close of a date."""

    as_of: Day
    cash: float = 0.0
    positions: dict[Symbol, PositionFile] = Field(default={})

    @model_validator(mode="after")
    def lots_are_of_the_past(self) -> "HoldingsFile":
        """Refuses a lot that was bought after the holdings' date, and two lots of one id."""
        for symbol, held in self.positions.items():
            for lot in held.tax_lots(symbol):
                if lot.acquired > self.as_of:
                    raise ValueError(
                        f"{symbol}: lot {lot.lot_id} was acquired on {lot.acquired}, after the holdings of "
                        f"{self.as_of}; correct the date"
                    )
        return self

    @field_validator("positions", mode="before")
    @classmethod
    def quantities(cls, value: Any) -> Any:
        """`AAPL: 100` is short for `AAPL: {quantity: 100}`."""
        if not isinstance(value, dict):
            return value
        return {
            symbol: held
            if isinstance(held, dict)
            else {"quantity": float(held)}
            if _is_number(held)
            else held
            for symbol, held in value.items()
        }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class PortfolioFile(Strict):
    """A portfolio.

    mode       live: the desk writes `holdings`; paper: the pack before this one's trades count as filled
    universe   symbols that may be held, or "all" that the pack prices
    benchmark  "equal_weight", "market_cap", a symbol, or symbol -> percent; tracking error is against it
    prior      where Black-Litterman starts: the benchmark's equilibrium, that of market caps, or the estimated means
    """

    id: UUID = Field(strict=False)
    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)
    mode: Literal["live", "paper"]
    base_currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    description: str = ""
    universe: list[Symbol] | Literal["all"]
    benchmark: str | dict[Symbol, Percent] = "equal_weight"
    prior: Literal["benchmark", "market_cap", "historical"] = "benchmark"
    policy: PolicyFile = PolicyFile()
    views: list[AnyViewFile] = Field(default=[])
    holdings: list[HoldingsFile] = Field(min_length=1)

    @field_validator("universe")
    @classmethod
    def unique(cls, value: list[str] | str) -> list[str] | str:
        """Refuses a symbol that stands twice."""
        if isinstance(value, list) and len(set(value)) != len(value):
            twice = sorted(symbol for symbol, count in Counter(value).items() if count > 1)
            raise ValueError(f"these symbols stand twice: {twice}")
        return value

    @field_validator("benchmark")
    @classmethod
    def adds_up(cls, value: str | dict[str, float]) -> str | dict[str, float]:
        """Refuses benchmark weights that are not 100% in all."""
        if isinstance(value, dict) and abs(sum(value.values()) - 100) > 1e-6:
            raise ValueError(f"the benchmark's weights add up to {sum(value.values()):g}%; they must be 100%")
        return value

    @model_validator(mode="after")
    def views_are_of_the_model(self) -> "PortfolioFile":
        """Refuses views that the policy's view_model does not take."""
        pooled = self.policy.view_model == "entropy_pooling"
        if any(isinstance(view, ScenarioViewFile) != pooled for view in self.views):
            key = "kind (mean, volatility, cvar, correlation)" if pooled else "type (absolute, relative)"
            raise ValueError(
                f"policy.view_model is {self.policy.view_model}, whose views have a {key}; write all of them so, or "
                f"change view_model"
            )
        return self

    @model_validator(mode="after")
    def holdings_can_be_held(self) -> "PortfolioFile":
        """Refuses a short position in a long-only book, and positions of which none has a share."""
        for held in self.holdings:
            quantities = {symbol: position.quantity for symbol, position in held.positions.items()}
            short = sorted(symbol for symbol, quantity in quantities.items() if quantity < 0)
            if short and self.policy.long_only:
                raise ValueError(
                    f"holdings of {held.as_of}: {', '.join(short)} has a negative quantity and policy.long_only is "
                    "true; correct the quantity, or set long_only: false"
                )
            if quantities and not held.cash and not any(quantities.values()):
                raise ValueError(
                    f"holdings of {held.as_of}: no position has a share, and there is no cash; give the quantities, or "
                    "leave positions out for an empty portfolio"
                )
        return self

    @model_validator(mode="after")
    def taxes_have_lots(self) -> "PortfolioFile":
        """Refuses taxes on positions whose lots are not stated, and a substitute outside the universe."""
        if self.policy.tax is not None:
            without = sorted(
                {
                    symbol
                    for held in self.holdings
                    for symbol, position in held.positions.items()
                    if position.quantity > 0 and not position.lots
                }
            )
            if without:
                raise ValueError(
                    f"policy.tax needs the tax lots of {', '.join(without)}: state their lots, or drop policy.tax"
                )
        if self.policy.harvest is not None and self.universe != "all":
            known = set(self.universe)
            outside = sorted(set(self.policy.harvest.substitutes.values()) - known)
            if outside:
                raise ValueError(
                    f"policy.harvest: {', '.join(outside)} may not be held; add the substitutes to the universe"
                )
        return self

    def holdings_at(self, as_of: date) -> HoldingsFile:
        """The latest holdings dated <= as_of; raises PolicyError when all are later."""
        dated = [held for held in self.holdings if held.as_of <= as_of]
        if not dated:
            first = min(held.as_of for held in self.holdings)
            raise PolicyError(
                f"{self.name} has no holdings dated {as_of} or before; the first are of {first}"
            )
        return max(dated, key=lambda held: held.as_of)


@dataclass(frozen=True)
class Portfolios:
    """All portfolios of the desk, by name."""

    files: tuple[PortfolioFile, ...]

    def find(self, wanted: str) -> PortfolioFile:
        """The portfolio of that UUID or name; raises PolicyError that lists the valid names."""
        for portfolio in self.files:
            if wanted in (portfolio.name, str(portfolio.id)):
                return portfolio
        raise PolicyError(f"there is no portfolio {wanted!r}; there are {[p.name for p in self.files]}")


def load_portfolios(folder: Path) -> Portfolios:
    """Every `*.yaml` of the folder, by name; raises PolicyError with all mistakes, or when two share an id or name."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise PolicyError(
            f"{folder} holds no portfolio: add a YAML file, e.g. from docs/how-to/add-a-portfolio.md"
        )
    loaded, wrong = [], []
    for path in paths:
        try:
            loaded.append(load_yaml(path, PortfolioFile))
        except PolicyError as error:
            wrong.append(str(error))
    wrong += _shared(loaded)
    if wrong:
        raise PolicyError("\n".join(wrong))
    return Portfolios(tuple(sorted(loaded, key=lambda item: item.name)))


def _shared(portfolios: Sequence[PortfolioFile]) -> list[str]:
    wrong = []
    for field in ("id", "name"):
        values = [str(getattr(portfolio, field)) for portfolio in portfolios]
        twice = sorted({value for value in values if values.count(value) > 1})
        wrong += [f"two portfolios have the {field} {value}" for value in twice]
    return wrong
