"""`packfolio ingest`, `run` and `trades`: deliveries into the logs, prices to trades, and the trades of a pack."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer

from optimizer import DataError, PackfolioError
from pipeline.commands.terminal import (
    Json,
    PackArgument,
    PortfolioOption,
    err,
    finish,
    history,
    out,
    print_json,
    program,
    reader,
    working,
)
from pipeline.commands.usage import DAY, in_order
from pipeline.environment import Environment
from pipeline.unchanged import begin, unchanged_since
from resources.ledger.record_error import FAULT

AsOf = Annotated[
    date | None,
    typer.Option("--as-of", help="The as-of date; the newest closed session, or pack, when left out.", **DAY),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for function in (ingest, run, trades):
        app.command()(function)


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
    with history() as instance, working("ingesting", as_json) as watch:
        from pipeline import runs

        outcome = runs.ingest(instance, source, _iso(start), _iso(end), watch)
    from resources.accounts.waiting import account_rows_aside
    from resources.packs.missing_data import told_of_ingest

    with reader() as con:
        told = told_of_ingest(con, outcome.run_id)
        told["accounts_set_aside"] = [asdict(row) | {"said": str(row)} for row in account_rows_aside(con)]
    if not as_json:
        from pipeline.commands.printed.show_ingest import show_ingested

        of_accounts = [row | {"symbol": row["account"]} for row in told["accounts_set_aside"]]
        show_ingested(out, outcome.counts, told["noted"], told["set_aside_today"] + of_accounts)
        if outcome.reason:
            err.print(outcome.reason, highlight=False, soft_wrap=True)
        raise typer.Exit(outcome.status)
    status = "done" if outcome.status == 0 else "failed"
    document = {"status": status, "reason": outcome.reason, **outcome.counts, **told}
    finish(document, outcome.status, as_json)


def _iso(value: date | None) -> str | None:
    return value.isoformat() if value else None


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
    with history() as instance, working("running", as_json) as watch:
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
