"""What the Merkle log costs at a million ledger rows: a row more, a path, a link, checking both, a tree made anew.

python -m benchmarks.desk.proofs [--rows 1000000] [--write]
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

import duckdb

from resources.ledger.ledger import Connection
from resources.ledger.ledger_tree import LedgerTree
from resources.proofs.check_proof import consistent_roots, root_by_path

HERE = Path(__file__).parents[1]
TARGETS_MS = {"grow by a row": 1.0, "path of a row": 5.0, "link to an earlier checkpoint": 5.0}
TIMES = 200


def timed(work: Callable[[int], object]) -> tuple[float, float]:
    """Median and worst milliseconds of CPU of a piece of work, done with the numbers 0, 1, …"""
    spent = []
    for number in range(TIMES):
        started = time.process_time()
        work(number)
        spent.append(1000 * (time.process_time() - started))
    return median(spent), max(spent)


def grown(con: Connection, tree: LedgerTree, rows: int, *, told: bool) -> tuple[float, float]:
    """Median and worst milliseconds of a row more; `told` as a write does, which knows the ledger's head."""
    spent = []
    newest = con.execute("select this_hash from materializations where id = ?", [rows]).fetchall()[0][0]
    before = rows, str(newest)
    for number in range(rows + 1, rows + TIMES + 1):
        after = number, hashlib.sha256(f"new {number}".encode()).hexdigest()
        con.execute("insert into materializations values (?, ?)", list(after))
        started = time.process_time()
        tree.grow(con, *((before, after) if told else ()))
        spent.append(1000 * (time.process_time() - started))
        before = after
    return median(spent), max(spent)


def measure(rows: int, home: Path) -> dict[str, tuple[float, float]]:
    """The parts by name, on a ledger of so many rows; of the real one only the columns that the tree reads."""
    found = {}
    with duckdb.connect(str(home / "ledger.duckdb")) as con:
        con.execute("set threads = 1")
        made = f"select i + 1 as id, sha256(i::varchar) as this_hash from range({rows}) t(i)"
        con.execute(f"create table materializations as {made}")
        tree = LedgerTree(home / "ledger.tree")
        started = time.process_time()
        tree.grow(con)
        found["make the tree anew"] = (1000 * (time.process_time() - started),) * 2
        found["grow by a row"] = grown(con, tree, rows, told=True)
        rows += TIMES
        found["grow by a row that is asked of the database"] = grown(con, tree, rows, told=False)
        size = rows + TIMES
        with tree.read(con) as nodes:
            root = nodes.root(size)
            places = [(number * 7919) % rows for number in range(TIMES)]
            found_at = "select this_hash from materializations where id = ?"
            entries = [bytes.fromhex(con.execute(found_at, [at + 1]).fetchall()[0][0]) for at in places]
            paths = [nodes.inclusion(at, size) for at in places]
            links = [(at + 1, nodes.root(at + 1), nodes.consistency(at + 1, size)) for at in places]
            found["path of a row"] = timed(lambda n: nodes.inclusion(places[n], size))
            found["link to an earlier checkpoint"] = timed(lambda n: nodes.consistency(places[n] + 1, size))
        assert all(root_by_path(entries[n], places[n], size, paths[n]) == root for n in range(TIMES))
        assert all(consistent_roots(old, size, before, path) == (before, root) for old, before, path in links)
        found["check a path"] = timed(lambda n: root_by_path(entries[n], places[n], size, paths[n]))
        found["check a link"] = timed(lambda n: consistent_roots(links[n][0], size, links[n][1], links[n][2]))
    return found


def page(rows: int, found: dict[str, tuple[float, float]]) -> str:
    """The results as Markdown."""
    lines = [
        f"# Proofs from a ledger of {rows:,} rows",
        "",
        "Written by `python -m benchmarks.desk.proofs --write`. Milliseconds of CPU, one thread, 200 times each.",
        f"duckdb {version('duckdb')}, cryptography {version('cryptography')}.",
        "",
        "| part | median | worst | target |",
        "|---|---:|---:|---:|",
    ]
    for name, (middle, worst) in found.items():
        target = f"{TARGETS_MS[name]:g}" if name in TARGETS_MS else ""
        lines.append(f"| {name} | {middle:.3f} | {worst:.3f} | {target} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and fail where a median misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(told.rows, Path(folder))
    text = page(told.rows, found)
    print(text)
    if told.write:
        (HERE / "RESULTS-proofs.md").write_text(text, "utf-8")
    missed = [name for name, target in TARGETS_MS.items() if found[name][0] > target]
    if missed:
        raise SystemExit(f"missed its target: {', '.join(missed)}")


if __name__ == "__main__":
    main()
