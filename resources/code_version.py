"""Which code computed a number: the release, and a digest of the sources and libraries that can change one."""

import hashlib
import json
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDERS = ("optimizer", "resources", "assets")
LIBRARIES = (
    "clarabel", "cvxpy", "daqp", "dagster", "duckdb", "exchange_calendars", "highspy", "numpy", "pandas", "piqp",
    "pyarrow", "scikit-learn", "scipy", "skfolio",
)  # fmt: skip
ROOT = Path(__file__).resolve().parent.parent


@cache
def code_version() -> str:
    """`0.1.0+1a2b3c4d`: the digest changes with any line of code that a stage runs, and with any library's version."""
    digest = hashlib.sha256(json.dumps(libraries()).encode())
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{_version('packfolio')}+{digest.hexdigest()[:8]}"


@cache
def libraries() -> dict[str, str]:
    """Python and the libraries that can change a number, with their versions."""
    return {"python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}}


@cache
def environment_text() -> str:
    """What `code_version` stands for, as JSON: libraries, machine, and the commit that was checked out, if one was."""
    found = {"libraries": libraries(), "machine": platform.machine(), "commit": _commit()}
    return json.dumps(found, sort_keys=True)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "source"


def _commit() -> str | None:
    """The commit in `.git`, which says where the code came from; the digest says what it was."""
    head = ROOT / ".git" / "HEAD"
    try:
        text = head.read_text(encoding="utf-8").strip()
        if text.startswith("ref: "):
            text = (ROOT / ".git" / text.removeprefix("ref: ")).read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return text
