"""Which columns a price file has, by whatever names its vendor gives them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from resources.prices.source import Finding, shown

ALIASES = {
    "ticker": "symbol",
    "timestamp": "date",
    "adjusted_close": "adj_close",
    "adjclose": "adj_close",
    "dividend_amount": "dividend",
    "dividends": "dividend",
    "split_coefficient": "split",
    "stock_splits": "split",
}
TYPES = {
    "symbol": pa.dictionary(pa.int32(), pa.string()),
    "date": pa.date32(),
    **dict.fromkeys(
        ("open", "high", "low", "close", "adj_close", "volume", "dividend", "split"), pa.float64()
    ),
}
SYMBOL = r"[A-Z0-9^][A-Z0-9.^=_/-]{0,23}"
EXTENSIONS = (".csv.gz", ".csv", ".txt.gz", ".txt", ".parquet")
YAHOO_BASIS = (
    "Stock Splits is a column of Yahoo, whose closes are adjusted for splits already; state the basis of the source: "
    "split_adjusted, or total_return where dividends are in the closes too (auto_adjust=True)"
)
# Columns that one vendor has whose layout is not read -> whose it is, and what makes a file of it that is.
NOT_READ = {
    "latest %change": "Barchart's layout: name Time date and Latest close, take out the changes and the last line",
    "datum schlusskurs": "ariva.de's layout: name the columns date, open, high, low, close and volume",
    "historical_data": "Euronext's layout: take out the lines above its header, write dates such as 2024-01-31",
}
YAHOO = "stock_splits"  # Yahoo's own name for a column beside closes that are adjusted for it already
NO_SYMBOL = re.compile(
    "PRICE|VALUE|NAV|VWAP|RETURN|CHANGE|INDEX|TURNOVER|TRADES|LAST|BID|ASK|MID|PX_.+|TOT_RETURN_.+"  # Bloomberg
    "|.+_(?i:open|high|low|close|last|price|volume|return|dividend|split|factor)"
)
MOST_STRANGE = 10  # columns for one that is no symbol, in a table of symbols


@dataclass(frozen=True)
class Columns:
    """The columns of one file.

    kept       column names in the file's order under our names; None for one that is ignored
    findings   everything that is wrong with the header
    """

    kept: tuple[str | None, ...]
    findings: tuple[Finding, ...] = field(default=())


def recognise(
    header: Sequence[str], ignored: Sequence[str] = (), line: int | None = 1, *, basis_stated: bool = True
) -> Columns:
    """Our names for a header's columns, and what is missing, unknown or there twice.

    basis_stated  whether the source says what its closes are; where it does not, Yahoo's columns leave it open
    """
    skipped = {plain(name) for name in ignored}
    names = [None if plain(name) in skipped else ALIASES.get(plain(name), plain(name)) for name in header]
    findings = []
    for name in dict.fromkeys(names):
        if name is not None and names.count(name) > 1:
            twice = [given for given, ours in zip(header, names, strict=True) if ours == name]
            findings.append(
                _fail(
                    "DUPLICATE_COLUMN",
                    f"columns {shown(str(twice))} are the same thing; leave one out",
                    line,
                )
            )
    findings += _unknown(header, names, line)
    if "date" not in names:
        findings.append(_fail("MISSING_COLUMN", "there is no date column; name it date or timestamp", line))
    if not {"close", "adj_close"} & set(names):
        said = "there is no close or adj_close column; one is needed, or a column for each of several symbols"
        findings.append(_fail("MISSING_COLUMN", f"{said}, headed as prices have them, such as AAPL", line))
    if not basis_stated and YAHOO in {plain(name) for name in header} - skipped:
        findings.append(_fail("AMBIGUOUS_BASIS", YAHOO_BASIS, line))
    return Columns(tuple(names), tuple(findings))


def is_symbol(heading: str) -> bool:
    """Whether the heading of a column may be a symbol."""
    return bool(re.fullmatch(SYMBOL, heading) and re.search(r"[A-Z^]", heading)) and not NO_SYMBOL.fullmatch(
        heading
    )


def _unknown(header: Sequence[str], names: Sequence[str | None], line: int | None) -> list[Finding]:
    """The columns that have no name, or none of ours; of a table of symbols, those that are none."""
    given = list(zip(header, names, strict=True))
    extra = [column for column, ours in given if ours is not None and ours not in TYPES]
    findings = []
    if "" in extra:
        said = f"column {header.index('') + 1} has no name (a separator at the line's end?); take it out of every line"
        findings.append(_fail("EXTRA_COLUMN", said, line))
    if not (extra := [column for column in extra if column]):
        return findings
    long = {"symbol", "close", "adj_close"} & {*names}  # it has a row a symbol, and no column
    known = [] if long else [column for column, ours in given if ours in TYPES and ours != "date"]
    strange = [*known, *(column for column in extra if not is_symbol(column.strip()))]
    said = f"columns {shown(str(extra))} are unknown"
    if strange and len(extra) >= MOST_STRANGE * len(strange):
        said = (
            f"columns {shown(str(strange))} are no symbols as a table with a column a symbol has them; deliver what is "
            f"one in a file of its own ({strange[0]}.csv)"
        )
    there = {plain(name) for name in header}
    vendors = (f"this is {told}" for marks, told in NOT_READ.items() if there.issuperset(marks.split()))
    remedy = next(vendors, "remove them, or name them under ignore_columns of the source")
    return [*findings, _fail("EXTRA_COLUMN", f"{said}; {remedy}", line)]


def plain(name: str) -> str:
    """A column name in lower case with underscores: `Adj Close` -> `adj_close`."""
    return re.sub(r"[\s_]+", "_", name.strip().lower())


def stem(name: str) -> str:
    """A payload's file name without folder and extension."""
    last = name.rsplit("/", 1)[-1]
    return next((last[: -len(end)] for end in EXTENSIONS if last.lower().endswith(end)), last)


def _fail(code: str, message: str, line: int | None) -> Finding:
    return Finding(code, "FAIL", message, line=line)
