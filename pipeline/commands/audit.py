"""The auditor's commands: verify, trace, diff, replay, doctor, backup, restore."""

from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from optimizer import PolicyError
from pipeline.commands import anchor_keys
from pipeline.commands.terminal import (
    Json,
    PackArgument,
    chosen_pack,
    finish,
    out,
    print_json,
    reader,
    working,
)
from pipeline.environment import Environment
from resources.ledger.record_error import FAULT

BREAK = 4
STATUS = {"ok": 0, "fault": FAULT, "accepted": BREAK}
REASON = "Why; goes on record."
Reason = Annotated[str | None, typer.Option(help=REASON)]


def register(app: typer.Typer, packs: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(trace)
    app.command()(doctor)
    app.command()(backup)
    app.command()(restore)
    anchor_keys.register(app)
    packs.command("verify")(verify_packs)
    packs.command("restatements")(restatements)
    packs.command("diff")(diff)
    packs.command("replay")(replay)


def trace(
    table: Annotated[str, typer.Argument(help="An output table, such as trades or optimal_weights.")],
    key: Annotated[
        list[str], typer.Argument(help="PACK, then SYMBOL, then PORTFOLIO or FACTOR where it has them.")
    ],
    openlineage: Annotated[
        str | None,
        typer.Option(metavar="FILE|URL", help="Also append OpenLineage events to a file, or post them."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk from a row back to the prices: KEY is PACK, then SYMBOL, then PORTFOLIO or FACTOR as the table has."""
    from resources.lineage.tracing import trace_row

    with reader() as con:
        tree = trace_row(con, table, [chosen_pack(key[0]), *key[1:]])
        if openlineage:
            from resources.lineage.open_lineage import emit, lineage_events

            emit(lineage_events(con, tree), openlineage)
    if as_json:
        print_json(tree)
        return
    from pipeline.commands.printed.show_audit import show_lineage

    show_lineage(out, tree)


def verify_packs(
    pack: Annotated[str | None, typer.Argument(help="Only what this pack sees and what came of it.")] = None,
    anchor: Annotated[Path | None, typer.Option(help="Another anchor file than PACKFOLIO_ANCHOR.")] = None,
    key: Annotated[
        Path | None, typer.Option(help="The desk's public key: each anchor line must bear its signature.")
    ] = None,
    stamp_roots: Annotated[
        Path | None, typer.Option(help="Certificates (PEM) that the time stamps of the anchor must rest on.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Recompute every hash from the rows; exit 3 for a fault, 4 where all is sound but a break was once accepted."""
    from resources.audit.verification import verify_home
    from resources.ledger.signatures import PublicKey
    from resources.ledger.timestamps import read_roots
    from resources.store.warehouse import Warehouse

    here = Environment.of_process()
    if anchor is not None and not anchor.is_file():
        raise PolicyError(f"--anchor: there is no file {anchor}")
    public = PublicKey.of_file(key) if key else None
    roots = read_roots(stamp_roots) if stamp_roots else []
    other = None if anchor is None or anchor.resolve() == here.anchor else anchor
    with working("verifying", as_json):
        report = verify_home(Warehouse(here.home, here.anchor), other, pack, public, roots)
    if as_json:
        print_json(report.as_json())
    else:
        from pipeline.commands.printed.show import show_verification

        show_verification(out, report)
    raise typer.Exit(STATUS[report.status])


def diff(first: PackArgument, second: PackArgument, as_json: Json = False) -> None:
    """What differs between two packs: rows, and the effect on estimates, posterior, weights and trades."""
    from resources.audit.pack_diff import diff_packs

    with reader() as con:
        found = diff_packs(con, first, second)
    if as_json:
        print_json(found)
        return
    from pipeline.commands.printed.show_audit import show_diff

    show_diff(out, found)


def restatements(as_json: Json = False) -> None:
    """Restated history: revisions to decide on for live portfolios, and what reaches paper books; revises nothing."""
    from resources.audit.restatements import BookNews, Proposal, book_news, proposed_revisions
    from resources.settings.configuration import load_configuration

    threshold = load_configuration(Environment.of_process().config).restated_weight
    with reader() as con:
        found: list[Proposal | BookNews] = [*proposed_revisions(con, threshold), *book_news(con)]
    if as_json:
        print_json([one.as_json() for one in found])
        return
    for one in found:
        command = f"\n  {one.command}" if one.command else ""
        out.print(f"{one.pack_id}  {one.reason}{command}", highlight=False, soft_wrap=True)
    if not found:
        out.print(
            f"no restatement moves a live portfolio's weight by more than {threshold:.2%}", highlight=False
        )


def changes_since(
    con: Any, since: str, pack: str, symbol: str | None, portfolio: str | None
) -> list[dict[str, Any]]:
    """Why weights changed between two packs, portfolio by portfolio, for one symbol or all.

    A portfolio that is new since then has no earlier weights, and is left out unless it is asked for by name.
    """
    from resources.audit.weight_changes import weight_changes
    from resources.packs.packs import find_pack
    from resources.results.queries import portfolios_of

    chosen = portfolios_of(con, find_pack(con, pack), portfolio)
    before = {row["portfolio_id"] for row in portfolios_of(con, find_pack(con, since), None)}
    found = [
        weight_changes(con, since, pack, row["portfolio_id"])
        for row in chosen
        if portfolio is not None or row["portfolio_id"] in before
    ]
    for one in found:
        one["weights"] = [row for row in one["weights"] if symbol in (None, row["symbol"])]
    return found


def replay(
    pack: PackArgument,
    config: Annotated[
        Path | None, typer.Option("--with", help="A configuration folder: what would we have done?")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compute a pack's tables again from the log, in the recorded configuration; exit 3 when any differs."""
    here = Environment.of_process()
    if config is not None and not config.is_dir():
        raise PolicyError(f"--with: there is no folder {config}")
    with working("replaying", as_json):
        from pipeline.rerun import replay as run_again

        found = run_again(here, pack, config.resolve() if config else None)
    if as_json:
        print_json(found)
    else:
        from pipeline.commands.printed.show_audit import show_replay

        show_replay(out, found)
    raise typer.Exit(0 if found["identical"] or config else FAULT)


def doctor(
    what: Annotated[str, typer.Argument(help="db: also read every block and recompute every hash.")] = "",
    accept: Annotated[
        str | None,
        typer.Option(help="With db: accept a ledger that differs from its anchor, for this reason."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check environment, configuration, sources and warehouse, and say what to do about each fault."""
    if what not in ("", "db"):
        raise PolicyError(f"doctor looks at everything, or more closely at `db`; not at {what!r}")
    from pipeline.doctor.examination import examine

    here = Environment.of_process()
    if accept is not None:
        _accept(here, what, accept.strip())
    with working("examining", as_json):
        findings = examine(here, database=what == "db")
    if as_json:
        print_json(findings)
    else:
        from pipeline.commands.printed.show import show_findings

        show_findings(out, findings)
    raise typer.Exit(FAULT if any(finding["state"] == "fault" for finding in findings) else 0)


def _accept(here: Environment, what: str, reason: str) -> None:
    from resources.audit.backup import accept_break

    if what != "db" or len(reason) < 5:
        raise PolicyError(
            "write `packfolio doctor db --accept REASON`, with a reason that others will understand"
        )
    warehouse, stamp = _warehouse(here)
    accept_break(warehouse, stamp, reason)
    warehouse.publish()  # readers see what was accepted, and the anchor its digest


def _warehouse(here: Environment) -> tuple[Any, Any]:
    from resources.ledger.ledger import Stamp
    from resources.store.code_version import code_version
    from resources.store.warehouse import Warehouse

    return Warehouse(here.home, here.anchor), Stamp(
        "by hand", _now().replace(tzinfo=None), code_version(), "none"
    )


def _now() -> datetime:
    return datetime.now(UTC)


def backup(
    target: Annotated[Path | None, typer.Argument(help="A new folder.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="A folder of backups: a new one in it, named by the time.")
    ] = None,
    keep: Annotated[int, typer.Option(min=1, help="With --to: the newest ones that stay.")] = 30,
    as_json: Json = False,
) -> None:
    """Copy warehouse, anchor, payloads and decisions, consistently, while runs go on; verified before it counts."""
    from resources.audit.backup import backup as copy_all
    from resources.audit.rotation import backup_into

    here = Environment.of_process()
    warehouse, _ = _warehouse(here)
    if (target is None) == (to is None):
        raise PolicyError(
            "name a new folder, `packfolio backup FOLDER`, or a folder of backups with --to FOLDER"
        )
    if to is not None:
        made = backup_into(warehouse, to.resolve(), _now(), here.decisions, keep)
        rotated = {"taken away": ", ".join(made.gone), "apart": ", ".join(made.apart)}
        _finish_backup({"folder": str(made.place), **vars(made.manifest), **rotated}, as_json)
    assert target is not None  # noqa: S101  one of both is given
    manifest = copy_all(warehouse, target.resolve(), _now(), here.decisions)
    _finish_backup({"folder": str(target), **vars(manifest)}, as_json)


def _finish_backup(told: dict[str, Any], as_json: bool) -> None:
    """The whole manifest for a program; for a person what was copied and the way back."""
    if not as_json:
        files = len(told["files"])
        older = f"; taken away: {told['taken away']}" if told.get("taken away") else ""
        older += f"; kept for what this one lacks: {told['apart']}" if told.get("apart") else ""
        told = {
            "backed up": f"{told['folder']}, {told['count']} ledger rows and {files} files, verified{older}",
            "back": f"packfolio restore {quote(told['folder'])} --reason TEXT",
        }
    finish(told, 0, as_json)


def restore(
    source: Annotated[Path, typer.Argument(help="The folder of a backup.")],
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Put a backup in the warehouse's place; what was there is set aside."""
    from resources.audit.backup import restore as put_back

    here = Environment.of_process()
    warehouse, _ = _warehouse(here)
    aside = put_back(warehouse, source.resolve(), _now(), reason, here.decisions)
    finish({"restored": str(source), "set aside": str(aside or "")}, 0, as_json)
