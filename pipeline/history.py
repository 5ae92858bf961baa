"""Dagster's history of runs in the home: one process at a time makes it, or brings it forward."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from pipeline.environment import Environment
from pipeline.interrupted_runs import sweep
from resources.store.file_lock import held

START_SECONDS = 120.0


@contextmanager
def made_history(environment: Environment) -> Iterator[dg.DagsterInstance]:
    """The instance of a home. Two processes that make its databases at once would crash each other."""
    environment.prepare()
    with held(environment.home / "dagster.lock", START_SECONDS, f"the start of {environment.dagster_home}"):
        instance = dg.DagsterInstance.get()
    with instance:
        yield instance


@contextmanager
def opened_history(environment: Environment) -> Iterator[dg.DagsterInstance]:
    """The same, with the runs whose process was killed marked as failed."""
    with made_history(environment) as instance:
        sweep(instance)
        yield instance
