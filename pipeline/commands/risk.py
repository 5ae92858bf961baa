"""The desk's commands about risk: what the trades change, what scenarios would cost, which regime it looks like."""

from typing import Annotated, Any

import typer

from pipeline.commands.terminal import Json, PackArgument, out, print_json, reader

PortfolioOption = Annotated[
    str | None, typer.Option("--portfolio", help="Key, name or UUID; all when left out.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(impact)
    app.command()(stress)
    app.command()(regime)


def impact(pack: PackArgument = "latest", portfolio: PortfolioOption = None, as_json: Json = False) -> None:
    """What the trades of a pack change: value, return, risk, concentration, exposures."""
    from resources.results.queries import impact_of_trades

    _show("show_impact", impact_of_trades, (pack, portfolio), as_json)


def stress(
    pack: PackArgument = "latest",
    portfolio: PortfolioOption = None,
    scenario: Annotated[str | None, typer.Option(help="One scenario, with its hedges.")] = None,
    as_json: Json = False,
) -> None:
    """What every scenario would cost what is held, the worst first, and the hedges against it."""
    from resources.results.queries import stresses_of

    def chosen(con: Any, *key: Any) -> dict[str, Any]:
        found = stresses_of(con, *key)
        for one in found["portfolios"]:
            for name in ("scenarios", "hedges"):
                one[name] = [row for row in one[name] if scenario in (None, row["scenario_id"])]
        return found

    _show("show_stress", chosen, (pack, portfolio), as_json)


def regime(
    pack: PackArgument = "latest",
    as_json: Json = False,
) -> None:
    """The regime that the published macro series look like, with its score and indicators."""
    from resources.results.queries import regime_of

    _show("show_regime", regime_of, (pack,), as_json)


def _show(how: str, read: Any, key: tuple[Any, ...], as_json: bool) -> None:
    with reader() as con:
        found = read(con, *key)
    if as_json:
        print_json(found)
        return
    from pipeline.commands.printed import show_risk

    getattr(show_risk, how)(out, found)
