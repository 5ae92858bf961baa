"""Where things are: four environment variables, each with a default."""

import os
from dataclasses import dataclass
from pathlib import Path

from resources.ledger.atomic_file import write_whole

DAGSTER_YAML = """\
# Written by packfolio; history of runs and events lives beside this file.
telemetry: {enabled: false}
nux: {enabled: false}
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
run_storage: {module: pipeline.run_history.storage, class: RunHistory, config: {base_dir: {env: DAGSTER_HOME}}}
event_log_storage: {module: pipeline.run_history.storage, class: EventHistory, config: {base_dir: {env: DAGSTER_HOME}}}
run_monitoring: {enabled: true, max_runtime_seconds: 14400, free_slots_after_run_end_seconds: 300}
# The days of a backfill run one after the other, as a paper book needs them.
concurrency: {runs: {tag_concurrency_limits: [{key: dagster/backfill, limit: 1}]}}
retention: {schedule: {purge_after_days: 90}, sensor: {purge_after_days: {skipped: 7, failure: 30, success: 90}}}
"""
WORKSPACE_YAML = """\
# Written by packfolio: the code location that `packfolio ui` opens from any folder.
load_from:
  - python_module: {module_name: pipeline.definitions, location_name: packfolio}
"""


def keep_private() -> None:
    """What this process and its children write is for its user alone: files 0600, folders 0700."""
    os.umask(0o077)


def _place(named: str) -> Path:
    """Where a path leads; a link that leads back to itself is left for those who open it, who say so."""
    return Path(os.path.realpath(named))


@dataclass(frozen=True)
class Environment:
    """Home (warehouse, published copy, Dagster's history, caches), configuration, anchor, the service's decisions."""

    home: Path
    config: Path
    anchor: Path
    decisions: Path

    @classmethod
    def of_process(cls) -> "Environment":
        """From PACKFOLIO_HOME, PACKFOLIO_CONFIG, PACKFOLIO_ANCHOR and PACKFOLIO_DECISIONS."""
        home = _place(os.environ.get("PACKFOLIO_HOME") or ".packfolio")
        anchor = os.environ.get("PACKFOLIO_ANCHOR")
        decisions = os.environ.get("PACKFOLIO_DECISIONS")
        return cls(
            home,
            _place(os.environ.get("PACKFOLIO_CONFIG") or "config"),
            _place(anchor) if anchor else home / "anchors.jsonl",
            _place(decisions) if decisions else home / "decisions.jsonl",
        )

    @property
    def dagster_home(self) -> Path:
        """Dagster's own folder."""
        return self.home / "dagster"

    @property
    def workspace(self) -> Path:
        """What Dagster's webserver and daemon load, wherever they are started."""
        return self.dagster_home / "workspace.yaml"

    def prepare(self) -> None:
        """Create the home and point Dagster at it, once, before any of its processes start; all of it is private."""
        keep_private()
        self.dagster_home.mkdir(parents=True, exist_ok=True)
        for settings, text in (
            (self.dagster_home / "dagster.yaml", DAGSTER_YAML),
            (self.workspace, WORKSPACE_YAML),
        ):
            if not settings.exists():
                write_whole(settings, text.encode())
        os.environ["DAGSTER_HOME"] = str(self.dagster_home)
        os.environ["PACKFOLIO_HOME"] = str(self.home)
        os.environ["PACKFOLIO_CONFIG"] = str(self.config)
        os.environ["PACKFOLIO_ANCHOR"] = str(self.anchor)
        os.environ["PACKFOLIO_DECISIONS"] = str(self.decisions)
