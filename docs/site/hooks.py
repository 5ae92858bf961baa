"""What mkdocs does beside its configuration: the pages at the root of the repository join the site.

Blocks are written for the tests ("python on", "bash run", "text from: ..."): a reader sees the language alone.
"""

import json
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
# Page of the repository -> page of the site.
JOINED = {"README.md": "index.md", "LICENSE": "LICENSE.md"} | {
    name: name
    for path in [*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md")]
    if (name := path.relative_to(ROOT).as_posix()) != "README.md"
}
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
# How much a hit counts in the search: what one does stands before why it was decided and what changed when.
BOOST = {
    "how-to/": 4.0,
    # Whoever searches to add a portfolio edits a desk, not the program.
    **dict.fromkeys(
        [
            f"how-to/{page}"
            for page in (
                "add-a-limit",
                "add-a-method",
                "add-a-stage",
                "add-an-estimator",
                "add-your-own-asset",
                "change-a-table",
                "factor-report",
            )
        ],
        1.5,
    ),
    "methods/": 2.0,
    "reference/library": 0.5,
    "decisions/": 0.4,
    "CHANGELOG": 0.2,
    "benchmarks/": 0.3,
    "architecture": 0.5,
}
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
FENCE = re.compile(r"^```(\w+) [^\n]*$", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Every page is in the navigation: what mkdocs.yml does not name stands at the end of its folder's part."""
    named = set(re.findall(r"[\w./-]+\.md", str(config.nav)))
    docs = {name.lower(): name for name in ("Decisions", "How-to", "Methods", "Reference")}
    places = {folder: (ROOT / "docs" / folder, title) for folder, title in docs.items()}
    places["benchmarks"] = (ROOT / "benchmarks", "Compared")
    for part in config.nav or []:
        for folder, (place, title) in places.items():
            if title in part:
                pages = sorted(p.name for p in place.glob("*.md"))
                part[title] += [f"{folder}/{name}" for name in pages if f"{folder}/{name}" not in named]
        if "Notebooks" in part:
            part["Notebooks"] += [f"notebooks/{book.stem}.md" for book in NOTEBOOKS]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages outside docs/ join, and a page for each notebook."""
    for source, target in JOINED.items():
        text = (ROOT / source).read_text("utf-8")
        text = f"# Licence\n\n```\n{text}```\n" if source == "LICENSE" else text
        files.append(File.generated(config, target, content=text))
    for book in NOTEBOOKS:
        files.append(File.generated(config, f"notebooks/{book.stem}.md", content=_page_of(book)))
    return files


def _page_of(book: Path) -> str:
    """A notebook's cells as a page that ends in the notebook itself."""
    cells = [
        (cell["cell_type"], "".join(cell["source"])) for cell in json.loads(book.read_text("utf-8"))["cells"]
    ]
    parts = [text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in cells]
    return "\n\n".join([*parts, f'<a href="{book.name}" download>The notebook, to run it</a>\n'])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as the site has its pages, fences without what is for the tests, and the page's place in the search."""
    places = {target: source for source, target in JOINED.items()}
    here = places.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    for start, boost in BOOST.items():
        if page.file.src_uri.startswith(start):
            page.meta["search"] = {"boost": boost}

    def moved(found: re.Match[str]) -> str:
        path, mark, anchor = found[2].partition("#")
        if not path or "://" in path:
            return found[0]
        whole = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
        target = JOINED.get(whole, whole.removeprefix("docs/"))
        target = f"{target.removesuffix('.ipynb')}.md" if target.endswith(".ipynb") else target
        return f"{found[1]}{_relative(target, page)}{mark}{anchor}{found[3]}"

    return FENCE.sub(r"```\1", LINK.sub(moved, markdown))


def _relative(target: str, page: Page) -> str:
    return posixpath.relpath(target, posixpath.dirname(page.file.src_uri) or ".")
