"""The command line: `packfolio --help`. Heavy imports stay inside commands, so that help and reading are instant."""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from optimizer import DataError, PackfolioError, PolicyError
from pipeline.commands import accounts as account_commands
from pipeline.commands import alerts as alert_commands
from pipeline.commands import audit as audit_commands
from pipeline.commands import backfill as backfill_command
from pipeline.commands import holdings as holdings_commands
from pipeline.commands import init as init_command
from pipeline.commands import processes, usage
from pipeline.commands import proofs as proof_commands
from pipeline.commands import risk as risk_commands
from pipeline.commands.audit import changes_since
from pipeline.commands.printed.machine_faults import is_damaged, machine_fault
from pipeline.commands.terminal import (
    Json,
    PackArgument,
    err,
    finish,
    out,
    print_json,
    program,
    reader,
    working,
)
from pipeline.commands.usage import DAY, UsageFault, in_order, tell
from pipeline.environment import Environment, keep_private
from pipeline.unchanged import begin, unchanged_since
from resources.ledger.record_error import FAILED, FAULT, exit_status

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
packs = typer.Typer(no_args_is_help=True, help="The pricing packs.")
app.add_typer(packs, name="packs")
PortfolioOption = Annotated[
    str | None, typer.Option("--portfolio", help="Key, name or UUID; all when left out.")
]
AsOf = Annotated[
    date | None,
    typer.Option("--as-of", help="The as-of date; the newest closed session, or pack, when left out.", **DAY),
]


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
    # Imports make a million objects that stay: to look for cycles among them again and again takes half a second.
    gc.set_threshold(1_000_000, 100, 1000)
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


@contextmanager
def _instance() -> Iterator[Any]:
    """Dagster's history in the home; runs whose process was killed are marked as failed first."""
    from pipeline.history import opened_history
    from resources.settings.configuration import refuse_no_desk

    here = Environment.of_process()
    refuse_no_desk(here.config)
    with opened_history(here) as instance:
        yield instance


@app.command()
def ingest(
    source: Annotated[
        str | None, typer.Option(help="One source of sources.yaml, or the path of a file or folder of one.")
    ] = None,
    start: Annotated[date | None, typer.Option(help="No price before this day.", **DAY)] = None,
    end: Annotated[date | None, typer.Option(help="No price after this day.", **DAY)] = None,
    as_json: Json = False,
) -> None:
    """Bring every source's new deliveries into the logs; tell files, rows, symbols, what is set aside or refused."""
    in_order(start, end)
    with _instance() as instance, working("ingesting", as_json) as watch:
        from pipeline import runs

        outcome = runs.ingest(instance, source, _iso(start), _iso(end), watch)
    from resources.packs.missing_data import told_of_ingest

    with reader() as con:
        told = told_of_ingest(con, outcome.run_id)
    if not as_json:
        from pipeline.commands.printed.show_ingest import show_ingested

        show_ingested(out, outcome.counts, told["noted"], told["set_aside_today"])
        if outcome.reason:
            err.print(outcome.reason, highlight=False, soft_wrap=True)
        raise typer.Exit(outcome.status)
    status = "done" if outcome.status == 0 else "failed"
    document = {"status": status, "reason": outcome.reason, **outcome.counts, **told}
    finish(document, outcome.status, as_json)


def _iso(value: date | None) -> str | None:
    return value.isoformat() if value else None


@app.command()
def run(
    as_of: AsOf = None,
    portfolio: PortfolioOption = None,
    as_json: Json = False,
) -> None:
    """Ingest, cut the pack, estimate, optimise, and print the trades; at once where nothing has changed."""
    here, asked = Environment.of_process(), {"as_of": _iso(as_of), "portfolio": portfolio}
    last = unchanged_since(here, asked)
    if last is not None:
        _show_run(last.pack_id, last.status, last.reason, portfolio, as_json, last.at)
        raise typer.Exit(last.status)
    with _instance() as instance, working("running", as_json) as watch:
        from pipeline import runs

        runs.refuse_unknown(portfolio)
        begun = begin(here, asked)
        ingested = runs.ingest(instance, watch=watch, publish=False)
        try:
            outcome = runs.run_pack(instance, runs.choose_as_of(as_of), portfolio=portfolio, watch=watch)
        except PackfolioError:
            runs.warehouse().publish()  # what came in is to be seen all the same
            raise
        begun.ended(ingested, outcome)
    status = outcome.status or ingested.status
    reason = "; ".join(filter(None, (ingested.reason, outcome.reason)))
    if outcome.pack_id is None or outcome.status == FAULT:
        finish({"status": "failed", "pack_id": outcome.pack_id, "reason": reason}, status, as_json)
    else:
        _show_run(outcome.pack_id, status, reason, portfolio, as_json)
    raise typer.Exit(status)


def _show_run(
    pack: str, status: int, reason: str, portfolio: str | None, as_json: bool, unchanged: str | None = None
) -> None:
    """What a run came to, in trades; `unchanged`: since when there was nothing to do."""
    try:
        if reason:
            from resources.audit.restatements import untaken
            from resources.logs.open_questions import in_short

            with reader() as con:
                reason += untaken(con, pack)
        if as_json:
            since = {"unchanged_since": unchanged} if unchanged else {}
            told = {"status": "done" if not status else "failed", "reason": reason, **since}
            print_json({**told, **_trades(pack, portfolio)})
            return
        _show_trades(pack, portfolio)
        _tell_where(pack, unchanged)
        if reason:
            err.print(f"[yellow]{in_short(reason)}[/yellow]", highlight=False, soft_wrap=True)
    except DataError:
        if not reason:
            raise
        finish({"status": "failed", "pack_id": pack, "reason": reason}, status, as_json)


def _tell_where(pack: str, unchanged: str | None) -> None:
    home = Environment.of_process().home
    if unchanged:
        since = f"{datetime.fromisoformat(unchanged):%Y-%m-%d %H:%M} UTC"
        out.print(f"\nunchanged  since the run of {since}: nothing was run", highlight=False)
    out.print(f"\nwarehouse  {home / 'warehouse.duckdb'}", highlight=False, soft_wrap=True)
    out.print(f"readers    {home / 'published.duckdb'}", highlight=False, soft_wrap=True)
    out.print(f"look       {program()} ui   |   why   {program()} explain {pack} SYMBOL", highlight=False)


@app.command()
def trades(pack: PackArgument = "latest", portfolio: PortfolioOption = None, as_json: Json = False) -> None:
    """The trades of a pack, with costs and reasons."""
    if as_json:
        print_json(_trades(pack, portfolio))
    else:
        _show_trades(pack, portfolio)


def _trades(pack: str, portfolio: str | None) -> dict[str, Any]:
    from resources.results.queries import trades_of

    with reader() as con:
        return trades_of(con, pack, portfolio)


def _show_trades(pack: str, portfolio: str | None) -> None:
    """The trades of each portfolio; of more than a few, what they come to."""
    from pipeline.commands.printed.show_many import show_summary
    from pipeline.commands.printed.show_trades import show_trades
    from resources.results.many import FEW, portfolio_count, summary_of
    from resources.results.queries import trades_of

    with reader() as con:
        many = portfolio is None and portfolio_count(con, pack) > FEW
        shown = summary_of(con, pack) if many else trades_of(con, pack, portfolio)
    (show_summary if many else show_trades)(out, shown)


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
    with _instance() as instance, working("replaying", as_json) as watch:
        from pipeline import runs

        outcome = runs.run_backtest(instance, as_of, portfolio, watch)
    if outcome.status:
        finish({"status": "failed", "reason": outcome.reason}, outcome.status, as_json)
        return
    with reader() as con:
        shown = backtest_of(con, str(outcome.pack_id), portfolio)
    if as_json:
        print_json(shown)
        return
    from pipeline.commands.printed.show_backtest import show_backtest

    show_backtest(out, shown)


@packs.command("list")
def list_packs(as_json: Json = False) -> None:
    """Every pack with its verdict."""
    from resources.results.queries import packs_table

    _show_rows(packs_table, as_json, ("created_at", "content", "quality", "supersedes", "rows"))


@packs.command("show")
def show_pack(pack: PackArgument = "latest", as_json: Json = False) -> None:
    """One pack: what it holds, what its checks found, which portfolios it served."""
    from resources.results.queries import pack_details

    with reader() as con:
        details = pack_details(con, pack)
    if as_json:
        print_json(details)
        return
    from pipeline.commands.printed.show import show_details

    show_details(out, details)


@packs.command("revise")
def revise_pack(
    day: Annotated[date, typer.Argument(help="The as-of date of the pack.", **DAY)],
    reason: Annotated[str, typer.Option(help="Why the pack is replaced; goes on record.")],
    as_json: Json = False,
) -> None:
    """Replace the fresh pack of a date by a new revision, and run the chain on it."""
    if len(reason.strip()) < 5:
        raise PolicyError("--reason must say why the pack is replaced; it goes on record")
    with _instance() as instance, working("revising", as_json) as watch:
        from pipeline import runs

        outcome = runs.run_pack(instance, day, revise=reason.strip(), watch=watch)
    status = "failed" if outcome.status else "done"
    document = {"status": status, "pack_id": outcome.pack_id, "reason": outcome.reason}
    finish(document, outcome.status, as_json)


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


def _show_rows(
    query: Callable[[Any], Sequence[dict[str, Any]]], as_json: bool, least_wanted: Sequence[str]
) -> None:
    with reader() as con:
        rows = query(con)
    if as_json:
        print_json(rows)
        return
    from pipeline.commands.printed.show import show_rows

    show_rows(out, rows, least_wanted)


processes.register(app)
backfill_command.register(app)
holdings_commands.register(app)
account_commands.register(app)
alert_commands.register(app)
audit_commands.register(app, packs)
proof_commands.register(app)
risk_commands.register(app)
usage.register(app)
