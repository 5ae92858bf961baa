"""The command line: `packfolio --help`. Heavy imports stay inside commands, so that help and reading are instant."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from optimizer import PackfolioError, PolicyError
from pipeline.commands import alerts as alert_commands
from pipeline.commands import audit as audit_commands
from pipeline.commands import backfill as backfill_command
from pipeline.commands import daily_run, processes, usage
from pipeline.commands import init as init_command
from pipeline.commands import proofs as proof_commands
from pipeline.commands import risk as risk_commands
from pipeline.commands.audit import changes_since
from pipeline.commands.books import accounts as account_commands
from pipeline.commands.books import holdings as holdings_commands
from pipeline.commands.daily_run import AsOf
from pipeline.commands.packs import packs
from pipeline.commands.printed.machine_faults import is_damaged, machine_fault
from pipeline.commands.terminal import (
    Json,
    PackArgument,
    PortfolioOption,
    err,
    finish,
    history,
    out,
    print_json,
    reader,
    working,
)
from pipeline.commands.usage import UsageFault, tell
from pipeline.environment import Environment, keep_private
from resources.fleet.garbage import look_seldom
from resources.ledger.record_error import FAILED, FAULT, exit_status

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(packs, name="packs")


def _version(asked: bool) -> None:
    if not asked:
        return
    from importlib.metadata import version

    out.print(f"packfolio {version('packfolio')}", highlight=False)
    raise typer.Exit


@app.callback()
def packfolio(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Prices to trades, every number traceable."""
    del version


init_command.register(app)  # what a newcomer needs stands first in the list


def command() -> None:
    """What is typed; known errors, and what the machine refuses, become a line and an exit status, not a traceback."""
    look_seldom()
    keep_private()
    try:
        status = app(standalone_mode=False, prog_name="packfolio")
    except typer.Abort:
        err.print("ended by its user")
        sys.exit(FAILED)
    except UsageFault as error:
        tell(error)
    except PackfolioError as error:
        from resources.settings.policies.limit_words import reason_of

        err.print(f"[red]{type(error).__name__}[/red] {reason_of(error)}", highlight=False, soft_wrap=True)
        sys.exit(exit_status(error))
    except Exception as error:
        said = machine_fault(error, Environment.of_process().home)
        if said:
            err.print(f"[red]{type(error).__name__}[/red] {said}", highlight=False, soft_wrap=True)
            sys.exit(FAULT if is_damaged(error) else FAILED)
        raise
    sys.exit(status or 0)


daily_run.register(app)


@app.command()
def explain(
    pack: PackArgument,
    symbol: Annotated[str | None, typer.Argument(help="May be left out with --since.")] = None,
    portfolio: PortfolioOption = None,
    since: Annotated[str | None, typer.Option(help="An earlier pack: why did the weights change?")] = None,
    as_json: Json = False,
) -> None:
    """Why a symbol is traded, or not: the reason and the numbers behind it."""
    from pipeline.commands.printed.show_audit import show_weight_changes
    from pipeline.commands.printed.show_trades import show_explanation
    from resources.results.explanations.explanation import explanation

    if since is None and symbol is None:
        raise PolicyError("name the symbol: packfolio explain PACK SYMBOL; or an earlier pack with --since")
    with reader() as con:
        if since is None:
            found = explanation(con, pack, str(symbol), portfolio)
        else:
            found = changes_since(con, since, pack, symbol, portfolio)
    if as_json:
        print_json(found)
    elif since is None:
        show_explanation(out, found)
    else:
        show_weight_changes(out, found)


@app.command()
def backtest(
    as_of: AsOf = None,
    portfolio: PortfolioOption = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,...",
            help="Keys of the policy to vary, every combination; may be repeated. Kept nowhere.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Replay each policy through the past, under the pack of a date (the newest when left out)."""
    from resources.results.queries import backtest_of, newest_pack

    if as_of is None:
        with reader() as con:
            as_of = newest_pack(con).as_of
    if sweep:
        from pipeline.commands.backtest_sweep import show_sweep

        show_sweep(as_of, portfolio, sweep, as_json)
        return
    with history() as instance, working("replaying", as_json) as watch:
        from pipeline import runs

        outcome = runs.run_backtest(instance, as_of, portfolio, watch)
    failed = {"status": "failed", "reason": outcome.reason}
    if outcome.status and (as_json or not outcome.whole):
        finish(failed, outcome.status, as_json)
    with reader() as con:
        shown = backtest_of(con, str(outcome.pack_id), portfolio)
    if as_json:
        print_json(shown)
        return
    from pipeline.commands.printed.show_backtest import show_backtest

    show_backtest(out, shown)
    if outcome.status:  # one portfolio stops no other
        finish(failed, outcome.status, as_json)


@app.command()
def report(
    pack: PackArgument = "latest",
    portfolio: PortfolioOption = None,
    to: Annotated[
        Path | None,
        typer.Option("--out", help="The file to write; reports/PACK[-NAME].html in the home when left out."),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="html, xlsx or pdf; by the file's ending when left out.")
    ] = None,
) -> None:
    """Write a pack's trades, reasons, risk, backtest, scenarios and provenance as HTML, Excel or PDF."""
    options = {"--portfolio": portfolio, "--out": to, "--format": form}
    stated = [word for name, value in options.items() if value for word in (name, str(value))]
    command = [sys.executable, "-m", "service.report", pack, *stated]
    raise typer.Exit(subprocess.call(command))  # noqa: S603  our own arguments


processes.register(app)
backfill_command.register(app)
holdings_commands.register(app)
account_commands.register(app)
alert_commands.register(app)
audit_commands.register(app, packs)
proof_commands.register(app)
risk_commands.register(app)
usage.register(app)
