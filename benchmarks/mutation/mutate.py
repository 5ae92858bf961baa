"""Mutation testing: small seeded faults, one at a time, and whether the tests notice; writes RESULTS-tests.md.

`make mutate`, or `python -m benchmarks.mutation.mutate service pipeline --seed 1 --mutants 60`. The tests run once
under a trace that tells which lines each of them runs (kept in `.mutants`, again only for test files that changed). A
mutant then runs in a copy of the tree, against the tests that run its line, the cheapest first, until one fails. Each
verdict is written as it comes, so that a run that was cut goes on where it was; `--again` tries the survivors once
more.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.mutation.candidates import Reached, candidates
from benchmarks.mutation.mutations import Mutant, mutants
from benchmarks.mutation.reached import FOLDERS, digest, record
from benchmarks.mutation.tried import ROOT, Session, in_session, preload, traced

RESULTS = ROOT / "benchmarks" / "RESULTS-tests.md"
PLACE = Path(os.environ.get("MUTANTS_PLACE", ROOT / ".mutants"))  # of its own for each run at the same time
WATCHED = """import os
if "REACHED_FOLDER" in os.environ:
    from pathlib import Path

    from benchmarks.mutation.reached import watch_process

    watch_process(Path(__file__).parent)
"""
NOTHING = "no test runs it"
ABOUT = """# Tests that bite

`make mutate` plants small faults, one at a time, in a seeded sample of the places of each folder where one fits, and
runs the default tests that run the line of each, in a copy of the tree. A fault is a flipped comparison, sign, `and`,
`not`, `min` or boolean, a constant or slice bound off by one (a float doubled, a tolerance ten thousand times looser),
two arguments swapped, a keyword or an element left out, a statement or a returned value dropped. Docstrings, type
hints, decorators and the text of messages are left alone.
"""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: the test that failed, `hung`, or nothing."""

    mutant: Mutant
    noticed_by: str


def main() -> None:
    """Maps, draws, runs, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", default=FOLDERS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutants", type=int, default=60, help="in each folder")
    parser.add_argument("--seconds", type=float, default=60.0, help="of tests for each mutant")
    parser.add_argument("--minutes", type=float, default=600.0, help="after which no further mutant is begun")
    parser.add_argument("--tests", nargs="*", default=["tests"], help="those whose lines are asked")
    parser.add_argument("--again", action="store_true", help="try once more what survived")
    parser.add_argument(
        "--only", default="", help="a part of the file name, for a closer look; writes no table"
    )
    asked = parser.parse_args()
    end = time.monotonic() + 60 * asked.minutes
    os.environ.pop("PACKFOLIO_TEST_DESK", None)
    preload()
    tree = copied(PLACE / "tree")
    trace_tests(asked.tests, tree, end)
    reached = Reached.read(PLACE / "reached")
    for folder in asked.folders:
        verdicts = examined(folder, asked, tree, reached, end)
        if verdicts and not asked.only:
            write(folder, f"seed {asked.seed}", verdicts)


def copied(tree: Path) -> Path:
    """The files that git knows, those of the moment; the compiled ones stay."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    names = {name for name in listed.split("\0") if (ROOT / name).is_file()}
    for path in [path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts]:
        if path.relative_to(tree).as_posix() not in names:
            path.unlink()
    for name in names:
        if not (tree / name).exists() or (tree / name).read_bytes() != (ROOT / name).read_bytes():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


def trace_tests(asked: list[str], tree: Path, end: float) -> None:
    """Asks each test file that changed which lines it runs; the desks that they build are kept for the mutants."""
    place, desks = PLACE / "reached", PLACE / "desks"
    place.mkdir(parents=True, exist_ok=True)
    desks.mkdir(exist_ok=True)
    files = sorted({path for name in asked for path in found_tests(tree / name)})
    for path in place.glob("tests-*.json"):
        if path not in {
            record(place, file.relative_to(tree).as_posix()) for file in found_tests(tree / "tests")
        }:
            path.unlink()
    new = [file.relative_to(tree).as_posix() for file in files if not is_current(file, tree, place)]
    (tree / "sitecustomize.py").write_text(WATCHED, "utf-8")
    os.environ["PACKFOLIO_TEST_DESK"] = str(desks)
    for folder in dict.fromkeys(name.split("/")[1] for name in new):
        of_folder = [name for name in new if name.split("/")[1] == folder]
        print(f"asking {len(of_folder)} files of tests/{folder} which lines they run", flush=True)
        traced(of_folder, tree, place, end)
    (tree / "sitecustomize.py").unlink()
    if new:
        shutil.rmtree(PLACE / "kept", ignore_errors=True)
        shutil.copytree(desks, PLACE / "kept", symlinks=True)


def found_tests(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("test_*.py"))


def is_current(file: Path, tree: Path, place: Path) -> bool:
    told = record(place, file.relative_to(tree).as_posix())
    return told.exists() and json.loads(told.read_text("utf-8"))["of"] == digest(file)


def examined(
    folder: str, asked: argparse.Namespace, tree: Path, reached: Reached, end: float
) -> list[Verdict]:
    """The verdict on each mutant of a folder's sample, or on those that the minutes allow."""
    files = sorted(path for path in (tree / folder).rglob("*.py") if asked.only in path.as_posix())
    places = [found for path in files for found in mutants(path)]
    log = PLACE / f"{folder}-{asked.seed}.jsonl"
    chosen = sample(places, asked.mutants, f"{asked.seed}", tree)
    known = verdicts_in(log)
    tests = {
        key: candidates(mutant, tree, reached)
        for key, mutant in chosen
        if key not in known or (asked.again and known[key] in ("", NOTHING))
    }
    files_of_tests = sorted({test.partition("::")[0] for some in tests.values() for test in some})

    def work(session: Session) -> None:
        for key, mutant in chosen:
            if key in tests and time.monotonic() < end:
                began = time.monotonic()
                said = noticed(mutant, tests[key], asked.seconds, session, reached)
                with log.open("a", encoding="utf-8") as out:
                    out.write(json.dumps({"mutant": key, "noticed_by": said}) + "\n")
                took = time.monotonic() - began
                print(
                    f"{took:5.0f} s  {shown(mutant, tree)}  {said or 'SURVIVED'}",
                    file=session.out,
                    flush=True,
                )

    if files_of_tests:
        in_session(tree, files_of_tests, work)
    known = verdicts_in(log)
    return [Verdict(mutant, known[key]) for key, mutant in chosen if key in known]


def verdicts_in(log: Path) -> dict[str, str]:
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    return {told["mutant"]: told["noticed_by"] for told in map(json.loads, lines)}


def shown(mutant: Mutant, tree: Path) -> str:
    return str(mutant).replace(f"{tree.as_posix()}/", "")


def noticed(mutant: Mutant, tests: list[str], seconds: float, session: Session, reached: Reached) -> str:
    """The test that notices; a test that fails without the mutant too notices nothing, and is tried no more."""
    built = reached.by_fixture(mutant.path.relative_to(session.tree).as_posix(), {mutant.line})
    while chosen := reached.within([test for test in tests if test in reached.tests], seconds):
        original = mutant.path.read_bytes()
        desks(own=bool(built))
        mutant.path.write_bytes(mutant.apply(original))
        os.utime(mutant.path, (time.time() + 9, time.time() + 9))  # a cached bytecode is told by its second
        try:
            said = session.first_failure(chosen, mutant)
        finally:
            mutant.path.write_bytes(original)
            os.utime(mutant.path, (0, 0))
        test = said.removeprefix("hung in ")
        if test not in chosen or test in reached.sure:
            return said
        desks(own=False)
        if not session.first_failure([test], None):
            reached.sure.add(test)
            return said
        del reached.tests[test]
    return NOTHING


def desks(own: bool) -> None:
    """Lets tests find the desks built that the mutant has no part in."""
    os.environ.pop("PACKFOLIO_TEST_DESK", None)
    if not own:
        shutil.rmtree(PLACE / "desks", ignore_errors=True)
        shutil.copytree(PLACE / "kept", PLACE / "desks", symlinks=True)
        os.environ["PACKFOLIO_TEST_DESK"] = str(PLACE / "desks")


def sample(places: list[Mutant], wanted: int, seed: str, tree: Path) -> list[tuple[str, Mutant]]:
    """As many mutants as wanted with their keys, no two of one place.

    A smaller sample is the beginning of a larger one, and an edit elsewhere leaves the draw as it was.
    """
    by_place: dict[tuple[Path, int], list[Mutant]] = {}
    for found in places:
        by_place.setdefault((found.path, found.start), []).append(found)
    times: Counter[str] = Counter()
    labelled: list[tuple[str, str, Mutant]] = []
    for at in sorted(by_place):
        before = by_place[at][0].change.partition("` -> `")[0]
        label = f"{at[0].relative_to(tree).as_posix()} {before}"
        times[label] += 1
        mutant = min(by_place[at], key=lambda one: drawn(seed, one.change))
        key = f"{label} {times[label]} {mutant.change.partition('` -> `')[2]}"
        labelled.append((drawn(seed, f"{label} {times[label]}"), key, mutant))
    return [(key, mutant) for _, key, mutant in sorted(labelled, key=lambda one: one[:2])[:wanted]]


def drawn(seed: str, text: str) -> str:
    return hashlib.sha256(f"{seed} {text}".encode()).hexdigest()


def write(folder: str, how: str, verdicts: list[Verdict]) -> None:
    """Puts a folder's section in its place; what was remarked on a survivor stays with it, other sections last."""
    old = RESULTS.read_text("utf-8") if RESULTS.exists() else ""
    listed = re.findall(r"^- `([^:`]+):\d+` (.*?)  — (.+)$", old, re.MULTILINE)
    remarks = {(file, change): remark for file, change, remark in listed}
    sections: dict[str, Any] = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", old, re.MULTILINE | re.DOTALL))
    survivors = [v for v in verdicts if v.noticed_by in ("", NOTHING)]
    noticed = len(verdicts) - len(survivors)
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    lines = [
        f"{noticed} of {len(verdicts)} mutants noticed ({noticed / max(1, len(verdicts)):.0%}), {how}, {day}",
        "",
    ]
    for verdict in sorted(survivors, key=lambda one: (one.mutant.path, one.mutant.line)):
        mutant = verdict.mutant
        name = mutant.path.relative_to(PLACE / "tree").as_posix()
        remark = remarks.get((name, mutant.change), "") or verdict.noticed_by
        lines.append(f"- {shown(mutant, PLACE / 'tree')}" + (f"  — {remark}" if remark else ""))
    sections[folder] = "\n" + "\n".join(lines).rstrip() + "\n\n"
    kept = [name for name in FOLDERS if name in sections]
    table = "".join(f"| {name} | {sections[name].strip().splitlines()[0]} |\n" for name in kept)
    others = [name for name in sections if name not in FOLDERS]
    body = "".join(f"## {name}\n{sections[name].rstrip()}\n\n" for name in [*kept, *others])
    RESULTS.write_text(f"{ABOUT}\n| folder | result |\n|---|---|\n{table}\n{body}".rstrip() + "\n", "utf-8")


if __name__ == "__main__":
    main()
