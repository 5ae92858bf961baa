"""The faults that `make mutate` plants: each parses, none touches words, and a seed draws the same ones again."""

import ast
from pathlib import Path

from benchmarks.mutate import sample
from benchmarks.mutations import Mutant, mutants

TEXT = '''"""A word, 1 < 2."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """Not True."""
    size: "int > 1" = 3


def f(a: int, b: float = 1e-6, *rest: bool, c: int = 2) -> bool:
    """min and max."""
    log.info("1 < 2")
    print(f"{a + b} é", highlight=False)
    if not a and b is None:
        return max(a, b) - rest[c:] * 2.0
    g(a, b, key=c)
    return (a, -b)
'''
EXPECTED = [
    "3|4", "1e-6|0.01", "2|3", 'print(f"{a + b} é", highlight=False)|pass',
    "not a and b is None|(not (not a and b is None))", "not a|a", "and|or", "is|is not",
    "max(a, b) - rest[c:] * 2.0|None", "max|min", "a, b|b, a", "-|+", "c|c + 1", "*|/", "2.0|4.0",
    "g(a, b, key=c)|pass", "a, b|b, a", ", key=c|", "(a, -b)|None", ", -b|,", "-b|b",
]  # fmt: skip


def planted(folder: Path) -> tuple[bytes, list[Mutant]]:
    path = folder / "box.py"
    path.write_text(TEXT, encoding="utf-8")
    return path.read_bytes(), list(mutants(path))


def test_faults_are_small_edits_that_parse_and_leave_words_alone(tmp_path: Path) -> None:
    source, found = planted(tmp_path)
    told = [
        f"{source[one.start : one.end].decode()}|{one.text}"
        for one in sorted(found, key=lambda one: one.start)
    ]
    assert sorted(told) == sorted(EXPECTED)
    for one in found:
        changed = one.apply(source)
        assert changed != source and ast.parse(changed)


def test_a_seed_draws_the_same_faults_and_a_smaller_sample_begins_a_larger_one(tmp_path: Path) -> None:
    _, found = planted(tmp_path)
    five, ten = sample(found, 5, "1 box"), sample(found[::-1], 10, "1 box")
    assert five == sample(found, 5, "1 box") and [one.start for one in five] == [one.start for one in ten[:5]]
    assert len({one.start for one in ten}) == 10
    assert sample(found, 10, "2 box") != sample(found, 10, "1 box")
