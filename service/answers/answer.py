"""An answer, and the same as dictionaries and as JSON values."""

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

Money = Decimal


class Answer(BaseModel):
    """No unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def as_dict(answer: Answer) -> dict[str, Any]:
    """The answer as the seed's dictionaries; a recommendation lacks the target it does not have."""
    found = answer.model_dump()
    for recommendation in found.get("recommendations", ()):
        for target in ("target_reduction_pct", "target_allocation_pct"):
            if recommendation[target] is None:
                del recommendation[target]
    return found


def plain(value: Any) -> Any:
    """A value as JSON has it: Decimal as a number, dates as text, NaN as null."""
    match value:
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case Decimal():
            return float(value)
        case date() | datetime():
            return value.isoformat()
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def as_json(answer: Answer) -> dict[str, Any]:
    """The answer as JSON values."""
    found: dict[str, Any] = plain(as_dict(answer))
    return found
