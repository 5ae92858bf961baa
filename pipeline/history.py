"""Dagster's history of runs in the home: who makes it, and how runs of the command line get on its timeline."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import dagster as dg
import yaml
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_shared.check import CheckError

from optimizer import PolicyError
from pipeline.environment import Environment
from pipeline.run_history.interrupted_runs import sweep
from pipeline.run_history.making import START_SECONDS
from resources.settings.yaml_files import read_text
from resources.store.file_lock import held

OURS = "pipeline.run_history.storage"  # of the storages that a home's dagster.yaml may name
# What Dagster raises of a dagster.yaml that is cut, none, or names what is not there.
UNUSABLE = (yaml.YAMLError, RecursionError, dg.DagsterInvalidConfigError, CheckError)
MODULE, LOCATION, REPOSITORY = "pipeline.definitions", "packfolio", "__repository__"


@contextmanager
def made_history(environment: Environment) -> Iterator[dg.DagsterInstance]:
    """The instance of a home. Two processes that make its databases at once would crash each other.

    Raises RecordError for a history that is damaged, PolicyError for settings that Dagster cannot use.
    """
    environment.prepare()
    settings = environment.dagster_home / "dagster.yaml"
    ours = OURS in read_text(settings)  # our own storages see to it themselves that they are made alone
    alone = held(environment.home / "dagster.lock", START_SECONDS, f"the start of {settings.parent}")
    with nullcontext() if ours else alone:
        try:
            instance = dg.DagsterInstance.get()
        except UNUSABLE as error:
            said = " ".join(str(error).split())[:200]
            raise PolicyError(
                f"{settings}: Dagster cannot use it ({said}); correct it, or move it away, and it is written anew"
            ) from error
    with instance:
        yield instance


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
