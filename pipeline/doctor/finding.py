"""What the doctor finds: a state, what is, and what to do."""

from dataclasses import dataclass

OK, NOTE, FAULT = "ok", "note", "fault"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its state, what was found, and what to do where it is not well."""

    check: str
    state: str
    found: str
    do: str = ""
