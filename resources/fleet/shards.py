"""Shards: what portfolios are computed together, which decides no number of theirs."""

from collections.abc import Iterator

from resources.fleet.work import Work
from resources.results.accounts.answers import Answers
from resources.results.accounts.ground import Ground
from resources.results.accounts.stages import answers_of


def shards_of(work: Work, size: int) -> Iterator[Work]:
    """The work in pieces of so many portfolios, in their order; each with the estimates that it needs."""
    for start in range(0, len(work.accounts), size):
        accounts = work.accounts[start : start + size]
        keys = {account.key for account in accounts}
        evidence = {key: found for key, found in work.ground.evidence.items() if key in keys}
        own = work.ground
        ground = Ground(own.market, evidence, own.funds, own.books, own.simulated)
        yield Work(work.stage, ground, accounts)


def answered(work: Work) -> Answers:
    """One shard, computed here."""
    return answers_of(work.stage, work.ground, list(work.accounts))
