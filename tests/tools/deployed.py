"""What deploy/ holds: the services of compose, and the units of systemd."""

import configparser
from pathlib import Path
from typing import Any

import yaml
from source_tree import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
OURS = [name for name, service in COMPOSE["services"].items() if "dockerfile" in service.get("build", {})]


def unit(path: Path) -> configparser.ConfigParser:
    """A unit as its sections."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text("utf-8"))
    return parser
