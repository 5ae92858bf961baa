"""A broker's file on the terminal: what was understood of it, and what is asked about the rest."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from optimizer import PolicyError
from optimizer.errors import meant
from pipeline.commands.terminal import err, out
from pipeline.commands.usage import DAY, day

if TYPE_CHECKING:
    from resources.brokers.holdings import Holdings
    from resources.brokers.statement import Answers, Question, Statement

AsOfHoldings = Annotated[
    date | None,
    typer.Option("--as-of", help="Date of the holdings; the file's own when left out.", **DAY),
]
Account = Annotated[
    str | None, typer.Option("--account", help="The account, where the file has several; `all` adds them up.")
]
CashLines = Annotated[
    list[str] | None, typer.Option("--cash", help="Symbol or line that is cash; may be repeated.")
]
SkippedLines = Annotated[
    list[str] | None, typer.Option("--skip", help="Symbol or line to leave out; may be repeated.")
]
Symbols = Annotated[
    list[str] | None,
    typer.Option(
        "--symbol",
        metavar="THEIRS=OURS",
        help="A symbol that prices have otherwise; may be repeated. @FILE reads a line each.",
    ),
]


@dataclass(frozen=True)
class Choices:
    """What the options say about a broker's file."""

    as_of: date | None
    account: str | None
    answers: "Answers"


def choices(
    as_of: date | None,
    account: str | None,
    cash: Sequence[str] | None,
    skip: Sequence[str] | None,
    symbols: Sequence[str] | None,
    currency: str = "",
) -> Choices:
    """The options as values; raises PolicyError for a --symbol that is not THEIRS=OURS, nor a file of such lines."""
    from resources.brokers.statement import Answers

    said = [line for text in symbols or () for line in _told(text) if line.strip()]
    pairs = [text.partition("=") for text in said]
    if wrong := [text for text, (theirs, _, ours) in zip(said, pairs, strict=True) if not (theirs and ours)]:
        raise PolicyError(f"--symbol {wrong[0]}: write THEIRS=OURS, such as 'BRK B=BRK.B'")
    ours = {theirs.strip(): ours.strip() for theirs, _, ours in pairs}
    answers = Answers(frozenset(cash or ()), frozenset(skip or ()), ours, currency)
    return Choices(as_of, account, answers)


def _told(text: str) -> list[str]:
    """The text itself, or the lines of the file that it names after an @."""
    from resources.brokers.files import export_text

    if not text.startswith("@"):
        return [text]
    if not Path(text[1:]).is_file():
        raise PolicyError(
            f"--symbol {text}: there is no such file; write a line each, such as US0378331005=AAPL"
        )
    return export_text(Path(text[1:])).splitlines()


def understood(file: Path, chosen: Choices, *, quiet: bool = False) -> "tuple[Holdings, Statement]":
    """The holdings in a broker's file; on a terminal what is unclear is asked, elsewhere refused line by line.

    Raises DataError and PolicyError with what to answer.
    """
    from resources.brokers.export_lines import read_statement
    from resources.brokers.files import export_text
    from resources.brokers.holdings import holdings, last_weekday

    text = export_text(file)
    found = read_statement(text, file.name, chosen.answers)
    if chosen.account is None and len(found.accounts) > 1 and asks():
        chosen = replace(chosen, account=_asked_account(found.accounts))
    found = _of_account(found, chosen.account, file.name)
    before: Question | None = None
    while found.questions and asks():
        if found.questions[0] == before:
            err.print("  that does not answer it", highlight=False)
        before = found.questions[0]
        chosen = replace(chosen, answers=_asked(found, chosen.answers))
        found = _of_account(read_statement(text, file.name, chosen.answers), chosen.account, file.name)
    dated = chosen.as_of or found.as_of or (_asked_day() if asks() else None)
    if dated is None:
        raise PolicyError(
            f"{file.name} states no date: say of which day the holdings are, --as-of YYYY-MM-DD"
        )
    if dated > (datetime.now(UTC) + timedelta(days=1)).date():  # somewhere it is tomorrow already
        raise PolicyError(
            f"holdings of {dated} are of a day that is yet to come; say the right one, --as-of YYYY-MM-DD"
        )
    held = holdings(found, dated if chosen.as_of else last_weekday(dated))
    if not quiet:
        show_understood(held, found)
    return held, found


def asks() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin.isatty() and err.is_terminal


def _of_account(found: "Statement", account: str | None, name: str) -> "Statement":
    if account is None:
        return found
    if account == "all":
        return found.of_account(None)
    if account not in found.accounts:
        raise PolicyError(f"{name} has no account {account!r}; {meant(account, found.accounts)}")
    return found.of_account(account)


def _asked(found: "Statement", answers: "Answers") -> "Answers":
    """The answers with one more, to the first question."""
    question = found.questions[0]
    err.print(f"[yellow]?[/yellow] {question}", highlight=False, soft_wrap=True)
    said = typer.prompt("  c = it is cash, s = leave it out, or its symbol", err=True).strip()
    line = str(question.line)
    match said.lower():
        case "c" | "cash":
            return replace(answers, cash=answers.cash | {line})
        case "s" | "skip":
            return replace(answers, skip=answers.skip | {line})
        case _:
            return replace(answers, symbols={**answers.symbols, line: said.upper()})


def _asked_account(accounts: Sequence[str]) -> str:
    def known(said: str) -> str:
        if said.strip() not in (*accounts, "all"):
            raise typer.BadParameter(f"there is no account {said.strip()!r}; {meant(said.strip(), accounts)}")
        return said.strip()

    question = f"The file has the accounts {', '.join(accounts)}. Which one, or all of them as one (all)?"
    return str(typer.prompt(question, err=True, value_proc=known))  # asks again after a wrong answer


def _asked_day() -> date:
    question = "The file states no date. Holdings of which day (YYYY-MM-DD)?"
    return cast(date, typer.prompt(question, err=True, value_proc=day))  # asks again after a wrong answer


def show_understood(held: "Holdings", found: "Statement") -> None:
    """What was read of a file, and which lines were left out."""
    from pipeline.commands.printed.show import amount, columns_table, shares

    heads = (("symbol", False), ("shares", True), ("cost a share", True), ("lots", True))
    counted = f", in {found.currency}" if found.currency else ""
    # Not the table's title: that would be wrapped at the table's width.
    title = f"{found.layout}, holdings of {held.as_of}{counted}"
    out.print(title, style="italic", highlight=False)
    table = columns_table("", heads)
    for position in held.positions:
        cost = None if position.cost is None else float(position.cost)
        lots = str(len(position.lots)) if position.lots else ""
        table.add_row(position.symbol, shares(float(position.quantity)), amount(cost), lots)
    table.add_row("cash", amount(float(held.cash)), "", "")
    out.print(table)
    if not found.cash:
        out.print(
            "[yellow]![/yellow] no line is cash: it counts as 0; write it into the portfolio's file",
            highlight=False,
        )
    for line, why in found.left_out:
        out.print(f"[dim]line {line} is left out: {why}[/dim]", highlight=False, soft_wrap=True)
