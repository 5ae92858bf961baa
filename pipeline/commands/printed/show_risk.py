"""What the risk commands print on a terminal."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from pipeline.commands.printed.narrow import fits, show_lines, show_table
from pipeline.commands.printed.show import Row, amount, columns_table, percent
from pipeline.commands.printed.show_tails import show_backtest, show_live, show_tail
from resources.results.measure_text import part_name

FRACTIONS = ("sharpe", "quality")


def show_impact(out: Console, found: Row) -> None:
    """One table a portfolio: before, after, change; of one without an answer its reason."""
    for portfolio in found["portfolios"]:
        if not portfolio["impact"]:
            out.print(
                f"{portfolio['name']} under {found['pack_id']}: {portfolio['problem'] or 'nothing is traded'}\n"
            )
            continue
        table = columns_table(
            f"{portfolio['name']} under {found['pack_id']}",
            [("", False), ("before", True), ("after", True), ("change", True)],
        )
        for row in portfolio["impact"]:
            if row["current"] is None and row["post"] is None:
                continue
            shown = [_figure(row["metric"], row[side]) for side in ("current", "post", "delta")]
            table.add_row(row["metric"].replace("_", " "), *shown)
        show_table(out, table)


def _figure(metric: str, value: float | None) -> str:
    plain = metric == "value" or metric in FRACTIONS
    return amount(value) if plain else percent(value, 2)


def show_stress(out: Console, found: Row) -> None:
    """One table a portfolio: profit of each scenario, and what its hedges leave."""
    for portfolio in found["portfolios"]:
        hedges: dict[str, list[str]] = {}
        for row in portfolio["hedges"]:
            what = " ".join(
                filter(None, (row["action"], f"{row['quantity']:,}", row["instrument"], row["option_type"]))
            )
            hedges.setdefault(row["scenario_id"], []).append(what)
        title = f"{portfolio['name']} under {found['pack_id']}, {portfolio['base_currency']}"
        if portfolio["scenarios"]:
            _show_losses(out, title, portfolio["scenarios"], hedges)
        else:
            why = portfolio["problem"] or "the desk had no scenarios.yaml, or none moves it"
            out.print(f"{title}: no scenario was priced: {why}", highlight=False, soft_wrap=True)
        if portfolio["tail_risk"]:
            show_tail(out, title, portfolio["base_currency"], portfolio["tail_risk"])


LOSS_HEADS = (
    ("scenario", False), ("profit", True), ("± error", True), ("after hedges", True), ("cost", True),
)  # fmt: skip


def _show_losses(out: Console, title: str, scenarios: Sequence[Row], hedges: Row) -> None:
    """A row a scenario; what it is hedged with beside it, or below it where there is no room."""
    rows = [
        [
            row["scenario_id"], amount(row["profit"], 0), amount(row["standard_error"], 0),
            amount(row["profit"] + row["hedge_offset"], 0), amount(row["hedge_cost"], 0),
        ]
        for row in scenarios
    ]  # fmt: skip
    told = [", ".join(hedges.get(row["scenario_id"], [])) or row["note"] or "" for row in scenarios]
    table = columns_table(title, [*LOSS_HEADS, ("hedges", False)])
    for cells, text in zip(rows, told, strict=True):
        table.add_row(*cells, text)
    if fits(out, table):
        out.print(table)
        return
    out.print(title, highlight=False)
    show_lines(out, LOSS_HEADS, rows, told)


def show_regime(out: Console, found: Row) -> None:
    """The regime with its score, the other scores, the indicators; or why there is none."""
    if found["regime"] is None:
        out.print(
            f"{found['pack_id']}: no regime is detected; {'; '.join(found['problems'])}", soft_wrap=True
        )
        return
    out.print(
        f"{found['pack_id']}: {found['regime']}, score {found['score']:.2f} of 1 (no probability), "
        f"{found['margin']:.2f} before the next",
        highlight=False,
    )
    scores = columns_table("", [("regime", False), ("score", True)])
    for regime, score in found["scores"].items():
        scores.add_row(regime, f"{score:.2f}")
    out.print(scores)
    drivers = columns_table(
        "",
        [
            ("series", False), ("of", False), ("known since", False), ("value", True), ("z-score", True),
            ("points", True),
        ],
    )  # fmt: skip
    for row in found["drivers"]:
        drivers.add_row(
            row["series"], str(row["date"]), str(row["known_at"]), f"{row['value']:.4g}", f"{row['z_score']:+.2f}",
            str(row["points"]),
        )  # fmt: skip
    out.print(drivers)


def show_attribution(out: Console, found: Row) -> None:
    """Predicted risk of the book and of its difference to the benchmark, the trades, and the realised return."""
    title = f"{found['name']} under {found['pack_id']}"
    for basis, told in (found["predicted"] or {}).items():
        _show_predicted(out, title, basis, told)
    if found["trades"]:
        _show_traded(out, found["trades"])
    if found["realised"]:
        _show_realised(out, found["name"], found["base_currency"], found["realised"])
    if found["tail"]:
        out.print()
        show_tail(out, title, found["base_currency"], found["tail"]["rows"])
        show_backtest(out, found["tail"])
    if found["live"]:
        show_live(out, found["name"], found["base_currency"], found["live"])
    for part, reason in found["left_out"].items():
        out.print(f"{part}: left out, {reason}", highlight=False, soft_wrap=True)
    for row in found["missing"]:
        out.print(
            f"[dim]note  no factor {row['factors']}: {row['note']}[/dim]", highlight=False, soft_wrap=True
        )


BASES = {"total": "volatility a year", "active": "tracking error a year, against the benchmark"}
MOST_NAMES = 10


def _show_predicted(out: Console, title: str, basis: str, told: Row) -> None:
    for what, first, kept in (("factors", "exposure", None), ("symbols", "weight", MOST_NAMES)):
        heads = [(f"by {what[:-1]}", False), (first, True), ("after", True), ("risk", True), ("after", True)]
        out.print(f"\n{title}: {BASES[basis]}", highlight=False, soft_wrap=True)
        table = columns_table("", heads)
        shown, rest = told[what][:kept], told[what][kept:] if kept else []
        write = amount if what == "factors" else percent
        for row in shown:
            cells = [write(x) if x is not None else "" for x in row["exposure"]]
            table.add_row(part_name(row["part"]), *cells, *(percent(x, 2) for x in row["risk"]))
        if rest:
            sums = [sum(row["risk"][side] for row in rest) for side in (0, 1)]
            table.add_row(f"{len(rest)} others", "", "", *(percent(x, 2) for x in sums))
        table.add_row("in all", "", "", *(percent(x, 2) for x in told["volatility"]), style="bold")
        show_table(out, table)


def _show_traded(out: Console, trades: Sequence[Row]) -> None:
    """The factors whose exposure the trades changed most, and what each of the largest trades did to them."""
    sums: dict[str, float] = {}
    for row in trades:
        for name, change in row["exposures"].items():
            sums[name] = sums.get(name, 0.0) + change
    names = sorted(sums, key=lambda name: (-abs(sums[name]), name))
    out.print("\nwhat the trades did to exposures")
    for most in range(5, 0, -1):  # as many factors as there is room for
        table = _traded_table(trades, sums, names[:most])
        if fits(out, table):
            break
    show_table(out, table)


def _traded_table(trades: Sequence[Row], sums: Mapping[str, float], names: Sequence[str]) -> Table:
    heads = [("", False), ("symbol", False), ("weight", True), *((name, True) for name in names)]
    table = columns_table("", heads)
    for row in [row for row in trades if row["action"] != "HOLD"][:MOST_NAMES]:
        moved = percent(row["weight"][1] - row["weight"][0])
        table.add_row(
            row["action"], row["symbol"], moved, *(amount(row["exposures"].get(n), 3) for n in names)
        )
    table.add_row("", "in all", "", *(amount(sums[n], 3) for n in names), style="bold")
    return table


def _show_realised(out: Console, name: str, currency: str, told: Row) -> None:
    said = f"{told['from']} to {told['to']}; the benchmark {percent(told['benchmark'], 2)}"
    out.print(f"\n{name}: the policy's backtest, {said}", highlight=False, soft_wrap=True)
    heads = [(currency, True), ("return", True), ("± error", True), ("active", True), ("± error", True)]
    table = columns_table("", [("", False), *heads])
    for row in told["parts"]:
        figures = [
            percent(row[key], 2) for key in ("contribution", "standard_error", "active", "active_error")
        ]
        table.add_row(part_name(row["part"]), amount(row["money"], 0), *figures)
    whole = percent(told["total"], 2), "", percent(told["active"], 2), ""
    table.add_row("in all", amount(told["value"] * told["total"], 0), *whole, style="bold")
    show_table(out, table)
