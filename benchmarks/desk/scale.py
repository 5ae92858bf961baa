"""Many accounts on one pack: what a stage costs beside what its mathematics costs, and how both grow.

`python -m benchmarks.desk.scale [--accounts 10 100] [--engine serial] [--write]`: one thread, CPU seconds, one sitting.
Accounts are snapshots of 20 to 60 names of ten models, seeded, and one of fifty holds three more that its model has
left; the desk lies in a temporary folder. The library's rate is measured on the same accounts, in the same process, on
estimates that are there: beliefs, weights and whole shares, and with impact, tails, scenarios and hedges, which is the
mathematics of all stages that the ratios compare with.
`--accounts 10 100 1000 10000 --write` writes its section of RESULTS-scale.md; 10,000 take about ten minutes.
"""

import argparse
import re
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.desk.scale_desk import (
    COMPUTED,
    DAYS,
    LEFT,
    MODELS,
    MOVING,
    NAMES,
    ROOT,
    STAGES,
    SYMBOLS,
    Bench,
)
from resources.fleet.garbage import look_seldom

RESULTS = ROOT / "benchmarks" / "RESULTS-scale.md"
HEADING = "## Accounts on one pack"
SAMPLE = 200  # accounts on which the library's rate is measured
PICTURE = ROOT / "docs" / "images" / "scale.png"


@dataclass(frozen=True)
class Sized:
    """What so many accounts cost, CPU seconds.

    library, whole   an account by the library alone: weights and list, and the mathematics of all stages
    computed, first  stage -> seconds without and with the writing
    """

    accounts: int
    library: float
    whole: float
    computed: dict[str, float]
    first: dict[str, float]
    unchanged: float
    one_changed: float
    memory_mb: float

    @property
    def rate(self) -> float:
        """Accounts a second through all stages, tables and ledger written."""
        return self.accounts / sum(self.first.values())


def measure(sizes: Sequence[int], engine: str, seen: Callable[[Sequence[Sized]], None]) -> list[Sized]:
    """Each size on a desk of its own, in a process of its own; `seen` hears of all that is known so far."""
    found = []
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as alone:
        for size in sizes:
            found.append(alone.submit(measured, size, engine).result())
            print(told([found[-1]]), file=sys.stderr)
            seen(found)
    return found


def measured(size: int, engine: str) -> Sized:
    """So many accounts: first run, unchanged, and with one account changed; in a process set up as the command is."""
    look_seldom()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), engine)
        bench.add(0, size)
        library, whole = bench.library(min(size, SAMPLE))
        first, computed = bench.run(), bench.computed()
        unchanged = sum(bench.run().values())
        bench.change_one()
        changed = sum(bench.run().values())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Sized(size + MODELS + 1, library, whole, computed, first, unchanged, changed, peak)


def told(found: Sequence[Sized]) -> str:
    """The table."""
    lines = [
        "| accounts | library, weights and list, a second | library, all stages, a second | computed, a second "
        "| of the library's | written, a second | of the library's | unchanged, s | one changed, s "
        "| peak memory, MB |",
        "|---" * 10 + "|",
    ]
    for one in found:
        library, whole = 1 / one.library, 1 / one.whole
        computed = min(one.accounts, COMPUTED) / sum(one.computed.values())
        lines.append(
            f"| {one.accounts:,} | {library:.0f} | {whole:.0f} | {computed:.0f} | {computed / whole:.0%} | "
            f"{one.rate:.0f} | {one.rate / whole:.0%} | {one.unchanged:.1f} | {one.one_changed:.1f} | "
            f"{one.memory_mb:.0f} |"
        )
    lines += ["", "| accounts | " + " | ".join(STAGES) + " | publish |", "|---" * (len(STAGES) + 2) + "|"]
    for one in found:
        times = [1000 * one.first[name] / one.accounts for name in (*STAGES, "publish")]
        lines.append(f"| {one.accounts:,} | " + " | ".join(f"{ms:.1f}" for ms in times) + " |")
    return "\n".join(
        [*lines, "", "The second table: CPU milliseconds an account and stage, tables and ledger written."]
    )


def write_section(text: str) -> None:
    """Puts the section into RESULTS-scale.md; the sections of others stay as they are."""
    known = RESULTS.read_text("utf-8") if RESULTS.exists() else "# Results: scale\n"
    before, _, rest = known.partition(HEADING)
    others = re.search(r"\n(<!-- |## ).*", rest, re.DOTALL)
    after = others.group() if others else ""
    RESULTS.write_text(f"{before.rstrip()}\n\n{HEADING}\n\n{text}\n{after}", encoding="utf-8")


def draw(found: Sequence[Sized]) -> None:
    """How the cost grows with the accounts, beside a line of slope one: written to the docs' images."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    accounts = [one.accounts for one in found]
    shown = {
        "first run": [sum(one.first.values()) for one in found],
        "nothing changed": [one.unchanged for one in found],
        "one account changed": [one.one_changed for one in found],
    }
    figure, axes = plt.subplots(figsize=(6, 4), dpi=100)
    for name, seconds in shown.items():
        axes.loglog(accounts, seconds, marker="o", label=name)
    last = shown["first run"][-1] / accounts[-1]
    axes.loglog(accounts, [last * n for n in accounts], "--", color="grey", label="in proportion to accounts")
    axes.set(xlabel="accounts", ylabel="CPU seconds, one thread")
    axes.legend()
    figure.tight_layout()
    figure.savefig(PICTURE, metadata={"Software": None})
    plt.close(figure)


def page(found: Sequence[Sized], engine: str) -> str:
    """The section's text."""
    return (
        f"{SYMBOLS} symbols beside those of scenarios and hedges, {DAYS} sessions, {MODELS} models of {NAMES} names, "
        f"accounts of 20 to {NAMES}, one of {MOVING} with {LEFT} more that its model has left; CPU "
        f"seconds, one thread, engine {engine}, other work on the machine. Library: `propose` on estimates, "
        f"sensitivities and prices that are there; with all stages, `orders_impact`, tails, scenarios and hedges too, "
        f"which is what the ratios compare with. Computed: all six stages of the first {COMPUTED:,}, read, reckoned "
        f"and put into Arrow. Written: the same of all, with tables, ledger, publish.\n\n{told(found)}"
    )


def main() -> None:
    """Reads the arguments, measures, prints, and writes where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", nargs="+", type=int, default=[10, 100])
    parser.add_argument("--engine", default="serial", choices=["serial", "processes"])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()

    def keep(found: Sequence[Sized]) -> None:
        if given.write:
            write_section(page(found, given.engine))
            draw(found)

    print(page(measure(given.accounts, given.engine, keep), given.engine))


if __name__ == "__main__":
    main()
