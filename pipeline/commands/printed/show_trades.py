"""Trades on a terminal: each portfolio's orders with their reasons and totals, and why one symbol is traded."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.padding import Padding

from pipeline.commands.printed.narrow import show_lines, show_table
from pipeline.commands.printed.show import Row, amount, columns_table, percent, shares, show_notes
from resources.logs.open_questions import in_short, kind_of
from resources.results.measure_text import shared_cause

ACTIONS = {"BUY": "green", "SELL": "magenta", "HOLD": "dim"}  # red is for what is wrong
ROOM_FOR_REASONS = 120
MANY_ALIKE = 4  # orders with one reason before another of it: then it is said once


def show_trades(out: Console, shown: Row) -> None:
    """The trades of every portfolio of a pack."""
    out.print(f"\n[bold]{shown['pack_id']}[/bold]  as of {shown['as_of']}", highlight=False)
    for portfolio in shown["portfolios"]:
        show_portfolio(out, portfolio)
    show_notes(out, shown["notes"])


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
    _indented(out, f"{result['method']}: {_measures(result)}")
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


def _measures(result: Row) -> str:
    """What is known of the weights."""
    told = {
        f"expected {percent(result['expected_return'])} a year": result["expected_return"],
        f"volatility {percent(result['volatility'])}": result["volatility"],
        f"Sharpe {amount(result['sharpe'])}": result["sharpe"],
        f"notional {percent(result['notional'], 0)}": result["notional"],
    }
    return ", ".join(said for said, value in told.items() if value is not None)


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
