"""Whether the desk is set up: program, home, configuration, sources, alerts, and Dagster's runs and history."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from optimizer import PackfolioError, PolicyError
from optimizer.errors import how_many
from pipeline.doctor.finding import FAULT, NOTE, OK, Finding
from pipeline.environment import Environment
from resources.alerts.settings import load_notify
from resources.ledger.atomic_file import PART
from resources.ledger.record_error import RecordError, refuse_no_file, refuse_no_folder
from resources.prices.folder import refuse_unreadable, unseen_folders
from resources.settings.configuration import Configuration, housekeeping, load_configuration
from resources.settings.sources import FolderSettings
from resources.store.code_version import environment_text
from resources.store.last_run import FILE as LAST_RUN

LARGE_HISTORY = 2 << 30  # bytes
SMALLEST_DISK = 2 << 30  # bytes: a daily run writes megabytes, publishing needs a second copy


def program(environment: Environment) -> Iterator[Finding]:
    """Which Python, commit and libraries run, on which machine."""
    del environment
    yield Finding("python", OK, f"{sys.version.split()[0]} at {sys.executable}")
    told = json.loads(environment_text())
    changed = {True: ", changed since", False: "", None: ""}[told["dirty"]]
    commit = f"commit {told['commit'][:12]}{changed}; " if told["commit"] else ""
    named = ", ".join(f"{name} {number}" for name, number in told["libraries"].items())
    yield Finding("libraries", OK, f"{commit}{named}; {told['machine']}")


def home(environment: Environment) -> Iterator[Finding]:
    """Whether the home can be written, has room, and is the desk's alone."""
    home = environment.home
    try:
        refuse_no_folder(home)
        refuse_no_folder(environment.dagster_home)
    except RecordError as error:
        yield Finding("home", FAULT, str(error), "or set PACKFOLIO_HOME")
        return
    for place in (environment.decisions, home / "ledger.tree", home / LAST_RUN):
        try:
            refuse_no_file(place, "move that away, or put the true file there")
        except RecordError as error:
            yield Finding("home", FAULT, str(error), "until then what needs it is refused")
    if not home.exists():
        yield Finding("home", NOTE, f"{home} does not exist yet", "the first `packfolio run` makes it")
        return
    if not os.access(home, os.W_OK):
        yield Finding(
            "home",
            FAULT,
            f"{home} cannot be written",
            "correct its permissions, or set PACKFOLIO_HOME",
        )
        return
    free = shutil.disk_usage(home).free
    state = OK if free > SMALLEST_DISK else NOTE
    said = f"{home}, {free / 2**30:.1f} GiB free"
    yield Finding(
        "home", state, said, "" if state == OK else "make room: a full disk ends a run, and loses nothing"
    )
    if home.stat().st_mode & 0o077:
        said = f"{home} can be read by other users of this machine"
        yield Finding("privacy", NOTE, said, f"chmod -R go-rwx {home}, unless they are meant to read it")
    yield from _leftovers(home, environment.config)


def _leftovers(home: Path, config: Path) -> Iterator[Finding]:
    """What a killed process leaves where files are written whole or not at all."""
    if left := sorted(path.name for path in home.glob("*.tmp")):
        said = f"{', '.join(left)}: a publish was cut short, or a verification"
        yield Finding("leftovers", NOTE, said, "the next run replaces a file; delete a folder")
    places = (home, home / "cache", home / "payloads", config, config / "portfolios")
    if left := [str(path) for place in places for path in sorted(place.glob(f"*{PART}"))]:
        said = f"{', '.join(left)}: half a file of a restore, an import or an ingest that was cut short"
        yield Finding("leftovers", NOTE, said, "delete it, unless one is at work")


def configuration(environment: Environment) -> Iterator[Finding]:
    """Whether every file of the folder can be read, and what it names."""
    try:
        desk = load_configuration(environment.config)
    except (PackfolioError, OSError) as error:
        yield Finding("configuration", FAULT, str(error), f"correct the files in {environment.config}")
        return
    names = ", ".join(portfolio.name for portfolio in desk.portfolios.files)
    models = f"; models {', '.join(desk.portfolios.models)}" if desk.portfolios.models else ""
    yield Finding("configuration", OK, f"{environment.config}: portfolios {names or 'none'}{models}")
    yield from _sources(environment, desk)


def alerts(environment: Environment) -> Iterator[Finding]:
    """Whether notify.yaml can be read, and what its channels want of the environment; nothing without the file."""
    try:
        file = load_notify(environment.config)
    except PackfolioError as error:
        yield Finding("alerts", FAULT, str(error), "correct it: until then nobody is told of anything")
        return
    wanted = {} if file is None else {one.name: one.url_env for one in file.webhooks}
    wanted |= {} if file is None else {one.name: one.password_env for one in file.mail}
    for name, variable in wanted.items():
        if variable and not os.environ.get(variable):
            yield Finding(
                "alerts",
                NOTE,
                f"{name} needs {variable}, which this shell has not",
                "set it where Dagster runs",
            )
    if wanted:
        yield Finding(
            "alerts", OK, f"go to {', '.join(wanted)} while the sensor `alerts` is switched on in Dagster"
        )


def _sources(environment: Environment, desk: Configuration) -> Iterator[Finding]:
    for source in desk.sources.sources:
        name, kind = f"source {source.name}", f"{source.kind}, {'live' if source.live else 'not live'}"
        if not source.enabled:
            yield Finding(name, NOTE, "is switched off", "set enabled: true in sources.yaml to use it")
        elif isinstance(source, FolderSettings):
            yield from _folder(name, environment.config / source.path, kind)
        else:
            yield Finding(name, OK, kind)
    if desk.sources.reference_folder:
        yield from _folder("reference data", environment.config / desk.sources.reference_folder, "folder")


def _folder(name: str, folder: Path, kind: str) -> Iterator[Finding]:
    """Whether an inbox, and each folder below it, can be read."""
    faults: list[PackfolioError] = []
    try:
        refuse_unreadable(folder.resolve(), name)
        faults.extend(unseen_folders(folder))
    except PackfolioError as error:
        faults.append(error)
    for fault in faults:
        yield Finding(name, FAULT, str(fault), "until then nothing in it is read")
    if not faults:
        yield Finding(name, OK, kind)


def runs(environment: Environment) -> Iterator[Finding]:
    """Whether a run never ended, and how much room their history takes."""
    if not (environment.dagster_home / "dagster.yaml").exists():
        return
    from pipeline.history import made_history
    from pipeline.run_history.interrupted_runs import quiet, stuck

    try:
        with made_history(environment) as instance:
            found, silent, runs = stuck(instance), quiet(instance), instance.get_runs_count()
    except (PolicyError, RecordError) as error:
        yield Finding("runs", FAULT, str(error), "move the file away; the record of the desk is not in it")
        return
    if found:
        ids = ", ".join(run.run_id for run in found)
        said = f"{how_many(len(found), 'run')} never ended, the process is gone: {ids}"
        yield Finding("runs", NOTE, said, "any `packfolio run` marks them as failed; their tables are whole")
    for one in found:
        yield Finding(f"run {one.run_id}", NOTE, str(one), "look at what it did in `packfolio ui`")
    for one in silent:
        yield Finding(
            "runs", NOTE, str(one), "look at it in `packfolio ui`, and terminate it there if it hangs"
        )
    if not found and not silent:
        yield Finding("runs", OK, "no run is stuck")
    yield _history(environment, runs)


def _history(environment: Environment, runs: int) -> Finding:
    """How much room Dagster's history takes, and for how long it keeps a run."""
    size = sum(file.stat().st_size for file in environment.dagster_home.rglob("*") if file.is_file())
    said = f"Dagster's history of {how_many(runs, 'run')} takes {size / 2**20:.1f} MiB"
    with suppress(PackfolioError):  # another finding tells what is wrong with the configuration
        said += f"; weekly_purge ends what is older than {housekeeping(environment.config).history_days} days"
    large = size > LARGE_HISTORY
    do = "start the schedule weekly_purge, or lower housekeeping.history_days" if large else ""
    return Finding("history", NOTE if large else OK, said, do)
