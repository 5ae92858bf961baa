"""The commands that become a server, so that a signal to the command is a signal to what serves."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from pipeline.commands.terminal import readable_or_none
from pipeline.environment import Environment


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (ui, api, screen):
        app.command()(command)


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on the loopback address.")] = 3000,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="For auditors: look, launch nothing.")
    ] = False,
) -> None:
    """Open Dagster: assets, plots, lineage, runs. Loopback only: it has no authentication."""
    readable_or_none(live=not read_only)
    here = Environment.of_process()
    from pipeline.history import made_history

    with made_history(here):  # by this process alone: those that it starts would make it at once
        pass
    command = ["dagster-webserver", "--read-only"] if read_only else ["dagster", "dev"]
    arguments = ["-w", str(here.workspace), "-h", "127.0.0.1", "-p", str(port)]
    executable = os.path.join(os.path.dirname(sys.executable), command[0])  # noqa: PTH118, PTH120
    become([executable, *command[1:], *arguments])


def api(
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that others reach takes keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes; one a core solves the most.")] = 1,
) -> None:
    """Answer on demand over HTTP: trades, impact, hedges, stress. Loopback only without keys; docs under /docs."""
    readable_or_none()
    Environment.of_process().prepare()
    chosen = ["--host", host, "--port", str(port), "--workers", str(workers)]
    become([sys.executable, "-m", "service.http.server", *chosen])


def screen(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on the loopback address.")] = 8501,
    api_url: Annotated[str, typer.Option("--api", help="Address of the API.")] = "http://127.0.0.1:8000",
) -> None:
    """Open the desk's screen in the browser; it needs `packfolio api` running."""
    readable_or_none()
    page = Path(__file__).resolve().parents[2] / "service" / "screen" / "app.py"
    server = [
        "-m",
        "streamlit",
        "run",
        str(page),
        "--server.address",
        "127.0.0.1",
        "--server.port",
        str(port),
    ]
    quiet = [
        "--server.headless",
        "true",
        "--browser.gatherUsageStats",
        "false",
        "--client.toolbarMode",
        "viewer",
        "--theme.light.primaryColor",
        "#1f5aa6",
        "--theme.dark.primaryColor",
        "#7fb2ee",
        "--client.showErrorDetails",
        "none",
    ]
    become([sys.executable, *server, *quiet], PACKFOLIO_API=api_url)


def become(words: list[str], **changes: str) -> NoReturn:
    """Replace this process by a program, with these changes of its environment.

    There is no parent left that could end before its child: SIGTERM from systemd, docker or a shell reaches the server.
    """
    # A script's `&` and nohup leave SIGINT ignored, by which Dagster ends the processes that it started.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(words[0], words, {**os.environ, **changes})  # noqa: S606  our own words
