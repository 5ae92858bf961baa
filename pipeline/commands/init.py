"""`packfolio init`: a desk of one's own, from a broker's file and a place where prices come from."""

from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, cast
from uuid import uuid4

import typer

from optimizer import PolicyError
from optimizer.errors import asked, check_one_of, how_many, nearest_of_each, one_of, some_of
from pipeline.commands.books.broker_file import (
    Account,
    AsOfHoldings,
    CashLines,
    Choices,
    SkippedLines,
    Symbols,
    asks,
    choices,
    understood,
)
from pipeline.commands.terminal import out, program

if TYPE_CHECKING:
    from resources.prices.source import Basis
    from resources.settings.new_desk import NewBook
    from resources.settings.price_folder import PriceFolder

YEARS = 5
EMBEDDED_END = date(2022, 12, 28)
FIRST_DAY = date(1990, 1, 1)  # a paper book begins with its cash under whatever pack comes first
PRICES = "Prices: example, yahoo, or the folder of your price files"
HOLDS = "Your broker's file of positions (CSV), or the symbols that a paper portfolio may hold (AAPL,MSFT)"
MEANT = (
    "as_traded is what was paid that day; split_adjusted is divided by later splits (Yahoo's Close); total_return "
    "has the dividends in it too (Adj Close)"
)
BasisOption = Annotated[
    str | None,
    typer.Option(
        help="Of one's own prices: as_traded, split_adjusted, total_return; else told by the columns."
    ),
]


Folder = Annotated[Path | None, typer.Argument(help="The desk's folder; asked when left out.")]
Prices = Annotated[
    str | None, typer.Option(help="`example`, `yahoo`, or the folder of one's own price files.")
]
Positions = Annotated[
    Path | None, typer.Option(help="Positions as a broker exported them (CSV): makes a live portfolio.")
]
Listed = Annotated[
    str | None,
    typer.Option(help="Without a broker's file: what a paper portfolio may hold, such as AAPL,MSFT."),
]
Money = Annotated[float, typer.Option(help="What a paper portfolio begins with.", min=0, max=1e15)]
Name = Annotated[str, typer.Option(help="Name of the portfolio.")]
Rate = Annotated[float, typer.Option(help="A fraction per year: 0.03 is 3%.", min=-0.99, max=0.99)]
Currency = Annotated[
    str | None, typer.Option(help="In which the portfolio counts; that of the broker's file, else USD.")
]


def init(
    folder: Folder = None,
    prices: Prices = None,
    holdings: Positions = None,
    symbols: Listed = None,
    money: Money = 100_000.0,
    name: Name = "main",
    risk_free_rate: Rate = 0.03,
    currency: Currency = None,
    basis: BasisOption = None,
    as_of: AsOfHoldings = None,
    account: Account = None,
    cash: CashLines = None,
    skip: SkippedLines = None,
    symbol: Symbols = None,
) -> None:
    """Make a desk: its folder, where prices come from, and a first portfolio; asks for what is left out."""
    from resources.settings.new_desk import EXAMPLE, make_desk

    place = folder or Path(_expanded(_asked("Folder of the desk", "FOLDER", "desk")))
    source = _expanded(prices or _asked(PRICES, "--prices", "example", _named_prices))
    kind = _kind_of(source)
    if (place / "config").exists():
        raise PolicyError(f"{place / 'config'} exists already: choose another folder")
    rate = None if kind == EXAMPLE else Decimal(str(risk_free_rate))
    if not (holdings or symbols) and kind != EXAMPLE:
        holdings, symbols = _file_or_symbols(_asked(HOLDS, "--symbols or --holdings"))
    book: NewBook | None = None
    if holdings is not None:
        book = _live(holdings, choices(as_of, account, cash, skip, symbol, currency or ""), name, rate, kind)
    elif symbols:
        book = _paper(symbols, money, name, rate, as_of or FIRST_DAY, currency or "USD")
    files = _files(kind, source, basis, book)
    made = make_desk(place, files, example=kind == EXAMPLE)
    _tell(made, files, kind, book)
    out.print(f"next   cd {quote(str(place))} && {program()} run", highlight=False, soft_wrap=True)


def _expanded(source: str) -> str:
    """A folder as it is written at a prompt, where no shell puts the home for `~`; any other word stays."""
    try:
        return str(Path(source).expanduser())
    except RuntimeError:  # the home of nobody here: ~nobody is a name like any other
        return source


def _named_prices(said: str) -> str:
    """What was answered, if it is a source of prices; else the question is asked again."""
    try:
        _kind_of(_expanded(said.strip()))
    except PolicyError as error:
        raise typer.BadParameter(str(error)) from None
    return said


def _kind_of(source: str) -> str:
    """What kind of prices that is; raises PolicyError where it is neither a known one nor a folder."""
    from resources.settings.new_desk import EXAMPLE, OWN, YAHOO

    if source in (EXAMPLE, YAHOO):
        return source
    if not Path(source).resolve().is_dir():
        raise PolicyError(
            f"--prices {source} is neither example nor yahoo, nor a folder; create it, or name another"
        )
    return OWN


def _files(kind: str, source: str, basis: str | None, book: "NewBook | None") -> dict[str, str]:
    """The desk's files besides those of the example; raises PolicyError for what the example has no prices of."""
    from resources.settings import new_desk

    if book is None:
        return {}
    if kind == new_desk.EXAMPLE:
        _check_prices_of_example(book)
        pipeline = new_desk.example_from(book.first or FIRST_DAY)
        return {"pipeline.yaml": pipeline, f"portfolios/{book.name}.yaml": book.text()}
    if kind == new_desk.OWN:
        basis = _looked_at(Path(source), basis, book)
    today = datetime.now().astimezone().date()
    if kind == new_desk.YAHOO and book.first and book.first >= today:
        _warn(
            f"the session of {book.first} has to close before a run has its prices; where the same was held before, "
            "--as-of says an earlier day"
        )
    start = today.replace(day=1) - timedelta(days=366 * YEARS)
    text = new_desk.sources_text(kind, Path(source).resolve().as_posix(), basis, book.symbols, start)
    return new_desk.starting_files(book, text, today)


def _looked_at(folder: Path, basis: str | None, book: "NewBook") -> str | None:
    """Says what the price files say of themselves and what they lack; gives the basis, asked where they are silent."""
    from resources.settings.price_folder import BASES, look

    if basis is not None:
        check_one_of("--basis", basis, BASES)
    found = look(folder, cast("Basis | None", basis))
    for says, names in found.told.items():
        out.print(f"prices {how_many(len(names), 'file')}, {says}", highlight=False)
    if found.refused:
        first = "; ".join(found.refused[:2])
        _warn(f"{how_many(len(found.refused), 'file')} can not be read as prices: {first}")
    if found.silent:
        basis = _basis_of(found)
        if None in found.silent:  # what these hold is known only now
            found = look(folder, cast("Basis | None", basis))
    if found.whole and (lacking := [symbol for symbol in book.symbols if symbol not in found.symbols]):
        _tell_lacking(lacking, found.symbols, live=book.mode == "live")
    if found.whole and found.newest and book.first and found.newest < book.first:
        _warn(
            f"the prices end on {found.newest}, and the holdings are of {book.first}: a run has to wait for prices of "
            f"that day; where the same was held then, begin there: --as-of {found.newest}"
        )
    return basis


def _tell_lacking(lacking: list[str], there: Collection[str], *, live: bool) -> None:
    """Which symbols no file has, each with what it may be there, and how to say so of a broker's."""
    near = nearest_of_each(lacking, sorted(there))
    named = [f"{symbol} ({asked(near[symbol])})" if near[symbol] else symbol for symbol in lacking]
    otherwise = "the portfolio gets no trades" if live else "the portfolio leaves them out"
    meant = next(((symbol, near[symbol][0]) for symbol in lacking if live and near[symbol]), None)
    rename = f"; --symbol {quote('='.join(meant))} where the files write it so" if meant else ""
    _warn(f"no file has prices of {some_of(named)}: add them, or {otherwise}{rename}")


def _basis_of(found: "PriceFolder") -> str | None:
    """What a person says of the files that do not say it; elsewhere what they are taken as is told, and nothing said.

    Raises PolicyError where nobody can be asked and files would be refused for it, or where other files say otherwise.
    """
    from resources.settings.price_folder import BASES

    names = some_of([name for silent in found.silent.values() for name in silent])
    said = f"nothing in {names} says whether the closes are adjusted"
    if not asks():
        if None in found.silent:
            raise PolicyError(f"{said}: say it, --basis {' or '.join(BASES)}")
        for taken, silent in found.silent.items():
            _warn(f"{said.replace(names, some_of(silent))}: taken as {taken}; --basis says it otherwise")
        return None
    _warn(f"{said}: {MEANT}")
    taken = next(iter(found.silent)) if len(found.silent) == 1 else None
    question = f"  What are they ({', '.join(BASES)})"
    # Asks again after a wrong answer.
    answer = str(typer.prompt(question, default=taken, err=True, value_proc=_basis))
    if set(found.told) <= {answer}:
        return answer
    if set(found.silent) == {answer}:  # as they are read anyway, beside others that say what they are
        return None
    says, others = next((says, files) for says, files in found.told.items() if says != answer)
    raise PolicyError(
        f"the closes of {some_of(others)} are {says}, and a source has one basis: put the files that are {answer} into "
        "a folder of their own, and add it to sources.yaml later"
    )


def _basis(said: str) -> str:
    from resources.settings.price_folder import BASES

    if said.strip() not in BASES:
        raise typer.BadParameter(one_of(said.strip(), BASES))
    return said.strip()


def _warn(said: str) -> None:
    out.print(f"[yellow]![/yellow] {said}", highlight=False, soft_wrap=True)


def _tell(made: Path, files: Mapping[str, str], kind: str, book: "NewBook | None") -> None:
    """What was written, and what a book in another currency still needs."""
    from resources.settings.new_desk import EXAMPLE, OWN

    wrote = ", ".join(sorted(files)) or "the example as it is"
    if files and kind == EXAMPLE:
        wrote += "; prices, funds, scenarios and hedges are the example's, without its portfolios"
    out.print(f"\nmade {made}: {wrote}", highlight=False, soft_wrap=True)
    if book and book.currency != "USD":
        said = _other_currency(book.currency, own=kind == OWN)
        _warn(said)


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


def _asked(
    question: str, option: str, default: str | None = None, valid: Callable[[str], str] | None = None
) -> str:
    """A person's answer, asked again where it is not valid; raises PolicyError where nobody can be asked."""
    if not asks():
        raise PolicyError(f"say {option}: nobody can be asked here")
    return str(typer.prompt(question, default=default, value_proc=valid)).strip()


def _file_or_symbols(said: str) -> tuple[Path | None, str | None]:
    """The answer as a broker's file or as symbols."""
    path = Path(_expanded(said))
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
