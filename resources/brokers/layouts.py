"""The tables of positions that brokers export: by which columns each is known, and what they are called."""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

Names = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """One broker's table.

    columns   our names -> the names that its header may give them, as `plain` writes them
    marks     our names of columns that a header has all of
    month_first  whether 03/04/2024 is a day of March; None where that is not known
    """

    name: str
    columns: Mapping[str, Names]
    marks: Names
    month_first: bool | None = True


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
    Layout(
        "Questrade",
        {
            "account": ("account number",), "symbol": ("equity symbol",), "name": ("equity description",),
            "quantity": ("quantity",), "each": ("cost per share",), "price": ("market price",),
            "value": ("market value",), "currency": ("currency",), "kind": ("asset class",),
        },
        ("symbol", "quantity", "each"),
        month_first=None,
    ),
)  # fmt: skip
# Tables whose words would mean something else in another table.
PECULIAR = (
    Layout(
        "thinkorswim account statement",
        {
            "symbol": ("symbol",), "name": ("description",), "quantity": ("qty",), "price": ("mark",),
            "each": ("trade price",), "value": ("mark value",),
        },
        ("symbol", "quantity", "price", "each"),
    ),
    Layout(
        "Trading 212 pie",
        {
            "symbol": ("slice",), "name": ("name",), "quantity": ("owned quantity",), "value": ("value",),
            "cost": ("invested value",),
        },
        ("symbol", "quantity", "cost"),
        month_first=None,
    ),
    Layout(
        "Hargreaves Lansdown",
        {
            "symbol": ("code",), "name": ("stock",), "quantity": ("units held",), "pence": ("price (pence)",),
            "value": ("value",), "cost": ("cost",),
        },
        ("name", "quantity", "pence"),
        month_first=None,
    ),
    Layout(
        "comdirect",
        {
            "wkn": ("wkn",), "name": ("bezeichnung",), "quantity": ("st\u00fcck/nom",),
            "kind": ("typ",), "each": ("kaufkurs in eur",), "cost": ("kaufwert in eur",), "value": ("wert in eur",),
        },
        ("wkn", "quantity"),
        month_first=None,
    ),
    Layout(
        "Wealthsimple",
        {
            "account": ("account number",), "symbol": ("symbol",), "name": ("name",), "kind": ("security type",),
            "quantity": ("quantity",), "side": ("position direction",), "price": ("market price",),
            "currency": ("market price currency",), "cost": ("book value (market)",), "value": ("market value",),
        },
        ("symbol", "quantity", "side"),
        month_first=None,
    ),
    Layout(
        "Yahoo portfolio",
        {
            "symbol": ("symbol",), "quantity": ("quantity",), "price": ("current price",), "each": ("purchase price",),
            "acquired": ("trade date",), "side": ("transaction type",),
        },
        ("symbol", "quantity", "price", "each"),
    ),
)  # fmt: skip
OWN_WORDS: Mapping[str, Names] = {
    "account": ("account", "clientaccountid", "account #"), "symbol": ("ticker", "instrument"),
    "name": ("name", "security", "security description"),
    "quantity": ("units", "no of shares", "qty #"), "price": ("markprice", "ltp"),
    "value": ("value", "positionvalue", "netvalue", "cur val"),
    "cost": ("cost", "total cost", "costbasismoney", "book cost"), "kind": ("type", "assetclass"),
    "each": (
        "average cost", "unit cost", "cost per share", "price paid", "average price", "avg cost", "avg price",
        "average unit cost", "avg unit cost", "cost/share", "avg cost/share", "avgcost", "purchase price",
    ),
    "acquired": ("purchase date", "trade date", "opendatetime"),
    "currency": ("currency", "ccy", "currencyprimary", "currency (average price)"),
    "detail": ("levelofdetail",),
    "dated": ("reportdate", "report date", "as of date", "cob date", "pricing date"),
    "isin": ("isin", "isin code"), "wkn": ("wkn",),
}  # fmt: skip


def _any_words() -> dict[str, Names]:
    """A table of one's own may call a column what any broker calls it."""
    every = [OWN_WORDS, *(layout.columns for layout in LAYOUTS)]
    return {
        ours: tuple(dict.fromkeys(word for one in every for word in one.get(ours, ())))
        for ours in dict.fromkeys(word for one in every for word in one)
    }


GENERIC = Layout("generic", _any_words(), (), month_first=None)
# Columns that say of a line that it is no share held, in whatever table they stand.
NO_SHARES: Mapping[str, Names] = {
    "side": ("side", "l/s", "long/short", "direction", "position direction"),
    "sort": ("position type",),  # of a share too, in some tables
    "strike": ("strike", "strike price"),
    "expiry": ("expiry", "expiry date", "exp", "exp date", "expiration", "expiration date"),
    "right": ("right", "put/call", "call/put", "option type"),
    "multiple": ("multiplier", "contract multiplier", "mult"),
}
# When a lot was sold; a table of what is held may have the column, and nothing in it.
SOLD = frozenset({"closed date", "close date", "date closed", "date sold", "sold date", "sale date"})
# A table with one of these tells what was bought and sold, not what is held.
DEALINGS = SOLD | {
    "action", "transaction type", "transactiontype", "transaction date", "transactiondate", "trans code",
    "activity type", "activity date", "run date", "settlement date", "settle date", "buy/sell", "order id",
    "exec time", "pos effect", "transaction",
}  # fmt: skip
# Tables that do not say all that is held: by which columns each is known, what it is, and what to export.
PARTS = (
    ({"open date", "cost/share", "holding period"}, "Schwab's lot details, which are of one position each",
     "export Positions; a line may be split into its lots by a column `acquired`"),
    ({"position", "financial instrument"}, "the portfolio page of Interactive Brokers",
     "export an Activity Statement as CSV, under Performance & Reports"),
    ({"position", "financial instrument description"}, "the portfolio page of Interactive Brokers",
     "export an Activity Statement as CSV, under Performance & Reports"),
)  # fmt: skip


def plain(heading: str) -> str:
    """A heading in lower case with single spaces, without points and the sign of a currency behind it."""
    bare = re.sub(r"\s(\$|\(([$\u00a3\u20ac])\))?\s*$", "", heading.replace("\u00a0", " "))
    return re.sub(r"[\s_]+", " ", re.sub(r"\.(?=\s|$)", "", bare)).strip().lower()


def without_sales(lines: Sequence[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """The (line, cells), less each heading of a day of sale that no line below says: nothing was sold then."""
    said, kept = set[int](), list[tuple[int, list[str]]]()
    for line, cells in reversed(lines):
        empty = {place for place, cell in enumerate(cells) if plain(cell) in SOLD and place not in said}
        said |= {place for place, cell in enumerate(cells) if cell.strip(" -")}
        kept.append((line, ["" if place in empty else cell for place, cell in enumerate(cells)]))
    return kept[::-1]


def recognised(header: Sequence[str]) -> Layout | None:
    """The layout of which a line is the header; None for one that is none, or heads a list of dealings."""
    for layout in (*LAYOUTS, *PECULIAR):
        if all(set(layout.columns[ours]) & set(header) for ours in layout.marks):
            return None if is_dealings(header, layout) else layout
    whole = has(header, "quantity") and any(has(header, name) for name in ("symbol", "isin", "wkn"))
    return GENERIC if whole and not is_dealings(header, GENERIC) else None


def is_dealings(header: Sequence[str], layout: Layout = GENERIC) -> Set[str]:
    """The words of a header that only a list of dealings has, less those that a layout knows."""
    return DEALINGS & {*header} - {word for words in layout.columns.values() for word in words}


def has(header: Sequence[str], name: str) -> bool:
    """Whether a header has a column of ours by any of its common names."""
    return bool({*GENERIC.columns[name]} & {*header})


def heads(header: Sequence[str]) -> str:
    """What a header heads in place of all that is held, and what to do; "" where that is not known."""
    if (words := is_dealings(header)) and has(header, "quantity"):
        return f"a list of dealings (its column {min(words)!r}); export what is held"
    return next((f"{what}: {remedy}" for columns, what, remedy in PARTS if columns <= {*header}), "")
