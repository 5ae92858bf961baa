"""Every public name of the library has an example that runs, and the page that shows them is current."""

import doctest
import inspect
import runpy
from types import ModuleType
from typing import Any

import pytest
from source_tree import ROOT

import optimizer

LIBRARY: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "library.py"))
NAMES = {name: value for _, name, value in LIBRARY["documented"]()}


@pytest.fixture(scope="module")
def at_hand() -> dict[str, Any]:
    """The names that examples may use."""
    names: dict[str, Any] = {}
    exec(LIBRARY["SETUP"], names)  # noqa: S102  (our own text)
    return names


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_public_name_runs(name: str, at_hand: dict[str, Any]) -> None:
    value = NAMES[name]
    examples = LIBRARY["examples"](value)
    assert examples, f"{name} has no example; write one at the end of its docstring"
    module = getattr(optimizer, name.partition(".")[0])
    own = vars(module) if isinstance(module, ModuleType) else {}
    test = doctest.DocTest(examples, {**at_hand, **own}, name, inspect.getsourcefile(value), None, None)
    told: list[str] = []
    assert doctest.DocTestRunner(optionflags=doctest.FAIL_FAST).run(test, out=told.append).failed == 0, told


def test_every_public_name_is_on_the_page_and_the_page_is_current() -> None:
    assert {name.partition(".")[0] for name in NAMES} == set(optimizer.__all__)
    written = LIBRARY["PAGE"].read_text("utf-8")
    assert written == LIBRARY["page"](), "run: .venv/bin/python docs/library.py"
