"""The HTTP API: patterns to execute, packs to read, health to watch. `uvicorn service.api:create_app --factory`."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from optimizer import PolicyError
from resources.packs.packs import Pack
from resources.results.account_list import Wanted as AccountsWanted
from resources.settings.policies.values import Strict
from resources.settings.yaml_files import parse_value
from service.decisions import DecisionLog
from service.desk import Desk
from service.http import docs_page
from service.http.callers import Caller
from service.http.errors import ErrorAnswer, answer_errors
from service.http.guard import CODES, Guard
from service.http.intake import Solvers, inlined, parsed_json, require_json
from service.optimizer_service import OptimizerService
from service.patterns import PATTERNS, metadata
from service.settings import Settings
from service.views import (
    VIEWS,
    Asked,
    Seen,
    account_list,
    attribution,
    catalogue,
    decisions,
    pack_list,
    performance,
    portfolio_list,
    regime,
    trace,
)

PackId = Annotated[str, Path(pattern=r"^PP_\d{4}-\d{2}-\d{2}(\.([2-9]|[1-9]\d{0,3}))?$", max_length=20)]
Wanted = Annotated[str | None, Query(max_length=64, description="UUID or name; all when left out")]
Searched = Annotated[str, Query(max_length=64, description="A part of the name or UUID; all when left out")]
Window = Annotated[int, Query(ge=5, le=2520, description="Sessions of the rolling figures")]
One = Annotated[str, Query(max_length=64, description="UUID or name")]
From = Annotated[date | None, Query(alias="from", description="First day; the backtest's when left out")]
To = Annotated[date | None, Query(alias="to", description="Last day; the backtest's when left out")]
BEYOND = "no finite answer follows from these numbers: ask with smaller ones"
ViewName = Literal[
    "trades",
    "weights",
    "exposures",
    "results",
    "impact",
    "scenarios",
    "hedges",
    "tail_risk",
    "trade_schedule",
]


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


def _page(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=2000, description="How many, at most")] = 1000,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="How many are passed over")] = 0,
) -> Asked:
    return Asked(request.scope["state"]["who"], limit, offset)


Page = Annotated[Asked, Depends(_page)]


def _routes(app: FastAPI) -> None:
    app.post(
        "/v1/execute", summary="Run a pattern", response_model=dict[str, Any], openapi_extra=_execute_schema()
    )(execute)
    app.get("/v1/packs", summary="The packs, the newest first")(packs)
    app.get("/v1/catalogue", summary="Scenarios, regimes, policy templates, methods")(read_catalogue)
    app.get("/v1/packs/{pack_id}/portfolios", summary="The portfolios of a pack")(portfolios)
    app.get("/v1/packs/{pack_id}/accounts", summary="The accounts of a pack, searched and counted")(accounts)
    app.get("/v1/packs/{pack_id}/performance", summary="Backtest, rolling figures and values of a portfolio")(
        performance_of_portfolio
    )
    app.get("/v1/packs/{pack_id}/attribution", summary="Risk and return of a portfolio by factor")(
        attribution_of_portfolio
    )
    app.get("/v1/packs/{pack_id}/regime", summary="The detected regime, a score")(regime_of_pack)
    app.get("/v1/packs/{pack_id}/decisions", summary="What was proposed, as ingested")(decisions_of_pack)
    app.get("/v1/packs/{pack_id}/trace", summary="From a row back to prices and files")(trace_of_pack)
    app.get("/v1/packs/{pack_id}/{view}", summary="What the pipeline materialized for a pack")(view_of_pack)
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
        return _json_response(_envelope(result, pack, state["trace_id"], saved))
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


def _json_response(value: Any) -> Response:
    body = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    return Response(body, media_type="application/json")


def packs(request: Request, asked: Page) -> Response:
    """Every pack with its verdict."""
    return _read(request, ("packs",), asked, lambda reading: pack_list(reading, asked))


def read_catalogue(request: Request) -> Response:
    """What may be asked for by name."""
    return _json_response(catalogue(request.app.state.service.desk))


def portfolios(request: Request, pack_id: PackId, asked: Page, search: Searched = "") -> Response:
    """Names, currencies and policies of a pack's portfolios."""
    key = ("portfolios", pack_id, search)
    return _read(request, key, asked, lambda reading: portfolio_list(reading, pack_id, search, asked))


def performance_of_portfolio(
    request: Request, pack_id: PackId, portfolio: One, window: Window = 126
) -> Response:
    """The newest backtest up to the pack with rolling figures, and the book's values at the packs so far."""
    whole = Asked(request.scope["state"]["who"])
    key = ("performance", pack_id, portfolio, window)
    return _read(request, key, whole, lambda reading: performance(reading, pack_id, portfolio, window, whole))


def attribution_of_portfolio(
    request: Request, pack_id: PackId, portfolio: One, start: From = None, end: To = None
) -> Response:
    """Risk by factor and name before and after the trades, what each trade did, and the backtest's return by factor."""
    whole = Asked(request.scope["state"]["who"])
    key = ("attribution", pack_id, portfolio, start, end)
    return _read(
        request, key, whole, lambda reading: attribution(reading, pack_id, portfolio, start, end, whole)
    )


def accounts(
    request: Request,
    pack_id: PackId,
    asked: Page,
    search: Annotated[str | None, Query(max_length=64, description="Part of a key or name")] = None,
    model: Annotated[str | None, Query(max_length=64, description="Of one model")] = None,
    outcome: Annotated[
        str | None, Query(max_length=16, description="Such as trades, no_trade, problem")
    ] = None,
) -> Response:
    """The accounts of a pack, and how many there are of each model and outcome."""
    key = ("accounts", pack_id, search, model, outcome)
    wanted = AccountsWanted(search, model, outcome, None, asked.limit, asked.offset)
    return _read(request, key, asked, lambda reading: account_list(reading, pack_id, wanted, asked))


def view_of_pack(
    request: Request, pack_id: PackId, view: ViewName, asked: Page, portfolio: Wanted = None
) -> Response:
    """Trades, weights, exposures or results as the pipeline wrote them."""
    key = (view, pack_id, portfolio)
    return _read(request, key, asked, lambda reading: VIEWS[view](reading, pack_id, portfolio, asked))


def regime_of_pack(request: Request, pack_id: PackId) -> Response:
    """Scores of the regimes (no probabilities) and the indicators behind them; or why there is none."""
    whole = Asked(request.scope["state"]["who"])
    return _read(request, ("regime", pack_id), whole, lambda reading: regime(reading, pack_id))


def decisions_of_pack(request: Request, pack_id: PackId, asked: Page) -> Response:
    """Who was proposed what under a pack, for keys of the scope admin; a proposal is here after the next run."""
    asked.caller.require("admin")
    key = ("decisions", pack_id)
    return _read(request, key, asked, lambda reading: decisions(reading, pack_id, asked))


def trace_of_pack(
    request: Request,
    pack_id: PackId,
    asked: Page,
    table: Annotated[str, Query(max_length=64, description="A table of the pack")] = "trades",
    symbol: Annotated[str | None, Query(max_length=32, description="All when left out")] = None,
    portfolio: Wanted = None,
    factor: Annotated[str | None, Query(max_length=64, description="Of tables by factor")] = None,
) -> Response:
    """The lineage of a row: stages, pack, price rows, ingests, files; with hashes, code and configuration."""
    if table == "decisions":
        # As for their list; here, for what is remembered is the same for all scopes.
        asked.caller.require("admin")
    key = ("trace", pack_id, table, symbol, portfolio, factor)
    return _read(
        request, key, asked, lambda reading: trace(reading, pack_id, table, symbol, portfolio, factor, asked)
    )


def _read(request: Request, key: tuple[Any, ...], asked: Asked, compute: Callable[[Any], Seen]) -> Response:
    """A view as JSON bytes, computed once for each published copy; headers say how many there are, and what is next."""
    service: OptimizerService = request.app.state.service

    def made() -> tuple[bytes, int]:
        value, there = compute(reading)
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode(), there

    part = (asked.caller.portfolios, asked.limit, asked.offset)
    with service.desk.read() as reading:
        body, there = reading.memory.keep(("body", *key, *part), made)
    headers, end = {"X-Total-Count": str(there)}, asked.offset + asked.limit
    if end < there:
        following = request.url.include_query_params(offset=end, limit=asked.limit)
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return Response(body, media_type="application/json", headers=headers)


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
