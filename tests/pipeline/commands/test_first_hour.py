"""From a broker's file and a folder of prices to trades of one's own: two commands; and again each month."""

import shutil
import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from brokers_exports import LAYOUTS, PATHS
from small_desk import price_file, sessions
from terminal import Terminal, terminal

from pipeline.commands import init as init_command
from pipeline.commands import terminal as terminal_words
from pipeline.commands.books import broker_file
from resources.settings.configuration import first_pack, load_configuration

pytestmark = pytest.mark.xdist_group("terminal")
DATED = ("Fidelity", "Interactive Brokers", "Schwab", "thinkorswim")


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal beside a folder of prices; the desk is yet to be made."""
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "all.csv").write_text(price_file(sessions(), ("AAPL", "KO")))
    with terminal(tmp_path / "desk") as found:
        yield found


def init(at: Terminal, layout: str, *more: str) -> list[str]:
    """The words that make a desk of a layout's export."""
    dated = [] if layout in DATED else ["--as-of", "2022-12-23"]
    prices = str(at.folder.parent / "prices")
    return ["init", str(at.folder), "--prices", prices, "--holdings", str(PATHS[layout]), *dated, *more]


@pytest.mark.parametrize(
    "layout", ["Interactive Brokers", *(pytest.param(name, marks=pytest.mark.slow) for name in LAYOUTS)]
)
def test_two_commands_lead_from_an_export_to_trades(at: Terminal, layout: str) -> None:
    made = at(*init(at, layout, "--basis", "total_return"))
    assert made.status == 0, made
    if layout == "Interactive Brokers":
        assert made.lines[0].strip() == "Interactive Brokers, holdings of 2022-12-23, in USD"
    shown = [line.split() for line in made.lines]
    assert [line[:2] for line in shown if line[:1] in (["AAPL"], ["KO"], ["cash"])][-3:] == [
        ["KO", "40.5"], ["cash", "1,484.50"],
    ] or ["AAPL", "100"] in [line[:2] for line in shown]  # fmt: skip
    assert made.lines[-1] == f"next   cd {at.folder} && packfolio run"
    if layout == "Hargreaves Lansdown":  # counts in pounds, and nobody knows of what the prices are
        assert made.lines[-2].startswith(
            "! the book counts in GBP: prices count as USD where sources.yaml has no currency: of inbox; what"
        )
        sources = at.config / "sources.yaml"
        sources.write_text(sources.read_text().replace("# currency: USD ", "currency: GBP "))
    ran = at.read("run")
    (book,) = ran["portfolios"]
    assert (ran["status"], ran["pack_id"], book["name"]) == ("done", "PP_2024-02-29", "main")
    assert {trade["symbol"] for trade in book["trades"]} == {"AAPL", "KO"}
    assert any(trade["action"] != "HOLD" for trade in book["trades"])
    later = at.folder.parent / "later.csv"
    later.write_text("symbol,quantity\nAAPL,1\nAPPL,2\n")
    more = at.read("holdings", "import", str(later), "--portfolio", "main", "--as-of", "2024-03-01")
    assert more["unpriced"] == {"APPL": "no source has ever priced it; did you mean AAPL?"}


def test_an_import_each_month_adds_a_dated_block(at: Terminal, tmp_path: Path) -> None:
    assert at(*init(at, "Fidelity")).status == 0
    path = at.config / "portfolios" / "main.yaml"
    first = path.read_text()
    later = tmp_path / "january.csv"
    later.write_text(
        LAYOUTS["Fidelity"].replace("Dec-23", "Jan-20").replace("2022", "2023"), encoding="utf-8"
    )
    added = at.read("holdings", "import", str(later), "--portfolio", "main")
    assert (added["status"], added["as_of"], added["cash"]) == ("added", "2023-01-20", 1484.5)
    assert path.read_text().startswith(first)
    (book,) = load_configuration(at.config).portfolios.files
    assert [str(held.as_of) for held in book.holdings] == ["2022-12-23", "2023-01-20"]
    again = at("holdings", "import", str(later), "--portfolio", "main")
    assert (again.status, again.lines[-1]) == (0, f"{path} has these holdings already: nothing to add")
    tomorrow = at("holdings", "import", str(later), "--portfolio", "main", "--as-of", "2999-01-04")
    assert tomorrow.status == 2 and "holdings of 2999-01-04 are of a day that is yet to come" in tomorrow.err
    unknown = at("holdings", "import", str(later), "--portfolio", "other")
    assert (unknown.status, unknown.err) == (
        2,
        "PolicyError there is no portfolio 'other'; there is main\n",
    )


def test_what_cannot_be_told_is_refused_by_line_where_nobody_can_be_asked(
    at: Terminal, tmp_path: Path
) -> None:
    odd = tmp_path / "odd.csv"
    odd.write_text(LAYOUTS["generic"] + "BRK B;10;;300;3000\n")
    words = ["init", str(at.folder), "--prices", "yahoo", "--holdings", str(odd), "--as-of", "2022-12-23"]
    refused = at(*words)
    assert refused.status == 1 and "line 5: BRK B: it is no symbol that a price source has" in refused.err
    assert not at.config.exists()
    assert at(*words, "--symbol", "BRK B=BRK-B").status == 0
    desk = load_configuration(at.config)
    assert desk.portfolios.files[0].universe == ["AAPL", "BRK-B", "KO"]
    assert desk.sources.sources[0].symbols == ["AAPL", "BRK-B", "KO"]
    twice = at(*words)
    assert twice.status == 2 and "exists already" in twice.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say FOLDER: nobody can be asked here"),
        (["desk"], "say --prices: nobody can be asked here"),
        (["desk", "--prices", "bloomberg"], "--prices bloomberg is neither example nor yahoo, nor a folder"),
        (["desk", "--prices", "yahoo"], "say --symbols or --holdings: nobody can be asked here"),
        (["desk", "--prices", "yahoo", "--holdings", "no.csv"], "no.csv: No such file or directory"),
        (["desk", "--prices", "example", "--holdings", str(PATHS["generic"])], "states no date"),
        (
            ["desk", "--prices", "example", "--holdings", str(PATHS["generic"]), "--as-of", "2023-01-03"],
            "the example's prices end on 2022-12-28",
        ),
        (
            ["desk", "--prices", "example", "--symbols", "AAPL", "--currency", "EUR"],
            "the book counts in EUR, and the example has prices in USD and no exchange rates: bring prices",
        ),
        (["desk", "--prices", "yahoo", "--symbols", "AAPL", "--name", "Main Book"], "name: must be small letters"),
    ],
)  # fmt: skip
def test_a_mistake_leaves_no_desk_behind(
    at: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = at("init", *words)
    assert refused.status in (1, 2) and said in refused.err.replace("\n", " "), refused
    assert not (tmp_path / "desk" / "config").exists() and not (tmp_path / "desk" / "config.part").exists()


def test_the_example_and_a_paper_book_are_desks_too(at: Terminal, tmp_path: Path) -> None:
    assert at("init", str(tmp_path / "shown"), "--prices", "example").status == 0
    shown = load_configuration(tmp_path / "shown" / "config")
    assert {book.name for book in shown.portfolios.files} == {"us-equity", "leverage-aware"}
    assert shown.playbooks.missing == () and first_pack(tmp_path / "shown" / "config") == date(2022, 12, 1)
    assert (
        at("init", str(at.folder), "--prices", "example", "--symbols", "KO, XOM", "--money", "5000").status
        == 0
    )
    desk = load_configuration(at.config)
    # The example's are where one asks for it.
    assert [book.name for book in desk.portfolios.files] == ["main"]
    paper = desk.portfolios.find("main")
    assert (paper.mode, paper.universe, paper.holdings[0].cash) == ("paper", ["KO", "XOM"], 5000)
    assert paper.policy.max_turnover_pct is None  # which would keep it in cash
    assert first_pack(at.config) == paper.holdings[0].as_of  # not the day of the example's own holdings
    refused = at("holdings", "import", str(PATHS["Fidelity"]), "--portfolio", "main")
    assert refused.status == 2 and "main is a paper book" in refused.err


def test_on_a_terminal_what_is_unclear_is_asked(
    at: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "odd.csv"
    rows = [*LAYOUTS["generic"].splitlines(), "BRK B;10;;300;3000", "912796XY1;5;;99;495", "MARGIN X;7;;;7"]
    table = [f"{row};{'Account' if row is rows[0] else 'Z1'}" for row in [*rows, "XOM;1;;;"]]
    odd.write_text("\n".join(table)[:-2] + "Z2\n")

    def ask(text: str, *, err: bool, value_proc: Any = str) -> Any:
        asked.append(text)
        return value_proc(next(answers))

    asked: list[str] = []
    answers = iter(["Z1", "brk-b", "skip", "no symbol", "cash", "2022-12-23"])
    monkeypatch.setattr(broker_file, "asks", lambda: True)
    monkeypatch.setattr(broker_file.typer, "prompt", ask)
    made = at("init", str(at.folder), "--prices", "yahoo", "--holdings", str(odd))
    assert made.status == 0, made
    assert asked[0] == "The file has the accounts Z1, Z2. Which one, or all of them as one (all)?"
    assert len(asked) == 6 and made.err.count("that does not answer it") == 1
    assert asked[-1].startswith("The file states no date")
    (book,) = load_configuration(at.config).portfolios.files
    (held,) = book.holdings
    assert (str(held.as_of), held.cash) == ("2022-12-23", 1491.5)
    assert {symbol: one.quantity for symbol, one in held.positions.items()} == {
        "AAPL": 100,
        "BRK-B": 10,
        "KO": 40.5,
    }
    assert [line for line in made.err.splitlines() if line.startswith("? ")] == [
        "? line 5: BRK B: it is no symbol that a price source has; a class of shares? it may be BRK.B, or as "
        "your prices have it",
        "? line 6: 912796XY1: it is a CUSIP, as bonds have, and no symbol of a price source",
        *["? line 7: MARGIN X: it is no symbol that a price source has"] * 2,
    ]


def test_a_folder_of_prices_is_asked_again_and_may_be_in_the_home(
    at: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a prompt no shell writes the home for `~`: the page's own `~/prices` was no folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    refusals: list[str] = []

    def ask(text: str, *, default: str, value_proc: Any = None) -> str:
        if value_proc is None:
            return f"~/{default}"
        with pytest.raises(typer.BadParameter) as refused:
            value_proc("~/nowhere")
        refusals.append(str(refused.value))
        with pytest.raises(typer.BadParameter, match=r"^--prices ~nobody-here is neither"):
            value_proc("~nobody-here")
        return str(value_proc("~/prices"))

    for module in (broker_file, init_command):
        monkeypatch.setattr(module, "asks", lambda: True)
    monkeypatch.setattr(init_command.typer, "prompt", ask)
    made = at("init", "--symbols", "KO", "--basis", "total_return")
    assert made.status == 0, made
    assert (tmp_path / "desk" / "config" / "sources.yaml").read_text().count(str(tmp_path / "prices")) == 1
    assert "# first_pack: " in (tmp_path / "desk" / "config" / "pipeline.yaml").read_text()
    assert refusals == [
        f"--prices {tmp_path}/nowhere is neither example nor yahoo, nor a folder; create it, or name another"
    ]


@pytest.mark.parametrize(
    ("answer", "mode", "universe"),
    [(str(PATHS["Fidelity"]), "live", ["AAPL", "KO"]), ("KO, XOM", "paper", ["KO", "XOM"])],
)
def test_a_person_is_asked_for_a_file_or_for_symbols(
    at: Terminal, monkeypatch: pytest.MonkeyPatch, answer: str, mode: str, universe: list[str]
) -> None:
    monkeypatch.setattr(init_command, "_asked", lambda question, option: answer)
    assert at("init", str(at.folder), "--prices", "yahoo").status == 0
    (book,) = load_configuration(at.config).portfolios.files
    assert (book.mode, book.universe) == (mode, universe)


def test_a_file_that_is_not_there_is_no_symbol(at: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init_command, "_asked", lambda question, option: "positions.csv")
    refused = at("init", str(at.folder), "--prices", "yahoo")
    assert refused.status != 0 and "positions.csv: No such file or directory" in refused.err


def test_the_example_is_not_offered_to_holdings_that_it_cannot_price(at: Terminal, tmp_path: Path) -> None:
    words = ("init", str(at.folder), "--prices", "example")
    refused = at(*words, "--symbols", "AAPL,SPY,SPX2X.SIM,TLT")
    assert (refused.status, refused.err) == (
        2,
        "PolicyError the example has no prices of SPY, TLT: leave them out, or bring prices: --prices yahoo, or a "
        "folder of your own files\n",
    )
    assert not at.folder.exists()
    assert at(*words, "--symbols", "AAPL,SPX2X.SIM,SPX.TR").status == 0


def test_what_to_type_next_works_in_a_shell_that_does_not_find_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "my env").mkdir()
    (tmp_path / "my env" / "packfolio").touch()
    for named, there, said in (
        ("packfolio", "/usr/bin/packfolio", "packfolio"),
        ("packfolio", None, f"'{tmp_path}/my env/packfolio'"),
        ("__main__.py", None, "packfolio"),
        ("../packfolio", None, "packfolio"),  # which is not there
    ):
        monkeypatch.setattr(sys, "argv", [str(tmp_path / "my env" / named)])
        monkeypatch.setattr(terminal_words.shutil, "which", lambda name, there=there: there)
        assert terminal_words.program() == said


ADJUSTED = "Date,Close,Adj Close\n" + "".join(f"2024-02-{day},{day},{day - 0.5}\n" for day in (27, 28, 29))
WHOLE = "symbol,date,close,dividend,split\n" + "".join(f"KO,2024-02-{day},60,0,1\n" for day in (27, 28, 29))


def test_price_files_are_looked_at_and_a_person_is_asked_where_they_are_silent(
    at: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody can be asked what is taken is told; a file that would be refused for it must be answered for."""
    prices, words = at.folder.parent / "prices", ["--symbols", "AAPL,KO,KOO"]
    (prices / "all.csv").unlink()
    (prices / "AAPL.csv").write_text(ADJUSTED)
    (prices / "KO.csv").write_text(WHOLE)
    (prices / "notes.csv").write_text("to be done\n")
    make = ["init", str(at.folder), "--prices", str(prices), *words]
    alone = at(*make)
    assert alone.lines[0] == "prices 1 file, as_traded"
    assert alone.lines[1].startswith(
        "! 1 file can not be read as prices: notes.csv is refused: EXTRA_COLUMN line 1"
    )
    lacking = "! no file has prices of KOO (did you mean KO?): add them, or the portfolio leaves them out"
    assert alone.lines[2:4] == [
        "! nothing in AAPL.csv says whether the closes are adjusted: taken as split_adjusted; --basis says it "
        "otherwise",
        lacking,
    ]
    shutil.rmtree(at.folder)
    monkeypatch.setattr(init_command, "asks", lambda: True)
    for answer, status in (("split_adjusted", 0), ("total_return", 2)):
        monkeypatch.setattr(
            init_command.typer, "prompt", lambda text, value_proc, answer=answer, **_: value_proc(answer)
        )
        said = at(*make)
        assert said.status == status, said
        shutil.rmtree(at.folder, ignore_errors=True)
    assert said.err.endswith(
        "the closes of KO.csv are as_traded, and a source has one basis: put the files that are total_return into a "
        "folder of their own, and add it to sources.yaml later\n"
    )
    (prices / "KO.csv").unlink()
    (prices / "all.csv").write_text("symbol,date,close,adj_close\nKO,2024-02-29,1,1\n")  # refused till then
    assert lacking in at(*make).lines
    assert load_configuration(at.config).sources.sources[0].basis == "total_return"
    shutil.rmtree(at.folder)
    monkeypatch.setattr(init_command, "asks", lambda: False)
    refused = at(*make)
    assert (refused.status, at.folder.exists()) == (2, False)
    assert not any("no file has prices" in line for line in refused.lines)  # which nobody knows yet
    assert refused.err == (
        "PolicyError nothing in AAPL.csv, all.csv says whether the closes are adjusted: say it, --basis as_traded or "
        "split_adjusted or total_return\n"
    )
    assert "use one of as_traded" in at(*make, "--basis", "adjusted").err
    assert at(*make, "--basis", "total_return").lines[0] == "prices 2 files, total_return"


def test_a_symbol_that_prices_write_otherwise_is_told_with_the_option_that_says_so(
    at: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "prices" / "brk.csv").write_text(WHOLE.replace("KO", "BRK-B"))
    held = tmp_path / "held.csv"
    held.write_text("symbol,quantity\nBRK/B,1\nAAPL,2\n")
    make = ("init", str(at.folder), "--prices", str(tmp_path / "prices"), "--holdings", str(held))
    made = at(*make, "--as-of", "2022-12-23", "--basis", "as_traded")
    assert (
        "! no file has prices of BRK/B (did you mean BRK-B?): add them, or the portfolio gets no trades; "
        "--symbol BRK/B=BRK-B where the files write it so"
    ) in made.lines


def test_holdings_that_are_newer_than_the_prices_are_told_before_a_run_is_refused(
    at: Terminal, tmp_path: Path
) -> None:
    """An export of today beside prices up to yesterday: a desk was made in silence, and its first run refused."""
    held = tmp_path / "held.csv"
    held.write_text("symbol,quantity\nAAPL,2\n")
    prices = tmp_path / "prices"
    (prices / "all.csv").unlink()
    (prices / "AAPL.csv").write_text(ADJUSTED)
    make = ("init", str(at.folder), "--prices", str(prices), "--holdings", str(held), "--basis", "as_traded")
    said = (
        "! the prices end on 2024-02-29, and the holdings are of 2024-03-01: a run has to wait for prices of that day; "
        "where the same was held then, begin there: --as-of 2024-02-29"
    )
    assert said in at(*make, "--as-of", "2024-03-01").lines
    shutil.rmtree(at.folder)
    assert not any("the prices end" in line for line in at(*make, "--as-of", "2024-02-29").lines)
    shutil.rmtree(at.folder)
    today = datetime.now().astimezone().date()
    yahoo = ("init", str(at.folder), "--prices", "yahoo", "--holdings", str(held))
    assert any(
        f"the session of {today} has to close" in line for line in at(*yahoo, "--as-of", str(today)).lines
    )
    shutil.rmtree(at.folder)
    assert not any("has to close" in line for line in at(*yahoo, "--as-of", "2024-02-29").lines)
