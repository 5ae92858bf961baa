"""The faults that `make mutate` plants: each parses, none touches words, and a seed draws the same ones again."""

import ast
from pathlib import Path

from benchmarks.mutation.candidates import Reached, Run, candidates, naming
from benchmarks.mutation.mutate import sample
from benchmarks.mutation.mutations import Mutant, mutants

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
    d = [a, c,]
    return (a, -b)
'''
EXPECTED = [
    "3|4", "1e-6|0.01", "2|3", 'print(f"{a + b} é", highlight=False)|pass',
    "not a and b is None|(not (not a and b is None))", "not a|a", "and|or", "is|is not",
    "max(a, b) - rest[c:] * 2.0|None", "max|min", "a, b|b, a", "-|+", "c|c + 1", "*|/", "2.0|4.0",
    "g(a, b, key=c)|pass", "a, b|b, a", ", key=c|", ", c|", "(a, -b)|None", ", -b|,", "-b|b",
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
    five, ten = sample(found, 5, "1", tmp_path), sample(found[::-1], 10, "1", tmp_path)
    assert five == sample(found, 5, "1", tmp_path) and [key for key, _ in five] == [key for key, _ in ten[:5]]
    assert len({one.start for _, one in ten}) == len({key for key, _ in ten}) == 10
    assert sample(found, 10, "2", tmp_path) != ten


def test_an_edit_elsewhere_leaves_the_draw_as_it_was(tmp_path: Path) -> None:
    _, found = planted(tmp_path)
    before = [key for key, _ in sample(found, 10, "1", tmp_path)]
    (tmp_path / "box.py").write_text("# new\n\n" + TEXT, encoding="utf-8")
    assert [key for key, _ in sample(list(mutants(tmp_path / "box.py")), 10, "1", tmp_path)] == before


def test_a_fault_is_tried_on_the_tests_that_run_its_line_the_cheapest_first(tmp_path: Path) -> None:
    (tmp_path / "optimizer").mkdir()
    _, found = planted(tmp_path / "optimizer")
    name, line = "optimizer/box.py", TEXT[: TEXT.index("return max")].count("\n") + 1
    [fault] = [one for one in found if one.change.endswith("min(a, b) - rest[c:] * 2.0`")]
    assert fault.line == line
    reached = Reached(
        {
            "tests/test_a.py::dear": Run(3.0, {name: {line}}), "tests/test_a.py::beside": Run(0.1, {}),
            "tests/test_b.py::made": Run(0.5, {}, ("desk",)), "tests/test_c.py::other": Run(0.1, {name: {1}}),
            "tests/test_c.py::cheap": Run(0.2, {name: {line}}),
        },
        {"desk": Run(2.0, {name: {line}})},
    )  # fmt: skip
    (tmp_path / "tests").mkdir()
    for test in "abc":
        (tmp_path / "tests" / f"test_{test}.py").write_text(
            "from optimizer import box, other\n" * (test == "a"), "utf-8"
        )
    tests = candidates(fault, tmp_path, reached)
    assert tests == [
        "tests/test_c.py::cheap", "tests/test_b.py::made", "tests/test_a.py::dear",
        "tests/test_a.py::beside", "tests/test_c.py::other",
    ]  # fmt: skip
    assert reached.within(tests, 2.7) == tests[:2] and reached.within(tests, 0.0) == tests[:1]
    [size] = [
        one for one in found if one.text == "4" and one.line == TEXT[: TEXT.index("= 3")].count("\n") + 1
    ]
    assert set(candidates(size, tmp_path, reached)) == set(reached.tests)
    assert naming("optimizer/box.py", tmp_path, reached) == {
        "tests/test_a.py::dear",
        "tests/test_a.py::beside",
    }
