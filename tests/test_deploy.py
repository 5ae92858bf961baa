"""What deploy/ starts exists under the names it uses, and no port is open that should not be."""

import shlex
import shutil
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml
from deployed import COMPOSE, DEPLOY, OURS, UNITS, unit
from source_tree import ROOT

PROGRAMS = set(entry_points(group="console_scripts").names)


def commands() -> list[list[str]]:
    """Every command of ours that compose and systemd start."""
    found = [COMPOSE["services"][name]["command"] for name in OURS]
    found = [words for words in found if words[0] != "sh"]
    for path in UNITS:
        program, *words = shlex.split(unit(path)["Service"]["ExecStart"])
        found.append([Path(program).name, *words])
    return found


def test_every_program_is_installed_by_our_locks() -> None:
    assert {words[0] for words in commands()} <= PROGRAMS | {"dask"}
    assert {"packfolio", "dagster-webserver", "dagster-daemon", "dask"} == {words[0] for words in commands()}
    for name in ("screen", "prepare"):
        assert COMPOSE["services"][name]["command"][0] == "sh"


def test_compose_names_only_what_it_defines() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        wanted = set(service.get("depends_on", ()))
        assert wanted <= set(services), name
        assert set(service.get("networks", ())) <= set(COMPOSE["networks"]), name
        mounted = {volume.split(":")[0] for volume in service.get("volumes", ())}
        assert {one for one in mounted if not one.startswith(".")} <= set(COMPOSE["volumes"]), name
    assert set(OURS) == {"prepare", "web", "daemon", "scheduler", "worker", "api", "screen"}


def test_only_the_proxy_is_reached_from_outside() -> None:
    services = COMPOSE["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert [name for name, service in services.items() if "outside" in service["networks"]] == ["proxy"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    proxy = (DEPLOY / "Caddyfile").read_text("utf-8")
    for block in proxy.split("\thandle ")[1:]:
        keyed = "reverse_proxy api:8000" in block  # the API asks for keys of its own
        assert keyed or "basic_auth" in block


def test_no_secret_is_written_down() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            for line in path.read_text("utf-8").splitlines():
                name, _, value = line.partition(":")
                if "PASSWORD" in name and not line.lstrip().startswith("#") and "{" not in name:
                    assert "${" in value, f"{path.name}: {line}"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_restarts_and_writes_nowhere_else(path: Path) -> None:
    found = unit(path)
    assert found["Service"]["Restart"] == "on-failure"
    assert found["Service"]["ProtectSystem"] == "strict"
    assert found["Service"]["EnvironmentFile"] == "/etc/packfolio.env"
    assert found["Install"]["WantedBy"] == "multi-user.target"
    for word in shlex.split(found["Service"]["ExecStart"]):
        assert "0.0.0.0" not in word  # noqa: S104  what is looked for


def test_dagster_accepts_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dagster_postgres", reason="packfolio[postgres] is not installed")
    from dagster._core.instance.config import dagster_instance_config

    for name in ("HOST", "USER", "PASSWORD", "DB", "PORT"):
        monkeypatch.setenv(f"PACKFOLIO_POSTGRES_{name}", "5432")
    shutil.copy(DEPLOY / "dagster-postgres.yaml", tmp_path / "dagster.yaml")
    found, _ = dagster_instance_config(str(tmp_path))
    told = yaml.safe_load((DEPLOY / "dagster-postgres.yaml").read_text("utf-8"))
    assert set(told) <= set(found) | {"storage"}
    given = {name for name in COMPOSE["x-packfolio"]["environment"] if "POSTGRES" in name}
    assert given == {
        item["env"] for item in told["storage"]["postgres"]["postgres_db"].values() if "env" in item
    }


def test_the_chart_gets_the_location_that_the_workspace_names() -> None:
    values = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text("utf-8"))
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text("utf-8"))
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    module = workspace["load_from"][0]["python_module"]
    assert deployment["name"] == module["location_name"]
    assert deployment["dagsterApiGrpcArgs"] == ["-m", module["module_name"]]
    assert values["runLauncher"]["type"] == "K8sRunLauncher"
    assert (
        values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]["maxConcurrentRuns"] == 1
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_knows_its_options(words: list[str]) -> None:
    program = ROOT / ".venv" / "bin" / words[0]
    if not program.exists():
        pytest.skip(f"{program} is not there: make install")
    verbs = [] if words[0] == "dagster-webserver" else words[1:2]
    said = subprocess.run([program, *verbs, "--help"], capture_output=True, text=True, check=True)
    told = said.stdout + said.stderr
    assert [word for word in words if word.startswith("-") and word not in told] == []
