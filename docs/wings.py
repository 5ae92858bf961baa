"""Writes what follows from the wings: their table in `architecture.md`, and the types of the library's front door.

`python docs/wings.py`; a test compares. The order is `wings.yaml`, the sentences are those of each `__init__.py`.
"""

import ast
import runpy
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
ORDER: dict[str, list[str]] = yaml.safe_load((ROOT / "docs" / "wings.yaml").read_text("utf-8"))
START, END = "<!-- written by docs/wings.py -->\n", "<!-- end -->\n"


def said(path: Path) -> str:
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").splitlines()[0]


def wings_table() -> str:
    """Each wing of each folder, in order, with its sentence."""
    lines = []
    for folder, order in ORDER.items():
        lines += [f"\n| `{folder}/` | what lives there, and what may not |", "| --- | --- |"]
        for name in order:
            package = ROOT / folder / name
            path = package / "__init__.py" if package.is_dir() else package.with_suffix(".py")
            lines.append(f"| `{name}{'/' if package.is_dir() else '.py'}` | {said(path)} |")
    return "\n".join(lines) + "\n"


def architecture() -> str:
    """`architecture.md` with the table as the code has it."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}{wings_table()}\n{END}{after}"


def front_door() -> str:
    """The stub of `optimizer/__init__.py`: lazy names have no types without it."""
    homes: dict[str, str] = runpy.run_path(str(ROOT / "optimizer" / "__init__.py"))["_HOMES"]
    lines = [
        "# Written by docs/wings.py from _HOMES of __init__.py, so that editors and mypy know the lazy names."
    ]
    for home, names in homes.items():
        listed = ", ".join(f"{name} as {name}" for name in names.split())
        lines.append(f"from optimizer.{home} import {listed}")
    return "\n".join(lines) + "\n"


def written() -> dict[Path, str]:
    """Every file that follows from the wings."""
    return {
        ROOT / "docs" / "architecture.md": architecture(),
        ROOT / "optimizer" / "__init__.pyi": front_door(),
    }


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
