"""The portfolios of the desk: one YAML file each in `config/portfolios/`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from optimizer.errors import meant
from resources.settings.models import ModelFile, load_models
from resources.settings.policies.values import Day, Strict
from resources.settings.view_files import Symbol
from resources.settings.yaml_files import PlacedError, load_yaml


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
                    raise PlacedError(
                        f"{symbol}: lot {lot.lot_id} was acquired on {lot.acquired}, after the holdings of "
                        f"{self.as_of}; correct the date",
                        "positions", symbol,
                    )  # fmt: skip
        return self

    @field_validator("positions", mode="before")
    @classmethod
    def quantities(cls, value: Any) -> Any:
        """`AAPL: 100` is short for `AAPL: {quantity: 100}`."""
        if not isinstance(value, dict):
            return value
        return {
            symbol: held
            if isinstance(held, dict | list)
            else {"quantity": float(held) if _is_number(held) else held}
            for symbol, held in value.items()
        }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class PortfolioFile(ModelFile):
    """A portfolio: a model of its own, and what is held.

    mode       live: the desk writes `holdings`; paper: the pack before this one's trades count as filled
    """

    id: UUID = Field(strict=False)
    mode: Literal["live", "paper"]
    base_currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    holdings: list[HoldingsFile] = Field(min_length=1)

    @model_validator(mode="after")
    def holdings_can_be_held(self) -> "PortfolioFile":
        """Refuses a short position in a long-only book, and positions of which none has a share."""
        for at, held in enumerate(self.holdings):
            quantities = {symbol: position.quantity for symbol, position in held.positions.items()}
            short = sorted(symbol for symbol, quantity in quantities.items() if quantity < 0)
            if short and self.policy.long_only:
                raise PlacedError(
                    f"holdings of {held.as_of}: {', '.join(short)} has a negative quantity and policy.long_only is "
                    "true; correct the quantity, or set long_only: false",
                    "holdings", at, "positions", short[0],
                )  # fmt: skip
            if quantities and not held.cash and not any(quantities.values()):
                raise PlacedError(
                    f"holdings of {held.as_of}: no position has a share, and there is no cash; give the quantities, or "
                    "leave positions out for an empty portfolio",
                    "holdings", at, "positions",
                )  # fmt: skip
        return self

    @model_validator(mode="after")
    def taxes_have_lots(self) -> "PortfolioFile":
        """Refuses taxes on positions whose lots are not stated."""
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
                raise PlacedError(
                    f"policy.tax needs the tax lots of {', '.join(without)}: state their lots, or drop policy.tax",
                    "policy", "tax",
                )  # fmt: skip
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
    """All portfolios of the desk, by name, and the models of the accounts that are rows."""

    files: tuple[PortfolioFile, ...]
    models: Mapping[str, ModelFile] = field(default_factory=dict)

    def find(self, wanted: str) -> PortfolioFile:
        """The portfolio of that UUID or name; raises PolicyError that lists the valid names."""
        for portfolio in self.files:
            if wanted in (portfolio.name, str(portfolio.id)):
                return portfolio
        raise PolicyError(f"there is no portfolio {wanted!r}; {meant(wanted, [p.name for p in self.files])}")


def load_portfolios(folder: Path) -> Portfolios:
    """Every `*.yaml` of the folder, by name, and the models beside it.

    Raises PolicyError with all mistakes, or when two share an id or name.
    """
    loaded, wrong = list[PortfolioFile](), list[str]()
    models: dict[str, ModelFile] = {}
    try:
        models = load_models(folder.parent / "models")
    except PolicyError as error:
        wrong.append(str(error))
    paths = sorted(folder.glob("*.yaml"))
    if not paths and not models and not wrong:
        raise PolicyError(
            f"{folder} holds no portfolio: add a YAML file, e.g. from docs/how-to/add-a-portfolio.md"
        )
    for path in paths:
        try:
            loaded.append(load_yaml(path, PortfolioFile))
        except PolicyError as error:
            wrong.append(str(error))
    wrong += _shared(loaded)
    if wrong:
        raise PolicyError("\n".join(wrong))
    return Portfolios(tuple(sorted(loaded, key=lambda item: item.name)), models)


def _shared(portfolios: Sequence[PortfolioFile]) -> list[str]:
    wrong = []
    for key in ("id", "name"):
        values = [str(getattr(portfolio, key)) for portfolio in portfolios]
        twice = sorted({value for value in values if values.count(value) > 1})
        wrong += [f"two portfolios have the {key} {value}" for value in twice]
    return wrong
