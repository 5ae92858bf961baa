"""Every public name of the library has an example that runs, and the page that shows them is current."""

import doctest
import inspect
import re
import runpy
from collections.abc import Iterator
from dataclasses import is_dataclass
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


def calls() -> Iterator[tuple[str, Any]]:
    """Public functions, and the methods of public classes, with their names."""
    for _, name, value in LIBRARY["documented"]():
        if not inspect.isclass(value):
            yield name, value
            continue
        own = () if is_dataclass(value) else (("__init__", value.__init__),)
        methods = [
            (key, held) for key, held in vars(value).items() if inspect.isfunction(held) and key[0] != "_"
        ]
        yield from ((f"{name}.{key}", held) for key, held in (*own, *methods))


def test_what_public_calls_ask_for_has_a_public_name_or_is_made_by_one() -> None:
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "optimizer").rglob("*.py"))
    ours = set(re.findall(r"^class (\w+)", source, re.MULTILINE))
    asked, made = {}, set()
    for name, call in calls():
        for parameter, kind in getattr(inspect.unwrap(call), "__annotations__", {}).items():
            named = ours & set(re.findall(r"\w+", kind if isinstance(kind, str) else str(kind)))
            made |= named if parameter == "return" else set()
            asked |= {} if parameter == "return" else dict.fromkeys(named, name)
    # what is handed to a caller's own function, what arrays become inside, and what a ProcessPoolExecutor is
    given = {"Executor", "LowRank", "Named", "Session", "Window"}
    assert {
        kind: name for kind, name in asked.items() if kind not in {*optimizer.__all__, *made, *given}
    } == {}


def test_every_public_name_is_on_the_page_and_the_page_is_current() -> None:
    assert {name.partition(".")[0] for name in NAMES} == set(optimizer.__all__)
    written = LIBRARY["PAGE"].read_text("utf-8")
    assert written == LIBRARY["page"](), "run: .venv/bin/python docs/library.py"
