"""What the screen asks the API, and what it says when that fails."""

import os
from dataclasses import dataclass, field
from typing import Any

import requests

DEFAULT = "http://127.0.0.1:8000"
SECONDS = 60


class AnswerError(Exception):
    """The API refused or could not be reached; the text is for the desk.

    lacks  whether it is the desk's data or settings that cannot give the answer (409, 422)
    """

    def __init__(self, said: str, *, lacks: bool = False) -> None:
        super().__init__(said)
        self.lacks = lacks


def refusal(status: int, value: Any) -> str:
    """What the API's error says, in its one shape; another server's error by its status."""
    if not isinstance(value, dict) or "message" not in value:
        return f"Something else than Packfolio's API answered, with status {status}; check the address."
    said = str(value["message"])
    said += "" if said.endswith(".") else "."
    return f"{said}\n\n{value.get('remedy', '')} (trace {value.get('trace_id', 'unknown')})"


@dataclass(frozen=True)
class Client:
    """The API at an address; the key, where one is needed, comes from PACKFOLIO_API_KEY."""

    url: str = field(default_factory=lambda: os.environ.get("PACKFOLIO_API", DEFAULT))

    def get(self, path: str, **params: str | int) -> Any:
        """A view, as JSON values; raises AnswerError."""
        return self._asked("GET", path, params=params)[0]

    def part(self, path: str, **params: str | int) -> tuple[list[dict[str, Any]], int]:
        """Some items of a list, and how many there are in all; raises AnswerError."""
        items, there = self._asked("GET", path, params=params)
        return items, int(there or len(items))

    def execute(self, pattern: str, **inputs: Any) -> dict[str, Any]:
        """A pattern's answer; raises AnswerError."""
        found: dict[str, Any] = self._asked(
            "POST", "/v1/execute", json={"pattern_id": pattern, "inputs": inputs}
        )[0]
        return found

    def _asked(self, method: str, path: str, **more: Any) -> tuple[Any, str | None]:
        key = os.environ.get("PACKFOLIO_API_KEY")
        headers = {"X-API-Key": key} if key else {}
        try:
            answer = requests.request(method, self.url + path, headers=headers, timeout=SECONDS, **more)
            value = answer.json()
        except requests.Timeout:
            raise AnswerError(
                f"The API at {self.url} did not answer within {SECONDS} seconds; try again."
            ) from None
        except requests.RequestException:
            raise AnswerError(
                f"The API at {self.url} cannot be reached; start it with `packfolio api`."
            ) from None
        if not answer.ok:
            raise AnswerError(refusal(answer.status_code, value), lacks=answer.status_code in (409, 422))
        return value, answer.headers.get("X-Total-Count")
