"""One synthetic desk for all service tests of a session, shared between the processes that run them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from service_desk import PACK, build

import service.optimizer_service as optimizer_service
from service import OptimizerService
from service.desk import Desk
from service.settings import Settings


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the desk; `home.parent / "config"` is its configuration.

    Mutants of the service, which builds no desk, share the one in PACKFOLIO_TEST_DESK.
    """
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    root = Path(os.environ.get("PACKFOLIO_TEST_DESK", root))
    folder = root / "desk"
    with FileLock(root / "desk.lock"):
        if not (folder / "done").exists():
            build(folder)
            (folder / "done").write_text(PACK)
    return folder / "home"


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    return Settings(home, home.parent / "config", home.parent / "decisions.jsonl")


@pytest.fixture(scope="session")
def service(settings: Settings) -> Iterator[OptimizerService]:
    desk = Desk(settings)
    yield OptimizerService(desk)
    desk.published.close()


@pytest.fixture
def as_process(service: OptimizerService, monkeypatch: pytest.MonkeyPatch) -> OptimizerService:
    """The session's service as the one that `get_optimizer_service()` gives."""
    monkeypatch.setattr(optimizer_service, "get_optimizer_service", lambda: service)
    return service
