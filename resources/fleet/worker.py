"""What a worker does with a shard: read what it stands on, compute, give Arrow back. It holds no connection."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from optimizer import DataError, Estimates, FundExposureMap, PackfolioError
from resources.fleet.arrow_files import Files, packed, unpacked
from resources.fleet.ground_tables import evidence_from, market_from, settings_from
from resources.packs.markets import Market
from resources.results.accounts.answers import Answers
from resources.results.accounts.facts import Account
from resources.results.accounts.shared_inputs import Ground
from resources.results.accounts.stages import answers_of
from resources.settings.playbooks import Playbooks
from resources.store.code_version import code_version


@dataclass(frozen=True, eq=False)
class Task:
    """One shard as it travels.

    folder                      where its files are
    market, settings, evidence  their names
    code                        the version of the code that wants it
    """

    stage: str
    folder: str
    market: str
    settings: str
    evidence: str
    simulated: frozenset[str]
    accounts: Sequence[Account]
    code: str


def run(task: Task) -> bytes:
    """The answers of a shard, as `told` reads them.

    Raises DataError where this worker has another code than the desk: its numbers would not be the desk's.
    """
    if task.code != code_version():
        raise DataError(
            f"a worker runs {code_version()}, the desk {task.code}: install the same release on both"
        )
    funds, books = _settings(task.folder, task.settings)
    ground = Ground(
        _market(task.folder, task.market), _evidence(task.folder, task.evidence), funds, books, task.simulated
    )
    return written(answers_of(task.stage, ground, list(task.accounts)))


@lru_cache(maxsize=2)
def _market(folder: str, name: str) -> Market:
    return market_from(unpacked(Files(folder).read(name)))


@lru_cache(maxsize=4)
def _evidence(folder: str, name: str) -> dict[str, Estimates | PackfolioError]:
    return evidence_from(unpacked(Files(folder).read(name)))


@lru_cache(maxsize=4)
def _settings(folder: str, name: str) -> tuple[FundExposureMap, Playbooks]:
    return settings_from(unpacked(Files(folder).read(name)))


def written(answers: Answers) -> bytes:
    """Answers as one Arrow stream."""
    text = json.dumps([answers.stated, answers.told])
    return packed({"": pa.table({"text": [text]}), **answers.tables})


def told(raw: bytes) -> Answers:
    """What `written` wrote."""
    tables = unpacked(raw)
    stated, said = json.loads(tables.pop("")["text"][0].as_py())
    return Answers(
        tables,
        {portfolio: tuple(names) for portfolio, names in stated.items()},
        {portfolio: tuple(lines) for portfolio, lines in said.items()},
    )
