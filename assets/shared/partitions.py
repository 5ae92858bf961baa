"""The partition of every stage: the as-of date of a pack, written as its ID."""

import dagster as dg

PACKS = dg.DailyPartitionsDefinition(
    start_date="PP_1990-01-01", fmt="PP_%Y-%m-%d", end_offset=1, timezone="America/New_York"
)
OWNERS = ["team:desk"]
