"""What a request must get through before it is answered: one JSON object, and a free solver."""

import asyncio
import json
from collections.abc import Callable
from email.message import Message
from typing import Any, TypeVar

from service.settings import Settings

Value = TypeVar("Value")


class BadJsonError(Exception):
    """The body is not one JSON object."""


class MediaTypeError(Exception):
    """The body is said to be something else than JSON."""


def require_json(content_type: str) -> None:
    """Raises MediaTypeError for another type than JSON in UTF-8; case does not matter (RFC 9110, 8.3.1).

    A web page of others can send no such type without asking first, which nobody answers.
    """
    message = Message()
    message["content-type"] = content_type
    if message.get_content_type() != "application/json" or "/" not in content_type:
        raise MediaTypeError(f"its Content-Type is {content_type[:60]!r}, not application/json")
    charset = message.get_content_charset("utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise MediaTypeError(f"its charset is {charset[:20]!r}; JSON is sent in UTF-8")


def parsed_json(body: bytes) -> dict[str, Any]:
    """A JSON object without duplicate keys, NaN, Infinity or lone surrogates; raises BadJsonError."""
    try:
        value = json.loads(body, object_pairs_hook=_unique, parse_constant=_refused)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadJsonError(str(error) or "too deep") from None
    if not isinstance(value, dict):
        raise BadJsonError(f"it is a {type(value).__name__}, not an object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")


class Busy(Exception):  # noqa: N818  it is a state, and becomes an answer
    """More requests wait for a solver than may."""


class Solvers:
    """At most so many solves at once, so many waiting, each for so long."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free = asyncio.Semaphore(settings.solvers)
        self._waiting = 0

    async def run(self, work: Callable[[], Value]) -> Value:
        """The work in a thread; raises Busy, or TimeoutError."""
        if self._waiting >= self._settings.waiting:
            raise Busy
        self._waiting += 1
        try:
            async with asyncio.timeout(self._settings.timeout_seconds), self._free:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema with its definitions put where they are used."""
    definitions = schema.pop("$defs", {})

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return filled(definitions[node["$ref"].rsplit("/", 1)[-1]])
            return {key: filled(value) for key, value in node.items()}
        return [filled(item) for item in node] if isinstance(node, list) else node

    found: dict[str, Any] = filled(schema)
    return found
