"""The accounts of a pack on the command line: searched, counted, a page at a time; and one of them whole."""

from typing import Annotated, Any

import typer

from pipeline.commands.terminal import Json, out, print_json, reader

PackOption = Annotated[str, typer.Option("--pack", help="A pack; `latest` is the newest fresh one.")]
accounts = typer.Typer(no_args_is_help=True, help="The accounts of a pack, and what came of each.")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(accounts, name="accounts")


def _pack(con: Any, wanted: str) -> str:
    from resources.packs.packs import latest_fresh

    return latest_fresh(con).id if wanted == "latest" else wanted


@accounts.command("list")
def list_accounts(
    search: Annotated[str | None, typer.Argument(help="Part of a key or name; all when left out.")] = None,
    pack: PackOption = "latest",
    model: Annotated[str | None, typer.Option(help="Of one model; `(own)` for portfolios in YAML.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Of one outcome, such as no_trade or problem.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at a time.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="How many to pass over.")] = 0,
    as_json: Json = False,
) -> None:
    """How many accounts there are of each model and outcome, and a page of them."""
    from resources.results.account_list import Wanted, accounts_page

    with reader() as con:
        wanted = Wanted(search, model, outcome, None, limit, offset)
        found = accounts_page(con, _pack(con, pack), wanted)
    if as_json:
        print_json(found)
        return
    from pipeline.commands.printed.show import show_rows

    if not found["there"]:
        out.print(
            f"no account of {found['pack_id']} is like that; say no SEARCH, --model or --outcome for all"
        )
        return
    show_rows(out, found["counts"], ())
    show_rows(
        out,
        [_readable(row) for row in found["accounts"]],
        ("mode", "holdings_date", "costs", "turnover", "model"),
    )
    shown = offset + len(found["accounts"])
    if shown < found["there"]:
        out.print(f"[dim]{shown} of {found['there']}; go on with --offset {shown}[/dim]", highlight=False)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Money with its thousands and its currency, shares of the value in percent."""
    told = dict(row)
    money = f"{{:,.2f}} {told.pop('base_currency')}"
    for name, form in (("value", money), ("costs", "{:,.2f}"), ("turnover", "{:.1%}")):
        if told.get(name) is not None:
            told[name] = form.format(float(told[name]))
    return told


@accounts.command("show")
def show_account(
    key: Annotated[str, typer.Argument(help="Its key, name or id.")],
    pack: PackOption = "latest",
    as_json: Json = False,
) -> None:
    """One account: what its rows say, what it holds, what may not be traded, what is set aside, and its trades."""
    from resources.results.account_list import account_details

    with reader() as con:
        found = account_details(con, _pack(con, pack), key)
    if as_json:
        print_json(found)
        return
    from pipeline.commands.printed.show import show_rows
    from pipeline.commands.printed.show_trades import show_portfolio

    show_portfolio(out, found)
    for name in ("account", "holdings", "flows", "restrictions", "set_aside"):
        told = found[name]
        if told:
            out.print(f"\n{name.replace('_', ' ')}", highlight=False)
            show_rows(out, [told] if isinstance(told, dict) else told, ())
