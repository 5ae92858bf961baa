"""`make audit`: a finding fails the build; advisories that cannot be reached are said, and fail nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "requirements" / "audit"


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        ("echo 'No known vulnerabilities found'", 0, "No known vulnerabilities found"),
        ("echo 'Found 1 known vulnerability in 1 package'; exit 1", 1, "Found 1 known vulnerability"),
        ("echo 'Max retries exceeded: name resolution' >&2; exit 1", 0,
         "audit skipped: the advisories could not be reached (Max retries exceeded: name resolution)"),
    ],
)  # fmt: skip
def test_what_the_audit_says(tmp_path: Path, answer: str, status: int, told: str) -> None:
    for name, text in {"python": "exit 0", "pip-audit": answer}.items():
        tool = tmp_path / ".locker" / "bin" / name
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.write_text(f"#!/bin/sh\n{text}\n")
        tool.chmod(0o755)
    (tmp_path / "requirements").mkdir()
    shutil.copy(SCRIPT, tmp_path / "requirements" / "audit")
    done = subprocess.run([tmp_path / "requirements" / "audit"], capture_output=True, text=True, check=False)
    assert (done.returncode, told in done.stdout) == (status, True), done.stdout + done.stderr
