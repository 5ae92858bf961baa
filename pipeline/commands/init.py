"""`packfolio init`: a desk of one's own, from a broker's file and a place where prices come from."""

import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from optimizer import PolicyError
from pipeline.commands.broker_file import (
    Account,
    AsOfHoldings,
    CashLines,
    Choices,
    SkippedLines,
    Symbols,
    choices,
    understood,
)
from pipeline.commands.terminal import out

if TYPE_CHECKING:
    from resources.settings.new_desk import NewBook

YEARS = 5
EMBEDDED_END = date(2022, 12, 28)
FIRST_DAY = date(1990, 1, 1)  # a paper book begins with its cash under whatever pack comes first
HOLDS = "Your broker's file of positions (CSV), or the symbols that a paper portfolio may hold (AAPL,MSFT)"
Basis = Annotated[
    str | None,
    typer.Option(
        help="Of one's own prices: as_traded, split_adjusted, total_return; else told by the columns."
    ),
]


def init(
    folder: Annotated[Path | None, typer.Argument(help="The desk's folder; asked when left out.")] = None,
    prices: Annotated[
        str | None, typer.Option(help="`example`, `yahoo`, or the folder of one's own price files.")
    ] = None,
    holdings: Annotated[
        Path | None, typer.Option(help="Positions as a broker exported them (CSV): makes a live portfolio.")
    ] = None,
    symbols: Annotated[
        str | None,
        typer.Option(help="Without a broker's file: what a paper portfolio may hold, such as AAPL,MSFT."),
    ] = None,
    money: Annotated[
        float, typer.Option(help="What a paper portfolio begins with.", min=0, max=1e15)
    ] = 100_000.0,
    name: Annotated[str, typer.Option(help="Name of the portfolio.")] = "main",
    risk_free_rate: Annotated[
        float, typer.Option(help="A fraction per year: 0.03 is 3%.", min=-0.99, max=0.99)
    ] = 0.03,
    currency: Annotated[
        str | None, typer.Option(help="In which the portfolio counts; that of the broker's file, else USD.")
    ] = None,
    basis: Basis = None,
    as_of: AsOfHoldings = None,
    account: Account = None,
    cash: CashLines = None,
    skip: SkippedLines = None,
    symbol: Symbols = None,
) -> None:
    """Make a desk: its folder, where prices come from, and a first portfolio; asks for what is left out."""
    from resources.settings import new_desk

    place = folder or Path(_asked("Folder of the desk", "FOLDER", "desk"))
    source = prices or _asked(
        "Prices: example, yahoo, or the folder of your price files", "--prices", "example"
    )
    kind = source if source in (new_desk.EXAMPLE, new_desk.YAHOO) else new_desk.OWN
    own = Path(source).resolve()
    if kind == new_desk.OWN and not own.is_dir():
        raise PolicyError(
            f"--prices {source} is neither example nor yahoo, nor a folder; create it, or name another"
        )
    if (place / "config").exists():
        raise PolicyError(f"{place / 'config'} exists already: choose another folder")
    today = datetime.now().astimezone().date()
    rate = None if kind == new_desk.EXAMPLE else Decimal(str(risk_free_rate))
    book: NewBook | None = None
    listed = symbols
    if not (holdings or symbols) and kind != new_desk.EXAMPLE:
        holdings, listed = _file_or_symbols(_asked(HOLDS, "--symbols or --holdings"))
    if holdings is not None:
        book = _live(holdings, choices(as_of, account, cash, skip, symbol, currency or ""), name, rate, kind)
    elif listed:
        book = _paper(listed, money, name, rate, as_of or FIRST_DAY, currency or "USD")
    if kind == new_desk.EXAMPLE and book:
        _check_prices_of_example(book)
    if kind == new_desk.EXAMPLE or book is None:
        files = {f"portfolios/{book.name}.yaml": book.text()} if book else {}
    else:
        start = today.replace(day=1) - timedelta(days=366 * YEARS)
        text = new_desk.sources_text(kind, own.as_posix(), basis, book.symbols, start)
        files = new_desk.starting_files(book, text, today)
    made = new_desk.make_desk(place, files, example=kind == new_desk.EXAMPLE)
    wrote = ", ".join(sorted(files)) or "the example as it is"
    if files and kind == new_desk.EXAMPLE:
        wrote += "; prices, funds, scenarios and hedges are the example's, without its portfolios"
    out.print(f"\nmade {made}: {wrote}", highlight=False, soft_wrap=True)
    if book and book.currency != "USD":
        said = _other_currency(book.currency, own=kind == new_desk.OWN)
        out.print(f"[yellow]![/yellow] {said}", highlight=False, soft_wrap=True)
    out.print(f"next   cd {quote(str(place))} && packfolio run", highlight=False, soft_wrap=True)


def _check_prices_of_example(book: "NewBook") -> None:
    """Raises PolicyError for a book that the example's prices cannot answer."""
    from resources.settings.new_desk import without_example_price

    bring = "bring prices: --prices yahoo, or a folder of your own files"
    if book.currency != "USD":
        raise PolicyError(
            f"the book counts in {book.currency}, and the example has prices in USD and no exchange rates: {bring}"
        )
    if unknown := without_example_price(book.symbols):
        raise PolicyError(f"the example has no prices of {', '.join(unknown)}: leave them out, or {bring}")


def _other_currency(currency: str, *, own: bool) -> str:
    """What a book that counts in another currency than dollars needs."""
    assumed = "prices count as USD where sources.yaml has no currency: of inbox; " if own else ""
    needed = "what is priced in another currency needs exchange rates (docs/how-to/several-currencies.md)"
    return f"the book counts in {currency}: {assumed}{needed}"


def _asked(question: str, option: str, default: str | None = None) -> str:
    """A person's answer; raises PolicyError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise PolicyError(f"say {option}: nobody can be asked here")
    return str(typer.prompt(question, default=default)).strip()


def _file_or_symbols(said: str) -> tuple[Path | None, str | None]:
    """The answer as a broker's file or as symbols."""
    path = Path(said).expanduser()
    named = path.is_file() or "/" in said or path.suffix.lower() in (".csv", ".txt", ".tsv")
    return (path, None) if named else (None, said)


def _live(file: Path, chosen: Choices, name: str, rate: Decimal | None, kind: str) -> "NewBook":
    """A portfolio of what a broker's file holds."""
    from resources.brokers.holdings import holdings_yaml
    from resources.settings.new_desk import EXAMPLE, NewBook

    held, found = understood(file, chosen)
    if kind == EXAMPLE and held.as_of > EMBEDDED_END:
        raise PolicyError(
            f"the example's prices end on {EMBEDDED_END}, before the holdings of {held.as_of}: add --as-of "
            f"{EMBEDDED_END}, or bring prices of your own"
        )
    names = [position.symbol for position in held.positions]
    if not names:
        raise PolicyError(
            f"{file} holds no shares, so nothing may be bought: say --symbols in place of --holdings"
        )
    block = holdings_yaml(held, str(file), found.layout)
    short = [position.symbol for position in held.positions if position.quantity < 0]
    return NewBook(uuid4(), name, "live", names, block, rate, held.as_of, found.currency or "USD", short)


def _paper(
    listed: str, money: float, name: str, rate: Decimal | None, begin: date, currency: str
) -> "NewBook":
    from resources.settings.new_desk import NewBook

    names = list(dict.fromkeys(part.strip() for part in listed.split(",") if part.strip()))
    block = f"  - as_of: {begin}\n    cash: {money:.2f}\n"
    return NewBook(uuid4(), name, "paper", names, block, rate, currency=currency)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(init)
