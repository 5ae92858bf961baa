"""What commands print of tails: what a book may lose, how that came true, what it earned from pack to pack."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from optimizer.errors import how_many
from pipeline.commands.printed.narrow import fits, show_table
from pipeline.commands.printed.show import Row, amount, columns_table, percent
from resources.results.measure_text import part_name


def show_tail(out: Console, title: str, currency: str, rows: Sequence[Row]) -> None:
    """A row a book, level and method: value at risk and expected shortfall, in percent and in money."""
    days = rows[0]["horizon_days"]
    out.print(
        f"{title}: value at risk and expected shortfall over {how_many(days, 'session')}",
        highlight=False,
        soft_wrap=True,
    )
    heads = [
        ("book", False), ("method", False), ("level", True), ("at risk", True), (currency, True),
        ("shortfall", True), (currency, True), ("cases", True),
    ]  # fmt: skip
    table = _tail_table(heads, rows)
    show_table(out, table if fits(out, table) else _tail_table(heads[:-1], rows))


def _tail_table(heads: Sequence[tuple[str, bool]], rows: Sequence[Row]) -> Table:
    table = columns_table("", heads)
    for row in rows:
        losses = [row["value_at_risk"], row["expected_shortfall"]]
        told = [cell for loss in losses for cell in (percent(loss, 2), amount(loss * row["value"], 0))]
        level, method = f"{100 * row['level']:g}%", row["method"].replace("_", " ")
        table.add_row(*[row["book"], method, level, *told, str(row["scenarios"])][: len(heads)])
    return table


def show_backtest(out: Console, tail: Row) -> None:
    """How earlier packs' forecasts of the tail did, in words."""
    for line in (tail["backtest"], *tail["series"]):
        out.print(line, highlight=False, soft_wrap=True)


def show_live(out: Console, name: str, currency: str, told: Row) -> None:
    """What was held earned from pack to pack, by factor."""
    span = f"{told['from']} to {told['to']}, {how_many(told['packs'], 'pack')}"
    out.print(f"\n{name}: the book from pack to pack, {span}", highlight=False, soft_wrap=True)
    table = columns_table("", [("", False), (currency, True), ("return", True)])
    for row in told["parts"]:
        table.add_row(part_name(row["part"]), amount(row["money"], 0), percent(row["contribution"], 2))
    table.add_row("in all", amount(told["money"], 0), percent(told["total"], 2), style="bold")
    show_table(out, table)
