"""Many accounts on one pack: what a stage costs beside what its mathematics costs, and how both grow.

`python -m benchmarks.scale [--accounts 10 100] [--engine serial] [--write]`: one thread, CPU seconds, in one sitting.
Accounts are snapshots of 20 to 60 names of ten models, seeded; the desk lies in a temporary folder. The library's rate
is measured on the same accounts, in the same process: beliefs, weights and whole shares on estimates that are there.
`--accounts 10 100 1000 10000 --write` writes its section of RESULTS-scale.md; 10,000 take about ten minutes.
"""

import argparse
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "RESULTS-scale.md"
HEADING = "## Accounts on one pack"
SYMBOLS, DAYS, MODELS, NAMES = 200, 800, 10, 60
STAGES = ("posterior_returns", "optimal_weights", "trades", "impact", "tail_risk", "hedges")
SAMPLE = 200  # accounts on which the library's rate is measured
COMPUTED = 1000  # and at most so many for that of the stages without tables and ledger
PICTURE = ROOT / "docs" / "images" / "scale.png"


def cpu(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` gives, and its CPU seconds in this process."""
    began = time.process_time()
    found = work()
    return found, time.process_time() - began


def write_desk(folder: Path) -> list[date]:
    """Ten models as portfolios, and prices over 800 sessions of 200 names and of what scenarios and hedges ask for."""
    from resources.results.scenario_inputs import wanted_symbols
    from resources.settings.playbooks import load_playbooks

    rng = np.random.default_rng(7)
    names = [f"S{number:03d}" for number in range(SYMBOLS)]
    config = folder / "config"
    (config / "portfolios").mkdir(parents=True)
    (folder / "inbox").mkdir()
    for name in ("funds.yaml", "scenarios.yaml", "hedges.yaml", "regimes.yaml"):
        (config / name).write_text((ROOT / "config" / name).read_text("utf-8"), encoding="utf-8")
    (config / "pipeline.yaml").write_text("checks: {coverage: 0.8}\n")
    (config / "sources.yaml").write_text(
        "sources:\n  - {name: inbox, kind: folder, path: ../inbox, basis: as_traded}\n"
    )
    for number in range(MODELS):
        own = ", ".join(sorted(rng.choice(names, NAMES, replace=False)))
        (config / "portfolios" / f"model{number}.yaml").write_text(
            f"id: 00000000-0000-0000-0000-0000000000{number:02d}\nname: model{number}\nmode: live\nuniverse: [{own}]\n"
            "policy: {max_single_position_pct: 10, risk_free_rate: 0.02, max_turnover_pct: 30}\n"
            "holdings:\n  - {as_of: 2021-01-04, cash: 1000000}\n"
        )
    days, priced = sessions(), [*names, *sorted(wanted_symbols(load_playbooks(config)))]
    market = rng.normal(3e-4, 0.008, (len(days), 1))
    own_moves = rng.normal(0, 0.012, (len(days), len(priced)))
    closes = rng.uniform(20, 300, len(priced)) * np.exp(
        np.cumsum(market * rng.uniform(0.5, 1.5, len(priced)) + own_moves, axis=0)
    )
    lines = [
        f"{name},{day},{closes[row, place]:.4f}"
        for row, day in enumerate(days)
        for place, name in enumerate(priced)
    ]
    (folder / "inbox" / "history.csv").write_text("symbol,date,close\n" + "\n".join(lines) + "\n")
    return days


def sessions() -> list[date]:
    """The sessions of New York that end on 2024-02-29."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start="2020-01-02")
    return [day.date() for day in calendar.sessions_in_range("2020-06-01", "2024-02-29")][-DAYS:]


@dataclass(frozen=True)
class Sized:
    """What so many accounts cost, CPU seconds; `stages` by name, without and with the writing."""

    accounts: int
    library: float
    computed: dict[str, float]
    first: dict[str, float]
    unchanged: float
    one_changed: float
    memory_mb: float

    @property
    def rate(self) -> float:
        """Accounts a second through all stages, tables and ledger written."""
        return self.accounts / sum(self.first.values())


class Bench:
    """The desk with its pack, to which accounts are added."""

    def __init__(self, folder: Path, engine: str) -> None:
        days = write_desk(folder)
        os.environ.update(PACKFOLIO_HOME=str(folder / "home"), PACKFOLIO_CONFIG=str(folder / "config"))
        import dagster as dg

        from pipeline import runs
        from resources.settings.fleet import FleetFile

        with dg.DagsterInstance.ephemeral() as instance:
            runs.ingest(instance)
            done = runs.run_pack(instance, days[-1])
        if done.status:
            raise SystemExit(f"the desk's own run ended with {done.status}: {done.reason}")
        self.store, self.desk = runs.warehouse(), replace(runs.desk(), fleet=FleetFile(engine=engine))
        self.key = f"PP_{days[-1]}"

    def stage(self) -> Any:
        """One stage of one run."""
        from resources.dagster_resources import Stage
        from resources.ledger.ledger import Stamp
        from resources.store.code_version import code_version

        now = datetime.now(UTC).replace(tzinfo=None)
        return Stage(self.store, self.desk, Stamp("bench", now, code_version(), self.desk.digest))

    def add(self, start: int, stop: int) -> None:
        """Accounts of 20 to 60 names, as snapshots of the models."""
        from resources.books.snapshots import read_snapshots

        stage = self.stage()
        with stage.read() as con:
            pack = stage.pack(con, self.key)
            models = [one for one in read_snapshots(con, pack) if one.name.startswith("model")]
            prices = dict(
                con.execute(
                    "select symbol, arg_max(close, date) from prices where date <= ? group by 1", [pack.as_of]
                ).fetchall()
            )
        made = [_account(number, models[number % MODELS], prices) for number in range(start, stop)]
        self.write(made)

    def write(self, snapshots: Sequence[Any]) -> None:
        """Snapshots as the stage before writes them."""
        from assets.shared.portfolio_rows import record_each
        from resources.results.stage_inputs import Inputs

        stage = self.stage()
        with stage.write() as tx:
            pack = stage.pack(tx.con, self.key)
            seen = Inputs((), {"pricing_pack": pack.content_hash}, {})
            record_each(tx, "portfolio_snapshots", pack, {one: one.frames() for one in snapshots}, seen)

    def run(self) -> dict[str, float]:
        """All stages; CPU seconds of each, tables and ledger written."""
        from assets import hedges, impact, optimal_weights, posterior_returns, tail_risk, trades
        from assets.shared.computed import computed

        modules = (posterior_returns, optimal_weights, trades, impact, tail_risk, hedges)
        found = {}
        for name, module in zip(STAGES, modules, strict=True):
            found[name] = cpu(lambda n=name, m=module: computed(self.stage(), n, self.key, m.INPUTS))[1]
        return found | {"publish": cpu(self.store.publish)[1]}

    def computed(self) -> dict[str, float]:
        """The same without a ledger: reading and mathematics alone."""
        return {name: cpu(lambda n=name: self._answers(n))[1] for name in STAGES}

    def _answers(self, name: str) -> Any:
        from resources.books.snapshots import read_snapshots
        from resources.fleet.engines import compute
        from resources.fleet.work import read_work

        stage = self.stage()
        with stage.read() as con:
            pack = stage.pack(con, self.key)
            work = read_work(con, pack, name, read_snapshots(con, pack)[:COMPUTED], self.desk)
        return compute(work, self.desk, self.store.home, "bench")

    def library(self, number: int) -> float:
        """CPU seconds an account of the library alone: beliefs, weights, whole shares, on estimates that are there."""
        from optimizer import propose
        from resources.books.snapshots import read_snapshots
        from resources.fleet.work import read_work

        stage = self.stage()
        with stage.read() as con:
            pack = stage.pack(con, self.key)
            work = read_work(con, pack, "optimal_weights", read_snapshots(con, pack)[:number], self.desk)
        cases = [work.ground.case(one.snapshot, one.known(), one.key) for one in work.accounts]

        def solve() -> None:
            for case in cases:
                known = case.inputs
                propose(
                    case.portfolio, case.prices, case.evidence, known.policy, known.universe, case.mandate
                )

        return cpu(solve)[1] / len(cases)

    def change_one(self) -> None:
        """One account holds ten shares more of one name."""
        from resources.books.snapshots import read_snapshots

        stage = self.stage()
        with stage.read() as con:
            found = read_snapshots(con, stage.pack(con, self.key))[0]
        held = dict(found.holdings.quantities)
        symbol = next(iter(held))
        held[symbol] += 10
        self.write([replace(found, holdings=replace(found.holdings, quantities=held))])


def _account(number: int, model: Any, prices: dict[str, float]) -> Any:
    rng = np.random.default_rng([11, number])
    count = int(rng.integers(20, NAMES + 1))
    held = sorted(rng.choice(model.symbols, count, replace=False))
    nav, weights = float(rng.uniform(2e5, 5e6)), rng.dirichlet(np.full(count, 3.0))
    shares = {
        s: Decimal(int(0.97 * nav * w / prices[s])) for s, w in zip(held, weights.tolist(), strict=True)
    }
    own = replace(
        model.holdings, quantities={s: q for s, q in shares.items() if q}, cash=Decimal(int(0.03 * nav))
    )
    name = f"a{number:06d}"
    return replace(model, portfolio_id=name, name=name, holdings=own)


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
    """So many accounts: first run, unchanged, and with one account changed."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), engine)
        bench.add(0, size)
        library = bench.library(min(size, SAMPLE))
        first, computed = bench.run(), bench.computed()
        unchanged = sum(bench.run().values())
        bench.change_one()
        changed = sum(bench.run().values())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Sized(size + MODELS, library, computed, first, unchanged, changed, peak)


def told(found: Sequence[Sized]) -> str:
    """The table."""
    lines = [
        "| accounts | library, a second | computed, a second | of the library's | written, a second | of the library's "
        "| unchanged, s | one changed, s | peak memory, MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        library, computed = 1 / one.library, min(one.accounts, COMPUTED) / sum(one.computed.values())
        lines.append(
            f"| {one.accounts:,} | {library:.0f} | {computed:.0f} | {computed / library:.0%} | {one.rate:.0f} | "
            f"{one.rate / library:.0%} | {one.unchanged:.1f} | {one.one_changed:.1f} | {one.memory_mb:.0f} |"
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
        f"accounts of 20 to {NAMES}; CPU "
        f"seconds, one thread, engine {engine}, other work on the machine. Library: `propose` on estimates and prices "
        f"that are there. Computed: all six stages of the first {COMPUTED:,}, read, reckoned and put into Arrow. "
        f"Written: the same of all, with tables, ledger, publish.\n\n{told(found)}"
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
