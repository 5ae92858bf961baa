"""Price files in the layouts of vendors, rewritten line by line into the plain columns that all files are read by.

A layout is recognised by its first lines; what is no vendor's is left as it is. Nothing is guessed: a file that could
mean two things is refused with its layout's name and the remedy.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace

from resources.prices.columns import ALIASES, SYMBOL, TYPES, is_symbol, plain
from resources.prices.source import FileRejected, Finding
from resources.prices.vendors.gains import GAINS, with_gains
from resources.prices.vendors.quotes import quotes_of
from resources.prices.vendors.rewriting import (
    STATE,
    Change,
    Rewritten,
    american,
    cells_of,
    changed,
    dollars,
    fail,
)
from resources.prices.vendors.separated import as_table, heads_of, with_commas

PRICE_FIELDS = frozenset({"open", "high", "low", "close", "adj_close", "volume"})
STOOQ = {
    "<TICKER>": "symbol", "<DATE>": "date", "<OPEN>": "open", "<HIGH>": "high", "<LOW>": "low", "<CLOSE>": "close",
    "<VOL>": "volume",
}  # fmt: skip
MIDNIGHT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]00:00:00([+-]\d{2}:?\d{2})?", re.A)


def rewritten(data: bytes, name: str, ignored: Sequence[str] = ()) -> Rewritten | None:
    """The file in plain columns where it is in a vendor's layout; None where it is to be read as it is.

    ignored  columns that the source leaves out
    Raises FileRejected for a file that could mean two things.
    """
    found = heads_of(data)
    try:
        heads = [cells_of(line, found.separator) for line in found.lines]
        if not heads or (found.separator == "," and not found.told and not _is_vendors(heads, ignored)):
            return None
        text = with_commas(data.decode("utf-8-sig"), found, name)
    except (UnicodeDecodeError, csv.Error):
        return None  # the plain reader says what is wrong with the bytes
    vendors = _of_vendor(text, heads, name, ignored)
    return replace(vendors, dropped=vendors.dropped + found.told) if vendors else as_table(text, found)


def _is_vendors(heads: Sequence[Sequence[str]], ignored: Sequence[str]) -> bool:
    return bool(
        heads
        and (
            "<TICKER>" in heads[0]
            or {"close/last", "date"} <= {plain(cell) for cell in heads[0]}
            or quotes_of(heads[0]) is not None
            or _is_history(heads)
            or _field_row(heads) is not None
            or wide_symbols(heads[0], ignored)
        )
    )


def _of_vendor(
    text: str, heads: Sequence[Sequence[str]], name: str, ignored: Sequence[str]
) -> Rewritten | None:
    if "<TICKER>" in heads[0]:
        return _stooq(text, heads[0], name)
    if {"close/last", "date"} <= {plain(cell) for cell in heads[0]}:
        return _nasdaq(text, heads[0], name)
    if (vendor := quotes_of(heads[0])) is not None:
        return vendor(text, heads[0], name)
    if _is_history(heads):
        return _history(text, heads[0], name, ignored)
    if (place := _field_row(heads)) is not None:
        return _download(text, heads, place, name, ignored)
    if symbols := wide_symbols(heads[0], ignored):
        header = ["date", *(f"column {place}" for place in range(1, len(heads[0])))]
        plain_text = changed(text, lambda line, cells: header if line == 1 else cells)
        columns = tuple(None if symbol is None else ("close", symbol) for symbol in symbols)
        return Rewritten("a table with a column a symbol", plain_text.encode(), columns=columns)
    return None


def _stooq(text: str, header: Sequence[str], name: str) -> Rewritten:
    """Stooq's ASCII files: a line a day with its ticker, which has the market behind a dot."""
    names = [STOOQ.get(cell, cell) for cell in header]
    kept = [place for place, ours in enumerate(names) if ours in STOOQ.values()]
    period, ticker = header.index("<PER>") if "<PER>" in header else None, header.index("<TICKER>")
    bare: dict[str, str] = {}

    def change(line: int, cells: list[str]) -> list[str]:
        if line == 1:
            return [names[place] for place in kept]
        if len(cells) != len(header):
            return cells  # the plain reader names the line
        if period is not None and cells[period] != "D":
            said = f"<PER> is {cells[period]}: only daily prices (D) are read; export daily data"
            raise FileRejected(name, [fail("NOT_DAILY", f"Stooq's layout: {said}", line)])
        told = cells[ticker]
        cells = [*cells]
        if told.endswith(".US"):
            bare[told] = cells[ticker] = told.removesuffix(".US")
        return [_iso(cells[place]) if names[place] == "date" else cells[place] for place in kept]

    plain_text = changed(text, change)
    warnings = [
        Finding(
            "SYMBOL_FROM_NAME", "WARN", f"the rows of {told} are taken as those of {symbol}", symbol=symbol
        )
        for told, symbol in sorted(bare.items())
    ]
    said = f"Stooq's layout: its closes are adjusted, for splits or for dividends too, as the export was asked; {STATE}"
    return Rewritten("Stooq", plain_text.encode(), open_=said, warnings=tuple(warnings))


def _iso(cell: str) -> str:
    return f"{cell[:4]}-{cell[4:6]}-{cell[6:]}" if re.fullmatch(r"\d{8}", cell, re.A) else cell


def _nasdaq(text: str, header: Sequence[str], name: str) -> Rewritten:
    """Nasdaq's historical quotes: American dates, dollar signs, thousands with commas."""
    names = ["close" if plain(cell) == "close/last" else plain(cell) for cell in header]

    def change(line: int, cells: list[str]) -> list[str]:
        if line == 1 or len(cells) != len(header):
            return names if line == 1 else cells
        return [
            american(cell) if ours == "date" else dollars(cell)
            for ours, cell in zip(names, cells, strict=True)
        ]

    said = f"Nasdaq's layout: its closes are adjusted for splits, and dividends are not told; {STATE}"
    return Rewritten("Nasdaq", changed(text, change).encode(), open_=said)


def _is_history(heads: Sequence[Sequence[str]]) -> bool:
    """yfinance's `Ticker.history()`: dates of midnight at the exchange."""
    names = {plain(cell) for cell in heads[0]}
    if not {"date", "dividends", "stock_splits"} <= names or len(heads) < 2:
        return False
    return any(MIDNIGHT.fullmatch(cell) for cell in heads[1])


def _history(text: str, header: Sequence[str], name: str, ignored: Sequence[str]) -> Rewritten:
    """yfinance's `Ticker.history()`; of funds it has a column of capital gains."""
    names, skipped = [plain(cell) for cell in header], {plain(name) for name in ignored}
    told = GAINS in names and GAINS not in skipped
    pairs = {names.index(GAINS): names.index("dividends")} if told else {}
    return Rewritten(
        "yfinance's history",
        changed(text, with_gains(_dates_alone(header), pairs, len(header), name)).encode(),
    )


def _dates_alone(header: Sequence[str]) -> Change:
    """Midnight becomes the date that it begins; any other time stays, and is refused."""
    place = [plain(cell) for cell in header].index("date")

    def change(line: int, cells: list[str]) -> list[str]:
        if line > 1 and len(cells) > place and (found := MIDNIGHT.fullmatch(cells[place])):
            return [*cells[:place], found[1], *cells[place + 1 :]]
        return cells

    return change


def _field_row(heads: Sequence[Sequence[str]]) -> int | None:
    """Which of the two header rows of yfinance's `download()` names the columns; None for another file."""
    if len(heads) < 3 or len(heads[0]) != len(heads[1]) or len(heads[0]) < 2:
        return None
    if [cell.lower() for cell in heads[2][:1]] not in (["date"], ["datetime"]) or any(heads[2][1:]):
        return None
    for place in (0, 1):
        if {plain(cell) for cell in heads[place][1:]} <= PRICE_FIELDS | {"dividends", "stock_splits", GAINS}:
            return place
    return None


def _download(
    text: str, heads: Sequence[Sequence[str]], place: int, name: str, ignored: Sequence[str]
) -> Rewritten:
    """yfinance's `download()`: a row of fields and a row of tickers above a row that says Date."""
    skipped = {plain(name) for name in ignored}
    fields, tickers = heads[place][1:], heads[1 - place][1:]
    if strange := sorted({cell for cell in tickers if not re.fullmatch(SYMBOL, cell)}):
        said = f"yfinance's layout: {strange} are no symbols; name the tickers in the second header row"
        raise FileRejected(name, [fail("MISSING_COLUMN", said, 2 - place)])
    header = ["date", *(f"column {number}" for number in range(1, len(fields) + 1))]
    lines = list(io.StringIO(text, newline=""))
    body = "".join([",".join(header) + "\n", *lines[3:]])
    told = [(plain(given), ticker) for given, ticker in zip(fields, tickers, strict=True)]
    pairs = {
        1 + told.index((GAINS, ticker)): 1 + told.index(("dividends", ticker))
        for ticker in set(tickers)
        if GAINS not in skipped and {(GAINS, ticker), ("dividends", ticker)} <= set(told)
    }
    columns = tuple(
        None if ours in skipped else (ALIASES.get(ours, ours), ticker)
        for at, (ours, ticker) in enumerate(told, 1)
        if at not in pairs
    )
    adjusted = any(column and column[0] == "adj_close" for column in columns)
    said = (
        "" if adjusted else f"yfinance's layout: auto_adjust may have put dividends into the closes; {STATE}"
    )
    made = changed(body, with_gains(_dates_alone(header), pairs, len(header), name, dropped=2))
    return Rewritten("yfinance's download", made.encode(), 2, columns, said)


def wide_symbols(header: Sequence[str], ignored: Sequence[str]) -> list[str | None]:
    """The symbols of a table with a date and a column of closes for each of at least two symbols; else none.

    None stands for a column that is ignored.
    """
    names, skipped = [plain(cell) for cell in header], {plain(name) for name in ignored}
    known = {*TYPES, *ALIASES} - {"date"} - skipped
    if names[:1] not in (["date"], ["timestamp"], [""]) or known & set(names[1:]):
        return []
    symbols = [None if plain(cell) in skipped else cell.strip() for cell in header[1:]]
    told = [symbol for symbol in symbols if symbol is not None]
    real = len(told) > 1 and all(map(is_symbol, told)) and len(set(told)) == len(told)
    return symbols if real else []
