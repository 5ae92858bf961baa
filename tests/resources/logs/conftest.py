"""The desk that deliveries come to."""

from pathlib import Path

import pytest
from inbox_desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
