"""Writes `docs/reference/library.md` from signatures and docstrings of the library: `python docs/library.py`.

Every public name has an example in its docstring. They run as doctests, with the names of SETUP at hand, and a test
compares the page.
"""

import doctest
import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import EnumMeta
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

import optimizer

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "library.md"
SETUP = """\
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd

from optimizer import *  # every name of this page

symbols, market = ("BONDS", "EQUITY", "GOLD"), np.array([0.4, 0.5, 0.1])
covariance = np.array([[0.0036, 0.0022, 0.0009], [0.0022, 0.0324, 0.0081], [0.0009, 0.0081, 0.0225]])
estimates = Estimates(symbols, np.array([0.03, 0.07, 0.05]), covariance)
universe = Universe(symbols, benchmark=dict(zip(symbols, market.tolist())))
root = np.linalg.cholesky(covariance / 252)
moves = 2e-4 + np.random.default_rng(7).standard_normal((300, 3)) @ root.T
dates = pd.bdate_range("2023-01-02", periods=301)
prices = pd.DataFrame(100 * np.cumprod(np.vstack([np.ones(3), 1 + moves]), axis=0), dates, symbols)
sample, history = Sample(moves), estimate(prices)
kinds = (ExposureType.BONDS, ExposureType.EQUITY, ExposureType.GOLD)
funds = FundExposureMap(Fund(s, s, {kind: 1.0}, fee=0.001) for s, kind in zip(symbols, kinds))
book = Portfolio("book", 0, {s: Position(s, Decimal(50), Decimal(90)) for s in ("BONDS", "EQUITY")})
policy, quotes = Policy(risk_free_rate=0.02), dict.fromkeys(symbols, 100)
lot, day = Lot("l1", "A", Decimal(5), Decimal(60), date(2022, 1, 3)), date(2024, 3, 1)
loads = np.array([[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
sensitivities = estimate_sensitivities(("EQUITY",), np.zeros((0, 1)), np.zeros((0, 7)), loads)
"""
HEAD = """\
<!-- Written by docs/library.py from the code's docstrings; edit these, then run it again. -->

# The library

`optimizer` is the mathematics alone: no database, clock or file. Numbers are fractions per year unless a name or a
sentence says otherwise; the [conventions](../conventions.md) hold throughout. Wrong input raises `PolicyError` (the
author of the policy can act) or `DataError` (who supplies the numbers), a policy that nothing fulfils
`InfeasibleError`, an answer that could not be certified `SolverError`. Each example runs as a test, after this:

"""


def examples(thing: Any) -> list[doctest.Example]:
    """The examples in a docstring."""
    return doctest.DocTestParser().get_examples(inspect.getdoc(thing) or "")


def documented() -> Iterator[tuple[str, str, Any]]:
    """Wing, name and value of everything public, in the order of the wings; of a module its functions."""
    order = yaml.safe_load((ROOT / "docs" / "wings.yaml").read_text("utf-8"))["optimizer"]
    homes: dict[str, str] = vars(optimizer)["_HOMES"]
    home = {name: where.split(".")[0] for where, names in homes.items() for name in names.split()}
    for name in sorted(home, key=lambda n: (order.index(home[n]), n.lower())):
        value = getattr(optimizer, name)
        if not isinstance(value, ModuleType):
            yield home[name], name, value
            continue
        for key, function in vars(value).items():
            if (
                inspect.isfunction(function)
                and function.__module__.startswith("optimizer.measures")
                and key[0] != "_"
            ):
                yield home[name], f"{name}.{key}", function


def signature(name: str, value: Any) -> str:
    """How it is called, with its types as they are written in the code."""
    if isinstance(value, EnumMeta) or (inspect.isclass(value) and issubclass(value, Exception)):
        return name
    told = inspect.signature(value)
    parts: list[str] = []
    for parameter in told.parameters.values():
        if parameter.name.startswith("_"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
        parts.append(f"{parameter.name}: {_type(parameter.annotation)}{default}")
    back = "" if inspect.isclass(value) else f" -> {_type(told.return_annotation)}"
    line = f"{name}({', '.join(parts)}){back}"
    return line if len(line) <= 100 else f"{name}(\n    " + ",\n    ".join(parts) + f",\n){back}"


def _type(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(
        r"numpy\.ndarray\[tuple\[(?:typing\.)?Any, \.\.\.\], numpy\.dtype\[numpy\.float64\]\]", "Array", text
    )
    text = text.replace("int | float | str | decimal.Decimal", "Number")
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Za-z_])", "", text).strip("'\"")


def _default(value: Any) -> str:
    text = "..." if is_dataclass(value) and not isinstance(value, type) else repr(value)
    return "..." if "<" in text or " object at " in text else text


def prose(thing: Any) -> str:
    """The docstring up to its example: sentences as they are, shapes and units in a block as they are aligned."""
    text = (inspect.getdoc(thing) or "").split("\n>>> ")[0].rstrip()
    first, _, rest = text.partition("\n\n")
    first = " ".join(first.split())
    return f"{first}\n\n```text\n{rest}\n```\n" if rest else f"{first}\n"


def methods(name: str, value: Any) -> str:
    """The public methods of a class, a line each with its first sentence."""
    if not inspect.isclass(value) or isinstance(value, EnumMeta) or issubclass(value, Exception):
        return ""
    lines = []
    for key, member in vars(value).items():
        found = member.__func__ if isinstance(member, classmethod) else member
        if key[0] != "_" and (inspect.isfunction(found) or isinstance(found, property)):
            said = " ".join((inspect.getdoc(found) or "").split("\n\n")[0].split())
            lines.append(f"- `{key}`: {said}")
    return "\n".join(lines) + "\n\n" if lines else ""


def page() -> str:
    """The whole reference."""
    parts, wing = [HEAD, f"```python\n{SETUP}```\n"], ""
    for where, name, value in documented():
        if where != wing:
            wing = where
            parts.append(f"\n## {wing}\n")
        shown = "".join(
            "".join(
                f"{'...' if i else '>>>'} {line}\n" for i, line in enumerate(e.source.rstrip().splitlines())
            )
            + e.want
            for e in examples(value)
        )
        parts.append(
            f"\n### {name}\n\n```text\n{signature(name, value)}\n```\n\n{prose(value)}\n{methods(name, value)}"
        )
        parts.append(f"```pycon\n{shown}```\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
