"""One synthetic desk for all service tests of a session, shared between the processes that run them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from built_once import built_once
from service_desk import build

import service.optimizer_service as optimizer_service
from service import OptimizerService
from service.desk import Desk
from service.settings import Settings


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the desk; `home.parent / "config"` is its configuration."""
    folder, _ = built_once(tmp_path_factory, "desk", build)
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
