"""A desk without scenarios, hedges, regimes and templates: what can be said is said, and the rest says why not."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from service_desk import PACK

from optimizer import PolicyError
from resources.settings.playbooks import FILES
from service import OptimizerService
from service.api import create_app
from service.desk import Desk
from service.report.contents import contents
from service.report.page import render
from service.screen import risk_panels
from service.settings import Settings


@pytest.fixture(scope="module")
def bare(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("bare")
    shutil.copytree(home.parent / "config", folder / "config")
    for name in FILES:
        (folder / "config" / name).unlink()
    return Settings(home, folder / "config", folder / "decisions.jsonl")


@pytest.fixture(scope="module")
def client(bare: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(bare), base_url="http://127.0.0.1", client=("127.0.0.1", 5000)) as found:
        yield found


def test_a_report_has_the_reason_in_the_place_of_its_scenarios(bare: Settings) -> None:
    desk = Desk(bare)
    report = contents(desk, PACK, "mixed")
    desk.published.close()
    (section,) = report.sections
    reason = (
        "the desk has no scenarios.yaml: copy it from the config/ of a desk made by "
        "`packfolio init example --prices example`, or do without"
    )
    assert section.stress is None and section.left_out["stress"] == reason
    page = render(report)
    assert f'<h3>Scenario losses</h3>\n<p class="soft">Left out: {reason}</p>' in page
    assert "Trades and why" in page


@pytest.mark.parametrize(
    ("pattern", "inputs", "lacking"),
    [
        ("portfolio_stress", {}, "scenarios.yaml"),
        ("portfolio_stress", {"custom_shocks": {"equity_pct": -10}}, "scenarios.yaml"),
        ("suggest_hedges", {"scenario_id": "equity_selloff"}, "scenarios.yaml, hedges.yaml"),
        ("suggest_deleveraging_hedges", {"regime": "REFLATION"}, "scenarios.yaml"),
        ("policy_rebalance", {"template": "defensive"}, "policy_templates.yaml"),
    ],
)
def test_the_api_says_which_file_it_would_need(
    client: TestClient, pattern: str, inputs: dict[str, Any], lacking: str
) -> None:
    body = {"pattern_id": pattern, "inputs": {"portfolio_id": "mixed", **inputs}}
    answer = client.post("/v1/execute", json=body)
    assert answer.status_code == 422
    those = "them" if "," in lacking else "it"
    assert answer.json()["message"].startswith(f"the desk has no {lacking}: copy {those}")


def test_the_rest_is_answered_and_the_catalogue_says_what_is_left_out(client: TestClient) -> None:
    body = {"pattern_id": "policy_rebalance", "inputs": {"portfolio_id": "mixed"}}
    assert client.post("/v1/execute", json=body).json()["trades"]
    catalogue = client.get("/v1/catalogue").json()
    assert set(catalogue["left_out"]) == {"scenarios", "hedges", "regimes", "policy_templates"}
    assert (catalogue["scenarios"], catalogue["regimes"], catalogue["templates"]) == ([], [], {})


def test_the_screen_has_the_reason_in_place_of_the_tab(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Direct:
        def get(self, path: str, **params: str) -> Any:
            return client.get(path, params=params).json()

        def execute(self, pattern: str, **inputs: Any) -> Any:
            raise AssertionError(f"nothing is to be asked of {pattern}")

    said: list[str] = []
    monkeypatch.setattr(risk_panels.st, "info", said.append)
    for show in (risk_panels.show_scenarios, risk_panels.show_hedges, risk_panels.show_regime):
        said.clear()
        show(Direct(), PACK, "mixed", "USD")  # type: ignore[arg-type]
        assert said and all(text.startswith("Left out: the desk has no ") for text in said)


def test_a_template_is_asked_of_a_desk_that_has_none(bare: Settings) -> None:
    desk = Desk(bare)
    assert OptimizerService(desk).desk.playbooks.missing == FILES
    with pytest.raises(PolicyError, match=r"no regimes\.yaml"):
        desk.playbooks.require("regimes.yaml")
    desk.published.close()
