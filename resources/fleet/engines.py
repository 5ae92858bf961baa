"""The engines: shards on this core, on all of this machine's, or on a Dask cluster."""

from pathlib import Path

from resources.fleet.shards import answered, shards_of
from resources.fleet.work import Work
from resources.results.accounts.answers import Answers
from resources.settings.fleet import FleetFile


def compute(work: Work, fleet: FleetFile, home: Path) -> Answers:
    """The answers of all portfolios in their order; neither engine nor size of shards changes a byte of them."""
    return Answers.joined([answered(shard) for shard in shards_of(work, fleet.shard)])
