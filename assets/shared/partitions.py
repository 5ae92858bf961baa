"""The partition of every stage: the as-of date of a pack, written as its ID."""

import os
from pathlib import Path

import dagster as dg

from resources.settings.configuration import first_pack

# Dagster wants to know when it loads the assets, before any run has its resources.
FIRST = first_pack(Path(os.environ.get("PACKFOLIO_CONFIG") or "config"))
PACKS = dg.DailyPartitionsDefinition(
    start_date=f"PP_{FIRST}", fmt="PP_%Y-%m-%d", end_offset=1, timezone="America/New_York"
)
OWNERS = ["team:desk"]
