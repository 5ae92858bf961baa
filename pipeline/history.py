"""Dagster's history of runs in the home: who makes it, and how runs of the command line get on its timeline."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import dagster as dg
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from pipeline.environment import Environment
from pipeline.run_history.interrupted_runs import sweep
from pipeline.run_history.making import START_SECONDS
from resources.store.file_lock import held

OURS = "pipeline.run_history.storage"  # of the storages that a home's dagster.yaml may name
MODULE, LOCATION, REPOSITORY = "pipeline.definitions", "packfolio", "__repository__"


@contextmanager
def made_history(environment: Environment) -> Iterator[dg.DagsterInstance]:
    """The instance of a home. Two processes that make its databases at once would crash each other.

    Raises RecordError for a history that is damaged.
    """
    environment.prepare()
    with _alone(environment):
        instance = dg.DagsterInstance.get()
    with instance:
        yield instance


def _alone(environment: Environment) -> AbstractContextManager[None]:
    """No other process makes the databases meanwhile; our own storages see to that themselves."""
    if OURS in (environment.dagster_home / "dagster.yaml").read_text(encoding="utf-8"):
        return nullcontext()
    return held(environment.home / "dagster.lock", START_SECONDS, f"the start of {environment.dagster_home}")


@contextmanager
def opened_history(environment: Environment) -> Iterator[dg.DagsterInstance]:
    """The same, with the runs whose process was killed marked as failed."""
    with made_history(environment) as instance:
        sweep(instance)
        yield instance


@contextmanager
def on_the_timeline(instance: dg.DagsterInstance, job: str) -> Iterator[None]:
    """While the block runs, runs made by the instance are of the code location that `packfolio ui` opens."""
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name=MODULE)
    repository = RemoteRepositoryOrigin(ManagedGrpcPythonEnvCodeLocationOrigin(target, LOCATION), REPOSITORY)
    create = partial(instance.create_run_for_job, remote_job_origin=RemoteJobOrigin(repository, job))
    instance.create_run_for_job = create  # type: ignore[method-assign]  # execute_in_process has no argument for it
    try:
        yield
    finally:
        del instance.create_run_for_job
