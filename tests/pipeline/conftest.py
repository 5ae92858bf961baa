"""The desk at which commands are typed, made once for the files that ask it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from terminal import terminal
from typed_desk import Typed, typed_desk


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Typed:
    return typed_desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def typed(made: Typed) -> Iterator[Typed]:
    """A terminal at the desk; it is closed between files, because it stands in the environment of the process."""
    with terminal(made.at.folder) as at:
        yield replace(made, at=at)
