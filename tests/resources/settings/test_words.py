"""No mistake of a desk is told in the words of the library that found it."""

import re
import shutil
from datetime import date
from pathlib import Path
from typing import Literal, get_args

import pytest
from pydantic import Field, ValidationError
from pydantic_core import ErrorType

from optimizer import PolicyError
from resources.settings.configuration import PipelineFile, load_configuration
from resources.settings.playbooks import load_playbooks
from resources.settings.policies.values import Strict
from resources.settings.words import WORDS, in_words
from resources.settings.yaml_files import parse_yaml

CONFIG = Path(__file__).parents[3] / "config"
LIBRARY = re.compile(
    r"Input should|valid (dictionary|string|integer|number|list)|Field required|instance of|pydantic"
)


class Inner(Strict):
    a: int = Field(ge=1)


class Every(Strict):
    count: int = Field(default=3, gt=0, le=5)
    size: float = Field(default=1.0, ge=0.5, lt=2)
    name: str = Field(default="a", pattern="^[a-z]+$", min_length=1, max_length=3)
    live: bool = True
    day: date = date(2024, 1, 1)
    share: float = Field(default=0.5, ge=0, le=1)
    cap_pct: float = 60.0
    caps_pct: list[float] = Field(default=[])
    benchmark: str | dict[str, float] = "equal"
    kind: Literal["one", "two"] = "one"
    when: Literal["weekly"] | list[Literal["monday"]] | None = None
    many: list[int] = Field(default=[1], min_length=1, max_length=2)
    pair: tuple[float, float] = (0.0, 1.0)
    inner: Inner = Inner(a=1)
    named: dict[str, float] = Field(default={})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("count: a", "desk.yaml:1: count: must be a whole number (it is 'a')"),
        ("count: 1.5", "desk.yaml:1: count: must be a whole number (it is 1.5)"),
        ("count: 0", "desk.yaml:1: count: must be greater than 0 (it is 0)"),
        ("count: 6", "desk.yaml:1: count: must be at most 5 (it is 6)"),
        ("size: .nan", "desk.yaml:1: size: must be a finite number (it is nan)"),
        ("size: x", "desk.yaml:1: size: must be a number (it is 'x')"),
        ("size: 2", "desk.yaml:1: size: must be less than 2 (it is 2)"),
        ("size: 0.25", "desk.yaml:1: size: must be at least 0.5 (it is 0.25)"),
        ("size: '1,5'", "desk.yaml:1: size: must be a number (it is '1,5'); write 1.5"),
        ("size: $1,484.50", "desk.yaml:1: size: must be a number (it is '$1,484.50'); write 1484.5"),
        ("size: 3%", "desk.yaml:1: size: must be a number (it is '3%'); write 0.03"),
        ("cap_pct: 60%", "desk.yaml:1: cap_pct: must be a number (it is '60%'); write 60"),
        ("caps_pct: [5%]", "desk.yaml:1: caps_pct.0: must be a number (it is '5%'); write 5"),
        ("benchmark: {A: 60%}", "desk.yaml:1: benchmark.A: must be a number (it is '60%'); write 60"),
        ("size: 1.2.3", "desk.yaml:1: size: must be a number (it is '1.2.3')"),
        ("share: 50", "desk.yaml:1: share: must be at most 1 (it is 50); for 50% write 0.5"),
        ("share: 500", "desk.yaml:1: share: must be at most 1 (it is 500)"),
        ("name: 'A'", "desk.yaml:1: name: must have the form ^[a-z]+$ (it is 'A')"),
        ("name: ''", "desk.yaml:1: name: must have a length of 1 or more (it is '')"),
        ("live: 'no'", "desk.yaml:1: live: must be true or false (it is 'no')"),
        ("day: 5", "desk.yaml:1: day: must be a date such as 2024-01-31 (it is 5)"),
        ("kind: three", "desk.yaml:1: kind: must be 'one' or 'two' (it is 'three')"),
        ("when: daily", "desk.yaml:1: when: must be 'weekly', or a list, such as [a, b] (it is 'daily')"),
        ("when: [daily]", "desk.yaml:1: when.0: must be 'monday' (it is 'daily')"),
        ("many: []", "desk.yaml:1: many: must have at least 1 entries; it has 0"),
        ("many: [1, 2, 3]", "desk.yaml:1: many: must have at most 2 entries; it has more"),
        ("many: 1", "desk.yaml:1: many: must be a list, such as [a, b] (it is 1)"),
        ("inner: 3", "desk.yaml:1: inner: must be keys with values, such as `key: value` (it is 3)"),
        ("inner: {}", "desk.yaml:1: inner.a: it is required; add it"),
        ("named: [1]", "desk.yaml:1: named: must be keys with values, such as {a: 1, b: 2}"),
        ("- 1", "desk.yaml:1: must be keys with values, such as `key: value`"),
        ("just text", "desk.yaml:1: must be keys with values, such as `key: value` (it is 'just text')"),
    ],
)  # fmt: skip
def test_a_mistake_says_what_must_be_there(text: str, words: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_yaml(text + "\n", Every, "desk.yaml")
    assert str(refused.value) == words and not LIBRARY.search(words)


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_no_kind_of_mistake_falls_back_on_the_librarys_words(kind: str) -> None:
    context = dict.fromkeys(re.findall(r"{(\w+)", WORDS.get(kind, "").replace("{{", "")), 3)
    said = in_words(
        {"type": kind, "msg": "Value error, Input" if kind == "value_error" else "Input", "ctx": context}
    )
    assert said and not LIBRARY.search(said) and "{" not in said.replace("{a: 1, b: 2}", "")


@pytest.mark.parametrize("text", ["", "\n", "---\n", "# nothing yet\n", "null\n", "~\n"])
def test_a_file_without_settings_is_taken_as_empty(text: str) -> None:
    assert parse_yaml(text, PipelineFile, "pipeline.yaml") == PipelineFile()


def test_a_mistake_in_overrides_is_told_with_all_others(tmp_path: Path) -> None:
    """It was told in the middle of an ingest, as a fault of the data; `doctor` called the files right."""
    shutil.copytree(CONFIG, tmp_path, dirs_exist_ok=True)
    (tmp_path / "overrides.yaml").write_text("releasee: []\n")
    with pytest.raises(
        PolicyError, match=r"overrides.yaml:1: releasee: unknown key; did you mean releases\?"
    ):
        load_configuration(tmp_path)


def test_every_missing_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="packfolio init"):
        load_configuration(tmp_path / "nowhere")
    with pytest.raises(PolicyError) as refused:
        load_configuration(tmp_path)
    said = str(refused.value).splitlines()
    for name, line in zip(("pipeline.yaml", "sources.yaml", "funds.yaml", "portfolios"), said, strict=True):
        assert name in line
    (tmp_path / "pipeline.yaml").write_text("checks: 5\n")
    (tmp_path / "hedges.yaml").write_text("")
    with pytest.raises(PolicyError) as refused:
        load_configuration(tmp_path)
    said = str(refused.value).splitlines()
    assert said[0].endswith(
        "pipeline.yaml:1: checks: must be keys with values, such as `key: value` (it is 5)"
    )
    assert said[-1].endswith("hedges.yaml:1: instruments: it is required; add it") and len(said) == 5


@pytest.mark.parametrize(
    "name",
    ["pipeline", "sources", "funds", "scenarios", "hedges", "regimes", "policy_templates", "portfolios/a"],
)
def test_an_empty_file_of_any_kind_is_taken_or_refused_in_words(tmp_path: Path, name: str) -> None:
    (tmp_path / "portfolios").mkdir()
    (tmp_path / f"{name}.yaml").write_text("")
    with pytest.raises(PolicyError) as refused:
        load_configuration(tmp_path)
    assert not LIBRARY.search(str(refused.value)) and "File" not in str(refused.value)


def test_a_mistake_in_a_template_is_told_with_its_name_and_key(tmp_path: Path) -> None:
    (tmp_path / "policy_templates.yaml").write_text(
        "templates: {bold: {risk_aversion: -1, lookback_days: 1}}\n"
    )
    with pytest.raises(PolicyError) as refused:
        load_playbooks(tmp_path)
    said = str(refused.value)
    assert "bold: risk_aversion: must be greater than 0; bold: lookback_days: must be at least 2" in said
    assert not LIBRARY.search(said)


def test_the_library_is_asked_for_the_kinds_it_has() -> None:
    assert set(WORDS) <= {*get_args(ErrorType)}
    with pytest.raises(ValidationError):
        Every.model_validate({"count": 0})
