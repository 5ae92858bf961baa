"""The HTTP API: patterns to execute, packs to read, health to watch. `uvicorn service.api:create_app --factory`."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from optimizer import PolicyError
from resources.packs.packs import Pack
from resources.settings.policies.values import Strict
from resources.settings.yaml_files import parse_value
from service.decisions import DecisionLog
from service.desk import Desk
from service.http import docs_page, readings
from service.http.callers import Caller
from service.http.errors import ErrorAnswer, answer_errors
from service.http.guard import CODES, Guard
from service.http.intake import Solvers, inlined, parsed_json, require_json
from service.http.readings import ViewName as ViewName
from service.http.readings import json_response
from service.optimizer_service import OptimizerService
from service.patterns import PATTERNS, metadata
from service.settings import Settings

BEYOND = "no finite answer follows from these numbers: ask with smaller ones"


class ExecuteRequest(Strict):
    """A pattern and its inputs; see the schema of each pattern's inputs."""

    pattern_id: str = Field(max_length=64)
    inputs: dict[str, Any] = Field(default_factory=dict)


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
        title="Packfolio", version="1", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False,
        description="Trades, impact, hedges and stress tests from immutable pricing packs.",
        responses={status: {"model": ErrorAnswer} for status in sorted({status for status, _ in CODES.values()})},
    )  # fmt: skip
    app.state.service = OptimizerService(desk)
    app.state.solvers = Solvers(told)
    app.state.decisions = DecisionLog(told.decisions)
    app.add_middleware(Guard, settings=told)
    _routes(app)
    answer_errors(app)
    return app


def serve() -> FastAPI:
    """The application of a server process, which writes one line a request to its standard error."""
    lines = logging.getLogger("packfolio.service")
    lines.addHandler(logging.StreamHandler())
    os.umask(0o077)  # what it writes is the desk's alone
    return create_app()


def _routes(app: FastAPI) -> None:
    app.post(
        "/v1/execute", summary="Run a pattern", response_model=dict[str, Any], openapi_extra=_execute_schema()
    )(execute)
    app.get("/v1/packs", summary="The packs, the newest first")(readings.packs)
    app.get("/v1/catalogue", summary="Scenarios, regimes, policy templates, methods")(readings.read_catalogue)
    app.get("/v1/packs/{pack_id}/portfolios", summary="The portfolios of a pack")(readings.portfolios)
    app.get("/v1/packs/{pack_id}/accounts", summary="The accounts of a pack, searched and counted")(
        readings.accounts
    )
    app.get("/v1/packs/{pack_id}/performance", summary="Backtest, rolling figures and values of a portfolio")(
        readings.performance_of_portfolio
    )
    app.get("/v1/packs/{pack_id}/attribution", summary="Risk and return of a portfolio by factor")(
        readings.attribution_of_portfolio
    )
    app.get("/v1/packs/{pack_id}/regime", summary="The detected regime, a score")(readings.regime_of_pack)
    app.get("/v1/packs/{pack_id}/decisions", summary="What was proposed, as ingested")(
        readings.decisions_of_pack
    )
    app.get("/v1/packs/{pack_id}/trace", summary="From a row back to prices and files")(
        readings.trace_of_pack
    )
    app.get("/v1/packs/{pack_id}/{view}", summary="What the pipeline materialized for a pack")(
        readings.view_of_pack
    )
    app.get("/docs", include_in_schema=False)(docs)
    app.get("/health", summary="Whether the process lives")(health)
    app.get("/ready", summary="Whether the warehouse can be read, and how old its newest pack is")(ready)
    for path, probe in (("/health", health), ("/ready", ready)):  # monitors ask by HEAD
        app.head(path, include_in_schema=False)(probe)


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
    require_json(request.headers.get("content-type", ""))
    caller: Caller = request.scope["state"]["who"]
    caller.require("propose")
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
            key = caller.chosen(reading.named(pack), inputs.portfolio_id)
            own = inputs.model_copy(update={"portfolio_id": key})
        try:
            return pack, pattern.run(service, own, pack.id)
        except ArithmeticError as error:
            raise PolicyError(f"{BEYOND} ({type(error).__name__})") from error

    pack, result = await request.app.state.solvers.run(work)
    state, saved = request.scope["state"], {}
    if asked.pattern_id == "policy_rebalance":
        decisions: DecisionLog = request.app.state.decisions
        saved = await asyncio.to_thread(
            decisions.record, state["caller"], state["trace_id"], datetime.now(UTC), result
        )
    try:
        return json_response(_envelope(result, pack, state["trace_id"], saved))
    except ValueError:  # of json.dumps: a figure is infinite
        raise PolicyError(BEYOND) from None


def _envelope(result: dict[str, Any], pack: Pack, trace_id: str, saved: dict[str, Any]) -> dict[str, Any]:
    warnings = [*result.get("warnings", []), *result.get("impact", {}).get("warnings", [])]
    return {
        **result,
        "result": result,
        "metadata": metadata(pack.id, pack.as_of.isoformat()) | saved,
        "warnings": list(dict.fromkeys(warnings)),
        "trace_id": trace_id,
    }


def docs(request: Request) -> HTMLResponse:
    """What can be asked, as a page that loads nothing from elsewhere."""
    page = docs_page.docs_page(request.app.openapi())
    return HTMLResponse(page, headers={"Content-Security-Policy": docs_page.POLICY})


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
