"""`packfolio backtest --sweep`: the policies under every combination of some of their keys, side by side."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import typer

from pipeline.commands.terminal import err, out, print_json, reader, working
from pipeline.environment import Environment


def show_sweep(day: date, portfolio: str | None, options: Sequence[str], as_json: bool) -> None:
    """Replays and prints; exit status 1 where a portfolio could not be replayed, whose reason is told."""
    found = _replayed(day, portfolio, options, as_json)
    if as_json:
        print_json(found)
    else:
        from pipeline.commands.printed.show_backtest import show_variants

        show_variants(out, found)
        for name, reason in found["failed"].items():
            err.print(f"[red]{name}[/red] {reason}", highlight=False, soft_wrap=True)
    raise typer.Exit(1 if found["failed"] else 0)


def _replayed(day: date, portfolio: str | None, options: Sequence[str], quiet: bool) -> dict[str, Any]:
    from resources.books.snapshots import read_snapshots
    from resources.packs.packs import newest_fresh
    from resources.results.queries import portfolios_of
    from resources.results.replays.sweeps import sweep_policies
    from resources.settings.configuration import load_configuration
    from resources.settings.policies.policy_grid import read_grid

    here, grid = Environment.of_process(), read_grid(options)
    desk = load_configuration(here.config)
    settings = desk.backtest.model_copy(update={"sweep": grid, "compare": []})
    with reader() as con, working("replaying", quiet) as watch:
        pack = newest_fresh(con, day)
        wanted = {row["name"] for row in portfolios_of(con, pack, portfolio)}
        snapshots = [snapshot for snapshot in read_snapshots(con, pack) if snapshot.name in wanted]
        return sweep_policies(con, pack, desk, settings, snapshots, here.home / "cache", watch)
