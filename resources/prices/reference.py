"""Reference data from CSV and Parquet files: securities, caps, ratings, corporate actions, rates, characteristics."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optimizer.errors import asked
from optimizer.model.actions.action_kinds import action_faults
from optimizer.model.exchange_rates import CURRENCY
from resources.ledger.ledger import file_sha256
from resources.prices.columns import SYMBOL, Columns, plain
from resources.prices.csv_file import at_most, read_csv, told, too_large
from resources.prices.file_names import ACCOUNT_FILE, CHARACTERISTICS_FILE, name_date
from resources.prices.folder import is_delivery, refuse_elsewhere, refuse_unreadable, still_there
from resources.prices.parquet_file import read_parquet
from resources.prices.rounding import significant
from resources.prices.source import (
    Allowance,
    Delivery,
    FileRejected,
    Finding,
    Seen,
    delivery_key,
    refusing,
    shown,
)
from resources.prices.vendors.rewriting import in_layout
from resources.prices.vendors.separated import heads_of, separated

TEXT, DAY, NUMBER, YES_NO = pa.string(), pa.date32(), pa.float64(), pa.bool_()
SOURCE = "reference"
LARGEST = 1 << 30  # bytes
ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True)
class Table:
    """A log's columns: those that name a row, those that must have a value, those that may be absent."""

    keys: dict[str, pa.DataType]
    required: dict[str, pa.DataType]
    optional: dict[str, pa.DataType]

    @property
    def types(self) -> dict[str, pa.DataType]:
        """All columns with their types."""
        return self.keys | self.required | self.optional


SYMBOL_DATE = {"symbol": TEXT, "date": DAY}
TABLES = {
    "securities": Table(
        SYMBOL_DATE,
        {"currency": TEXT, "simulated": YES_NO},
        {"name": TEXT, "sector": TEXT, "exchange": TEXT, "kind": TEXT, "note": TEXT},
    ),
    "market_caps": Table(SYMBOL_DATE, {"market_cap": NUMBER, "currency": TEXT}, {}),
    "ratings": Table(SYMBOL_DATE, {"rating": NUMBER}, {}),
    "corporate_actions": Table(
        SYMBOL_DATE | {"kind": TEXT},
        {},
        {
            "value": NUMBER,
            "new_symbol": TEXT,
            "cash": NUMBER,
            "cash_in_lieu": NUMBER,
            "basis_share": NUMBER,
            "currency": TEXT,
            "note": TEXT,
            "withdrawn": YES_NO,
        },
    ),
    "fx_rates": Table({"base": TEXT, "quote": TEXT, "date": DAY}, {"rate": NUMBER}, {}),
    "risk_free_rates": Table({"currency": TEXT, "date": DAY}, {"rate": NUMBER}, {"note": TEXT}),
    "macro_series": Table({"series": TEXT, "date": DAY, "known_at": DAY}, {"value": NUMBER}, {}),
    "characteristics": Table(SYMBOL_DATE | {"name": TEXT, "known_at": DAY}, {"value": NUMBER}, {}),
}
SCREENED = frozenset(["characteristics"])  # a wrong row of these is set aside by itself, like a price
NAMES = (  # code, form, what must be, columns
    (
        "BAD_SYMBOL", SYMBOL, "a symbol has capitals, digits and . ^ = _ / - only",
        frozenset(["symbol", "new_symbol"]),
    ),
    (
        "BAD_CURRENCY", f"{CURRENCY}|[A-Z][A-Z0-9]{{3,9}}",
        "a currency is three capitals, such as USD, or a unit such as GBp",
        frozenset(["currency", "base", "quote"]),
    ),
)  # fmt: skip
POSITIVE = {"market_caps": "market_cap", "fx_rates": "rate"}


@dataclass(frozen=True)
class ReferenceFolder:
    """The files `<log>.csv` and `<log>.parquet` of a folder; each row is a fact that holds from its date on.

    logs  that are looked for; in a folder of all of them a file of another name is refused
    Characteristics may come in many files, whose names begin with the log's: `characteristics_20240131.parquet`.
    """

    path: Path
    name: str = SOURCE
    logs: tuple[str, ...] = tuple(TABLES)

    def deliveries(
        self, since: date | None, until: date | None, seen: Seen
    ) -> Iterator[Delivery | FileRejected]:
        """One delivery a file that exists, whole; the days asked for do not matter."""
        refuse_unreadable(self.path, "reference data")
        if len(self.logs) == len(TABLES):
            yield from self._unknown()
        for log in self.logs:
            for file in self._files(log):
                yield from self._file(log, file, seen)

    def _files(self, log: str) -> list[Path]:
        """Those of a log, by the date in their names, else by name."""
        if log != "characteristics":
            named = (self.path / f"{log}{ending}" for ending in ENDINGS)
            return [file for file in named if file.exists()]
        found = [
            file
            for file in self.path.iterdir()
            if CHARACTERISTICS_FILE.fullmatch(file.name) and is_delivery(file)
        ]
        return sorted(found, key=lambda file: (name_date(file.name) or date.min, file.name))

    def _file(self, log: str, file: Path, seen: Seen) -> Iterator[Delivery | FileRejected]:
        """What one file brings, if it was not seen."""
        try:
            with refusing(file.name, log=log):
                _look_at(file)
                sha = file_sha256(file)
            key = delivery_key(file.name, sha, log)
            if seen(key):
                return
            with refusing(file.name, sha, log), still_there(file, file.parent, file.name):
                data = file.read_bytes()
                rows = read_reference(data, file.name, log, TABLES[log])
            first = _first_line(data, file.name)
            yield Delivery(self.name, key, file.name, sha, file, rows, log=log, first_line=first)
        except FileRejected as refused:
            yield refused

    def _unknown(self) -> Iterator[FileRejected]:
        """The files of the folder that nobody reads, a name misspelt."""
        known = {f"{log}{ending}" for log in TABLES for ending in ENDINGS}
        for file in sorted(self.path.iterdir()):
            beside = ACCOUNT_FILE.fullmatch(file.name) or CHARACTERISTICS_FILE.fullmatch(file.name)
            if file.name not in known and not beside and is_delivery(file):
                said = f"no reference file has this name; they are {', '.join(sorted(known))}"
                yield FileRejected(file.name, [Finding("UNKNOWN_FILE", "FAIL", said)], log="securities")


def _look_at(file: Path) -> None:
    """Raises FileRejected for what is no file (a pipe would be waited for), or too large to be read whole."""
    refuse_elsewhere(file, file.parent, file.name)
    if (size := file.stat().st_size) > LARGEST:
        raise FileRejected(file.name, [too_large(size, LARGEST)])


def read_reference(data: bytes, name: str, log: str, table: Table) -> pa.Table:
    """The rows of a reference file; raises FileRejected with everything wrong in it."""
    found = _table(data, name, table)
    findings = at_most(value_faults(found, log, table, _first_line(data, name)))
    if findings:
        raise FileRejected(name, findings)
    arrays = {}
    for column, kind in table.types.items():
        values = found[column] if column in found.column_names else pa.nulls(found.num_rows, kind)
        if kind == NUMBER and column in found.column_names:
            values = pa.array(significant(values.to_numpy()), from_pandas=True)
        if kind == TEXT and column in found.column_names:
            values = pc.if_else(pc.equal(pc.fill_null(values, ""), ""), pa.scalar(None, TEXT), values)
        if column == "withdrawn":  # false is what an empty cell says
            values = pc.if_else(pc.fill_null(values, False), True, pa.scalar(None, YES_NO))
        arrays[column] = values
    return pa.table(arrays)


def _table(data: bytes, name: str, table: Table) -> pa.Table:
    """The columns as they are told; CSV with semicolons or tabs as a price file would be read."""
    allowed = Allowance.of(len(data), LARGEST)

    def recognised(header: list[str]) -> Columns:
        return recognise(header, table)

    if _is_parquet(name):
        return read_parquet(data, name, recognised, allowed, table.types)
    texts = {column for column, kind in table.types.items() if kind == TEXT}
    if (found := separated(data, name, texts)) is None:
        return read_csv(data, name, recognised, table.types, allowed)
    with in_layout(found, name):
        return read_csv(found.text, name, recognised, table.types, allowed)


def _first_line(data: bytes, name: str) -> int:
    """Where a file's first row stands: below the header, and below a line that tells the separator."""
    return 1 if _is_parquet(name) else 2 + heads_of(data).told


def _is_parquet(name: str) -> bool:
    return name.lower().endswith(".parquet")


def recognise(header: list[str], table: Table) -> Columns:
    """The header's columns, and what is missing, unknown or there twice."""
    names = tuple(plain(name) for name in header)
    must = {*table.keys, *table.required}
    wrong = {
        "MISSING_COLUMN": sorted(must - set(names)),
        "EXTRA_COLUMN": sorted(set(names) - set(table.types)),
        "DUPLICATE_COLUMN": sorted({name for name in names if names.count(name) > 1}),
    }
    said = f"; the columns are {', '.join(table.types)}"
    findings = [
        Finding(code, "FAIL", f"{shown(', '.join(columns))}{said}", line=1)
        for code, columns in wrong.items()
        if columns
    ]
    return Columns(names, tuple(findings))


def value_faults(found: pa.Table, log: str, table: Table, start: int) -> Iterator[Finding]:
    """Empty required cells, numbers, symbols and actions that cannot be, and facts told twice, with their lines."""
    if log in SCREENED:
        return
    for column in table.keys | table.required:
        values = found[column]
        empty = (
            pc.equal(pc.fill_null(values, ""), "")
            if values.type == TEXT
            else pc.is_null(values, nan_is_null=True)
        )
        for place in np.flatnonzero(empty.to_numpy()):
            yield Finding("MISSING_VALUE", "FAIL", f"{column} is empty; fill it in", line=int(place) + start)
    for column, kind in table.types.items():
        if kind != NUMBER or column not in found.column_names:
            continue
        numbers = found[column].to_numpy()
        bad = np.isinf(numbers) | ((numbers <= 0) & (POSITIVE.get(log) == column))
        for place in np.flatnonzero(bad):
            said = (
                f"{column} is {numbers[place]:g}; it must be a finite{' positive' * (log in POSITIVE)} number"
            )
            yield Finding("BAD_NUMBER", "FAIL", said, line=int(place) + start)
    yield from _no_names(found, start)
    if log == "risk_free_rates":
        yield from _percent(found, start)
    if log == "corporate_actions":
        yield from _wrong_actions(found, start)
    if log == "macro_series":
        yield from _known_too_early(found, start)
    first: dict[tuple[object, ...], int] = {}
    for line, row in enumerate(found.select(list(table.keys)).to_pylist(), start):
        if (earlier := first.setdefault(tuple(row.values()), line)) != line:
            yield Finding(
                "DUPLICATE_CONFLICT", "FAIL", f"lines {earlier} and {line} tell the same fact", line=line
            )


def _known_too_early(found: pa.Table, start: int) -> Iterator[Finding]:
    """Values that were known before the day they are of: backtests would look ahead."""
    days, known = found["date"].to_pylist(), found["known_at"].to_pylist()
    for line, (day, since) in enumerate(zip(days, known, strict=True), start):
        if day is not None and since is not None and since < day:
            said = (
                f"known_at is {since}, before its date {day}; known_at is the day on which it was published"
            )
            yield Finding("KNOWN_TOO_EARLY", "FAIL", said, line=line)


def _percent(found: pa.Table, start: int) -> Iterator[Finding]:
    """Risk-free rates that no fraction per year can be; one that a policy states has the same bounds."""
    rates = found["rate"].to_numpy()
    for place in np.flatnonzero((rates >= 1) | (rates <= -0.5)):
        said = f"rate is {rates[place]:g}, a fraction per year; is it percent? Write {rates[place] / 100:g}"
        yield Finding("OTHER_UNITS", "FAIL", said, line=int(place) + start)


def _no_names(found: pa.Table, start: int) -> Iterator[Finding]:
    """What no symbol or currency can be called, `aapl` for AAPL: nothing would ever be found under it."""
    for code, form, must, columns in NAMES:
        for column in sorted(columns & set(found.column_names)):
            for line, name in enumerate(found[column].to_pylist(), start):
                if name and not re.fullmatch(form, name):
                    near = name.strip().upper()
                    hint = f"; {asked([near])}" if re.fullmatch(form, near) else ""
                    said = f"{column} is {told(name)}; {must}{hint}"
                    yield Finding(
                        code, "FAIL", said, symbol=near if code == "BAD_SYMBOL" else None, line=line
                    )


def _wrong_actions(found: pa.Table, start: int) -> Iterator[Finding]:
    """Actions that the vocabulary does not know, or that lack what their kind needs; one taken back needs no more."""
    for line, stated in enumerate(found.to_pylist(), start):
        for column, said in action_faults(stated["kind"], stated) if stated["kind"] else ():
            if stated.get("withdrawn") and column != "kind":
                continue
            empty = stated.get(column) in (None, "")
            code = "UNKNOWN_KIND" if column == "kind" else "MISSING_VALUE" if empty else "BAD_ACTION"
            yield Finding(code, "FAIL", f"{stated['symbol']}: {said}", symbol=stated["symbol"], line=line)
