"""What the API reads of a pack: one function for each address, answered once for each published copy."""

import json
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response

from resources.results.account_list import Wanted as AccountsWanted
from service.optimizer_service import OptimizerService
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


def _page(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=2000, description="How many, at most")] = 1000,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="How many are passed over")] = 0,
) -> Asked:
    return Asked(request.scope["state"]["who"], limit, offset)


Page = Annotated[Asked, Depends(_page)]


def packs(request: Request, asked: Page) -> Response:
    """Every pack with its verdict."""
    return _read(request, ("packs",), asked, lambda reading: pack_list(reading, asked))


def read_catalogue(request: Request) -> Response:
    """What may be asked for by name."""
    return json_response(catalogue(request.app.state.service.desk))


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
        return _as_json(value), there

    part = (asked.caller.portfolios, asked.limit, asked.offset)
    with service.desk.read() as reading:
        body, there = reading.memory.keep(("body", *key, *part), made)
    headers, end = {"X-Total-Count": str(there)}, asked.offset + asked.limit
    if end < there:
        following = request.url.include_query_params(offset=end, limit=asked.limit)
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return Response(body, media_type="application/json", headers=headers)


def json_response(value: Any) -> Response:
    """A value as JSON; ValueError where a figure of it is infinite."""
    return Response(_as_json(value), media_type="application/json")


def _as_json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
