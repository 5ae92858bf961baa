"""How hypothesis behaves: the same examples every time in CI, and no clock anywhere; and which BLAS kernel ran."""

import os

import pytest
from hypothesis import settings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # the processes of a run share the cores already
os.environ.pop("COLUMNS", None)  # what xdist tells its workers is the width of no terminal
settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if "OPENBLAS_CORETYPE" not in os.environ:
        return
    import numpy
    import scipy.linalg
    import threadpoolctl

    assert numpy and scipy.linalg  # each brings an OpenBLAS of its own
    found = {pool["architecture"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}
    terminalreporter.write_line(f"BLAS kernel used: {', '.join(sorted(found))}")
