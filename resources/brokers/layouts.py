"""The tables of positions that brokers export: how each is recognised, and what its columns are."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from optimizer import DataError
from resources.brokers.amounts import has_decimal_commas, last_day_in, with_point
from resources.brokers.interactive_brokers import is_activity_statement, read_activity_statement
from resources.brokers.statement import Answers, Row, Statement, statement

Names = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """One broker's table.

    columns   our names -> the names that its header may give them, in lower case
    marks     our names of columns that a header has all of
    american  whether 03/04/2024 is a day of March
    """

    name: str
    columns: Mapping[str, Names]
    marks: Names
    american: bool = True


LAYOUTS = (
    Layout(
        "Fidelity",
        {
            "account": ("account number", "account name/number"), "symbol": ("symbol",), "name": ("description",),
            "quantity": ("quantity",), "price": ("last price",), "value": ("current value",),
            "cost": ("cost basis total", "cost basis"), "each": ("average cost basis", "cost basis per share"),
            "acquired": ("acquired", "date acquired"),
        },
        ("symbol", "price", "value"),
    ),
    Layout(
        "Schwab",
        {
            "symbol": ("symbol",), "name": ("description",), "quantity": ("qty (quantity)", "quantity", "qty"),
            "price": ("price",), "value": ("mkt val (market value)", "market value", "mkt val"),
            "cost": ("cost basis",), "kind": ("security type", "asset type"), "acquired": ("open date", "opened date"),
        },
        ("symbol", "name", "price", "kind"),
    ),
    Layout(
        "Vanguard",
        {
            "account": ("account number",), "symbol": ("symbol",), "name": ("investment name",),
            "quantity": ("shares",), "price": ("share price",), "value": ("total value",),
        },
        ("name", "symbol", "quantity", "value"),
    ),
    Layout(
        "Vanguard cost basis",
        {
            "account": ("account",), "symbol": ("symbol/cusip",), "name": ("description",), "quantity": ("quantity",),
            "value": ("market value",), "cost": ("total cost",), "each": ("cost per share",),
            "acquired": ("date acquired",),
        },
        ("symbol", "quantity", "acquired"),
    ),
)  # fmt: skip
OWN_WORDS: Mapping[str, Names] = {
    "account": ("account", "clientaccountid"), "symbol": ("ticker",), "name": ("name", "security"),
    "quantity": ("units",), "price": ("markprice",), "value": ("value", "positionvalue"),
    "cost": ("cost", "total cost", "costbasismoney"), "kind": ("type", "assetclass"),
    "each": (
        "average cost", "unit cost", "cost per share", "price paid", "average price", "avg cost", "avg price",
        "average unit cost", "avg unit cost", "cost/share", "avg cost/share",
    ),
    "acquired": ("purchase date", "trade date", "opendatetime"), "currency": ("currency", "ccy", "currencyprimary"),
    "detail": ("levelofdetail",), "dated": ("reportdate", "report date", "as of date"),
}  # fmt: skip


def _any_words() -> dict[str, Names]:
    """A table of one's own may call a column what any broker calls it."""
    every = [OWN_WORDS, *(layout.columns for layout in LAYOUTS)]
    return {
        ours: tuple(dict.fromkeys(word for one in every for word in one.get(ours, ())))
        for ours in dict.fromkeys(word for one in every for word in one)
    }


GENERIC = Layout("generic", _any_words(), (), american=False)
SEPARATORS = (",", "\t", ";")
AS_TEXT = re.compile(r'^\s*="(.*)"\s*$')  # so that Excel leaves a cell as it is
WANTED = (
    "positions exports of Vanguard, Schwab, Fidelity and Interactive Brokers are read, and any CSV with the columns "
    "symbol and quantity (price, value, cost, average cost, acquired, account are understood too)"
)


def read_statement(text: str, name: str, answers: Answers | None = None) -> Statement:
    """The positions in a broker's export.

    name  of the file, for messages
    Raises DataError where no table of positions is found, two columns are the same thing, or numbers may be two.
    """
    given = answers or Answers()
    for separator in SEPARATORS:
        lines = _lines(text, separator, name)
        if is_activity_statement([cells for _, cells in lines]):
            return read_activity_statement(lines, given)
        for _, cells in lines:
            if layout := _recognised([plain(cell) for cell in cells]):
                return _table(_with_points(lines, separator, name), layout, given, name)
    raise DataError(f"{name} has no table of positions that we know; {WANTED}")


def plain(heading: str) -> str:
    """A heading in lower case with single spaces, without the sign of dollars behind it."""
    return re.sub(r"[\s_]+", " ", re.sub(r"\s\(?\$\)?\s*$", "", heading)).strip().lower()


def _lines(text: str, separator: str, name: str) -> list[tuple[int, list[str]]]:
    """(line, cells) of each line that has any."""
    body = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator)
    told = [(reader.line_num, [AS_TEXT.sub(r"\1", cell) for cell in cells]) for cells in reader]
    _check_quotes(body, [line for line, _ in told], name)
    return [(line, cells) for line, cells in told if any(cell.strip() for cell in cells)]


def _check_quotes(body: str, ends: Sequence[int], name: str) -> None:
    """Raises DataError where a quote opens and never closes: all lines below it would be one cell."""
    first = ends[-2] if len(ends) > 1 else 0
    last = io.StringIO(body, newline="").readlines()[first:]
    if len(last) > 1 and sum(line.count('"') for line in last) % 2:
        raise DataError(f"{name}:{first + 1} opens a quote that nothing closes; mend that line")


def _with_points(
    lines: list[tuple[int, list[str]]], separator: str, name: str
) -> list[tuple[int, list[str]]]:
    """The lines with decimal points, where they have decimal commas throughout."""
    every = (cell for _, cells in lines for cell in cells)
    try:
        if not has_decimal_commas(every, commas_part_cells=separator == ","):
            return lines
    except ValueError as error:
        raise DataError(f"{name}: {error}") from None
    return [(line, [with_point(cell) for cell in cells]) for line, cells in lines]


def _recognised(header: Sequence[str]) -> Layout | None:
    for layout in LAYOUTS:
        if all(set(layout.columns[ours]) & set(header) for ours in layout.marks):
            return layout
    needed = [set(GENERIC.columns[name]) & set(header) for name in ("symbol", "quantity")]
    return GENERIC if all(needed) else None


def _table(lines: Sequence[tuple[int, list[str]]], layout: Layout, answers: Answers, name: str) -> Statement:
    rows: list[Row] = []
    left_out: list[tuple[int, str]] = []
    title, account, header = "", "", [""]
    for line, cells in lines:
        names = [plain(cell) for cell in cells]
        told = [cell.strip() for cell in cells if cell.strip()]
        if _recognised(names) == layout:
            header, account = _columns(names, layout, f"{name}:{line}"), title
        elif header != [""] and {"trade date", "settlement date", "transaction type"} & set(names):
            left_out.append((line, "a table of something else begins; it is not read"))
            break
        elif header == [""] or (len(told) == 1 and " " in told[0]):
            title = told[0]
            left_out.append((line, f"no position: {title[:60]}"))
        else:
            rows.append(_row(line, cells, header, account))
    told_days = (last_day_in(" ".join(cells), american=layout.american) for cells in _prose(lines))
    as_of = next(filter(None, told_days), None) or _dated(rows, american=layout.american)
    return statement(layout.name, as_of, rows, answers, american=layout.american, left_out=left_out)


def _dated(rows: Sequence[Row], *, american: bool) -> date | None:
    """The one day that a column of the table says of every line; None where there is none, or more than one."""
    told = {row.dated.strip() for row in rows}
    return last_day_in(told.pop(), american=american) if len(told) == 1 else None


def _prose(lines: Sequence[tuple[int, list[str]]]) -> Iterator[list[str]]:
    """The lines around the tables: of one cell."""
    return (cells for _, cells in lines if sum(bool(cell.strip()) for cell in cells) == 1)


def _columns(names: Sequence[str], layout: Layout, where: str) -> list[str]:
    """Our name of each column, "" for one that is not needed; raises DataError where two are the same thing."""
    ours = {theirs: our for our, told in layout.columns.items() for theirs in told}
    found = [ours.get(name, "") for name in names]
    if twice := sorted({name for name in found if name and found.count(name) > 1}):
        told = [given for given, our in zip(names, found, strict=True) if our in twice]
        raise DataError(f"{where}: the columns {told} say the same thing; leave one of them out")
    return found


def _row(line: int, cells: Sequence[str], header: Sequence[str], account: str) -> Row:
    """A line under our names; cells beyond the header must be empty, as brokers end lines with a separator."""
    more = [cell for cell in cells[len(header) :] if cell.strip()]
    values = {name: cell for name, cell in zip(header, cells, strict=False) if name}
    trouble = (
        f"it has {len(cells)} cells where the header has {len(header)}"
        if more or len(cells) < len(header) - 1
        else ""
    )
    return Row(line, **{"account": account, **values}, trouble=trouble)
