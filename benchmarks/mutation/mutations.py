"""Where a file can be mutated, and how: small edits of its text, found with `ast`."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum"}
TINY = 1e-3  # a constant below it is taken for a tolerance
LOOKS = {"highlight", "soft_wrap", "bargap", "margin"}  # keywords of colours, line breaks and room around
LOGGERS = {"debug", "info", "warning", "error", "exception", "log"}


@dataclass(frozen=True)
class Mutant:
    """One edit of a file: the bytes from `start` to `end` become `text`."""

    path: Path
    line: int
    start: int
    end: int
    text: str
    change: str

    def apply(self, source: bytes) -> bytes:
        """The file with the fault in it."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def __str__(self) -> str:
        return f"`{self.path.as_posix()}:{self.line}` {self.change}"


def mutants(path: Path) -> Iterator[Mutant]:
    """All mutants of a file, in the order of its text."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def at(line: int, column: int) -> int:
        return starts[line - 1] + column

    written, seen = Written(source, at), set()
    for node in nodes(ast.parse(source)):
        span = written.place(node)
        for (start, end), text in edits(node, span, written):
            before = source[start:end].decode()
            if (start, end, text) not in seen and before != text:
                seen.add((start, end, text))
                line = source.count(b"\n", 0, start) + 1
                yield Mutant(path, line, start, end, text, told(source, start, end, text))


def told(source: bytes, start: int, end: int, text: str) -> str:
    """The line before and after the edit, on one line each."""
    first, last = source.rfind(b"\n", 0, start) + 1, source.find(b"\n", end)
    head, tail = source[first:start].decode(), source[end:last].decode()
    return " -> ".join(
        "`" + " ".join(f"{head}{middle}{tail}".split()).replace("`", "'") + "`"
        for middle in (source[start:end].decode(), text)
    )


def nodes(tree: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Statements and expressions, but those of docstrings, type hints, decorators, messages and log lines."""
    for name, value in ast.iter_fields(tree):
        looks = isinstance(tree, ast.keyword) and tree.arg in LOOKS
        if name in ("annotation", "returns", "decorator_list") or looks or isinstance(tree, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or is_text(child):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child
            yield from nodes(child)


def is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        call = node.value
        logs = (
            isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in LOGGERS
        )
        return isinstance(call, ast.Constant) or logs
    if isinstance(node, ast.If):
        return ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'")
    return (
        isinstance(node, ast.Import | ast.ImportFrom | ast.AnnAssign) and getattr(node, "value", None) is None
    )


Edit = tuple[tuple[int, int], str]


@dataclass(frozen=True)
class Written:
    """The text of a file: where its nodes stand in it, and what they say."""

    source: bytes
    at: Callable[[int, int], int]

    def place(self, of: ast.AST) -> tuple[int, int]:
        return self.at(of.lineno, of.col_offset), self.at(of.end_lineno, of.end_col_offset)  # type: ignore[attr-defined]

    def text(self, of: ast.AST) -> str:
        start, end = self.place(of)
        return self.source[start:end].decode()

    def between(self, left: ast.AST, right: ast.AST, old: str, new: str) -> Iterator[Edit]:
        """The edit of an operator, which stands between two nodes."""
        start, end = self.place(left)[1], self.place(right)[0]
        gap = re.sub(r"#.*", lambda found: " " * len(found[0]), self.source[start:end].decode())
        pattern = rf"\b{old}\b" if old.isalpha() or " " in old else re.escape(old)
        if found := re.search(pattern, gap):
            yield (start + found.start(), start + found.end()), new


def edits(node: ast.expr | ast.stmt, span: tuple[int, int], written: Written) -> Iterator[Edit]:
    """The edits of one node, as (start, end) and the new text."""
    place, text, between = written.place, written.text, written.between
    match node:
        case ast.Compare():
            for left, kind, right in zip(
                [node.left, *node.comparators], node.ops, node.comparators, strict=False
            ):
                yield from between(left, right, *COMPARISONS[type(kind)])
        case ast.BinOp() if type(node.op) in ARITHMETIC:
            yield from between(node.left, node.right, *ARITHMETIC[type(node.op)])
        case ast.BoolOp():
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            yield from between(node.values[0], node.values[1], old, new)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield span, text(node.operand)
        case ast.Constant():
            yield from ((span, new) for new in constants(node.value))
        case ast.Name(id=name) if name in NAMES:
            yield span, NAMES[name]
        case ast.Attribute(attr=name) if name in NAMES:
            yield (span[1] - len(name), span[1]), NAMES[name]
        case ast.Slice():
            for bound in (node.lower, node.upper):
                if bound is not None and not isinstance(bound, ast.Constant):
                    yield place(bound), f"{text(bound)} + 1"
        case ast.If() | ast.IfExp() | ast.While():
            yield place(node.test), f"(not ({text(node.test)}))"
        case ast.Call():
            yield from calls(node, written)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield place(value), "None"
        case ast.Expr(value=ast.Call()):
            yield span, "pass"
        case ast.Tuple(elts=[_, _, *_], ctx=ast.Load()) | ast.List(elts=[_, _, *_], ctx=ast.Load()):
            comma = (
                len(node.elts) == 2 and "," not in written.source[place(node.elts[-1])[1] : span[1]].decode()
            )
            yield (place(node.elts[-2])[1], place(node.elts[-1])[1]), "," if comma else ""


def constants(value: object) -> Iterator[str]:
    match value:
        case bool():
            yield str(not value)
        case int():
            yield str(value + 1)
        case float():
            yield repr(value * 1e4) if 0 < value < TINY else repr(2 * value or 1.0)


def calls(node: ast.Call, written: Written) -> Iterator[Edit]:
    """Two arguments swapped, a keyword left out."""
    place, text = written.place, written.text
    starred = any(isinstance(argument, ast.Starred) for argument in node.args[:2])
    if len(node.args) > 1 and not starred:
        first, second = node.args[0], node.args[1]
        gap = (place(first)[0], place(second)[1])
        yield gap, f"{text(second)}, {text(first)}"
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    for keyword in node.keywords:
        index = arguments.index(keyword.value)
        if index > 0 and keyword.arg not in (None, *LOOKS):
            yield (place(arguments[index - 1])[1], place(keyword.value)[1]), ""
