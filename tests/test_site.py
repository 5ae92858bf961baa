"""The documents as a site: every page is in its navigation, no link is broken, and nothing is fetched to read it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from source_tree import ROOT

FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*>"""
    r"""|<link\b[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon|modulepreload)[^>]*\bhref=["']?(?:https?:)?//[^>]*>"""
    r"""|<link\b[^>]*\bhref=["']?(?:https?:)?//[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon)[^>]*>""",
    re.IGNORECASE,
)
IMPORTED = re.compile(r"""@import\s+(?:url\()?["']?(?:https?:)?//|url\(["']?(?:https?:)?//""")


def test_every_page_of_the_navigation_is_there() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    named = re.findall(r"[\w./-]+\.md", str(settings["nav"]))
    joined = {"index.md": "README.md"}
    missing = [
        n
        for n in named
        if not (ROOT / "docs" / n).exists()
        and not (ROOT / joined.get(n, n.removesuffix(".md") if n == "LICENSE.md" else n)).exists()
    ]
    assert missing == [] and len(named) == len(set(named))


@pytest.mark.parametrize(
    "text",
    ['<script src="https://x.org/a.js">', "<script defer src=//x.org/a.js>", '<link rel="stylesheet" href="https://x.org/a.css">',
     "<link href=https://fonts.gstatic.com rel=preconnect crossorigin>", '<img alt="" src="http://x.org/a.png">'],
)  # fmt: skip
def test_what_would_be_fetched_is_found(text: str) -> None:
    assert FETCHED.search(text) and not FETCHED.search(
        text.replace("https://", "a/").replace("http://", "a/").replace("//", "")
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with every warning an error."""
    pytest.importorskip("material", reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.mark.slow
@pytest.mark.xdist_group("site")
def test_the_site_is_built_without_a_broken_link_and_fetches_nothing(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 80 and (site / "search" / "search_index.js").stat().st_size > 100_000
    told = (site / "notebooks" / "audit.html").read_text("utf-8")
    assert 'href="audit.ipynb"' in told and "<code>" in told
    fetched = {page.name: found[0] for page in pages if (found := FETCHED.search(page.read_text("utf-8")))}
    assert fetched == {}
    assert [path for path in site.rglob("*.css") if IMPORTED.search(path.read_text("utf-8"))] == []


@pytest.mark.slow
@pytest.mark.xdist_group("site")
@pytest.mark.filterwarnings("default")
def test_the_site_opens_and_searches_from_a_folder(site: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra browser is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is here")
    asked: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(f"https://error/{error}"))
        page.goto((site / "concepts" / "index.html").as_uri())
        page.click(".md-search__input")
        page.type(".md-search__input", "watermark", delay=30)
        page.wait_for_selector(".md-search-result__item", timeout=30_000)
        page.fill(".md-search__input", "")
        page.type(".md-search__input", "turnover", delay=30)
        page.get_by_role("heading", name="Limit a portfolio").wait_for()
        first = page.locator(".md-search-result__item > a h1").all_inner_texts()[:5]
        browser.close()
    # No decision.
    assert "Limit a portfolio" in first and not [title for title in first if title[0].isdigit()]
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
