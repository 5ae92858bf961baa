"""Runs of the command line and of cron on Dagster's timeline, which shows only runs that name their code location."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import dagster as dg
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

MODULE, LOCATION, REPOSITORY = "pipeline.definitions", "packfolio", "__repository__"


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
