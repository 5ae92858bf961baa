"""Our Python files as their imports and calls, for the tests that read the code instead of running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("optimizer", "resources", "assets", "pipeline", "service")


@dataclass(frozen=True)
class Import:
    """One import: the dotted module, its line, and whether loading the file runs it."""

    module: str
    line: int
    at_load: bool


@dataclass(frozen=True)
class Source:
    """One parsed file of the tree under `root`."""

    root: Path
    path: Path

    @cached_property
    def name(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @property
    def folder(self) -> str:
        return self.name.split("/", 1)[0]

    @cached_property
    def module(self) -> str:
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text("utf-8"), self.name)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree: most rules look at each of them."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        deferred = {inner for node in self.nodes if runs_later(node) for inner in ast.walk(node)}
        return tuple(
            Import(module, node.lineno, node not in deferred)
            for node in self.nodes
            if isinstance(node, ast.Import | ast.ImportFrom)
            for module in self.targets(node)
        )

    def targets(self, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        """The modules an import names; of `from a import b`: `a.b`, or `a` where b is a name in our a."""
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            return
        package = self.module.split(".") if self.path.name == "__init__.py" else self.module.split(".")[:-1]
        parents = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*parents, *([node.module] if node.module else [])])
        for alias in node.names:
            full = f"{base}.{alias.name}"
            lazy = front_door(self.root).get(alias.name) if base == "optimizer" else None
            yield (
                f"{base}.{lazy}"
                if lazy
                else full
                if base.split(".")[0] not in CODE or self.ours(full)
                else base
            )

    def ours(self, module: str) -> Path | None:
        return file_of(self.root, module)

    @cached_property
    def calls(self) -> tuple[tuple[str, ast.Call], ...]:
        return tuple((ast.unparse(node.func), node) for node in self.nodes if isinstance(node, ast.Call))


@cache
def file_of(root: Path, module: str) -> Path | None:
    """The file of a module of ours; None for anybody else's."""
    stem = root.joinpath(*module.split("."))
    return next((p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()), None)


@cache
def front_door(root: Path) -> dict[str, str]:
    """Name -> its module below `optimizer`, of all that `optimizer/__init__.py` offers."""
    page = root / "optimizer" / "__init__.py"
    for node in ast.parse(page.read_text("utf-8")).body if page.is_file() else []:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
            homes: dict[str, str] = ast.literal_eval(node.value)
            return {name: home for home, names in homes.items() for name in names.split()}
    return {}


def runs_later(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'"}
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


@cache
def parsed(root: Path, path: Path) -> Source:
    """A file that was read before is not read again: rules follow imports through the whole tree."""
    return Source(root, path)


def sources(root: Path) -> list[Source]:
    return [parsed(root, path) for folder in CODE for path in sorted((root / folder).rglob("*.py"))]


def plant(root: Path, name: str, text: str) -> None:
    """Writes a file of a tree made up for a test."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
