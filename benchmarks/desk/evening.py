"""What an evening costs: the shipped desk's new day and the same again, a hundred portfolios, and Dagster's history.

python -m benchmarks.desk.evening [--portfolios 100] [--write]

Seconds are of CPU, of a process that starts anew each time, on one thread, with bytecode kept from run to run as an
installation does. The floor is Dagster's own: as many empty assets, in as many jobs, in a home of its own with the
storages that Dagster comes with.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import numpy as np
import yaml

from resources.ledger.anchors import read_anchors

HERE = Path(__file__).parents[1]
BEGIN, END = "<!-- desk_run -->\n", "<!-- end of desk_run -->\n"
PLACE = HERE / "RESULTS-scale.md"
DAYS = ("2022-12-27", "2022-12-28")
PAST_DAYS = ("2024-01-31", "2024-02-13")  # ten sessions
LAST, SYMBOLS, SESSIONS = "2024-02-29", 80, 300
FLOOR = """
import dagster as dg

def empty(name, above):
    @dg.asset(name=name, deps=above, partitions_def=dg.DailyPartitionsDefinition("2022-01-01"))
    def body() -> None: ...
    return body

chains = {}
for job, count in (("ingest", 3), ("pack_run", 11)):
    chains[job] = [empty(f"{job}_{n}", [f"{job}_{n - 1}"] if n else []) for n in range(count)]
jobs = [dg.define_asset_job(job, selection=chain) for job, chain in chains.items()]
stages = dg.Definitions([one for chain in chains.values() for one in chain], jobs=jobs, executor=dg.in_process_executor)
with dg.DagsterInstance.get() as instance:
    for job in chains:
        stages.resolve_job_def(job).execute_in_process(instance=instance, partition_key="2022-12-28")
"""
RUN = "from pipeline.__main__ import main; main()"


def cpu(code: str, place: Mapping[str, str], *words: str, accepted: tuple[int, ...] = (0,)) -> float:
    """Seconds of CPU of a Python of its own that runs some code with some words on its command line."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    env = {**os.environ, **threads, **place}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # containers set it, and would compile all of it for every run
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=env,
        capture_output=True, text=True, check=False, cwd=HERE.parent,
    )  # fmt: skip
    if done.returncode not in accepted:
        raise SystemExit(f"{words} ended with {done.returncode}: {done.stderr}{done.stdout[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def floor(home: Path) -> float:
    """Dagster's own, the second time: the first makes its databases."""
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    place = {"DAGSTER_HOME": str(home), **bytecode(home)}
    return [cpu(FLOOR, place) for _ in range(2)][1]


def bytecode(home: Path) -> dict[str, str]:
    """Where Python keeps it: beside the homes, and not in the source tree."""
    return {"PYTHONPYCACHEPREFIX": str(home.parent / "bytecode")}


def evening(home: Path, config: Path, *days: str) -> dict[str, float]:
    """A first day, a new day, and the same again; what Dagster keeps and readers get of the new day."""
    place = {"PACKFOLIO_HOME": str(home), "PACKFOLIO_CONFIG": str(config), **bytecode(home)}
    found = {"first day": cpu(RUN, place, "run", "--as-of", days[0], accepted=(0, 1))}
    kept, told = _history(home), len(read_anchors(home / "anchors.jsonl").published)
    found["a new day"] = cpu(RUN, place, "run", "--as-of", days[1], accepted=(0, 1))
    found["history, MB"] = (_history(home) - kept) / 1e6
    found["published, a new day"] = len(read_anchors(home / "anchors.jsonl").published) - told
    told += int(found["published, a new day"])
    found["the same again"] = cpu(RUN, place, "run", "--as-of", days[1], accepted=(0, 1))
    found["published, the same again"] = len(read_anchors(home / "anchors.jsonl").published) - told
    return found


def past_day(home: Path, config: Path) -> float:
    """CPU seconds of a day of a backfill: of ten days more than what a command takes that finds them all made."""
    place = {"PACKFOLIO_HOME": str(home), "PACKFOLIO_CONFIG": str(config), **bytecode(home)}
    cpu(RUN, place, "ingest")
    taken = [cpu(RUN, place, "backfill", *PAST_DAYS, accepted=(0, 1)) for _ in range(2)]
    return (taken[0] - taken[1]) / 10


def _history(home: Path) -> int:
    return sum(path.stat().st_size for path in (home / "dagster").rglob("*") if path.is_file())


def made_desk(folder: Path, portfolios: int) -> Path:
    """A configuration of so many portfolios of 20 to 60 of 80 symbols, with made-up prices of 300 days."""
    dice = np.random.default_rng(1)
    days = np.busday_offset(LAST, np.arange(1 - SESSIONS, 1), roll="backward")
    names = [f"S{number:03}" for number in range(SYMBOLS)]
    prices = 100 * np.exp(np.cumsum(dice.normal(3e-4, 0.015, (SESSIONS, SYMBOLS)), axis=0))
    (folder / "inbox").mkdir(parents=True)
    lines = [
        f"{name},{day},{prices[at, n]:.4f}" for n, name in enumerate(names) for at, day in enumerate(days)
    ]
    (folder / "inbox" / "prices.csv").write_text("symbol,date,close\n" + "\n".join(lines) + "\n")
    (folder / "inbox" / "reference").mkdir()
    config = folder / "config"
    (config / "portfolios").mkdir(parents=True)
    (config / "sources.yaml").write_text(
        "sources:\n  - {name: inbox, kind: folder, path: ../inbox, basis: as_traded, live: false}\n"
    )
    (config / "pipeline.yaml").write_text("backtest: {years: 1}\n")
    (config / "funds.yaml").write_text('as_of: "2024-01"\ndefault_spread_bps: 50\nfunds: {}\n')
    for number in range(portfolios):
        chosen = sorted(dice.choice(names, int(dice.integers(20, 61)), replace=False).tolist())
        held = {name: int(dice.integers(50, 500)) for name in chosen[::2]}
        book = {
            "id": str(UUID(int=number + 1)), "name": f"book-{number:03}", "mode": "live", "base_currency": "USD",
            "universe": chosen, "benchmark": "equal_weight", "prior": "benchmark",
            "policy": {"method": "mean_variance", "max_single_position_pct": 15, "max_turnover_pct": 40,
                       "risk_free_rate": 0.02},
            "holdings": [{"as_of": "2023-12-29", "cash": 10000, "positions": held}],
        }  # fmt: skip
        (config / "portfolios" / f"{book['name']}.yaml").write_text(yaml.safe_dump(book))
    return config


def measured(portfolios: int) -> dict[str, dict[str, float]]:
    """Everything, in homes of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found = {"shipped": evening(folder / "shipped", HERE.parent / "config", *DAYS)}
        found["shipped"]["floor"] = floor(folder / "floor")
        config = made_desk(folder / "desk", portfolios)
        found["many"] = evening(folder / "many", config, "2024-02-28", LAST)
        found["shipped"]["a past day"] = past_day(folder / "past", made_desk(folder / "two", 2))
        return found


def page(found: dict[str, dict[str, float]], portfolios: int) -> str:
    """The figures with what was aimed at."""
    two, many = found["shipped"], found["many"]
    lines = [
        ("shipped desk: a new day", f"{two['a new day']:.2f} s", "1.4 times the floor"),
        ("Dagster's floor, as many empty assets", f"{two['floor']:.2f} s", ""),
        ("a new day / floor", f"{two['a new day'] / two['floor']:.2f}", "1.4"),
        ("the same again", f"{two['the same again']:.2f} s", "1.2 s"),
        ("Dagster's history of the new day", f"{two['history, MB']:.2f} MB", "0.3 MB"),
        ("copies published: a new day, the same again",
         f"{two['published, a new day']:.0f}, {two['published, the same again']:.0f}", "1, 0"),
        ("a past day of two portfolios in a backfill", f"{two['a past day']:.2f} s", "0.3 s"),
        (f"{portfolios} YAML portfolios: first day", f"{many['first day']:.2f} s", ""),
        (f"{portfolios} YAML portfolios: a new day", f"{many['a new day']:.2f} s", "5 s for 100"),
        (f"{portfolios} YAML portfolios: the same again", f"{many['the same again']:.2f} s", ""),
        ("Dagster's history of their new day", f"{many['history, MB']:.2f} MB", "1 MB for 300"),
    ]  # fmt: skip
    table = "\n".join(f"| {what} | {told} | {aim} |" for what, told, aim in lines)
    return (
        f"{BEGIN}## An evening\n\n`python -m benchmarks.desk.evening`, seconds of CPU on one thread, Dagster "
        f"{version('dagster')}, DuckDB {version('duckdb')}.\n\n| | measured | aim |\n|---|---|---|\n{table}\n{END}"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--portfolios", type=int, default=100)
    parser.add_argument("--write", action="store_true", help="write it into RESULTS-scale.md")
    told = parser.parse_args()
    found = measured(told.portfolios)
    print(json.dumps(found, indent=2))
    text = page(found, told.portfolios)
    if told.write:
        old = PLACE.read_text("utf-8") if PLACE.exists() else "# What scale costs\n\n" + BEGIN + END
        before, _, rest = old.partition(BEGIN)
        PLACE.write_text(before + text + rest.partition(END)[2], "utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
