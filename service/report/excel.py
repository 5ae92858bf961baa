"""A report as an Excel workbook: one sheet a table, numbers as numbers, headings that stay in sight."""

import math
import re
import zipfile
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Any

from resources.ledger.record_error import in_a_line
from service.report.contents import Contents
from service.report.table import Table
from service.report.tables import tables

if TYPE_CHECKING:
    from openpyxl.cell import Cell
    from openpyxl.worksheet.worksheet import Worksheet

FORMATS = {
    "text": "General", "date": "yyyy-mm-dd", "count": "#,##0", "shares": "#,##0.####", "money": "#,##0.00",
    "percent": "0.00%", "ratio": "0.00",
}  # fmt: skip
WIDEST, LONGEST = 60, 32_767  # of a column, and of a cell's text, in characters
ZIPPED = (1980, 1, 1, 0, 0, 0)


def workbook(report: Contents) -> bytes:
    """The file; equal contents give equal bytes, whatever the clock says."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for table in tables(report):
        _fill(book.create_sheet(table.title[:31]), table)
    book.properties.creator, book.properties.title = "Packfolio", str(report.pack["pack_id"])
    made = BytesIO()
    book.save(made)
    return _undated(made.getvalue(), report.pack["as_of"])


def _fill(sheet: "Worksheet", table: Table) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    names = list(table.columns)
    for place, name in enumerate(names, 1):
        head = sheet.cell(1, place)
        _write(head, name.replace("_", " "))
        head.font, head.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", fgColor="1F5AA6")
        if table.columns[name] not in ("text", "date"):
            head.alignment = Alignment(horizontal="right")
    widths = [len(name) + 3 for name in names]
    for number, row in enumerate(table.rows):
        for place, value in enumerate(row):
            cell = sheet.cell(number + 2, place + 1)
            _write(cell, value)
            if not isinstance(value, str):
                cell.number_format = FORMATS[table.form(number, names[place])]
            widths[place] = max(widths[place], len(value) + 1 if isinstance(value, str) else 11)
    for place, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(place)].width = min(width, WIDEST)
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = sheet.dimensions
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True


def _write(cell: "Cell", value: Any) -> None:
    """A value as itself; text never becomes a formula, and what is no number stays empty."""
    if isinstance(value, str):
        cell.value = in_a_line(value)[:LONGEST]
        cell.data_type = "s"
    elif isinstance(value, Decimal):
        cell.value = float(value)
    elif not (isinstance(value, float) and not math.isfinite(value)):
        cell.value = value


def _undated(made: bytes, day: date) -> bytes:
    """The same workbook, with the pack's date in place of the clock's."""
    told = BytesIO()
    with zipfile.ZipFile(BytesIO(made)) as old, zipfile.ZipFile(told, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                data = re.sub(
                    rb"(<dcterms:\w+[^>]*>)[^<]*", rb"\g<1>%sT00:00:00Z" % day.isoformat().encode(), data
                )
            entry = zipfile.ZipInfo(name, ZIPPED)
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, data)
    return told.getvalue()
