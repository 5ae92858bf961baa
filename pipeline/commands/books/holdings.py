"""`packfolio holdings`: a broker's file becomes a dated block of a portfolio's holdings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from optimizer import DataError
from pipeline.commands.books.broker_file import (
    Account,
    AsOfHoldings,
    CashLines,
    SkippedLines,
    Symbols,
    choices,
    understood,
)
from pipeline.commands.terminal import Json, out, print_json, reader
from pipeline.environment import Environment

holdings = typer.Typer(no_args_is_help=True, help="What a live portfolio holds.")


@holdings.callback()
def group() -> None:
    """What a live portfolio holds."""


@holdings.command("import")
def import_holdings(
    file: Annotated[Path, typer.Argument(help="Positions as the broker exported them (CSV).")],
    portfolio: Annotated[str, typer.Option("--portfolio", help="Name or UUID of a live portfolio.")],
    as_of: AsOfHoldings = None,
    account: Account = None,
    cash: CashLines = None,
    skip: SkippedLines = None,
    symbol: Symbols = None,
    as_json: Json = False,
) -> None:
    """Read a broker's positions and add them to a live portfolio's file as a block of their date."""
    from resources.brokers.holdings import holdings_yaml
    from resources.settings.portfolio_edit import add_holdings, portfolio_path

    path, before = portfolio_path(Environment.of_process().config / "portfolios", portfolio)
    chosen = choices(as_of, account, cash, skip, symbol, before.base_currency)
    held, found = understood(file, chosen, quiet=as_json)
    added = add_holdings(path, holdings_yaml(held, str(file), found.layout))
    outside = (
        []
        if before.universe == "all"
        else sorted({position.symbol for position in held.positions} - {*before.universe})
    )
    unpriced = _unpriced([position.symbol for position in held.positions])
    if as_json:
        print_json({
            "status": "added" if added else "unchanged", "file": str(path), "layout": found.layout,
            "as_of": held.as_of, "cash": float(held.cash), "outside_universe": outside, "unpriced": unpriced,
            "positions": {one.symbol: float(one.quantity) for one in held.positions},
        })  # fmt: skip
        return
    said = f"added to {path}" if added else f"{path} has these holdings already: nothing to add"
    out.print(said, highlight=False, soft_wrap=True)
    if outside:
        out.print(
            f"[yellow]![/yellow] held and not in its universe, so they can only be sold: {', '.join(outside)}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip

    for name, why in unpriced.items():
        out.print(f"[yellow]![/yellow] {name}: {why} (sources.yaml)", highlight=False, soft_wrap=True)


def _unpriced(symbols: Sequence[str]) -> dict[str, str]:
    """Those of the symbols that the newest pack knows no price of, with what may be meant; none without a pack."""
    from resources.packs.near_symbols import unknown_symbols
    from resources.packs.packs import latest_fresh
    from resources.store.warehouse import Warehouse

    here = Environment.of_process()
    if not Warehouse(here.home, here.anchor).published.exists():
        return {}
    with reader() as con:
        try:
            return unknown_symbols(con, latest_fresh(con), symbols)
        except DataError:  # no pack is fresh yet
            return {}


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(holdings, name="holdings")
