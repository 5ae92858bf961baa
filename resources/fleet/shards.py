"""Shards: what portfolios are computed together, which decides no number of theirs."""

from collections.abc import Iterator

from resources.fleet.work import Work
from resources.results.accounts.answers import Answers
from resources.results.accounts.stages import answers_of


def shards_of(work: Work, size: int) -> Iterator[Work]:
    """The work in pieces of so many portfolios, in their order, on the same ground."""
    for start in range(0, len(work.accounts), size):
        yield Work(work.stage, work.ground, work.accounts[start : start + size])


def answered(work: Work) -> Answers:
    """One shard, computed here."""
    return answers_of(work.stage, work.ground, list(work.accounts))
