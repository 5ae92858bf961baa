"""How hypothesis behaves: the same examples every time, others in the slow run; and which BLAS kernel ran."""

import gc
import os
import sys

import pytest
from hypothesis import settings

# Imports and tests are a million objects that stay: to look for garbage among them takes a sixth of the time.
gc.set_threshold(200_000, 100, 1000)
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "DUCKDB_THREADS"):
    os.environ.setdefault(variable, "1")  # the processes of a run share the cores already
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # to compile the tests takes a third of their collection
sys.dont_write_bytecode = False
os.environ.pop("COLUMNS", None)  # what xdist tells its workers is the width of no terminal
settings.register_profile("house", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("thorough", deadline=None, derandomize=False, max_examples=300)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


def pytest_collection_finish(session: pytest.Session) -> None:
    if "duckdb" in sys.modules:
        from parsed_once import parse_once, plan_for_few_rows

        parse_once()
        if not any(item.get_closest_marker("slow") for item in session.items):  # those fill warehouses too
            plan_for_few_rows()
    if "dagster._core.instance" in sys.modules:
        from made_histories import read_migrations_once

        read_migrations_once()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()
    gc.callbacks.clear()  # hypothesis's keeps all modules past the look of DuckDB for what is left, which it prints


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if "OPENBLAS_CORETYPE" not in os.environ:
        return
    import numpy
    import scipy.linalg
    import threadpoolctl

    assert numpy and scipy.linalg  # each brings an OpenBLAS of its own
    found = {pool["architecture"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}
    terminalreporter.write_line(f"BLAS kernel used: {', '.join(sorted(found))}")
