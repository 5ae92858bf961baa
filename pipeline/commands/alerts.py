"""Alerts on the command line: whether they would arrive."""

import typer

from optimizer import PolicyError
from pipeline.commands.terminal import Json, err, out, print_json
from pipeline.environment import Environment
from resources.ledger.record_error import FAILED

alerts = typer.Typer(no_args_is_help=True, help="What a desk is told without asking.")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(alerts, name="alerts")


@alerts.command("test")
def send_test(as_json: Json = False) -> None:
    """Send one test message to each channel of notify.yaml, and tell what each answered."""
    from resources.alerts.sending import channels, tried
    from resources.alerts.settings import load_notify

    environment = Environment.of_process()
    folder = environment.config
    notify = load_notify(folder)
    ways = {} if notify is None else channels(notify, environment.home)
    if not ways:
        raise PolicyError(
            f"{folder / 'notify.yaml'} names no channel: there is nowhere to send to; write one, as "
            f"docs/how-to/be-told.md shows"
        )
    found = tried(ways)
    if as_json:
        print_json({"channels": [vars(one) for one in found]})
    else:
        for one in found:
            style = "[green]taken[/green]" if one.taken else "[red]not taken[/red]"
            (out if one.taken else err).print(f"{style} {one.said}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if all(one.taken for one in found) else FAILED)
