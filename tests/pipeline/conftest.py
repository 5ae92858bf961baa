"""The desk at which commands are typed, made once for the files that ask it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from built_once import own_copy
from terminal import Terminal, terminal
from typed_desk import Typed, typed_desk


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Typed:
    """The desk that is read and copied; what was typed while it was made speaks of `made_in`."""
    folder, told = own_copy(tmp_path_factory, "typed", typed_desk)
    return replace(told, at=Terminal(folder))


@pytest.fixture(scope="module")
def typed(made: Typed) -> Iterator[Typed]:
    """A terminal at the desk; it is closed between files, because it stands in the environment of the process."""
    with terminal(made.at.folder) as at:
        yield replace(made, at=at)
