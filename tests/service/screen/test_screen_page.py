"""The page itself, run without a browser against a real server: it shows answers and, when there are none, words."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import pytest
import uvicorn
from source_tree import ROOT
from streamlit.testing.v1 import AppTest

from service.api import create_app
from service.settings import Settings

PAGE = str(ROOT / "service" / "screen" / "app.py")
TABS = [
    "Trades",
    "Weights",
    "Exposures",
    "Impact",
    "Frontier",
    "Scenarios",
    "Hedges",
    "Regime",
    "Factors",
    "Performance",
    "Compare packs",
]


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    """A server on a free port of the loopback address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(replace(settings)), log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(address: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("PACKFOLIO_API", address)
    page = AppTest.from_file(PAGE, default_timeout=30).run()
    return page.sidebar.selectbox[1].select("mixed").run()


def test_the_button_gives_trades(page: AppTest) -> None:
    page.button[0].click().run()
    assert not page.exception
    actions = [row["Action"] for row in page.dataframe[0].value.to_dict("records")]
    shown = {metric.label: metric.value for metric in page.metric}["Trade Count"]
    assert (len(actions), shown) == (8, f"{8 - actions.count('HOLD')}") and "HOLD" in actions
    assert "turnover limit" in page.warning[0].value


def test_every_tab_shows_something(page: AppTest) -> None:
    page.button[0].click().run()
    for tab in TABS:
        page.session_state["tab"] = tab
        page.run()
        assert not page.exception and not page.error, tab
        shown = page.dataframe or page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")
        why = {"Compare packs": "only fresh pack", "Factors": "no factor model"}.get(tab)
        assert shown or (why and why in page.info[0].value), tab


def test_shocks_of_ones_own_are_priced_as_the_api_does(page: AppTest, address: str) -> None:
    page.button[0].click().run()
    page.session_state["tab"] = "Scenarios"
    page.run()
    before = len(page.dataframe)
    page.number_input(key="shock equity_pct").set_value(-30.0).run()
    assert not page.exception and not page.error
    assert len(page.dataframe) == before + 1
    tables = [one.value for one in page.dataframe]
    [shown] = [one for one in tables if list(one.get("Scenario", [])) == ["Custom shocks"]]
    assert shown["Profit %"].iloc[0] < -5


def test_a_refusal_is_said_in_words(page: AppTest) -> None:
    page.sidebar.slider[2].set_value(1.0).run()
    page.sidebar.slider[0].set_value(10.0).run()
    page.button[0].click().run()
    assert not page.exception
    assert page.error or page.warning


def test_the_frontier_has_the_proposal_beside_it(page: AppTest) -> None:
    page.button[0].click().run()
    page.session_state["tab"] = "Frontier"
    page.run()
    told = page.dataframe[-1].value.set_index("What")
    assert {"frontier", "held now", "proposed"} == set(told.index)
    answer = page.session_state["answer"][1]
    assert told.loc["proposed", "Volatility %"] == pytest.approx(answer["post_volatility_pct"], abs=0.006)
    assert told.loc["held now", "Volatility %"] == pytest.approx(answer["current_volatility_pct"], abs=0.006)


def test_a_proposal_says_what_it_was_saved_as(page: AppTest, settings: Settings) -> None:
    page.button[0].click().run()
    lines = settings.decisions.read_bytes().splitlines()
    digest = sha256(lines[-1]).hexdigest()[:12]
    [said] = [caption.value for caption in page.caption if caption.value.startswith("Saved at")]
    assert f"as decision {digest}, trace {json.loads(lines[-1])['trace_id']};" in said


def test_no_api_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKFOLIO_API", "http://127.0.0.1:9")
    page = AppTest.from_file(PAGE, default_timeout=30).run()
    assert not page.exception
    assert "packfolio api" in page.error[0].value
