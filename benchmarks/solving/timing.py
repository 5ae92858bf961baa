"""Runs solvers on every problem of a folder and writes their weights and least CPU seconds beside it."""

import json
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.solving.problems import Problem, load

Solver = Callable[[Problem], Callable[[], np.ndarray]]
SECONDS, MOST_RUNS = 2.0, 30


def least_seconds(run: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """The last answer and the least CPU time of several runs, at least two."""
    weights, times = run(), []
    while len(times) < 2 or (sum(times) < SECONDS and len(times) < MOST_RUNS):
        start = time.process_time()
        weights = run()
        times.append(time.process_time() - start)
    return np.asarray(weights, dtype=float), min(times)


def measure(solvers: Mapping[str, Mapping[str, Solver]], versions: Mapping[str, str]) -> None:
    """Command line of a side: `python -m SIDE FOLDER`; `solvers` is case -> name -> solver.

    A solver gets the problem and returns the call that is timed, so that what it may prepare is not.
    """
    folder, side = Path(sys.argv[1]), sys.argv[2]
    answers: dict[str, np.ndarray] = {}
    faults: dict[str, str] = {}
    for path in sorted(folder.glob("*-*.npz")):
        problem = load(path)
        for name, solver in solvers.get(problem.case, {}).items():
            key = f"{path.stem}|{name}"
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    weights, seconds = least_seconds(solver(problem))
            except Exception as error:  # noqa: BLE001  a peer that fails is a result, not a reason to stop
                faults[key] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                continue
            answers[key] = np.append(weights, seconds)
        print(f"{side}: {path.stem}", file=sys.stderr, flush=True)
    np.savez(folder / f"{side}.npz", **answers)
    (folder / f"{side}.json").write_text(json.dumps({"versions": versions, "faults": faults}))
