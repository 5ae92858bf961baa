"""Every check says in a sentence what it found, and the sentence names what is wrong."""

import ast

from source_tree import ROOT

from assets.shared.check_words import found


def test_the_first_three_are_named_and_the_rest_counted() -> None:
    assert found({}, "All is well.", "without") == "All is well."
    assert found({"a": "late"}, "", "without") == "1 without: a: late"
    assert found(list("abcde"), "", "are odd") == "5 are odd: a; b; c; and 2 more"


def test_every_check_result_has_a_sentence() -> None:
    silent = []
    for path in sorted((ROOT / "assets").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            made = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("AssetCheckResult")
            if made and not any(word.arg == "description" for word in node.keywords):
                silent.append(f"{path.name}:{node.lineno}")
    assert silent == []
