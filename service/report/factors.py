"""The part of a report that tells risk and return by factor."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resources.results.measure_text import part_name
from service.report import figures
from service.report.track import Row

SIDES = ("before", "after")
MOST_TRADES, MOST_FACTORS, MOST_PARTS = 20, 7, 12


def factor_pictures(told: Row, place: str) -> dict[str, str]:
    """Name -> HTML of exposures and risk on both sides of the trades, and of what each group earned."""
    made: dict[str, str] = {}
    if told["predicted"]:
        rows = told["predicted"]["total"]["factors"]
        known = {
            part_name(row["part"]): tuple(row["exposure"]) for row in rows if row["exposure"][0] is not None
        }
        made["exposures"] = figures.bars(known, f"{place}-exposures", SIDES, figures.RATIO)
        risk = {part_name(row["part"]): tuple(row["risk"]) for row in rows}
        made["risk"] = figures.bars(risk, f"{place}-risk", SIDES)
    if told["realised"]:
        made["earned"] = figures.earned(told["realised"]["path"], f"{place}-earned")
    return made


def factor_rows(predicted: Mapping[str, Any]) -> list[Row]:
    """A row a factor and one for the names' own risk: exposure and risk on both sides, by itself and active."""
    active = {row["part"]: row for row in predicted.get("active", {}).get("factors", ())}
    return [
        {
            "part": row["part"], "group": row["group"], "exposure": row["exposure"], "risk": row["risk"],
            "active_exposure": active[row["part"]]["exposure"] if active else None,
            "active_risk": active[row["part"]]["risk"] if active else None,
        }
        for row in predicted["total"]["factors"]
    ]  # fmt: skip


def told_trades(trades: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The trades that change an exposure most, and the others: those that hold change it by the costs alone."""
    shown = [row for row in trades if row["action"] != "HOLD"][:MOST_TRADES]
    return shown, [row for row in trades if row not in shown]


def moved_factors(trades: Sequence[Row]) -> list[str]:
    """The factors whose exposure the trades change most."""
    sums = exposure_changes(trades)
    return sorted(sums, key=lambda name: (-abs(sums[name]), name))[:MOST_FACTORS]


def exposure_changes(trades: Sequence[Row]) -> dict[str, float]:
    """Factor -> what all changes of weight did to the exposure."""
    sums: dict[str, float] = {}
    for row in trades:
        for name, change in row["exposures"].items():
            sums[name] = sums.get(name, 0.0) + change
    return sums


def name_rows(predicted: Mapping[str, Any]) -> Iterator[Row]:
    """The names that add most to the risk, and the others together."""
    rows = predicted["total"]["symbols"]
    yield from rows[:MOST_PARTS]
    if rest := rows[MOST_PARTS:]:
        sums = [[sum(row[what][side] for row in rest) for side in (0, 1)] for what in ("exposure", "risk")]
        yield {"part": f"{len(rest)} others", "exposure": sums[0], "risk": sums[1]}
