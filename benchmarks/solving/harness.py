"""`make bench`: our optimizer against its peers on one thread; prints the table and writes RESULTS.md.

An answer counts when its cost is within GAP of the best feasible one of all (cvxpy with tight tolerances
among them), and it breaks no limit by more than BREACH; both are wider for the peers.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.solving.problems import CASES, cost, load, make, violation

ROOT = Path(__file__).parents[2]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
OWN = ROOT / ".venv" / "bin" / "python"
SIDES = {"ours": OWN, "peers": ROOT / ".peers" / "bin" / "python", "bare": OWN}
GAP = {"ours": 1e-6, "peers": 1e-5, "bare": 1e-5}
BREACH = {"ours": 1e-8, "peers": 1e-6, "bare": 1e-6}
FEASIBLE = 1e-8
# Times faster than the fastest of all correct answers, the raw solver without checks among them; below 1 is slower.
QUADRATIC = {"arrays": (0.1, 0.3, 3, 5), "estimates": (0.1, 0.5, 5, 15)}
TARGETS = {
    **dict.fromkeys(("min_variance", "max_sharpe", "max_diversification", "tracking_error"), QUADRATIC),
    "risk_parity": {"arrays": (1, 2, 2, 2), "estimates": (1, 3, 3, 3)},
    "cvar": {"arrays": (3, 5, 10), "estimates": (3, 5, 10)},
    "general_limits": {"arrays": (0.05, 0.3, 1.5, 2), "estimates": (0.05, 0.5, 2, 3)},
}
REFERENCE = "tight cvxpy"  # never timed against
# bt and ffn estimate the covariance inside the clock: shown, and no rivals.
ESTIMATING = ("bt/ffn", "bt/ffn, tolerance 1e-12")
WRITTEN = ("plain cvxpy", "compiled cvxpy", "raw DAQP", "raw PIQP", "raw HiGHS", "ffn's solver alone")


@dataclass(frozen=True)
class Answer:
    """One solver's answer to one problem."""

    side: str
    name: str
    seconds: float
    cost: float
    violation: float

    def gap(self, best: float) -> float:
        return (self.cost - best) / max(abs(best), 1e-12)

    def counts(self, best: float) -> bool:
        return self.gap(best) <= GAP[self.side] and self.violation <= BREACH[self.side]


def run_side(side: str, folder: Path) -> dict[str, dict[str, str]]:
    python = SIDES[side]
    if not python.exists():
        sys.exit(f"{python} is missing; make bench creates it")
    command = [str(python), "-m", f"benchmarks.solving.{side}", str(folder), side]
    subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(THREADS, "1")},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return json.loads((folder / f"{side}.json").read_text())


def run_large() -> str:
    """Our seconds at sizes that are not timed against anyone, as a table."""
    threads = {**os.environ, **dict.fromkeys(THREADS, "1")}
    command = [str(SIDES["ours"]), "-m", "benchmarks.solving.large"]
    done = subprocess.run(command, cwd=ROOT, env=threads, check=True, capture_output=True, text=True)
    sizes = [json.loads(line) for line in done.stdout.splitlines()]
    steps = [name for name in sizes[0] if name != "n"]
    lines = [f"| {step} | " + " | ".join(shown(size[step]) for size in sizes) + " |" for step in steps]
    head = "| from returns, T = 1260 | " + " | ".join(f"N = {size['n']}" for size in sizes) + " |"
    return "\n".join([head, "|---" * (len(sizes) + 1) + "|", *lines])


def read_answers(folder: Path) -> dict[str, list[Answer]]:
    """Problem -> the answers of both sides."""
    found: dict[str, list[Answer]] = {}
    for side in SIDES:
        with np.load(folder / f"{side}.npz") as arrays:
            for key in arrays.files:
                stem, name = key.split("|")
                problem, (*weights, seconds) = load(folder / f"{stem}.npz"), arrays[key]
                w = np.array(weights)
                found.setdefault(stem, []).append(
                    Answer(side, name, seconds, cost(problem, w), violation(problem, w))
                )
    return found


def row(case: str, n: int, answers: list[Answer]) -> str:
    best = min((a.cost for a in answers if a.violation <= FEASIBLE), default=min(a.cost for a in answers))
    peers = [a for a in answers if a.side != "ours" and a.name != REFERENCE]
    rivals = [a for a in peers if a.counts(best) and a.name not in ESTIMATING]
    rival = fastest(rivals)
    library = fastest([a for a in peers if a.counts(best) and a.name not in WRITTEN])
    cells = [CASES[case].title, str(n), told(library), told(rival)]
    written = [a for a in peers if a.name in WRITTEN and a is not rival]
    cells.append(
        ", ".join(f"{a.name} {shown(a.seconds)}{'' if a.counts(best) else ' (off)'}" for a in written)
    )
    for variant in ("arrays", "estimates"):
        own = next((a for a in answers if a.side == "ours" and a.name == variant), None)
        cells += (
            ["failed", ""] if own is None else [shown(own.seconds), ratio(case, n, variant, own, rival, best)]
        )
        if variant == "estimates":
            cells.append(f"{library.seconds / own.seconds:.1f}x" if own and library else "")
    own = next((a for a in answers if a.side == "ours"), None)
    cells += ["", ""] if own is None else [f"{own.gap(best):.0e}", f"{own.violation:.0e}"]
    return "| " + " | ".join(cells) + " |"


def fastest(answers: list[Answer]) -> Answer | None:
    return min(answers, key=lambda a: a.seconds, default=None)


def told(answer: Answer | None) -> str:
    return f"{answer.name} {shown(answer.seconds)}" if answer else "none correct"


def ratio(case: str, n: int, variant: str, own: Answer, rival: Answer | None, best: float) -> str:
    """How many times faster than the rival, against what was aimed at."""
    if not own.counts(best):
        return "does not count"
    if rival is None:
        return "no rival"
    aim = TARGETS[case][variant][CASES[case].sizes.index(n)]
    times = rival.seconds / own.seconds
    return f"{times:.2g}x (aim {aim}x{'' if times >= aim else ', missed'})"


def shown(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 10 else f"{seconds:.3g} s"


HEADER = """| case | N | fastest library | fastest of all | others written by hand | arrays | of all | estimates | of all | of the library | gap | breach |
|---|---|---|---|---|---|---|---|---|---|---|---|"""  # noqa: E501


def report(rows: list[str], notes: dict[str, dict[str, dict[str, str]]], large: str) -> str:
    versions = {
        side: ", ".join(f"{k} {v}" for k, v in note["versions"].items()) for side, note in notes.items()
    }
    faults = [
        f"- {key.replace('|', ', ')}: {text}"
        for note in notes.values()
        for key, text in note["faults"].items()
    ]
    return f"""# Benchmark results

CPU time of one thread, least of several runs; written by `make bench`. Read the ratios, not the times.
"arrays" is the public call with raw arrays, checks included; "estimates" takes estimates checked at birth.
"fastest of all" counts whatever a user could write: cvxpy plain or compiled once with its data in it (DPP), the raw
solver (DAQP, PIQP, HiGHS) whose answer nobody checks, ffn's coordinate descent alone; of these "of all" says how
many times faster we are, below 1 slower, and "of the library" the same of the fastest library.
An answer of ours counts at a relative gap <= {GAP["ours"]:g} and a breach <= {BREACH["ours"]:g}, others' at
{GAP["peers"]:g} and {BREACH["peers"]:g}; the gap is to the best feasible answer of all, cvxpy with tolerances of 1e-12
among them. bt and ffn estimate the covariance within their call: they are shown as libraries, and are no rivals.

{HEADER}
{chr(10).join(rows)}

Larger universes, ours alone; estimates in factors, so that no N x N array is made:

{large}

Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[2]:.1f} \
(of other work too: what runs beside lengthens CPU times).
Ours: {versions["ours"]}.
Peers: {versions["peers"]}.
By hand: {versions["bare"]}.
{chr(10).join(["", "Failed:", "", *faults, ""] if faults else [])}"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.solving.harness", description=__doc__)
    parser.add_argument("--case", choices=CASES, action="append", help="only these")
    parser.add_argument("--largest", type=int, default=1000, help="largest universe")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md")
    chosen = parser.parse_args()
    problems = [
        (case, n) for case in chosen.case or CASES for n in CASES[case].sizes if n <= chosen.largest
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case, n in problems:
            make(case, n).save(folder)
        notes = {side: run_side(side, folder) for side in SIDES}
        answers = read_answers(folder)
    rows = [row(case, n, answers.get(f"{case}-{n}", [])) for case, n in problems]
    text = report(rows, notes, run_large())
    print(text)
    if chosen.write:
        (ROOT / "benchmarks" / "RESULTS.md").write_text(text)


if __name__ == "__main__":
    main()
