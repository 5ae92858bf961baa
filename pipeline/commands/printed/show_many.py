"""What the commands print of many portfolios."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from pipeline.commands.printed.show import amount, columns_table, percent, show_notes

SHARES = {
    "volatility": "volatility a year",
    "turnover": "turnover, one way",
    "tracking_error": "whole shares against targets",
}


def show_summary(out: Console, shown: Mapping[str, Any]) -> None:
    """A pack's portfolios as sums; one of them is `--portfolio` away."""
    out.print(f"\n[bold]{shown['pack_id']}[/bold]  as of {shown['as_of']}", highlight=False)
    table = columns_table(
        "", [("portfolios", True), ("that trade", True), ("outcome", False), ("limits", False)]
    )
    for row in shown["outcomes"]:
        limits = {True: "hold", False: "do not all hold", None: ""}[row["constraints_met"]]
        table.add_row(str(row["portfolios"]), str(row["trading"]), row["outcome"], limits)
    out.print(table)
    heads = ("lowest", "median", "95%", "highest")
    table = columns_table("", [("", False), *((head, True) for head in heads)])
    for row in shown["spread"]:
        told = percent if row["measure"] in SHARES else amount
        name = SHARES.get(row["measure"], row["measure"].replace("_", " "))
        table.add_row(name, *(told(row[head]) for head in heads))
    out.print(table)
    columns = [("", False), ("", False), ("turnover", True), ("cost bps", True)]
    told_why = any(row["reason"] for row in shown["worst"])
    table = columns_table("the worst", [*columns, *([("why", False)] if told_why else [])])
    for row in shown["worst"]:
        numbers = percent(row["turnover"]), amount(row["cost_bps"])
        table.add_row(row["name"], row["outcome"], *numbers, *([row["reason"] or ""] if told_why else []))
    out.print(table)
    out.print("one of them: packfolio trades --portfolio NAME", highlight=False)
    show_notes(out, shown["notes"])
