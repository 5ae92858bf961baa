"""What YAML would read as something else than was meant is refused, by line, with the remedy."""

import gc
import weakref
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from optimizer import PolicyError
from resources.settings.policies.values import Day, Strict
from resources.settings.yaml_files import parse_value, parse_yaml, plain_value


class Example(Strict):
    name: str = ""
    names: list[str] | None = None
    shares: dict[str, float] = Field(default={})
    amount: float = 0.0
    count: int = 0
    day: Day | None = None


def said(text: str) -> str:
    with pytest.raises(PolicyError) as refused:
        parse_yaml(text, Example, "desk.yaml")
    return str(refused.value)


@pytest.mark.parametrize("word", ["ON", "NO", "yes", "off", "TRUE", "7203", "1.5", "2024-01-02", "null", "~"])
def test_a_word_that_is_no_text_asks_for_quotes(word: str) -> None:
    assert "desk.yaml:2: name: must be text" in said(f"day: 2024-01-02\nname: {word}\n")
    assert f"quote it, '{word}'" in said(f"name: {word}\n")
    listed = said(f"names:\n  - AAA\n  - {word}\n")
    assert listed.startswith("desk.yaml:3: names.")
    assert f"quote it, '{word}'" in listed
    keyed = f"shares:\n  {word}: 5\n"
    if word == "7203":  # as a key it is written as it is read
        assert parse_yaml(keyed, Example, "desk.yaml").shares == {word: 5.0}
    else:
        assert f"desk.yaml:2: the key {word} is no text in YAML; quote it: '{word}'" in said(keyed)
    quoted = parse_yaml(f"name: '{word}'\nnames: ['{word}']\nshares: {{'{word}': 5}}\n", Example, "desk.yaml")
    assert (quoted.name, quoted.names, quoted.shares) == (word, [word], {word: 5.0})


@pytest.mark.parametrize(
    ("text", "value"), [("0700", 448), ("010", 8), ("1:30", 90), ("-0700", -448), ("1:30.5", 90.5)]
)
def test_a_number_that_is_not_in_decimals_is_refused(text: str, value: float) -> None:
    for key in ("amount", "count", "name"):
        assert f"desk.yaml:1: {text} is read as {value} in YAML" in said(f"{key}: {text}\n")


@given(st.decimals(-(10**12), 10**12, places=6) | st.integers(-(10**12), 10**12))
def test_a_number_in_decimals_is_itself(value: Decimal | int) -> None:
    assert parse_yaml(f"amount: {value}\n", Example, "desk.yaml").amount == float(value)


@given(st.dates())
def test_a_date_in_quotes_is_a_date(day: date) -> None:
    bare, quoted = (parse_yaml(f"day: {text}\n", Example, "").day for text in (day, f'"{day}"'))
    assert bare == quoted == day


def test_what_is_no_day_of_the_calendar_is_refused_with_its_line() -> None:
    assert said("day: 2022-02-30\n").startswith("desk.yaml:1: 2022-02-30 is no day of the calendar")
    assert said("name: a\nday: '2022-02-30'\n").startswith("desk.yaml:2: day: day is out of range")
    assert "must be a date such as 2024-01-31" in said("day: '30/02/2022'\n")


def test_everything_is_said_at_once_and_an_empty_file_has_the_defaults() -> None:
    found = said("amount: 0700\nshares: {ON: 1, A: 2, A: 3}\n").splitlines()
    assert [line.split(": ", 1)[0] for line in found] == ["desk.yaml:1", "desk.yaml:2", "desk.yaml:2"]
    assert (
        parse_yaml("", Example, "desk.yaml") == parse_yaml("# nothing\n", Example, "desk.yaml") == Example()
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\tb: 1\n", r"x.yaml:2: .*; a tab stands at its beginning: indent with spaces$"),
        (
            "a:\n  b: 1\n   c: 2\n",
            "x.yaml:3: .*; look at this line and those above it: the keys of a block begin in one",
        ),
        ("a: 'b\nc: 1\n", "x.yaml:[123]: .*; look at .*quotes and brackets are closed"),
        ("a: [b\nc: 1\n", "x.yaml:[123]: .*; look at .*quotes and brackets are closed"),
        ("a: 1\nb:1\n", "x.yaml:[23]: .*each colon has a space behind it"),
        ("a: @b\n", "x.yaml:1: .*begins with % @ ` or a bracket stands in quotes"),
        ("a: 1\n---\nb: 1\n", "x.yaml:2: .*; a file is one document: take out the line ---$"),
        ("? [a]\n: 1\n", "x.yaml:1: a key is a list or a mapping; it must be a word$"),
    ],
)
def test_a_text_that_is_no_yaml_is_told_with_what_to_look_for(text: str, said: str) -> None:
    """The parser's words name what it missed (`did not find expected key`), and no cause."""
    with pytest.raises(PolicyError, match=said):
        plain_value(text, "x.yaml")


class Even(Strict):
    number: int

    @field_validator("number")
    @classmethod
    def is_even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("must be even")
        return number


@pytest.mark.parametrize(("ask", "given"), [(parse_yaml, "number: 3"), (parse_value, {"number": 3})])
def test_a_refusal_that_is_kept_can_be_let_go_with_all_that_it_holds(
    ask: Callable[..., Even], given: Any
) -> None:
    """pydantic's own error, in the chain of a refusal, kept the frames of its checks and of all who called them."""

    def refused() -> weakref.ref[Even]:
        held = Even(number=2)
        with pytest.raises(PolicyError, match="must be even") as kept:
            ask(given, Even, "even")
        assert kept.value.__cause__ is kept.value.__context__ is None
        return weakref.ref(held)

    gone = refused()
    gc.collect()
    assert gone() is None
