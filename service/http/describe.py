"""The reference page of the API, written from its models: `python -m service.http.describe > docs/reference/api.md`."""

import sys
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from resources.settings.playbook_schemas.scenario_schema import Shocks
from resources.settings.policies.policy_schema import PolicyFile
from service.answers import proposals, risk
from service.answers.answer import Answer
from service.api import ExecuteRequest
from service.http.guard import CODES
from service.patterns import PATTERNS, TradeInput, metadata

HEAD = """\
# The HTTP API

Written by `python -m service.http.describe` from the models that the service checks requests and answers with.
Start it with `packfolio api`; it listens on the loopback address, and `/docs` shows it in the browser.

`_pct` is 0-100, `_bps` basis points, other numbers are fractions, rates are per year. Money is in the portfolio's base
currency. What is not known is null. `turnover_pct` and `max_turnover_pct` count buys and sells; the `turnover` of a
stored row (trades, results, accounts) is one-way, half of that, and so is what the `binding` of its `diagnostics` says.

| request | answer |
|---|---|
| `POST /v1/execute` | runs a pattern, below |
| `GET /v1/packs` | every pack with its verdict, the newest first |
| `GET /v1/packs/{id}/portfolios` | portfolios of a pack, with their policies |
| `GET /v1/packs/{id}/accounts` | its accounts, counted by model and outcome; `?search=…&model=…&outcome=no_trade` |
| `GET /v1/packs/{id}/trades`, `/weights`, `/exposures`, `/results` | the daily run's; `?portfolio=` key, UUID or name |
| `GET /v1/packs/{id}/impact`, `/scenarios`, `/hedges` | what trades change; losses and hedges of what is held |
| `GET /v1/packs/{id}/attribution` | risk and return by factor; `?portfolio=…&from=2021-01-04&to=2021-12-31` |
| `GET /v1/packs/{id}/trace` | from a row to prices and files; `?table=trades&symbol=AAPL&portfolio=us-equity` |
| `GET /v1/packs/{id}/regime` | the regime that the published macro series look like: a score, no probability |
| `GET /v1/packs/{id}/decisions` | who was proposed what, when; after the next run |
| `GET /v1/catalogue` | scenarios, regimes, policy templates, methods |
| `GET /health`, `GET /ready` | the process lives; the warehouse can be read, its newest pack and that pack's age |

Where keys are set up (SHA-256 digests in `PACKFOLIO_API_KEYS`, or in the file `PACKFOLIO_API_KEYS_FILE`) every request
but the last two needs one in `X-API-Key`. Without keys only callers on the same machine are served.

```bash
curl -X POST http://127.0.0.1:8000/v1/execute -H 'Content-Type: application/json' -d '{
  "pattern_id": "policy_rebalance",
  "inputs": {"portfolio_id": "us-equity", "constraints": {"max_turnover_pct": 20, "max_single_position_pct": 15}}
}'
```

An answer is `{"result": ..., "metadata": ..., "warnings": [...], "trace_id": ...}`, with the keys of `result` at the
top level too. Without `pricing_pack_id` the newest fresh pack is used; the answer names it.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_patterns(), *_policy(), *_shapes(), *_errors()])


def _patterns() -> Iterator[str]:
    yield "## Patterns\n"
    yield f"{ExecuteRequest.__doc__} Metadata: {', '.join(f'`{key}`' for key in metadata('', ''))}.\n"
    for name, pattern in PATTERNS.items():
        yield f"### {name}\n"
        yield f"{_said(pattern.inputs)} Answers with [{pattern.answer.__name__}](#{pattern.answer.__name__.lower()}).\n"
        yield from _table(pattern.inputs)
    for shape in (TradeInput, Shocks):
        yield f"### {shape.__name__}\n"
        yield f"{_said(shape)}\n"
        yield from _table(shape)


def _policy() -> Iterator[str]:
    yield "## Policy keys\n"
    yield "The keys of `constraints`, of a template, and of a portfolio's `policy`. An absent limit is no limit.\n"
    yield from _table(PolicyFile)


def _shapes() -> Iterator[str]:
    yield "## Answers\n"
    shapes = {**vars(proposals), **vars(risk)}
    for name in sorted(shapes):
        shape = shapes[name]
        if isinstance(shape, type) and issubclass(shape, Answer) and shape is not Answer:
            yield f"### {name}\n"
            yield f"{_said(shape)}\n"
            yield from _table(shape)


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    yield "Every error is `{code, message, remedy, trace_id}`; the message says what is, what must be, what to do.\n"
    yield "| code | status | remedy |\n|---|---|---|"
    for code, (status, remedy) in CODES.items():
        yield f"| `{code}` | {status} | {remedy} |"
    yield ""


def _said(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _table(model: type[BaseModel]) -> Iterator[str]:
    yield "| name | type | default |\n|---|---|---|"
    for name, field in model.model_fields.items():
        default = (
            "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        )
        yield f"| `{name}` | {_type(field.annotation)} | {default} |"
    yield ""


def _default(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "see there"
    return "-" if value in (None, [], {}) else f"`{value}`"


def _type(annotation: Any) -> str:
    return f"`{_written(annotation)}`"


def _written(annotation: Any) -> str:
    """A type as a reader writes it: what only checks a value is left out."""
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _written(inner[0])
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(map(_written, inner))
    if get_origin(annotation) is Literal:
        return f"Literal[{', '.join(map(repr, inner))}]"
    if inner:
        return f"{get_origin(annotation).__name__}[{', '.join(map(_written, inner))}]"
    name = "None" if annotation is NoneType else "..." if annotation is ... else annotation.__name__
    return str(name).replace("Decimal", "number")


if __name__ == "__main__":
    sys.stdout.write(page())
