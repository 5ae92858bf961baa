"""Every error as one shape with a stable code: what the endpoints raise becomes an answer here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import duckdb
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from optimizer import PackfolioError
from resources.settings.policies.limit_words import reason_of
from resources.settings.words import in_words
from service.answers.answer import Answer
from service.http.callers import Caller
from service.http.guard import CODES, NOBODY, TooLargeError, code_of, log, problem
from service.http.intake import BadJsonError, Busy, MediaTypeError


class ErrorAnswer(Answer):
    """The one shape of every error; codes are stable."""

    code: str
    message: str
    remedy: str
    trace_id: str


def answer_errors(app: FastAPI) -> None:
    """Registers an answer for each kind of error."""

    def answering(said: Said) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
        async def answer(request: Request, error: Exception) -> JSONResponse:
            code, message = said(error)
            state = request.scope["state"]
            trace_id = state["trace_id"]
            if code == "machine_refused":
                log.exception("refused trace_id=%s", trace_id, exc_info=error)
            elif _kept_back(error, code, state["who"]):
                log.warning("%s trace_id=%s", message, trace_id)
                message = "the log of the service says why, under the trace_id"
            headers = {"Retry-After": "1"} if CODES[code][0] in (429, 503) else {}
            if isinstance(error, HTTPException) and error.headers:
                headers |= error.headers
            if code == "method_not_allowed":
                headers["Allow"] = ", ".join(sorted(_methods(request)))
            return JSONResponse(problem(code, message, trace_id), CODES[code][0], headers)

        return answer

    for kind, said in SAID.items():
        app.add_exception_handler(kind, answering(said))


def _kept_back(error: Exception, code: str, who: Caller) -> bool:
    """Whether an error may name folders, or portfolios of others, to one who is not told of them."""
    if who is NOBODY:
        return isinstance(error, PackfolioError)
    return who.portfolios is not None and code in ("configuration_invalid", "record_damaged")


def _methods(request: Request) -> set[str]:
    """What may be asked of a path; the framework's own answer names the methods of its first route alone."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in routes for method in getattr(route, "methods", None) or ()}


def _invalid(error: RequestValidationError) -> tuple[str, str]:
    told = (f"{'.'.join(map(str, item['loc']))}: {in_words(item)}" for item in error.errors())
    return "request_invalid", "; ".join(told)


def _http(error: HTTPException) -> tuple[str, str]:
    codes = {404: "not_found", 405: "method_not_allowed"}
    return codes.get(error.status_code, "request_invalid"), str(error.detail)


def _refused(error: Exception) -> tuple[str, str]:
    return "machine_refused", "a file, a disk or the memory of the desk's machine refused"


Said = Callable[[Any], tuple[str, str]]
SAID: Mapping[type[Exception], Said] = {  # kind of error -> its code and message
    PackfolioError: lambda error: (code_of(error), reason_of(error)),
    RequestValidationError: _invalid,
    BadJsonError: lambda error: ("json_invalid", f"the body is not a JSON object we take: {error}"),
    MediaTypeError: lambda error: ("media_type", str(error)),
    TooLargeError: lambda _: ("too_large", "the body is larger than what is taken"),
    Busy: lambda _: ("busy", "too many requests wait for a solver"),
    TimeoutError: lambda _: ("timeout", "the answer took too long"),
    OSError: _refused,
    duckdb.IOException: _refused,
    duckdb.OutOfMemoryException: _refused,
    HTTPException: _http,
}
