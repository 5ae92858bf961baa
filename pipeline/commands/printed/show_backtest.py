"""Backtests on a terminal: each strategy's measures, those of a sweep's policies, and where the return came from."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from pipeline.commands.printed.narrow import show_table
from pipeline.commands.printed.show import Row, amount, columns_table, percent, show_notes
from resources.results.measure_text import GROUPS, measure_text, part_name

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
        if not found:  # it was not replayed
            continue
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
