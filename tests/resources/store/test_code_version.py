"""Which commit a number's code came from, and whether it was changed since."""

import json
import subprocess
from pathlib import Path

import pytest

from resources.store import code_version


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository in the place of this one."""
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "a.py").write_text("x = 1\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "first"), ("pack-refs", "--all")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(code_version, "ROOT", tmp_path.resolve())
    return tmp_path


def found() -> dict[str, object]:
    environment = json.loads(code_version.environment_text.__wrapped__())
    return {name: environment[name] for name in ("commit", "dirty")}


def test_a_commit_and_what_changed_since(checkout: Path) -> None:
    head = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    assert found() == {"commit": head.stdout.strip(), "dirty": False}
    (checkout / "notes.txt").write_text("no code")
    assert found()["dirty"] is False
    (checkout / "optimizer" / "a.py").write_text("x = 2\n")
    assert found() == {"commit": head.stdout.strip(), "dirty": True}
    (checkout / "optimizer" / "a.py").write_text("x = 1\n")
    (checkout / "optimizer" / "b.py").write_text("")
    assert found()["dirty"] is True


def test_code_outside_a_repository_of_its_own_has_no_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = checkout / "optimizer"
    monkeypatch.setattr(code_version, "ROOT", inner.resolve())
    assert found() == {"commit": None, "dirty": None}
    monkeypatch.setenv("PATH", "")
    assert found() == {"commit": None, "dirty": None}


@pytest.mark.parametrize(
    "name", ["optimizer/a.py", "resources/store/views.sql", "resources/store/migrations/0002-a.sql",
             "service/report/page.html.j2", "resources/settings/policies.yaml", "assets/table.csv"],
)  # fmt: skip
def test_any_edited_line_that_ships_is_another_version(checkout: Path, name: str) -> None:
    def version() -> str:
        return code_version.code_version.__wrapped__()

    path = checkout / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("one\n")
    before = version()
    path.write_text("two\n")
    edited = version()
    path.rename(path.with_name("other"))
    assert len({before, edited, version()}) == 3
    path.with_name("other").rename(path)
    (path.parent / "__pycache__").mkdir()
    (path.parent / "__pycache__" / "a.pyc").write_bytes(b"compiled")
    assert version() == edited
