"""The documents keep their word: blocks run, excerpts are real, links lead somewhere, generated pages are current.

A ```python block runs as a program of its own, with the ```python on blocks after it; a ```python in peers block
runs in the environment of the peers, where that was made. A ```bash run block runs with `packfolio` on the path. All
blocks of a page run in one shell and one folder, in order. A ```text from: COMMAND block must be part of what the
command prints.
"""

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import fork_server
import pytest
from built_once import own_copy
from command_line import ROOT, Desk, example_with_prices

from optimizer.beliefs.estimators.recipes import COVARIANCES, MEANS
from optimizer.problem.methods import METHODS

pytestmark = pytest.mark.xdist_group("embedded")
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FOLDERS = "optimizer|resources|assets|pipeline|service|tests|docs|benchmarks|requirements"
LONGEST_RUN = 240  # seconds
PEERS = ROOT / ".peers" / "bin" / "python"


@dataclass(frozen=True)
class Block:
    """A fenced block: the page, its first line there, what follows the fence, and its text."""

    page: Path
    line: int
    kind: str
    text: str

    def as_shell(self) -> str:
        """The block as part of a shell script that says which block failed."""
        said = f"echo '== {self.page.relative_to(ROOT)}:{self.line}' >&2\n"
        if self.kind == "bash run":
            return said + self.text
        program = "python" if self.kind == "python" else str(PEERS)
        return said + f"{program} - <<'END_OF_BLOCK'\n{self.text}END_OF_BLOCK\n"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in FENCE.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found[1].strip(), found[2])


def runnable(page: Path) -> list[Block]:
    found: list[Block] = []
    for block in blocks(page):
        if block.kind == "python on":
            found[-1] = replace(found[-1], text=found[-1].text + block.text)
        elif block.kind in ("python", "bash run") or (block.kind == "python in peers" and PEERS.exists()):
            found.append(block)
    return found


RUNNABLE = [page for page in PAGES if runnable(page)]
EXCERPTS = [block for page in PAGES for block in blocks(page) if block.kind.startswith("text from: ")]


def name_of(item: Path | Block) -> str:
    return (item if isinstance(item, Path) else item.page).relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, dict[str, str]]:
    """A home in which the example portfolios were run, and what the run printed."""
    folder, printed = own_copy(tmp_path_factory, "documents", partial(_run, tmp_path_factory))
    return Desk(folder / "home", folder / "config"), {"packfolio run": printed}


def _run(factory: pytest.TempPathFactory, folder: Path) -> str:
    done = example_with_prices(factory, folder).packfolio("run")
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def shell(script: str, folder: Path, made: Desk) -> subprocess.CompletedProcess[str]:
    programs = folder / "programs"
    programs.mkdir()
    stand_in = f"{sys.executable} -SE {fork_server.__file__} call {fork_server.server()}"
    for name, start in (
        ("packfolio", f'exec {stand_in} packfolio "$@"'),
        ("python", f'case "$1" in -|-m) exec {stand_in} python "$@" ;; esac\nexec {sys.executable} "$@"'),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{start}\n")
        (programs / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    for name in ("PACKFOLIO_HOME", "PACKFOLIO_CONFIG", "PACKFOLIO_ANCHOR"):
        environment.pop(name, None)
    (folder / ".packfolio").symlink_to(made.home)
    (folder / "config").symlink_to(made.config)
    return subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST_RUN, check=False,
    )  # fmt: skip


# Pages whose blocks run the pipeline anew; each kind of run has a journey of its own by default.
ANEW = {"docs/tutorial.md", "docs/tutorial-factors.md", "docs/how-to/tax-lots.md"}
ASKED = [pytest.param(page, marks=pytest.mark.slow if name_of(page) in ANEW else ()) for page in RUNNABLE]


@pytest.mark.parametrize("page", ASKED, ids=name_of)
def test_the_blocks_of_a_page_run(page: Path, desk: tuple[Desk, dict[str, str]], tmp_path: Path) -> None:
    done = shell("\n".join(block.as_shell() for block in runnable(page)), tmp_path, desk[0])
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize("block", EXCERPTS, ids=name_of)
def test_an_excerpt_is_what_the_program_prints(block: Block, desk: tuple[Desk, dict[str, str]]) -> None:
    printed = " ".join(desk[1][block.kind.removeprefix("text from: ")].split())
    parts = [" ".join(part.split()) for line in block.text.splitlines() for part in line.split("…")]
    assert [part for part in parts if part not in printed] == []


def test_every_link_leads_somewhere() -> None:
    broken = [
        f"{name_of(page)}: {target}"
        for page in PAGES
        for target in LINK.findall(FENCE.sub("", page.read_text("utf-8")))
        if "://" not in target and not leads(page, *target.partition("#")[::2])
    ]
    assert broken == []


def leads(page: Path, path: str, anchor: str) -> bool:
    """Whether a link's page is there, and has a heading of the anchor's name."""
    place = page.parent / path if path else page
    if not anchor or not place.exists():
        return place.exists()
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", place.read_text("utf-8")), re.MULTILINE)
    return anchor in {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", head).strip().lower()) for head in heads}


def test_every_file_that_a_page_names_is_there() -> None:
    named = re.compile(rf"`((?:{FOLDERS})/[^`\s<>*]+)`")
    missing = [
        f"{name_of(page)}: {path}"
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for path in named.findall(page.read_text("utf-8"))
        if "NNNN" not in path and not (ROOT / path).exists()
    ]
    assert missing == []


FILE = r"`((?:[\w.-]+/)*[\w-]+\.(?:py|sql))`"
NAME = r"`([A-Za-z_]\w*)`"
# As pages say it: `name` of `file`, `file` (`name`, and in a walk `file` -> `name`.
IN_FILE = re.compile(rf"{NAME}\s+(?:of|in|to)\s+{FILE}|{FILE}\s+(?:\(|->\s+){NAME}")


def test_every_program_that_a_page_names_by_its_end_is_there_with_what_it_is_said_to_hold() -> None:
    programs = [path for folder in FOLDERS.split("|") for path in (ROOT / folder).rglob("*.[ps][yq]*")]
    names = "".join(f"/{name_of(path)}\n" for path in programs)
    faults, held = list[str](), 0
    for page in (page for page in PAGES if page.name != "CHANGELOG.md" and page.parent.name != "decisions"):
        text = page.read_text("utf-8")
        lacking = [file for file in re.findall(FILE, text) if f"/{file}\n" not in names]
        faults += [f"{name_of(page)}: {file}" for file in lacking]
        for found in IN_FILE.finditer(text):
            name, file = (found[1], found[2]) if found[1] else (found[4], found[3])
            there = [path.read_text("utf-8") for path in programs if path.as_posix().endswith(f"/{file}")]
            if not any(re.search(rf"\b{name}\b", code) for code in there):
                faults.append(f"{name_of(page)}: {name} in {file}")
            held += 1
    assert faults == [] and held > 5


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    to_do = [ROOT / "README.md"]
    while to_do:
        page = to_do.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        targets = LINK.findall(page.read_text("utf-8"))
        to_do += [(page.parent / t.partition("#")[0]).resolve() for t in targets if "://" not in t]
    decisions = ROOT / "docs" / "decisions"
    assert [name_of(page) for page in PAGES if page not in seen and page.parent != decisions] == []


def test_generated_pages_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    made = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()
    stale = [
        name for name, text in made.items() if (ROOT / "docs" / "reference" / name).read_text("utf-8") != text
    ]
    assert stale == [], "run: .venv/bin/python docs/generate.py"


def test_what_follows_from_the_wings_is_current() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "wings.py"))["written"]()
    stale = [path.name for path, text in made.items() if path.read_text("utf-8") != text]
    assert stale == [], "run: .venv/bin/python docs/wings.py"


def test_every_method_and_estimator_is_described() -> None:
    said = "".join(page.read_text("utf-8") for page in (ROOT / "docs" / "methods").glob("*.md"))
    assert [name for name in (*METHODS, *MEANS, *COVARIANCES) if f"`{name}`" not in said] == []


def test_every_image_is_shown_and_small_enough_to_clone() -> None:
    shown = "".join(page.read_text("utf-8") for page in PAGES)
    images = sorted((ROOT / "docs" / "images").iterdir())
    assert [image.name for image in images if image.name not in shown] == []
    assert [image.name for image in images if image.stat().st_size > 200_000] == []
