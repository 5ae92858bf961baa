"""Tables on a narrow terminal: the long text below its line, or a row as lines of name and value."""

import re
from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

GAP = 2
ROOM = 12  # columns beyond its longest words that a table with wrapped texts needs to be read
HASH = re.compile(r"[0-9a-f]{64}")


def fits(out: Console, table: Table) -> bool:
    """Whether a table has room on the console: whole, or with its texts wrapped and not squeezed."""
    found = Measurement.get(out, out.options.update(max_width=10_000), table)
    return found.maximum <= out.width or found.minimum + ROOM <= out.width


def show_lines(
    out: Console, heads: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], below: Sequence[str]
) -> None:
    """Rows in columns, and below each its text, indented.

    heads  (heading, whether it is a number) of each column, the least wanted last: these are cut where there is no room
    rows   cells with console markup;  below: the text of each row
    """
    cells = [[Text.from_markup(cell) for cell in row] for row in rows]
    widths = [
        max([len(heads[place][0]), *(row[place].cell_len for row in cells)]) for place in range(len(heads))
    ]
    kept = len(heads)
    while kept > 1 and sum(widths[:kept]) + GAP * (kept - 1) > out.width:
        kept -= 1
    out.print(_line([Text(head, "bold") for head, _ in heads][:kept], heads, widths))
    for row, text in zip(cells, below, strict=True):
        out.print(_line(row[:kept], heads, widths))
        if text:
            out.print(Padding(Text(text, "dim"), (0, 0, 0, widths[0] + GAP)))


def _line(cells: Sequence[Text], heads: Sequence[tuple[str, bool]], widths: Sequence[int]) -> Text:
    line = Text()
    for place, cell in enumerate(cells):
        room = " " * (widths[place] - cell.cell_len)
        line.append(" " * GAP if place else "")
        line.append_text(Text(room) + cell if heads[place][1] else cell + Text(room))
    return line


def show_table(out: Console, table: Table) -> None:
    """A table where it has room, its hashes cut if need be; else each row as lines of heading and value.

    Empty values are left out of the lines, and hashes are whole there.
    """
    for one in (table, _with_short_hashes(table)):
        if fits(out, one):
            out.print(one)
            return
    heads = [str(column.header) for column in table.columns]
    width = max(map(len, heads))
    if table.title:
        out.print(table.title, highlight=False)
    for row in zip(*(column.cells for column in table.columns), strict=True):
        out.print()
        for head, cell in zip(heads, row, strict=True):
            value = Text.from_markup(str(cell))
            if value:
                out.print(Text(f"{head:<{width}}  ", "dim") + value, soft_wrap=" " not in value.plain)
    out.print()


def _with_short_hashes(table: Table) -> Table:
    """The table with the first twelve characters of each hash."""
    short = Table(
        title=table.title, title_justify=table.title_justify, box=table.box, pad_edge=table.pad_edge
    )
    for column in table.columns:
        short.add_column(column.header, justify=column.justify, no_wrap=column.no_wrap)
    for row in zip(*(column.cells for column in table.columns), strict=True):
        short.add_row(*(HASH.sub(lambda found: found[0][:12], str(cell)) for cell in row))
    return short
