"""The library by itself needs none of what the pipeline needs."""

import re
import subprocess
import sys

from source_tree import ROOT

FOREIGN = (
    "dagster",
    "duckdb",
    "streamlit",
    "yfinance",
    "fastapi",
    "pydantic",
    "pyarrow.csv",
    "matplotlib",
    "plotly",
)
PROGRAM = """
import sys
import numpy as np
from optimizer import Estimates, Policy, Universe, solve
estimates = Estimates(("A", "B"), np.array([0.05, 0.08]), np.diag([0.04, 0.09]))
answer = solve(estimates, Policy(method="max_sharpe", risk_free_rate=0.02), Universe(("A", "B")))
assert answer.certificate is not None
print(*sorted(name for name in sys.modules if name in {foreign}))
"""


def test_a_solve_loads_nothing_of_the_pipeline() -> None:
    program = PROGRAM.format(foreign=FOREIGN)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_the_list_of_the_library_asks_for_what_the_package_asks_for() -> None:
    lines = (ROOT / "requirements" / "library.txt").read_text().splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    stated = set(re.findall(r'^    "([^"]+)",$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    assert len(wanted) == 9 and wanted <= stated
