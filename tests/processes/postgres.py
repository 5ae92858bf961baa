"""A PostgreSQL server of a test's own, from the system's package."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ports import free_port


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """What Dagster's configuration wants to know of it; skips the test where PostgreSQL is not installed.

    Its files lie outside pytest's folder: root's server runs as postgres, who may not look in there.
    """
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    pytest.importorskip("dagster_postgres", reason="packfolio[postgres] is not installed")
    user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
    port, folder = str(free_port()), tempfile.TemporaryDirectory(prefix="packfolio-postgres-")
    data = Path(folder.name)
    if user:
        shutil.chown(data, "postgres")

    def call(*words: str, **more: Any) -> None:
        subprocess.run(words, check=True, capture_output=True, **more)

    call("initdb", "-D", str(data), "-U", "dagster", "-A", "trust", **user)
    options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1"
    call("pg_ctl", "-D", str(data), "-l", str(data / "log"), "-o", options, "-w", "start", cwd=data, **user)
    try:
        call("createdb", "-h", "127.0.0.1", "-p", port, "-U", "dagster", "dagster")
        yield {
            "PACKFOLIO_POSTGRES_HOST": "127.0.0.1", "PACKFOLIO_POSTGRES_USER": "dagster",
            "PACKFOLIO_POSTGRES_PASSWORD": "none", "PACKFOLIO_POSTGRES_DB": "dagster",
            "PACKFOLIO_POSTGRES_PORT": port,
        }  # fmt: skip
    finally:
        call("pg_ctl", "-D", str(data), "-m", "immediate", "stop", cwd=data, **user)
        folder.cleanup()


def answer(server: dict[str, str], sql: str) -> str:
    """What psql prints for a query."""
    at = ["-h", "127.0.0.1", "-p", server["PACKFOLIO_POSTGRES_PORT"], "-U", "dagster", "-d", "dagster"]
    return subprocess.run(["psql", *at, "-Atc", sql], capture_output=True, text=True, check=True).stdout
