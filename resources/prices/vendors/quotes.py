"""Files of daily quotes that a vendor's own columns tell: Tiingo, Investing.com, Polygon."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from resources.prices.columns import plain
from resources.prices.source import FileRejected
from resources.prices.vendors.rewriting import (
    STATE,
    Change,
    Rewritten,
    cells_of,
    changed,
    dollars,
    fail,
    lines_of,
)

Rewrite = Callable[[str, Sequence[str], str], Rewritten]
TIINGO = {"adjclose": "adj_close", "divcash": "dividend", "splitfactor": "split"}
TIINGO_LEFT_OUT = frozenset({"adjhigh", "adjlow", "adjopen", "adjvolume"})
INVESTING = {"price": "close", "vol.": "volume"}
POLYGON = {"ticker": "symbol", "window_start": "date"}
SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.A)
SHORT = re.compile(r"(\d+(?:\.\d+)?)([KMB])", re.A)
TIMES = {"K": 10**3, "M": 10**6, "B": 10**9}
EXCHANGE = ZoneInfo("America/New_York")


def quotes_of(header: Sequence[str]) -> Rewrite | None:
    """What reads a file with this header; None where it is none of these vendors'."""
    names = {plain(cell) for cell in header}
    if {"date", "close", "divcash", "splitfactor"} <= names:
        return _tiingo
    if {"date", "price", "vol.", "change_%"} <= names:
        return _investing
    if {"ticker", "window_start", "close"} <= names:
        return _polygon
    return None


def _tiingo(text: str, header: Sequence[str], name: str) -> Rewritten:
    """Tiingo's daily prices: closes as traded, dividends and splits beside them."""
    made = changed(text, _columns(header, TIINGO, TIINGO_LEFT_OUT, _midnight))
    return Rewritten("Tiingo", made.encode())


def _midnight(cell: str) -> str:
    return re.sub(r"T00:00:00(\.0+)?Z$", "", cell)


def _polygon(text: str, header: Sequence[str], name: str) -> Rewritten:
    """Polygon's flat files of day aggregates: a day begins at midnight of New York, in nanoseconds."""
    made = changed(text, _columns(header, POLYGON, frozenset({"transactions"}), _nanoseconds))
    return Rewritten(
        "Polygon", made.encode(), open_=f"Polygon's layout: splits are not told beside closes; {STATE}"
    )


def _nanoseconds(cell: str) -> str:
    if not re.fullmatch(r"\d{16,20}", cell, re.A):
        return cell
    moment = datetime.fromtimestamp(int(cell) // 10**9, EXCHANGE)
    return moment.date().isoformat() if moment.time().isoformat() == "00:00:00" else moment.isoformat(" ")


def _investing(text: str, header: Sequence[str], name: str) -> Rewritten:
    """Investing.com's historical data: volumes such as 1.23M, and dates whose order depends on the edition.

    Raises FileRejected where days and months cannot be told apart.
    """
    place = [plain(cell) for cell in header].index("date")
    day_first = _day_first(text, place, name)

    def told(cell: str) -> str:
        found = SLASHED.fullmatch(cell)
        if found is None:
            return cell
        month, day = (found[2], found[1]) if day_first else (found[1], found[2])
        return f"{found[3]}-{int(month):02}-{int(day):02}"

    made = changed(text, _columns(header, INVESTING, frozenset({"change_%"}), told))
    said = f"Investing.com's layout: its closes are adjusted for splits, and dividends are not told; {STATE}"
    return Rewritten("Investing.com", made.encode(), open_=said)


def _day_first(text: str, place: int, name: str) -> bool:
    """Whether 03/04/2024 is in April; raises FileRejected where no date of the file tells."""
    firsts, seconds = set[int](), set[int]()
    for line, bare, _ in lines_of(text):
        cells = cells_of(bare)
        if line > 1 and len(cells) > place and (found := SLASHED.fullmatch(cells[place])):
            firsts.add(int(found[1]))
            seconds.add(int(found[2]))
    if firsts and max(firsts) <= 12 and max(seconds) <= 12:
        said = (
            "days and months cannot be told apart in its dates; export two weeks or more, or write 2024-01-31"
        )
        raise FileRejected(name, [fail("BAD_DATE", f"Investing.com's layout: {said}", 2)])
    return bool(firsts) and max(firsts) > 12


def _columns(
    header: Sequence[str], ours: dict[str, str], left_out: frozenset[str], as_date: Callable[[str], str]
) -> Change:
    """Our names for a header, its dates as ISO writes them, amounts without thousands, short volumes in full."""
    given = [plain(cell) for cell in header]
    kept = [place for place, cell in enumerate(given) if cell not in left_out]
    names = [ours.get(cell, cell) for cell in given]

    def change(line: int, cells: list[str]) -> list[str]:
        if line == 1 or len(cells) != len(header):
            return [names[place] for place in kept] if line == 1 else cells
        how: dict[str, Callable[[str], str]] = {"date": as_date, "symbol": str, "volume": _in_full}
        return [how.get(names[place], dollars)(cells[place]) for place in kept]

    return change


def _in_full(cell: str) -> str:
    """1.23M -> 1230000; nothing for a dash."""
    if cell == "-":
        return ""
    if (found := SHORT.fullmatch(cell)) is None:
        return dollars(cell)
    return str(int(Decimal(found[1]) * TIMES[found[2]]))
