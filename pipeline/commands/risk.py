"""The desk's commands about risk: what the trades change, what scenarios would cost, which regime it looks like."""

from datetime import date
from typing import Annotated, Any

import typer

from optimizer import PolicyError
from optimizer.errors import meant
from pipeline.commands.terminal import Json, PackArgument, chosen_pack, out, print_json, reader
from pipeline.commands.usage import DAY, in_order

PortfolioOption = Annotated[
    str | None, typer.Option("--portfolio", help="Key, name or UUID; all when left out.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(impact)
    app.command()(attribution)
    app.command()(stress)
    app.command()(regime)


def impact(pack: PackArgument = "latest", portfolio: PortfolioOption = None, as_json: Json = False) -> None:
    """What the trades of a pack change: value, return, risk, concentration, exposures."""
    from resources.results.queries import impact_of_trades

    _show("show_impact", impact_of_trades, (pack, portfolio), as_json)


def attribution(
    portfolio: Annotated[str, typer.Argument(help="Key, name or UUID.")],
    pack: Annotated[
        str,
        typer.Option("--pack", callback=chosen_pack, help="The pack; the newest fresh one when left out."),
    ] = "latest",
    start: Annotated[
        date | None,
        typer.Option("--from", help="The first day of the realised return.", **DAY),
    ] = None,
    end: Annotated[
        date | None,
        typer.Option("--to", help="Its last day; that of the backtest when left out.", **DAY),
    ] = None,
    as_json: Json = False,
) -> None:
    """Risk by factor and name before and after the trades, and where the return of a window came from."""
    in_order(start, end)
    from resources.packs.packs import find_pack
    from resources.results.attribution.summary import attribution_of
    from resources.results.queries import portfolios_of

    def found(con: Any) -> dict[str, Any]:
        own = find_pack(con, pack)
        return attribution_of(con, own, portfolios_of(con, own, portfolio)[0], start, end)

    _show("show_attribution", found, (), as_json)


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
        told = sorted({row["scenario_id"] for one in found["portfolios"] for row in one["scenarios"]})
        if scenario is not None and scenario not in told:
            raise PolicyError(f"{found['pack_id']} tells no scenario {scenario!r}; {meant(scenario, told)}")
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
