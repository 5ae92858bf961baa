"""The files of a desk, and the models whose keys `docs/reference/configuration.md` lists for each."""

from collections.abc import Sequence

from pydantic import BaseModel

from resources.alerts.settings import MailFile, NotifyFile, WebhookFile
from resources.settings.configuration import BacktestFile, ChecksFile, HousekeepingFile, PipelineFile
from resources.settings.fleet import FleetFile
from resources.settings.funds import FundFile, FundsFile
from resources.settings.models import ModelFile
from resources.settings.policies.policy_schema import (
    BlackLittermanFile,
    HorizonFile,
    PolicyFile,
)
from resources.settings.policies.rebalance_schema import CashFile, DriftFile, RebalanceFile
from resources.settings.policies.tax_schema import HarvestFile, TaxFile
from resources.settings.portfolios import HoldingsFile, LotFile, PortfolioFile, PositionFile
from resources.settings.sources import (
    ClosureEntry,
    EmbeddedSettings,
    FolderSettings,
    FundSettings,
    Limits,
    Overrides,
    ReleaseEntry,
    RenameEntry,
    SourceSettings,
    SourcesFile,
    YahooSettings,
)
from resources.settings.view_files import JointViewFile, ScenarioViewFile, ViewFile

FILES: dict[str, tuple[str, Sequence[type[BaseModel]]]] = {
    "portfolios/*.yaml": (
        "One file a portfolio; a file of `models/*.yaml` has the keys of the second table alone. Percent is 0 to 100.",
        (
            PortfolioFile,
            ModelFile,
            PolicyFile,
            BlackLittermanFile,
            HorizonFile,
            TaxFile,
            HarvestFile,
            RebalanceFile,
            DriftFile,
            CashFile,
            ViewFile,
            JointViewFile,
            ScenarioViewFile,
            HoldingsFile,
            PositionFile,
            LotFile,
        ),
    ),
    "sources.yaml": (
        "Where prices come from. Every source has the keys of the first table after this one, and those of its kind.",
        (SourcesFile, SourceSettings, FolderSettings, YahooSettings, EmbeddedSettings, FundSettings, Limits),
    ),
    "pipeline.yaml": (
        "Checks, the backtest, housekeeping, the fleet.",
        (PipelineFile, ChecksFile, BacktestFile, HousekeepingFile, FleetFile),
    ),
    "overrides.yaml": (
        "What someone has looked at and decided; may be absent.",
        (Overrides, ReleaseEntry, RenameEntry, ClosureEntry),
    ),
    "funds.yaml": ("What each fund holds, for look-through.", (FundsFile, FundFile)),
    "notify.yaml": (
        "Where alerts are sent, by the sensor `alerts`; may be absent. Secrets stand in the environment.",
        (NotifyFile, WebhookFile, MailFile),
    ),
}
TITLES = {
    "PolicyFile": "`policy`", "ModelFile": "a model, and the rest of a portfolio",
    "RebalanceFile": "`policy: rebalance`", "DriftFile": "`policy: rebalance: drift`",
    "CashFile": "`policy: rebalance: cash`",
    "BlackLittermanFile": "`policy: black_litterman`", "ViewFile": "an entry of `views`",
    "JointViewFile": "an entry of `views`, for several whose errors move together",
    "ScenarioViewFile": "an entry of `views` with `view_model: entropy_pooling`",
    "HorizonFile": "`policy: horizon`",
    "TaxFile": "`policy: tax`", "HarvestFile": "`policy: harvest`", "LotFile": "an entry of `lots`",
    "HoldingsFile": "an entry of `holdings`", "PositionFile": "a position in long form",
    "SourceSettings": "every source", "FolderSettings": "a source of kind `folder`",
    "YahooSettings": "a source of kind `yahoo`", "EmbeddedSettings": "a source of kind `embedded`",
    "FundSettings": "an entry of `funds` of an embedded source",
    "Limits": "`limits`",
    "ChecksFile": "`checks`",
    "BacktestFile": "`backtest`", "HousekeepingFile": "`housekeeping`", "FleetFile": "`fleet`",
    "ReleaseEntry": "an entry of `releases`", "RenameEntry": "an entry of `renames`",
    "ClosureEntry": "an entry of `closures`",
    "FundFile": "an entry of `funds`", "WebhookFile": "an entry of `webhooks`", "MailFile": "an entry of `mail`",
}  # fmt: skip
