"""The screen in a real Chromium: a desk's morning by mouse and by keyboard, and what is said when it fails.

Screenshots go to PACKFOLIO_SCREENSHOTS where that names a folder. `make test-browser` installs what this needs:
Playwright, and axe-core, which checks that everybody can read the page.
"""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from source_tree import ROOT

from service.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
SECONDS = 30_000
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
TABS = (
    "Trades", "Weights", "Exposures", "Impact", "Frontier", "Scenarios", "Hedges", "Regime", "Factors", "Performance",
    "Compare packs",
)  # fmt: skip


def wait_for(url: str) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own address
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"{url} does not answer")


@pytest.fixture(scope="module")
def desk(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the desk with an earlier pack too, so that there are two to compare."""
    copied = tmp_path_factory.mktemp("morning") / "desk"
    shutil.copytree(settings.home.parent, copied)
    environment = {
        **os.environ,
        "PACKFOLIO_HOME": str(copied / "home"),
        "PACKFOLIO_CONFIG": str(copied / "config"),
    }
    command = [sys.executable, "-m", "pipeline", "run", "--as-of", "2025-10-23", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return copied / "home"


@pytest.fixture(scope="module")
def processes(desk: Path) -> Iterator[Any]:
    """Starts `packfolio api` and `packfolio screen` as a desk does; gives a function that starts one more."""
    started: list[subprocess.Popen[bytes]] = []

    def start(command: str, *more: str, path: str, **extra: str) -> str:
        port = free_port()
        environment = {
            **os.environ, "PACKFOLIO_HOME": str(desk), "PACKFOLIO_CONFIG": str(desk.parent / "config"), **extra,
        }  # fmt: skip
        arguments = [sys.executable, "-m", "pipeline", command, "--port", str(port), *more]
        quiet = subprocess.DEVNULL
        started.append(subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet))
        wait_for(f"http://127.0.0.1:{port}{path}")
        return f"http://127.0.0.1:{port}"

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(20)


@pytest.fixture(scope="module")
def screen(processes: Any) -> str:
    api = processes("api", path="/health")
    return str(processes("screen", "--api", api, path="/_stcore/health"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the browser test needs `make test-browser`"
    )
    with playwright.sync_playwright() as driver:
        options = {"args": ["--no-sandbox"]} | ({"executable_path": CHROMIUM} if CHROMIUM else {})
        try:
            chromium = driver.chromium.launch(**options)
        except playwright.Error as error:
            pytest.skip(
                f"there is no Chromium; install one, or run `playwright install chromium`: {error}"[:200]
            )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, screen: str) -> Iterator[Any]:
    page = opened(browser, screen)
    yield page
    page.close()


def opened(browser: Any, address: str, width: int = 1280, scheme: str = "light") -> Any:
    page = browser.new_page(
        viewport={"width": width, "height": 900}, accept_downloads=True, color_scheme=scheme
    )
    page.set_default_timeout(SECONDS)
    page.goto(address)
    page.get_by_role("heading", name="Portfolio Rebalancing").wait_for()
    return page


QUIET = (
    "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning' && "
    "!document.querySelector('[data-testid=stStatusWidget], [data-stale=true]')"
)


def settled(page: Any) -> None:
    """Nothing runs any more, and nothing on the page is a traceback."""
    for _ in range(2):  # a click's run may begin after the first look
        page.wait_for_timeout(400)
        page.wait_for_function(QUIET)
    text = page.inner_text("body")
    assert "Traceback" not in text and "Error:" not in text, text[-800:]


def shot(page: Any, name: str) -> None:
    """A picture of all of the page, which scrolls inside the window."""
    if folder := os.environ.get("PACKFOLIO_SCREENSHOTS"):
        before = page.viewport_size
        tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": before["width"], "height": max(tall, before["height"])})
        page.wait_for_timeout(500)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))
        page.set_viewport_size(before)


def choose(page: Any, label: str, value: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=value, exact=True).click()
    settled(page)


def show(page: Any, tab: str) -> None:
    names = {"name": tab, "exact": True}
    page.get_by_role("button", **names).or_(page.get_by_role("radio", **names)).first.click()
    settled(page)


def generate(page: Any) -> None:
    page.get_by_role("button", name="Generate Rebalance Trades").click()
    page.get_by_text("Trade Count").wait_for()
    settled(page)


def test_a_morning_at_the_desk(page: Any, tmp_path: Path) -> None:
    choose(page, "Portfolio", "mixed")
    choose(page, "Optimization Method", "max_sharpe")
    generate(page)
    assert "Proposed Trades" in page.inner_text("body")
    shot(page, "trades")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    waiting.value.save_as(tmp_path / "trades.csv")
    lines = (tmp_path / "trades.csv").read_text("utf-8").splitlines()
    assert lines[0].startswith("Action,Symbol,Shares") and len(lines) == 9
    wanted = {
        "Weights": "Weights before and after", "Exposures": "looked through leverage", "Impact": "Value changes by",
        "Frontier": "Efficient frontier", "Scenarios": "the worst first", "Hedges": "Loss left",
        "Regime": "A score is not a probability",
        "Factors": "no factor model", "Performance": "The book from pack to pack",
        "Compare packs": "Target weights of the daily run",
    }  # fmt: skip
    for tab, said in wanted.items():
        show(page, tab)
        page.get_by_text(said, exact=False).first.wait_for()
        settled(page)
        drawn = page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg")
        if tab in ("Weights", "Exposures", "Frontier", "Scenarios"):
            drawn.first.wait_for()
        shot(page, tab.lower().replace(" ", "-"))


def test_it_works_without_a_mouse(page: Any) -> None:
    """Tab reaches the slider and the button, the arrows and Enter use them."""
    slider = page.get_by_role("slider", name="Maximum Turnover %")
    before = float(slider.input_value())
    told = "document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"
    for _ in range(40):
        page.keyboard.press("Tab")
        if (at := page.evaluate(told)) == "Maximum Turnover %":
            page.keyboard.press("ArrowLeft")
            settled(page)
            assert float(slider.input_value()) == before - 5
        if at == "Generate Rebalance Trades":
            page.keyboard.press("Enter")
            break
    page.get_by_text("Trade Count").wait_for()
    settled(page)


def test_an_answer_to_other_limits_is_grey(page: Any) -> None:
    choose(page, "Portfolio", "mixed")
    generate(page)
    number = page.get_by_role("spinbutton", name="Maximum Turnover %, exact")
    number.fill("12.5")
    number.press("Enter")
    page.get_by_role("button", name="Generate again").wait_for()
    settled(page)
    grey = "getComputedStyle(document.querySelector('.st-key-stale-totals')).opacity"
    assert float(page.evaluate(grey)) < 0.6
    assert number.input_value() == "12.5"
    assert page.get_by_role("button", name="Download CSV").is_disabled()
    shot(page, "stale")
    page.get_by_role("button", name="Generate again").click()
    page.get_by_role("button", name="Generate Rebalance Trades").wait_for()
    settled(page)
    assert page.locator(".st-key-stale-totals").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 420])
def test_everybody_can_read_every_tab(browser: Any, screen: str, width: int, scheme: str) -> None:
    axe = Path(pytest.importorskip("axe_playwright_python").__file__).with_name("axe.min.js")
    page = opened(browser, screen, 1440, scheme)
    choose(page, "Portfolio", "mixed")
    generate(page)
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(axe.read_text("utf-8"))
    faults = []
    for tab in TABS:
        show(page, tab)
        found = page.evaluate(f"axe.run(document, {{runOnly: {WCAG}}})")
        faults += [(tab, fault["id"], fault["nodes"][0]["html"][:120]) for fault in found["violations"]]
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        faults += [(tab, "wider than the window", wider)] if wider > 0 else []
        shot(page, f"{tab.lower().replace(' ', '-')}-{width}-{scheme}")
    page.close()
    assert faults == []


@pytest.mark.parametrize("width", [1440, 420])
def test_everybody_can_read_the_report(browser: Any, desk: Path, tmp_path: Path, width: int) -> None:
    """Under all of axe's rules, not those of the WCAG alone: this page is ours from its first line."""
    axe = Path(pytest.importorskip("axe_playwright_python").__file__).with_name("axe.min.js")
    environment = {**os.environ, "PACKFOLIO_HOME": str(desk), "PACKFOLIO_CONFIG": str(desk.parent / "config")}
    command = [sys.executable, "-m", "pipeline", "report", "--out", str(tmp_path / "report.html")]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((tmp_path / "report.html").as_uri())
    page.evaluate(axe.read_text("utf-8"))
    found = page.evaluate("axe.run(document)")
    wide = "document.querySelectorAll('table[tabindex]').length"
    assert (page.evaluate(wide) > 0) == (width == 420)
    page.close()
    faults = [(fault["id"], fault["nodes"][0]["html"][:120]) for fault in found["violations"]]
    assert faults == [] and len(found["passes"]) > 20


def test_an_api_that_is_down_or_refuses_is_told_in_words(processes: Any, browser: Any) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    keyed = processes("api", path="/health", PACKFOLIO_API_KEYS="0" * 64)
    for api, said in ((nobody, "packfolio api"), (keyed, "X-API-Key")):
        page = opened(
            browser, processes("screen", "--api", api, path="/_stcore/health", PACKFOLIO_API_KEY="wrong")
        )
        page.get_by_text(said, exact=False).first.wait_for()
        settled(page)
        shot(page, f"refused-{said.split()[0]}")
        page.close()


def test_a_home_without_a_pack_is_told_in_words(processes: Any, browser: Any, tmp_path: Path) -> None:
    api = processes("api", path="/health", PACKFOLIO_HOME=str(tmp_path))
    page = opened(browser, processes("screen", "--api", api, path="/_stcore/health"))
    page.get_by_text("packfolio run", exact=False).first.wait_for()
    settled(page)
    shot(page, "no-pack")
    page.close()
