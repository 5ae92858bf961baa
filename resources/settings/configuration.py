"""Everything a desk edits, read at once: portfolios, funds, sources, checks; with the digest that replay needs."""

import json
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field, field_validator

from optimizer import FundExposureMap, PolicyError
from resources.ledger.ledger import sha256
from resources.screening.pack_checks import CheckLimits
from resources.settings.fleet import FleetFile
from resources.settings.funds import load_funds
from resources.settings.playbooks import Playbooks, load_playbooks
from resources.settings.policies.policy_grid import Scalar, grid_faults
from resources.settings.policies.values import Count, Day, Strict
from resources.settings.portfolios import Portfolios, load_portfolios
from resources.settings.sources import SourcesFile, load_overrides, load_sources
from resources.settings.yaml_files import every_mistake, load_yaml, read_text
from resources.store.code_version import environment_text
from resources.store.transaction import Transaction

FIRST_DAY = date(1990, 1, 1)


class BacktestFile(Strict):
    """How `backtest_results` replays the policies; `nav` in base currency, that of the book when left out."""

    nav: float | None = Field(default=None, gt=0)
    years: float = Field(default=10.0, gt=0)
    rebalance: str = "monthly"
    knowledge: Literal["final", "vintage"] = "final"
    compare: list[str] = Field(default_factory=list)
    sweep: dict[str, list[Scalar]] = Field(default_factory=dict)

    @field_validator("sweep")
    @classmethod
    def _policy_keys(cls, grid: dict[str, list[Scalar]]) -> dict[str, list[Scalar]]:
        if faults := grid_faults(grid):
            raise ValueError("; ".join(faults))
        return grid

    @field_validator("compare")
    @classmethod
    def _methods(cls, names: list[str]) -> list[str]:
        if not names:
            return names
        from optimizer.problem.methods import METHODS

        if unknown := sorted(set(names) - set(METHODS)):
            raise ValueError(f"there is no method {', '.join(unknown)}; use {', '.join(sorted(METHODS))}")
        return names


PackCode = Literal[
    "COVERAGE", "STALE_PACK", "STALE_SYMBOL", "SOURCES_DISAGREE", "STALE_RATE", "STALE_5", "REVERSAL", "UNIT_RATE",
    "CURRENCY_MISMATCH", "CURRENCY_CHANGED", "RATE_DOUBTED", "RATE_UNITS", "CAP_DOUBTED", "STALE_CAP", "SET_ASIDE",
    "FILE_REFUSED", "SOURCE_STOPPED", "LATE_PRICES",
]  # fmt: skip


class ChecksFile(Strict):
    """Thresholds of the pack checks, and the settings of the backtest."""

    coverage: float = Field(default=0.8, gt=0, le=1)
    stale_sessions: Count = Field(default=3, ge=0)
    symbol_stale_sessions: Count = Field(default=5, ge=1)
    source_gap: float = Field(default=CheckLimits.source_gap, gt=0)
    rate_days: Count = Field(default=CheckLimits.rate_days, ge=1)
    fx_days: Count = Field(default=CheckLimits.fx_days, ge=1)
    condition_number: float = Field(default=CheckLimits.condition_number, gt=1)
    volatility_drift: float = Field(default=CheckLimits.volatility_drift, gt=0)
    return_drift: float = Field(default=CheckLimits.return_drift, gt=0)
    severities: dict[PackCode, Literal["FAIL", "WARN", "INFO"]] = Field(default_factory=dict)


class HousekeepingFile(Strict):
    """Backups and history; `backup_folder` is relative to the configuration folder, None: no backup by itself."""

    backup_folder: str | None = None
    keep_backups: Count = Field(default=30, ge=1)
    history_days: Count = Field(default=730, ge=7)


class PipelineFile(Strict):
    """`pipeline.yaml`; `first_pack` is the first date that a pack may have: Dagster's partitions begin there."""

    first_pack: Day = FIRST_DAY
    checks: ChecksFile = ChecksFile()
    backtest: BacktestFile = BacktestFile()
    restated_weight: float = Field(default=0.005, gt=0, lt=1)
    housekeeping: HousekeepingFile = HousekeepingFile()
    factor_model: bool = False
    fleet: FleetFile = FleetFile()


@dataclass(frozen=True)
class Configuration:
    """The desk's configuration.

    text       every file's text, as one JSON document
    digest     SHA-256 of `text`: what a ledger row names as its configuration
    playbooks  scenarios, hedges, regimes and templates; empty where the desk does without their files
    restated_weight  a restatement that moves a live weight by more, fraction of NAV, is proposed as a revision
    factor_model  whether one is fitted for every recipe, also where a covariance is made otherwise
    fleet      where portfolios are computed
    """

    folder: Path
    text: str
    digest: str
    portfolios: Portfolios
    funds: FundExposureMap
    sources: SourcesFile
    checks: CheckLimits
    backtest: BacktestFile
    playbooks: Playbooks
    restated_weight: float
    factor_model: bool
    fleet: FleetFile = field(default_factory=FleetFile)

    def keep(self, tx: Transaction) -> None:
        """Store once what replay and lineage need: this text, and what the stamp's code version stands for."""
        for digest, text in ((self.digest, self.text), (tx.stamp.code_version, environment_text())):
            known = tx.con.execute("select 1 from configs where config_hash = ?", [digest]).fetchall()
            if not known:
                tx.record("configs", {"configs": pd.DataFrame([{"config_hash": digest, "text": text}])})


def first_pack(folder: Path) -> date:
    """`first_pack` of the configuration in `folder`; its default where the file is missing or has mistakes.

    Dagster asks before anything runs; whatever runs then tells the mistakes.
    """
    try:
        return load_yaml(folder / "pipeline.yaml", PipelineFile).first_pack
    except PolicyError:
        return FIRST_DAY


def has_live_source(folder: Path) -> bool:
    """Whether prices still come to the desk in `folder`; not where its sources are missing or have mistakes."""
    try:
        return any(source.enabled and source.live for source in load_sources(folder).sources)
    except PolicyError:
        return False


def housekeeping(folder: Path) -> HousekeepingFile:
    """What `pipeline.yaml` says of backups and history: of no concern to any result, and read by itself."""
    return load_yaml(folder / "pipeline.yaml", PipelineFile).housekeeping


def refuse_no_desk(folder: Path) -> None:
    """Raises PolicyError where there is no configuration folder, before anything is made beside it."""
    if not folder.is_dir():
        raise PolicyError(
            f"there is no configuration folder {folder}; make a desk with `packfolio init`, or set PACKFOLIO_CONFIG"
        )


def load_configuration(folder: Path) -> Configuration:
    """The configuration in `folder`; raises PolicyError naming every mistake by file, line and key."""
    refuse_no_desk(folder)
    texts, wrong = {}, []
    for path in sorted(folder.rglob("*.yaml")):
        try:
            texts[path.relative_to(folder).as_posix()] = read_text(path)
        except PolicyError as error:
            wrong.append(str(error))
    if wrong:
        raise PolicyError("\n".join(wrong))
    return _parsed(folder, json.dumps(texts, sort_keys=True))


@lru_cache(maxsize=4)
def _parsed(folder: Path, text: str) -> Configuration:
    """Parsed once for each state of the files: every stage of a run asks for it."""
    pipeline = partial(load_yaml, folder / "pipeline.yaml", PipelineFile)
    sources, funds = partial(load_sources, folder), partial(load_funds, folder / "funds.yaml")
    portfolios, playbooks = partial(load_portfolios, folder / "portfolios"), partial(load_playbooks, folder)
    overrides = partial(load_overrides, folder)
    try:
        overrides()  # whoever judges rows reads it again; a mistake is told with all others, before anything runs
        return _joined(folder, text, pipeline(), sources(), funds(), portfolios(), playbooks())
    except PolicyError as error:
        raise every_mistake(error, pipeline, sources, funds, portfolios, playbooks, overrides) from None


def _joined(
    folder: Path,
    text: str,
    pipeline: PipelineFile,
    sources: SourcesFile,
    funds: FundExposureMap,
    portfolios: Portfolios,
    playbooks: Playbooks,
) -> Configuration:
    return Configuration(
        folder,
        text,
        sha256(text),
        portfolios,
        funds,
        sources,
        CheckLimits(**pipeline.checks.model_dump(), prints=sources.limits.watch()),
        pipeline.backtest,
        playbooks,
        pipeline.restated_weight,
        pipeline.factor_model,
        pipeline.fleet,
    )
