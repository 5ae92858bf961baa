"""Which code computed a number: the release, and a digest of the sources and libraries that can change one."""

import hashlib
import json
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDERS = ("optimizer", "resources", "assets", "pipeline", "service", "reporting", "ui")
LIBRARIES = (
    "clarabel", "cvxpy", "daqp", "dagster", "duckdb", "exchange_calendars", "highspy", "numpy", "pandas", "piqp",
    "pyarrow", "scikit-learn", "scipy", "skfolio",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]


@cache
def code_version() -> str:
    """`0.1.0+1a2b3c4d`: the digest changes with any line that ships, and with any library's version.

    Python, SQL, configuration, templates: whatever lies in the program's folders, but what Python compiles there.
    """
    digest = hashlib.sha256(json.dumps(libraries()).encode())
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT)
            if path.is_file() and "__pycache__" not in name.parts and not path.name.startswith("."):
                content = path.read_bytes()
                digest.update(f"{name.as_posix()}\0{len(content)}\0".encode() + content)
    return f"{_version('packfolio')}+{digest.hexdigest()[:8]}"


@cache
def libraries() -> dict[str, str]:
    """Python and the libraries that can change a number, with their versions."""
    return {"python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}}


@cache
def environment_text() -> str:
    """What `code_version` stands for, as JSON: libraries, machine, and the commit that was checked out, if one was."""
    found = {"libraries": libraries(), "machine": platform.machine(), **_checkout()}
    return json.dumps(found, sort_keys=True)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "source"


def _checkout() -> dict[str, str | bool | None]:
    """The commit that was checked out, and whether the code had changed since; None where there is no git to ask.

    It says where the code came from; the digest says what it was.
    """
    place = _git("rev-parse", "--show-toplevel", "HEAD")
    if place is None or Path(place.splitlines()[0]).resolve() != ROOT:
        return {"commit": None, "dirty": None}
    changed = _git("status", "--porcelain", "--", *FOLDERS)
    return {"commit": place.splitlines()[1], "dirty": None if changed is None else bool(changed)}


def _git(*words: str) -> str | None:
    command = ["git", "-C", str(ROOT), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)  # noqa: S603  our own arguments
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
