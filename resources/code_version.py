"""Which code computed a number: the release, and a digest of the source files that can change one."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDERS = ("optimizer", "resources", "assets")


@cache
def code_version() -> str:
    """`0.1.0+1a2b3c4d`: the digest changes with any line of code that a stage runs."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    try:
        release = version("packfolio")
    except PackageNotFoundError:
        release = "source"
    return f"{release}+{digest.hexdigest()[:8]}"
