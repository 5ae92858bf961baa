"""An example of each command, which its --help shows and the reference prints."""

from collections.abc import Iterator

import typer

EXAMPLES = {
    "accounts list": "packfolio accounts list smith --outcome no_trade",
    "accounts show": "packfolio accounts show main",
    "anchor checkpoint": "packfolio anchor checkpoint > checkpoint.txt",
    "anchor keygen": "packfolio anchor keygen ~/keys/desk.pem",
    "anchor revoke": "packfolio anchor revoke lost.pub --reason 'the laptop was stolen'",
    "anchor rotate": "packfolio anchor rotate ~/keys/next.pem",
    "anchor stamp": "packfolio anchor stamp https://tsa.example.org --roots roots.pem",
    "api": "packfolio api --port 8000",
    "attribution": "packfolio attribution main --from 2024-01-01",
    "backfill": "packfolio backfill 2024-01-02 2024-03-28",
    "backtest": "packfolio backtest --portfolio main",
    "backup": "packfolio backup --to /backups --keep 30",
    "check": "packfolio check proof.json --key desk.pub",
    "doctor": "packfolio doctor db",
    "explain": "packfolio explain PP_2024-03-28 AAPL --portfolio main",
    "holdings import": "packfolio holdings import positions.csv --portfolio main",
    "impact": "packfolio impact --portfolio main",
    "ingest": "packfolio ingest --source inbox",
    "init": "packfolio init desk --prices example",
    "packs diff": "packfolio packs diff PP_2024-03-27 PP_2024-03-28",
    "packs list": "packfolio packs list",
    "packs replay": "packfolio packs replay PP_2024-03-28",
    "packs restatements": "packfolio packs restatements",
    "packs revise": "packfolio packs revise 2024-03-28 --reason 'the vendor corrected AAPL'",
    "packs show": "packfolio packs show latest",
    "packs verify": "packfolio packs verify PP_2024-03-28",
    "prove": "packfolio prove trades PP_2024-03-28 AAPL main > proof.json",
    "regime": "packfolio regime latest",
    "report": "packfolio report --portfolio main --format pdf",
    "restore": "packfolio restore /backups/2024-03-28",
    "run": "packfolio run --as-of 2024-03-28",
    "screen": "packfolio screen --port 8501",
    "stress": "packfolio stress --scenario equity_selloff",
    "trace": "packfolio trace trades PP_2024-03-28 AAPL main",
    "trades": "packfolio trades PP_2024-03-28 --portfolio main",
    "ui": "packfolio ui --read-only",
    "witness": "packfolio witness proof.json --key desk.pub --sign-with witness.pem --seen seen.txt",
}


def commands(app: typer.Typer, above: str = "") -> Iterator[tuple[str, typer.models.CommandInfo]]:
    """Every command by its words."""
    for info in app.registered_commands:
        callback = info.callback
        yield f"{above}{info.name or (callback.__name__ if callback else '')}".replace("_", "-"), info
    for group in app.registered_groups:
        if group.typer_instance:
            yield from commands(group.typer_instance, f"{above}{group.name} ")


def register(app: typer.Typer) -> None:
    """Put its example under each command; a command without one is a KeyError."""
    for name, info in commands(app):
        info.epilog = f"Example: {EXAMPLES[name]}"
