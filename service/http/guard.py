"""What stands before every request: trace id, size, key and rate; a log line after it; and no traceback outside."""

import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from uuid import uuid4

from starlette.requests import ClientDisconnect

from optimizer import DataError, InfeasibleError, PackfolioError, PolicyError, SolverError
from resources.ledger.record_error import RecordError
from service.decisions import NotRecordedError
from service.desk import ConfigurationError, UnknownPackError
from service.http.callers import Caller, ForbiddenError, caller_of
from service.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

NOBODY = Caller("", "read", frozenset())  # on the open paths
log = logging.getLogger("packfolio.service")
TRACE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
BURST_SECONDS = 10.0
DIGITS = 18  # of the length of a body
OPEN_PATHS = ("/health", "/ready")

# code -> (HTTP status, what the caller can do); the codes do not change.
CODES: Mapping[str, tuple[int, str]] = {
    "request_invalid": (422, "Correct the request; the message names what is wrong, and what is valid."),
    "policy_invalid": (422, "Correct the policy, portfolio, scenario or trade that the message names."),
    "json_invalid": (400, "Send one JSON object, without duplicate keys, NaN or Infinity."),
    "pricing_pack_not_found": (404, "Ask GET /v1/packs for the packs there are."),
    "not_found": (404, "See /docs for the paths there are."),
    "method_not_allowed": (405, "See /docs for the methods of this path."),
    "data_missing": (409, "Ingest what is missing, run the pipeline, and ask again; or choose another pack."),
    "record_damaged": (
        503,
        "Tell the desk: its record is not as written; `packfolio packs verify` says what mends it.",
    ),
    "configuration_invalid": (
        503,
        "Tell the desk: `packfolio doctor` names the file of its configuration that cannot be used; ask again then.",
    ),
    "limits_conflict": (409, "Relax one of the limits that the message names."),
    "unauthorized": (401, "Send a valid key in the header X-API-Key."),
    "forbidden": (403, "Ask for what the message names, or with another key."),
    "media_type": (415, "Send JSON, with the header Content-Type: application/json."),
    "too_large": (413, "Send a smaller request."),
    "too_many_requests": (429, "Wait a second and ask again."),
    "busy": (503, "The solvers are busy; ask again after the seconds in Retry-After."),
    "not_recorded": (
        507,
        "Tell the desk: make room on the disk of its decisions, or let it be written; ask again then.",
    ),
    "machine_refused": (
        503,
        "Tell the desk: `packfolio doctor` says which file or disk it is; ask again then.",
    ),
    "timeout": (503, "Ask for less, or again later; the daily run takes the time it needs."),
    "solver_failed": (500, "Report the trace_id; no solver gave an answer that its certificate confirms."),
    "internal_error": (500, "Report the trace_id; what happened is in the service's log."),
}
ERRORS: tuple[tuple[type[PackfolioError], str], ...] = (
    (UnknownPackError, "pricing_pack_not_found"),
    (ForbiddenError, "forbidden"),
    (NotRecordedError, "not_recorded"),
    (ConfigurationError, "configuration_invalid"),
    (RecordError, "record_damaged"),
    (PolicyError, "policy_invalid"),
    (InfeasibleError, "limits_conflict"),
    (SolverError, "solver_failed"),
    (DataError, "data_missing"),
)


def code_of(error: PackfolioError) -> str:
    """The stable code of an error."""
    return next((code for kind, code in ERRORS if isinstance(error, kind)), "internal_error")


def problem(code: str, message: str, trace_id: str) -> dict[str, str]:
    """The one shape of every error."""
    return {"code": code, "message": message, "remedy": CODES[code][1], "trace_id": trace_id}


class Guard:
    """The ASGI application around another."""

    def __init__(self, app: App, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self._tokens: dict[str, tuple[float, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        trace = _trace(headers)
        scope["state"] = {**scope.get("state", {}), "trace_id": trace, "caller": ""}
        answered = _Answered(send, trace)
        try:
            await self._serve(scope, headers, receive, answered)
        except ClientDisconnect:  # nobody is there to be answered
            log.info("gone trace_id=%s", trace)
        except Exception:  # the edge of the process: nothing of it may reach the caller
            log.exception("failed trace_id=%s", trace)
            if not answered.status:
                await answered.problem("internal_error", "something unexpected happened")
        self._log(scope, answered.status, time.perf_counter() - began)

    async def _serve(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, answered: "_Answered"
    ) -> None:
        found = caller_of(scope, headers, self.settings)
        caller = found.name if found else None
        scope["state"] |= {"caller": caller or "", "who": found or NOBODY}
        length = headers.get(b"content-length", b"0")
        if caller is None and scope["path"] not in OPEN_PATHS:
            await answered.problem("unauthorized", "there is no valid key in X-API-Key")
        elif not self._allowed(caller or "anybody"):
            await answered.problem(
                "too_many_requests", f"more than {self.settings.per_second:g} requests a second"
            )
        elif not length.isdigit() or len(length) > DIGITS or int(length) > self.settings.max_body_bytes:
            await _pass_over(receive, headers)
            await answered.problem("too_large", f"at most {self.settings.max_body_bytes} bytes are taken")
        else:
            await self.app(scope, _limited(receive, headers, self.settings.max_body_bytes), answered)

    def _allowed(self, caller: str) -> bool:
        """A token bucket a caller: `per_second` on average, ten seconds' worth at once."""
        now, rate = time.monotonic(), self.settings.per_second
        left, since = self._tokens.get(caller, (rate * BURST_SECONDS, now))
        left = min(left + (now - since) * rate, rate * BURST_SECONDS)
        self._tokens[caller] = (max(left - 1, 0.0), now)
        return left >= 1

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        log.info(
            "%s",
            json.dumps(
                {
                    "trace_id": scope["state"]["trace_id"],
                    "caller": scope["state"]["caller"],
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "ms": round(1000 * seconds, 1),
                }
            ),
        )


def _trace(headers: Mapping[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"")
    return given.decode() if TRACE.fullmatch(given) else uuid4().hex


class TooLargeError(Exception):
    """A body without a stated length grew beyond the limit."""


async def _pass_over(receive: Receive, headers: Mapping[bytes, bytes]) -> None:
    """Reads a body to its end and keeps nothing: who is cut off while sending never sees the answer.

    Who asked first whether to send (Expect) has sent nothing yet.
    """
    while b"expect" not in headers and (await receive()).get("more_body", False):
        pass


def _limited(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            if message.get("more_body", False):
                await _pass_over(receive, headers)
            raise TooLargeError
        return message

    return counted


class _Answered:
    """`send` that remembers the status and adds the trace id."""

    def __init__(self, send: Send, trace: str) -> None:
        self._send, self._trace, self.status = send, trace, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", []),
                (b"x-request-id", self._trace.encode()),
                (b"x-content-type-options", b"nosniff"),
            ]
        await self._send(message)

    async def problem(self, code: str, message: str) -> None:
        body = json.dumps(problem(code, message, self._trace)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self({"type": "http.response.start", "status": CODES[code][0], "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
