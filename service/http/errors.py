"""Every error as one shape with a stable code: what the endpoints raise becomes an answer here."""

import duckdb
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from optimizer import PackfolioError
from resources.settings.policies.limit_words import reason_of
from resources.settings.words import in_words
from service.answers import Answer
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

    def answer(request: Request, code: str, message: str) -> JSONResponse:
        shape = problem(code, message, request.scope["state"]["trace_id"])
        headers = {"Retry-After": "1"} if CODES[code][0] in (429, 503) else None
        return JSONResponse(shape, CODES[code][0], headers)

    @app.exception_handler(PackfolioError)
    async def known(request: Request, error: PackfolioError) -> JSONResponse:
        said, state = reason_of(error), request.scope["state"]
        if state["who"] is NOBODY:  # it may name folders
            log.warning("%s trace_id=%s", said, state["trace_id"])
            said = "the log of the service says why, under the trace_id"
        return answer(request, code_of(error), said)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        said = "; ".join(f"{'.'.join(map(str, item['loc']))}: {in_words(item)}" for item in error.errors())
        return answer(request, "request_invalid", said)

    @app.exception_handler(BadJsonError)
    async def no_json(request: Request, error: BadJsonError) -> JSONResponse:
        return answer(request, "json_invalid", f"the body is not a JSON object we take: {error}")

    @app.exception_handler(MediaTypeError)
    async def no_json_type(request: Request, error: MediaTypeError) -> JSONResponse:
        return answer(request, "media_type", str(error))

    @app.exception_handler(TooLargeError)
    async def too_large(request: Request, error: TooLargeError) -> JSONResponse:
        return answer(request, "too_large", "the body is larger than what is taken")

    @app.exception_handler(Busy)
    async def busy(request: Request, error: Busy) -> JSONResponse:
        return answer(request, "busy", "too many requests wait for a solver")

    @app.exception_handler(TimeoutError)
    async def late(request: Request, error: TimeoutError) -> JSONResponse:
        return answer(request, "timeout", "the answer took too long")

    @app.exception_handler(OSError)
    @app.exception_handler(duckdb.IOException)
    @app.exception_handler(duckdb.OutOfMemoryException)
    async def refused(request: Request, error: Exception) -> JSONResponse:
        log.exception("refused trace_id=%s", request.scope["state"]["trace_id"], exc_info=error)
        return answer(
            request, "machine_refused", "a file, a disk or the memory of the desk's machine refused"
        )

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "not_found", 405: "method_not_allowed"}
        return answer(request, codes.get(error.status_code, "request_invalid"), str(error.detail))
