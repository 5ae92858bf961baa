"""A wheel outside a clone has all that it needs inside: a desk is made, run and looked at from any folder."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from source_tree import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what a source distribution has, so that no stray file of the checkout gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        if not name.startswith(("tests/", "docs/", "benchmarks/")) and (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(folder),
        ".",
    ]
    subprocess.run(build, cwd=source, check=True, timeout=300)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a folder of its own; its dependencies are those of this environment."""
    place = tmp_path_factory.mktemp("installed")
    into = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "-q",
        "--target",
        str(place),
        str(wheel),
    ]
    subprocess.run(into, check=True, timeout=300)
    return place


@pytest.fixture(scope="module")
def environment(installed: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PACKFOLIO", "DAGSTER"))}
    return {**own, "PYTHONPATH": str(installed)}


def packfolio(
    installed: Path, environment: dict[str, str], cwd: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(installed / "bin" / "packfolio"), *words],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_a_wheel_has_all_that_runs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    shipped = {
        f"pipeline/example/{path.relative_to(ROOT / 'config')}" for path in (ROOT / "config").rglob("*.*")
    }
    assert shipped <= names
    assert {
        "resources/sentences.yaml", "resources/store/schema.sql", "resources/store/views.sql",
        "resources/store/catalog.json", "optimizer/py.typed",
        "service/report/page.html.j2", "service/report/history.html.j2", "service/screen/app.py",
    } <= names  # fmt: skip
    tops = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert tops == {"optimizer", "resources", "assets", "pipeline", "service"}


def test_a_desk_is_made_and_run_from_any_folder(
    installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    where = [sys.executable, "-c", "import pipeline.cli; print(pipeline.cli.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(installed)
    made = packfolio(installed, environment, tmp_path, "init", "desk", "--prices", "example")
    assert made.returncode == 0, made.stderr
    desk = tmp_path / "desk"
    ran = packfolio(installed, environment, desk, "run", "--json")
    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert {book["name"] for book in json.loads(ran.stdout)["portfolios"]} == {"us-equity", "leverage-aware"}
    report = packfolio(installed, environment, desk, "report")
    assert report.returncode == 0 and Path(report.stdout.strip()).exists(), report.stderr
    for words, path, said in (
        (("api",), "/health", '"ok"'),
        (("ui", "--read-only"), "/server_info", "dagster_webserver_version"),
        (("screen",), "/_stcore/health", "ok"),
    ):
        with served(installed, environment, desk, *words) as port:
            assert said in answered(f"http://127.0.0.1:{port}{path}")
            if words[0] == "ui":
                query = "{runsOrError {... on Runs {results {jobName repositoryOrigin {repositoryLocationName}}}}}"
                told = requests.post(
                    f"http://127.0.0.1:{port}/graphql", json={"query": query}, timeout=60
                ).json()
                runs = told["data"]["runsOrError"]["results"]
                assert {run["jobName"] for run in runs} == {"ingest", "pack_run"}
                assert {run["repositoryOrigin"]["repositoryLocationName"] for run in runs} == {"packfolio"}


def python_of(minor: int) -> Path | None:
    """A Python 3.`minor` that is here, by its name or among those of pyenv."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python"))
    named = kept or list(filter(None, [shutil.which(f"python3.{minor}")]))
    return Path(named[-1]) if named else None


@pytest.mark.parametrize("minor", [12, 13])
def test_a_wheel_runs_on_newer_pythons_with_the_locked_packages(
    wheel: Path, tmp_path: Path, minor: int
) -> None:
    newer = python_of(minor)
    if newer is None:
        pytest.skip(f"no Python 3.{minor} is here")
    python = tmp_path / "venv" / "bin" / "python"
    environment = {
        n: v for n, v in os.environ.items() if not n.startswith(("PACKFOLIO", "DAGSTER", "PYTHONPATH"))
    }

    def done(*words: str | Path, cwd: Path = tmp_path) -> str:
        ran = subprocess.run(
            [str(word) for word in words],
            cwd=cwd, env=environment, capture_output=True, text=True, timeout=1500, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
        return ran.stdout

    done(newer, "-m", "venv", tmp_path / "venv")
    done(ROOT / "requirements" / "install", python, ROOT / "requirements" / "runtime.lock", cwd=ROOT)
    done(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel)
    packfolio = python.with_name("packfolio")
    done(packfolio, "init", "desk", "--prices", "example")
    ran = json.loads(done(packfolio, "run", "--json", cwd=tmp_path / "desk"))
    assert {book["name"] for book in ran["portfolios"]} == {"us-equity", "leverage-aware"}
    for form in ("html", "xlsx", "pdf"):
        place = Path(done(packfolio, "report", "--format", form, cwd=tmp_path / "desk").strip())
        assert place.suffix == f".{form}" and place.stat().st_size > 10_000


@contextlib.contextmanager
def served(installed: Path, environment: dict[str, str], desk: Path, *words: str) -> Iterator[int]:
    """A server of the wheel on a free port; it and its children end with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, str(installed / "bin" / "packfolio"), *words, "--port", str(port)]
    with (desk / f"{words[0]}.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=desk, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield port
    finally:
        os.killpg(process.pid, 15)
        process.wait(60)


def answered(url: str, seconds: float = 120.0) -> str:
    """What a server says once it is up."""
    end = time.monotonic() + seconds
    while True:
        try:
            return requests.get(url, timeout=5).text
        except requests.RequestException:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
