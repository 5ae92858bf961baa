"""What `sources.yaml` and `overrides.yaml` say: which prices are trusted, and which odd rows are true."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from optimizer import PolicyError
from optimizer.model.exchange_rates import CURRENCY
from resources.prices.columns import SYMBOL
from resources.prices.embedded import EmbeddedSource, SimulatedFund
from resources.prices.files import Reading
from resources.prices.folder import FolderSource, can_be_read
from resources.prices.reference import SOURCE, ReferenceFolder
from resources.prices.series import Days, Record
from resources.prices.source import PriceSource
from resources.prices.yahoo import YahooSource, yfinance_client
from resources.screening.context import Context
from resources.screening.doubts import JumpLimits
from resources.screening.price_warnings import WatchLimits
from resources.screening.renames import Rename
from resources.settings.policies.values import Count, Day, Strict
from resources.settings.yaml_files import PlacedError, load_yaml

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
Symbol = Annotated[str, Field(pattern=f"^{SYMBOL}$")]
ASSUMED_CURRENCY = "USD"
Fraction = Annotated[float, Field(ge=0, le=1)]


class SourceSettings(Strict):
    """What every source states.

    live      whether prices are still coming: schedule and default as-of date follow live sources only
    exchange  ISO 10383 code of the calendar its rows are checked against
    currency  of its prices, or a unit such as GBX; where it is not stated that of each security on record, else USD
    """

    name: Name
    enabled: bool = True
    live: bool = False
    exchange: str = "XNYS"
    currency: Annotated[str, Field(pattern=f"^({CURRENCY})$")] | None = None


class FolderSettings(SourceSettings):
    """A folder of CSV or Parquet files; `path` is relative to the configuration folder."""

    kind: Literal["folder"]
    path: str
    pattern: str = "**/*"
    basis: Literal["as_traded", "split_adjusted", "total_return"] | None = None
    ignore_columns: list[str] = Field(default_factory=list)
    max_file_mb: Annotated[int, Field(ge=1, le=1 << 20)] = 4096


class YahooSettings(SourceSettings):
    """Yahoo's daily history through yfinance, politely."""

    kind: Literal["yahoo"]
    symbols: Annotated[list[Symbol], Field(min_length=1)]
    start: Day
    pause_seconds: Annotated[float, Field(ge=0)] = 1.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 5


class FundSettings(Strict):
    """A simulated fund: what it holds per unit of its value, and its fee."""

    legs: Annotated[dict[Symbol, float], Field(min_length=1)]
    fee_bps: Annotated[float, Field(ge=0)] = 0.0


class EmbeddedSettings(SourceSettings):
    """The prices that an installed package carries, and the assumptions behind the simulated funds."""

    kind: Literal["embedded"]
    dividend_yield: Fraction
    risk_free_rate: Annotated[float, Field(ge=-0.1, le=1)]
    spread_bps: Annotated[float, Field(ge=0)]
    funds: dict[Symbol, FundSettings] = Field(default_factory=dict)


class Limits(Strict):
    """Thresholds of the row checks; fractions. See `JumpLimits` and `WatchLimits`."""

    jump: Annotated[float, Field(gt=0.2)] = JumpLimits.jump
    band: Annotated[float, Field(gt=0)] = WatchLimits.band
    reversal: Annotated[float, Field(gt=0)] = WatchLimits.reversal
    stale_sessions: Annotated[Count, Field(ge=2)] = WatchLimits.stale_sessions
    adjustment: Annotated[float, Field(gt=0)] = WatchLimits.adjustment
    reuse_sessions: Annotated[Count, Field(ge=2)] = WatchLimits.reuse_sessions

    def watch(self) -> WatchLimits:
        """The thresholds of what is kept but worth a look."""
        return WatchLimits(
            band=self.band,
            reversal=self.reversal,
            stale_sessions=self.stale_sessions,
            adjustment=self.adjustment,
            reuse_sessions=self.reuse_sessions,
        )


class SourcesFile(Strict):
    """`sources.yaml`: the sources in order of precedence, the reference folder, the limits of checks."""

    sources: Annotated[
        list[Annotated[FolderSettings | YahooSettings | EmbeddedSettings, Field(discriminator="kind")]],
        Field(min_length=1),
    ]
    reference_folder: str | None = None
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _names_are_unique(self) -> "SourcesFile":
        names = [source.name for source in self.sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            again = names.index(twice[0], names.index(twice[0]) + 1)
            said = f"source names stand twice: {', '.join(twice)}; the log tells sources by name"
            raise PlacedError(said, "sources", again)
        return self

    @property
    def precedence(self) -> tuple[str, ...]:
        """Names of the enabled sources, the preferred first."""
        return tuple(source.name for source in self.sources if source.enabled)


class ReleaseEntry(Strict):
    """A row that looks wrong and is true; the reason goes on record."""

    symbol: Symbol
    date: Day
    code: Literal[
        "JUMP_75", "SPLIT_UNEXPLAINED", "SPLIT_DOUBTED", "DIVIDEND_DOUBTED", "NOT_A_SESSION", "OTHER_UNITS"
    ]
    source: Name | None = None
    reason: Annotated[str, Field(min_length=5)]


class RenameEntry(Strict):
    """A symbol that has another name since `effective`: its earlier rows are kept under the new one."""

    old: Symbol
    new: Symbol
    effective: Day
    source: Name | None = None
    reason: Annotated[str, Field(min_length=5)]

    @model_validator(mode="after")
    def _is_another_name(self) -> "RenameEntry":
        if self.old == self.new:
            raise ValueError(f"{self.old} is renamed to itself; state the other name")
        return self


class ClosureEntry(Strict):
    """A day on which an exchange did not trade, although its calendar says so: mourning, a storm, a lost system."""

    exchange: str
    date: Day
    reason: Annotated[str, Field(min_length=5)]


class Overrides(Strict):
    """`overrides.yaml`: what someone has looked at and decided."""

    releases: list[ReleaseEntry] = Field(default_factory=list)
    renames: list[RenameEntry] = Field(default_factory=list)
    closures: list[ClosureEntry] = Field(default_factory=list)

    def of(self, source: str) -> "Overrides":
        """The releases and renames that apply to one source."""
        return Overrides(
            releases=[entry for entry in self.releases if entry.source in (None, source)],
            renames=[entry for entry in self.renames if entry.source in (None, source)],
        )

    def present_names(self) -> tuple[Rename, ...]:
        """The renames, as price rows take them."""
        return tuple(Rename(entry.old, entry.new, days_since_1970(entry.effective)) for entry in self.renames)


def load_sources(config: Path) -> SourcesFile:
    """`sources.yaml` of the configuration folder; raises PolicyError with every mistake."""
    return load_yaml(config / "sources.yaml", SourcesFile)


def load_overrides(config: Path) -> Overrides:
    """`overrides.yaml` of the configuration folder; without the file there are none."""
    file = config / "overrides.yaml"
    return load_yaml(file, Overrides) if file.exists() else Overrides()


AnySettings = FolderSettings | YahooSettings | EmbeddedSettings


def wanted_sources(
    file: SourcesFile, config: Path, wanted: str | None
) -> list[tuple[AnySettings, Path | None]]:
    """The enabled sources, or the one that `wanted` names, with the place in its folder where `wanted` is a path.

    `reference` names the reference folder, which every ingest reads and which is no source of prices. Raises
    PolicyError that lists the sources.
    """
    enabled = [source for source in file.sources if source.enabled]
    if wanted is None:
        return [(source, None) for source in enabled]
    for source in enabled:
        if wanted == source.name:
            return [(source, None)]
    place = Path(wanted).resolve()
    if file.reference_folder:
        reference = (config / file.reference_folder).resolve()
        if wanted == SOURCE or (place.exists() and reference in (place, *place.parents)):
            return []
    for source in enabled:
        if isinstance(source, FolderSettings) and place.exists():
            folder = (config / source.path).resolve()
            if place == folder:
                return [(source, None)]
            if folder in place.parents:
                return [(source, config / source.path / place.relative_to(folder))]
    raise PolicyError(f"there is no source {wanted!r}; {_known_sources(file, config)}")


def _known_sources(file: SourcesFile, config: Path) -> str:
    """What a desk may ask for, in words."""
    told = []
    for source in file.sources:
        where = f" ({(config / source.path).resolve()})" if isinstance(source, FolderSettings) else ""
        told.append(f"{source.name}{where}{'' if source.enabled else ' (switched off)'}")
    told += [SOURCE] if file.reference_folder else []
    return f"sources.yaml has {', '.join(told)}; name one, or the path of a file in its folder"


def open_source(
    settings: AnySettings, config: Path, overrides: Overrides, today: date, only: Path | None = None
) -> PriceSource:
    """The source that the settings describe.

    today  the clock's date: where a live download ends
    only   the one file or folder of a folder source that is wanted
    """
    currency = settings.currency or ASSUMED_CURRENCY
    shaping = overrides.of(settings.name).model_dump(mode="json", include={"releases", "renames"})
    match settings:
        case FolderSettings():
            reading = Reading(
                settings.name,
                currency,
                settings.basis,
                tuple(settings.ignore_columns),
                settings.max_file_mb << 20,
            )
            folder = config / settings.path
            return FolderSource(settings.name, folder, settings.pattern, reading, shaping, only)
        case YahooSettings():
            return YahooSource(
                settings.name,
                tuple(settings.symbols),
                settings.start,
                today,
                yfinance_client(settings.pause_seconds, settings.attempts),
                Reading(settings.name, currency, "split_adjusted"),
            )
        case EmbeddedSettings():
            return embedded_source(settings)


def embedded_source(settings: EmbeddedSettings) -> EmbeddedSource:
    """The prices that come with Packfolio, with the funds that the settings simulate from them."""
    funds = {
        symbol: SimulatedFund(dict(fund.legs), fund.fee_bps / 1e4) for symbol, fund in settings.funds.items()
    }
    return EmbeddedSource(
        settings.name, settings.dividend_yield, settings.risk_free_rate, settings.spread_bps / 1e4, funds
    )


def inbox_folders(file: SourcesFile, config: Path) -> list[Path]:
    """The folders in which files besides prices may lie: those of the enabled sources, and the reference folder."""
    return [config / path for path in inbox_paths(file)]


def inbox_paths(file: SourcesFile) -> tuple[str, ...]:
    """The same folders as `sources.yaml` names them."""
    folders = [one.path for one in file.sources if isinstance(one, FolderSettings) and one.enabled]
    return (*folders, *([file.reference_folder] if file.reference_folder else []))


def open_reference(file: SourcesFile, config: Path) -> list[ReferenceFolder]:
    """The folder of reference data, if the desk has one; and those of prices, where characteristics may lie too."""
    stated = [config / file.reference_folder] if file.reference_folder else []
    inboxes = [path for path in inbox_folders(file, config) if path not in stated and can_be_read(path)]
    beside = [ReferenceFolder(path, logs=("characteristics",)) for path in dict.fromkeys(inboxes)]
    return [*map(ReferenceFolder, stated), *beside]


def screening(
    file: SourcesFile,
    overrides: Overrides,
    source: str,
    today: date,
    sessions: Days,
    record: Mapping[str, Record],
    splits: Mapping[tuple[str, int], float],
) -> Context:
    """What `screen` compares a delivery of one source with; `record` and `splits` as in `Context`."""
    own, limits = overrides.of(source), file.limits
    return Context(
        today,
        sessions,
        record,
        splits,
        frozenset((entry.symbol, days_since_1970(entry.date), entry.code) for entry in own.releases),
        JumpLimits(jump=limits.jump),
        limits.watch(),
    )


def days_since_1970(day: date) -> int:
    """A date as the number the row checks use."""
    return int(np.datetime64(day, "D").astype(np.int64))
