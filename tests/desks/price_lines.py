"""Price files of a few rows, and what the screening makes of them, for its tests."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from resources.prices.files import Reading, read_delivery
from resources.prices.source import Delivery
from resources.screening.screen import Context, screen

FIRST = date(2024, 1, 1)
DAYS = np.arange(np.datetime64("2023-12-01"), np.datetime64("2025-12-31"))
SESSIONS = DAYS[np.is_busday(DAYS, holidays=[np.datetime64("2024-01-15")])].astype(np.int32)
CONTEXT = Context(date(2025, 6, 30), SESSIONS)


def day(number: int) -> date:
    """The number-th session from 2024-01-01 on."""
    start = int(np.searchsorted(SESSIONS, number_of(FIRST)))
    found: date = np.datetime64(int(SESSIONS[start + number]), "D").item()
    return found


def number_of(when: date) -> int:
    return int(np.datetime64(when, "D").astype(np.int64))


def line(symbol: str, when: date, close: float | str, **cells: object) -> str:
    given = {"open": "", "high": "", "low": "", "volume": "", "dividend": 0, "split": 1} | cells
    order = (
        given["open"],
        given["high"],
        given["low"],
        close,
        given["volume"],
        given["dividend"],
        given["split"],
    )
    return ",".join(map(str, (symbol, when, *order)))


def delivery(lines: Sequence[str], name: str = "tidy.csv") -> Delivery:
    text = "symbol,date,open,high,low,close,volume,dividend,split\n" + "".join(f"{row}\n" for row in lines)
    return read_delivery(text.encode(), name, "sha", "key", Reading("test", "USD"))


def series(symbol: str, closes: Sequence[float], start: int = 0, **cells: object) -> list[str]:
    return [line(symbol, day(start + place), close, **cells) for place, close in enumerate(closes)]


def checked(lines: Sequence[str], context: Context = CONTEXT) -> Delivery:
    return screen(delivery(lines), context)


def aside(result: Delivery) -> list[tuple[str, int]]:
    table = result.quarantined
    return list(zip(table["code"].to_pylist(), table["line"].to_pylist(), strict=True))


def warned(result: Delivery) -> dict[str, int]:
    return {finding.code: finding.count for finding in result.warnings if finding.severity == "WARN"}
