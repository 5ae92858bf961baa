"""How commands are used: an example of each, and what is typed wrongly said in our own words, with exit status 2."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from optimizer import PolicyError
from optimizer.errors import meant
from pipeline.commands.terminal import err

EXAMPLES = {
    "accounts list": "packfolio accounts list smith --outcome no_trade",
    "accounts show": "packfolio accounts show main",
    "alerts test": "packfolio alerts test",
    "anchor checkpoint": "packfolio anchor checkpoint > checkpoint.txt",
    "anchor keygen": "packfolio anchor keygen ~/keys/desk.pem",
    "anchor revoke": "packfolio anchor revoke lost.pub --reason 'the laptop was stolen'",
    "anchor rotate": "packfolio anchor rotate ~/keys/next.pem",
    "anchor stamp": "packfolio anchor stamp https://tsa.example.org --roots roots.pem",
    "api": "packfolio api --port 8000",
    "attribution": "packfolio attribution main --from 2024-01-01",
    "backfill": "packfolio backfill 2024-01-02 2024-03-28",
    "backtest": "packfolio backtest --portfolio main",
    "backup": "packfolio backup --to /backups --keep 30",
    "check": "packfolio check proof.json --key desk.pub",
    "doctor": "packfolio doctor db",
    "explain": "packfolio explain PP_2024-03-28 AAPL --portfolio main",
    "holdings import": "packfolio holdings import positions.csv --portfolio main",
    "impact": "packfolio impact --portfolio main",
    "ingest": "packfolio ingest --source inbox",
    "init": "packfolio init desk --prices example",
    "packs diff": "packfolio packs diff PP_2024-03-27 PP_2024-03-28",
    "packs list": "packfolio packs list",
    "packs replay": "packfolio packs replay PP_2024-03-28",
    "packs restatements": "packfolio packs restatements",
    "packs revise": "packfolio packs revise 2024-03-28 --reason 'the vendor corrected AAPL'",
    "packs show": "packfolio packs show latest",
    "packs verify": "packfolio packs verify PP_2024-03-28",
    "prove": "packfolio prove trades PP_2024-03-28 AAPL main > proof.json",
    "regime": "packfolio regime latest",
    "report": "packfolio report --portfolio main --format pdf",
    "restore": "packfolio restore /backups/2024-03-28",
    "run": "packfolio run --as-of 2024-03-28",
    "screen": "packfolio screen --port 8501",
    "stress": "packfolio stress --scenario equity_selloff",
    "trace": "packfolio trace trades PP_2024-03-28 AAPL main",
    "trades": "packfolio trades PP_2024-03-28 --portfolio main",
    "ui": "packfolio ui --read-only",
    "witness": "packfolio witness proof.json --key desk.pub --sign-with witness.pem --seen seen.txt --first",
}


def commands(app: typer.Typer, above: str = "") -> Iterator[tuple[str, typer.models.CommandInfo]]:
    """Every command by its words."""
    for info in app.registered_commands:
        callback = info.callback
        yield f"{above}{info.name or (callback.__name__ if callback else '')}".replace("_", "-"), info
    for group in app.registered_groups:
        if group.typer_instance:
            yield from commands(group.typer_instance, f"{above}{group.name} ")


class _BareFlags:
    """Shows flags without the `<bool>` that reads as if they took a value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters of a command, its help option among them."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class _Command(_BareFlags, TyperCommand):
    pass


class _Group(_BareFlags, TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The words that are left; a shell named behind the flags of completion would be ignored without a word."""
        if args[:1] in COMPLETION and len(args) > 1:
            said = f"{args[0]} is for the shell in which it is typed: leave {args[1]!r} out"
            raise typer.BadParameter(said, ctx=ctx)
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Put its example under each command; a command without one is a KeyError."""
    for name, info in commands(app):
        info.epilog = f"Example: {EXAMPLES[name]}"
        info.cls = _Command
    app.info.cls = _Group
    for group in app.registered_groups:
        group.cls = _Group


WRONG = 2
UsageFault = TyperException
COMPLETION = (["--install-completion"], ["--show-completion"])
FORMS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "PP_%Y-%m-%d")
NUMBERS: Mapping[str, Callable[[Any], str]] = {
    "int": lambda bound: "is no whole number",
    "float": lambda bound: "is no number",
    "finite_number": lambda bound: "is no finite number",
    "greater_than_equal": lambda bound: f"is too small: {bound['ge']:g} or more",
    "less_than_equal": lambda bound: f"is too large: {bound['le']:g} or less",
}


def day(said: str) -> date:
    """A date as it is typed; raises typer.BadParameter with the accepted form, and with the dates it may have meant."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", said):
        try:
            return date.fromisoformat(said)
        except ValueError:
            raise typer.BadParameter(f"{said!r} is no day of the calendar") from None
    days = " or ".join(sorted({str(found) for form in FORMS if (found := _read(said, form))}))
    near = f"; did you mean {days}?" if days else ""
    raise typer.BadParameter(f"{said!r} is no date: write YYYY-MM-DD, such as 2024-01-31{near}")


def in_order(start: date | None, end: date | None) -> None:
    """Raises PolicyError for a range that ends before it starts."""
    if start and end and end < start:
        raise PolicyError(f"the range ends on {end}, before its start on {start}: say the earlier day first")


DAY: dict[str, Any] = {"parser": day, "metavar": "YYYY-MM-DD"}  # of every option and argument that is a date


def _read(said: str, form: str) -> date | None:
    try:
        return datetime.strptime(said, form).date()  # noqa: DTZ007  a day has no zone
    except ValueError:
        return None


def tell(error: UsageFault) -> NoReturn:
    """Print a mistake of the command line and end: a sentence, the command's example, where its help is."""
    context: Any = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # which has printed the help
        sys.exit(WRONG)
    err.print(f"[red]UsageError[/red] {_sentence(error, context)}", highlight=False, soft_wrap=True)
    if context is not None:
        example = str(context.command.epilog or "").removeprefix("Example: ")
        path = context.command_path
        for line in [f"example  {example}"] * bool(example) + [f"help     {path} --help"]:
            err.print(line, highlight=False, soft_wrap=True)
    sys.exit(WRONG)


def _sentence(error: Any, context: Any) -> str:
    param: Any = getattr(error, "param", None)
    name = _name(param) if param is not None else ""
    match type(error).__name__:
        case "NoSuchOption":
            known = [word for one in context.command.params for word in one.opts if word.startswith("--")]
            return f"there is no option {error.option_name}; {meant(error.option_name, known)}"
        case "MissingParameter":
            return f"{name} is missing" + (f": {param.help}" if param.help else "")
        case "BadOptionUsage":
            wants = "takes no value" if "does not take" in error.message else "needs a value after it"
            return f"{error.option_name} {wants}"
        case "BadParameter":
            return f"{name}: {_value(error, param)}" if name else str(error.message)
    if found := re.fullmatch(r"Got unexpected extra argument\(s\) \((.*)\)", error.message, re.DOTALL):
        return f"nothing is done with {found[1]!r} here: leave it out"
    if found := re.match(r"No such command '(.*?)'\.", error.message, re.DOTALL):
        return f"there is no command {found[1]!r}; {meant(found[1], sorted(context.command.commands))}"
    if error.message == "Missing command.":
        return f"say which: {', '.join(sorted(context.command.commands))}"
    return str(error.message)


def _value(error: Any, param: Any) -> str:
    """What is wrong with a value; the reader of values tells it in the words of a schema, which are not ours."""
    found = error.__cause__.errors()[0] if hasattr(error.__cause__, "errors") else {}
    kind, said = str(found.get("type", "")), found.get("input")
    number = next((NUMBERS[name] for name in NUMBERS if kind.startswith(name)), None)
    if number is None:
        return str(error.message).removeprefix("Value error, ")
    wrong = f"{said!r} {number(found.get('ctx'))}"
    if str(said).strip().endswith("%"):
        return f"{wrong}: a percentage is written as a fraction, 3% as 0.03"
    return f"{wrong}; such as {param.default}" if param.default is not None else wrong


def _name(param: Any) -> str:
    """As it is typed: the long form of an option, an argument in capitals."""
    if param.param_type_name == "argument":
        return str(param.name).upper()
    return str(max(param.opts, key=len))
