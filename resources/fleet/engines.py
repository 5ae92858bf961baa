"""The engines: shards in this process, on all cores of this machine, or on a Dask cluster."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from optimizer import DataError, Estimates, PackfolioError, PolicyError
from resources.fleet.arrow_files import Files, packed
from resources.fleet.garbage import look_seldom
from resources.fleet.ground_tables import evidence_tables, market_tables, settings_table
from resources.fleet.shards import answered, shards_of
from resources.fleet.work import Work
from resources.fleet.worker import Task, run, told
from resources.results.accounts.answers import Answers
from resources.settings.configuration import Configuration
from resources.settings.fleet import FleetFile
from resources.store.code_version import code_version


def compute(work: Work, desk: Configuration, home: Path, name: str) -> Answers:
    """The answers of all portfolios in their order; neither engine nor size of shards changes a byte of them.

    name  of the folder in which workers find what they read, taken away at the end
    One shard is computed here, whatever the engine. Raises DataError where workers died over a shard too often.
    """
    fleet, shards = desk.fleet, list(shards_of(work, desk.fleet.shard))
    if fleet.engine == "serial" or len(shards) < 2:
        return Answers.joined(map(answered, shards))
    files = Files(f"{fleet.files or home / 'fleet'}/{name}")
    try:
        tasks = _tasks(work, shards, desk, files)
        return Answers.joined(map(told, ENGINES[fleet.engine](tasks, fleet)))
    finally:
        files.clear()


def _tasks(work: Work, shards: Sequence[Work], desk: Configuration, files: Files) -> list[Task]:
    """Each shard with the estimates that it needs."""
    market = files.keep(packed(market_tables(work.ground.market)))
    settings = files.keep(packed(settings_table(desk.text)))
    return [
        Task(
            shard.stage, files.folder, market, settings,
            files.keep(packed(evidence_tables(_needed(shard)))), shard.ground.simulated, shard.accounts,
            code_version(),
        )
        for shard in shards
    ]  # fmt: skip


def _needed(shard: Work) -> dict[str, Estimates | PackfolioError]:
    keys = {account.key for account in shard.accounts}
    return {key: found for key, found in shard.ground.evidence.items() if key in keys}


@cache
def _pool(workers: int | None) -> ProcessPoolExecutor:
    """Processes started anew, kept for the stages to come: starting one costs as much as 500 portfolios."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=look_seldom)


def on_processes(tasks: Sequence[Task], fleet: FleetFile) -> list[bytes]:
    """On processes of this machine: what a dead one had not answered is given to others."""
    found: dict[int, bytes] = {}
    for _ in range(fleet.retries + 1):
        pool = _pool(fleet.workers)
        waiting = {number: pool.submit(run, task) for number, task in enumerate(tasks) if number not in found}
        for number, future in waiting.items():
            try:
                found[number] = future.result()
            except BrokenProcessPool:
                _pool.cache_clear()
        if len(found) == len(tasks):
            return [found[number] for number in range(len(tasks))]
    lost = next(task for number, task in enumerate(tasks) if number not in found)
    raise DataError(_lost(lost, fleet.retries + 1))


def _lost(task: Task, times: int) -> str:
    first, last = task.accounts[0].snapshot.name, task.accounts[-1].snapshot.name
    return (
        f"workers died {times} times over {task.stage} of {first} to {last}, and nothing was written: see their "
        f"memory, and make fleet.shard of pipeline.yaml smaller"
    )


def on_dask(tasks: Sequence[Task], fleet: FleetFile) -> list[bytes]:
    """On the workers of a Dask scheduler, which gives what a dead one had not answered to others.

    Raises PolicyError where Dask is not installed, DataError where its scheduler does not answer.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise PolicyError(
            "fleet.engine of pipeline.yaml is dask, which is not installed: pip install 'packfolio[dask]', or choose "
            "processes"
        ) from None
    try:
        client = Client(fleet.address, timeout="20s", set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise DataError(
            f"no Dask scheduler answers at {fleet.address} ({error}): start it, or correct fleet.address"
        ) from None
    with client:
        try:
            found: list[bytes] = client.gather(client.map(run, tasks, pure=False))  # type: ignore[no-untyped-call]
        except KilledWorker as error:
            raise DataError(f"{error}: nothing was written; see the workers' memory and logs") from None
    return found


ENGINES: Mapping[str, Callable[[Sequence[Task], FleetFile], list[bytes]]] = {
    "processes": on_processes,
    "dask": on_dask,
}
