"""What is wrong with this desk's set-up, and what to do about it."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import duckdb

from pipeline.doctor import record, setup
from pipeline.doctor.finding import FAULT, Finding
from pipeline.environment import Environment


def examine(environment: Environment, *, database: bool = False) -> list[dict[str, Any]]:
    """Findings on environment, configuration, sources, warehouse, anchor and runs.

    database  also read every block of the warehouse and recompute every hash
    """
    checks: list[Callable[[Environment], Iterator[Finding]]] = [
        setup.program, setup.home, setup.configuration, setup.alerts, record.warehouse, record.anchor, setup.runs,
        record.database if database else record.continuity,
    ]  # fmt: skip
    return [asdict(finding) for check in checks for finding in _looked(check, environment)]


def _looked(check: Callable[[Environment], Iterator[Finding]], environment: Environment) -> Iterator[Finding]:
    """What a check finds, up to what the machine refused it; the checks after it are made all the same."""
    try:
        yield from check(environment)
    except (OSError, duckdb.Error, sqlite3.Error) as error:
        do = "see that it is what it should be, and that this user can read and write it"
        yield Finding(check.__name__, FAULT, str(error).partition("\n")[0], do)
