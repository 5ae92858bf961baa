"""What the commands print on a terminal; numbers come in ready."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from pipeline.commands.printed.narrow import fits, show_lines, show_table
from resources.logs.open_questions import in_short, kind_of, said_once
from resources.results.measure_text import GROUPS, measure_text, part_name, shared_cause

Row = Mapping[str, Any]
ACTIONS = {"BUY": "green", "SELL": "magenta", "HOLD": "dim"}  # red is for what is wrong
ROOM_FOR_REASONS = 120
MANY_ALIKE = 4  # orders with one reason before another of it: then it is said once


def columns_table(title: str, columns: Iterable[tuple[str, bool]]) -> Table:
    """A table without rows; columns are (heading, whether it is a number)."""
    named = list(columns)
    table = Table(
        title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False,
        show_header=any(heading for heading, _ in named),
    )  # fmt: skip
    for heading, number in named:
        table.add_column(heading, justify="right" if number else "left", no_wrap=number)
    return table


def percent(value: float | None, digits: int = 1) -> str:
    """0.153 -> 15.3%; nothing for None."""
    return "" if value is None else f"{100 * value:z.{digits}f}%"


def amount(value: Any, digits: int = 2) -> str:
    """1234.5 -> 1,234.50; nothing for None."""
    return "" if value is None else f"{value:z,.{digits}f}"


def shares(value: float | None) -> str:
    """1500.0 -> 1,500, 0.25 -> 0.25; nothing for None."""
    return "" if value is None else f"{value:,.10g}"


def show_trades(out: Console, shown: Row) -> None:
    """The trades of every portfolio of a pack."""
    out.print(f"\n[bold]{shown['pack_id']}[/bold]  as of {shown['as_of']}", highlight=False)
    for portfolio in shown["portfolios"]:
        show_portfolio(out, portfolio)
    show_notes(out, shown["notes"])


def show_notes(out: Console, notes: Sequence[str]) -> None:
    """What a reader must know of the prices behind it."""
    out.print()
    for note in notes:
        out.print(f"[dim]note  {note}[/dim]", highlight=False, soft_wrap=True)


def show_portfolio(out: Console, portfolio: Row) -> None:
    """One portfolio's result, orders, totals and warnings; of one inside its rules the sentence that says so."""
    result, totals = portfolio["result"], portfolio["totals"]
    out.print(f"\n[bold]{portfolio['name']}[/bold] ({portfolio['mode']}, {portfolio['base_currency']})")
    if result is not None and result["status"] == "no_trade":
        _indented(out, result["reason"])
        _warn(out, result["warnings"])
        return
    if result is None or result["status"] != "optimal":
        why = portfolio["problem"] or (result or {}).get("reason") or "not computed"
        _indented(out, f"[red]no weights today[/red]: {in_short(why)}")
        return
    _indented(
        out,
        f"{result['method']}: expected {percent(result['expected_return'])} a year, volatility "
        f"{percent(result['volatility'])}, Sharpe {amount(result['sharpe'])}, "
        f"notional {percent(result['notional'], 0)}",
    )
    _show_orders(out, portfolio["trades"])
    if totals and totals["nav_before"] is not None:
        _indented(
            out,
            f"NAV {amount(totals['nav_before'])} -> {amount(totals['nav_after'])}; costs {amount(totals['costs'])} "
            f"({amount(totals['cost_bps'])} bps); turnover {percent(totals['turnover_two_way'])} two-way, "
            f"{percent(totals['turnover'])} one-way; cash after {amount(totals['cash_after'])}",
        )
        if totals["tax"] is not None:
            _indented(out, _taxes(totals))
    for line in _waiting(portfolio["trade_schedule"]):
        _indented(out, line)
    _warn(out, [*(result["warnings"] or []), *((totals or {}).get("warnings") or [])])


def _warn(out: Console, warnings: Iterable[str] | None) -> None:
    for warning in warnings or ():
        _indented(out, f"[yellow]![/yellow] {warning}")


def _waiting(schedule: Sequence[Row]) -> list[str]:
    """What is said of orders that take more than a day; nothing where none does."""
    long = {row["symbol"]: row["days"] for row in schedule if row["days"] > 1}
    if not long:
        return []
    worst = sorted(long, key=lambda symbol: (-long[symbol], symbol))
    told = ", ".join(f"{symbol} {long[symbol]} days" for symbol in worst[:5])
    more = f" and {len(worst) - 5} more" if len(worst) > 5 else ""
    left = next(row["remaining_risk"] for row in schedule if row["day"] == 1 and row["symbol"] == worst[0])
    return [
        f"takes more than a day: {told}{more}; what is left after the first has a risk of {percent(left, 2)} a day"
    ]


def _indented(out: Console, text: str) -> None:
    """A line under a portfolio's name; what has no room goes on below its beginning."""
    out.print(Padding(out.render_str(text, highlight=False), (0, 0, 0, 2)))


ORDER_HEADS = (
    ("", False), ("shares", True), ("symbol", False), ("price", True), ("value", True), ("now", True),
    ("after", True), ("cost", True),
)  # fmt: skip


def _show_orders(out: Console, orders: Sequence[Row]) -> None:
    """The orders with their reasons: beside each where there is room, else below it."""
    reasons, often = shared_cause([str(order["rationale"]) for order in orders])
    orders = [{**order, "rationale": reason} for order, reason in zip(orders, reasons, strict=True)]
    if out.width < ROOM_FOR_REASONS:
        shown = _alike_together(orders)
        show_lines(out, ORDER_HEADS, [_order_cells(order) for order, _ in shown], [why for _, why in shown])
    else:
        _show_beside(out, orders)
    if often:
        _indented(out, often)


def _show_beside(out: Console, orders: Sequence[Row]) -> None:
    *heads, cost = ORDER_HEADS
    table = columns_table("", [*heads[:5], cost, *heads[5:], ("why", False)])
    for order in orders:
        *cells, paid = _order_cells(order)
        table.add_row(*cells[:5], paid, *cells[5:], order["rationale"])
    out.print(table)


def _alike_together(orders: Sequence[Row]) -> list[tuple[Row, str]]:
    """Orders and what is said below each: of many alike but for their weights it is said once, below the last.

    Those that are held stand by their reasons, the others where they were.
    """
    told = [order["rationale"].partition(": ") for order in orders]
    kinds = [(kind_of("", weights), cause) for weights, _, cause in told]
    held = [order["action"] == "HOLD" for order in orders]
    places = sorted(range(len(orders)), key=lambda at: (held[at], kinds[at] if held[at] else ("", "")))
    shown: list[tuple[Row, str]] = []
    for _, group in groupby(places, lambda at: (held[at], kinds[at])):
        *others, last = (orders[at] for at in group)
        if len(others) < MANY_ALIKE:
            shown += [(order, order["rationale"]) for order in (*others, last)]
        else:
            shown += [
                *((order, "") for order in others),
                (last, f"the last of {len(others) + 1} alike: {last['rationale']}"),
            ]
    return shown


def _order_cells(order: Row) -> list[str]:
    colour = ACTIONS[order["action"]]
    return [
        f"[{colour}]{order['action']}[/{colour}]", shares(order["quantity"]),
        order["symbol"] + (" [dim](simulated)[/dim]" if order["simulated"] else ""), amount(order["price"]),
        amount(order["value"]), percent(order["current_weight"]), percent(order["achieved_weight"]),
        amount(order["cost"]),
    ]  # fmt: skip


def _taxes(totals: Row) -> str:
    return (
        f"the sales realise {amount(totals['short_term_gain'])} short-term and {amount(totals['long_term_gain'])} "
        f"long-term; estimated tax {amount(totals['tax'])}, not in the costs"
    )


def show_explanation(out: Console, rows: Sequence[Row]) -> None:
    """Why one symbol is traded, portfolio by portfolio."""
    for row in rows:
        order = f"{row['action']} {shares(row['quantity'])} {row['symbol']}"
        neither = f"neither holds nor trades {row['symbol']}"
        out.print(f"\n[bold]{row['name']}[/bold]  {neither if row['action'] == 'NONE' else order}")
        _indented(out, row["rationale"])
        table = columns_table("", [("", False), ("", True)])
        for label, key in (
            ("weight now", "current_weight"), ("target weight", "target_weight"), ("weight after", "achieved_weight"),
            ("lowest allowed", "lower"), ("highest allowed", "upper"), ("share of the risk", "risk_contribution"),
            ("expected return, prior", "prior_return"), ("expected return, posterior", "posterior_return"),
            ("historical return", "historical_return"), ("volatility", "volatility"),
        ):  # fmt: skip
            table.add_row(label, percent(row[key], 2))
        table.add_row("limits that bind", row["binding"] or "none")
        show_table(out, table)
        if row["lots"]:
            _show_lots(out, row)


def _show_lots(out: Console, row: Row) -> None:
    columns = (
        ("lot", False),
        ("acquired", False),
        ("shares", True),
        ("cost", True),
        ("sold", True),
        ("gain", True),
    )
    table = columns_table(
        f"tax {amount(row['tax'])}" if row["tax"] is not None else "", [*columns, ("", False)]
    )
    for lot in row["lots"]:
        term = {None: "", True: "long-term", False: "short-term"}[lot["long_term"]]
        table.add_row(
            lot["lot_id"], str(lot["acquired"]), shares(lot["quantity"]), amount(lot["cost_basis"]),
            shares(lot["sold"]), amount(lot["gain"]), term,
        )  # fmt: skip
    show_table(out, table)


VARIANT_MEASURES = (
    ("return", "annual_return", percent), ("volatility", "volatility", percent), ("Sharpe", "sharpe", amount),
    ("deflated", "deflated_sharpe", percent), ("Sortino", "sortino", amount), ("drawdown", "max_drawdown", percent),
    ("turnover", "turnover", percent), ("cost a year", "cost_drag", lambda value: percent(value, 2)),
)  # fmt: skip


def show_variants(out: Console, shown: Row) -> None:
    """The measures of each swept policy."""
    for name, variants in shown["portfolios"].items():
        show_table(out, _variants_table(f"{name} under {shown['pack_id']}", variants))
        _show_luck(out, shown["trials"][name], shown["probability_of_overfitting"][name])
    show_notes(out, shown["notes"])


def _variants_table(title: str, variants: Mapping[str, Row]) -> Table:
    """A row each variant; the best Sharpe ratio stands out."""
    table = columns_table(title, [("", False), *((head, True) for head, *_ in VARIANT_MEASURES)])
    best = max(variants, key=lambda variant: variants[variant]["sharpe"] or float("-inf"))
    for variant, measures in variants.items():
        cells = [write(measures[metric]) for _, metric, write in VARIANT_MEASURES]
        table.add_row(variant, *cells, style="bold" if variant == best else None)
    return table


def _show_luck(out: Console, trials: int, overfitted: float | None) -> None:
    out.print(
        f"  deflated: how sure it is that the Sharpe ratio beats the best of {trials} policies without skill",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if overfitted is not None:
        out.print(
            f"  in {percent(overfitted, 0)} of the splits into halves the best of one is below the middle in the other",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def show_backtest(out: Console, shown: Row) -> None:
    """The measures of each strategy, side by side."""
    from resources.settings.policies.policy_grid import is_variant  # which reads policies

    for name, found in shown["portfolios"].items():
        variants = {strategy: found[strategy] for strategy in found if is_variant(strategy)}
        order = sorted(found.keys() - variants.keys(), key=lambda one: (one != "policy", one))
        strategies = {strategy: found[strategy] for strategy in order}
        heads = [("", False), *((strategy.replace("_", " "), True) for strategy in order)]
        table = columns_table(f"{name} under {shown['pack_id']}", heads)
        told = {metric for measures in strategies.values() for metric in measures}
        words = {metric: said for group in GROUPS.values() for metric, (said, _) in group.items()}
        for metric in (*(metric for metric in words if metric in told), *sorted(told - words.keys())):
            cells = (measure_text(measures.get(metric), metric) for measures in strategies.values())
            table.add_row(words.get(metric, metric.replace("_", " ")), *cells)
        show_table(out, table)
        if variants:
            show_table(out, _variants_table("under the values of the sweep", variants))
        _show_parts(out, [row for row in shown["attribution"].get(name, ()) if row["strategy"] == "policy"])
    show_notes(out, shown["notes"])


def _show_parts(out: Console, found: Sequence[Row]) -> None:
    """Where the policy's return came from: by exposure, and by sector against the benchmark."""
    for breakdown, effects in (
        ("exposure", ("total",)),
        ("sector", ("allocation", "selection", "interaction")),
    ):
        parts: dict[str, dict[str, float]] = {}
        for row in found:
            if row["breakdown"] == breakdown:
                parts.setdefault(row["part"], {})[row["effect"]] = row["contribution"]
        if parts:
            table = columns_table("", [(f"return by {breakdown}", False), *((e, True) for e in effects)])
            for part, told in parts.items():
                table.add_row(part_name(part, breakdown), *(percent(told[effect], 2) for effect in effects))
            show_table(out, table)


def show_rows(out: Console, rows: Sequence[Row], least_wanted: Sequence[str] = ()) -> None:
    """Any rows as a table; where it has no room, the least wanted columns are cut, the first of them first.

    A column in which no row has anything is left out.
    """
    if not rows:
        out.print("nothing yet")
        return
    first = {name: next((row[name] for row in rows if row[name] is not None), None) for name in rows[0]}
    filled = {name: value for name, value in first.items() if value is not None}
    for cut in range(len(least_wanted) + 1):
        named = {name: value for name, value in filled.items() if name not in least_wanted[:cut]}
        table = columns_table("", [(name, isinstance(value, int | float)) for name, value in named.items()])
        for row in rows:
            table.add_row(*("" if row[name] is None else str(row[name]) for name in named))
        if fits(out, table):
            break
    show_table(out, table)


LEAST_WANTED = ("run_id", "at", "content", "portfolio_id", "ingest_seq")


def show_details(out: Console, details: Row) -> None:
    """A pack: its own values, then its lists as tables."""
    for name, value in details.items():
        if isinstance(value, list):
            out.print(f"\n[bold]{name}[/bold]{'' if value else '  none'}")
            if value:
                show_rows(out, _once(value) if name == "findings" else value, LEAST_WANTED)
        else:
            out.print(f"{name:<16} {'' if value is None else value}", highlight=False, soft_wrap=True)


def _once(findings: Sequence[Row]) -> list[Row]:
    """What was found, each message of a day once: the first of the symbols of which it is said has a row."""
    heads = [f"{row['severity']} {row['code']} {row['date']} " for row in findings]
    told = said_once(
        [(row["symbol"] or "", head + row["message"]) for head, row in zip(heads, findings, strict=True)]
    )
    return [{**findings[first], "message": said.removeprefix(heads[first])} for (first, *_), said in told]


def show_findings(out: Console, findings: Sequence[Row]) -> None:
    """What the doctor found: state, what is, what to do."""
    colours = {"ok": "green", "note": "yellow", "fault": "red"}
    for finding in findings:
        colour = colours[finding["state"]]
        out.print(
            f"[{colour}]{finding['state']:>5}[/{colour}]  {finding['check']}: {finding['found']}",
            highlight=False,
            soft_wrap=True,
        )
        if finding.get("do"):
            out.print(f"       {finding['do']}", highlight=False, soft_wrap=True)


def show_verification(out: Console, report: Any) -> None:
    """Faults first; then what was checked, and what cannot be excluded."""
    for fault in report.faults:
        out.print(f"[red]fault[/red]  {fault}", highlight=False, soft_wrap=True)
    for note in report.notes:
        out.print(f"[yellow] note[/yellow]  {note}", highlight=False, soft_wrap=True)
    if not report.faults:
        out.print(f"[green]   ok[/green]  {report.checked}", highlight=False, soft_wrap=True)
