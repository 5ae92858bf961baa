"""Who may import whom, and what each folder must not touch: every import and call is read with `ast`.

A rule is a function from one file to its faults, and one row of RULES; what it allows is a table above it.
Deferred imports count like all others, except for HOT_START, which is about what a start has to load.
"""

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from source_tree import ROOT, Source, front_door, parsed, plant, sources

FOLDERS = {
    "optimizer": {"optimizer"},
    "resources": {"resources", "optimizer"},
    "assets": {"assets", "resources", "optimizer"},
    "pipeline": {"pipeline", "assets", "resources", "optimizer"},
    "service": {"service", "resources", "optimizer"},
}
# Each wing imports only itself and what stands before it.
WINGS: dict[str, list[str]] = yaml.safe_load((ROOT / "docs" / "wings.yaml").read_text("utf-8"))
FULL_WING = 15  # files; a larger wing is two
OPTIMIZER_LIBRARIES = "numpy scipy pandas sklearn cvxpy clarabel piqp daqp highspy"
OPTIMIZER_STDLIB = """
    __future__ abc bisect collections csv dataclasses datetime decimal difflib enum fractions functools
    hashlib heapq importlib inspect io itertools json math numbers operator re statistics string textwrap types typing
    warnings
"""
OPTIMIZER_CALLS = """
    open input print exec eval breakpoint io.open
    date.today datetime.now datetime.utcnow datetime.today pd.Timestamp.now pd.Timestamp.today
    pd.Timestamp.utcnow np.load np.save np.savez np.savetxt np.loadtxt np.genfromtxt
    pd.read_csv pd.read_parquet pd.read_excel pd.read_sql
"""
SCREEN_LIBRARIES = {"streamlit", "requests"} | set(sys.stdlib_module_names)
DAGSTER_FOLDERS = {"assets", "pipeline"}
DAGSTER_DOORS = {"resources/dagster_resources.py": "the warehouse as a Dagster resource"}
PICKLERS = "pickle cPickle _pickle dill cloudpickle shelve marshal joblib jsonpickle"
PICKLE_CALLS = {"read_pickle", "to_pickle"}
YAML_WRITES = {"dump", "safe_dump"}
YAML_DOORS = {
    "resources/settings/yaml_files.py": "its loader is a SafeLoader that also refuses duplicate keys",
    "resources/store/descriptions.py": "our own sentences, by the C build of the SafeLoader",
}
DUCKDB_DOORS = {  # file -> what it opens; no reader of another's file may be opened anywhere else
    "resources/store/duckdb_engine.py": "the live database and its copies, and nothing outside their folder",
    "resources/audit/replay.py": "a scratch warehouse beside a copy",
    "resources/audit/backup.py": "a database that a backup replaces",
}
EXCEPT_DOORS = {  # edges of what is ours: file -> why
    "service/http/guard.py": "no traceback may reach a caller",
    "resources/prices/source.py": "whatever a stranger's bytes do to a parser refuses that file alone",
    "resources/settings/yaml_files.py": "whatever a desk's text does to a parser is told by the file's name",
}
NO_FUTURE_ANNOTATIONS = {"assets", "pipeline"}
HEAVY = {"cvxpy", "sklearn", "skfolio", "matplotlib", "scipy.optimize", "yfinance", "exchange_calendars"}
HOT_START = {
    "pipeline.cli": HEAVY | {"dagster", "pandas", "numpy", "scipy", "duckdb", "pyarrow"},
    "pipeline.definitions": HEAVY,
    "assets": HEAVY,  # the definitions load all of them
}


def is_screen(source: Source) -> bool:
    return source.name == "service/screen.py" or source.name.startswith("service/screen/")


def top(module: str) -> str:
    return module.split(".", 1)[0]


def folder_direction(source: Source) -> Iterator[str]:
    allowed = FOLDERS[source.folder]
    for item in source.imports:
        if top(item.module) in (FOLDERS.keys() | {"tests", "benchmarks"}) - allowed:
            yield f"{item.line}: {source.folder} may import only {sorted(allowed)}, not {item.module}"


def wing_order(source: Source) -> Iterator[str]:
    order = WINGS.get(source.folder, [])
    parts = source.module.split(".")
    if not order or len(parts) == 1:
        return
    if parts[1] not in order:
        yield f"1: {parts[1]} is no wing of docs/wings.yaml; put it after all that it imports"
        return
    before = order[: order.index(parts[1]) + 1]
    for item in source.imports:
        target = item.module.split(".")
        if target == [source.folder]:
            yield f"{item.line}: inside {source.folder} a name is imported from its own module"
        elif target[0] == source.folder and target[1] not in before:
            yield f"{item.line}: {parts[1]} may import only what stands before it, not {item.module}"


def wings_hold_a_walk(source: Source) -> Iterator[str]:
    """A folder that nobody can read at a glance is two folders."""
    if source.path.name == "__init__.py" and len(list(source.path.parent.glob("*.py"))) > FULL_WING:
        yield f"1: more than {FULL_WING} files; split the wing by a word of the trade"


def wings_say_what_they_are_for(source: Source) -> Iterator[str]:
    if source.path.name == "__init__.py" and not ast.get_docstring(source.tree):
        yield "1: say in one sentence what lives here and what may not"


def front_door_is_used(source: Source) -> Iterator[str]:
    """What the library offers by name is not fetched from its inner files, so that these can move."""
    offered = front_door(source.root)
    for node in () if source.folder == "optimizer" else source.nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("optimizer."):
            home = str(node.module).removeprefix("optimizer.")
            for alias in node.names:
                if offered.get(alias.name) == home:
                    yield f"{node.lineno}: the library offers it: from optimizer import {alias.name}"


def no_circles(source: Source) -> Iterator[str]:
    """Deferred imports close a circle like all others."""
    seen, waiting = {source.path}, [source.path]
    while waiting:
        for path in imported(source.root, waiting.pop()):
            if path == source.path:
                yield "1: its imports lead back to it"
                return
            if path not in seen:
                seen.add(path)
                waiting.append(path)


@cache
def imported(root: Path, path: Path) -> frozenset[Path]:
    source = parsed(root, path)
    found = {source.ours(item.module) for item in source.imports}
    return frozenset(p for p in found if p and p.name != "__init__.py")


def optimizer_purity(source: Source) -> Iterator[str]:
    if source.folder != "optimizer":
        return
    libraries = {"optimizer", *OPTIMIZER_LIBRARIES.split(), *OPTIMIZER_STDLIB.split()}
    for item in source.imports:
        if top(item.module) not in libraries:
            yield f"{item.line}: the optimizer is pure and may not import {item.module}"
    for name, call in source.calls:
        seedless = name.endswith("default_rng") and not call.args
        if seedless or {name, name.removeprefix("datetime.")} & set(OPTIMIZER_CALLS.split()):
            yield f"{call.lineno}: the optimizer is pure and may not call {name}(); make it an argument"


def dagster_doors(source: Source) -> Iterator[str]:
    for item in source.imports:
        inside = source.folder in DAGSTER_FOLDERS or source.name in DAGSTER_DOORS
        if not inside and top(item.module).startswith("dagster"):
            yield f"{item.line}: only {sorted(DAGSTER_FOLDERS)} and DAGSTER_DOORS may import {item.module}"


def screen_speaks_http(source: Source) -> Iterator[str]:
    for item in source.imports if is_screen(source) else ():
        beside = item.module.startswith("service.screen")
        if top(item.module) not in SCREEN_LIBRARIES and not beside:
            yield f"{item.line}: the screen asks the API over HTTP and may not import {item.module}"


def screen_is_a_process(source: Source) -> Iterator[str]:
    for item in () if is_screen(source) else source.imports:
        if item.module.startswith("service.screen"):
            yield f"{item.line}: the screen is started as a process, not imported"


def no_pickle(source: Source) -> Iterator[str]:
    for item in source.imports:
        if top(item.module) in PICKLERS.split():
            yield f"{item.line}: a planted pickle runs code; {item.module} may not be imported"
    for name, call in source.calls:
        allowed = any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in call.keywords)
        if name.rsplit(".", 1)[-1] in PICKLE_CALLS or allowed:
            yield f"{call.lineno}: a planted pickle runs code: {name}"


def no_yaml_load(source: Source) -> Iterator[str]:
    for name, call in source.calls:
        if name.startswith("yaml.") and name[5:] not in YAML_WRITES and source.name not in YAML_DOORS:
            yield f"{call.lineno}: {name} is unguarded: aliases, any object; use resources/settings/yaml_files.py"


def duckdb_doors(source: Source) -> Iterator[str]:
    for name, call in source.calls:
        if name == "duckdb.connect" and source.name not in DUCKDB_DOORS:
            yield f"{call.lineno}: a connection of its own may read any file; ask resources/store/warehouse.py"


def no_blanket_except(source: Source) -> Iterator[str]:
    """A handler that ends in a bare `raise` swallows nothing and is free."""
    for node in source.nodes:
        if not isinstance(node, ast.ExceptHandler) or source.name in EXCEPT_DOORS:
            continue
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        blanket = any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in kinds)
        if blanket and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None):
            yield f"{node.lineno}: a blanket except hides who must act; name the errors"


def no_future_annotations(source: Source) -> Iterator[str]:
    for node in source.nodes:
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if future and source.folder in NO_FUTURE_ANNOTATIONS:
            yield f"{node.lineno}: Dagster rejects a context under `from __future__ import annotations`"


def hot_start(source: Source) -> Iterator[str]:
    """Follows what loading the module loads, through our own modules and the packages that hold them."""
    heavy = HOT_START.get(source.module, HOT_START.get(source.folder, set()))
    seen, waiting = set(), [(source, source.module)]
    while heavy and waiting:
        at, trail = waiting.pop()
        for item in (item for item in at.imports if item.at_load):
            parts = item.module.split(".")
            prefixes = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
            yield from (
                f"{item.line}: {trail} -> {prefix} slows the start" for prefix in prefixes if prefix in heavy
            )
            for prefix in prefixes:
                path = at.ours(prefix)
                if path and path not in seen:
                    seen.add(path)
                    waiting.append((parsed(source.root, path), f"{trail} -> {prefix}"))


RULES: dict[str, Callable[[Source], Iterator[str]]] = {
    rule.__name__: rule
    for rule in (
        folder_direction, wing_order, wings_hold_a_walk, wings_say_what_they_are_for, front_door_is_used, no_circles,
        optimizer_purity, dagster_doors, screen_speaks_http, screen_is_a_process, no_pickle, no_yaml_load,
        duckdb_doors, no_blanket_except, no_future_annotations, hot_start,
    )
}  # fmt: skip


def faults(rule: str, root: Path) -> list[str]:
    return [f"{source.name}:{fault}" for source in sources(root) for fault in RULES[rule](source)]


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps_its_rules(rule: str) -> None:
    assert faults(rule, ROOT) == []


FRONT_DOOR = '"""Lazy."""\n_HOMES = {"proposals.engine": "OptimizationEngine"}\n'
VIOLATIONS = [
    ("folder_direction", "optimizer/model/costs.py", "def f():\n    from resources.store.warehouse import Warehouse\n"),
    ("folder_direction", "resources/packs/packs.py", "import assets.prices\n"),
    ("folder_direction", "assets/trades.py", "from pipeline import partitions\n"),
    ("folder_direction", "service/api.py", "from assets import trades\n"),
    ("folder_direction", "pipeline/cli.py", "from service.api import app\n"),
    ("folder_direction", "optimizer/solvers/solve.py", "from ...resources import warehouse\n"),
    ("folder_direction", "service/api.py", "import tests.helpers\n"),
    ("wing_order", "optimizer/model/costs.py", "from optimizer.solvers.solve import solve\n"),
    ("wing_order", "optimizer/model/costs.py", "def f():\n    from optimizer.proposals import engine\n"),
    ("wing_order", "optimizer/model/costs.py", "from optimizer import Policy\n"),
    ("wing_order", "optimizer/numerics/minvar.py", "from . import qp\nfrom ..solvers.solve import solve\n"),
    ("wing_order", "optimizer/newcomer.py", "x = 1\n"),
    ("wing_order", "resources/ledger/tables.py", "from resources.packs.packs import Pack\n"),
    ("wings_say_what_they_are_for", "optimizer/newcomer/__init__.py", ""),
    ("front_door_is_used", "assets/trades.py", "from optimizer.proposals.engine import OptimizationEngine\n"),
    ("no_circles", "pipeline/jobs.py", "def f():\n    from pipeline.runs import run\n"),
    ("optimizer_purity", "optimizer/model/costs.py", "import duckdb\n"),
    ("optimizer_purity", "optimizer/model/costs.py", "def f():\n    from pathlib import Path\n"),
    ("optimizer_purity", "optimizer/model/costs.py", "import logging\n"),
    ("optimizer_purity", "optimizer/model/costs.py", "import random\n"),
    ("optimizer_purity", "optimizer/model/costs.py", "from datetime import date\nnow = date.today()\n"),
    ("optimizer_purity", "optimizer/model/costs.py", "import datetime\nnow = datetime.datetime.now()\n"),
    ("optimizer_purity", "optimizer/model/costs.py", "rng = np.random.default_rng()\n"),
    ("optimizer_purity", "optimizer/model/costs.py", "text = open('x').read()\n"),
    ("dagster_doors", "resources/store/warehouse.py", "import dagster as dg\n"),
    ("dagster_doors", "service/api.py", "def f():\n    from dagster import asset\n"),
    ("screen_speaks_http", "service/screen.py", "from service.answers import Answer\n"),
    ("screen_speaks_http", "service/screen/pages.py", "import duckdb\n"),
    ("screen_is_a_process", "service/api.py", "from service import screen\n"),
    ("no_pickle", "resources/cache.py", "def f():\n    import pickle\n"),
    ("no_pickle", "resources/cache.py", "frame.to_pickle('x')\n"),
    ("no_pickle", "resources/cache.py", "np.load('x', allow_pickle=True)\n"),
    ("no_yaml_load", "resources/other.py", "yaml.load(text, Loader=yaml.Loader)\n"),
    ("no_yaml_load", "resources/other.py", "yaml.safe_load(text)\n"),
    ("duckdb_doors", "service/desk.py", "con = duckdb.connect('warehouse.duckdb')\n"),
    ("no_blanket_except", "pipeline/jobs.py", "try:\n    f()\nexcept Exception:\n    pass\n"),
    ("no_blanket_except", "pipeline/jobs.py", "try:\n    f()\nexcept:\n    pass\n"),
    ("no_blanket_except", "pipeline/jobs.py", "try:\n    f()\nexcept (KeyError, Exception):\n    pass\n"),
    ("no_future_annotations", "assets/trades.py", "from __future__ import annotations\n"),
    ("hot_start", "pipeline/cli.py", "import pandas as pd\n"),
    ("hot_start", "pipeline/definitions.py", "from assets import weights\n"),
    ("hot_start", "assets/newcomer.py", "import cvxpy\n"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "name", "text"), VIOLATIONS)
def test_a_planted_violation_is_caught(tmp_path: Path, rule: str, name: str, text: str) -> None:
    plant(tmp_path, "service/screen.py", "import streamlit\n")
    plant(tmp_path, "optimizer/__init__.py", FRONT_DOOR)
    plant(tmp_path, "optimizer/proposals/engine.py", "import cvxpy\n")
    plant(tmp_path, "assets/weights.py", "from optimizer import OptimizationEngine\n")
    plant(tmp_path, "pipeline/runs.py", "import pipeline.jobs\n")
    plant(tmp_path, name, text)
    assert [fault for fault in faults(rule, tmp_path) if fault.startswith(f"{name}:")]


LAWFUL = {
    "optimizer/__init__.py": FRONT_DOOR,
    "optimizer/proposals/engine.py": """
from datetime import date
import numpy as np
from optimizer.errors import PolicyError
def choose(as_of: date, rng: np.random.Generator):
    import cvxpy
    return np.random.default_rng(7)
""",
    "optimizer/solvers/fast/minvar.py": "from optimizer.numerics.qp import solve_qp\n",
    "resources/dagster_resources.py": "import dagster as dg\nfrom resources.store.warehouse import Warehouse\n",
    "resources/settings/files.py": """
import yaml
try:
    plain_value('a', 'b')
except BaseException:
    undo()
    raise
""",
    "assets/trades.py": "import dagster as dg\nfrom optimizer import Policy\nfrom resources.settings import files\n",
    "pipeline/definitions.py": "from assets import trades\n",
    "pipeline/cli.py": "import typer\ndef run():\n    from pipeline.definitions import defs\n",
    "service/api.py": "from service.answers import Answer\nfrom optimizer import Policy\n",
    "service/screen.py": "import json\nimport requests\nimport streamlit as st\n",
}


def test_a_wing_of_too_many_files_is_caught(tmp_path: Path) -> None:
    for name in ("__init__", *(f"part{number}" for number in range(FULL_WING))):
        plant(tmp_path, f"resources/store/{name}.py", "")
    assert faults("wings_hold_a_walk", tmp_path) != []


def test_what_tests_share_is_found_at_a_glance() -> None:
    folders = [ROOT / "tests", *(ROOT / "tests" / name for name in ("desks", "processes", "tools"))]
    assert [folder.name for folder in folders if not 3 < len(list(folder.glob("*.py"))) <= FULL_WING] == []


def test_no_folder_of_tests_or_benchmarks_is_a_heap() -> None:
    files = [path for top in ("tests", "benchmarks") for path in (ROOT / top).rglob("*.py")]
    held = Counter(path.parent for path in files if path.name != "conftest.py")
    assert {folder for folder, count in held.items() if count > FULL_WING} == set()


@pytest.mark.parametrize("rule", RULES)
def test_lawful_code_passes(tmp_path: Path, rule: str) -> None:
    for name, text in LAWFUL.items():
        plant(tmp_path, name, text)
    assert faults(rule, tmp_path) == []
