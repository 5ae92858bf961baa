"""What a verification says."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from resources.ledger.record_error import in_a_line

CHANGED, MISSING, ADDED = "changed", "missing", "added"


@dataclass(frozen=True)
class Fault:
    """One difference between what is stored and what was recorded: where, and whether changed, missing or added.

    packs  the packs that see it, the newest first
    """

    table: str
    what: str
    message: str
    symbol: str | None = None
    date: dt.date | None = None
    portfolio_id: str | None = None
    ledger_row: int | None = None
    packs: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = " ".join(str(part) for part in (self.symbol, self.date) if part)
        seen = f" [{', '.join(self.packs[:3])}{' …' if len(self.packs) > 3 else ''}]" if self.packs else ""
        book = f" of portfolio {self.portfolio_id}" if self.portfolio_id else ""
        told = f"{self.table}: {named + ' ' if named else ''}{self.what}{book}{seen}: {self.message}"
        # A name may have been edited into two lines, of which one says that all is well.
        return in_a_line(told)


@dataclass(frozen=True)
class Report:
    """The result of a verification.

    faults   what is wrong
    notes    what cannot be excluded, and what should be known
    checked  what was recomputed, in one line
    breaks   the breaks that were ever accepted: they never go away
    """

    faults: Sequence[Fault]
    notes: Sequence[str]
    checked: str
    breaks: Sequence[str] = ()

    @property
    def status(self) -> str:
        """`fault`, `accepted` where a break is on record and all else is sound, or `ok`."""
        return "fault" if self.faults else "accepted" if self.breaks else "ok"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "status": self.status,
            "checked": self.checked,
            "faults": [asdict(fault) for fault in self.faults],
            "notes": list(self.notes),
        }
