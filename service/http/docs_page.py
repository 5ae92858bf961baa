"""The page under /docs: the OpenAPI document as plain HTML, which loads nothing and runs nothing."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}}
code,pre{{font-family:ui-monospace,monospace;font-size:.9em}} pre{{background:#f4f4f4;padding:1rem;overflow:auto}}
summary{{cursor:pointer;padding:.3rem 0}} table{{border-collapse:collapse}} td,th{{padding:.2rem .8rem;text-align:left}}
@media(prefers-color-scheme:dark){{body{{color:#ddd;background:#111}}pre{{background:#222}}a{{color:#8cf}}}}
</style><h1>{title}</h1><p>{said}</p><p>The whole document: <a href="/openapi.json">/openapi.json</a>.</p>"""


def docs_page(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document."""
    info = document["info"]
    head = HEAD.format(title=escape(info["title"]), said=escape(info.get("description", "")))
    paths = [
        part
        for path, methods in document["paths"].items()
        for method, told in methods.items()
        for part in _operation(method, path, told)
    ]
    schemas = [
        f"<details><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>"
        for name, schema in sorted(document.get("components", {}).get("schemas", {}).items())
    ]
    return "\n".join([head, "<h2>Requests</h2>", *paths, "<h2>Shapes</h2>", *schemas, "</html>\n"])


def _operation(method: str, path: str, told: Mapping[str, Any]) -> Iterator[str]:
    yield f"<details><summary><code>{escape(method.upper())} {escape(path)}</code> {escape(told.get('summary', ''))}"
    yield f"</summary><p>{escape(told.get('description', ''))}</p>"
    rows = [
        f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}<td>{escape(one.get('description', ''))}"
        for one in told.get("parameters", ())
    ]
    if rows:
        yield f"<table><tr><th>parameter<th>in<th>{''.join(rows)}</table>"
    for kind, body in told.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body, <code>{escape(kind)}</code>:</p>{_json(body.get('schema', {}))}"
    yield f"<p>Answers: {escape(', '.join(told.get('responses', {})))}</p></details>"


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=1))}</pre>"
