"""What is told of the steps of a run that failed: what is wrong, and what to do."""

import re
from collections.abc import Iterator
from typing import Any

import dagster as dg

from pipeline.commands.printed.machine_faults import SAFE
from resources.ledger.record_error import RecordError

REFUSED = re.compile(r"\w+: \[Errno |_duckdb\.IO|sqlite3\.Operational")  # by the machine, not by the program
# The kind of an error that has said all in its own words.
OURS = re.compile(r"^(?:optimizer|resources)\.[\w.]+: ")


def is_record_fault(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a step ended because what is stored is not what was recorded."""
    return any(_of_record(error) for _, errors in _failed(result) for error in errors)


def why(result: dg.ExecuteInProcessResult) -> str:
    """Of each failed step what is wrong with the record, and what to do; else its innermost error message."""
    said = []
    for step, errors in _failed(result):
        told = next(filter(_of_record, errors), errors[-1] if errors else None)
        text = OURS.sub("", told.message.strip()) if told else "failed"
        if REFUSED.match(text):
            text += f"; see that there is room, and that this user can read and write it (`packfolio doctor`); {SAFE}"
        said.append(f"{step}: {text}")
    return "; ".join(said) or "the run failed; see packfolio ui"


def _failed(result: dg.ExecuteInProcessResult) -> Iterator[tuple[str | None, list[Any]]]:
    """Each failed step, and its error with what that came from, the first cause last."""
    for event in result.filter_events(lambda event: event.is_step_failure):
        errors, error = [], event.step_failure_data.error
        while error is not None:
            errors.append(error)
            error = error.cause
        yield event.step_key, errors


def _of_record(error: Any) -> bool:
    return bool(error.cls_name == RecordError.__name__)
