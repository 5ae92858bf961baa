"""Whatever text stands in a desk's YAML, it is read or refused in words with the file's name."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from optimizer import DataError, PolicyError
from resources.brokers.files import export_text
from resources.settings.configuration import load_configuration
from resources.settings.policies.values import Day, Strict
from resources.settings.portfolios import PortfolioFile
from resources.settings.yaml_files import DEEPEST, LARGEST, load_yaml, parse_yaml, written_out


class Example(Strict):
    name: str = ""
    names: list[str] | None = None
    shares: dict[str, float] = Field(default={})
    amount: float = 0.0
    day: Day | None = None


def refused(text: str) -> str:
    with pytest.raises(PolicyError) as error:
        parse_yaml(text, Example, "desk.yaml")
    assert str(error.value).startswith("desk.yaml")
    return str(error.value)


TOKENS = st.sampled_from(
    ["a", "name", "names", ": ", "- ", "\n", "  ", "{", "}", "[", "]", ",", "&x ", "*x", "<<: ", "!!binary ", "!!set ",
     "!!python/object/apply:os.system ", "!!timestamp ", "? ", "|", ">", "'", '"', "#", "%YAML 9.9", "---", "...",
     "2024-01-02", "9999-99-99", "0001-01-01T00:00:00+23:59", "1e999", "-.inf", ".nan", "0x", "1" * 5000, "\x00",
     "\x1b", "\ufeff", "\ud800", "~", "on", "\t", "!!int ", "!!float ", "!!omap ", "_", "0b2", "1:99"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(TOKENS, max_size=12).map("".join) | st.text(max_size=40))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    try:
        parse_yaml(text, Example, "desk.yaml")
    except PolicyError as error:
        assert str(error).startswith("desk.yaml")


@settings(max_examples=60)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_by_name(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(data)
    try:
        load_yaml(path, Example)
    except PolicyError as error:
        assert str(error).startswith(str(path))


def test_aliases_are_refused_before_anything_is_built() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "desk.yaml:2: *a0 stands for what &a0 says: aliases are not read; write it out" in refused(
        "\n".join(lines)
    )
    assert "aliases are not read" in refused("names: [a]\nshares: {<<: *x}\n")
    assert "aliases are not read" in refused("names: &self [*self]\n")
    # An anchor that nobody follows harms nobody.
    assert parse_yaml("name: &kept a\n", Example, "").name == "a"


def test_what_is_nested_too_deep_is_refused() -> None:
    assert f"deeper than {DEEPEST} levels" in refused("[" * 100_000)
    assert f"deeper than {DEEPEST} levels" in refused("names: " + "[" * DEEPEST + "]" * DEEPEST)
    assert "desk.yaml" in refused("names: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1))
    assert f"desk.yaml:{DEEPEST + 1}: it is nested" in refused(
        "".join(" " * n + "a:\n" for n in range(DEEPEST + 5)) + " " * 99 + "b: 1"
    )


@pytest.mark.parametrize(
    "number", ["1:" * 400_000 + "1", "0x" + "f" * 9_000, "9" * 9_000, "1" + "0" * 9_000 + ".5"]
)
def test_a_number_without_end_is_told_and_not_computed(number: str) -> None:
    assert f"desk.yaml:1: a number has {len(number)} signs, at most 100 are read" in refused(
        f"name: {number}\n"
    )


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for place in (tmp_path / "pipe.yaml", tmp_path, Path("/dev/zero")):
        with pytest.raises(PolicyError, match="is a folder, a pipe, a device or a link to no file; put"):
            load_yaml(place, Example)
        with pytest.raises(DataError, match="is no file; name the file that your broker exported"):
            export_text(place)


def test_a_key_that_is_no_word_is_told() -> None:
    assert "desk.yaml:1: a key is a list or a mapping; it must be a word" in refused("? [a, b]\n: 1\n")


def test_what_a_megabyte_of_mistakes_says_is_short() -> None:
    said = refused("shares: {" + ", ".join(f"A{n}: x" for n in range(20_000)) + "}")
    assert said.splitlines()[-1] == "desk.yaml: and 19,950 more mistakes"
    assert len(refused("name: [" + "x" * 100_000 + "]")) < 1_000
    assert len(refused("y" * 2_000 + ": 1")) < 1_000
    with pytest.raises(PolicyError, match="stand twice"):
        parse_yaml("universe: [" + ", ".join(["AAA", "BBB"] * 40_000) + "]", PortfolioFile, "p.yaml")


def test_files_that_are_no_text_or_too_large_are_told_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"name: caf\xe9\n")
    with (tmp_path / "b.yaml").open("wb") as file:
        file.truncate(LARGEST + (1 << 20))
    with pytest.raises(PolicyError) as error:
        load_configuration(tmp_path)
    first, second = str(error.value).splitlines()
    assert "a.yaml:1: byte 10 is not UTF-8" in first
    assert "b.yaml: it has 9 MB, at most 8 are read" in second


def test_a_configuration_recorded_with_aliases_is_written_out_for_its_replay() -> None:
    text = "a: &x [{b: '1', c: 2024-01-02}]\nd: *x\n"
    assert parse_yaml(written_out("names: &n [a, '1']\n"), Example, "").names == ["a", "1"]
    assert "*" not in written_out(text) and written_out(text).count("2024-01-02") == 2
    assert written_out("a: 1  # kept as it stands\n") == "a: 1  # kept as it stands\n"
