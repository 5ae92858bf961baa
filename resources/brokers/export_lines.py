"""A broker's export, line by line: where its table begins and ends, which layout it has, and what else it says."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from textwrap import shorten

from optimizer import DataError
from resources.brokers.aj_bell import is_aj_bell, read_aj_bell
from resources.brokers.amounts import (
    NOTHING,
    amount,
    currency_in,
    has_decimal_commas,
    last_day_in,
    with_point,
)
from resources.brokers.degiro import is_degiro, read_degiro
from resources.brokers.holding_rows import CASH_LINE, statement
from resources.brokers.interactive_brokers import is_activity_statement, read_activity_statement
from resources.brokers.layouts import DEALINGS, NO_SHARES, Layout, heads, plain, recognised, without_sales
from resources.brokers.statement import BESIDE, Answers, Row, Statement
from resources.brokers.thinkorswim import is_position_statement, read_position_statement

Lines = list[tuple[int, list[str]]]
SEPARATORS = (",", "\t", ";")
AS_TEXT = re.compile(r'^\s*="(.*)"\s*$')  # so that Excel leaves a cell as it is
FOR_EXCEL = re.compile(r"\Asep=.(?=[\r\n])", re.I)  # which separator it is to take
OPTION_HAS = {"strike": "a strike", "expiry": "an expiry", "right": "a right"}
OF_HELD = NOTHING | {"long", "l", "buy", "b", "bought"}
FLEX_CASH = ("clientaccountid", "currencyprimary", "endingcash")
FLEX_ENDS = frozenset({"BOF", "BOA", "BOS", "EOS", "EOA", "EOF"})  # lines around the sections of a Flex query
# As a kind of line; a fund may be one of dividends, or write options on what it buys.
DEALT, PAID = re.compile(r"(buy|bought|sell|sold)(\s+(-|to)\s.*)?", re.I), re.compile(r"dividends?", re.I)
IN_BASE = "all cash in the account's base currency, which is not named here"
EMPTY = re.compile(r"[\W0_]*")  # no amount, and no day
LONGEST = 80  # of a line of prose that is told
WORDS = 2  # a line of this many may be of prose
MONEY = ("price", "value", "cost", "each")
WANTED = (
    "positions exports of Vanguard, Schwab, thinkorswim, Fidelity, Interactive Brokers, DEGIRO, Trading 212 (pies), "
    "Hargreaves Lansdown, AJ Bell, comdirect, Wealthsimple, Questrade and Yahoo are read, and any CSV with the columns "
    "symbol (or isin) and quantity (price, value, cost, average cost, acquired, account are understood too)"
)


def read_statement(text: str, name: str, answers: Answers | None = None) -> Statement:
    """The positions in a broker's export.

    name  of the file, for messages
    Raises DataError where no table of positions is found, two columns are the same thing, or numbers may be two.
    """
    given = answers or Answers()
    for separator in SEPARATORS:
        lines = _lines(text, separator, name)
        every = [cells for _, cells in lines]
        if is_activity_statement(every):
            return read_activity_statement(lines, given)
        if is_position_statement(every):
            return read_position_statement(lines, given)
        if is_degiro(every):
            return read_degiro(lines, given, lambda some: _with_points(some, ",", name))
        if is_aj_bell(every):
            return read_aj_bell(lines, given)
        for cells in every:
            if layout := recognised([plain(cell) for cell in cells]):
                return _table(_with_points(lines, separator, name), layout, given, name)
    raise DataError(_unknown([_lines(text, separator, name) for separator in SEPARATORS], name))


def _unknown(readings: Sequence[Lines], name: str) -> str:
    """What the file has in place of positions: a list of dealings, or the columns of its first line of words."""
    every = [(line, cells) for lines in readings for line, cells in lines]
    if any(cells[1:3] == ["Header", "DataDiscriminator"] for _, cells in every):
        return f"{name} is a statement of Interactive Brokers in another language; export it in English"
    for line, cells in every:
        if instead := heads([plain(cell) for cell in cells]):
            return f"{name}: line {line} heads {instead}"
    said = f"{name} has no table of positions that we know"
    for line, cells in every:
        told = [cell.strip() for cell in cells if cell.strip()]
        if len(told) > WORDS and not any(re.search(r"\d", cell) for cell in told):
            said += f": line {line} has the columns {', '.join(told)[:160]}; rename those that are symbol and quantity"
            break
    return f"{said}; {WANTED}"


def _lines(text: str, separator: str, name: str) -> Lines:
    """(line, cells) of each line that has any."""
    body = text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")  # Interactive Investor begins with nine of them
    body = FOR_EXCEL.sub("", body)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, skipinitialspace=True)
    told = [(reader.line_num, [AS_TEXT.sub(r"\1", cell) for cell in cells]) for cells in reader]
    _check_quotes(body, [line for line, _ in told], name)
    return without_sales([(line, cells) for line, cells in told if any(cell.strip() for cell in cells)])


def _check_quotes(body: str, ends: Sequence[int], name: str) -> None:
    """Raises DataError where a quote opens and never closes: all lines below it would be one cell."""
    first = ends[-2] if len(ends) > 1 else 0
    last = io.StringIO(body, newline="").readlines()[first:]
    if len(last) > 1 and sum(line.count('"') for line in last) % 2:
        raise DataError(f"{name}:{first + 1} opens a quote that nothing closes; mend that line")


def _with_points(lines: Lines, separator: str, name: str) -> Lines:
    """The lines with decimal points, where they have decimal commas throughout."""
    every = (cell for _, cells in lines for cell in cells)
    try:
        if not has_decimal_commas(every, separator):
            return lines
    except ValueError as error:
        raise DataError(f"{name}: {error}") from None
    return [(line, [with_point(cell) for cell in cells]) for line, cells in lines]


def _table(lines: Lines, layout: Layout, answers: Answers, name: str) -> Statement:
    rows: list[Row] = []
    left_out: list[tuple[int, str]] = []
    title, account, header, unit, other = "", "", [""], "", False
    known, cash_of = list[str](), list[str]()
    for line, cells in lines:
        names = [plain(cell) for cell in cells]
        told = [cell.strip() for cell in cells if cell.strip()]
        if recognised(names) == layout:
            header, account, other = _columns(names, layout, f"{name}:{line}"), title, False
            known, cash_of, unit = names, [], _unit(cells, header)
        elif _is_cash_line(cells, header):
            whose = title if header == [""] else account
            rows.append(Row(line, whose, told[0].rstrip(":"), value=told[1], currency=unit, detail=BESIDE))
        elif {*FLEX_CASH} <= {*names}:
            known, cash_of, other = names, names, True
            left_out.append((line, "a table of cash begins"))
        elif known and _heads_another(names, known):
            cash_of, other = [], True
            left_out.append((line, "a table of something else begins; it is not read"))
        elif cash_of and cells[0] not in FLEX_ENDS:
            cash = _flex_cash(line, dict(zip(cash_of, cells, strict=False)))
            rows += [cash] if cash else []
            left_out += [] if cash else [(line, IN_BASE)]
        elif header == [""] or _is_title(cells, header):
            title = told[0] if len(told) == 1 else title
            left_out.append((line, f"no position: {_beginning(told[0])}"))
        elif not other:
            rows.append(_row(line, cells, header, account, unit))
    _check_held(rows, name)
    told_days = (last_day_in(" ".join(cells), month_first=layout.month_first) for cells in _prose(lines))
    as_of = next(filter(None, told_days), None) or _dated(rows, month_first=layout.month_first)
    return statement(layout.name, as_of, rows, answers, month_first=layout.month_first, left_out=left_out)


def _check_held(rows: Sequence[Row], name: str) -> None:
    """Raises DataError where a line says by its kind that it was bought or sold, or all that they were paid."""
    dealt = next((row for row in rows if DEALT.fullmatch(row.kind.strip())), None)
    if dealt is None and all(PAID.fullmatch(row.kind.strip()) for row in rows):
        dealt = next(iter(rows), None)
    if dealt:
        raise DataError(
            f"{name}: line {dealt.line} is one of a list of dealings (its kind is {dealt.kind.strip()!r}); "
            "export what is held"
        )


def _beginning(text: str) -> str:
    """What a line of prose begins with, to the end of a word where it has any."""
    if len(text) > LONGEST and " " not in text[:LONGEST]:
        return f"{text[:LONGEST]} ..."
    return shorten(text, LONGEST, placeholder=" ...")


def _is_title(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a line is of prose: its only cell has several words, no form of a symbol, or no column that counts.

    The lines around the sections of a Flex query are, too.
    """
    places = [place for place, cell in enumerate(cells) if cell.strip()]
    if not header[0] and cells[0] in FLEX_ENDS:
        return True
    if len(places) != 1:
        return False
    said = cells[places[0]].strip()
    column = header[places[0]] if places[0] < len(header) > 1 else "symbol"
    heading = not said.isupper() if len(cells) == 1 else column == "symbol" and said.istitle()
    return " " in said or column in ("", "account", "kind") or heading


def _heads_another(names: Sequence[str], known: Sequence[str]) -> bool:
    """Whether a line is the header of a table that is none of positions: by its words, or those of the table above."""
    return (
        bool((DEALINGS | {"trade date"}) & {*names})
        or ("symbol" in names and len(names) > 1)
        or len({*names} & {*known} - {""}) >= WORDS
    )


def _flex_cash(line: int, cells: Mapping[str, str]) -> Row | None:
    """The cash of one currency in a Flex query; None for the sum of all, which is in a currency that is not told."""
    account, currency, value = (cells.get(name, "").strip() for name in FLEX_CASH)
    if currency.upper() == "BASE_SUMMARY":
        return None
    return Row(line, account, f"{currency} CASH", value=value, currency=currency, detail=BESIDE)


def _is_cash_line(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a line beside the table's own says cash and its amount, as in `Total cash:, "1,484.50"`.

    A spreadsheet makes it as long as those: then its amount stands where the table has none, or it is a total.
    """
    told = [(place, cell.strip()) for place, cell in enumerate(cells) if cell.strip()]
    if len(told) != WORDS or not CASH_LINE.fullmatch(told[0][1]):
        return False
    place = told[1][0]
    counts = place < len(header) and header[place] in ("quantity", *MONEY)
    if len(cells) >= len(header) - 1 and counts and not told[0][1].lower().startswith("total"):
        return False
    try:
        return amount(told[1][1]) is not None
    except ValueError:
        return False


def _unit(cells: Sequence[str], header: Sequence[str]) -> str:
    """The currency that the headings of amounts name, as in `Value (EUR)`; "" where they name none, or several."""
    named = zip(cells, header, strict=False)
    told = {currency_in(cell.upper()) for cell, ours in named if ours in MONEY} - {""}
    return told.pop() if len(told) == 1 else ""


def _dated(rows: Sequence[Row], *, month_first: bool | None) -> date | None:
    """The one day that a column of the table says of every line; None where there is none, or more than one."""
    told = {row.dated.strip() for row in rows if row.detail != BESIDE}
    return last_day_in(told.pop(), month_first=month_first) if len(told) == 1 else None


def _prose(lines: Lines) -> Iterator[list[str]]:
    """The lines around the tables: of one cell."""
    return (cells for _, cells in lines if sum(bool(cell.strip()) for cell in cells) == 1)


def _columns(names: Sequence[str], layout: Layout, where: str) -> list[str]:
    """Our name of each column, "" for one that is not needed; raises DataError where two are the same thing."""
    every = [*NO_SHARES.items(), *layout.columns.items()]
    ours = {theirs: our for our, told in every for theirs in told}
    found = [ours.get(name, "") for name in names]
    # where a symbol stands beside it, an instrument is a company's name
    if found.count("symbol") > 1 and "name" not in found:
        found = ["name" if name == "instrument" else our for name, our in zip(names, found, strict=True)]
    counted = [name for name in found if name not in NO_SHARES]
    if twice := sorted({name for name in counted if name and counted.count(name) > 1}):
        told = [given for given, our in zip(names, found, strict=True) if our in twice]
        raise DataError(f"{where}: the columns {', '.join(told)} say the same thing; leave one of them out")
    return found


def _row(line: int, cells: Sequence[str], header: Sequence[str], account: str, unit: str) -> Row:
    """A line under our names; cells beyond the header must be empty, as brokers end lines with a separator."""
    more = [cell for cell in cells[len(header) :] if cell.strip()]
    values = {name: cell for name, cell in zip(header, cells, strict=False) if name and name not in NO_SHARES}
    trouble = (
        f"it has {len(cells)} cells where the header has {len(header)}"
        if more or len(cells) < len(header) - 1
        else ""
    )
    beside = [(name, cell.strip()) for name, cell in zip(header, cells, strict=False) if name in NO_SHARES]
    trouble = trouble or _no_share_held(beside, values.get("quantity", ""))
    if pence := values.pop("pence", "").strip():
        values["price"] = f"{pence}p"
    numbers = {kind.upper(): values.pop(kind, "").strip() for kind in ("isin", "wkn")}
    number = next((kind for kind in numbers if numbers[kind]), "")
    if number and not values.get("symbol", "").strip():
        values |= {"symbol": numbers[number], "number": number}
    return Row(line, **{"account": account, "currency": unit, **values}, trouble=trouble)


def _no_share_held(beside: Sequence[tuple[str, str]], quantity: str) -> str:
    """What the columns beside a line's shares say against it: that they are borrowed, or a contract; "" for nothing."""
    below_zero = quantity.strip().startswith(("-", "\N{MINUS SIGN}", "("))
    for name, cell in beside:
        nothing = cell.lower() in NOTHING or EMPTY.fullmatch(cell)
        borrowed = name == "side" or (name == "sort" and re.search(r"\bshort\b", cell, re.I))
        if borrowed and not below_zero and cell.lower() not in OF_HELD:
            return f"it is {cell}, and only what is held is read"
        if name in OPTION_HAS and not nothing:
            has_it = f"it has {OPTION_HAS[name]} ({cell}), as options and futures have"
            return f"{has_it}, and only shares and funds are read"
        if name == "multiple" and not nothing and not re.fullmatch(r"1([.,]0+)?", cell):
            return f"one contract is {cell} of something"
    return ""
