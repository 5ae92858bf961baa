"""What the name of a price file says: its symbol and its date, without the decorations that vendors add."""

import re
from datetime import date

from resources.prices.columns import SYMBOL, stem
from resources.prices.source import FileRejected, Finding

DATED_NAME = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})$")
# A day wherever it stands, with a time or without: 2024-01-31, 2024_01_31T183000, 31.01.2024; or a time stamp.
DAY = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?:[T_-]?\d{6})?"
    r"|(?:0[1-9]|[12]\d|3[01])([-_.])(?:0[1-9]|[12]\d|3[01])\2(?:19|20)\d\d|\d{9,})(?!\d)"
)
MONTH = re.compile(r"(?:19|20)\d\d(?:[-.]?(?:0[1-9]|1[0-2]))?")
COMPANY = re.compile("[A-Z][a-z]+")  # Apple Stock Price History
COPY = re.compile(r"\(\d+\)")
# What lies in an inbox beside prices, told by how its name begins.
ACCOUNT_FILE = re.compile(
    r"(accounts|account_positions|account_flows|account_restrictions)(?![a-z]).*\.(csv|csv\.gz|parquet)", re.I
)
CHARACTERISTICS_FILE = re.compile(r"characteristics(?![a-z]).*\.(csv|parquet)", re.I)
# What belongs in the reference folder, and has no place beside prices.
REFERENCE_FILE = re.compile(
    r"(securities|market_caps|ratings|corporate_actions|fx_rates|risk_free_rates|macro_series)\.(csv|parquet)"
)
WORDS = frozenset({
    "adj", "adjusted", "close", "closes", "copy", "csv", "daily", "data", "download", "export", "feed",
    "hist", "historic", "historical", "historicaldata", "history", "ohlc", "ohlcv", "price", "prices",
    "quote", "quotes", "series", "stock", "stocks", "us", "alphavantage", "bloomberg", "eodhd",
    "investing", "nasdaq", "nyse", "polygon", "quandl", "stooq", "tiingo", "xnas", "xnys", "yahoo",
    "yfinance", "book1", "chart", "dataset", "report", "results", "sheet", "sheet1", "spreadsheet", "table", "untitled",
    "workbook",
})  # fmt: skip
# Beside a symbol these say how often; alone they may be one.
INTERVALS = frozenset({"d", "1d", "d1", "1w", "1m", "1y", "5y", "10y", "eod", "max"})
# Of rarer closes: anywhere, and, as in aapl_us_w, behind a symbol; w_us_d is the symbol W.
SELDOM, SELDOM_BEHIND = frozenset({"weekly", "monthly"}), frozenset({"w", "m"})
# What is left of `my_prices` or `all_data_2024` names nothing, though some of these are symbols by themselves.
NAMELESS = frozenset({
    "all", "backup", "file", "final", "full", "latest", "list", "market", "my", "new", "old", "our",
    "output", "portfolio", "sample", "test",
})  # fmt: skip


def name_date(name: str) -> date | None:
    """The date at the end of a file's name (`prices_20150715.csv.gz`), if there is one."""
    found = DATED_NAME.search(stem(name))
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def named_symbol(name: str) -> tuple[str, list[Finding]]:
    """The symbol that a file of one symbol is named by, and a warning where more than that stood in the name.

    `aapl.us.txt`, `AAPL_2024-01-02.csv` and `prices_AAPL_daily.csv` are AAPL. Raises FileRejected for a name that is
    no symbol, or might be several: a symbol is never invented.
    """
    bare = stem(name)
    kept = [word for word in map(_undecorated, COPY.sub(" ", DAY.sub(" ", bare)).split("_")) if word]
    kept = [word for part in kept for word in part.split()]
    if len(kept) > 1:
        kept = [word for word in kept if word.lower() not in INTERVALS and not MONTH.fullmatch(word)]
    words = re.findall(r"[^\W_]+", bare)
    seldom = [word for word in words if word.lower() in SELDOM]
    seldom += [word for word in kept[1:] if word.lower() in SELDOM_BEHIND]
    if seldom:
        said = f"the name {bare!r} says {seldom[0]}: only daily prices are read; export those, or add a symbol column"
        raise FileRejected(name, [Finding("NOT_DAILY", "FAIL", said)])
    shares = len(kept) == 2 and len(kept[1]) == 1  # BRK_B: a class of shares
    symbol = "_".join(kept).upper()
    decorated = symbol != bare.upper()
    nameless = symbol.lower() in NAMELESS or re.fullmatch(r"\d\d?", symbol)  # prices_2: the second
    if decorated and (nameless or any(map(COMPANY.fullmatch, kept))):
        symbol = ""
    if not (len(kept) == 1 or shares) or MONTH.fullmatch(symbol) or not re.fullmatch(SYMBOL, symbol):
        said = f"no symbol column, and the file's name {bare!r} names no symbol; add the column, or rename it AAPL.csv"
        raise FileRejected(name, [Finding("MISSING_COLUMN", "FAIL", said, line=1)])
    if not decorated:
        return symbol, []
    said = f"the rows of {bare!r} are taken as those of {symbol}; add a symbol column where that is wrong"
    return symbol, [Finding("SYMBOL_FROM_NAME", "WARN", said, symbol=symbol)]


def _undecorated(text: str) -> str:
    """Words separated by blanks, each without the decorations that hang on it by dots and dashes."""
    words = []
    for word in text.split():
        parts = re.split(r"([.-])", word)
        while parts and (_decoration(parts[-1]) or (len(parts) > 1 and MONTH.fullmatch(parts[-1]))):
            parts = parts[:-2]
        while parts and _decoration(parts[0]):
            parts = parts[2:]
        words.append("".join(parts))
    return " ".join(filter(None, words))


def _decoration(part: str) -> bool:
    return part.lower() in WORDS or part == ""
