"""The numerical tests under other kernels of OpenBLAS than the machine's: `python tests/tools/kernels.py other|all`.

`other` runs the quicker ones once, under the first kernel that the other tests do not run under; `all` runs
all of them under each, with one thread and with two. What a kernel rounds otherwise must change no verdict.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ("Haswell", "Nehalem", "SkylakeX", "Zen")
ALL = ("-m", "not network", "tests/optimizer", "tests/conformance")  # the slow ones too
# Files in which an answer may hang on its last bits, and that are soon through.
SOLVERS = ("any_policy", "audit", "doubt", "solve", "thin_limits")
QUICK = (
    "tests/optimizer/beliefs", "tests/optimizer/measures", "tests/optimizer/problem", "tests/conformance",
    *(f"tests/optimizer/solvers/test_{name}.py" for name in SOLVERS),
)  # fmt: skip
ASK = """
import numpy, scipy.linalg, threadpoolctl
numpy.linalg.solve(numpy.eye(99) @ numpy.eye(99), scipy.linalg.inv(numpy.eye(99)))
print(*sorted({pool["architecture"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}))
"""


def environment(kernel: str | None, threads: int = 1) -> dict[str, str]:
    """The variables of a child that is asked to take this kernel; None for the one it would take by itself."""
    found = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    count = {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    return found | count | ({"OPENBLAS_CORETYPE": kernel} if kernel else {})


def used(kernel: str | None) -> str:
    """The kernel that numpy and scipy really run on where this one is asked for; "" where the processor cannot."""
    asked = subprocess.run(
        [sys.executable, "-c", ASK], env=environment(kernel), capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


def run(kernel: str, threads: int, tests: tuple[str, ...]) -> bool:
    print(f"== numerical tests under the BLAS kernel {kernel}, {threads} thread(s)", flush=True)
    command = [
        sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider", *tests,
    ]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, env=environment(kernel, threads), check=False).returncode == 0


def main(which: str) -> int:
    own, runnable = used(os.environ.get("OPENBLAS_CORETYPE")), []
    for kernel in KERNELS:
        real = used(kernel)
        if real == kernel:
            runnable.append(kernel)
        else:
            why = f"OpenBLAS takes {real} instead" if real else "this processor cannot run it"
            print(f"no run under {kernel}: {why}")
    print(f"the other tests run under {own}", flush=True)
    others = [kernel for kernel in runnable if kernel != own]
    if not others:
        print("numpy and scipy have no other kernel here: nothing was run", file=sys.stderr)
        return 0
    if which == "other":
        return 0 if run(others[0], 1, QUICK) else 1
    results = [run(kernel, threads, ALL) for kernel in runnable for threads in (1, 2)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
