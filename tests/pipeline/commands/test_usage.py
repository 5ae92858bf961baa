"""What is typed wrongly is told in our own words, with what is accepted, near names and an example; exit status 2."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer
from terminal import Terminal, terminal

import pipeline.cli
from optimizer import PolicyError
from pipeline.commands.usage import commands, day, in_order

pytestmark = pytest.mark.xdist_group("terminal")
COMMANDS = dict(commands(pipeline.cli.app))
THEIRS = (
    "Invalid value",
    "Input should",
    "unable to parse",
    "does not match the format",
    "Got unexpected",
    "Traceback",
)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with terminal(tmp_path_factory.mktemp("usage")) as found:
        yield found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rn", "there is no command 'rn'; did you mean run?"),
        ("run --asof 2024-01-31", "there is no option --asof; did you mean --as-of?"),
        ("run --as-of 31/01/2024", "is no date: write YYYY-MM-DD, such as 2024-01-31; did you mean 2024-01-31?"),
        ("run --as-of PP_2024-01-31", "did you mean 2024-01-31?"),
        ("run --as-of 2024-02-30", "--as-of: '2024-02-30' is no day of the calendar"),
        ("run --as-of", "--as-of needs a value after it"),
        ("run --json=yes", "--json takes no value"),
        ("run today", "nothing is done with 'today' here: leave it out"),
        ("packs revise", "DAY is missing: The as-of date of the pack."),
        ("packs revise 2024-01-31", "--reason is missing: Why the pack is replaced; goes on record."),
        ("backfill 2024-01-31 soon", "END: 'soon' is no date: write YYYY-MM-DD, such as 2024-01-31\n"),
        ("accounts list --limit few", "--limit: 'few' is no whole number; such as 50"),
        ("accounts list --limit 0", "--limit: '0' is too small: 1 or more; such as 50"),
        ("accounts list --offset -1", "--offset: '-1' is too small: 0 or more; such as 0"),
        ("api --port 70000", "--port: '70000' is too large: 65535 or less; such as 8000"),
        ("init desk --money lots", "--money: 'lots' is no number; such as 100000.0"),
        ("init desk --risk-free-rate 3%", "is no number: a percentage is written as a fraction, 3% as 0.03"),
        ("init desk --risk-free-rate 3", "--risk-free-rate: '3' is too large: 0.99 or less; such as 0.03"),
        ("--show-completion foosh", "is for the shell in which it is typed: leave 'foosh' out"),
        ("prove trades PP_2024-01-31 KO main --format pdf", "--format: 'pdf' is not one of 'proof', 'in-toto'"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_told_with_what_is_accepted(at: Terminal, words: str, said: str) -> None:
    refused = at(*words.split())
    assert refused.status == 2 and said in refused.err, refused
    assert refused.err.startswith("UsageError ") and refused.out == ""


def test_an_example_and_the_help_stand_below(at: Terminal) -> None:
    assert at("packs", "revise").err.splitlines()[1:] == [
        "example  packfolio packs revise 2024-03-28 --reason 'the vendor corrected AAPL'",
        "help     packfolio packs revise --help",
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_answers_in_the_words_of_its_parser(at: Terminal, name: str) -> None:
    refused = at(*name.split(), "--nonsense")
    assert refused.status == 2 and refused.err.startswith(
        "UsageError there is no option --nonsense; there"
    ), refused
    assert not [word for word in THEIRS if word in refused.err]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("trades 2024-01-31", "did you mean PP_2024-01-31?"),
        ("trades pp_2024-01-31.2", "did you mean PP_2024-01-31.2?"),
        ("trades 2024-02-31", "or PP_2025-10-26.2 for a revision\n"),
        ("report PP_2024", "'PP_2024' is not a pack ID"),
        ("backfill 2024-02-01 2024-01-31", "the range ends on 2024-01-31, before its start on 2024-02-01"),
        ("ingest --start 2024-02-01 --end 2024-01-31", "say the earlier day first"),
        (
            "attribution main --pack PP_2024-01-31 --from 2024-02-01 --to 2024-01-31",
            "say the earlier day first",
        ),
    ],
)
def test_a_pack_and_a_range_are_read_before_anything_is_opened(at: Terminal, words: str, said: str) -> None:
    refused = at(*words.split())
    assert refused.status == 2 and said in refused.err and refused.err.startswith("PolicyError "), refused
    assert not at.home.exists()


def test_a_day_may_have_been_meant_in_two_ways() -> None:
    assert day("2024-03-04") == date(2024, 3, 4)
    with pytest.raises(typer.BadParameter, match=r"did you mean 2024-03-04 or 2024-04-03\?"):
        day("3/4/2024")


@pytest.mark.parametrize(
    "days", [(None, None), (date(2024, 1, 2), None), (date(2024, 1, 2), date(2024, 1, 2))]
)
def test_a_range_may_be_open_or_of_one_day(days: Any) -> None:
    in_order(*days)
    with pytest.raises(PolicyError, match="before its start"):
        in_order(date(2024, 1, 3), date(2024, 1, 2))


def test_a_mistake_in_what_init_would_write_names_no_file_that_is_gone(at: Terminal, tmp_path: Path) -> None:
    refused = at("init", str(tmp_path / "desk"), "--prices", "yahoo", "--symbols", "BRK B")
    assert (
        refused.status == 2
        and "a symbol: capitals, digits and . ^ = _ / -, no space, such as BRK-B" in refused.err
    )
    assert "nothing was written: " in refused.err and "config.part" not in refused.err


def test_no_flag_is_shown_as_if_it_took_a_value(at: Terminal) -> None:
    for words in ((), ("packs",), ("packs", "list"), ("ui",)):
        said = at(*words, "--help").out
        assert "--help" in said and "<bool>" not in said


@pytest.mark.parametrize("words", ["run", "ingest", "trades", "packs list", "explain latest AAPL"])
def test_in_a_folder_that_is_no_desk_nothing_is_made_and_init_is_named(tmp_path: Path, words: str) -> None:
    with terminal(tmp_path) as elsewhere:
        said = elsewhere(*words.split())
    assert said.status == 2 and "make a desk with `packfolio init`, or set PACKFOLIO_CONFIG" in said.err
    assert list(tmp_path.iterdir()) == []
