"""The HTTP API: patterns to execute, packs to read, health to watch. `uvicorn service.api:create_app --factory`."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from starlette.exceptions import HTTPException

from optimizer import PackfolioError, PolicyError
from resources.packs.packs import Pack
from resources.settings.limit_words import reason_of
from resources.settings.policy_schema import Strict
from resources.settings.words import in_words
from resources.settings.yaml_files import parse_value
from service.answers import Answer
from service.decisions import DecisionLog
from service.desk import Desk
from service.http.guard import CODES, Guard, TooLargeError, code_of, problem
from service.http.intake import BadJsonError, Busy, Solvers, inlined, parsed_json
from service.optimizer_service import OptimizerService
from service.patterns import PATTERNS, metadata
from service.settings import Settings
from service.views import VIEWS, catalogue, decisions, pack_list, portfolio_list, regime, trace

PackId = Annotated[str, Path(pattern=r"^PP_\d{4}-\d{2}-\d{2}(\.([2-9]|[1-9]\d{0,3}))?$", max_length=20)]
Wanted = Annotated[str | None, Query(max_length=64, description="UUID or name; all when left out")]
ViewName = Literal["trades", "weights", "exposures", "results", "impact", "scenarios", "hedges"]


class ExecuteRequest(Strict):
    """A pattern and its inputs; see the schema of each pattern's inputs."""

    pattern_id: str = Field(max_length=64)
    inputs: dict[str, Any] = Field(default_factory=dict)


class ErrorAnswer(Answer):
    """The one shape of every error; codes are stable."""

    code: str
    message: str
    remedy: str
    trace_id: str


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; settings come from the environment when none are given."""
    told = settings or Settings.of_process()
    logging.getLogger("packfolio.service").setLevel(logging.INFO)
    desk = Desk(told)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        desk.published.close()

    app = FastAPI(
        title="Packfolio", version="1", lifespan=lifespan,
        description="Trades, impact, hedges and stress tests from immutable pricing packs.",
        responses={status: {"model": ErrorAnswer} for status in sorted({status for status, _ in CODES.values()})},
    )  # fmt: skip
    app.state.service = OptimizerService(desk)
    app.state.solvers = Solvers(told)
    app.state.decisions = DecisionLog(told.decisions)
    app.add_middleware(Guard, settings=told)
    _routes(app)
    _errors(app)
    return app


def serve() -> FastAPI:
    """The application of a server process, which writes one line a request to its standard error."""
    lines = logging.getLogger("packfolio.service")
    lines.addHandler(logging.StreamHandler())
    return create_app()


def _routes(app: FastAPI) -> None:
    app.post(
        "/v1/execute", summary="Run a pattern", response_model=dict[str, Any], openapi_extra=_execute_schema()
    )(execute)
    app.get("/v1/packs", summary="The packs, the newest first")(packs)
    app.get("/v1/catalogue", summary="Scenarios, regimes, policy templates, methods")(read_catalogue)
    app.get("/v1/packs/{pack_id}/portfolios", summary="The portfolios of a pack")(portfolios)
    app.get("/v1/packs/{pack_id}/regime", summary="The detected regime, a score")(regime_of_pack)
    app.get("/v1/packs/{pack_id}/decisions", summary="What was proposed, as ingested")(decisions_of_pack)
    app.get("/v1/packs/{pack_id}/trace", summary="From a row back to prices and files")(trace_of_pack)
    app.get("/v1/packs/{pack_id}/{view}", summary="What the pipeline materialized for a pack")(view_of_pack)
    app.get("/health", summary="Whether the process lives")(health)
    app.get("/ready", summary="Whether the warehouse can be read, and how old its newest pack is")(ready)


def _execute_schema() -> dict[str, Any]:
    """The request body with every pattern's inputs; the endpoint reads the bytes itself."""
    shapes = [
        {
            "type": "object",
            "title": name,
            "required": ["pattern_id", "inputs"],
            "additionalProperties": False,
            "properties": {
                "pattern_id": {"const": name},
                "inputs": inlined(pattern.inputs.model_json_schema()),
            },
        }
        for name, pattern in PATTERNS.items()
    ]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": shapes}}}}}


async def execute(request: Request) -> Response:
    """Runs a pattern: `result`, `metadata`, `warnings`, `trace_id`; the keys of `result` stand at the top too.

    Without `pricing_pack_id` the newest fresh pack is used, and named in the answer.
    """
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise BadJsonError(
            "its Content-Type is not application/json"
        )  # a web page of others can send no other
    asked = parse_value(parsed_json(await request.body()), ExecuteRequest, "request")
    if asked.pattern_id not in PATTERNS:
        raise PolicyError(f"there is no pattern {asked.pattern_id!r}; there are {', '.join(PATTERNS)}")
    pattern = PATTERNS[asked.pattern_id]
    inputs = parse_value(asked.inputs, pattern.inputs, "inputs")
    service: OptimizerService = request.app.state.service

    def work() -> tuple[Pack, dict[str, Any]]:
        with service.desk.read() as reading:
            named = inputs.pricing_pack_id
            pack = reading.newest() if named is None else reading.pack(named)
        return pack, pattern.run(service, inputs, pack.id)

    pack, result = await request.app.state.solvers.run(work)
    state = request.scope["state"]
    if asked.pattern_id == "policy_rebalance":
        decisions: DecisionLog = request.app.state.decisions
        await asyncio.to_thread(
            decisions.record, state["caller"], state["trace_id"], datetime.now(UTC), result
        )
    return _json_response(_envelope(result, pack, state["trace_id"]))


def _envelope(result: dict[str, Any], pack: Pack, trace_id: str) -> dict[str, Any]:
    warnings = [*result.get("warnings", []), *result.get("impact", {}).get("warnings", [])]
    return {
        **result,
        "result": result,
        "metadata": metadata(pack.id, pack.as_of.isoformat()),
        "warnings": list(dict.fromkeys(warnings)),
        "trace_id": trace_id,
    }


def _json_response(value: Any, status: int = 200) -> Response:
    body = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    return Response(body, status, media_type="application/json")


def packs(request: Request) -> Response:
    """Every pack with its verdict."""
    return _read(request, ("packs",), pack_list)


def read_catalogue(request: Request) -> Response:
    """What may be asked for by name."""
    return _json_response(catalogue(request.app.state.service.desk))


def portfolios(request: Request, pack_id: PackId) -> Response:
    """Names, currencies and policies of a pack's portfolios."""
    return _read(request, ("portfolios", pack_id), lambda reading: portfolio_list(reading, pack_id))


async def view_of_pack(
    request: Request,
    pack_id: PackId,
    view: ViewName,
    portfolio: Wanted = None,
) -> Response:
    """Trades, weights, exposures or results as the pipeline wrote them."""
    return _read(
        request, (view, pack_id, portfolio), lambda reading: VIEWS[view](reading, pack_id, portfolio)
    )


def regime_of_pack(request: Request, pack_id: PackId) -> Response:
    """Scores of the regimes (no probabilities) and the indicators behind them; or why there is none."""
    return _read(request, ("regime", pack_id), lambda reading: regime(reading, pack_id))


def decisions_of_pack(request: Request, pack_id: PackId) -> Response:
    """Who was proposed what under a pack; a proposal is here after the next run."""
    return _read(request, ("decisions", pack_id), lambda reading: decisions(reading, pack_id))


def trace_of_pack(
    request: Request,
    pack_id: PackId,
    table: Annotated[str, Query(max_length=64, description="A table of the pack")] = "trades",
    symbol: Annotated[str | None, Query(max_length=32, description="All when left out")] = None,
    portfolio: Wanted = None,
) -> Response:
    """The lineage of a row: stages, pack, price rows, ingests, files; with hashes, code and configuration."""
    key = ("trace", pack_id, table, symbol, portfolio)
    return _read(request, key, lambda reading: trace(reading, pack_id, table, symbol, portfolio))


def _read(request: Request, key: tuple[Any, ...], compute: Callable[[Any], Any]) -> Response:
    """A view as JSON bytes, computed once for each published copy."""
    service: OptimizerService = request.app.state.service
    with service.desk.read() as reading:
        body = reading.memory.keep(
            ("body", *key),
            lambda: json.dumps(compute(reading), allow_nan=False, separators=(",", ":")).encode(),
        )
    return Response(body, media_type="application/json")


async def health() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


def ready(request: Request) -> dict[str, Any]:
    """The warehouse can be read; its newest fresh pack and that pack's age in days."""
    service: OptimizerService = request.app.state.service
    with service.desk.read() as reading:
        newest = reading.newest()
    age = (datetime.now(UTC).date() - newest.as_of).days
    return {"status": "ready", "newest_pack": newest.id, "as_of": newest.as_of.isoformat(), "age_days": age}


def _errors(app: FastAPI) -> None:
    def answer(request: Request, code: str, message: str) -> JSONResponse:
        shape = problem(code, message, request.scope["state"]["trace_id"])
        headers = {"Retry-After": "1"} if CODES[code][0] in (429, 503) else None
        return JSONResponse(shape, CODES[code][0], headers)

    @app.exception_handler(PackfolioError)
    async def known(request: Request, error: PackfolioError) -> JSONResponse:
        return answer(request, code_of(error), reason_of(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        said = "; ".join(f"{'.'.join(map(str, item['loc']))}: {in_words(item)}" for item in error.errors())
        return answer(request, "request_invalid", said)

    @app.exception_handler(BadJsonError)
    async def no_json(request: Request, error: BadJsonError) -> JSONResponse:
        return answer(request, "json_invalid", f"the body is not a JSON object we take: {error}")

    @app.exception_handler(TooLargeError)
    async def too_large(request: Request, error: TooLargeError) -> JSONResponse:
        return answer(request, "too_large", "the body is larger than what is taken")

    @app.exception_handler(Busy)
    async def busy(request: Request, error: Busy) -> JSONResponse:
        return answer(request, "busy", "too many requests wait for a solver")

    @app.exception_handler(TimeoutError)
    async def late(request: Request, error: TimeoutError) -> JSONResponse:
        return answer(request, "timeout", "the answer took too long")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "not_found", 405: "method_not_allowed"}
        return answer(request, codes.get(error.status_code, "request_invalid"), str(error.detail))
